package text

import "testing"

func TestPrintable(t *testing.T) {
	for s, want := range map[string]string{
		"":                        "",
		"über 検索 🙂 \u200b":        "über 検索 🙂 \u200b",
		"a\x1b[31m\tb\r\n":        `a\x1b[31m\tb\r\n`,
		"\u0085\u202Egnp\u2066.x": `\u0085\u202egnp\u2066.x`,
	} {
		if got := Printable(s); got != want {
			t.Errorf("Printable(%q) = %q, want %q", s, got, want)
		}
	}
}

func TestPrintableLines(t *testing.T) {
	if got, want := PrintableLines("a\tb\n\nc\x1b]0;x\a\r\n"), "a\tb\n\nc\\x1b]0;x\\a\\r\n"; got != want {
		t.Errorf("PrintableLines = %q, want %q", got, want)
	}
}
