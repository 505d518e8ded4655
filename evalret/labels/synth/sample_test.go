package synth

import (
	"strings"
	"testing"

	"github.com/ragloop/ragloop/internal/text"
)

func TestPassages(t *testing.T) {
	sentence := "One two three four five six seven eight nine ten. "
	paragraph := strings.TrimSpace(strings.Repeat(sentence, 7)) + "\n\n"
	s := "# Heading\n\n" + paragraph + paragraph + "## Another heading\n\n" + paragraph + strings.Repeat(sentence, 60)
	got := passages(s)
	if len(got) < 4 {
		t.Fatalf("%d passages", len(got))
	}
	for i, p := range got {
		body := s[p.Start:p.End]
		if n := len(text.Words(body)); n > maxWords {
			t.Errorf("passage %d has %d words", i, n)
		}
		if body != strings.TrimSpace(body) || i > 0 && got[i-1].End > p.Start {
			t.Errorf("passage %d is [%d, %d): %q…", i, p.Start, p.End, body[:20])
		}
		if strings.HasSuffix(body, "heading") {
			t.Errorf("passage %d ends with a heading", i)
		}
	}
	if !strings.HasPrefix(s[got[1].Start:], "## Another heading") {
		t.Errorf("the second passage is %q", s[got[1].Start:got[1].End])
	}
	if got := passages(" \n"); got != nil {
		t.Errorf("passages of a blank text = %v", got)
	}
}

func FuzzPassages(f *testing.F) {
	f.Add("A b. C d.\n\nE\r\n\r\n“F.”")
	f.Fuzz(func(t *testing.T, s string) {
		end := 0
		for _, p := range passages(s) {
			if p.Start < end || p.End <= p.Start || text.Blank(s[p.Start:p.End]) || !text.Blank(s[end:p.Start]) {
				t.Fatalf("passage [%d, %d) behind %d of %q", p.Start, p.End, end, s)
			}
			end = p.End
		}
		if !text.Blank(s[end:]) {
			t.Fatalf("%q is in no passage", s[end:])
		}
	})
}

func TestSketches(t *testing.T) {
	x := sketches{by: map[uint64][]int{}}
	base := strings.Fields(strings.Repeat("", 0) + "the quick brown fox jumps over a lazy dog while seven green birds sing loudly near an old mill where nobody lives since winter came early that year and took all roads away from them for ever more")
	for _, c := range []struct {
		text string
		want bool
	}{
		{strings.Join(base, " "), false},
		{"THE " + strings.Join(base[1:], ",  "), true},               // other case and punctuation
		{strings.Join(base[:len(base)-2], " ") + " and a day", true}, // another end
		{strings.Join(append(base[20:], base[:20]...), " "), true},   // parts swapped
		{strings.Join(base[:18], " ") + " other words in all the rest of it, which nobody has written before, so it is another text altogether now", false},
		{"", false}, {"two words", false}, {"Two words.", true},
	} {
		if got := x.has(c.text); got != c.want {
			t.Errorf("has(%q) = %v, want %v", c.text, got, c.want)
		}
	}
}

func TestDependent(t *testing.T) {
	for _, q := range []string{
		"What does the passage say about fees?", "According to the document, who pays?", "What are the following sections about?",
		"Why is this important for buyers?", "Which of these methods is cheaper?", "What is the fee mentioned above?", "How do costs vary, as described, with size?",
		"What does it cost?", "When did they leave?", "What is its maximum range?", "Where was he born?", "How does the author define risk?", "What does the table show?",
	} {
		if dependent(q) == "" {
			t.Errorf("dependent(%q) = false", q)
		}
	}
	for _, q := range []string{
		"How long does it take to renew a passport in Oskerby?", "Is it allowed to bring dogs to Hall B?", "What does section 4 of the travel policy say?",
		"How does the Corva dairy protect its cellars?", "Who founded the Alma dairy?", "Wann wurde die Molkerei gegründet?", "Which temperature above zero does basil need?",
		"Did Greta Holm sell her dairy?", "How much does it cost to park at Hall B?", "Where does the Alma document archive keep maps?",
	} {
		if why := dependent(q); why != "" {
			t.Errorf("dependent(%q) = %s", q, why)
		}
	}
}
