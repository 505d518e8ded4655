// Package runs keeps evaluations on disk, compares them and holds them against
// gates.
//
// It computes no metric and asks no query: everything comes from the per-query
// values that an evaluation has. It renders nothing; package report does.
//
// Nouns. A saved evaluation has several runs, one per setting. A [Side] is one
// of them, named PATH#RUN, or PATH for the reference run. A [Comparison] is one
// side, the baseline, against others over the same queries. A [Gate] is a
// condition that a side must meet.
//
// Stored layout, a run directory:
//
//	evaluation.json  the evaluation with its per-query values, as "ragloop eval --json" prints it
//	contexts.jsonl   one line for each run and query: the packed context at the primary budget
//
// The first file alone is a saved evaluation, too; then contexts are missing
// beside the queries that changed.
package runs

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/evalret/metric"
)

const (
	evaluationFile = "evaluation.json"
	contextsFile   = "contexts.jsonl"
)

// Saved is an evaluation that was read from disk.
type Saved struct {
	Path       string
	Evaluation evalret.Evaluation // without Comparisons

	contexts map[contextKey][]Segment
}

type contextKey struct{ run, query string }

// Segment is a part of a context with its text.
type Segment struct {
	Doc   string `json:"doc"`
	Start int    `json:"start"` // code points
	End   int    `json:"end"`
	Title string `json:"title,omitempty"`
	Text  string `json:"text"`
}

// contextLine is a line of contexts.jsonl.
type contextLine struct {
	Run      string    `json:"run"`
	Query    string    `json:"query"`
	Budget   int       `json:"budget"`
	Segments []Segment `json:"segments"`
}

// Save writes e as a run directory, which must not exist: a run that others
// refer to is not replaced. Contexts are written where e kept them
// (evalret.Contexts).
func Save(dir string, e evalret.Evaluation) error {
	if err := save(dir, e); err != nil {
		return fmt.Errorf("save the run in %s: %w", dir, err)
	}
	return nil
}

// Free tells before an evaluation whether [Save] can write to dir, as far as that can
// be told: nothing is there, but the directory that it is to be in.
func Free(dir string) error {
	if err := free(dir); err != nil {
		return fmt.Errorf("save the run in %s: %w", dir, err)
	}
	return nil
}

func free(dir string) error {
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			err = errors.New("it exists; a saved run is not replaced")
		}
		return err
	}
	parent := filepath.Dir(filepath.Clean(dir))
	switch info, err := os.Stat(parent); {
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is no directory", parent)
	}
	return nil
}

func save(dir string, e evalret.Evaluation) (err error) {
	if err := free(dir); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(filepath.Clean(dir)), "."+filepath.Base(dir)+".*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }() // nothing is left after the rename
	body, err := json.MarshalIndent(e, "", " ")
	if err != nil {
		return err
	}
	var contexts bytes.Buffer
	enc := json.NewEncoder(&contexts)
	enc.SetEscapeHTML(false)
	for _, r := range e.Runs {
		for _, q := range r.PerQuery {
			if line := kept(r.Name, q); len(line.Segments) > 0 {
				if err := enc.Encode(line); err != nil {
					return err
				}
			}
		}
	}
	if err := errors.Join(
		os.WriteFile(filepath.Join(tmp, evaluationFile), append(body, '\n'), 0o644),
		os.WriteFile(filepath.Join(tmp, contextsFile), contexts.Bytes(), 0o644),
		os.Chmod(tmp, 0o755),
	); err != nil {
		return err
	}
	return os.Rename(tmp, dir)
}

// kept returns the context of q that was kept with its text.
func kept(run string, q evalret.QueryResult) contextLine {
	line := contextLine{Run: run, Query: q.ID}
	for _, c := range q.Contexts {
		for _, s := range c.Segments {
			if s.Text == "" {
				continue
			}
			line.Budget = c.Budget
			line.Segments = append(line.Segments, Segment{string(s.Doc), s.Start, s.End, s.Title, s.Text})
		}
	}
	return line
}

// Load reads a run directory, or the file of an evaluation.
func Load(path string) (Saved, error) {
	s, err := load(path)
	if err != nil {
		return Saved{}, fmt.Errorf("load the run %s: %w", path, err)
	}
	return s, nil
}

func load(path string) (Saved, error) {
	s := Saved{Path: path, contexts: map[contextKey][]Segment{}}
	file := path
	if info, err := os.Stat(path); err != nil {
		return s, err
	} else if info.IsDir() {
		file = filepath.Join(path, evaluationFile)
	}
	body, err := os.ReadFile(file)
	if err != nil {
		return s, err
	}
	var stored struct {
		evalret.Evaluation
		Comparisons json.RawMessage `json:"comparisons"` // made anew
	}
	if err := json.Unmarshal(body, &stored); err != nil {
		return s, fmt.Errorf("%s is no evaluation: %w", filepath.Base(file), err)
	}
	s.Evaluation = stored.Evaluation
	if err := check(s.Evaluation); err != nil {
		return s, fmt.Errorf("%s: %w", filepath.Base(file), err)
	}
	for i := range s.Evaluation.Runs {
		r := &s.Evaluation.Runs[i]
		restore(r.PerQuery)
		if r.Parameters.IDFPower == 0 {
			r.Parameters.IDFPower = 1 // of a program that knew BM25 alone
		}
	}
	if file == path {
		return s, nil
	}
	return s, s.readContexts(filepath.Join(path, contextsFile))
}

