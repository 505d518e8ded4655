package retrieve

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
)

func TestParseFusion(t *testing.T) {
	for s, want := range map[string]Fusion{
		"zscore":            {Method: ZScore, Weight: 0.6},
		"zscore(w=0.25)":    {Method: ZScore, Weight: 0.25},
		" zscore( w = 0 ) ": {Method: ZScore},
		"minmax":            {Method: MinMax, Weight: 0.5},
		"minmax(w=1)":       {Method: MinMax, Weight: 1},
		"dbsf":              {Method: DBSF},
		"rrf":               {Method: RRF, Weight: 0.5, K: 60},
		"rrf(w=0.7)":        {Method: RRF, Weight: 0.7, K: 60},
		"rrf(w=0.7,k=2)":    {Method: RRF, Weight: 0.7, K: 2},
		"dense":             {Method: Dense},
		"lexical":           {Method: Lexical},
	} {
		got, err := ParseFusion(s)
		if err != nil || got != want {
			t.Errorf("ParseFusion(%q) = %+v, %v; want %+v", s, got, err, want)
		}
		if again, err := ParseFusion(got.String()); err != nil || again != got {
			t.Errorf("ParseFusion(%q) = %+v, %v; want %+v", got.String(), again, err, got)
		}
	}
	const allowed = "zscore(w=0.6), minmax(w=0.5), dbsf, rrf(k=60,w=0.5), dense or lexical"
	for s, want := range map[string]string{
		"":               `fusion is "", allowed are ` + allowed,
		"ZScore":         `fusion is "ZScore", allowed are ` + allowed,
		"zscore(":        `fusion is "zscore(", the closing parenthesis is missing`,
		"zscore()":       `fusion is "zscore()", zscore has no parameter "", allowed are ` + allowed,
		"zscore(k=3)":    `fusion is "zscore(k=3)", zscore has no parameter "k", allowed are ` + allowed,
		"dbsf(w=0.5)":    `fusion is "dbsf(w=0.5)", dbsf has no parameter "w", allowed are ` + allowed,
		"zscore(w=x)":    `fusion is "zscore(w=x)", zscore needs one number for parameter w`,
		"rrf(w=1,w=1)":   `fusion is "rrf(w=1,w=1)", rrf needs one number for parameter w`,
		"zscore(w=1.01)": `fusion has the weight w=1.01, allowed are 0 to 1`,
		"zscore(w=NaN)":  `fusion has the weight w=NaN, allowed are 0 to 1`,
		"rrf(k=-1)":      `fusion has k=-1, allowed are 0 to 10000`,
		"rrf(k=+Inf)":    `fusion has k=+Inf, allowed are 0 to 10000`,
	} {
		_, err := ParseFusion(s)
		var invalid *InvalidError
		if !errors.As(err, &invalid) || invalid.Field != "fusion" || err.Error() != want {
			t.Errorf("ParseFusion(%q) error = %v, want %s", s, err, want)
		}
	}
}

func ExampleParseFusion() {
	f, err := ParseFusion("rrf(k=10)")
	fmt.Println(f, err)
	_, err = ParseFusion("zscore(w=7)")
	fmt.Println(err)
	// Output:
	// rrf(k=10,w=0.5) <nil>
	// fusion has the weight w=7, allowed are 0 to 1
}

func FuzzParseFusion(f *testing.F) {
	for _, m := range methods {
		f.Add(Fusion{Method: m.name, Weight: m.weight, K: m.k}.String())
	}
	f.Add("rrf(k=1e1,w=.5)")
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParseFusion(s)
		if err != nil {
			return
		}
		if again, err := ParseFusion(got.String()); err != nil || again != got {
			t.Errorf("ParseFusion(%q).String() = %q, which is read as %+v, %v", s, got, again, err)
		}
	})
}

