package chat

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ragloop/ragloop/internal/endpoint"
)

// Config describes an endpoint and what it can do.
type Config struct {
	BaseURL string // up to and without "/chat/completions": "https://api.openai.com/v1"; required
	Model   string // as the endpoint calls it; required
	APIKey  string // sent as a bearer token; empty: none is sent

	Structured string   // how a Format is asked for, one of StructuredModes; "": BySchema
	Omit       []string // what is left out for endpoints that refuse it, of Omittable
	LimitField string   // what the limit of an answer is called, one of LimitFields; "": the first

	Timeout     time.Duration // of one attempt; 0: 2 min
	MaxRetries  int           // of one call; 0: 6; negative: none
	Concurrency int           // calls at once, more wait; 0: 4

	// ByAddress makes the base URL part of the fingerprint: what two endpoints serve
	// under one name is then not taken for the same.
	ByAddress bool

	Client *http.Client // nil: one of its own, which follows no redirect
}

// How a [Format] is asked for. The messages should say it in any case.
const (
	BySchema       = "schema"        // response_format json_schema: the schema holds, where the endpoint keeps its word
	ByObjectSchema = "object-schema" // response_format json_object with the schema beside it, as llama-cpp-python and Anyscale have it
	ByObject       = "object"        // response_format json_object: some object
	ByPrompt       = "prompt"        // not at all
)

// StructuredModes lists them.
func StructuredModes() []string { return []string{BySchema, ByObjectSchema, ByObject, ByPrompt} }

// Omittable lists what [Config].Omit may name: fields, and messages of the role
// "system", for endpoints that refuse them or read over them. Their text then
// stands in front of the next message. Without a seed, answers at a temperature
// above 0 are another draw each time.
func Omittable() []string { return []string{"seed", "system", "temperature"} }

// LimitFields lists the names that [Config].LimitField may have.
func LimitFields() []string { return []string{"max_tokens", "max_completion_tokens"} }

// Client is a model behind an endpoint. It is safe for concurrent use.
//
// Status 429, 5xx and network errors are retried as package endpoint says. Other
// statuses are not, and show what the endpoint said. A response that is not one
// answer is an error that wraps [ErrContract], and is not retried. Where all
// attempts failed the error wraps [endpoint.ErrUnavailable].
type Client struct {
	config   Config
	endpoint *endpoint.Endpoint
	info     Info
	spent    spent
}

var _ Model = (*Client)(nil)

// ErrContract is wrapped by errors about responses that break the protocol.
var ErrContract = errors.New("the endpoint broke the chat completions contract")

// Spent is what calls cost so far.
type Spent struct {
	Calls     int64 // answered
	Failed    int64 // with an error
	Unmetered int64 // answered without a word about tokens, which the sums lack

	PromptTokens, CompletionTokens int64
}

type spent struct {
	calls, failed, unmetered, prompt, completion atomic.Int64
}

// NewClient returns a client for the endpoint. Nothing is sent yet.
func NewClient(c Config) (*Client, error) {
	bad := func(format string, args ...any) (*Client, error) {
		return nil, fmt.Errorf("configure chat client: "+format, args...)
	}
	oneOf := func(v string, allowed []string) bool { return slices.Contains(allowed, v) }
	if c.Structured == "" {
		c.Structured = BySchema
	}
	if c.LimitField == "" {
		c.LimitField = LimitFields()[0]
	}
	if c.Timeout == 0 {
		c.Timeout = 2 * time.Minute
	}
	switch {
	case c.Model == "":
		return bad("model is empty")
	case !oneOf(c.Structured, StructuredModes()):
		return bad("structured is %q, allowed are %s", c.Structured, strings.Join(StructuredModes(), ", "))
	case !oneOf(c.LimitField, LimitFields()):
		return bad("limit field is %q, allowed are %s", c.LimitField, strings.Join(LimitFields(), ", "))
	}
	for _, field := range c.Omit {
		if !oneOf(field, Omittable()) {
			return bad("omit has %q, allowed are %s", field, strings.Join(Omittable(), ", "))
		}
	}
	c.Omit = slices.Compact(slices.Sorted(slices.Values(c.Omit)))
	e, err := endpoint.New(endpoint.Config{
		URL: c.BaseURL, Path: "chat/completions", APIKey: c.APIKey, Timeout: c.Timeout,
		MaxRetries: c.MaxRetries, Concurrency: c.Concurrency, Client: c.Client,
	})
	if err != nil {
		return bad("base URL: %w", err)
	}
	// Quoting keeps the parts apart whatever they contain.
	what := fmt.Sprintf("%q %q %q", c.Model, c.Structured, c.Omit)
	if c.ByAddress {
		what += fmt.Sprintf(" %q", c.BaseURL)
	}
	sum := sha256.Sum256([]byte(what))
	return &Client{config: c, endpoint: e, info: Info{Name: c.Model, Fingerprint: fmt.Sprintf("chat/%x", sum[:16])}}, nil
}

// Info implements [Model].
func (c *Client) Info() Info { return c.info }

// Host returns host and port of the endpoint, for messages.
func (c *Client) Host() string { return c.endpoint.Host() }

// Spent returns the sums over all calls.
func (c *Client) Spent() Spent {
	return Spent{
		Calls: c.spent.calls.Load(), Failed: c.spent.failed.Load(), Unmetered: c.spent.unmetered.Load(),
		PromptTokens: c.spent.prompt.Load(), CompletionTokens: c.spent.completion.Load(),
	}
}

