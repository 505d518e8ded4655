package extract

import (
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// nameTitle returns what the name of a file says about its document, words
// separated by spaces: "2022 Q3 AAPL" for "reports/2022_Q3_AAPL.pdf", "Mutual Sale
// Agreement" for "MutualSaleAgreement.pdf" and "Mutual%20Sale%20Agreement.pdf". It is ""
// for a name without the extension of a format, which is an identifier, and
// for one that says nothing: without a word, generic, or a digest.
func nameTitle(name string) string {
	ext := extension(name)
	if _, ok := formatByExtension(ext); !ok {
		return ""
	}
	if strings.Contains(name, "://") {
		name, _, _ = strings.Cut(name, "#")
		name, _, _ = strings.Cut(name, "?")
	}
	// Files keep the escapes of the addresses that they were downloaded from.
	if decoded, err := url.PathUnescape(name); err == nil && utf8.ValidString(decoded) {
		name = decoded
	}
	stem := name[strings.LastIndexAny(name, `/\`)+1:]
	var words []string
	for _, word := range strings.FieldsFunc(stem[:len(stem)-len(ext)], func(r rune) bool {
		return unicode.IsSpace(r) || strings.ContainsRune("-_+()[]", r)
	}) {
		word, year := cutYear(word)
		words = append(words, camelCase(word)...)
		if year != "" {
			words = append(words, year)
		}
	}
	title := strings.Join(words, " ")
	const digestBytes = 16
	if len(title) >= digestBytes && strings.Trim(strings.ToLower(title), " 0123456789abcdef") == "" {
		return ""
	}
	said := 0
	for _, word := range titleWords(title) {
		if !genericNames[word] {
			said += letters(word)
		}
	}
	if said < minNameLetters {
		return ""
	}
	return title
}

// cutYear splits a year off a word that ends with one: "Report" and "2024" of
// "Report2024". What has fewer than four letters in front of four digits, or other
// digits behind its letters, may be the number of a part or a norm, and is one word.
func cutYear(s string) (word, year string) {
	const digits, leastLetters = 4, 4
	at := len(s) - digits
	if at < leastLetters || !strings.HasPrefix(s[at:], "19") && !strings.HasPrefix(s[at:], "20") ||
		strings.Trim(s[at:], "0123456789") != "" {
		return s, ""
	}
	runes := []rune(s[:at])
	if len(runes) < leastLetters || slices.ContainsFunc(runes[len(runes)-leastLetters+1:], func(r rune) bool { return !unicode.IsLower(r) }) ||
		!unicode.IsLetter(runes[len(runes)-leastLetters]) {
		return s, ""
	}
	return s[:at], s[at:]
}

// camelCase returns the words of one that is written without spaces, each with a
// capital: "Mutual", "NDA" and "Form" of "MutualNDAForm". Digits belong to what they
// follow: "HTTP2", "Server". It returns s alone where that makes fewer than three
// words, or one of a single letter: brands are written so, too. "iPhone" and
// "McDonald" are words.
func camelCase(s string) []string {
	const leastWords, leastRunes = 3, 2
	var words []string
	runes := []rune(s)
	from := 0
	for i := 1; i <= len(runes); i++ {
		switch {
		case i == len(runes):
		case !unicode.IsUpper(runes[i]):
			continue
		case !unicode.IsLower(runes[i-1]) && (i+1 == len(runes) || !unicode.IsLower(runes[i+1])):
			continue
		case i == 1 && unicode.IsLower(runes[0]), string(runes[from:i]) == "Mc":
			continue
		}
		if i-from < leastRunes {
			return []string{s}
		}
		words = append(words, string(runes[from:i]))
		from = i
	}
	if len(words) < leastWords {
		return []string{s}
	}
	return words
}

// minNameLetters is how many letters a name needs to say something.
const minNameLetters = 3

// genericNames are words that do not tell one file from another.
var genericNames = map[string]bool{
	"copy": true, "doc": true, "document": true, "download": true, "export": true, "file": true, "final": true,
	"img": true, "index": true, "new": true, "output": true, "page": true, "scan": true, "temp": true, "tmp": true,
	"untitled": true, "upload": true, "version": true,
}

// withName returns the title of a document whose first heading is heading and
// whose file has the name given. Forms and serial reports share their first
// heading; the name joins it, in parentheses, where it is about something else
// or has a number that the heading lacks.
func withName(heading, name string) string {
	named := nameTitle(name)
	if heading == "" || named == "" {
		return heading + named
	}
	said := map[string]bool{}
	for _, word := range titleWords(heading) {
		said[word] = true
	}
	shared, numbers := 0, false
	for _, word := range titleWords(named) {
		if said[word] {
			shared++
		} else if strings.ContainsAny(word, "0123456789") {
			numbers = true
		}
	}
	if shared == 0 || numbers {
		return heading + " (" + named + ")"
	}
	return heading
}

// titleWords returns the runs of letters and of digits in s, in lower case.
func titleWords(s string) []string {
	var words []string
	start, kind := 0, 0
	lower := strings.ToLower(s)
	for i, r := range lower + " " {
		now := 0
		switch {
		case unicode.IsLetter(r), unicode.IsMark(r):
			now = 1
		case unicode.IsDigit(r):
			now = 2
		}
		if now != kind {
			if kind != 0 {
				words = append(words, lower[start:i])
			}
			start, kind = i, now
		}
	}
	return words
}
