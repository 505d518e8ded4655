package quality

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/evalret/labels"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
	"github.com/ragloop/ragloop/retrieve"
)

// measured returns a set of 30 queries on which every query has the values given,
// by system and metric.
func measured(metrics []string, systems []string, values ...[]float64) measuredSet {
	m := measuredSet{result: SetResult{Set: "s", Choice: "all", Evidence: true, Metrics: metrics, Queries: 30}}
	for i, name := range systems {
		c := column{name: name, framework: strings.HasPrefix(name, "framework"), values: map[string][]float64{}}
		row := Row{System: name, Chunks: 10, Values: map[string]float64{}}
		for j, metric := range metrics {
			c.values[metric] = slices.Repeat([]float64{values[i][j]}, 30)
			row.Values[metric] = values[i][j]
		}
		m.columns, m.result.Rows = append(m.columns, c), append(m.result.Rows, row)
	}
	m.result.Differences = m.differences(Options{Resamples: 100})
	return m
}

// Each difference is from the system that is best by that metric, the first of
// equals.
func TestDifferences(t *testing.T) {
	m := measured([]string{"a", "b"}, []string{"lexical", "dense", "hybrid", "reranked", "framework 1", "framework 2"},
		[]float64{0.75, 0.25}, []float64{0.5, 0.25}, []float64{0.5, 0.75}, []float64{1, 0.5}, []float64{0.25, 0.5}, []float64{0.25, 0.75})
	d := func(contrast, metric, against string, diff float64) Difference {
		return Difference{contrast, metric, against, diff, [2]float64{diff, diff}, 30}
	}
	want := []Difference{
		d(OverFrameworks, "a", "framework 1", 0.25), d(OverFrameworks, "b", "framework 2", 0),
		d(OverLegs, "a", "lexical", -0.25), d(OverLegs, "b", "lexical", 0.5),
		d(OverHybrid, "a", "hybrid", 0.5), d(OverHybrid, "b", "hybrid", -0.25),
	}
	if diff := cmp.Diff(want, m.result.Differences); diff != "" {
		t.Errorf("differences (-want +got):\n%s", diff)
	}

	var b strings.Builder
	if err := Markdown(&b, Result{Sets: []SetResult{m.result}}); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"**s: all; 30 queries in the means**",
		"| hybrid less the best framework |  | +25.0 [25.0, 25.0] framework 1 | +0.0 [0.0, 0.0] framework 2 |",
		"| hybrid less the better leg: lexical |  | -25.0 [-25.0, -25.0] | +50.0 [50.0, 50.0] |",
		"| reranked less hybrid |  | +50.0 [50.0, 50.0] | -25.0 [-25.0, -25.0] |",
	} {
		if !strings.Contains(b.String(), line+"\n") {
			t.Errorf("the table lacks %q:\n%s", line, b.String())
		}
	}
}

// Where a system has no legs or nothing to be compared with, no line says so.
func TestNothingToCompare(t *testing.T) {
	if ds := measured([]string{"a"}, []string{"hybrid"}, []float64{1}).result.Differences; len(ds) > 0 {
		t.Errorf("hybrid alone differs by %+v", ds)
	}
	if ds := measured([]string{"a"}, []string{"lexical", "framework"}, []float64{1}, []float64{1}).result.Differences; len(ds) > 0 {
		t.Errorf("without hybrid there are %+v", ds)
	}
}

// Whom the mean compares with is best in the mean, not on each set.
func TestMeans(t *testing.T) {
	systems := []string{"lexical", "dense", "hybrid", "framework"}
	one := measured([]string{"a"}, systems, []float64{1}, []float64{0.5}, []float64{1}, []float64{0.5})
	two := measured([]string{"a"}, systems, []float64{0}, []float64{0.75}, []float64{0.5}, []float64{0.5})
	rows, ds := means([]measuredSet{one, two}, Options{Resamples: 100})
	if rows[2].Values["a"] != 0.75 || rows[2].Chunks != 20 || rows[3].Values["a"] != 0.5 {
		t.Errorf("means are %+v", rows)
	}
	want := []Difference{
		{OverFrameworks, "a", "framework", 0.25, [2]float64{0.25, 0.25}, 60},
		{OverLegs, "a", "dense", 0.125, [2]float64{0.125, 0.125}, 60},
	}
	if diff := cmp.Diff(want, ds); diff != "" {
		t.Errorf("differences of the means (-want +got):\n%s", diff)
	}
	if rows, ds := means([]measuredSet{one}, Options{}); rows != nil || ds != nil {
		t.Errorf("the mean of one set is %+v, %+v", rows, ds)
	}
}

// shelf is a builder whose index finds nothing in documents with the given text.
type shelf map[string]string // by system

func (s shelf) Build(_ context.Context, _ Set, system System) (Built, error) {
	texts := func(context.Context, text.DocID) (string, error) { return s[system.Name], nil }
	return Built{Finder: empty{}, Texts: texts}, nil
}

type empty struct{}

func (empty) Find(context.Context, string, retrieve.Params) (retrieve.Found, error) {
	return retrieve.Found{}, nil
}

func (empty) Rerank(_ context.Context, _ string, found retrieve.Found, _ ...retrieve.Params) (retrieve.Found, error) {
	return found, nil
}

type letters struct{}

func (letters) Count(s string) int { return len(s) }

// A mean over no query is no figure, and over other queries no comparison.
func TestUnlikeQueries(t *testing.T) {
	query := func(id, quote string, at int) labels.Query {
		return labels.Query{ID: id, Text: id, Evidence: []labels.Evidence{{Doc: "d", Quote: quote, Span: text.RuneSpan{Start: at, End: at + len(quote)}}}}
	}
	set := Set{Name: "s", Queries: labels.Set{Name: "s", Queries: []labels.Query{query("q1", "cats", 0), query("q2", "dogs", 5)}}}
	system := func(name string) System {
		return System{Name: name, Chunker: index.ChunkerRecipe{}, Settings: []evalret.Setting{{Name: name, Params: retrieve.Params{TopK: 1, Candidates: 1, Fusion: retrieve.Fusion{Method: retrieve.Dense}, IDFPower: 1}}}}
	}
	o := Options{Systems: []System{system("one"), system("two")}, Counter: letters{}, Tokenizer: "letters", Resamples: 100}
	for name, tt := range map[string]struct {
		texts shelf
		want  string
	}{
		"alike":  {shelf{"one": "cats dogs", "two": "cats dogs"}, ""},
		"none":   {shelf{"one": "fish", "two": "fish"}, "measure s: one: no query has a label that evidence_recall@512t can be computed for"},
		"others": {shelf{"one": "cats dogs", "two": "cats"}, "measure s: two: two: 1 query can be scored, not the same as the 2 before"},
	} {
		_, err := Run(t.Context(), []Set{set}, tt.texts, o)
		if got := errorText(err); tt.want == "" && err != nil || !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: error %q, want %q", name, got, tt.want)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
