package index

import (
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	"github.com/qdrant/go-client/qdrant"

	"github.com/ragloop/ragloop/internal/text"
)

// Payload keys; the package comment says what they hold.
const (
	keyTenant    = "tenant"
	keyDoc       = "doc"
	keyRev       = "rev"
	keyOrd       = "ord"
	keyStart     = "start"
	keyEnd       = "end"
	keyText      = "text"
	keyGap       = "gap"
	keyHeading   = "heading"
	keyPageStart = "page_start"
	keyPageEnd   = "page_end"
	keyTokens    = "tokens"
	keyParent    = "parent_first"
	keyParentEnd = "parent_last"
	keyPrefix    = "prefix"
	keySum       = "sum"
	keyTags      = "tags"
	keyMeta      = "meta"
	keyACL       = "acl"
	keyModified  = "modified"

	keyURI        = "uri"
	keyMediaType  = "media_type"
	keyTitle      = "title"
	keyContent    = "content_sha256"
	keyTextSum    = "text_sha256"
	keyInput      = "input_sha256"
	keyChunkCount = "chunk_count"
	keyBytes      = "bytes"
	keyPages      = "pages"
	keyIngestedAt = "ingested_at"
	keyState      = "state"
	keyError      = "error"
	keyReason     = "reason"
	keyFailed     = "failed_sha256"
	keyDamage     = "damage"
	keyUnsituated = "unsituated"
)

// chunkKeys is what is read of a chunk: everything but the tenant.
var chunkKeys = []string{
	keyDoc, keyRev, keyOrd, keyStart, keyEnd, keyText, keyGap, keyHeading,
	keyPageStart, keyPageEnd, keyTokens, keyParent, keyParentEnd, keyTags, keyMeta, keyACL, keyModified, keyMediaType,
}

// payload is a payload being written; empty values are left out.
type payload map[string]*qdrant.Value

func (p payload) str(key, v string) {
	if v != "" {
		p[key] = qdrant.NewValueString(v)
	}
}

func (p payload) num(key string, v int) {
	if v != 0 {
		p[key] = qdrant.NewValueInt(int64(v))
	}
}

func (p payload) strs(key string, vs []string) {
	if len(vs) == 0 {
		return
	}
	list := make([]*qdrant.Value, len(vs))
	for i, v := range vs {
		list[i] = qdrant.NewValueString(v)
	}
	p[key] = qdrant.NewValueFromList(list...)
}

func (p payload) time(key string, t time.Time) {
	if !t.IsZero() {
		p.str(key, formatTime(t))
	}
}

func chunkPayload(tenant string, c Chunk) payload {
	p := payload{
		keyOrd:   qdrant.NewValueInt(int64(c.Ordinal)),
		keyStart: qdrant.NewValueInt(int64(c.Span.Start)),
		keyEnd:   qdrant.NewValueInt(int64(c.Span.End)),
	}
	p.str(keyTenant, tenant)
	p.str(keyDoc, string(c.Doc))
	p.str(keyRev, c.Rev)
	p.str(keyText, c.Text)
	p.str(keyGap, c.Gap)
	p.strs(keyHeading, c.Heading)
	p.num(keyPageStart, c.PageStart)
	p.num(keyPageEnd, c.PageEnd)
	p.num(keyTokens, c.Tokens)
	p.num(keyParent, c.ParentFirst)
	p.num(keyParentEnd, c.ParentLast)
	p.labels(c.labels())
	return p
}

func recordPayload(tenant string, r Record) payload {
	p := payload{}
	p.str(keyTenant, tenant)
	p.str(keyDoc, string(r.Doc))
	p.str(keyRev, r.Rev)
	p.str(keyURI, r.URI)
	p.str(keyTitle, r.Title)
	p.str(keyContent, r.ContentSHA256)
	p.str(keyTextSum, r.TextSHA256)
	p.str(keyInput, r.InputSHA256)
	p.num(keyChunkCount, r.ChunkCount)
	p.num(keyTokens, r.Tokens)
	p.num(keyBytes, r.Bytes)
	p.num(keyPages, r.Pages)
	if !r.IngestedAt.IsZero() {
		p.str(keyIngestedAt, r.IngestedAt.UTC().Format(time.RFC3339Nano))
	}
	p.str(keyState, string(r.State))
	p.str(keyError, r.Error)
	p.str(keyReason, r.Reason)
	p.str(keyFailed, r.FailedSHA256)
	p.str(keyDamage, r.Damage)
	p.num(keyUnsituated, r.Unsituated)
	p.labels(r.labels())
	return p
}

// reader takes a stored payload apart. A missing key is an empty value; a value
// of another kind than it should be is damage, and the first one is kept.
type reader struct {
	p   map[string]*qdrant.Value
	err error
}

func (r *reader) fail(key, want string) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: payload key %s holds no %s", ErrDamaged, key, want)
	}
}

func (r *reader) str(key string) string {
	v, ok := r.p[key]
	if !ok {
		return ""
	}
	s, ok := v.GetKind().(*qdrant.Value_StringValue)
	if !ok {
		r.fail(key, "string")
		return ""
	}
	return s.StringValue
}

func (r *reader) num(key string) int {
	v, ok := r.p[key]
	if !ok {
		return 0
	}
	n, ok := v.GetKind().(*qdrant.Value_IntegerValue)
	if !ok {
		r.fail(key, "integer")
		return 0
	}
	return int(n.IntegerValue)
}

func (r *reader) strs(key string) []string {
	v, ok := r.p[key]
	if !ok {
		return nil
	}
	list, ok := v.GetKind().(*qdrant.Value_ListValue)
	if !ok {
		r.fail(key, "list")
		return nil
	}
	var out []string
	for _, e := range list.ListValue.GetValues() {
		s, ok := e.GetKind().(*qdrant.Value_StringValue)
		if !ok {
			r.fail(key, "list of strings")
			return nil
		}
		out = append(out, s.StringValue)
	}
	return out
}

