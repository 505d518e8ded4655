package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/ragloop/ragloop/evalret"
)

const (
	textWidth    = 100 // columns of a terminal that explanations try to fit into
	leastDoc     = 16  // of which a document's name has at least so many
	writtenRunes = 400 // of a phrase, and of a text that a language model wrote, are shown
)

// ExplainText writes x for a terminal of 100 columns: what the query was read as,
// every candidate, what became of those that are not simply in or out, and where
// the tokens went. With everything that may take part in a search, and short names,
// it takes some columns more. Control characters of texts and names are escaped.
func ExplainText(w io.Writer, x evalret.Explanation) error {
	b := bufio.NewWriter(w)
	v := explanationOf(x, nil, -1)
	if v.Read != nil {
		v.Read.text(b)
	}
	v.textCandidates(b)
	v.textFinal(b)
	v.textNotes(b)
	if len(v.Beside) > 0 {
		t := table{rows: [][]string{{"beside", "context", "document", "span"}}}
		for _, n := range v.Beside {
			t.rows = append(t.rows, []string{n.Of, n.Fate, n.Doc, n.Span})
		}
		t.fit(2)
		t.write(b, "l")
		fmt.Fprintln(b)
	}
	if len(v.Parts) > 0 {
		t := table{rows: [][]string{{"segment", "tokens", "budget", "document", "span", "made of"}}}
		for _, p := range v.Parts {
			t.rows = append(t.rows, []string{p.Name, p.Tokens, p.Share, p.Doc, p.Span, p.Made})
		}
		t.fit(3)
		t.write(b, "lrrlll")
		fmt.Fprintln(b)
	}
	if err := b.Flush(); err != nil {
		return fmt.Errorf("write explanation as text: %w", err)
	}
	return nil
}

func (v *readingView) text(b *bufio.Writer) {
	if v.Searched != "" {
		fmt.Fprintf(b, "searched for, as a language model wrote it:\n%s", item(shortened(v.Searched, writtenRunes)))
	}
	if len(v.Written) > 0 {
		fmt.Fprintf(b, "searched for too, as a language model wrote it (%s):\n", v.Expand)
		for _, s := range v.Written {
			fmt.Fprint(b, item(shortened(s, writtenRunes)))
		}
	}
	if len(v.Phrases) > 0 {
		fmt.Fprintln(b, "looked for as it stands:")
		for _, p := range v.Phrases {
			fmt.Fprint(b, item(fmt.Sprintf("%s (%s), in %s", shortened(p.Text, writtenRunes), p.Kind, p.Holders)))
		}
	}
	if len(v.Feedback) > 0 {
		fmt.Fprintln(b, "the dense query was moved towards what it found first:")
		for _, s := range v.Feedback {
			fmt.Fprint(b, item(s))
		}
	}
	fmt.Fprintln(b)
}

// item returns s as an item of a list, its lines broken at spaces.
func item(s string) string {
	return "  - " + strings.ReplaceAll(wrap(s, textWidth-4), "\n", "\n    ") + "\n"
}

// shortened returns s, or the first limit code points of it and how many there are.
func shortened(s string, limit int) string {
	n := 0
	for at := range s {
		if n++; n > limit {
			return fmt.Sprintf("%s… (cut: %s code points)", s[:at], thousands(utf8.RuneCountInString(s)))
		}
	}
	return s
}

// textCandidates writes a row for each candidate.
func (v *explanationView) textCandidates(b *bufio.Writer) {
	t := table{rows: [][]string{{"rank", "context", "document", "span"}}}
	add := func(row int, there bool, s string) {
		if there {
			t.rows[row] = append(t.rows[row], s)
		}
	}
	leg := func(s string) string { // scores below each other, and ranks
		score, rank, _ := strings.Cut(strings.Replace(s, ", was", "", 1), " ")
		return fmt.Sprintf("%s %-4s", score, rank)
	}
	columns := func(row int, r candidateRow) {
		add(row, v.Mixed, r.Final)
		add(row, true, r.Score)
		add(row, true, r.Fused)
		add(row, v.Document, r.Document)
		add(row, v.Title, r.Title)
		add(row, v.Neighbours, r.Neighbours)
		add(row, v.Phrases, r.Phrases)
		add(row, true, leg(r.Dense))
		add(row, true, leg(r.Lexical))
		add(row, v.Reranked && !v.Mixed, leg(r.Reranked))
	}
	columns(0, candidateRow{Final: "final", Score: "score", Fused: "fused", Document: "+doc", Title: "+title", Neighbours: "+near", Phrases: "+phrase", Dense: "dense", Lexical: "lexical", Reranked: "rerank"})
	for i, r := range v.Rows {
		t.rows = append(t.rows, []string{r.Rank, r.Fate, r.Doc, r.Span})
		columns(i+1, r)
	}
	t.fit(2)
	t.write(b, "rlllrr")
	fmt.Fprintln(b)
}

// fit cuts the beginning of the names in column doc where t would be too wide.
func (t table) fit(doc int) {
	widths := t.widths()
	room := textWidth - 2*(len(widths)-1)
	for i, n := range widths {
		if i != doc {
			room -= n
		}
	}
	for _, row := range t.rows {
		row[doc] = end(row[doc], max(room, leastDoc))
	}
}

// end returns s, or its end where it has more than limit code points.
func end(s string, limit int) string {
	if r := []rune(s); len(r) > limit {
		return "…" + string(r[len(r)-limit+1:])
	}
	return s
}

// textNotes writes what else became of candidates.
func (v *explanationView) textNotes(b *bufio.Writer) {
	t := table{}
	for _, r := range v.Rows {
		if len(r.Notes) > 0 {
			t.rows = append(t.rows, []string{"#" + r.Rank, r.Fate, strings.Join(r.Notes, "; ")})
		}
	}
	if len(t.rows) > 0 {
		t.write(b, "l")
		fmt.Fprintln(b)
	}
}
