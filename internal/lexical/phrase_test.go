package lexical

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"
)

func TestHolds(t *testing.T) {
	a := analyzer(t, nil)
	folding := analyzer(t, func(p *Params) { p.ASCIIFolding = true })
	sensitive := analyzer(t, func(p *Params) { p.CaseSensitive = true })
	for _, test := range []struct {
		a      *Analyzer
		phrase string
		texts  []string
		want   bool
	}{
		{a, "the end of the line", []string{"It was The End,\nof the line."}, true},
		{a, "the end of the line", []string{"the end of line"}, false},    // stop words count
		{a, "running costs", []string{"run cost"}, false},                 // no stemming
		{a, "a b a b c", []string{"a b a b a b c"}, true},                 // attempts overlap
		{a, "XJ-1200/B", []string{"part xj 1200 b of 3"}, true},           // separators are alike
		{a, "XJ-1200/B", []string{"part xj-1200", "b of 3"}, false},       // not across texts
		{a, "XJ-1200/B", []string{"nothing", "part XJ-1200/B"}, true},     // in any text
		{a, "R17-B2", []string{"17 r b 2", "the r17, b2"}, true},          // digits
		{a, "R17-B2", []string{"the r1 7b2", "r17 b 2"}, false},           // elsewhere
		{folding, "R17-B2", []string{"the R１７-B２"}, true},                 // digits of another width
		{a, "one", []string{"two one"}, true},                             // one word
		{a, "", []string{"a"}, false}, {a, "...", []string{"..."}, false}, // no word
		{a, "ÉTÉ", []string{"un été"}, true}, {a, "ΟΔΟΣ", []string{"οδος"}, true}, // full lower-casing
		{sensitive, "IT", []string{"it is"}, false}, {sensitive, "IT", []string{"the IT team"}, true},
		{a, "word", []string{"words", "sword"}, false},
		{a, "cat", []string{"concatenate"}, false},
		{a, "ab\u00adc", []string{"a\u00adbc"}, true}, {a, "soft 12 ware", []string{"so\u00adft 1\u00ad2 ware"}, true}, // soft hyphens
		{a, "soft ware", []string{"soft\u00adware"}, false},
		{a, "Gro\u0308\u00dfe 3 kW", []string{"größe: 3 KW"}, true}, {a, "Größe", []string{"die GRO\u0308\u00dfE"}, true}, // decomposed
		{a, "großen", []string{"gro\u00dfe\u0302n"}, false}, {a, "Grosse", []string{"Gro\u0308sse"}, false},
		{folding, "Grosse", []string{"Gro\u0308sse"}, true}, {sensitive, "É", []string{"e\u0301"}, false},
		{a, "한국어", []string{"\u1112\u1161\u11ab국어"}, true},
		{a, "検索エンジン", []string{"日本語の検索エンジン。"}, true}, {a, "検索エンジン", []string{"日本語の検索エンシン。"}, false}, // inside a run
		{a, "検索エンジン", []string{"検索\nエンジンは"}, true}, {a, "検索 エンジン", []string{"日本語の検索エンジン"}, true}, // broken at the end of a line
		{a, "検索検索エ", []string{"検索検索検索エ"}, true}, {a, "エンジン", []string{"エンシ\u3099ン"}, true},
		{a, "サーバー", []string{"各サーバーAPIの"}, true}, {a, "API", []string{"各サーバーAPIの"}, true}, {a, "PI", []string{"各サーバーAPIの"}, false},
		{a, "XJ-1200/B", []string{"型式XJ-1200/Bの重量"}, true}, {a, "第3章", []string{"第33章"}, false}, {a, "3章", []string{"第3章"}, true},
		{folding, "検索 12", []string{"日本語検索１２回"}, true},
		{a, "葛城", []string{"奈良県葛\U000e0100城市"}, true},                                   // another shape
		{a, "ไม้", []string{"มีไม้ไผ่"}, true}, {a, "ไม้", []string{"มีไม่ไผ่"}, false}, // tones tell words apart
		{a, "ກິນ", []string{"ຂ້ອຍກິນເຂົ້າ"}, true}, {a, "មិន", []string{"ខ្ញុំមិនដឹង"}, true}, {a, "မြန်မာ", []string{"သည်မြန်မာစာ"}, true},
		{a, "ก", []string{"กี"}, false},                                         // a letter has its marks
		{a, "검색", []string{"검색엔진"}, false}, {a, "हिन", []string{"हिना"}, false}, // words with spaces
	} {
		p := test.a.Phrase(test.phrase)
		if got := test.a.Holds([]Phrase{p}, test.texts...); !slices.Equal(got, []bool{test.want}) {
			t.Errorf("Holds(%q, %q) = %v, want %v", test.phrase, test.texts, got, test.want)
		}
	}
	if got, want := a.Holds([]Phrase{a.Phrase("b c"), a.Phrase("c b"), {}}, "a b c d"), []bool{true, false, false}; !slices.Equal(got, want) {
		t.Errorf("Holds of three = %v, want %v", got, want)
	}
}

