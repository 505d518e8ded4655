package ground

import (
	"cmp"
	"hash/fnv"
	"slices"

	"github.com/ragloop/ragloop/internal/text"
)

// Sentences of sharedBytes bytes and more that stand in two contexts make their
// examples related, unless they stand in more than sharedContexts: then they are
// boilerplate. Shorter ones are alike by chance.
const (
	sharedBytes    = 60
	sharedContexts = 20
)

// Groups returns the group of each example: 0, 1, … in order of their first
// examples. Examples are in one group if they have a context, a longer sentence
// of their contexts or a response in common, or are both related to a third one.
// What is learned from one of them is not independent of the others: they belong
// to the same side of a split, and are drawn together by a bootstrap.
func Groups(examples []Example) []int {
	parent := make([]int, len(examples))
	for i := range parent {
		parent[i] = i
	}
	root := func(i int) int {
		for parent[i] != i {
			parent[i] = parent[parent[i]]
			i = parent[i]
		}
		return i
	}
	join := func(i, j int) { // the earlier one becomes the root
		a, b := root(i), root(j)
		parent[max(a, b)] = min(a, b)
	}
	contexts, responses := map[string]int{}, map[string]int{} // the first example with each
	in := map[string][]int{}                                  // the first example of each context that has a sentence
	for i, e := range examples {
		if first, ok := responses[e.Response]; ok {
			join(first, i)
		} else {
			responses[e.Response] = i
		}
		if first, ok := contexts[e.Context]; ok {
			join(first, i)
			continue
		}
		contexts[e.Context] = i
		for _, s := range text.Sentences(e.Context) {
			s = text.TrimSpace(e.Context, s)
			if s.Len() < sharedBytes {
				continue
			}
			key := e.Context[s.Start:s.End]
			if at := in[key]; len(at) <= sharedContexts && (len(at) == 0 || at[len(at)-1] != i) {
				in[key] = append(at, i)
			}
		}
	}
	for _, at := range in {
		if len(at) <= sharedContexts {
			for _, i := range at[1:] {
				join(at[0], i)
			}
		}
	}
	groups, number := make([]int, len(examples)), map[int]int{}
	for i := range examples {
		r := root(i)
		if _, ok := number[r]; !ok {
			number[r] = len(number)
		}
		groups[i] = number[r]
	}
	return groups
}

// foldsOf deals the groups of examples out to folds and returns the fold of each
// example. They are taken in order of a hash of their contexts, so that no seed
// is needed, and each goes to the fold with the fewest examples.
func foldsOf(examples []Example, folds int) []int {
	type group struct {
		hash uint64
		size int
		id   int
	}
	of := Groups(examples)
	var groups []group
	for i, g := range of {
		h := hash(examples[i].Context)
		if g == len(groups) {
			groups = append(groups, group{hash: h, id: g})
		}
		groups[g].size++
		groups[g].hash = min(groups[g].hash, h)
	}
	slices.SortFunc(groups, func(a, b group) int { return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.id, b.id)) })
	sizes, fold := make([]int, folds), make([]int, len(groups))
	for _, g := range groups {
		least := slices.Index(sizes, slices.Min(sizes))
		fold[g.id] = least
		sizes[least] += g.size
	}
	out := make([]int, len(examples))
	for i, g := range of {
		out[i] = fold[g]
	}
	return out
}

// hash is FNV-1a, to order texts in a way that has nothing to do with them.
func hash(s string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s)) // never fails
	return h.Sum64()
}
