package judge

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/ragloop/ragloop/evalret/ground"
	"github.com/ragloop/ragloop/internal/chat"
	"github.com/ragloop/ragloop/internal/endpoint"
	"github.com/ragloop/ragloop/internal/lexical"
	"github.com/ragloop/ragloop/internal/text"
)

// NLIConfig describes a text-classification endpoint with a model of natural
// language inference.
type NLIConfig struct {
	Endpoint   endpoint.Config // URL is the whole of it, such as http://localhost:8080/predict
	Shape      string          // one of Shapes; "": TEI
	Labels     []string        // the model's names for entailment, neutral and contradiction, or for entailment and anything else; case does not matter; nil: these three words
	Windows    int             // windows of the context per claim, 1 to 16; 0: 3
	BatchPairs int             // with TEI, pairs per request; 0: 16

	// Store keeps results, by address, shape, labels and the two texts; nil: none are
	// kept. What another model at the same address would say is then not asked.
	Store *chat.Store
}

// Shapes of requests and responses.
const (
	// TEI is that of /predict of Text Embeddings Inference: {"inputs":[[premise,
	// hypothesis],…]}, answered by [[{"label","score"},…],…].
	TEI = "tei"
	// HF is that of Hugging Face's inference API: {"inputs":{"text","text_pair"}},
	// one pair a request, answered by [{"label","score"},…], bare or in an array.
	HF = "hf"
)

// Shapes lists them.
func Shapes() []string { return []string{TEI, HF} }

// ErrNLIContract is wrapped by errors about responses that break the protocol.
var ErrNLIContract = errors.New("the endpoint broke the text-classification contract")

// NLI judges a claim by the windows of the context that share most words with it:
// the support is the largest probability that one of them entails the claim. Where
// a window contradicts it with a larger probability than any entails it, that is a
// finding. Safe for concurrent use.
//
// Sentence against windows, maximum over the evidence, is SummaC-ZS (Laban et al.,
// TACL 2022); taking three windows only saves calls, and misses support that is
// spread over more of the context, or said in other words in a window further down.
type NLI struct {
	config   NLIConfig
	endpoint *endpoint.Endpoint
	analyzer *lexical.Analyzer
	labels   []string // lower case
	asked    string   // what beside the texts decides a result
	info     ground.Info
}

var _ ground.Judge = (*NLI)(nil)

// NewNLI returns the judge. Nothing is sent yet.
//
// The fingerprint covers settings and address, with its query and without user and
// password: such endpoints do not tell which model they serve, so give another model
// another address.
func NewNLI(c NLIConfig) (*NLI, error) {
	bad := func(format string, args ...any) (*NLI, error) {
		return nil, fmt.Errorf("configure NLI judge: "+format, args...)
	}
	if c.Shape == "" {
		c.Shape = TEI
	}
	if c.Labels == nil {
		c.Labels = []string{"entailment", "neutral", "contradiction"}
	}
	if c.Windows == 0 {
		c.Windows = 3
	}
	if c.BatchPairs == 0 {
		c.BatchPairs = 16
	}
	n := &NLI{config: c}
	for _, l := range c.Labels {
		n.labels = append(n.labels, strings.ToLower(l))
	}
	distinct := slices.Compact(slices.Sorted(slices.Values(n.labels)))
	switch {
	case !slices.Contains(Shapes(), c.Shape):
		return bad("shape is %q, allowed are %s", c.Shape, strings.Join(Shapes(), ", "))
	case len(n.labels) != 2 && len(n.labels) != 3 || len(distinct) != len(n.labels) || distinct[0] == "":
		return bad("labels are %q, want two or three different names", c.Labels)
	case c.Windows < 1 || c.Windows > 16:
		return bad("windows is %d, allowed are 1 to 16", c.Windows)
	case c.BatchPairs < 1:
		return bad("batch pairs is %d, allowed are 1 and more", c.BatchPairs)
	}
	var err error
	if n.endpoint, err = endpoint.New(c.Endpoint); err != nil {
		return bad("%w", err)
	}
	if n.analyzer, err = lexical.New(lexical.Default()); err != nil {
		return bad("%w", err) // unreachable: the defaults are valid
	}
	address, _ := url.Parse(c.Endpoint.URL) // unreachable error: endpoint.New parsed it
	address.User = nil                      // who asks is of no account; the query may name the model
	n.asked = fmt.Sprintf("%q %s %q", address, c.Shape, n.labels)
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %s %q %d %d %d", address, c.Shape, n.labels, c.Windows, windowSentences, windowBytes))
	n.info = ground.Info{
		Name:        "entailment by " + n.endpoint.Host(),
		Fingerprint: fmt.Sprintf("nli/%x", sum[:16]),
		Limits: []string{
			fmt.Sprintf("It sees each claim beside the %d windows of up to %d sentences that share most words with it: support that is elsewhere, or spread over more, is missed.", c.Windows, windowSentences),
			"It sees each claim alone: what \"it\" or \"this\" stands for is lost.",
			"Probabilities of entailment models are not calibrated for your texts; choose a threshold on answers of your own that people judged.",
		},
	}
	return n, nil
}

