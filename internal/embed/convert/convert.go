// Package convert turns a local folder of a BERT model, as Hugging Face and
// sentence-transformers lay it out, into the one-file int8 format of package
// modelfile. It reads local files only, downloads nothing, and gives the same
// bytes for the same input on every machine for which package simd has vector
// kernels; without them some weights may be rounded the other way.
//
// [Read] understands a folder or says which file and field it cannot carry over:
// nothing is guessed or ignored. [Source.Build] makes the model file,
// [Source.Reference] runs the unquantised weights, and [Source.Check] compares
// the two.
//
// Read are config.json, model.safetensors (or its shards), vocab.txt or
// tokenizer.json, tokenizer_config.json, added_tokens.json, modules.json, the
// pooling module's config.json, sentence_bert_config.json,
// config_sentence_transformers.json and the licence named in README.md.
package convert

import (
	"fmt"
	"strings"

	"github.com/ragloop/ragloop/internal/embed/modelfile"
)

// Report sums up a conversion.
type Report struct {
	Matrices, Floats int     // tensors stored as int8, and as floats
	Worst            float64 // largest relative error of a matrix: root of the squared error over the squared values
	WorstName        string  // of the matrix with it
}

// Build returns the model file. The same source gives the same bytes. It uses all
// processors: half a minute for a model of 12 layers of 384.
func (s *Source) Build() ([]byte, Report, error) {
	data, report, err := s.build()
	if err != nil {
		return nil, Report{}, fmt.Errorf("convert %s: %w", s.dir, err)
	}
	return data, report, nil
}

func (s *Source) build() ([]byte, Report, error) {
	plain, _, err := s.assemble(nil)
	if err != nil {
		return nil, Report{}, err
	}
	maps, err := s.calibrate(plain)
	if err != nil {
		return nil, Report{}, fmt.Errorf("calibrate: %w", err)
	}
	return s.assemble(maps)
}

// rounded is a linear map of a layer with int8 weights.
type rounded struct {
	weights  modelfile.Matrix
	bias     []float32
	relative float64 // error of the weights, as quantise returns it
}

// assemble makes a model file of the given linear maps, by the names of their
// matrices, and of the tensors of the source, rounded where they become int8.
func (s *Source) assemble(maps map[string]rounded) ([]byte, Report, error) {
	var b modelfile.Builder
	var r Report
	for _, t := range s.tensors {
		weights, isBias := weightsOf(t.name)
		m, ok := maps[weights]
		switch {
		case isBias && ok:
			b.AddFloats(t.name, m.bias, t.shape...)
			r.Floats++
		case becomesInt8(t.name, t.shape):
			if !ok {
				m.weights, m.relative = quantise(t.values, t.shape[0], t.shape[1], nil)
			}
			b.AddMatrix(t.name, m.weights)
			r.Matrices++
			if m.relative > r.Worst {
				r.Worst, r.WorstName = m.relative, t.name
			}
		case len(t.shape) == 2:
			b.AddCompact(t.name, t.values, t.shape...)
			r.Floats++
		default:
			b.AddFloats(t.name, t.values, t.shape...)
			r.Floats++
		}
	}
	b.AddBlob("vocab.txt", s.vocabulary)
	data, err := b.Bytes(s.Header)
	return data, r, err
}

// weightsOf returns the name of the matrix beside which there is a bias of the
// given name, or of a matrix its own name.
func weightsOf(name string) (weights string, isBias bool) {
	if stem, ok := strings.CutSuffix(name, biasSuffix); ok {
		return stem + weightSuffix, true
	}
	return name, false
}

// becomesInt8 reports whether a tensor becomes int8: the matrices that hold
// nearly all bytes. Position and token type embeddings are small and are added
// to every token, and a cross-encoder's head decides once for each pair, so they
// keep their precision.
func becomesInt8(name string, shape []int) bool {
	return len(shape) == 2 && (name == wordEmbeddings || strings.HasPrefix(name, "encoder."))
}

const (
	wordEmbeddings     = "embeddings.word_embeddings.weight"
	positionEmbeddings = "embeddings.position_embeddings.weight"
	typeEmbeddings     = "embeddings.token_type_embeddings.weight"

	weightSuffix = ".weight"
	biasSuffix   = ".bias"
)

// shapes returns the tensors of an architecture, with 0 for a size that it does
// not say.
func shapes(a modelfile.Architecture) map[string][]int {
	all := map[string][]int{
		wordEmbeddings:     {0, a.Hidden},
		positionEmbeddings: {0, a.Hidden},
		typeEmbeddings:     {0, a.Hidden},
	}
	linear := func(name string, rows, cols int) {
		all[name+".weight"], all[name+".bias"] = []int{rows, cols}, []int{rows}
	}
	norm := func(name string) {
		all[name+".weight"], all[name+".bias"] = []int{a.Hidden}, []int{a.Hidden}
	}
	norm("embeddings.LayerNorm")
	for i := range a.Layers {
		p := layerPrefix(i)
		for _, name := range []string{"attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"} {
			linear(p+name, a.Hidden, a.Hidden)
		}
		norm(p + "attention.output.LayerNorm")
		linear(p+"intermediate.dense", a.Intermediate, a.Hidden)
		linear(p+"output.dense", a.Hidden, a.Intermediate)
		norm(p + "output.LayerNorm")
	}
	if a.Head == modelfile.CrossEncoder {
		linear("pooler.dense", a.Hidden, a.Hidden)
		linear("classifier", 1, a.Hidden)
	}
	return all
}

func layerPrefix(layer int) string { return fmt.Sprintf("encoder.layer.%d.", layer) }
