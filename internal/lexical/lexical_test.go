package lexical

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func analyzer(t testing.TB, change func(*Params)) *Analyzer {
	t.Helper()
	p := Default()
	if change != nil {
		change(&p)
	}
	a, err := New(p)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// Published values: https://en.wikipedia.org/wiki/MurmurHash (seed 0) and the
// dimensions that a Qdrant server stores for five words.
func TestTermID(t *testing.T) {
	for s, want := range map[string]uint32{
		"": 0, "test": 0xba6bd213, "Hello, world!": 0xc0363e43, "The quick brown fox jumps over the lazy dog": 0x2e4ff723,
	} {
		if got := murmur3(s); got != want {
			t.Errorf("murmur3(%q) = %#x, want %#x", s, got, want)
		}
	}
	for s, want := range map[string]uint32{
		"hello": 613153351, "world": 74040069, "qdrant": 802574768, "fox": 1621867415, "привет": 993413998,
	} {
		if got := termID(s); got != want {
			t.Errorf("termID(%q) = %d, want %d", s, got, want)
		}
	}
}

func TestTerms(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*Params)
		text   string
		want   []string
	}{
		{"empty", nil, "", nil},
		{"english", nil, "The Runners weren't running to 3.5-litre cafés", []string{"runner", "run", "3", "5", "litr", "café"}},
		{"none", func(p *Params) { p.Language = "none" }, "The Runners run", []string{"the", "runners", "run"}},
		{"german", func(p *Params) { p.Language = "german" }, "Die Häuser und die Straßen", []string{"haus", "strass"}},
		{"whitespace", func(p *Params) { p.Tokenizer = Whitespace }, "don't stop, C++", []string{"stop,", "c++"}},
		{"folding", func(p *Params) { p.ASCIIFolding, p.Language = true, none }, "Ærøskøbing naïve ŒUVRE ﬁn Straße ②", []string{"aeroskobing", "naive", "oeuvre", "fin", "strasse", "2"}},
		{"case", func(p *Params) { p.CaseSensitive = true }, "The the IDs", []string{"The", "IDs"}},
		{"own stop words", func(p *Params) { p.StopWords = []string{"Fox"} }, "the fox jumps", []string{"the", "jump"}},
		{"no stop words", func(p *Params) { p.StopWords = []string{} }, "the fox", []string{"the", "fox"}},
		{"lengths", func(p *Params) { p.MinTermLen, p.MaxTermLen = 2, 4 }, "x go jump jumping elephants été", []string{"go", "jump", "jump", "été"}},
		{"prefix", func(p *Params) { p.Tokenizer = Prefix }, "the bee", []string{"b", "be", "bee"}},
		{"prefix lengths", func(p *Params) { p.Tokenizer, p.MinTermLen, p.MaxTermLen = Prefix, 2, 3 }, "a horse cow", []string{"ho", "hor", "co", "cow"}},
		{"marks", func(p *Params) { p.Language = none }, "हिन्दी cafe\u0301s", []string{"हिन", "दी", "cafe", "s"}},
		{"invalid", func(p *Params) { p.Language = none }, "ab\xffcd \ufffd", []string{"ab", "cd"}},
		{"invalid, whitespace", func(p *Params) { p.Language, p.Tokenizer = none, Whitespace }, "ab\xffcd \ufffd", []string{"ab", "cd", "\ufffd"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := analyzer(t, test.change).Terms(test.text); !slices.Equal(got, test.want) {
				t.Errorf("Terms(%q) = %q, want %q", test.text, got, test.want)
			}
		})
	}
}

func TestQuery(t *testing.T) {
	a := analyzer(t, nil)
	got := a.Query("world hello World, the hello")
	want := Vector{Indices: []uint32{74040069, 613153351}, Values: []float32{1, 1}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("Query (-want +got):\n%s", d)
	}
	if got := a.Query("of the"); len(got.Indices) != 0 || len(got.Values) != 0 {
		t.Errorf("Query(stop words) = %v, want the empty vector", got)
	}
}

