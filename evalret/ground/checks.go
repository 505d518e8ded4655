package ground

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/ragloop/ragloop/internal/text"
)

// checker looks for contradictions of one claim with an evidence.
type checker struct {
	claim, evidence *passage
	quantities      []quantity // of the evidence
	place           []int      // word of the evidence that each word of the claim corresponds to; -1: none
	agreement       []float64  // how far their neighbours agree
	found           []Finding
}

// check returns what is wrong with a claim, ordered by span.
func (c *checker) check() []Finding {
	c.numbers()
	c.months()
	c.names()
	c.quotes()
	c.negations()
	c.antonyms()
	slices.SortStableFunc(c.found, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Span.Start, b.Span.Start), cmp.Compare(a.Span.End, b.Span.End), cmp.Compare(a.Check, b.Check))
	})
	return c.found
}

// add records a finding on words i to j of the claim, compared with word k of
// the evidence; k < 0: with none.
func (c *checker) add(check Check, i, j, k int) {
	f := Finding{Check: check, Span: text.Span{Start: c.claim.words[i].span.Start, End: c.claim.words[j].span.End}}
	if k >= 0 {
		f.Evidence = c.evidence.words[k].span
	}
	c.found = append(c.found, f)
}

// numbers checks that every number of the claim occurs, and with the same unit
// where both have a known one. Numbers up to ten that are written as words are
// left to the alignment: a claim may count what the evidence lists.
func (c *checker) numbers() {
	for _, q := range c.claim.quantities() {
		if !q.digits && q.value <= 10 && q.unit == "" || c.claim.partOfName(q.at) {
			continue
		}
		same, other := -1, -1
		for i, e := range c.quantities {
			switch {
			case !sameValue(q, e):
			case q.unit == "" || e.unit == "" || q.unit == e.unit:
				same = i
			default:
				other = i
			}
		}
		switch {
		case same >= 0:
		case other >= 0:
			c.add(Unit, q.at, q.last, c.quantities[other].at)
		case q.year:
			c.add(Date, q.at, q.last, c.counterpart(q.at))
		default:
			c.add(Number, q.at, q.last, c.counterpart(q.at))
		}
	}
}

// partOfName reports whether the number at word i is the end of a name, as in
// "COVID-19" and "B-52".
func (p *passage) partOfName(i int) bool {
	return i > 0 && !p.words[i-1].number && p.body[p.words[i-1].span.End:p.words[i].span.Start] == "-"
}

// counterpart returns the number of the evidence that stands where word i of
// the claim does, by its neighbours; -1 for none.
func (c *checker) counterpart(i int) int {
	for _, side := range []int{-1, 1} {
		if j := i + side; j >= 0 && j < len(c.place) && c.place[j] >= 0 {
			if k := c.place[j] - side; k >= 0 && k < len(c.evidence.words) && c.evidence.words[k].number {
				return k
			}
		}
	}
	return -1
}

// sameValue reports whether a claim's quantity is that of the evidence, or it
// rounded to the digits that the claim gives, two at least.
func sameValue(claim, evidence quantity) bool {
	if claim.value == evidence.value || claim.bare == evidence.bare && (claim.value == claim.bare || evidence.value == evidence.bare) {
		return true
	}
	if claim.value == 0 || claim.year || math.Abs(claim.value-evidence.value) > 0.05*math.Abs(claim.value) {
		return false
	}
	unit := math.Pow(10, math.Floor(math.Log10(math.Abs(claim.value)))) // of the first digit
	for range 12 {
		if r := math.Round(claim.value / unit); math.Abs(r*unit-claim.value) < 1e-9*math.Abs(claim.value) {
			break
		}
		unit /= 10
	}
	digits := math.Round(math.Abs(claim.value) / unit)
	return digits >= 10 && math.Abs(math.Round(evidence.value/unit)*unit-claim.value) < 1e-9*math.Abs(claim.value)
}

var monthNames = map[string]string{
	"january": "jan", "february": "feb", "march": "mar", "april": "apr", "june": "jun", "july": "jul", "august": "aug",
	"september": "sep", "october": "oct", "november": "nov", "december": "dec",
	"monday": "mon", "tuesday": "tue", "wednesday": "wed", "thursday": "thu", "friday": "fri", "saturday": "sat", "sunday": "sun",
}

// months checks that the months and weekdays of the claim occur. A numeric date
// of the evidence may be any month's.
func (c *checker) months() {
	for i, w := range c.claim.words {
		short, ok := monthNames[w.form]
		if !ok || !w.upper {
			continue
		}
		if len(c.evidence.at[w.stem]) > 0 || len(c.evidence.at[short]) > 0 || len(c.evidence.at[short+"t"]) > 0 {
			continue
		}
		if len(c.evidence.at) > 0 && numericDate(c.evidence.body) {
			continue
		}
		c.add(Date, i, i, c.inPlace(i))
	}
}

