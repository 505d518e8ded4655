package extract

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestHyphens(t *testing.T) {
	body := func(lines ...string) string {
		s := ""
		for i, l := range lines {
			s += line(72, 700-float64(i)*12, 10, "F1", l)
		}
		return s
	}
	// Of a document that divides words, and has some whole elsewhere.
	rest := []string{"More text follows here, of the usual width of a col-", "umn in a book, with the long-term view of the key-",
		"board players and of the readers, who are often readers of other things", "as well as of books, and the term ends."}
	tests := []struct {
		name  string
		lines []string
		want  string
	}{
		{"syllables", []string{"The weight of the bal-", "ance is known."}, "The weight of the balance\nis known."},
		{"at the end of the paragraph", []string{"The weight of the bal-", "ance."}, "The weight of the balance."},
		{"three lines", []string{"They were in-", "compre-", "hensible to us."}, "They were incomprehensible\nto us."},
		{"known with a hyphen", []string{"They took a long-", "term lease."}, "They took a long-term\nlease."},
		{"known without", []string{"They have a key-", "board."}, "They have a keyboard."},
		{"in front of another", []string{"It is state-of-the-", "art work."}, "It is state-of-the-art\nwork."},
		{"a prefix of compounds", []string{"They are self-", "taught."}, "They are self-taught."},
		{"two words of the document", []string{"They are book-", "readers."}, "They are book-readers."},
		{"a name", []string{"Measured in Stratford-", "Upon-Avon."}, "Measured in Stratford-\nUpon-Avon."},
		{"a number", []string{"From 10-", "20 metres."}, "From 10-\n20 metres."},
		{"a dash", []string{"They left -", "and returned."}, "They left -\nand returned."},
	}
	for _, tt := range tests {
		doc := extractString(t, "x.pdf", buildPDF2(body(append(append(tt.lines, "It stops."), rest...)...)))
		want, _, _ := strings.Cut(tt.want, "\x00")
		if !strings.HasPrefix(doc.Text, want+"\nIt stops.") {
			t.Errorf("%s: text %q, want it to begin with %q", tt.name, doc.Text, want)
		}
	}
}

// TestHyphensJoined checks that the source can be rebuilt from the offsets.
func TestHyphensJoined(t *testing.T) {
	lines := []string{"Each page of this book has been di-", "vided carefully into many parts of al-", "most equal size, and each part be-", "longs to one page."}
	first, second := "", line(72, 700, 10, "F1", lines[2]+" and another one to the next pa-")+line(72, 688, 10, "F1", "ges.")
	for i, l := range lines {
		first += line(72, 700-float64(i)*12, 10, "F1", l)
	}
	first += line(72, 652, 10, "F1", "A last word on this page is long and it is incompre-")
	doc := extractString(t, "x.pdf", buildPDF2(first, line(72, 700, 10, "F1", "hensible to those who read this.")+second))
	var b strings.Builder
	at := 0
	for _, j := range doc.Joined {
		b.WriteString(doc.Text[at:j] + "-|")
		at = j
	}
	b.WriteString(doc.Text[at:])
	got := strings.Join(strings.Fields(b.String()), " ")
	if want := "di-|vided carefully into many parts of al-|most equal size, and each part be-|longs"; !strings.Contains(got, want) {
		t.Errorf("text with its divisions %q, want %q in it", got, want)
	}
	i := strings.Index(doc.Text, "incomprehensible")
	if i < 0 {
		t.Fatalf("text %q lacks the word that two pages share", doc.Text)
	}
	page := 0
	for _, bl := range doc.Blocks {
		if i >= bl.Span.Start && i < bl.Span.End {
			page = bl.Page
		}
	}
	if diff := cmp.Diff(1, page); diff != "" {
		t.Errorf("page of the word that two pages share (-want +got):\n%s", diff)
	}
}
