package filter

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// String returns e in its canonical form, of which Parse makes e again. It is
// "" for none.
func (e Expr) String() string {
	var b strings.Builder
	e.print(&b)
	return b.String()
}

func (e Expr) print(b *strings.Builder) {
	switch e.Op {
	case "":
	case And, Or:
		for i, part := range e.Of {
			if i > 0 {
				b.WriteString(" " + string(e.Op) + " ")
			}
			part.printPart(b)
		}
	case Not:
		b.WriteString("NOT ")
		for _, part := range e.Of {
			part.printPart(b)
		}
	case Exists:
		b.WriteString("EXISTS " + e.Field.String())
	case In:
		b.WriteString(e.Field.String() + " IN (")
		for i, v := range e.Values {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(v.String())
		}
		b.WriteString(")")
	default:
		b.WriteString(e.Field.String() + string(e.Op))
		for _, v := range e.Values {
			b.WriteString(v.String())
		}
	}
}

func (e Expr) printPart(b *strings.Builder) {
	if e.Op == And || e.Op == Or {
		b.WriteString("(")
		defer b.WriteString(")")
	}
	e.print(b)
}

// String returns f as an expression names it.
func (f Field) String() string {
	if !f.Meta {
		return f.Name
	}
	if !plain(f.Name) || strings.HasPrefix(f.Name, metaPrefix) {
		return metaPrefix + quote(f.Name)
	}
	if g, known := fieldOf(f.Name); known && g == f && !keyword(f.Name) {
		return f.Name
	}
	return metaPrefix + f.Name
}

// String returns v as an expression writes it.
func (v Value) String() string {
	switch v.Kind {
	case Number:
		if math.Abs(v.Number) < 1e15 {
			return strconv.FormatFloat(v.Number, 'f', -1, 64)
		}
		return strconv.FormatFloat(v.Number, 'e', -1, 64)
	case Bool:
		return strconv.FormatBool(v.Bool)
	case Time:
		return v.Time.UTC().Format(time.RFC3339Nano)
	case Day:
		return v.Time.UTC().Format(time.DateOnly)
	}
	if plain(v.Text) && v.Text != "true" && v.Text != "false" {
		return v.Text
	}
	return quote(v.Text)
}

// plain reports whether s can stand bare and nothing else can be meant by it.
func plain(s string) bool {
	for i, c := range s {
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c != '-' && c != '.' && !(c >= '0' && c <= '9')) {
			return false
		}
	}
	return s != ""
}

// quote writes s between quotation marks; unquote reads it.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\t':
			b.WriteString(`\t`)
		case c == '\r':
			b.WriteString(`\r`)
		case c < ' ' || c == utf8.RuneError || !strconv.IsPrint(c):
			if c > 0xffff {
				b.WriteString(`\U` + hex(c, 8))
			} else {
				b.WriteString(`\u` + hex(c, 4))
			}
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func hex(c rune, width int) string {
	s := strconv.FormatInt(int64(c), 16)
	return strings.Repeat("0", width-len(s)) + s
}
