package metric

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/internal/text"
)

func TestParseAndString(t *testing.T) {
	tests := []struct {
		in   string
		want Metric
		name string // as printed; empty: as given
	}{
		{in: "nDCG@10", want: Metric{Name: "nDCG", At: 10}},
		{in: "nDCG", want: Metric{Name: "nDCG"}},
		{in: "RR", want: Metric{Name: "RR"}},
		{in: "R@100(rel=2)", want: Metric{Name: "R", At: 100, Rel: 2}},
		{in: "AP(rel=3)", want: Metric{Name: "AP", Rel: 3}},
		{in: "P@5(rel=1)", want: Metric{Name: "P", At: 5}, name: "P@5"},
		{in: "evidence_recall@5", want: Metric{Name: "evidence_recall", At: 5}},
		{in: "evidence_recall@1024t", want: Metric{Name: "evidence_recall", At: 1024, Unit: Tokens}},
		{in: "all_evidence@1024t(theta=1)", want: Metric{Name: "all_evidence", At: 1024, Unit: Tokens, Theta: 1}},
		{in: "IPrec", want: Metric{Name: "IPrec"}},
		{in: "IPrec(recall=0.30)", want: Metric{Name: "IPrec", Recall: 0.3}, name: "IPrec(recall=0.3)"},
		{in: "IPrec(recall=-0)", want: Metric{Name: "IPrec"}, name: "IPrec"},
		{in: "IPrec(rel=2,recall=1)", want: Metric{Name: "IPrec", Rel: 2, Recall: 1}},
		{in: "AURC@512..4096t", want: Metric{Name: "AURC", From: 512, At: 4096, Unit: Tokens}},
		{in: "evidence_recall@5(theta=0.50)", want: Metric{Name: "evidence_recall", At: 5}, name: "evidence_recall@5"},
	}
	for _, tt := range tests {
		got, err := Parse(tt.in)
		if err != nil || got != tt.want {
			t.Errorf("Parse(%q) = %+v, %v, want %+v", tt.in, got, err, tt.want)
			continue
		}
		name := tt.name
		if name == "" {
			name = tt.in
		}
		if got.String() != name {
			t.Errorf("Parse(%q).String() = %q, want %q", tt.in, got, name)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	tests := map[string]string{
		"":                             "allowed: evidence_recall, all_evidence",
		"ndcg@10":                      "case sensitive: nDCG",
		"hit@5":                        "unknown metric",
		"R":                            "needs a cut-off",
		"R@":                           "whole number from 1",
		"R@0":                          "whole number from 1",
		"R@05":                         "whole number from 1",
		"R@+5":                         "whole number from 1",
		"R@-1":                         "whole number from 1",
		"R@1.5":                        "whole number from 1",
		"R@99999999":                   "at most 10000",
		"R@5t":                         "takes no token budget",
		"RR@t":                         "whole number from 1",
		"span_recall":                  "needs a cut-off",
		"span_recall@5(theta=.5)":      "takes no parameter theta",
		"nDCG@10(rel=2)":               "takes no parameter rel",
		"P@5(rel=0)":                   "whole number from 1",
		"P@5(rel=2":                    "must end",
		"P@5()":                        "empty parameters",
		"P@5(gain=exp)":                "takes no parameter gain",
		"P@5(depth=3)":                 "unknown parameter",
		"nDCG@10(gain=log)":            "want linear or exp",
		"nDCG(gain=exp":                "must end",
		"nDCG@5(gain=exp)@10":          "must end",
		"nDCG(gain=exp)10":             "must end",
		"Rprec@5":                      "takes no cut-off",
		"IPrec(recall=1.1)":            "from 0 to 1",
		"IPrec(recall=NaN)":            "from 0 to 1",
		"AP(recall=0.5)":               "takes no parameter recall",
		"AP(recall=0)":                 "takes no parameter recall",
		"R@5(rel=2,rel=3)":             "rel is given twice",
		"nDCG@10(gain=exp,gain=exp)":   "gain is given twice",
		"AURC":                         "needs a range",
		"AURC@512t":                    "needs a range",
		"AURC@1..2":                    "needs a range",
		"AURC@512..512t":               "doubled once or more",
		"AURC@512..1500t":              "doubled once or more",
		"AURC@..512t":                  "want a range",
		"AURC@0..512t":                 "want a range",
		"P@1..2":                       "takes no range",
		"span_recall@1..2t":            "takes no range",
		"evidence_density@5":           "token budget only",
		"evidence_density":             "needs a token budget",
		"evidence_recall@5(theta=NaN)": "greater than 0",
		"evidence_recall@5(theta=1.1)": "greater than 0",
		"evidence_recall@5(theta=0)":   "greater than 0",
	}
	for in, want := range tests {
		m, err := Parse(in)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q) = %v, %v, want an error with %q", in, m, err, want)
		}
	}
	if _, err := Parse("MAP"); !errors.Is(err, ErrUnknown) {
		t.Errorf("Parse(MAP) = %v, want ErrUnknown", err)
	}
}

