package embed

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/ragloop/ragloop/internal/endpoint"
)

// HTTPConfig describes an endpoint that speaks OpenAI's embeddings protocol:
// OpenAI, Ollama, vLLM, Text Embeddings Inference and others.
type HTTPConfig struct {
	BaseURL   string // up to and without "/embeddings": "https://api.openai.com/v1"; required
	Model     string // as the endpoint calls it; required
	APIKey    string // sent as a bearer token; empty: none is sent
	Dimension int    // of the vectors, 1 to 65,536; required, and checked in every response
	MaxTokens int    // window of the model; 0: unknown. Longer texts are sent as they are

	BatchTexts  int           // texts per request; 0: 64
	BatchTokens int           // estimated tokens per request, unless one text has more; 0: 8192
	Timeout     time.Duration // of one request; 0: 60 s
	MaxRetries  int           // of one request; 0: 6; negative: none

	QueryPrefix   string // put in front of queries; the model's documentation says which
	PassagePrefix string // put in front of passages

	Client *http.Client // nil: one of its own, which follows no redirect
}

// HTTP embeds with a remote model. It is safe for concurrent use; the requests
// of one call are made one after the other, so concurrency is the caller's
// choice.
//
// Status 429, 5xx and network errors are retried as [endpoint.Endpoint.Post] says;
// when all attempts have failed the error wraps [ErrUnavailable]. Other statuses
// are not. Where a batch is rejected as such (400, 413, 422), its parts are sent
// until a text that is rejected alone is found, [ErrRefused], or none: then the batch
// was too large. An endpoint that rejects a short text, too, rejects everything, and
// that is an error at once. A response with too few, too many, repeated or missing indices, of
// another dimension, that is too long, or with a vector that is zero or has a
// component that is no finite number is an error that wraps [ErrContract].
//
// Vectors are scaled to unit length. Bytes that are not UTF-8 are sent as U+FFFD.
// Whether the empty text has a vector is for the endpoint to say.
type HTTP struct {
	config   HTTPConfig
	endpoint *endpoint.Endpoint
	info     Info
}

var _ Embedder = (*HTTP)(nil)

// ErrContract is wrapped by errors about responses that break the embeddings protocol.
var ErrContract = errors.New("the endpoint broke the embeddings contract")

// ErrUnavailable is wrapped by errors of an embedder that cannot be reached, or
// has too much to do: the same texts may be embedded later.
var ErrUnavailable = errors.New("embedder unavailable")

// ErrRefused is wrapped by the error about a text that the endpoint does not take,
// while it takes others: its own filter may be the reason, or the length of the text.
var ErrRefused = errors.New("the endpoint refuses this text")

const (
	// harmless is a text that an endpoint rejects only if it rejects all.
	harmless     = "A short text."
	maxDimension = 1 << 16
	// maxNumber is a generous length of one number in a response.
	maxNumber = 40
	// maxOverhead is what a response may be longer than its numbers.
	maxOverhead = 1 << 20
)

// NewHTTP returns an embedder for the endpoint. Nothing is sent yet.
//
// The fingerprint covers the model's name, the dimension and both prefixes but
// not the address: the same model behind another host gives the same vectors.
// Endpoints that serve different weights under one name need different names.
func NewHTTP(c HTTPConfig) (*HTTP, error) {
	switch {
	case c.Model == "":
		return nil, errors.New("configure HTTP embedder: model is empty")
	case c.Dimension < 1 || c.Dimension > maxDimension:
		return nil, fmt.Errorf("configure HTTP embedder: dimension is %d, want the dimension of the model's vectors, 1 to %d", c.Dimension, maxDimension)
	case c.MaxTokens < 0 || c.BatchTexts < 0 || c.BatchTokens < 0:
		return nil, fmt.Errorf("configure HTTP embedder: max tokens %d, batch texts %d, batch tokens %d: none may be negative",
			c.MaxTokens, c.BatchTexts, c.BatchTokens)
	}
	setDefault(&c.BatchTexts, 64)
	setDefault(&c.BatchTokens, 8192)
	e, err := endpoint.New(endpoint.Config{
		URL: c.BaseURL, Path: "embeddings", APIKey: c.APIKey, Timeout: c.Timeout, MaxRetries: c.MaxRetries,
		Concurrency: -1, Client: c.Client,
	})
	if err != nil {
		return nil, fmt.Errorf("configure HTTP embedder: %w", err)
	}
	// Quoting keeps the parts apart whatever they contain.
	identity := fmt.Sprintf("%q %d %q %q", c.Model, c.Dimension, c.QueryPrefix, c.PassagePrefix)
	sum := sha256.Sum256([]byte(identity))
	return &HTTP{
		config:   c,
		endpoint: e,
		info: Info{
			Name:        c.Model,
			Fingerprint: fmt.Sprintf("http/%x", sum[:16]),
			Dimension:   c.Dimension,
			MaxTokens:   c.MaxTokens,
		},
	}, nil
}

