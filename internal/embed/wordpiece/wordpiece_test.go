package wordpiece

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/internal/embed/modelfile"
)

// bgeVocabulary returns the vocabulary of the built-in model.
func bgeVocabulary(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile("../bge-small-en-v1.5.model")
	if err != nil {
		t.Fatal(err)
	}
	f, err := modelfile.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	vocabulary, err := f.Blob("vocab.txt")
	if err != nil {
		t.Fatal(err)
	}
	return vocabulary
}

// bgeTokenizer returns the tokenizer of the built-in model.
func bgeTokenizer(t testing.TB) *Tokenizer {
	t.Helper()
	tok, err := New(bgeVocabulary(t), Uncased())
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

type sample struct {
	Text string
	IDs  []int32

	// Of testdata/options.jsonl only.
	Lowercase          bool
	StripAccents       bool `json:"strip_accents"`
	HandleChineseChars bool `json:"handle_chinese_chars"`
	Second             string
	Window             int
	Types              []int32
}

// samples reads JSON Lines of texts with the ids of the reference tokenizer.
func samples(t testing.TB, path string) []sample {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var r io.Reader = file
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(file); err != nil {
			t.Fatal(err)
		}
	}
	var out []sample
	for dec := json.NewDecoder(bufio.NewReader(r)); ; {
		var c sample
		if err := dec.Decode(&c); err == io.EOF {
			return out
		} else if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		out = append(out, c)
	}
}

// TestReference compares with the ids that tokenizers 0.23.3 gave; see
// ../README.md for where the files come from.
func TestReference(t *testing.T) {
	tok := bgeTokenizer(t)
	ref := newReference(bgeVocabulary(t), Uncased())
	appendText := func(ids []int32, text string) []int32 {
		all := tok.Append(nil, text)
		return append(ids, all[1:len(all)-1]...)
	}
	files := []string{"testdata/tokens.jsonl.gz", "../testdata/golden.jsonl"}
	if dir := os.Getenv("RAGLOOP_DATA"); dir != "" {
		files = append(files, dir+"/../model/bge-small-en-v1.5/tokens.jsonl", dir+"/../model/bge-small-en-v1.5/golden.jsonl")
	}
	const window = 512
	for _, path := range files {
		for _, c := range samples(t, path) {
			got := ref.appendWithSpecials(nil, c.Text, appendText)
			if len(got) > window { // the reference is cut
				got = append(got[:window-1], tok.sep)
			}
			if diff := cmp.Diff(c.IDs, got); diff != "" {
				t.Errorf("%s: Append(%q) differs (-want +got):\n%s", path, c.Text, diff)
			}
			if got, want := tok.Append(nil, c.Text), ref.append(nil, c.Text); !slices.Equal(got, want) {
				t.Errorf("%s: Append(%q) = %v, the definition says %v", path, c.Text, got, want)
			}
		}
	}
}

// TestOptions compares with the same tokenizer under all options, and for pairs;
// testdata/options.py made the file.
func TestOptions(t *testing.T) {
	toks := make(map[Options]*Tokenizer)
	for _, o := range variants() {
		var err error
		if toks[o], err = New(bgeVocabulary(t), o); err != nil {
			t.Fatal(err)
		}
	}
	single, pairs := 0, 0
	for _, c := range samples(t, "testdata/options.jsonl") {
		if c.Window == 0 {
			single++
			o := Options{Lowercase: c.Lowercase, StripAccents: c.StripAccents, HandleChineseChars: c.HandleChineseChars}
			if got := toks[o].Append(nil, c.Text); !slices.Equal(got, c.IDs) {
				t.Errorf("%+v: Append(%q) = %v, want %v", o, c.Text, got, c.IDs)
			}
			continue
		}
		pairs++
		got, second := toks[Uncased()].AppendPair([]int32{7}, c.Window, c.Text, c.Second)
		types := make([]int32, len(got))
		for i := second; i < len(got); i++ {
			types[i] = 1
		}
		if !slices.Equal(got[1:], c.IDs) || !slices.Equal(types[1:], c.Types) || got[0] != 7 {
			t.Errorf("AppendPair(%d, %q, %q) = %v, types %v, want %v, %v", c.Window, c.Text, c.Second, got, types, c.IDs, c.Types)
		}
	}
	if single != 8*40 || pairs != 100 {
		t.Errorf("%d texts and %d pairs, want 320 and 100", single, pairs)
	}
}

