package ground

import "math"

// runs fills in how much of the claim is copied.
func (x *examined) runs(c, e *passage) {
	f := &x.features
	n := len(c.words)
	pairs, triples := 0, 0
	length := make([]int, n) // of the longest copied run that starts at each word
	for i := range c.words {
		if len(e.at[c.words[i].stem]) > 0 {
			length[i] = 1
		}
		for _, k := range places(c, e, i) {
			m := 1
			for m < longestRun && i+m < n && k+m < len(e.words) && c.words[i+m].stem == e.words[k+m].stem {
				m++
			}
			length[i] = max(length[i], m)
			if i > 0 && length[i-1] == length[i]+1 {
				break // the run before goes on here; no longer one is likely
			}
		}
		if length[i] >= 2 {
			pairs++
		}
		if length[i] >= 3 {
			triples++
		}
	}
	longest, copied, until := 0, 0, 0
	for i, m := range length {
		longest = max(longest, m)
		if m >= 4 && i+m > until {
			copied += i + m - max(i, until)
			until = i + m
		}
	}
	f[fBigram], f[fTrigram] = share(pairs, n-1), share(triples, n-2)
	f[fRun], f[fCopied] = share(longest, n), share(copied, n)
}

// longestRun is how many words of a copied run are looked at: a bound on the work
// that texts can cause which repeat themselves.
const longestRun = 200

// share returns a/b, and 1 where b is not positive: nothing is lacking.
func share(a, b int) float64 {
	if b <= 0 {
		return 1
	}
	return float64(a) / float64(b)
}

// neighbourhoods fills in how the words of the claim sit in the evidence.
func (x *examined) neighbourhoods(c, e *passage) {
	f := &x.features
	sum, all, least := 0.0, 0.0, 1.0
	replaced, swapped, inserted := 0, 0, 0
	for i, w := range c.words {
		if w.stop {
			continue
		}
		all += w.weight
		sum += w.weight * x.align.agreement[i]
		least = min(least, x.align.agreement[i])
		gap := x.gap(c, e, i)
		switch {
		case gap < 0:
		case gap == 0:
			inserted++
		case len(e.at[w.stem]) == 0:
			replaced++
		default:
			swapped++
		}
	}
	f[fAgree], f[fAgreeLeast] = 1, least
	if all > 0 {
		f[fAgree] = sum / all
	}
	f[fReplaced], f[fSwapped], f[fInserted] = math.Log1p(float64(replaced)), math.Log1p(float64(swapped)), math.Log1p(float64(inserted))
}

// gap returns how many other words stand in the evidence between the neighbours
// of word i of the claim, where word i itself doesn't: 0 if it was inserted, 1
// or 2 if it replaces something. -1 where the neighbours don't stand together
// anywhere, and where word i is in its place.
func (x *examined) gap(c, e *passage, i int) int {
	if i == 0 || i+1 >= len(c.words) {
		return -1
	}
	left, right := c.words[i-1].stem, c.words[i+1].stem
	at := e.at[left]
	vague := c.words[i-1].stop && c.words[i+1].stop
	if vague {
		at = e.around(c, i)
	}
	if len(at) > maxPlaces {
		return -1
	}
	best := -1
	for _, k := range at {
		for d := 1; d <= 3 && k+d < len(e.words); d++ {
			if d >= 2 && e.words[k+1].stem == c.words[i].stem || d == 3 && e.words[k+2].stem == c.words[i].stem {
				return -1
			}
			if e.words[k+d].stem == right && (best < 0 || d-1 > best) {
				best = d - 1
			}
		}
	}
	return best
}

// around returns the words of e that stand where word i-1 of c does, where it
// and word i+1 are function words, which stand together anywhere: a further word
// of c must be near.
func (e *passage) around(c *passage, i int) []int {
	var out []int
	if i >= 2 {
		for _, k := range firstOf(e.gist[[2]string{c.words[i-2].stem, c.words[i-1].stem}]) {
			out = append(out, k+1)
		}
	}
	if i+2 < len(c.words) {
		for _, k := range firstOf(e.gist[[2]string{c.words[i+1].stem, c.words[i+2].stem}]) {
			for j := max(0, k-4); j < k; j++ {
				if e.words[j].stem == c.words[i-1].stem {
					out = append(out, j)
				}
			}
		}
	}
	return out
}
