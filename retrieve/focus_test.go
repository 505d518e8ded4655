package retrieve

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ragloop/ragloop/internal/lexical"
	"github.com/ragloop/ragloop/internal/text"
	"github.com/ragloop/ragloop/retrieve/pack"
)

func TestSharesOfSentences(t *testing.T) {
	a, err := lexical.New(lexical.Default())
	if err != nil {
		t.Fatal(err)
	}
	const said = "The warranty lasts. Heat meters have warranties. Nothing else."
	chunk := pack.Chunk{Doc: "heat_meter.pdf", Text: said}
	sentences := text.Sentences(said)
	for _, tc := range []struct {
		name   string
		terms  map[string]float64
		change func(*pack.Chunk)
		want   []float64
	}{
		{"by weight", map[string]float64{"warranty": 3, "lasting": 1}, nil, []float64{1, 0.75, 0}},
		{"not what the id says", map[string]float64{"warranty": 3, "heat": 5, "meters": 5}, nil, []float64{1, 1, 0}},
		{"not what the title says", map[string]float64{"warranty": 3, "last": 1}, func(c *pack.Chunk) { c.Title = "Warranties" }, []float64{1, 0, 0}},
		{"not what a heading says", map[string]float64{"warranty": 3, "last": 1}, func(c *pack.Chunk) { c.Heading = []string{"Warranties"} }, []float64{1, 0, 0}},
		{"all is said", map[string]float64{"heat": 3}, nil, []float64{0, 0, 0}},
	} {
		ch := chunk
		if tc.change != nil {
			tc.change(&ch)
		}
		got := asking(a, tc.terms).Shares([]pack.Chunk{ch, chunk}, [][]text.Span{sentences, nil})
		if d := cmp.Diff([][]float64{tc.want, nil}, got, cmpopts.EquateApprox(0, 1e-9)); d != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, d)
		}
	}
}