// Exact words are in a text only as they are written.
func TestExact(t *testing.T) {
	a := analyzer(t, nil)
	for text, want := range map[string]bool{
		"ask the IT department": true, "(IT)": true, "it, It and iT": false, "KIT ITS": false, "": false,
	} {
		if got := a.Holds([]Phrase{a.Exact("IT"), a.Phrase("it")}, text); got[0] != want {
			t.Errorf("Holds(IT, %q) = %v, want %v", text, got, want)
		}
	}
	if p := a.Exact("E\u0301TE\u0301"); !a.Holds([]Phrase{p}, "l'ÉTÉ")[0] || a.Holds([]Phrase{p}, "l'e\u0301te\u0301")[0] {
		t.Error("exact words in composed letters are not found in decomposed ones, or in other cases")
	}
	if !a.Holds([]Phrase{a.Exact("IT")}, "社内IT部門")[0] || a.Holds([]Phrase{a.Exact("IT")}, "社内it部門")[0] {
		t.Error("exact words inside a run of letters are not found, or in other cases")
	}
	if !a.Holds([]Phrase{a.Exact("The WHO")}, "said The WHO")[0] || a.Holds([]Phrase{a.Exact("The WHO")}, "said the WHO")[0] {
		t.Error("a phrase of exact words is found in other cases, or not at all")
	}
}

// In writing without spaces a phrase is where its letters are.
func TestHoldsLetters(t *testing.T) {
	a := analyzer(t, nil)
	rng := rand.New(rand.NewPCG(1, 2))
	letters := func(n int) string {
		var b strings.Builder
		for range n {
			b.WriteRune([]rune("検索エー")[rng.IntN(4)])
		}
		return b.String()
	}
	held := 0
	for range 2000 {
		phrase, text := letters(1+rng.IntN(5)), letters(rng.IntN(40))
		want := strings.Contains(text, phrase)
		if got := a.Holds([]Phrase{a.Phrase(phrase)}, text)[0]; got != want {
			t.Fatalf("Holds(%q, %q) = %v, want %v", phrase, text, got, want)
		}
		if want {
			held++
		}
	}
	if held < 500 || held > 1500 {
		t.Errorf("%d of 2000 texts hold the phrase, the test needs some", held)
	}
}

// Time is linear whatever phrase and text are.
func TestHoldsRepeated(t *testing.T) {
	a := analyzer(t, nil)
	p := a.Phrase(strings.Repeat("検", 8000) + "索")
	if text := strings.Repeat("検", 1_000_000); a.Holds([]Phrase{p}, text+"索引")[0] != true || a.Holds([]Phrase{p}, "索"+text)[0] {
		t.Error("a long phrase is not found at the end of a long text, or where it is not")
	}
}

// What the automaton finds is what a search for the joined words finds, whatever a
// word becomes, and decomposed letters and soft hyphens make no difference.
func FuzzHolds(f *testing.F) {
	f.Add("a b a", "a b a b a")
	f.Add("the Cat", "catch the cat")
	f.Add("K2 elvin", "k2 ELVIN") // the sign of kelvin is a k in lower case
	f.Add("i̇x ix", "İX IX")
	f.Add("sé SE", "SE SÉ se")
	f.Add("OΣ oς", "oσ OΣ ος")
	f.Add("検索 12", "日本検索12が\u3099")
	f.Add("ไม้", "ไม่ไม้\u0e48\xff")
	var as []*Analyzer
	for _, folding := range []bool{false, true} {
		for _, sensitive := range []bool{false, true} {
			p := Default()
			p.ASCIIFolding, p.CaseSensitive = folding, sensitive
			a, err := New(p)
			if err != nil {
				f.Fatal(err)
			}
			as = append(as, a)
		}
	}
	f.Fuzz(func(t *testing.T, phrase, text string) {
		others := []string{strings.Join(strings.Split(text, ""), string(softHyphen))}
		if d := norm.NFD.String(text); norm.NFC.String(d) == norm.NFC.String(text) { // not where marks are too many for a letter
			others = append(others, d)
		}
		for _, a := range as {
			joined := func(s string) string { return " " + strings.Join(a.Phrase(s).words, " ") + " " }
			p := a.Phrase(phrase)
			want := p.Len() > 0 && strings.Contains(joined(text), joined(phrase))
			for _, text := range append(others, text) {
				if got := a.Holds([]Phrase{p}, text)[0]; got != want {
					t.Errorf("Holds(%q, %q) = %v, want %v, with %+v", phrase, text, got, want, a.p)
				}
			}
			exact, same := a.Exact(phrase), a.Holds([]Phrase{a.Exact(phrase)}, phrase)[0]
			if same != (exact.Len() > 0) {
				t.Errorf("Holds(exactly %q, the same) = %v", phrase, same)
			}
		}
	})
}

// BenchmarkHolds looks for two phrases that a text has the first words of, and does
// not hold.
func BenchmarkHolds(b *testing.B) {
	a := analyzer(b, nil)
	for _, test := range []struct{ name, phrase, text string }{
		{"ascii", "five years", "Employees may carry over up to five days of unused annual leave, but only until 31 March of the following year. "},
		{"german", "fünf Jahre", "Beschäftigte können bis zu fünf Tage ungenutzten Urlaubs übertragen, aber nur bis zum 31. März des folgenden Jahres. "},
		{"japanese", "年次検索", "従業員は未使用の年次有給休暇を5日まで繰り越すことができますが、翌年の3月31日までに限ります。"},
	} {
		b.Run(test.name, func(b *testing.B) {
			text := strings.Repeat(test.text, 1+800/len(test.text))
			phrases := []Phrase{a.Phrase(test.phrase), a.Exact("IT")}
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				a.Holds(phrases, text)
			}
		})
	}
}