// inPlace returns the word of the evidence that stands where word i does, by
// its two neighbours; -1 for none.
func (c *checker) inPlace(i int) int {
	if i == 0 || i+1 >= len(c.place) {
		return -1
	}
	if l, r := c.place[i-1], c.place[i+1]; l >= 0 && r == l+2 {
		return l + 1
	}
	return -1
}

// numericDate reports whether s has a date like 2020-05-01, 1/5/2020 or 1.5.2020.
func numericDate(s string) bool {
	for i := 0; i+5 < len(s); i++ {
		if s[i] != '-' && s[i] != '/' && s[i] != '.' {
			continue
		}
		j := i + 1
		for j < len(s) && s[j] >= '0' && s[j] <= '9' {
			j++
		}
		if n := j - i - 1; n >= 1 && n <= 2 && j+1 < len(s) && s[j] == s[i] && s[j+1] >= '0' && s[j+1] <= '9' && i > 0 && s[i-1] >= '0' && s[i-1] <= '9' {
			return true
		}
	}
	return false
}

// names checks every run of capitalised words: a name of which no word occurs
// in the evidence.
func (c *checker) names() {
	for _, run := range c.claim.names() {
		known := false
		for i := run.Start; i < run.End && !known; i++ {
			known = c.evidence.knows(c.claim.words[i])
		}
		if !known {
			c.add(Name, run.Start, run.End-1, c.inPlace(run.Start))
		}
	}
}

// names returns the runs of words of p, [Start, End), that look like names:
// capitalised, and not only because a sentence begins.
func (p *passage) names() []text.Span {
	var out []text.Span
	for i := 0; i < len(p.words); i++ {
		if !p.name(i) {
			continue
		}
		start := i
		for i+1 < len(p.words) && p.name(i+1) && p.joined(i) && !p.words[i+1].first {
			i++
		}
		out = append(out, text.Span{Start: start, End: i + 1})
	}
	return out
}

// name reports whether word i looks like a name or a part of one.
func (p *passage) name(i int) bool {
	w := p.words[i]
	if !w.upper || w.stop || w.number || len(w.form) < 2 || monthNames[w.form] != "" {
		return false
	}
	if strings.ContainsAny(w.form, "0123456789") && len(w.form) <= 3 {
		return false // "Q4", "H1": written out as often
	}
	if !w.first && !p.opens(i) {
		return true
	}
	_, common := ranks()[w.form]
	return !common && !inflected(w.form) && !openers[w.form]
}

// opens reports whether word i stands where a capital begins a part of a
// sentence: after a colon or the marks of Markdown.
func (p *passage) opens(i int) bool {
	before := strings.TrimRight(p.body[:p.words[i].span.Start], " \n")
	return before == "" || strings.ContainsAny(before[len(before)-1:], ":*#_|>")
}

// inflected reports whether a word has the ending of a verb form or an adverb.
func inflected(form string) bool {
	return strings.HasSuffix(form, "ing") || strings.HasSuffix(form, "ed") || strings.HasSuffix(form, "ly") || strings.HasSuffix(form, "'s")
}

// openers begin sentences and are too rare for the list of frequent words.
var openers = map[string]bool{
	"moreover": true, "furthermore": true, "nevertheless": true, "nonetheless": true, "thus": true, "hence": true, "overall": true,
	"alternatively": true, "likewise": true, "meanwhile": true, "whilst": true, "regardless": true, "notably": true, "besides": true,
}

// knows reports whether the evidence has w, as a word, as the beginning of one
// or, for an acronym, as the initials of a run of words.
func (p *passage) knows(w word) bool {
	if len(p.at[w.stem]) > 0 {
		return true
	}
	return len(w.form) >= 2 && len(w.form) <= 6 && p.acronym(strings.ToUpper(w.form))
}

// acronym reports whether some run of capitalised words has these initials.
func (p *passage) acronym(initials string) bool {
	n := len(initials)
	for i := 0; i+n <= len(p.words); i++ {
		k := 0
		for j := i; j < len(p.words) && k < n && j-i < n+3; j++ {
			w := p.words[j]
			if w.upper && strings.HasPrefix(strings.ToUpper(w.form), initials[k:k+1]) {
				k++
			} else if !w.stop {
				break
			}
		}
		if k == n {
			return true
		}
	}
	return false
}

// quotes checks that what stands between quotation marks occurs word by word.
func (c *checker) quotes() {
	for _, q := range quoted(c.claim.body) {
		var in []int
		for i, w := range c.claim.words {
			if q.Start <= w.span.Start && w.span.End <= q.End {
				in = append(in, i)
			}
		}
		if len(in) < 2 {
			continue // a single word is as often a title or irony
		}
		if at := c.evidence.run(c.claim.words[in[0] : in[len(in)-1]+1]); at < 0 {
			c.add(Quote, in[0], in[len(in)-1], -1)
		}
	}
}

