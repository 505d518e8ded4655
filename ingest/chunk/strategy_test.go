package chunk

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ragloop/ragloop/ingest/extract"
	"github.com/ragloop/ragloop/internal/config"
	"github.com/ragloop/ragloop/internal/text"
)

// scripts are two sentences each.
var scripts = map[string]string{
	"Latin":      "Naïve cafés open at nine. Straße nach Übersee, e\u0301te\u0301! ",
	"Cyrillic":   "Сотрудники имеют право на отпуск. Остаток переносится до марта. ",
	"Arabic":     "يحق للموظفين الحصول على إجازة. يُنقل الرصيد إلى السنة التالية. ",
	"Devanagari": "कर्मचारियों को वार्षिक अवकाश मिलता है। शेष दिन आगे बढ़ाए जाते हैं। ",
	"Han":        "员工享有带薪年假。未使用的天数可以结转到次年三月。",
	"Hangul":     "직원은 연차 휴가를 받을 수 있습니다. 남은 일수는 다음 해로 이월됩니다. ",
	"emoji":      "👩‍👩‍👧‍👦 👍🏽 🇩🇪. ✈️ 🧑🏿‍🚀! ",
}

// scriptDocument has every kind of block, on three pages.
func scriptDocument(s string) extract.Document {
	b := newDocument(s[:strings.IndexByte(s, ' ')+1] + "1").newPage()
	one := strings.TrimSpace(s)
	for i := range 3 {
		b.heading(1+i, one).paragraph(strings.Repeat(s, 1+3*i)).heading(4, "1").heading(5, one)
		b.table("| "+one+" | 1 |", "|---|---|", "| "+one+" | 2 |", "| 3 | "+one+" |", "| "+strings.Repeat(s, 4)+" | 4 |")
		b.item(one).item(one).row(one + ",5").row(one + ",6")
		b.code(strings.ReplaceAll(one, " ", "")).add(extract.Paragraph, 0, "\u3000\n\u00a0\n")
		b.newPage()
	}
	return b.Document
}

// TestScripts: what Split promises, for every strategy, size, overlap and
// window, whatever a character is made of.
func TestScripts(t *testing.T) {
	for name, s := range scripts {
		doc := scriptDocument(s)
		for _, strategy := range Strategies() {
			t.Run(name+"/"+string(strategy), func(t *testing.T) {
				for _, size := range []int{16, 60} {
					for _, overlap := range []float64{0, 0.4} {
						for _, w := range []Window{nil, byteWindow(12), byteWindow(90)} {
							p := Params{Strategy: strategy, SizeTokens: size, Overlap: overlap, IndexPrefix: true}
							if overlap > 0 && !strategy.Overlaps() {
								continue
							}
							chunks, _ := split(t, doc, p, w)
							if w != nil {
								continue
							}
							if again, _ := split(t, doc, p, w); !cmp.Equal(chunks, again) {
								t.Fatalf("%+v: two runs differ", p)
							}
						}
					}
				}
			})
		}
	}
}

// TestStructureIsTheDefault: naming the default changes nothing.
func TestStructureIsTheDefault(t *testing.T) {
	for _, size := range []int{16, 64, 256} {
		unnamed, _ := split(t, handbook(), Params{SizeTokens: size, Overlap: 0.2, IndexPrefix: true}, nil)
		named, _ := split(t, handbook(), Params{Strategy: Structure, SizeTokens: size, Overlap: 0.2, IndexPrefix: true}, nil)
		if d := cmp.Diff(unnamed, named); d != "" {
			t.Errorf("size %d: %s", size, d)
		}
	}
}

// Windows of Fixed hold the size in tokens, to the token, and repeat the share.
func TestFixed(t *testing.T) {
	words := strings.TrimSpace(strings.Repeat("word ", 100))
	doc := newDocument("").heading(1, "One").paragraph(words).heading(1, "Two").paragraph(words).Document
	c := counter(t)
	chunks, _ := split(t, doc, Params{Strategy: Fixed, SizeTokens: 20, Overlap: 0.25}, nil)
	for i, ch := range chunks[:len(chunks)-1] {
		if ch.Tokens < 18 { // less a blank at either end
			t.Errorf("chunk %d has %d tokens, want 20: %q", i, ch.Tokens, ch.Text)
		}
		if n := c.Count(doc.Text[chunks[i+1].Span.Start:ch.Span.End]); n < 4 || n > 5 {
			t.Errorf("chunk %d repeats %d tokens, want 5", i+1, n)
		}
	}
	if !slices.ContainsFunc(chunks, func(ch Chunk) bool { return strings.Contains(ch.Text, "word\n\n# Two\n\nword") }) {
		t.Errorf("no chunk goes across the heading: %q", texts(chunks))
	}
	if i := slices.IndexFunc(chunks, func(ch Chunk) bool { return slices.Equal(ch.Heading, []string{"Two"}) }); i < 0 {
		t.Errorf("no chunk has the second heading")
	}
}

