package metric

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/internal/text"
)

func TestAbstention(t *testing.T) {
	a := AbstainBelow(0.5, []float64{0.9, 0.5, 0.4}, []float64{0.1, 0.3, 0.8})
	want := Abstention{AnswerableAnswered: 2, AnswerableAbstained: 1, UnanswerableAnswered: 1, UnanswerableAbstained: 2}
	if diff := cmp.Diff(want, a); diff != "" {
		t.Fatalf("AbstainBelow (-want +got):\n%s", diff)
	}
	if p, r := a.Precision(), a.Recall(); p != Of(2./3) || r != Of(2./3) {
		t.Errorf("precision %v, recall %v, want 2/3 each", p, r)
	}
	var none Abstention
	none.Add(true, false)
	if p, r := none.Precision(), none.Recall(); p.State() != NotApplicable || r.State() != NotApplicable {
		t.Errorf("without abstention or unanswerable query: precision %v, recall %v, want not applicable", p, r)
	}
}

// TestAbstentionProperties: both lie in 0..1, and a higher threshold never
// lowers recall.
func TestAbstentionProperties(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 3))
	scores := func(n int) (x []float64) {
		for range n {
			x = append(x, float64(rng.IntN(8)))
		}
		return x
	}
	for range 200 {
		answerable, unanswerable := scores(rng.IntN(6)), scores(rng.IntN(6))
		before := -1.0
		for threshold := range 10 {
			a := AbstainBelow(float64(threshold), answerable, unanswerable)
			if n := a.AnswerableAnswered + a.AnswerableAbstained + a.UnanswerableAnswered + a.UnanswerableAbstained; n != len(answerable)+len(unanswerable) {
				t.Fatalf("%+v counts %d queries of %d", a, n, len(answerable)+len(unanswerable))
			}
			p, _ := a.Precision().Float()
			r, _ := a.Recall().Float()
			if p < 0 || p > 1 || r < before || r > 1 {
				t.Fatalf("threshold %d: precision %v, recall %v after %v", threshold, p, r, before)
			}
			before = r
		}
	}
}

func TestCiteCheck(t *testing.T) {
	// Sentence s is supported by segments that together have all its needs.
	needs := [][]int{{0}, {0, 1}, {2}, {0}, {1}, {3}}
	supports := func(s int, segments []int) (bool, error) {
		for _, n := range needs[s] {
			if !slices.Contains(segments, n) {
				return false, nil
			}
		}
		return true, nil
	}
	got, err := CiteCheck([][]int{
		{0, 2},       // supported; 0 suffices alone, 2 is irrelevant
		{0, 1, 2, 1}, // supported; 0 and 1 are needed, 2 is not, 1 twice is once
		{1},          // not supported
		{},           // no citation
		{1, 9},       // a segment that is not there
		{-1},
	}, 4, supports)
	want := Citations{Sentences: 6, Supported: 2, Uncited: 1, Citations: 9, Counting: 3, Unknown: 2}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Fatalf("CiteCheck: %v (-want +got):\n%s", err, diff)
	}
	if p, r := got.Precision(), got.Recall(); p != Of(3./9) || r != Of(2./6) {
		t.Errorf("precision %v, recall %v, want 1/3 each", p, r)
	}
	if sum := got.Plus(Citations{Sentences: 1, Supported: 1}); sum.Sentences != 7 || sum.Supported != 3 || sum.Citations != 9 {
		t.Errorf("Plus = %+v", sum)
	}
	var empty Citations
	if p, r := empty.Precision(), empty.Recall(); p.State() != NotApplicable || r.State() != NotApplicable {
		t.Errorf("of no sentence: precision %v, recall %v, want not applicable", p, r)
	}
	broken := errors.New("judge unavailable")
	if _, err := CiteCheck([][]int{{}, {0}}, 1, func(int, []int) (bool, error) { return true, broken }); !errors.Is(err, broken) {
		t.Errorf("CiteCheck with a broken judge = %v, want its error", err)
	}
}