// hits makes candidates with ids a, b, c, …; a rank of 0 means that the leg did
// not return the chunk.
func hits(rows ...[4]float64) []index.Candidate {
	var out []index.Candidate
	for i, r := range rows {
		id := string(rune('a' + i))
		out = append(out, index.Candidate{Chunk: &index.Chunk{ID: index.ChunkID(id), Doc: text.DocID(id)},
			Dense: r[0], DenseRank: int(r[1]), Lexical: r[2], LexicalRank: int(r[3])})
	}
	return out
}

// fused returns the fused scores of all of cs.
func fused(f Fusion, cs []index.Candidate) []float64 {
	return f.fuse(whole(cs), make([]float64, len(cs)), make([]float64, len(cs)))
}

// whole admits all of cs with all that is known of them.
func whole(cs []index.Candidate) []admitted {
	var out []admitted
	for _, c := range cs {
		out = append(out, admitted{Candidate: c})
	}
	return out
}

func TestFuse(t *testing.T) {
	// Three candidates: both legs, dense only, lexical only.
	three := hits([4]float64{0.9, 1, 4, 2}, [4]float64{0.6, 2, 0, 0}, [4]float64{0.3, 0, 8, 1})
	for _, tc := range []struct {
		f    string
		want []float64
	}{
		// mean 0.6, population deviation 0.2449; mean 4, deviation 3.2660
		{"zscore(w=0.6)", []float64{0.6 * 1.224745, 0.4 * -1.224745, 0.6*-1.224745 + 0.4*1.224745}},
		{"minmax(w=0.5)", []float64{0.5 + 0.25, 0.25, 0.5}},
		{"rrf(k=60,w=0.5)", []float64{0.5/61 + 0.5/62, 0.5 / 62, 0.5 / 61}},
		{"rrf(k=1,w=0.5)", []float64{0.5/2 + 0.5/3, 0.5 / 3, 0.5 / 2}},
		// Two hits in each leg lie at ±1/√2 sample deviations: 0.5 ± 0.7071/6.
		{"dbsf", []float64{0.617851 + 0.382149, 0.382149, 0.617851}},
		{"dense", []float64{0.9, 0.6, 0.3}},
		{"lexical", []float64{4, 0, 8}},
	} {
		f, err := ParseFusion(tc.f)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(tc.want, fused(f, three), cmpopts.EquateApprox(0, 1e-6)); d != "" {
			t.Errorf("%s (-want +got):\n%s", tc.f, d)
		}
	}
}

// TestFuseEqualsQdrant compares RRF and DBSF with the formulas of Qdrant's
// reciprocal_rank_fusion.rs and score_fusion.rs, written out.
func TestFuseEqualsQdrant(t *testing.T) {
	cs := hits([4]float64{0.9, 1, 0, 0}, [4]float64{0.8, 2, 3, 3}, [4]float64{0.1, 3, 7, 1}, [4]float64{0, 0, 5, 2})
	rrf := fused(Fusion{Method: RRF, Weight: 0.5, K: 1}, cs) // Qdrant's default k is 2, with positions from 0
	for i, want := range []float64{1. / 2, 1./3 + 1./4, 1./4 + 1./2, 1. / 3} {
		if math.Abs(2*rrf[i]-want) > 1e-12 {
			t.Errorf("rrf of %s = %v, want half of %v", cs[i].Chunk.ID, rrf[i], want)
		}
	}
	normalise := func(x float64, xs ...float64) float64 {
		var m, m2 float64 // Welford
		for i, v := range xs {
			d := v - m
			m += d / float64(i+1)
			m2 += d * (v - m)
		}
		s := math.Sqrt(m2 / float64(len(xs)-1))
		return (x - (m - 3*s)) / ((m + 3*s) - (m - 3*s))
	}
	dense := func(x float64) float64 { return normalise(x, 0.9, 0.8, 0.1) }
	lexical := func(x float64) float64 { return normalise(x, 7, 5, 3) }
	dbsf := fused(Fusion{Method: DBSF}, cs)
	for i, want := range []float64{dense(0.9), dense(0.8) + lexical(3), dense(0.1) + lexical(7), lexical(5)} {
		if math.Abs(dbsf[i]-want) > 1e-12 {
			t.Errorf("dbsf of %s = %v, want %v", cs[i].Chunk.ID, dbsf[i], want)
		}
	}
}

