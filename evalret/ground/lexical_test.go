package ground

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const bridgeText = `The Harvale Bridge was opened on 14 May 1932 by Queen Ada. It spans 503 metres and cost $4.2 million.
The bridge is not open to lorries over 12 tonnes. Traffic increased by 15% after the toll was abolished in 1978.
The architect called it "a quiet arch over loud water". Ticket sales of the Regional Transit Board fell in March.`

func newLexical(t testing.TB) *Lexical {
	l, err := NewLexical()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestFindings(t *testing.T) {
	l := newLexical(t)
	for _, c := range []struct {
		claim string
		want  []string // check: words
	}{
		{"The Harvale Bridge was opened on 14 May 1932.", nil},
		{"It spans 503 metres and cost 4.2 million dollars.", nil},
		{"It cost $4,200,000.", nil},
		{"The bridge spans about 500 metres.", []string{"number: 500"}},
		{"It spans 530 metres.", []string{"number: 530"}},
		{"It spans 503 miles.", []string{"unit: 503"}},
		{"The bridge was opened in 1935.", []string{"date: 1935"}},
		{"The bridge was opened on 14 June 1932.", []string{"date: June"}},
		{"The bridge was opened by Prince Otto.", []string{"name: Prince Otto"}},
		{"The RTB sold fewer tickets.", nil},
		{"The RTC sold fewer tickets.", []string{"name: RTC"}},
		{"It spans 4.2 million metres and cost $503.", []string{"unit: 4.2 million", "unit: 503"}},
		{"It spans no metres in March.", []string{"negation: no metres"}},
		{"Traffic increased by 15% after the toll was introduced.", nil},
		{"Ticket sales rose in March.", []string{"antonym: rose"}},
		{"The toll was abolished in 1932.", []string{"misplaced: 1932"}},
		{"The bridge is open to lorries over 12 tonnes.", []string{"negation: open"}},
		{"The Harvale Bridge was not opened on 14 May 1932.", []string{"negation: not opened"}},
		{"Traffic decreased by 15% after the toll was abolished.", []string{"antonym: decreased"}},
		{"Traffic increased before the toll was abolished.", []string{"antonym: before"}},
		{`He called it "a quiet arch over loud water".`, nil},
		{`He called it "a loud arch over quiet water".`, []string{"quote: a loud arch over quiet water"}},
	} {
		js, err := l.Judge(t.Context(), bridgeText, []string{c.claim})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range js[0].Findings {
			got = append(got, string(f.Check)+": "+c.claim[f.Span.Start:f.Span.End])
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("findings of %q, -want +got:\n%s", c.claim, d)
		}
	}
}

func TestSupportIsOrdered(t *testing.T) {
	claims := []string{ // from the best supported
		"The Harvale Bridge was opened on 14 May 1932 by Queen Ada.",
		"The bridge was opened in May 1932 by the queen.",
		"The bridge was opened in June 1935 by the queen.",
	}
	js, err := newLexical(t).Judge(t.Context(), bridgeText, claims)
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i < len(js); i++ {
		if js[i].Support >= js[i-1].Support {
			t.Errorf("support of %q is %.3f, of %q %.3f; want less", claims[i], js[i].Support, claims[i-1], js[i-1].Support)
		}
	}
	if e := js[0].Evidence; !strings.HasPrefix(bridgeText[e.Start:e.End], "The Harvale Bridge was opened on 14 May 1932 by Queen Ada") {
		t.Errorf("evidence is %q", bridgeText[e.Start:e.End])
	}
}

func TestNothingSupportsNothing(t *testing.T) {
	l := newLexical(t)
	for _, c := range [][2]string{{"", "It is red."}, {"It is red.", ""}, {"…", "!"}} {
		js, err := l.Judge(t.Context(), c[0], []string{c[1]})
		if err != nil || js[0].Support != 0 || js[0].Evidence.Len() != 0 {
			t.Errorf("Judge(%q, %q) = %+v, %v; want no support", c[0], c[1], js, err)
		}
	}
}

// Work must not grow with the square of a text that repeats itself.
func TestHostileTextIsBounded(t *testing.T) {
	l := newLexical(t)
	for _, unit := range []string{"a ", "not up ", "Abc ", "7 ", "1. ", "“a ", "x. ", "\"a ", "AB ", "5 km ", "hot cold "} {
		evidence, claim := strings.Repeat(unit, 10_000), strings.Repeat(unit, 300)
		if _, err := l.Judge(t.Context(), evidence, []string{claim}); err != nil {
			t.Error(err)
		}
		Split(claim)
	}
}

func FuzzJudge(f *testing.F) {
	l := newLexical(f)
	f.Add(bridgeText, "It spans 5,0,3 metres, 1e9 twenty-five “x y")
	f.Add("1/2/2020 \xff A B C", "ABC in May")
	f.Add("not only", "not not n't")
	f.Fuzz(func(t *testing.T, evidence, claim string) {
		js, err := l.Judge(t.Context(), evidence, []string{claim})
		if err != nil {
			t.Fatal(err)
		}
		if err := checkJudgements(js, evidence, []string{claim}); err != nil {
			t.Error(err)
		}
		again, err := l.Judge(t.Context(), evidence, []string{claim})
		if err != nil || cmp.Diff(js, again) != "" {
			t.Errorf("judged twice: %+v, then %+v, %v", js, again, err)
		}
	})
}

func BenchmarkJudge(b *testing.B) {
	l := newLexical(b)
	evidence := strings.Repeat(bridgeText+"\n", 10)
	claims := []string{"The bridge was opened in June 1935 by the queen.", "It spans 503 metres and cost 4.2 million dollars."}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := l.Judge(b.Context(), evidence, claims); err != nil {
			b.Fatal(err)
		}
	}
}
