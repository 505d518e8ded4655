// Command label writes the query set of the demo corpus: it extracts every
// document, finds the evidence that questions.jsonl names, and records where it
// lies. Run it from the root of the module, after a change of the corpus, of
// the questions or of an extractor:
//
//	go run ./cmd/demolabel
//
// Questions are written by hand. Their evidence is either a quote, compared
// without white space, dashes, quotation marks and markup, or a row: text that
// occurs in one table row or record only, which is then the evidence as a
// whole. Evidence that is missing or ambiguous is an error, and nothing is
// written.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/ragloop/ragloop/ingest/extract"
	"github.com/ragloop/ragloop/internal/text"
)

func main() {
	corpus := flag.String("corpus", "internal/demo/corpus", "folder of the documents")
	questions := flag.String("questions", "internal/demo/source/questions.jsonl", "questions with quotes, as written by hand")
	out := flag.String("out", "internal/demo/queries.jsonl", "query set to write")
	flag.Parse()
	if err := run(context.Background(), *corpus, *questions, *out, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "label:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, corpus, questions, out string, log io.Writer) error {
	src, err := os.ReadFile(questions)
	if err != nil {
		return fmt.Errorf("read questions: %w", err)
	}
	set, n, err := label(ctx, os.DirFS(corpus), src)
	if err != nil {
		return fmt.Errorf("label %s:\n%w", questions, err)
	}
	if err := os.WriteFile(out, set, 0o644); err != nil {
		return fmt.Errorf("write query set: %w", err)
	}
	fmt.Fprintf(log, "label: %d queries written to %s\n", n, out)
	return nil
}

// question is one line of questions.jsonl.
type question struct {
	ID         string             `json:"id"`
	Query      string             `json:"query"`
	Evidence   []clue             `json:"evidence"`
	Docs       map[text.DocID]int `json:"docs"`       // grades beside those of the evidence
	Answerable *bool              `json:"answerable"` // default true
	Answer     string             `json:"answer"`
	Tags       []string           `json:"tags"`
}

// clue names evidence by exactly one of Quote and Row.
type clue struct {
	Doc   text.DocID `json:"doc"`
	Quote string     `json:"quote"`
	Row   string     `json:"row"`
}

// query is one line of the query set.
type query struct {
	ID         string             `json:"id"`
	Query      string             `json:"query"`
	Evidence   []evidence         `json:"evidence,omitempty"`
	Docs       map[text.DocID]int `json:"docs,omitempty"`
	Answerable bool               `json:"answerable"`
	Answer     string             `json:"answer,omitempty"`
	Tags       []string           `json:"tags"`
}

type evidence struct {
	Doc text.DocID `json:"doc"`
	text.RuneSpan
	Quote string `json:"quote"`
}

// evidenceGrade is the grade of a document that holds evidence. Documents that
// help without holding it get a smaller one in the questions file.
const evidenceGrade = 2

// label returns the query set of questions as JSON Lines, in their order, and
// the number of queries. The error joins everything that is wrong.
func label(ctx context.Context, corpus fs.FS, questions []byte) ([]byte, int, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	docs := map[text.DocID]*document{}
	open := func(id text.DocID) (*document, error) {
		if d, ok := docs[id]; ok {
			return d, nil
		}
		data, err := fs.ReadFile(corpus, string(id))
		if err != nil {
			return nil, fmt.Errorf("read document: %w", err)
		}
		d, err := extract.Extract(ctx, extract.Input{Name: string(id), Data: data})
		if err != nil {
			return nil, fmt.Errorf("extract document: %w", err)
		}
		docs[id] = newDocument(d)
		return docs[id], nil
	}
	n := 0
	var errs []error
	dec := json.NewDecoder(bytes.NewReader(questions))
	dec.DisallowUnknownFields()
	for {
		var q question
		err := dec.Decode(&q)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, 0, errors.Join(append(errs, fmt.Errorf("question after %d others: %w", n, err))...)
		}
		n++
		r, err := resolve(q, open)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", q.ID, err))
			continue
		}
		if err := enc.Encode(r); err != nil {
			return nil, 0, fmt.Errorf("encode %s: %w", q.ID, err) // unreachable: the type has no value that JSON lacks
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, 0, err
	}
	return out.Bytes(), n, nil
}

// resolve turns a question into a query.
func resolve(q question, open func(text.DocID) (*document, error)) (query, error) {
	r := query{ID: q.ID, Query: q.Query, Answerable: q.Answerable == nil || *q.Answerable, Answer: q.Answer, Tags: q.Tags}
	if q.ID == "" || q.Query == "" || len(q.Tags) == 0 {
		return r, errors.New("id, query and tags are required")
	}
	if r.Answerable != (len(q.Evidence) > 0) || r.Answerable != (q.Answer != "") {
		return r, errors.New("an answerable question has evidence and an answer, another one has neither")
	}
	for doc, grade := range q.Docs {
		if _, err := open(doc); err != nil {
			return r, err
		}
		if grade <= 0 || grade >= evidenceGrade {
			return r, fmt.Errorf("grade %d of %s: allowed are 1 to %d", grade, doc, evidenceGrade-1)
		}
	}
	for i, c := range q.Evidence {
		d, err := open(c.Doc)
		if err != nil {
			return r, err
		}
		var span text.Span
		switch {
		case (c.Quote == "") == (c.Row == ""):
			return r, fmt.Errorf("evidence[%d]: exactly one of quote and row", i)
		case c.Quote != "":
			span, err = d.find(c.Quote)
		default:
			span, err = d.findRow(c.Row)
		}
		if err != nil {
			return r, fmt.Errorf("evidence[%d]: %s: %w", i, c.Doc, err)
		}
		runes, err := d.index.RuneSpan(span)
		if err != nil {
			return r, fmt.Errorf("evidence[%d]: %s: %w", i, c.Doc, err) // unreachable: find cuts between code points
		}
		r.Evidence = append(r.Evidence, evidence{c.Doc, runes, d.text[span.Start:span.End]})
		if r.Docs == nil {
			r.Docs = map[text.DocID]int{}
		}
		r.Docs[c.Doc] = evidenceGrade
	}
	for doc, grade := range q.Docs {
		if _, ok := r.Docs[doc]; ok {
			return r, fmt.Errorf("%s has evidence and a grade of its own", doc)
		}
		r.Docs[doc] = grade
	}
	return r, nil
}
