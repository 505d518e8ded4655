package chat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/internal/endpoint"
)

// reply answers as a good endpoint does.
func reply(w http.ResponseWriter, content string) {
	fmt.Fprintf(w, `{"id":"x","object":"chat.completion","created":1,"model":"m-2026","choices":[{"index":0,"message":{"role":"assistant","content":%q,"refusal":null},`+
		`"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9},"system_fingerprint":"fp"}`, content)
}

// serve returns a client for an endpoint that answers with handle.
func serve(t *testing.T, c Config, handle func(w http.ResponseWriter, r *http.Request, body []byte)) *Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("read the request: %v", err)
		}
		handle(w, r, body)
	}))
	t.Cleanup(server.Close)
	c.BaseURL = server.URL + "/v1/"
	if c.Model == "" {
		c.Model = "m"
	}
	client, err := NewClient(c)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

var question = Request{Messages: Prompt("Be short.", "Why?"), MaxTokens: 20}

func TestComplete(t *testing.T) {
	var got string
	c := serve(t, Config{APIKey: "secret"}, func(w http.ResponseWriter, r *http.Request, body []byte) {
		if r.Method != http.MethodPost || r.URL.Path != "/v1/chat/completions" || r.Header.Get("Authorization") != "Bearer secret" {
			t.Errorf("request %s %s with header %v", r.Method, r.URL, r.Header)
		}
		got = string(body)
		reply(w, "Because.")
	})
	response, err := c.Complete(t.Context(), question)
	if err != nil {
		t.Fatal(err)
	}
	want := Response{Text: "Because.", Finish: "stop", Model: "m-2026", Usage: Usage{7, 2}}
	if d := cmp.Diff(want, response); d != "" {
		t.Errorf("Complete (-want +got):\n%s", d)
	}
	if want := `{"max_tokens":20,"messages":[{"role":"system","content":"Be short."},{"role":"user","content":"Why?"}],"model":"m","seed":0,"temperature":0}`; got != want {
		t.Errorf("request\n%s\nwant\n%s", got, want)
	}
	if _, err := c.Complete(t.Context(), Request{}); !errors.Is(err, ErrRequest) {
		t.Errorf("Complete(no request) = %v, want %v", err, ErrRequest)
	}
	if d := cmp.Diff(Spent{Calls: 1, Failed: 1, PromptTokens: 7, CompletionTokens: 2}, c.Spent()); d != "" {
		t.Errorf("Spent (-want +got):\n%s", d)
	}
}

