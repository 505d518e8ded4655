package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/ingest/extract"
	"github.com/ragloop/ragloop/internal/demo"
	"github.com/ragloop/ragloop/internal/text"
)

// TestCurrent fails when the corpus, the questions or an extractor changed and
// the query set was not written again.
func TestCurrent(t *testing.T) {
	questions, err := os.ReadFile("../../internal/demo/source/questions.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	got, n, err := label(t.Context(), demo.Corpus(), questions)
	if err != nil {
		t.Fatal(err)
	}
	if want := demo.Queries(); string(got) != string(want) {
		t.Errorf("queries.jsonl differs from what its %d questions give; write it with: go run ./cmd/demolabel\n%s",
			n, cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got), "\n")))
	}
}

func TestFind(t *testing.T) {
	d := newDocument(extract.Document{Text: "# Größe\n\nThe “VX-1” is\n  **long**, 3 °C – always.\nlong\n"})
	for _, test := range []struct {
		quote, want string
		err         error
	}{
		{quote: "Größe", want: "Größe"},
		{quote: `the "VX-1"`, err: errMissing},
		{quote: `The "VX 1" is long, 3 °C - always.`, want: "The “VX-1” is\n  **long**, 3 °C – always."},
		{quote: "3°C", want: "3 °C"},
		{quote: "4 °C", err: errMissing},
		{quote: "long", err: errAmbiguous},
	} {
		got, err := d.find(test.quote)
		if !errors.Is(err, test.err) {
			t.Errorf("find(%q): error %v, want %v", test.quote, err, test.err)
		}
		if s := d.text[got.Start:got.End]; s != test.want {
			t.Errorf("find(%q) = %q, want %q", test.quote, s, test.want)
		}
	}
	if _, err := d.find(" - "); err == nil {
		t.Error("find of ignored characters only: no error")
	}
}

func TestFindOverlapping(t *testing.T) {
	if got, err := newDocument(extract.Document{Text: "abaaba"}).find("aba"); !errors.Is(err, errAmbiguous) {
		t.Errorf("find = %v, %v, want errAmbiguous", got, err)
	}
	if got, err := newDocument(extract.Document{Text: "ababa"}).find("aba"); !errors.Is(err, errAmbiguous) {
		t.Errorf("find = %v, %v, want errAmbiguous", got, err)
	}
}

func TestFindRow(t *testing.T) {
	d := newDocument(extract.Document{
		Text: "a,\"b\nc\"\nd,e\n  | f | g |  \nh",
		Blocks: []extract.Block{
			{Kind: extract.Row, Span: text.Span{Start: 0, End: 8}},
			{Kind: extract.Row, Span: text.Span{Start: 8, End: 12}},
			{Kind: extract.Table, Span: text.Span{Start: 12, End: 25}},
			{Kind: extract.Paragraph, Span: text.Span{Start: 25, End: 27}},
		},
	})
	for part, want := range map[string]string{
		"c": "a,\"b\nc\"", // a record of two lines
		"e": "d,e",
		"g": "| f | g |", // a line of a table
		"h": "h",         // the last line has no end
	} {
		got, err := d.findRow(part)
		if err != nil {
			t.Errorf("findRow(%q): %v", part, err)
			continue
		}
		if s := d.text[got.Start:got.End]; s != want {
			t.Errorf("findRow(%q) = %q, want %q", part, s, want)
		}
	}
	for _, part := range []string{"x", "g h"} {
		if got, err := d.findRow(part); err == nil {
			t.Errorf("findRow(%q) = %v, want an error", part, got)
		}
	}
}

