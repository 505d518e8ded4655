package embed

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/ragloop/ragloop/internal/endpoint"
)

// RerankAPI names the shape of a reranking endpoint's requests and responses.
type RerankAPI string

// What [HTTPReranker] speaks.
const (
	// CohereRerank: {"model","query","documents"} is answered by {"results":
	// [{"index","relevance_score"}]}. Cohere, Jina, vLLM and llama.cpp.
	CohereRerank RerankAPI = "cohere"
	// TEIRerank: {"query","texts"} is answered by [{"index","score"}]. Text
	// Embeddings Inference.
	TEIRerank RerankAPI = "tei"
)

// HTTPRerankerConfig describes a reranking endpoint.
type HTTPRerankerConfig struct {
	URL    string    // up to and including "/rerank": "https://api.cohere.com/v2/rerank"; required
	Model  string    // as the endpoint calls it; required, for reports also where the API does not send it
	API    RerankAPI // "": CohereRerank
	APIKey string    // sent as a bearer token; empty: none is sent

	BatchTexts int           // passages per request; 0: 32, what Text Embeddings Inference takes by default
	Timeout    time.Duration // of one request; 0: 10 s
	MaxRetries int           // of one request; 0: 2, for somebody waits for the answer; negative: none

	Client *http.Client // nil: one of its own, which follows no redirect
}

// HTTPReranker scores pairs of texts with a remote model. It is safe for
// concurrent use; the requests of one call are made one after the other.
//
// Scores are the endpoint's: the larger, the more relevant. Retries are those
// of [HTTP], and end when the context does. A response that does not have each
// index once, with a finite score, or that is too long, is an error that wraps
// [ErrRerankContract]. When all attempts have failed the error wraps
// [ErrRerankerUnavailable].
type HTTPReranker struct {
	config   HTTPRerankerConfig
	endpoint *endpoint.Endpoint
	info     Info
}

// ErrRerankerUnavailable is wrapped by errors of a reranker that cannot be
// reached, or has too much to do.
var ErrRerankerUnavailable = errors.New("reranker unavailable")

// ErrRerankContract is wrapped by errors about responses of a reranker that break its
// protocol.
var ErrRerankContract = errors.New("the endpoint broke the reranking contract")

const (
	// maxRerankItem is a generous length of what a response says about a passage,
	// the passage itself excluded, which some endpoints send back.
	maxRerankItem = 1 << 10
	// maxEcho is how much longer a text may come back: two bytes of UTF-8 as \u00e9.
	maxEcho = 3
)

// NewHTTPReranker returns a reranker that asks the endpoint. Nothing is sent yet.
//
// The fingerprint covers the model's name but not the address, as [NewHTTP]'s.
func NewHTTPReranker(c HTTPRerankerConfig) (*HTTPReranker, error) {
	setDefault(&c.API, CohereRerank)
	switch {
	case c.Model == "":
		return nil, errors.New("configure HTTP reranker: model is empty")
	case c.API != CohereRerank && c.API != TEIRerank:
		return nil, fmt.Errorf("configure HTTP reranker: API is %q, want %q or %q", c.API, CohereRerank, TEIRerank)
	case c.BatchTexts < 0:
		return nil, fmt.Errorf("configure HTTP reranker: batch texts is %d, which may not be negative", c.BatchTexts)
	}
	setDefault(&c.BatchTexts, 32)
	setDefault(&c.Timeout, 10*time.Second)
	setDefault(&c.MaxRetries, 2)
	e, err := endpoint.New(endpoint.Config{
		URL: c.URL, APIKey: c.APIKey, Timeout: c.Timeout, MaxRetries: c.MaxRetries, Concurrency: -1, Client: c.Client,
	})
	if err != nil {
		return nil, fmt.Errorf("configure HTTP reranker: %w", err)
	}
	sum := sha256.Sum256([]byte(c.Model))
	return &HTTPReranker{
		config:   c,
		endpoint: e,
		info:     Info{Name: c.Model, Fingerprint: fmt.Sprintf("http-rerank/%x", sum[:16])},
	}, nil
}

