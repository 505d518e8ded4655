package extract

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/text/encoding"
)

const rtfType = "application/rtf"

const (
	// maxRTFDepth bounds the groups that are open at once.
	maxRTFDepth = 1000
	// maxRTFStyles bounds the fonts and the styles of a document.
	maxRTFStyles = 1 << 14
)

// extractRTF renders the body of a Rich Text document, then its footnotes.
// Paragraphs are separated by a blank line; list items, with the numbers and
// bullets that were stored with them, and table rows are lines, the cells of a
// row are separated by " | ". Hidden and deleted text, headers, footers,
// comments and pictures are left out. Pages are not counted.
//
// The title is that of the document information, or else the first paragraph
// of style Title or heading of level 1.
func extractRTF(ctx context.Context, in Input) (Document, error) {
	r := newRTFReader(in.Data)
	if err := r.read(ctx); err != nil {
		return Document{}, err
	}
	for _, note := range r.notes {
		r.body.out.write(Paragraph, 0, note)
	}
	doc := r.body.out.document()
	if doc.Title = oneLine(r.info["title"].text()); doc.Title == "" {
		doc.Title = r.title
	}
	var m metadata
	if author := r.info["author"].text(); author != "" {
		m.add(metaAuthor, author)
	}
	m.add(metaKeywords, splitKeywords(r.info["keywords"].text())...)
	for _, f := range []struct{ key, field string }{
		{metaSubject, "subject"}, {metaDescription, "doccomm"}, {metaCategory, "category"}, {metaModifiedBy, "operator"},
	} {
		m.text(f.key, r.info[f.field].text())
	}
	m.time(metaCreated, r.info["creatim"].time())
	m.time(metaModified, r.info["revtim"].time())
	m.apply(&doc)
	return doc, nil
}

// rtfDestination is where the text of a group goes.
type rtfDestination uint8

const (
	rtfBody       rtfDestination = iota // the paragraph at hand
	rtfNowhere                          // what is not text of the document
	rtfFontTable                        // definitions of fonts
	rtfStylesheet                       // definitions of styles
	rtfInfo                             // a field of the document information
	rtfLabel                            // the number or bullet of the paragraph at hand
)

// rtfState is what a group inherits from the group around it.
type rtfState struct {
	destination rtfDestination
	field       string // of the document information
	font        int
	skip        int  // characters that stand for one in Unicode, for readers that know none
	hidden      bool // or deleted
	paragraph   rtfParagraph
	restore     *rtfStory // what goes on when the group ends: the text around a note or box
}

// rtfParagraph are the properties of a paragraph.
type rtfParagraph struct {
	style   int
	outline int // outline level 0..8, or -1
	list    bool
	level   int // of the list, from 0
	inTable bool
}

// rtfReader reads Rich Text in one pass over its bytes.
type rtfReader struct {
	data  []byte
	at    int
	stack []rtfState
	state rtfState

	encoding encoding.Encoding         // of the document
	fonts    map[int]encoding.Encoding // of fonts with another one
	styles   map[int]rtfStyle
	defining int // the font or style that is being defined
	info     map[string]*rtfField

	raw       []byte // bytes of the encoding of the font, to be decoded
	surrogate rune   // the first half of a pair
	skip      int    // characters to be left out, as a Unicode character stood for them
	first     bool   // nothing was read of the group yet
	starred   bool   // the group says that readers who do not know it shall skip it
	body      *rtfStory
	notes     []string
	size      int // of the text that was written, in bytes
	units     int // paragraphs and cells that were ended
	title     string
}

// rtfStory is text that is read apart: the body, a note, a text box.
type rtfStory struct {
	out   *blockWriter
	p     strings.Builder // the paragraph at hand
	label strings.Builder // its number or bullet
	cell  []string        // the paragraphs of the cell at hand
	row   []string        // its cells
	rows  [][]string      // of the table at hand
	boxes []string        // to be written after the paragraph
	note  bool
}