func (r *reader) time(key string) time.Time {
	s := r.str(key)
	if s == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		r.fail(key, "time")
	}
	return t
}

func decodeChunk(id *qdrant.PointId, p map[string]*qdrant.Value) (Chunk, error) {
	r := &reader{p: p}
	c := Chunk{
		ID:        ChunkID(id.GetUuid()),
		Doc:       text.DocID(r.str(keyDoc)),
		Rev:       r.str(keyRev),
		Ordinal:   r.num(keyOrd),
		Span:      text.RuneSpan{Start: r.num(keyStart), End: r.num(keyEnd)},
		Text:      r.str(keyText),
		Gap:       r.str(keyGap),
		Heading:   r.strs(keyHeading),
		PageStart: r.num(keyPageStart),
		PageEnd:   r.num(keyPageEnd),
		Tokens:    r.num(keyTokens),

		ParentFirst: r.num(keyParent),
		ParentLast:  r.num(keyParentEnd),

		Tags:      r.strs(keyTags),
		Meta:      r.fields(keyMeta),
		ACL:       r.strs(keyACL),
		Modified:  r.time(keyModified),
		MediaType: r.str(keyMediaType),
	}
	if r.err == nil && (c.Doc == "" || c.Rev == "") {
		r.err = fmt.Errorf("%w: payload names no document or revision", ErrDamaged)
	}
	if r.err != nil {
		return Chunk{}, fmt.Errorf("read chunk %s: %w", c.ID, r.err)
	}
	return c, nil
}

func decodeRecord(id *qdrant.PointId, p map[string]*qdrant.Value) (Record, error) {
	r := &reader{p: p}
	rec := Record{
		Doc:           text.DocID(r.str(keyDoc)),
		Rev:           r.str(keyRev),
		URI:           r.str(keyURI),
		MediaType:     r.str(keyMediaType),
		Title:         r.str(keyTitle),
		ContentSHA256: r.str(keyContent),
		TextSHA256:    r.str(keyTextSum),
		InputSHA256:   r.str(keyInput),
		ChunkCount:    r.num(keyChunkCount),
		Tokens:        r.num(keyTokens),
		Bytes:         r.num(keyBytes),
		Pages:         r.num(keyPages),
		IngestedAt:    r.time(keyIngestedAt),
		State:         State(r.str(keyState)),
		Error:         r.str(keyError),
		Reason:        r.str(keyReason),
		FailedSHA256:  r.str(keyFailed),
		Damage:        r.str(keyDamage),
		Unsituated:    r.num(keyUnsituated),
		Tags:          r.strs(keyTags),
		Meta:          r.fields(keyMeta),
		ACL:           r.strs(keyACL),
		Modified:      r.time(keyModified),
	}
	if r.err == nil && (rec.Doc == "" || !rec.State.known()) {
		r.err = fmt.Errorf("%w: payload names document %q and state %q", ErrDamaged, rec.Doc, rec.State)
	}
	if r.err != nil {
		return Record{}, fmt.Errorf("read record %s of %q: %w", id.GetUuid(), rec.Doc, r.err)
	}
	return rec, nil
}

// Validate returns nil where every field of r can be stored; otherwise an error
// that wraps ErrInvalid and names the field and what is allowed.
func (r Record) Validate() error {
	if r.Doc == "" {
		return fmt.Errorf("%w: empty document id", ErrInvalid)
	}
	for _, f := range []struct{ name, value string }{
		{"document id", string(r.Doc)}, {"revision", r.Rev}, {"URI", r.URI}, {"media type", r.MediaType}, {"title", r.Title},
		{"content hash", r.ContentSHA256}, {"input hash", r.InputSHA256}, {"error", r.Error}, {"reason", r.Reason},
		{"failed hash", r.FailedSHA256}, {"text hash", r.TextSHA256}, {"damage", r.Damage},
	} {
		if err := checkText(f.name, f.value); err != nil {
			return err
		}
	}
	return r.labels().check()
}

// checkText refuses what Qdrant's wire format cannot carry.
func checkText(name string, values ...string) error {
	for _, v := range values {
		if !utf8.ValidString(v) {
			return fmt.Errorf("%w: %s %q is not valid UTF-8", ErrInvalid, name, v)
		}
	}
	return nil
}

// checkDense refuses a vector that Qdrant would accept and then answer nonsense with.
func checkDense(v []float32, dimension int) error {
	if len(v) != dimension {
		return fmt.Errorf("%w: dense vector has %d dimensions, the recipe has %d", ErrInvalid, len(v), dimension)
	}
	zero := true
	for i, x := range v {
		if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
			return fmt.Errorf("%w: dense vector holds %v at position %d", ErrInvalid, x, i)
		}
		zero = zero && x == 0
	}
	if zero {
		return fmt.Errorf("%w: dense vector is all zeros, which has no direction", ErrInvalid)
	}
	return nil
}

func checkSparse(indices []uint32, values []float32) error {
	if len(indices) != len(values) {
		return fmt.Errorf("%w: sparse vector has %d indices and %d values", ErrInvalid, len(indices), len(values))
	}
	for i, x := range values {
		if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
			return fmt.Errorf("%w: sparse vector holds %v at index %d", ErrInvalid, x, indices[i])
		}
		if i > 0 && indices[i] <= indices[i-1] {
			return fmt.Errorf("%w: sparse indices must ascend, %d follows %d", ErrInvalid, indices[i], indices[i-1])
		}
	}
	return nil
}
