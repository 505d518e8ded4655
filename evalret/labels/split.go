package labels

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"unicode"

	"github.com/ragloop/ragloop/internal/text"
)

// Split divides a set into two so that no document has labels in both: what is
// chosen on dev is then confirmed on documents that it was not chosen on.
// Queries that share a document, directly or through others, stay together; those
// without any, such as unanswerable ones, are divided by themselves, so that both
// halves have their part of them. dev gets about share of the queries, in (0, 1),
// as near as whole groups allow; which groups, the seed decides. Queries keep the
// order of the file.
//
// An error when one half would be empty: then all queries hang together.
func Split(s Set, share float64, seed uint64) (dev, test Set, err error) {
	if !(share > 0 && share < 1) {
		return Set{}, Set{}, fmt.Errorf("split %s: the share is %v, allowed is more than 0 and less than 1", s.Name, share)
	}
	groups := connected(s.Queries)
	rng := rand.New(rand.NewPCG(seed, uint64(len(s.Queries))))
	rng.Shuffle(len(groups), func(i, j int) { groups[i], groups[j] = groups[j], groups[i] })
	// Large groups first, so that small ones can even out.
	slices.SortStableFunc(groups, func(a, b []int) int { return len(b) - len(a) })
	inDev := make([]bool, len(s.Queries))
	var labelled, bare halves
	for _, g := range groups {
		h := &labelled
		if len(g) == 1 && len(s.Queries[g[0]].documents()) == 0 {
			h = &bare
		}
		if !h.devNext(len(g), share) {
			h.test += len(g)
			continue
		}
		h.dev += len(g)
		for _, i := range g {
			inDev[i] = true
		}
	}
	if n := labelled.dev + bare.dev; n == 0 || n == len(s.Queries) {
		return Set{}, Set{}, fmt.Errorf("split %s: its %d queries form %d groups that share documents; two halves without a common document are not possible", s.Name, len(s.Queries), len(groups))
	}
	dev.Name, test.Name = s.Name+" (dev)", s.Name+" (test)"
	for i, q := range s.Queries {
		if inDev[i] {
			dev.Queries = append(dev.Queries, q)
		} else {
			test.Queries = append(test.Queries, q)
		}
	}
	return dev, test, nil
}

// halves are the numbers of queries of either half.
type halves struct{ dev, test int }

// devNext reports whether n more queries belong to dev: whether they fill it less
// than they would fill test, each measured by its share.
func (h halves) devNext(n int, share float64) bool {
	return float64(h.dev+n)*(1-share) <= float64(h.test+n)*share
}

// documents returns the documents that q has labels in, sorted; those that are
// judged not relevant have no part.
func (q Query) documents() []text.DocID {
	var docs []text.DocID
	for doc, grade := range q.Grades() {
		if grade > 0 {
			docs = append(docs, doc)
		}
	}
	slices.Sort(docs)
	return docs
}

// connected groups queries that share a document, directly or through others.
// Groups are in the order of their first query.
func connected(queries []Query) [][]int {
	parent := make([]int, len(queries))
	for i := range parent {
		parent[i] = i
	}
	var root func(i int) int
	root = func(i int) int {
		for parent[i] != i {
			parent[i] = parent[parent[i]]
			i = parent[i]
		}
		return i
	}
	first := map[text.DocID]int{}
	for i, q := range queries {
		for _, doc := range q.documents() {
			if j, ok := first[doc]; ok {
				a, b := root(i), root(j)
				parent[max(a, b)] = min(a, b)
			} else {
				first[doc] = i
			}
		}
	}
	byRoot := map[int][]int{}
	for i := range queries {
		r := root(i)
		byRoot[r] = append(byRoot[r], i)
	}
	var groups [][]int
	for _, r := range slices.Sorted(maps.Keys(byRoot)) {
		groups = append(groups, byRoot[r])
	}
	return groups
}

// Leak is something that two sets share which should be independent.
type Leak struct {
	Kind   string // "query", "near_duplicate" or "document"
	A, B   string // query ids; for a document, the first queries that have it
	Detail string
}

