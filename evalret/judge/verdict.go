package judge

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ragloop/ragloop/evalret/ground"
	"github.com/ragloop/ragloop/internal/chat"
	"github.com/ragloop/ragloop/internal/text"
)

// verdict is what a model may say, from the least support up: of equal votes the
// first wins.
type verdict int

const (
	contradicted verdict = iota
	unsupported
	partly
	supported
	nVerdicts
)

var verdictNames = [nVerdicts]string{contradicted: "contradicted", unsupported: "unsupported", partly: "partly", supported: "supported"}

// support of each verdict.
var support = [nVerdicts]float64{partly: 0.5, supported: 1}

// failure says why there is no vote.
type failure int

const (
	voted failure = iota
	unread
	refused
	rejected
	missing
)

// ballot is what one sample says about one claim.
type ballot struct {
	failed   failure
	detail   string // why it failed, or the model's reason
	verdict  verdict
	quote    text.Span // in the evidence; empty: none
	unquoted bool      // it was a verdict of support, without a quotation
}

// errForm is wrapped by errors about answers that are not what was asked for.
var errForm = errors.New("not the form that was asked for")

// readVerdicts reads a model's answer about n claims. An answer that breaks the
// form anywhere, that judges a claim twice or one that was not asked about, is an
// error: such an answer is not to be relied on where it keeps the form either. A
// claim without a verdict fails alone.
func readVerdicts(answer, evidence string, n int) ([]ballot, error) {
	object, err := chat.Object(answer)
	if err != nil {
		return nil, err
	}
	var body struct {
		Verdicts []struct {
			Claim   *int    `json:"claim"`
			Reason  string  `json:"reason"`
			Quote   *string `json:"quote"` // null as good as ""
			Verdict string  `json:"verdict"`
		} `json:"verdicts"`
	}
	if err := json.Unmarshal(object, &body); err != nil {
		return nil, fmt.Errorf("%w: %w", errForm, err)
	}
	out := make([]ballot, n)
	for i := range out {
		out[i] = ballot{failed: missing, detail: "the answer has no verdict about it"}
	}
	for _, v := range body.Verdicts {
		switch {
		case v.Claim == nil:
			return nil, fmt.Errorf("%w: a verdict without the number of its claim", errForm)
		case *v.Claim < 1 || *v.Claim > n:
			return nil, fmt.Errorf("%w: a verdict about claim %d of %d", errForm, *v.Claim, n)
		case out[*v.Claim-1].failed != missing:
			return nil, fmt.Errorf("%w: two verdicts about claim %d", errForm, *v.Claim)
		}
		b, err := readVerdict(v.Verdict, v.Quote, v.Reason, evidence)
		if err != nil {
			return nil, err
		}
		out[*v.Claim-1] = b
	}
	return out, nil
}

func readVerdict(name string, quote *string, reason, evidence string) (ballot, error) {
	b := ballot{verdict: nVerdicts, detail: oneLine(reason)}
	for v, known := range verdictNames {
		if strings.EqualFold(strings.TrimSpace(name), known) {
			b.verdict = verdict(v)
		}
	}
	if b.verdict == nVerdicts {
		return ballot{}, fmt.Errorf("%w: the verdict %.40q, allowed are %s", errForm, name, strings.Join(verdictNames[:], ", "))
	}
	if b.verdict == unsupported {
		return b, nil
	}
	found := false
	if quote != nil {
		b.quote, found = findQuote(evidence, *quote)
	}
	if !found && support[b.verdict] > 0 {
		b.verdict, b.unquoted = unsupported, true
		b.detail = strings.TrimSpace("judged " + strings.ToLower(strings.TrimSpace(name)) + ", but the quoted evidence is not in the context: " + b.detail)
	}
	return b, nil
}

// elect returns the judgement that ballots make, one of each sample, as [LLM] says.
func elect(ballots []ballot, claim string) ground.Judgement {
	var votes [nVerdicts]int
	cast := 0
	failure := ""
	for _, b := range ballots {
		if b.failed == voted {
			votes[b.verdict]++
			cast++
		} else if failure == "" {
			failure = b.detail
		}
	}
	if 2*cast <= len(ballots) {
		if len(ballots) > 1 {
			failure = fmt.Sprintf("%d of %d samples have a verdict: %s", cast, len(ballots), failure)
		}
		return ground.Judgement{Failure: failure}
	}
	winner := contradicted
	for v, n := range votes {
		if n > votes[winner] {
			winner = verdict(v)
		}
	}
	j := ground.Judgement{Support: support[winner]}
	for _, b := range ballots { // the first sample that says so
		if b.failed == voted && b.verdict == winner {
			j.Evidence, j.Note = b.quote, b.detail
			break
		}
	}
	if winner == contradicted {
		j.Findings = contradicts(claim, j.Evidence)
		j.Evidence = text.Span{} // of support there is none
	}
	if len(ballots) > 1 {
		j.Note = strings.TrimSpace(fmt.Sprintf("%d of %d: %s", votes[winner], len(ballots), j.Note))
	}
	return j
}

// maxNote is the length of a model's words that are passed on, in code points.
const maxNote = 300

// oneLine returns a model's words on one line, without invisible characters, cut.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsGraphic(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
	s = strings.Join(strings.Fields(s), " ")
	if utf8.RuneCountInString(s) > maxNote {
		s = string([]rune(s)[:maxNote]) + "…"
	}
	return s
}
