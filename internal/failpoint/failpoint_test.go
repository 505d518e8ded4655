package failpoint

import (
	"regexp"
	"testing"
)

func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range Points() {
		name := p.String()
		if !regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`).MatchString(name) || seen[name] {
			t.Errorf("point %d has the name %q, want words in lower case that no other has", p, name)
		}
		seen[name] = true
	}
	if s := points.String(); s != "unknown" {
		t.Errorf("what is no point is called %q", s)
	}
}