func setDefault[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

// Info implements [Embedder].
func (h *HTTP) Info() Info { return h.info }

// CountTokens implements [Embedder] with an estimate, one token for three bytes
// and two special ones: the endpoint's tokenizer is not known.
func (h *HTTP) CountTokens(s string) int { return (len(s)+2)/3 + 2 }

// Embed implements [Embedder].
func (h *HTTP) Embed(ctx context.Context, task Task, texts []string) ([][]float32, error) {
	var prefix string
	switch task {
	case Query:
		prefix = h.config.QueryPrefix
	case Passage:
		prefix = h.config.PassagePrefix
	case Raw:
	default:
		return nil, unknownTask(task.String())
	}
	vectors := make([][]float32, 0, len(texts))
	for len(vectors) < len(texts) {
		first := len(vectors)
		batch := h.nextBatch(prefix, texts[first:])
		got, err := h.embed(ctx, prefix, batch)
		vectors = append(vectors, got...)
		if errors.Is(err, ErrRefused) { // its place in the batch says nothing to whom the text belongs
			return vectors, fmt.Errorf("embed with %s at %s: %w", h.config.Model, h.endpoint.Host(), err)
		}
		if err != nil {
			return vectors, fmt.Errorf("embed texts %d to %d of %d with %s at %s: %w",
				first+1, first+len(batch), len(texts), h.config.Model, h.endpoint.Host(), err)
		}
	}
	return vectors, nil
}

// embed embeds one batch. Of an error's status and message nobody can tell a text
// that the endpoint does not take from a model that it does not know. So where it
// rejects the batch it is asked about a text that is not to blame.
func (h *HTTP) embed(ctx context.Context, prefix string, batch []string) ([][]float32, error) {
	vectors, rejection := h.request(ctx, batch)
	if !endpoint.Rejects(rejection) {
		return vectors, rejection
	}
	switch _, err := h.request(ctx, []string{prefix + harmless}); {
	case endpoint.Rejects(err):
		return nil, rejection
	case err != nil:
		return nil, err
	}
	return h.halves(ctx, batch, rejection)
}

// halves embeds the two halves of a batch that was rejected, and so on down to the
// first text that is rejected alone.
func (h *HTTP) halves(ctx context.Context, batch []string, rejection error) (vectors [][]float32, err error) {
	half := len(batch) / 2
	if half == 0 {
		return nil, fmt.Errorf("%w: %w", ErrRefused, rejection)
	}
	for _, part := range [][]string{batch[:half], batch[half:]} {
		got, err := h.request(ctx, part)
		if endpoint.Rejects(err) {
			got, err = h.halves(ctx, part, err)
		}
		vectors = append(vectors, got...)
		if err != nil {
			return vectors, err
		}
	}
	return vectors, nil
}

// nextBatch returns the first texts with the prefix in front: as many as one
// request may have, and at least one.
func (h *HTTP) nextBatch(prefix string, texts []string) []string {
	var batch []string
	tokens := 0
	for _, text := range texts {
		text = prefix + text
		tokens += h.CountTokens(text)
		if len(batch) == h.config.BatchTexts || len(batch) > 0 && tokens > h.config.BatchTokens {
			break
		}
		batch = append(batch, text)
	}
	return batch
}

// request embeds one batch, with retries.
func (h *HTTP) request(ctx context.Context, batch []string) ([][]float32, error) {
	body, err := json.Marshal(struct {
		Model          string   `json:"model"`
		Input          []string `json:"input"`
		EncodingFormat string   `json:"encoding_format"`
	}{h.config.Model, batch, "float"})
	if err != nil {
		return nil, err // unreachable: strings always marshal
	}
	response, err := h.endpoint.PostUpTo(ctx, body, int64(maxOverhead+len(batch)*h.config.Dimension*maxNumber))
	if err != nil {
		return nil, remoteError(err, ErrUnavailable, ErrContract)
	}
	return decodeEmbeddings(response, len(batch), h.config.Dimension)
}

// remoteError tells an endpoint's error in the words of this package: unavailable
// is what an embedder or a reranker is called that cannot be reached, contract what
// it broke with an answer that is too long.
func remoteError(err, unavailable, contract error) error {
	switch {
	case errors.Is(err, endpoint.ErrUnavailable):
		return fmt.Errorf("%w: %w", unavailable, err)
	case errors.Is(err, endpoint.ErrTooLong):
		return fmt.Errorf("%w: %w", contract, err)
	}
	return err
}
