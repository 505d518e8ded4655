package labels

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/internal/text"
)

func TestTREC(t *testing.T) {
	const qrelsText = "q1 0 a 2\nq1 0 b -1\nq2 0 a 0\n"
	qrels, err := ReadQrels(strings.NewReader("# judged in 2026\nq2\t0\ta  0\n\nq1 0 b -1\nq1 Q0 a 2\n"), "f")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Qrels{"q1": {"a": 2, "b": -1}, "q2": {"a": 0}}, qrels); diff != "" {
		t.Errorf("ReadQrels (-want +got):\n%s", diff)
	}
	var b bytes.Buffer
	if err := WriteQrels(&b, qrels); err != nil || b.String() != qrelsText {
		t.Errorf("WriteQrels = %q, %v, want %q", b.String(), err, qrelsText)
	}
	const runText = "q1 Q0 b 1 2.5 mine\nq1 Q0 a 2 2.5 mine\nq1 Q0 c 3 -1e-09 mine\n"
	run, err := ReadRun(strings.NewReader("q1 Q0 c 1 -1e-9 mine\nq1 Q0 a 9 2.5 mine more junk\nq1 Q0 b 9 2.50 mine\n"), "f")
	if err != nil {
		t.Fatal(err)
	}
	want := Run{Tag: "mine", Results: map[string][]Scored{"q1": {{Doc: "c", Score: -1e-9}, {Doc: "a", Score: 2.5}, {Doc: "b", Score: 2.5}}}}
	if diff := cmp.Diff(want, run); diff != "" {
		t.Errorf("ReadRun (-want +got):\n%s", diff)
	}
	b.Reset()
	if err := WriteRun(&b, run); err != nil || b.String() != runText {
		t.Errorf("WriteRun = %q, %v, want %q", b.String(), err, runText)
	}
}

func TestRankingBreaksTiesAsTrecEval(t *testing.T) {
	run := Run{Results: map[string][]Scored{"q": {{"b", 1}, {"a", 1}, {"d", -1}, {"Z", 1}, {"c", 2}}}}
	if got, want := run.Ranking("q"), []text.DocID{"c", "b", "a", "Z", "d"}; !slices.Equal(got, want) {
		t.Errorf("Ranking = %v, want %v", got, want)
	}
	if got := run.Ranking("other"); got != nil {
		t.Errorf("Ranking of a query without results = %v, want nil", got)
	}
}

func TestTRECRefuses(t *testing.T) {
	for in, want := range map[string]string{
		"q 0 a":            "f:1: has 3 fields; want 4",
		"q 0 a x":          `grade: is "x"; want a whole number`,
		"q 0 a 1\nq 0 a 1": `f:2: query "q": document: "a" is judged twice`,
	} {
		if _, err := ReadQrels(strings.NewReader(in), "f"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ReadQrels(%q) = %v, want %q", in, err, want)
		}
	}
	for in, want := range map[string]string{
		"q Q0 a 1 2":                 "has 5 fields; want 6",
		"q Q0 a 1 NaN t":             "want a finite number",
		"q Q0 a 1 x t":               "want a finite number",
		"q Q0 a 1 2 t\nq Q0 a 2 1 t": `"a" occurs twice`,
	} {
		if _, err := ReadRun(strings.NewReader(in), "f"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ReadRun(%q) = %v, want %q", in, err, want)
		}
	}
	for _, run := range []Run{
		{Tag: "", Results: nil},
		{Tag: "t", Results: map[string][]Scored{"q 1": nil}},
		{Tag: "t", Results: map[string][]Scored{"q": {{Doc: "a b"}}}},
		{Tag: "t", Results: map[string][]Scored{"q": {{Doc: "a"}, {Doc: "a"}}}},
		{Tag: "t", Results: map[string][]Scored{"q": {{Doc: "a", Score: math.NaN()}}}},
	} {
		if err := WriteRun(&bytes.Buffer{}, run); err == nil {
			t.Errorf("WriteRun(%v) succeeded", run)
		}
	}
	for _, q := range []Qrels{{"q 1": {"a": 1}}, {"q": {"a b": 1}}, {"#q": {"a": 1}}} {
		if err := WriteQrels(&bytes.Buffer{}, q); err == nil {
			t.Errorf("WriteQrels(%v) succeeded", q)
		}
	}
}

