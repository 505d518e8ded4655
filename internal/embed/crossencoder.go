package embed

import (
	"context"
	"fmt"

	"github.com/ragloop/ragloop/internal/embed/bert"
	"github.com/ragloop/ragloop/internal/embed/modelfile"
	"github.com/ragloop/ragloop/internal/embed/wordpiece"
)

// CrossEncoder scores how well passages answer a query, by reading both
// together: slower than comparing vectors, and more precise. It runs in this
// process, on the CPU. It is safe for concurrent use; all calls together use at
// most as many threads as GOMAXPROCS said when it was loaded.
//
// Scores are logits: unbounded, the larger, the more relevant, comparable within
// one query. They are computed with int8 activations and weights. The score of a
// pair depends on its two texts only, with the same bits as promised at [Builtin].
type CrossEncoder struct {
	model     *bert.Model
	tokenizer *wordpiece.Tokenizer
	info      Info
	scheduler scheduler
}

// LoadCrossEncoder returns the cross-encoder in a model file; as [Load].
func LoadCrossEncoder(path string) (*CrossEncoder, error) {
	data, err := readModel(path)
	if err != nil {
		return nil, err
	}
	c, err := NewCrossEncoder(data)
	if err != nil {
		return nil, fmt.Errorf("load model %s: %w", path, err)
	}
	return c, nil
}

// NewCrossEncoder returns the cross-encoder in data; as [New].
func NewCrossEncoder(data []byte) (*CrossEncoder, error) {
	f, err := modelfile.Parse(data)
	if err != nil {
		return nil, err
	}
	p, err := parts(f)
	if err != nil {
		return nil, err
	}
	if !p.model.CrossEncoder() {
		return nil, fmt.Errorf("%w: it is an embedding model; a cross-encoder is needed", modelfile.ErrUnsupported)
	}
	p.info.Dimension = 0
	c := &CrossEncoder{model: p.model, tokenizer: p.tokenizer, info: p.info}
	c.scheduler.slots.limit = threadsNow()
	return c, nil
}

// Info describes the model. Its Dimension is 0.
func (c *CrossEncoder) Info() Info { return c.info }

// Score returns the score of query with each passage, in their order; no scores
// come with an error. Of a pair that exceeds MaxTokens the longer text is cut.
// The pairs are spread over the threads like queries (see [Builtin.Embed]).
// Between two layers of the model it ends when ctx does.
func (c *CrossEncoder) Score(ctx context.Context, query string, passages []string) ([]float32, error) {
	scores := make([]float32, len(passages))
	n, err := c.scheduler.run(ctx, work{
		priority: interactive,
		items:    len(passages),
		tokenise: func(ids []int32, i int) ([]int32, int) {
			return c.tokenizer.AppendPair(ids, c.info.MaxTokens, query, passages[i])
		},
		compute: func(i int, ids []int32, second int, w *bert.Workspace) (err error) {
			scores[i], err = c.model.Score(ids, second, bert.Int8Activations, w)
			return err
		},
	})
	if err != nil {
		return nil, fmt.Errorf("score passage %d of %d: %w", n+1, len(passages), err)
	}
	return scores, nil
}