// A query with the prefix tokenizer looks for what was typed so far.
func TestPrefixQuery(t *testing.T) {
	a := analyzer(t, func(p *Params) { p.Tokenizer, p.MaxTermLen, p.Language = Prefix, 4, none })
	for _, test := range []struct {
		query string
		want  []string
	}{
		{"hel", []string{"hel"}},
		{"hello wo", []string{"hell", "wo"}},
	} {
		if got := a.queryTerms(test.query); !slices.Equal(got, test.want) {
			t.Errorf("queryTerms(%q) = %q, want %q", test.query, got, test.want)
		}
	}
	english := analyzer(t, func(p *Params) { p.Tokenizer = Prefix })
	if got, want := english.queryTerms("the"), []string{"the"}; !slices.Equal(got, want) {
		t.Errorf("queryTerms(the) = %q, want %q: it may be the beginning of theory", got, want)
	}
}

func TestDocumentFormula(t *testing.T) {
	// "cat" occurs 2 times among 5 terms: 2*2.2 / (2 + 1.2*(0.25 + 0.75*5/5)).
	a := analyzer(t, func(p *Params) { p.AvgLen, p.Language = 5, none })
	v := a.Document("the cat sat cat on")
	i := slices.Index(v.Indices, termID("cat"))
	if i < 0 || v.Values[i] != 1.375 {
		t.Errorf("Document = %v, want 1.375 for %d", v, termID("cat"))
	}
}

// Two terms of one dimension, found by search.
func TestCollision(t *testing.T) {
	seen := map[uint32]string{}
	var a, b string
	for i := 0; a == ""; i++ {
		w := "x" + string(rune('a'+i%26)) + strings.Repeat("q", i/26%7) + string(rune('a'+i/182%26)) + string(rune('a'+i/4732%26)) + string(rune('a'+i/123032%26))
		id := termID(w)
		if o, ok := seen[id]; ok && o != w {
			a, b = o, w
		}
		seen[id] = w
	}
	an := analyzer(t, func(p *Params) { p.Language = none })
	for _, text := range []string{a + " " + b + " " + b, b + " " + a + " " + b, b + " " + b + " " + a} {
		v := an.Document(text)
		if len(v.Indices) != 1 || v.Values[0] != an.weight(2, 3) {
			t.Errorf("Document(%q) = %v, want one dimension with the higher weight %v", text, v, an.weight(2, 3))
		}
	}
}

func TestNewRefuses(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, test := range []struct {
		change func(*Params)
		want   []string // in the error
	}{
		{func(p *Params) { p.K = -1 }, []string{"k is -1", "0 to 1000"}},
		{func(p *Params) { p.K = nan }, []string{"k is NaN"}},
		{func(p *Params) { p.K = inf }, []string{"k is +Inf"}},
		{func(p *Params) { p.B = 2 }, []string{"b is 2", "0 to 1"}},
		{func(p *Params) { p.B = nan }, []string{"b is NaN"}},
		{func(p *Params) { p.AvgLen = 0 }, []string{"avg_len is 0", "above 0"}},
		{func(p *Params) { p.AvgLen = nan }, []string{"avg_len is NaN"}},
		{func(p *Params) { p.AvgLen = inf }, []string{"avg_len is +Inf"}},
		{func(p *Params) { p.Language = "klingon" }, []string{`"klingon"`, "english", "none"}},
		{func(p *Params) { p.Language = "" }, []string{`language is ""`}},
		{func(p *Params) { p.Language = "greek" }, []string{`"greek"`}},
		{func(p *Params) { p.Tokenizer = "multilingual" }, []string{`"multilingual"`, "word, whitespace or prefix"}},
		{func(p *Params) { p.MinTermLen = -1 }, []string{"min_term_len is -1"}},
		{func(p *Params) { p.MaxTermLen = -1 }, []string{"max_term_len is -1"}},
		{func(p *Params) { p.MinTermLen, p.MaxTermLen = 5, 3 }, []string{"max_term_len is 3", "min_term_len, 5"}},
	} {
		p := Default()
		test.change(&p)
		_, err := New(p)
		if err == nil {
			t.Errorf("New(%+v) succeeds, want an error", p)
			continue
		}
		for _, w := range test.want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("New(%+v) = %q, want it to say %q", p, err, w)
			}
		}
	}
}

