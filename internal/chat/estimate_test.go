package chat

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// words counts words.
type words struct{}

func (words) Count(s string) int { return len(strings.Fields(s)) }

func TestEstimate(t *testing.T) {
	m := &model{answer: echo}
	other := question
	other.Seed = 1
	other.Format = &Format{Name: "x", Schema: []byte(`{"type": "object"}`)}

	e := NewEstimator(m, words{})
	for _, r := range []Request{question, question, other} {
		if err := e.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	// A reply of 3; two messages of 3, a role and two words or one; the format has three more.
	const each = 3 + 2*3 + 2 + 3
	want := Estimate{Calls: 3, PromptTokens: 3*each + 3, CompletionTokens: 60}
	if d := cmp.Diff(want, e.Sum()); d != "" {
		t.Errorf("without a cache (-want +got):\n%s", d)
	}
	if err := e.Add(Request{}); !errors.Is(err, ErrRequest) {
		t.Errorf("Add(no request) = %v, want %v", err, ErrRequest)
	}

	cache := openCache(t, filepath.Join(t.TempDir(), "a.db"), m)
	if _, err := cache.Complete(t.Context(), question); err != nil {
		t.Fatal(err)
	}
	e = NewEstimator(cache, words{})
	for _, r := range []Request{question, other, other} {
		if err := e.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	want = Estimate{Calls: 1, Cached: 2, PromptTokens: each + 3, CompletionTokens: 20}
	if d := cmp.Diff(want, e.Sum()); d != "" {
		t.Errorf("with a cache (-want +got):\n%s", d)
	}
	if got := want.Cost(Price{Prompt: 1e6, Completion: 2e6}); got != each+3+40 {
		t.Errorf("Cost = %v, want %v", got, each+3+40)
	}
	if m.calls.Load() != 1 {
		t.Errorf("estimates made %d calls", m.calls.Load()-1)
	}
}
