// Package labels holds query sets: what was asked and which text answers it.
//
// It reads and writes them, checks them against the documents they were made
// from, and re-anchors evidence after a document changed. It does not
// retrieve or score anything; package evalret does.
//
// Nouns. A [Query] has a text and labels: evidence spans (code points of the
// document's text, half-open, with the quoted text), graded documents, or the
// statement that the corpus cannot answer it. A [Set] is queries in file
// order. [Qrels] and [Run] are the TREC forms of judgements and results.
//
// Stored layout: JSON Lines, UTF-8, one query a line, blank lines ignored:
//
//	{"id":"q1","query":"…","evidence":[{"doc":"a.md","start":10,"end":42,"quote":"…"}],
//	 "docs":{"a.md":2},"answerable":true,"answer":"…","tags":["table"],"filter":"year>=2024"}
//
// Only id and query are required. start and end are needed in every evidence
// object; quote is what lets a label survive a change of the document. filter is
// an expression of package filter, as an app sends it with the query: only
// documents for which it holds are searched.
package labels

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ragloop/ragloop/internal/filter"
	"github.com/ragloop/ragloop/internal/text"
)

// Evidence is a span of a document that answers a query.
type Evidence struct {
	Doc   text.DocID
	Span  text.RuneSpan
	Quote string // the text at Span when the label was made; empty: not recorded

	// Copies are where else the document has the same text, in the order of the
	// text, as [Check] found them: to cover one of them is to cover Span. Not in
	// files; nil: none, or not looked for.
	Copies []text.RuneSpan
}

// Query is one query with its labels.
type Query struct {
	ID       string
	Text     string
	Evidence []Evidence
	// Docs grades documents, 0 (judged not relevant) and up. Nil: none graded.
	Docs map[text.DocID]int
	// Unanswerable says that the corpus holds no answer; such a query has no
	// evidence and no graded documents. In files it is "answerable": false.
	Unanswerable bool
	Answer       string // reference answer; empty: none
	Tags         []string
	Filter       filter.Expr // what the query is searched with; zero: all documents
	Line         int         // in the file it was read from, from 1; 0: not read from a file
}

// MaxGrade is the largest grade that a query set may give a document.
const MaxGrade = 1000

// Grades returns the document judgements of q: its graded documents, and each
// document with evidence that is not graded with grade 1. Nil when q has
// neither.
func (q Query) Grades() map[text.DocID]int {
	if len(q.Docs) == 0 && len(q.Evidence) == 0 {
		return nil
	}
	grades := make(map[text.DocID]int, len(q.Docs)+1)
	maps.Copy(grades, q.Docs)
	for _, e := range q.Evidence {
		if _, ok := grades[e.Doc]; !ok {
			grades[e.Doc] = 1
		}
	}
	return grades
}

// Labelled reports whether q has a label that retrieval can be scored with:
// evidence or a document with a positive grade.
func (q Query) Labelled() bool {
	for _, g := range q.Docs {
		if g > 0 {
			return true
		}
	}
	return len(q.Evidence) > 0
}

// Set is a query set.
type Set struct {
	Name    string // for messages: the file or folder it came from
	Queries []Query
}

