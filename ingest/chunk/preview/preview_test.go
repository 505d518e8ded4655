package preview

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"github.com/ragloop/ragloop/ingest/chunk"
	"github.com/ragloop/ragloop/ingest/extract"
	"github.com/ragloop/ragloop/internal/text"
	"github.com/ragloop/ragloop/internal/tokens"
)

func counter(t testing.TB) *tokens.Counter {
	t.Helper()
	c, err := tokens.New("o200k_base")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// byteWindow is an embedder whose tokens are bytes.
type byteWindow int

func (w byteWindow) MaxTokens() int         { return int(w) }
func (byteWindow) CountTokens(s string) int { return len(s) }

func markdown(t testing.TB, name, s string) extract.Document {
	t.Helper()
	doc, err := extract.Extract(context.Background(), extract.Input{Name: name, Data: []byte(s)})
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func preview(t testing.TB, doc extract.Document, p chunk.Params, w chunk.Window) Preview {
	t.Helper()
	v, err := New("a.md", doc, p, counter(t), w)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

const manual = "# Wärmezähler\n\nEr misst Wärme in Kreisläufen. Über die Anzeige wird abgelesen.\n\n" +
	"## Einbau\n\nПрибор крепится на стену. 安装完成后检查读数。\n\n" +
	"| Größe | Wert |\n|---|---|\n| Breite | 12 cm |\n| Höhe | 20 cm |\n| Tiefe | 3 cm |\n| Gewicht | 800 g |\n\n" +
	"## Pflege\n\nJährlich reinigen. Die Dichtung prüfen. Die Batterie nach sechs Jahren wechseln, nicht später.\n"

func TestNew(t *testing.T) {
	doc := markdown(t, "a.md", manual)
	v := preview(t, doc, chunk.Params{Strategy: chunk.Parent, SizeTokens: 24, IndexPrefix: true}, byteWindow(400))
	if v.File != "a.md" || v.Title != "Wärmezähler" || v.CodePoints != len([]rune(manual)) || len(v.Chunks) < 5 {
		t.Fatalf("New = %+v", v)
	}
	parents := 0
	for i, c := range v.Chunks {
		body, err := text.Slice(doc.Text, text.RuneSpan{Start: c.Start, End: c.End})
		if err != nil || body != c.Text || c.Number != i || c.EmbedderTokens != len(c.Prefix+c.Text) || c.Tokens != counter(t).Count(c.Text) {
			t.Errorf("chunk %d = %+v, the document has %q there", i, c, body)
		}
		if c.Parent != nil {
			parents++
		}
	}
	if parents == 0 {
		t.Error("no chunk has a parent")
	}
	if _, err := New("a.md", doc, chunk.Params{SizeTokens: 1}, counter(t), nil); err == nil || !strings.Contains(err.Error(), "chunk a.md: ") {
		t.Errorf("New with a size of 1 = %v", err)
	}
}

func TestEdges(t *testing.T) {
	long := strings.Repeat("語", 60)
	for _, tt := range []struct{ in, begins, ends string }{
		{"short", "short", "short"},
		{"  two\n\nlines ", "two lines", "two lines"},
		{"one two three four five six seven eight nine ten", "one two three four five six seven eight …", "… three four five six seven eight nine ten"},
		{long, long[:3*edgeRunes] + " …", "… " + long[:3*edgeRunes]},
		{"a" + strings.Repeat(" ", 600) + "b", "a …", "… b"},
		{strings.Repeat("é", 400), strings.Repeat("é", edgeRunes) + " …", "… " + strings.Repeat("é", edgeRunes)},
	} {
		if got := begins(tt.in); got != tt.begins {
			t.Errorf("begins(%.20q) = %q, want %q", tt.in, got, tt.begins)
		}
		if got := ends(tt.in); got != tt.ends {
			t.Errorf("ends(%.20q) = %q, want %q", tt.in, got, tt.ends)
		}
	}
}

func TestSizes(t *testing.T) {
	var chunks []Chunk
	for _, n := range []int{20, 3, 1, 14, 20} {
		chunks = append(chunks, Chunk{Tokens: n})
	}
	s := sizes(chunks, 25)
	want := Sizes{Min: 1, Median: 14, P95: 20, Max: 20, Sum: 58, Histogram: []Bin{
		{1, 3, 2}, {4, 6, 0}, {7, 9, 0}, {10, 12, 0}, {13, 15, 1}, {16, 18, 0}, {19, 21, 2}, {22, 24, 0}, {25, 25, 0},
	}}
	if d := cmp.Diff(want, s); d != "" {
		t.Errorf("sizes (-want +got):\n%s", d)
	}
	if d := cmp.Diff(Sizes{}, sizes(nil, 25)); d != "" {
		t.Errorf("sizes of nothing: %s", d)
	}
}

func TestWarnings(t *testing.T) {
	sentence := "The meter is read once a month by the staff. "
	table := "| Name | Value |\n|---|---|\n" + strings.Repeat("| width of the housing | 12 cm |\n", 12)
	record := strings.Repeat("words in a cell ", 30)
	for name, tt := range map[string]struct {
		file, text string
		p          chunk.Params
		w          chunk.Window
		want       []string
	}{
		"none":          {"a.md", strings.Repeat(sentence, 3), chunk.Params{SizeTokens: 100}, nil, nil},
		"window":        {"a.md", "A. " + strings.Repeat("Another one is here. ", 9), chunk.Params{SizeTokens: 100}, byteWindow(110), []string{"0 window_split"}},
		"table":         {"a.md", table, chunk.Params{SizeTokens: 100}, nil, []string{"1 table_split"}},
		"header row":    {"a.md", table, chunk.Params{SizeTokens: 100, Strategy: chunk.Row, IndexPrefix: true}, nil, nil},
		"no prefix":     {"a.md", table, chunk.Params{SizeTokens: 100, Strategy: chunk.Row}, nil, []string{"1 table_split"}},
		"row":           {"a.csv", "a,b\n1," + record + "\n", chunk.Params{SizeTokens: 110}, nil, []string{"0 tiny", "2 table_split"}},
		"heading":       {"a.md", "# One\n\n## Two\n\n" + sentence + sentence + "\n\n# Three\n\nFour.\n", chunk.Params{SizeTokens: counter(t).Count("# One\n\n## Two\n\n" + sentence + sentence + "\n\n# Three"), Strategy: chunk.Fixed}, nil, []string{"0 heading_at_end", "1 tiny"}},
		"empty section": {"a.md", strings.Repeat(sentence, 2) + "\n\n# One\n\n# Two\n\n" + sentence, chunk.Params{SizeTokens: 26, Strategy: chunk.Fixed}, nil, nil},
		"word":          {"a.md", "x" + strings.Repeat("ZYX9", 40), chunk.Params{SizeTokens: 64, Strategy: chunk.Fixed}, nil, []string{"1 word_split"}},
		"no words":      {"a.md", strings.Repeat("语言文字", 40), chunk.Params{SizeTokens: 64, Strategy: chunk.Fixed}, nil, nil},
	} {
		v := preview(t, markdown(t, tt.file, tt.text), tt.p, tt.w)
		var got []string
		for _, w := range v.Warnings {
			got = append(got, fmt.Sprintf("%d %s", w.Chunk, w.Code))
			if !slices.Contains(Codes(), w.Code) || w.Code.Meaning() == string(w.Code) || w.Message == "" {
				t.Errorf("%s: %+v is no warning of the closed set", name, w)
			}
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s: warnings (-want +got):\n%s\n%q", name, d, texts(v))
		}
	}
	twice := preview(t, markdown(t, "a.md", "# A\n\n"+sentence+"\n\n# A\n\n"+sentence), chunk.Params{SizeTokens: 16}, nil)
	if w := twice.Warnings; len(w) != 1 || w[0].Message != "has the text of chunk 0" {
		t.Errorf("the same section twice: %+v", w)
	}
}

func texts(v Preview) []string {
	var out []string
	for _, c := range v.Chunks {
		out = append(out, c.Text)
	}
	return out
}

// TestStretches: what the page shows is the document, and what it shows of a
// chunk is that chunk.
func TestStretches(t *testing.T) {
	doc := markdown(t, "a.md", "\n \n"+strings.Repeat(manual, 3))
	for _, strategy := range chunk.Strategies() {
		for _, overlap := range []float64{0, 0.5} {
			if overlap > 0 && !strategy.Overlaps() {
				continue
			}
			v := preview(t, doc, chunk.Params{Strategy: strategy, SizeTokens: 24, Overlap: overlap}, nil)
			var all strings.Builder
			parts := make([]strings.Builder, len(v.Chunks))
			begun := 0
			for _, s := range stretches(v) {
				all.WriteString(s.Text)
				for i := s.First; i <= s.Last; i++ {
					parts[i].WriteString(s.Text)
				}
				if s.Begins {
					if s.Last != begun {
						t.Fatalf("%s: chunk %d begins, want %d", strategy, s.Last, begun)
					}
					begun++
				}
			}
			if all.String() != doc.Text || begun != len(v.Chunks) {
				t.Errorf("%s, overlap %v: the stretches hold %q and begin %d of %d chunks", strategy, overlap, all.String(), begun, len(v.Chunks))
			}
			for i, c := range v.Chunks {
				if got := parts[i].String(); got != c.Text {
					t.Errorf("%s, overlap %v: chunk %d is shown as %q, want %q", strategy, overlap, i, got, c.Text)
				}
			}
		}
	}
}

const hostile = `</script><script>alert(1)</script><img src=x onerror="alert(2)">"'><svg onload=alert(3)>`

// TestHTML: nothing of a document becomes part of the page, and the page loads
// nothing.
func TestHTML(t *testing.T) {
	doc := markdown(t, "x.md", "# "+hostile+"\n\n"+hostile+" "+strings.Repeat("Words of a sentence. ", 40)+"\n")
	doc.Title = hostile
	v, err := New(hostile, doc, chunk.Params{SizeTokens: 40, Overlap: 0.3, IndexPrefix: true}, counter(t), byteWindow(500))
	if err != nil {
		t.Fatal(err)
	}
	empty := preview(t, extract.Document{MediaType: "text/plain"}, chunk.Params{SizeTokens: 40}, nil)
	o := Options{Settings: Settings{Strategy: "structure", SizeTokens: 40, Overlap: 0.3, Tokenizer: "o200k_base", Embedder: hostile, Window: 500}, Command: "ragloop chunk " + hostile}
	var page, again bytes.Buffer
	if err := HTML(&page, []Preview{v, empty}, o); err != nil {
		t.Fatal(err)
	}
	if err := HTML(&again, []Preview{v, empty}, o); err != nil || !bytes.Equal(page.Bytes(), again.Bytes()) {
		t.Errorf("two pages of the same differ (%v)", err)
	}
	root, err := html.Parse(bytes.NewReader(page.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	ids := map[string]bool{}
	var links []string
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		count[n.Data]++
		for _, a := range n.Attr {
			switch {
			case a.Key == "src" || a.Key == "style" || strings.HasPrefix(a.Key, "on"):
				t.Errorf("<%s %s=%q> in the page", n.Data, a.Key, a.Val)
			case a.Key == "id":
				if ids[a.Val] {
					t.Errorf("id %q is there twice", a.Val)
				}
				ids[a.Val] = true
			case a.Key == "href":
				links = append(links, a.Val)
			}
		}
	}
	if count["script"] != 1 || count["style"] != 1 || count["img"] != 0 || count["link"] != 0 || count["svg"] != 1 {
		t.Errorf("elements: %v", count)
	}
	for _, l := range links {
		if !strings.HasPrefix(l, "#") || !ids[l[1:]] {
			t.Errorf("link to %q, which is not in the page", l)
		}
	}
	var shown strings.Builder
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && slices.Contains(n.Attr, html.Attribute{Key: "class", Val: "text"}) {
			for d := range n.Descendants() {
				if d.Type == html.TextNode && d.Parent.Data == "span" {
					shown.WriteString(d.Data)
				}
			}
		}
	}
	if shown.String() != doc.Text {
		t.Errorf("the page shows %q, want %q", shown.String(), doc.Text)
	}
	if s := page.String(); strings.Contains(s, "ZgotmplZ") || strings.Contains(s, "NaN") {
		t.Error("the page has NaN or a value that the template engine refused")
	}
}