func TestParseList(t *testing.T) {
	got, err := ParseList("nDCG@10, R@5")
	if want := []Metric{{Name: "nDCG", At: 10}, {Name: "R", At: 5}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("ParseList = %v, %v, want %v", got, err, want)
	}
	if _, err := ParseList("R@5,R@5(rel=1)"); err == nil {
		t.Error("ParseList accepts the same metric under two spellings")
	}
}

func FuzzParse(f *testing.F) {
	for _, m := range Defaults([]int{512}) {
		f.Add(m.String())
	}
	f.Add("evidence_recall@5(theta=1e-300)")
	f.Fuzz(func(t *testing.T, s string) {
		m, err := Parse(s)
		if err != nil {
			return
		}
		again, err := Parse(m.String())
		if err != nil || again != m {
			t.Errorf("Parse(%q) = %+v, but Parse(%q) = %+v, %v", s, m, m.String(), again, err)
		}
	})
}

// TestFamilies checks that every definition is complete and computed.
func TestFamilies(t *testing.T) {
	doc := []text.DocID{"a"}
	place := []Place{{Doc: "a", Span: text.RuneSpan{Start: 0, End: 4}}}
	for _, d := range Definitions() {
		if d.Formula == "" || d.Edge == "" || d.Source == "" {
			t.Errorf("%s: definition is incomplete: %+v", d.Name, d)
		}
		m := Metric{Name: d.Name, At: 1}
		switch d.Cut {
		case NoCut:
			m.At = 0
		case RequiredTokens:
			m.Unit = Tokens
		case TokenRange:
			m.Unit, m.From, m.At = Tokens, 1, 2
		}
		if err := m.Validate(); err != nil {
			t.Errorf("%s: %v", m, err)
		}
		var perfect, wrong Value
		context := Context{Places: place, Tokens: 1, EvidenceTokens: 1}
		switch {
		case d.Level == Answers:
			if v := m.Ranking(Judge(doc, map[text.DocID]int{"a": 1})); v.State() != Failed {
				t.Errorf("%s of a ranking = %v, want a failed value", m, v)
			}
			if v := m.Spans(place, place); v.State() != Failed {
				t.Errorf("%s of spans = %v, want a failed value", m, v)
			}
			continue
		case d.Level == Documents:
			perfect = m.Ranking(Judge(doc, map[text.DocID]int{"a": 1}))
			wrong = m.Spans(place, place)
		default:
			perfect = m.Spans(place, place)
			switch d.Cut {
			case RequiredTokens:
				perfect = m.Contexts([]Context{context}, place)
			case TokenRange:
				perfect = m.Contexts([]Context{context, context}, place)
			}
			if d.Better == Lower {
				f, _ := perfect.Float()
				perfect = Of(1 - f)
			}
			wrong = m.Ranking(Judge(doc, map[text.DocID]int{"a": 1}))
		}
		if x, ok := perfect.Float(); !ok || x != 1 || perfect.State() != Number {
			t.Errorf("%s of a perfect result = %v, want 1", m, perfect)
		}
		if wrong.State() != Failed {
			t.Errorf("%s on the other level = %v, want a failed value", m, wrong)
		}
	}
}

