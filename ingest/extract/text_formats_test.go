package extract

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// kinds returns the blocks of doc as "kind level text".
func kinds(doc Document) []string {
	var out []string
	for _, b := range doc.Blocks {
		out = append(out, fmt.Sprintf("%s %d %q", b.Kind, b.Level, doc.Text[b.Span.Start:b.Span.End]))
	}
	return out
}

func TestMarkdownTitle(t *testing.T) {
	tests := []struct{ name, source, want string }{
		{"heading", "## Two\n\n# One `code` *em* [link](http://x) &amp; \\* #\n", "One code em link & *"},
		{"setext over lines", "First\nline\n=====\n", "First line"},
		{"front matter", "---\nlayout: x\ntitle: 'The title'\n---\n\n## Two\n", "The title"},
		{"TOML front matter", "+++\ntitle = \"The title\"\n+++\ntext", "The title"},
		{"heading before front matter", "---\ntitle: meta\n---\n# One\n", "One"},
		{"quoted heading", "> # Quoted\n\ntext", ""},
		{"long heading", "# " + strings.Repeat("*a_ ", 2000), strings.TrimSpace(strings.Repeat("*a_ ", 2000))},
		{"none", "text", ""},
	}
	for _, tt := range tests {
		if doc := extractString(t, "x.md", tt.source); doc.Title != tt.want {
			t.Errorf("%s: title %.60q, want %.60q", tt.name, doc.Title, tt.want)
		}
	}
}

func TestFrontMatterOrThematicBreak(t *testing.T) {
	tests := []struct {
		source string
		want   Kind // of the first block
	}{
		{"---\ntitle: x\n---\n# y\n", Code},
		{"--- \r\n# comment\r\na: b\r\n...\r\ntext\r\n", Code},
		{"---\n\ntext\n\n---\n", Paragraph},
		{"---\njust text\n---\n", Paragraph},
		{"---\ntitle: never closed\n", Paragraph},
		{"----\ntitle: x\n----\n", Paragraph},
	}
	for _, tt := range tests {
		if doc := extractString(t, "x.md", tt.source); doc.Blocks[0].Kind != tt.want {
			t.Errorf("first block of %q is a %s, want a %s", tt.source, doc.Blocks[0].Kind, tt.want)
		}
	}
}

func TestMarkdownTables(t *testing.T) {
	tests := []struct {
		source string
		want   []string
	}{
		{"a | b\n--|--\nc\n\nd", []string{"table", "paragraph"}},
		{"|a|\n|:-:|\n", []string{"table"}},
		{"| a \\| b |\n|---|\n", []string{"table"}},
		{"intro\nmore\n| a | b |\r\n| -: | :- |\r\n", []string{"paragraph", "table"}},
		{"> | a | b |\n> |---|---|\n", []string{"table"}},
		{"- x\n\n  | a | b |\n  |---|---|\n", []string{"list_item", "table"}},
		{"a | b\n--|--|--\n", []string{"paragraph"}},
		{"a | b\n-- c | --\n", []string{"paragraph"}},
		{"| a | b |\n|: : |---|\n", []string{"paragraph"}},
		{"|---|---|\n| a | b |\n", []string{"paragraph"}},
		{"a\n---\nb", []string{"heading", "paragraph"}},
	}
	for _, tt := range tests {
		var got []string
		for _, b := range extractString(t, "x.md", tt.source).Blocks {
			got = append(got, string(b.Kind))
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("blocks of %q (-want +got):\n%s", tt.source, diff)
		}
	}
}

// TestMarkdownNesting gives sources whose nesting or markup is quadratic work
// for a careless parser.
func TestMarkdownNesting(t *testing.T) {
	for _, unit := range []string{"> ", "+ ", "1) ", "> - ", ">"} {
		s := strings.Repeat(unit, 50_000) + "a\n\nb"
		if doc := extractString(t, "x.md", s); doc.Text != s || len(doc.Blocks) != 2 {
			t.Errorf("%q many times: %d blocks, want 2 that hold the source", unit, len(doc.Blocks))
		}
	}
	for _, unit := range []string{"*a_ ", "[", "![](", "`", "<a ", "| a ", "\\", "&", "#", "1. a\n   ", "[a]: b\n", "|a|b\n|-|-\n"} {
		s := strings.Repeat(unit, 5000)
		if doc := extractString(t, "x.md", s); doc.Text != s {
			t.Errorf("the text of %q many times is not the source", unit)
		}
	}
	var stairs strings.Builder
	for i := range 500 {
		stairs.WriteString(strings.Repeat("  ", i) + "- a\n")
	}
	if doc := extractString(t, "x.md", stairs.String()); len(doc.Blocks) != 1 {
		t.Errorf("500 nested lists: %d blocks, want 1", len(doc.Blocks))
	}
}

func TestNesting(t *testing.T) {
	for s, want := range map[string]int{
		"": 0, "text > - more": 0, "-no": 0, "12345678901. x": 0, "- a": 1, "> a": 1, ">>>a": 3, "> - 1. a\n- b": 3,
		"    - a": 3, "        code": 0, "1)\n": 1, "-": 1, "-\r\n": 1, "*\tx": 1, "* * *": 3,
	} {
		if got := nesting(s); got != want {
			t.Errorf("nesting(%q) = %d, want %d", s, got, want)
		}
	}
}

func TestUnparsedMarkdownWarns(t *testing.T) {
	doc := extractString(t, "x.md", strings.Repeat("> ", maxNesting+1)+"# deep\n\ntext")
	if len(doc.Warnings) != 1 || len(doc.Blocks) != 2 {
		t.Errorf("blocks %q, warnings %q, want two paragraphs and a warning", kinds(doc), doc.Warnings)
	}
}

