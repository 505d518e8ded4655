package report

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ragloop/ragloop/evalret"
)

func TestParametersOf(t *testing.T) {
	plain := len(parametersOf(evalret.Run{}))
	got := parametersOf(evalret.Run{Parameters: evalret.Parameters{
		Neighbours: 1, MaxPerSource: 2, Diversity: 0.3, Template: "4d", Expand: &evalret.Expand{Method: "hyde", Expander: "5e"},
		Rerank: &evalret.Rerank{Depth: 6, Reranker: "7f", Weight: 0.8}, Filter: &evalret.Filter{Where: "year > 9"},
	}})
	said := fmt.Sprint(got[plain:])
	if len(got) != plain+7 {
		t.Errorf("parametersOf tells %d of 7 that are on: %s", len(got)-plain, said)
	}
	for _, want := range []string{"at most 2", "0.3", "template 4d", "hyde by 5e", "the first 6 by 7f, weight 0.8", "year > 9"} {
		if !strings.Contains(said, want) {
			t.Errorf("parametersOf lacks %q: %s", want, said)
		}
	}
}
