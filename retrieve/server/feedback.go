package server

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ragloop/ragloop/internal/text"
	ragloopv1 "github.com/ragloop/ragloop/proto/ragloop/v1"
	"github.com/ragloop/ragloop/retrieve"
)

// Errors of a [FeedbackSink], and of a server without one.
var (
	// ErrFeedbackID: other feedback was kept under the same id.
	ErrFeedbackID = errors.New("another feedback has this id")
	// ErrFeedbackFull: no more feedback is kept.
	ErrFeedbackFull = errors.New("no room for more feedback")

	errNoFeedback = errors.New("this server takes no feedback")
)

// FeedbackSink keeps feedback. It must be safe for concurrent use.
type FeedbackSink interface {
	// Submit returns when f is durable. duplicate says that the same was kept
	// before. Errors: ErrFeedbackID, ErrFeedbackFull, and ErrUnavailable where the
	// same may succeed later.
	Submit(ctx context.Context, f Feedback) (duplicate bool, err error)
}

// Feedback is judgements about one query, with all that is needed to understand
// them.
type Feedback struct {
	ID         string // of its client's making; not empty
	Retrieval  string // empty: unknown
	Query      string
	Collection string // by its name, never empty
	Judgements []PassageJudgement
	Comment    string
}

// PassageJudgement is a verdict on one passage.
type PassageJudgement struct {
	Doc      text.DocID
	Revision string // empty: unknown
	Span     text.RuneSpan
	Text     string // at Span
	Verdict  Verdict
}

// Verdict says how a passage serves a query.
type Verdict string

// The verdicts.
const (
	Relevant    Verdict = "relevant"
	Partly      Verdict = "partly"
	NotRelevant Verdict = "not_relevant"
)

var verdicts = map[ragloopv1.Verdict]Verdict{
	ragloopv1.Verdict_VERDICT_RELEVANT:     Relevant,
	ragloopv1.Verdict_VERDICT_PARTLY:       Partly,
	ragloopv1.Verdict_VERDICT_NOT_RELEVANT: NotRelevant,
}

// Limits of feedback, as its wire documentation names them.
const (
	maxFeedbackIDBytes  = 128
	maxJudgements       = 100
	maxJudgedTextBytes  = 64 << 10
	maxCommentBytes     = 4096
	maxFeedbackRevision = 128
)

// feedback implements the service Feedback.
type feedback struct {
	ragloopv1.UnimplementedFeedbackServer
	config Config
}

// Submit keeps judgements.
func (s *feedback) Submit(ctx context.Context, in *ragloopv1.SubmitRequest) (*ragloopv1.SubmitResponse, error) {
	if s.config.Feedback == nil {
		return nil, errNoFeedback
	}
	f, err := newFeedback(in)
	if err != nil {
		return nil, err
	}
	c, err := s.config.collection(ctx, in.Collection)
	if err != nil {
		return nil, err
	}
	f.Collection = c.Name
	duplicate, err := s.config.Feedback.Submit(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("keep feedback %q: %w", f.ID, err)
	}
	return &ragloopv1.SubmitResponse{Duplicate: duplicate}, nil
}

func newFeedback(in *ragloopv1.SubmitRequest) (Feedback, error) {
	var bad invalidRequest
	name := func(field, value string, most int) {
		switch {
		case len(value) > most:
			bad.add(field, "has %d bytes, allowed are %d", len(value), most)
		case strings.ContainsFunc(value, unicode.IsControl):
			bad.add(field, "is %q, control characters are not allowed", value)
		}
	}
	if in.FeedbackId == "" {
		bad.add("feedback_id", "is empty")
	}
	name("feedback_id", in.FeedbackId, maxFeedbackIDBytes)
	name("retrieval_id", in.RetrievalId, maxFeedbackIDBytes)
	switch n := utf8.RuneCountInString(in.Query); {
	case text.Blank(in.Query):
		bad.add("query", "is blank")
	case n > retrieve.MaxQueryRunes:
		bad.add("query", "has %d code points, allowed are %d", n, retrieve.MaxQueryRunes)
	}
	if n := len(in.Comment); n > maxCommentBytes {
		bad.add("comment", "has %d bytes, allowed are %d", n, maxCommentBytes)
	}
	switch n := len(in.Judgements); {
	case n > maxJudgements:
		bad.add("judgements", "has %d values, allowed are %d", n, maxJudgements)
		return Feedback{}, bad.sorted()
	case n == 0 && text.Blank(in.Comment):
		bad.add("judgements", "is empty, and there is no comment either")
	}
	f := Feedback{ID: in.FeedbackId, Retrieval: in.RetrievalId, Query: in.Query, Comment: in.Comment}
	for i, j := range in.Judgements {
		field := fmt.Sprintf("judgements[%d].", i)
		checkID(field+"document", j.GetDocument(), &bad)
		name(field+"revision", j.GetRevision(), maxFeedbackRevision)
		where := text.RuneSpan{Start: int(j.GetSpan().GetStart()), End: int(j.GetSpan().GetEnd())}
		if where.Start < 0 || where.End <= where.Start {
			bad.add(field+"span", "is [%d, %d), allowed are 0 <= start < end", where.Start, where.End)
		}
		switch n := utf8.RuneCountInString(j.GetText()); {
		case text.Blank(j.GetText()):
			bad.add(field+"text", "is blank")
		case len(j.GetText()) > maxJudgedTextBytes:
			bad.add(field+"text", "has %d bytes, allowed are %d", len(j.GetText()), maxJudgedTextBytes)
		case n != where.Len():
			bad.add(field+"text", "has %d code points, its span %d", n, where.Len())
		}
		verdict, ok := verdicts[j.GetVerdict()]
		if !ok {
			bad.add(field+"verdict", "is %d, allowed are VERDICT_RELEVANT, VERDICT_PARTLY and VERDICT_NOT_RELEVANT", j.GetVerdict())
		}
		f.Judgements = append(f.Judgements, PassageJudgement{
			Doc: text.DocID(j.GetDocument()), Revision: j.GetRevision(), Span: where, Text: j.GetText(), Verdict: verdict,
		})
	}
	return f, bad.sorted()
}
