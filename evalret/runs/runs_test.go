package runs

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/evalret/stats"
)

func metrics(t *testing.T, list string) []metric.Metric {
	t.Helper()
	ms, err := metric.ParseList(list)
	if err != nil {
		t.Fatal(err)
	}
	return ms
}

// sample is an evaluation of n queries with two runs; hybrid is better than
// lexical by lift, in nDCG and in redundancy alike.
func sample(t *testing.T, n int, lift float64, seed uint64) evalret.Evaluation {
	t.Helper()
	ms := metrics(t, "nDCG@10,evidence_recall@100t,redundancy@5,Judged@10")
	e := evalret.Evaluation{
		Metrics: ms, Primary: ms[0], Reference: "hybrid", Budgets: []int{100}, Warnings: []stats.Warning{},
		Comparisons: []evalret.Comparison{{Metric: ms[0], Reference: "hybrid", Other: "lexical"}},
	}
	rng := rand.New(rand.NewPCG(seed, 1))
	runs := []evalret.Run{{Name: "lexical"}, {Name: "hybrid"}}
	for i := range runs {
		runs[i].Fingerprints = evalret.Fingerprints{Corpus: "c0", QuerySet: "q0", Recipe: "r0", Code: "v1"}
		runs[i].Parameters = evalret.Parameters{Fusion: runs[i].Name, TopK: 10, IDFPower: 1, Tokenizer: "words"}
		runs[i].Metrics = map[string]evalret.Summary{}
	}
	for i := range n {
		q := evalret.Query{ID: fmt.Sprintf("q%d", i), Text: fmt.Sprintf("what is %d", i), Source: i, Unanswerable: i == 3}
		e.Queries = append(e.Queries, q)
		base := 0.3 + 0.4*rng.Float64()
		for k := range runs {
			row := evalret.QueryResult{ID: q.ID, Query: q.Text}
			if !q.Unanswerable {
				x := base + 0.05*rng.NormFloat64()*float64(k) + lift*float64(k)
				row.Values = map[string]metric.Value{
					"nDCG@10": metric.Of(min(1, x)), "evidence_recall@100t": metric.Of(float64(i % 2)),
					"redundancy@5": metric.Of(0.5 - lift*float64(k)), "Judged@10": metric.Of(0.5 + lift*float64(k)),
				}
				if i%5 == 0 {
					row.Values["evidence_recall@100t"] = metric.NoValue("no evidence")
					row.NotApplicable = []string{"evidence_recall@100t"}
				}
			}
			if i == 4 && k == 0 {
				row.Missing = "timed out"
				row.Values["nDCG@10"] = metric.Fail("timed out")
			}
			if k == 1 {
				row.Contexts = []evalret.Context{{Budget: 100, Tokens: 5, Segments: []evalret.Segment{{Doc: "d", Start: 1, End: 5, Title: "T", Text: "text"}}}}
			}
			runs[k].PerQuery = append(runs[k].PerQuery, row)
		}
	}
	for k := range runs {
		sum := 0.0
		for _, r := range runs[k].PerQuery {
			if v, ok := r.Values["nDCG@10"]; ok {
				x, _ := v.Float()
				sum += x
			}
		}
		runs[k].Metrics["nDCG@10"] = evalret.Summary{Value: metric.Of(sum / float64(n-1)), N: n - 1, CI95: &[2]float64{0, 1}}
		runs[k].Metrics["redundancy@5"] = evalret.Summary{Value: metric.Of(0.5 - lift*float64(k)), N: n - 1, CI95: &[2]float64{0, 1}}
	}
	e.Runs = runs
	return e
}

func saved(t *testing.T, e evalret.Evaluation) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "run")
	if err := Save(dir, e); err != nil {
		t.Fatal(err)
	}
	return dir
}

