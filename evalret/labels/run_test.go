package labels

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/internal/text"
)

// randomRun writes a run of queries with n documents each, best first, as most
// programs write it.
func randomRun(queries, n int) string {
	rng := rand.New(rand.NewPCG(5, 6))
	var b strings.Builder
	for q := range queries {
		for rank, doc := range rng.Perm(10 * n)[:n] {
			fmt.Fprintf(&b, "q%d Q0 doc%d %d %.6f random\n", q, doc, rank+1, 20-0.01*float64(rank)-0.005*rng.Float64())
		}
	}
	return b.String()
}

// TestRunInParts reads a file that is longer than one part, with faults before
// and behind the border, and the same lines in single pieces.
func TestRunInParts(t *testing.T) {
	lines := randomRun(40, 1000)
	if len(lines) < runPartBytes*5/4 {
		t.Fatalf("the file has %d bytes, too few for two parts", len(lines))
	}
	run, err := ReadRun(strings.NewReader(lines), "f")
	if err != nil {
		t.Fatal(err)
	}
	want := Run{Tag: "random", Results: map[string][]Scored{}}
	for line := range strings.Lines(lines) {
		f := strings.Fields(line)
		var s Scored
		s.Doc = text.DocID(f[2])
		fmt.Sscan(f[4], &s.Score)
		want.Results[f[0]] = append(want.Results[f[0]], s)
	}
	if diff := cmp.Diff(want, run); diff != "" {
		t.Errorf("ReadRun (-want +got):\n%s", diff)
	}

	all := strings.SplitAfter(lines, "\n")
	last := len(all) - 2
	for line, want := range map[string]string{"broken\n": "has 1 fields", all[last-1]: "occurs twice"} {
		all[last] = line
		_, err = ReadRun(strings.NewReader(strings.Join(all, "")), "f")
		if place := fmt.Sprintf("f:%d:", last+1); err == nil || !strings.Contains(err.Error(), place) || !strings.Contains(err.Error(), want) {
			t.Errorf("ReadRun with the line %q = %v, want %q and %q", line, err, place, want)
		}
	}
}

func BenchmarkReadRun(b *testing.B) {
	lines := randomRun(1000, 1000)
	b.SetBytes(int64(len(lines)))
	for b.Loop() {
		if _, err := ReadRun(strings.NewReader(lines), "f"); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*1e6/b.Elapsed().Seconds(), "lines/s")
}
