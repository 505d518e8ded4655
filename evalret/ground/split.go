package ground

import (
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ragloop/ragloop/internal/text"
)

// Split splits an answer into its sentences and says of what kind each is.
// White space between sentences, list markers and the numbers of an enumeration
// ("1.", "2.", …) belong to none. nil where answer has no sentence.
func Split(answer string) []Sentence {
	var out []Sentence
	marks := enumeration(answer)
	for _, sentence := range text.Sentences(answer) {
		for _, span := range lowerCase(answer, sentence) { // one by one: Subtract joins what touches
			for _, part := range text.Subtract([]text.Span{span}, marks) {
				part = trim(answer, part)
				if part.Len() == 0 {
					continue
				}
				body := answer[part.Start:part.End]
				out = append(out, Sentence{Span: part, Kind: kindOf(body), Tokens: max(1, len(words(body)))})
			}
		}
	}
	return out
}

// lowerCase splits a sentence that begins in lower case, as in a chat where
// nobody uses capitals, after every full stop: Annex 29 sees no boundary in
// front of a small letter. Other sentences come back whole.
func lowerCase(s string, span text.Span) []text.Span {
	body := s[span.Start:span.End]
	if r, _ := utf8.DecodeRuneInString(strings.TrimLeftFunc(body, unicode.IsSpace)); !unicode.IsLower(r) {
		return []text.Span{span}
	}
	var out []text.Span
	start := span.Start
	for _, at := range fullStop.FindAllStringIndex(body, -1) {
		out = append(out, text.Span{Start: start, End: span.Start + at[1]})
		start = span.Start + at[1]
	}
	return append(out, text.Span{Start: start, End: span.End})
}

// fullStop ends a sentence after a word of three letters or more, so not after
// most abbreviations.
var fullStop = regexp.MustCompile(`[a-z\d]{3,}[.!?]+["')]?\s+`)

// enumeration returns the spans of the numbers that count the items of a list:
// "1.", "2)", … in order from one, two of them at least.
func enumeration(s string) []text.Span {
	var out, list []text.Span
	end := func() {
		if len(list) >= 2 {
			out = append(out, list...)
		}
		list = nil
	}
	for _, m := range itemNumber.FindAllStringSubmatchIndex(s, -1) {
		n, _ := strconv.Atoi(s[m[2]:m[3]]) // two digits at most
		if n == 1 {
			end()
		}
		if n == len(list)+1 {
			list = append(list, text.Span{Start: m[2], End: m[1]})
		}
	}
	end()
	return out
}

var itemNumber = regexp.MustCompile(`(?:^|[\s*(])(\d{1,2})[.)](?:\s|\*\*)`)

// listMarker is what stands in front of an item of a list.
var listMarker = regexp.MustCompile(`^(?:[-*+•–◦▪·>#]+|\(?(?:\d{1,2}|[a-zA-Z])[.)])\s+`)

// trim takes white space and a list marker off a span.
func trim(s string, span text.Span) text.Span {
	body := s[span.Start:span.End]
	left := strings.TrimLeftFunc(body, unicode.IsSpace)
	left = left[len(listMarker.FindString(left)):]
	right := strings.TrimRightFunc(left, unicode.IsSpace)
	start := span.End - len(left)
	return text.Span{Start: start, End: start + len(right)}
}

// kindOf says what a sentence is, by its wording alone.
func kindOf(s string) Kind {
	low := strings.ToLower(strings.ReplaceAll(s, "’", "'"))
	switch {
	case abstains.MatchString(low) && !goesOn(low):
		return Abstention
	case !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }):
		return Remark
	case question(low) || courtesy.MatchString(low) || citation.MatchString(low):
		return Remark
	}
	return Claim
}

// goesOn reports whether s, a sentence that abstains, claims something as well:
// "I'm not sure, but I know that …".
func goesOn(s string) bool {
	at := contrast.FindStringIndex(s)
	if at == nil {
		return false
	}
	return len(words(s[at[1]:])) >= 5 || len(words(s[:at[0]])) >= 5 && !abstains.MatchString(s[:at[0]])
}

// contrast joins an abstention and a claim.
var contrast = regexp.MustCompile(`\b(?:but|however|although|though|yet)\b|;`)

// question reports whether s, in lower case, ends as a question.
func question(s string) bool {
	return strings.HasSuffix(strings.TrimRight(s, ` "'”’)]*_`), "?")
}

