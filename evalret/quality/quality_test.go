package quality

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ragloop/ragloop/evalret/labels"
)

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	for name, body := range map[string]string{
		"squad_long/corpus.jsonl":   `{"_id":"a","title":"A","text":"Five dogs."}` + "\n" + `{"_id":"b","title":"B","text":"Cats."}`,
		"squad_long/queries.jsonl":  `{"_id":"q","text":"How many dogs?","metadata":{"doc_id":"a","answer_span":[0,4],"answer":"Five"}}`,
		"squad_long/qrels/test.tsv": "q\ta\t1\n",
		"clapnq/corpus.jsonl":       `{"_id":"p","title":"P","text":"Some."}` + "\n" + `{"_id":"e","title":"","text":" "}`,
		"clapnq/queries.jsonl":      `{"_id":"1","text":"some?"}` + "\n" + `{"_id":"2","text":"none?"}`,
		"clapnq/qrels/test.tsv":     "1\tp\t1\n",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	sets, skipped, err := Load(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	if len(sets) != 2 || len(skipped) != len(Names())-2 {
		t.Fatalf("%d sets and %d skipped, want 2 and the others", len(sets), len(skipped))
	}
	squad, nq := sets[0], sets[1]
	if !squad.Evidence() || len(squad.Documents) != 1 || squad.Queries.Queries[0].Evidence[0].Quote != "Five" {
		t.Errorf("squad_long is %+v, want one document with the evidence Five", squad)
	}
	if nq.Evidence() || len(nq.Documents) != 1 || nq.Choice != "1 of 2 queries, those with judgements; all 2 documents, 1 of them empty and never found" {
		t.Errorf("clapnq is %+v", nq)
	}
	for _, s := range skipped {
		if !strings.Contains(s.Reason, "is missing") {
			t.Errorf("%s is skipped as %q, want what is missing", s.Set, s.Reason)
		}
	}
	if _, _, err := Load(dir, false, "scifcat"); err == nil || !strings.Contains(err.Error(), "there are chroma_chunking") {
		t.Errorf("an unknown set gives %v, want the names", err)
	}
	if _, _, err := Load(t.TempDir(), false); err == nil {
		t.Error("an empty folder gives no error")
	}
}

// A sample depends on ids alone and keeps the order of the file.
func TestSample(t *testing.T) {
	var all []labels.Query
	for _, id := range []string{"a", "b", "c", "d", "e", "f"} {
		all = append(all, labels.Query{ID: id})
	}
	first := sample(all, 3)
	slices.Reverse(all)
	second := sample(all, 3)
	slices.Reverse(second)
	for i := range first {
		if first[i].ID != second[i].ID {
			t.Errorf("the sample of the reversed file is %v, want %v", second, first)
		}
	}
}

func TestMeans(t *testing.T) {
	const name = "evidence_recall@512t"
	set := func(hybrid, framework float64) measuredSet {
		m := measuredSet{result: SetResult{Evidence: true, Metrics: []string{name}}}
		for i, v := range []float64{hybrid, framework} {
			values := slices.Repeat([]float64{v}, 30)
			n := []string{"hybrid", "other"}[i]
			m.columns = append(m.columns, column{name: n, framework: i == 1, values: map[string][]float64{name: values}})
			m.result.Rows = append(m.result.Rows, Row{System: n, Chunks: 10, Values: map[string]float64{name: mean(values)}})
		}
		return m
	}
	rows, ds := means([]measuredSet{set(1, 0.5), set(0.5, 0.5)}, Options{Resamples: 100})
	if rows[0].Values[name] != 0.75 || rows[0].Chunks != 20 || rows[1].Values[name] != 0.5 {
		t.Errorf("means are %+v", rows)
	}
	if len(ds) != 1 || ds[0].Against != "other" || ds[0].Diff != 0.25 || ds[0].CI95 != [2]float64{0.25, 0.25} {
		t.Errorf("differences are %+v, want 0.25 without spread", ds)
	}
}
