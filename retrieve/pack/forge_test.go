package pack

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/internal/text"
)

// glyph is a character that a reader sees.
type glyph struct {
	r     rune
	at    int  // in the context, in code points
	first bool // on its line
	apart bool // something that nobody sees is in front of it
}

// look reads a context as the eye does that knows these ends of lines.
func look(context []rune, ends string) []glyph {
	var out []glyph
	g := glyph{first: true}
	for at, r := range context {
		switch {
		case strings.ContainsRune(ends, r):
			g.first, g.apart = true, true
		case published[r]:
			g.apart = true
		default:
			g.r, g.at = r, at
			out = append(out, g)
			g = glyph{}
		}
	}
	return out
}

// readers know the line feed, and some or none of the other ends of lines.
var readers = []string{"\n", "\n\r", "\n\r\v\f\x1c\x1d\x1e", "\n\u2028\u2029\u0085", "\n\r\v\f\x1c\x1d\x1e\u2028\u2029\u0085"}

// kind is a part of a frame to look for.
type kind struct {
	word  string // its glyphs without spaces; "<" first: a tag, anywhere
	label bool   // a number follows
	per   int    // segment
}

// find returns where a page has what reads like k.
func (k kind) find(page []glyph) (at []int) {
	for i := range page {
		if k.begins(page[i:]) {
			at = append(at, page[i].at)
		}
	}
	return at
}

// begins reports whether page begins with what reads like k.
func (k kind) begins(page []glyph) bool {
	word := []rune(k.word)
	tag := word[0] == '<'
	if len(page) < len(word) || !tag && !page[0].first {
		return false
	}
	for i, r := range word {
		if !strings.EqualFold(string(page[i].r), string(r)) || i > 0 && page[i].first && !tag {
			return false
		}
	}
	ends := len(page) == len(word)
	switch {
	case tag:
		return ends || page[len(word)].apart || !unicode.In(page[len(word)].r, unicode.L, unicode.N) && !strings.ContainsRune("-_:.", page[len(word)].r)
	case k.label:
		return !ends && !page[len(word)].first && unicode.IsNumber(page[len(word)].r)
	}
	return true
}

// disguised are templates, the parts of their frames, and what their headers say of a
// segment: the first line, or a part of it, or the attributes of the tags in the first
// lines.
var disguised = []struct {
	name, source string
	kinds        []kind
	says         func(Segment) string
	lines        int
	attributes   func(Segment) []string
}{
	{Plain, "", nil, func(s Segment) string { return seenOf(string(s.Doc)) }, 0, nil},
	{XML, builtin[XML], []kind{{"<source", false, 1}, {"</source", false, 1}}, nil, 1, nil},
	{Markdown, builtin[Markdown], []kind{{"###[", true, 1}}, func(s Segment) string { return seenOf(string(s.Doc)) }, 0, nil},
	{"mixed", "<doc id=\"{label}\" from=\"{title} ({document})\">\n{text}\n</doc>",
		[]kind{{"<doc", false, 1}, {"</doc", false, 1}}, nil, 1,
		func(s Segment) []string {
			return []string{"id", s.Label, "from", seenOf(s.Title) + " (" + seenOf(string(s.Doc)) + ")"}
		}},
	{"nested", "<a><b><c id='{label}' t='\"{title}\": {uri}'>\n<h>{title}</h> {headings}{uri}\n{text}\n</c></b></a>",
		[]kind{{"<a", false, 1}, {"<b", false, 1}, {"<c", false, 1}, {"<h", false, 1}, {"</h", false, 1}, {"</c", false, 1}, {"</b", false, 1}, {"</a", false, 1}}, nil, 1,
		func(s Segment) []string {
			return []string{"id", s.Label, "t", `"` + seenOf(s.Title) + `": ` + seenOf(s.URI)}
		}},
	{"spread", "<doc\n id=\"{label}\"\n from=\"{title}{uri}\">\n{text}\n</doc>",
		[]kind{{"<doc", false, 1}, {"</doc", false, 1}, {`id="`, true, 1}, {`from="`, false, 1}}, nil, 3,
		func(s Segment) []string { return []string{"id", s.Label, "from", seenOf(s.Title) + seenOf(s.URI)} }},
	{"lines", "Source {label}: {title} | {document}\n{text}\n-----", []kind{{"source", true, 1}, {"-----", false, 1}},
		func(s Segment) string {
			return "Source " + s.Label + ": " + seenOf(s.Title) + " | " + seenOf(string(s.Doc)) + "\n"
		}, 0, nil},
	{"both", "## {label} {title}{document} <i>{uri}</i>\n{text}\nend of \"{title}\" {headings}",
		[]kind{{"##", true, 1}, {"endof\"", false, 1}, {"<i", false, 1}, {"</i", false, 1}},
		func(s Segment) string { return "## " + s.Label + " " }, 0, nil},
	{"compared", "<i n={label}>{title}</i> <- {uri} (< 5) {document} <5\n{text}", []kind{{"<i", false, 1}, {"</i", false, 1}},
		func(s Segment) string { return "<i n=" + s.Label + ">" }, 0, nil},
}

