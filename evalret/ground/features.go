package ground

import (
	"math"

	"github.com/ragloop/ragloop/internal/text"
)

// feature is the index of one number of what is known about a claim.
type feature int

// The features. Shares are 0..1; coverage is the share of what the claim says,
// by the weight of its words, that the evidence has.
const (
	fWords       feature = iota // share of words in the evidence
	fCover                      // coverage of content words
	fBigram                     // share of pairs of neighbouring words
	fTrigram                    // share of triples
	fWindow1                    // coverage by the best sentence
	fWindow3                    // coverage by the best three sentences in a row
	fRun                        // longest run of words that is copied, as a share of the claim
	fCopied                     // share of words in copied runs of four or more
	fAgree                      // mean agreement of the neighbourhoods of content words, by weight
	fAgreeLeast                 // least agreement of a content word
	fMissing                    // content words that are nowhere, log(1+n)
	fRarest                     // weight of the weightiest of them
	fMissingChar                // mean share of the letter triples of missing words in the best window
	fNumber                     // findings of each check, at most 3
	fDate
	fUnit
	fName
	fQuote
	fNegation
	fAntonym
	fMisplaced    // by how much another number of the kind fits the place of one of the claim better
	fOpposed      // by how much an opposite fits the place of a word of the claim better, by its neighbours
	fOpposedAbout // and by its sentence
	fDenied       // 1: the claim is negated, and the best sentences are not
	fSynonyms     // missing content words that have a synonym in their place, log(1+n)
	fNameCover    // share of the words of names in the evidence; 1 without names
	fReplaced     // missing content words whose two neighbours stand around another word, log(1+n)
	fSwapped      // content words elsewhere in the evidence whose neighbours stand around another word, log(1+n)
	fInserted     // content words whose neighbours are neighbours in the evidence, log(1+n)
	fPersonal     // words by which the answerer speaks of itself and that the evidence lacks, log(1+n)

	features int = iota
)

var featureNames = [features]string{
	"words", "cover", "bigram", "trigram", "window1", "window3", "run", "copied", "agree", "agree_least", "missing", "rarest",
	"missing_char", "number", "date", "unit", "name", "quote", "negation", "antonym",
	"misplaced", "opposed", "opposed_about", "denied", "synonyms", "name_cover", "replaced", "swapped", "inserted", "personal",
}

// vector holds the features of one claim.
type vector [features]float64

// examined is a claim with everything that was found out about it.
type examined struct {
	features vector
	best     text.Span // bytes of the evidence: the best sentences
	findings []Finding
	window   text.Span // words of the evidence: the best three sentences
	align    alignment
	claim    *passage
	needed   map[string]float64 // weight of each content stem of the claim that the evidence has
	content  float64            // weight of all content words of the claim
	cover    []float64          // weight of needed in each sentence of the evidence
}

// examine compares a claim with an evidence.
func examine(r *reader, evidence *passage, quantities []quantity, claim string) examined {
	c := r.read(claim, false)
	x := examined{claim: c}
	if len(c.words) == 0 {
		return x
	}
	f := &x.features
	x.coverage(c, evidence)
	x.align = align(c, evidence, x.window)
	x.runs(c, evidence)
	x.neighbourhoods(c, evidence)
	k := checker{claim: c, evidence: evidence, quantities: quantities, place: x.align.place, agreement: x.align.agreement}
	k.found = x.rivals(c, evidence, quantities)
	x.findings = k.check()
	for _, found := range x.findings {
		if at, ok := featureOf[found.Check]; ok {
			f[at] = min(3, f[at]+1)
		}
	}
	x.denials(c, evidence)
	sortFindings(x.findings)
	return x
}

// featureOf has the features that count findings. A misplaced number has one
// of its own kind.
var featureOf = map[Check]feature{Number: fNumber, Date: fDate, Unit: fUnit, Name: fName, Quote: fQuote, Negation: fNegation, Antonym: fAntonym}

