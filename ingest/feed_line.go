package ingest

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"mime"
	"path"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ragloop/ragloop/ingest/extract"
	"github.com/ragloop/ragloop/internal/meta"
	"github.com/ragloop/ragloop/internal/strictjson"
	"github.com/ragloop/ragloop/internal/text"
)

// Limits of what a line of a feed says, the same as those of the service.
const (
	maxIDBytes        = 1024
	maxURIBytes       = 4096
	maxPathBytes      = 4096
	maxTitleBytes     = 1024
	maxMediaTypeBytes = 256
	maxTags           = 100
	maxACL            = 1000
	maxLabelBytes     = 256 // of a tag or of an entry of an ACL
)

// feedLine is what a line says, checked as far as the line alone allows.
type feedLine struct {
	ID        text.DocID
	URI       string
	Title     string
	MediaType string
	Text      string
	Path      string // clean, below the feed's root; "" where the line holds the text or deletes
	Tags      []string
	ACL       []string
	Meta      meta.Fields // with "modified", as a time
	Deleted   bool
}

// feedKeys are the keys of a line in the order messages list them.
var feedKeys = []string{"id", "uri", "text", "path", "media_type", "title", "meta", "tags", "acl", "modified", "deleted"}

// parseFeedLine decodes one line. Its error names a field, but neither file nor
// line.
func parseFeedLine(line []byte) (feedLine, *FeedError) {
	var l feedLine
	if !utf8.Valid(line) {
		return l, &FeedError{Problem: "is not valid UTF-8"}
	}
	given := map[string]bool{}
	var modified time.Time
	fault := jsonObject(line, "", func(key string, raw json.RawMessage) *FeedError {
		given[key] = true
		switch key {
		case "id":
			return feedID(raw, &l.ID)
		case "uri":
			return jsonString(raw, key, maxURIBytes, &l.URI)
		case "text":
			return jsonString(raw, key, MaxFeedLineBytes, &l.Text)
		case "path":
			return feedPath(raw, &l.Path)
		case "media_type":
			return jsonString(raw, key, maxMediaTypeBytes, &l.MediaType)
		case "title":
			return jsonString(raw, key, maxTitleBytes, &l.Title)
		case "meta":
			return feedMeta(raw, &l.Meta)
		case "tags":
			return feedLabels(raw, key, maxTags, &l.Tags)
		case "acl":
			return feedLabels(raw, key, maxACL, &l.ACL)
		case "modified":
			return feedTime(raw, key, &modified)
		case "deleted":
			return jsonValue(raw, key, "true or false", &l.Deleted)
		}
		return &FeedError{Field: key, Problem: "unknown field; allowed are " + strings.Join(feedKeys, ", ")}
	})
	if fault == nil {
		fault = l.complete(given, modified)
	}
	return l, fault
}

// complete checks the fields of a line against each other and fills in what
// follows from them.
func (l *feedLine) complete(given map[string]bool, modified time.Time) *FeedError {
	switch {
	case !given["id"]:
		return &FeedError{Field: "id", Problem: "is missing"}
	case l.Deleted:
		for _, key := range feedKeys {
			if given[key] && key != "id" && key != "deleted" {
				return &FeedError{Field: key, Problem: "has no meaning beside \"deleted\": true; a document that is gone has its id alone"}
			}
		}
		return nil
	case given["text"] && given["path"]:
		return &FeedError{Field: "path", Problem: "is given beside \"text\"; a document has one of them"}
	case !given["text"] && !given["path"]:
		return &FeedError{Field: "text", Problem: "is missing, and so is \"path\"; a document that is not deleted has one of them"}
	}
	if fault := l.setModified(given["modified"], modified); fault != nil {
		return fault
	}
	if err := meta.Check(l.Meta); err != nil {
		return &FeedError{Field: "meta", Problem: err.Error()}
	}
	if given["text"] {
		return l.textType()
	}
	if _, _, err := mime.ParseMediaType(l.MediaType); err != nil && given["media_type"] {
		return &FeedError{Field: "media_type", Problem: fmt.Sprintf("is %q; want a media type such as application/pdf", l.MediaType)}
	}
	return nil
}

// setModified puts the time of the last change into Meta, where it may be
// already.
func (l *feedLine) setModified(given bool, modified time.Time) *FeedError {
	v, inMeta := l.Meta[metaModified]
	switch {
	case given && inMeta:
		return &FeedError{Field: "meta." + metaModified, Problem: "is given beside \"modified\", which means the same"}
	case given:
		v = meta.OfTime(modified)
	case inMeta:
		var ok bool
		if v, ok = asTime(v); !ok {
			return &FeedError{Field: "meta." + metaModified, Problem: fmt.Sprintf("is %q; want a time in RFC 3339", v.Text())}
		}
	default:
		return nil
	}
	if l.Meta == nil {
		l.Meta = meta.Fields{}
	}
	l.Meta[metaModified] = v
	return nil
}

