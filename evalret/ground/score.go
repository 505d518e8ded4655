package ground

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/ragloop/ragloop/internal/text"
)

// ErrContract is wrapped by errors about a judge that broke the contract of
// [Judge]: a wrong number of judgements, or one out of range.
var ErrContract = errors.New("judge broke its contract")

// Score splits answer into sentences, has judge judge its claims against
// evidence and sums up. The judge is called once, and not at all for an answer
// without claims. Errors are those of the judge, or wrap [ErrContract].
func Score(ctx context.Context, judge Judge, evidence, answer string) (Result, error) {
	r := Result{Sentences: Split(answer), Worst: -1}
	var claims []string
	var at []int // index of each claim in r.Sentences
	for i, s := range r.Sentences {
		switch s.Kind {
		case Remark:
			r.Counts.Remarks++
		case Abstention:
			r.Counts.Abstentions++
		default:
			claims, at = append(claims, answer[s.Span.Start:s.Span.End]), append(at, i)
			r.Counts.ClaimTokens += s.Tokens
		}
	}
	r.Counts.Claims = len(claims)
	if len(claims) == 0 {
		if r.Counts.Abstentions > 0 {
			r.Outcome = Abstained
		}
		return r, nil
	}
	judgements, err := judge.Judge(ctx, evidence, claims)
	if err != nil {
		return Result{}, fmt.Errorf("judge %d claims: %w", len(claims), err)
	}
	if err := checkJudgements(judgements, evidence, claims); err != nil {
		return Result{}, fmt.Errorf("judge %d claims with %s: %w", len(claims), judge.Info().Name, err)
	}
	for i, j := range judgements {
		s := &r.Sentences[at[i]]
		j.Findings = shift(j.Findings, s.Span.Start)
		s.Judgement = j
	}
	r.sum()
	return r, nil
}

// sum fills in what follows from the judged sentences.
func (r *Result) sum() {
	weighted := 0.0
	for i, s := range r.Sentences {
		switch {
		case s.Failed():
			r.Counts.Failed++
		case s.Judged():
			r.Counts.Judged++
			r.Counts.JudgedTokens += s.Tokens
			weighted += s.Support * float64(s.Tokens)
			if r.Worst < 0 || s.Support < r.Sentences[r.Worst].Support {
				r.Worst = i
			}
		}
	}
	r.Outcome = Failed
	if r.Counts.Judged > 0 {
		r.Outcome = Scored
		r.Mean = min(1, weighted/float64(r.Counts.JudgedTokens)) // rounding must not exceed 1
	}
}

// checkJudgements holds a judge to its contract.
func checkJudgements(judgements []Judgement, evidence string, claims []string) error {
	if len(judgements) != len(claims) {
		return fmt.Errorf("%w: %d judgements", ErrContract, len(judgements))
	}
	for i, j := range judgements {
		if math.IsNaN(j.Support) || j.Support < 0 || j.Support > 1 {
			return fmt.Errorf("%w: support of claim %d is %v, want 0 to 1", ErrContract, i+1, j.Support)
		}
		if !within(j.Evidence, evidence) {
			return fmt.Errorf("%w: evidence of claim %d is %d to %d of a context of %d bytes", ErrContract, i+1, j.Evidence.Start, j.Evidence.End, len(evidence))
		}
		for _, f := range j.Findings {
			if !within(f.Span, claims[i]) || !within(f.Evidence, evidence) {
				return fmt.Errorf("%w: a finding (%s) of claim %d lies outside its text", ErrContract, f.Check, i+1)
			}
		}
	}
	return nil
}

func within(s text.Span, body string) bool {
	return 0 <= s.Start && s.Start <= s.End && s.End <= len(body)
}

// shift returns findings with their spans moved by n bytes.
func shift(findings []Finding, n int) []Finding {
	if len(findings) == 0 {
		return nil
	}
	out := make([]Finding, len(findings))
	for i, f := range findings {
		f.Span.Start, f.Span.End = f.Span.Start+n, f.Span.End+n
		out[i] = f
	}
	return out
}
