package labels

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/internal/text"
)

func TestCandidates(t *testing.T) {
	want := []Candidate{
		{Query: "q1", Text: "how <long>?", Doc: "a.md", Span: text.RuneSpan{Start: 3, End: 6}, Quote: "äbc", Reason: "unjudged"},
		{Query: "q2", Text: "x", Doc: "b", Span: text.RuneSpan{End: 1}, Quote: "x"},
	}
	var b bytes.Buffer
	if err := WriteCandidates(&b, want); err != nil {
		t.Fatal(err)
	}
	got, err := ReadCandidates(&b, "f")
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("read back: %v (-want +got):\n%s", err, diff)
	}
	for in, want := range map[string]string{
		`{"query":"q","text":"t","doc":"d","start":0,"end":1}`:                     `key "quote" is missing`,
		`{"query":"q","text":"t","doc":"d","start":0,"end":2,"quote":"x"}`:         `f:1: query "q": end: the span [0, 2) does not fit a quote of 1 code points`,
		`{"query":"","text":"t","doc":"d","start":0,"end":1,"quote":"x"}`:          "query: is empty",
		`{"query":"q","text":" ","doc":"d","start":0,"end":1,"quote":"x"}`:         "text: is blank",
		`{"query":"q","text":"t","doc":"","start":0,"end":1,"quote":"x"}`:          "doc: is empty",
		`{"query":"q","text":"t","doc":"d","start":0,"end":1,"quote":" "}`:         "quote: is blank",
		`{"query":"q","text":"t","doc":"d","start":0,"end":1,"quote":"x","by":""}`: "unknown key",
	} {
		if _, err := ReadCandidates(strings.NewReader(in), "f"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ReadCandidates(%s) = %v, want %q", in, err, want)
		}
	}
}
