package server

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ragloop/ragloop/internal/text"
	ragloopv1 "github.com/ragloop/ragloop/proto/ragloop/v1"
)

type sink func(Feedback) (bool, error)

func (s sink) Submit(_ context.Context, f Feedback) (bool, error) { return s(f) }

func TestFeedback(t *testing.T) {
	var got []Feedback
	var fail error
	c := serve(t, fake{}.collection(), func(c *Config) {
		c.Feedback = sink(func(f Feedback) (bool, error) {
			got = append(got, f)
			return len(got) > 1, fail
		})
	})
	client := ragloopv1.NewFeedbackClient(c.conn)
	in := &ragloopv1.SubmitRequest{
		FeedbackId: "f1", RetrievalId: "r1", Query: "how long?", Comment: "good",
		Judgements: []*ragloopv1.PassageJudgement{{
			Document: "a.md", Revision: "rev", Span: &ragloopv1.Span{Start: 3, End: 7}, Text: "30 ä", Verdict: ragloopv1.Verdict_VERDICT_PARTLY,
		}},
	}
	for _, duplicate := range []bool{false, true} {
		out, err := client.Submit(t.Context(), in)
		if err != nil || out.Duplicate != duplicate {
			t.Fatalf("Submit = %v, %v, want duplicate %v", out, err, duplicate)
		}
	}
	want := Feedback{ID: "f1", Retrieval: "r1", Query: "how long?", Collection: "docs", Comment: "good",
		Judgements: []PassageJudgement{{Doc: "a.md", Revision: "rev", Span: text.RuneSpan{Start: 3, End: 7}, Text: "30 ä", Verdict: Partly}}}
	if diff := cmp.Diff(want, got[0]); diff != "" {
		t.Errorf("feedback (-want +got):\n%s", diff)
	}
	for err, code := range map[error]codes.Code{
		ErrFeedbackID: codes.AlreadyExists, ErrFeedbackFull: codes.ResourceExhausted, ErrUnavailable: codes.Unavailable,
		errors.New("disk"): codes.Internal,
	} {
		fail = err
		if _, got := client.Submit(t.Context(), in); status.Code(got) != code {
			t.Errorf("Submit with %v = %v, want %v", err, got, code)
		}
	}
	in.Collection = "other"
	if _, err := client.Submit(t.Context(), in); status.Code(err) != codes.NotFound {
		t.Errorf("Submit to another collection = %v, want NotFound", err)
	}
}

func TestFeedbackRefuses(t *testing.T) {
	c := serve(t, fake{}.collection(), func(c *Config) {
		c.Feedback = sink(func(Feedback) (bool, error) { t.Error("a wrong request reached the sink"); return false, nil })
	})
	client := ragloopv1.NewFeedbackClient(c.conn)
	for _, tt := range []struct {
		in   *ragloopv1.SubmitRequest
		want []string
	}{
		{&ragloopv1.SubmitRequest{}, []string{"feedback_id: is empty", "judgements: is empty, and there is no comment either", "query: is blank"}},
		{&ragloopv1.SubmitRequest{FeedbackId: "a\n", Query: "q", RetrievalId: strings.Repeat("x", 129), Comment: strings.Repeat("x", 4097)}, []string{
			"comment: has 4097 bytes, allowed are 4096", `feedback_id: is "a\n", control characters are not allowed`, "retrieval_id: has 129 bytes, allowed are 128",
		}},
		{&ragloopv1.SubmitRequest{FeedbackId: "a", Query: "q", Judgements: make([]*ragloopv1.PassageJudgement, 101)}, []string{"judgements: has 101 values, allowed are 100"}},
		{&ragloopv1.SubmitRequest{FeedbackId: "a", Query: "q", Judgements: []*ragloopv1.PassageJudgement{
			{Text: " ", Span: &ragloopv1.Span{Start: 2, End: 2}, Verdict: 9},
			{Document: "d", Text: "abc", Span: &ragloopv1.Span{Start: 2, End: 6}, Verdict: 1},
		}}, []string{
			"judgements[0].document: is empty", "judgements[0].span: is [2, 2), allowed are 0 <= start < end", "judgements[0].text: is blank",
			"judgements[0].verdict: is 9, allowed are VERDICT_RELEVANT, VERDICT_PARTLY and VERDICT_NOT_RELEVANT",
			"judgements[1].text: has 3 code points, its span 4",
		}},
	} {
		_, err := client.Submit(t.Context(), tt.in)
		if diff := cmp.Diff(tt.want, problems(err)); status.Code(err) != codes.InvalidArgument || diff != "" {
			t.Errorf("Submit(%v) = %v (-want +got):\n%s", tt.in, err, diff)
		}
	}
	none := serve(t, fake{}.collection(), nil)
	_, err := ragloopv1.NewFeedbackClient(none.conn).Submit(t.Context(), &ragloopv1.SubmitRequest{FeedbackId: "a", Query: "q", Comment: "c"})
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("Submit without a sink = %v, want Unimplemented", err)
	}
}
