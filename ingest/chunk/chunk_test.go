package chunk

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ragloop/ragloop/ingest/extract"
	"github.com/ragloop/ragloop/internal/text"
	"github.com/ragloop/ragloop/internal/tokens"
)

// builder puts a document together block by block, on page after page.
type builder struct {
	extract.Document
	page int
}

func newDocument(title string) *builder {
	return &builder{Document: extract.Document{Title: title}}
}

func (b *builder) add(kind extract.Kind, level int, s string) *builder {
	start := len(b.Text)
	b.Text += s
	b.Blocks = append(b.Blocks, extract.Block{Kind: kind, Level: level, Span: text.Span{Start: start, End: len(b.Text)}, Page: b.page})
	return b
}

func (b *builder) heading(level int, s string) *builder {
	return b.add(extract.Heading, level, strings.Repeat("#", level)+" "+s+"\n\n")
}
func (b *builder) paragraph(s string) *builder { return b.add(extract.Paragraph, 0, s+"\n\n") }
func (b *builder) item(s string) *builder      { return b.add(extract.ListItem, 1, "- "+s+"\n") }
func (b *builder) table(rows ...string) *builder {
	return b.add(extract.Table, 0, strings.Join(rows, "\n")+"\n\n")
}
func (b *builder) row(s string) *builder  { return b.add(extract.Row, 0, s+"\n") }
func (b *builder) code(s string) *builder { return b.add(extract.Code, 0, s+"\n\n") }
func (b *builder) newPage() *builder {
	if b.page > 0 {
		b.add(extract.PageBreak, 0, "\f")
	}
	b.page++
	b.Pages = b.page
	return b
}

// sentences returns n sentences of ten tokens each.
func sentences(n int) string {
	return strings.TrimSpace(strings.Repeat("The small dog runs over the green hill today. ", n))
}