func TestParamsJSON(t *testing.T) {
	for _, p := range []Params{
		Default(),
		{K: 0.9, B: 0.4, AvgLen: 81.25, Language: "none", Tokenizer: Prefix, CaseSensitive: true, MinTermLen: 2, MaxTermLen: 9},
		{K: 1, B: 1, AvgLen: 1, Language: "english", StopWords: []string{}}, // none, not the language's
		{K: 1, B: 1, AvgLen: 1, Language: "english", StopWords: []string{"x"}},
	} {
		data, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var got Params
		if err := json.Unmarshal(data, &got); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(p, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", data, d)
		}
	}
	data, _ := json.Marshal(Default())
	if got, want := string(data), `{"k":1.2,"b":0.75,"avg_len":256,"language":"english"}`; got != want {
		t.Errorf("Marshal(Default()) = %s, want %s", got, want)
	}
}

func TestLanguages(t *testing.T) {
	names := Languages()
	if len(names) != 15 || names[len(names)-1] != "none" || !slices.IsSorted(names[:len(names)-1]) {
		t.Errorf("Languages() = %v, want 14 sorted names, then none", names)
	}
	sizes := map[string]int{"danish": 94, "dutch": 101, "english": 179, "finnish": 229, "french": 157, "german": 232, "hungarian": 198,
		"italian": 279, "norwegian": 172, "portuguese": 207, "russian": 151, "spanish": 313, "swedish": 114, "turkish": 53, "none": 0}
	for _, name := range names {
		a := analyzer(t, func(p *Params) { p.Language = name })
		if len(a.stopWords) != sizes[name] {
			t.Errorf("%s: %d stop words, want %d", name, len(a.stopWords), sizes[name])
		}
	}
}

func TestLower(t *testing.T) {
	for s, want := range map[string]string{
		"": "", "ABC": "abc", "İstanbul": "i\u0307stanbul", "ΣΊΣΥΦΟΣ": "σίσυφος", "ΣΑΣ ΣΑ": "σας σα", "Σ": "σ", "ΑΣ'Α": "ασ'α", "ΑΣ.": "ας.", "Σ1Σ": "σ1σ",
	} {
		if got := lower(s); got != want {
			t.Errorf("lower(%q) = %q, want %q", s, got, want)
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	a := analyzer(t, func(*Params) {})
	text := strings.Repeat("Running runners ran through naïve cafés. ", 20)
	want := a.Document(text)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if d := cmp.Diff(want, a.Document(text)); d != "" {
				t.Errorf("Document (-want +got):\n%s", d)
			}
		})
	}
	wg.Wait()
}

// checkVector checks what a vector promises whatever the text.
func checkVector(t *testing.T, what, s string, v Vector) {
	t.Helper()
	if len(v.Indices) != len(v.Values) {
		t.Fatalf("%s(%q): %d indices, %d values", what, s, len(v.Indices), len(v.Values))
	}
	for i, x := range v.Values {
		if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) || x < 0 {
			t.Fatalf("%s(%q): value %v", what, s, x)
		}
		if i > 0 && v.Indices[i-1] >= v.Indices[i] {
			t.Fatalf("%s(%q): indices %v not ascending", what, s, v.Indices)
		}
	}
}

func FuzzAnalyzer(f *testing.F) {
	for _, s := range []string{"", "The quick brown fox", "naïve İΣ Straße ②", "\xff\xfe a\x00b", "日本語 テキスト", "don't", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaing", "yyyyyyyy ss' 's"} {
		f.Add(s, 1.2, 0.75, 256.0, uint8(0), uint8(0))
	}
	f.Add("x x x", 1000.0, 1.0, 5e-324, uint8(3), uint8(7))
	names := Languages()
	tokenizers := []string{Word, Whitespace, Prefix}
	f.Fuzz(func(t *testing.T, s string, k, b, avgLen float64, language, options uint8) {
		p := Params{K: k, B: b, AvgLen: avgLen, Language: names[int(language)%len(names)], Tokenizer: tokenizers[int(options>>2)%3], CaseSensitive: options&1 != 0, ASCIIFolding: options&2 != 0}
		if options&0x80 != 0 {
			p.MinTermLen, p.MaxTermLen = 1, 3
		}
		a, err := New(p)
		if err != nil {
			return
		}
		checkVector(t, "Document", s, a.Document(s))
		checkVector(t, "Query", s, a.Query(s))
		if d := cmp.Diff(a.Document(s), a.Document(s)); d != "" {
			t.Fatalf("Document(%q) differs from itself:\n%s", s, d)
		}
	})
}