// A window that is much smaller than the overlap must not bring the cutting to
// a crawl.
func TestFixedAdvancesInSmallWindows(t *testing.T) {
	doc := newDocument("").paragraph(sentences(100)).Document
	chunks, _ := split(t, doc, Params{Strategy: Fixed, SizeTokens: 200, Overlap: 0.5}, byteWindow(60))
	if n := len(doc.Text) / 50; len(chunks) > n {
		t.Errorf("%d chunks of a text of %d bytes, want at most %d", len(chunks), len(doc.Text), n)
	}
}

func TestRow(t *testing.T) {
	rows := []string{"| Country | Rate |", "|---|---|"}
	for _, s := range []string{"Germany", "France", "Japan", "Norway", "Chile", "Kenya"} {
		rows = append(rows, "| "+s+" | 14.00 from 24 h |")
	}
	doc := newDocument("Travel").heading(1, "Rates").paragraph("They apply everywhere.").heading(2, "Abroad").table(rows...).paragraph("That is all.").Document
	chunks, _ := split(t, doc, Params{Strategy: Row, SizeTokens: 36, IndexPrefix: true}, nil)
	var got []string
	for _, ch := range chunks {
		got = append(got, ch.Prefix+"~ "+ch.Text)
	}
	want := []string{
		"Travel > Rates\n~ # Rates\n\nThey apply everywhere.",
		"Travel > Rates > Abroad\n~ ## Abroad\n\n" + strings.Join(rows[:3], "\n"),
		"Travel > Rates > Abroad\n| Country | Rate |\n~ " + strings.Join(rows[3:6], "\n"),
		"Travel > Rates > Abroad\n| Country | Rate |\n~ " + strings.Join(rows[6:], "\n"),
		"Travel > Rates > Abroad\n~ That is all.",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("prefixes and texts (-want +got):\n%s", d)
	}
	off, _ := split(t, doc, Params{Strategy: Row, SizeTokens: 36}, nil)
	for _, ch := range off {
		if ch.Prefix != "" {
			t.Errorf("without the index prefix a chunk has %q", ch.Prefix)
		}
	}
}

// heads returns the second lines of the prefixes.
func heads(chunks []Chunk) []string {
	var out []string
	for _, ch := range chunks {
		_, head, _ := strings.Cut(ch.Prefix, "\n")
		out = append(out, strings.TrimSuffix(head, "\n"))
	}
	return slices.Compact(out)
}

func TestHeaderRows(t *testing.T) {
	records := newDocument("T")
	for range 20 {
		records.row("Berlin, Germany, 3500000")
	}
	csv, jsonl := records.Document, records.Document
	csv.MediaType, jsonl.MediaType = "text/csv", "application/jsonl"
	body := slices.Repeat([]string{"Berlin | Germany | 3500000"}, 20)
	wide := append([]string{strings.Repeat("A very long name of a column | ", 20) + "end", "|---|"}, body...)
	for name, tt := range map[string]struct {
		doc  extract.Document
		want []string
	}{
		"csv":       {csv, []string{"", "Berlin, Germany, 3500000"}},
		"json":      {jsonl, []string{""}},
		"no rule":   {newDocument("T").table(append([]string{"City | Country | People"}, body...)...).Document, []string{"", "City | Country | People"}},
		"no names":  {newDocument("T").table(append([]string{"|---|---|"}, body...)...).Document, []string{""}},
		"two rows":  {newDocument("T").table(append([]string{"| City | | |", "| Name | Country | People |", "|---|---|---|"}, body...)...).Document, []string{"", "| City | | | | Name | Country | People |"}},
		"too wide":  {newDocument("T").table(wide...).Document, []string{"", strings.TrimSpace(strings.Repeat("A very long name of a column | ", 8))[:121]}},
		"two sheet": {newDocument("T").newPage().row("a | b").row("c | d").newPage().row("e | f").Document, []string{""}},
	} {
		chunks, _ := split(t, tt.doc, Params{Strategy: Row, SizeTokens: 60, IndexPrefix: true}, byteWindow(1000))
		got := heads(chunks)
		if len(got) > 1 && len(got[1]) > 120 {
			got[1] = got[1][:121]
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s: header rows (-want +got):\n%s", name, d)
		}
	}
}

