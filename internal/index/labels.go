package index

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/qdrant/go-client/qdrant"

	"github.com/ragloop/ragloop/internal/meta"
	"github.com/ragloop/ragloop/internal/text"
)

// labels is what is stored about a document for filters alone: nothing that was
// indexed depends on it, so it can change while chunks and vectors stay.
type labels struct {
	tags, acl []string
	meta      meta.Fields
	modified  time.Time
	mediaType string
}

func (r Record) labels() labels { return labels{r.Tags, r.ACL, r.Meta, r.Modified, r.MediaType} }
func (c Chunk) labels() labels  { return labels{c.Tags, c.ACL, c.Meta, c.Modified, c.MediaType} }

// label copies the labels of a chunk's record.
func (c *Chunk) label(r Record) {
	c.Tags, c.ACL, c.Meta, c.Modified, c.MediaType = r.Tags, r.ACL, r.Meta, r.Modified, r.MediaType
}

// check returns nil where l can be stored and named by a filter. What keys a
// source may use is checked by whoever takes them in; this is what Qdrant can hold.
func (l labels) check() error {
	if err := checkText("tag", l.tags...); err != nil {
		return err
	}
	if err := checkText("ACL entry", l.acl...); err != nil {
		return err
	}
	if y := l.modified.UTC().Year(); y < 1 || y > 9999 {
		return fmt.Errorf("%w: modified in the year %d, allowed are 1 to 9999", ErrInvalid, y)
	}
	for _, k := range l.meta.Keys() {
		if k == "" || strings.ContainsRune(k, '"') {
			return fmt.Errorf("%w: metadata key %q, allowed is any text without quotation marks", ErrInvalid, k)
		}
		if err := checkText("metadata key", k); err != nil {
			return err
		}
		if err := meta.CheckValue(l.meta[k]); err != nil {
			return fmt.Errorf("%w: metadata %q: %w", ErrInvalid, k, err)
		}
	}
	return nil
}

func (p payload) labels(l labels) {
	p.strs(keyTags, l.tags)
	p.fields(keyMeta, l.meta)
	p.strs(keyACL, l.acl)
	p.time(keyModified, l.modified)
	p.str(keyMediaType, l.mediaType)
}

// relabel writes the labels of records to their chunks, those of equal labels
// together. A null removes its key.
func (g *Generation) relabel(ctx context.Context, records []Record) error {
	docs := map[string][]text.DocID{} // by checksum of the labels
	values := map[string]payload{}
	for _, r := range records {
		p := payload{}
		for _, key := range append([]string{keyMediaType}, labelKeys...) {
			p[key] = qdrant.NewValueNull()
		}
		p.labels(r.labels())
		sum := p.sum()
		docs[sum] = append(docs[sum], r.Doc)
		values[sum] = p
	}
	for _, sum := range slices.Sorted(maps.Keys(docs)) {
		which := g.c.scope(ofDocs(docs[sum]...))
		err := g.c.update(ctx, fmt.Sprintf("label the chunks of %d documents", len(docs[sum])), func(ctx context.Context) (*qdrant.UpdateResult, error) {
			return g.c.qc.SetPayload(ctx, &qdrant.SetPayloadPoints{
				CollectionName: g.chunks(), Wait: qdrant.PtrOf(true),
				Payload: values[sum], PointsSelector: qdrant.NewPointsSelectorFilter(which),
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (p payload) fields(key string, m meta.Fields) {
	if len(m) == 0 {
		return
	}
	fields := make(map[string]*qdrant.Value, len(m))
	for k, v := range m {
		fields[k] = value(v)
	}
	p[key] = qdrant.NewValueFromFields(fields)
}

func value(v meta.Value) *qdrant.Value {
	switch v.Kind {
	case meta.String:
		return qdrant.NewValueString(v.String)
	case meta.Integer:
		return qdrant.NewValueInt(v.Integer)
	case meta.Float:
		return qdrant.NewValueDouble(v.Float)
	case meta.Bool:
		return qdrant.NewValueBool(v.Bool)
	case meta.Time:
		return qdrant.NewValueString(formatTime(v.Time))
	case meta.Strings:
		list := make([]*qdrant.Value, len(v.Strings))
		for i, s := range v.Strings {
			list[i] = qdrant.NewValueString(s)
		}
		return qdrant.NewValueFromList(list...)
	}
	return qdrant.NewValueNull() // unreachable: check refuses it
}

// fields reads metadata. What versions before types stored are strings.
func (r *reader) fields(key string) meta.Fields {
	v, ok := r.p[key]
	if !ok {
		return nil
	}
	o, ok := v.GetKind().(*qdrant.Value_StructValue)
	if !ok {
		r.fail(key, "object")
		return nil
	}
	out := make(meta.Fields, len(o.StructValue.GetFields()))
	for k, e := range o.StructValue.GetFields() {
		switch kind := e.GetKind().(type) {
		case *qdrant.Value_StringValue:
			out[k] = meta.OfString(kind.StringValue)
			if t, ok := readTime(kind.StringValue); ok {
				out[k] = meta.OfTime(t)
			}
		case *qdrant.Value_IntegerValue:
			out[k] = meta.OfInteger(kind.IntegerValue)
		case *qdrant.Value_DoubleValue:
			out[k] = meta.OfFloat(kind.DoubleValue)
		case *qdrant.Value_BoolValue:
			out[k] = meta.OfBool(kind.BoolValue)
		case *qdrant.Value_ListValue:
			list := (&reader{p: o.StructValue.GetFields()})
			out[k] = meta.OfStrings(list.strs(k))
			if list.err != nil {
				r.fail(key+"."+k, "list of strings")
			}
		default:
			r.fail(key+"."+k, "value of metadata")
		}
	}
	return out
}

// formatTime returns t as it is stored.
func formatTime(t time.Time) string {
	return t.UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano)
}

// readTime reads what formatTime writes, and nothing else.
func readTime(s string) (time.Time, bool) {
	t, err := time.Parse(time.RFC3339Nano, s)
	return t.UTC(), err == nil && formatTime(t) == s
}
