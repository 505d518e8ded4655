package tokens

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

func TestNewUnknown(t *testing.T) {
	_, err := New("gpt-4o")
	if !errors.Is(err, ErrUnknownEncoding) {
		t.Fatalf("New(gpt-4o) = %v, want ErrUnknownEncoding", err)
	}
	for _, want := range append(Encodings(), `"gpt-4o"`) {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("New(gpt-4o): error %q doesn't name %s", err, want)
		}
	}
}

func TestEncodings(t *testing.T) {
	if got, want := Encodings(), []string{"cl100k_base", "o200k_base", "p50k_base", "p50k_edit", "r50k_base"}; !slices.Equal(got, want) {
		t.Errorf("Encodings() = %v, want %v", got, want)
	}
	for _, name := range Encodings() {
		if got := counter(t, name).Name(); got != name {
			t.Errorf("Name() = %q, want %q", got, name)
		}
	}
}

// Values of OpenAI's own encoder: npm tiktoken 1.0.22, encode(text).length, for
// cl100k_base and o200k_base; PyPI tiktoken 0.14.0, len(encode_ordinary(text)), for
// the others.
func TestReferenceCounts(t *testing.T) {
	for _, test := range []struct {
		encoding, text string
		want           int
	}{
		{"cl100k_base", "tiktoken is great!", 6},
		{"o200k_base", "tiktoken is great!", 6},
		{"cl100k_base", "antidisestablishmentarianism", 6},
		{"o200k_base", "antidisestablishmentarianism", 6},
		{"cl100k_base", "2 + 2 = 4", 7},
		{"o200k_base", "2 + 2 = 4", 7},
		{"cl100k_base", "お誕生日おめでとう", 9},
		{"o200k_base", "お誕生日おめでとう", 8},
		{"p50k_base", "tiktoken is great!", 6},
		{"p50k_edit", "tiktoken is great!", 6},
		{"r50k_base", "tiktoken is great!", 6},
		{"p50k_base", "antidisestablishmentarianism", 5},
		{"r50k_base", "antidisestablishmentarianism", 5},
		{"p50k_base", "2 + 2 = 4", 5},
		{"r50k_base", "2 + 2 = 4", 5},
		{"p50k_base", "お誕生日おめでとう", 14},
		{"r50k_base", "お誕生日おめでとう", 14},
		{"p50k_base", "def f(x):\n        return x  # DON'T\n", 15},
		{"p50k_edit", "def f(x):\n        return x  # DON'T\n", 15},
		{"r50k_base", "def f(x):\n        return x  # DON'T\n", 21},
		{"p50k_base", strings.Repeat(" ", 30) + "x", 3},
		{"r50k_base", strings.Repeat(" ", 30) + "x", 30},
		{"p50k_edit", "<|endoftext|>", 7},
		{"r50k_base", "<|endoftext|>", 7},
		{"r50k_base", "1234567890", 4},
		{"p50k_base", "🙂", 2},
	} {
		if got := counter(t, test.encoding).Count(test.text); got != test.want {
			t.Errorf("%s: Count(%q) = %d, want %d", test.encoding, test.text, got, test.want)
		}
	}
}

// Long runs of one kind of character are where a quadratic counter hangs:
// minutes at this size, where this one takes milliseconds.
func TestLongRuns(t *testing.T) {
	const size = 1 << 17
	r := rand.New(rand.NewPCG(3, 4))
	letters := make([]byte, size)
	for i := range letters {
		letters[i] = "abcdefghijklmnopqrstuvwxyz"[r.IntN(26)]
	}
	for _, name := range Encodings() {
		c := counter(t, name)
		for _, s := range []string{
			strings.Repeat("a", size), strings.Repeat("A", size), strings.Repeat(" ", size), strings.Repeat("\n", size),
			strings.Repeat("=", size), strings.Repeat("日", size/3), strings.Repeat("\u0301", size/2), strings.Repeat("'", size), strings.Repeat("7", size), strings.Repeat("\t ", size/2), string(letters),
		} {
			ends := c.Ends(s)
			if n := c.Count(s); n != len(ends) || n == 0 || ends[n-1] != len(s) {
				t.Errorf("%s: %q…: Count = %d, %d ends", name, s[:4], n, len(ends))
			}
		}
	}
}

func TestCut(t *testing.T) {
	c := counter(t, "o200k_base")
	for _, test := range []struct {
		text string
		max  int
		want string
	}{
		{"", 5, ""},
		{"hello world", 0, ""},
		{"hello world", -1, ""},
		{"hello world", 1, "hello"},
		{"hello world", 2, "hello world"},
		{"hello world", 99, "hello world"},
		{"hello world", math.MaxInt, "hello world"},
		{"one two three four five six seven", 3, "one two three"},
		{"𓀀𓀁", 1, ""}, // a hieroglyph is three tokens
	} {
		if got := c.Cut(test.text, test.max); got != test.want {
			t.Errorf("Cut(%q, %d) = %q, want %q", test.text, test.max, got, test.want)
		}
	}
}

