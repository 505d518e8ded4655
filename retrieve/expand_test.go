package retrieve

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
)

// writer is an Expander that knows what to say.
type writer struct {
	variants []string
	passage  string
	err      error
	wait     bool // for the end of the context
}

func (w writer) Variants(ctx context.Context, _ string) ([]string, error) {
	if w.wait {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return w.variants, w.err
}

func (w writer) Passage(context.Context, string) (string, error) { return w.passage, w.err }

// With several wordings each score is the mean of the scores under each.
func TestMultiQuery(t *testing.T) {
	m := library(t)
	wordings := []string{query, "egg decade", "cafe"}
	plain := retriever(t, m, letters{})
	p := params(func(p *Params) { p.Candidates, p.TopK = 100, 100 })
	type scores struct{ dense, lexical float64 }
	want := map[index.ChunkID]scores{}
	for _, w := range wordings {
		f, err := plain.Find(t.Context(), w, p)
		if err != nil {
			t.Fatal(err)
		}
		vector, err := letters{}.Embed(t.Context(), 0, []string{w})
		if err != nil {
			t.Fatal(err)
		}
		length := 0.0 // the fake index takes a product where a real one takes the cosine
		for _, x := range vector[0] {
			length += float64(x * x)
		}
		for _, c := range f.Legs.Candidates {
			s := want[c.Chunk.ID]
			s.dense += c.Dense / math.Sqrt(length) / 3
			s.lexical += c.Lexical / 3
			want[c.Chunk.ID] = s
		}
	}
	p.Expand = MultiQuery
	f, err := plain.WithExpander(writer{variants: wordings[1:]}).Find(t.Context(), query, p)
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Legs.Candidates) != len(m.points) {
		t.Fatalf("%d candidates, the test wants all %d", len(f.Legs.Candidates), len(m.points))
	}
	for _, c := range f.Legs.Candidates {
		w := want[c.Chunk.ID]
		if math.Abs(c.Dense-w.dense) > 1e-5 || math.Abs(c.Lexical-w.lexical) > 1e-5 {
			t.Errorf("%s has the scores %v and %v, want the means %v and %v", c.Chunk.ID, c.Dense, c.Lexical, w.dense, w.lexical)
		}
	}
}

// HyDE moves the dense leg and leaves the lexical one.
func TestHyDE(t *testing.T) {
	r := retriever(t, build(t, map[text.DocID][]string{"a": {"aaa"}, "b": {"hhh"}}), letters{}).WithExpander(writer{passage: "hh"})
	scores := func(expand string) map[string][2]float64 {
		t.Helper()
		got, err := r.Search(t.Context(), "aaa", params(func(p *Params) { p.Expand = expand }))
		if err != nil {
			t.Fatal(err)
		}
		out := map[string][2]float64{}
		for _, c := range got.All() {
			out[string(c.Chunk.Doc)] = [2]float64{c.Dense, c.Lexical}
		}
		return out
	}
	without, with := scores(NoExpansion), scores(HyDE)
	if without["b"][0] != 0 || with["b"][0] <= 0 {
		t.Errorf("the dense score of b is %v, expanded %v; want 0 and more", without["b"][0], with["b"][0])
	}
	if without["a"][1] != with["a"][1] || with["b"][1] != 0 {
		t.Errorf("lexical scores change: %v, %v", without, with)
	}
}

func TestExpandFails(t *testing.T) {
	r := retriever(t, library(t), letters{}).WithExpander(writer{err: errDown})
	p := params(func(p *Params) { p.Expand = MultiQuery })
	got, err := r.Search(t.Context(), query, p)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"expand: connection refused"}, got.Degraded); d != "" {
		t.Errorf("degraded (-want +got):\n%s", d)
	}
	plain, err := r.Search(t.Context(), query, params(nil))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(plain.Chunks, got.Chunks); d != "" {
		t.Errorf("a failed expansion changes the result:\n%s", d)
	}
	p.RequireAll = true
	if _, err := r.Search(t.Context(), query, p); !errors.Is(err, ErrLeg) || !errors.Is(err, errDown) {
		t.Errorf("with all required the error is %v, want ErrLeg and the cause", err)
	}
	p.Expand = "magic"
	if _, err := r.Search(t.Context(), query, p); err == nil || err.Error() != `expand is "magic", allowed are none, multi-query or hyde` {
		t.Errorf("an unknown expansion: %v", err)
	}
	var invalid *InvalidError
	p.Expand = HyDE
	if _, err := retriever(t, library(t), letters{}).Search(t.Context(), query, p); !errors.As(err, &invalid) || invalid.Field != "expand" {
		t.Errorf("without an expander the error is %v, want an InvalidError of expand", err)
	}
}

// An expander that has nothing to say is told of, as one that fails.
func TestExpandSaysNothing(t *testing.T) {
	r := retriever(t, library(t), letters{}).WithExpander(writer{})
	p := params(func(p *Params) { p.Expand = MultiQuery })
	got, err := r.Search(t.Context(), query, p)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"expand: " + errNoWording.Error()}, got.Degraded); d != "" || len(got.Chunks) == 0 {
		t.Errorf("%d chunks, degraded (-want +got):\n%s", len(got.Chunks), d)
	}
	p.RequireAll = true
	if _, err := r.Search(t.Context(), query, p); !errors.Is(err, ErrLeg) || !errors.Is(err, errNoWording) {
		t.Errorf("with all required the error is %v, want ErrLeg and the cause", err)
	}
}

// An expander that hangs leaves time for the search itself.
func TestExpandHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		r := retriever(t, library(t), letters{}).WithExpander(writer{wait: true})
		got, err := r.Search(ctx, query, params(func(p *Params) { p.Expand = MultiQuery }))
		if err != nil || len(got.Chunks) == 0 || len(got.Degraded) != 1 {
			t.Errorf("%d chunks, degraded %v, error %v; want some, the expansion, none", len(got.Chunks), got.Degraded, err)
		}
	})
}
