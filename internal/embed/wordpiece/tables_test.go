package wordpiece

import (
	"bytes"
	"flag"
	"fmt"
	"go/format"
	"os"
	"slices"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/unicode/rangetable"
)

var update = flag.Bool("update", false, "rewrite tables.go")

// TestTables derives tables.go: the standard library's categories cut back to
// what Unicode 8.0 had assigned, and the characters that changed their category
// since then put back.
func TestTables(t *testing.T) {
	assigned := rangetable.Assigned("8.0.0")
	var b bytes.Buffer
	b.WriteString("package wordpiece\n\nimport \"unicode\"\n\n" +
		"// The categories as of Unicode 8.0, which is what the reference tokenizer\n" +
		"// knows: characters assigned later are letters to it. TestTables derives\n" +
		"// this file (go test -update).\n\nvar (\n")
	for _, c := range []struct {
		name, doc      string
		table          *unicode.RangeTable
		later, earlier []rune // what the category gained and lost since
	}{
		{"punctuationMarks", "Pc, Pd, Pe, Pf, Pi, Po", unicode.P, nil, []rune{0x166d, 0x111c9}},
		{"nonspacingMarks", "Mn", unicode.Mn, []rune{0x1885, 0x1886, 0xa9bd, 0x111c9}, []rune{0x1734}},
		{"formatCharacters", "Cf", unicode.Cf, nil, nil},
	} {
		runes := c.earlier
		rangetable.Visit(c.table, func(r rune) {
			if unicode.Is(assigned, r) && !slices.Contains(c.later, r) {
				runes = append(runes, r)
			}
		})
		table := rangetable.New(runes...)
		fmt.Fprintf(&b, "\t// %s\n\t%s = &unicode.RangeTable{\n\t\tR16: []unicode.Range16{\n", c.doc, c.name)
		for _, r := range table.R16 {
			fmt.Fprintf(&b, "\t\t\t{0x%04x, 0x%04x, %d},\n", r.Lo, r.Hi, r.Stride)
		}
		b.WriteString("\t\t},\n\t\tR32: []unicode.Range32{\n")
		for _, r := range table.R32 {
			fmt.Fprintf(&b, "\t\t\t{0x%05x, 0x%05x, %d},\n", r.Lo, r.Hi, r.Stride)
		}
		fmt.Fprintf(&b, "\t\t},\n\t\tLatinOffset: %d,\n\t}\n", table.LatinOffset)
	}
	b.WriteString(")\n")
	want, err := format.Source(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("tables.go", want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("tables.go")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("tables.go is not what this test derives (-want +got):\n%s", d)
	}
}