func TestCutProperties(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, name := range Encodings() {
		c := counter(t, name)
		for range 1000 {
			s := randomText(r, 80)
			total := c.Count(s)
			for _, max := range []int{1, r.IntN(total + 2), total - 1, total} {
				p := c.Cut(s, max)
				n := c.Count(p)
				switch {
				case !strings.HasPrefix(s, p) || !utf8.ValidString(p):
					t.Fatalf("%s: Cut(%q, %d) = %q, not a prefix", name, s, max, p)
				case n > max && max >= 0:
					t.Fatalf("%s: Cut(%q, %d) = %q, which has %d tokens", name, s, max, p, n)
				case max >= total && p != s:
					t.Fatalf("%s: Cut(%q, %d) = %q, want all %d tokens", name, s, max, p, total)
				}
			}
		}
	}
}

func TestInvalidUTF8(t *testing.T) {
	c := counter(t, "o200k_base")
	for _, s := range []string{"\xff", "a\xffb", "\xf0\x9f\x98", "caf\xe9 du monde \xe0"} {
		var b strings.Builder
		for _, r := range s {
			b.WriteRune(r)
		}
		if got, want := c.Count(s), c.Count(b.String()); got != want {
			t.Errorf("Count(%q) = %d, want %d as with replacement characters", s, got, want)
		}
		ends := c.Ends(s)
		if len(ends) != c.Count(s) || !slices.IsSorted(ends) || ends[len(ends)-1] != len(s) {
			t.Errorf("Ends(%q) = %v", s, ends)
		}
	}
}

// A bound counts at least what the encodings count.
func TestBounds(t *testing.T) {
	var exact []*Counter
	for _, name := range Encodings() {
		exact = append(exact, counter(t, name))
	}
	r := rand.New(rand.NewPCG(9, 10))
	one := counter(t, "bytes/1")
	if one.Exact() || !exact[0].Exact() || one.Name() != "bytes/1" {
		t.Errorf("Exact() = %v for %s and %v for %s", one.Exact(), one.Name(), exact[0].Exact(), exact[0].Name())
	}
	for range 500 {
		s := randomText(r, 80)
		for _, c := range exact {
			if c.Count(s) > one.Count(s) {
				t.Errorf("%s counts %d tokens, the bound %d: %q", c.Name(), c.Count(s), one.Count(s), s)
			}
		}
		for n := 1; n <= maxBound; n++ {
			c := counter(t, fmt.Sprintf("bytes/%d", n))
			total := c.Count(s)
			ends := c.Ends(s)
			if total != (len(s)+n-1)/n || len(ends) != total || total > 0 && ends[total-1] != len(s) || !slices.IsSorted(ends) {
				t.Fatalf("%s: Count(%q) = %d, Ends = %v", c.Name(), s, total, ends)
			}
			for _, limit := range []int{0, 1, total / 2, total} {
				p := c.Cut(s, limit)
				if !strings.HasPrefix(s, p) || !utf8.ValidString(p) || c.Count(p) > limit || limit == total && p != s || len(p) < limit*n-utf8.UTFMax && p != s {
					t.Fatalf("%s: Cut(%q, %d) = %q", c.Name(), s, limit, p)
				}
			}
		}
	}
	for _, name := range []string{"bytes", "bytes/", "bytes/0", "bytes/9", "bytes/01", "bytes/-1", "bytes/x", ""} {
		if err := Check(name); !errors.Is(err, ErrUnknownEncoding) || !strings.Contains(err.Error(), Bounds) {
			t.Errorf("Check(%q) = %v", name, err)
		}
	}
	for _, name := range append(Encodings(), "bytes/1", "bytes/8") {
		if err := Check(name); err != nil {
			t.Errorf("Check(%q) = %v", name, err)
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	text := strings.Repeat("The quick brown fox. ", 50) + strings.Repeat("=-", 200)
	var wg sync.WaitGroup
	for _, name := range slices.Repeat(Encodings(), 4) {
		wg.Go(func() {
			c, err := New(name)
			if err != nil {
				t.Error(err)
				return
			}
			if got, want := len(c.Ends(text)), c.Count(text); got != want {
				t.Errorf("%s: %d ends, want %d", name, got, want)
			}
		})
	}
	wg.Wait()
}

const prose = "Employees may carry over up to five days of unused annual leave (see section 4.2), but only until 31 March of the following year.\n"

func BenchmarkEnds(b *testing.B) {
	text := strings.Repeat(prose, 500)
	c := counter(b, "o200k_base")
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		c.Ends(text)
	}
}
