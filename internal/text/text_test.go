package text

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// scripts are texts whose code points take one to four bytes, with marks that
// combine and emoji of several code points.
var scripts = map[string]string{
	"ascii":      "Plain text only. It has two sentences.",
	"latin":      "Cafe\u0301 au lait, s'il vous plai\u0302t. D\u00e9j\u00e0 vu! Stra\u00dfe.",
	"greek":      "Η γρήγορη αλεπού πηδά. Ποιος είναι; Εγώ.",
	"cyrillic":   "Быстрая лиса прыгает. Кто это? Я.",
	"arabic":     "مرحبا بالعالم. كيف حالك؟ أنا بخير.",
	"devanagari": "नमस्ते दुनिया। यह एक परीक्षण है। क्या?",
	"chinese":    "敏捷的狐狸跳过了懒狗。这是谁？是我！😀👩‍👩‍👧‍👦🇫🇷",
	"mixed":      "a\u0301β👍🏽, \t\r\n中文 and x²",
	"invalid":    "a\xffb\xc3",
	"empty":      "",
}

// long repeats s beyond several checkpoints of an Index.
func long(s string) string {
	return strings.Repeat(s, 3*checkpointRunes/max(1, utf8.RuneCountInString(s))+1)
}

func TestIndexAgreesWithScan(t *testing.T) {
	for name, s := range scripts {
		for _, s := range []string{s, long(s)} {
			x := NewIndex(s)
			runes, starts := 0, map[int]bool{len(s): true}
			for at := range s {
				starts[at] = true
				if got, err := x.RuneOffset(at); err != nil || got != runes {
					t.Fatalf("%s: RuneOffset(%d) = %d, %v, want %d", name, at, got, err, runes)
				}
				if got, err := x.ByteOffset(runes); err != nil || got != at {
					t.Fatalf("%s: ByteOffset(%d) = %d, %v, want %d", name, runes, got, err, at)
				}
				runes++
			}
			if x.Runes() != runes {
				t.Fatalf("%s: Runes() = %d, want %d", name, x.Runes(), runes)
			}
			if got, err := x.RuneOffset(len(s)); err != nil || got != runes {
				t.Errorf("%s: RuneOffset(len) = %d, %v, want %d", name, got, err, runes)
			}
			if got, err := x.ByteOffset(runes); err != nil || got != len(s) {
				t.Errorf("%s: ByteOffset(runes) = %d, %v, want %d", name, got, err, len(s))
			}
			for at := range len(s) {
				if _, err := x.RuneOffset(at); !starts[at] && !errors.Is(err, ErrMidRune) {
					t.Fatalf("%s: RuneOffset(%d) inside a code point: error %v, want ErrMidRune", name, at, err)
				}
			}
		}
	}
}

func TestIndexRefusesWhatIsOutside(t *testing.T) {
	for name, s := range scripts {
		x := NewIndex(s)
		for _, at := range []int{-1, len(s) + 1} {
			if _, err := x.RuneOffset(at); !errors.Is(err, ErrRange) {
				t.Errorf("%s: RuneOffset(%d) error %v, want ErrRange", name, at, err)
			}
		}
		for _, at := range []int{-1, x.Runes() + 1} {
			if _, err := x.ByteOffset(at); !errors.Is(err, ErrRange) {
				t.Errorf("%s: ByteOffset(%d) error %v, want ErrRange", name, at, err)
			}
		}
		if _, err := x.RuneSpan(Span{1, 0}); !errors.Is(err, ErrRange) {
			t.Errorf("%s: RuneSpan of a reversed span: error %v, want ErrRange", name, err)
		}
		for _, r := range []RuneSpan{{1, 0}, {-1, 0}, {0, x.Runes() + 1}, {x.Runes() + 1, x.Runes() + 1}} {
			if _, err := x.Slice(r); !errors.Is(err, ErrRange) {
				t.Errorf("%s: Index.Slice(%v) error %v, want ErrRange", name, r, err)
			}
			if _, err := Slice(s, r); !errors.Is(err, ErrRange) {
				t.Errorf("%s: Slice(%v) error %v, want ErrRange", name, r, err)
			}
		}
	}
}

func TestSlice(t *testing.T) {
	for name, s := range scripts {
		if !utf8.ValidString(s) {
			continue
		}
		x, runes := NewIndex(s), []rune(s)
		for i := range len(runes) + 1 {
			for j := i; j <= len(runes); j++ {
				want := string(runes[i:j])
				got, err := Slice(s, RuneSpan{i, j})
				if err != nil || got != want {
					t.Fatalf("%s: Slice(%d, %d) = %q, %v, want %q", name, i, j, got, err, want)
				}
				if got, err = x.Slice(RuneSpan{i, j}); err != nil || got != want {
					t.Fatalf("%s: Index.Slice(%d, %d) = %q, %v, want %q", name, i, j, got, err, want)
				}
				b, err := x.Span(RuneSpan{i, j})
				if err != nil || s[b.Start:b.End] != want {
					t.Fatalf("%s: Span(%d, %d) = %v, %v, want the bytes of %q", name, i, j, b, err, want)
				}
				if back, err := x.RuneSpan(b); err != nil || back != (RuneSpan{i, j}) {
					t.Fatalf("%s: RuneSpan(%v) = %v, %v, want [%d, %d)", name, b, back, err, i, j)
				}
			}
		}
	}
}

