package tokens

import (
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode"

	"github.com/pkoukk/tiktoken-go"
	loader "github.com/pkoukk/tiktoken-go-loader"
)

// The oracle is tiktoken-go, measured identical to OpenAI's own code on 4,325
// texts in cl100k_base and o200k_base. It's far too slow to be used directly: see
// BenchmarkCount.
func oracle(t testing.TB, name string) *tiktoken.Tiktoken {
	t.Helper()
	o, err := oracles[name]()
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// tiktoken-go builds an encoding anew at each call.
var oracles = func() map[string]func() (*tiktoken.Tiktoken, error) {
	tiktoken.SetBpeLoader(loader.NewOfflineLoader())
	m := map[string]func() (*tiktoken.Tiktoken, error){}
	for _, name := range Encodings() {
		m[name] = sync.OnceValues(func() (*tiktoken.Tiktoken, error) { return tiktoken.GetEncoding(name) })
	}
	return m
}()

func counter(t testing.TB, name string) *Counter {
	t.Helper()
	c, err := New(name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// check compares count and token ends with the oracle's tokens.
func check(t *testing.T, c *Counter, o *tiktoken.Tiktoken, s string) {
	t.Helper()
	ids := o.EncodeOrdinary(s)
	if got := c.Count(s); got != len(ids) {
		t.Fatalf("%s: Count(%q) = %d, want %d", c.Name(), s, got, len(ids))
	}
	want := make([]int, 0, len(ids))
	end := 0
	for _, id := range ids {
		end += len(o.Decode([]int{id}))
		want = append(want, end)
	}
	got := c.Ends(s)
	if end != len(s) { // invalid UTF-8: the oracle's text is another one
		if len(got) != len(ids) || !slices.IsSorted(got) || got[len(got)-1] != len(s) {
			t.Fatalf("%s: Ends(%q) = %v, want %d sorted ends up to %d", c.Name(), s, got, len(ids), len(s))
		}
		return
	}
	if !slices.Equal(got, want) {
		t.Fatalf("%s: Ends(%q) = %v, want %v", c.Name(), s, got, want)
	}
}

var oddities = []string{
	"", " ", "  ", "\n", "\r\n", " \n ", "\n\n\n  x", "   x", " x  ", "\t\tx", "\u00a0x", "\u3000x\u3000", "\u0085x \u2028y\u2029",
	"don't DON'T it's IT'S we'll WE'LL they'Re I'd'Ve 'twas ''s '", "'s's's", "x'", "'ll", "'l", "'L'", "o'clock", "rock'n'roll",
	"<|endoftext|>", "a<|endoftext|>b<|fim_prefix|>", "<|endofprompt|>",
	"1234567890", "1 22 333 4444", "٣٤٥٦٧", "Ⅷ½²③", "v1.2.3-rc4", "0x1F",
	"foo/bar//baz/\n/", "https://example.org/a/b?c=d&e=f#g", "!!!\n\n???/ /", "...\r\n...", " ?!\n", "a//\n//",
	"camelCase HTTPServer XMLHttpRequest iPhone ABCdEF aB Ab aBc", "ÀÉÎÕÜ straße STRASSE ǅungla ǈ ǅǅ", "日本NHK放送 東京タワー", "NHK日本",
	"naïve cafe\u0301 e\u0301\u0301A\u0301B", "\u0301ABC", "\u0301abc", "\u0301\u0302", " \u0301", "!\u0301A", "!!\u0301", "A\u0301'S",
	"ʰʲabcʰABC ʰ", "한국어 텍스트", "مرحبا بالعالم", "हिन्दी पाठ", "ภาษาไทย", "你好世界 机器学习", "Привет МИР, КакДела",
	"😀 👩‍👩‍👧‍👦 🇩🇪 🏳️‍🌈", "\x00\x01\x02\x7f", "\u200b\u200d\ufeff", "\u180ex", "\U000e0041", "\U0010ffff", "\ufffd",
	"\xff", "a\xffb", "\xe4\xbd", "\xf0\x9f\x98", "ok \xc3\x28 \xa0\xa1",
	"func main() {\n\tfmt.Println(\"hi\")\n}\n", "{\"a\":[1,2,{\"b\":null}]}", "SELECT * FROM t WHERE x<>'y';--", "| a | b |\n|---|---|\n| 1 | 2 |\n",
	"'ſt x'ſ", "K", "İstanbul'S", "_______", "=====\n-----", "a\n b\n  c\n   d", "  \n\t \r x",
}

func TestCountMatchesOracle(t *testing.T) {
	for _, name := range Encodings() {
		c, o := counter(t, name), oracle(t, name)
		for _, s := range oddities {
			check(t, c, o, s)
			check(t, c, o, "x"+s+" y")
		}
		for _, s := range []string{strings.Join(oddities, ""), strings.Join(oddities, " "), strings.Join(oddities, "\n")} {
			check(t, c, o, s)
		}
		corpus := readAll(t, "testdata/corpus.txt")
		check(t, c, o, corpus)
		for line := range strings.Lines(corpus) {
			check(t, c, o, line)
			check(t, c, o, strings.ToUpper(line))
		}
		check(t, c, o, readAll(t, "../demo/corpus/*/*.*")) // some of it isn't UTF-8
		check(t, c, o, readAll(t, "*.go"))

		// Around the length at which the merge changes its method, and well past.
		for _, unit := range []string{"a", "A", "ab", "=", "-", "日", "é", "😀", "0", " ", "\n", "\t", "aB", "\u0301"} {
			for _, n := range []int{middlePiece - 1, middlePiece, longPiece - 1, longPiece, 300} {
				check(t, c, o, strings.Repeat(unit, n))
			}
		}
	}
}

// alphabets that stress the splitting rules; the last is all of Unicode.
var alphabets = []string{
	"ab '\n", "aAbB", "aA1 \n\t'", "aA'sStTlLrReEvV", "aÀé日ʰǅ\u0301\u0302", "aA日\u0301!/'\n ", "12٣Ⅷ½ a", "!?./\\\n\r /a", " \t\n\r\u00a0\u3000x",
	"abcdefghijklmnopqrstuvwxyz", "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ     '.,\n",
	"",
}

// randomText returns up to n code points.
func randomText(r *rand.Rand, n int) string {
	alphabet := []rune(alphabets[r.IntN(len(alphabets))])
	ranges := []*unicode.RangeTable{unicode.Lu, unicode.Ll, unicode.Lt, unicode.Lm, unicode.Lo, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Z, unicode.C}
	var b strings.Builder
	for range r.IntN(n + 1) {
		if len(alphabet) > 0 {
			b.WriteRune(alphabet[r.IntN(len(alphabet))])
			continue
		}
		t := ranges[r.IntN(len(ranges))]
		if len(t.R16) > 0 && (len(t.R32) == 0 || r.IntN(2) == 0) {
			x := t.R16[r.IntN(len(t.R16))]
			b.WriteRune(rune(x.Lo) + rune(r.IntN(int(x.Hi-x.Lo)/int(x.Stride)+1))*rune(x.Stride))
		} else {
			x := t.R32[r.IntN(len(t.R32))]
			b.WriteRune(rune(x.Lo) + rune(r.IntN(int(x.Hi-x.Lo)/int(x.Stride)+1))*rune(x.Stride))
		}
	}
	return b.String()
}

func TestRandomTextMatchesOracle(t *testing.T) {
	n := 20_000
	if testing.Short() {
		n = 300
	}
	for _, name := range Encodings() {
		c, o := counter(t, name), oracle(t, name)
		r := rand.New(rand.NewPCG(1, 2))
		for range n {
			check(t, c, o, randomText(r, 60))
		}
	}
}

// Every code point alone, between letters, and after white space: all up to
// the CJK symbols, and 1 in 3 of the rest of the first two planes.
func TestCodePointsMatchOracle(t *testing.T) {
	for _, name := range Encodings() {
		c, o := counter(t, name), oracle(t, name)
		var b strings.Builder
		for r := rune(0); r < 0x20000; r++ {
			if r < 0x3100 || r%3 == 0 {
				b.WriteRune(r)
				b.WriteString("aB")
				b.WriteRune(r)
				b.WriteString(" ")
				b.WriteRune(r)
				b.WriteRune(r)
			}
			if b.Len() > 4000 {
				check(t, c, o, b.String())
				b.Reset()
			}
		}
		check(t, c, o, b.String())
	}
}

// More text of other people, where there is some: RAGLOOP_DATA names a directory.
func TestDataMatchesOracle(t *testing.T) {
	dir := os.Getenv("RAGLOOP_DATA")
	if dir == "" {
		t.Skip("RAGLOOP_DATA is not set")
	}
	total := 0
	err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || total > 16<<20 {
			return err
		}
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		defer f.Close()
		text, err := io.ReadAll(io.LimitReader(f, 200_000))
		if err != nil {
			return err
		}
		total += len(text)
		for _, name := range Encodings() {
			if got, want := counter(t, name).Count(string(text)), len(oracle(t, name).EncodeOrdinary(string(text))); got != want {
				t.Errorf("%s: %s has %d tokens, want %d", name, file, got, want)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes", total)
}

func FuzzCount(f *testing.F) {
	for _, s := range oddities {
		f.Add(s)
	}
	for line := range strings.Lines(readAll(f, "testdata/corpus.txt")) {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, name := range Encodings() {
			check(t, counter(t, name), oracle(t, name), s)
		}
	})
}
