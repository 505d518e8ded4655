package ground

import (
	"slices"
	"strings"

	"github.com/ragloop/ragloop/internal/text"
)

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

// Agreement of neighbourhoods from which on two words are taken as parts of the
// same statement. Evidence that denies something is rarely about what a claim
// affirms, unless nearly all neighbours agree.
const (
	sameStatement = 0.35
	sameAffirmed  = 0.65
)

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
		case !isHere && isThere && c.agreement[i] >= sameAffirmed && !seen[-1-there] && !c.claim.denies(i):
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

// denials fills in whether the claim denies something and its best sentences deny
// nothing, whatever the words that are negated, and records it unless a finding
// says so already.
func (x *examined) denials(c, e *passage) {
	here, at := c.denial(text.Span{End: len(c.words)})
	if !here || x.window.Len() == 0 {
		return
	}
	if there, _ := e.denial(x.window); there {
		return
	}
	x.features[fDenied] = 1
	if !slices.ContainsFunc(x.findings, func(f Finding) bool { return f.Check == Negation }) {
		x.findings = append(x.findings, Finding{Check: Negation, Span: c.words[at].span})
	}
}

// denial reports whether one of the given words of p denies something, and which
// is the first.
func (p *passage) denial(words text.Span) (ok bool, at int) {
	for i := words.Start; i < words.End; i++ {
		if (negators[p.words[i].form] || deniers[p.words[i].stem]) && p.after(i) != "only" && p.after(i) != "just" {
			return true, i
		}
	}
	return false, 0
}
