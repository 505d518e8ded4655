// Package filter is the language in which a search says which documents it
// wants:
//
//	tags=policy AND (year>=2024 OR NOT EXISTS year)
//	modified>=2026-01-01 AND team IN (legal, "human resources")
//
// [Parse] reads it, [Expr.String] prints it, [Expr.Match] evaluates it for one
// document. What a server evaluates is made of it by package index; the wire has
// a message of the same shape.
//
// # Fields
//
// tags, acl, doc (the id), media_type and modified are built in; any other name
// is a key of the document's metadata. meta.NAME is always metadata, and
// meta."NAME" is a key with other characters than letters, digits, '_', '-' and
// '.'; quotation marks and backslashes are no part of any.
//
// # Values
//
// Strings stand in quotation marks, or bare where nothing in them means
// something else. Bare true and false are truth values, 3 and -0.5 numbers,
// 2026-05-31 is a day and 2026-05-31T12:00:00Z a time. A field that can only be a
// string takes every bare value as one: tags=2024.
//
// # Meaning
//
// A condition on a field that the document lacks does not hold, nor does one on
// a value of another type: year>2000 passes neither a document without year nor
// one whose year is a string. A list satisfies a condition where one of its
// elements does. a!=b is NOT a=b, so it holds where a is missing; to ask for more,
// say EXISTS a AND a!=b. EXISTS does not hold for an empty list.
//
// Numbers are compared as 64-bit floating point, integers among them; times to
// the microsecond. A day is the interval from its midnight in UTC to the next:
// = means in it, < before it, <= before its end. A string of metadata that
// reads as a date or time (2026-05-31, 2026-05-31 12:00, RFC 3339) is compared
// like one, as the server does it.
package filter

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits of an expression. They bound the work that one request can ask for.
const (
	MaxBytes      = 16 << 10 // of its text
	MaxDepth      = 32
	MaxConditions = 256
	MaxValues     = 1000 // of all conditions together
	maxTextBytes  = 4096 // of a value or a name
)

// ErrInvalid: no expression of this language; the error says why.
var ErrInvalid = errors.New("invalid filter")

// Problem returns what an error of Check says, without the text of ErrInvalid in
// front.
func Problem(err error) string { return strings.TrimPrefix(err.Error(), ErrInvalid.Error()+": ") }

// Op joins expressions or compares a field.
type Op string

const (
	And Op = "AND" // two or more of Of
	Or  Op = "OR"  // two or more of Of
	Not Op = "NOT" // one of Of

	Equal          Op = "="
	NotEqual       Op = "!="
	Less           Op = "<"
	LessOrEqual    Op = "<="
	Greater        Op = ">"
	GreaterOrEqual Op = ">="
	In             Op = "IN"     // one value or more
	Exists         Op = "EXISTS" // no value
)

// Joins reports whether op joins expressions.
func (op Op) Joins() bool { return op == And || op == Or || op == Not }

func (op Op) ordered() bool {
	return op == Less || op == LessOrEqual || op == Greater || op == GreaterOrEqual
}

// Field names what is compared.
type Field struct {
	Name string
	Meta bool // a key of metadata; otherwise one of the built-in fields
}

// The built-in fields.
var (
	Tags      = Field{Name: "tags"}
	ACL       = Field{Name: "acl"}
	Doc       = Field{Name: "doc"}
	MediaType = Field{Name: "media_type"}
	Modified  = Field{Name: "modified"}
)

// MetaField returns the field of a key of metadata.
func MetaField(key string) Field { return Field{Name: key, Meta: true} }

// builtins are the names in the order messages list them.
var builtins = []string{Tags.Name, ACL.Name, Doc.Name, MediaType.Name, Modified.Name}

// text reports whether f can only be a string.
func (f Field) text() bool { return !f.Meta && f != Modified }

// Kind is the type of a value.
type Kind string

const (
	Text   Kind = "string"
	Number Kind = "number"
	Bool   Kind = "truth value"
	Time   Kind = "time"
	Day    Kind = "date"
)

// Value is what a field is compared with. Kind says which of the other fields
// holds it; the rest are zero.
type Value struct {
	Kind   Kind
	Text   string
	Number float64 // finite
	Bool   bool
	Time   time.Time // UTC, whole microseconds; with Day its midnight
}

// Expr is an expression. The zero value is none: it lets everything pass.
type Expr struct {
	Op     Op
	Of     []Expr  // with And, Or and Not
	Field  Field   // otherwise
	Values []Value // otherwise
}

// IsZero reports whether e is no expression.
func (e Expr) IsZero() bool { return e.Op == "" }

// Check returns nil for an expression, or for none, that is within the limits
// and compares each field as it can be compared; otherwise an error that wraps
// ErrInvalid.
func (e Expr) Check() error {
	if e.IsZero() {
		return nil
	}
	var conditions, values int
	return e.check(1, &conditions, &values)
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}