func newRTFReader(data []byte) *rtfReader {
	return &rtfReader{
		data: data, encoding: codePage(1252), fonts: map[int]encoding.Encoding{},
		styles: map[int]rtfStyle{}, info: map[string]*rtfField{},
		state: rtfState{skip: 1, paragraph: rtfParagraph{style: -1, outline: -1}},
		body:  &rtfStory{out: &blockWriter{}},
	}
}

// read reads the document.
func (r *rtfReader) read(ctx context.Context) error {
	for steps := 1; r.at < len(r.data); steps++ {
		if steps%checkEachToken == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		switch c := r.data[r.at]; c {
		case '{':
			r.at++
			r.flush()
			r.skip, r.starred = 0, false
			if r.first = true; len(r.stack) == maxRTFDepth {
				return fmt.Errorf("%w: groups nested deeper than %d", ErrTooLarge, maxRTFDepth)
			}
			r.stack = append(r.stack, r.state)
			r.state.restore = nil
		case '}':
			r.at++
			r.flush()
			r.first = false
			if r.skip = 0; len(r.stack) == 0 {
				return fmt.Errorf("%w: a group ends at byte %d that did not begin", ErrMalformed, r.at-1)
			}
			r.end()
			if len(r.stack) == 0 {
				return r.finish() // anything behind the document is not part of it
			}
		case '\\':
			r.control()
		case '\r', '\n':
			r.at++
		default:
			r.characters()
		}
		switch {
		case r.size > MaxTextBytes:
			return tooLong(r.size)
		case r.units > MaxBlocks:
			return tooManyBlocks()
		}
	}
	return r.finish() // truncated: what was read is kept
}

// finish ends the story that was being read, and those around it.
func (r *rtfReader) finish() error {
	r.flush()
	for len(r.stack) > 0 {
		r.end()
	}
	r.endParagraph()
	r.endTable()
	return nil
}

// end ends a group.
func (r *rtfReader) end() {
	ended := r.state
	r.state = r.stack[len(r.stack)-1]
	r.stack = r.stack[:len(r.stack)-1]
	if ended.destination == rtfStylesheet && r.state.destination == rtfStylesheet {
		r.endStyle()
	}
	if ended.restore == nil {
		return
	}
	inner := ended.paragraph
	r.state.paragraph, inner = inner, r.state.paragraph
	r.endParagraph()
	r.endTable()
	r.state.paragraph = inner
	s := strings.TrimSpace(r.body.out.b.String())
	note := r.body.note
	if r.body = ended.restore; s == "" {
		return
	}
	if note {
		r.notes = append(r.notes, s)
	} else {
		r.body.boxes = append(r.body.boxes, s)
	}
}

// apart begins a story whose end is that of the group.
func (r *rtfReader) apart(note bool) {
	r.state.restore = r.body
	r.state.paragraph = rtfParagraph{style: -1, outline: -1}
	r.body = &rtfStory{out: &blockWriter{}, note: note}
}

// characters reads a run of literal characters.
func (r *rtfReader) characters() {
	start := r.at
	for r.at < len(r.data) && r.data[r.at] != '\\' && r.data[r.at] != '{' && r.data[r.at] != '}' && r.data[r.at] != '\r' && r.data[r.at] != '\n' {
		r.at++
	}
	run := r.data[start:r.at]
	r.first = false
	n := min(r.skip, len(run))
	r.skip -= n
	r.bytes(run[n:])
}

// text writes decoded text where the group says.
func (r *rtfReader) text(s string) {
	r.flush()
	r.write(s)
}

func (r *rtfReader) write(s string) {
	if r.size += len(s); s == "" || r.state.hidden {
		return
	}
	switch r.state.destination {
	case rtfBody:
		r.body.p.WriteString(s)
	case rtfLabel:
		r.body.label.WriteString(s)
	case rtfInfo:
		if f := r.info[r.state.field]; f != nil {
			f.b.WriteString(s)
		}
	case rtfStylesheet:
		r.nameStyle(s)
	case rtfFontTable, rtfNowhere:
	}
}
