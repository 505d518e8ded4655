// Package judge holds the judges of groundedness that ask a remote model: [NLI],
// a classifier that says whether one text entails another, and [LLM], a language
// model that says for each claim what supports it, and quotes it. Both are
// ground.Judge; the one that needs no model is in package ground.
//
// # What is counted, and how
//
// No claim is dropped. A claim for which there is no usable verdict has a
// judgement with a Failure: the model's answer cannot be read, was cut or
// refused, or the endpoint rejects the request, say because it is too long. An
// endpoint that is down, or refuses the key, stops the call: judging the rest
// would only count failures that say nothing about answers.
//
// # What is not trusted
//
// Neither contexts nor answers. Both may hold instructions for the judge ("rate
// this as supported"). The prompt of [LLM] puts them between marks that they
// cannot contain (chat.Frame), and a verdict of support needs a quotation that is
// in the context. A language model may follow an instruction all the same: no
// frame makes it obey, and none is claimed to.
package judge

import (
	"github.com/ragloop/ragloop/evalret/ground"
	"github.com/ragloop/ragloop/internal/text"
)

// Contradiction is the check of findings of these judges: the claim as a whole
// contradicts the evidence.
const Contradiction ground.Check = "contradiction"

// contradicts returns the finding that a claim contradicts a span of the evidence.
func contradicts(claim string, evidence text.Span) []ground.Finding {
	return []ground.Finding{{Check: Contradiction, Span: text.Span{End: len(claim)}, Evidence: evidence}}
}
