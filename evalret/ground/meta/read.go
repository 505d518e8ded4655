// Package meta judges the judges: how well scores of groundedness agree with
// people ([Evaluate]), and whether they notice faults put into answers on
// purpose ([Mutate]). It does not score answers itself.
//
// Nouns. A [Row] is a response to a context, with what people said of it: a
// label, 0 or 1, or ratings on a scale. A [Scored] row has what a judge said, too.
// Rows that share text are not independent: intervals resample groups of them
// (ground.Groups).
package meta

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/ragloop/ragloop/evalret/ground"
)

// Row is one line of a file of judged responses.
type Row struct {
	ID       string
	Set      string // collection it is from; the name of the file where it doesn't say
	Context  string
	Response string
	Label    float64   // 0: not supported, 1: supported; the mean of the ratings where Graded
	Graded   bool      // Label is a degree
	Ratings  []float64 // of the raters, in their order; nil: unknown
	Type     string    // kind of error or domain; may be empty
}

// line is the stored form of a Row.
type line struct {
	ID       string          `json:"id"`
	Set      string          `json:"dataset"`
	Context  *string         `json:"context"`
	Response *string         `json:"response"`
	Label    *float64        `json:"label"`
	Ratings  json.RawMessage `json:"ratings"`
	Type     string          `json:"type"`
	Domain   string          `json:"domain"`
}

// maxLine bounds a line of a file of rows, in bytes.
const maxLine = 16 << 20

// Read reads JSON Lines:
//
//	{"id","dataset","context","response","label" | "ratings","type" | "domain"}
//
// label is 0 or 1, or the mean of ratings; ratings are numbers, or an object
// with the numbers under "faithfulness". Other fields are skipped. In a file in
// which some label is neither 0 nor 1, all are degrees. Errors name the line.
func Read(r io.Reader, name string) ([]Row, error) {
	var rows []Row
	graded := false
	scan := bufio.NewScanner(r)
	scan.Buffer(nil, maxLine)
	for n := 1; scan.Scan(); n++ {
		if strings.TrimSpace(scan.Text()) == "" {
			continue
		}
		row, err := parse(scan.Bytes())
		if err != nil {
			return nil, fmt.Errorf("read %s:%d: %w", name, n, err)
		}
		if row.Set == "" {
			row.Set = strings.TrimSuffix(filepath.Base(name), filepath.Ext(name))
		}
		if row.ID == "" {
			row.ID = fmt.Sprintf("%s:%d", row.Set, n)
		}
		graded = graded || row.Label != 0 && row.Label != 1
		rows = append(rows, row)
	}
	if err := scan.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("read %s: it has no rows", name)
	}
	for i := range rows {
		rows[i].Graded = graded
	}
	return rows, nil
}

// ReadFile is [Read] of a file.
func ReadFile(name string) (rows []Row, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return Read(f, name)
}

func parse(b []byte) (Row, error) {
	var l line
	if err := json.Unmarshal(b, &l); err != nil {
		return Row{}, err
	}
	if l.Context == nil || l.Response == nil {
		return Row{}, errors.New(`"context" and "response" are needed`)
	}
	row := Row{ID: l.ID, Set: l.Set, Context: *l.Context, Response: *l.Response, Type: l.Type}
	if row.Type == "" {
		row.Type = l.Domain
	}
	var err error
	if row.Ratings, err = ratings(l.Ratings); err != nil {
		return Row{}, err
	}
	switch {
	case l.Label != nil:
		row.Label = *l.Label
	case len(row.Ratings) > 0:
		row.Label = mean(row.Ratings)
	default:
		return Row{}, errors.New(`"label" or "ratings" is needed`)
	}
	return row, nil
}

func ratings(b json.RawMessage) ([]float64, error) {
	if len(b) == 0 || string(b) == "null" {
		return nil, nil
	}
	var list []float64
	if json.Unmarshal(b, &list) == nil {
		return list, nil
	}
	var named struct {
		Faithfulness []float64 `json:"faithfulness"`
	}
	if err := json.Unmarshal(b, &named); err != nil {
		return nil, fmt.Errorf(`"ratings" is neither a list of numbers nor an object with "faithfulness": %w`, err)
	}
	return named.Faithfulness, nil
}

// Examples returns rows as examples to fit a model on. Degrees are spread over
// 0..1 between the least and the greatest of their set.
func Examples(rows []Row) []ground.Example {
	type bounds struct{ lo, hi float64 }
	of := map[string]bounds{}
	for _, r := range rows {
		b, ok := of[r.Set]
		if !ok {
			b = bounds{math.Inf(1), math.Inf(-1)}
		}
		of[r.Set] = bounds{min(b.lo, r.Label), max(b.hi, r.Label)}
	}
	out := make([]ground.Example, len(rows))
	for i, r := range rows {
		e := ground.Example{Set: r.Set, Context: r.Context, Response: r.Response, Label: r.Label, Graded: r.Graded}
		if b := of[r.Set]; r.Graded && b.hi > b.lo {
			e.Label = (r.Label - b.lo) / (b.hi - b.lo)
		}
		out[i] = e
	}
	return out
}

// Scored is a row with what a judge said of it.
type Scored struct {
	Row
	Outcome ground.Outcome
	Score   float64 // 0..1; means nothing unless Outcome is ground.Scored
}

// Judge has judge score every row: by the worst claim where people labelled a
// response as supported or not, which takes one bad claim, and by the mean where
// they rated it as a whole.
func Judge(ctx context.Context, judge ground.Judge, rows []Row) ([]Scored, error) {
	out := make([]Scored, len(rows))
	for i, r := range rows {
		res, err := ground.Score(ctx, judge, r.Context, r.Response)
		if err != nil {
			return nil, fmt.Errorf("row %s: %w", r.ID, err)
		}
		v := res.WorstSupport()
		if r.Graded {
			v = res.Support()
		}
		out[i] = Scored{Row: r, Outcome: res.Outcome}
		out[i].Score, _ = v.Float()
	}
	return out, nil
}

// CrossValidated scores every row with a lexical model that was fitted without
// the rows of its group.
func CrossValidated(ctx context.Context, rows []Row, folds int) ([]Scored, error) {
	predicted, err := ground.CrossValidate(ctx, Examples(rows), folds)
	if err != nil {
		return nil, err
	}
	out := make([]Scored, len(rows))
	for i, p := range predicted {
		out[i] = Scored{Row: rows[i], Outcome: p.Outcome, Score: p.Worst}
		if rows[i].Graded {
			out[i].Score = p.Mean
		}
	}
	return out, nil
}

func mean(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}
