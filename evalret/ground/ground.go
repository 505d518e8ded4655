// Package ground says how far an answer is supported by the context that it
// was given: its groundedness. It does not say whether the answer is right,
// complete or useful, and it looks nothing up: what the context does not say is
// not supported, however true it may be.
//
// Nouns. An answer is split into [Sentence]s, each of one [Kind]: a claim, an
// abstention ("the documents don't say"), or a remark that claims nothing
// (greetings, questions, headings). A [Judge] gives every claim a [Judgement]:
// its support from 0 to 1, where in the context the support is, and [Finding]s,
// the words that contradict the context or are missing in it. [Score] does
// everything around the judge and returns a [Result]: token-weighted mean,
// worst claim, and what was counted.
//
// Definitions that are decided here, because published scorers differ in them:
//   - An answer that only abstains has no groundedness. Its [Outcome] is
//     [Abstained]: neither 0 nor 1, never "grounded", and counted beside the
//     mean.
//   - Remarks and abstentions are not judged, have no weight, and are counted.
//   - An empty answer, and one of remarks alone, is [NoClaims].
//   - A claim that a judge could not judge has failed. It is counted, the mean
//     is over the others, and where none is left the value is a failure.
//   - The evidence is the text that was sent, nothing else.
//   - Groundedness is a precision: it rewards saying little. Read it beside the
//     share of answers that abstain, and beside a measure of completeness.
//
// Judges: [Lexical] of this package is deterministic and works offline. Others
// are in package judge. What a judge cannot see is part of its [Info], and is
// printed with its scores.
package ground

import (
	"context"

	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/internal/text"
)

// Judge says how far an evidence text supports claims.
//
// Judge returns one judgement per claim, in their order. A claim it could not
// judge has a judgement with a Failure; an error is for what stopped the call
// as a whole, and no judgements come with it. Claims are sentences of one
// answer in their order, so that a judge may read the ones before it. An
// implementation is safe for concurrent use and keeps nothing it is given.
type Judge interface {
	Judge(ctx context.Context, evidence string, claims []string) ([]Judgement, error)
	Info() Info
}

// Info describes a judge.
type Info struct {
	Name        string   // for people: "lexical support"
	Fingerprint string   // for machines: changes whenever its judgements may
	Limits      []string // what it cannot see, in sentences; printed with every score
}

// Judgement is what a judge says about one claim. The zero value is a claim
// without any support.
type Judgement struct {
	Support  float64   // 0: none, 1: full; finite
	Evidence text.Span // bytes of the evidence that the support comes from; empty: no such place
	Findings []Finding // ordered by span; nil: nothing found
	Failure  string    // why the claim could not be judged; not empty: the support says nothing
	Note     string    // the judge's own words, for people; may be empty
}

// Finding is a part of a claim that the evidence contradicts or lacks.
type Finding struct {
	Check    Check
	Span     text.Span // bytes of the claim in a [Judgement], of the answer in a [Sentence]
	Evidence text.Span // bytes of the evidence that it was compared with; empty: it occurs nowhere
}

// Check names what a [Finding] is about.
type Check string

// The checks of the lexical judge. Other judges may use further names.
const (
	Number   Check = "number"   // a number that the evidence does not have
	Date     Check = "date"     // a date, month or year that it does not have
	Unit     Check = "unit"     // a number that it has with another unit only
	Name     Check = "name"     // a name of which it has no part
	Quote    Check = "quote"    // quoted words that do not occur in this order
	Negation Check = "negation" // negated here and not in the evidence, or the other way round
	Antonym  Check = "antonym"  // a word whose opposite, or another of its series, is in its place in the evidence

	Misplaced Check = "misplaced" // a number in whose place the evidence has another; it has this one elsewhere
)

// Checks lists the checks of the lexical judge, in the order of reports.
func Checks() []Check { return []Check{Number, Date, Unit, Misplaced, Name, Quote, Negation, Antonym} }

// Kind says what a sentence of an answer is.
type Kind uint8

const (
	Claim      Kind = iota // states something; judged
	Remark                 // states nothing that a context could support
	Abstention             // says that the answer is not known or not in the context
)

var kindNames = [...]string{Claim: "claim", Remark: "remark", Abstention: "abstention"}

// String returns "claim", "remark" or "abstention".
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// MarshalText writes what String returns.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// Sentence is one sentence of an answer. Of a sentence that is not a claim the
// judgement is zero and means nothing.
type Sentence struct {
	Span   text.Span // bytes of the answer, without white space at its ends
	Kind   Kind
	Tokens int // words and numbers; the weight of a claim, at least 1
	Judgement
}

// Failed reports whether s is a claim that could not be judged.
func (s Sentence) Failed() bool { return s.Kind == Claim && s.Failure != "" }

// Judged reports whether s is a claim with a support.
func (s Sentence) Judged() bool { return s.Kind == Claim && s.Failure == "" }

// Outcome says what kind of result an answer has.
type Outcome uint8

const (
	NoClaims  Outcome = iota // nothing to judge: empty, or remarks alone
	Scored                   // at least one claim was judged
	Abstained                // says that it has no answer, and claims nothing
	Failed                   // it has claims, and none could be judged
)

var outcomeNames = [...]string{NoClaims: "no_claims", Scored: "scored", Abstained: "abstained", Failed: "failed"}

// String returns "no_claims", "scored", "abstained" or "failed".
func (o Outcome) String() string {
	if int(o) < len(outcomeNames) {
		return outcomeNames[o]
	}
	return "unknown"
}

// MarshalText writes what String returns.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// Result is the groundedness of one answer.
type Result struct {
	Outcome   Outcome
	Sentences []Sentence // in order of the answer; nil for a blank one
	Mean      float64    // support of the judged claims, weighted by tokens; 0..1, 0 unless Scored
	Worst     int        // sentence with the least support, the first of equals; -1 unless Scored
	Counts    Counts
}

// Counts are the denominators of a result.
type Counts struct {
	Claims       int // Judged and Failed together
	Judged       int
	Failed       int
	Remarks      int
	Abstentions  int
	ClaimTokens  int // of all claims
	JudgedTokens int // of the judged ones: what Mean is over
}

// Support returns the mean as a metric's value: a number if the answer was
// scored, failed if no claim could be judged, and not applicable if it abstains
// or claims nothing.
func (r Result) Support() metric.Value { return r.value(r.Mean) }

// WorstSupport returns the support of the worst claim; else as [Result.Support].
func (r Result) WorstSupport() metric.Value {
	if r.Outcome != Scored {
		return r.value(0)
	}
	return r.value(r.Sentences[r.Worst].Support)
}

// Partial reports whether the answer says that something is not known and
// claims something, too.
func (r Result) Partial() bool { return r.Counts.Claims > 0 && r.Counts.Abstentions > 0 }

func (r Result) value(number float64) metric.Value {
	switch r.Outcome {
	case Scored:
		return metric.Of(number)
	case Abstained:
		return metric.NoValue("the answer abstains")
	case Failed:
		return metric.Fail("no claim could be judged: " + r.firstFailure())
	default:
		return metric.NoValue("the answer claims nothing")
	}
}

func (r Result) firstFailure() string {
	for _, s := range r.Sentences {
		if s.Failed() {
			return s.Failure
		}
	}
	return ""
}
