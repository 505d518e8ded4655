package judge

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/ragloop/ragloop/evalret/ground"
	"github.com/ragloop/ragloop/internal/chat"
	"github.com/ragloop/ragloop/internal/endpoint"
	"github.com/ragloop/ragloop/internal/text"
)

// LLMOptions of [NewLLM]. The zero value asks once, at temperature 0.
type LLMOptions struct {
	Samples     int     // answers per question, of which the majority counts: 1, 3, 5 … 15; 0: 1
	Temperature float64 // 0 to 2; 0: 0 for one sample, 0.7 for several, which would else be the same
	Seed        int     // of the first sample; the others count on from it
	Claims      int     // claims per question, 1 to 50; 0: 10
}

// LLM judges claims by asking a language model. Safe for concurrent use.
//
// One question is about several claims of an answer beside the whole context, and
// is asked Samples times. An answer counts as a vote for each claim that it has a
// verdict about. The verdict of a claim is what more than half of the samples say;
// where none has so many, the one with most votes, of equals the one with less
// support. A claim with votes from no more than half of the samples has failed.
//
// Support is 1 for "supported", 0.5 for "partly" and 0 else; "contradicted" comes
// with a [Contradiction]. A verdict of support whose quotation is not in the context
// counts as "unsupported": what supports a claim can be shown.
type LLM struct {
	model   chat.Model
	options LLMOptions
	info    ground.Info
	votes   votes
}

var _ ground.Judge = (*LLM)(nil)

// Votes counts what came of the samples, one for each claim and sample.
type Votes struct {
	Counted  int64 // verdicts that were taken
	Unquoted int64 // of them: support without a quotation from the context, counted as unsupported
	Unread   int64 // the answer is not what was asked for, or was cut
	Refused  int64 // the endpoint declined to answer
	Rejected int64 // the endpoint rejected the request, or answered with something else
	Missing  int64 // the answer has no verdict about the claim
}

type votes struct{ counted, unquoted, unread, refused, rejected, missing atomic.Int64 }

