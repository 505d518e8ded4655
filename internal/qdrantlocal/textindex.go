package qdrantlocal

import (
	"slices"

	"github.com/qdrant/go-client/qdrant"
)

// textIndex is a full-text index: tokens to points. All strings at the path of
// one point count as one text, but for phrases.
type textIndex struct {
	a       *textAnalyzer
	phrases bool
	posts   map[string][]slot
}

func newTextIndex(p *qdrant.TextIndexParams) (*textIndex, error) {
	a, err := newTextAnalyzer(p)
	if err != nil {
		return nil, err
	}
	return &textIndex{a: a, phrases: p.GetPhraseMatching(), posts: map[string][]slot{}}, nil
}

func (ix *textIndex) add(v *qdrant.Value, s slot) bool {
	str, ok := v.GetKind().(*qdrant.Value_StringValue)
	if !ok {
		return false
	}
	for _, t := range ix.a.document(str.StringValue) {
		l := ix.posts[t]
		if n := len(l); n == 0 || l[n-1] < s {
			ix.posts[t] = append(l, s)
		} else if at, dup := slices.BinarySearch(l, s); !dup {
			ix.posts[t] = slices.Insert(l, at, s)
		}
	}
	return true
}

func (ix *textIndex) remove(v *qdrant.Value, s slot) bool {
	str, ok := v.GetKind().(*qdrant.Value_StringValue)
	if !ok {
		return false
	}
	for _, t := range ix.a.document(str.StringValue) {
		l := ix.posts[t]
		at, ok := slices.BinarySearch(l, s)
		switch {
		case !ok: // removed with an equal token before
		case len(l) == 1:
			delete(ix.posts, t)
		default:
			ix.posts[t] = slices.Delete(l, at, at+1)
		}
	}
	return true
}

func (ix *textIndex) facets() []facet { return nil }

// predicate answers the text matches. Without phrase support no phrase matches,
// as on the server.
func (ix *textIndex) predicate(f *qdrant.FieldCondition) (predicate, bool) {
	switch m := f.GetMatch().GetMatchValue().(type) {
	case *qdrant.Match_Text:
		return ix.all(ix.a.query(m.Text)), true
	case *qdrant.Match_TextAny:
		return ix.any(ix.a.query(m.TextAny)), true
	case *qdrant.Match_Phrase:
		tokens := ix.a.document(m.Phrase)
		if !ix.phrases || len(tokens) == 0 {
			return ix.all(nil), true
		}
		return ix.phrase(tokens), true
	}
	return predicate{}, false
}

// tokens returns the set of tokens at path in pl.
func (ix *textIndex) tokens(pl payload, path jsonPath) map[string]bool {
	set := map[string]bool{}
	eachString(pl, path, func(s string) {
		for _, t := range ix.a.document(s) {
			set[t] = true
		}
	})
	return set
}

func eachString(pl payload, path jsonPath, f func(string)) {
	path.each(pl, func(v *qdrant.Value) {
		valueTest(func(v *qdrant.Value) bool {
			if s, ok := v.GetKind().(*qdrant.Value_StringValue); ok {
				f(s.StringValue)
			}
			return false
		}).overList(v)
	})
}

func (ix *textIndex) all(query []string) predicate {
	return predicate{
		point: func(pl payload, path jsonPath) bool {
			set := ix.tokens(pl, path)
			for _, t := range query {
				if !set[t] {
					return false
				}
			}
			return len(query) > 0
		},
		slots: func() bitset {
			var out bitset
			for i, t := range query {
				var with bitset
				with.setAll(ix.posts[t])
				if i == 0 {
					out = with
				} else {
					out.and(with)
				}
			}
			return out
		},
	}
}

func (ix *textIndex) any(query []string) predicate {
	return predicate{
		point: func(pl payload, path jsonPath) bool {
			set := ix.tokens(pl, path)
			return slices.ContainsFunc(query, func(t string) bool { return set[t] })
		},
		slots: func() bitset {
			var out bitset
			for _, t := range query {
				out.setAll(ix.posts[t])
			}
			return out
		},
	}
}

// phrase matches the tokens one after the other in one string. The index only
// narrows: whether they are adjacent is read from the payload.
func (ix *textIndex) phrase(query []string) predicate {
	p := ix.all(query)
	p.superset = true
	p.point = func(pl payload, path jsonPath) bool {
		found := false
		eachString(pl, path, func(s string) {
			tokens := ix.a.document(s)
			for i := 0; i+len(query) <= len(tokens) && !found; i++ {
				found = slices.Equal(tokens[i:i+len(query)], query)
			}
		})
		return found
	}
	return p
}
