package retrieve

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/internal/text"
)

// TestAdditions: what was added makes of every fused score the final one, and each
// part of it is 0 when it is off.
func TestAdditions(t *testing.T) {
	m := library(t)
	m.rec["doc05"].Title = "On hedges"
	r := prefixed(t, m, letters{})
	const query = `hedge "beach badge" head`
	for _, f := range allFusions() {
		p := params(func(p *Params) { p.Fusion, p.TopK, p.Candidates = f, 100, 100 })
		p.DocumentPrior, p.TitleBoost, p.NeighbourSmoothing, p.PhraseBoost = 0.8, 2, 0.4, 2
		got, err := r.Search(t.Context(), query, p)
		if err != nil {
			t.Fatal(err)
		}
		sum := Added{}
		candidates := got.All()
		for i, a := range Additions(candidates, p) {
			c := candidates[i]
			if all := c.Fused + a.Document + a.Title + a.Neighbours + a.Phrases; math.Abs(all-c.Score) > 1e-9 {
				t.Errorf("%s: #%d has score %v, its parts %v and %+v make %v", f, c.Rank, c.Score, c.Fused, a, all)
			}
			sum.Document += math.Abs(a.Document)
			sum.Title += math.Abs(a.Title)
			sum.Neighbours += math.Abs(a.Neighbours)
			sum.Phrases += math.Abs(a.Phrases)
		}
		if sum.Document == 0 || sum.Title == 0 || sum.Neighbours == 0 || sum.Phrases == 0 {
			t.Errorf("%s: something adds nothing anywhere: %+v", f, sum)
		}
		p.DocumentPrior, p.TitleBoost, p.NeighbourSmoothing, p.PhraseBoost = 0, 0, 0, 0
		for _, a := range Additions(got.All(), p) {
			if a != (Added{}) {
				t.Errorf("%s: with all off, %+v is added", f, a)
			}
		}
	}
	if got := Additions(nil, DefaultParams()); len(got) != 0 {
		t.Errorf("additions of nothing = %v", got)
	}
}

func TestReading(t *testing.T) {
	r := retriever(t, manual(t), letters{}).WithExpander(writer{variants: []string{"egg decade", "cafe"}, passage: "a beach"})
	type reading struct {
		Written  []string
		Phrases  []Phrase
		Feedback []text.DocID
	}
	plain, err := r.Search(t.Context(), "egg", params(nil))
	if err != nil {
		t.Fatal(err)
	}
	first := make([]text.DocID, feedbackDepth) // of the dense leg
	for _, c := range plain.All() {
		if 0 < c.DenseRank && c.DenseRank <= feedbackDepth {
			first[c.DenseRank-1] = c.Chunk.Doc
		}
	}
	for _, tc := range []struct {
		name, query string
		change      func(*Params)
		want        reading
	}{
		{"nothing", "badge", nil, reading{}},
		{"wordings", "badge", func(p *Params) { p.Expand = MultiQuery }, reading{Written: []string{"egg decade", "cafe"}}},
		{"a passage", "badge", func(p *Params) { p.Expand = HyDE }, reading{Written: []string{"a beach"}}},
		{"a passage for no leg", "badge", func(p *Params) { p.Expand, p.Fusion = HyDE, Fusion{Method: Lexical} }, reading{}},
		{"phrases", `"badge beach" of the XJ-1 of IT`, nil, reading{Phrases: []Phrase{{"badge beach", Quoted, 1}, {"XJ-1", Identifier, 0}, {"IT", Acronym, 0}}}},
		{"phrases that count for nothing", `"badge beach"`, func(p *Params) { p.PhraseBoost = 0 }, reading{}},
		{"what the dense leg found first", "egg", func(p *Params) { p.Feedback = 0.5 }, reading{Feedback: first}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := params(tc.change)
			found, err := r.Search(t.Context(), tc.query, p)
			if err != nil {
				t.Fatal(err)
			}
			got := reading{Written: found.Reading.Written, Phrases: found.Reading.Phrases}
			for _, c := range found.Reading.Feedback {
				got.Feedback = append(got.Feedback, c.Doc)
			}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Errorf("reading (-want +got):\n%s", d)
			}
			f, err := r.Find(t.Context(), tc.query, p)
			if d := cmp.Diff(tc.want.Phrases, f.Reading.Phrases); err != nil || d != "" && p.Fusion.uses() == (legs{true, true}) {
				t.Errorf("Find reads otherwise: %v\n%s", err, d)
			}
		})
	}
	failing := r.WithExpander(writer{err: errDown})
	if got, err := failing.Search(t.Context(), "badge", params(func(p *Params) { p.Expand = MultiQuery })); err != nil || got.Reading.Written != nil {
		t.Errorf("after a failure %q was written, %v", got.Reading.Written, err)
	}
}
