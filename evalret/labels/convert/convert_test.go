package convert

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/evalret/labels"
	"github.com/ragloop/ragloop/internal/text"
)

func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, body := range files {
		name = filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func evidence(doc string, start, end int, quote string) labels.Evidence {
	return labels.Evidence{Doc: text.DocID(doc), Span: text.RuneSpan{Start: start, End: end}, Quote: quote}
}

func TestChroma(t *testing.T) {
	dir := write(t, map[string]string{
		"corpora/notes.md": "Größe: 3 m.\r\nFarbe: rot.",
		"questions_df.csv": "question,references,corpus_id\n" +
			"How tall?,\"[{\"\"content\"\": \"\"3 m\"\", \"\"start_index\"\": 7, \"\"end_index\"\": 10}]\",notes\n" +
			"Which colour?,\"[{\"\"content\"\": \"\"Farbe: rot\"\", \"\"start_index\"\": 13, \"\"end_index\"\": 23}]\",notes\n",
	})
	got, err := Chroma(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := []labels.Query{
		{ID: "notes-001", Text: "How tall?", Evidence: []labels.Evidence{evidence("notes.md", 7, 10, "3 m")}, Tags: []string{"notes"}, Line: 2},
		{ID: "notes-002", Text: "Which colour?", Evidence: []labels.Evidence{evidence("notes.md", 13, 23, "Farbe: rot")}, Tags: []string{"notes"}, Line: 3},
	}
	if diff := cmp.Diff(want, got.Set.Queries); diff != "" {
		t.Errorf("queries (-want +got):\n%s", diff)
	}
}

func TestLegalBench(t *testing.T) {
	dir := write(t, map[string]string{
		"corpus/nda/a.txt": "The term is five years. It renews.",
		"nda.json":         `{"tests":[{"query":"How long?","snippets":[{"file_path":"nda/a.txt","span":[4,22],"answer":"term is five years"},{"file_path":"nda/a.txt","span":[24,34]}]}]}`,
	})
	got, err := LegalBench(filepath.Join(dir, "nda.json"), filepath.Join(dir, "corpus"))
	if err != nil {
		t.Fatal(err)
	}
	want := []labels.Query{{ID: "nda-0001", Text: "How long?", Tags: []string{"nda"}, Evidence: []labels.Evidence{
		evidence("nda/a.txt", 4, 22, "term is five years"), evidence("nda/a.txt", 24, 34, "It renews."),
	}}}
	if diff := cmp.Diff(want, got.Set.Queries); diff != "" {
		t.Errorf("queries (-want +got):\n%s", diff)
	}
}

const squadSample = `{"version":"v2.0","data":[{"title":"Blue_whale/1","paragraphs":[
 {"context":"Größtes Tier: 30 m.","qas":[{"id":"1","question":" How long? ","answers":[{"text":"30 m","answer_start":14},{"text":"30 m","answer_start":14}]}]},
 {"context":"It eats krill.","qas":[{"id":"2","question":"Eats what?","answers":[{"text":"krill","answer_start":8}]},
  {"id":"3","question":"Sings what?","is_impossible":true,"answers":[],"plausible_answers":[{"text":"krill","answer_start":8}]}]}]}]}`

func TestSQuAD(t *testing.T) {
	file := filepath.Join(write(t, map[string]string{"s.json": squadSample}), "s.json")
	got, err := SQuAD(file, true)
	if err != nil {
		t.Fatal(err)
	}
	body := "Größtes Tier: 30 m.\n\nIt eats krill."
	if diff := cmp.Diff([]labels.Document{{ID: "Blue_whale_1.txt", Title: "Blue whale/1", Text: body}}, got.Documents); diff != "" {
		t.Errorf("documents (-want +got):\n%s", diff)
	}
	want := []labels.Query{
		{ID: "1", Text: "How long?", Answer: "30 m", Evidence: []labels.Evidence{evidence("Blue_whale_1.txt", 14, 18, "30 m")}},
		{ID: "2", Text: "Eats what?", Answer: "krill", Evidence: []labels.Evidence{evidence("Blue_whale_1.txt", 29, 34, "krill")}},
		{ID: "3", Text: "Sings what?", Unanswerable: true},
	}
	if diff := cmp.Diff(want, got.Set.Queries); diff != "" {
		t.Errorf("queries (-want +got):\n%s", diff)
	}
	for _, q := range got.Set.Queries {
		for _, e := range q.Evidence {
			if s, err := text.Slice(body, e.Span); err != nil || s != e.Quote {
				t.Errorf("query %s: the document has %q at %v, %v, want %q", q.ID, s, e.Span, err, e.Quote)
			}
		}
	}
	if got, err := SQuAD(file, false); err != nil || len(got.Set.Queries) != 2 {
		t.Errorf("without impossible ones: %d queries, %v, want 2", len(got.Set.Queries), err)
	}
}

func TestTREC(t *testing.T) {
	dir := write(t, map[string]string{
		"qrels":   "1 0 a 2\n1 0 b -1\n2 0 a 0\n",
		"tabbed":  "\ufeff1\thow tall\n\n2\twhich colour\n3\tunjudged\n",
		"classic": "<top>\n<num> Number: 1\n<title> how\n tall\n<desc> Description:\nx\n</top>\n<top><num>2<title>which colour</title></top>",
	})
	for _, topics := range []string{"tabbed", "classic"} {
		got, err := TREC(filepath.Join(dir, "qrels"), filepath.Join(dir, topics))
		if err != nil {
			t.Fatal(err)
		}
		for i := range got.Set.Queries {
			got.Set.Queries[i].Line = 0
		}
		want := []labels.Query{
			{ID: "1", Text: "how tall", Docs: map[text.DocID]int{"a": 2}}, {ID: "2", Text: "which colour", Docs: map[text.DocID]int{"a": 0}},
		}
		if diff := cmp.Diff(want, got.Set.Queries); diff != "" {
			t.Errorf("%s (-want +got):\n%s", topics, diff)
		}
	}
}

func TestRefuses(t *testing.T) {
	dir := write(t, map[string]string{
		"chroma/corpora/a.md":     "abc",
		"chroma/questions_df.csv": "question,references,corpus_id\nq,\"[{\"\"content\"\": \"\"abd\"\", \"\"start_index\"\": 0, \"\"end_index\"\": 3}]\",a\nq,[],b\nq,{,a\n",
		"columns/corpora/a.md":    "abc", "columns/questions_df.csv": "question,answer\n",
		"legal.json": `{"tests":[{"query":"q","snippets":[{"file_path":"../secret.txt","span":[0,1]},{"file_path":"a.txt","span":[0,9]},{"file_path":"a.txt","span":[0]}]}]}`,
		"a.txt":      "abc", "empty.json": "{}", "broken.json": "{",
		"squad.json": strings.Replace(squadSample, `"answer_start":8}]}`, `"answer_start":9}]}`, 1),
		"qrels":      "1 0 a 1\n9 0 a 1\n", "topics": "1\tx\n", "notab": "1 x\n",
	})
	at := func(name string) string { return filepath.Join(dir, name) }
	for want, convert := range map[string]func() (Converted, error){
		`questions_df.csv:2: references[0]: a.md at 0 to 3 is "abc", the label says "abd"`: func() (Converted, error) { return Chroma(at("chroma")) },
		"questions_df.csv:4: references:":                                                  func() (Converted, error) { return Chroma(at("chroma")) },
		"want question, references and corpus_id":                                          func() (Converted, error) { return Chroma(at("columns")) },
		"no such file":                   func() (Converted, error) { return Chroma(at("absent")) },
		"tests[0].snippets[0]: ":         func() (Converted, error) { return LegalBench(at("legal.json"), dir) },
		"tests[0].snippets[1]: ":         func() (Converted, error) { return LegalBench(at("legal.json"), dir) },
		"snippets[2].span has 1 numbers": func() (Converted, error) { return LegalBench(at("legal.json"), dir) },
		`no "tests"`:                     func() (Converted, error) { return LegalBench(at("empty.json"), dir) },
		`no "data"`:                      func() (Converted, error) { return SQuAD(at("empty.json"), false) },
		"unexpected end":                 func() (Converted, error) { return SQuAD(at("broken.json"), false) },
		`question 2: answers[0]: "krill" is not at 9`: func() (Converted, error) { return SQuAD(at("squad.json"), false) },
		`query "9" is judged, but`:                    func() (Converted, error) { return TREC(at("qrels"), at("topics")) },
		"line 1 has no tab":                           func() (Converted, error) { return TREC(at("qrels"), at("notab")) },
	} {
		if _, err := convert(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// TestPublishedData converts the data sets themselves, where they are at hand.
func TestPublishedData(t *testing.T) {
	root := os.Getenv("RAGLOOP_DATA")
	if root == "" {
		t.Skip("RAGLOOP_DATA is not set")
	}
	count := func(c Converted, err error) (queries, spans int) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range c.Set.Queries {
			spans += len(q.Evidence)
		}
		return len(c.Set.Queries), spans
	}
	if q, s := count(Chroma(filepath.Join(root, "chroma_chunking"))); q != 472 || s != 790 {
		t.Errorf("chroma: %d queries, %d spans, want 472, 790", q, s)
	}
	total := 0
	for _, name := range []string{"privacy_qa", "contractnli"} {
		q, s := count(LegalBench(filepath.Join(root, "legalbenchrag", "benchmarks", name+".json"), filepath.Join(root, "legalbenchrag", "corpus")))
		t.Logf("%s: %d queries, %d spans", name, q, s)
		total += q
	}
	if total != 1171 {
		t.Errorf("legalbenchrag: %d queries, want 1171", total)
	}
}
