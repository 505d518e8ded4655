package labels

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/internal/text"
)

func TestDrift(t *testing.T) {
	texts := map[text.DocID]string{
		"moved.md":  "A new first line.\nThe fence is 30 m long. It is red.",
		"form.md":   "The  fence is “red”.",
		"twice.md":  "It is red. It is red.",
		"stable.md": "It is red.",
	}
	at := func(doc string, start int, quote string) Evidence {
		return Evidence{Doc: text.DocID(doc), Span: text.RuneSpan{Start: start, End: start + len([]rune(quote))}, Quote: quote}
	}
	set := Set{Name: "s", Queries: []Query{
		{ID: "q1", Text: "a", Evidence: []Evidence{at("moved.md", 0, "The fence is 30 m long."), at("moved.md", 24, "It is red."), at("stable.md", 0, "It is red.")}},
		{ID: "q2", Text: "b", Evidence: []Evidence{at("form.md", 0, `the fence is "red".`), at("twice.md", 3, "It is red.")}},
		{ID: "q3", Text: "c", Evidence: []Evidence{at("gone.md", 0, "x"), at("stable.md", 0, "It was red.")}, Docs: map[text.DocID]int{"gone.md": 1}},
	}}
	r := Check(set, func(d text.DocID) (string, error) {
		if s, ok := texts[d]; ok {
			return s, nil
		}
		return "", fmt.Errorf("%w: %s", ErrNoDocument, d)
	})
	want := []Drift{
		{Doc: "form.md", Spans: 1, Normalised: 1},
		{Doc: "gone.md", Spans: 1, Lost: 1},
		{Doc: "moved.md", Spans: 2, Moved: 2, ShiftMin: 18, ShiftMedian: 18, ShiftMax: 18},
		{Doc: "stable.md", Spans: 2, Exact: 1, Lost: 1},
		{Doc: "twice.md", Spans: 1, Ambiguous: 1},
	}
	drift := r.Drift(set)
	if diff := cmp.Diff(want, drift); diff != "" {
		t.Errorf("Drift (-want +got):\n%s", diff)
	}
	if got, want := drift[2].String(), "2 spans: 2 moved; shifted by +18 code points"; got != want {
		t.Errorf("String = %q, want %q", got, want)
	}
	again := r.Reanchored(set)
	if diff := cmp.Diff(at("moved.md", 18, "The fence is 30 m long."), again.Queries[0].Evidence[0]); diff != "" {
		t.Errorf("re-anchored (-want +got):\n%s", diff)
	}
	if got := again.Queries[2]; got.Evidence[1].Quote != "It was red." || len(got.Evidence) != 2 {
		t.Errorf("a broken label did not stay: %+v", got)
	}
	if set.Queries[0].Evidence[0].Span.Start != 0 {
		t.Error("Reanchored changed its input")
	}
}

// TestReanchoringIsExact inserts and deletes text around labels: those whose
// quote is still there exactly once hold, and re-anchoring again moves nothing.
func TestReanchoringIsExact(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		var sentences []string
		for i := range 8 {
			sentences = append(sentences, fmt.Sprintf("Sätz %d says %x.", i, rng.Uint32()))
		}
		before := strings.Join(sentences, " ")
		target := rng.IntN(len(sentences))
		start := len([]rune(strings.Join(sentences[:target], " ")))
		if target > 0 {
			start++
		}
		quote := sentences[target]
		set := Set{Queries: []Query{{ID: "q", Text: "q", Evidence: []Evidence{{
			Doc: "d", Span: text.RuneSpan{Start: start, End: start + len([]rune(quote))}, Quote: quote,
		}}}}}
		changed := append([]string{}, sentences[rng.IntN(target+1):]...)
		for range rng.IntN(3) {
			changed = append([]string{"Ein neuer Satz ."}, changed...)
		}
		after := strings.Join(changed, "\n")
		read := func(s string) func(text.DocID) (string, error) {
			return func(text.DocID) (string, error) { return s, nil }
		}
		if r := Check(set, read(before)); r.Exact != 1 {
			t.Fatalf("label %+v does not hold in %q", set.Queries[0].Evidence, before)
		}
		r := Check(set, read(after))
		if len(r.Broken) != 0 {
			t.Fatalf("label broke: %+v in %q", r.Broken, after)
		}
		got := r.Reanchored(set)
		e := got.Queries[0].Evidence[0]
		if s, err := text.Slice(after, e.Span); err != nil || s != quote {
			t.Fatalf("re-anchored to %q, %v, want %q", s, err, quote)
		}
		if r := Check(got, read(after)); r.Exact != 1 {
			t.Fatalf("a second re-anchoring moves %+v", r.Moves)
		}
	}
}
