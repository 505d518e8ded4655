package embed

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

func scoresOf(t *testing.T, l *Late, query string, passages ...string) []float32 {
	t.Helper()
	got, err := l.Score(t.Context(), query, passages)
	if err != nil || len(got) != len(passages) {
		t.Fatalf("Score of %d passages = %v, %v", len(passages), got, err)
	}
	return got
}

func TestLateScore(t *testing.T) {
	l := NewLate(newBuiltin(t), nil)
	const query = "how often must the pump filter be replaced?"
	got := scoresOf(t, l, query,
		"Replace the filter of the pump every 500 operating hours.",
		"The pump has a power of 300 watts.",
		"The committee meets every second Tuesday.",
		" ")
	if !slices.IsSortedFunc(got, func(a, b float32) int { return int(math.Copysign(1, float64(b-a))) }) {
		t.Errorf("scores = %v, want them to fall", got)
	}
	if got[3] != -1 || got[0] > 1 {
		t.Errorf("scores = %v, want them from -1, of no words, to 1", got)
	}
	if got := scoresOf(t, l, "\u200b", "pump", ""); !slices.Equal(got, []float32{0, 0}) {
		t.Errorf("scores for a query without words = %v, want 0", got)
	}
	if got, err := l.Score(t.Context(), query, nil); err != nil || len(got) != 0 {
		t.Errorf("Score of nothing = %v, %v", got, err)
	}
}

// TestLateByHand computes the score from the vectors of Tokens.
func TestLateByHand(t *testing.T) {
	b := newBuiltin(t)
	const query, passage = "cold pumps", "A pump that is cold needs time."
	q, p := tokensOf(t, b, Query, query)[0], tokensOf(t, b, Passage, passage)[0]
	var sum, weights float64
	for i, x := range q.Vectors {
		best := -1.0
		for _, y := range p.Vectors {
			var product float64
			for j := range x {
				product += float64(x[j]) * float64(y[j])
			}
			best = max(best, product)
		}
		r := float64(b.Rarity(q.IDs[i]))
		sum, weights = sum+r*best, weights+r
	}
	if got := float64(scoresOf(t, NewLate(b, nil), query, passage)[0]); math.Abs(got-sum/weights) > 2e-3 {
		t.Errorf("score = %v, want %v", got, sum/weights)
	}
}

// TestLateIndependence: a score does not depend on what else is scored, on what
// was scored before, or on who asks at the same time.
func TestLateIndependence(t *testing.T) {
	b := newBuiltin(t)
	passages := []string{"the pump is cold", "", "replace the filter", "the pump is cold", "Überprüfung der Ventile"}
	want := scoresOf(t, NewLate(b, nil), "cold pump", passages...)
	l := NewLate(b, nil)
	for i, p := range passages {
		if got := scoresOf(t, l, "cold pump", p)[0]; got != want[i] {
			t.Errorf("score of %q alone = %v, among others %v", p, got, want[i])
		}
	}
	if got := scoresOf(t, l, "cold pump", passages...); !slices.Equal(got, want) {
		t.Errorf("scores of known passages = %v, want %v", got, want)
	}
	small := NewLate(b, nil)
	small.passages.limit = 500 // keeps one passage, or none
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if got, err := small.Score(context.Background(), "cold pump", passages); err != nil || !slices.Equal(got, want) {
				t.Errorf("scores at the same time = %v (%v), want %v", got, err, want)
			}
		})
	}
	wg.Wait()
	if small.passages.size > 500 || len(small.passages.places) != small.passages.order.Len() {
		t.Errorf("%d bytes are kept, %d places of %d", small.passages.size, len(small.passages.places), small.passages.order.Len())
	}
}

func TestLateCancel(t *testing.T) {
	l := NewLate(newBuiltin(t), nil)
	for _, n := range []int{0, 1, 2, 4} {
		if got, err := l.Score(&countdown{Context: context.Background(), n: n}, "pump", []string{"a", "b", "c"}); !errors.Is(err, context.Canceled) || got != nil {
			t.Errorf("Score cancelled after %d steps = %v, %v", n, got, err)
		}
	}
}

// TestLateStopped: of a passage that was not read to its end nothing is kept,
// whenever it was stopped.
func TestLateStopped(t *testing.T) {
	var passages []string
	for i := range 6 {
		passages = append(passages, strings.Repeat("the filter of the pump ", 10+i))
	}
	want := scoresOf(t, NewLate(newBuiltin(t), nil), "pump", passages...)
	l := NewLate(newBuiltin(t), nil)
	for i := range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			for range 50 * i {
				runtime.Gosched()
			}
			cancel()
		}()
		got, err := l.Score(ctx, "pump", passages)
		if err != nil && (!errors.Is(err, context.Canceled) || got != nil) || err == nil && !slices.Equal(got, want) {
			t.Errorf("Score, stopped at any time = %v, %v", got, err)
		}
		cancel()
	}
	if got := scoresOf(t, l, "pump", passages...); !slices.Equal(got, want) {
		t.Errorf("after stops the scores are %v, want %v", got, want)
	}
}

