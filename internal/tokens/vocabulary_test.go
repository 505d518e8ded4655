package tokens

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// mergePlainly is what merging is defined as. It returns the ends of the tokens.
func mergePlainly(ranks map[string]int, piece string) []int {
	ends := make([]int, len(piece))
	for i := range ends {
		ends[i] = i + 1
	}
	for {
		low, at := -1, 0
		for i, start := 0, 0; i+1 < len(ends); start, i = ends[i], i+1 {
			if r, ok := ranks[piece[start:ends[i+1]]]; ok && (low < 0 || r < low) {
				low, at = r, i
			}
		}
		if low < 0 {
			return ends
		}
		ends = slices.Delete(ends, at, at+1)
	}
}

func ranksOf(v *vocabulary) map[string]int {
	ranks := map[string]int{}
	for r := range v.halves {
		ranks[v.token(uint32(r))] = r
	}
	return ranks
}

// What long.go relies on, of every token of every encoding.
func TestVocabulariesAreMerged(t *testing.T) {
	for _, name := range Encodings() {
		v := counter(t, name).vocab
		if n := len(ranksOf(v)); n != len(v.halves) {
			t.Fatalf("%s: %d of %d tokens differ", name, n, len(v.halves))
		}
		var m merger
		for r := range uint32(len(v.halves)) {
			s := v.token(r)
			if got := v.rank(s, 0, len(s)); got != r {
				t.Fatalf("%s: rank(%q) = %d, want %d", name, s, got, r)
			}
			if (len(s) == 1) != (r < singles) {
				t.Fatalf("%s: token %q has rank %d", name, s, r)
			}
			if r < singles {
				continue
			}
			m.merge(v, s, 0, len(s))
			if left, right := v.parts(r); m.n != 1 || left >= r || right >= r || v.token(left)+v.token(right) != s {
				t.Fatalf("%s: token %q of rank %d is merged to %d tokens, from %q and %q", name, s, r, m.n, v.token(left), v.token(right))
			}
		}
	}
}

// Both methods, on texts of all lengths: what is a piece doesn't matter to them.
func TestMergeMatchesItsDefinition(t *testing.T) {
	for _, name := range Encodings() {
		v := counter(t, name).vocab
		ranks := ranksOf(v)
		r := rand.New(rand.NewPCG(11, 12))
		for n := range 3000 {
			var b strings.Builder
			size := 1 + r.IntN(maxToken)
			switch n % 4 {
			case 0:
				b.WriteString(randomText(r, 100))
			case 1: // pieces of tokens
				for b.Len() < size {
					s := v.token(uint32(r.IntN(len(v.halves))))
					b.WriteString(s[:1+r.IntN(len(s))])
				}
			case 2: // runs
				for b.Len() < size {
					b.WriteString(strings.Repeat(string("=-*a 0"[r.IntN(6)]), 1+r.IntN(size)))
				}
			case 3: // periods
				s := v.token(uint32(r.IntN(2000)))
				b.WriteString(strings.Repeat(s, 1+size/len(s)))
			}
			s := b.String()
			if s == "" {
				continue
			}
			want := mergePlainly(ranks, s)
			var got []int
			for _, tok := range v.encodeLong(nil, s) {
				got = append(got, int(tok.end))
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%s: encodeLong(%q) ends at %v, want %v", name, s, got, want)
			}
			if len(s) > maxToken {
				s = s[:maxToken]
				want = mergePlainly(ranks, s)
			}
			var m merger
			m.merge(v, s, 0, len(s))
			got = nil
			for k := 0; k < len(s); {
				k = int(m.next[k])
				got = append(got, k)
			}
			if !slices.Equal(got, want) || m.n != len(want) {
				t.Fatalf("%s: merge(%q) ends at %v, want %v", name, s, got, want)
			}
		}
	}
}

func TestParseVocabularyRefuses(t *testing.T) {
	var bytes strings.Builder
	for b := range singles {
		fmt.Fprintf(&bytes, "%s %d\n", base64.StdEncoding.EncodeToString([]byte{byte(b)}), b)
	}
	for _, rank := range []int{256, 300} { // only the order matters
		if v, err := parseVocabulary(fmt.Appendf([]byte(bytes.String()), "YWI= %d\n", rank)); err != nil || v.rank("xab", 1, 3) != 256 {
			t.Fatalf("a small vocabulary is refused or wrong: %v", err)
		}
	}
	for name, line := range map[string]string{
		"not base64":        "? 256\n",
		"no rank":           "YWI=\n",
		"a rank again":      "YWI= 255\n",
		"an empty token":    " 256\n",
		"a byte above":      "YQ== 256\n",
		"a token too long":  base64.StdEncoding.EncodeToString(make([]byte, maxToken+1)) + " 256\n",
		"rank not a number": "YWI= x\n",
	} {
		if _, err := parseVocabulary([]byte(bytes.String() + line)); err == nil || !strings.Contains(err.Error(), "line 257") {
			t.Errorf("%s: error = %v, want one about line 257", name, err)
		}
	}
	if _, err := loadVocabulary("none_base"); err == nil || !strings.Contains(err.Error(), "none_base") {
		t.Errorf("loadVocabulary(none_base) = %v", err)
	}
}

func TestCountDoesNotAllocate(t *testing.T) {
	text := readAll(t, "../demo/corpus/*/*.md") + strings.Repeat("日本語", 14) + strings.Repeat("=", 300)
	for _, name := range Encodings() {
		c := counter(t, name)
		c.Count(text) // loads what long pieces need
		if n := testing.AllocsPerRun(5, func() { c.Count(text) }); n > 0 {
			t.Errorf("%s: Count allocates %v times", name, n)
		}
	}
}