// TestEveryRune compares with the definition for each assigned rune, at the
// beginning, in the middle and at the end of a word.
func TestEveryRune(t *testing.T) {
	for _, o := range []Options{Uncased(), Cased(), {Lowercase: true}} {
		tok, err := New(bgeVocabulary(t), o)
		if err != nil {
			t.Fatal(err)
		}
		ref := newReference(bgeVocabulary(t), o)
		for first := rune(0); first <= unicode.MaxRune; first += 64 {
			if o != Uncased() && first > 0xffff || first >= 0x34000 && first < 0xe0000 || first >= 0xe1000 && first < 0xf0000 {
				continue // not assigned, or under the rules of the other options
			}
			if first > 0xf1000 {
				break // for private use, all alike
			}
			var b strings.Builder
			for r := first; r < first+64; r++ {
				b.WriteString(string([]rune{'a', r, ' ', r, 'e', r, '\u302f', '\u0301', '\u302e', 'x', ' '}))
			}
			if got, want := tok.Append(nil, b.String()), ref.append(nil, b.String()); !slices.Equal(got, want) {
				t.Fatalf("%+v: the runes from %U on give %v, want %v", o, first, got, want)
			}
		}
	}
}

// TestNoAllocation gives hostile texts to all methods: nothing but the ids takes
// memory, and ids only as many as are asked for.
func TestNoAllocation(t *testing.T) {
	tok := bgeTokenizer(t)
	ids := make([]int32, 0, 1024)
	for _, unit := range []string{"a", "a ", "pump ", "\x00", "\xff", "\u0301", "\u302f\u302e", "é", "中", "한", ".", "\n", "[CLS]"} {
		text := strings.Repeat(unit, 1<<17)
		for name, f := range map[string]func(){
			"Count":        func() { tok.Count(text) },
			"AppendWindow": func() { tok.AppendWindow(ids, 512, "query: ", text) },
			"AppendPair":   func() { tok.AppendPair(ids, 512, text, text) },
		} {
			if n := testing.AllocsPerRun(1, f); n > 0 {
				t.Errorf("%s of %q again and again: %v allocations", name, unit, n)
			}
		}
	}
}

// TestConcurrent fills the tables of characters from several goroutines at once.
func TestConcurrent(t *testing.T) {
	texts := awkward()
	tok := bgeTokenizer(t)
	ref := newReference(bgeVocabulary(t), Uncased())
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range texts {
				text := texts[(i*7+g*5)%len(texts)]
				if got, want := tok.Append(nil, text), ref.append(nil, text); !slices.Equal(got, want) {
					t.Errorf("Append(%q) beside others = %v, want %v", text, got, want)
				}
			}
		})
	}
	wg.Wait()
}

func TestSpecialNamesAreText(t *testing.T) {
	tok := bgeTokenizer(t)
	first := newReference(bgeVocabulary(t), Uncased()).first
	for _, name := range specialNames {
		got := tok.Append(nil, "a "+name+" b")
		for _, special := range specialNames {
			if id := first[special]; slices.Contains(got[1:len(got)-1], id) {
				t.Errorf("Append of %q = %v, which has the special id %d inside", name, got, id)
			}
		}
		if got[0] != tok.cls || got[len(got)-1] != tok.sep {
			t.Errorf("Append of %q = %v, want [CLS] … [SEP]", name, got)
		}
	}
	// Names without brackets are words, and still cannot be forged.
	tok, err := New([]byte("unk\ncls\nsep\na\n"), Options{Unknown: "unk", Class: "cls", Separator: "sep"})
	if err != nil {
		t.Fatal(err)
	}
	if got := tok.Append(nil, "cls a sep unk"); !slices.Equal(got, []int32{1, 0, 3, 0, 0, 2}) {
		t.Errorf("Append of the names as words = %v", got)
	}
}

