package meta

import (
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/evalret/ground"
	"github.com/ragloop/ragloop/evalret/metric"
)

var update = flag.Bool("update", false, "rewrite the golden file")

func own(t *testing.T) []Row {
	rows, err := ReadFile("testdata/own.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func lexical(t *testing.T) *ground.Lexical {
	l, err := ground.NewLexical()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestRead(t *testing.T) {
	in := `{"id":"a","dataset":"s","context":"c","response":"r","label":1,"domain":"news","other":[1]}

{"context":"c","response":"","ratings":[4,3,2]}
{"context":"c","response":"r","label":2.5,"ratings":{"faithfulness":[2,3],"x":"y"},"type":"t"}`
	want := []Row{
		{ID: "a", Set: "s", Context: "c", Response: "r", Label: 1, Graded: true, Type: "news"},
		{ID: "f:3", Set: "f", Context: "c", Label: 3, Graded: true, Ratings: []float64{4, 3, 2}},
		{ID: "f:4", Set: "f", Context: "c", Response: "r", Label: 2.5, Graded: true, Ratings: []float64{2, 3}, Type: "t"},
	}
	got, err := Read(strings.NewReader(in), "f.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	for _, bad := range []string{
		"", "x", `{"context":"c","label":1}`, `{"context":"c","response":"r"}`, `{"context":"c","response":"r","ratings":"high"}`,
		`{"context":"c","response":"r","label":1}` + "\n{",
	} {
		if _, err := Read(strings.NewReader(bad), "f.jsonl"); err == nil || !strings.Contains(err.Error(), "f.jsonl") {
			t.Errorf("Read(%q): error %v, want one that names the file", bad, err)
		}
	}
}

// each puts each row into a group of its own.
func each(rows []Scored) []grouped {
	out := make([]grouped, len(rows))
	for i, r := range rows {
		out[i] = grouped{r, i}
	}
	return out
}

// scored makes rows of one set, each of its own context.
func scored(label, score []float64) []Scored {
	var out []Scored
	for i := range label {
		out = append(out, Scored{Row{Set: "s", Context: fmt.Sprint(i), Label: label[i]}, ground.Scored, score[i]})
	}
	return out
}

func TestFigures(t *testing.T) {
	rows := each(scored([]float64{1, 1, 0, 0}, []float64{0.9, 0.4, 0.4, 0.1}))
	if got, ok := auroc(rows); !ok || got != 0.875 { // 3 of 4 pairs right, one tied
		t.Errorf("auroc = %v, want 0.875", got)
	}
	if got, ok := balancedAccuracy(rows, 0.4); !ok || got != 0.75 {
		t.Errorf("balanced accuracy = %v, want 0.75", got)
	}
	if got := threshold(rows); got != 0.4 {
		t.Errorf("threshold = %v, want 0.4, the least of those with 0.75", got)
	}
	// |1-0.9|/4 + |0.5-0.4|*2/4 + |0-0.1|/4
	if _, got, ok := calibration(rows); !ok || math.Abs(got-0.1) > 1e-12 {
		t.Errorf("calibration error = %v, want 0.1", got)
	}
	if got, ok := spearman(each(scored([]float64{1, 2, 3, 4}, []float64{0.1, 0.3, 0.2, 0.9}))); !ok || math.Abs(got-0.8) > 1e-12 {
		t.Errorf("spearman = %v, want 0.8", got)
	}
	if _, ok := auroc(rows[:2]); ok {
		t.Error("auroc without negatives is a number")
	}
	if _, ok := spearman(each(scored([]float64{1, 1}, []float64{0, 1}))); ok {
		t.Error("spearman of constant labels is a number")
	}
	rated := []Scored{{Row: Row{Ratings: []float64{1, 1}}}, {Row: Row{Ratings: []float64{2, 3}}}, {Row: Row{Ratings: []float64{3, 2}}}}
	if got, _ := ceiling(each(rated)).Value.Float(); math.Abs(got-0.5) > 1e-12 {
		t.Errorf("human ceiling = %v, want 0.5", got)
	}
}

func TestEvaluateCounts(t *testing.T) {
	rows := scored([]float64{1, 0, 1, 0, 1, 0}, []float64{0.8, 0.2, 0.9, 0.1, 0, 0})
	rows[4].Outcome, rows[5].Outcome = ground.Abstained, ground.Failed
	got := Evaluate(rows, Options{Resamples: 200})
	if len(got) != 1 {
		t.Fatalf("%d sets", len(got))
	}
	a := got[0]
	if a.Rows != 6 || a.Scored != 4 || a.Abstained != 1 || a.Failed != 1 || a.NoClaims != 0 {
		t.Errorf("counts of %+v", a)
	}
	if n, _ := a.AUROC.Value.Float(); n != 1 {
		t.Errorf("AUROC %v, want 1: what is not scored has no part", n)
	}
	if a.Spearman.Value.State() != metric.NotApplicable {
		t.Error("Spearman of labels is a number")
	}
	if d := cmp.Diff(got, Evaluate(rows, Options{Resamples: 200}), cmp.AllowUnexported(metric.Value{})); d != "" {
		t.Errorf("evaluated twice:\n%s", d)
	}
}

// Rows that share a sentence are drawn together and are in the same half.
func TestIntervalsDrawGroups(t *testing.T) {
	var rows []Scored
	for i := range 40 {
		shared := fmt.Sprintf("The station at Kelm Pass number %d was built in 1931 and has had a stove since then.", i/2)
		rows = append(rows, Scored{Row{Set: "s", Context: fmt.Sprintf("Bees hum %d times. %s", i, shared), Response: fmt.Sprint(i), Label: float64(i % 2)}, ground.Scored, float64(i%3) / 2})
	}
	a := Evaluate(rows, Options{Resamples: 100})[0]
	if a.Contexts != 40 || a.Groups != 20 || a.HeldOut%2 != 0 || a.HeldOut == 0 || a.HeldOut == 40 {
		t.Errorf("%d contexts, %d groups, %d rows held out; want 40, 20 and an even part", a.Contexts, a.Groups, a.HeldOut)
	}
}

// The sample of a limit must not be the first rows of the file.
func TestMutateSamplesAllSets(t *testing.T) {
	var rows []Row
	for i := range 60 {
		rows = append(rows, Row{Set: fmt.Sprint(i / 20), Context: fmt.Sprintf("Pump %d stopped at noon.", i), Response: fmt.Sprintf("Pump %d stopped.", i), Label: 1})
	}
	seen := map[string]bool{}
	for _, r := range supportedRows(rows)[:12] {
		seen[r.Set] = true
	}
	if len(seen) != 3 {
		t.Errorf("the first 12 of 60 rows are of sets %v, want all three", seen)
	}
}

// leastRates are what the lexical judge must reach on testdata/own.jsonl. A
// name from elsewhere in the context is a blind spot: a rate that rises is news.
var leastRates = map[string]float64{
	"number": 1, "number_elsewhere": 1, "name_elsewhere": 0, "negation": 1, "antonym": 1, "appended": 1, "deleted": 1, "shuffled": 1, "paraphrase": 0.3,
}

func TestMutationsAreNoticed(t *testing.T) {
	kills, err := Mutate(t.Context(), lexical(t), own(t), 0, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, k := range kills {
		rate, ok := k.Rate.Float()
		drop, _ := k.Drop.Float()
		fmt.Fprintf(&b, "%-17s tried %d right %d mean drop %.2f\n", k.Class, k.Tried, k.Right, drop)
		if least, known := leastRates[k.Class]; !known || !ok || rate < least {
			t.Errorf("%s: %d of %d right, want a rate of at least %v", k.Class, k.Right, k.Tried, least)
		}
	}
	golden := filepath.Join("testdata", "mutations.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), b.String()); d != "" {
		t.Errorf("-want +got (-update rewrites):\n%s", d)
	}
}

func TestJudgeAgreesOnOwnRows(t *testing.T) {
	rows, err := Judge(t.Context(), lexical(t), own(t))
	if err != nil {
		t.Fatal(err)
	}
	a := Evaluate(rows, Options{Resamples: 100})[0]
	if n, ok := a.AUROC.Value.Float(); !ok || n != 1 || a.Abstained != 1 || a.Scored != 9 || len(a.Types) != 3 {
		t.Errorf("AUROC %v, %+v; want 1, one abstention, 9 scored, 3 types", n, a)
	}
}

// The public sets are not ours to copy. Their figures are those of the README.
func TestReachesOnPublicSets(t *testing.T) {
	dir := os.Getenv("RAGLOOP_DATA")
	if dir == "" {
		t.Skip("RAGLOOP_DATA is not set")
	}
	files, err := filepath.Glob(filepath.Join(dir, "groundedness", "*.jsonl"))
	if err != nil || len(files) != 7 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	var rows []Row
	for _, f := range files {
		more, err := ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, more...)
	}
	m, err := ground.Fit(t.Context(), Examples(rows))
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.Write()
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("../model.json")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("the built-in model is not what \"ragloop ground fit\" makes:\n%s", d)
	}
	scored, err := CrossValidated(t.Context(), rows, 10)
	if err != nil {
		t.Fatal(err)
	}
	least := map[string]float64{"MTRAG": 0.66, "WiCE-dev": 0.80, "SummEdits": 0.64, "SciFact-train": 0.77, "BEGIN-cmu-dev": 0.97, "BEGIN-tc-dev": 0.87, "BEGIN-wow-dev": 0.93}
	for _, a := range Evaluate(scored, Options{Resamples: 10}) {
		n, ok := a.AUROC.Value.Float()
		if !ok {
			n, _ = a.Spearman.Value.Float()
		}
		if n < least[a.Set] {
			t.Errorf("%s: %.3f by cross-validation, want at least %v", a.Set, n, least[a.Set])
		}
		t.Logf("%-14s %.3f", a.Set, n)
	}
}
