package ground

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSplitKinds(t *testing.T) {
	for _, c := range []struct {
		answer string
		want   []string // kind: text
	}{
		{"", nil},
		{" \n ", nil},
		{"The bridge opened in 1932. It is 503 m long.", []string{"claim: The bridge opened in 1932.", "claim: It is 503 m long."}},
		{"Sure! The bridge opened in 1932. Does that help?", []string{"remark: Sure!", "claim: The bridge opened in 1932.", "remark: Does that help?"}},
		{"I don't know.", []string{"abstention: I don't know."}},
		{"The provided documents do not mention the price.", []string{"abstention: The provided documents do not mention the price."}},
		{"The price is not mentioned in the context.", []string{"abstention: The price is not mentioned in the context."}},
		{"I'm not sure, but I know that the bridge opened in 1932.", []string{"claim: I'm not sure, but I know that the bridge opened in 1932."}},
		{"The warranty does not cover water damage.", []string{"claim: The warranty does not cover water damage."}},
		{"They could not answer the question.", []string{"claim: They could not answer the question."}},
		{"Steps:\n\n1. Open the lid.\n2. Press the button.", []string{"claim: Steps:", "claim: Open the lid.", "claim: Press the button."}},
		{"It can be caused by: 1. Heat 2. Cold 3. Noise", []string{"claim: It can be caused by:", "claim: Heat", "claim: Cold", "claim: Noise"}},
		{"He scored 7. She scored 9.", []string{"claim: He scored 7.", "claim: She scored 9."}},
		{"i don't know much. the stadium holds 400 people.", []string{"abstention: i don't know much.", "claim: the stadium holds 400 people."}},
		{"It opened in May [1].\n\n[2]", []string{"claim: It opened in May [1].", "remark: [2]"}},
		{"Here are the steps:\n\n- Open it.", []string{"remark: Here are the steps:", "claim: Open it."}},
	} {
		var got []string
		for _, s := range Split(c.answer) {
			got = append(got, s.Kind.String()+": "+c.answer[s.Span.Start:s.Span.End])
			if s.Tokens < 1 {
				t.Errorf("Split(%q): a sentence of %d tokens", c.answer, s.Tokens)
			}
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("Split(%q), -want +got:\n%s", c.answer, d)
		}
	}
}

func FuzzSplit(f *testing.F) {
	for _, s := range []string{"", "a. b", "1. x 2. y", "I don't know. But \xff", "„x“ «y", "* (a) b\n# c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		end := 0
		for _, x := range Split(s) {
			if x.Span.Start < end || x.Span.End <= x.Span.Start || x.Span.End > len(s) {
				t.Fatalf("Split(%q): span %v after %d", s, x.Span, end)
			}
			end = x.Span.End
		}
	})
}