// Info implements [ground.Judge].
func (n *NLI) Info() ground.Info { return n.info }

// pair is a claim beside a window of the evidence.
type pair struct {
	claim  int
	window text.Span
}

// NLICost is what judging takes.
type NLICost struct {
	Requests int
	Pairs    int // in them
	Known    int // more, which the store has
}

// Plus returns the sum of both.
func (c NLICost) Plus(d NLICost) NLICost {
	return NLICost{c.Requests + d.Requests, c.Pairs + d.Pairs, c.Known + d.Known}
}

func (c NLICost) String() string {
	return fmt.Sprintf("%d requests with %d pairs (%d more need none)", c.Requests, c.Pairs, c.Known)
}

// Cost returns what judging takes. Errors are those of the store.
func (n *NLI) Cost(evidence string, claims []string) (NLICost, error) {
	pairs := n.pairs(evidence, claims)
	_, open, err := n.known(evidence, claims, pairs)
	return NLICost{len(n.batches(len(open))), len(open), len(pairs) - len(open)}, err
}

// entailments is the bucket of results. Key: SHA-256 of what was asked, as key
// writes it. Value: the probabilities of entailment and contradiction, as JSON.
const entailments = "entailments.v1"

func (n *NLI) key(premise, hypothesis string) [32]byte {
	return sha256.Sum256(fmt.Appendf(nil, "%s %q %q", n.asked, premise, hypothesis))
}

// known returns what the store has of pairs, and the indices of those that it lacks.
func (n *NLI) known(evidence string, claims []string, pairs []pair) (scores []entailment, open []int, err error) {
	scores = make([]entailment, len(pairs))
	for i, p := range pairs {
		if n.config.Store != nil {
			raw, found, err := n.config.Store.Get(entailments, n.key(evidence[p.window.Start:p.window.End], claims[p.claim]))
			if err != nil {
				return nil, nil, err
			}
			var v [2]float64
			if found && json.Unmarshal(raw, &v) == nil {
				scores[i] = entailment{v[0], v[1]}
				continue
			}
		}
		open = append(open, i)
	}
	return scores, open, nil
}

// keep puts a result into the store.
func (n *NLI) keep(premise, hypothesis string, e entailment) error {
	if n.config.Store == nil {
		return nil
	}
	raw, err := json.Marshal([2]float64{e.entails, e.contradicts})
	if err != nil {
		return err // unreachable: read lets finite numbers pass alone
	}
	return n.config.Store.Put(entailments, n.key(premise, hypothesis), raw)
}

func (n *NLI) pairs(evidence string, claims []string) []pair {
	s := newSelector(n.analyzer, evidence)
	var out []pair
	for i, claim := range claims {
		for _, w := range s.best(claim, n.config.Windows) {
			out = append(out, pair{i, w})
		}
	}
	return out
}

// batches returns the runs of so many pairs that make a request each.
func (n *NLI) batches(pairs int) []text.Span {
	size := n.config.BatchPairs
	if n.config.Shape == HF {
		size = 1
	}
	var out []text.Span
	for at := 0; at < pairs; at += size {
		out = append(out, text.Span{Start: at, End: min(at+size, pairs)})
	}
	return out
}