// Fingerprint returns the first 16 hex digits of the SHA-256 of the set's
// canonical form: the lines that [Write] writes, ordered by query id. The
// name, the order of queries and the layout of the file have no part in it.
func (s Set) Fingerprint() string {
	queries := slices.Clone(s.Queries)
	slices.SortStableFunc(queries, func(a, b Query) int { return strings.Compare(a.ID, b.ID) })
	h := sha256.New()
	for _, q := range queries {
		h.Write(encode(q))
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// encode returns q as one line with its newline. Keys have a fixed order and
// documents are sorted, so equal queries give equal bytes.
func encode(q Query) []byte {
	type evidence struct {
		Doc   text.DocID `json:"doc"`
		Start int        `json:"start"`
		End   int        `json:"end"`
		Quote string     `json:"quote,omitempty"`
	}
	line := struct {
		ID         string             `json:"id"`
		Query      string             `json:"query"`
		Evidence   []evidence         `json:"evidence,omitempty"`
		Docs       map[text.DocID]int `json:"docs,omitempty"`
		Answerable bool               `json:"answerable"`
		Answer     string             `json:"answer,omitempty"`
		Tags       []string           `json:"tags,omitempty"`
		Filter     string             `json:"filter,omitempty"` // in its canonical form
	}{ID: q.ID, Query: q.Text, Docs: q.Docs, Answerable: !q.Unanswerable, Answer: q.Answer, Tags: q.Tags, Filter: q.Filter.String()}
	for _, e := range q.Evidence {
		line.Evidence = append(line.Evidence, evidence{e.Doc, e.Span.Start, e.Span.End, e.Quote})
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(line); err != nil {
		panic(err) // unreachable: strings, ints and bools always encode
	}
	return b.Bytes()
}

// LineError is one fault in a file of labels.
type LineError struct {
	File    string // as given to the reader; empty for a set that was not read from a file
	Line    int    // from 1; 0 when the fault has no line
	Query   string // id, when known
	Field   string // for example "evidence[0].end"; empty when the whole line is meant
	Problem string // what is wrong and what is allowed
}

// Error returns "FILE:LINE: query "ID": FIELD: PROBLEM" without the parts that
// are unknown.
func (e *LineError) Error() string {
	var b strings.Builder
	if e.File != "" {
		b.WriteString(e.File)
		if e.Line > 0 {
			fmt.Fprintf(&b, ":%d", e.Line)
		}
		b.WriteString(": ")
	}
	if e.Query != "" {
		fmt.Fprintf(&b, "query %q: ", e.Query)
	}
	if e.Field != "" {
		b.WriteString(e.Field + ": ")
	}
	b.WriteString(e.Problem)
	return b.String()
}

// maxFaults is how many faults a reader collects before it gives up.
const maxFaults = 20

// faults collects errors up to maxFaults.
type faults struct {
	errs []error
	more int
}

func (f *faults) add(e *LineError) {
	if len(f.errs) == maxFaults {
		f.more++
		return
	}
	f.errs = append(f.errs, e)
}

// shift adds to the line numbers.
func (f *faults) shift(lines int) {
	for _, err := range f.errs {
		if e, ok := err.(*LineError); ok {
			e.Line += lines
		}
	}
}

// merge adds the faults of other behind those of f.
func (f *faults) merge(other faults) {
	keep := min(len(other.errs), maxFaults-len(f.errs))
	f.errs = append(f.errs, other.errs[:keep]...)
	f.more += other.more + len(other.errs) - keep
}

func (f *faults) err() error {
	if f.more > 0 {
		return errors.Join(append(f.errs, fmt.Errorf("and %d more", f.more))...)
	}
	return errors.Join(f.errs...)
}

// Validate checks what needs no document: ids present and unique, queries not
// empty, spans in order, grades in range, filters valid, and no labels on a query
// that is marked unanswerable. The error joins up to 20 [LineError]s.
func (s Set) Validate() error {
	var f faults
	first := make(map[string]int, len(s.Queries))
	for i, q := range s.Queries {
		fault := func(field, problem string, args ...any) {
			f.add(&LineError{File: s.Name, Line: q.Line, Query: q.ID, Field: field, Problem: fmt.Sprintf(problem, args...)})
		}
		if q.ID == "" {
			fault("id", "is empty (entry %d of the set)", i+1)
		} else if at, ok := first[q.ID]; ok {
			if line := s.Queries[at].Line; line > 0 {
				fault("id", "is already used on line %d; ids must be unique", line)
			} else {
				fault("id", "is already used by entry %d; ids must be unique", at+1)
			}
		} else {
			first[q.ID] = i
		}
		if text.Blank(q.Text) {
			fault("query", "is empty")
		}
		for k, e := range q.Evidence {
			field := fmt.Sprintf("evidence[%d]", k)
			if e.Doc == "" {
				fault(field+".doc", "is empty")
			}
			if e.Span.Start < 0 {
				fault(field+".start", "%d is negative; offsets are code points from 0", e.Span.Start)
			} else if e.Span.End <= e.Span.Start {
				fault(field+".end", "%d is not greater than start %d", e.Span.End, e.Span.Start)
			}
			if e.Quote != "" && text.Blank(e.Quote) {
				fault(field+".quote", "is blank; leave it out or quote the text at the span")
			}
		}
		for _, doc := range slices.Sorted(maps.Keys(q.Docs)) {
			if doc == "" {
				fault("docs", "has an empty document id")
			}
			if g := q.Docs[doc]; g < 0 || g > MaxGrade {
				fault("docs."+string(doc), "grade %d; allowed: 0 to %d", g, MaxGrade)
			}
		}
		if err := q.Filter.Check(); err != nil {
			fault("filter", "%s", strings.TrimPrefix(err.Error(), filter.ErrInvalid.Error()+": "))
		}
		if q.Unanswerable && len(q.Evidence) > 0 {
			fault("answerable", "is false, but the query has evidence")
		}
		if q.Unanswerable && len(q.Docs) > 0 {
			fault("answerable", "is false, but the query has docs")
		}
	}
	return f.err()
}
