package filter

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ragloop/ragloop/internal/meta"
)

const metaPrefix = "meta."

// SyntaxError says where and why a text is no expression. It wraps ErrInvalid.
type SyntaxError struct {
	Source  string
	Offset  int // in code points of Source
	Problem string
}

// Error returns the problem, and the text with a caret below the place.
func (e *SyntaxError) Error() string {
	const around = 60
	runes := []rune(strings.ToValidUTF8(e.Source, "\uFFFD"))
	from, to := max(0, e.Offset-around), min(len(runes), e.Offset+around)
	var line, pad strings.Builder
	for i, c := range runes[from:to] {
		if !unicode.IsPrint(c) {
			c = ' '
		}
		line.WriteRune(c)
		if from+i < e.Offset {
			pad.WriteByte(' ')
		}
	}
	return fmt.Sprintf("parse the filter: %s, at character %d\n  %s\n  %s^", e.Problem, e.Offset+1, line.String(), pad.String())
}

// Unwrap returns ErrInvalid.
func (e *SyntaxError) Unwrap() error { return ErrInvalid }

// Parse reads an expression; see the package comment. OR binds weakest, then
// AND, then NOT; their names, IN and EXISTS may be in lower case. An error is a
// [SyntaxError]. A blank text is one, too.
func Parse(s string) (Expr, error) {
	p := &parser{source: s}
	if len(s) > MaxBytes {
		return Expr{}, p.fail(0, "it has %d bytes, allowed are %d", len(s), MaxBytes)
	}
	if !utf8.ValidString(s) {
		return Expr{}, p.fail(0, "it is not valid UTF-8")
	}
	if err := p.next(); err != nil {
		return Expr{}, err
	}
	e, err := p.join(Or, 1)
	if err != nil {
		return Expr{}, err
	}
	if p.tok.kind != end {
		return Expr{}, p.fail(p.tok.at, "%s where the filter should end or go on with AND or OR", p.tok)
	}
	if err := e.Check(); err != nil {
		return Expr{}, p.fail(0, "%s", Problem(err))
	}
	return e, nil
}

type tokenKind uint8

const (
	end tokenKind = iota
	word
	quoted
	operator
	open
	closing
	comma
)

type token struct {
	kind tokenKind
	text string // of a quoted one what is meant
	at   int    // byte offset
}

// String names t in messages.
func (t token) String() string {
	if t.kind == end {
		return "the end"
	}
	return strconv.Quote(t.text)
}

func (t token) is(name Op) bool { return t.kind == word && strings.EqualFold(t.text, string(name)) }

func keyword(s string) bool {
	t := token{kind: word, text: s}
	return t.is(And) || t.is(Or) || t.is(Not) || t.is(In) || t.is(Exists)
}

type parser struct {
	source string
	at     int // of what follows tok
	tok    token
}

func (p *parser) fail(at int, format string, args ...any) error {
	return &SyntaxError{Source: p.source, Offset: utf8.RuneCountInString(p.source[:at]), Problem: fmt.Sprintf(format, args...)}
}

// special are the characters that end a bare word.
const special = `()=!<>,"'`

// next reads the next token.
func (p *parser) next() error {
	rest := strings.TrimLeftFunc(p.source[p.at:], unicode.IsSpace)
	p.at = len(p.source) - len(rest)
	take := func(kind tokenKind, n int) {
		p.tok = token{kind, rest[:n], p.at}
		p.at += n
	}
	if rest == "" {
		take(end, 0)
		return nil
	}
	switch rest[0] {
	case '(':
		take(open, 1)
	case ')':
		take(closing, 1)
	case ',':
		take(comma, 1)
	case '=', '!', '<', '>':
		n := 1
		if len(rest) > 1 && rest[1] == '=' {
			n = 2
		}
		take(operator, n)
		if p.tok.text == "!" {
			return p.fail(p.tok.at, `"!" alone, allowed are =, !=, <, <=, >, >=, IN and EXISTS; a whole condition is negated by NOT`)
		}
		if p.tok.text == "==" {
			p.tok.text = "="
		}
	case '"', '\'':
		return p.quoted(rest)
	default:
		n := strings.IndexFunc(rest, func(c rune) bool { return unicode.IsSpace(c) || strings.ContainsRune(special, c) })
		if n < 0 {
			n = len(rest)
		}
		take(word, n)
	}
	return nil
}

