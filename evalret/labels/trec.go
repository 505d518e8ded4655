package labels

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/ragloop/ragloop/internal/text"
)

// Qrels holds TREC judgements: query id, document, grade. A negative grade
// means that the document was in the pool but not judged.
type Qrels map[string]map[text.DocID]int

// Scored is one line of a TREC run: a document and its score for a query.
type Scored struct {
	Doc   text.DocID
	Score float64
}

// Run holds the results of one system in TREC form.
type Run struct {
	Tag     string              // the last column of the first line
	Results map[string][]Scored // per query, in file order
}

// Ranking returns the documents of a query in the order in which trec_eval
// scores them: score descending, ties by document id descending byte by byte
// (form_res_rels.c, comp_sim_docno). The rank column of a run file plays no
// part. Scores are compared as float64, as trec_eval 10 does; version 9
// compared them as float32. Nil for a query without results.
func (r Run) Ranking(query string) []text.DocID {
	sorted := slices.Clone(r.Results[query])
	slices.SortFunc(sorted, func(a, b Scored) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(b.Doc, a.Doc))
	})
	var docs []text.DocID
	for _, s := range sorted {
		docs = append(docs, s.Doc)
	}
	return docs
}

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

// ReadRun reads a TREC run, "QUERY Q0 DOCUMENT RANK SCORE TAG" separated by
// white space; further columns are ignored, blank lines and lines that start
// with # are skipped. The rank is not used: [Run.Ranking] orders by score. A
// document that occurs twice for one query and a score that is not finite are
// errors.
func ReadRun(r io.Reader, name string) (Run, error) {
	run := Run{Results: map[string][]Scored{}}
	type pair struct {
		query string
		doc   text.DocID
	}
	seen := map[pair]bool{}
	var f faults
	err := eachLine(r, name, func(n int, line []byte) {
		if line[0] == '#' {
			return
		}
		fields := strings.Fields(string(line))
		if len(fields) < 6 {
			f.add(&LineError{File: name, Line: n, Problem: fmt.Sprintf("has %d fields; want 6: query, Q0, document, rank, score, tag", len(fields))})
			return
		}
		score, err := strconv.ParseFloat(fields[4], 64)
		if err != nil || math.IsNaN(score) || math.IsInf(score, 0) {
			f.add(&LineError{File: name, Line: n, Query: fields[0], Field: "score", Problem: fmt.Sprintf("is %q; want a finite number", fields[4])})
			return
		}
		key := pair{fields[0], text.DocID(fields[2])}
		if seen[key] {
			f.add(&LineError{File: name, Line: n, Query: fields[0], Field: "document", Problem: fmt.Sprintf("%q occurs twice", key.doc)})
			return
		}
		seen[key] = true
		if run.Tag == "" {
			run.Tag = fields[5]
		}
		run.Results[key.query] = append(run.Results[key.query], Scored{Doc: key.doc, Score: score})
	})
	if err == nil {
		err = f.err()
	}
	if err != nil {
		return Run{}, fmt.Errorf("read run: %w", err)
	}
	return run, nil
}

// WriteRun writes a TREC run ordered by query and, within a query, as
// trec_eval will order it, with ranks from 1. Scores are written exactly.
func WriteRun(w io.Writer, run Run) error {
	if err := column("tag", run.Tag); err != nil {
		return fmt.Errorf("write run: %w", err)
	}
	b := bufio.NewWriter(w)
	for _, query := range slices.Sorted(maps.Keys(run.Results)) {
		if err := column("query", query); err != nil {
			return fmt.Errorf("write run: %w", err)
		}
		scores := map[text.DocID]float64{}
		for _, s := range run.Results[query] {
			if err := column("document", string(s.Doc)); err != nil {
				return fmt.Errorf("write run: query %s: %w", query, err)
			}
			if _, ok := scores[s.Doc]; ok {
				return fmt.Errorf("write run: query %s: document %q occurs twice", query, s.Doc)
			}
			if math.IsNaN(s.Score) || math.IsInf(s.Score, 0) {
				return fmt.Errorf("write run: query %s: document %q: score %v is not finite", query, s.Doc, s.Score)
			}
			scores[s.Doc] = s.Score
		}
		for i, doc := range run.Ranking(query) {
			fmt.Fprintf(b, "%s Q0 %s %d %s %s\n", query, doc, i+1, strconv.FormatFloat(scores[doc], 'g', -1, 64), run.Tag)
		}
	}
	if err := b.Flush(); err != nil {
		return fmt.Errorf("write run: %w", err)
	}
	return nil
}

func column(name, s string) error {
	if s == "" || len(strings.Fields(s)) != 1 || strings.TrimSpace(s) != s || s[0] == '#' {
		return fmt.Errorf("%s %q: TREC files need a value without white space that does not start with #", name, s)
	}
	return nil
}
