package judge

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ragloop/ragloop/internal/chat"
	"github.com/ragloop/ragloop/internal/text"
)

// minQuote is how many letters and digits a quotation must have: less is in every
// text.
const minQuote = 4

// findQuote returns where a quotation is in the evidence: the first place where it
// stands as it is, or else the first where it differs in white space, case, dashes,
// quotation marks and what surrounds it alone, which models do not copy reliably.
// False: it is in no place, or too short to say anything. Letters, digits and other
// punctuation must be the same, and it cuts no word: "40 EUR" is not in "140 EUR".
func findQuote(evidence, quote string) (text.Span, bool) {
	quote = strings.Trim(strings.TrimSpace(quote), "\"“”„«»…")
	quote = strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(quote, "..."), "..."))
	said := 0
	for _, r := range quote {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			said++
		}
	}
	if said < minQuote {
		return text.Span{}, false
	}
	if at := indexWords(evidence, quote); at >= 0 {
		return text.Span{Start: at, End: at + len(quote)}, true
	}
	quote = chat.Restore(quote) // the model saw what the frame makes of control tokens
	folded, _ := fold(quote)
	all, origin := fold(evidence)
	at := indexWords(all, folded)
	if at < 0 {
		return text.Span{}, false
	}
	last := origin[at+len(folded)-1]
	_, size := utf8.DecodeRuneInString(evidence[last:])
	return text.Span{Start: origin[at], End: last + size}, true
}

// maxCut is how many places of a quotation that cut a word are looked at: a bound on
// the work that texts can cause which repeat themselves.
const maxCut = 1000

// indexWords returns the first place of sub in s where it neither begins nor ends
// inside a word; -1: there is none among the first maxCut.
func indexWords(s, sub string) int {
	if sub == "" {
		return -1
	}
	first, _ := utf8.DecodeRuneInString(sub)
	last, _ := utf8.DecodeLastRuneInString(sub)
	from := 0
	for range maxCut {
		at := strings.Index(s[from:], sub)
		if at < 0 {
			return -1
		}
		at += from
		before, _ := utf8.DecodeLastRuneInString(s[:at])
		after, _ := utf8.DecodeRuneInString(s[at+len(sub):])
		if !inWord(before, first) && !inWord(last, after) {
			return at
		}
		_, size := utf8.DecodeRuneInString(s[at:])
		from = at + size
	}
	return -1
}

// inWord reports whether two code points in a row are of one word. Those of scripts
// that put no spaces between words never are.
func inWord(a, b rune) bool {
	part := func(r rune) bool {
		return (unicode.IsLetter(r) || unicode.IsDigit(r)) &&
			!unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
	}
	return part(a) && part(b)
}

// fold returns s with runs of white space as one space, in lower case, with plain
// dashes and quotation marks, and for each byte the offset in s of the code point
// that it comes from.
func fold(s string) (string, []int) {
	var b strings.Builder
	var origin []int
	space := false
	for at, r := range s {
		switch {
		case unicode.IsSpace(r):
			space = b.Len() > 0
			continue
		case unicode.Is(unicode.Pd, r) || r == '−':
			r = '-'
		case strings.ContainsRune("“”„«»″", r):
			r = '"'
		case strings.ContainsRune("‘’‚′`", r):
			r = '\''
		default:
			r = unicode.ToLower(r)
		}
		if space {
			b.WriteByte(' ')
			origin = append(origin, at)
			space = false
		}
		n := b.Len()
		b.WriteRune(r)
		for range b.Len() - n {
			origin = append(origin, at)
		}
	}
	return b.String(), origin
}
