// Package chat asks language models: any endpoint that speaks OpenAI's chat
// completions protocol (OpenAI, Ollama, vLLM, llama.cpp and others).
//
// A [Model] turns a [Request] into a [Response]. [Client] is one behind an
// endpoint, [Cache] remembers what another one answered, in a [Store], so that
// nothing is paid for twice. [Estimator] tells calls, tokens and cost before
// anything is sent. [Object] finds the JSON object in an answer, whether or not the
// model keeps to the form it was asked for.
//
// What a model says is not to be trusted, and neither is the text that goes into
// a prompt: this package passes both on. [Frame] marks material in a prompt so that
// no material can pretend to be outside of it.
//
// Nothing here streams, calls tools or keeps a conversation.
package chat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Model answers requests. Implementations are safe for concurrent use.
type Model interface {
	// Complete returns one answer. With an error there is none, except where a
	// [Cache] could not be written: then both come.
	Complete(ctx context.Context, r Request) (Response, error)
	Info() Info
}

// Info describes a model.
type Info struct {
	Name string // as the endpoint calls it
	// Fingerprint stands for everything beside the request that shapes answers, as
	// far as it is known here; the address has no part in it, unless [Config].ByAddress
	// says so. Endpoints that serve different weights under one name need different
	// names or that.
	Fingerprint string
}

// Request is what a model is asked. Equal requests to one model may be answered
// by the same response.
type Request struct {
	Messages    []Message
	MaxTokens   int     // of the answer, 1 and up; required
	Temperature float64 // 0, the default, to 2
	Seed        int     // 0 is a seed like any other
	Format      *Format // nil: free text

	// Usable reports whether who asks can make something of an answer, by the answer
	// alone. It is no part of what is asked, nor changes what comes back: a [Cache]
	// keeps no answer of which it says no. Nil: every answer can be used.
	Usable func(Response) bool `json:"-"`
}

// usable reports whether an answer is worth keeping.
func (r Request) usable(answer Response) bool { return r.Usable == nil || r.Usable(answer) }

// Message is a turn of the conversation that the model goes on with.
type Message struct {
	Role    Role   `json:"role"`
	Content string `json:"content"` // bytes that are not UTF-8 are sent as U+FFFD
}

// Role says whose turn a message is.
type Role string

// The roles.
const (
	System    Role = "system"
	User      Role = "user"
	Assistant Role = "assistant"
)

// Prompt returns the messages of the usual request: instructions, then what they
// are about. Empty instructions make no message.
func Prompt(system, user string) []Message {
	m := []Message{{User, user}}
	if system != "" {
		m = append([]Message{{System, system}}, m...)
	}
	return m
}

// Format asks for an answer that is one JSON object. How it is asked for is a
// setting of the [Client]; no answer can be relied on to have it.
type Format struct {
	Name   string          // of letters, digits, "_" and "-"
	Schema json.RawMessage // JSON Schema of an object
}

// Response is an answer.
type Response struct {
	Text    string // may be empty
	Refusal string // the endpoint's word for why there is no answer; mostly empty
	Finish  string // why it ends: "stop", "length" (cut at MaxTokens), "content_filter" or what else the endpoint says
	Model   string // what answered, in the endpoint's words; may be more precise than Info.Name
	Usage   Usage  // of the call that made it, zero where the endpoint tells none
	Cached  bool   // this time nothing was sent
}

// Cut reports whether the answer lacks its end.
func (r Response) Cut() bool { return r.Finish == "length" }

// Refused reports whether the endpoint, not the model in its answer, declined.
func (r Response) Refused() bool { return r.Refusal != "" || r.Finish == "content_filter" }

// Usage is what a call cost, in the endpoint's own count.
type Usage struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
}

// ErrRequest is wrapped by errors about requests that cannot be sent.
var ErrRequest = errors.New("the request is not valid")

// check returns what is wrong with r, wrapping [ErrRequest].
func (r Request) check() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: "+format, append([]any{ErrRequest}, args...)...)
	}
	switch {
	case len(r.Messages) == 0:
		return bad("it has no messages")
	case r.MaxTokens < 1:
		return bad("max tokens is %d, allowed are 1 and more", r.MaxTokens)
	case !(r.Temperature >= 0 && r.Temperature <= 2):
		return bad("temperature is %v, allowed are 0 to 2", r.Temperature)
	}
	for i, m := range r.Messages {
		switch m.Role {
		case System, User, Assistant:
		default:
			return bad("message %d has the role %q, allowed are %s, %s, %s", i, m.Role, System, User, Assistant)
		}
	}
	if f := r.Format; f != nil {
		var object map[string]json.RawMessage
		if json.Unmarshal(f.Schema, &object) != nil || object == nil {
			return bad("the schema of its format %q is no JSON object", f.Name)
		}
		if f.Name == "" || strings.ContainsFunc(f.Name, func(r rune) bool {
			return !(r == '_' || r == '-' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z')
		}) {
			return bad(`its format has the name %q, allowed are letters, digits, "_" and "-"`, f.Name)
		}
	}
	return nil
}