// members returns the set of positions in [0, n) that spans hold.
func members[S Interval](spans []S, n int) []bool {
	set := make([]bool, n)
	for _, s := range spans {
		for i := Span(s).Start; i < Span(s).End; i++ {
			set[i] = true
		}
	}
	return set
}

func count(set []bool) int {
	n := 0
	for _, in := range set {
		if in {
			n++
		}
	}
	return n
}

// canonical reports whether spans have the form that Union promises.
func canonical[S Interval](spans []S) bool {
	for i, s := range spans {
		if Span(s).Len() <= 0 || i > 0 && Span(s).Start <= Span(spans[i-1]).End {
			return false
		}
	}
	return true
}

func TestSpanArithmeticAgreesWithSets(t *testing.T) {
	checkArithmetic(t, func(a, b int) Span { return Span{a, b} })
	checkArithmetic(t, func(a, b int) RuneSpan { return RuneSpan{a, b} })
}

func checkArithmetic[S Interval](t *testing.T, mk func(a, b int) S) {
	const n = 24
	r := rand.New(rand.NewPCG(1, 2))
	draw := func() []S {
		spans := make([]S, r.IntN(6))
		for i := range spans {
			spans[i] = mk(r.IntN(n+1), r.IntN(n+1)) // some are reversed: they hold nothing
		}
		return spans
	}
	for range 3000 {
		a, b := draw(), draw()
		inA, inB := members(a, n), members(b, n)
		both, onlyA := make([]bool, n), make([]bool, n)
		for i := range n {
			both[i], onlyA[i] = inA[i] && inB[i], inA[i] && !inB[i]
		}
		before := slices.Clone(a)
		for _, c := range []struct {
			name string
			got  []S
			want []bool
		}{
			{"Union", Union(a), inA},
			{"Intersect", Intersect(a, b), both},
			{"Subtract", Subtract(a, b), onlyA},
		} {
			if !slices.Equal(members(c.got, n), c.want) || !canonical(c.got) {
				t.Fatalf("%s of %v and %v = %v", c.name, a, b, c.got)
			}
		}
		if got := Covered(a); got != count(inA) {
			t.Fatalf("Covered(%v) = %d, want %d", a, got, count(inA))
		}
		if got := CommonLen(a, b); got != count(both) {
			t.Fatalf("CommonLen(%v, %v) = %d, want %d", a, b, got, count(both))
		}
		if !slices.Equal(a, before) {
			t.Fatalf("an argument changed from %v to %v", before, a)
		}
		if len(a) > 0 && len(b) > 0 {
			x, y := a[0], b[0]
			common := CommonLen(a[:1], b[:1])
			if got := overlap(x, y); got != common {
				t.Fatalf("overlap of %v and %v = %d, want %d", x, y, got, common)
			}
			if got, want := contains(x, y), common == max(0, Span(y).Len()); got != want {
				t.Fatalf("%v contains %v = %v, want %v", x, y, got, want)
			}
		}
	}
}

func tiles(s string, spans []Span) bool {
	at := 0
	for _, sp := range spans {
		if sp.Start != at || sp.End <= sp.Start {
			return false
		}
		at = sp.End
	}
	return at == len(s)
}

func texts(s string, spans []Span) []string {
	var out []string
	for _, sp := range spans {
		out = append(out, s[sp.Start:sp.End])
	}
	return out
}

func TestSplittersTile(t *testing.T) {
	for name, s := range scripts {
		for _, s := range []string{s, long(s), "\n\n " + s + " \n" + s} {
			for what, split := range map[string]func(string) []Span{"Sentences": Sentences, "Words": Words, "Graphemes": Graphemes} {
				if spans := split(s); !tiles(s, spans) {
					t.Errorf("%s: %s do not tile: %q", name, what, texts(s, spans))
				}
			}
		}
	}
}

func FuzzSplittersTile(f *testing.F) {
	for _, s := range scripts {
		f.Add(s)
	}
	f.Add("- a\n- b. C\n\n\tJ. Smith vs. Dr.\r\nWho\u2029no. 5 No. Yes")
	f.Fuzz(func(t *testing.T, s string) {
		for _, split := range []func(string) []Span{Sentences, Words, Graphemes} {
			spans := split(s)
			if !tiles(s, spans) {
				t.Fatalf("spans of %q do not tile: %q", s, texts(s, spans))
			}
		}
	})
}

