package ingest

import (
	"fmt"
	"slices"
	"time"

	"github.com/ragloop/ragloop/internal/meta"
)

// Keys of a document's own metadata that mean something here.
const (
	metaModified = "modified" // becomes Record.Modified; a source may say it in Item.Meta, too
	metaKeywords = "keywords" // become tags
)

// maxOwnLabelWarnings bounds the fields of a document that are named as left out.
const maxOwnLabelWarnings = 5

// labels is what is stored about a document for filters, beside its text.
type labels struct {
	tags, acl []string
	meta      meta.Fields
	modified  time.Time
}

// labelsOf joins what a source says about a document with what the document says
// about itself.
//
// Tags are the source's, then the keywords of the document (front matter: tags or
// keywords). Where both have a field, the source's counts; only a source can say
// who may see a document. When it was modified is what Item.Meta says, else what
// the document says, else Item.Modified, which for a file is its time.
//
// The error wraps meta.ErrInvalid and names a field of the source. A field of
// the document that cannot be kept is left out, with a warning.
func labelsOf(item Item, own meta.Fields) (l labels, warnings []string, err error) {
	if err := meta.Check(item.Meta); err != nil {
		return labels{}, nil, err
	}
	l = labels{tags: slices.Clip(item.Tags), acl: item.ACL, modified: item.Modified}
	leftOut := 0
	refuse := func(what string, why error) {
		if leftOut++; leftOut <= maxOwnLabelWarnings {
			warnings = append(warnings, fmt.Sprintf("%s is left out: %v", what, why))
		}
	}
	if v, ok := own[metaModified]; ok {
		if v.Kind == meta.Time {
			l.modified = v.Time
		} else {
			refuse(fmt.Sprintf("metadata %q", metaModified), fmt.Errorf("%.40q is no time", v.Text()))
		}
	}
	if v, ok := item.Meta[metaModified]; ok {
		if v, ok = asTime(v); !ok {
			return labels{}, nil, fmt.Errorf("%w: %q is %q, allowed is a time in RFC 3339", meta.ErrInvalid, metaModified, v.Text())
		}
		l.modified = v.Time
	}
	if !l.modified.IsZero() {
		l.modified = l.modified.UTC().Truncate(time.Microsecond)
		if y := l.modified.Year(); y < 1 || y > 9999 {
			l.modified = time.Time{} // a file system that says nonsense
		}
	}
	size := 0
	keep := func(key string, v meta.Value) {
		if l.meta == nil {
			l.meta = meta.Fields{}
		}
		l.meta[key] = v
		size += len(key) + v.Size()
	}
	for key, v := range item.Meta {
		if key != metaModified {
			keep(key, v)
		}
	}
	for _, key := range own.Keys() {
		v := own[key]
		_, given := item.Meta[key]
		switch err := meta.Check(meta.Fields{key: v}); {
		case given || key == metaModified:
		case key == metaKeywords:
			l.addTags(v, refuse)
		case err != nil:
			refuse(fmt.Sprintf("metadata %.80q", key), err)
		case len(l.meta) == meta.MaxFields:
			refuse(fmt.Sprintf("metadata %q", key), fmt.Errorf("more than %d fields", meta.MaxFields))
		case size+len(key)+v.Size() > meta.MaxBytes:
			refuse(fmt.Sprintf("metadata %q", key), fmt.Errorf("more than %d bytes of metadata", meta.MaxBytes))
		default:
			keep(key, v)
		}
	}
	if more := leftOut - maxOwnLabelWarnings; more > 0 {
		warnings = append(warnings, fmt.Sprintf("%d more metadata fields or tags are left out", more))
	}
	return l, warnings, nil
}

// addTags adds the keywords of a document.
func (l *labels) addTags(v meta.Value, refuse func(what string, why error)) {
	keywords := v.Strings
	if v.Kind != meta.Strings {
		keywords = []string{v.Text()}
	}
	for _, k := range keywords {
		switch {
		case k == "" || slices.Contains(l.tags, k):
		case len(k) > maxLabelBytes:
			refuse(fmt.Sprintf("the keyword %.40q", k), fmt.Errorf("%d bytes, a tag has at most %d", len(k), maxLabelBytes))
		case len(l.tags) >= maxTags:
			refuse(fmt.Sprintf("the keyword %q", k), fmt.Errorf("a document has at most %d tags", maxTags))
		default:
			l.tags = append(l.tags, k)
		}
	}
}

// asTime returns v as a time; ok is false where it is none, and v as it was. What
// comes over the wire may be text.
func asTime(v meta.Value) (meta.Value, bool) {
	switch v.Kind {
	case meta.Time:
		return v, true
	case meta.String:
		if t, err := time.Parse(time.RFC3339, v.String); err == nil {
			return meta.OfTime(t), true
		}
	}
	return v, false
}