func TestLabel(t *testing.T) {
	corpus := fstest.MapFS{
		"a.txt": {Data: []byte("Es gibt Öl.\nUnd Gas.\n")},
		"b.csv": {Data: []byte("name,value\nx,1\ny,2\n")},
	}
	got, n, err := label(t.Context(), corpus, []byte(`
		{"id":"q1","query":"fuel?","answer":"oil <sic>","tags":["t"],"evidence":[{"doc":"a.txt","quote":"Öl."},{"doc":"b.csv","row":"y"}]}
		{"id":"q2","query":"coal?","answerable":false,"tags":["t"]}
		{"id":"q3","query":"gas?","answer":"yes","tags":["t"],"evidence":[{"doc":"a.txt","quote":"Und Gas"}],"docs":{"b.csv":1}}`))
	if err != nil || n != 3 {
		t.Fatalf("label: %d queries, error %v, want 3", n, err)
	}
	want := `{"id":"q1","query":"fuel?","evidence":[{"doc":"a.txt","start":8,"end":11,"quote":"Öl."},{"doc":"b.csv","start":15,"end":18,"quote":"y,2"}],"docs":{"a.txt":2,"b.csv":2},"answerable":true,"answer":"oil <sic>","tags":["t"]}
{"id":"q2","query":"coal?","answerable":false,"tags":["t"]}
{"id":"q3","query":"gas?","evidence":[{"doc":"a.txt","start":12,"end":19,"quote":"Und Gas"}],"docs":{"a.txt":2,"b.csv":1},"answerable":true,"answer":"yes","tags":["t"]}
`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("label (-want +got):\n%s", diff)
	}
}

func TestLabelRefuses(t *testing.T) {
	corpus := fstest.MapFS{"a.txt": {Data: []byte("one two two\n")}, "e.txt": {}}
	for _, test := range []struct{ question, want string }{
		{`{"id":"q","query":"?","tags":["t"],"answer":"1","evidence":[{"doc":"a.txt","quote":"three"}]}`, `q: evidence[0]: a.txt: "three" does not occur`},
		{`{"id":"q","query":"?","tags":["t"],"answer":"1","evidence":[{"doc":"a.txt","quote":"two"}]}`, `"two" occurs more than once`},
		{`{"id":"q","query":"?","tags":["t"],"answer":"1","evidence":[{"doc":"a.txt","quote":"one","row":"one"}]}`, "exactly one of quote and row"},
		{`{"id":"q","query":"?","tags":["t"],"answer":"1","evidence":[{"doc":"b.txt","quote":"one"}]}`, "read document"},
		{`{"id":"q","query":"?","tags":["t"],"answer":"1","evidence":[{"doc":"e.txt","quote":"one"}]}`, "extract document"},
		{`{"id":"q","query":"?","tags":["t"],"answer":"1"}`, "an answerable question has evidence and an answer"},
		{`{"id":"q","query":"?","tags":["t"],"answerable":false,"answer":"1"}`, "another one has neither"},
		{`{"id":"q","query":"?","tags":["t"],"answer":"1","evidence":[{"doc":"a.txt","quote":"one"}],"docs":{"a.txt":1}}`, "grade of its own"},
		{`{"id":"q","query":"?","tags":["t"],"answer":"1","evidence":[{"doc":"a.txt","quote":"one"}],"docs":{"a.txt":2}}`, "grade 2 of a.txt"},
		{`{"id":"q","tags":["t"],"answerable":false}`, "id, query and tags are required"},
		{`{"id":"q","qury":"?"}`, `unknown field "qury"`},
	} {
		_, _, err := label(t.Context(), corpus, []byte(test.question))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("label(%s): error %v, want %q", test.question, err, test.want)
		}
	}
}

// A failure leaves the query set as it was.
func TestRunKeepsTheOldSet(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "queries.jsonl")
	questions := filepath.Join(dir, "questions.jsonl")
	for name, data := range map[string]string{
		out:       "old\n",
		questions: `{"id":"q","query":"?","tags":["t"],"answer":"1","evidence":[{"doc":"none.txt","quote":"x"}]}`,
	} {
		if err := os.WriteFile(name, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var log strings.Builder
	if err := run(t.Context(), dir, questions, out, &log); err == nil {
		t.Error("run: no error for a document that does not exist")
	}
	if got, err := os.ReadFile(out); err != nil || string(got) != "old\n" {
		t.Errorf("query set = %q, %v, want it untouched", got, err)
	}
	if log.Len() > 0 {
		t.Errorf("log = %q, want nothing", log.String())
	}
}
