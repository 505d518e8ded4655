// Package embed turns text into vectors: with a model that is part of the
// program or comes from a file ([Builtin]), with a remote one ([HTTP]), and from
// a file of vectors computed before ([Cache]). It also scores pairs of texts
// ([CrossEncoder]). It does not cut texts into chunks and does not compare
// vectors.
//
// A text is embedded for a [Task], because models treat queries and passages
// differently. What makes vectors comparable is the fingerprint in [Info].
//
// The subpackages are the parts of models that run in this process: modelfile
// (the file), wordpiece (text to ids), bert (ids to vector), convert (makes the
// file).
package embed

import (
	"context"
	"fmt"
)

// Task says what a text is embedded for: models treat passages and queries differently.
type Task uint8

const (
	Passage Task = iota // indexed text, embedded as it is
	Query               // a search query: the model's query instruction is put in front
	Raw                 // exactly the given text, no instruction
)

var taskNames = [...]string{Passage: "passage", Query: "query", Raw: "raw"}

// String returns "passage", "query" or "raw".
func (t Task) String() string {
	if int(t) < len(taskNames) {
		return taskNames[t]
	}
	return fmt.Sprintf("Task(%d)", uint8(t))
}

// ParseTask reads what [Task.String] writes.
func ParseTask(s string) (Task, error) {
	for t, name := range taskNames {
		if s == name {
			return Task(t), nil
		}
	}
	return 0, unknownTask(s)
}

func unknownTask(s string) error {
	return fmt.Errorf("embedding task %q is not one of %q", s, taskNames)
}

// Info describes an embedder. Two embedders with equal Fingerprint produce
// interchangeable vectors.
type Info struct {
	Name        string // for people: "bge-small-en-v1.5 (int8)"
	Fingerprint string // for machines: changes whenever the vectors may, beyond rounding
	Dimension   int
	MaxTokens   int // window in the embedder's own tokens, special tokens included, without what its passage instruction takes; 0: unknown
}

// Embedder is implemented by [Builtin], [HTTP] and [Cache].
//
// Embed returns one unit-length vector of Info().Dimension finite float32 per
// text, in order. On error the vectors are a (possibly empty) prefix of the
// result: everything in it is valid and need not be embedded again. With
// [ErrRefused] it is the first text without a vector that is refused.
type Embedder interface {
	Embed(ctx context.Context, task Task, texts []string) ([][]float32, error)
	Info() Info
	// CountTokens returns the length of s in the embedder's own tokens, special
	// tokens included, before any truncation.
	CountTokens(s string) int
}
