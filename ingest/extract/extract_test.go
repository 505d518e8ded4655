package extract

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/internal/meta"
	"github.com/ragloop/ragloop/internal/text"
)

var update = flag.Bool("update", false, "write the golden files")

// describe renders doc for a golden file: its properties, then each block as
// quoted lines.
func describe(doc Document) string {
	var b strings.Builder
	fmt.Fprintf(&b, "media type: %s\ntitle: %s\npages: %d\n", doc.MediaType, doc.Title, doc.Pages)
	for _, key := range doc.Meta.Keys() {
		fmt.Fprintf(&b, "%s: %s %q\n", key, doc.Meta[key].Kind, doc.Meta[key].Text())
	}
	for _, w := range doc.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", w)
	}
	for _, bl := range doc.Blocks {
		fmt.Fprintf(&b, "\n[%s", bl.Kind)
		if bl.Level > 0 {
			fmt.Fprintf(&b, " %d", bl.Level)
		}
		if bl.Page > 0 {
			fmt.Fprintf(&b, " page %d", bl.Page)
		}
		b.WriteString("]\n")
		for line := range strings.SplitAfterSeq(doc.Text[bl.Span.Start:bl.Span.End], "\n") {
			if line != "" {
				fmt.Fprintf(&b, "%q\n", line)
			}
		}
	}
	return b.String()
}

// checkDocument reports where doc breaks a promise that holds for every
// document.
func checkDocument(t testing.TB, doc Document) {
	t.Helper()
	if !utf8.ValidString(doc.Text) || strings.ContainsRune(doc.Text, 0) {
		t.Errorf("the text is not valid UTF-8 without NUL")
	}
	if text.Blank(doc.Text) {
		t.Error("the text is blank")
	}
	if !utf8.ValidString(doc.Title) {
		t.Errorf("title %q is not valid UTF-8", doc.Title)
	}
	if err := meta.Check(doc.Meta); err != nil {
		t.Error(err)
	}
	at, page := 0, 0
	for i, b := range doc.Blocks {
		if b.Span.Start != at || b.Span.End <= b.Span.Start || b.Span.End > len(doc.Text) {
			t.Fatalf("block %d is [%d, %d), want a start of %d in a text of %d bytes", i, b.Span.Start, b.Span.End, at, len(doc.Text))
		}
		at = b.Span.End
		if at < len(doc.Text) && !utf8.RuneStart(doc.Text[at]) {
			t.Errorf("block %d ends inside a code point", i)
		}
		if b.Kind != PageBreak && text.Blank(doc.Text[b.Span.Start:b.Span.End]) {
			t.Errorf("block %d is blank", i)
		}
		if (b.Kind == Heading || b.Kind == ListItem) != (b.Level > 0) || b.Kind == Heading && b.Level > 6 {
			t.Errorf("block %d: %s of level %d", i, b.Kind, b.Level)
		}
		if b.Page < page || b.Page > doc.Pages {
			t.Errorf("block %d is on page %d of %d, after page %d", i, b.Page, doc.Pages, page)
		}
		page = b.Page
	}
	if at != len(doc.Text) {
		t.Errorf("the blocks end at %d, the text at %d", at, len(doc.Text))
	}
}

func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if ext := filepath.Ext(name); ext == ".golden" || ext == ".gitattributes" || filepath.Base(name) == "README.md" {
			continue
		}
		t.Run(filepath.Base(name), func(t *testing.T) {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			doc, err := Extract(t.Context(), Input{Name: name, Data: data})
			if err != nil {
				t.Fatal(err)
			}
			checkDocument(t, doc)
			golden := name + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(describe(doc)), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), describe(doc)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", golden, diff)
			}
			again, err := Extract(t.Context(), Input{Name: name, Data: data})
			if err != nil || cmp.Diff(doc, again) != "" {
				t.Errorf("a second extraction differs, error %v", err)
			}
			if slices.Contains([]string{".md", ".txt", ".csv", ".jsonl"}, filepath.Ext(name)) && doc.Text != string(data) {
				t.Error("the text is not the source")
			}
		})
	}
}

