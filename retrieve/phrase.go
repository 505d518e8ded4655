package retrieve

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/lexical"
)

// maxPhrases bounds the phrases of a query that are looked for: the first.
const maxPhrases = 16

// quotes are the pairs of quotation marks that make a phrase, by the opening
// one. Single ones do not: they are apostrophes, too.
var quotes = map[rune]string{'"': `"`, '“': "”", '„': "“”", '«': "»", '「': "」"}

// quoted returns what stands in quotation marks in a query, in order, each once.
// A mark that is not closed opens nothing.
func quoted(query string) []string {
	var out []string
	unclosed := map[rune]bool{} // not looked for again, or marks alone would cost quadratic time
	for rest := query; rest != ""; {
		open := strings.IndexFunc(rest, func(r rune) bool { return quotes[r] != "" && !unclosed[r] })
		if open < 0 {
			break
		}
		mark, size := utf8.DecodeRuneInString(rest[open:])
		rest = rest[open+size:]
		end := strings.IndexAny(rest, quotes[mark])
		if end < 0 {
			unclosed[mark] = true
			continue
		}
		if s := strings.TrimSpace(rest[:end]); !slices.Contains(out, s) {
			out = append(out, s)
		}
		_, size = utf8.DecodeRuneInString(rest[end:])
		rest = rest[end+size:]
	}
	return out
}

// identifiers returns the words of a query that look like the name of a part, a
// version or a paragraph, in order, each once: a digit and, inside, a mark that
// the lexical leg splits words at. "XJ-1200/B" is three words to that leg, which
// does not know that they belong together. Letters and marks of writing without
// spaces stand beside identifiers, not in them.
func identifiers(query string) []string {
	var out []string
	beside := func(r rune) bool {
		return unicode.IsSpace(r) || lexical.Unspaced(r) || r >= '\u3000' && unicode.IsPunct(r)
	}
	for word := range strings.FieldsFuncSeq(query, beside) {
		word = strings.TrimFunc(word, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) })
		if strings.ContainsFunc(word, unicode.IsNumber) && strings.ContainsAny(word, "-/._:#+") && !slices.Contains(out, word) {
			out = append(out, word)
		}
	}
	return out
}

var operators = []string{"AND", "OR", "NOT"}

// acronyms returns the words of a query in capital letters that are stop words in
// small ones, in order, each once: to the lexical leg, "IT" is "it" and not there.
// A query that is in capital letters as a whole has none, and AND, OR and NOT are none:
// who is used to search engines means operators by them.
func (r *Retriever) acronyms(query string) []string {
	if !strings.ContainsFunc(query, func(c rune) bool { return unicode.In(c, unicode.Ll, unicode.Lo) }) {
		return nil
	}
	var out []string
	beside := func(c rune) bool {
		return !unicode.IsLetter(c) && !unicode.IsNumber(c) || lexical.Unspaced(c)
	}
	for word := range strings.FieldsFuncSeq(query, beside) {
		capital := utf8.RuneCountInString(word) > 1 && !strings.ContainsFunc(word, func(c rune) bool { return !unicode.IsUpper(c) })
		if capital && !slices.Contains(operators, word) && len(r.analyzer.Query(word).Indices) == 0 && !slices.Contains(out, word) {
			out = append(out, word)
		}
	}
	return out
}

// Phrase is a part of a query that is looked for as it is; see Params.PhraseBoost.
type Phrase struct {
	Text    string
	Kind    string // Quoted, Identifier or Acronym
	Holders int    // candidates that hold it
}

// Kinds of a [Phrase].
const (
	Quoted     = "quoted"     // in quotation marks
	Identifier = "identifier" // "XJ-1200/B"
	Acronym    = "acronym"    // "IT", which in small letters is a stop word
)

// phrases are those of a query.
type phrases struct {
	list    []Phrase
	parsed  []lexical.Phrase
	weights []float64
}

// identifierWeight is what an identifier or an acronym counts, where who quotes
// counts 1: that it has to stand there as it is is our guess.
const identifierWeight = 0.5

// phrases returns those of a query that have a word, in composed letters.
func (r *Retriever) phrases(query string) phrases {
	query = composed(query)
	var out phrases
	add := func(kind string, texts []string, parse func(string) lexical.Phrase, weight float64) {
		for _, s := range texts {
			p := parse(s)
			known := slices.ContainsFunc(out.list, func(p Phrase) bool { return p.Text == s })
			if p.Len() > 0 && len(out.list) < maxPhrases && !known {
				out.list, out.parsed, out.weights = append(out.list, Phrase{Text: s, Kind: kind}), append(out.parsed, p), append(out.weights, weight)
			}
		}
	}
	add(Quoted, quoted(query), r.analyzer.Phrase, 1)
	add(Identifier, identifiers(query), r.analyzer.Phrase, identifierWeight)
	add(Acronym, r.acronyms(query), r.analyzer.Exact, identifierWeight)
	return out
}

// held returns the share of the phrases that each candidate holds, by weight, in
// its text or, if the recipe has the index prefix, in the title of its record or a
// heading; nil where there is no phrase. It counts the holders of each phrase.
func (r *Retriever) held(ps phrases, cs []index.Candidate, records []*index.Record) []float64 {
	if len(ps.list) == 0 || len(cs) == 0 {
		return nil
	}
	shares := make([]float64, len(cs))
	var texts []string
	for i := range cs {
		c := cs[i].Chunk
		texts = append(texts[:0], c.Text)
		if r.prefix {
			texts = append(append(texts, records[i].Title), c.Heading...)
		}
		n := 0.0
		for k, held := range r.analyzer.Holds(ps.parsed, texts...) {
			if held {
				n += ps.weights[k]
				ps.list[k].Holders++
			}
		}
		shares[i] = n / float64(len(ps.list))
	}
	return shares
}

// missing warns of the phrases that none of the candidates holds.
func (ps phrases) missing() []string {
	var warnings []string
	for _, p := range ps.list {
		if p.Holders == 0 {
			warnings = append(warnings, fmt.Sprintf("phrase: no candidate has %q as it is", p.Text))
		}
	}
	return warnings
}
