package labels

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/internal/text"
)

func TestReadAndWrite(t *testing.T) {
	got, err := ReadFile("testdata/good.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	want := Set{Name: "testdata/good.jsonl", Queries: []Query{
		{
			ID: "q1", Text: "How long is the trial?", Line: 1,
			Evidence: []Evidence{{Doc: "a.md", Span: text.RuneSpan{Start: 4, End: 11}, Quote: "30 days"}},
			Docs:     map[text.DocID]int{"a.md": 2, "b.md": 0}, Answer: "30 days", Tags: []string{"policy"},
		},
		{ID: "q2", Text: "Wie viele Gäste?", Line: 3, Evidence: []Evidence{{Doc: "c.md", Span: text.RuneSpan{Start: 0, End: 5}}}},
		{ID: "q3", Text: "Who won in 1850?", Line: 4, Unanswerable: true},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ReadFile (-want +got):\n%s", diff)
	}
	var b bytes.Buffer
	if err := Write(&b, got); err != nil {
		t.Fatal(err)
	}
	wantText := `{"id":"q1","query":"How long is the trial?","evidence":[{"doc":"a.md","start":4,"end":11,"quote":"30 days"}],"docs":{"a.md":2,"b.md":0},"answerable":true,"answer":"30 days","tags":["policy"]}
{"id":"q2","query":"Wie viele Gäste?","evidence":[{"doc":"c.md","start":0,"end":5}],"answerable":true}
{"id":"q3","query":"Who won in 1850?","answerable":false}
`
	if diff := cmp.Diff(wantText, b.String()); diff != "" {
		t.Errorf("Write (-want +got):\n%s", diff)
	}
	again, err := Read(&b, got.Name)
	if err != nil {
		t.Fatal(err)
	}
	for i := range again.Queries {
		again.Queries[i].Line = got.Queries[i].Line
	}
	if diff := cmp.Diff(got, again); diff != "" {
		t.Errorf("Read(Write(set)) (-want +got):\n%s", diff)
	}
	slices.Reverse(again.Queries)
	again.Name = "other"
	if got.Fingerprint() != again.Fingerprint() || len(got.Fingerprint()) != 16 {
		t.Errorf("fingerprints %s and %s of the same queries differ", got.Fingerprint(), again.Fingerprint())
	}
	again.Queries[0].Tags = []string{"x"}
	if got.Fingerprint() == again.Fingerprint() {
		t.Error("a changed tag does not change the fingerprint")
	}
}

