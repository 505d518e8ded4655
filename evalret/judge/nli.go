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
	info     ground.Info
}

var _ ground.Judge = (*NLI)(nil)

// NewNLI returns the judge. Nothing is sent yet.
//
// The fingerprint covers address and settings: such endpoints do not tell which
// model they serve, so give another model another address.
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
	address.User, address.RawQuery = nil, ""
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

// Cost returns how many pairs, in how many requests, judging takes.
func (n *NLI) Cost(evidence string, claims []string) (requests, pairs int) {
	pairs = len(n.pairs(evidence, claims))
	return len(n.batches(pairs)), pairs
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
	scores := make([]entailment, len(pairs))
	failures := make([]string, len(pairs))
	group, groupCtx := errgroup.WithContext(ctx)
	for _, b := range n.batches(len(pairs)) {
		group.Go(func() error {
			got, err := n.classify(groupCtx, evidence, claims, pairs[b.Start:b.End])
			switch {
			case err == nil:
				copy(scores[b.Start:], got)
			case endpoint.Rejects(err):
				for i := b.Start; i < b.End; i++ {
					failures[i] = err.Error()
				}
			default:
				return err
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
