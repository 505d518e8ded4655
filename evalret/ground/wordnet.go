package ground

import (
	_ "embed"
	"strings"
	"sync"
)

// wordnetList is an extract of WordNet 3.0 (licence: wordnet.LICENSE): words that
// may mean the same, and opposites. On each line that begins with "=" all words
// in front of a bar may replace each other and those behind it; on one with "!"
// the first word is the opposite of the others. It is made by
//
//	go test ./evalret/ground -run TestWordNetExtract -wordnet /usr/share/wordnet
//
//go:embed wordnet.txt
var wordnetList string

// thesaurus knows which words mean much the same, or the opposite. Words are
// stems, so that "rose" and "rise" are different ones.
type thesaurus struct {
	same     map[[2]string]bool  // both orders
	opposite map[string][]string // in order of the lists, each once
}

// builtinThesaurus returns the thesaurus of this file's list and of opposites and
// series. Reading it takes some 25 ms, once.
var builtinThesaurus = sync.OnceValue(func() *thesaurus {
	t := &thesaurus{same: map[[2]string]bool{}, opposite: map[string][]string{}}
	r := newReader()
	for line := range strings.Lines(wordnetList) {
		kind, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch kind {
		case "=":
			own, others, _ := strings.Cut(rest, "|")
			left, right := r.stemsOf(own), r.stemsOf(others)
			for i, a := range left {
				for _, b := range left[i+1:] {
					t.same[[2]string{a, b}], t.same[[2]string{b, a}] = true, true
				}
				for _, b := range right {
					t.same[[2]string{a, b}], t.same[[2]string{b, a}] = true, true
				}
			}
		case "!":
			all := r.stemsOf(rest)
			t.oppose(all[:1], all[1:])
		}
	}
	for line := range strings.Lines(opposites) {
		left, right, _ := strings.Cut(line, "|")
		t.oppose(r.stemsOf(left), r.stemsOf(right))
	}
	for line := range strings.Lines(series) {
		all := r.stemsOf(line)
		t.oppose(all, all)
	}
	for a, list := range t.opposite {
		t.opposite[a] = unique(list)
	}
	return t
})

// oppose makes all words of a opposites of all of b.
func (t *thesaurus) oppose(a, b []string) {
	for _, x := range a {
		for _, y := range b {
			if x != y {
				t.opposite[x], t.opposite[y] = append(t.opposite[x], y), append(t.opposite[y], x)
			}
		}
	}
}

// unique returns the different words of list in order of their first place.
func unique(list []string) []string {
	seen := make(map[string]bool, len(list))
	out := list[:0]
	for _, w := range list {
		if !seen[w] {
			seen[w] = true
			out = append(out, w)
		}
	}
	return out
}

// stemsOf returns the stems of the words of a line; of numbers as they are
// written in a passage.
func (r *reader) stemsOf(line string) []string {
	var out []string
	for _, w := range strings.Fields(line) {
		out = append(out, r.word(w).stem)
	}
	return out
}

// denyingPrefixes turn a word into its opposite, or near to it.
var denyingPrefixes = []string{"un", "in", "im", "ir", "il", "dis", "non", "de", "sub", "mis", "anti", "under", "over"}

// leastDenied is how many letters a word must have to be denied by a prefix.
const leastDenied = 3

// opposites returns the stems of e that say the opposite of a stem, each once.
func (t *thesaurus) opposites(stem string, e *passage) []string {
	var out []string
	for _, o := range t.opposite[stem] {
		if len(e.at[o]) > 0 {
			out = append(out, o)
		}
	}
	for _, prefix := range denyingPrefixes {
		if rest, ok := strings.CutPrefix(stem, prefix); ok && len(rest) >= leastDenied && len(e.at[rest]) > 0 {
			out = append(out, rest)
		}
		if len(stem) >= leastDenied && len(e.at[prefix+stem]) > 0 {
			out = append(out, prefix+stem)
		}
	}
	return unique(out)
}