func TestAppend(t *testing.T) {
	tok, err := New([]byte("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nun\n##aff\n##able\naff\n.\na\n##a\nε\n"), Uncased())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		text string
		want []int32
	}{
		{"", []int32{2, 3}},
		{" \t\r\n\u00a0", []int32{2, 3}},
		{"unaffable", []int32{2, 5, 6, 7, 3}},
		{"UN\u0301affABLE.", []int32{2, 5, 6, 7, 9, 3}},
		{"affun", []int32{2, 1, 3}},                     // no "##un"
		{"un\x00aff\u200bable", []int32{2, 5, 6, 7, 3}}, // deleted, not spaces
		{"un\xff\xfeaff\xc3", []int32{2, 5, 6, 3}},      // not UTF-8: deleted
		{"a\u000bb", []int32{2, 1, 3}},                  // vertical tab is a control character
		{strings.Repeat("a", 100), append(append([]int32{2, 10}, slices.Repeat([]int32{11}, 99)...), 3)},
		{strings.Repeat("a", 101), []int32{2, 1, 3}},
		{"Ε", []int32{2, 12, 3}},
		{"un\u3000.un", []int32{2, 5, 9, 5, 3}},
		{"a中a", []int32{2, 10, 1, 10, 3}},
	} {
		if diff := cmp.Diff(c.want, tok.Append(nil, c.text)); diff != "" {
			t.Errorf("Append(%q) (-want +got):\n%s", c.text, diff)
		}
	}
	if got := tok.Len(); got != 13 {
		t.Errorf("Len() = %d, want 13", got)
	}
	if got := tok.Append([]int32{7}, "un"); !slices.Equal(got, []int32{7, 2, 5, 3}) {
		t.Errorf("Append keeps what was there: got %v", got)
	}
}

// TestLongPieces compares with the definition where pieces are longer than the
// hash table keeps as they are, up to longer than a word may be.
func TestLongPieces(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	random := func(most int) string {
		b := make([]byte, 1+r.IntN(most))
		for i := range b {
			b[i] = "ab"[r.IntN(20)/19] // long runs of a, so that prefixes are shared
		}
		return string(b)
	}
	pieces := map[string]bool{"a": true, "b": true, "##a": true, "##b": true}
	for range 500 {
		pieces[random(120)] = true
		pieces["##"+random(60)] = true
	}
	vocabulary := []byte("[UNK]\n[CLS]\n[SEP]\n" + strings.Join(slices.Sorted(maps.Keys(pieces)), "\n"))
	tok, err := New(vocabulary, Cased())
	if err != nil {
		t.Fatal(err)
	}
	ref := newReference(vocabulary, Cased())
	for range 5000 {
		text := random(110) + " " + random(20) + "é" + random(9)
		if got, want := tok.Append(nil, text), ref.append(nil, text); !slices.Equal(got, want) {
			t.Fatalf("Append(%q) = %v, want %v", text, got, want)
		}
	}
}