func TestSentences(t *testing.T) {
	tests := []struct{ name, marked string }{ // "¦" marks the boundaries
		{"plain", "One. ¦Two! ¦Three?"},
		{"title", "We met Dr. Smith and Prof. Jones. ¦They left."},
		{"initials", "By J. R. R. Tolkien. ¦It is long."},
		{"latin abbreviations", "Use a tool, e.g. Go. ¦Or cf. Table 2."},
		{"country", "The U.S. Treasury spoke. ¦We listened."},
		{"numbered", "See Fig. 3 and No. 5 Main Street. ¦He said no. ¦Then he left."},
		{"month", "On Sept. 5 it rained. ¦In Nov. ¦They left."},
		{"ends a sentence", "It closes at 5 p.m. ¦Bring apples, pears etc. ¦Thanks."},
		{"decimals", "Version 1.2.3 costs 4.50 euros. ¦Buy it."},
		{"wrapped paragraph", "This line is broken by its margin after\nsome words. ¦And this one ends\nhere."},
		{"wrapped before a capital", "The committee that decided on this matter was chaired by\nAda Lovelace in Paris. ¦Done."},
		{"wrapped after a title", "It was signed by Dr.\nSmith. ¦Done."},
		{"short lines", "Name: Ada\n¦City: Paris\n¦"},
		{"blank line", "a paragraph\n\n¦b another"},
		{"list", "The list of what has to be packed for the trip follows\n¦- a towel\n¦- two shoes\n¦3. soap"},
		{"heading", "# A heading that is long enough to be taken for text\n¦and its text"},
		{"table rows", "| a | b |\n¦| c | d |\n¦"},
		{"carriage returns", "The second line of this paragraph goes\r\non here. ¦Yes.\r\n\r\n¦No"},
		{"chinese", "这是一。¦这是二！¦好"},
		{"hindi", "यह एक है। ¦यह दो है।"},
		{"quoted", "“Stop.” ¦He ran."},
		{"leading space", "\n\n  One. ¦Two."},
		{"no stop", "words only"},
		{"empty", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := strings.ReplaceAll(strings.TrimSuffix(tt.marked, "¦"), "¦", "")
			var want []string
			if s != "" {
				want = strings.Split(strings.TrimSuffix(tt.marked, "¦"), "¦")
			}
			if diff := cmp.Diff(want, texts(s, Sentences(s))); diff != "" {
				t.Errorf("Sentences(%q) (-want +got):\n%s", s, diff)
			}
		})
	}
}

// TestSentencesOfManyLines has line ends of old machines: the text behind each
// was once searched for a line feed.
func TestSentencesOfManyLines(t *testing.T) {
	const lines = 50_000
	s := strings.Repeat("This line is long enough to be broken by its margin, and its end.\r", lines)
	if got := len(Sentences(s)); got != lines {
		t.Errorf("%d sentences, want %d", got, lines)
	}
}

func TestWords(t *testing.T) {
	tests := []struct{ name, marked string }{
		{"spaces", "  one ¦two,  ¦(three) ¦"},
		{"url is one word", "see ¦https://example.org/a-b?c=d ¦now"},
		{"chinese", "这¦是，¦《这》"},
		{"thai by characters", "ไ¦ท¦ย ¦กี่"},
		{"combining", "cafe\u0301 ¦nai\u0308ve"},
		{"lines", "a\n¦b\r\n\r\n¦c"},
		{"blank", " \n "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			marked := strings.TrimSuffix(tt.marked, "¦")
			s := strings.ReplaceAll(marked, "¦", "")
			if diff := cmp.Diff(strings.Split(marked, "¦"), texts(s, Words(s))); diff != "" {
				t.Errorf("Words(%q) (-want +got):\n%s", s, diff)
			}
		})
	}
}

func TestGraphemesKeepClusters(t *testing.T) {
	s := "e\u0301👩‍👩‍👧‍👦🇫🇷नि"
	want := []string{"e\u0301", "👩‍👩‍👧‍👦", "🇫🇷", "नि"}
	if diff := cmp.Diff(want, texts(s, Graphemes(s))); diff != "" {
		t.Errorf("Graphemes(%q) (-want +got):\n%s", s, diff)
	}
}

func TestTrimSpace(t *testing.T) {
	s := "ab\u00a0 \t中\u3000\n"
	for _, tt := range []struct{ in, want Span }{
		{Span{0, len(s)}, Span{0, 9}},
		{Span{2, len(s)}, Span{6, 9}},
		{Span{2, 6}, Span{2, 2}},
		{Span{3 - 1, 2}, Span{2, 2}},
	} {
		if got := TrimSpace(s, tt.in); got != tt.want {
			t.Errorf("TrimSpace(%q, %v) = %v, want %v", s, tt.in, got, tt.want)
		}
	}
	if !Blank(" \u2003\n") || Blank("\u200b") || !Blank("") {
		t.Error("Blank must follow unicode.IsSpace")
	}
}