// NewLLM returns a judge that asks m.
func NewLLM(m chat.Model, o LLMOptions) (*LLM, error) {
	if o.Samples == 0 {
		o.Samples = 1
	}
	if o.Claims == 0 {
		o.Claims = 10
	}
	if o.Temperature == 0 && o.Samples > 1 {
		o.Temperature = 0.7
	}
	switch {
	case o.Samples < 1 || o.Samples > 15 || o.Samples%2 == 0:
		return nil, fmt.Errorf("configure LLM judge: samples is %d, allowed are odd numbers from 1 to 15", o.Samples)
	case !(o.Temperature >= 0 && o.Temperature <= 2):
		return nil, fmt.Errorf("configure LLM judge: temperature is %v, allowed are 0 to 2", o.Temperature)
	case o.Claims < 1 || o.Claims > 50:
		return nil, fmt.Errorf("configure LLM judge: claims per question is %d, allowed are 1 to 50", o.Claims)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %s %d %v %d %d", m.Info().Fingerprint, PromptVersion(), o.Samples, o.Temperature, o.Seed, o.Claims))
	return &LLM{model: m, options: o, info: ground.Info{
		Name:        "verdicts of " + m.Info().Name + " (prompt " + PromptVersion() + ")",
		Fingerprint: fmt.Sprintf("llm/%x", sum[:16]),
		Limits: []string{
			"A language model's opinion: another model, or the next version of this one, has others.",
			"That a quotation is in the context is checked; that it supports the claim is the model's word.",
			"A context or an answer can talk a model into verdicts: they are marked as material, which a model may still not heed.",
		},
	}}, nil
}

// Info implements [ground.Judge].
func (l *LLM) Info() ground.Info { return l.info }

// Votes returns the counts of all calls.
func (l *LLM) Votes() Votes {
	return Votes{
		Counted: l.votes.counted.Load(), Unquoted: l.votes.unquoted.Load(), Unread: l.votes.unread.Load(),
		Refused: l.votes.refused.Load(), Rejected: l.votes.rejected.Load(), Missing: l.votes.missing.Load(),
	}
}

// question is about the claims of one run.
type question struct {
	claims text.Span // indices into the claims
	sample int
}

// Requests returns the requests that judging makes, whatever is answered, in a
// stated order: by claims, then by samples.
func (l *LLM) Requests(evidence string, claims []string) []chat.Request {
	requests, _ := l.questions(evidence, claims)
	return requests
}

func (l *LLM) questions(evidence string, claims []string) (requests []chat.Request, about []question) {
	if text.Blank(evidence) {
		return nil, nil // nothing is supported by nothing
	}
	for at := 0; at < len(claims); at += l.options.Claims {
		end := min(at+l.options.Claims, len(claims))
		r := request(evidence, claims[at:end])
		r.Temperature = l.options.Temperature
		r.Usable = func(r chat.Response) bool { return usable(r, evidence, end-at) }
		for s := range l.options.Samples {
			r.Seed = l.options.Seed + s
			requests = append(requests, r)
			about = append(about, question{text.Span{Start: at, End: end}, s})
		}
	}
	return requests, about
}

// Judge implements [ground.Judge]. Claims beside a blank context are unsupported
// without a question. Errors: those of the model that say nothing about this
// question (unavailable, not authorised), ctx's own.
func (l *LLM) Judge(ctx context.Context, evidence string, claims []string) ([]ground.Judgement, error) {
	requests, about := l.questions(evidence, claims)
	ballots := make([][]ballot, len(claims)) // by claim and sample
	for i := range ballots {
		ballots[i] = make([]ballot, l.options.Samples)
	}
	group, groupCtx := errgroup.WithContext(ctx)
	for i, r := range requests {
		group.Go(func() error {
			q := about[i]
			got, err := l.ask(groupCtx, r, evidence, q.claims.Len())
			if err != nil {
				return err
			}
			for k, b := range got { // no two goroutines have both claim and sample in common
				ballots[q.claims.Start+k][q.sample] = b
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, err
	}
	out := make([]ground.Judgement, len(claims))
	if len(requests) == 0 {
		for i := range out {
			out[i].Note = "the context is empty"
		}
		return out, nil
	}
	for i, claim := range claims {
		l.count(ballots[i])
		out[i] = elect(ballots[i], claim)
	}
	return out, nil
}

// ask makes one request about n claims and reads the answer. A ballot without a
// vote says why.
func (l *LLM) ask(ctx context.Context, r chat.Request, evidence string, n int) ([]ballot, error) {
	none := func(why failure, detail string) ([]ballot, error) {
		all := make([]ballot, n)
		for i := range all {
			all[i] = ballot{failed: why, detail: detail}
		}
		return all, nil
	}
	response, err := l.model.Complete(ctx, r)
	switch {
	case endpoint.Rejects(err), errors.Is(err, chat.ErrContract):
		return none(rejected, err.Error())
	case err != nil:
		return nil, err
	case response.Refused():
		return none(refused, "the endpoint declined: "+oneLine(response.Refusal))
	case response.Cut():
		return none(unread, fmt.Sprintf("the answer was cut at %d tokens", r.MaxTokens))
	}
	ballots, err := readVerdicts(response.Text, evidence, n)
	if err != nil {
		return none(unread, "the answer cannot be read: "+err.Error())
	}
	return ballots, nil
}

// usable reports whether an answer about n claims has a vote on any of them.
func usable(r chat.Response, evidence string, n int) bool {
	if r.Refused() || r.Cut() {
		return false
	}
	ballots, err := readVerdicts(r.Text, evidence, n)
	return err == nil && slices.ContainsFunc(ballots, func(b ballot) bool { return b.failed == voted })
}

func (l *LLM) count(ballots []ballot) {
	for _, b := range ballots {
		switch b.failed {
		case voted:
			l.votes.counted.Add(1)
			if b.unquoted {
				l.votes.unquoted.Add(1)
			}
		case unread:
			l.votes.unread.Add(1)
		case refused:
			l.votes.refused.Add(1)
		case rejected:
			l.votes.rejected.Add(1)
		case missing:
			l.votes.missing.Add(1)
		}
	}
}
