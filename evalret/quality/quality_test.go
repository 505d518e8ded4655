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
	if nq.Evidence() || len(nq.Documents) != 1 || nq.Choice != "1 of 2 queries, those with judgements; all 2 documents, 1 of them empty and never found" ||
		squad.Choice != "1 of 1 queries about 1 of the 1 articles with queries" {
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