// quoted reads a string in quotation marks.
func (p *parser) quoted(rest string) error {
	var b strings.Builder
	for at := 1; at < len(rest); {
		c, size := utf8.DecodeRuneInString(rest[at:])
		switch {
		case c == rune(rest[0]):
			p.tok = token{quoted, b.String(), p.at}
			p.at += at + 1
			return nil
		case c != '\\':
			b.WriteRune(c)
			at += size
		default:
			c, _, tail, err := strconv.UnquoteChar(rest[at:], 0)
			if at+1 < len(rest) && (rest[at+1] == '"' || rest[at+1] == '\'') {
				c, tail, err = rune(rest[at+1]), rest[at+2:], nil
			} else if err == nil && strings.IndexByte(`\ntruU`, rest[at+1]) < 0 {
				err = strconv.ErrSyntax
			}
			if err != nil || c >= 0xd800 && c <= 0xdfff {
				return p.fail(p.at+at, `not an escape, allowed are \" \' \\ \n \r \t \u1234 and \U00012345`)
			}
			b.WriteRune(c)
			at = len(rest) - len(tail)
		}
	}
	return p.fail(p.at, "a string that is not closed")
}

// join reads expressions that op joins: Or of Ands of what unary reads.
func (p *parser) join(op Op, depth int) (Expr, error) {
	part := func() (Expr, error) {
		if op == Or {
			return p.join(And, depth)
		}
		return p.unary(depth)
	}
	e, err := part()
	if err != nil || !p.tok.is(op) {
		return e, err
	}
	all := []Expr{e}
	for p.tok.is(op) {
		if err := p.next(); err != nil {
			return Expr{}, err
		}
		if e, err = part(); err != nil {
			return Expr{}, err
		}
		all = append(all, e)
	}
	return Expr{Op: op, Of: all}, nil
}

func (p *parser) unary(depth int) (Expr, error) {
	at := p.tok.at
	if depth > MaxDepth {
		return Expr{}, p.fail(at, "more than %d deep", MaxDepth)
	}
	switch {
	case p.tok.is(Not):
		if err := p.next(); err != nil {
			return Expr{}, err
		}
		e, err := p.unary(depth + 1)
		return Expr{Op: Not, Of: []Expr{e}}, err
	case p.tok.kind == open:
		if err := p.next(); err != nil {
			return Expr{}, err
		}
		e, err := p.join(Or, depth+1)
		if err != nil {
			return Expr{}, err
		}
		if p.tok.kind != closing {
			return Expr{}, p.fail(p.tok.at, `%s where ")" is missing, for the one at character %d`, p.tok, utf8.RuneCountInString(p.source[:at])+1)
		}
		return e, p.next()
	}
	return p.condition()
}

func (p *parser) condition() (e Expr, err error) {
	if p.tok.is(Exists) {
		if err := p.next(); err != nil {
			return Expr{}, err
		}
		e.Field, err = p.field()
		e.Op = Exists
		return e, err
	}
	if e.Field, err = p.field(); err != nil {
		return Expr{}, err
	}
	switch {
	case p.tok.kind == operator:
		e.Op = Op(p.tok.text)
		if err := p.next(); err != nil {
			return Expr{}, err
		}
		return e, p.value(&e)
	case p.tok.is(In):
		e.Op = In
		return e, p.list(&e)
	}
	return Expr{}, p.fail(p.tok.at, "%s where %s is to be compared, allowed are =, !=, <, <=, >, >= and IN", p.tok, e.Field)
}

// field reads the name of a field.
func (p *parser) field() (Field, error) {
	tok := p.tok
	if tok.kind != word {
		return Field{}, p.fail(tok.at, "%s where a field should be named: %s or a key of metadata", tok, strings.Join(builtins, ", "))
	}
	if err := p.next(); err != nil {
		return Field{}, err
	}
	if tok.text == metaPrefix {
		key := p.tok
		if key.kind != quoted {
			return Field{}, p.fail(key.at, "%s where meta. needs a key", key)
		}
		f := MetaField(key.text)
		if err := f.Check(); err != nil {
			return Field{}, p.fail(key.at, "%s", Problem(err))
		}
		return f, p.next()
	}
	f, known := fieldOf(tok.text)
	switch {
	case !known:
		return Field{}, p.fail(tok.at, "%s cannot be compared, allowed are %s and keys of metadata", tok, strings.Join(builtins, ", "))
	case keyword(tok.text):
		return Field{}, p.fail(tok.at, "%s where a field should be named; a key of that name is meta.%s", tok, tok.text)
	}
	if err := f.Check(); err != nil {
		return Field{}, p.fail(tok.at, "%s", Problem(err))
	}
	return f, nil
}

