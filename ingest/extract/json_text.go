package extract

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

const (
	// maxJSONDepth is the deepest nesting of a JSON document that is read.
	maxJSONDepth = 200
	// maxJSONPathBytes is the longest path.
	maxJSONPathBytes = 1 << 16
	// maxJSONLine is how much the plain values of an array hold where they are
	// one line.
	maxJSONLine = 200
)

// extractJSON renders a JSON document as lines "path: value", in its order. The
// path of a value are the keys that lead to it, joined by dots:
// "server.tls.port: 443".
//
// The elements of the outermost arrays are records: a block of kind Row each,
// whose paths leave out the array's index, as it says nothing: "items.name: …".
// Deeper arrays have indexes in brackets. The plain values of an array are one
// line, separated by ", ", where they are short, and else a line each. Around
// the records, each member of the outermost object is a paragraph. Nulls and
// empty values are left out. Several documents may stand behind each other.
//
// The title is the string under "title" or else "name" in the outermost object.
func extractJSON(ctx context.Context, in Input) (Document, error) {
	s, warnings, err := decodeText(in)
	if err != nil {
		return Document{}, err
	}
	r := &jsonReader{ctx: ctx, d: json.NewDecoder(strings.NewReader(s)), out: &blockWriter{}}
	r.d.UseNumber()
	for {
		tok, err := r.token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = r.value(tok, 0)
		}
		if err != nil {
			return Document{}, r.failure(err)
		}
		r.endBlock(Paragraph)
		r.documents++
	}
	doc := r.out.document()
	doc.Warnings = warnings
	if r.documents == 1 {
		doc.Title = r.title
		if doc.Title == "" {
			doc.Title = r.name
		}
	}
	return doc, nil
}

// jsonReader flattens JSON token by token.
type jsonReader struct {
	ctx         context.Context
	d           *json.Decoder
	out         *blockWriter
	path        []byte
	block       bytes.Buffer // the lines of the block at hand
	inRecord    bool         // inside an element of an outermost array
	tokens      int
	documents   int
	title, name string
}

// failure gives an error of the decoder its sentinel and its place.
func (r *jsonReader) failure(err error) error {
	if ReasonOf(err) != "" || r.ctx.Err() != nil {
		return err
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: the JSON ends at byte %d before it is complete", ErrMalformed, r.d.InputOffset())
	}
	return fmt.Errorf("%w: near byte %d: %w", ErrMalformed, r.d.InputOffset(), err)
}

func (r *jsonReader) token() (json.Token, error) {
	if r.tokens++; r.tokens%checkEachToken == 0 {
		if err := r.ctx.Err(); err != nil {
			return nil, err
		}
	}
	return r.d.Token()
}

// value reads the value that begins with tok.
func (r *jsonReader) value(tok json.Token, depth int) error {
	if depth > maxJSONDepth {
		return fmt.Errorf("%w: values nested deeper than %d", ErrTooLarge, maxJSONDepth)
	}
	switch tok {
	case json.Delim('{'):
		return r.object(depth)
	case json.Delim('['):
		return r.array(depth)
	}
	return r.line(jsonScalar(tok))
}

// jsonScalar returns a token that is a plain value as text.
func jsonScalar(tok json.Token) string {
	switch t := tok.(type) {
	case string:
		return strings.TrimSpace(cleanText(t))
	case json.Number:
		return t.String()
	case bool:
		return strconv.FormatBool(t)
	}
	return ""
}

// line writes a value under the path at hand.
func (r *jsonReader) line(value string) error {
	if value == "" {
		return nil
	}
	if n := r.out.b.Len() + r.block.Len(); n > MaxTextBytes {
		return tooLong(n)
	}
	if r.out.full() {
		return tooManyBlocks()
	}
	if r.block.Len() > 0 {
		r.block.WriteByte('\n')
	}
	if len(r.path) > 0 {
		r.block.Write(r.path)
		r.block.WriteString(": ")
	}
	r.block.WriteString(value)
	return nil
}

// endBlock writes the lines that were collected.
func (r *jsonReader) endBlock(kind Kind) {
	if r.block.Len() == 0 {
		return
	}
	if k := len(r.out.marks); kind == Row && k > 0 && r.out.marks[k-1].kind == Row {
		r.out.b.WriteByte('\n') // sets records of several lines apart
	}
	r.out.write(kind, 0, r.block.String())
	r.block.Reset()
}

func (r *jsonReader) object(depth int) error {
	outer := len(r.path)
	for r.d.More() {
		tok, err := r.token()
		if err != nil {
			return err
		}
		key, _ := tok.(string)
		if outer > 0 {
			r.path = append(r.path, '.')
		}
		r.path = append(r.path, oneLine(cleanText(key))...)
		if len(r.path) > maxJSONPathBytes {
			return fmt.Errorf("%w: a path of more than %d bytes", ErrTooLarge, maxJSONPathBytes)
		}
		if tok, err = r.token(); err != nil {
			return err
		}
		if err := r.value(tok, depth+1); err != nil {
			return err
		}
		if depth == 0 && !r.inRecord {
			r.noteTitle(key, tok)
			r.endBlock(Paragraph)
		}
		r.path = r.path[:outer]
	}
	_, err := r.token()
	return err
}

// noteTitle keeps a string that names the document.
func (r *jsonReader) noteTitle(key string, tok json.Token) {
	s, _ := tok.(string)
	if len(s) > maxTitleBytes || r.documents > 0 {
		return
	}
	switch key {
	case "title":
		r.title = s
	case "name":
		r.name = s
	}
}

// array reads an array: of records, where it is an outermost one.
func (r *jsonReader) array(depth int) error {
	outer, outermost := len(r.path), !r.inRecord
	defer func() { r.inRecord = !outermost }()
	var plain []string // values that may make one line
	size := 0
	long := outermost && outer == 0
	for i := 0; r.d.More(); i++ {
		tok, err := r.token()
		if err != nil {
			return err
		}
		if _, nested := tok.(json.Delim); !nested {
			s := jsonScalar(tok)
			if s == "" {
				continue
			}
			plain = append(plain, s)
			if size += len(s); size > maxJSONLine || long {
				long = true
				if err := r.lines(plain, outermost); err != nil {
					return err
				}
				plain = plain[:0]
			}
			continue
		}
		if outermost {
			r.endBlock(Paragraph)
			r.inRecord = true
		} else {
			r.path = fmt.Appendf(r.path, "[%d]", i)
		}
		if err := r.value(tok, depth+1); err != nil {
			return err
		}
		if outermost {
			r.endBlock(Row)
		}
		r.path = r.path[:outer]
	}
	if _, err := r.token(); err != nil {
		return err
	}
	return r.line(strings.Join(plain, ", "))
}

// lines writes values a line each; as records they are blocks.
func (r *jsonReader) lines(values []string, records bool) error {
	for _, s := range values {
		if records {
			r.endBlock(Paragraph)
		}
		if err := r.line(s); err != nil {
			return err
		}
		if records {
			r.endBlock(Row)
		}
	}
	return nil
}
