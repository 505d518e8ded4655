package extract

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ragloop/ragloop/internal/meta"
)

// Keys of metadata that several formats have. They have the same type in each:
// lists of strings for authors and keywords, times for the dates.
const (
	metaAuthor      = "author"
	metaKeywords    = "keywords"
	metaSubject     = "subject"
	metaDescription = "description"
	metaLanguage    = "language"
	metaPublisher   = "publisher"
	metaCategory    = "category"
	metaIdentifier  = "identifier"
	metaCreated     = "created"
	metaModified    = "modified"
	metaModifiedBy  = "modified_by"
	metaPublished   = "published"
)

// maxMetaWarnings bounds the fields that are named as left out.
const maxMetaWarnings = 5

// metadata collects what a document says about itself. What cannot be kept is
// left out and said so.
type metadata struct {
	fields  meta.Fields
	size    int // of the fields, in bytes
	leftOut []string
	more    int
}

// set keeps a value that is not empty under a key.
func (m *metadata) set(key string, v meta.Value) {
	switch v.Kind {
	case meta.String:
		v.String = cleanMeta(v.String)
		if v.String == "" {
			return
		}
	case meta.Strings:
		var list []string
		for _, s := range v.Strings {
			if s = cleanMeta(s); s == "" || slices.Contains(list, s) {
				continue
			}
			if len(list) == meta.MaxStrings {
				m.refuse(key, fmt.Errorf("%w: only the first %d values are kept", meta.ErrInvalid, meta.MaxStrings))
				break
			}
			list = append(list, s)
		}
		if v.Strings = list; list == nil {
			return
		}
	}
	err := meta.CheckKey(key)
	if err == nil {
		err = meta.CheckValue(v)
	}
	old, known := m.fields[key]
	size := m.size + v.Size() - old.Size()
	if !known {
		size += len(key)
	}
	switch {
	case err != nil:
	case !known && len(m.fields) == meta.MaxFields:
		err = fmt.Errorf("%w: more than %d fields", meta.ErrInvalid, meta.MaxFields)
	case size > meta.MaxBytes:
		err = fmt.Errorf("%w: more than %d bytes of metadata", meta.ErrInvalid, meta.MaxBytes)
	}
	if err != nil {
		m.refuse(key, err)
		return
	}
	if m.fields == nil {
		m.fields = meta.Fields{}
	}
	m.fields[key], m.size = v, size
}

// refuse notes that a field is left out.
func (m *metadata) refuse(key string, reason error) {
	if len(m.leftOut) == maxMetaWarnings {
		m.more++
		return
	}
	m.leftOut = append(m.leftOut, fmt.Sprintf("metadata %.80q is left out: %v", cleanMeta(key), reason))
}

// text keeps a string.
func (m *metadata) text(key, s string) { m.set(key, meta.OfString(s)) }

// add appends strings to the list under a key.
func (m *metadata) add(key string, list ...string) {
	m.set(key, meta.OfStrings(append(slices.Clone(m.fields[key].Strings), list...)))
}

// time keeps a point in time that s states in the manner of RFC 3339 or ISO
// 8601; anything else is left out.
func (m *metadata) time(key, s string) {
	if t, ok := parseTime(s); ok {
		m.set(key, meta.OfTime(t))
	}
}

// apply gives doc the fields and the warnings.
func (m *metadata) apply(doc *Document) {
	doc.Meta = m.fields
	doc.Warnings = append(doc.Warnings, m.leftOut...)
	if m.more > 0 {
		doc.Warnings = append(doc.Warnings, fmt.Sprintf("%d more metadata fields are left out", m.more))
	}
}

// cleanMeta makes a string of metadata obey the text rules, on one line.
func cleanMeta(s string) string { return oneLine(cleanText(s)) }

// splitKeywords splits a list that people write in one string.
func splitKeywords(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ';' || r == '、' || r == '，' })
}

