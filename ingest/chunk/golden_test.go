package chunk

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ragloop/ragloop/ingest/extract"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// handbook is a small document with everything that decides where a chunk ends.
func handbook() extract.Document {
	b := newDocument("Staff handbook").newPage().
		heading(1, "Staff handbook").
		paragraph("This handbook applies to all employees of Brightwater Ltd. It replaces the edition of March 2021.").
		heading(2, "Annual leave").
		paragraph("Full-time employees are entitled to 28 days of paid leave per calendar year. Part-time employees receive a proportional share, rounded up to half days. "+
			"Leave is requested in the portal at least two weeks ahead. The line manager answers within five working days; no answer counts as consent.").
		heading(3, "Carry-over").
		paragraph("Up to five unused days may be carried over until 31 March of the following year. Days that could not be taken because of illness do not expire before 15 months.").
		newPage().
		heading(2, "Allowances").
		paragraph("The following daily rates apply to business travel.").
		table("| Country | Up to 24 h | From 24 h |", "|---|---|---|", "| Germany | 14.00 | 28.00 |", "| France | 35.00 | 53.00 |", "| Japan | 22.00 | 33.00 |",
			"| Switzerland | 43.00 | 64.00 |", "| United Kingdom | 30.00 | 45.00 |", "| Norway | 50.00 | 75.00 |").
		heading(2, "Equipment").
		item("A notebook and a headset are provided on the first day.").
		item("Private devices may be used for mail only, after enrolment.").
		item("Loss is reported to the service desk within one hour, at any time of day.").
		heading(2, "How to enrol").
		paragraph("Run this once:").
		code("enrol --user $USER \\\n  --device phone\nenrol --status").
		paragraph("A code appears: " + strings.Repeat("ZYX9", 30) + " and must be typed within a minute.")
	return b.Document
}

func TestGolden(t *testing.T) {
	for _, test := range []struct {
		name string
		p    Params
		w    Window
	}{
		{"size64", Params{SizeTokens: 64, IndexPrefix: true}, nil},
		{"size64_overlap30", Params{SizeTokens: 64, Overlap: 0.3, IndexPrefix: true}, nil},
		{"size256", Params{SizeTokens: 256}, nil},
		{"window90", Params{SizeTokens: 64, IndexPrefix: true}, byteWindow(90)},
		{"fixed64_overlap30", Params{Strategy: Fixed, SizeTokens: 64, Overlap: 0.3, IndexPrefix: true}, nil},
		{"row48", Params{Strategy: Row, SizeTokens: 48, IndexPrefix: true}, nil},
		{"page128", Params{Strategy: Page, SizeTokens: 128, IndexPrefix: true}, nil},
		{"parent32", Params{Strategy: Parent, SizeTokens: 32, IndexPrefix: true}, nil},
		{"sentence64_overlap30", Params{Strategy: Sentence, SizeTokens: 64, Overlap: 0.3, IndexPrefix: true}, nil},
		{"recursive64_overlap30", Params{Strategy: Recursive, SizeTokens: 64, Overlap: 0.3, IndexPrefix: true}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			chunks, stats := split(t, handbook(), test.p, test.w)
			var b strings.Builder
			fmt.Fprintf(&b, "%d chunks, %d window splits\n", len(chunks), stats.WindowSplits)
			for _, c := range chunks {
				fmt.Fprintf(&b, "\n== %d [%d,%d) %d tokens, pages %d-%d, heading %q, prefix %q, gap %q\n", c.Ordinal, c.Span.Start, c.Span.End, c.Tokens, c.PageStart, c.PageEnd, c.Heading, c.Prefix, c.Gap)
				if c.ParentLast > 0 {
					fmt.Fprintf(&b, "   (parent: %d to %d)\n", c.ParentFirst, c.ParentLast)
				}
				for line := range strings.Lines(c.Text) {
					b.WriteString("   " + strings.TrimSuffix(line, "\n") + "\n")
				}
			}
			file := filepath.Join("testdata", test.name+".golden")
			if *update {
				if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), b.String()); d != "" {
				t.Errorf("%s (-want +got):\n%s", file, d)
			}
		})
	}
}

func BenchmarkSplit(b *testing.B) {
	section := sentences(7) + " " + strings.Repeat("Employees may carry over up to five days of unused annual leave (see section 4.2), but only until 31 March. ", 6)
	d := newDocument("Handbook")
	for i := range 400 {
		if i%2 == 0 {
			d.newPage()
		}
		d.heading(1+i%3, "Section").paragraph(section).paragraph(sentences(3))
	}
	tables := newDocument("Rates")
	for range 100 {
		tables.heading(2, "Country").table(slices.Repeat([]string{"| Berlin, from 24 h | 28.00 | 2024-03-31 |"}, 60)...)
	}
	monster := newDocument("").paragraph(strings.Repeat("abcdefghij", 40_000)).Document
	for _, bench := range []struct {
		name string
		doc  extract.Document
		p    Params
		w    Window
	}{
		{"count_only", d.Document, Params{}, nil},
		{"size200", d.Document, Params{SizeTokens: 200}, nil},
		{"size200_overlap15_prefix", d.Document, Params{SizeTokens: 200, Overlap: 0.15, IndexPrefix: true}, byteWindow(1 << 20)},
		{"window_binds", d.Document, Params{SizeTokens: 8192, IndexPrefix: true}, byteWindow(512)},
		{"one_word", monster, Params{SizeTokens: 200}, nil},
		{"fixed", d.Document, Params{Strategy: Fixed, SizeTokens: 200, Overlap: 0.15, IndexPrefix: true}, byteWindow(1 << 20)},
		{"fixed_window_binds", d.Document, Params{Strategy: Fixed, SizeTokens: 8192, IndexPrefix: true}, byteWindow(512)},
		{"row", d.Document, Params{Strategy: Row, SizeTokens: 200, IndexPrefix: true}, byteWindow(1 << 20)},
		{"row_of_tables", tables.Document, Params{Strategy: Row, SizeTokens: 200, IndexPrefix: true}, byteWindow(1 << 20)},
		{"page", d.Document, Params{Strategy: Page, SizeTokens: 200, IndexPrefix: true}, byteWindow(1 << 20)},
		{"sentence", d.Document, Params{Strategy: Sentence, SizeTokens: 200, Overlap: 0.15, IndexPrefix: true}, byteWindow(1 << 20)},
		{"recursive", d.Document, Params{Strategy: Recursive, SizeTokens: 200, Overlap: 0.15, IndexPrefix: true}, byteWindow(1 << 20)},
		{"parent", d.Document, Params{Strategy: Parent, SizeTokens: 200, IndexPrefix: true}, byteWindow(1 << 20)},
	} {
		b.Run(bench.name, func(b *testing.B) {
			c := counter(b)
			b.SetBytes(int64(len(bench.doc.Text)))
			b.ReportAllocs()
			for b.Loop() {
				if bench.p == (Params{}) {
					c.Count(bench.doc.Text)
				} else if _, _, err := Split(bench.doc, bench.p, c, bench.w); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
