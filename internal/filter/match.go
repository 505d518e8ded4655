package filter

import (
	"slices"
	"strings"
	"time"

	"github.com/ragloop/ragloop/internal/meta"
)

// Document is what a condition can name of a document.
type Document struct {
	ID        string
	Tags, ACL []string
	MediaType string    // "": none
	Modified  time.Time // zero: unknown
	Meta      meta.Fields
}

// Match reports whether d satisfies e, as the index decides it for a chunk of d.
// Everything satisfies no expression. e must pass Check.
func (e Expr) Match(d Document) bool {
	switch e.Op {
	case "":
		return true
	case And:
		return !slices.ContainsFunc(e.Of, func(part Expr) bool { return !part.Match(d) })
	case Or:
		return slices.ContainsFunc(e.Of, func(part Expr) bool { return part.Match(d) })
	case Not:
		return !e.Of[0].Match(d)
	}
	stored := d.values(e.Field)
	if e.Op == Exists {
		return len(stored) > 0
	}
	found := slices.ContainsFunc(e.Values, func(v Value) bool {
		return slices.ContainsFunc(stored, func(s meta.Value) bool { return e.holds(s, v) })
	})
	return found != (e.Op == NotEqual)
}

// values returns what d holds under f, the elements of a list apart.
func (d Document) values(f Field) (out []meta.Value) {
	texts := func(list ...string) {
		for _, s := range list {
			out = append(out, meta.OfString(s))
		}
	}
	v := d.Meta[f.Name]
	switch {
	case f == Tags:
		texts(d.Tags...)
	case f == ACL:
		texts(d.ACL...)
	case f == Doc:
		texts(d.ID)
	case f == MediaType && d.MediaType != "":
		texts(d.MediaType)
	case f == Modified && !d.Modified.IsZero():
		return []meta.Value{meta.OfTime(d.Modified)}
	case !f.Meta || v.Kind == "":
	case v.Kind == meta.Strings:
		texts(v.Strings...)
	default:
		return []meta.Value{v}
	}
	return out
}

// holds reports whether a stored value compares with v as e says; != is = here.
func (e Expr) holds(stored meta.Value, v Value) bool {
	switch v.Kind {
	case Text:
		return stored.Kind == meta.String && stored.String == v.Text || stored.Kind == meta.Time && stored.Text() == v.Text
	case Bool:
		return stored.Kind == meta.Bool && stored.Bool == v.Bool
	case Number:
		var n float64
		switch stored.Kind {
		case meta.Integer:
			n = float64(stored.Integer)
		case meta.Float:
			n = stored.Float
		default:
			return false
		}
		switch e.Op {
		case Less:
			return n < v.Number
		case LessOrEqual:
			return n <= v.Number
		case Greater:
			return n > v.Number
		case GreaterOrEqual:
			return n >= v.Number
		}
		return n == v.Number
	}
	t := stored.Time
	if stored.Kind == meta.String {
		var ok bool
		if t, ok = readTime(stored.String); !ok {
			return false
		}
	} else if stored.Kind != meta.Time {
		return false
	}
	from, to := e.Interval(v)
	return (from.IsZero() || !t.Before(from)) && (to.IsZero() || t.Before(to))
}

// Interval returns the times that compare with v, a time or a day, as e says: from
// up to but not including to, where a zero time is no limit; != is =, IN each of
// its values. Times have whole microseconds.
func (e Expr) Interval(v Value) (from, to time.Time) {
	next := v.Time.Add(time.Microsecond)
	if v.Kind == Day {
		next = v.Time.AddDate(0, 0, 1)
	}
	switch e.Op {
	case Less:
		return time.Time{}, v.Time
	case LessOrEqual:
		return time.Time{}, next
	case Greater:
		return next, time.Time{}
	case GreaterOrEqual:
		return v.Time, time.Time{}
	}
	return v.Time, next
}

// timeLayouts are the forms that Qdrant reads in a payload, in upper case.
var timeLayouts = []string{
	"2006-1-2T15:4:5Z07:00", "2006-1-2 15:4:5Z07:00", "2006-1-2T15:4:5Z0700", "2006-1-2 15:4:5Z0700",
	"2006-1-2T15:4:5Z07", "2006-1-2 15:4:5Z07", "2006-1-2T15:4:5", "2006-1-2 15:4:5", "2006-1-2T15:4", "2006-1-2 15:4", "2006-1-2",
}

// readTime reads a string of metadata as the server does: whole microseconds,
// UTC where no offset is given, years of fewer than four digits.
func readTime(s string) (time.Time, bool) {
	s = strings.TrimLeft(strings.ToUpper(s), " ")
	if year, rest, ok := strings.Cut(s, "-"); ok && len(year) > 0 && len(year) < 4 {
		s = strings.Repeat("0", 4-len(year)) + year + "-" + rest
	}
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC().Truncate(time.Microsecond), true
		}
	}
	return time.Time{}, false
}
