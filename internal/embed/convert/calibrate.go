package convert

import (
	"cmp"
	"math/rand/v2"
	"slices"

	"github.com/ragloop/ragloop/internal/embed/bert"
	"github.com/ragloop/ragloop/internal/embed/modelfile"
)

// How the exact columns are found. Few inputs are much larger than the others,
// and they are the same ones for every text, so sequences of random pieces show
// them as well as prose does. 16 columns bring the error of the vectors to a
// quarter with int8 activations; 16 gain little more.
const (
	exactColumns         = 8
	calibrationSequences = 256
	calibrationLongest   = 64
)

// calibrate runs the plainly quantised model over random sequences and returns,
// for each matrix of a layer, the columns whose inputs have the largest fourth
// moment: the measure that weighs rare extremes, which spoil a row's scale, and
// frequent large values alike.
func (s *Source) calibrate(plain []byte) (map[string][]int, error) {
	f, err := modelfile.Parse(plain)
	if err != nil {
		return nil, err
	}
	m, err := bert.New(f)
	if err != nil {
		return nil, err
	}
	tokenizer, err := s.tokenizer()
	if err != nil {
		return nil, err
	}
	type input struct {
		layer int
		in    bert.Input
	}
	moments := make(map[input][]float64)
	w := bert.Workspace{Observe: func(layer int, in bert.Input, rows []float32) {
		width := m.Hidden
		if in == bert.DownInput {
			width = m.Intermediate
		}
		key := input{layer, in}
		if moments[key] == nil {
			moments[key] = make([]float64, width)
		}
		for i, v := range rows {
			square := float64(v) * float64(v)
			moments[key][i%width] += float64(square * square)
		}
	}}
	r := rand.New(rand.NewPCG(1, 2))
	vector := make([]float32, m.Hidden)
	for i := range calibrationSequences {
		ids := tokenizer.Append(nil, "") // [CLS] [SEP]
		for range min(i%calibrationLongest, m.MaxTokens-len(ids)) {
			ids = slices.Insert(ids, len(ids)-1, r.Int32N(int32(m.Pieces())))
		}
		if m.CrossEncoder() {
			_, err = m.Score(ids, len(ids)/2, bert.Int16Activations, &w)
		} else {
			err = m.Encode(vector, ids, bert.Int16Activations, &w)
		}
		if err != nil {
			return nil, err
		}
	}
	names := map[bert.Input][]string{
		bert.QKVInput:       {"attention.self.query", "attention.self.key", "attention.self.value"},
		bert.AttentionInput: {"attention.output.dense"},
		bert.UpInput:        {"intermediate.dense"},
		bert.DownInput:      {"output.dense"},
	}
	exact := make(map[string][]int)
	for key, moment := range moments {
		for _, name := range names[key.in] {
			exact[layerPrefix(key.layer)+name+".weight"] = largest(moment, exactColumns)
		}
	}
	return exact, nil
}

// largest returns the indices of the n largest values in ascending order; of
// equal values the first counts as larger.
func largest(values []float64, n int) []int {
	order := make([]int, len(values))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(values[b], values[a]) })
	top := order[:min(n, len(order))]
	slices.Sort(top)
	return top
}
