package index

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/qdrant/go-client/qdrant"

	"github.com/ragloop/ragloop/internal/meta"
)

// Filterable is a key of metadata that has a payload index, so that a filter on
// it reads the index instead of every chunk. A filter on another key finds the
// same; a server whose strict mode forbids that refuses it with [ErrUnindexed].
//
// Integers and floats share an index of floats, as filters compare them; strings
// and lists of strings one of keywords. Values of another kind are in no index.
type Filterable struct {
	Key  string
	Kind meta.Kind
}

// ErrUnindexed: the strict mode of the server forbids filters on what has no
// payload index of the fitting type.
var ErrUnindexed = errors.New("the server refuses a filter on a field without an index for it; " +
	"index.filterable lists the keys of metadata that get one, and the next ingest makes it")

// filterableKinds are the kinds of [Filterable] in the order messages list them,
// with the type of the index that has their values.
var filterableKinds = []struct {
	kind meta.Kind
	of   qdrant.FieldType
}{
	{meta.String, qdrant.FieldType_FieldTypeKeyword},
	{meta.Strings, qdrant.FieldType_FieldTypeKeyword},
	{meta.Integer, qdrant.FieldType_FieldTypeFloat},
	{meta.Float, qdrant.FieldType_FieldTypeFloat},
	{meta.Time, qdrant.FieldType_FieldTypeDatetime},
	{meta.Bool, qdrant.FieldType_FieldTypeBool},
}

// ParseFilterable reads a list of KEY:KIND, such as year:integer. A key may have
// colons itself. The error wraps ErrInvalid, names the entry and says what is
// allowed; a key listed twice and one that no metadata can have are refused.
func ParseFilterable(list []string) ([]Filterable, error) {
	var out []Filterable
	for _, s := range list {
		s = strings.TrimSpace(s)
		at := strings.LastIndexByte(s, ':')
		if at < 0 {
			return nil, fmt.Errorf("%w: %q has no kind, want KEY:KIND such as year:integer", ErrInvalid, s)
		}
		out = append(out, Filterable{Key: s[:at], Kind: meta.Kind(s[at+1:])})
	}
	if err := checkFilterable(out); err != nil {
		return nil, err
	}
	return out, nil
}

func checkFilterable(list []Filterable) error {
	seen := map[string]bool{}
	for _, f := range list {
		if err := meta.CheckKey(f.Key); err != nil {
			return fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		if strings.ContainsRune(f.Key, '\\') {
			return fmt.Errorf("%w: key %q, no index can be named by a backslash", ErrInvalid, f.Key)
		}
		if f.Key == keyModified {
			return fmt.Errorf("%w: %q is no key of metadata, and has an index anyway", ErrInvalid, f.Key)
		}
		if _, ok := f.index(); !ok {
			var kinds []string
			for _, k := range filterableKinds {
				kinds = append(kinds, string(k.kind))
			}
			return fmt.Errorf("%w: key %q has the kind %q, allowed are %s", ErrInvalid, f.Key, string(f.Kind), strings.Join(kinds, ", "))
		}
		if seen[f.Key] {
			return fmt.Errorf("%w: key %q is listed twice", ErrInvalid, f.Key)
		}
		seen[f.Key] = true
	}
	return nil
}

// index returns the index that f asks for; ok is false where there is none of
// its kind.
func (f Filterable) index() (ix payloadIndex, ok bool) {
	for _, k := range filterableKinds {
		if k.kind == f.Kind {
			return payloadIndex{field: metaPath(f.Key), kind: k.of}, true
		}
	}
	return payloadIndex{}, false
}

// payloadIndex is an index of one payload key.
type payloadIndex struct {
	field  string
	kind   qdrant.FieldType
	params *qdrant.PayloadIndexParams
}

// isTenant groups the points of a tenant together on disk.
var isTenant = qdrant.NewPayloadIndexParamsKeyword(&qdrant.KeywordIndexParams{IsTenant: qdrant.PtrOf(true)})

var (
	chunkIndexes = []payloadIndex{
		{keyTenant, qdrant.FieldType_FieldTypeKeyword, isTenant},
		{keyDoc, qdrant.FieldType_FieldTypeKeyword, nil},
		{keyRev, qdrant.FieldType_FieldTypeKeyword, nil},
		{keyTags, qdrant.FieldType_FieldTypeKeyword, nil},
		{keyACL, qdrant.FieldType_FieldTypeKeyword, nil},
		{keyModified, qdrant.FieldType_FieldTypeDatetime, nil},
		{keyMediaType, qdrant.FieldType_FieldTypeKeyword, nil},
	}
	recordIndexes = []payloadIndex{{keyTenant, qdrant.FieldType_FieldTypeKeyword, isTenant}}
)

// chunkIndexes returns all indexes that a chunk collection should have.
func (c *Client) chunkIndexes() []payloadIndex {
	all := slices.Clip(chunkIndexes)
	for _, f := range c.filterable {
		if ix, ok := f.index(); ok { // always: Dial has checked it
			all = append(all, ix)
		}
	}
	return all
}

// missing says what schema lacks of w: "" where it has the index, and other is
// true where it has one of another type in its place.
func (w payloadIndex) missing(schema map[string]*qdrant.PayloadSchemaInfo) (problem string, other bool) {
	info := cmp.Or(schema[w.field], schema[w.unquoted()])
	want := schemaTypes[w.kind]
	switch {
	case info == nil:
		return "no index of " + w.field, false
	case info.GetDataType() != want:
		return fmt.Sprintf("an index of %s for type %s, should be %s", w.field, info.GetDataType(), want), true
	}
	return "", false
}

// schemaTypes says how a server reports the types that indexes here have.
var schemaTypes = map[qdrant.FieldType]qdrant.PayloadSchemaType{
	qdrant.FieldType_FieldTypeKeyword:  qdrant.PayloadSchemaType_Keyword,
	qdrant.FieldType_FieldTypeFloat:    qdrant.PayloadSchemaType_Float,
	qdrant.FieldType_FieldTypeDatetime: qdrant.PayloadSchemaType_Datetime,
	qdrant.FieldType_FieldTypeBool:     qdrant.PayloadSchemaType_Bool,
}

// unquoted returns the path without quotation marks where the server may report
// it so: it needs none around letters beyond ASCII.
func (w payloadIndex) unquoted() string {
	key, quoted := strings.CutPrefix(w.field, keyMeta+`."`)
	key = strings.TrimSuffix(key, `"`)
	special := func(r rune) bool { return r != '_' && r != '-' && !unicode.IsLetter(r) && !unicode.IsDigit(r) }
	if !quoted || strings.ContainsFunc(key, special) {
		return w.field
	}
	return keyMeta + "." + key
}
