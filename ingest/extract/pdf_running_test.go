package extract

import (
	"fmt"
	"strings"
	"testing"
)

// prose returns lines of text that differ from page to page.
func prose(page int) string {
	words := strings.Fields("alder birch cedar elder fir gorse hazel ivy juniper larch maple oak pine rowan spruce willow yew ash beech lime")
	var b strings.Builder
	for i := range 20 {
		w := func(k int) string { return words[(page*7+i*3+k*5)%len(words)] }
		b.WriteString(line(72, 640-float64(i)*14, 11, "F1", fmt.Sprintf("The %s and the %s stand behind the %s, and %s grows there.", w(0), w(1), w(2), w(3))))
	}
	return b.String()
}

// pagesOf returns pages with prose and what f adds to them.
func pagesOf(n int, f func(page int) string) []string {
	var out []string
	for i := range n {
		out = append(out, prose(i)+f(i+1))
	}
	return out
}

func TestRunningHeads(t *testing.T) {
	tests := []struct {
		name  string
		pages []string
		gone  []string // not in the text
		once  []string // in the text once
		kept  []string // in the text as often as in the pages
		lines int
	}{
		{"page numbers", pagesOf(4, func(p int) string { return line(300, 30, 10, "F1", fmt.Sprint(p+6)) }),
			[]string{"7", "8", "9", "10"}, nil, nil, 4},
		{"Roman numbers", pagesOf(4, func(p int) string { return line(300, 30, 10, "F1", []string{"iii", "iv", "v", "vi"}[p-1]) }),
			[]string{"iii", "iv", "vi"}, nil, nil, 4},
		{"page of pages", pagesOf(3, func(p int) string { return line(300, 30, 10, "F1", fmt.Sprintf("Page %d of 3", p)) }),
			[]string{"Page"}, nil, nil, 3},
		{"numbers of parts", pagesOf(4, func(p int) string { return line(300, 30, 10, "F1", fmt.Sprintf("A-%d", p)) }),
			[]string{"A-1", "A-4"}, nil, nil, 4},
		{"words", pagesOf(4, func(int) string { return line(72, 760, 9, "F1", "Harbour rules, third edition") }),
			nil, []string{"Harbour rules, third edition"}, nil, 3},
		{"words and a number", pagesOf(4, func(p int) string { return line(200, 30, 9, "F1", fmt.Sprintf("Harbour rules | %d", p)) }),
			[]string{"| 2", "| 3"}, []string{"Harbour rules |"}, nil, 3},
		{"left and right pages", pagesOf(8, func(p int) string {
			if p%2 == 0 {
				return line(72, 760, 9, "F1", "Harbour rules") + line(72, 30, 9, "F1", fmt.Sprint(p))
			}
			return line(400, 760, 9, "F1", "Edition of March") + line(500, 30, 9, "F1", fmt.Sprint(p))
		}), []string{"7", "8"}, []string{"Harbour rules", "Edition of March"}, nil, 14},
		{"titles of sections", pagesOf(6, func(p int) string {
			s := line(72, 760, 9, "F1", fmt.Sprintf("Section %c", 'A'+p/3)) + line(500, 760, 9, "F1", fmt.Sprint(p))
			if p%3 == 0 {
				s += line(72, 700, 16, "F1", fmt.Sprintf("Section %c", 'A'+p/3))
			}
			return s
		}), nil, []string{"Section A", "Section B", "Section C"}, nil, 5},
		{"a foot that follows the text", pagesOf(5, func(p int) string {
			return line(200, 330-float64(p*p)*7, 9, "F1", fmt.Sprintf("Acme Corp. | Form 10-Q | %d", p))
		}), []string{"| 2", "| 5"}, []string{"Acme Corp. | Form 10-Q |"}, nil, 4},

		// What looks similar and is content.
		{"numbered steps", pagesOf(4, func(p int) string { return line(72, 760, 14, "F1", fmt.Sprintf("Step %d", p)) }),
			nil, nil, []string{"Step 1", "Step 2", "Step 3", "Step 4"}, 0},
		{"amounts", pagesOf(4, func(p int) string {
			return line(72, 30, 10, "F1", "Total") + line(300, 30, 10, "F1", fmt.Sprint(100+p*p))
		}),
			nil, nil, []string{"101", "104", "109", "116"}, 0},
		{"on a few pages", pagesOf(9, func(p int) string {
			if p < 5 {
				return line(72, 760, 10, "F1", "Statement of income")
			}
			return ""
		}), nil, nil, []string{"Statement of income"}, 0},
		{"inside of something else", pagesOf(4, func(p int) string {
			return line(72, 760, 10, "F1", []string{"Quartz", "Basalt", "Gneiss", "Marble"}[p-1]) + line(72, 745, 10, "F1", "Rocks of the region")
		}), nil, nil, []string{"Rocks of the region", "Gneiss"}, 0},
		{"in the middle", pagesOf(4, func(int) string { return line(72, 350, 10, "F1", "Signed and sealed") }),
			nil, nil, []string{"Signed and sealed"}, 0},
		{"heads of columns", pagesOf(4, func(p int) string {
			return line(72, 760, 10, "F2", "Part") + line(300, 760, 10, "F2", "Price") + line(72, 744, 10, "F1", fmt.Sprintf("V-%d", p*p)) + line(300, 744, 10, "F1", "3.20")
		}), nil, nil, []string{"Part", "Price"}, 0},
		{"one page", pagesOf(1, func(int) string { return line(300, 30, 10, "F1", "1") }), nil, nil, []string{"1"}, 0},
	}
	for _, tt := range tests {
		doc := extractString(t, "x.pdf", buildPDF2(tt.pages...))
		all := strings.Join(tt.pages, " ")
		words := " " + strings.Join(strings.Fields(doc.Text), " ") + " "
		for _, s := range tt.gone {
			if strings.Contains(words, " "+s+" ") {
				t.Errorf("%s: %q is still there", tt.name, s)
			}
		}
		for _, s := range tt.once {
			if n := strings.Count(doc.Text, s); n != 1 {
				t.Errorf("%s: %q is there %d times, want once", tt.name, s, n)
			}
		}
		for _, s := range tt.kept {
			if got, want := strings.Count(doc.Text, s), strings.Count(all, "("+s+")"); got != want {
				t.Errorf("%s: %q is there %d times, want %d", tt.name, s, got, want)
			}
		}
		if doc.RunningLines != tt.lines {
			t.Errorf("%s: %d running lines, want %d", tt.name, doc.RunningLines, tt.lines)
		}
		if got, want := strings.Count(doc.Text, "grows there."), 20*len(tt.pages); got != want {
			t.Errorf("%s: %d lines of prose, want %d", tt.name, got, want)
		}
	}
}

