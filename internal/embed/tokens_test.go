package embed

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
)

func tokensOf(t *testing.T, b *Builtin, task Task, texts ...string) []Tokens {
	t.Helper()
	out, err := b.Tokens(t.Context(), task, texts)
	if err != nil {
		t.Fatal(err)
	}
	if len(out) != len(texts) {
		t.Fatalf("Tokens of %d texts gave %d", len(texts), len(out))
	}
	for i, x := range out {
		if len(x.IDs) != len(x.Spans) || len(x.IDs) != len(x.Vectors) {
			t.Fatalf("text %d: %d ids, %d spans, %d vectors", i, len(x.IDs), len(x.Spans), len(x.Vectors))
		}
		for j, v := range x.Vectors {
			if squares := dot(v, v); len(v) != b.info.Dimension || !(math.Abs(squares-1) < 1e-5) {
				t.Fatalf("text %d, token %d: %d numbers of squared length %v", i, j, len(v), squares)
			}
		}
	}
	return out
}

func dot(a, b []float32) float64 {
	var sum float64
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

func (t Tokens) words(s string) []string {
	var out []string
	for _, span := range t.Spans {
		out = append(out, s[span.Start:span.End])
	}
	return out
}

// TestTokensInContext: a word is more alike to itself in a sentence about the
// same thing than about another, and two words have little in common.
func TestTokensInContext(t *testing.T) {
	got := tokensOf(t, newBuiltin(t), Passage, "the river bank was flooded", "the bank raised its interest rates", "water stood on the bank of the stream")
	river, money, stream := got[0].Vectors[2], got[1].Vectors[1], got[2].Vectors[4]
	if x, y := dot(river, money), dot(river, stream); !(y > x+0.1) || y > 0.99 {
		t.Errorf("cosine of the river's bank to the other bank = %.3f, to the stream's = %.3f, want more", x, y)
	}
	var sum float64
	for _, x := range got[0].Vectors {
		for _, y := range got[1].Vectors {
			sum += dot(x, y)
		}
	}
	if mean := sum / float64(len(got[0].IDs)*len(got[1].IDs)); mean > 0.4 {
		t.Errorf("mean cosine of the tokens of two sentences = %.3f: what all have in common is not taken off", mean)
	}
}

// TestTokensOfQuery: the instruction has its effect, but no tokens.
func TestTokensOfQuery(t *testing.T) {
	b := newBuiltin(t)
	const s = "What is  a heat-pump (naïve)?"
	query, raw := tokensOf(t, b, Query, s)[0], tokensOf(t, b, Raw, s)[0]
	want := []string{"What", "is", "a", "heat", "-", "pump", "(", "naïve)", "naïve)", "?"}
	for _, x := range []Tokens{query, raw} {
		if got := x.words(s); !slices.Equal(got, want) {
			t.Errorf("words = %q, want %q", got, want)
		}
	}
	if !slices.Equal(query.IDs, raw.IDs) || slices.Equal(query.Vectors[0], raw.Vectors[0]) {
		t.Error("a query has not the tokens of the raw text in another context")
	}
}

func TestTokensIndependence(t *testing.T) {
	b := newBuiltin(t)
	texts := []string{"pump", "", "the valve opens at 3.5 bar", " \n", strings.Repeat("long words follow ", 12), "pump"}
	together := tokensOf(t, b, Passage, texts...)
	for i, s := range texts {
		alone := tokensOf(t, b, Passage, s)[0]
		if !slices.Equal(alone.IDs, together[i].IDs) || !slices.EqualFunc(alone.Vectors, together[i].Vectors, slices.Equal) {
			t.Errorf("text %d: the tokens of the call differ from those of the text alone", i)
		}
	}
	if n := len(together[1].IDs) + len(together[3].IDs); n != 0 {
		t.Errorf("texts without words have %d tokens", n)
	}
	fresh := &Builtin{model: b.model, tokenizer: b.tokenizer, info: b.info}
	if got := tokensOf(t, fresh, Passage, "pump")[0]; !slices.Equal(got.Vectors[0], together[0].Vectors[0]) {
		t.Error("a second model has another center")
	}
}

func TestTokensWindow(t *testing.T) {
	b := newBuiltin(t)
	small := *b.model
	small.MaxTokens = 8
	cut := &Builtin{model: &small, tokenizer: b.tokenizer, info: b.info}
	const s = "one two three four five six seven"
	if got := tokensOf(t, cut, Passage, s)[0].words(s); !slices.Equal(got, []string{"one", "two", "three", "four", "five", "six"}) {
		t.Errorf("words in a window of 8 = %q", got)
	}
	if got, err := b.Tokens(&countdown{Context: context.Background(), n: 1}, Raw, []string{"a", "b", "c"}); !errors.Is(err, context.Canceled) || len(got) > 1 {
		t.Errorf("Tokens cancelled after one text = %d texts, %v", len(got), err)
	}
	if _, err := b.Tokens(t.Context(), 7, []string{"a"}); err == nil || !strings.Contains(err.Error(), "Task(7)") {
		t.Errorf("Tokens with an unknown task = %v", err)
	}
}