func opened(t *testing.T, name string) Side {
	t.Helper()
	s, err := Open(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSavedRunComesBack(t *testing.T) {
	e := sample(t, 40, 0.05, 1)
	dir := saved(t, e)
	s := opened(t, dir)
	want := e.Runs[1]
	equal := cmp.Comparer(func(a, b metric.Value) bool {
		x, _ := a.Float()
		y, _ := b.Float()
		return a.State() == b.State() && metric.Round(x) == metric.Round(y)
	})
	ignore := cmpopts.IgnoreFields(evalret.Segment{}, "Title", "Text")
	unexported := cmpopts.IgnoreUnexported(evalret.Context{})
	if diff := cmp.Diff(want, s.Run, equal, ignore, unexported); diff != "" {
		t.Errorf("run (-saved +loaded):\n%s", diff)
	}
	lexical := opened(t, dir+"#lexical")
	if v := lexical.Run.PerQuery[4].Values["nDCG@10"]; v.State() != metric.Failed || v.Reason() != "timed out" {
		t.Errorf("a failed value came back as %+v", v)
	}
	if v := s.Run.PerQuery[5].Values["evidence_recall@100t"]; v.State() != metric.NotApplicable {
		t.Errorf("a value that is not applicable came back as %+v", v)
	}
	if got := s.Context("q7"); len(got) != 1 || got[0] != (Segment{"d", 1, 5, "T", "text"}) {
		t.Errorf("context = %+v", got)
	}
	if got := lexical.Context("q7"); got != nil {
		t.Errorf("context of a run that kept none = %+v", got)
	}
	// The file alone is an evaluation without contexts.
	if s := opened(t, filepath.Join(dir, evaluationFile)); s.Context("q7") != nil {
		t.Error("a single file has contexts")
	}
	if err := Save(dir, e); err == nil || !strings.Contains(err.Error(), "not replaced") {
		t.Errorf("saving twice: %v, want an error", err)
	}
	left, err := os.ReadDir(filepath.Dir(dir))
	if err != nil || len(left) != 1 {
		t.Errorf("beside the run there is %v, %v", left, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := saved(t, sample(t, 5, 0, 1))
	file := func(text string) string {
		name := filepath.Join(t.TempDir(), "x.json")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	for name, want := range map[string]string{
		dir + "#dense": "there are lexical, hybrid",
		dir + "x":      "no such file",
		file("{}"):     "no runs or no queries",
		file("[1]"):    "is no evaluation",
		file(`{"runs":[{"name":"a"}],"queries":[{"id":"q"}]}`):                                              "0 per-query results for 1 queries",
		file(`{"runs":[{"name":"a","per_query":[{"id":"p"}]}],"queries":[{"id":"q"}]}`):                     `is of query "p", want "q"`,
		file(`{"reference_run":"b","runs":[{"name":"a","per_query":[{"id":"q"}]}],"queries":[{"id":"q"}]}`): `no run "b"`,
	} {
		if _, err := Open(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Open(%s) = %v, want %q", name, err, want)
		}
	}
}

func TestCompare(t *testing.T) {
	dir := saved(t, sample(t, 60, 0.05, 1))
	base, other := opened(t, dir+"#lexical"), opened(t, dir)
	c, err := Compare(base, []Side{other}, Options{Seed: 1, Resamples: 2000})
	if err != nil {
		t.Fatal(err)
	}
	if c.Queries != 59 || len(c.Rows) != 4 || c.Rows[0].Metric != c.Primary {
		t.Fatalf("comparison of %d queries, %d rows, first %s", c.Queries, len(c.Rows), c.Rows[0].Metric)
	}
	want := map[string]struct {
		n       int
		verdict stats.Verdict
	}{
		"nDCG@10": {59, stats.Better}, "redundancy@5": {59, stats.Better}, "Judged@10": {59, Higher}, "evidence_recall@100t": {47, stats.Unclear},
	}
	for _, row := range c.Rows {
		w := want[row.Metric.String()]
		if row.N != w.n || row.Cells[0].Verdict() != w.verdict {
			t.Errorf("%s: n %d, %s, want %d, %s", row.Metric, row.N, row.Cells[0].Verdict(), w.n, w.verdict)
		}
	}
	if r := c.Rows[0].Cells[0]; r.Wins < r.Losses || r.Wins+r.Ties+r.Losses != 59 {
		t.Errorf("wins %d, ties %d, losses %d", r.Wins, r.Ties, r.Losses)
	}
	if len(c.Changed) != defaultChanged || c.Changed[0].Query.ID != "q4" {
		t.Errorf("%d queries changed, first %s, want %d, q4, which lexical missed", len(c.Changed), c.Changed[0].Query.ID, defaultChanged)
	}
	if diff := cmp.Diff([]Difference{{"fusion", []string{"lexical", "hybrid"}}}, c.Differs); diff != "" {
		t.Errorf("what differs (-want +got):\n%s", diff)
	}
	again, err := Compare(base, []Side{other}, Options{Seed: 1, Resamples: 2000, Metrics: []metric.Metric{}, Changed: -1})
	if err != nil || len(again.Rows) != 1 || len(again.Changed) != 0 {
		t.Errorf("only the primary metric: %d rows, %d changed, %v", len(again.Rows), len(again.Changed), err)
	}
	if again.Rows[0].Cells[0].Comparison.Diff != c.Rows[0].Cells[0].Comparison.Diff {
		t.Error("the same comparison gives another difference")
	}
}

func TestIncomparableRunsAreRefusedByName(t *testing.T) {
	base := opened(t, saved(t, sample(t, 40, 0, 1)))
	for want, change := range map[string]func(*evalret.Evaluation){
		"corpus (c0, c1)":                func(e *evalret.Evaluation) { e.Runs[1].Fingerprints.Corpus = "c1" },
		"corpus (c0, unknown)":           func(e *evalret.Evaluation) { e.Runs[1].Fingerprints.Corpus = "" },
		"query set (q0, q1)":             func(e *evalret.Evaluation) { e.Runs[1].Fingerprints.QuerySet = "q1" },
		"tokenizer (words, cl100k_base)": func(e *evalret.Evaluation) { e.Runs[1].Parameters.Tokenizer = "cl100k_base" },
	} {
		e := sample(t, 40, 0, 2)
		change(&e)
		other := opened(t, saved(t, e))
		_, err := Compare(base, []Side{other}, Options{Seed: 1, Resamples: 200})
		if !errors.Is(err, ErrIncomparable) || !strings.Contains(err.Error(), want) {
			t.Errorf("Compare = %v, want %q", err, want)
		}
		c, err := Compare(base, []Side{other}, Options{Seed: 1, Resamples: 200, Force: true})
		if err != nil || len(c.Warnings) == 0 || !strings.Contains(c.Warnings[0].Message, want) {
			t.Errorf("forced: %v, warnings %v, want %q", err, c.Warnings, want)
		}
	}
	// Without a token budget, the tokenizer decides nothing.
	e := sample(t, 40, 0, 2)
	e.Runs[1].Parameters.Tokenizer = "cl100k_base"
	if _, err := Compare(base, []Side{opened(t, saved(t, e))}, Options{Seed: 1, Resamples: 200, Metrics: metrics(t, "nDCG@10")}); err != nil {
		t.Errorf("another tokenizer, documents only: %v", err)
	}
	if _, err := Compare(base, []Side{base}, Options{Metrics: metrics(t, "R@5")}); err == nil || !strings.Contains(err.Error(), "R@5 was not computed") {
		t.Errorf("a metric that is not there: %v", err)
	}
}

// TestDiffers: whatever parameter two runs differ in is told.
func TestDiffers(t *testing.T) {
	now := sample(t, 10, 0.05, 1)
	for f := range reflect.TypeFor[evalret.Parameters]().Fields() {
		other := now
		other.Runs = slices.Clone(now.Runs)
		switch v := reflect.ValueOf(&other.Runs[1].Parameters).Elem().FieldByIndex(f.Index); v.Kind() {
		case reflect.String:
			v.SetString("x")
		case reflect.Int:
			v.SetInt(7)
		case reflect.Float64:
			v.SetFloat(0.25)
		case reflect.Bool:
			v.SetBool(true)
		case reflect.Pointer:
			v.Set(reflect.New(v.Type().Elem()))
		default:
			t.Fatalf("%s is a %s", f.Name, v.Kind())
		}
		c, err := Compare(opened(t, saved(t, now)), []Side{opened(t, saved(t, other))}, Options{Resamples: 200, Metrics: metrics(t, "nDCG@10")})
		if err != nil || len(c.Differs) != 1 {
			t.Errorf("runs of another %s differ in %v, %v", f.Name, c.Differs, err)
		}
	}
}

// A run of an older program, which knew BM25 alone, differs in nothing from one of
// BM25.
func TestRunBeforeIDFPower(t *testing.T) {
	now := sample(t, 40, 0.05, 1)
	before := now
	before.Runs = slices.Clone(now.Runs)
	for i := range before.Runs {
		before.Runs[i].Parameters.IDFPower = 0 // is not written
	}
	c, err := Compare(opened(t, saved(t, now)), []Side{opened(t, saved(t, before))}, Options{Resamples: 200})
	if err != nil || len(c.Differs) > 0 {
		t.Errorf("what differs: %v, %v", c.Differs, err)
	}
}

// A run is no better or worse than itself read back, and no gate tells the two
// apart: files round.
func TestGatesOfASavedRun(t *testing.T) {
	e := sample(t, 60, 0.05, 1)
	hybrid := e.Runs[1]
	hybrid.Metrics["nDCG@10"] = evalret.Summary{Value: metric.Of(2. / 3), N: 59} // files have 0.666667
	live, err := Of(e, "this run", "")
	if err != nil {
		t.Fatal(err)
	}
	stored := opened(t, saved(t, e))
	for gate, want := range map[string]bool{"nDCG@10>=+0": true, "nDCG@10>=0.666667": true, "nDCG@10<=0.666666": false} {
		g, err := ParseGate(gate)
		if err != nil {
			t.Fatal(err)
		}
		for _, run := range []Side{live, stored} {
			rs, err := Check([]Gate{g}, run, &stored, Options{Resamples: 200})
			if err != nil || rs[0].Passed != want {
				t.Errorf("%s of %s against itself: %+v, %v, want %v", gate, run.Name, rs, err, want)
			}
		}
	}
	if x, _ := hybrid.Metrics["nDCG@10"].Value.Float(); x != 2./3 {
		t.Errorf("the evaluation itself was rounded to %v", x)
	}
}

func TestGates(t *testing.T) {
	e := sample(t, 60, 0.05, 1)
	run, err := Of(e, "this run", "")
	if err != nil {
		t.Fatal(err)
	}
	base := opened(t, saved(t, e)+"#lexical")
	few := sample(t, 20, 0.05, 1)
	fewRun, _ := Of(few, "few", "")
	fewBase, _ := Of(few, "few", "lexical")
	for _, tt := range []struct {
		gate      string
		run, base Side
		passed    bool
	}{
		{"nDCG@10>=0.3", run, base, true},
		{"nDCG@10>=0.99", run, base, false},
		{"nDCG@10 > -0.02", run, base, true},
		{"nDCG@10>+0", run, base, true},
		{"nDCG@10>+0.2", run, base, false},
		{"nDCG@10>-0.02", base, run, false},
		{"redundancy@5<=0.45", run, base, true},
		{"redundancy@5<=0.45", base, run, false},
		{"redundancy@5<+0.01", run, base, true},
		{"redundancy@5<+0.01", base, run, false},
		{"nDCG@10>-1", fewRun, fewBase, false}, // nothing is known
		{"nDCG@10>=0.1", fewRun, fewBase, true},
	} {
		g, err := ParseGate(tt.gate)
		if err != nil {
			t.Fatal(err)
		}
		results, err := Check([]Gate{g}, tt.run, &tt.base, Options{Seed: 1, Resamples: 2000})
		if err != nil || results[0].Passed != tt.passed || results[0].Reason == "" {
			t.Errorf("gate %s on %s = %+v, %v, want passed %v", tt.gate, tt.run.Name, results, err, tt.passed)
		}
	}
	g, _ := ParseGate("nDCG@10>-0.02")
	if _, err := Check([]Gate{g}, run, nil, Options{}); err == nil || !strings.Contains(err.Error(), "baseline") {
		t.Errorf("a gate without its baseline: %v", err)
	}
	g, _ = ParseGate("R@5>=0.5")
	if _, err := Check([]Gate{g}, run, nil, Options{}); err == nil || !strings.Contains(err.Error(), "not computed") {
		t.Errorf("a gate on another metric: %v", err)
	}
	// What cannot be decided keeps nothing from being decided.
	decided, _ := ParseGate("nDCG@10>=0.3")
	results, err := Check([]Gate{g, decided}, run, nil, Options{})
	if err == nil || len(results) != 2 || results[0].Err == nil || results[0].Passed || results[0].Gate != g || results[1].Err != nil || !results[1].Passed {
		t.Errorf("Check of a gate that cannot be decided and another = %+v, %v", results, err)
	}
}

func TestParseGate(t *testing.T) {
	for in, want := range map[string]string{
		"nDCG@10>=0.70":                   "nDCG@10>=0.7",
		" evidence_recall@1024t > -0.02 ": "evidence_recall@1024t>-0.02",
		"evidence_recall@5(theta=1) > +0": "evidence_recall@5(theta=1)>+0",
		"redundancy@5<=0.1":               "redundancy@5<=0.1",
		"redundancy@5<+0.02":              "redundancy@5<+0.02",
		"nDCG@10>-0":                      "nDCG@10>+0",
	} {
		g, err := ParseGate(in)
		if err != nil || g.String() != want {
			t.Errorf("ParseGate(%q) = %s, %v, want %s", in, g, err, want)
		}
		if again, err := ParseGate(g.String()); err != nil || again != g {
			t.Errorf("ParseGate(%s) = %+v, %v, want %+v", g, again, err, g)
		}
	}
	for in, want := range map[string]string{
		"nDCG@10":          "no > or <",
		"nDCG@10=0.5":      "no > or <",
		"nDCG@10>":         "want a number",
		"nDCG@10>NaN":      "want a number",
		"nDCG@10>=70":      "from -1 to 1",
		"MAP>0.1":          "unknown metric",
		"nDCG@10<+0.02":    "to get worse",
		"redundancy@5>-.1": "to get worse",
	} {
		if g, err := ParseGate(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseGate(%q) = %s, %v, want %q", in, g, err, want)
		}
	}
}

// TestEvaluationSurvivesItsOwnJSON guards what Load depends on: an evaluation
// that a program writes is one that it reads.
func TestEvaluationSurvivesItsOwnJSON(t *testing.T) {
	e := sample(t, 30, 0.05, 1)
	body, err := json.MarshalIndent(e, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "e.json")
	if err := os.WriteFile(name, body, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Load(name)
	if err != nil {
		t.Fatal(err)
	}
	s.Evaluation.Comparisons = e.Comparisons
	again, err := json.MarshalIndent(s.Evaluation, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(body), string(again)); diff != "" {
		t.Errorf("evaluation (-written +read and written):\n%s", diff)
	}
}
