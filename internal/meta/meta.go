// Package meta holds metadata of documents: named values of a few types, as a
// document says them about itself or as a source says them about a document.
// It does not read them from files and does not store them.
//
// A [Value] is a string, an integer, a floating-point number, a truth value, a
// point in time or a list of strings. [Fields] are values by key. [Check] says
// what can be stored under meta.* beside a chunk and be named by a filter.
package meta

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Limits of [Fields]. Metadata is stored beside every chunk.
const (
	MaxFields      = 128
	MaxKeyBytes    = 128
	MaxStringBytes = 4096     // of a string, and of each string of a list
	MaxStrings     = 256      // in a list
	MaxBytes       = 32 << 10 // of all keys and strings together
)

// ErrInvalid: a key or a value that cannot be kept; the error names it.
var ErrInvalid = errors.New("invalid metadata")

// Kind is the type of a value.
type Kind string

const (
	String  Kind = "string"
	Integer Kind = "integer"
	Float   Kind = "float"
	Bool    Kind = "bool"
	Time    Kind = "time"
	Strings Kind = "strings"
)

// Value is one value. Kind says which of the other fields holds it; the rest
// are zero. The zero Value is no value.
type Value struct {
	Kind    Kind
	String  string
	Integer int64
	Float   float64 // finite
	Bool    bool
	Time    time.Time // UTC; a date alone is its midnight
	Strings []string
}

// OfString returns a value of kind String.
func OfString(s string) Value { return Value{Kind: String, String: s} }

// OfInteger returns a value of kind Integer.
func OfInteger(n int64) Value { return Value{Kind: Integer, Integer: n} }

// OfFloat returns a value of kind Float.
func OfFloat(f float64) Value { return Value{Kind: Float, Float: f} }

// OfBool returns a value of kind Bool.
func OfBool(b bool) Value { return Value{Kind: Bool, Bool: b} }

// OfTime returns a value of kind Time, in UTC and cut to microseconds.
func OfTime(t time.Time) Value { return Value{Kind: Time, Time: t.UTC().Truncate(time.Microsecond)} }

// OfStrings returns a value of kind Strings. It keeps list.
func OfStrings(list []string) Value { return Value{Kind: Strings, Strings: list} }

// Text returns v as people read it: numbers in decimal, a time in RFC 3339,
// the strings of a list separated by commas. It is "" for no value.
func (v Value) Text() string {
	switch v.Kind {
	case String:
		return v.String
	case Integer:
		return strconv.FormatInt(v.Integer, 10)
	case Float:
		return strconv.FormatFloat(v.Float, 'g', -1, 64)
	case Bool:
		return strconv.FormatBool(v.Bool)
	case Time:
		return v.Time.Format(time.RFC3339Nano)
	case Strings:
		return strings.Join(v.Strings, ", ")
	}
	return ""
}

// Size returns the bytes of the strings of v.
func (v Value) Size() int {
	n := len(v.String)
	for _, s := range v.Strings {
		n += len(s)
	}
	return n
}

// Fields are values by key. A nil map has none.
type Fields map[string]Value

// Keys returns the keys in ascending order.
func (f Fields) Keys() []string { return slices.Sorted(maps.Keys(f)) }

// reserved are the names of what is stored about every chunk and document.
var reserved = map[string]bool{
	"tenant": true, "doc": true, "rev": true, "ord": true, "start": true, "end": true, "text": true, "gap": true,
	"heading": true, "page_start": true, "page_end": true, "tokens": true, "tags": true, "meta": true, "acl": true,
	"uri": true, "media_type": true, "title": true, "content_sha256": true, "input_sha256": true, "chunk_count": true,
	"bytes": true, "pages": true, "ingested_at": true, "state": true, "error": true,
}

// Reserved returns the names that no key may have, in ascending order.
func Reserved() []string { return slices.Sorted(maps.Keys(reserved)) }

// IsReserved reports whether no key may have this name, in upper or lower case.
func IsReserved(name string) bool { return reserved[strings.ToLower(name)] }

// CheckKey returns nil where key can name a field: 1 to MaxKeyBytes bytes of
// UTF-8 without quotation marks, backslashes and control characters, not blank at its
// ends, and no reserved name. Otherwise the error wraps ErrInvalid. Qdrant has no path
// to a key with one of the first two, so no filter could name it.
func CheckKey(key string) error {
	switch {
	case IsReserved(key):
		return fmt.Errorf("%w: key %q is a reserved name; reserved are %s", ErrInvalid, key, strings.Join(Reserved(), ", "))
	case key == "" || len(key) > MaxKeyBytes:
		return fmt.Errorf("%w: a key of %d bytes, allowed are 1 to %d", ErrInvalid, len(key), MaxKeyBytes)
	case !utf8.ValidString(key) || strings.ContainsAny(key, `"\\`) || strings.ContainsFunc(key, unicode.IsControl) || strings.TrimSpace(key) != key:
		return fmt.Errorf("%w: key %q, allowed is any UTF-8 text without quotation marks, backslashes, control characters and white space around it", ErrInvalid, key)
	}
	return nil
}

// CheckValue returns nil where v can be stored: it has a kind, its strings are
// UTF-8 within the limits, its number is finite. Otherwise the error wraps
// ErrInvalid.
func CheckValue(v Value) error {
	switch v.Kind {
	case String:
		return checkString(v.String)
	case Integer, Bool:
		return nil
	case Float:
		if math.IsNaN(v.Float) || math.IsInf(v.Float, 0) {
			return fmt.Errorf("%w: the number %v, allowed are finite numbers", ErrInvalid, v.Float)
		}
		return nil
	case Time:
		if y := v.Time.UTC().Year(); y < 1 || y > 9999 {
			return fmt.Errorf("%w: a time in the year %d, allowed are 1 to 9999", ErrInvalid, y)
		}
		return nil
	case Strings:
		if len(v.Strings) > MaxStrings {
			return fmt.Errorf("%w: a list of %d strings, the limit is %d", ErrInvalid, len(v.Strings), MaxStrings)
		}
		for _, s := range v.Strings {
			if err := checkString(s); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("%w: a value of kind %q, allowed are %s, %s, %s, %s, %s and %s",
		ErrInvalid, v.Kind, String, Integer, Float, Bool, Time, Strings)
}

func checkString(s string) error {
	if len(s) > MaxStringBytes {
		return fmt.Errorf("%w: a string of %d bytes, the limit is %d", ErrInvalid, len(s), MaxStringBytes)
	}
	if !utf8.ValidString(s) {
		return fmt.Errorf("%w: the string %q is not valid UTF-8", ErrInvalid, s)
	}
	return nil
}

// Check returns nil where all of f can be stored; otherwise an error that wraps
// ErrInvalid and names the first key, in ascending order, that cannot.
func Check(f Fields) error {
	if len(f) > MaxFields {
		return fmt.Errorf("%w: %d fields, the limit is %d", ErrInvalid, len(f), MaxFields)
	}
	size := 0
	for _, key := range f.Keys() {
		if size += len(key) + f[key].Size(); size > MaxBytes {
			return fmt.Errorf("%w: more than %d bytes up to key %q", ErrInvalid, MaxBytes, key)
		}
		if err := CheckKey(key); err != nil {
			return err
		}
		if err := CheckValue(f[key]); err != nil {
			return fmt.Errorf("check %q: %w", key, err)
		}
	}
	return nil
}
