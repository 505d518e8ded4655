// Package answer makes and keeps answers to queries, for evaluation: what was
// answered, the text that it was answered from, and which parts of that it cites.
//
// Answers come from a file ([Read]), from a language model ([LLM]) or from
// [Extractive], which works offline: it answers with sentences of the context. It
// stands for no application: it makes the loop run without a model, and is a floor
// to compare with.
//
// [Answer.Cited] reads the labels that an answer cites, sentence by sentence. The
// package does not retrieve, and does not judge.
//
// Stored layout: JSON Lines, UTF-8, one answer a line, blank lines ignored:
//
//	{"id":"q1","answer":"The limit is 140 EUR [1].","context":"[1] Travel …",
//	 "segments":[{"label":"1","doc":"travel.md","start":12,"end":80}],
//	 "answerer":"extractive/1"}
//
// id and answer are required; a line with "failure" has no answer, but why there
// is none. start and end are code points of the context, around the text of a
// segment without its header.
package answer

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/ragloop/ragloop/evalret/labels"
	"github.com/ragloop/ragloop/internal/text"
)

// Answer is an answer to one query, or why there is none.
type Answer struct {
	ID       string // of the query
	Text     string
	Context  *Context // nil: not known
	Answerer string   // fingerprint of what answered; empty: not known
	Failure  string   // why there is no answer; not empty: Text is empty
	Line     int      // of the file, from 1; 0: not read from one
}

// Context is what an answer is made from.
type Context struct {
	Text     string
	Segments []Segment // in the order of Text, apart; nil: not known
}

// Segment is a part of a context that can be cited.
type Segment struct {
	Label string
	Doc   text.DocID
	Span  text.RuneSpan // of Context.Text, without the header
}

// Texts returns the text of each segment.
func (c Context) Texts() []string {
	out := make([]string, len(c.Segments))
	for i, s := range c.Segments {
		out[i], _ = text.Slice(c.Text, s.Span) // unreachable error: check
	}
	return out
}

// MaxLineBytes is the longest line that Read accepts.
const MaxLineBytes = 16 << 20

// maxFaults is how many faults Read reports.
const maxFaults = 20

// ReadFile reads a file of answers.
func ReadFile(path string) ([]Answer, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read answers: %w", err)
	}
	defer f.Close()
	return Read(f, path)
}

// Read reads answers in the order of the file; name stands for it in errors.
// Unknown and repeated keys, wrong types, ids that occur twice and spans outside
// the context are errors: up to 20 are reported at once, each a
// [labels.LineError]. So is a file without answers.
func Read(r io.Reader, name string) ([]Answer, error) {
	var out []Answer
	var faults []error
	more, n := 0, 0
	first := map[string]int{}
	fault := func(e *labels.LineError) {
		if e.File, e.Line = name, n; len(faults) < maxFaults {
			faults = append(faults, e)
			return
		}
		more++
	}
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 64<<10), MaxLineBytes)
	for sc.Scan() {
		n++
		line := sc.Bytes()
		if n == 1 {
			line = bytes.TrimPrefix(line, []byte("\ufeff"))
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		a, wrong := decode(line)
		if wrong == nil {
			if at, again := first[a.ID]; again {
				wrong = &labels.LineError{Query: a.ID, Field: "id", Problem: fmt.Sprintf("is already used on line %d; ids must be unique", at)}
			}
		}
		if wrong != nil {
			fault(wrong)
			continue
		}
		a.Line, first[a.ID] = n, n
		out = append(out, a)
	}
	switch err := sc.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		n++
		fault(&labels.LineError{Problem: fmt.Sprintf("line is longer than %d bytes", MaxLineBytes)})
	case err != nil:
		return nil, fmt.Errorf("read answers: %s: %w", name, err)
	case n == 0 || len(out) == 0 && len(faults) == 0:
		faults = append(faults, &labels.LineError{File: name, Problem: "has no answers"})
	}
	if more > 0 {
		faults = append(faults, fmt.Errorf("and %d more", more))
	}
	if len(faults) > 0 {
		return nil, fmt.Errorf("read answers: %w", errors.Join(faults...))
	}
	return out, nil
}

// Write writes answers as Read reads them, in their order: equal answers make
// equal bytes.
func Write(w io.Writer, answers []Answer) error {
	b := bufio.NewWriter(w)
	for _, a := range answers {
		b.Write(encode(a))
	}
	if err := b.Flush(); err != nil {
		return fmt.Errorf("write answers: %w", err)
	}
	return nil
}

type segmentLine struct {
	Label *string `json:"label"`
	Doc   *string `json:"doc"`
	Start *int    `json:"start"`
	End   *int    `json:"end"`
}