func allFusions() []Fusion {
	var out []Fusion
	for _, m := range methods {
		for _, w := range []float64{0, 0.3, 1} {
			if m.weighted || w == 0 {
				f := Fusion{Method: m.name, K: m.k}
				if m.weighted {
					f.Weight = w
				}
				out = append(out, f)
			}
		}
	}
	return out
}

func TestFuseDegenerate(t *testing.T) {
	cases := map[string][]index.Candidate{
		"none":            nil,
		"one":             hits([4]float64{0.5, 1, 2, 1}),
		"one, dense only": hits([4]float64{0.5, 1, 0, 0}),
		"all equal":       hits([4]float64{0.1, 1, 0.1, 1}, [4]float64{0.1, 2, 0.1, 2}, [4]float64{0.1, 3, 0.1, 3}),
		"no lexical hit":  hits([4]float64{0.9, 1, 0, 0}, [4]float64{0.5, 2, 0, 0}),
		"no dense leg":    hits([4]float64{0, 0, 3, 1}, [4]float64{0, 0, 2, 2}),
		"negative":        hits([4]float64{-0.9, 2, 0, 0}, [4]float64{-0.1, 1, 1, 1}),
		"nearly equal":    hits([4]float64{0.1, 1, 5e-324, 1}, [4]float64{math.Nextafter(0.1, 0), 2, 0, 0}),
		"huge":            hits([4]float64{1, 1, 1e300, 1}, [4]float64{-1, 2, -1e300, 2}),
	}
	for name, cs := range cases {
		for _, f := range allFusions() {
			p := Params{TopK: 10, Candidates: 10, Fusion: f, DocumentPrior: 0.8, NeighbourSmoothing: 0.5}
			for _, r := range Rank(Found{Legs: index.Legs{Candidates: cs}}, p) {
				if math.IsNaN(r.Score+r.Fused) || math.IsInf(r.Score+r.Fused, 0) {
					t.Errorf("%s, %s: scores %v and %v of %s", name, f, r.Fused, r.Score, r.Chunk.ID)
				}
			}
		}
	}
}

// TestRankProperties checks on random candidates that the order of the input
// does not matter, that the order is the documented one, and that cutting
// deeper hits off in Rank is the same as not having found them.
func TestRankProperties(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for n := range 100 {
		found := randomFound(r, 1+r.IntN(60))
		for _, f := range allFusions() {
			p := Params{TopK: 1 + r.IntN(20), Candidates: 1 + r.IntN(30), Fusion: f, DocumentPrior: 0.8 * float64(r.IntN(2)), NeighbourSmoothing: 0.5 * float64(r.IntN(2)),
				TitleBoost: 2 * float64(r.IntN(2)), PhraseBoost: float64(r.IntN(2))}
			before := slices.Clone(found.Legs.Candidates)
			got := Rank(found, p)
			if d := cmp.Diff(before, found.Legs.Candidates); d != "" {
				t.Fatalf("%d %s: Rank changed its input:\n%s", n, f, d)
			}
			shuffled := found.only(r.Perm(len(before)))
			if d := cmp.Diff(got, Rank(shuffled, p)); d != "" {
				t.Fatalf("%d %s: the order of the candidates matters:\n%s", n, f, d)
			}
			var places []int
			var cut []index.Candidate
			for i, c := range before {
				if c.DenseRank > p.Candidates {
					c.DenseRank = 0
				}
				if c.LexicalRank > p.Candidates {
					c.LexicalRank = 0
				}
				if bestRank(c.DenseRank, c.LexicalRank) > 0 {
					places, cut = append(places, i), append(cut, c)
				}
			}
			shallow := found.only(places)
			shallow.Legs.Candidates = cut
			if d := cmp.Diff(got, Rank(shallow, p)); d != "" {
				t.Fatalf("%d %s: deeper hits matter:\n%s", n, f, d)
			}
			for i, x := range got {
				if c := x.Chunk; x.Record.Doc != c.Doc || x.Title != titleShare(c) || x.Phrases != phraseShare(c) {
					t.Fatalf("%d %s: chunk %s of %s comes with the record of %q, and shares %v and %v", n, f, c.ID, c.Doc, x.Record.Doc, x.Title, x.Phrases)
				}
				if x.Rank != i+1 {
					t.Fatalf("%d %s: rank %d at position %d", n, f, x.Rank, i)
				}
				if i == 0 {
					continue
				}
				y := got[i-1]
				ordered := y.Score > x.Score || y.Score == x.Score && (bestRank(y.DenseRank, y.LexicalRank) < bestRank(x.DenseRank, x.LexicalRank) ||
					bestRank(y.DenseRank, y.LexicalRank) == bestRank(x.DenseRank, x.LexicalRank) && y.Chunk.ID < x.Chunk.ID)
				if !ordered {
					t.Fatalf("%d %s: %s in front of %s", n, f, y.Chunk.ID, x.Chunk.ID)
				}
			}
		}
	}
}

