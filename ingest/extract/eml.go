package extract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/mail"
	"net/textproto"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html/charset"

	"github.com/ragloop/ragloop/internal/meta"
)

const emlType = "message/rfc822"

// Limits of a message.
const (
	maxMailDepth       = 32 // of parts in parts
	maxMailParts       = 1000
	maxMailHeaderBytes = 1 << 20
)

// extractEML renders a message: its subject as a heading of level 1, then who
// wrote it to whom and when, then its text. Of alternatives the plain text is
// chosen, unless it has less than half the words of the HTML; see mailReader.
// Messages in the message follow, each below a heading. Attachments are not
// read: they are named in the metadata.
//
// The title is the subject.
func extractEML(ctx context.Context, in Input) (Document, error) {
	r := &mailReader{ctx: ctx, m: &metadata{}, words: &mime.WordDecoder{CharsetReader: charset.NewReaderLabel}}
	w := &blockWriter{}
	title, err := r.message(in.Data, w, 0)
	if err != nil {
		return Document{}, err
	}
	if r.encrypted && !r.read {
		return Document{}, fmt.Errorf("%w: the text of the message", ErrEncrypted)
	}
	r.m.add("attachments", r.attachments...)
	doc := w.document()
	doc.Title, doc.Warnings = title, r.warnings
	r.m.apply(&doc)
	return doc, nil
}

// mailReader reads the parts of a message.
type mailReader struct {
	ctx         context.Context
	m           *metadata // of the outer message
	words       *mime.WordDecoder
	parts       int
	nested      int // messages in each other
	attachments []string
	warnings    []string
	encrypted   bool // a part is
	read        bool // text was read
}

// warn notes what a user should know, once.
func (r *mailReader) warn(s string) {
	const maxWarnings = 10
	if !slices.Contains(r.warnings, s) && len(r.warnings) < maxWarnings {
		r.warnings = append(r.warnings, s)
	}
}

// message writes a message that is nested in depth parts and returns its
// subject.
func (r *mailReader) message(data []byte, w *blockWriter, depth int) (subject string, err error) {
	if bytes.HasPrefix(data, []byte("From ")) { // the line that mailboxes put in front
		_, data, _ = bytes.Cut(data, []byte("\n"))
	}
	head := data[:min(len(data), maxMailHeaderBytes)]
	if len(head) < len(data) && !bytes.Contains(head, []byte("\n\n")) && !bytes.Contains(head, []byte("\n\r\n")) {
		return "", fmt.Errorf("%w: a header of more than %d bytes", ErrTooLarge, maxMailHeaderBytes)
	}
	msg, err := mail.ReadMessage(bytes.NewReader(data))
	if err != nil {
		return "", fmt.Errorf("%w: read message header: %w", ErrMalformed, err)
	}
	header := textproto.MIMEHeader(msg.Header)
	if header.Get("From") == "" && header.Get("Date") == "" && header.Get("Subject") == "" && header.Get("Content-Type") == "" {
		return "", fmt.Errorf("%w: a message without From, Date, Subject and Content-Type", ErrMalformed)
	}
	subject = r.decode(header.Get("Subject"))
	if subject != "" {
		w.write(Heading, min(r.nested+1, 6), subject)
	}
	if lines := r.correspondents(header, depth == 0); lines != "" {
		w.write(Paragraph, 0, lines)
	}
	return subject, r.entity(header, msg.Body, w, depth)
}

// correspondents returns the lines that say who wrote a message to whom and
// when; keep keeps that as metadata.
func (r *mailReader) correspondents(header textproto.MIMEHeader, keep bool) string {
	var lines []string
	for _, name := range []string{"From", "To", "Cc"} {
		people, addresses := r.addresses(header.Values(name))
		if len(people) > 0 {
			lines = append(lines, name+": "+strings.Join(people, ", "))
		}
		if keep {
			r.m.add(strings.ToLower(name), addresses...)
		}
	}
	if date, err := mail.ParseDate(header.Get("Date")); err == nil {
		lines = append(lines, "Date: "+date.Format("2006-01-02 15:04 -0700"))
		if keep {
			r.m.set("date", meta.OfTime(date))
		}
	}
	if keep {
		r.m.text(metaSubject, r.decode(header.Get("Subject")))
		r.m.text("message_id", strings.Trim(header.Get("Message-Id"), "<> "))
		r.m.text("in_reply_to", strings.Trim(header.Get("In-Reply-To"), "<> "))
	}
	return strings.Join(lines, "\n")
}