func encode(a Answer) []byte {
	line := struct {
		ID       string        `json:"id"`
		Answer   *string       `json:"answer,omitempty"`
		Context  *string       `json:"context,omitempty"`
		Segments []segmentLine `json:"segments,omitempty"`
		Answerer string        `json:"answerer,omitempty"`
		Failure  string        `json:"failure,omitempty"`
	}{ID: a.ID, Answerer: a.Answerer, Failure: a.Failure}
	if a.Failure == "" {
		line.Answer = &a.Text
	}
	if a.Context != nil {
		line.Context = &a.Context.Text
		for _, s := range a.Context.Segments {
			doc := string(s.Doc)
			line.Segments = append(line.Segments, segmentLine{&s.Label, &doc, &s.Span.Start, &s.Span.End})
		}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(line); err != nil {
		panic(err) // unreachable: strings and ints always encode
	}
	return b.Bytes()
}

// decode reads one line. With a fault the answer has the id, where that is known.
func decode(line []byte) (Answer, *labels.LineError) {
	var a Answer
	bad := func(field, format string, args ...any) (Answer, *labels.LineError) {
		return a, &labels.LineError{Query: a.ID, Field: field, Problem: fmt.Sprintf(format, args...)}
	}
	if !utf8.Valid(line) {
		return bad("", "is not valid UTF-8")
	}
	fields, problem := members(line)
	if problem != "" {
		return bad("", "%s", problem)
	}
	known := []string{"id", "answer", "context", "segments", "answerer", "failure"}
	values := map[string]*string{}
	for _, f := range fields {
		switch {
		case !slices.Contains(known, f.key):
			return bad(f.key, "is unknown; want %s", strings.Join(known, ", "))
		case f.key == "segments":
			continue
		}
		var s *string
		if json.Unmarshal(f.raw, &s) != nil || s == nil {
			return bad(f.key, "is %s; want a string", abbreviate(f.raw))
		}
		values[f.key] = s
		if f.key == "id" {
			a.ID = *s
		}
	}
	given := func(key string) bool { return values[key] != nil }
	switch {
	case !given("id") || a.ID == "":
		return bad("id", "is missing or empty")
	case given("failure") && text.Blank(*values["failure"]):
		return bad("failure", "is blank; leave it out where there is an answer")
	case given("failure") && given("answer"):
		return bad("failure", "is given beside an answer; want one of both")
	case !given("failure") && !given("answer"):
		return bad("answer", "is missing")
	}
	set := func(dst *string, key string) {
		if v := values[key]; v != nil {
			*dst = *v
		}
	}
	set(&a.Text, "answer")
	set(&a.Answerer, "answerer")
	set(&a.Failure, "failure")
	if v := values["context"]; v != nil {
		a.Context = &Context{Text: *v}
	}
	for _, f := range fields {
		if f.key != "segments" {
			continue
		}
		if a.Context == nil {
			return bad("segments", "is given without a context")
		}
		if field, problem := segments(f.raw, a.Context); problem != "" {
			return bad(field, "%s", problem)
		}
	}
	return a, nil
}

// segments reads the segments of c.
func segments(raw json.RawMessage, c *Context) (field, problem string) {
	var items []json.RawMessage
	if json.Unmarshal(raw, &items) != nil || items == nil {
		return "segments", "is " + abbreviate(raw) + "; want an array of objects"
	}
	length := utf8.RuneCountInString(c.Text)
	seen := map[string]bool{}
	end := 0
	for i, item := range items {
		field := fmt.Sprintf("segments[%d]", i)
		dec := json.NewDecoder(bytes.NewReader(item))
		dec.DisallowUnknownFields()
		var s segmentLine
		switch err := dec.Decode(&s); {
		case err != nil || s.Label == nil || s.Doc == nil || s.Start == nil || s.End == nil:
			return field, "is " + abbreviate(item) + `; want {"label":"…","doc":"…","start":0,"end":1}`
		case *s.Label == "" || seen[*s.Label]:
			return field + ".label", fmt.Sprintf("is %q; labels must be unique and not empty", *s.Label)
		case *s.Start < end || *s.End < *s.Start || *s.End > length:
			return field, fmt.Sprintf("is the span [%d, %d); want one from %d to %d, behind those before it", *s.Start, *s.End, end, length)
		}
		seen[*s.Label], end = true, *s.End
		c.Segments = append(c.Segments, Segment{*s.Label, text.DocID(*s.Doc), text.RuneSpan{Start: *s.Start, End: *s.End}})
	}
	return "", ""
}

type member struct {
	key string
	raw json.RawMessage
}

// members returns the members of a JSON object in their order.
func members(line []byte) ([]member, string) {
	const want = "is no JSON object"
	dec := json.NewDecoder(bytes.NewReader(line))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, want
	}
	var out []member
	for dec.More() {
		t, err := dec.Token()
		key, ok := t.(string)
		if err != nil || !ok {
			return nil, want
		}
		m := member{key: key}
		if err := dec.Decode(&m.raw); err != nil {
			return nil, fmt.Sprintf("is broken in %q: %v", key, err)
		}
		if slices.ContainsFunc(out, func(o member) bool { return o.key == key }) {
			return nil, fmt.Sprintf("has %q twice", key)
		}
		out = append(out, m)
	}
	if _, err := dec.Token(); err != nil {
		return nil, want
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, "has something behind the object"
	}
	return out, ""
}

// abbreviate returns the beginning of a JSON value.
func abbreviate(raw json.RawMessage) string {
	const limit = 40
	if s := []rune(string(raw)); len(s) > limit {
		return string(s[:limit]) + "…"
	}
	return string(raw)
}
