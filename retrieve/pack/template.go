package pack

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Names of the built-in templates.
const (
	Plain    = "plain"    // the frame that the package comment describes
	XML      = "xml"      // <source id="1" from="Travel policy > Hotels (travel.pdf, p. 3)"> … </source>
	Markdown = "markdown" // ### [1] Travel policy > Hotels (travel.pdf, p. 3)
)

// ErrTemplate is wrapped by the errors of [ParseTemplate] and [BuiltinTemplate].
var ErrTemplate = errors.New("invalid context template")

var builtin = map[string]string{
	XML:      "<source id=\"{label}\" from=\"{source}\">\n{text}\n</source>",
	Markdown: "### [{label}] {source}\n\n{text}",
}

// Template is what stands around the text of a segment. A nil Template is
// [Plain]. It never changes; safe for concurrent use.
type Template struct {
	name   string
	source string
	header []field // up to the text, with the line feed before it
	footer []field // behind the text, with the line feed after it
	signs  []sign
}

// field is literal text or a placeholder.
type field struct {
	literal string
	name    string // of the placeholder; "" for literal text
	quote   rune   // around the placeholder: an attribute; 0: none
}

// sign is what a line of the frame begins with, folded: what a document must
// not have where the frame would have it.
type sign struct {
	runes []rune
	digit bool // a label follows
	tag   bool // begins with "<": found anywhere, not only at the beginning of a line
}

// placeholders that a template may have.
var placeholders = []string{"label", "text", "source", "title", "headings", "document", "uri", "pages"}

// MaxTemplateBytes is the longest template that [ParseTemplate] takes.
const MaxTemplateBytes = 4096

// BuiltinTemplate returns the template with a name; "" stands for [Plain]. The
// error wraps [ErrTemplate] and lists the names.
func BuiltinTemplate(name string) (*Template, error) {
	if name == "" || name == Plain {
		return nil, nil
	}
	source, ok := builtin[name]
	if !ok {
		return nil, fmt.Errorf("%w: there is no %q, built in are %s, %s and %s", ErrTemplate, name, Markdown, Plain, XML)
	}
	return ParseTemplate(name, source)
}

// ParseTemplate reads a template: lines with placeholders in braces, one of
// which is {text} on a line of its own.
//
//	{label}     number of the segment; exactly once, above the text
//	{text}      the text
//	{source}    title, headings, document and pages, as the plain frame has them
//	{title}, {headings}, {document}, {uri}, {pages}   each alone; may be empty
//
// "{{" and "}}" stand for braces. Values are cut to one line; between double
// quotes they are escaped as XML attributes. Each line of the frame must begin
// with at least two visible characters of its own, such as "<source" or "##",
// because this is what tells it from the lines of documents: a document that
// has one gets a backslash there (see [Edit]). Of each tag, its name alone does so,
// wherever in a line it is.
//
// A "<" begins a tag, which has a name and an end, unless what comes next is no letter:
// "< 1" inside a line is text. Inside a tag, placeholders other than {label}, which is a
// number, must stand between quotation marks, single ones or double ones, and {text}
// must not stand at all: no value leaves its attribute.
//
// The error wraps [ErrTemplate], and names the template, the line and what is
// allowed.
func ParseTemplate(name, source string) (*Template, error) {
	bad := func(format string, args ...any) (*Template, error) {
		return nil, fmt.Errorf("%w %q: "+format, append([]any{ErrTemplate, name}, args...)...)
	}
	switch {
	case len(source) > MaxTemplateBytes:
		return bad("it has %d bytes, allowed are %d", len(source), MaxTemplateBytes)
	case !utf8.ValidString(source):
		return bad("it is not valid UTF-8")
	}
	source = strings.Trim(strings.ReplaceAll(source, "\r\n", "\n"), "\n")
	if i := strings.IndexFunc(source, func(r rune) bool { return r != '\n' && (endsLine(r) || unicode.IsControl(r) || invisible(r)) }); i >= 0 {
		return bad("it has a control or invisible character at byte %d", i)
	}
	t := &Template{name: name, source: source}
	labels, texts := 0, 0
	var tags tagReader
	for n, l := range strings.Split(source, "\n") {
		fields, err := parseLine(l)
		if err == nil && len(fields) > 0 {
			err = tags.line(fields)
		}
		if err != nil {
			return bad("line %d: %w", n+1, err)
		}
		if len(fields) == 1 && fields[0].name == "text" {
			texts++
			continue
		}
		for _, f := range fields {
			switch {
			case f.name == "text":
				return bad("line %d: {text} must be alone on its line", n+1)
			case f.name == "label" && texts > 0:
				return bad("line %d: {label} must be above {text}", n+1)
			case f.name == "label":
				labels++
			}
		}
		if len(fields) > 0 {
			sg, err := signOf(fields)
			if err != nil {
				return bad("line %d: %w", n+1, err)
			}
			if sg.runes[0] != '<' { // else it is one of the tags
				t.signs = append(t.signs, sg)
			}
		}
		if texts == 0 {
			t.header = append(append(t.header, fields...), field{literal: "\n"})
		} else {
			t.footer = append(append(t.footer, field{literal: "\n"}), fields...)
		}
	}
	if labels != 1 || texts != 1 {
		return bad("it has {label} %d times and {text} %d times, want each once", labels, texts)
	}
	if tags.open != "" {
		return bad("the tag <%s has no end", tags.open)
	}
	for _, name := range tags.names {
		t.signs = append(t.signs, sign{runes: []rune("<" + name), tag: true}, sign{runes: []rune("</" + name), tag: true})
	}
	return t, nil
}

