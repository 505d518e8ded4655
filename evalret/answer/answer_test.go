package answer

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/evalret/ground"
	"github.com/ragloop/ragloop/evalret/labels"
	"github.com/ragloop/ragloop/internal/text"
)

const given = "\ufeff" + `{"id":"q1","answer":"Größe < 4 [1].","context":"[1] Ä\nGröße 4","segments":[{"label":"1","doc":"a.md","start":6,"end":13}],"answerer":"x"}

{"id":"q2","answer":""}
{"id":"q3","context":"","failure":"refused"}
`

func TestReadWrite(t *testing.T) {
	got, err := Read(strings.NewReader(given), "f")
	if err != nil {
		t.Fatal(err)
	}
	want := []Answer{
		{ID: "q1", Text: "Größe < 4 [1].", Answerer: "x", Line: 1, Context: &Context{Text: "[1] Ä\nGröße 4", Segments: []Segment{{"1", "a.md", text.RuneSpan{Start: 6, End: 13}}}}},
		{ID: "q2", Line: 3},
		{ID: "q3", Context: &Context{}, Failure: "refused", Line: 4},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("Read (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"Größe 4"}, got[0].Context.Texts()); d != "" {
		t.Errorf("Texts (-want +got):\n%s", d)
	}
	var b bytes.Buffer
	if err := Write(&b, got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.ReplaceAll(strings.TrimPrefix(given, "\ufeff"), "\n\n", "\n"), b.String()); d != "" {
		t.Errorf("Write (-want +got):\n%s", d)
	}
}

func TestReadErrors(t *testing.T) {
	segment := func(fields string) string {
		return `{"id":"a","answer":"x","context":"0123456789","segments":[` + fields + `]}`
	}
	for _, c := range []struct{ line, want string }{
		{``, `f: has no answers`},
		{`[]`, `f:1: is no JSON object`},
		{`{"id":"a","answer":"x"} {}`, `f:1: has something behind the object`},
		{`{"id":"a","answer":"x","id":"b"}`, `f:1: has "id" twice`},
		{`{"id":"a","answer":"x","contexts":""}`, `f:1: query "a": contexts: is unknown; want id, answer, context, segments, answerer, failure`},
		{`{"answer":"x"}`, `f:1: id: is missing or empty`},
		{`{"id":7,"answer":"x"}`, `f:1: id: is 7; want a string`},
		{`{"id":"a","answer":null}`, `f:1: query "a": answer: is null; want a string`},
		{`{"id":"a"}`, `f:1: query "a": answer: is missing`},
		{`{"id":"a","answer":"x","failure":"y"}`, `f:1: query "a": failure: is given beside an answer`},
		{`{"id":"a","failure":" "}`, `f:1: query "a": failure: is blank`},
		{`{"id":"a","answer":"x","segments":[]}`, `f:1: query "a": segments: is given without a context`},
		{`{"id":"a","answer":"x","context":"","segments":null}`, `segments: is null; want an array of objects`},
		{segment(`{"label":"1","doc":"d","start":0}`), `segments[0]: is {"label"`},
		{segment(`{"label":"1","doc":"d","start":0,"end":1,"x":1}`), `segments[0]: is {"label"`},
		{segment(`{"label":"","doc":"d","start":0,"end":1}`), `segments[0].label: is ""`},
		{segment(`{"label":"1","doc":"d","start":0,"end":11}`), `segments[0]: is the span [0, 11); want one from 0 to 10`},
		{segment(`{"label":"1","doc":"d","start":0,"end":5},{"label":"2","doc":"d","start":4,"end":6}`), `segments[1]: is the span [4, 6); want one from 5 to 10`},
		{segment(`{"label":"1","doc":"d","start":0,"end":5},{"label":"1","doc":"d","start":5,"end":6}`), `segments[1].label: is "1"; labels must be unique`},
		{"{\"id\":\"a\",\"answer\":\"\xff\"}", `f:1: is not valid UTF-8`},
		{"{\"id\":\"a\",\"answer\":\"x\"}\n{\"id\":\"a\",\"answer\":\"y\"}", `f:2: query "a": id: is already used on line 1`},
	} {
		_, err := Read(strings.NewReader(c.line), "f")
		var fault *labels.LineError
		if !errors.As(err, &fault) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Read(%s) = %v, want %q", c.line, err, c.want)
		}
	}
	_, err := Read(strings.NewReader(strings.Repeat("{}\n", 30)), "f")
	if err == nil || !strings.Contains(err.Error(), "and 10 more") || strings.Count(err.Error(), "\n") != 20 {
		t.Errorf("Read of 30 faults = %v, want 20 and a count", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(given))
	f.Fuzz(func(t *testing.T, raw []byte) {
		answers, err := Read(bytes.NewReader(raw), "f")
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := Write(&b, answers); err != nil {
			t.Fatal(err)
		}
		again, err := Read(&b, "f")
		if err != nil {
			t.Fatalf("reading what was written: %v", err)
		}
		for i := range answers {
			answers[i].Line, again[i].Line = 0, 0
			answers[i].Cited()
		}
		if d := cmp.Diff(answers, again); d != "" {
			t.Fatalf("read back (-want +got):\n%s", d)
		}
	})
}

func labelled(n int) *Context {
	c := &Context{}
	for i := range n {
		label := string(rune('1' + i))
		start := len(c.Text)
		c.Text += "text " + label + "."
		c.Segments = append(c.Segments, Segment{label, "d", text.RuneSpan{Start: start, End: len(c.Text)}})
	}
	return c
}

func TestCited(t *testing.T) {
	type cited struct {
		claim string
		refs  []int
	}
	for _, c := range []struct {
		answer string
		want   []cited
	}{
		{"", nil},
		{"The limit is 140 EUR [2].", []cited{{"The limit is 140 EUR.", []int{1}}}},
		{"The limit is 140 EUR. [2] Breakfast is paid [1][3].", []cited{{"The limit is 140 EUR.", []int{1}}, {"Breakfast is paid.", []int{0, 2}}}},
		{"The limit is 140 EUR. [2]", []cited{{"The limit is 140 EUR.", []int{1}}}},
		{"The limit [1, 3] is 140 EUR [1-2].", []cited{{"The limit is 140 EUR.", []int{0, 2, 1}}}},
		{"The limit is 140 EUR [[2]].", []cited{{"The limit is 140 EUR.", []int{1}}}},
		{"The limit is 140 EUR [7][9][7].", []cited{{"The limit is 140 EUR.", []int{3, 4}}}},
		{"The limit is 140 EUR [1-9999].", []cited{{"The limit is 140 EUR.", []int{3, 0}}}},
		{"No citation here is given. It was paid in 2024 [see below].", []cited{{"No citation here is given.", nil}, {"It was paid in 2024 [see below].", nil}}},
		{"Thank you! The context does not answer this question. [1]", nil},
	} {
		var got []cited
		for _, x := range (Answer{Text: c.answer, Context: labelled(3)}).Cited() {
			got = append(got, cited{x.Claim, x.Segments})
		}
		if d := cmp.Diff(c.want, got, cmp.AllowUnexported(cited{})); d != "" {
			t.Errorf("Cited(%q) (-want +got):\n%s", c.answer, d)
		}
	}
	got := Answer{Text: "It is so [1]."}.Cited()
	if len(got) != 1 || len(got[0].Segments) != 1 {
		t.Errorf("Cited without a context = %+v, want one unknown segment", got)
	}
}

func TestCitations(t *testing.T) {
	judge, err := ground.NewLexical()
	if err != nil {
		t.Fatal(err)
	}
	const first, second = "The hotel limit is 140 EUR for one night.", "Breakfast is paid by the company."
	a := Answer{
		Text: "The hotel limit is 140 EUR for one night [1]. Breakfast is paid by the company [1]. The company pays breakfast [2][9]. Trains are free.",
		Context: &Context{Text: first + second, Segments: []Segment{
			{"1", "a", text.RuneSpan{End: len(first)}}, {"2", "b", text.RuneSpan{Start: len(first), End: len(first + second)}},
		}},
	}
	got, err := a.Citations(t.Context(), judge, 0.5)
	if err != nil {
		t.Fatal(err)
	}
	if got.Sentences != 4 || got.Supported != 1 || got.Uncited != 1 || got.Citations != 4 || got.Counting != 1 || got.Unknown != 1 {
		t.Errorf("Citations = %+v", got)
	}
}

// noting supports nothing but what is cited together, and notes what it is asked.
type noting struct{ asked []Check }

func (*noting) Info() ground.Info { return ground.Info{} }

func (n *noting) Judge(_ context.Context, evidence string, claims []string) ([]ground.Judgement, error) {
	first := len(n.asked) == 0 || n.asked[len(n.asked)-1].Claim != claims[0]
	n.asked = append(n.asked, Check{claims[0], evidence})
	if first {
		return []ground.Judgement{{Support: 1}}, nil
	}
	return []ground.Judgement{{}}, nil
}

// TestCitationChecks: what is asked at most is known before.
func TestCitationChecks(t *testing.T) {
	a := Answer{Text: "Trains are free [1][2][3]. Hotels cost 140 EUR [2]. Taxis are paid [9][1]. Nothing is cited.", Context: labelled(3)}
	judge := &noting{}
	if _, err := a.Citations(t.Context(), judge, 0.5); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(judge.asked, a.CitationChecks()); d != "" || len(judge.asked) != 8 {
		t.Errorf("%d checks (-asked +known):\n%s", len(judge.asked), d)
	}
	if got := (Answer{Text: "Trains are free [1]."}).CitationChecks(); got != nil {
		t.Errorf("checks without a context = %v", got)
	}
}

// TestAbstention: what answerers say is an abstention to the scorer.
func TestAbstention(t *testing.T) {
	s := ground.Split(abstention)
	if len(s) != 1 || s[0].Kind != ground.Abstention {
		t.Errorf("Split(%q) = %+v, want an abstention", abstention, s)
	}
}