// parseTime reads the forms of ISO 8601 that documents use, from a year to a
// nanosecond; a time without an offset is taken for UTC.
func parseTime(s string) (time.Time, bool) {
	s = strings.TrimSpace(s)
	for _, layout := range []string{
		time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05", "2006-01-02T15:04Z07:00",
		"2006-01-02T15:04", time.DateOnly, "2006-01", "2006",
	} {
		if t, err := time.Parse(layout, s); err == nil && t.Year() >= 1 {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// scalar returns the value that a literal stands for: a truth value, a number,
// a time or a string.
func scalar(s string) meta.Value {
	s = strings.TrimSpace(s)
	switch s {
	case "true":
		return meta.OfBool(true)
	case "false":
		return meta.OfBool(false)
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return meta.OfInteger(n)
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil && !math.IsInf(f, 0) && !math.IsNaN(f) {
		return meta.OfFloat(f)
	}
	if t, ok := parseTime(s); ok {
		return meta.OfTime(t)
	}
	return meta.OfString(s)
}

// dublinCore are the properties that Office, OpenDocument and EPUB share, by
// the local names of their elements.
type dublinCore struct {
	title string
	meta  metadata
}

// read reads the properties among the children of any element of a part, which
// may be missing. epub says that subjects are keywords and dates are those of
// publication, which elsewhere are those of the last change.
func (d *dublinCore) read(x *xmlReader, epub bool) error {
	for {
		tok, err := x.token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		t, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		if err := d.element(x, t, epub); err != nil {
			return err
		}
	}
}

// element reads one element, if it is a property.
func (d *dublinCore) element(x *xmlReader, t xml.StartElement, epub bool) error {
	name := t.Name.Local
	switch name {
	case "title", "creator", "initial-creator", "subject", "keywords", "keyword", "description", "language", "publisher",
		"category", "identifier", "created", "creation-date", "modified", "date", "lastModifiedBy", "user-defined":
	default:
		return nil
	}
	s, err := x.text()
	if err != nil {
		return err
	}
	switch {
	case name == "title":
		if d.title == "" {
			d.title = oneLine(s)
		}
	case name == "creator", name == "initial-creator":
		d.meta.add(metaAuthor, s)
	case name == "keywords":
		d.meta.add(metaKeywords, splitKeywords(s)...)
	case name == "keyword", name == "subject" && epub:
		d.meta.add(metaKeywords, s)
	case name == "created", name == "creation-date":
		d.meta.time(metaCreated, s)
	case name == "date" && epub:
		d.meta.time(metaPublished, s)
	case name == "modified", name == "date":
		d.meta.time(metaModified, s)
	case name == "lastModifiedBy":
		d.meta.text(metaModifiedBy, s)
	case name == "user-defined":
		d.meta.property(xmlAttr(t, "name"), xmlAttr(t, "value-type"), s)
	case d.meta.fields[name].Kind == "": // the first of several is the main one
		d.meta.text(name, s)
	}
	return nil
}

// property keeps a property that a user defined, with the type that the file
// gives it.
func (m *metadata) property(key, kind, s string) {
	key = oneLine(key)
	switch kind {
	case "bool", "boolean":
		if b, err := strconv.ParseBool(strings.TrimSpace(s)); err == nil {
			m.set(key, meta.OfBool(b))
		}
	case "i1", "i2", "i4", "i8", "int", "ui1", "ui2", "ui4", "ui8", "uint", "r4", "r8", "decimal", "float", "percentage", "currency":
		if v := scalar(s); v.Kind == meta.Integer || v.Kind == meta.Float {
			m.set(key, v)
		}
	case "filetime", "date":
		m.time(key, s)
	default:
		m.text(key, s)
	}
}

// officeProperties reads the core and the custom properties of an Office Open
// XML package.
func officeProperties(ctx context.Context, pkg *zipPackage) (*dublinCore, error) {
	d := &dublinCore{}
	const core, custom = "docProps/core.xml", "docProps/custom.xml"
	x, err := pkg.xml(ctx, core)
	if err == nil && x != nil {
		err = d.read(x, false)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", core, err)
	}
	if x, err = pkg.xml(ctx, custom); err != nil || x == nil {
		return d, err
	}
	name := ""
	for {
		tok, err := x.token()
		if errors.Is(err, io.EOF) {
			return d, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", custom, err)
		}
		t, ok := tok.(xml.StartElement)
		switch {
		case !ok, t.Name.Local == "Properties":
		case t.Name.Local == "property":
			name = xmlAttr(t, "name")
		default:
			s, err := x.text()
			if err != nil {
				return nil, fmt.Errorf("read %s: %w", custom, err)
			}
			d.meta.property(name, t.Name.Local, s)
		}
	}
}