func TestFilterOfQuery(t *testing.T) {
	read := func(line string) Set {
		t.Helper()
		s, err := Read(strings.NewReader(line), "f")
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	with := read(`{"id":"a","query":"x","filter":"tags = policy and year>=2024"}`)
	var b bytes.Buffer
	if err := Write(&b, with); err != nil {
		t.Fatal(err)
	}
	want := `{"id":"a","query":"x","answerable":true,"filter":"tags=policy AND year>=2024"}` + "\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("Write (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(with, read(b.String())); diff != "" {
		t.Errorf("Read(Write(set)) (-want +got):\n%s", diff)
	}
	if f := with.Fingerprint(); f != read(want).Fingerprint() || f == read(`{"id":"a","query":"x"}`).Fingerprint() {
		t.Errorf("the fingerprint %s is not that of the canonical filter alone", f)
	}
	with.Queries[0].Filter.Of = nil
	if err := with.Validate(); err == nil || err.Error() != `f:1: query "a": filter: AND of 0 expressions` {
		t.Errorf("Validate of a broken filter: %v", err)
	}
}

func TestReadAcceptsByteOrderMarkAndCRLF(t *testing.T) {
	got, err := Read(strings.NewReader("\ufeff{\"id\":\"a\",\"query\":\"x\"}\r\n"), "f")
	if err != nil || len(got.Queries) != 1 || got.Queries[0].ID != "a" {
		t.Errorf("Read = %+v, %v", got, err)
	}
}

func TestReadRefuses(t *testing.T) {
	tests := map[string]string{
		`{"id":"a","query":"x","evidense":[]}`:                                                 `f:1: query "a": evidense: unknown key; allowed: id, query, evidence, docs, answerable, answer, tags, filter`,
		`{"id":"a","query":"x","filter":"year>>2"}`:                                            `f:1: query "a": filter: ">" where > needs a value, at character 6 of "year>>2"`,
		`{"id":"a","query":"x","filter":""}`:                                                   `f:1: query "a": filter: the end where a field should be named`,
		`{"id":"a","query":"x","filter":["a"]}`:                                                `f:1: query "a": filter: is ["a"]; want a string (an expression)`,
		`{"id":"a","query":"x","evidence":[{"doc":"d","start":0,"end":3,"text":"y"}]}`:         `f:1: query "a": evidence[0].text: unknown key; allowed: doc, start, end, quote`,
		`{"id":"a","query":"x","ID":"b"}`:                                                      `ID: unknown key`,
		`{"id":"a","query":"x","id":"b"}`:                                                      `id: is given twice`,
		`{"id":"a"}`:                                                                           `key "query" is missing`,
		`{"id":7,"query":"x"}`:                                                                 `id: is 7; want a string`,
		`{"id":null,"query":"x"}`:                                                              `id: is null; want a string`,
		`{"id":"a","query":" "}`:                                                               `query: is empty`,
		`{"id":"","query":"x"}`:                                                                `id: is empty (entry 1`,
		`{"id":"a","query":"x","evidence":[{"doc":"d","start":5,"end":5}]}`:                    `evidence[0].end: 5 is not greater than start 5`,
		`{"id":"a","query":"x","evidence":[{"doc":"d","start":-1,"end":5}]}`:                   `evidence[0].start: -1 is negative`,
		`{"id":"a","query":"x","evidence":[{"doc":"d","start":1.5,"end":5}]}`:                  `evidence[0].start: is 1.5; want a whole number`,
		`{"id":"a","query":"x","evidence":[{"doc":"d","end":5}]}`:                              `evidence[0]: key "start" is missing`,
		`{"id":"a","query":"x","evidence":[{"doc":"","start":1,"end":5}]}`:                     `evidence[0].doc: is empty`,
		`{"id":"a","query":"x","evidence":[{"doc":"d","start":1,"end":5,"quote":"  "}]}`:       `evidence[0].quote: is blank`,
		`{"id":"a","query":"x","evidence":{}}`:                                                 `evidence: is {}; want an array of objects`,
		`{"id":"a","query":"x","evidence":[3]}`:                                                `evidence[0]: is 3; want a JSON object`,
		`{"id":"a","query":"x","docs":{"d":"1"}}`:                                              `docs.d: is "1"; want a whole number`,
		`{"id":"a","query":"x","docs":{"d":-1}}`:                                               `docs.d: grade -1; allowed: 0 to 1000`,
		`{"id":"a","query":"x","docs":{"":1}}`:                                                 `docs: has an empty document id`,
		`{"id":"a","query":"x","answerable":"no"}`:                                             `answerable: is "no"; want true or false`,
		`{"id":"a","query":"x","answerable":false,"docs":{"d":1}}`:                             `answerable: is false, but the query has docs`,
		`{"id":"a","query":"x","answerable":false,"evidence":[{"doc":"d","start":0,"end":3}]}`: `answerable: is false, but the query has evidence`,
		`{"id":"a","query":"x","tags":[null]}`:                                                 `tags[0]: is null; want a string`,
		`{"id":"a","query":"x"} {"id":"b"}`:                                                    `something after the object`,
		`{"id":"a","query":"x"`:                                                                `f:1: `,
		`["id"]`:                                                                               `want a JSON object`,
		"{\"id\":\"a\",\"query\":\"\xff\"}":                                                    `not valid UTF-8`,
		"":                                                                                     `has no queries`,
		"{\"id\":\"a\",\"query\":\"x\"}\n{\"id\":\"a\",\"query\":\"y\"}":                       `f:2: query "a": id: is already used on line 1`,
	}
	for in, want := range tests {
		_, err := Read(strings.NewReader(in), "f")
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "read query set: f") {
			t.Errorf("Read(%s) = %v, want an error with %q", in, err, want)
		}
		var line *LineError
		if !errors.As(err, &line) {
			t.Errorf("Read(%s): %T, want a LineError inside", in, err)
		}
	}
	if _, err := ReadFile("testdata/absent.jsonl"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("ReadFile of an absent file = %v", err)
	}
}

func TestReadCollectsFaults(t *testing.T) {
	var in strings.Builder
	for i := range 30 {
		fmt.Fprintf(&in, "{\"id\":%d}\n", i)
	}
	_, err := Read(strings.NewReader(in.String()), "f")
	if err == nil || strings.Count(err.Error(), "\n") != 20 || !strings.HasSuffix(err.Error(), "and 10 more") {
		t.Errorf("Read = %v, want 20 faults and the number of the others", err)
	}
}

func TestReadRefusesLongLine(t *testing.T) {
	_, err := Read(strings.NewReader("\n"+strings.Repeat("x", MaxLineBytes+1)), "f")
	if err == nil || !strings.Contains(err.Error(), "f:2: line is longer than") {
		t.Errorf("Read of a long line = %v", err)
	}
}

func FuzzRead(f *testing.F) {
	good, err := os.ReadFile("testdata/good.jsonl")
	if err != nil {
		f.Fatal(err)
	}
	for line := range bytes.Lines(good) {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		set, err := Read(bytes.NewReader(in), "f")
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := Write(&b, set); err != nil {
			t.Fatal(err)
		}
		again, err := Read(&b, "f")
		if err != nil {
			t.Fatalf("what Write wrote is refused: %v", err)
		}
		if set.Fingerprint() != again.Fingerprint() {
			t.Errorf("reading, writing and reading changes the set:\n%s", cmp.Diff(set, again))
		}
	})
}

func TestGrades(t *testing.T) {
	q := Query{Docs: map[text.DocID]int{"a": 3, "b": 0}, Evidence: []Evidence{{Doc: "b"}, {Doc: "c"}}}
	want := map[text.DocID]int{"a": 3, "b": 0, "c": 1}
	if diff := cmp.Diff(want, q.Grades()); diff != "" {
		t.Errorf("Grades (-want +got):\n%s", diff)
	}
	if g := (Query{}).Grades(); g != nil {
		t.Errorf("Grades of a query without labels = %v, want nil", g)
	}
	if !q.Labelled() || (Query{Docs: map[text.DocID]int{"a": 0}}).Labelled() {
		t.Error("Labelled: want true with evidence, false with grade 0 alone")
	}
}