func (e Expr) check(depth int, conditions, values *int) error {
	if depth > MaxDepth {
		return invalid("it is more than %d deep", MaxDepth)
	}
	if !e.Op.Joins() {
		*conditions++
		if *conditions > MaxConditions {
			return invalid("it has more than %d conditions", MaxConditions)
		}
		if *values += len(e.Values); *values > MaxValues {
			return invalid("it has more than %d values", MaxValues)
		}
		return e.CheckCondition()
	}
	if e.Op == Not && len(e.Of) != 1 || e.Op != Not && len(e.Of) < 2 {
		return invalid("%s of %d expressions", e.Op, len(e.Of))
	}
	for _, part := range e.Of {
		if err := part.check(depth+1, conditions, values); err != nil {
			return err
		}
	}
	return nil
}

// CheckCondition is Check of an expression that compares a field.
func (e Expr) CheckCondition() error {
	if err := e.Field.Check(); err != nil {
		return err
	}
	switch {
	case e.Op == Exists:
		if len(e.Values) != 0 {
			return invalid("EXISTS takes no value")
		}
	case e.Op == In:
		if len(e.Values) == 0 {
			return invalid("%s IN () names no value", e.Field)
		}
	case e.Op == Equal, e.Op == NotEqual, e.Op.ordered():
		if len(e.Values) != 1 {
			return invalid("%s compares one value, got %d", e.Op, len(e.Values))
		}
	default:
		return invalid("operator %q, allowed are =, !=, <, <=, >, >=, IN and EXISTS", string(e.Op))
	}
	for _, v := range e.Values {
		if problem := e.problem(v); problem != "" {
			return invalid("%s", problem)
		}
	}
	return nil
}

// Check returns nil where f can be named; otherwise an error that wraps
// ErrInvalid and says what is allowed. A key with quotation marks or backslashes
// may be stored, but Qdrant (1.19) has no path to it, escaped or not.
func (f Field) Check() error {
	switch {
	case f.Meta && (f.Name == "" || len(f.Name) > maxTextBytes || !utf8.ValidString(f.Name) || strings.ContainsAny(f.Name, `"\`)):
		return invalid("metadata key %.80q, allowed are 1 to %d bytes of UTF-8 without quotation marks and backslashes", f.Name, maxTextBytes)
	case f.Meta:
		return nil
	}
	for _, b := range builtins {
		if f.Name == b {
			return nil
		}
	}
	return invalid("field %.80q, allowed are %s and metadata", f.Name, strings.Join(builtins, ", "))
}

// problem says why e cannot compare with v; "" where it can.
func (e Expr) problem(v Value) string {
	switch v.Kind {
	case Text:
		if len(v.Text) > maxTextBytes || !utf8.ValidString(v.Text) {
			return fmt.Sprintf("a string of %d bytes, allowed are %d of UTF-8", len(v.Text), maxTextBytes)
		}
	case Number:
		if math.IsNaN(v.Number) || math.IsInf(v.Number, 0) {
			return fmt.Sprintf("the number %v, allowed are finite ones", v.Number)
		}
	case Time, Day:
		if y := v.Time.UTC().Year(); y < 1 || y > 9998 {
			return fmt.Sprintf("the year %d, allowed are 1 to 9998", y)
		}
		if !v.Time.Equal(v.Time.Truncate(time.Microsecond)) {
			return "a time with parts of a microsecond, allowed are 6 decimals of a second"
		}
		if v.Kind == Day && !v.Time.Equal(v.Time.UTC().Truncate(24*time.Hour)) {
			return "a date that is not the midnight of a day"
		}
	case Bool:
	default:
		return fmt.Sprintf("a value of kind %q", string(v.Kind))
	}
	switch {
	case e.Field.text() && e.Op.ordered():
		return fmt.Sprintf("%s is a string and has no order, allowed are =, !=, IN and EXISTS", e.Field)
	case e.Field.text() && (v.Kind != Text || v.Text == ""):
		return fmt.Sprintf("%s is compared with a %s, allowed are strings that are not empty", e.Field, v.Kind)
	case e.Field == Modified && v.Kind != Time && v.Kind != Day:
		return fmt.Sprintf("%s is compared with a %s, allowed are dates and times such as 2026-05-31 or 2026-05-31T12:00:00Z, without quotation marks", e.Field, v.Kind)
	case e.Op.ordered() && (v.Kind == Text || v.Kind == Bool):
		return fmt.Sprintf("%s compares with a %s, allowed are numbers, dates and times, without quotation marks", e.Op, v.Kind)
	}
	return ""
}

// Keys returns the keys of metadata that e names, each once, in the order of e.
func (e Expr) Keys() []string {
	var keys []string
	seen := map[string]bool{}
	e.each(func(c Expr) {
		if c.Field.Meta && !seen[c.Field.Name] {
			seen[c.Field.Name] = true
			keys = append(keys, c.Field.Name)
		}
	})
	return keys
}

// each calls f with every condition of e.
func (e Expr) each(f func(Expr)) {
	if !e.IsZero() && !e.Op.Joins() {
		f(e)
	}
	for _, part := range e.Of {
		part.each(f)
	}
}