// addresses returns those of header fields: as they are written, and alone in
// lower case.
func (r *mailReader) addresses(fields []string) (people, addresses []string) {
	parser := mail.AddressParser{WordDecoder: r.words}
	for _, field := range fields {
		list, err := parser.ParseList(validHeader(field))
		if err != nil {
			if s := r.decode(field); s != "" {
				people = append(people, s)
			}
			continue
		}
		for _, a := range list {
			address := cleanMeta(a.Address)
			addresses = append(addresses, strings.ToLower(address))
			if name := cleanMeta(a.Name); name != "" {
				address = name + " <" + address + ">"
			}
			people = append(people, address)
		}
	}
	return people, addresses
}

// decode returns the text of a header field.
func (r *mailReader) decode(field string) string {
	field = validHeader(field)
	if s, err := r.words.DecodeHeader(field); err == nil {
		field = s
	}
	return cleanMeta(field)
}

// validHeader decodes a header that holds bytes of another encoding than
// UTF-8, which no header may.
func validHeader(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	decoded, _ := decodeBytes([]byte(s), "")
	return decoded
}

// entity writes a part with its header: text, or parts in it.
func (r *mailReader) entity(header textproto.MIMEHeader, body io.Reader, w *blockWriter, depth int) error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	if depth > maxMailDepth {
		return fmt.Errorf("%w: parts nested deeper than %d", ErrTooLarge, maxMailDepth)
	}
	if r.parts++; r.parts > maxMailParts {
		return fmt.Errorf("%w: a message of more than %d parts", ErrTooLarge, maxMailParts)
	}
	mediaType, params, err := mime.ParseMediaType(header.Get("Content-Type"))
	if mediaType == "" || err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		mediaType, params = "text/plain", nil
	}
	disposition, dispositionParams, _ := mime.ParseMediaType(header.Get("Content-Disposition"))
	name := r.decode(dispositionParams["filename"])
	if name == "" {
		name = r.decode(params["name"])
	}
	body = transferDecoder(header.Get("Content-Transfer-Encoding"), body)
	switch {
	case strings.HasPrefix(mediaType, "multipart/"):
		if mediaType == "multipart/encrypted" {
			r.encrypted = true
			r.warn("an encrypted part is left out")
			return nil // with its parts
		}
		return r.multipart(mediaType, params["boundary"], body, w, depth)
	case mediaType == emlType, mediaType == "message/global":
		data, err := r.content(body)
		if err != nil {
			return err
		}
		r.nested++
		if _, err = r.message(data, w, depth+1); errors.Is(err, ErrMalformed) {
			r.warn("a message in the message is damaged; what was read of it is kept")
			err = nil
		}
		r.nested--
		return err
	case disposition == "attachment" || !strings.HasPrefix(mediaType, "text/") && mediaType != "message/delivery-status":
		if mediaType == "application/pkcs7-mime" || mediaType == "application/x-pkcs7-mime" {
			r.encrypted = true
		}
		if name != "" {
			r.attachments = append(r.attachments, name)
		}
		return nil
	}
	data, err := r.content(body)
	if err != nil {
		return err
	}
	return r.leaf(mediaType, params, data, w)
}

// content reads the decoded content of a part.
func (r *mailReader) content(body io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(body, MaxTextBytes+1))
	if len(data) > MaxTextBytes {
		return nil, tooLong(len(data))
	}
	if err != nil {
		r.warn("a part of the message is damaged; what was read of it is kept")
	}
	return data, nil
}
