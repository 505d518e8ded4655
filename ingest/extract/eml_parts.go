package extract

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"mime/quotedprintable"
	"net/textproto"
	"strings"

	"github.com/ragloop/ragloop/internal/text"
)

// multipart writes the parts of a part.
func (r *mailReader) multipart(mediaType, boundary string, body io.Reader, w *blockWriter, depth int) error {
	if boundary == "" {
		return fmt.Errorf("%w: a part of type %s without a boundary", ErrMalformed, mediaType)
	}
	choice := mailChoice{}
	parts := multipart.NewReader(body, boundary)
	for {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			r.warn("the message ends inside a part, or has one that is damaged; what was read is kept")
			break
		}
		header := textproto.MIMEHeader(part.Header)
		if mediaType == "multipart/digest" && header.Get("Content-Type") == "" {
			header.Set("Content-Type", emlType)
		}
		if mediaType != "multipart/alternative" {
			if err := r.entity(header, part, w, depth+1); err != nil {
				return err
			}
			continue
		}
		one := &blockWriter{page: w.page}
		if err := r.entity(header, part, one, depth+1); err != nil {
			return err
		}
		choice.offer(one, strings.HasPrefix(strings.ToLower(header.Get("Content-Type")), "text/plain"))
	}
	if best := choice.best(); best != nil {
		w.append(best.b.String(), best.marks)
	}
	return nil
}

// mailChoice chooses among alternatives that say the same.
type mailChoice struct{ plain, rich *blockWriter }

// offer takes an alternative into account. The later of two is the richer.
func (c *mailChoice) offer(w *blockWriter, plain bool) {
	switch {
	case w.b.Len() == 0:
	case plain:
		c.plain = w
	default:
		c.rich = w
	}
}

func (c *mailChoice) best() *blockWriter {
	if c.plain == nil || c.rich == nil {
		if c.plain == nil {
			return c.rich
		}
		return c.plain
	}
	// Some programs say no more in plain text than that there is HTML.
	if words := len(strings.Fields(c.rich.b.String())); 2*len(strings.Fields(c.plain.b.String())) < words {
		return c.rich
	}
	return c.plain
}

// leaf writes a part of text.
func (r *mailReader) leaf(mediaType string, params map[string]string, data []byte, w *blockWriter) error {
	r.read = r.read || len(bytes.TrimSpace(data)) > 0
	if mediaType == "text/html" {
		name := params["charset"]
		if name == "" {
			name = htmlCharset(Input{Data: data})
		}
		s, warnings := decodeBytes(data, name)
		r.warnAll(warnings)
		s = cleanText(s)
		switch root, err := parseHTML(s); {
		case errors.Is(err, ErrTooLarge):
			return err
		case err != nil:
			w.append(renderTokens(s))
		default:
			prune(root)
			w.append(renderHTML(root))
		}
		return nil
	}
	s, warnings := decodeBytes(data, params["charset"])
	r.warnAll(warnings)
	s = strings.ReplaceAll(cleanText(s), "\r\n", "\n")
	if strings.EqualFold(params["format"], "flowed") {
		s = unflow(s, strings.EqualFold(params["delsp"], "yes"))
	}
	s = strings.Trim(s, "\n")
	w.append(s, paragraphMarks(nil, s, text.Span{End: len(s)}, 0))
	return nil
}

func (r *mailReader) warnAll(warnings []string) {
	for _, s := range warnings {
		r.warn(s)
	}
}

// transferDecoder undoes the encoding of a part for its transfer.
func transferDecoder(name string, body io.Reader) io.Reader {
	switch strings.ToLower(strings.TrimSpace(name)) {
	case "base64":
		return base64.NewDecoder(base64.StdEncoding, base64Digits{body})
	case "quoted-printable":
		return quotedprintable.NewReader(body)
	}
	return body
}

// base64Digits drops what is no digit, as a decoder shall.
type base64Digits struct{ r io.Reader }

func (d base64Digits) Read(b []byte) (int, error) {
	for {
		n, err := d.r.Read(b)
		kept := 0
		for _, c := range b[:n] {
			if c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '+' || c == '/' || c == '=' {
				b[kept] = c
				kept++
			}
		}
		if kept > 0 || err != nil || len(b) == 0 {
			return kept, err
		}
	}
}

// unflow joins the lines that a program broke for the transfer: a line that
// ends with a space goes on in the next, if that is quoted as deep. Source:
// RFC 3676.
func unflow(s string, delSp bool) string {
	var b strings.Builder
	flowing, depth := false, 0
	for line := range strings.SplitSeq(s, "\n") {
		rest := strings.TrimLeft(line, ">")
		quoted := len(line) - len(rest)
		rest = strings.TrimPrefix(rest, " ") // stuffed
		signature := rest == "-- "
		if b.Len() > 0 && (!flowing || quoted != depth || signature) {
			b.WriteByte('\n')
			flowing = false
		}
		if !flowing && quoted > 0 {
			b.WriteString(line[:quoted] + " ")
		}
		flowing, depth = strings.HasSuffix(rest, " ") && !signature, quoted
		if flowing && delSp {
			rest = rest[:len(rest)-1]
		}
		b.WriteString(rest)
	}
	return b.String()
}
