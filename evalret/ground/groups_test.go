package ground

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestGroups(t *testing.T) {
	long := "The station at Kelm Pass was built in 1931 and has had a stove since then."
	got := Groups([]Example{
		{Context: "a", Response: "one"},
		{Context: "Bees hum. " + long, Response: "two"},
		{Context: "c", Response: "one"},                                // the response of 0
		{Context: "Dogs bark. " + long + " Eels swim.", Response: "x"}, // a sentence of 1
		{Context: "f", Response: "three"},
		{Context: "f", Response: "four"},                   // the context of 4
		{Context: "c. Guests bring food.", Response: "y"},  // nothing long enough
		{Context: "g. Guests bring food.", Response: "x"},  // the response of 3
		{Context: "h", Response: "three"},                  // the response of 4
		{Context: strings.Repeat(long, 3), Response: "zz"}, // not the same sentence of 1: no space between
	})
	if d := cmp.Diff([]int{0, 1, 0, 1, 2, 2, 3, 1, 2, 4}, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// A sentence that every context has must not make them one group.
func TestGroupsSkipBoilerplate(t *testing.T) {
	var examples []Example
	for i := range 100 {
		examples = append(examples, Example{
			Context:  fmt.Sprintf("This is page %d. All rights to this text are reserved by the county of Ostby and its council.", i),
			Response: fmt.Sprint(i),
		})
	}
	if got := Groups(examples); got[99] != 99 {
		t.Errorf("the last of 100 unrelated examples is in group %d", got[99])
	}
}

// No group may be split, and the folds must be of about equal size.
func TestFoldsKeepGroupsTogether(t *testing.T) {
	all := examples()
	of, groups := foldsOf(all, 5), Groups(all)
	fold, sizes := map[int]int{}, make([]int, 5)
	for i := range all {
		if f, ok := fold[groups[i]]; ok && f != of[i] {
			t.Fatalf("group %d is in folds %d and %d", groups[i], f, of[i])
		}
		fold[groups[i]] = of[i]
		sizes[of[i]]++
	}
	for _, n := range sizes {
		if n < len(all)/5-3 || n > len(all)/5+3 {
			t.Errorf("sizes of folds are %v", sizes)
		}
	}
}