func TestNewErrors(t *testing.T) {
	const special = "[UNK]\n[CLS]\n[SEP]\n"
	for _, c := range []struct {
		vocabulary string
		options    Options
		want       string
	}{
		{"", Uncased(), "0 pieces lacks [UNK]"},
		{"a\nb\n", Uncased(), "2 pieces lacks [UNK]"},
		{"[PAD]\n[UNK]\n[CLS]\n", Cased(), "lacks [SEP]"},
		{special + "a\na\n", Cased(), `lines 4 and 5 of the vocabulary are both "a"`},
		{special + "##a\n##a\n", Cased(), `both "##a"`},
		{special + "incomprehensible\nincomprehensible\n", Cased(), "both"},
		{special + "[CLS]\n", Cased(), `lines 2 and 4 of the vocabulary are both "[CLS]"`},
		{special + "a\n\xc3\n", Cased(), "line 5 of the vocabulary is not UTF-8"},
		{special, Options{Unknown: "<unk>"}, "lacks <unk>"},
		{special, Options{Separator: "[CLS]"}, "not different"},
	} {
		if _, err := New([]byte(c.vocabulary), c.options); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("New(%q, %+v) = %v, want an error with %q", c.vocabulary, c.options, err, c.want)
		}
	}
	// Empty lines take their number and CR LF is an end of line.
	tok, err := New([]byte(strings.ReplaceAll(special+"\n\na\n##\n", "\n", "\r\n")), Cased())
	if err != nil {
		t.Fatal(err)
	}
	if got := tok.Append(nil, "a"); tok.Len() != 7 || !slices.Equal(got, []int32{1, 5, 2}) {
		t.Errorf("Append = %v of a vocabulary with %d pieces", got, tok.Len())
	}
}

// variants are all combinations of the options that change the text.
func variants() []Options {
	var out []Options
	for bits := range 8 {
		out = append(out, Options{Lowercase: bits&1 != 0, StripAccents: bits&2 != 0, HandleChineseChars: bits&4 != 0})
	}
	return out
}

func FuzzAppend(f *testing.F) {
	type pair struct {
		options Options
		tok     *Tokenizer
		ref     *reference
	}
	var pairs []pair
	vocabulary := bgeVocabulary(f)
	for _, o := range variants() {
		tok, err := New(vocabulary, o)
		if err != nil {
			f.Fatal(err)
		}
		pairs = append(pairs, pair{o, tok, newReference(vocabulary, o)})
	}
	for _, s := range awkward() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, p := range pairs {
			ids := p.tok.Append(nil, text)
			if want := p.ref.append(nil, text); !slices.Equal(ids, want) {
				t.Fatalf("%+v: Append(%q) = %v, want %v", p.options, text, ids, want)
			}
			if got := p.tok.Count(text); got != len(ids) {
				t.Fatalf("%+v: Count(%q) = %d, want %d", p.options, text, got, len(ids))
			}
			half := len(text) / 2
			for _, window := range []int{0, len(ids) / 2, len(ids), len(ids) + 1} {
				want := ids
				if n := max(window, 2); len(ids) > n {
					want = append(slices.Clone(ids[:n-1]), p.tok.sep)
				}
				if !utf8.ValidString(text[:half]) {
					half = 0 // a rune cannot be in both parts
				}
				if got := p.tok.AppendWindow(nil, window, text[:half], text[half:]); !slices.Equal(got, want) {
					t.Fatalf("%+v: AppendWindow(%d, %q, %q) = %v, want %v", p.options, window, text[:half], text[half:], got, want)
				}
			}
		}
	})
}

// awkward returns texts that take all ways through the scanner.
func awkward() []string {
	return []string{
		"", "Hello, wörld!", "[CLS]\x00\xff", "日本語 한국어 İ ǅ", "\u0301\u200d\ufdfa",
		"eight ch sevench exactly8 nine9nine sixteen16sixteen and\x00then", "tail", "a tail of sevent7",
		"x\u0085y\u000bz\u00a0\u2028w", "café cafe\u0301 ＡＢＣ ﬁ Å \u212b", "≠ = \u0338 <\u0338",
		"\u302e\u302f\u302e a\u302f\u0941\u302e\u1dfb\U0001d165", "हिन्दी ไทย עִבְרִית", "豈\U0002f800中\u302e",
		strings.Repeat("a", 99) + " " + strings.Repeat("a", 100) + " " + strings.Repeat("a", 101) + ".",
		strings.Repeat("é", 100) + " " + strings.Repeat("é", 101), strings.Repeat("\u0301", 40) + "a" + strings.Repeat("\u302f\u302e", 40),
		"don't re-use e.g. x_y@z.org\t1,234.50\r\nEND", "\xf0\x9f\x98\x80 \xf0\x9f\x98 \xed\xa0\x80",
	}
}
