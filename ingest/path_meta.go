package ingest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ragloop/ragloop/internal/meta"
)

// ErrPathPattern: no pattern of paths.
var ErrPathPattern = errors.New("not a path pattern")

// PathPattern takes metadata from the path of a document, segment by segment:
//
//	{year:int}/{team}/**        reports of a year and a team, at any depth
//	**/{date:date}-*.md         files that begin with a date
//
// {NAME} is a string, {NAME:int} an integer and {NAME:date} a date such as
// 2026-05-31; each takes one character or more and never a slash. * is any
// number of characters but slashes, ** as a whole segment any number of segments,
// none among them. All else stands for itself. The pattern is that of the whole path.
type PathPattern struct {
	re    *regexp.Regexp
	names []string // of its groups
	kinds []string
}

var capture = regexp.MustCompile(`^\{([^{}:/]+)(?::([a-z]+))?\}`)

// captures are the kinds of captures and what they match.
var captures = map[string]string{"": "[^/]+?", "string": "[^/]+?", "int": "-?[0-9]{1,18}", "date": "[0-9]{4}-[0-9]{2}-[0-9]{2}"}

// ParsePathPattern reads a pattern. The error wraps ErrPathPattern and says where
// in the pattern what is wrong, and what is allowed.
func ParsePathPattern(s string) (*PathPattern, error) {
	at := 0 // byte of s
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: %q, character %d: %s", ErrPathPattern, s, utf8.RuneCountInString(s[:at])+1, fmt.Sprintf(format, args...))
	}
	p := &PathPattern{}
	seen := map[string]bool{}
	expr := "^"
	segments := strings.Split(s, "/")
	for i, segment := range segments {
		last := i == len(segments)-1
		if i > 0 {
			at++ // the slash
		}
		switch {
		case segment == "":
			return nil, bad("a segment is empty")
		case segment == "." || segment == "..":
			return nil, bad("no document id has the segment %q", segment)
		case segment == "**" && last:
			expr += ".*"
			continue
		case segment == "**":
			expr += "(?:[^/]+/)*"
			at += len(segment)
			continue
		}
		for rest := segment; rest != ""; {
			if m := capture.FindStringSubmatch(rest); m != nil {
				name, kind := m[1], m[2]
				match, ok := captures[kind]
				switch {
				case !ok:
					return nil, bad("{%s:%s}, allowed are string, int and date", name, kind)
				case seen[name]:
					return nil, bad("{%s} occurs twice", name)
				case name == metaModified || meta.IsReserved(name):
					return nil, bad("{%s} is no key of metadata; reserved are %s, %s", name, metaModified, strings.Join(meta.Reserved(), ", "))
				}
				if err := meta.CheckKey(name); err != nil {
					return nil, bad("%v", err)
				}
				seen[name] = true
				p.names, p.kinds = append(p.names, name), append(p.kinds, kind)
				expr += "(" + match + ")"
				rest = rest[len(m[0]):]
				at += len(m[0])
				continue
			}
			switch rest[0] {
			case '{', '}':
				return nil, bad("%q, a capture is {NAME}, {NAME:int} or {NAME:date}", rest)
			case '*':
				if strings.HasPrefix(rest, "**") {
					return nil, bad("** is a whole segment")
				}
				expr += "[^/]*"
			default:
				expr += regexp.QuoteMeta(rest[:1])
			}
			rest = rest[1:]
			at++
		}
		if !last {
			expr += "/"
		}
	}
	if len(p.names) == 0 {
		return nil, fmt.Errorf("%w: %q takes nothing from a path; a capture is {NAME}, {NAME:int} or {NAME:date}", ErrPathPattern, s)
	}
	var err error
	if p.re, err = regexp.Compile("(?s)" + expr + "$"); err != nil {
		return nil, bad("%v", err)
	}
	return p, nil
}

// Match returns what the pattern takes from a path; ok is false for a path that is
// not of its form, such as one with the date 2026-13-01.
func (p *PathPattern) Match(path string) (fields meta.Fields, ok bool) {
	m := p.re.FindStringSubmatch(path)
	if m == nil {
		return nil, false
	}
	fields = meta.Fields{}
	for i, name := range p.names {
		s := m[i+1]
		switch p.kinds[i] {
		case "int":
			n, err := strconv.ParseInt(s, 10, 64)
			if err != nil {
				return nil, false // unreachable: 18 digits fit
			}
			fields[name] = meta.OfInteger(n)
		case "date":
			day, err := time.Parse(time.DateOnly, s)
			if err != nil {
				return nil, false
			}
			fields[name] = meta.OfTime(day)
		default:
			fields[name] = meta.OfString(s)
		}
	}
	return fields, meta.Check(fields) == nil
}

// WithPathMeta adds to the documents of src what p takes from their ids, which are
// paths. A field that an item has counts as it is; a path that p does not match
// adds nothing and is counted: Summary.Unmatched.
func WithPathMeta(src Source, p *PathPattern) Source { return pathMeta{src, p} }

type pathMeta struct {
	Source
	p *PathPattern
}

func (s pathMeta) Items(ctx context.Context) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		for item, err := range s.Source.Items(ctx) {
			if item.ID != "" && !item.Deleted {
				fields, ok := s.p.Match(string(item.ID))
				if ok {
					maps.Copy(fields, item.Meta)
					item.Meta = fields
				}
				item.unmatched = !ok
			}
			if !yield(item, err) {
				return
			}
		}
	}
}
