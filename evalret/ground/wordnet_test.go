package ground

import (
	"bufio"
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var wordnetDir = flag.String("wordnet", "", "folder of the database of WordNet 3.0: rewrites wordnet.txt")

// synset is a set of words with one meaning.
type synset struct {
	words   []string
	similar []string    // ids of synsets with nearly this meaning
	against [][2]string // pairs of a word and its opposite
}

// mostSenses is how many of the commonest meanings of a word are taken.
const mostSenses = 4

// TestWordNetExtract makes wordnet.txt: of the single words that WordNet's sample
// of texts has, those of a synset in one of their commonest meanings, those of
// similar ones behind a bar, and opposites, but for those that a denying prefix
// makes.
func TestWordNetExtract(t *testing.T) {
	if *wordnetDir == "" {
		t.Skip("-wordnet is not given")
	}
	parts := []string{"noun", "verb", "adj", "adv"}
	seen := map[string]int{} // how often the sample has a word
	sense := map[string]int{}
	for _, part := range parts {
		for _, f := range database(t, "index."+part) {
			n, err := strconv.Atoi(f[2])
			if err != nil {
				t.Fatal(err)
			}
			count, err := strconv.Atoi(f[len(f)-n-1])
			if err != nil {
				t.Fatal(err)
			}
			seen[f[0]] += count
			for i, offset := range f[len(f)-n:] {
				sense[f[0]+" "+part+offset] = i
			}
		}
	}
	sets := map[string]synset{}
	var order []string
	texts := map[string][]string{}
	for _, part := range parts {
		for _, f := range database(t, "data."+part) {
			texts[part+f[0]] = f
			order = append(order, part+f[0])
		}
	}
	for _, id := range order {
		sets[id] = synsetOf(t, id, texts)
	}
	usable := func(id, w string) bool {
		i, ok := sense[w+" "+id]
		return ok && i < mostSenses && known(seen, w)
	}
	r := newReader()
	lines := map[string]bool{}
	against := map[string][]string{}
	for _, id := range order {
		s := sets[id]
		var own, others []string
		for _, w := range s.words {
			if usable(id, w) {
				own = append(own, w)
			}
		}
		for _, other := range s.similar {
			if other > id {
				continue // it points here, too
			}
			for _, w := range sets[other].words {
				if usable(other, w) {
					others = append(others, w)
				}
			}
		}
		stems := unique(append(r.stemsOf(strings.Join(own, " ")), r.stemsOf(strings.Join(others, " "))...))
		if len(own) > 0 && len(stems) > 1 {
			slices.Sort(own)
			slices.Sort(others)
			lines[strings.TrimSuffix(fmt.Sprintf("= %s | %s", strings.Join(own, " "), strings.Join(slices.Compact(others), " ")), " | ")] = true
		}
		for _, pair := range s.against {
			if known(seen, pair[0]) && known(seen, pair[1]) {
				slices.SortFunc(pair[:], func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
				if !slices.ContainsFunc(denyingPrefixes, func(p string) bool { return pair[1] == p+pair[0] }) {
					against[pair[0]] = append(against[pair[0]], pair[1])
				}
			}
		}
	}
	for w, list := range against {
		slices.Sort(list)
		lines["! "+w+" "+strings.Join(slices.Compact(list), " ")] = true
	}
	all := make([]string, 0, len(lines))
	for l := range lines {
		all = append(all, l)
	}
	slices.Sort(all)
	if err := os.WriteFile("wordnet.txt", []byte(strings.Join(all, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

// known reports whether w is a single word that the sample has.
func known(seen map[string]int, w string) bool {
	return seen[w] > 0 && strings.Trim(w, "abcdefghijklmnopqrstuvwxyz") == ""
}

// database returns the fields of the lines of a file of WordNet, without its
// head and without glosses.
func database(t *testing.T, name string) [][]string {
	f, err := os.Open(filepath.Join(*wordnetDir, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out [][]string
	scan := bufio.NewScanner(f)
	scan.Buffer(nil, 1<<20)
	for scan.Scan() {
		if line := scan.Text(); !strings.HasPrefix(line, " ") {
			body, _, _ := strings.Cut(line, "|")
			out = append(out, strings.Fields(body))
		}
	}
	if err := scan.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// synsetOf reads one line of data: offset, file, type, number of words in hex,
// words with their ids, number of pointers, pointers of four fields.
func synsetOf(t *testing.T, id string, texts map[string][]string) synset {
	f := texts[id]
	s := synset{words: wordsOf(t, f)}
	at := 4 + 2*len(s.words)
	n, err := strconv.Atoi(f[at])
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		p := f[at+1+4*i : at+5+4*i]
		target := map[string]string{"n": "noun", "v": "verb", "a": "adj", "s": "adj", "r": "adv"}[p[2]] + p[1]
		switch p[0] {
		case "&", "$": // similar adjective, verb of the same group
			s.similar = append(s.similar, target)
		case "!":
			from, err1 := strconv.ParseInt(p[3][:2], 16, 0)
			to, err2 := strconv.ParseInt(p[3][2:], 16, 0)
			if err1 != nil || err2 != nil {
				t.Fatal(err1, err2)
			}
			if from > 0 && to > 0 {
				s.against = append(s.against, [2]string{s.words[from-1], wordsOf(t, texts[target])[to-1]})
			}
		}
	}
	return s
}

func wordsOf(t *testing.T, f []string) []string {
	n, err := strconv.ParseInt(f[3], 16, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for i := range int(n) {
		w, _, _ := strings.Cut(f[4+2*i], "(") // "galore(ip)"
		out = append(out, strings.ToLower(w))
	}
	return out
}

func TestThesaurus(t *testing.T) {
	th, r := builtinThesaurus(), newReader()
	for _, c := range [][2]string{{"buy", "purchase"}, {"forecasts", "predicted"}, {"bought", "bought"}} {
		a, b := r.word(c[0]).stem, r.word(c[1]).stem
		if a != b && !th.same[[2]string{a, b}] {
			t.Errorf("%q and %q are not the same", c[0], c[1])
		}
		if th.same[[2]string{a, b}] != th.same[[2]string{b, a}] {
			t.Errorf("%q and %q: order matters", c[0], c[1])
		}
	}
	for _, c := range [][2]string{{"increased", "decrease"}, {"installed", "uninstalled"}, {"optimal", "suboptimal"}, {"third", "fourth"}, {"Q3", "Q1"}, {"two", "5"}, {"efficient", "inefficient"}} {
		for range 2 {
			e := r.read(c[1], true)
			if got := th.opposites(r.word(c[0]).stem, e); len(got) != 1 {
				t.Errorf("opposites of %q in %q: %q", c[0], c[1], got)
			}
			c[0], c[1] = c[1], c[0]
		}
	}
	if got := th.opposites(r.word("large").stem, r.read("large charge", true)); got != nil {
		t.Errorf("opposites of large: %q", got)
	}
}
