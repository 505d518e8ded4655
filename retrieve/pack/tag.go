package pack

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// tagReader reads the lines of a template one after the other: which tags it has, and
// which of its placeholders are inside of one.
type tagReader struct {
	names []string // of all tags, folded, each once, in order
	open  string   // name of the tag that has not ended, as it is written; "" outside of tags
	quote rune     // inside of open: of the attribute that has not ended; 0 outside of them
}

// line reads the fields of a line, which are some, and sets the quote of each of its
// placeholders: the one of its attribute, or, outside of tags, the double quotes of
// the line.
func (t *tagReader) line(fields []field) error {
	marks := 0 // double quotes outside of tags
	for i, f := range fields {
		switch {
		case f.name == "":
			n, err := t.literal(f.literal, fields[i+1:])
			if err != nil {
				return err
			}
			marks += n
		case t.open == "":
			if marks%2 == 1 && closed(fields[i+1:]) {
				fields[i].quote = '"'
			}
		case f.name == "text":
			return fmt.Errorf("{text} is inside the tag <%s", t.open)
		case t.quote == 0 && f.name != "label": // which is a number
			return fmt.Errorf("the placeholder {%s} is inside the tag <%s, want quotation marks around it", f.name, t.open)
		default:
			fields[i].quote = t.quote
		}
	}
	return nil
}

// closed reports whether a double quote follows.
func closed(fields []field) bool {
	return slices.ContainsFunc(fields, func(f field) bool { return strings.Contains(f.literal, `"`) })
}

// literal reads a literal before the other fields of its line, and returns how many
// double quotes it has outside of tags.
func (t *tagReader) literal(l string, next []field) (marks int, err error) {
	for l != "" {
		r, width := utf8.DecodeRuneInString(l)
		l = l[width:]
		switch {
		case r == '<' && t.open == "" && comparing(l):
		case r == '<' && t.open == "":
			if l, err = t.begin(l, next); err != nil {
				return 0, err
			}
		case r == '<':
			return 0, fmt.Errorf("it has a < inside the tag <%s", t.open)
		case t.open == "" && r == '"':
			marks++
		case t.open == "":
		case r == t.quote:
			t.quote = 0
		case t.quote == 0 && (r == '"' || r == '\''):
			t.quote = r
		case t.quote == 0 && r == '>':
			t.open = ""
		}
	}
	return marks, nil
}

// comparing reports whether a "<" in front of l begins nothing, as in "a < 1" and "<-":
// what is seen behind it is no beginning of a name, nor of a comment or the like.
func comparing(l string) bool {
	for _, r := range l {
		if !unseen(r) {
			return !unicode.IsLetter(r) && !strings.ContainsRune("_:/!?", r)
		}
	}
	return false // what comes next may be a name
}

// begin reads the name of the tag that l begins behind its "<", and returns the rest of
// l. The name has to end before the next field.
func (t *tagReader) begin(l string, next []field) (rest string, err error) {
	name := strings.TrimPrefix(l, "/")
	end := strings.IndexFunc(name, func(r rune) bool { return !nameRune(r) })
	switch {
	case end < 0 && len(next) > 0 && name == "":
		return "", fmt.Errorf("the placeholder {%s} is the name of a tag", next[0].name)
	case end < 0 && len(next) > 0:
		return "", fmt.Errorf("the name of the tag %q has a placeholder", "<"+l)
	case end < 0:
		end = len(name)
	}
	if end == 0 {
		return "", errors.New("it has a < without the name of a tag, want a name behind the <")
	}
	t.open = name[:end]
	if folded := string(folded(t.open)); !slices.Contains(t.names, folded) {
		t.names = append(t.names, folded)
	}
	return name[end:], nil
}

// nameRune reports whether r can be a part of the name of a tag.
func nameRune(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsNumber(r) || r == '-' || r == '_' || r == ':' || r == '.'
}