func TestRankingEdges(t *testing.T) {
	grades := map[text.DocID]int{"a": 2, "b": 1, "c": 0, "pool": -1}
	tests := []struct {
		metric  string
		ranking []text.DocID
		want    float64
	}{
		{"P@10", []text.DocID{"a"}, 0.1},
		{"AP@1", []text.DocID{"a", "b"}, 0.5},
		{"RR", []text.DocID{"x", "c", "pool", "b"}, 0.25},
		{"RR@3", []text.DocID{"x", "c", "pool", "b"}, 0},
		{"nDCG@1", []text.DocID{"b"}, 0.5},
		{"nDCG@5", nil, 0},
		{"R@1(rel=2)", []text.DocID{"a"}, 1},
		{"R@2", []text.DocID{"a", "a", "b"}, 1}, // chunks of one document count once
		{"Success@1", []text.DocID{"c", "a"}, 0},
		{"nDCG@3", []text.DocID{"a", "x", "b"}, (2 + 1/2.0) / (2 + 1/math.Log2(3))},
		{"nDCG(gain=exp)@3", []text.DocID{"a", "x", "b"}, (3 + 1/2.0) / (3 + 1/math.Log2(3))},
		{"Rprec", []text.DocID{"x", "a", "b"}, 0.5},
		{"bpref", []text.DocID{"x", "c", "pool", "a"}, 0}, // one of the one judged non-relevant above a
		{"bpref", []text.DocID{"a", "c", "b"}, 0.5},
		{"IPrec", []text.DocID{"x", "a", "b"}, 2. / 3},
		{"IPrec(recall=0.2)", []text.DocID{"a", "x", "b"}, 1}, // 0.4 documents: from the first rank
		{"IPrec(recall=0.5)", []text.DocID{"a", "x", "b"}, 1},
		{"IPrec(recall=0.75)", []text.DocID{"a", "x", "b"}, 2. / 3}, // 1.5 rounds to 2
		{"IPrec(recall=1)", []text.DocID{"a", "x"}, 0},
		{"GMAP", []text.DocID{"x"}, 0.00001},
		{"GMAP", []text.DocID{"a", "x", "b"}, (1 + 2./3) / 2},
	}
	for _, tt := range tests {
		m, err := Parse(tt.metric)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := m.Ranking(Judge(tt.ranking, grades)).Float()
		if !ok || math.Abs(got-tt.want) > 1e-12 {
			t.Errorf("%s of %v = %v, want %v", m, tt.ranking, got, tt.want)
		}
		if v := m.Ranking(Judge(tt.ranking, map[text.DocID]int{"c": 0})); v.State() != NotApplicable {
			t.Errorf("%s without relevant documents = %v, want not applicable", m, v)
		}
	}
}

func TestJudged(t *testing.T) {
	m := Metric{Name: "Judged", At: 4}
	grades := map[text.DocID]int{"a": 2, "c": 0, "pool": -1}
	for _, tt := range []struct {
		ranking []text.DocID
		want    Value
	}{
		{[]text.DocID{"a", "x", "pool", "c", "a"}, Of(0.5)},
		{[]text.DocID{"a", "x", "y", "z", "c"}, Of(0.25)},
		{[]text.DocID{"a", "c"}, Of(1)}, // a short list is no hole
		{nil, NoValue("nothing is retrieved")},
	} {
		if got := m.Ranking(Judge(tt.ranking, grades)); got != tt.want {
			t.Errorf("%s of %v = %+v, want %+v", m, tt.ranking, got, tt.want)
		}
	}
	if v := m.Ranking(Judge([]text.DocID{"a"}, map[text.DocID]int{"pool": -1})); v.State() != NotApplicable {
		t.Errorf("%s without a judgement = %+v, want not applicable", m, v)
	}
}

