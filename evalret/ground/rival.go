package ground

import "math"

// A word of a claim has a rival where the evidence has another word in its
// place: an opposite, another number of the same kind, or a word that means the
// same. A place is told by its neighbours (see agree) and by its sentence.

// rivalry finds the rivals of the words of one claim.
type rivalry struct {
	claim, evidence *passage
	needed          map[string]float64 // weight of each content stem of the claim that the evidence has
	content         float64            // of all content words of the claim
	cover           []float64          // of each sentence of the evidence: the weight of needed that it has
}

// fit says how well the best of some places in the evidence fits a word.
type fit struct {
	near  float64 // greatest agreement of the neighbours, 0..1
	about float64 // greatest share of the rest of the claim that the sentence has, 0..1
	both  float64 // greatest sum of the two for one place
	at    int     // that place, the first of equals; -1: there are no places
}

// fit returns how well word i of the claim fits at the given words of the
// evidence, of which the first maxPlaces are looked at.
func (r *rivalry) fit(i int, at []int) fit {
	out := fit{at: -1}
	for _, k := range firstOf(at) {
		near, about := agree(r.claim, r.evidence, i, k), r.about(i, k)
		out.near, out.about = max(out.near, near), max(out.about, about)
		if out.at < 0 || near+about > out.both {
			out.both, out.at = near+about, k
		}
	}
	return out
}

// about returns how much of the claim but for word i the sentence of word k of
// the evidence has, by weight: 0..1.
func (r *rivalry) about(i, k int) float64 {
	own := r.needed[r.claim.words[i].stem]
	rest := r.content - max(own, r.claim.words[i].weight)
	if rest <= 1e-9 {
		return 0
	}
	s := r.evidence.sentence[k]
	has := r.cover[s]
	if own > 0 && r.evidence.sentenceHas(s, r.claim.words[i].stem) {
		has -= own
	}
	return max(0, min(1, has/rest))
}

// opposed returns by how much the place of an opposite fits word i better than
// its own, near and about, and that place; -1 for none. An opposite that the
// claim has, too, is none: "rose from low to high".
func (r *rivalry) opposed(i int, t *thesaurus, has map[string]bool) (near, about float64, at int) {
	at = -1
	w := r.claim.words[i]
	var own fit
	looked := false
	for _, stem := range t.opposites(w.stem, r.evidence) {
		if has[stem] {
			continue
		}
		if !looked {
			own, looked = r.fit(i, r.evidence.at[w.stem]), true
		}
		other := r.fit(i, r.evidence.at[stem])
		if d := other.near - own.near; d > near {
			near, at = d, other.at
		}
		about = max(about, other.about-own.about)
	}
	return near, about, at
}

// misplaced returns by how much the place of another number of the same kind
// fits a number of the claim better than the places where the evidence has it,
// and which that is; -1 for none.
func (r *rivalry) misplaced(q quantity, all []quantity, has map[float64]bool) (margin float64, at int) {
	var own, other []int
	kind := q.kind(r.claim)
	for _, e := range all {
		switch {
		case sameValue(q, e):
			own = append(own, e.at)
		case e.digits == q.digits && !has[e.value] && e.kind(r.evidence) == kind:
			other = append(other, e.at)
		}
	}
	if len(own) == 0 || len(other) == 0 {
		return 0, -1
	}
	mine, theirs := r.fit(q.at, own), r.fit(q.at, other)
	if d := theirs.both - mine.both; d > 0 {
		return d, theirs.at
	}
	return 0, -1
}

// synonym reports whether a word that means the same as word i of the claim is
// in its place, among words [lo, hi) of the evidence.
func (r *rivalry) synonym(i int, t *thesaurus, lo, hi int) bool {
	stem := r.claim.words[i].stem
	for k := lo; k < hi; k++ {
		if t.same[[2]string{stem, r.evidence.words[k].stem}] && agree(r.claim, r.evidence, i, k) > synonymPlace {
			return true
		}
	}
	return false
}

const (
	synonymPlace = 0.2 // agreement from which on a synonym is in the place of a word
	aroundWindow = 30  // words on both sides of the best window that are looked at for synonyms
	mostWindow   = 600 // words of it that are looked at
)

// rivals fills in what the rivals of the claim's words say, and returns those
// of opposites and numbers.
func (x *examined) rivals(c, e *passage, quantities []quantity) []Finding {
	f, t := &x.features, builtinThesaurus()
	r := rivalry{claim: c, evidence: e, needed: x.needed, content: x.content, cover: x.cover}
	k := checker{claim: c, evidence: e}
	has := map[string]bool{}
	for _, w := range c.words {
		has[w.stem] = true
	}
	lo, hi := 0, 0
	if x.window.Len() > 0 {
		lo, hi = max(0, x.window.Start-aroundWindow), min(len(e.words), x.window.Start+mostWindow, x.window.End+aroundWindow)
	}
	synonyms := 0
	for i, w := range c.words {
		if w.stop && !turning[w.form] {
			continue
		}
		near, about, at := r.opposed(i, t, has)
		f[fOpposed], f[fOpposedAbout] = max(f[fOpposed], near), max(f[fOpposedAbout], about)
		if near > leastMargin {
			k.add(Antonym, i, i, at)
		}
		if !w.stop && !w.number && len(e.at[w.stem]) == 0 && r.synonym(i, t, lo, hi) {
			synonyms++
		}
	}
	f[fSynonyms] = math.Log1p(float64(synonyms))
	own := c.quantities()
	values := map[float64]bool{}
	for _, q := range own {
		values[q.value] = true
	}
	for _, q := range own {
		margin, at := r.misplaced(q, quantities, values)
		f[fMisplaced] = max(f[fMisplaced], margin)
		if margin > leastMargin {
			k.add(Misplaced, q.at, q.last, at)
		}
	}
	return k.found
}

// leastMargin is by how much a rival must fit better than the word itself to be
// a finding. At 0.2 opposites tell supported from other claims best.
const leastMargin = 0.2

// turning are function words with an opposite.
var turning = map[string]bool{"before": true, "after": true, "more": true, "less": true}