// fieldOf returns the field that a bare word names; known is false for what is
// stored but cannot be compared.
func fieldOf(name string) (f Field, known bool) {
	if key, ok := strings.CutPrefix(name, metaPrefix); ok {
		return MetaField(key), true
	}
	for _, b := range builtins {
		if name == b {
			return Field{Name: name}, true
		}
	}
	return MetaField(name), !meta.IsReserved(name)
}

// FieldOf returns the field that a name stands for, as in an expression without
// quotation marks: a built-in field, or a key of metadata with or without "meta."
// in front.
func FieldOf(name string) (Field, error) {
	f, known := fieldOf(name)
	if !known {
		return f, invalid("field %q cannot be compared, allowed are %s and keys of metadata", name, strings.Join(builtins, ", "))
	}
	return f, f.Check()
}

// list reads the values of IN.
func (p *parser) list(e *Expr) error {
	if err := p.next(); err != nil {
		return err
	}
	if p.tok.kind != open {
		return p.fail(p.tok.at, `%s where IN needs a list, as in %s IN (a, b)`, p.tok, e.Field)
	}
	for {
		if err := p.next(); err != nil {
			return err
		}
		if err := p.value(e); err != nil {
			return err
		}
		switch p.tok.kind {
		case comma:
		case closing:
			return p.next()
		default:
			return p.fail(p.tok.at, `%s in a list, where "," or ")" should be`, p.tok)
		}
	}
}

// value reads a value that e compares with.
func (p *parser) value(e *Expr) error {
	tok := p.tok
	v := Value{Kind: Text, Text: tok.text}
	switch {
	case tok.kind != word && tok.kind != quoted:
		return p.fail(tok.at, "%s where %s needs a value", tok, e.Op)
	case tok.kind == word && !e.Field.text():
		var problem string
		if v, problem = bare(tok.text); problem != "" {
			return p.fail(tok.at, "%s", problem)
		}
	}
	if problem := e.problem(v); problem != "" {
		return p.fail(tok.at, "%s", problem)
	}
	e.Values = append(e.Values, v)
	return p.next()
}

// bare returns what a bare word means.
func bare(s string) (v Value, problem string) {
	switch {
	case s == "true" || s == "false":
		return Value{Kind: Bool, Bool: s == "true"}, ""
	case looksDated(s):
		if day, err := time.Parse(time.DateOnly, s); err == nil {
			return Value{Kind: Day, Time: day}, ""
		}
		if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
			return Value{Kind: Time, Time: t.UTC()}, ""
		}
		return v, fmt.Sprintf("%q is no date or time, allowed are 2026-05-31 and 2026-05-31T12:00:00Z", s)
	case strings.Trim(s, "0123456789+-.eE") == "" && !strings.ContainsAny(s[:1], "eE"):
		n, err := strconv.ParseFloat(s, 64)
		if errors.Is(err, strconv.ErrRange) {
			return v, fmt.Sprintf("%q is no number that 64 bits can hold", s)
		}
		if err != nil {
			break // a version or a telephone number
		}
		const exact = 1 << 53
		if !strings.ContainsAny(s, ".eE") && math.Abs(n) >= exact {
			return v, fmt.Sprintf("%q is beyond %d, up to where integers are compared exactly; store such a number as a string", s, int64(exact)-1)
		}
		if n == 0 {
			n = 0 // not -0, which would be another value
		}
		return Value{Kind: Number, Number: n}, ""
	}
	return Value{Kind: Text, Text: s}, ""
}

// looksDated reports whether s begins like a date.
func looksDated(s string) bool {
	const form = "0000-00-00"
	if len(s) < len(form) {
		return false
	}
	for i := range form {
		if form[i] == '0' && (s[i] < '0' || s[i] > '9') || form[i] == '-' && s[i] != '-' {
			return false
		}
	}
	return true
}
