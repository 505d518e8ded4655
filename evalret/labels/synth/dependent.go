package synth

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// What only a reader of the passage understands, in English. Questions in other
// languages pass, but for the request to name what they are about. Rules rather leave
// a good question out than let a bad one pass: another passage takes its place.
var (
	// named is a text that the question takes for given.
	named = regexp.MustCompile(`\b(?:the|given|provided|following|above|preceding) (?:passage|text|excerpt|extract|paragraph|section|article|page|context|snippet|chapter|document|author|writer|speaker|narrator|table|figure|example|statement)s?\b( \d| [a-z]?\d)?`)
	// pointed is a word that points to what stands elsewhere.
	pointed = regexp.MustCompile(`\b(?:this|these|aforementioned|aforesaid|(?:mentioned|described|stated|listed|shown|discussed|outlined|given) (?:above|below|here|earlier|previously)|as (?:mentioned|described|stated|noted|discussed|shown|outlined)|(?:above|below|previously|earlier)[- ](?:mentioned|described|stated|listed))\b`)
	// expletive is an "it" that stands for nothing.
	expletive = regexp.MustCompile(`\bit (?:(?:ever|still|generally|usually) )?(?:(?:take|cost)\b.*\bto|necessary|required|possible|allowed|permitted|mandatory|obligatory|legal|illegal|safe|true|better|best|worth|important|advisable|recommended|acceptable|ok|okay|mean|matter|make sense|rain|snow)\b`)

	questionWord = regexp.MustCompile(`[\p{L}\p{N}]+`)
)

// pronouns stand for something that a question must name before.
var pronouns = []string{"it", "its", "he", "him", "his", "she", "her", "they", "them", "their"}

// function are words that name nothing. A pronoun with none but these before it
// stands for what only the passage says.
var function = []string{
	"a", "an", "and", "any", "are", "at", "be", "been", "by", "can", "could", "did", "do", "does", "far", "for", "from", "had", "has", "have", "how", "if", "in", "is",
	"long", "many", "may", "might", "much", "must", "of", "often", "old", "on", "or", "shall", "should", "so", "the", "then", "to", "under", "was", "were", "what", "when",
	"where", "which", "who", "whom", "whose", "why", "will", "with", "would",
}

// dependent returns why a question is not understood without its passage; "": no
// rule says so.
func dependent(q string) string {
	s := strings.ToLower(q)
	for _, m := range named.FindAllStringSubmatch(s, -1) {
		if m[1] == "" { // "section 4" can be looked up
			return fmt.Sprintf("it takes a text for given: %q", m[0])
		}
	}
	if m := pointed.FindString(s); m != "" {
		return fmt.Sprintf("it points to what stands elsewhere: %q", m)
	}
	free := map[int]bool{} // where an "it" stands for nothing
	for _, m := range expletive.FindAllStringIndex(s, -1) {
		free[m[0]] = true
	}
	for _, m := range questionWord.FindAllStringIndex(s, -1) {
		w := s[m[0]:m[1]]
		switch {
		case free[m[0]]:
		case slices.Contains(pronouns, w):
			return fmt.Sprintf("nothing before %q says what it stands for", w)
		}
		if !slices.Contains(function, w) && !free[m[0]] {
			return "" // what follows can refer to it
		}
	}
	return ""
}
