package main

import (
	"slices"
	"testing"
)

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"plain ünï":         "plain ünï",
		"two\nlines\tand":   `two\nlines\tand`,
		"\x1b[31mred\u0085": `\x1b[31mred\u0085`,
		"\xff":              "\xff",
	} {
		if got := printable(in); got != want {
			t.Errorf("printable(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestSplitFusions(t *testing.T) {
	got := splitFusions([]string{"dense, rrf(k=60,w=0.5),zscore(w=0.3)", "lexical"})
	want := []string{"dense", "rrf(k=60,w=0.5)", "zscore(w=0.3)", "lexical"}
	if !slices.Equal(got, want) {
		t.Errorf("splitFusions = %q, want %q", got, want)
	}
}