func beirFolder(t *testing.T, corpus, queries, qrels string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "qrels"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"corpus.jsonl": corpus, "queries.jsonl": queries, "qrels/test.tsv": qrels} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const (
	goodCorpus  = `{"_id":"d1","title":"T","text":"x","metadata":{"a":1}}` + "\n" + `{"_id":"d2","text":""}` + "\n"
	goodQueries = `{"_id":"q1","text":"one"}` + "\n" + `{"_id":"q2","text":"two","metadata":{}}` + "\n"
	goodQrels   = "query-id\tcorpus-id\tscore\nq2\td1\t1\nq2\td9\t2\n"
)

func TestReadBEIR(t *testing.T) {
	dir := beirFolder(t, goodCorpus, goodQueries, goodQrels)
	got, err := ReadBEIR(dir, "test")
	if err != nil {
		t.Fatal(err)
	}
	want := BEIR{
		Documents: []Document{{"d1", "T", "x"}, {"d2", "", ""}},
		Set:       Set{Name: dir, Queries: []Query{{ID: "q2", Text: "two", Docs: map[text.DocID]int{"d1": 1, "d9": 2}, Line: 2}}},
		Unjudged:  1,
		Absent:    1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ReadBEIR (-want +got):\n%s", diff)
	}
}

func TestReadBEIRRefuses(t *testing.T) {
	tests := []struct{ corpus, queries, qrels, want string }{
		{goodCorpus + goodCorpus, goodQueries, goodQrels, `corpus.jsonl:3: _id: "d1" is already used on line 1`},
		{goodCorpus, goodQueries + goodQueries, goodQrels, `queries.jsonl:3: _id: "q1" is already used on line 1`},
		{`{"text":"x"}`, goodQueries, goodQrels, "corpus.jsonl:1: _id: is missing"},
		{`{"_id":"x"}`, goodQueries, goodQrels, "corpus.jsonl:1: text: is missing"},
		{`{"_id":3}`, goodQueries, goodQrels, "corpus.jsonl:1: is not valid"},
		{goodCorpus, goodQueries, "q1 d1 1\n", "test.tsv:1: has 1 fields; want 3 separated by tabs"},
		{goodCorpus, goodQueries, "q1\td1\tx\n", `test.tsv:1: query "q1": score: is "x"`},
		{goodCorpus, goodQueries, "q1\td1\t1\nq1\td1\t1\n", "is judged twice"},
		{goodCorpus, goodQueries, "q7\td1\t1\n", `judges queries that queries.jsonl does not have: "q7"`},
	}
	for _, tt := range tests {
		_, err := ReadBEIR(beirFolder(t, tt.corpus, tt.queries, tt.qrels), "test")
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("ReadBEIR = %v, want %q", err, tt.want)
		}
	}
	if _, err := ReadBEIR(t.TempDir(), "test"); err == nil {
		t.Error("ReadBEIR of an empty folder succeeded")
	}
	if _, err := ReadBEIR(t.TempDir(), "../test"); err == nil || !strings.Contains(err.Error(), "split") {
		t.Errorf("ReadBEIR with a path as split = %v", err)
	}
}

// TestReadRealBEIR reads collections made by others, where they are at hand.
func TestReadRealBEIR(t *testing.T) {
	root := os.Getenv("RAGLOOP_DATA")
	if root == "" {
		t.Skip("RAGLOOP_DATA is not set")
	}
	for name, want := range map[string][3]int{"scifact": {5183, 300, 0}, "cranfield": {1400, 225, 0}, "squad_long": {490, 1190, 0}} {
		c, err := ReadBEIR(filepath.Join(root, name), "test")
		if err != nil {
			t.Errorf("ReadBEIR(%s): %v", name, err)
			continue
		}
		if got := [3]int{len(c.Documents), len(c.Set.Queries), c.Absent}; got != want {
			t.Errorf("ReadBEIR(%s): %d documents, %d queries, %d absent, want %v", name, got[0], got[1], got[2], want)
		}
	}
}
