package lexical

import (
	"slices"
	"strings"
	"testing"
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
	if !a.Holds([]Phrase{a.Exact("The WHO")}, "said The WHO")[0] || a.Holds([]Phrase{a.Exact("The WHO")}, "said the WHO")[0] {
		t.Error("a phrase of exact words is found in other cases, or not at all")
	}
}

// What the automaton finds is what a search for the joined words finds.
func FuzzHolds(f *testing.F) {
	f.Add("a b a", "a b a b a")
	f.Add("the Cat", "catch the cat")
	a, err := New(Default())
	if err != nil {
		f.Fatal(err)
	}
	joined := func(s string) string { return " " + strings.Join(a.Phrase(s).words, " ") + " " }
	f.Fuzz(func(t *testing.T, phrase, text string) {
		p := a.Phrase(phrase)
		want := p.Len() > 0 && strings.Contains(joined(text), joined(phrase))
		if got := a.Holds([]Phrase{p}, text)[0]; got != want {
			t.Errorf("Holds(%q, %q) = %v, want %v", phrase, text, got, want)
		}
	})
}
