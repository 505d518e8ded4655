package ingest

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/bmatcuk/doublestar/v4"
)

// pattern names files of a tree as a line of a .gitignore file does. What git
// takes for a pattern that matches nothing is an error here.
type pattern struct {
	text    string // as it was written
	where   string // "docs/.ragloopignore:3"; empty: a glob that somebody gave
	glob    string // in the syntax of doublestar
	negated bool   // what it matches is taken back in
	dirOnly bool
	inPath  bool // compared with the whole path, not with its last element
}

func (p pattern) String() string {
	if p.where == "" {
		return p.text
	}
	return p.where + ": " + p.text
}

// match reports whether p names the file or directory at name, a path below
// that of the pattern.
func (p pattern) match(name string, dir bool) bool {
	if p.dirOnly && !dir {
		return false
	}
	if !p.inPath {
		name = path.Base(name)
	}
	return doublestar.MatchUnvalidated(p.glob, name)
}

// lastMatch returns the pattern that decides about name: the last that matches.
func lastMatch(patterns []pattern, name string, dir bool) (pattern, bool) {
	for i := len(patterns) - 1; i >= 0; i-- {
		if patterns[i].match(name, dir) {
			return patterns[i], true
		}
	}
	return pattern{}, false
}

// parseLine reads a line of an ignore file; ok is false where it holds no
// pattern.
func parseLine(line string) (p pattern, ok bool, err error) {
	if strings.HasPrefix(line, "#") {
		return pattern{}, false, nil
	}
	line = trimSpaces(line)
	if line == "" {
		return pattern{}, false, nil
	}
	rest, negated := strings.CutPrefix(line, "!")
	p, err = parsePattern(rest)
	p.text, p.negated = line, negated
	return p, err == nil, err
}

// trimSpaces removes spaces from the end, as far as none is escaped.
func trimSpaces(line string) string {
	end := 0
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case ' ':
			continue
		case '\\':
			i++
		}
		end = min(i+1, len(line))
	}
	return line[:end]
}

// parseGlob reads a pattern that was given by a flag or a setting, which may be
// one of a list such as "*.tmp, *.bak".
func parseGlob(s string) (pattern, error) {
	s = trimSpaces(strings.TrimLeft(s, " "))
	switch {
	case strings.HasPrefix(s, "!"):
		return pattern{}, fmt.Errorf(`glob %q: "!" takes nothing back in here; write "\!" for a name that begins with it`, s)
	case strings.Contains(strings.ReplaceAll(s, `\{`, ""), "{"):
		return pattern{}, fmt.Errorf(`glob %q: braces list no alternatives; give one glob for each, or write "\{" for a name that has one`, s)
	}
	p, err := parsePattern(s)
	if err != nil {
		return pattern{}, fmt.Errorf("glob %q: %w", s, err)
	}
	p.text = s
	return p, nil
}

// parsePattern reads a pattern without its "!".
func parsePattern(s string) (p pattern, err error) {
	s, p.dirOnly = strings.CutSuffix(s, "/")
	p.inPath = strings.Contains(s, "/")
	s = strings.TrimPrefix(s, "/")
	if s == "" {
		return pattern{}, errors.New("it names nothing")
	}
	p.glob, err = translate(s, p.inPath)
	return p, err
}

// translate rewrites a pattern of git's into one of doublestar's, which differ
// in braces, in what ** means at an end, and in all of […].
func translate(s string, inPath bool) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); {
		switch c := s[i]; c {
		case '\\':
			if i+1 == len(s) {
				return "", errors.New(`it ends with a "\" that escapes nothing`)
			}
			_, size := utf8.DecodeRuneInString(s[i+1:])
			if s[i+1] != '/' {
				b.WriteByte('\\')
			}
			b.WriteString(s[i+1 : i+1+size])
			i += 1 + size
		case '{', '}':
			b.WriteByte('\\')
			b.WriteByte(c)
			i++
		case '*':
			from := i
			for i < len(s) && s[i] == '*' {
				i++
			}
			whole := inPath && i-from > 1 && (from == 0 || s[from-1] == '/')
			switch {
			case whole && i == len(s):
				b.WriteString("**/*") // what lies below, not the directory itself
			case whole && s[i] == '/':
				b.WriteString("**")
			default:
				b.WriteByte('*')
			}
		case '[':
			size, err := class(&b, s[i:])
			if err != nil {
				return "", err
			}
			i += size
		default:
			b.WriteByte(c)
			i++
		}
	}
	return b.String(), nil
}

// classes are the named character classes of POSIX, as ranges of ASCII.
var classes = map[string]string{
	"alnum": "09AZaz", "alpha": "AZaz", "blank": "  \t\t", "cntrl": "\x00\x1f\x7f\x7f", "digit": "09",
	"graph": "!~", "lower": "az", "print": " ~", "punct": "!/:@[`{~", "space": "  \t\r", "upper": "AZ", "xdigit": "09AFaf",
}

// class writes the expression in brackets that s begins with and returns its
// length. No such expression matches a slash.
func class(b *strings.Builder, s string) (size int, err error) {
	unclosed := errors.New(`a "[" is never closed`)
	b.WriteByte('[')
	i := 1
	if i < len(s) && (s[i] == '!' || s[i] == '^') {
		b.WriteString(`^/`)
		i++
	}
	next := func() (rune, error) {
		if i < len(s) && s[i] == '\\' {
			i++
		}
		if i == len(s) {
			return 0, unclosed
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		i += size
		return r, nil
	}
	for first := true; ; first = false {
		switch {
		case i == len(s):
			return 0, unclosed
		case s[i] == ']' && !first:
			b.WriteByte(']')
			return i + 1, nil
		case strings.HasPrefix(s[i:], "[:"):
			name, _, ok := strings.Cut(s[i+2:], ":]")
			ranges, known := classes[name]
			if !ok || !known {
				return 0, fmt.Errorf("%q begins no class of characters", s[i:])
			}
			for j := 0; j < len(ranges); j += 2 {
				writeRange(b, rune(ranges[j]), rune(ranges[j+1]))
			}
			i += len("[:") + len(name) + len(":]")
			continue
		}
		lo, err := next()
		if err != nil {
			return 0, err
		}
		hi := lo
		if i+1 < len(s) && s[i] == '-' && s[i+1] != ']' {
			i++
			if hi, err = next(); err != nil {
				return 0, err
			}
		}
		if lo > hi {
			return 0, fmt.Errorf("the range %c-%c is empty", lo, hi)
		}
		if lo == '/' && hi == '/' {
			return 0, errors.New(`a "/" in brackets matches nothing`)
		}
		writeRange(b, lo, hi)
	}
}

// writeRange writes lo to hi without the slash.
func writeRange(b *strings.Builder, lo, hi rune) {
	if lo <= '/' && '/' <= hi {
		if lo < '/' {
			writeRange(b, lo, '/'-1)
		}
		if '/' < hi {
			writeRange(b, '/'+1, hi)
		}
		return
	}
	b.WriteByte('\\')
	b.WriteRune(lo)
	if lo < hi {
		b.WriteString(`-\`)
		b.WriteRune(hi)
	}
}