// randomFound makes n candidates of few documents with many equal scores.
func randomFound(r *rand.Rand, n int) Found {
	var cs []index.Candidate
	for i := range n {
		cs = append(cs, index.Candidate{
			Chunk: &index.Chunk{ID: index.ChunkID(fmt.Sprintf("%03d", i)), Doc: text.DocID(fmt.Sprint(i % 7)), Ordinal: i / 7},
			Dense: float64(r.IntN(9))/10 - 0.3, Lexical: float64(r.IntN(6)),
		})
	}
	for _, rank := range []func(*index.Candidate) *int{denseRank, lexicalRank} {
		for pos, i := range r.Perm(n)[:r.IntN(n+1)] {
			*rank(&cs[i]) = pos + 1
		}
	}
	cs = slices.DeleteFunc(cs, func(c index.Candidate) bool { return bestRank(c.DenseRank, c.LexicalRank) == 0 })
	f := Found{Legs: index.Legs{Candidates: cs}}
	for _, c := range cs {
		f.Records = append(f.Records, &index.Record{Doc: c.Chunk.Doc})
		f.Titles, f.Phrases = append(f.Titles, titleShare(c.Chunk)), append(f.Phrases, phraseShare(c.Chunk))
	}
	return f
}

func titleShare(c *index.Chunk) float64  { return float64(len(c.Doc)+int(c.Doc[0])%3) / 10 }
func phraseShare(c *index.Chunk) float64 { return float64(c.Ordinal%3) / 2 }

// only returns f with the candidates at places, in their order, and what is parallel to
// them.
func (f Found) only(places []int) Found {
	out := f
	out.Legs.Candidates, out.Records, out.Titles, out.Phrases = nil, nil, nil, nil
	for _, i := range places {
		out.Legs.Candidates, out.Records = append(out.Legs.Candidates, f.Legs.Candidates[i]), append(out.Records, f.Records[i])
		out.Titles, out.Phrases = append(out.Titles, f.Titles[i]), append(out.Phrases, f.Phrases[i])
	}
	return out
}

