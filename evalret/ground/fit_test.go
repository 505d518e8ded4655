package ground

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
)

// examples are answers about a text: copied sentences, and some of another text.
func examples() []Example {
	var out []Example
	for i := range 24 {
		body := fmt.Sprintf("The station at Kelm Pass number %d was built in %d. It has %d rooms and a stove. Guests bring food.", i, 1900+i, i+3)
		good := fmt.Sprintf("The station at Kelm Pass was built in %d.", 1900+i)
		bad := fmt.Sprintf("The harbour of Ostby froze in %d.", 1700+i)
		out = append(out,
			Example{Set: "own", Context: body, Response: good, Label: 1},
			Example{Set: "own", Context: body, Response: good + " " + bad, Label: 0},
			Example{Set: "own", Context: body, Response: bad, Label: 0},
		)
	}
	return out
}

func TestFitIsReproducible(t *testing.T) {
	var first []byte
	for range 2 {
		m, err := Fit(t.Context(), examples())
		if err != nil {
			t.Fatal(err)
		}
		b, err := m.Write()
		if err != nil {
			t.Fatal(err)
		}
		if first != nil && !bytes.Equal(first, b) {
			t.Errorf("fitted twice:\n%s\n%s", first, b)
		}
		first = b
		for i, name := range featureNames {
			if w := m.Weights[name]; w != 0 && (w < limits[i].lo || w > limits[i].hi) {
				t.Errorf("weight of %s is %v, allowed are %v", name, w, limits[i])
			}
		}
		back, err := ReadModel(b)
		if err != nil || back.Claims != 96 || strings.Join(back.Fitted, " ") != "own" {
			t.Errorf("ReadModel = %+v, %v", back, err)
		}
	}
}

func TestCrossValidateSeparates(t *testing.T) {
	all := examples()
	all = append(all, Example{Set: "own", Context: "x", Response: "I don't know.", Label: 1}, Example{Set: "own", Context: "x", Response: "Hi!", Label: 1})
	got, err := CrossValidate(t.Context(), all, 4)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range got[:72] {
		if p.Outcome != Scored || (p.Worst > 0.5) != (all[i].Label > 0.5) || p.Mean < p.Worst {
			t.Errorf("%q with label %v: %+v", all[i].Response, all[i].Label, p)
		}
	}
	if got[72].Outcome != Abstained || got[73].Outcome != NoClaims {
		t.Errorf("outcomes %v, %v; want abstained, no_claims", got[72].Outcome, got[73].Outcome)
	}
}

func TestFitRefuses(t *testing.T) {
	if _, err := Fit(t.Context(), nil); !errors.Is(err, ErrNoExamples) {
		t.Errorf("Fit of nothing: %v", err)
	}
	if _, err := Fit(t.Context(), []Example{{Context: "a b", Response: "a b", Label: math.NaN()}}); err == nil {
		t.Error("Fit of a label that is no number succeeds")
	}
	if _, err := CrossValidate(t.Context(), examples(), 1); err == nil {
		t.Error("CrossValidate with one fold succeeds")
	}
	for _, bad := range []string{"", "{}", `{"format":"x"}`, `{"format":"ragloop-ground-2","weights":{"magic":1}}`, `{"format":"ragloop-ground-2","more":1}`, `{"format":"ragloop-ground-2","weights":{"words":1e300}}`} {
		if _, err := ReadModel([]byte(bad)); err == nil {
			t.Errorf("ReadModel(%s) succeeds", bad)
		}
	}
}