// check refuses what is JSON but no evaluation, and what an older program
// wrote in another form.
func check(e evalret.Evaluation) error {
	if len(e.Runs) == 0 || len(e.Queries) == 0 {
		return errors.New("it has no runs or no queries; want the output of \"ragloop eval --json\" or --save")
	}
	for _, r := range e.Runs {
		if len(r.PerQuery) != len(e.Queries) {
			return fmt.Errorf("run %s has %d per-query results for %d queries", r.Name, len(r.PerQuery), len(e.Queries))
		}
		for i, q := range r.PerQuery {
			if q.ID != e.Queries[i].ID {
				return fmt.Errorf("run %s: result %d is of query %q, want %q", r.Name, i+1, q.ID, e.Queries[i].ID)
			}
		}
	}
	return nil
}

// restore tells apart what JSON writes as null: metrics that failed, and those
// that do not apply.
func restore(rows []evalret.QueryResult) {
	for _, q := range rows {
		inapplicable := map[string]bool{}
		for _, name := range q.NotApplicable {
			inapplicable[name] = true
		}
		for name, v := range q.Values {
			if v.State() == metric.NotApplicable && !inapplicable[name] {
				reason := q.Missing
				if reason == "" {
					reason = "failed"
				}
				q.Values[name] = metric.Fail(reason)
			}
		}
	}
}

func (s *Saved) readContexts(file string) error {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	dec := json.NewDecoder(bufio.NewReader(f))
	for n := 1; ; n++ {
		var line contextLine
		if err := dec.Decode(&line); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("%s: line %d: %w", contextsFile, n, err)
		}
		s.contexts[contextKey{line.Run, line.Query}] = line.Segments
	}
}

// Side is one run of a saved evaluation.
type Side struct {
	Name string // as it was named
	Run  evalret.Run

	saved Saved
}

// Open loads the run that name says: PATH#RUN, or PATH for the reference run
// of the evaluation.
func Open(name string) (Side, error) {
	path, run := name, ""
	if _, err := os.Stat(name); err != nil {
		if i := strings.LastIndexByte(name, '#'); i >= 0 {
			path, run = name[:i], name[i+1:]
		}
	}
	s, err := Load(path)
	if err != nil {
		return Side{}, err
	}
	side, err := s.Side(run)
	side.Name = name
	return side, err
}

// Of returns a run of an evaluation that is not saved; name "" is its reference run.
// Its values are those that a saved run would have, so that gates and comparisons
// find the same in both.
func Of(e evalret.Evaluation, path, name string) (Side, error) {
	s := Saved{Path: path, Evaluation: asSaved(e), contexts: map[contextKey][]Segment{}}
	for _, r := range e.Runs {
		for _, q := range r.PerQuery {
			if line := kept(r.Name, q); len(line.Segments) > 0 {
				s.contexts[contextKey{r.Name, q.ID}] = line.Segments
			}
		}
	}
	return s.Side(name)
}

// asSaved returns a copy of e with the values of its runs rounded.
func asSaved(e evalret.Evaluation) evalret.Evaluation {
	e.Runs = slices.Clone(e.Runs)
	for i := range e.Runs {
		r := &e.Runs[i]
		r.Metrics = maps.Clone(r.Metrics)
		for name, s := range r.Metrics {
			s.Value = s.Value.Rounded()
			r.Metrics[name] = s
		}
		r.PerQuery = slices.Clone(r.PerQuery)
		for j := range r.PerQuery {
			q := &r.PerQuery[j]
			q.Values = maps.Clone(q.Values)
			for name, v := range q.Values {
				q.Values[name] = v.Rounded()
			}
		}
	}
	return e
}

// Side returns the run called name, the reference run for "".
func (s Saved) Side(name string) (Side, error) {
	if name == "" {
		name = s.Evaluation.Reference
	}
	r, ok := s.Evaluation.Run(name)
	if !ok {
		var names []string
		for _, r := range s.Evaluation.Runs {
			names = append(names, r.Name)
		}
		return Side{}, fmt.Errorf("%s has no run %q; there are %s", s.Path, name, strings.Join(names, ", "))
	}
	side := s.Path
	if name != s.Evaluation.Reference {
		side += "#" + name
	}
	return Side{Name: side, Run: r, saved: s}, nil
}

// Context returns the context of a query at the primary budget of the
// evaluation; nil where it was not kept.
func (s Side) Context(query string) []Segment {
	return s.saved.contexts[contextKey{s.Run.Name, query}]
}
