package retrieve

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
)

// Feedback finds what the first hits are like, although it shares nothing with
// the query.
func TestFeedback(t *testing.T) {
	r := retriever(t, build(t, map[text.DocID][]string{
		"a": {"a h h"}, "b": {"a h h h"}, "c": {"a h h h h"}, // what "a" finds first
		"d": {"h"}, // like those
		"e": {"b"}, // like nothing
	}), letters{})
	dense := func(feedback float64) Result {
		t.Helper()
		got, err := r.Search(t.Context(), "a", params(func(p *Params) {
			p.Fusion, p.DocumentPrior, p.Feedback = Fusion{Method: Dense}, 0, feedback
		}))
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	score := func(r Result, doc text.DocID) float64 {
		for _, c := range r.All() {
			if c.Chunk.Doc == doc {
				return c.Dense
			}
		}
		t.Fatalf("%s was not found", doc)
		return 0
	}
	without, with := dense(0), dense(0.5)
	if score(without, "d") != 0 || score(with, "d") <= 0 || score(with, "e") != 0 {
		t.Errorf("dense scores of d are %v and with feedback %v, of e %v; want 0, more, 0", score(without, "d"), score(with, "d"), score(with, "e"))
	}
	var stages []string
	for _, s := range with.Stages {
		stages = append(stages, s.Name)
	}
	if d := cmp.Diff([]string{"embed", "legs", "records", "feedback", "fuse"}, stages); d != "" {
		t.Errorf("stages (-want +got):\n%s", d)
	}
	// With no weight on the query, what counts is the mean of the first three,
	// each of unit length.
	all := dense(1)
	if got, want := score(all, "d")/score(all, "a"), score(dense(1), "d")/score(dense(1), "a"); got != want {
		t.Errorf("two searches differ: %v and %v", got, want)
	}
}

// What feedback takes for relevant depends on neither fusion nor depth, so that
// one Find can be ranked under every setting.
func TestFeedbackOnce(t *testing.T) {
	r := retriever(t, library(t), letters{})
	deep, err := r.Find(t.Context(), query, params(func(p *Params) { p.Candidates, p.Feedback = 1000, 0.4 }))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range allFusions() {
		p := params(func(p *Params) { p.Fusion, p.Feedback = f, 0.4 })
		got, err := r.Search(t.Context(), query, p)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(got.Chunks, Rank(deep, p)); d != "" {
			t.Errorf("%s (-search +rank):\n%s", f, d)
		}
	}
}

func TestFeedbackFails(t *testing.T) {
	m := library(t)
	m.vectorFail = errDown
	r := retriever(t, m, letters{})
	p := params(func(p *Params) { p.Feedback = 0.4 })
	got, err := r.Search(t.Context(), query, p)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"feedback: read the vectors of the first hits: connection refused"}, got.Degraded); d != "" {
		t.Errorf("degraded (-want +got):\n%s", d)
	}
	p.Feedback = 0
	plain, err := r.Search(t.Context(), query, p)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(plain.Chunks, got.Chunks); d != "" {
		t.Errorf("without its vectors feedback changes the order (-want +got):\n%s", d)
	}
	p.Feedback, p.RequireAll = 0.4, true
	if _, err := r.Search(t.Context(), query, p); !errors.Is(err, ErrLeg) || !errors.Is(err, errDown) {
		t.Errorf("with all required the error is %v, want ErrLeg and the cause", err)
	}
}

// A chunk that is deleted between the two passes is left out of the mean.
func TestFeedbackGone(t *testing.T) {
	m := library(t)
	r := retriever(t, m, letters{})
	q := finding{r: r, p: params(func(p *Params) { p.Feedback = 1 }), search: index.Search{Dense: []float32{1, 0, 0, 0, 0, 0, 0, 0}}}
	moved, err := q.feedback(t.Context(), []index.Candidate{{Chunk: &index.Chunk{ID: "gone"}, DenseRank: 1}})
	if err != nil || moved || q.search.Dense[0] != 1 {
		t.Errorf("feedback from a chunk that is gone: moved %v, error %v, query %v", moved, err, q.search.Dense)
	}
}
