package extract

import (
	"strings"

	"github.com/yuin/goldmark/ast"
)

// tableStart returns the offset in src of the header row of the table in
// paragraph n, -1 for none. A table of GitHub Flavored Markdown begins with
// the line in front of a row of dashes that has as many cells, and ends with
// its paragraph.
func tableStart(n ast.Node, src string) int {
	lines := n.Lines()
	for i := 1; i < lines.Len(); i++ {
		rule := lines.At(i)
		columns := dashCells(src[rule.Start:rule.Stop])
		if columns == 0 {
			continue
		}
		header := lines.At(i - 1)
		if cells(src[header.Start:header.Stop]) == columns {
			return header.Start
		}
	}
	return -1
}

// dashCells returns the number of cells of a row that consists of dashes with
// optional colons at their ends, as ":--|--:", and 0 for any other line.
func dashCells(line string) int {
	line = strings.TrimSpace(line)
	if !strings.ContainsAny(line, "|:") || strings.Trim(line, "|:- \t") != "" {
		return 0
	}
	n := 0
	for cell := range strings.SplitSeq(strings.TrimSuffix(strings.TrimPrefix(line, "|"), "|"), "|") {
		cell = strings.TrimSpace(cell)
		if dashes := strings.TrimSuffix(strings.TrimPrefix(cell, ":"), ":"); dashes == "" || strings.Trim(dashes, "-") != "" {
			return 0
		}
		n++
	}
	return n
}

// cells returns the number of cells of a table row. A bar behind a backslash
// does not separate.
func cells(line string) int {
	line = strings.TrimSpace(line)
	n, last := 1, len(line)-1
	for i := range len(line) {
		if line[i] == '|' && i > 0 && i < last && line[i-1] != '\\' {
			n++
		}
	}
	return n
}

// maxNesting is the depth of block quotes and lists up to which a source is
// parsed, which takes time proportional to it. A deeper source is no text that
// somebody wrote; its paragraphs are kept.
const maxNesting = 200

// nesting returns the largest number of block quotes and list items that a
// line of s can begin or continue: its markers, and one more for each two
// columns of indentation in front of a marker.
func nesting(s string) int {
	deepest := 0
	for line := range strings.SplitSeq(s, "\n") {
		markers, blanks := 0, 0
		for rest := line; rest != ""; {
			trimmed := strings.TrimLeft(rest, " \t")
			blanks += len(rest) - len(trimmed)
			n := containerMarker(trimmed)
			if n == 0 {
				break
			}
			markers++
			rest = trimmed[n:]
		}
		if markers > 0 {
			deepest = max(deepest, markers+max(0, blanks-markers)/2)
		}
	}
	return deepest
}

// containerMarker returns the length of the block quote or list marker at the
// start of s, 0 for none.
func containerMarker(s string) int {
	n := 0
	for n < len(s) && n < 9 && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	switch {
	case s == "":
		return 0
	case s[0] == '>':
		return 1
	case n > 0 && n < len(s) && (s[n] == '.' || s[n] == ')'):
		n++
	case n == 0 && strings.IndexByte("-+*", s[0]) >= 0:
		n = 1
	default:
		return 0
	}
	if n == len(s) || s[n] == ' ' || s[n] == '\t' || s[n] == '\r' {
		return n
	}
	return 0
}
