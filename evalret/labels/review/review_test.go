package review

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/evalret/labels"
	"github.com/ragloop/ragloop/evalret/labels/feedback"
	"github.com/ragloop/ragloop/internal/text"
)

func candidate(query, doc, quote string) labels.Candidate {
	return labels.Candidate{Query: query, Text: "what of " + query + "?", Doc: text.DocID(doc), Span: text.RuneSpan{Start: 2, End: 2 + len(quote)}, Quote: quote, Reason: "why not"}
}

var three = []labels.Candidate{candidate("q1", "a", "one"), candidate("q2", "b", "two"), candidate("q3", "gone", "three")}

func session(t *testing.T, path, keys string, cs []labels.Candidate) (Counts, string) {
	t.Helper()
	log, err := OpenLog(path)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	var out bytes.Buffer
	counts, err := Run(t.Context(), Options{
		Candidates: cs, Log: log, Keys: Lines(strings.NewReader(keys)), Out: &out,
		Show: func(_ context.Context, c labels.Candidate) (Passage, error) {
			if c.Doc == "gone" {
				return Passage{}, errors.New("no such document")
			}
			return Passage{Title: "T\x1b[2J", Heading: []string{"H1", "H2"}, Before: "before", Text: c.Quote + "\nsecond line", After: "after"}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return counts, out.String()
}

func TestReview(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j.jsonl")
	// A wrong key, an empty line, a verdict, an undo, another verdict, quit.
	counts, out := session(t, path, "x\n\nr\nz\nP\nq\n", three)
	want := Counts{Candidates: 3, Verdicts: map[Verdict]int{Partly: 1}, Left: 2}
	if diff := cmp.Diff(want, counts); diff != "" {
		t.Errorf("counts (-want +got):\n%s\n%s", diff, out)
	}
	for _, part := range []string{"--- 1 of 3: q1\nQUERY    what of q1?\nDOCUMENT a: T�[2J > H1 > H2\nREASON   why not\n  ... before\n  >>> one\n      second line\n  ... after\n", "'x' is none of the keys"} {
		if !strings.Contains(out, part) {
			t.Errorf("output lacks %q:\n%s", part, out)
		}
	}
	if strings.Contains(out, "\x1b") {
		t.Error("a control character reaches the terminal")
	}
	// Resumed: q1 is not asked about, q3 can't be shown; the input ends early.
	counts, out = session(t, path, "s\nz\nz\nn", append(three[:3:3], candidate("q4", "d", "four")))
	want = Counts{Candidates: 4, Before: 1, Verdicts: map[Verdict]int{NotRelevant: 1}, Unshown: 1, Left: 1}
	if diff := cmp.Diff(want, counts); diff != "" || strings.Contains(out, "what of q1?") {
		t.Errorf("counts (-want +got):\n%s\n%s", diff, out)
	}
	if !strings.Contains(out, "there is nothing to undo") || !strings.Contains(out, "passed over: q3 in gone: no such document") {
		t.Errorf("output:\n%s", out)
	}
	got, err := ReadLog(path)
	c1, c2 := three[0], three[1]
	c1.Reason, c2.Reason = "", ""
	if diff := cmp.Diff([]Judgement{{c1, Partly}, {c2, NotRelevant}}, got); err != nil || diff != "" {
		t.Errorf("judgements: %v (-want +got):\n%s", err, diff)
	}
	// The same passage twice is asked about once.
	counts, _ = session(t, filepath.Join(t.TempDir(), "j"), "u\n", []labels.Candidate{three[0], three[0]})
	if counts.Verdicts[Unsure] != 1 || counts.Before != 1 {
		t.Errorf("the same candidate twice: %+v", counts)
	}
}

func TestLogSurvivesTornLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j.jsonl")
	session(t, path, "r\nn\n", three)
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString(`{"query":"q9`)
	f.Close()
	log, err := OpenLog(path)
	if err != nil || log.Torn != 12 {
		t.Fatalf("OpenLog = %+v, %v, want 12 torn bytes", log, err)
	}
	if err := log.Add(Judgement{candidate("q4", "d", "x"), Unsure}); err != nil {
		t.Fatal(err)
	}
	log.Close()
	if got, err := ReadLog(path); err != nil || len(got) != 3 {
		t.Errorf("ReadLog = %v, %v, want 3 judgements", got, err)
	}
	for body, want := range map[string]string{"{\n": ":1 is damaged", `{"verdict":"good"}` + "\n": `the verdict is "good"`} {
		if err := os.WriteFile(path, []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenLog(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("OpenLog of %q = %v, want %q", body, err, want)
		}
	}
	// Another kind of file, of one line without an end, is not taken for a torn log.
	for _, body := range []string{"my notes", `{"runs":[]}`, `{"query":"q1","text":"t","doc":"a","start":0,"end":1,"quote":"x"}`} {
		if err := os.WriteFile(path, []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenLog(path); err == nil {
			t.Errorf("OpenLog of %q succeeded", body)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != body {
			t.Errorf("OpenLog left %q of %q", got, body)
		}
	}
	for _, body := range []string{"", "{", `{"query":"q\u00`, "\x00\x00"} {
		if err := os.WriteFile(path, []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
		log, err := OpenLog(path)
		if err != nil || log.Torn != len(body) {
			t.Fatalf("OpenLog of %q = %+v, %v", body, log, err)
		}
		log.Close()
	}
}

// TestSingle: what arrow and function keys send is one key and no answer.
func TestSingle(t *testing.T) {
	keys := Single(&chunks{"\x1bOP", "\x1b[Z", "r", "ä", "zp"})
	for _, want := range []rune{'\x1b', '\x1b', 'r', 'ä', 'z', 'p'} {
		if got, err := keys.Next(); err != nil || got != want {
			t.Errorf("Next = %q, %v, want %q", got, err, want)
		}
	}
	if _, err := keys.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("Next at the end = %v, want EOF", err)
	}
}

// chunks is a terminal: each read returns what one key sends.
type chunks []string

func (c *chunks) Read(p []byte) (int, error) {
	if len(*c) == 0 {
		return 0, io.EOF
	}
	n := copy(p, (*c)[0])
	*c = (*c)[1:]
	return n, nil
}

func TestApply(t *testing.T) {
	set := labels.Set{Queries: []labels.Query{
		{ID: "q1", Text: three[0].Text, Evidence: []labels.Evidence{three[0].Evidence()}},
		{ID: "q2", Text: three[1].Text, Unanswerable: true},
		{ID: "q3", Text: "something else"},
	}}
	got, a := Apply(set, []Judgement{
		{three[0], Relevant}, {candidate("q1", "b", "new"), Relevant}, {candidate("q1", "c", "new"), Partly}, {candidate("q1", "a", "zz"), Partly},
		{three[1], Relevant}, {candidate("q9", "d", "x"), NotRelevant}, {candidate("q8", "d", "x"), Relevant},
		{three[2], Relevant},
	})
	want := Applied{Evidence: 2, Grades: 1, Queries: 1, Known: 2, Kept: 1, Conflicts: []Judgement{{three[1], Relevant}}, Others: []Judgement{{three[2], Relevant}}}
	if diff := cmp.Diff(want, a); diff != "" {
		t.Errorf("Applied (-want +got):\n%s", diff)
	}
	if len(got.Queries) != 4 || got.Queries[2].Evidence != nil || len(got.Queries[0].Evidence) != 2 || got.Queries[0].Docs["c"] != 1 || got.Queries[3].Tags[0] != Tag {
		t.Errorf("set: %+v", got.Queries)
	}
	if len(set.Queries[0].Evidence) != 1 || set.Queries[0].Docs != nil {
		t.Error("Apply changed its input")
	}
	if err := got.Validate(); err != nil {
		t.Error(err)
	}
}

func TestFromFeedback(t *testing.T) {
	j := feedback.Judgement{Doc: "a", Start: 0, End: 3, Text: "abc", Verdict: "relevant"}
	not := j
	not.Verdict = "not_relevant"
	cs, comments := FromFeedback([]feedback.Entry{
		{ID: "1", Query: "known?", Collection: "docs", Judgements: []feedback.Judgement{j}},
		{ID: "2", Query: "known?", Collection: "docs", Judgements: []feedback.Judgement{not}, Comment: "no"},
		{ID: "3", Query: "new?", Collection: "docs", Judgements: []feedback.Judgement{j}},
		{ID: "4", Query: "bad", Collection: "docs", Comment: "nothing\nfound"},
		{ID: "5", Query: "x", Collection: "other", Comment: "elsewhere"},
	}, "docs", map[string]string{"known?": "q1"})
	want := []labels.Candidate{
		{Query: "q1", Text: "known?", Doc: "a", Span: text.RuneSpan{End: 3}, Quote: "abc", Reason: `feedback: 1 not relevant, 1 relevant; "no"`},
		{Query: "", Text: "new?", Doc: "a", Span: text.RuneSpan{End: 3}, Quote: "abc", Reason: "feedback: 1 relevant"},
	}
	want[1].Query = cs[1].Query
	if diff := cmp.Diff(want, cs); diff != "" || !strings.HasPrefix(cs[1].Query, "feedback-") {
		t.Errorf("candidates (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"bad: nothing found"}, comments); diff != "" {
		t.Errorf("comments (-want +got):\n%s", diff)
	}
}