func TestRequestFields(t *testing.T) {
	format := &Format{Name: "verdict", Schema: json.RawMessage(`{ "type": "object" }`)}
	for _, c := range []struct {
		name   string
		config Config
		format *Format
		want   string // everything behind the messages
	}{
		{"schema", Config{}, format, `"model":"m","response_format":{"json_schema":{"name":"verdict","schema":{"type":"object"},"strict":true},"type":"json_schema"},"seed":0,"temperature":0}`},
		{"object and schema", Config{Structured: ByObjectSchema}, format, `"model":"m","response_format":{"schema":{"type":"object"},"type":"json_object"},"seed":0,"temperature":0}`},
		{"object", Config{Structured: ByObject}, format, `"model":"m","response_format":{"type":"json_object"},"seed":0,"temperature":0}`},
		{"prompt", Config{Structured: ByPrompt}, format, `"model":"m","seed":0,"temperature":0}`},
		{"omit", Config{Omit: []string{"temperature", "seed", "seed"}}, nil, `"model":"m"}`},
		{"limit", Config{LimitField: "max_completion_tokens", Omit: []string{"seed"}}, nil, `"model":"m","temperature":0}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := serve(t, c.config, func(w http.ResponseWriter, _ *http.Request, body []byte) {
				limit := c.config.LimitField
				if limit == "" {
					limit = "max_tokens"
				}
				if want := `{"` + limit + `":20,"messages":[{"role":"user","content":"Why?"}],` + c.want; string(body) != want {
					t.Errorf("request\n%s\nwant\n%s", body, want)
				}
				reply(w, "x")
			})
			if _, err := client.Complete(t.Context(), Request{Messages: Prompt("", "Why?"), MaxTokens: 20, Format: c.format}); err != nil {
				t.Error(err)
			}
		})
	}
}

// Instructions go to the user's message where the endpoint has no role for them.
func TestOmitSystem(t *testing.T) {
	for name, c := range map[string]struct {
		messages []Message
		want     string
	}{
		"prompt":     {Prompt("Be short.", "Why?"), `[{"role":"user","content":"Be short.\n\nWhy?"}]`},
		"none":       {Prompt("", "Why?"), `[{"role":"user","content":"Why?"}]`},
		"two":        {[]Message{{System, "a"}, {System, "b"}, {User, "c"}, {Assistant, "d"}, {User, "e"}}, `[{"role":"user","content":"a\n\nb\n\nc"},{"role":"assistant","content":"d"},{"role":"user","content":"e"}]`},
		"none after": {[]Message{{User, "a"}, {System, "b"}}, `[{"role":"user","content":"a"},{"role":"user","content":"b"}]`},
	} {
		client := serve(t, Config{Omit: []string{"system"}}, func(w http.ResponseWriter, _ *http.Request, body []byte) {
			if want := `{"max_tokens":20,"messages":` + c.want + `,"model":"m","seed":0,"temperature":0}`; string(body) != want {
				t.Errorf("%s: request\n%s\nwant\n%s", name, body, want)
			}
			reply(w, "x")
		})
		if _, err := client.Complete(t.Context(), Request{Messages: c.messages, MaxTokens: 20}); err != nil {
			t.Error(err)
		}
	}
}

// What an endpoint refuses and a setting can leave out is told with the setting.
func TestAdvice(t *testing.T) {
	format := &Format{Name: "x", Schema: json.RawMessage(`{}`)}
	for name, c := range map[string]struct {
		config  Config
		request Request
		status  int
		said    string
		want    string // in the error; empty: no advice
	}{
		"schema": {Config{}, Request{Messages: question.Messages, MaxTokens: 1, Format: format}, 500,
			"validation error: ('body', 'response_format', 'type'): Input should be 'text' or 'json_object'", `structured "schema", other ways are object-schema, object, prompt`},
		"object": {Config{Structured: ByObject}, Request{Messages: question.Messages, MaxTokens: 1, Format: format}, 400,
			"This response_format type is unavailable now", `structured "object", other ways are schema, object-schema, prompt`},
		"no format":   {Config{}, question, 400, "response_format", ""},
		"system role": {Config{}, question, 400, "System role not supported", `omit "system"`},
		"alternate":   {Config{}, question, 500, "Conversation roles must alternate user/assistant", `omit "system"`},
		"no system":   {Config{}, Request{Messages: Prompt("", "x"), MaxTokens: 1}, 400, "roles must alternate", ""},
		"left out":    {Config{Omit: []string{"system"}}, question, 400, "roles must alternate", ""},
		"other":       {Config{}, question, 400, "maximum context length is 10 tokens", ""},
	} {
		c.config.MaxRetries = -1
		client := serve(t, c.config, func(w http.ResponseWriter, _ *http.Request, _ []byte) {
			w.WriteHeader(c.status)
			fmt.Fprintf(w, `{"error":{"message":%q}}`, c.said)
		})
		_, err := client.Complete(t.Context(), c.request)
		var status *endpoint.StatusError
		if !errors.As(err, &status) || !strings.Contains(err.Error(), c.want) || c.want == "" && strings.Contains(err.Error(), " (") {
			t.Errorf("%s: Complete = %v, want the status and %q", name, err, c.want)
		}
	}
}

// TestContract: what endpoints answer, and what comes of it.
func TestContract(t *testing.T) {
	choice := func(fields string) string { return `{"choices":[{` + fields + `}]}` }
	for _, c := range []struct {
		name, body string
		want       Response
		text       string // of the error, which wraps ErrContract; empty: want
	}{
		{"plain", choice(`"message":{"content":"a"},"finish_reason":"stop"`), Response{Text: "a", Finish: "stop"}, ""},
		{"empty", choice(`"message":{"content":""},"finish_reason":"stop"`), Response{Finish: "stop"}, ""},
		{"no reason", choice(`"message":{"content":"a"},"finish_reason":null`), Response{Text: "a"}, ""},
		{"cut", choice(`"message":{"content":null,"reasoning_content":"hm"},"finish_reason":"length"`), Response{Finish: "length"}, ""},
		{"refusal", choice(`"message":{"content":null,"refusal":"I can't."},"finish_reason":"stop"`), Response{Refusal: "I can't.", Finish: "stop"}, ""},
		{"filtered", choice(`"message":{"content":null},"finish_reason":"content_filter"`), Response{Finish: "content_filter"}, ""},
		{"usage null", `{"choices":[{"message":{"content":"a"}}],"usage":null}`, Response{Text: "a"}, ""},
		{"error beside an answer", `{"error":null,"choices":[{"message":{"content":"a"}}]}`, Response{Text: "a"}, ""},

		{"no text", choice(`"message":{"content":null},"finish_reason":"stop"`), Response{}, "neither text nor a reason"},
		{"tool call", choice(`"message":{"content":null,"tool_calls":[{}]},"finish_reason":"tool_calls"`), Response{}, "neither text nor a reason"},
		{"no message", choice(`"finish_reason":"stop"`), Response{}, "no message"},
		{"stream", choice(`"delta":{"content":"a"}`), Response{}, "no message"},
		{"no choices", `{"choices":[]}`, Response{}, "0 answers, want 1"},
		{"nothing", `{}`, Response{}, "0 answers, want 1"},
		{"two", `{"choices":[{"message":{"content":"a"}},{"message":{"content":"b"}}]}`, Response{}, "2 answers, want 1"},
		{"error", `{"error":{"message":"over\nload for key secret","code":502}}`, Response{}, "an error with status 200: over load for key ********"},
		{"parts", choice(`"message":{"content":[{"type":"text","text":"a"}]}`), Response{}, "cannot unmarshal array"},
		{"negative usage", `{"choices":[{"message":{"content":"a"}}],"usage":{"prompt_tokens":-1}}`, Response{}, "counts -1 and 0 tokens"},
		{"HTML", `<html>`, Response{}, "invalid character '<'"},
		{"half", `{"choices":[{"message":{"content":"a`, Response{}, "unexpected end"},
		{"endless", strings.Repeat(" ", 9<<20), Response{}, "more than 8388608 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var requests atomic.Int32
			client := serve(t, Config{APIKey: "secret"}, func(w http.ResponseWriter, _ *http.Request, _ []byte) {
				requests.Add(1)
				io.WriteString(w, c.body)
			})
			got, err := client.Complete(t.Context(), question)
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("Complete (-want +got):\n%s", d)
			}
			if c.text == "" && err != nil || c.text != "" && (!errors.Is(err, ErrContract) || !strings.Contains(err.Error(), c.text)) {
				t.Errorf("Complete error = %v, want %v with %q", err, ErrContract, c.text)
			}
			if n := requests.Load(); n != 1 {
				t.Errorf("%d requests, want 1: a broken contract is not retried", n)
			}
		})
	}
}

func TestRejected(t *testing.T) {
	c := serve(t, Config{}, func(w http.ResponseWriter, _ *http.Request, _ []byte) {
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, `{"error":{"message":"Unsupported value: 'temperature'","param":"temperature"}}`)
	})
	_, err := c.Complete(t.Context(), question)
	if !endpoint.Rejects(err) || !strings.HasPrefix(err.Error(), "ask m at 127.0.0.1:") || !strings.HasSuffix(err.Error(), ": status 400 Bad Request: Unsupported value: 'temperature'") {
		t.Errorf("Complete = %v", err)
	}
}

func TestRequestErrors(t *testing.T) {
	c := serve(t, Config{}, func(http.ResponseWriter, *http.Request, []byte) { t.Error("a bad request was sent") })
	for _, tt := range []struct {
		change func(*Request)
		text   string
	}{
		{func(r *Request) { r.Messages = nil }, "no messages"},
		{func(r *Request) { r.MaxTokens = 0 }, "max tokens is 0"},
		{func(r *Request) { r.Temperature = 2.1 }, "temperature is 2.1"},
		{func(r *Request) { r.Messages = []Message{{"tool", "x"}} }, `message 0 has the role "tool"`},
		{func(r *Request) { r.Format = &Format{Name: "a b", Schema: json.RawMessage(`{}`)} }, `the name "a b"`},
		{func(r *Request) { r.Format = &Format{Schema: json.RawMessage(`{}`)} }, `the name ""`},
		{func(r *Request) { r.Format = &Format{Name: "a", Schema: json.RawMessage(`[]`)} }, "no JSON object"},
		{func(r *Request) { r.Format = &Format{Name: "a", Schema: json.RawMessage(`null`)} }, "no JSON object"},
	} {
		r := question
		tt.change(&r)
		if _, err := c.Complete(context.Background(), r); !errors.Is(err, ErrRequest) || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("Complete = %v, want %v with %q", err, ErrRequest, tt.text)
		}
	}
}

func TestNewClientErrors(t *testing.T) {
	good := Config{BaseURL: "http://x/v1", Model: "m"}
	for _, c := range []struct {
		change func(*Config)
		text   string
	}{
		{func(c *Config) { c.BaseURL = "" }, "base URL"},
		{func(c *Config) { c.BaseURL = "http://u:secret@\x01" }, "base URL"},
		{func(c *Config) { c.Model = "" }, "model is empty"},
		{func(c *Config) { c.Structured = "xml" }, `structured is "xml", allowed are schema, object-schema, object, prompt`},
		{func(c *Config) { c.LimitField = "n" }, `limit field is "n", allowed are max_tokens, max_completion_tokens`},
		{func(c *Config) { c.Omit = []string{"model"} }, `omit has "model", allowed are seed, system, temperature`},
		{func(c *Config) { c.Timeout = -1 }, "timeout -1ns"},
	} {
		config := good
		c.change(&config)
		_, err := NewClient(config)
		if err == nil || !strings.HasPrefix(err.Error(), "configure chat client: ") || !strings.Contains(err.Error(), c.text) || strings.Contains(err.Error(), "secret") {
			t.Errorf("NewClient(%+v) = %v, want an error with %q", config, err, c.text)
		}
	}
}

func TestFingerprint(t *testing.T) {
	of := func(c Config) string {
		if c.BaseURL == "" {
			c.BaseURL = "http://x"
		}
		client, err := NewClient(c)
		if err != nil {
			t.Fatal(err)
		}
		return client.Info().Fingerprint
	}
	base := of(Config{Model: "m"})
	for name, c := range map[string]Config{
		"key": {Model: "m", APIKey: "k"}, "limit field": {Model: "m", LimitField: "max_completion_tokens"}, "mode by name": {Model: "m", Structured: BySchema},
		"address": {Model: "m", BaseURL: "http://y"},
	} {
		if of(c) != base {
			t.Errorf("another %s changes the fingerprint", name)
		}
	}
	for name, c := range map[string]Config{
		"model": {Model: "n"}, "mode": {Model: "m", Structured: ByPrompt}, "omission": {Model: "m", Omit: []string{"seed"}},
		"address that counts": {Model: "m", ByAddress: true},
	} {
		if of(c) == base {
			t.Errorf("another %s does not change the fingerprint", name)
		}
	}
	if of(Config{Model: "m", ByAddress: true}) == of(Config{Model: "m", ByAddress: true, BaseURL: "http://y"}) {
		t.Error("another address that counts does not change the fingerprint")
	}
}
