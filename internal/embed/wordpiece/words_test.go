package wordpiece

import (
	"slices"
	"strings"
	"testing"

	"github.com/ragloop/ragloop/internal/text"
)

// FuzzAppendWords: the ids are those of AppendWindow; there is a span for each
// piece that begins in the text, none is empty or padded with spaces, and they
// lie in the text in order.
func FuzzAppendWords(f *testing.F) {
	f.Add("query: ", "What is  a heat-pump (naïve)?", 20)
	f.Add("no space", "glued on", 5)
	f.Add("", "\u200b \x00\xff日本語 [CLS] zzzxqj", 9)
	f.Add("a\tb", strings.Repeat("x", 200)+" y", 3)
	tok := bgeTokenizer(f)
	f.Fuzz(func(t *testing.T, prefix, s string, window int) {
		window = min(window, 1000)
		ids, spans := tok.AppendWords(nil, nil, window, prefix, s)
		if want := tok.AppendWindow(nil, window, prefix, s); !slices.Equal(ids, want) {
			t.Fatalf("ids = %v, want %v", ids, want)
		}
		if len(spans) > len(ids)-2 || prefix == "" && len(spans) != len(ids)-2 {
			t.Fatalf("%d spans for %d ids", len(spans), len(ids))
		}
		last := text.Span{}
		for _, span := range spans {
			if span.Start < last.Start || span.Start >= span.End || span.End > len(s) || span != last && span.Start < last.End {
				t.Fatalf("span %v after %v in a text of %d bytes", span, last, len(s))
			}
			if word := s[span.Start:span.End]; strings.TrimSpace(word) != word {
				t.Fatalf("span %v is %q", span, word)
			}
			last = span
		}
	})
}
