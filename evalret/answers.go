package evalret

import (
	"github.com/ragloop/ragloop/evalret/metric"
)

// Groundedness says how far the answers to the queries of an evaluation are
// supported by the contexts that they were given (package ground says what that
// means and what not).
type Groundedness struct {
	Judge       string   `json:"judge"`
	Fingerprint string   `json:"judge_fingerprint"`
	Limits      []string `json:"limits"`   // what the judge cannot see
	Answerer    string   `json:"answerer"` // what wrote the answers
	Run         string   `json:"run"`      // whose contexts they were given
	Budget      int      `json:"budget"`   // of those contexts, in tokens

	// Support is the mean over scored answers of the support of their claims, Worst
	// that of their worst claim. Answers without a number have no part in either:
	// AnswerOutcomes counts them.
	Support Summary `json:"support"`
	Worst   Summary `json:"worst"`
	// Unsupported is the mean share of claims whose support is below Threshold.
	Unsupported Summary `json:"unsupported"`
	// Threshold is the support from which on a claim, or a citation, counts as
	// supported. No threshold holds for all judges and texts.
	Threshold float64 `json:"support_threshold"`
	// Citations says how well answers cite; nil: not looked at, or no answer cites
	// anything.
	Citations *AnswerCitations `json:"citations,omitempty"`
	Outcomes  AnswerOutcomes   `json:"outcomes"`
	Claims    AnswerClaims     `json:"claims"`
	Findings  []FindingCount   `json:"findings"` // by count, then name; of judged claims
	// Abstention counts answers that say that there is no answer and claim nothing.
	// Queries without an answer have no part in it.
	Abstention metric.Abstention `json:"abstention"`

	PerQuery []AnswerResult `json:"per_query"` // in file order
}

// AnswerCitations says whether what answers cite supports what they say.
type AnswerCitations struct {
	Recall    Summary          `json:"recall"`    // citation_recall, the mean over answers with claims
	Precision Summary          `json:"precision"` // citation_precision, the mean over answers that cite
	Counts    metric.Citations `json:"counts"`    // over all answers
}

// AnswerOutcomes counts queries by what became of their answer.
type AnswerOutcomes struct {
	Scored    int `json:"scored"`
	Abstained int `json:"abstained"`
	NoClaims  int `json:"no_claims"` // blank, or remarks alone
	Failed    int `json:"failed"`    // not one claim could be judged
	Missing   int `json:"missing"`   // no answer, or no context to hold it against
}

// Unscored returns how many queries have no support.
func (o AnswerOutcomes) Unscored() int { return o.Abstained + o.NoClaims + o.Failed + o.Missing }

// AnswerClaims counts sentences of answers.
type AnswerClaims struct {
	Judged      int `json:"judged"`
	Failed      int `json:"failed"`
	Remarks     int `json:"remarks"`
	Abstentions int `json:"abstentions"`
}

// FindingCount counts findings of one check.
type FindingCount struct {
	Check string `json:"check"`
	Count int    `json:"count"`
}

// AnswerMissing is the outcome beside those of ground.Outcome.
const AnswerMissing = "missing"

// AnswerResult is the groundedness of one answer.
type AnswerResult struct {
	ID      string       `json:"id"`
	Outcome string       `json:"outcome"`           // as ground.Outcome prints itself, or AnswerMissing
	Support metric.Value `json:"support"`           // null unless scored
	Worst   metric.Value `json:"worst"`             // null unless scored
	Missing string       `json:"missing,omitempty"` // why there is no answer or no context
	// Citations counts what it cites; nil: not looked at, or the labels of its context
	// are not known.
	Citations *metric.Citations `json:"citations,omitempty"`
	Answer    string            `json:"answer,omitempty"`
	Sentences []AnswerSentence  `json:"sentences,omitempty"`
	// OwnContext says that the answer came with the text that it was given, which
	// is not the context of the run.
	OwnContext bool `json:"own_context,omitempty"`
}

// AnswerSentence is a sentence of an answer. Places are in code points.
type AnswerSentence struct {
	Start    int             `json:"start"` // in the answer
	End      int             `json:"end"`
	Kind     string          `json:"kind"`               // "claim", "remark" or "abstention"
	Support  *float64        `json:"support,omitempty"`  // nil: not a claim, or not judged
	Evidence *[2]int         `json:"evidence,omitempty"` // where its support is in the context; nil: nowhere
	Source   *Evidence       `json:"source,omitempty"`   // the same in its document; nil: it is in no segment of the run's context
	Quote    string          `json:"quote,omitempty"`    // the text there
	Findings []AnswerFinding `json:"findings,omitempty"`
	Failure  string          `json:"failure,omitempty"` // why the claim could not be judged
	Note     string          `json:"note,omitempty"`    // of the judge
}

// AnswerFinding is a part of a claim that the context contradicts or lacks.
type AnswerFinding struct {
	Check string `json:"check"`
	Start int    `json:"start"` // in the answer
	End   int    `json:"end"`
	Quote string `json:"quote,omitempty"` // what the context has instead; "": nothing
}