func TestPageStrategy(t *testing.T) {
	doc := newDocument("").newPage().paragraph(sentences(2)).newPage().heading(1, "Two").paragraph(sentences(12)).newPage().paragraph("Three.").Document
	chunks, _ := split(t, doc, Params{Strategy: Page, SizeTokens: 100}, nil)
	var got [][2]int
	for _, ch := range chunks {
		got = append(got, [2]int{ch.PageStart, ch.PageEnd})
	}
	if d := cmp.Diff([][2]int{{1, 1}, {2, 2}, {2, 2}, {3, 3}}, got); d != "" {
		t.Errorf("pages (-want +got):\n%s", d)
	}
	paged := newDocument("").paragraph(sentences(2)).Document
	if chunks, _ := split(t, paged, Params{Strategy: Page, SizeTokens: 100}, nil); len(chunks) != 1 {
		t.Errorf("a document without pages has %d chunks, want 1", len(chunks))
	}
}

func TestParent(t *testing.T) {
	doc := newDocument("").heading(1, "Manual").paragraph(sentences(1)).
		heading(2, "Small").paragraph(sentences(2)).heading(3, "Below").paragraph(sentences(2)).
		heading(2, "Large").paragraph(sentences(18)).
		heading(2, "Nested").heading(3, "A").paragraph(sentences(6)).heading(3, "B").paragraph(sentences(6)).Document
	chunks, _ := split(t, doc, Params{Strategy: Parent, SizeTokens: 25}, nil)
	var got []string
	for i := 0; i < len(chunks); i++ {
		first, last := i, max(i, chunks[i].ParentLast)
		body := doc.Text[chunks[first].Span.Start:chunks[last].Span.End]
		got = append(got, strings.ReplaceAll(strings.ReplaceAll(body, sentences(1), "~"), "\n\n", " "))
		i = last
	}
	want := []string{
		"# Manual ~",
		"## Small ~ ~ ### Below ~ ~",
		"## Large ~ ~ ~ ~ ~ ~ ~ ~", "~ ~ ~ ~ ~ ~ ~ ~ ~ ~", // too large for one
		"## Nested ### A ~ ~ ~ ~ ~ ~", "### B ~ ~ ~ ~ ~ ~", // too large together
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("parents (-want +got):\n%s", d)
	}
	small, _ := split(t, newDocument("").paragraph("One.").Document, Params{Strategy: Parent, SizeTokens: 25}, nil)
	if len(small) != 1 || small[0].ParentLast != 0 {
		t.Errorf("got %+v, want a chunk that is its own parent", small)
	}
}

// A chunk of a table never holds other text than headings, and no chunk holds
// rows of two tables.
func TestRowKeepsTablesApart(t *testing.T) {
	doc := scriptDocument(scripts["Latin"])
	chunks, _ := split(t, doc, Params{Strategy: Row, SizeTokens: 8192}, nil)
	for _, ch := range chunks {
		kinds := map[extract.Kind]int{}
		for _, b := range doc.Blocks {
			if body := (text.Span{Start: max(b.Span.Start, ch.Span.Start), End: min(b.Span.End, ch.Span.End)}); body.Len() > 0 && !text.Blank(doc.Text[body.Start:body.End]) {
				kinds[b.Kind]++
			}
		}
		tables := kinds[extract.Table]
		if kinds[extract.Row] > 0 {
			tables++
		}
		if other := kinds[extract.Paragraph] + kinds[extract.ListItem] + kinds[extract.Code]; tables > 1 || tables > 0 && other > 0 {
			t.Errorf("a chunk holds %v: %q", kinds, ch.Text)
		}
	}
}

// TestConfigNamesTheStrategies: the configuration, which does not know this
// package, accepts what it offers, with an overlap where one has a meaning.
func TestConfigNamesTheStrategies(t *testing.T) {
	for _, s := range Strategies() {
		for _, overlap := range []string{"0", "0.2"} {
			p := Params{Strategy: s, SizeTokens: 64}
			if overlap != "0" {
				p.Overlap = 0.2
			}
			_, err := config.Load("", nil, map[string]string{"chunk.strategy": string(s), "chunk.overlap": overlap})
			if (err == nil) != (p.Validate() == nil) {
				t.Errorf("strategy %s, overlap %s: configuration says %v, Validate %v", s, overlap, err, p.Validate())
			}
		}
	}
}