func TestRescore(t *testing.T) {
	chunk := func(doc text.DocID, ordinal int, heading ...string) index.Candidate {
		return index.Candidate{Chunk: &index.Chunk{Doc: doc, Ordinal: ordinal, Heading: heading}}
	}
	// Of a: two that follow each other, one apart. Of b: the first and the third of
	// a section, whose second is missing, then one of another section. Of c: one.
	cs := []index.Candidate{
		chunk("a", 0), chunk("a", 1), chunk("a", 9),
		chunk("b", 1, "I"), chunk("b", 3, "I", "i"), chunk("b", 5, "II"), chunk("c", 0),
	}
	fused := []float64{1, -1, 0.5, 3, 2, 4, -2}
	const m = 7.5 / 7 // their average
	smooth := []float64{-1 - m, 1 - m, 0, (2 - m) / 8, (3 - m) / 8, 0, 0}
	prior := []float64{1, 1, 1, 4, 4, 4, -2}
	for _, p := range []Params{{}, {DocumentPrior: 0.8}, {NeighbourSmoothing: 0.5}, {DocumentPrior: 0.8, NeighbourSmoothing: 0.5}} {
		want := slices.Clone(fused)
		for i := range want {
			want[i] += p.DocumentPrior*prior[i] + p.NeighbourSmoothing*smooth[i]
		}
		if d := cmp.Diff(want, newScratch().rescore(nil, whole(cs), fused, p), cmpopts.EquateApprox(0, 1e-12)); d != "" {
			t.Errorf("prior %v, smoothing %v (-want +got):\n%s", p.DocumentPrior, p.NeighbourSmoothing, d)
		}
	}
}

// TestSmooth: of two chunks at the same distance the better one counts, adjacent
// ones in any section and whole, those two away in the same one and an eighth.
func TestSmooth(t *testing.T) {
	var cs []index.Candidate
	for i, h := range []string{"I", "I", "II", "II", "II"} {
		cs = append(cs, index.Candidate{Chunk: &index.Chunk{Doc: "d", Ordinal: i, Heading: []string{h}}})
	}
	fused := []float64{8, -4, 1, -6, 1}
	got := newScratch().rescore(nil, whole(cs), fused, Params{NeighbourSmoothing: 1})
	for i := range got {
		got[i] -= fused[i]
	}
	want := []float64{-4, 8, -4 + 0.125, 1, -6 + 0.125}
	if d := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-12)); d != "" {
		t.Errorf("smooth of %v (-want +got):\n%s", fused, d)
	}
}

// TestSmoothByPlace: what stands beside a chunk is what has its place, also where
// places are missing and candidates share one.
func TestSmoothByPlace(t *testing.T) {
	type place struct {
		doc     text.DocID
		ordinal int
	}
	r := rand.New(rand.NewPCG(9, 10))
	for range 200 {
		var cs []index.Candidate
		var fused []float64
		at := map[place]int{}
		for i := range r.IntN(30) {
			c := &index.Chunk{Doc: text.DocID(fmt.Sprint(r.IntN(3))), Ordinal: r.IntN(9), Heading: []string{fmt.Sprint(r.IntN(2))}}
			cs, fused = append(cs, index.Candidate{Chunk: c}), append(fused, float64(r.IntN(100))/7)
			at[place{c.Doc, c.Ordinal}] = i
		}
		average := 0.0
		for _, x := range fused {
			average += x
		}
		average /= float64(max(len(fused), 1))
		want := slices.Clone(fused)
		for i, c := range cs {
			for _, distance := range []int{1, 2} {
				best := math.Inf(-1)
				for _, ordinal := range []int{c.Chunk.Ordinal - distance, c.Chunk.Ordinal + distance} {
					if k, ok := at[place{c.Chunk.Doc, ordinal}]; ok && (distance == 1 || cs[k].Chunk.Heading[0] == c.Chunk.Heading[0]) {
						best = max(best, fused[k])
					}
				}
				if !math.IsInf(best, -1) {
					want[i] += []float64{1: 0.4, 2: 0.125 * 0.4}[distance] * (best - average)
				}
			}
		}
		got := newScratch().rescore(nil, whole(cs), fused, Params{NeighbourSmoothing: 0.4})
		if d := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-12), cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("%d candidates (-want +got):\n%s", len(cs), d)
		}
	}
}

func BenchmarkRank(b *testing.B) {
	found := randomFound(rand.New(rand.NewPCG(5, 6)), 200)
	for _, f := range []string{"zscore", "rrf", "dbsf"} {
		p := DefaultParams()
		p.Fusion, _ = ParseFusion(f)
		b.Run(f, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Rank(found, p)
			}
		})
	}
}