// TestCitationProperties: counts are consistent for any judge, even one that is
// not monotone, and with a judge that always agrees every known citation counts.
func TestCitationProperties(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 4))
	for range 300 {
		var cited [][]int
		for range rng.IntN(6) {
			var refs []int
			for range rng.IntN(5) {
				refs = append(refs, rng.IntN(7)-1)
			}
			cited = append(cited, refs)
		}
		c, err := CiteCheck(cited, 5, func(int, []int) (bool, error) { return rng.IntN(2) == 0, nil })
		p, _ := c.Precision().Float()
		r, _ := c.Recall().Float()
		if err != nil || p < 0 || p > 1 || r < 0 || r > 1 || c.Supported+c.Uncited > c.Sentences || c.Counting+c.Unknown > c.Citations {
			t.Fatalf("CiteCheck(%v) = %+v, %v", cited, c, err)
		}
		known := make([][]int, len(cited))
		for i, refs := range cited {
			known[i] = slices.DeleteFunc(slices.Clone(refs), func(r int) bool { return r < 0 || r >= 5 })
		}
		c, _ = CiteCheck(known, 5, func(int, []int) (bool, error) { return true, nil })
		if c.Counting != c.Citations || c.Supported+c.Uncited != c.Sentences {
			t.Fatalf("CiteCheck(%v) with a judge that agrees = %+v", known, c)
		}
	}
}

// TestAURC: the area lies between the smallest and the largest recall, equals a
// flat curve, and never falls when a context grows.
func TestAURC(t *testing.T) {
	m, err := Parse("AURC@64..256t")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{64, 128, 256}, m.Budgets()); diff != "" {
		t.Fatalf("Budgets (-want +got):\n%s", diff)
	}
	gold := []Place{{Doc: "a", Span: text.RuneSpan{End: 100}}}
	contexts := func(ends ...int) (cs []Context) {
		for _, end := range ends {
			cs = append(cs, Context{Places: []Place{{Doc: "a", Span: text.RuneSpan{End: end}}}})
		}
		return cs
	}
	for _, tt := range []struct {
		ends []int
		want float64
	}{
		{[]int{0, 0, 0}, 0}, {[]int{100, 200, 300}, 1}, {[]int{40, 40, 40}, 0.4}, {[]int{20, 40, 100}, 0.5}, {[]int{0, 0, 100}, 0.25},
	} {
		if got, ok := m.Contexts(contexts(tt.ends...), gold).Float(); !ok || math.Abs(got-tt.want) > 1e-12 {
			t.Errorf("%s with recall %v = %v, want %v", m, tt.ends, got, tt.want)
		}
	}
	if v := m.Contexts(contexts(1, 2, 3), nil); v.State() != NotApplicable {
		t.Errorf("%s without labels = %v, want not applicable", m, v)
	}
	if v := m.Contexts(contexts(1, 2), gold); v.State() != Failed {
		t.Errorf("%s of two contexts = %v, want failed", m, v)
	}
	rng := rand.New(rand.NewPCG(1, 5))
	for range 200 {
		ends := []int{rng.IntN(120), rng.IntN(120), rng.IntN(120)}
		got, _ := m.Contexts(contexts(ends...), gold).Float()
		lo, hi := float64(min(slices.Min(ends), 100))/100, float64(min(slices.Max(ends), 100))/100
		if got < lo-1e-12 || got > hi+1e-12 {
			t.Fatalf("%s with recall %v = %v, want %v..%v", m, ends, got, lo, hi)
		}
		ends[rng.IntN(3)] += 10
		if more, _ := m.Contexts(contexts(ends...), gold).Float(); more < got {
			t.Fatalf("%s = %v, with a larger context %v", m, got, more)
		}
	}
}

func TestGeometricMean(t *testing.T) {
	for _, tt := range []struct {
		x    []float64
		want float64
	}{
		{nil, 0}, {[]float64{0.25}, 0.25}, {[]float64{1, 0.01}, 0.1}, {[]float64{0, 0}, 0.00001},
	} {
		if got := GeometricMean(tt.x); math.Abs(got-tt.want) > 1e-15 {
			t.Errorf("GeometricMean(%v) = %v, want %v", tt.x, got, tt.want)
		}
	}
}