// TestSpanFamilies compares every family with sets of single code points.
func TestSpanFamilies(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	type point struct {
		doc text.DocID
		at  int
	}
	set := func(ps []Place) (all map[point]bool, sum int) {
		all = map[point]bool{}
		for _, p := range ps {
			for at := p.Span.Start; at < p.Span.End; at++ {
				all[point{p.Doc, at}] = true
				sum++
			}
		}
		return all, sum
	}
	common := func(a, b map[point]bool) (n int) {
		for p := range a {
			if b[p] {
				n++
			}
		}
		return n
	}
	for range 500 {
		places := func(n int) (ps []Place) {
			for range n {
				start := rng.IntN(40)
				ps = append(ps, Place{Doc: text.DocID(rune('a' + rng.IntN(2))), Span: text.RuneSpan{Start: start, End: start + rng.IntN(20)}})
			}
			return ps
		}
		gold, retrieved := places(1+rng.IntN(3)), places(rng.IntN(6))
		g, _ := set(gold)
		u, sum := set(retrieved)
		if len(g) == 0 {
			continue
		}
		hits := 0
		var touch []Place
		for _, r := range retrieved {
			one, _ := set([]Place{r})
			hits += common(one, g)
			if common(one, g) > 0 {
				touch = append(touch, r)
			}
		}
		o, _ := set(touch)
		both := common(u, g)
		ratio := func(a, b int) float64 {
			if b == 0 {
				return 0
			}
			return float64(a) / float64(b)
		}
		for name, want := range map[string]float64{
			"span_recall@9":              ratio(both, len(g)),
			"span_precision@9":           ratio(both, len(u)),
			"iou@9":                      ratio(both, len(u)+len(g)-both),
			"span_precision_redundant@9": ratio(both, sum),
			"iou_redundant@9":            ratio(both, sum+len(g)-both),
			"precision_omega":            ratio(common(o, g), len(o)+len(g)-common(o, g)),
			"legalbench_recall@9":        ratio(hits, len(g)),
			"legalbench_precision@9":     ratio(hits, sum),
			"redundancy@9":               ratio(sum-len(u), sum),
		} {
			m, err := Parse(name)
			if err != nil {
				t.Fatal(err)
			}
			v := m.Spans(retrieved, gold)
			got, ok := v.Float()
			if name == "redundancy@9" && sum == 0 {
				if ok {
					t.Fatalf("%s of nothing = %v, want not applicable", m, v)
				}
				continue
			}
			if !ok || math.Abs(got-want) > 1e-12 || got < 0 || got > 1 && m.Name != "legalbench_recall" {
				t.Fatalf("%s of %v with %v = %v, want %v", m, retrieved, gold, got, want)
			}
		}
	}
}

func TestContext(t *testing.T) {
	gold := []Place{{Doc: "a", Span: text.RuneSpan{Start: 0, End: 10}}}
	c := Context{Places: []Place{{Doc: "a", Span: text.RuneSpan{Start: 5, End: 25}}}, Tokens: 50, EvidenceTokens: 10}
	for name, want := range map[string]float64{
		"budget_utilisation@200t": 0.25,
		"evidence_density@200t":   0.2,
		"span_recall@200t":        0.5,
		"span_precision@200t":     0.25,
	} {
		m, err := Parse(name)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := m.Contexts([]Context{c}, gold).Float(); !ok || got != want {
			t.Errorf("%s = %v, want %v", m, got, want)
		}
	}
	if v := (Metric{Name: "evidence_density", At: 9, Unit: Tokens}).Contexts([]Context{c}, nil); v.State() != NotApplicable {
		t.Errorf("evidence_density without labels = %+v, want not applicable", v)
	}
	if v := (Metric{Name: "evidence_density", At: 9, Unit: Tokens}).Contexts([]Context{{}}, gold); v != Of(0) {
		t.Errorf("evidence_density of an empty context = %+v, want 0", v)
	}
	if v := (Metric{Name: "span_recall", At: 9}).Contexts([]Context{c}, gold); v.State() != Failed {
		t.Errorf("span_recall@9 of a context = %+v, want a failed value", v)
	}
}

