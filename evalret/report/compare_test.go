package report_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"strings"
	"testing"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/evalret/report"
	"github.com/ragloop/ragloop/evalret/runs"
)

// sides returns two runs of one evaluation: lexical as the baseline, hybrid.
func sides(t *testing.T, e evalret.Evaluation) (baseline, other runs.Side) {
	t.Helper()
	baseline, err := runs.Of(e, "run", evalret.Lexical)
	if err == nil {
		other, err = runs.Of(e, "run", evalret.Hybrid)
	}
	if err != nil {
		t.Fatal(err)
	}
	return baseline, other
}

func compared(t *testing.T, e evalret.Evaluation) runs.Comparison {
	t.Helper()
	baseline, other := sides(t, e)
	c, err := runs.Compare(baseline, []runs.Side{other}, runs.Options{Seed: 1, Resamples: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func gates(t *testing.T, e evalret.Evaluation) []runs.GateResult {
	t.Helper()
	baseline, other := sides(t, e)
	var parsed []runs.Gate
	for _, s := range []string{"evidence_recall@120t>=0.2", "nDCG@10>=0.999", "nDCG@10>-0.02"} {
		g, err := runs.ParseGate(s)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, g)
	}
	results, err := runs.Check(parsed, other, &baseline, runs.Options{Seed: 1, Resamples: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return results
}

func TestCompareOutputs(t *testing.T) {
	e := sampled(t)
	c := compared(t, e)
	for path, write := range map[string]func(io.Writer) error{
		"testdata/compare.txt": func(w io.Writer) error { return report.CompareText(w, c) },
		"testdata/compare.md":  func(w io.Writer) error { return report.CompareMarkdown(w, c) },
		"testdata/eval.md":     func(w io.Writer) error { return report.Markdown(w, e, gates(t, e)) },
		"testdata/gates.xml":   func(w io.Writer) error { return report.JUnit(w, "a & b", gates(t, e)) },
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		golden(t, path, b.Bytes())
	}
}

// With several other runs, p and what it is corrected to are told apart.
func TestCompareSeveral(t *testing.T) {
	e := sampled(t)
	baseline, other := sides(t, e)
	dense, err := runs.Of(e, "run", evalret.Dense)
	if err != nil {
		t.Fatal(err)
	}
	c, err := runs.Compare(baseline, []runs.Side{other, dense}, runs.Options{Seed: 1, Resamples: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for name, write := range map[string]func(io.Writer, runs.Comparison) error{"text": report.CompareText, "Markdown": report.CompareMarkdown, "HTML": report.CompareHTML} {
		var b bytes.Buffer
		if err := write(&b, c); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(b.String(), "adjusted"); n < 2 {
			t.Errorf("as %s the adjusted p-values of two runs are named %d times", name, n)
		}
	}
}

func TestCompareVerdictOfEqualRuns(t *testing.T) {
	baseline, _ := sides(t, sampled(t))
	c, err := runs.Compare(baseline, []runs.Side{baseline}, runs.Options{Seed: 1, Resamples: 100})
	if err != nil {
		t.Fatal(err)
	}
	if got := report.CompareVerdict(c); !strings.Contains(got, "score the same on each of 60 queries") {
		t.Errorf("verdict = %q", got)
	}
}

func TestCompareHTML(t *testing.T) {
	w := newWorld(40, 5)
	w.set.Queries[0].Text += " <script>alert(1)</script>"
	w.finds[w.set.Queries[0].Text] = w.finds[strings.TrimSuffix(w.set.Queries[0].Text, " <script>alert(1)</script>")]
	c := compared(t, evaluate(t, w))
	var b, again bytes.Buffer
	if err := report.CompareHTML(&b, c); err != nil {
		t.Fatal(err)
	}
	if err := report.CompareHTML(&again, c); err != nil || !bytes.Equal(b.Bytes(), again.Bytes()) {
		t.Errorf("the page differs the second time (%v)", err)
	}
	page := b.String()
	for _, want := range []string{"run is better than run#lexical", "<mark>", `class="sides"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page, "<script>alert") || strings.Contains(page, "http://") || strings.Contains(page, "https://") {
		t.Error("the page has markup of a query, or refers to the network")
	}
}

func TestCompareJSON(t *testing.T) {
	var b bytes.Buffer
	if err := report.CompareJSON(&b, compared(t, sampled(t))); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Others  []string
		Metrics []struct {
			Metric string
			Others []struct{ Verdict string }
		}
		Changed []struct{ Contexts [][]json.RawMessage }
	}
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Others) != 1 || len(got.Metrics) < 10 || got.Metrics[0].Metric != "evidence_recall@120t" || got.Metrics[0].Others[0].Verdict == "" ||
		len(got.Changed) == 0 || len(got.Changed[0].Contexts) != 2 || len(got.Changed[0].Contexts[0]) == 0 {
		t.Errorf("comparison = %+v", got)
	}
}

func TestCSV(t *testing.T) {
	e := sampled(t)
	var b bytes.Buffer
	if err := report.CSV(&b, e); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if want := 1 + len(e.Runs)*len(e.Queries); len(lines) != want {
		t.Errorf("%d lines, want %d", len(lines), want)
	}
	if want := "run,id,query,answerable,missing,top_score,evidence_recall@60t,"; !strings.HasPrefix(lines[0], want) {
		t.Errorf("head = %s, want %s…", lines[0], want)
	}
}

func TestJUnitIsXML(t *testing.T) {
	e := sampled(t)
	var b bytes.Buffer
	if err := report.JUnit(&b, "<suite>\x00", gates(t, e)); err != nil {
		t.Fatal(err)
	}
	var s struct {
		Tests    int        `xml:"tests,attr"`
		Failures int        `xml:"failures,attr"`
		Cases    []struct{} `xml:"testcase"`
	}
	if err := xml.Unmarshal(b.Bytes(), &s); err != nil || s.Tests != 3 || s.Failures != 1 || len(s.Cases) != 3 {
		t.Errorf("suite = %+v, %v", s, err)
	}
}
