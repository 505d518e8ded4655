package index

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/qdrant/go-client/qdrant"

	"github.com/ragloop/ragloop/internal/filter"
	"github.com/ragloop/ragloop/internal/meta"
)

// Absent is something that a filter names and no chunk has: most likely it is
// misspelt.
type Absent struct {
	Field filter.Field
	Value string      // what the field, a built-in one, never is; "": the field itself or a type is absent
	Want  filter.Kind // type of a value that the field is compared with and no chunk has there; "": no chunk has the field
	Have  filter.Kind // with Want: a type that chunks do have there
}

// String says what is absent, as in: no document has the tag "x".
func (a Absent) String() string {
	switch {
	case a.Want != "":
		return fmt.Sprintf("%q is compared with a %s, documents have a %s there", a.Field.Name, a.Want, a.Have)
	case a.Value == "":
		return fmt.Sprintf("no document has the field %q", a.Field.Name)
	case a.Field == filter.Doc:
		return fmt.Sprintf("no document %q is indexed", a.Value)
	}
	noun := map[filter.Field]string{filter.Tags: "tag", filter.ACL: "acl entry", filter.MediaType: "media type"}[a.Field]
	return fmt.Sprintf("no document has the %s %q", noun, a.Value)
}

// Absent returns what f, which must be valid, names and no chunk has, in the order
// of f.Where, f.Docs, f.Tags and the keys of f.Meta, each once. A built-in field is
// looked at where a value of it would let something pass, a key of metadata also
// where NOT stands before it. It looks at the first most things that f names, with
// up to two requests for each. What a server's strict mode does not let it look at,
// and what is damaged, it takes as there.
func (g *Generation) Absent(ctx context.Context, f Filter, most int) ([]Absent, error) {
	named := f.named()
	var out []Absent
	for _, a := range named[:min(len(named), most)] {
		a, absent, err := g.absent(ctx, a)
		switch {
		case errors.Is(err, ErrUnindexed), errors.Is(err, ErrDamaged):
		case err != nil:
			return nil, fmt.Errorf("look for what the filter names: %w", err)
		case absent && !slices.Contains(out, a):
			out = append(out, a)
		}
	}
	return out, nil
}

// named returns what may be absent of what f names, each once.
func (f Filter) named() []Absent {
	var out []Absent
	seen := map[Absent]bool{}
	add := func(a Absent) {
		if !seen[a] {
			seen[a] = true
			out = append(out, a)
		}
	}
	var walk func(e filter.Expr, negated bool)
	walk = func(e filter.Expr, negated bool) {
		for _, part := range e.Of {
			walk(part, negated != (e.Op == filter.Not))
		}
		switch {
		case e.IsZero() || e.Op.Joins():
		case e.Op == filter.Exists || e.Field == filter.Modified:
			if e.Field.Meta || !negated {
				add(Absent{Field: e.Field})
			}
		default:
			for _, v := range e.Values {
				if e.Field.Meta {
					add(Absent{Field: e.Field, Want: v.Kind})
				} else if negated == (e.Op == filter.NotEqual) {
					add(Absent{Field: e.Field, Value: v.Text})
				}
			}
		}
	}
	walk(f.Where, false)
	for _, d := range f.Docs {
		add(Absent{Field: filter.Doc, Value: string(d)})
	}
	for _, tag := range f.Tags {
		add(Absent{Field: filter.Tags, Value: tag})
	}
	for _, key := range slices.Sorted(maps.Keys(f.Meta)) {
		add(Absent{Field: filter.MetaField(key), Want: filter.Text})
	}
	return out
}

// absent reports whether a, as of named, is absent, and completes it.
func (g *Generation) absent(ctx context.Context, a Absent) (Absent, bool, error) {
	if a.Value != "" {
		_, some, err := g.some(ctx, filter.Expr{Op: filter.Equal, Field: a.Field, Values: []filter.Value{{Kind: filter.Text, Text: a.Value}}})
		return a, !some, err
	}
	fields, some, err := g.some(ctx, filter.Expr{Op: filter.Exists, Field: a.Field})
	if err != nil || !some || a.Want == "" {
		return Absent{Field: a.Field}, !some, err
	}
	wanted := ofKind(a.Field, a.Want)
	if wanted.Match(filter.Document{Meta: fields}) {
		return a, false, nil
	}
	if a.Have = kindOf(fields[a.Field.Name]); a.Have == a.Want || a.Have == "" {
		return a, false, nil // it changed meanwhile
	}
	_, some, err = g.some(ctx, wanted)
	return a, !some, err
}

// some reports whether e holds for any chunk, and returns the metadata of one.
func (g *Generation) some(ctx context.Context, e filter.Expr) (meta.Fields, bool, error) {
	page, _, err := g.c.scroll(ctx, g.chunks(), g.c.scope(condition(e)), nil, 1, qdrant.NewWithPayloadInclude(keyMeta), false)
	if err != nil || len(page) == 0 {
		return nil, false, err
	}
	r := &reader{p: page[0].GetPayload()}
	return r.fields(keyMeta), true, r.err
}

// ofKind holds where a key of metadata has a value that compares with those of a
// kind.
func ofKind(f filter.Field, k filter.Kind) filter.Expr {
	is := func(op filter.Op, values ...filter.Value) filter.Expr {
		return filter.Expr{Op: op, Field: f, Values: values}
	}
	number := func(op filter.Op) filter.Expr { return is(op, filter.Value{Kind: filter.Number}) }
	numbers := filter.Expr{Op: filter.Or, Of: []filter.Expr{number(filter.Less), number(filter.GreaterOrEqual)}}
	bools := is(filter.In, filter.Value{Kind: filter.Bool}, filter.Value{Kind: filter.Bool, Bool: true})
	switch k {
	case filter.Number:
		return numbers
	case filter.Bool:
		return bools
	case filter.Text: // whatever is left, times among them, as they are stored as text
		return filter.Expr{Op: filter.And, Of: []filter.Expr{
			is(filter.Exists), {Op: filter.Not, Of: []filter.Expr{numbers}}, {Op: filter.Not, Of: []filter.Expr{bools}},
		}}
	}
	return is(filter.GreaterOrEqual, filter.Value{Kind: filter.Time, Time: time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)})
}

// kindOf returns the type that a filter compares v as; "" for no value.
func kindOf(v meta.Value) filter.Kind {
	switch v.Kind {
	case meta.Integer, meta.Float:
		return filter.Number
	case meta.Bool:
		return filter.Bool
	case meta.Time:
		return filter.Time
	case meta.String, meta.Strings:
		return filter.Text
	}
	return ""
}