func TestSpans(t *testing.T) {
	at := func(doc string, start, end int) Place {
		return Place{Doc: text.DocID(doc), Span: text.RuneSpan{Start: start, End: end}}
	}
	gold := []Place{at("a", 10, 20), at("a", 30, 40), at("b", 0, 20)}
	tests := []struct {
		metric    string
		retrieved []Place
		want      float64
	}{
		{"evidence_recall@5", nil, 0},
		{"evidence_recall@5", []Place{at("a", 0, 15)}, 1. / 3},
		{"evidence_recall@5(theta=0.6)", []Place{at("a", 0, 15)}, 0},
		{"evidence_recall@1", []Place{at("b", 0, 4), at("a", 0, 100)}, 0},
		{"evidence_recall@2", []Place{at("b", 0, 4), at("a", 0, 100)}, 2. / 3},
		{"evidence_recall@512t", []Place{at("b", 0, 4), at("a", 0, 100)}, 2. / 3},
		// Halves from two chunks make one covered span; overlap is not counted twice.
		{"evidence_recall@5(theta=1)", []Place{at("a", 8, 16), at("a", 14, 22)}, 1. / 3},
		{"span_recall@5", []Place{at("a", 8, 16), at("a", 14, 22), at("a", 8, 16)}, 10. / 40},
		{"all_evidence@5", []Place{at("a", 0, 40), at("b", 10, 20)}, 1},
		{"all_evidence@5", []Place{at("a", 0, 40), at("b", 11, 20)}, 0},
		{"span_recall@5", []Place{at("other", 0, 40)}, 0},
	}
	for _, tt := range tests {
		m, err := Parse(tt.metric)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := m.Spans(tt.retrieved, gold).Float()
		if !ok || math.Abs(got-tt.want) > 1e-12 {
			t.Errorf("%s of %v = %v, want %v", m, tt.retrieved, got, tt.want)
		}
		for _, none := range [][]Place{nil, {at("a", 3, 3)}} {
			if v := m.Spans(tt.retrieved, none); v.State() != NotApplicable || v.Reason() == "" {
				t.Errorf("%s with labels %v = %v, want not applicable with a reason", m, none, v)
			}
		}
	}
	want := []int{5, 0, 0}
	if diff := cmp.Diff(want, Coverage([]Place{at("a", 0, 15)}, gold)); diff != "" {
		t.Errorf("Coverage (-want +got):\n%s", diff)
	}
}

// For recall, what is retrieved of a copy is retrieved of the labelled place; for
// everything else a copy is other text.
func TestCopiesOfEvidence(t *testing.T) {
	at := func(doc string, start, end int) Place {
		return Place{Doc: text.DocID(doc), Span: text.RuneSpan{Start: start, End: end}}
	}
	twice := at("a", 100, 110)
	twice.Copies = []text.RuneSpan{{Start: 0, End: 10}, {Start: 50, End: 60}}
	gold := []Place{twice, at("a", 200, 210)}
	for _, tt := range []struct {
		metric    string
		retrieved []Place
		want      float64
	}{
		{"evidence_recall@5", []Place{at("a", 45, 70)}, 1. / 2},
		{"evidence_recall@5", []Place{at("b", 45, 70)}, 0}, // the same place of another document is no copy
		{"evidence_recall@1", []Place{at("c", 0, 1), at("a", 45, 70)}, 0},
		// A part here and the other part there are the whole, the same part twice is a part.
		{"evidence_recall@5(theta=1)", []Place{at("a", 0, 5), at("a", 55, 60)}, 1. / 2},
		{"evidence_recall@5(theta=1)", []Place{at("a", 0, 5), at("a", 50, 55)}, 0},
		{"all_evidence@5", []Place{at("a", 0, 10), at("a", 200, 210)}, 1},
		{"span_recall@5", []Place{at("a", 0, 5)}, 5. / 20},
		{"span_precision@5", []Place{at("a", 0, 10), at("a", 100, 110)}, 1. / 2},
		{"iou@5", []Place{at("a", 0, 10)}, 0},
	} {
		m, err := Parse(tt.metric)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := m.Spans(tt.retrieved, gold).Float(); !ok || math.Abs(got-tt.want) > 1e-12 {
			t.Errorf("%s of %v = %v, want %v", m, tt.retrieved, got, tt.want)
		}
	}
	if diff := cmp.Diff([]int{7, 0}, Coverage([]Place{at("a", 3, 8), at("a", 58, 70)}, gold)); diff != "" {
		t.Errorf("Coverage (-want +got):\n%s", diff)
	}
}