// textType makes the media type of a text: what was declared, and that it is
// UTF-8, whatever an HTML page says inside.
func (l *feedLine) textType() *FeedError {
	if l.MediaType == "" {
		l.MediaType = "text/plain; charset=utf-8"
		return nil
	}
	mediaType, params, err := mime.ParseMediaType(l.MediaType)
	charset, ok := params["charset"]
	switch {
	case err != nil || !extract.IsText(mediaType):
		return &FeedError{Field: "media_type", Problem: fmt.Sprintf(
			"is %q; a text is text/plain (the default), text/markdown, text/html or another format of text, and other files are given by \"path\"", l.MediaType)}
	case ok && !strings.EqualFold(charset, "utf-8"):
		return &FeedError{Field: "media_type", Problem: fmt.Sprintf("has the charset %q; a text in JSON is always utf-8", charset)}
	}
	l.MediaType = mime.FormatMediaType(mediaType, map[string]string{"charset": "utf-8"})
	return nil
}

func feedID(raw json.RawMessage, dst *text.DocID) *FeedError {
	var s string
	if fault := jsonString(raw, "id", maxIDBytes, &s); fault != nil {
		return fault
	}
	switch {
	case s == "":
		return &FeedError{Field: "id", Problem: "is empty"}
	case strings.ContainsFunc(s, unicode.IsControl):
		return &FeedError{Field: "id", Problem: fmt.Sprintf("is %q, control characters are not allowed", s)}
	}
	*dst = text.DocID(s)
	return nil
}

// feedPath accepts a path that stays below its root by its form. That no link
// leads out of it is for the file system to see.
func feedPath(raw json.RawMessage, dst *string) *FeedError {
	var s string
	if fault := jsonString(raw, "path", maxPathBytes, &s); fault != nil {
		return fault
	}
	problem := func(what string) *FeedError {
		return &FeedError{Field: "path", Problem: fmt.Sprintf("is %q, %s; want a path below the root of the feed, parted by /", s, what)}
	}
	clean := path.Clean(s)
	switch {
	case s == "" || clean == ".":
		return problem("which names no file")
	case strings.HasPrefix(s, "/"):
		return problem("which is absolute")
	case !fs.ValidPath(clean):
		return problem("which leaves the root")
	}
	*dst = clean
	return nil
}

// feedLabels reads an array of strings, none empty, none twice.
func feedLabels(raw json.RawMessage, field string, most int, dst *[]string) *FeedError {
	if fault := jsonStrings(raw, field, maxLabelBytes, dst); fault != nil {
		return fault
	}
	if n := len(*dst); n > most {
		return &FeedError{Field: field, Problem: fmt.Sprintf("has %d entries, allowed are %d", n, most)}
	}
	seen := map[string]bool{}
	for i, s := range *dst {
		if s == "" || seen[s] {
			return &FeedError{Field: fmt.Sprintf("%s[%d]", field, i), Problem: fmt.Sprintf("is %q, which is empty or was given before", s)}
		}
		seen[s] = true
	}
	return nil
}

func feedTime(raw json.RawMessage, field string, dst *time.Time) *FeedError {
	var s string
	if fault := jsonString(raw, field, maxLabelBytes, &s); fault != nil {
		return fault
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return &FeedError{Field: field, Problem: fmt.Sprintf("is %q; want a time in RFC 3339, for example 2026-03-01T12:00:00Z", s)}
	}
	*dst = t
	return nil
}

func feedMeta(raw json.RawMessage, dst *meta.Fields) *FeedError {
	fields := meta.Fields{}
	fault := jsonObject(raw, "meta", func(key string, raw json.RawMessage) *FeedError {
		v, fault := feedMetaValue(raw, "meta."+key)
		if fault == nil {
			fields[key] = v
		}
		return fault
	})
	if len(fields) > 0 {
		*dst = fields
	}
	return fault
}

func feedMetaValue(raw json.RawMessage, field string) (meta.Value, *FeedError) {
	switch c := raw[0]; {
	case c == '"':
		var s string
		fault := jsonString(raw, field, MaxFeedLineBytes, &s)
		return meta.OfString(s), fault
	case c == 't' || c == 'f':
		return meta.OfBool(c == 't'), nil
	case c == '[':
		var list []string
		fault := jsonStrings(raw, field, MaxFeedLineBytes, &list)
		return meta.OfStrings(list), fault
	case c == '-' || '0' <= c && c <= '9':
		return feedMetaNumber(string(raw), field)
	}
	return meta.Value{}, &FeedError{Field: field, Problem: fmt.Sprintf("is %s; want a string, a number, true or false, or an array of strings", strictjson.Abbreviate(raw))}
}

// feedMetaNumber takes a number for what it is written as: 3 is an integer, 3.0 is
// none.
func feedMetaNumber(s, field string) (meta.Value, *FeedError) {
	if strings.ContainsAny(s, ".eE") {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return meta.Value{}, &FeedError{Field: field, Problem: fmt.Sprintf("is %s, which no 64-bit number can hold", strictjson.Abbreviate([]byte(s)))}
		}
		return meta.OfFloat(f), nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return meta.Value{}, &FeedError{Field: field, Problem: fmt.Sprintf("is %s, which no 64-bit integer can hold; give it as a string", strictjson.Abbreviate([]byte(s)))}
	}
	return meta.OfInteger(n), nil
}
