package convert

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/ragloop/ragloop/internal/embed"
	"github.com/ragloop/ragloop/internal/embed/modelfile"
)

// Texts are what a model is checked with: prose, an identifier, other scripts,
// nothing, and enough words to reach beyond a sentence. The first are queries.
func Texts() (queries, passages []string) {
	return []string{
			"how long is the warranty on a heat meter?",
			"NullPointerException at OrderService.java:42",
			"Wie wird das Ventil geöffnet?",
		}, []string{
			"The warranty on heat meters is five years from the date of delivery.",
			"Order 1042-B was shipped on 3 May; the parcel weighs 2.5 kg.",
			"暖房の温度を調整する方法。 Température réglée à 21 °C.",
			"",
			strings.Repeat("The pump runs until the set temperature is reached, then the valve closes and the boiler goes idle. ", 6),
		}
}

// Difference says how far a model file is from its source.
type Difference struct {
	Queries  float64 // least cosine to the source over the queries; embedding models only
	Passages float64 // over the passages
	Score    float64 // largest difference of a logit, over all pairs; cross-encoders only
	Spread   float64 // what to hold it against: the largest minus the smallest logit of the source
	Texts    int     // texts or pairs compared
}

// CheckEmbedder embeds queries and passages with e, made from s, and compares
// with the source's own weights. That takes a second and more for each text.
func (s *Source) CheckEmbedder(ctx context.Context, e embed.Embedder, queries, passages []string) (Difference, error) {
	a := s.Header.Architecture
	d := Difference{Texts: len(queries) + len(passages)}
	if a.Head == modelfile.CrossEncoder {
		return d, errors.New("check the model: the folder has a cross-encoder, the model file an embedding model")
	}
	var err error
	if d.Queries, err = s.leastCosine(ctx, e, embed.Query, a.QueryPrefix, queries); err != nil {
		return d, err
	}
	d.Passages, err = s.leastCosine(ctx, e, embed.Passage, a.PassagePrefix, passages)
	return d, err
}

func (s *Source) leastCosine(ctx context.Context, e embed.Embedder, task embed.Task, prefix string, texts []string) (float64, error) {
	if dim := e.Info().Dimension; dim != s.Header.Architecture.Hidden {
		return 0, fmt.Errorf("check the model: its vectors have %d dimensions, those of the folder %d", dim, s.Header.Architecture.Hidden)
	}
	got, err := e.Embed(ctx, task, texts)
	if err != nil {
		return 0, err
	}
	r, err := s.Reference()
	if err != nil {
		return 0, err
	}
	cosines := make([]float64, len(texts))
	err = parallel(ctx, len(texts), func(i int) error {
		want, err := r.Embed(prefix + texts[i])
		cosines[i] = cosine(got[i], want)
		return err
	})
	least := 1.0
	for _, c := range cosines {
		least = min(least, c)
	}
	return least, err
}

// Scorer scores pairs; implemented by [embed.CrossEncoder].
type Scorer interface {
	Score(ctx context.Context, query string, passages []string) ([]float32, error)
}

// CheckCrossEncoder scores every query with every passage by c, made from s,
// and compares with the source's own weights.
func (s *Source) CheckCrossEncoder(ctx context.Context, c Scorer, queries, passages []string) (Difference, error) {
	d := Difference{Texts: len(queries) * len(passages)}
	if s.Header.Architecture.Head != modelfile.CrossEncoder {
		return d, errors.New("check the model: the folder has an embedding model, the model file a cross-encoder")
	}
	r, err := s.Reference()
	if err != nil {
		return d, err
	}
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, q := range queries {
		got, err := c.Score(ctx, q, passages)
		if err != nil {
			return d, err
		}
		want := make([]float64, len(passages))
		if err := parallel(ctx, len(passages), func(i int) error {
			want[i] = float64(r.Score(q, passages[i]))
			return nil
		}); err != nil {
			return d, err
		}
		for i, w := range want {
			d.Score = max(d.Score, math.Abs(float64(got[i])-w))
			lo, hi = min(lo, w), max(hi, w)
		}
	}
	d.Spread = max(0, hi-lo)
	return d, nil
}

// parallel calls f for 0 to n-1 on all processors until one call fails.
func parallel(ctx context.Context, n int, f func(i int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i := range n {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return f(i)
		})
	}
	return group.Wait()
}

// cosine is that of two vectors of nearly unit length; 0 if one is missing.
func cosine(a, b []float32) float64 {
	var ab, aa, bb float64
	if len(a) != len(b) {
		return 0
	}
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
	}
	if aa == 0 || bb == 0 {
		return 0
	}
	return min(1, ab/math.Sqrt(aa*bb))
}