// abstains matches, in lower case, a sentence that says that something is not
// known or not in the context. A claim about what a document does not do ("the
// warranty does not cover water") must not match: either the answerer speaks
// of itself, or of its documents as a whole.
var abstains = regexp.MustCompile(strings.Join([]string{
	`\bi (?:do not|don't|did not|didn't|could not|couldn't|cannot|can't|am unable to|am not able to) (?:really |actually |currently )?(?:know|have|find|answer|say|tell|determine|provide|locate|see|confirm|verify)\b.{0,60}?(?:$|\b(?:answer|information|info|context|details?|knowledge|documents?|passages?|mention|that|this|about|any|anything|enough|which|what|who|when|where|how|if|whether)\b|[.!])`,
	`\bi(?:'m| am) (?:sorry|afraid)\b.*\b(?:not|no|n't|cannot|can't|unable|don't|couldn't)\b`,
	`\bi(?:'m| am) (?:not sure|unsure|unable to|not aware)\b`,
	`\bi have no (?:information|knowledge|answer|idea|data|details)\b`,
	`\b(?:the |this |these |your |any )?(?:provided |given |available |retrieved |supplied |above )*(?:context|documents?|passages?|sources?|excerpts?|texts?|articles?|information|snippets?|materials?|knowledge base|search results?)(?: (?:that (?:was|were|is) )?(?:provided|given|available|above|supplied|retrieved|at hand))? (?:do not|does not|don't|doesn't|did not|didn't|contains? no|has no|have no|provides? no|gives? no|mentions? no|offers? no|lacks?) ?(?:seem to |appear to |explicitly |specifically |directly |actually |clearly )*(?:contain|mention|say|specify|provide|include|state|answer|give|address|discuss|cover|tell|indicate|have|describe|information|details?|answer|mention|\b)`,
	`\b(?:is|are|was|were) (?:not|n't|nowhere) (?:explicitly |specifically |directly |clearly )*(?:mentioned|specified|provided|stated|given|included|found|available|contained|discussed|addressed|described|covered|answered) (?:anywhere )?(?:in|by|within|from|on) (?:the|this|these|any of the|your|my) (?:provided |given |available |retrieved |supplied |above )*(?:context|documents?|passages?|sources?|excerpts?|texts?|articles?|information|snippets?|materials?|knowledge base|search results?)\b`,
	`\b(?:there is|there's|there are|there was) (?:no|not enough|insufficient|no sufficient|not any) (?:relevant |specific |sufficient |further )*(?:information|mention|details?|data|answer|evidence|context)\b.*\b(?:context|documents?|passages?|sources?|texts?|articles?|provided|given|available|answer)\b`,
	`\b(?:not enough|insufficient) (?:information|context|data|details?)\b(?: \w+){0,6}? ?(?:to answer|to determine|to say|available|provided|\.|$)`,
	`\b(?:cannot|can't|can not|could not|couldn't) be (?:answered|determined|inferred|found) (?:from|based on|with|using|in|given|by)\b`,
	`^(?:unknown|unanswerable|no answer|not answerable|n/a|no information)\W*$`,
}, "|"))

// courtesy matches, in lower case, sentences that speak about the answer or to
// the reader and state nothing.
var courtesy = regexp.MustCompile(strings.Join([]string{
	`^(?:hello|hi|hey|greetings|dear \w+|good (?:morning|afternoon|evening))\b[^.]{0,30}[.!,]?$`,
	`^(?:sure|certainly|of course|absolutely|great|okay|ok|yes|no|right|exactly|thanks?|thank you(?: \w+){0,5}|you(?:'re| are) welcome|my pleasure|sorry|no problem|great question|good question|that's a (?:great|good) question)[.!,]*$`,
	`^(?:i hope|hope) (?:this|that|it|my)\b.{0,40}\bhelp`,
	`^(?:please |feel free to |do not hesitate to |don't hesitate to )?let me know\b`,
	`^(?:please )?(?:feel free|do not hesitate|don't hesitate) to (?:ask|contact|reach)\b`,
	`^(?:if you|should you) (?:have|need|want|would like)\b.{0,60}\b(?:questions?|assistance|help|details?|information|know|ask|clarification)\b`,
	`^(?:here (?:is|are|'s)|here's|below (?:is|are)|the following (?:is|are))\b[^.]{0,120}:$`,
	`^(?:according to|based on) the [^,.]{0,60}[,:]?$`,
	`^(?:is|was) there anything else\b`,
	`^(?:in (?:summary|conclusion|short)|to (?:summarize|sum up)|overall|note|answer|summary|sources?|references?)\W*$`,
}, "|"))

// citation matches a sentence of references alone: "[1]", "(2, 3).", "Source: [4]".
var citation = regexp.MustCompile(`^(?:sources?:?\s*|references?:?\s*|see\s*)?(?:[\[(]\s*(?:\d{1,3}(?:\s*[-,;]\s*)?)+[\])]\s*)+[.,;]*$`)