func TestLateInfo(t *testing.T) {
	got := NewLate(newBuiltin(t), nil).Info()
	want := Info{Name: "bge-small-en-v1.5 (int8), late interaction", Fingerprint: "late/1/" + newBuiltin(t).Info().Fingerprint, MaxTokens: 512}
	if got != want {
		t.Errorf("Info() = %+v, want %+v", got, want)
	}
}

func TestRounded(t *testing.T) {
	v := []float32{1, -2, 0, 3, -1, -4, 4, 0.5, -0.25, 1e-9}
	r := round(v, 5)
	if len(r) != 2*(4+5) {
		t.Fatalf("%d bytes for two vectors of 5", len(r))
	}
	for at := 0; len(r) > 0; at += 5 {
		steps := make([]float32, 5)
		var scale float32
		scale, r = r.next(steps)
		for i, x := range steps {
			if got := scale * x; math.Abs(float64(got-v[at+i])) > float64(scale)*0.501 {
				t.Errorf("component %d = %v, want %v to half a step of %v", at+i, got, v[at+i], scale)
			}
		}
	}
}

func TestPassageCache(t *testing.T) {
	c := passageCache{limit: 2 * (&keptPassage{tokens: make(rounded, 10)}).bytes()}
	key := func(i byte) passageKey { return passageKey{i} }
	for i := range byte(3) {
		c.put(key(i), make(rounded, 10))
		c.get(key(0)) // used again and again, it stays
	}
	for i, want := range []bool{true, false, true} {
		if _, ok := c.get(key(byte(i))); ok != want {
			t.Errorf("passage %d is kept: %v, want %v", i, ok, want)
		}
	}
	c.put(key(9), make(rounded, c.limit)) // too large for all of it
	if len(c.places) != 0 || c.size != 0 {
		t.Errorf("%d passages of %d bytes are kept", len(c.places), c.size)
	}
}

func TestRarity(t *testing.T) {
	b := newBuiltin(t)
	rarity := func(word string) float32 {
		ids := tokensOf(t, b, Raw, word)[0].IDs
		if len(ids) != 1 {
			t.Fatalf("%q has %d pieces", word, len(ids))
		}
		return b.Rarity(ids[0])
	}
	words := []string{"?", "the", "a", "water", "pump", "enzymes"}
	for i, w := range words[1:] {
		if !(rarity(w) > rarity(words[i])) {
			t.Errorf("rarity of %q = %v, not above that of %q, %v", w, rarity(w), words[i], rarity(words[i]))
		}
	}
	for id := range int32(b.tokenizer.Len()) {
		if r := b.Rarity(id); !(r > 0 && r < 10) {
			t.Fatalf("rarity of piece %d, %q = %v", id, b.tokenizer.Piece(id), r)
		}
	}
}

// BenchmarkLate scores 50 passages of about 200 tokens for a query: when none was
// scored before, when all are in a file, and when all are in memory.
func BenchmarkLate(b *testing.B) {
	var passages []string
	sentences := strings.SplitAfter(strings.ReplaceAll(centerText, "\n\n", " "), ". ")
	for i := range 50 {
		var p strings.Builder
		for j := range 8 {
			p.WriteString(sentences[(3*i+5*j)%len(sentences)])
		}
		passages = append(passages, p.String())
	}
	const query = "Does vitamin D deficiency raise the risk of fractures?"
	model, tokens := newBuiltin(b), 0
	for _, p := range passages {
		tokens += model.CountTokens(p) - 2
	}
	l := NewLate(model, nil)
	run := func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := l.Score(b.Context(), query, passages); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(tokens)/float64(len(passages)), "tokens/passage")
		b.ReportMetric(b.Elapsed().Seconds()*1e3/float64(b.N), "ms")
	}
	l.passages.limit = 0
	b.Run("cold", run)
	path := filepath.Join(b.TempDir(), "passages.db")
	l.store = openStore(b, path, 1<<30)
	if _, err := l.Score(b.Context(), query, passages); err != nil {
		b.Fatal(err)
	}
	closeStore(b, l.store) // waits until they are written
	l.store = openStore(b, path, 1<<30)
	defer closeStore(b, l.store)
	b.Run("stored", run)
	l.passages.limit = lateMemory
	if _, err := l.Score(b.Context(), query, passages); err != nil {
		b.Fatal(err)
	}
	b.Run("warm", run)
}