func TestThetaIsExactOnWholeCounts(t *testing.T) {
	gold := []Place{{Doc: "a", Span: text.RuneSpan{Start: 0, End: 100}}}
	m := Metric{Name: "evidence_recall", At: 1, Theta: 0.55}
	for end, want := range map[int]float64{54: 0, 55: 1} {
		got, _ := m.Spans([]Place{{Doc: "a", Span: text.RuneSpan{Start: 0, End: end}}}, gold).Float()
		if got != want {
			t.Errorf("%s with %d of 100 covered = %v, want %v", m, end, got, want)
		}
	}
}

// TestProperties: 0 ≤ m ≤ 1, an irrelevant tail never raises, the perfect
// order scores 1 where it can, and renaming documents changes nothing.
func TestProperties(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	rename := func(d text.DocID) text.DocID { return "doc/" + d }
	for range 400 {
		grades, renamed := map[text.DocID]int{}, map[text.DocID]int{}
		for range 1 + rng.IntN(12) {
			d := text.DocID(rune('a' + rng.IntN(20)))
			grades[d] = rng.IntN(4) - 1
			renamed[rename(d)] = grades[d]
		}
		var ranking, ranking2 []text.DocID
		for range rng.IntN(25) {
			d := text.DocID(rune('a' + rng.IntN(26)))
			ranking, ranking2 = append(ranking, d), append(ranking2, rename(d))
		}
		var perfect []text.DocID
		for g := 3; g > 0; g-- {
			for d, grade := range grades {
				if grade == g {
					perfect = append(perfect, d)
				}
			}
		}
		tail := append(slices.Clone(ranking), "irrelevant-1", "irrelevant-2")
		for _, m := range append(DefaultDocuments(), Metric{Name: "GMAP"}, Metric{Name: "IPrec"}, Metric{Name: "IPrec", Recall: 0.4}, Metric{Name: "IPrec", Recall: 1}) {
			got, ok := m.Ranking(Judge(ranking, grades)).Float()
			if got < 0 || got > 1 || math.IsNaN(got) {
				t.Fatalf("%s of %v with %v = %v, want 0..1", m, ranking, grades, got)
			}
			if again, _ := m.Ranking(Judge(ranking2, renamed)).Float(); again != got {
				t.Fatalf("%s = %v, after renaming %v", m, got, again)
			}
			if more, _ := m.Ranking(Judge(tail, grades)).Float(); more > got {
				t.Fatalf("%s of %v = %v, with an irrelevant tail %v", m, ranking, got, more)
			}
			if best, _ := m.Ranking(Judge(perfect, grades)).Float(); best < got {
				t.Fatalf("%s of the perfect order = %v, of another %v", m, best, got)
			} else if ok && best != 1 && (m.Name == "nDCG" || m.Name == "RR" || m.Name == "AP" || m.Name == "Success") {
				t.Fatalf("%s of the perfect order %v with %v = %v, want 1", m, perfect, grades, best)
			}
		}
		spans(t, rng)
	}
}