// Complete implements [Model]. Errors, beside those named at [Client]:
// [ErrRequest], and ctx's own.
func (c *Client) Complete(ctx context.Context, r Request) (Response, error) {
	response, err := c.complete(ctx, r)
	if err != nil {
		c.spent.failed.Add(1)
		return Response{}, fmt.Errorf("ask %s at %s: %w", c.config.Model, c.endpoint.Host(), err)
	}
	c.spent.calls.Add(1)
	if response.Usage == (Usage{}) {
		c.spent.unmetered.Add(1)
	}
	c.spent.prompt.Add(int64(response.Usage.PromptTokens))
	c.spent.completion.Add(int64(response.Usage.CompletionTokens))
	return response, nil
}

func (c *Client) complete(ctx context.Context, r Request) (Response, error) {
	if err := r.check(); err != nil {
		return Response{}, err
	}
	body, err := json.Marshal(c.body(r))
	if err != nil {
		return Response{}, fmt.Errorf("%w: %w", ErrRequest, err) // unreachable: check let the schema pass
	}
	raw, err := c.endpoint.Post(ctx, body)
	switch {
	case errors.Is(err, endpoint.ErrTooLong):
		return Response{}, fmt.Errorf("%w: %w", ErrContract, err)
	case err != nil:
		return Response{}, c.advise(r, err)
	}
	return c.decode(raw)
}

// advise adds to an error what setting may help, where the endpoint says what it
// refuses. Some say so with a status that reads like a failure of theirs.
func (c *Client) advise(r Request, err error) error {
	var status *endpoint.StatusError
	if !errors.As(err, &status) {
		return err
	}
	said := strings.ToLower(status.Message)
	instructed := r.Messages[0].Role == System && !slices.Contains(c.config.Omit, string(System))
	switch {
	case r.Format != nil && c.config.Structured != ByPrompt && strings.Contains(said, "response_format"):
		return fmt.Errorf("%w (JSON is asked for by structured %q, other ways are %s)", err, c.config.Structured,
			strings.Join(slices.DeleteFunc(StructuredModes(), func(mode string) bool { return mode == c.config.Structured }), ", "))
	case instructed && (strings.Contains(said, "system role") || strings.Contains(said, "roles must alternate")):
		return fmt.Errorf("%w (omit %q puts the instructions into the user's message)", err, System)
	}
	return err
}

// body returns the fields of a request: a map, as the limit has one of two names.
// They are encoded by key, so equal requests have equal bytes.
func (c *Client) body(r Request) map[string]any {
	messages := r.Messages
	if slices.Contains(c.config.Omit, string(System)) {
		messages = withoutSystem(messages)
	}
	body := map[string]any{
		"model": c.config.Model, "messages": messages, "temperature": r.Temperature, "seed": r.Seed,
		c.config.LimitField: r.MaxTokens,
	}
	for _, field := range c.config.Omit {
		delete(body, field)
	}
	switch {
	case r.Format == nil || c.config.Structured == ByPrompt:
	case c.config.Structured == ByObject:
		body["response_format"] = map[string]any{"type": "json_object"}
	case c.config.Structured == ByObjectSchema:
		body["response_format"] = map[string]any{"type": "json_object", "schema": r.Format.Schema}
	default:
		body["response_format"] = map[string]any{
			"type":        "json_schema",
			"json_schema": map[string]any{"name": r.Format.Name, "strict": true, "schema": r.Format.Schema},
		}
	}
	return body
}

// withoutSystem returns messages of which those of the role System are put in front
// of the next one, or are the user's where none follows.
func withoutSystem(messages []Message) []Message {
	var out []Message
	instructions := ""
	for _, m := range messages {
		if m.Role == System {
			instructions += m.Content + "\n\n"
			continue
		}
		m.Content = instructions + m.Content
		instructions = ""
		out = append(out, m)
	}
	if instructions != "" {
		out = append(out, Message{User, strings.TrimSuffix(instructions, "\n\n")})
	}
	return out
}

// decode reads a response with exactly one answer.
func (c *Client) decode(raw []byte) (Response, error) {
	var body struct {
		Model   string `json:"model"`
		Choices []struct {
			Message *struct {
				Content *string `json:"content"`
				Refusal *string `json:"refusal"`
			} `json:"message"`
			FinishReason *string `json:"finish_reason"`
		} `json:"choices"`
		Usage *Usage          `json:"usage"`
		Error json.RawMessage `json:"error"`
	}
	bad := func(format string, args ...any) (Response, error) {
		return Response{}, fmt.Errorf("%w: "+format, append([]any{ErrContract}, args...)...)
	}
	if err := json.Unmarshal(raw, &body); err != nil {
		return bad("%w", err)
	}
	switch {
	case len(body.Choices) == 0 && len(body.Error) > 0 && string(body.Error) != "null":
		return bad("an error with status 200: %s", c.endpoint.Message(raw))
	case len(body.Choices) != 1:
		return bad("%d answers, want 1", len(body.Choices))
	case body.Choices[0].Message == nil:
		return bad("the answer has no message")
	case body.Usage != nil && (body.Usage.PromptTokens < 0 || body.Usage.CompletionTokens < 0):
		return bad("it counts %d and %d tokens", body.Usage.PromptTokens, body.Usage.CompletionTokens)
	}
	m := body.Choices[0].Message
	r := Response{Text: deref(m.Content), Refusal: deref(m.Refusal), Finish: deref(body.Choices[0].FinishReason), Model: body.Model}
	if m.Content == nil && r.Refusal == "" && r.Finish != "length" && r.Finish != "content_filter" {
		return bad("the answer has neither text nor a reason for having none")
	}
	if body.Usage != nil {
		r.Usage = *body.Usage
	}
	return r, nil
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