// Info describes the model. Its Dimension and MaxTokens are 0.
func (h *HTTPReranker) Info() Info { return h.info }

// Score returns the score of query with each passage, in their order; no scores
// come with an error. Bytes that are not UTF-8 are sent as U+FFFD.
func (h *HTTPReranker) Score(ctx context.Context, query string, passages []string) ([]float32, error) {
	scores := make([]float32, 0, len(passages))
	for len(scores) < len(passages) {
		batch := passages[len(scores):min(len(scores)+h.config.BatchTexts, len(passages))]
		got, err := h.request(ctx, query, batch)
		if err != nil {
			return nil, fmt.Errorf("score passages %d to %d of %d with %s at %s: %w",
				len(scores)+1, len(scores)+len(batch), len(passages), h.config.Model, h.endpoint.Host(), err)
		}
		scores = append(scores, got...)
	}
	return scores, nil
}

func (h *HTTPReranker) request(ctx context.Context, query string, batch []string) ([]float32, error) {
	var request any
	switch h.config.API {
	case TEIRerank:
		request = struct {
			Query    string   `json:"query"`
			Texts    []string `json:"texts"`
			Truncate bool     `json:"truncate"` // otherwise one long text is an error
		}{query, batch, true}
	default:
		request = struct {
			Model     string   `json:"model"`
			Query     string   `json:"query"`
			Documents []string `json:"documents"`
		}{h.config.Model, query, batch}
	}
	body, err := json.Marshal(request)
	if err != nil {
		return nil, err // unreachable: strings always marshal
	}
	response, err := h.endpoint.PostUpTo(ctx, body, int64(maxOverhead+maxEcho*len(body)+len(batch)*maxRerankItem))
	if err != nil {
		return nil, remoteError(err, ErrRerankerUnavailable, ErrRerankContract)
	}
	return decodeScores(response, len(batch))
}

// decodeScores reads the response to n passages, in either shape, and returns
// the scores in the order of the passages.
func decodeScores(raw []byte, n int) ([]float32, error) {
	type item struct {
		Index     *int     `json:"index"`
		Score     *float64 `json:"score"`
		Relevance *float64 `json:"relevance_score"`
	}
	var body struct {
		Results []item `json:"results"`
	}
	var err error
	if bytes.HasPrefix(bytes.TrimSpace(raw), []byte("[")) {
		err = json.Unmarshal(raw, &body.Results)
	} else {
		err = json.Unmarshal(raw, &body)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRerankContract, err)
	}
	if len(body.Results) != n {
		return nil, fmt.Errorf("%w: %d scores for %d passages", ErrRerankContract, len(body.Results), n)
	}
	scores := make([]float32, n)
	seen := make([]bool, n)
	for i, r := range body.Results {
		score := r.Relevance
		if score == nil {
			score = r.Score
		}
		switch {
		case r.Index == nil:
			return nil, fmt.Errorf("%w: score %d has no index", ErrRerankContract, i)
		case *r.Index < 0 || *r.Index >= n:
			return nil, fmt.Errorf("%w: index %d in the response to %d passages", ErrRerankContract, *r.Index, n)
		case seen[*r.Index]:
			return nil, fmt.Errorf("%w: index %d occurs twice", ErrRerankContract, *r.Index)
		case score == nil: // also what some servers write for NaN: null
			return nil, fmt.Errorf("%w: the passage with index %d has no score", ErrRerankContract, *r.Index)
		case math.Abs(*score) > math.MaxFloat32:
			return nil, fmt.Errorf("%w: the score with index %d is %v", ErrRerankContract, *r.Index, *score)
		}
		scores[*r.Index], seen[*r.Index] = float32(*score), true
	}
	return scores, nil
}
