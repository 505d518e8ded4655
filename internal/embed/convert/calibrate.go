package convert

import (
	"cmp"
	_ "embed"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/ragloop/ragloop/internal/embed/bert"
	"github.com/ragloop/ragloop/internal/embed/modelfile"
	"github.com/ragloop/ragloop/internal/embed/wordpiece"
)

// calibrationText has paragraphs of many kinds, written for this purpose, with
// blank lines between. How inputs go together in prose is what the rounding of
// weights can make use of; some 5,000 tokens of it in which no subject prevails
// serve texts about other subjects, too.
//
//go:embed calibration.txt
var calibrationText string

// Few inputs are much larger than the others, and they are the same ones for
// every text. Without exact columns for them the error of the vectors is four
// times as large with int8 activations; 16 gain little more than 8.
const exactColumns = 8

// Sequences of random pieces stand for what the text lacks: other languages,
// rare pieces, and texts that say the same thing again and again. Few are as long
// as the window.
const (
	randomSequences = 256
	randomLongest   = 64
	windowSequences = 4
)

// calibrationMemory bounds the memory for what is known of inputs, in bytes, as
// long as that of one layer is below it.
const calibrationMemory = 512 << 20

// input names an input of a layer.
type input struct {
	layer int
	in    bert.Input
}

// calibrate runs the plainly quantised model over texts and random sequences and
// returns the linear maps of its layers, rounded as their inputs want it.
func (s *Source) calibrate(plain []byte) (map[string]rounded, error) {
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
	tensors := make(map[string][]float32, len(s.tensors))
	for _, t := range s.tensors {
		tensors[t.name] = t.values
	}
	sequences := calibrationSequences(m, tokenizer)
	all := make(map[string]rounded)
	at := max(1, calibrationMemory/(3*statisticsSize(m.Hidden)+statisticsSize(m.Intermediate)))
	for first := 0; first < m.Layers; first += at {
		seen, err := observe(m, sequences, first, first+at)
		if err != nil {
			return nil, err
		}
		order := slices.SortedFunc(maps.Keys(seen), func(x, y input) int {
			return cmp.Or(cmp.Compare(x.layer, y.layer), cmp.Compare(x.in, y.in))
		})
		for _, key := range order {
			stats := seen[key]
			exact := largest(stats.fourth, exactColumns)
			factor := stats.factor(exact)
			for _, name := range mapsOf(key.in) {
				name = layerPrefix(key.layer) + name
				weights, bias := tensors[name+weightSuffix], tensors[name+biasSuffix]
				if factor == nil {
					matrix, relative := quantise(weights, len(bias), stats.cols, exact)
					all[name+weightSuffix] = rounded{matrix, bias, relative}
				} else {
					all[name+weightSuffix] = factor.round(weights, bias)
				}
			}
			delete(seen, key) // its memory can go
		}
	}
	return all, nil
}

// mapsOf returns the linear maps of an input.
func mapsOf(in bert.Input) []string {
	switch in {
	case bert.QKVInput:
		return []string{"attention.self.query", "attention.self.key", "attention.self.value"}
	case bert.AttentionInput:
		return []string{"attention.output.dense"}
	case bert.UpInput:
		return []string{"intermediate.dense"}
	}
	return []string{"output.dense"}
}

// calibrationSequences returns the ids of every paragraph as a passage, of its
// first sentence as a query, and sequences of random pieces: of any, of four,
// and of one.
func calibrationSequences(m *bert.Model, t *wordpiece.Tokenizer) (all [][]int32) {
	for paragraph := range strings.SplitSeq(calibrationText, "\n\n") {
		sentence, _, _ := strings.Cut(paragraph, ". ")
		all = append(all,
			t.AppendWindow(nil, m.MaxTokens, m.PassagePrefix, paragraph),
			t.AppendWindow(nil, m.MaxTokens, m.QueryPrefix, sentence))
	}
	r := rand.New(rand.NewPCG(1, 2))
	frame := t.Append(nil, "") // [CLS] [SEP]
	for i := range randomSequences + windowSequences {
		pieces := [4]int32{}
		for j := range pieces {
			pieces[j] = r.Int32N(int32(m.Pieces()))
		}
		length := i % randomLongest
		if i >= randomSequences {
			length = m.MaxTokens
		}
		ids := slices.Clone(frame[:1])
		for range min(length, m.MaxTokens-len(frame)) {
			switch i % 4 {
			case 0, 1:
				ids = append(ids, r.Int32N(int32(m.Pieces())))
			case 2:
				ids = append(ids, pieces[r.IntN(len(pieces))])
			case 3:
				ids = append(ids, pieces[0])
			}
		}
		all = append(all, append(ids, frame[1:]...))
	}
	return all
}

// observe returns what the inputs of the layers from first to end-1 are like.
func observe(m *bert.Model, sequences [][]int32, first, end int) (map[input]*statistics, error) {
	seen := make(map[input]*statistics)
	w := bert.Workspace{Observe: func(layer int, in bert.Input, rows []float32) {
		if layer < first || layer >= end {
			return
		}
		key := input{layer, in}
		if seen[key] == nil {
			width := m.Hidden
			if in == bert.DownInput {
				width = m.Intermediate
			}
			seen[key] = newStatistics(width)
		}
		seen[key].add(rows)
	}}
	vector := make([]float32, m.Hidden)
	for _, ids := range sequences {
		var err error
		if m.CrossEncoder() {
			_, err = m.Score(ids, len(ids)/2, bert.Int16Activations, &w)
		} else {
			err = m.Encode(vector, ids, bert.Int16Activations, &w)
		}
		if err != nil {
			return nil, err
		}
	}
	for _, s := range seen {
		s.flush()
	}
	return seen, nil
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

// spread calls do for 0 to n-1 on all processors.
func spread(n int, do func(i int)) {
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	workers.Wait()
}
