package lexical

import (
	"slices"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// What is said of letters without looking at tables is what the tables say.
func TestUnspaced(t *testing.T) {
	a := analyzer(t, func(p *Params) { p.ASCIIFolding = true })
	an := a.begin()
	defer an.end()
	for r := rune(0); r <= unicode.MaxRune; r++ {
		s := string(r)
		switch {
		case commonUnspaced(r) && (!unicode.Is(unspaced, r) || notAlphanumeric(r) || unicode.IsSpace(r)):
			t.Errorf("%U is no letter of writing without spaces", r)
		case Unspaced(r) != unicode.Is(unspaced, r):
			t.Errorf("Unspaced(%U) = %v", r, Unspaced(r))
		case Unspaced(r) && an.normalise(s) != s:
			t.Errorf("%U stands alone and becomes %q", r, an.normalise(s))
		case isComposed(s) && (r == softHyphen || !norm.NFC.IsNormalString("a"+s)):
			t.Errorf("%U may change when it is composed", r)
		}
	}
	for _, r := range "検ひカー々〇ไກមမ" {
		if !Unspaced(r) {
			t.Errorf("Unspaced(%c) = false", r)
		}
	}
	for _, r := range "aéжע한हअ1。 " {
		if Unspaced(r) {
			t.Errorf("Unspaced(%c) = true", r)
		}
	}
}

func TestPieces(t *testing.T) {
	for _, test := range []struct {
		tokenizer, text string
		want            []string
	}{
		{Word, "", nil},
		{Word, "the XJ-1200/B, été", []string{"the", "XJ", "1200", "B", "été"}},
		{Word, "型式XJ-1200の重さ", []string{"型", "式", "XJ", "1200", "の", "重", "さ"}},
		{Word, "ไม้ไผ่ 3", []string{"ไ", "ม้", "ไ", "ผ่", "3"}},
		{Word, "a\u0e48ก\u0e48\xff\u0e48", []string{"a", "ก\u0e48"}},
		{Word, "葛\U000e0100城", []string{"葛", "城"}},
		{Word, "検\xff索\ufffd", []string{"検", "索"}},
		{Whitespace, "don't 検索。 x", []string{"don't", "検", "索", "。", "x"}},
	} {
		a := analyzer(t, func(p *Params) { p.Tokenizer = test.tokenizer })
		var got []string
		a.pieces(test.text, func(w string, _ bool) { got = append(got, w) })
		if !slices.Equal(got, test.want) {
			t.Errorf("pieces(%q) = %q, want %q", test.text, got, test.want)
		}
	}
}

// Pieces are the words where no letter stands alone, and nothing is lost elsewhere.
func FuzzPieces(f *testing.F) {
	f.Add("The XJ-1200, été")
	f.Add("型式XJ-1200の\u3099重さ")
	f.Add("soft\u00adware e\u0301\xff")
	f.Fuzz(func(t *testing.T, s string) {
		if isComposed(s) && composed(s) != norm.NFC.String(s) || composed(composed(s)) != composed(s) {
			t.Errorf("composed(%q) = %q", s, composed(s))
		}
		for _, tokenizer := range []string{Word, Whitespace} {
			a := analyzer(t, func(p *Params) { p.Tokenizer = tokenizer })
			var words, pieces []string
			a.words(s, func(w string) { words = append(words, w) })
			a.pieces(s, func(w string, _ bool) { pieces = append(pieces, w) })
			if !strings.ContainsFunc(s, Unspaced) && !slices.Equal(words, pieces) {
				t.Errorf("pieces(%q) = %q, words are %q", s, pieces, words)
			}
			letters := func(ss []string) string {
				return strings.Map(func(r rune) rune {
					if isMark(r) {
						return -1
					}
					return r
				}, strings.Join(ss, ""))
			}
			if letters(words) != letters(pieces) {
				t.Errorf("pieces(%q) = %q, words are %q", s, pieces, words)
			}
		}
	})
}