// TestManyPages has one line of many pages, each of which was once searched to
// the end of the text.
func TestManyPages(t *testing.T) {
	const pages = 100_000
	if doc := extractString(t, "x.txt", strings.Repeat("a\f", pages)); doc.Pages != pages {
		t.Errorf("%d pages, want %d", doc.Pages, pages)
	}
}

func TestPlainParagraphs(t *testing.T) {
	doc := extractString(t, "x.txt", "\n a\nb\n \t\n\nc\r\n\r\nd\f")
	want := []string{`paragraph 0 "\n a\nb\n \t\n\n"`, `paragraph 0 "c\r\n\r\n"`, `paragraph 0 "d\f"`}
	if diff := cmp.Diff(want, kinds(doc)); diff != "" || doc.Pages != 0 {
		t.Errorf("pages %d, blocks (-want +got):\n%s", doc.Pages, diff)
	}
}

func TestCSVDelimiter(t *testing.T) {
	tests := []struct {
		source string
		want   rune
	}{
		{"a,b\n1,2\n", ','},
		{"a;b\n1,5;2,5\n", ';'},
		{"a\tb c, d\n1\t2\n", '\t'},
		{"a|b\n1|2\n", '|'},
		{"one column\nonly\n", ','},
		{"\"a;b\",c\n\"d;e;f\",g\n", ','},
		{"", ','},
	}
	for _, tt := range tests {
		if got := delimiter(tt.source); got != tt.want {
			t.Errorf("delimiter(%q) = %q, want %q", tt.source, got, tt.want)
		}
	}
}

func TestCSVWarnsOfRaggedRows(t *testing.T) {
	doc := extractString(t, "x.csv", "a,b,c\n1,2,3\n1,2\n1\n")
	want := []string{"line 3: 2 fields where the header has 3; further lines may differ too"}
	if diff := cmp.Diff(want, doc.Warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

func TestMalformedRows(t *testing.T) {
	tests := []struct{ name, source, want string }{
		{"x.csv", "a,b\n1,2\n\"x\"y,3\n", "line 3, column 3"},
		{"x.csv", "a,b\n1,2\n\"never\nclosed,3\n", "record starts on line 3"},
		{"x.csv", "a,b\nx\"y,3\n", "line 2"},
		{"x.tsv", "a\tb\n\"x\"y\t3\n", "line 2"},
		{"x.jsonl", "{\"a\": 1}\n\n{\"b\": }\n", "line 3"},
		{"x.jsonl", "{\"a\": 1} {\"b\": 2}\n", "line 1"},
		{"x.jsonl", "text\n", "line 1"},
		{"x.jsonl", strings.Repeat("[", 20000) + "\n", "line 1"},
	}
	for _, tt := range tests {
		_, err := Extract(t.Context(), Input{Name: tt.name, Data: []byte(tt.source)})
		if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.name) {
			t.Errorf("error of %.30q: %v, want a malformed %s, %s", tt.source, err, tt.name, tt.want)
		}
	}
}

func TestCSVBlankLines(t *testing.T) {
	doc := extractString(t, "x.csv", "\n\r\na,b\n\n\n1,2\n\"x\n\ny\",z")
	want := []string{`row 0 "\n\r\na,b\n\n\n"`, `row 0 "1,2\n"`, `row 0 "\"x\n\ny\",z"`}
	if diff := cmp.Diff(want, kinds(doc)); diff != "" {
		t.Errorf("blocks (-want +got):\n%s", diff)
	}
}

func FuzzMarkdown(f *testing.F) {
	f.Add("---\ntitle: x\n---\n# a\n- b\n  > c\n\n| d | e |\n|---|---|\n```\nf\n")
	f.Add("a\n===\r\n1) b\r\n\t* c\r\n<div>\r\n\r\n\r\n[x]: y\r\n- - - z\r\n")
	f.Add("\ufeff>\t- \t# a\n\n\t\tb\rc\n")
	f.Fuzz(func(t *testing.T, s string) { fuzzVerbatim(t, "x.md", "text/markdown", s) })
}

func FuzzCSV(f *testing.F) {
	f.Add("a,b\n\"c\nd\",e\n")
	f.Add("\r\n\na;b\r\n;\r\n\r\n\"\"\"\";x")
	f.Fuzz(func(t *testing.T, s string) { fuzzVerbatim(t, "x.csv", "text/csv", s) })
}

func FuzzJSONLines(f *testing.F) {
	f.Add("{\"a\": [1, \"é\"]}\n\n \t\n3\r\n")
	f.Fuzz(func(t *testing.T, s string) { fuzzVerbatim(t, "x.jsonl", "application/x-ndjson", s) })
}

func FuzzPlain(f *testing.F) {
	f.Add("a\n\n\fb\f\f\r\rc\n")
	f.Add(string([]byte{0xff, 0xfe, 'a', 0, 0x3d, 0xd8}))
	f.Fuzz(func(t *testing.T, s string) { fuzzVerbatim(t, "x.txt", "text/plain", s) })
}

// fuzzVerbatim checks in addition that the text of a valid UTF-8 source is the
// source.
func fuzzVerbatim(t *testing.T, name, mediaType, data string) {
	t.Helper()
	doc, err := extract(t.Context(), Input{Name: name, MediaType: mediaType, Data: []byte(data)})
	if err != nil || doc.MediaType != mediaType {
		return
	}
	checkDocument(t, doc)
	if valid := strings.ToValidUTF8(data, "") == data; valid && !strings.HasPrefix(data, "\ufeff") && doc.Text != data {
		t.Errorf("text %q of %q is not the source", doc.Text, data)
	}
}