// Judge implements [ground.Judge]. A claim with a pair that the endpoint rejects
// has failed. Errors: [ErrNLIContract], those of the endpoint, ctx's own.
func (n *NLI) Judge(ctx context.Context, evidence string, claims []string) ([]ground.Judgement, error) {
	pairs := n.pairs(evidence, claims)
	scores, open, err := n.known(evidence, claims, pairs)
	if err != nil {
		return nil, err
	}
	failures := make([]string, len(pairs))
	group, groupCtx := errgroup.WithContext(ctx)
	for _, b := range n.batches(len(open)) {
		group.Go(func() error {
			asked := make([]pair, 0, b.Len())
			for _, i := range open[b.Start:b.End] {
				asked = append(asked, pairs[i])
			}
			got, err := n.classify(groupCtx, evidence, claims, asked)
			if err != nil && !endpoint.Rejects(err) {
				return err
			}
			for k, i := range open[b.Start:b.End] {
				if err != nil {
					failures[i] = err.Error()
					continue
				}
				scores[i] = got[k]
				p := pairs[i]
				if err := n.keep(evidence[p.window.Start:p.window.End], claims[p.claim], got[k]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, fmt.Errorf("classify with %s: %w", n.endpoint.Host(), err)
	}
	out := make([]ground.Judgement, len(claims))
	contradicted := make([]float64, len(claims)) // by the window at contradicting
	contradicting := make([]text.Span, len(claims))
	for i, p := range pairs {
		j, s := &out[p.claim], scores[i]
		if failures[i] != "" && j.Failure == "" {
			j.Failure = failures[i]
		}
		if s.entails > j.Support {
			j.Support, j.Evidence = s.entails, p.window
		}
		if s.contradicts > contradicted[p.claim] {
			contradicted[p.claim], contradicting[p.claim] = s.contradicts, p.window
		}
	}
	for i, j := range out {
		switch {
		case j.Failure != "":
			out[i] = ground.Judgement{Failure: j.Failure}
		case contradicted[i] > j.Support:
			out[i].Findings = contradicts(claims[i], contradicting[i])
			out[i].Note = fmt.Sprintf("contradicted with probability %.2f", contradicted[i])
		}
	}
	return out, nil
}

// entailment holds the probabilities of one pair. Without three labels
// contradictions are not known, and 0.
type entailment struct{ entails, contradicts float64 }

// classify asks about pairs of one request.
func (n *NLI) classify(ctx context.Context, evidence string, claims []string, pairs []pair) ([]entailment, error) {
	body, err := n.body(evidence, claims, pairs)
	if err != nil {
		return nil, err // unreachable: strings and numbers always marshal
	}
	raw, err := n.endpoint.Post(ctx, body)
	if err != nil {
		return nil, err
	}
	results, err := n.results(raw)
	if err != nil {
		return nil, err
	}
	if len(results) != len(pairs) {
		return nil, fmt.Errorf("%w: %d results for %d pairs", ErrNLIContract, len(results), len(pairs))
	}
	out := make([]entailment, len(pairs))
	for i, r := range results {
		if out[i], err = n.read(r); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (n *NLI) body(evidence string, claims []string, pairs []pair) ([]byte, error) {
	if n.config.Shape == HF {
		var body struct {
			Inputs struct {
				Text     string `json:"text"`
				TextPair string `json:"text_pair"`
			} `json:"inputs"`
			Parameters struct {
				TopK int `json:"top_k"` // else the best label alone comes back
			} `json:"parameters"`
		}
		p := pairs[0]
		body.Inputs.Text, body.Inputs.TextPair = evidence[p.window.Start:p.window.End], claims[p.claim]
		body.Parameters.TopK = len(n.labels)
		return json.Marshal(body)
	}
	var body struct {
		Inputs [][2]string `json:"inputs"`
	}
	for _, p := range pairs {
		body.Inputs = append(body.Inputs, [2]string{evidence[p.window.Start:p.window.End], claims[p.claim]})
	}
	return json.Marshal(body)
}

// labelled is one label of a result.
type labelled struct {
	Label *string  `json:"label"`
	Score *float64 `json:"score"`
}

// results reads the labels of each pair.
func (n *NLI) results(raw []byte) ([][]labelled, error) {
	var results [][]labelled
	err := json.Unmarshal(raw, &results)
	var single []labelled
	if n.config.Shape == HF && err != nil && json.Unmarshal(raw, &single) == nil {
		return [][]labelled{single}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNLIContract, err)
	}
	return results, nil
}

// read maps the labels of one pair by their names: each configured one must be
// there once, with a probability, and no other.
func (n *NLI) read(result []labelled) (entailment, error) {
	scores := map[string]float64{}
	var names []string
	for _, l := range result {
		if l.Label == nil || l.Score == nil {
			return entailment{}, fmt.Errorf("%w: a result without label or score", ErrNLIContract)
		}
		name := strings.ToLower(*l.Label)
		if _, again := scores[name]; again {
			return entailment{}, fmt.Errorf("%w: the label %.40q occurs twice", ErrNLIContract, *l.Label)
		}
		if !(*l.Score >= 0 && *l.Score <= 1+1e-6) {
			return entailment{}, fmt.Errorf("%w: the score of %.40q is %v, want a probability", ErrNLIContract, *l.Label, *l.Score)
		}
		scores[name] = math.Min(*l.Score, 1)
		names = append(names, fmt.Sprintf("%.40q", *l.Label))
	}
	for _, want := range n.labels {
		if _, ok := scores[want]; !ok || len(scores) != len(n.labels) {
			return entailment{}, fmt.Errorf("%w: it has the labels %s, configured are %s", ErrNLIContract, strings.Join(names, ", "), strings.Join(n.config.Labels, ", "))
		}
	}
	e := entailment{entails: scores[n.labels[0]]}
	if len(n.labels) == 3 {
		e.contradicts = scores[n.labels[2]]
	}
	return e, nil
}
