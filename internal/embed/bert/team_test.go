package bert

import (
	"slices"
	"sync"
	"testing"
)

// TestTeam checks that a text has the same vector whoever helps, and that
// helpers go home.
func TestTeam(t *testing.T) {
	m, err := New(randomWeights(tiny).file(t, tiny))
	if err != nil {
		t.Fatal(err)
	}
	var w Workspace
	spaces := make([]Workspace, 3)
	for _, n := range []int{1, 2, 3, 8, 17, m.MaxTokens} {
		ids := make([]int32, n)
		for i := range ids {
			ids[i] = int32(i * 7 % m.Pieces())
		}
		for _, p := range []Precision{Int16Activations, Int8Activations} {
			want := make([]float32, m.Hidden)
			if err := m.Encode(want, ids, p, &w); err != nil {
				t.Fatal(err)
			}
			for helpers := range len(spaces) + 1 {
				var team Team
				var all sync.WaitGroup
				for i := range helpers {
					all.Go(func() { team.Help(&spaces[i]) })
				}
				got := make([]float32, m.Hidden)
				if err := m.EncodeWith(&team, got, ids, p, &w); err != nil {
					t.Fatal(err)
				}
				all.Wait()
				if !slices.Equal(got, want) {
					t.Errorf("%d tokens, precision %d, %d helpers: another vector than alone", n, p, helpers)
				}
			}
		}
	}
}
