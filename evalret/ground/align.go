package ground

import "github.com/ragloop/ragloop/internal/text"

const (
	contextWords = 4   // neighbours on each side by which the place of a word is found
	slack        = 2   // words by which they may be shifted
	maxPlaces    = 400 // occurrences of one word that are looked at
)

// alignment says what in the evidence corresponds to the words of a claim.
type alignment struct {
	place     []int     // word of the evidence with the same stem whose neighbours agree best; -1: none
	agreement []float64 // share of the neighbours that agree there, by weight; 0 where place is -1
}

// align finds for every word of claim the occurrence in evidence whose
// neighbourhood is most alike; of equal ones that within prefer, else the
// first. A function word needs an agreeing neighbour to have a place.
func align(claim, evidence *passage, prefer text.Span) alignment {
	n := len(claim.words)
	a := alignment{place: make([]int, n), agreement: make([]float64, n)}
	for i, w := range claim.words {
		a.place[i] = -1
		best := -1.0
		for _, k := range places(claim, evidence, i) {
			score := agree(claim, evidence, i, k)
			rank := score
			if prefer.Start <= k && k < prefer.End {
				rank += 0.1
			}
			if rank > best {
				best, a.place[i], a.agreement[i] = rank, k, score
			}
		}
		if w.stop && a.agreement[i] == 0 {
			a.place[i] = -1
		}
	}
	return a
}

// places returns where in evidence word i of claim may belong.
func places(claim, evidence *passage, i int) []int {
	w := claim.words[i]
	at := evidence.at[w.stem]
	if !w.stop && len(at) <= maxPlaces {
		return at
	}
	// Of a common word only the occurrences beside a neighbour of the claim's.
	var out []int
	if i > 0 {
		for _, k := range firstOf(evidence.gist[[2]string{claim.words[i-1].stem, w.stem}]) {
			out = append(out, k+1)
		}
	}
	if i+1 < len(claim.words) {
		out = append(out, firstOf(evidence.gist[[2]string{w.stem, claim.words[i+1].stem}])...)
	}
	return firstOf(out)
}

func firstOf(at []int) []int { return at[:min(len(at), maxPlaces)] }

// agree returns the share of the neighbours of word i of claim that are also
// neighbours of word k of evidence, by weight and nearness: 0..1.
func agree(claim, evidence *passage, i, k int) float64 {
	hit, all := 0.0, 0.0
	for d := -contextWords; d <= contextWords; d++ {
		j := i + d
		if d == 0 || j < 0 || j >= len(claim.words) {
			continue
		}
		w := claim.words[j]
		value := (w.weight + 0.05) / float64(1+abs(d))
		all += value
		for e := max(0, k+d-slack); e <= min(len(evidence.words)-1, k+d+slack); e++ {
			if e != k && evidence.words[e].stem == w.stem {
				hit += value
				break
			}
		}
	}
	if all == 0 {
		return 0
	}
	return hit / all
}

func abs(x int) int { return max(x, -x) }