func counter(t testing.TB) *tokens.Counter {
	t.Helper()
	c, err := tokens.New("o200k_base")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// byteWindow is an embedder whose tokens are two bytes long, and which adds two
// special ones.
type byteWindow int

func (w byteWindow) MaxTokens() int           { return int(w) }
func (w byteWindow) CountTokens(s string) int { return (len(s)+1)/2 + 2 }

// split splits and checks everything that Split promises.
func split(t testing.TB, doc extract.Document, p Params, w Window) ([]Chunk, Stats) {
	t.Helper()
	c := counter(t)
	chunks, stats, err := Split(doc, p, c, w)
	if err != nil {
		t.Fatal(err)
	}
	checkChunks(t, doc, p, c, w, chunks)
	splits := 0
	for _, ch := range chunks {
		if ch.WindowSplit {
			splits++
		}
	}
	if splits != stats.WindowSplits {
		t.Fatalf("%d chunks are marked as split by the window, counted are %d", splits, stats.WindowSplits)
	}
	return chunks, stats
}

func checkChunks(t testing.TB, doc extract.Document, p Params, c Counter, w Window, chunks []Chunk) {
	t.Helper()
	if text.Blank(doc.Text) {
		if len(chunks) != 0 {
			t.Fatalf("%d chunks of a blank text", len(chunks))
		}
		return
	}
	var rebuilt strings.Builder
	for i, ch := range chunks {
		s := ch.Span
		switch {
		case ch.Ordinal != i:
			t.Fatalf("chunk %d has ordinal %d", i, ch.Ordinal)
		case s.Start < 0 || s.End > len(doc.Text) || s.Start >= s.End || ch.Text != doc.Text[s.Start:s.End]:
			t.Fatalf("chunk %d: span %v is not that of its text %q", i, s, ch.Text)
		case !runeBoundary(doc.Text, s.Start) || !runeBoundary(doc.Text, s.End):
			t.Fatalf("chunk %d: span %v cuts a code point", i, s)
		case ch.Tokens != c.Count(ch.Text) || ch.Tokens > p.SizeTokens:
			t.Fatalf("chunk %d has %d tokens, counted %d, limit %d: %q", i, ch.Tokens, c.Count(ch.Text), p.SizeTokens, ch.Text)
		case w != nil && w.MaxTokens() > 0 && w.CountTokens(ch.Prefix+ch.Text) > w.MaxTokens():
			t.Fatalf("chunk %d has %d tokens, the window %d", i, w.CountTokens(ch.Prefix+ch.Text), w.MaxTokens())
		case ch.Prefix != "" && (!p.IndexPrefix || strings.Count(ch.Prefix, "\n") > prefixLines(p) || !strings.HasSuffix(ch.Prefix, "\n")):
			t.Fatalf("chunk %d has prefix %q", i, ch.Prefix)
		case !text.Blank(ch.Gap):
			t.Fatalf("chunk %d: gap %q is not blank", i, ch.Gap)
		case i == 0 && s.Start != 0:
			t.Fatalf("the first chunk starts at %d", s.Start)
		case i > 0 && text.TrimSpace(doc.Text, s) != s:
			t.Fatalf("chunk %d begins or ends with a blank: %q", i, ch.Text)
		}
		if i > 0 {
			before := chunks[i-1].Span
			if s.Start <= before.Start || s.End <= before.End {
				t.Fatalf("chunk %d at %v is no progress from %v", i, s, before)
			}
			if overlap := before.End - s.Start; overlap > 0 {
				if n := c.Count(doc.Text[s.Start:before.End]); n > int(p.Overlap*float64(p.SizeTokens)) {
					t.Fatalf("chunk %d repeats %d tokens, allowed are %v of %d", i, n, p.Overlap, p.SizeTokens)
				}
				if ch.Gap != "" && chunks[i-1].Gap != "" {
					t.Fatalf("chunk %d overlaps and has a gap %q in front", i, chunks[i-1].Gap)
				}
			}
			if s.Start > rebuilt.Len() {
				t.Fatalf("chunk %d starts at %d, what came before ends at %d", i, s.Start, rebuilt.Len())
			}
		}
		rebuilt.WriteString(ch.Text[rebuilt.Len()-s.Start:])
		rebuilt.WriteString(ch.Gap)
		checkParent(t, doc, p, c, chunks, i)
	}
	if d := cmp.Diff(doc.Text, rebuilt.String()); d != "" {
		t.Fatalf("the chunks don't make up the text (-text +chunks):\n%s", d)
	}
}

func checkParent(t testing.TB, doc extract.Document, p Params, c Counter, chunks []Chunk, i int) {
	t.Helper()
	first, last := chunks[i].ParentFirst, chunks[i].ParentLast
	if first == 0 && last == 0 {
		return
	}
	if p.Strategy != Parent || first > i || last < i || first >= last || last >= len(chunks) {
		t.Fatalf("chunk %d of %d has the parent %d-%d with strategy %q", i, len(chunks), first, last, p.Strategy)
	}
	if end := chunks[first]; end.ParentFirst != first || end.ParentLast != last {
		t.Fatalf("chunk %d has the parent %d-%d, chunk %d the parent %d-%d", i, first, last, first, end.ParentFirst, end.ParentLast)
	}
	if i > first {
		return // counted already
	}
	body := doc.Text[chunks[first].Span.Start:chunks[last].Span.End]
	if n := c.Count(body); n > ParentSizes*p.SizeTokens {
		t.Fatalf("the parent of chunk %d has %d tokens, limit %d", i, n, ParentSizes*p.SizeTokens)
	}
}

func prefixLines(p Params) int {
	if p.Strategy == Row {
		return 2
	}
	return 1
}

func runeBoundary(s string, at int) bool { return at == len(s) || s[at]&0xc0 != 0x80 }

func texts(chunks []Chunk) []string {
	out := make([]string, len(chunks))
	for i, c := range chunks {
		out[i] = c.Text
	}
	return out
}

func TestWholeDocumentInOneChunk(t *testing.T) {
	doc := newDocument("Leave").heading(1, "Leave").paragraph(sentences(3)).heading(2, "Carry-over").paragraph(sentences(2)).Document
	chunks, _ := split(t, doc, Params{SizeTokens: 200}, nil)
	if len(chunks) != 1 || chunks[0].Gap != "\n\n" || !strings.HasPrefix(chunks[0].Text, "# Leave\n\nThe small") {
		t.Errorf("got %+v, want one chunk", chunks)
	}
}

func TestBlankDocument(t *testing.T) {
	for _, s := range []string{"", " \n\t \f"} {
		chunks, _ := split(t, newDocument("x").add(extract.Paragraph, 0, s).Document, Params{SizeTokens: 16}, nil)
		if chunks != nil {
			t.Errorf("Split(%q) = %v, want none", s, chunks)
		}
	}
	if chunks, _ := split(t, extract.Document{}, Params{SizeTokens: 16}, nil); chunks != nil {
		t.Errorf("Split(no blocks) = %v, want none", chunks)
	}
}

// A section that doesn't fit whole starts its own chunk.
func TestSplitsAtHeadingFirst(t *testing.T) {
	doc := newDocument("").heading(1, "One").paragraph(sentences(6)).heading(1, "Two").paragraph(sentences(9)).Document
	chunks, _ := split(t, doc, Params{SizeTokens: 100}, nil)
	if len(chunks) != 2 || !strings.HasPrefix(chunks[1].Text, "# Two") {
		t.Errorf("got %q, want the second to start at its heading", texts(chunks))
	}
}

// Small sections that fit whole share a chunk.
func TestPacksSmallSections(t *testing.T) {
	b := newDocument("")
	for range 6 {
		b.heading(2, "Part").paragraph(sentences(3))
	}
	chunks, _ := split(t, b.Document, Params{SizeTokens: 110}, nil)
	for _, ch := range chunks {
		if n := strings.Count(ch.Text, "## Part"); n != 3 || !strings.HasPrefix(ch.Text, "## Part") {
			t.Errorf("chunk has %d sections, want 3: %q", n, ch.Text)
		}
	}
}

func TestSplitsAtParagraphBeforeSentence(t *testing.T) {
	doc := newDocument("").paragraph(sentences(6)).paragraph("Second. " + sentences(6)).Document
	chunks, _ := split(t, doc, Params{SizeTokens: 100}, nil)
	if len(chunks) != 2 || !strings.HasPrefix(chunks[1].Text, "Second.") {
		t.Errorf("got %q, want a cut between the paragraphs", texts(chunks))
	}
}

func TestSplitsLongParagraphBetweenSentences(t *testing.T) {
	doc := newDocument("").paragraph(sentences(2)).paragraph(sentences(20)).Document
	chunks, _ := split(t, doc, Params{SizeTokens: 100}, nil)
	for _, ch := range chunks {
		if !strings.HasPrefix(ch.Text, "The small dog") || !strings.HasSuffix(ch.Text, "today.") {
			t.Errorf("chunk doesn't consist of sentences: %q", ch.Text)
		}
	}
	if len(chunks) != 3 {
		t.Errorf("got %d chunks, want 3", len(chunks))
	}
}

func TestSplitsLongSentenceBetweenWords(t *testing.T) {
	doc := newDocument("").paragraph("start " + strings.Repeat("unbroken words go on ", 30)).Document
	chunks, _ := split(t, doc, Params{SizeTokens: 30}, nil)
	var words []string
	for _, ch := range chunks {
		words = append(words, strings.Fields(ch.Text)...)
	}
	if !slices.Equal(words, strings.Fields(doc.Text)) {
		t.Errorf("a word was cut: %q", texts(chunks))
	}
}

func TestSplitsMonsterWordBetweenGraphemes(t *testing.T) {
	for _, unit := range []string{"x", "é", "日", "e\u0301", "👩‍👩‍👧‍👦", "👍🏽"} {
		doc := newDocument("").paragraph("a " + strings.Repeat(unit, 300) + " b").Document
		chunks, _ := split(t, doc, Params{SizeTokens: 24}, nil)
		for _, ch := range chunks {
			body := strings.Trim(ch.Text, "ab ")
			if strings.ReplaceAll(body, unit, "") != "" {
				t.Errorf("a grapheme %q was cut: %q", unit, ch.Text)
				break
			}
		}
	}
	// A grapheme that is larger than a chunk is cut between code points.
	split(t, newDocument("").paragraph("a"+strings.Repeat("\u0301\u0316", 400)).Document, Params{SizeTokens: 16}, nil)
}

func TestTablesAreSplitBetweenRows(t *testing.T) {
	rows := []string{"| name | value |", "|------|-------|"}
	for range 30 {
		rows = append(rows, "| Some name. Other. | 12.5 and 13.7 |")
	}
	doc := newDocument("").paragraph(sentences(1)).table(rows...).Document
	chunks, _ := split(t, doc, Params{SizeTokens: 80}, nil)
	for i, ch := range chunks {
		for line := range strings.Lines(ch.Text) {
			line = strings.TrimSpace(line)
			if line != "" && !slices.Contains(rows, line) && i > 0 {
				t.Errorf("row was cut: %q", line)
			}
		}
	}
	if len(chunks) < 3 {
		t.Fatalf("got %d chunks, want several", len(chunks))
	}
	b := newDocument("")
	for range 30 {
		b.row("Alice, Berlin. Bob, Paris. 17")
	}
	chunks, _ = split(t, b.Document, Params{SizeTokens: 50, Overlap: 0.3}, nil)
	for _, ch := range chunks {
		for line := range strings.Lines(ch.Text) {
			if strings.TrimSpace(line) != "Alice, Berlin. Bob, Paris. 17" {
				t.Errorf("record was cut: %q", line)
			}
		}
	}
}

// The head of a table stays with its first row.
func TestTableHeadIsNotCutOff(t *testing.T) {
	for n := range 20 {
		doc := newDocument("").paragraph(strings.TrimSpace(strings.Repeat("word ", 20+n))).table("| name | value |", "|---|---|", "| a | 1 |", "| b | 2 |", "| c | 3 |").Document
		chunks, _ := split(t, doc, Params{SizeTokens: 50}, nil)
		for _, ch := range chunks {
			if strings.HasSuffix(ch.Text, "| value |") || strings.HasSuffix(ch.Text, "|---|---|") {
				t.Errorf("%d words: the head is alone: %q", n, ch.Text)
			}
		}
	}
}

// A record larger than a chunk is cut between its sentences.
func TestLargeRowIsCutBetweenSentences(t *testing.T) {
	doc := newDocument("").row(sentences(12)).row("short").Document
	chunks, _ := split(t, doc, Params{SizeTokens: 45}, nil)
	for i, ch := range chunks {
		if i < 2 && !strings.HasSuffix(ch.Text, "today.") {
			t.Errorf("cut inside a sentence: %q", ch.Text)
		}
	}
}

func TestHeadingIsNotLeftAlone(t *testing.T) {
	for n := range 40 {
		doc := newDocument("").paragraph(strings.TrimSpace(strings.Repeat("word ", 10+n))).
			heading(1, "Chapter").heading(2, "Section").paragraph(sentences(12)).Document
		chunks, _ := split(t, doc, Params{SizeTokens: 50}, nil)
		for _, ch := range chunks {
			if strings.HasSuffix(ch.Text, "Chapter") || strings.HasSuffix(ch.Text, "Section") {
				t.Errorf("%d words: a heading is left alone: %q", n, ch.Text)
			}
		}
	}
}

func TestHeadingPath(t *testing.T) {
	doc := newDocument("Handbook").heading(1, "Handbook").paragraph(sentences(5)).
		heading(2, "Leave").heading(3, "Carry-over").paragraph(sentences(9)).
		heading(3, "Payout").paragraph(sentences(5)).heading(2, "Travel").paragraph(sentences(5)).Document
	chunks, _ := split(t, doc, Params{SizeTokens: 64, IndexPrefix: true}, nil)
	var got []string
	for _, ch := range chunks {
		got = append(got, strings.Join(ch.Heading, "/")+" "+ch.Prefix)
	}
	want := []string{
		" Handbook\n",
		"Leave/Carry-over Handbook > Leave > Carry-over\n",
		"Leave/Carry-over Handbook > Leave > Carry-over\n",
		"Leave/Payout Handbook > Leave > Payout\n",
		"Travel Handbook > Travel\n",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("paths and prefixes (-want +got):\n%s", d)
	}
}

func TestIsTitle(t *testing.T) {
	for _, tt := range []struct {
		heading, title string
		want           bool
	}{
		{"FORM 10-Q", "Form 10-q", true},
		{"FORM 10-Q", "FORM 10-Q (2022 Q3 AAPL)", true},
		{"FORM", "FORM 10-Q (2022)", false},
		{"FORM", "FORM (a) b", false},
		{"Overview", "", false},
	} {
		if got := isTitle(tt.heading, tt.title); got != tt.want {
			t.Errorf("isTitle(%q, %q) = %v, want %v", tt.heading, tt.title, got, tt.want)
		}
	}
}

func TestCleanTitle(t *testing.T) {
	for s, want := range map[string]string{
		"## Refunds ##\n": "Refunds", "# C# and F#": "C# and F#", "Refunds\n=======\n": "Refunds", "Two\nlines\n---": "Two lines", "  plain\t text ": "plain text",
		"####### seven": "####### seven", "#hashtag": "#hashtag", "##": "", "": "", "a\n-b": "a -b",
		strings.Repeat("word ", 100): strings.TrimSpace(strings.Repeat("word ", 40)),
		strings.Repeat("日", 300):     strings.Repeat("日", 200),
	} {
		if got := cleanTitle(s); got != want {
			t.Errorf("cleanTitle(%q) = %q, want %q", s, got, want)
		}
	}
}

func TestIndexPrefixIsCapped(t *testing.T) {
	short := func(n int) func(string) bool { return func(s string) bool { return len(s) <= n } }
	path := []string{"Aaaa", "Bbbb", "Cccc"}
	for _, test := range []struct {
		title string
		path  []string
		max   int
		want  string
	}{
		{"T", path, 99, "T > Aaaa > Bbbb > Cccc\n"},
		{"T", path, 20, "T > Bbbb > Cccc\n"},
		{"T", path, 10, "T > Cccc\n"},
		{"T", path, 6, "T\n"},
		{"", path, 13, "Bbbb > Cccc\n"},
		{"", path, 3, ""},
		{"", nil, 99, ""},
		{"One two three", path, 9, "One two\n"},
		{"Onetwothree", nil, 5, "Onet\n"},
		{"T", nil, 0, ""},
	} {
		if got := indexPrefix(test.title, test.path, short(test.max)); got != test.want {
			t.Errorf("indexPrefix(%q, %q) in %d bytes = %q, want %q", test.title, test.path, test.max, got, test.want)
		}
	}
}

func TestOverlap(t *testing.T) {
	doc := newDocument("").paragraph(sentences(30)).Document
	chunks, _ := split(t, doc, Params{SizeTokens: 100, Overlap: 0.25}, nil)
	for i := 1; i < len(chunks); i++ {
		if n := chunks[i-1].Span.End - chunks[i].Span.Start; n != len(sentences(2)) {
			t.Errorf("chunk %d repeats %d bytes, want two sentences, %d", i, n, len(sentences(2)))
		}
	}
	if len(chunks) != 4 {
		t.Errorf("got %d chunks, want 4", len(chunks))
	}
}

func TestNoOverlapAcrossHeading(t *testing.T) {
	doc := newDocument("").heading(1, "One").paragraph(sentences(8)).heading(1, "Two").paragraph(sentences(8)).Document
	chunks, _ := split(t, doc, Params{SizeTokens: 100, Overlap: 0.5}, nil)
	if len(chunks) != 2 || !strings.HasPrefix(chunks[1].Text, "# Two") {
		t.Errorf("got %q, want nothing repeated", texts(chunks))
	}
}

// The overlap gives way where the next sentence would have to be cut for it.
func TestOverlapGivesWay(t *testing.T) {
	long := "This one sentence " + strings.Repeat("goes on and on ", 17) + "until here."
	doc := newDocument("").paragraph(sentences(9) + " " + long + " " + sentences(3)).Document
	chunks, _ := split(t, doc, Params{SizeTokens: 100, Overlap: 0.5}, nil)
	if len(chunks) < 2 || !strings.HasPrefix(chunks[1].Text, "This one") || !strings.Contains(chunks[1].Text, "here.") {
		t.Errorf("got %q, want the long sentence whole", texts(chunks))
	}
}

func TestPages(t *testing.T) {
	doc := newDocument("").newPage().paragraph(sentences(5)).newPage().paragraph(sentences(5)).newPage().paragraph(sentences(5)).Document
	chunks, _ := split(t, doc, Params{SizeTokens: 110}, nil)
	var got [][2]int
	for _, ch := range chunks {
		got = append(got, [2]int{ch.PageStart, ch.PageEnd})
	}
	if d := cmp.Diff([][2]int{{1, 2}, {3, 3}}, got); d != "" {
		t.Errorf("pages (-want +got):\n%s", d)
	}
}

func TestLeadingBlanks(t *testing.T) {
	chunks, _ := split(t, newDocument("").paragraph("\n\n  "+sentences(2)).Document, Params{SizeTokens: 60}, nil)
	if len(chunks) != 1 || chunks[0].Span.Start != 0 {
		t.Errorf("got %+v, want one chunk from 0", chunks)
	}
	blanks := strings.Repeat("\n \t", 200)
	chunks, _ = split(t, newDocument("").paragraph(blanks+sentences(2)).Document, Params{SizeTokens: 60}, nil)
	if len(chunks) != 2 || chunks[0].Text != "\n" || chunks[0].Gap != blanks[1:] {
		t.Errorf("got %+v, want a blank chunk with the other blanks as its gap", chunks)
	}
}

func TestWindow(t *testing.T) {
	doc := newDocument("Guide").heading(1, "Long part").paragraph(sentences(40)).Document
	p := Params{SizeTokens: 200, IndexPrefix: true}
	free, stats := split(t, doc, p, nil)
	if stats.WindowSplits != 0 {
		t.Errorf("%d window splits without a window", stats.WindowSplits)
	}
	wide, stats := split(t, doc, p, byteWindow(1000))
	if d := cmp.Diff(free, wide); d != "" || stats.WindowSplits != 0 {
		t.Errorf("a wide window changes something (%d splits):\n%s", stats.WindowSplits, d)
	}
	narrow, stats := split(t, doc, p, byteWindow(200))
	if len(narrow) <= len(free) || stats.WindowSplits != len(narrow)-1 {
		t.Errorf("%d chunks, %d of them for the window, want all but the last", len(narrow), stats.WindowSplits)
	}
	for _, ch := range narrow[:len(narrow)-1] {
		if n := byteWindow(0).CountTokens(ch.Prefix + ch.Text); n < 150 {
			t.Errorf("a chunk of %d tokens leaves the window of 200 half empty", n)
		}
	}
	none, stats := split(t, doc, p, byteWindow(0))
	if d := cmp.Diff(free, none); d != "" || stats.WindowSplits != 0 {
		t.Errorf("window 0 is no window (%d splits):\n%s", stats.WindowSplits, d)
	}
}

// With a target tokenizer much coarser than the embedder's, the size says
// nothing and the window everything.
func TestWindowMuchSmallerThanSize(t *testing.T) {
	b := newDocument("")
	for i := range 60 {
		b.paragraph(sentences(1 + i%7))
		if i%9 == 0 {
			b.paragraph(strings.Repeat("日本語の文章です。", 20))
		}
	}
	chunks, stats := split(t, b.Document, Params{SizeTokens: 8192, Overlap: 0.01}, byteWindow(120))
	if stats.WindowSplits < len(chunks)-1 {
		t.Errorf("%d of %d chunks are window splits", stats.WindowSplits, len(chunks))
	}
}

func TestTinyWindow(t *testing.T) {
	doc := newDocument("A title that is much too long").paragraph("日本 " + sentences(1)).Document
	split(t, doc, Params{SizeTokens: 16, IndexPrefix: true}, byteWindow(5))
	_, _, err := Split(doc, Params{SizeTokens: 16, IndexPrefix: true}, counter(t), byteWindow(3))
	if err == nil || !strings.Contains(err.Error(), `"日"`) || !strings.Contains(err.Error(), "window of 3") {
		t.Errorf("Split with a window of 3 = %v, want an error that names the text and the window", err)
	}
}

func TestValidate(t *testing.T) {
	doc := newDocument("").paragraph("x").Document
	for _, test := range []struct {
		p    Params
		want []string
	}{
		{Params{SizeTokens: 15}, []string{"size is 15", "16 to 8192"}},
		{Params{SizeTokens: 8193}, []string{"size is 8193"}},
		{Params{}, []string{"size is 0"}},
		{Params{SizeTokens: 16, Overlap: -0.1}, []string{"overlap is -0.1", "0 to 0.5"}},
		{Params{SizeTokens: 16, Overlap: 0.51}, []string{"overlap is 0.51"}},
		{Params{SizeTokens: 16, Overlap: math.NaN()}, []string{"overlap is NaN"}},
		{Params{SizeTokens: 16, Overlap: math.Inf(1)}, []string{"overlap is +Inf"}},
		{Params{SizeTokens: 16, Strategy: "magic"}, []string{`strategy is "magic"`, `["structure" "fixed" "row" "page" "parent" "sentence" "recursive"]`}},
		{Params{SizeTokens: 16, Strategy: Page, Overlap: 0.1}, []string{"overlap is 0.1, want 0", `"page" repeats nothing`}},
		{Params{SizeTokens: 16, Strategy: Row, Overlap: 0.1}, []string{`"row" repeats nothing`}},
	} {
		_, _, err := Split(doc, test.p, counter(t), nil)
		if err == nil {
			t.Errorf("Split with %+v succeeds, want an error", test.p)
			continue
		}
		for _, w := range test.want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("Split with %+v: %q, want it to say %q", test.p, err, w)
			}
		}
	}
}

func TestMalformedDocument(t *testing.T) {
	span := func(a, b int) extract.Block {
		return extract.Block{Kind: extract.Paragraph, Span: text.Span{Start: a, End: b}}
	}
	for _, test := range []struct {
		text   string
		blocks []extract.Block
		want   string
	}{
		{"abc", nil, "the blocks end at 0, the text at 3"},
		{"abc", []extract.Block{span(0, 2)}, "the blocks end at 2"},
		{"abc", []extract.Block{span(0, 4)}, "block 0 has span [0,4)"},
		{"abc", []extract.Block{span(0, 1), span(2, 3)}, "block 1 has span [2,3)"},
		{"abc", []extract.Block{span(0, 2), span(2, 1)}, "block 1 has span [2,1)"},
		{"日", []extract.Block{span(0, 1), span(1, 3)}, "inside a code point"},
		{"a\xff", []extract.Block{span(0, 2)}, "not UTF-8"},
	} {
		_, _, err := Split(extract.Document{Text: test.text, Blocks: test.blocks}, Params{SizeTokens: 16}, counter(t), nil)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("Split(%q, %v) = %v, want an error that says %q", test.text, test.blocks, err, test.want)
		}
	}
}
