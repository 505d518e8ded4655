package text

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/sentences"
)

// Sentences splits s into sentences. The spans tile s: white space after a
// sentence belongs to it, so that a text cut between two spans loses nothing.
// nil for "".
//
// The boundaries are those of Unicode Standard Annex 29 with two corrections:
// no boundary after an abbreviation ("Dr.", "e.g.", "J."), and none at the end
// of a line inside a running paragraph, where Annex 29 sees a paragraph end.
func Sentences(s string) []Span {
	var out []Span
	piece := 0 // start of the last non-blank piece
	for it := sentences.FromString(s); it.Next(); {
		n := len(out)
		switch {
		case n == 0:
			out = append(out, Span{it.Start(), it.End()})
		case Blank(it.Value()):
			out[n-1].End = it.End()
			continue
		case Blank(s[piece:it.Start()]) || continues(s[piece:it.Start()], s[it.Start():]):
			out[n-1].End = it.End()
		default:
			out = append(out, Span{it.Start(), it.End()})
		}
		piece = it.Start()
	}
	return out
}

// continues reports whether the boundary between prev and rest, which Annex 29
// found, is inside a sentence.
func continues(prev, rest string) bool {
	body := strings.TrimRightFunc(prev, unicode.IsSpace)
	if gap := prev[len(body):]; strings.ContainsAny(gap, "\n\r\f\v\u0085\u2028\u2029") {
		return softWrap(body, gap, rest)
	}
	return abbreviated(body, rest)
}

// wrapRunes is the length from which a line without final punctuation is
// taken as broken by its margin rather than by its author.
const wrapRunes = 45

// softWrap reports whether gap, the white space between body and rest, is only
// the line end of a wrapped line of running text.
func softWrap(body, gap, rest string) bool {
	if strings.Count(gap, "\n") > 1 || strings.Count(gap, "\r") > 1 || strings.ContainsAny(gap, "\f\v\u2029") {
		return false
	}
	line := body[strings.LastIndexAny(body, "\n\r")+1:]
	next := rest[:min(len(rest), lookAhead)]
	if end := strings.IndexAny(next, "\n\r"); end >= 0 {
		next = next[:end]
	}
	if structural(line) || opensStructure(next) {
		return false
	}
	if last, _ := utf8.DecodeLastRuneInString(strings.TrimRight(body, closers)); strings.ContainsRune(terminators, last) {
		return abbreviated(body, rest)
	}
	first, _ := utf8.DecodeRuneInString(strings.TrimLeft(next, " \t"))
	return unicode.IsLower(first) || utf8.RuneCountInString(line) >= wrapRunes
}

// lookAhead is how much of the next line is looked at, in bytes; enough for
// white space and a marker.
const lookAhead = 128

const (
	terminators = ".!?…:;。！？।॥؟۔"
	closers     = "\"'”’)]}»*_"
)

// structural reports whether line is markup that ends with the line: a
// heading, a table row or a fence.
func structural(line string) bool {
	line = strings.TrimLeft(line, " \t")
	return strings.HasPrefix(line, "#") || strings.HasPrefix(line, "|") ||
		strings.HasPrefix(line, "```") || strings.HasPrefix(line, "~~~")
}

// opensStructure reports whether line begins something of its own: what
// structural accepts, a list item or a quotation.
func opensStructure(line string) bool {
	line = strings.TrimLeft(line, " \t")
	if structural(line) || strings.HasPrefix(line, ">") {
		return true
	}
	marker, _, ok := strings.Cut(line, " ")
	if !ok {
		return false
	}
	switch marker {
	case "-", "*", "+", "•", "–", "◦", "▪", "·":
		return true
	}
	number := strings.TrimRight(marker, ".)")
	return number != marker && number != "" && strings.Trim(number, "0123456789") == ""
}

// abbreviated reports whether body ends in an abbreviation that goes on in
// rest, so that its full stop does not end a sentence.
func abbreviated(body, rest string) bool {
	if !strings.HasSuffix(body, ".") {
		return false
	}
	word := body[strings.LastIndexFunc(body, unicode.IsSpace)+1:]
	word = strings.TrimLeft(strings.TrimSuffix(word, "."), "([{\"'“‘")
	if r, size := utf8.DecodeRuneInString(word); size > 0 && size == len(word) && unicode.IsUpper(r) {
		return true // an initial
	}
	word = strings.ToLower(word)
	if strings.Contains(numberedAbbreviations, " "+word+" ") {
		first, _ := utf8.DecodeRuneInString(rest)
		return unicode.IsDigit(first)
	}
	return strings.Contains(abbreviations, " "+word+" ")
}

// Abbreviations in lower case without their last full stop, each between two
// spaces. Those that as often end a sentence (etc., Inc., p.m.) are left out:
// Annex 29 itself finds no boundary where a lower-case word follows.
const (
	abbreviations = " dr mr mrs ms mx prof rev hon st gen col lt sgt capt cmdr gov sen rep pres " +
		"e.g i.e cf vs viz al resp approx ca esp incl excl " +
		"u.s u.k u.n e.u u.s.a d.c ph.d mt ft " +
		"z.b d.h u.a bzw evtl ggf vgl mme mlle "
	// numberedAbbreviations are abbreviations only in front of a number.
	numberedAbbreviations = " fig figs eq eqs sec sect ch chap vol no nos p pp para art tab app ref refs ed nr " +
		"jan feb mar apr jun jul aug sep sept oct nov dec "
)
