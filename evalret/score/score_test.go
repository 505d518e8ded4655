package score_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/evalret/labels"
	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/evalret/score"
	"github.com/ragloop/ragloop/internal/text"
)

// unpack reads a compressed oracle file of package metric.
func unpack(t *testing.T, name string) string {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "metric", "testdata", "trec_eval", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestOutputIsThatOfTrecEval compares whole lines with what trec_eval -q -c
// printed for 1,000 random runs.
func TestOutputIsThatOfTrecEval(t *testing.T) {
	qrels, err := labels.ReadQrels(strings.NewReader(unpack(t, "random.qrels.gz")), "qrels")
	if err != nil {
		t.Fatal(err)
	}
	run, err := labels.ReadRun(strings.NewReader(unpack(t, "random.run.gz")), "run")
	if err != nil {
		t.Fatal(err)
	}
	for rel, file := range map[int]string{1: "random.l1.out.gz", 2: "random.l2.out.gz"} {
		theirs := strings.SplitAfter(unpack(t, file), "\n")
		o := score.Options{Rel: rel}
		for _, line := range theirs {
			name, _, _ := strings.Cut(line, " ")
			if m, err := score.Parse(strings.TrimSpace(name)); err == nil && !slices.Contains(o.Metrics, m) {
				o.Metrics = append(o.Metrics, m)
			}
		}
		if len(o.Metrics) < 20 {
			t.Fatalf("%s has %d metrics, want at least 20", file, len(o.Metrics))
		}
		table, err := score.Runs(qrels, run, o)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := score.TREC(&b, table, true); err != nil {
			t.Fatal(err)
		}
		counts := func(line string) bool { return strings.HasPrefix(line, "num_") || strings.HasPrefix(line, "runid") }
		ours := slices.DeleteFunc(strings.SplitAfter(b.String(), "\n"), counts)
		theirs = slices.DeleteFunc(theirs, counts)
		slices.Sort(ours)
		slices.Sort(theirs)
		if diff := cmp.Diff(theirs, ours); diff != "" {
			t.Errorf("relevance level %d (-trec_eval +ours):\n%s", rel, diff)
		}
	}
}

// TestOfficialOutputIsThatOfTrecEval compares every byte of what trec_eval -c
// prints unless told otherwise.
func TestOfficialOutputIsThatOfTrecEval(t *testing.T) {
	qrels, err := labels.ReadQrels(strings.NewReader(unpack(t, "random.qrels.gz")), "qrels")
	if err != nil {
		t.Fatal(err)
	}
	run, err := labels.ReadRun(strings.NewReader(unpack(t, "random.run.gz")), "run")
	if err != nil {
		t.Fatal(err)
	}
	table, err := score.Runs(qrels, run, score.Options{Metrics: score.Official()})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := score.TREC(&b, table, false); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(unpack(t, "random.official.out.gz"), b.String()); diff != "" {
		t.Errorf("output (-trec_eval +ours):\n%s", diff)
	}
}

func parse(t *testing.T, names ...string) (ms []metric.Metric) {
	t.Helper()
	for _, n := range names {
		m, err := score.Parse(n)
		if err != nil {
			t.Fatal(err)
		}
		ms = append(ms, m)
	}
	return ms
}

func TestMeansSayWhatTheyRunOver(t *testing.T) {
	qrels := labels.Qrels{"a": {"d1": 2, "d2": 0}, "b": {"d1": 1}, "none": {"d1": 0}}
	run := labels.Run{Tag: "x", Results: map[string][]labels.Scored{
		"a": {{Doc: "d2", Score: 2}, {Doc: "d1", Score: 1}}, "none": {{Doc: "d1", Score: 1}}, "other": {{Doc: "d1", Score: 1}},
	}}
	o := score.Options{Metrics: parse(t, "recip_rank", "Judged@2")}
	table, err := score.Runs(qrels, run, o)
	if err != nil {
		t.Fatal(err)
	}
	if table.Missing != 1 || table.Unjudged != 1 || len(table.Rows) != 3 {
		t.Errorf("table has %d rows, %d missing, %d unjudged, want 3, 1, 1", len(table.Rows), table.Missing, table.Unjudged)
	}
	equal := cmp.Comparer(func(a, b metric.Value) bool { return a == b })
	want := score.Mean{Value: metric.Of(0.5 / 3), N: 3, Missing: 1, NotApplicable: 1, Applicable: metric.Of(0.25)}
	if diff := cmp.Diff(want, table.Mean(0), equal); diff != "" {
		t.Errorf("mean of RR (-want +got):\n%s", diff)
	}
	o.SkipMissing = true
	if table, err = score.Runs(qrels, run, o); err != nil || len(table.Rows) != 2 || table.Missing != 1 {
		t.Errorf("without missing queries: %d rows, %d missing, %v, want 2, 1", len(table.Rows), table.Missing, err)
	}
	if _, err := score.Runs(labels.Qrels{"z": {"d": 1}}, run, o); !errors.Is(err, score.ErrNothing) {
		t.Errorf("without a common query: %v, want ErrNothing", err)
	}
}

func TestSpans(t *testing.T) {
	set := labels.Set{Name: "set", Queries: []labels.Query{
		{ID: "q1", Evidence: []labels.Evidence{{Doc: "a", Span: text.RuneSpan{Start: 0, End: 10}}, {Doc: "b", Span: text.RuneSpan{Start: 0, End: 10}}}},
		{ID: "q2", Evidence: []labels.Evidence{{Doc: "a", Span: text.RuneSpan{Start: 20, End: 30}}}},
		{ID: "q3", Unanswerable: true},
	}}
	results, err := labels.ReadSpans(strings.NewReader(`{"id":"q1","spans":[{"doc":"a","start":5,"end":25},{"doc":"b","start":9,"end":10}]}`), "f")
	if err != nil {
		t.Fatal(err)
	}
	table, err := score.Spans(set, results, score.Options{Metrics: parse(t, "evidence_recall@1", "span_recall@2", "span_precision@2")})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := score.TREC(&b, table, true); err != nil {
		t.Fatal(err)
	}
	want := `num_ret               	q1	2
num_rel               	q1	2
num_rel_ret           	q1	1
evidence_recall@1     	q1	0.5000
span_recall@2         	q1	0.3000
span_precision@2      	q1	0.2857
num_ret               	q2	0
num_rel               	q2	1
num_rel_ret           	q2	0
evidence_recall@1     	q2	0.0000
span_recall@2         	q2	0.0000
span_precision@2      	q2	0.0000
num_q                 	all	2
num_ret               	all	2
num_rel               	all	3
num_rel_ret           	all	1
evidence_recall@1     	all	0.2500
span_recall@2         	all	0.1500
span_precision@2      	all	0.1429
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
}

func TestRefuses(t *testing.T) {
	set := labels.Set{Queries: []labels.Query{{ID: "q"}}}
	for name, want := range map[string]string{
		"nDCG@10":                "is about documents",
		"evidence_recall@1024t":  "needs packed contexts",
		"budget_utilisation@10t": "needs packed contexts",
		"precision_omega":        "every chunk of the corpus",
		"AURC@1..2t":             "needs packed contexts",
		"citation_recall":        "is about answers",
	} {
		if _, err := score.Spans(set, nil, score.Options{Metrics: parse(t, name)}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Spans with %s = %v, want %q", name, err, want)
		}
	}
	if _, err := score.Runs(nil, labels.Run{}, score.Options{Metrics: parse(t, "iou@5")}); err == nil || !strings.Contains(err.Error(), "is about spans") {
		t.Errorf("Runs with iou@5 = %v, want an error", err)
	}
	for in, want := range map[string]string{
		`{"id":"q"}`: `key "spans" is missing`,
		`{"id":"q","spans":[{"doc":"a","start":3,"end":2}]}`:          "want 0 ≤ start ≤ end",
		`{"id":"q","spans":[{"doc":"a","start":"3","end":2}]}`:        "want a whole number",
		`{"id":"q","spans":[]}` + "\n" + `{"id":"q","spans":[]}`:      "f:2: query \"q\": id: occurs twice",
		`{"id":"q","spans":[{"doc":"a","start":1,"end":2,"rank":1}]}`: "unknown key",
	} {
		if _, err := labels.ReadSpans(strings.NewReader(in), "f"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ReadSpans(%s) = %v, want %q", in, err, want)
		}
	}
}

func TestNames(t *testing.T) {
	for theirs, ours := range map[string]string{
		"map": "AP", "map_cut_10": "AP@10", "ndcg": "nDCG", "ndcg_cut_5": "nDCG@5", "recip_rank": "RR", "P_10": "P@10",
		"recall_100": "R@100", "success_1": "Success@1", "Rprec": "Rprec", "bpref": "bpref", "gm_map": "GMAP",
		"iprec_at_recall_0.00": "IPrec", "iprec_at_recall_0.10": "IPrec(recall=0.1)", "IPrec(recall=0.125)": "IPrec(recall=0.125)",
		"iou@5": "iou@5", "nDCG@10(gain=exp)": "nDCG@10(gain=exp)",
	} {
		m, err := score.Parse(theirs)
		if err != nil || m.String() != ours || score.TRECName(m) != theirs {
			t.Errorf("Parse(%q) = %v, %v, named %q, want %s", theirs, m, err, score.TRECName(m), ours)
		}
	}
	for _, bad := range []string{"", "P_", "P_0", "recall_x", "map_cut_", "Rprec_5", "iprec_at_recall_", "iprec_at_recall_1.5", "gm_map_5"} {
		if m, err := score.Parse(bad); err == nil {
			t.Errorf("Parse(%q) = %v, want an error", bad, m)
		}
	}
}

func TestParseList(t *testing.T) {
	for in, want := range map[string]string{
		"map,ndcg_cut_10":                     "AP nDCG@10",
		"recall.5,10,map, P.1":                "R@5 R@10 AP P@1",
		"ndcg_cut.10,nDCG@10(gain=exp)":       "nDCG@10 nDCG@10(gain=exp)",
		"iprec_at_recall.0,.25,1":             "IPrec IPrec(recall=0.25) IPrec(recall=1)",
		"success":                             "Success@1 Success@5 Success@10",
		"map_cut":                             "AP@5 AP@10 AP@15 AP@20 AP@30 AP@100 AP@200 AP@500 AP@1000",
		"evidence_recall@5(theta=0.3),iou@10": "evidence_recall@5(theta=0.3) iou@10",
	} {
		ms, err := score.ParseList(in)
		var got []string
		for _, m := range ms {
			got = append(got, m.String())
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("ParseList(%q) = %q, %v, want %s", in, got, err, want)
		}
	}
	if ms, err := score.ParseList("official"); err != nil || !slices.Equal(ms, score.Official()) {
		t.Errorf("ParseList(official) = %v, %v", ms, err)
	}
	for _, bad := range []string{"", "map,", "recall.5,map,10", "recall.", "map.5", "5", "recall.5,5", "map,AP", "official,map", "official.5", "P.0", "all_trec"} {
		if ms, err := score.ParseList(bad); err == nil {
			t.Errorf("ParseList(%q) = %v, want an error", bad, ms)
		}
	}
}
