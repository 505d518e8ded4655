package ground

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"sync"

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

// check returns what is wrong with a claim, in any order.
func (c *checker) check() []Finding {
	c.numbers()
	c.months()
	c.names()
	c.quotes()
	c.negations()
	// What is no number or date of the evidence has no opposite there.
	c.found = slices.DeleteFunc(c.found, func(f Finding) bool {
		return f.Check == Antonym && slices.ContainsFunc(c.found, func(o Finding) bool {
			return o.Check != Antonym && o.Check != Negation && o.Span.Contains(f.Span)
		})
	})
	return c.found
}

// sortFindings orders findings by span, then check.
func sortFindings(found []Finding) {
	slices.SortStableFunc(found, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Span.Start, b.Span.Start), cmp.Compare(a.Span.End, b.Span.End), cmp.Compare(a.Check, b.Check))
	})
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
	dated := sync.OnceValue(func() bool { return numericDate(c.evidence.body) })
	for i, w := range c.claim.words {
		short, ok := monthNames[w.form]
		if !ok || !w.upper {
			continue
		}
		if len(c.evidence.at[w.stem]) > 0 || len(c.evidence.at[short]) > 0 || len(c.evidence.at[short+"t"]) > 0 {
			continue
		}
		if dated() {
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
	var open [4]bool // of each pair: no closing mark follows
	for i := 0; i < len(s); i++ {
		for m, marks := range [4][2]string{{"“", "”"}, {`"`, `"`}, {"«", "»"}, {"„", "“"}} {
			if open[m] || !strings.HasPrefix(s[i:], marks[0]) {
				continue
			}
			start := i + len(marks[0])
			n := strings.Index(s[start:], marks[1])
			if n < 0 {
				open[m] = true
				continue
			}
			out = append(out, text.Span{Start: start, End: start + n})
			i = start + n
			break
		}
	}
	return out
}

// run returns where the words of want, two at least, stand in p one after the
// other; -1: nowhere.
func (p *passage) run(want []word) int {
	for _, at := range firstOf(p.gist[[2]string{want[0].stem, want[1].stem}]) {
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