// quoted returns the insides of quotation marks in s.
func quoted(s string) []text.Span {
	var out []text.Span
	for i := 0; i < len(s); i++ {
		for _, marks := range [][2]string{{"“", "”"}, {`"`, `"`}, {"«", "»"}, {"„", "“"}} {
			if !strings.HasPrefix(s[i:], marks[0]) {
				continue
			}
			start := i + len(marks[0])
			n := strings.Index(s[start:], marks[1])
			if n < 0 {
				continue
			}
			out = append(out, text.Span{Start: start, End: start + n})
			i = start + n
			break
		}
	}
	return out
}

// run returns where the forms of want stand in p one after the other; -1: nowhere.
func (p *passage) run(want []word) int {
	for _, at := range p.at[want[0].stem] {
		if at+len(want) > len(p.words) {
			continue
		}
		equal := true
		for i, w := range want {
			if p.words[at+i].form != w.form && p.words[at+i].stem != w.stem {
				equal = false
				break
			}
		}
		if equal {
			return at
		}
	}
	return -1
}

// negators deny what follows them.
var negators = func() map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(`not no never none nobody nothing neither nor without cannot can't don't doesn't didn't isn't
aren't wasn't weren't won't wouldn't couldn't shouldn't hasn't haven't hadn't ain't mustn't needn't hardly barely scarcely`) {
		m[w] = true
	}
	return m
}()

// deniers deny the verb or noun that follows: "failed to", "lack of", "unable to".
var deniers = map[string]bool{"fail": true, "lack": true, "unabl": true, "refus": true, "absenc": true, "imposs": true}

// negated reports whether the content word i of p is under a negation: one of
// the few words in front of it, within its sentence, without a comma between.
func (p *passage) negated(i int) (cue int, ok bool) {
	content := 0
	for j := i - 1; j >= 0 && j >= i-6 && p.sentence[j] == p.sentence[i]; j-- {
		if strings.ContainsAny(p.body[p.words[j].span.End:p.words[j+1].span.Start], ",;:()") {
			return 0, false
		}
		w := p.words[j]
		if negators[w.form] || deniers[w.stem] {
			// "not only … but also" denies nothing.
			if p.after(j) == "only" || p.after(j) == "just" {
				return 0, false
			}
			return j, true
		}
		if !w.stop {
			if content++; content > 1 {
				return 0, false
			}
		}
	}
	return 0, false
}

// sameStatement is the agreement of neighbourhoods from which on two words are
// taken as parts of the same statement.
const sameStatement = 0.35

// negations checks that what corresponds is negated in both or in neither.
func (c *checker) negations() {
	seen := map[int]bool{}
	for i, w := range c.claim.words {
		k := c.place[i]
		if k < 0 || w.stop || w.number || c.agreement[i] < sameStatement {
			continue
		}
		here, isHere := c.claim.negated(i)
		there, isThere := c.evidence.negated(k)
		switch {
		case isHere && !isThere && !seen[here] && !c.evidence.denies(k):
			seen[here] = true
			c.add(Negation, here, i, k)
		case !isHere && isThere && !seen[-1-there] && !c.claim.denies(i):
			seen[-1-there] = true
			c.add(Negation, i, i, there)
		}
	}
}

// denies reports whether anything near word i of p is negated, in its sentence:
// "found no trace of poison" says what "have not found poison" says.
func (p *passage) denies(i int) bool {
	for j := max(0, i-5); j <= min(len(p.words)-1, i+5); j++ {
		if p.sentence[j] == p.sentence[i] && (negators[p.words[j].form] || deniers[p.words[j].stem]) {
			return true
		}
	}
	return false
}

// antonyms checks whether a word of the claim that does not correspond to the
// evidence stands where its opposite does.
func (c *checker) antonyms() {
	for i, w := range c.claim.words {
		if c.place[i] >= 0 && c.evidence.words[c.place[i]].stem == w.stem {
			continue
		}
		for _, o := range antonyms()[w.stem] {
			if k := c.near(i, o); k >= 0 {
				c.add(Antonym, i, i, k)
				break
			}
		}
	}
}

// near returns a word of the evidence with the given stem within a few words of
// where word i of the claim would be; -1 for none.
func (c *checker) near(i int, stem string) int {
	at := c.evidence.at[stem]
	if len(at) == 0 {
		return -1
	}
	for d := 1; d <= 3; d++ {
		for _, j := range []int{i - d, i + d} {
			if j < 0 || j >= len(c.place) || c.place[j] < 0 {
				continue
			}
			want := c.place[j] + i - j
			for _, k := range at {
				if k >= want-2 && k <= want+2 && c.evidence.sentence[k] == c.evidence.sentence[c.place[j]] {
					return k
				}
			}
		}
	}
	return -1
}
