package chunk

import (
	"strings"
	"unicode/utf8"

	"github.com/ragloop/ragloop/internal/text"
)

const (
	// maxTitleRunes bounds each title and heading: they're repeated in every
	// chunk, and what an extractor takes for a heading can be a whole page.
	maxTitleRunes = 200
	// maxPrefixTokens bounds each line of the index prefix, in the embedder's
	// tokens. A line also never takes more than a quarter of the window.
	maxPrefixTokens = 64
	pathSeparator   = " > "
)

// cleanTitle returns the text of a heading on one line: without the marks of
// Markdown's two kinds of heading, with single spaces, cut to maxTitleRunes at
// the end of a word.
func cleanTitle(s string) string {
	s = strings.TrimSpace(s)
	// Setext: the second line underlines the first.
	if at := strings.LastIndexByte(s, '\n'); at >= 0 {
		if under := strings.TrimSpace(s[at:]); strings.Trim(under, "=") == "" || strings.Trim(under, "-") == "" {
			s = s[:at]
		}
	}
	// ATX: "## Refunds ##", or "##" alone.
	if strings.Trim(s, "#") == "" {
		return ""
	}
	if body := strings.TrimLeft(s, "#"); len(s)-len(body) <= 6 && body != s && strings.HasPrefix(body, " ") {
		s = strings.TrimSpace(body)
		if body := strings.TrimRight(s, "#"); strings.HasSuffix(body, " ") {
			s = body
		}
	}
	return cutWords(strings.Join(strings.Fields(s), " "), func(s string) bool {
		return utf8.RuneCountInString(s) <= maxTitleRunes
	})
}

// cutWords returns the longest prefix of s that fits, cut between words, or
// between graphemes if not even the first word fits; "" if nothing does. fits
// is taken as monotonic.
func cutWords(s string, fits func(string) bool) string {
	if fits(s) {
		return s
	}
	for _, split := range []func(string) []text.Span{text.Words, text.Graphemes} {
		spans := split(s)
		lo, hi := 0, len(spans)-1 // spans[:lo] fit, spans[:hi+1] don't
		for lo < hi {
			mid := (lo + hi + 1) / 2
			if fits(strings.TrimSpace(s[:spans[mid-1].End])) {
				lo = mid
			} else {
				hi = mid - 1
			}
		}
		if lo > 0 {
			return strings.TrimSpace(s[:spans[lo-1].End])
		}
	}
	return ""
}

// indexPrefix returns "Title > Heading > Subheading\n", or "" where there's
// neither. What doesn't fit is left out from the left of the path; the title
// stays, cut between words if it alone is too long.
func indexPrefix(docTitle string, path []string, fits func(string) bool) string {
	for from := range len(path) + 1 {
		parts := path[from:]
		if docTitle != "" {
			parts = append([]string{docTitle}, parts...)
		}
		if len(parts) == 0 {
			return ""
		}
		if s := strings.Join(parts, pathSeparator) + "\n"; fits(s) {
			return s
		}
	}
	if s := cutWords(docTitle, func(s string) bool { return fits(s + "\n") }); s != "" {
		return s + "\n"
	}
	return ""
}

// headPrefix returns the header row of a table on one line, cut between words to
// what fits; "" for none.
func headPrefix(row string, fits func(string) bool) string {
	row = strings.Join(strings.Fields(row), " ")
	if s := cutWords(row, func(s string) bool { return fits(s + "\n") }); s != "" {
		return s + "\n"
	}
	return ""
}
