package labels

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/internal/text"
)

func TestCopies(t *testing.T) {
	const twice = "Ä fee of 30 CHF is due. Pay within 30 days.\n\nOther things.\n\nÄ fee of 30 CHF is due. Pay at once."
	for _, tt := range []struct {
		name, text, label string // the first in text
		want              []string
	}{
		{"the sentence of a short answer occurs again", twice, "30 CHF", []string{"30 CHF is due. Pay at"}},
		{"a whole sentence", twice, "Ä fee of 30 CHF is due.", []string{"Ä fee of 30 CHF is due. Pay at"}},
		{"the next sentence differs", twice, "CHF is due. Pay", nil},
		{"words in other sentences", "We pay 30 CHF. You pay 30 CHF.", "30 CHF", nil},
		{"inside a longer sentence", "Yes.\n\nNo. Oh, \"Yes.\" he said.", "Yes.", nil},
		{"several", "Pay.\n\nGo. Pay.\n\nPay.", "Pay", []string{"Pay.\n\nPay.", "Pay."}},
		{"touching", "Pay. Pay. Pay.", "Pay", []string{"Pay. Pay.", "Pay."}},
		{"once", twice, "Other things.", nil},
		{"white space at its ends", "a\n\nb\n\na\n\nc", "a\n\n", nil},
		{"blank", "a\n\n\n\nb", "\n\n", nil},
	} {
		d := newDocument(tt.text)
		span := func(start, n int) text.RuneSpan {
			s, err := d.index.RuneSpan(text.Span{Start: start, End: start + n})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		at := strings.Index(tt.text, tt.label)
		var want []text.RuneSpan
		for _, from := range tt.want { // names the last place that begins like that
			want = append(want, span(strings.LastIndex(tt.text, from), len(tt.label)))
		}
		got := d.copies(span(at, len(tt.label)))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
		for _, c := range got {
			if s, _ := d.index.Slice(c); s != tt.label {
				t.Errorf("%s: the copy at %v reads %q, want %q", tt.name, c, s, tt.label)
			}
		}
	}
	d := newDocument(strings.Repeat("Confidential.\n\n", 1000))
	if got := d.copies(text.RuneSpan{Start: 15, End: 27}); len(got) != maxCopies || got[0].Start != 0 {
		t.Errorf("%d copies of a line that is on 1000 pages, the first at %v, want %d from the first page on", len(got), got[0], maxCopies)
	}
	if got := d.copies(text.RuneSpan{Start: 0, End: 99999}); got != nil {
		t.Errorf("a span outside the text has the copies %v", got)
	}
}

func TestCheckFindsCopies(t *testing.T) {
	texts := map[text.DocID]string{"a": "It rains. It pours.\n\nIt rains. It shines.", "b": "It rains."}
	set := Set{Queries: []Query{{ID: "q", Text: "x", Evidence: []Evidence{{Doc: "a", Span: text.RuneSpan{Start: 21, End: 29}, Quote: "It rains"}}}}}
	got := Check(set, corpus(texts)).Set.Queries[0].Evidence[0].Copies
	if diff := cmp.Diff([]text.RuneSpan{{Start: 0, End: 8}}, got); diff != "" {
		t.Errorf("copies, those of the same document alone (-want +got):\n%s", diff)
	}
}
