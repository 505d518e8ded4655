package chat

import "fmt"

// Counter counts the tokens of a text; implemented by tokens.Counter.
type Counter interface{ Count(s string) int }

// Estimator adds up what requests will cost before they are sent. It is not safe
// for concurrent use.
type Estimator struct {
	counter Counter
	known   func(Request) (bool, error)
	seen    map[requestKey]bool
	sum     Estimate
}

// Estimate is what requests will cost at most, unless one that is asked twice has an
// answer of no use: a [Cache] asks it again.
type Estimate struct {
	Calls  int // to be sent
	Cached int // answered already, or asked twice: nothing is sent
	// PromptTokens of the calls: their texts, the schema of their format and what
	// OpenAI's frame adds, counted by the estimator's tokenizer. Exact for models
	// with that tokenizer and frame, but for the schema; an estimate for others.
	PromptTokens int
	// CompletionTokens is the most that the answers may have.
	CompletionTokens int
}

// Price is what an endpoint asks for, in any currency, by the million tokens.
type Price struct{ Prompt, Completion float64 }

// Cost returns the most that e costs.
func (e Estimate) Cost(p Price) float64 {
	return (float64(e.PromptTokens)*p.Prompt + float64(e.CompletionTokens)*p.Completion) / 1e6
}

func (e Estimate) String() string {
	return fmt.Sprintf("%d calls (%d more need none), %d tokens sent, at most %d received",
		e.Calls, e.Cached, e.PromptTokens, e.CompletionTokens)
}

// NewEstimator returns an estimator of requests to m. Of a [Cache] it knows what
// needs no call; of others it takes every request for one, repeats included.
func NewEstimator(m Model, c Counter) *Estimator {
	e := &Estimator{counter: c}
	if cache, ok := m.(*Cache); ok {
		e.known = cache.Has
		e.seen = map[requestKey]bool{}
	}
	return e
}

// Add adds a request. Errors: [ErrRequest], and those of reading a cache.
func (e *Estimator) Add(r Request) error {
	if err := r.check(); err != nil {
		return err
	}
	if e.known != nil {
		key := keyOf("", r)
		known, err := e.known(r)
		if err != nil {
			return err
		}
		if known || e.seen[key] {
			e.sum.Cached++
			return nil
		}
		e.seen[key] = true
	}
	e.sum.Calls++
	e.sum.PromptTokens += promptTokens(e.counter, r)
	e.sum.CompletionTokens += r.MaxTokens
	return nil
}

// Sum returns the estimate of all requests added.
func (e *Estimator) Sum() Estimate { return e.sum }

// What OpenAI's models see around the texts, by OpenAI's cookbook ("How to count
// tokens with tiktoken", models since gpt-3.5-turbo-0613): three tokens and the
// role for each message, and three that begin the answer.
const (
	frameTokens = 3
	replyTokens = 3
)

func promptTokens(c Counter, r Request) int {
	n := replyTokens
	for _, m := range r.Messages {
		n += frameTokens + c.Count(string(m.Role)) + c.Count(m.Content)
	}
	if r.Format != nil {
		n += c.Count(r.Format.Name) + c.Count(string(r.Format.Schema))
	}
	return n
}
