package score_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/ragloop/ragloop/evalret/labels"
	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/evalret/score"
)

// BenchmarkScore reads a run of a million lines and its judgements and scores
// it: 1,000 queries with 1,000 documents each, best first.
func BenchmarkScore(b *testing.B) {
	const queries, depth = 1000, 1000
	rng := rand.New(rand.NewPCG(1, 2))
	var qrels, run strings.Builder
	for q := range queries {
		for rank, doc := range rng.Perm(100 * depth)[:depth] {
			fmt.Fprintf(&run, "q%d Q0 doc%d %d %.6f random\n", q, doc, rank+1, 20-0.01*float64(rank)-0.005*rng.Float64())
			if rng.IntN(20) == 0 {
				fmt.Fprintf(&qrels, "q%d 0 doc%d %d\n", q, doc, rng.IntN(3))
			}
		}
	}
	metrics, err := metric.ParseList("AP,nDCG@10,R@100")
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(run.Len()))
	for b.Loop() {
		judgements, err := labels.ReadQrels(strings.NewReader(qrels.String()), "qrels")
		if err != nil {
			b.Fatal(err)
		}
		results, err := labels.ReadRun(strings.NewReader(run.String()), "run")
		if err != nil {
			b.Fatal(err)
		}
		if _, err := score.Runs(judgements, results, score.Options{Metrics: metrics}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(queries*depth*b.N)/b.Elapsed().Seconds(), "lines/s")
}