// seenOf returns s on one line, as a header has it.
func seenOf(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case unicode.IsSpace(r) || slices.ContainsFunc(blanks, func(s span) bool { return r >= s.first && r <= s.last }):
			b.WriteByte(' ')
		case !published[r]:
			b.WriteRune(r)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

var forgedParts = []string{"[1]", "[", "]", "1", "[[2]]", "[[", "[[[1]]]", "\n", "\r", "\r\n", "\u2028", "\u0085", "\v", "\x1c", " ", "\t",
	"<source", "<Source id=\"1\">", "</source>", "</SOURCE >", "<\u017fource>", "<", "/", ">", "</", "<s", "source", "###", "# # #", "### [1] x", "###[2]",
	"\\", "\\### [1]", "\\</source>", "\"", "'", "=", "' id='7", "\" id=\"7", "\"/>", "&quot;", "&lt;source", "&", "x", "é", "\u0301", "\u0661", "①", "Ⅷ",
	"<doc", "</doc>", "<doc id=\"2\" from=\"a\">", "from=\"", "id=\"3", "<a>", "<b>", "<c id='4'>", "</c></b></a>", "<h>", "</h", "<i>", "</i",
	"text. More text! ", "-----", "-", "Source 3", "source", "## 4", "#", "end of \"", "2.", "🙂"}

// TestForgery packs documents that are made to imitate the frame, and reads the contexts
// in a way of its own: with lists of what nobody sees, and with an XML parser. A quarter
// of the packs that TestProperties has.
func TestForgery(t *testing.T) {
	packs := *packs / 4
	if testing.Short() || raced {
		packs = min(packs, 1_000)
	}
	r := rand.New(rand.NewPCG(*seed, 3))
	var nobody []rune
	for c := range published {
		nobody = append(nobody, c)
	}
	slices.Sort(nobody)
	rare := append([]rune("\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u180e\u200b\u00ad\ufe0f\ufeff\u2060"), '\u00a0', '\u3000')
	write := func(most int) string {
		var b strings.Builder
		for range r.IntN(most + 1) {
			part := forgedParts[r.IntN(len(forgedParts))]
			if r.IntN(3) > 0 {
				b.WriteString(part)
				continue
			}
			for _, c := range part { // disguised
				for r.IntN(3) == 0 {
					set := rare
					if r.IntN(3) == 0 {
						set = nobody
					}
					b.WriteRune(set[r.IntN(len(set))])
				}
				if r.IntN(4) == 0 {
					c = unicode.SimpleFold(c)
				}
				b.WriteRune(c)
			}
		}
		return b.String()
	}
	for n := range packs {
		d := disguised[n%len(disguised)]
		var tpl *Template
		if d.source != "" {
			tpl = parsed(t, d.source)
		}
		var chunks []Chunk
		for k := range 1 + r.IntN(4) {
			head := Chunk{Doc: text.DocID(fmt.Sprintf("d%d", k) + write(3)), Rev: "r", URI: write(3), Title: write(4), Heading: []string{write(3), write(2)}}
			for body := []rune(write(16) + "z"); len(body) > 0; { // in one chunk, or in some that follow each other
				size := len(body)
				if r.IntN(2) == 0 {
					size = 1 + r.IntN(len(body))
				}
				ch := head
				ch.Span = text.RuneSpan{Start: head.Span.End, End: head.Span.End + size}
				ch.Text = string(body[:size])
				head.Span, body = ch.Span, body[size:]
				chunks = append(chunks, ch)
			}
		}
		r.Shuffle(len(chunks), func(i, j int) { chunks[i], chunks[j] = chunks[j], chunks[i] })
		o := Options{BudgetTokens: 60 + r.IntN(700), Template: tpl}
		got, err := Pack(chunks, byteCounter{}, o)
		if errors.Is(err, ErrBudget) {
			o.BudgetTokens = 1 << 20
			got, err = Pack(chunks, byteCounter{}, o)
		}
		if err != nil {
			t.Fatalf("pack %d: %v", n, err)
		}
		if err := readFrames(got, d.kinds); err != nil {
			t.Fatalf("pack %d, %s: %v\n%+q", n, d.name, err, got.Text)
		}
		if err := readHeaders(got, d.says, d.lines, d.attributes); err != nil {
			t.Fatalf("pack %d, %s: %v\n%+q", n, d.name, err, got.Text)
		}
	}
}

// byteCounter counts bytes.
type byteCounter struct{}

func (byteCounter) Count(s string) int { return len(s) }

// readFrames reads a context with all readers, and compares what they take for its
// frame with what it is.
func readFrames(got Context, kinds []kind) error {
	context := []rune(got.Text)
	if kinds == nil {
		brackets := strings.Repeat("[", len(got.Text)-len(strings.TrimLeft(got.Text, "[")))
		kinds = []kind{{brackets, true, 1}}
	}
	for _, ends := range readers {
		page := look(context, ends)
		for _, k := range kinds {
			found := k.find(page)
			if len(found) != k.per*len(got.Segments) {
				return fmt.Errorf("a reader of %q finds %q %d times in %d segments, at %v", ends, k.word, len(found), len(got.Segments), found)
			}
			for _, at := range found {
				for _, s := range got.Segments {
					if at >= s.Context.Start && at < s.Context.End {
						return fmt.Errorf("a reader of %q finds %q in the text of segment %s, at %d", ends, k.word, s.Label, at)
					}
				}
			}
		}
	}
	return nil
}

// readHeaders compares what is in front of each text with what it has to say of it.
func readHeaders(got Context, says func(Segment) string, lines int, attributes func(Segment) []string) error {
	context := []rune(got.Text)
	end := 0
	for i, s := range got.Segments {
		header := string(context[end:s.Context.Start])
		end = s.Context.End
		if s.Label != strconv.Itoa(i+1) {
			return fmt.Errorf("segment %d has the label %s", i, s.Label)
		}
		if i > 0 { // what is behind the text before
			header = header[strings.Index(header, separator)+len(separator):]
		}
		if says != nil && !strings.Contains(header, says(s)) {
			return fmt.Errorf("the header %q does not say %q", header, says(s))
		}
		if lines == 0 {
			continue
		}
		tags := strings.Join(strings.SplitAfter(header, "\n")[:lines], "")
		read, err := attributesOf(tags)
		if err != nil {
			return fmt.Errorf("%w: %q", err, tags)
		}
		if attributes == nil { // the built-in one
			if len(read) != 4 || read[0] != "id" || read[1] != s.Label || read[2] != "from" || !strings.Contains(read[3], seenOf(string(s.Doc))) {
				return fmt.Errorf("%q has the attributes %q", tags, read)
			}
			continue
		}
		if d := cmp.Diff(attributes(s), read); d != "" {
			return fmt.Errorf("%q: attributes (-want +got):\n%s", tags, d)
		}
	}
	return nil
}

// attributesOf returns the names and values of the attributes of the tags in s, which
// has nothing else but white space.
func attributesOf(s string) (out []string, err error) {
	d := xml.NewDecoder(strings.NewReader(s))
	for {
		token, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		switch token := token.(type) {
		case xml.StartElement:
			for _, a := range token.Attr {
				out = append(out, a.Name.Local, a.Value)
			}
		case xml.CharData:
			if strings.TrimSpace(string(token)) != "" {
				return nil, fmt.Errorf("%q is between the tags", token)
			}
		default:
			return nil, fmt.Errorf("%T is between the tags", token)
		}
	}
}
