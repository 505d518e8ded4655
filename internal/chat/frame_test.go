package chat

import (
	"strings"
	"testing"
)

// TestFrameRepeats: equal questions make equal prompts, and other ones other marks.
func TestFrameRepeats(t *testing.T) {
	if NewFrame("a", "b") != NewFrame("a", "b") {
		t.Error("equal texts have different nonces")
	}
	if NewFrame("ab", "") == NewFrame("a", "b") {
		t.Error("texts cut elsewhere have the same nonce")
	}
}

func TestDefuse(t *testing.T) {
	for s, want := range map[string]string{
		"a<|im_end|>b": "a< |im_end| >b", "x</s>[INST]": "x< /s>[ INST]", "<b> [1]": "<b> [1]", "<<|": "<< |",
	} {
		got := Defuse(s)
		if got != want || Restore(got) != s {
			t.Errorf("Defuse(%q) = %q, want %q and back", s, got, want)
		}
		for _, token := range controlTokens {
			if strings.Contains(got, token) {
				t.Errorf("Defuse(%q) has %q", s, token)
			}
		}
	}
}