func spans(t *testing.T, rng *rand.Rand) {
	t.Helper()
	places := func(n int) []Place {
		var ps []Place
		for range n {
			start := rng.IntN(60)
			ps = append(ps, Place{Doc: text.DocID(rune('a' + rng.IntN(3))), Span: text.RuneSpan{Start: start, End: start + 1 + rng.IntN(30)}})
		}
		return ps
	}
	gold, retrieved := places(1+rng.IntN(4)), places(rng.IntN(8))
	plain := slices.Clone(gold)
	for i := range gold {
		for range rng.IntN(3) { // anywhere, even over each other and over the place itself
			start := rng.IntN(80)
			gold[i].Copies = append(gold[i].Copies, text.RuneSpan{Start: start, End: start + gold[i].Span.Len()})
		}
	}
	for i, n := range Coverage(retrieved, gold) {
		if least := Coverage(retrieved, plain)[i]; n < least || n > gold[i].Span.Len() {
			t.Fatalf("%d of %v are covered by %v, without copies %d", n, gold[i], retrieved, least)
		}
	}
	for _, name := range []string{"evidence_recall", "all_evidence", "span_recall"} {
		m := Metric{Name: name, At: 4}
		got, ok := m.Spans(retrieved, gold).Float()
		if !ok || got < 0 || got > 1 {
			t.Fatalf("%s of %v with %v = %v, want 0..1", m, retrieved, gold, got)
		}
		if least, _ := m.Spans(retrieved, plain).Float(); got < least {
			t.Fatalf("%s of %v with %v = %v, without copies %v", m, retrieved, gold, got, least)
		}
		m = Metric{Name: name, At: 9, Unit: Tokens}
		got, _ = m.Spans(retrieved, gold).Float()
		if more, _ := m.Spans(append(slices.Clone(retrieved), places(1)...), gold).Float(); more < got {
			t.Fatalf("%s = %v, with one more segment %v", m, got, more)
		}
		if best, _ := m.Spans(append(slices.Clone(gold), gold...), gold).Float(); best != 1 {
			t.Fatalf("%s of the labelled spans themselves = %v, want 1", m, best)
		}
	}
}

func TestValueJSON(t *testing.T) {
	in := map[string]Value{"a": Of(1. / 3), "b": NoValue("x"), "c": Fail("y"), "d": Of(math.NaN()), "e": Of(-1e-9)}
	b, err := json.Marshal(in)
	if want := `{"a":0.333333,"b":null,"c":null,"d":null,"e":0}`; err != nil || string(b) != want {
		t.Errorf("Marshal = %s, %v, want %s", b, err, want)
	}
	if x, ok := Of(math.Inf(1)).Float(); x != 0 || !ok {
		t.Errorf("Of(+Inf).Float() = %v, %v, want 0, true", x, ok)
	}
	var back map[string]Value
	if err := json.Unmarshal(b, &back); err != nil || back["a"] != Of(0.333333) || back["b"].State() != NotApplicable {
		t.Errorf("Unmarshal = %+v, %v", back, err)
	}
}

func BenchmarkRanking(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	grades := map[text.DocID]int{}
	var ranking []text.DocID
	for i := range 100 {
		ranking = append(ranking, text.DocID(rune('A'+i)))
		if rng.IntN(10) == 0 {
			grades[ranking[i]] = 1 + rng.IntN(2)
		}
	}
	metrics := DefaultDocuments()
	b.ReportAllocs()
	for b.Loop() {
		j := Judge(ranking, grades)
		for _, m := range metrics {
			m.Ranking(j)
		}
	}
}

// BenchmarkSettings scores what a sweep asks for: 270 settings, 300 queries, the
// first 100 documents each, every metric that reports show by default, on all
// processors. One op is the whole sweep.
func BenchmarkSettings(b *testing.B) {
	const settings, queries, depth = 270, 300, 100
	rng := rand.New(rand.NewPCG(1, 1))
	type query struct {
		ranking []text.DocID
		grades  map[text.DocID]int
	}
	all := make([]query, queries)
	for i := range all {
		q := query{grades: map[text.DocID]int{}}
		for _, d := range rng.Perm(5000)[:depth] {
			q.ranking = append(q.ranking, text.DocID(fmt.Sprintf("collection/part-%d/document-%d.txt", d%7, d)))
		}
		for range 1 + rng.IntN(20) {
			q.grades[q.ranking[rng.IntN(depth)]] = rng.IntN(3)
		}
		all[i] = q
	}
	metrics := DefaultDocuments()
	b.ReportAllocs()
	for b.Loop() {
		var next atomic.Int64
		var group sync.WaitGroup
		for range runtime.GOMAXPROCS(0) {
			group.Go(func() {
				for i := next.Add(1); i <= settings; i = next.Add(1) {
					for _, q := range all {
						j := Judge(q.ranking, q.grades)
						for _, m := range metrics {
							m.Ranking(j)
						}
					}
				}
			})
		}
		group.Wait()
	}
}