// A query finds every document term: the two analyses agree.
func TestQueryAndDocumentAgree(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	letters := []rune("abeginorst ÀÉäß日ж.'\n")
	for _, name := range Languages() {
		a := analyzer(t, func(p *Params) { p.Language = name })
		for range 100 {
			var b strings.Builder
			for range r.IntN(60) {
				b.WriteRune(letters[r.IntN(len(letters))])
			}
			s := b.String()
			if d, q := a.Document(s), a.Query(s); !slices.Equal(d.Indices, q.Indices) {
				t.Fatalf("%s: %q: document %v, query %v", name, s, d.Indices, q.Indices)
			}
		}
	}
}

func BenchmarkDocument(b *testing.B) {
	text := strings.Repeat("Employees may carry over up to five days of unused annual leave, but only until 31 March of the following year. ", 8)
	a := analyzer(b, nil)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		a.Document(text)
	}
}

// What an analyzer has met before changes nothing, not even when it has met more
// than it remembers, or analyses several texts at once.
func TestAnalyzerForgets(t *testing.T) {
	params := Default()
	params.MinTermLen, params.MaxTermLen = 2, 12
	used, err := New(params)
	if err != nil {
		t.Fatal(err)
	}
	var g sync.WaitGroup
	for worker := range 2 {
		g.Go(func() {
			for i := range 3 * maxKnown / 8 {
				text := fmt.Sprintf("Running the word%d, runnings of THE Word%dings and %s x", i, i+worker, strings.Repeat("y", 1+i%40))
				fresh, err := New(params)
				if err != nil {
					t.Error(err)
					return
				}
				if i%64 != 0 {
					used.Document(text)
					continue
				}
				if got, want := used.Document(text), fresh.Document(text); !slices.Equal(got.Indices, want.Indices) || !slices.Equal(got.Values, want.Values) {
					t.Errorf("Document(%q) = %v after other texts, %v without", text, got, want)
				}
				if got, want := used.Terms(text), fresh.Terms(text); !slices.Equal(got, want) {
					t.Errorf("Terms(%q) = %q after other texts, %q without", text, got, want)
				}
			}
		})
	}
	g.Wait()
}

// Of two terms that share a dimension the more frequent one counts.
func TestHighestCount(t *testing.T) {
	for _, test := range []struct {
		terms []string
		want  int
	}{
		{[]string{"a"}, 1},
		{[]string{"a", "a", "a"}, 3},
		{[]string{"a", "b", "a", "b", "b"}, 3},
	} {
		var keys []uint64
		var terms []*term
		for i, s := range test.terms {
			keys = append(keys, 7<<32|uint64(i))
			terms = append(terms, &term{text: s, id: 7, count: 1})
		}
		if got := highestCount(terms, keys); got != test.want {
			t.Errorf("highestCount(%q) = %d, want %d", test.terms, got, test.want)
		}
	}
}

// TestHas: a text has the terms that are dimensions of its vector.
func TestHas(t *testing.T) {
	for _, change := range []func(*Params){nil, func(p *Params) { p.Tokenizer = Prefix }, func(p *Params) { p.CaseSensitive = true }} {
		a := analyzer(t, change)
		ids := a.Document("Pumps pumping, the filter of a PUMP; warranty limits").Indices
		for _, s := range []string{"", "the of", "a pump", "Limited warranties of filters", "Pump PUMP pumps xyz"} {
			in, want := a.Document(s).Indices, uint64(0)
			for i, id := range ids {
				if slices.Contains(in, id) {
					want |= 1 << i
				}
			}
			if got := a.Has(s, ids); got != want {
				t.Errorf("Has(%q) = %b, want %b", s, got, want)
			}
		}
	}
}