// nearDuplicate is the share of words from which two queries count as almost
// the same: Jaccard similarity of their sets of words.
const nearDuplicate = 0.8

// Leaks compares two sets, such as dev and test: equal and almost equal
// queries, and documents that both have labels in. In the order of a.
func Leaks(a, b Set) []Leak {
	var leaks []Leak
	index := NewQueryIndex(b.Queries)
	for _, q := range a.Queries {
		if j, similarity := index.nearest(q.Text, -1); j >= 0 {
			leaks = append(leaks, leak(q, b.Queries[j], similarity))
		}
	}
	first := map[text.DocID]string{}
	for _, q := range b.Queries {
		for _, doc := range q.documents() {
			if _, ok := first[doc]; !ok {
				first[doc] = q.ID
			}
		}
	}
	seen := map[text.DocID]bool{}
	for _, q := range a.Queries {
		for _, doc := range q.documents() {
			if id, ok := first[doc]; ok && !seen[doc] {
				seen[doc] = true
				leaks = append(leaks, Leak{"document", q.ID, id, string(doc)})
			}
		}
	}
	return leaks
}

// NearDuplicates returns pairs of queries of one set that are almost the same,
// each query with the earlier one that is most like it. Equal ones are a
// warning of [Check].
func NearDuplicates(s Set) []Leak {
	var leaks []Leak
	index := NewQueryIndex(s.Queries)
	for i, q := range s.Queries {
		if j, similarity := index.nearest(q.Text, i); j >= 0 && similarity < 1 {
			leaks = append(leaks, leak(q, s.Queries[j], similarity))
		}
	}
	return leaks
}

func leak(a, b Query, similarity float64) Leak {
	if similarity == 1 {
		return Leak{"query", a.ID, b.ID, a.Text}
	}
	return Leak{"near_duplicate", a.ID, b.ID, fmt.Sprintf("%q and %q share %.0f %% of their words", a.Text, b.Text, 100*similarity)}
}

// QueryIndex finds queries that are almost the same by their words: those whose
// sets of words have a Jaccard similarity of 0.8 and more. It is not safe for
// concurrent use.
type QueryIndex struct {
	queries []Query
	words   [][]string // of each query, distinct and sorted
	byWord  map[string][]int
}

// NewQueryIndex returns an index of queries in their order.
func NewQueryIndex(queries []Query) *QueryIndex {
	x := &QueryIndex{byWord: map[string][]int{}}
	for _, q := range queries {
		x.Add(q)
	}
	return x
}

// Add adds a query behind the others.
func (x *QueryIndex) Add(q Query) {
	ws := queryWords(q.Text)
	for _, w := range ws {
		x.byWord[w] = append(x.byWord[w], len(x.queries))
	}
	x.queries, x.words = append(x.queries, q), append(x.words, ws)
}

// Nearest returns the query most like s, the first of equals, and the similarity:
// 0.8 to 1, or 0 where none reaches that.
func (x *QueryIndex) Nearest(s string) (like Query, similarity float64) {
	i, similarity := x.nearest(s, -1)
	if i < 0 {
		return Query{}, 0
	}
	return x.queries[i], similarity
}

func queryWords(s string) []string {
	ws := strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) })
	slices.Sort(ws)
	return slices.Compact(ws)
}

// nearest returns the query most like s, of those before number limit, all
// where limit is negative; -1 when none reaches nearDuplicate. The first of
// equals.
func (x *QueryIndex) nearest(s string, limit int) (query int, similarity float64) {
	ws := queryWords(s)
	common := map[int]int{}
	for _, w := range ws {
		for _, i := range x.byWord[w] {
			if limit < 0 || i < limit {
				common[i]++
			}
		}
	}
	query = -1
	for _, i := range slices.Sorted(maps.Keys(common)) {
		if j := float64(common[i]) / float64(len(ws)+len(x.words[i])-common[i]); j >= nearDuplicate && j > similarity {
			query, similarity = i, j
		}
	}
	return query, similarity
}

// ErrLeak: two sets share what should be independent.
var ErrLeak = errors.New("the sets are not independent")
