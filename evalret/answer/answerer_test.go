package answer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ragloop/ragloop/internal/chat"
	"github.com/ragloop/ragloop/internal/embed"
	"github.com/ragloop/ragloop/internal/endpoint"
	"github.com/ragloop/ragloop/internal/text"
)

// letters embeds a text as the first letters of its words.
type letters struct{ err error }

func (l letters) Info() embed.Info { return embed.Info{Fingerprint: "letters"} }

func (l letters) Embed(_ context.Context, _ embed.Task, texts []string) ([][]float32, error) {
	if l.err != nil {
		return nil, l.err
	}
	var out [][]float32
	for _, s := range texts {
		v := make([]float32, 26)
		for _, w := range strings.Fields(strings.ToLower(s)) {
			if w[0] >= 'a' && w[0] <= 'z' {
				v[w[0]-'a'] = 1
			}
		}
		n := float32(0)
		for _, x := range v {
			n += x * x
		}
		for i := range v {
			v[i] /= max(n, 1) // short of unit length, which keeps cosines within bounds
		}
		out = append(out, v)
	}
	return out, nil
}

func policy() Context {
	const a, b = "The hotel limit is 140 EUR for one night. Taxis are paid late at night.", "Breakfast is paid by the company."
	return Context{Text: "[1] A\n" + a + "\n\n[2] B\n" + b, Segments: []Segment{
		{"1", "a", text.RuneSpan{Start: 6, End: 6 + len(a)}},
		{"2", "b", text.RuneSpan{Start: 6 + len(a) + 8, End: 6 + len(a) + 8 + len(b)}},
	}}
}

func TestExtractive(t *testing.T) {
	for _, c := range []struct {
		question  string
		threshold float64
		context   Context
		want      string
	}{
		{"What is the hotel limit?", 0.05, policy(), "The hotel limit is 140 EUR for one night [1]."},
		{"Who pays for breakfast?", 0.05, policy(), "Breakfast is paid by the company [2]."},
		{"Who pays for breakfast?", 1, policy(), abstention},
		{"Zebras zoom?", 0.05, policy(), abstention},
		{"Do dogs bark?", 0, Context{}, abstention},
	} {
		x, err := NewExtractive(letters{}, c.threshold)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if got, err := x.Answer(t.Context(), c.question, c.context); got != c.want || err != nil {
				t.Errorf("Answer(%q) above %v = %q, %v, want %q", c.question, c.threshold, got, err, c.want)
			}
		}
	}
	x, _ := NewExtractive(letters{}, 0)
	for question, want := range map[string]bool{"Who pays for breakfast?": true, "Zebras zoom?": false} {
		if got, err := x.Evidence(t.Context(), question, policy()); err != nil || got > 0 != want || got > 1 {
			t.Errorf("Evidence(%q) = %v, %v", question, got, err)
		}
	}
	if got, err := x.Evidence(t.Context(), "hotel", Context{}); got != 0 || err != nil {
		t.Errorf("Evidence of no context = %v, %v", got, err)
	}
	failure := errors.New("down")
	x, _ = NewExtractive(letters{failure}, 0)
	if _, err := x.Evidence(t.Context(), "hotel", policy()); !errors.Is(err, failure) {
		t.Errorf("Evidence = %v, want %v", err, failure)
	}
	if _, err := x.Answer(t.Context(), "hotel", policy()); !errors.Is(err, failure) {
		t.Errorf("Answer = %v, want %v", err, failure)
	}
	for _, bad := range []float64{-0.1, 1.1} {
		if _, err := NewExtractive(letters{}, bad); err == nil {
			t.Errorf("NewExtractive(%v) did not fail", bad)
		}
	}
}

// model answers every request the same.
type model struct {
	asked    []chat.Request
	response chat.Response
	err      error
}

func (m *model) Info() chat.Info { return chat.Info{Name: "m", Fingerprint: "f"} }

func (m *model) Complete(_ context.Context, r chat.Request) (chat.Response, error) {
	m.asked = append(m.asked, r)
	return m.response, m.err
}

func TestLLM(t *testing.T) {
	down := fmt.Errorf("ask m: %w", endpoint.ErrUnavailable)
	for _, c := range []struct {
		name     string
		response chat.Response
		err      error
		want     string
		wants    error
	}{
		{"answer", chat.Response{Text: "140 EUR [1]."}, nil, "140 EUR [1].", nil},
		{"refused", chat.Response{Refusal: "no"}, nil, "", ErrNoAnswer},
		{"cut", chat.Response{Text: "140", Finish: "length"}, nil, "", ErrNoAnswer},
		{"blank", chat.Response{Text: " "}, nil, "", ErrNoAnswer},
		{"rejected", chat.Response{}, &endpoint.StatusError{Code: 400}, "", ErrNoAnswer},
		{"down", chat.Response{}, down, "", endpoint.ErrUnavailable},
	} {
		m := &model{response: c.response, err: c.err}
		l, err := NewLLM(m, 100)
		if err != nil {
			t.Fatal(err)
		}
		got, err := l.Answer(t.Context(), "What is the limit?", policy())
		if got != c.want || !errors.Is(err, c.wants) || c.name == "down" && errors.Is(err, ErrNoAnswer) {
			t.Errorf("%s: Answer = %q, %v, want %q, %v", c.name, got, err, c.want, c.wants)
		}
		r, ask := l.Request("What is the limit?", policy())
		if want := c.wants == nil; c.err == nil && r.Usable(c.response) != want {
			t.Errorf("%s: the answer can be used: %v, want %v", c.name, !want, want)
		}
		if !ask || len(m.asked) != 1 || m.asked[0].Messages[1] != r.Messages[1] || r.MaxTokens != 100 || !strings.Contains(r.Messages[1].Content, policy().Text) {
			t.Errorf("%s: asked %+v, Request = %+v", c.name, m.asked, r)
		}
	}
	m := &model{}
	l, _ := NewLLM(m, 100)
	if got, err := l.Answer(t.Context(), "What?", Context{}); got != abstention || err != nil || len(m.asked) != 0 {
		t.Errorf("Answer without a context = %q, %v after %d questions", got, err, len(m.asked))
	}
	if _, err := NewLLM(m, 1); err == nil {
		t.Error("NewLLM with 1 token did not fail")
	}
}