func TestJSON(t *testing.T) {
	doc := Document{
		Text: "# é😀\n\nb", MediaType: "text/markdown", Title: "<é>", Pages: 2,
		Blocks: []Block{
			{Kind: Heading, Level: 1, Span: text.Span{Start: 0, End: 10}, Page: 1},
			{Kind: Paragraph, Span: text.Span{Start: 10, End: 11}, Page: 2},
		},
		Meta: meta.Fields{
			"b": meta.OfBool(true), "f": meta.OfFloat(0.5), "n": meta.OfInteger(-1), "l": meta.OfStrings([]string{"<", "é"}),
			"s": meta.OfString(`"&`), "t": meta.OfTime(time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC)),
		},
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(doc); err != nil {
		t.Fatal(err)
	}
	want := `{"text":"# é😀\n\nb","media_type":"text/markdown","title":"<é>","pages":2,` +
		`"blocks":[{"kind":"heading","level":1,"start":0,"end":6,"page":1},{"kind":"paragraph","level":0,"start":6,"end":7,"page":2}],` +
		`"meta":{"b":true,"f":0.5,"l":["<","é"],"n":-1,"s":"\"&","t":"2025-03-01T00:00:00Z"},"warnings":[]}` + "\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("JSON (-want +got):\n%s", diff)
	}
	empty, err := json.Marshal(Document{})
	if want := `{"text":"","media_type":"","title":"","pages":0,"blocks":[],"meta":{},"warnings":[]}`; err != nil || string(empty) != want {
		t.Errorf("JSON of no document %s, error %v, want %s", empty, err, want)
	}
	if _, err := json.Marshal(Document{Text: "é", Blocks: []Block{{Span: text.Span{Start: 1, End: 2}}}}); !errors.Is(err, text.ErrMidRune) {
		t.Errorf("error %v of a block that starts inside a code point, want ErrMidRune", err)
	}
}

func TestLimits(t *testing.T) {
	if testing.Short() {
		t.Skip("needs 300 MB of memory")
	}
	large := bytes.Repeat([]byte("text line\n"), MaxTextBytes/10+1)
	for name, data := range map[string][]byte{"file.txt": make([]byte, MaxBytes+1), "text.txt": large} {
		if _, err := Extract(t.Context(), Input{Name: name, Data: data}); !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), "limit") {
			t.Errorf("%s: error %v, want ErrTooLarge with the limit", name, err)
		}
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, name := range []string{"a.md", "a.csv", "a.pdf"} {
		if _, err := Extract(ctx, Input{Name: name, Data: []byte("text")}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: error %v, want context.Canceled", name, err)
		}
	}
	// A context that ends during the work.
	for name, data := range map[string]string{
		"a.csv":   strings.Repeat("a,b\n", 3000),
		"a.jsonl": strings.Repeat("[1]\n", 3000),
		"a.pdf":   buildPDF(show("a"), show("b")),
		"b.pdf":   buildPDF(strings.Repeat("q Q ", 5000)),
	} {
		if _, err := Extract(&endingContext{Context: t.Context(), left: 1}, Input{Name: name, Data: []byte(data)}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: error %v, want context.Canceled", name, err)
		}
	}
}

// endingContext is cancelled after it was asked a number of times.
type endingContext struct {
	context.Context
	left int
}

func (c *endingContext) Err() error {
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}

func TestTile(t *testing.T) {
	s := " \n\na\n\n \nb"
	tests := []struct {
		name  string
		marks []mark
		want  []Block
	}{
		{"no marks", nil, []Block{{Kind: Paragraph, Span: text.Span{Start: 0, End: 9}}}},
		{"late first mark", []mark{{at: 3, kind: Code}}, []Block{{Kind: Code, Span: text.Span{Start: 0, End: 9}}}},
		{"blank blocks join", []mark{{at: 0, kind: Heading, level: 1}, {at: 3, kind: Paragraph}, {at: 6, kind: Code}, {at: 8, kind: Table, page: 2}},
			[]Block{{Kind: Paragraph, Span: text.Span{Start: 0, End: 8}}, {Kind: Table, Span: text.Span{Start: 8, End: 9}, Page: 2}}},
		{"the last of a place counts", []mark{{at: 0, kind: ListItem, level: 1}, {at: 0, kind: Code}},
			[]Block{{Kind: Code, Span: text.Span{Start: 0, End: 9}}}},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, tile(s, tt.marks)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	if got := tile("", nil); got != nil {
		t.Errorf("tile of no text = %v, want nil", got)
	}
}

func ExampleExtract() {
	doc, err := Extract(context.Background(), Input{Name: "fees.md", Data: []byte("# Fees\n\nEntry is 5 €.\n")})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, b := range doc.Blocks {
		fmt.Printf("%s %q\n", b.Kind, doc.Text[b.Span.Start:b.Span.End])
	}
	// Output:
	// heading "# Fees\n\n"
	// paragraph "Entry is 5 €.\n"
}
