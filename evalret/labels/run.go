package labels

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"maps"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/ragloop/ragloop/internal/text"
)

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
	sorted := r.Results[query]
	if len(sorted) == 0 {
		return nil
	}
	order := func(a, b Scored) int {
		if c := cmp.Compare(b.Score, a.Score); c != 0 {
			return c
		}
		return cmp.Compare(b.Doc, a.Doc)
	}
	if !slices.IsSortedFunc(sorted, order) { // most files are
		sorted = slices.Clone(sorted)
		slices.SortFunc(sorted, order)
	}
	docs := make([]text.DocID, len(sorted))
	for i, s := range sorted {
		docs[i] = s.Doc
	}
	return docs
}

// ReadRun reads a TREC run, "QUERY Q0 DOCUMENT RANK SCORE TAG" separated by
// white space; further columns are ignored, blank lines and lines that start
// with # are skipped. The rank is not used: [Run.Ranking] orders by score. A
// document that occurs twice for one query and a score that is not finite are
// errors. The file is held in memory, and the ids are parts of it.
func ReadRun(r io.Reader, name string) (Run, error) {
	run, err := readRun(r, name)
	if err != nil {
		return Run{}, fmt.Errorf("read run: %w", err)
	}
	return run, nil
}

// runPartBytes is what one processor reads at a time.
const runPartBytes = 1 << 20

// runPart is a piece of a run file, whole lines.
type runPart struct {
	text   string
	tag    string // of the first row
	rows   []runRows
	lines  int
	faults faults // lines counted from the start of the part
}

// runRows is consecutive rows of one query.
type runRows struct {
	query   string
	results []Scored
}

func readRun(r io.Reader, name string) (Run, error) {
	parts, err := readParts(r, name)
	if err != nil {
		return Run{}, fmt.Errorf("%s: %w", name, err)
	}
	run := Run{Results: map[string][]Scored{}}
	var f faults
	lines := 0
	for _, p := range parts {
		if run.Tag == "" {
			run.Tag = p.tag
		}
		for _, rows := range p.rows {
			if before := run.Results[rows.query]; before != nil {
				rows.results = append(before, rows.results...)
			}
			run.Results[rows.query] = rows.results
		}
		p.faults.shift(lines)
		f.merge(p.faults)
		lines += p.lines
	}
	if err := f.err(); err != nil {
		return Run{}, err
	}
	queries := slices.Sorted(maps.Keys(run.Results))
	twice := make([]bool, len(queries))
	each(len(queries), func() func(int) {
		seen := map[text.DocID]struct{}{}
		return func(i int) {
			results := run.Results[queries[i]]
			clear(seen)
			for _, s := range results {
				seen[s.Doc] = struct{}{}
			}
			twice[i] = len(seen) < len(results)
		}
	})
	if slices.Contains(twice, true) {
		return Run{}, repeated(parts, name)
	}
	return run, nil
}

// repeated finds the lines of documents that occur twice for a query, in a file
// without other faults.
func repeated(parts []*runPart, name string) error {
	type pair struct{ query, doc string }
	seen := map[pair]bool{}
	var f faults
	n := 0
	for _, p := range parts {
		for line := range strings.Lines(p.text) {
			n++
			var c [6]string
			if line[0] == '#' || columns(line, &c) == 0 {
				continue
			}
			if at := (pair{c[0], c[2]}); seen[at] {
				f.add(&LineError{File: name, Line: n, Query: c[0], Field: "document", Problem: fmt.Sprintf("%q occurs twice", c[2])})
			} else {
				seen[at] = true
			}
		}
	}
	return f.err()
}

// readParts reads r and parses its parts while it reads on.
func readParts(r io.Reader, name string) ([]*runPart, error) {
	var parts []*runPart
	work := make(chan *runPart, 2*runtime.GOMAXPROCS(0))
	var group sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for p := range work {
				p.parse(name)
			}
		})
	}
	carry := ""
	var err error
	for err == nil {
		var b strings.Builder // whose bytes become the part's text without a copy
		b.Grow(len(carry) + runPartBytes)
		b.WriteString(carry)
		_, err = io.CopyN(&b, r, runPartBytes)
		block := b.String()
		carry = ""
		if err == nil { // there may be more: keep the last line's beginning
			end := strings.LastIndexByte(block, '\n') + 1
			block, carry = block[:end], block[end:]
			if len(carry) > MaxLineBytes {
				err = fmt.Errorf("a line is longer than %d bytes", MaxLineBytes)
			}
		}
		if len(block) == 0 {
			continue
		}
		if len(parts) == 0 {
			block = strings.TrimPrefix(block, "\ufeff")
		}
		p := &runPart{text: block}
		parts = append(parts, p)
		work <- p
	}
	close(work)
	group.Wait()
	if err == io.EOF {
		err = nil
	}
	return parts, err
}

// each calls functions that worker makes, one for each processor, for 0 … n-1.
func each(n int, worker func() func(i int)) {
	var group sync.WaitGroup
	next := make(chan int, n)
	for i := range n {
		next <- i
	}
	close(next)
	for range min(n, runtime.GOMAXPROCS(0)) {
		group.Go(func() {
			fn := worker()
			for i := range next {
				fn(i)
			}
		})
	}
	group.Wait()
}

func (p *runPart) parse(name string) {
	var rows *runRows
	for rest := p.text; len(rest) > 0; {
		line, after, _ := strings.Cut(rest, "\n")
		rest = after
		p.lines++
		if line != "" && line[0] == '#' {
			continue
		}
		var f [6]string
		n := columns(line, &f)
		if n == 0 {
			continue
		}
		if n < len(f) {
			p.faults.add(&LineError{File: name, Line: p.lines, Problem: fmt.Sprintf("has %d fields; want 6: query, Q0, document, rank, score, tag", n)})
			continue
		}
		score, err := strconv.ParseFloat(f[4], 64)
		if err != nil || math.IsNaN(score) || math.IsInf(score, 0) {
			p.faults.add(&LineError{File: name, Line: p.lines, Query: f[0], Field: "score", Problem: fmt.Sprintf("is %q; want a finite number", f[4])})
			continue
		}
		if p.tag == "" {
			p.tag = f[5]
		}
		if rows == nil || rows.query != f[0] {
			size := 0
			if rows != nil {
				size = len(rows.results) // queries tend to have equally many
			}
			p.rows = append(p.rows, runRows{f[0], make([]Scored, 0, size)})
			rows = &p.rows[len(p.rows)-1]
		}
		rows.results = append(rows.results, Scored{text.DocID(f[2]), score})
	}
}

// columns splits line at white space as C's isspace has it and returns how many
// columns it has, at most len(f).
func columns(line string, f *[6]string) int {
	n, i := 0, 0
	for n < len(f) {
		for i < len(line) && blank(line[i]) {
			i++
		}
		start := i
		for i < len(line) && !blank(line[i]) {
			i++
		}
		if i == start {
			break
		}
		f[n] = line[start:i]
		n++
	}
	return n
}

func blank(c byte) bool { return c == ' ' || c-'\t' <= '\r'-'\t' }

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