// String returns the name of t.
func (t *Template) String() string {
	if t == nil {
		return Plain
	}
	return t.name
}

// Source returns the text that t was parsed from, "" for the plain frame.
func (t *Template) Source() string {
	if t == nil {
		return ""
	}
	return t.source
}

// Fingerprint returns the first 16 hex digits of the SHA-256 of the source, ""
// for the plain frame.
func (t *Template) Fingerprint() string {
	if t == nil {
		return ""
	}
	sum := sha256.Sum256([]byte(t.source))
	return hex.EncodeToString(sum[:8])
}

// parseLine returns the fields of one line.
func parseLine(l string) ([]field, error) {
	var out []field
	var literal strings.Builder
	flush := func() {
		if literal.Len() > 0 {
			out = append(out, field{literal: literal.String()})
			literal.Reset()
		}
	}
	for l != "" {
		switch {
		case strings.HasPrefix(l, "{{"), strings.HasPrefix(l, "}}"):
			literal.WriteByte(l[0])
			l = l[2:]
		case l[0] == '{':
			name, rest, ok := strings.Cut(l[1:], "}")
			if !ok || !slices.Contains(placeholders, name) {
				return nil, fmt.Errorf("%q is no placeholder, allowed are {%s}; a brace is written twice", l[:len(l)-len(rest)], strings.Join(placeholders, "}, {"))
			}
			flush()
			out = append(out, field{name: name})
			l = rest
		case l[0] == '}':
			return nil, errors.New("a closing brace has no opening one; a brace is written twice")
		default:
			literal.WriteByte(l[0])
			l = l[1:]
		}
	}
	flush()
	return out, nil
}

// signOf returns what tells a line of the frame by its beginning.
func signOf(fields []field) (sign, error) {
	begin := fields[0].literal
	visible := folded(begin)
	if len(visible) < 2 || strings.ContainsRune(begin, '\\') {
		return sign{}, fmt.Errorf("it begins with %q, want at least two visible characters without a backslash", begin)
	}
	if visible[0] == '<' && comparing(string(visible[1:])) {
		return sign{}, fmt.Errorf("it begins with %q, want the name of a tag behind the <", begin)
	}
	return sign{runes: visible, digit: len(fields) > 1 && fields[1].name == "label"}, nil
}

// render writes fields for a segment, with aDigit for its label, and tells where that
// is, in bytes.
func (t *Template) render(fields []field, s *segment) (written string, label int) {
	var b strings.Builder
	for _, f := range fields {
		v := f.literal
		switch f.name {
		case "label":
			v, label = aDigit, b.Len()
		case "source":
			v = description(s)
		case "title":
			v = line(s.names.Title, maxNameRunes)
		case "headings":
			v = strings.Join(names(nil, "", s.heading), " > ")
		case "document":
			v = line(string(s.names.Doc), maxIDRunes)
		case "uri":
			v = line(s.names.URI, maxIDRunes)
		case "pages":
			v = pages(s)
		}
		switch {
		case f.name == "":
		case f.quote == '"':
			v = inDouble.Replace(v)
		case f.quote == '\'':
			v = inSingle.Replace(v)
		default:
			v = applyEdits(v, forgeries(v, t.signs, false))
		}
		b.WriteString(v)
	}
	return b.String(), label
}

var (
	inDouble = strings.NewReplacer(`&`, "&amp;", `<`, "&lt;", `"`, "&quot;")
	inSingle = strings.NewReplacer(`&`, "&amp;", `<`, "&lt;", `'`, "&#39;")
)
