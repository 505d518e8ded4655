package judge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ragloop/ragloop/evalret/ground"
	"github.com/ragloop/ragloop/internal/chat"
	"github.com/ragloop/ragloop/internal/endpoint"
	"github.com/ragloop/ragloop/internal/text"
)

// script is a model that answers by a function of the request.
type script struct {
	mu     sync.Mutex
	asked  []chat.Request
	answer func(r chat.Request) (chat.Response, error)
}

func (s *script) Info() chat.Info { return chat.Info{Name: "m", Fingerprint: "chat/1"} }

func (s *script) Complete(_ context.Context, r chat.Request) (chat.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, r)
	return s.answer(r)
}

// says is a model with one answer to everything.
func says(answer string) *script {
	return &script{answer: func(chat.Request) (chat.Response, error) { return chat.Response{Text: answer, Finish: "stop"}, nil }}
}

func newLLM(t *testing.T, m chat.Model, o LLMOptions) *LLM {
	t.Helper()
	l, err := NewLLM(m, o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

const hotels = "[1] Travel policy (travel.md)\nThe limit for one night is 140 EUR.\nBreakfast is paid for on top."

func span(of, part string) text.Span {
	at := strings.Index(of, part)
	return text.Span{Start: at, End: at + len(part)}
}

func TestLLM(t *testing.T) {
	claims := []string{"A night may cost 140 EUR.", "Breakfast and dinner are paid.", "Trains are free.", "A night may cost 200 EUR."}
	m := says("```json\n" + `{"verdicts":[
		{"claim":1,"reason":"It says so.","quote":"The limit for one night is 140 EUR.","verdict":"supported"},
		{"claim":2,"reason":"Dinner is not mentioned.","quote":"breakfast  is paid for","verdict":"Partly"},
		{"claim":3,"reason":"Nothing about trains.","quote":"","verdict":"unsupported"},
		{"claim":4,"reason":"140, not 200.","quote":"\"140 EUR.\"","verdict":"contradicted"}]}` + "\n```")
	l := newLLM(t, m, LLMOptions{Seed: 7})
	got, err := l.Judge(t.Context(), hotels, claims)
	if err != nil {
		t.Fatal(err)
	}
	want := []ground.Judgement{
		{Support: 1, Evidence: span(hotels, "The limit for one night is 140 EUR."), Note: "It says so."},
		{Support: 0.5, Evidence: span(hotels, "Breakfast is paid for"), Note: "Dinner is not mentioned."},
		{Note: "Nothing about trains."},
		{Note: "140, not 200.", Findings: []ground.Finding{{Check: Contradiction, Span: text.Span{End: len(claims[3])}, Evidence: span(hotels, "140 EUR.")}}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("Judge (-want +got):\n%s", d)
	}
	if d := cmp.Diff(l.Requests(hotels, claims), m.asked, cmpopts.IgnoreFields(chat.Request{}, "Usable")); d != "" {
		t.Errorf("asked, against Requests (-want +got):\n%s", d)
	}
	if r := m.asked[0]; len(m.asked) != 1 || r.Seed != 7 || r.Temperature != 0 || r.Format == nil || !json.Valid(r.Format.Schema) {
		t.Errorf("%d requests, the first %+v", len(m.asked), r)
	}
	if d := cmp.Diff(Votes{Counted: 4}, l.Votes()); d != "" {
		t.Errorf("Votes (-want +got):\n%s", d)
	}
}

// TestLLMFailures: whatever a model or an endpoint answers, every claim has a
// judgement.
func TestLLMFailures(t *testing.T) {
	one := func(fields string) string { return `{"verdicts":[{` + fields + `}]}` }
	good := `"claim":1,"reason":"r","quote":"140 EUR","verdict":"supported"`
	for _, c := range []struct {
		name     string
		response chat.Response
		err      error
		support  float64
		failure  string // of the first claim; empty: none
		note     string
		votes    Votes
	}{
		{"good", chat.Response{Text: one(good)}, nil, 1, "", "r", Votes{Counted: 1, Missing: 1}},
		{"no JSON", chat.Response{Text: "I think so."}, nil, 0, "cannot be read: no single JSON object", "", Votes{Unread: 2}},
		{"two objects", chat.Response{Text: one(good) + `{"verdicts":[]}`}, nil, 0, "there are several", "", Votes{Unread: 2}},
		{"empty", chat.Response{}, nil, 0, "there is none", "", Votes{Unread: 2}},
		{"other JSON", chat.Response{Text: `{"verdict":"supported"}`}, nil, 0, "no verdict about it", "", Votes{Missing: 2}},
		{"wrong type", chat.Response{Text: `{"verdicts":"supported"}`}, nil, 0, "not the form", "", Votes{Unread: 2}},
		{"no number", chat.Response{Text: one(`"verdict":"supported"`)}, nil, 0, "without the number", "", Votes{Unread: 2}},
		{"a claim too many", chat.Response{Text: one(`"claim":3,"verdict":"supported"`)}, nil, 0, "about claim 3 of 2", "", Votes{Unread: 2}},
		{"claim 0", chat.Response{Text: one(`"claim":0,"verdict":"supported"`)}, nil, 0, "about claim 0 of 2", "", Votes{Unread: 2}},
		{"twice", chat.Response{Text: `{"verdicts":[{` + good + `},{` + good + `}]}`}, nil, 0, "two verdicts about claim 1", "", Votes{Unread: 2}},
		{"invented verdict", chat.Response{Text: one(`"claim":1,"verdict":"mostly"`)}, nil, 0, `the verdict "mostly", allowed are contradicted, unsupported, partly, supported`, "", Votes{Unread: 2}},
		{"invented quote", chat.Response{Text: one(`"claim":1,"reason":"r","quote":"The limit is 140 EUR","verdict":"supported"`)}, nil, 0, "", "judged supported, but the quoted evidence is not in the context: r", Votes{Counted: 1, Unquoted: 1, Missing: 1}},
		{"no quote", chat.Response{Text: one(`"claim":1,"quote":null,"verdict":"partly"`)}, nil, 0, "", "judged partly, but the quoted evidence is not in the context:", Votes{Counted: 1, Unquoted: 1, Missing: 1}},
		{"blank quote", chat.Response{Text: one(`"claim":1,"quote":" … ","verdict":"supported"`)}, nil, 0, "", "judged supported, but the quoted evidence is not in the context:", Votes{Counted: 1, Unquoted: 1, Missing: 1}},
		{"quote of the claim", chat.Response{Text: one(`"claim":1,"quote":"Claim one.","verdict":"supported"`)}, nil, 0, "", "judged supported, but the quoted evidence is not in the context:", Votes{Counted: 1, Unquoted: 1, Missing: 1}},
		{"cut", chat.Response{Text: one(good), Finish: "length"}, nil, 0, "cut at 540 tokens", "", Votes{Unread: 2}},
		{"refused", chat.Response{Refusal: "I can't\nhelp."}, nil, 0, "the endpoint declined: I can't help.", "", Votes{Refused: 2}},
		{"filtered", chat.Response{Finish: "content_filter"}, nil, 0, "the endpoint declined", "", Votes{Refused: 2}},
		{"too long", chat.Response{}, fmt.Errorf("ask m: %w", &endpoint.StatusError{Code: 400, Message: "context length"}), 0, "context length", "", Votes{Rejected: 2}},
		{"broken", chat.Response{}, fmt.Errorf("ask m: %w: 0 answers", chat.ErrContract), 0, "0 answers", "", Votes{Rejected: 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLLM(t, &script{answer: func(chat.Request) (chat.Response, error) { return c.response, c.err }}, LLMOptions{})
			got, err := l.Judge(t.Context(), hotels, []string{"Claim one.", "Claim two."})
			if err != nil || len(got) != 2 {
				t.Fatalf("Judge = %v, %v", got, err)
			}
			j := got[0]
			if j.Support != c.support || (j.Failure == "") != (c.failure == "") || !strings.Contains(j.Failure, c.failure) || j.Note != c.note {
				t.Errorf("judgement = %+v, want support %v, failure %q, note %q", j, c.support, c.failure, c.note)
			}
			if d := cmp.Diff(c.votes, l.Votes()); d != "" {
				t.Errorf("Votes (-want +got):\n%s", d)
			}
			r := l.Requests(hotels, []string{"Claim one.", "Claim two."})[0]
			if want := c.votes.Counted > 0; c.err == nil && r.Usable(c.response) != want {
				t.Errorf("the answer can be used: %v, want %v", !want, want)
			}
		})
	}
}

func TestLLMStops(t *testing.T) {
	for _, failure := range []error{
		fmt.Errorf("ask m: %w", endpoint.ErrUnavailable),
		fmt.Errorf("ask m: %w", &endpoint.StatusError{Code: 401, Message: "who are you?"}),
	} {
		l := newLLM(t, &script{answer: func(chat.Request) (chat.Response, error) { return chat.Response{}, failure }}, LLMOptions{})
		if got, err := l.Judge(t.Context(), hotels, []string{"x"}); got != nil || !errors.Is(err, failure) {
			t.Errorf("Judge = %v, %v, want %v", got, err, failure)
		}
	}
}

// TestLLMMajority: the votes of five samples, told apart by their seeds.
func TestLLMMajority(t *testing.T) {
	for _, c := range []struct {
		votes   string // s, p, u, c; "-": cannot be read
		support float64
		failure string
		note    string
		finding bool
	}{
		{"sssss", 1, "", "5 of 5: seed 3", false},
		{"usuus", 0, "", "3 of 5: seed 3", false},
		{"sspp-", 0.5, "", "2 of 5: seed 5", false},
		{"ccssu", 0, "", "2 of 5: seed 3", true},
		{"sup--", 0, "", "1 of 5: seed 4", false},
		{"s---s", 0, "2 of 5 samples have a verdict: the answer cannot be read", "", false},
		{"-----", 0, "0 of 5 samples have a verdict: the answer cannot be read", "", false},
	} {
		names := map[byte]string{'s': "supported", 'p': "partly", 'u': "unsupported", 'c': "contradicted"}
		m := &script{answer: func(r chat.Request) (chat.Response, error) {
			name, ok := names[c.votes[r.Seed-3]]
			if !ok {
				return chat.Response{Text: "?"}, nil
			}
			return chat.Response{Text: fmt.Sprintf(`{"verdicts":[{"claim":1,"reason":"seed %d","quote":"140 EUR","verdict":%q}]}`, r.Seed, name)}, nil
		}}
		l := newLLM(t, m, LLMOptions{Samples: 5, Seed: 3})
		got, err := l.Judge(t.Context(), hotels, []string{"x"})
		if err != nil {
			t.Fatal(err)
		}
		j := got[0]
		if j.Support != c.support || !strings.HasPrefix(j.Failure, c.failure) || (j.Failure == "") != (c.failure == "") || j.Note != c.note || (j.Findings != nil) != c.finding {
			t.Errorf("%s: judgement = %+v, want %+v", c.votes, j, c)
		}
		if m.asked[0].Temperature != 0.7 {
			t.Errorf("temperature of several samples = %v, want 0.7", m.asked[0].Temperature)
		}
	}
}

func TestLLMBatches(t *testing.T) {
	m := &script{answer: func(r chat.Request) (chat.Response, error) {
		var b strings.Builder
		for i := range strings.Count(r.Messages[1].Content, "\nclaim ") {
			fmt.Fprintf(&b, `,{"claim":%d,"reason":"","quote":"140 EUR","verdict":"supported"}`, i+1)
		}
		return chat.Response{Text: `{"verdicts":[` + b.String()[1:] + `]}`}, nil
	}}
	claims := []string{"claim a", "claim b", "claim c", "claim d", "claim e"}
	l := newLLM(t, m, LLMOptions{Claims: 2})
	got, err := l.Judge(t.Context(), hotels, claims)
	if err != nil || len(m.asked) != 3 {
		t.Fatalf("Judge = %v, %v with %d questions, want 3", got, err, len(m.asked))
	}
	for i, j := range got {
		if j.Support != 1 {
			t.Errorf("claim %d: %+v", i, j)
		}
	}
}

func TestLLMBlankContext(t *testing.T) {
	l := newLLM(t, says("no"), LLMOptions{})
	got, err := l.Judge(t.Context(), " \n", []string{"x"})
	if d := cmp.Diff([]ground.Judgement{{Note: "the context is empty"}}, got); d != "" || err != nil {
		t.Errorf("Judge = %v (-want +got):\n%s", err, d)
	}
	if r := l.Requests("", []string{"x"}); r != nil {
		t.Errorf("Requests = %v, want none", r)
	}
}

// TestLLMScores runs a judge behind ground.Score, which checks its contract.
func TestLLMScores(t *testing.T) {
	m := says(`{"verdicts":[{"claim":1,"reason":"r","quote":"140 EUR","verdict":"supported"},{"claim":2,"reason":"r","quote":"","verdict":"unsupported"}]}`)
	r, err := ground.Score(t.Context(), newLLM(t, m, LLMOptions{}), hotels, "A night may cost 140 EUR. Trains are free.")
	if err != nil || r.Outcome != ground.Scored || r.Counts.Judged != 2 || r.Worst != 1 {
		t.Errorf("Score = %+v, %v", r, err)
	}
}

func TestNewLLMErrors(t *testing.T) {
	for _, c := range []struct {
		options LLMOptions
		text    string
	}{
		{LLMOptions{Samples: 2}, "samples is 2, allowed are odd numbers from 1 to 15"},
		{LLMOptions{Samples: 17}, "samples is 17"},
		{LLMOptions{Temperature: 3}, "temperature is 3"},
		{LLMOptions{Claims: 51}, "claims per question is 51"},
	} {
		if _, err := NewLLM(says(""), c.options); err == nil || !strings.Contains(err.Error(), c.text) {
			t.Errorf("NewLLM(%+v) = %v, want %q", c.options, err, c.text)
		}
	}
}

func TestLLMFingerprint(t *testing.T) {
	of := func(o LLMOptions) string { return newLLM(t, says(""), o).Info().Fingerprint }
	if of(LLMOptions{}) != of(LLMOptions{Samples: 1, Claims: 10}) {
		t.Error("defaults said in full change the fingerprint")
	}
	for name, o := range map[string]LLMOptions{"samples": {Samples: 3}, "temperature": {Temperature: 1}, "seed": {Seed: 1}, "claims": {Claims: 1}} {
		if of(o) == of(LLMOptions{}) {
			t.Errorf("other %s do not change the fingerprint", name)
		}
	}
}
