package preview

import "slices"

// Sizes says how large the chunks are, in tokens of the target tokenizer.
// Quantiles are chunks that exist, by the nearest rank; all are 0 without chunks.
type Sizes struct {
	Min       int   `json:"min"`
	Median    int   `json:"median"`
	P95       int   `json:"p95"`
	Max       int   `json:"max"`
	Sum       int   `json:"sum"`
	Histogram []Bin `json:"histogram"` // ascending, empty ones included; nil without chunks
}

// Bin counts the chunks with From to To tokens, both included.
type Bin struct {
	From   int `json:"from"`
	To     int `json:"to"`
	Chunks int `json:"chunks"`
}

// bins is the number of bins up to the largest size allowed.
const bins = 10

func sizes(chunks []Chunk, size int) Sizes {
	if len(chunks) == 0 {
		return Sizes{}
	}
	var s Sizes
	tokens := make([]int, len(chunks))
	for i, c := range chunks {
		tokens[i] = c.Tokens
		s.Sum += c.Tokens
	}
	slices.Sort(tokens)
	rank := func(percent int) int { return tokens[max(0, (len(tokens)*percent+99)/100-1)] }
	s.Min, s.Median, s.P95, s.Max = tokens[0], rank(50), rank(95), tokens[len(tokens)-1]
	width := (size + bins - 1) / bins
	for from := 1; from <= size; from += width {
		b := Bin{From: from, To: min(from+width-1, size)}
		for _, n := range tokens {
			if b.From <= n && n <= b.To {
				b.Chunks++
			}
		}
		s.Histogram = append(s.Histogram, b)
	}
	return s
}

// Total is the sizes of all chunks of several documents together.
func Total(previews []Preview, s Settings) Sizes {
	var all []Chunk
	for _, p := range previews {
		all = append(all, p.Chunks...)
	}
	return sizes(all, s.SizeTokens)
}