func TestRunningText(t *testing.T) {
	tests := []struct {
		cells  []string
		text   string
		number int
		bare   bool
	}{
		{[]string{"12"}, "#", 12, true},
		{[]string{"- 12 -"}, "#", 12, true},
		{[]string{"xiv"}, "#", 14, true},
		{[]string{"Seite 3 von 9"}, "#", 3, true},
		{[]string{"F-12"}, "#", 12, true},
		{[]string{"iiii"}, "#", -1, true},
		{[]string{"mild"}, "mild", -1, false},
		{[]string{"Step 3"}, "step 3", -1, false},
		{[]string{"Chapter 2", "17"}, "chapter 2 #", 17, false},
		{[]string{"17", "Chapter 2"}, "# chapter 2", 17, false},
		{[]string{"Acme  Inc. | Q3 2022 Form 10-Q | 5"}, "acme inc. | q3 2022 form 10-q | #", 5, false},
		{[]string{"4 | Acme Inc."}, "# | acme inc.", 4, false},
		{[]string{"Manual, page 7"}, "manual, page #", 7, false},
		{[]string{"Tests in 2022"}, "tests in 2022", -1, false},
		{[]string{strings.Repeat("x", 300)}, strings.Repeat("x", 300), -1, false},
	}
	for _, tt := range tests {
		text, number, bare := runningText(append([]string(nil), tt.cells...))
		if text != tt.text || number != tt.number || bare != tt.bare {
			t.Errorf("runningText(%q) = %q, %d, %v, want %q, %d, %v", tt.cells, text, number, bare, tt.text, tt.number, tt.bare)
		}
	}
}
