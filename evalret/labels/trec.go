package labels

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/ragloop/ragloop/internal/text"
)

// Qrels holds TREC judgements: query id, document, grade. A negative grade
// means that the document was in the pool but not judged.
type Qrels map[string]map[text.DocID]int

// ReadQrels reads TREC judgements, "QUERY ITERATION DOCUMENT GRADE" separated
// by white space; blank lines and lines that start with # are skipped. A
// document judged twice for one query is an error, as in trec_eval.
func ReadQrels(r io.Reader, name string) (Qrels, error) {
	qrels := Qrels{}
	var f faults
	err := eachLine(r, name, func(n int, line []byte) {
		if line[0] == '#' {
			return
		}
		fields := strings.Fields(string(line))
		if len(fields) != 4 {
			f.add(&LineError{File: name, Line: n, Problem: fmt.Sprintf("has %d fields; want 4: query, iteration, document, grade", len(fields))})
			return
		}
		grade, err := strconv.Atoi(fields[3])
		if err != nil {
			f.add(&LineError{File: name, Line: n, Field: "grade", Problem: fmt.Sprintf("is %q; want a whole number", fields[3])})
			return
		}
		f.judge(qrels, name, n, fields[0], text.DocID(fields[2]), grade)
	})
	if err == nil {
		err = f.err()
	}
	if err != nil {
		return nil, fmt.Errorf("read qrels: %w", err)
	}
	return qrels, nil
}

// judge stores one judgement, refusing a second one for the same pair.
func (f *faults) judge(qrels Qrels, name string, line int, query string, doc text.DocID, grade int) {
	grades := qrels[query]
	if grades == nil {
		grades = map[text.DocID]int{}
		qrels[query] = grades
	}
	if _, ok := grades[doc]; ok {
		f.add(&LineError{File: name, Line: line, Query: query, Field: "document", Problem: fmt.Sprintf("%q is judged twice", doc)})
		return
	}
	grades[doc] = grade
}

// WriteQrels writes TREC judgements ordered by query and document. Ids with
// white space, which the format can't hold, are an error.
func WriteQrels(w io.Writer, qrels Qrels) error {
	b := bufio.NewWriter(w)
	for _, query := range slices.Sorted(maps.Keys(qrels)) {
		for _, doc := range slices.Sorted(maps.Keys(qrels[query])) {
			if err := column("query", query); err != nil {
				return fmt.Errorf("write qrels: %w", err)
			}
			if err := column("document", string(doc)); err != nil {
				return fmt.Errorf("write qrels: query %s: %w", query, err)
			}
			fmt.Fprintf(b, "%s 0 %s %d\n", query, doc, qrels[query][doc])
		}
	}
	if err := b.Flush(); err != nil {
		return fmt.Errorf("write qrels: %w", err)
	}
	return nil
}

func column(name, s string) error {
	if s == "" || len(strings.Fields(s)) != 1 || strings.TrimSpace(s) != s || s[0] == '#' {
		return fmt.Errorf("%s %q: TREC files need a value without white space that does not start with #", name, s)
	}
	return nil
}