// coverage fills in what share of the claim the evidence has, as a whole and in
// its best sentences.
func (x *examined) coverage(c, e *passage) {
	f := &x.features
	in, all, cover := 0.0, 0.0, 0.0
	missing, personal := 0, 0
	needed := map[string]float64{} // content stems of the claim that the evidence has
	for _, w := range c.words {
		known := len(e.at[w.stem]) > 0
		if known {
			in++
		} else if person[w.form] {
			personal++
		}
		if w.stop {
			continue
		}
		all += w.weight
		if known {
			cover += w.weight
			needed[w.stem] += w.weight
		} else {
			missing++
			f[fRarest] = max(f[fRarest], w.weight)
		}
	}
	f[fWords] = in / float64(len(c.words))
	f[fPersonal] = math.Log1p(float64(personal))
	f[fMissing] = math.Log1p(float64(missing))
	f[fCover] = 1
	if all > 0 {
		f[fCover] = cover / all
	}
	names, known := 0, 0
	for _, run := range c.names() {
		for i := run.Start; i < run.End; i++ {
			names++
			if e.knows(c.words[i]) {
				known++
			}
		}
	}
	f[fNameCover] = 1
	if names > 0 {
		f[fNameCover] = float64(known) / float64(names)
	}
	x.needed, x.content = needed, all
	var one, three float64
	var at text.Span
	one, _, x.cover = e.bestWindow(c, needed, 1)
	three, at, _ = e.bestWindow(c, needed, 3)
	f[fWindow1], f[fWindow3] = 1, 1
	if all > 0 {
		f[fWindow1], f[fWindow3] = one/all, three/all
	}
	if at.Len() > 0 {
		x.window = text.Span{Start: e.sentences[at.Start].Start, End: e.sentences[at.End-1].End}
		x.best = text.Span{Start: e.words[x.window.Start].span.Start, End: e.words[x.window.End-1].span.End}
	}
	x.resemblance(c, e)
}

// person are words by which an answerer speaks of itself, which no context
// supports. "You" is left out: instructions address the reader.
var person = map[string]bool{"i": true, "i'm": true, "i've": true, "i'd": true, "i'll": true, "my": true, "me": true, "myself": true}

// bestWindow returns the greatest weight of needed stems that n sentences in a
// row have, and the first such sentences, without those at either end that add
// nothing; empty where no sentence has any. score has the weight of the window
// that starts at each sentence.
func (e *passage) bestWindow(c *passage, needed map[string]float64, n int) (weight float64, sentences text.Span, score []float64) {
	// The sentences of every needed stem, each once, in order of the claim.
	type posting struct {
		weight    float64
		sentences []int
	}
	var postings []posting
	done := map[string]bool{}
	candidates := map[int]bool{}
	var order []int
	for _, w := range c.words {
		if needed[w.stem] == 0 || done[w.stem] {
			continue
		}
		done[w.stem] = true
		p := posting{weight: needed[w.stem]}
		for _, k := range e.at[w.stem] {
			s := e.sentence[k]
			if m := len(p.sentences); m == 0 || p.sentences[m-1] != s {
				p.sentences = append(p.sentences, s)
			}
			if !candidates[s] {
				candidates[s] = true
				order = append(order, s)
			}
		}
		postings = append(postings, p)
	}
	// score of the window [s, s+n): each stem counts once.
	score = make([]float64, len(e.sentences)+n)
	for _, p := range postings {
		last := -1 // last window start already credited
		for _, s := range p.sentences {
			for start := max(s-n+1, last+1, 0); start <= s; start++ {
				score[start] += p.weight
				last = start
			}
		}
	}
	best, at := 0.0, -1
	for s, v := range score {
		if v > best+1e-12 {
			best, at = v, s
		}
	}
	if at < 0 {
		return 0, text.Span{}, score
	}
	end := min(at+n, len(e.sentences))
	for at < end-1 && !candidates[at] {
		at++
	}
	for end > at+1 && !candidates[end-1] {
		end--
	}
	return best, text.Span{Start: at, End: end}, score
}

// resemblance fills in how much of the letters of missing words the best
// window has: an inflection or derivation that the stemmer does not know.
func (x *examined) resemblance(c, e *passage) {
	triples := map[string]bool{}
	for i := x.window.Start; i < x.window.End; i++ {
		each3(e.words[i].form, func(t string) { triples[t] = true })
	}
	n, sum := 0, 0.0
	for _, w := range c.words {
		if w.stop || w.number || len(e.at[w.stem]) > 0 {
			continue
		}
		all, hit := 0, 0
		each3(w.form, func(t string) {
			all++
			if triples[t] {
				hit++
			}
		})
		n++
		sum += float64(hit) / float64(max(1, all))
	}
	x.features[fMissingChar] = 1
	if n > 0 {
		x.features[fMissingChar] = sum / float64(n)
	}
}

// each3 calls f with the triples of bytes of a word and of its beginning.
func each3(form string, f func(string)) {
	s := "^" + form
	for i := 0; i+3 <= len(s); i++ {
		f(s[i : i+3])
	}
}
