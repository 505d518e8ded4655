package qdrantlocal

import (
	"strconv"
	"strings"
	"unicode"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// jsonPath addresses values inside a payload: "a.b", "a[].b", "a[0]", `"odd key".b`.
type jsonPath []pathStep

type pathStep struct {
	kind  stepKind
	key   string // stepKey
	index int    // stepIndex
}

type stepKind uint8

const (
	stepKey   stepKind = iota
	stepIndex          // one element of a list
	stepAll            // every element of a list
)

// payload is a point's payload. Stored payloads and the values inside them are
// never changed in place, so that they can be handed to readers.
type payload = map[string]*qdrant.Value

func parsePath(s string) (jsonPath, error) {
	bad := func() error { return status.Errorf(codes.InvalidArgument, "Invalid json path: '%s'", s) }
	var p jsonPath
	rest := s
	for first := true; first || rest != ""; first = false {
		switch {
		case first || strings.HasPrefix(rest, "."):
			if !first {
				rest = rest[1:]
			}
			key, tail, ok := cutKey(rest)
			if !ok {
				return nil, bad()
			}
			p, rest = append(p, pathStep{kind: stepKey, key: key}), tail
		case strings.HasPrefix(rest, "[]"):
			p, rest = append(p, pathStep{kind: stepAll}), rest[2:]
		case strings.HasPrefix(rest, "["):
			digits, tail, ok := strings.Cut(rest[1:], "]")
			n, err := strconv.ParseUint(digits, 10, 31)
			if !ok || err != nil {
				return nil, bad()
			}
			p, rest = append(p, pathStep{kind: stepIndex, index: int(n)}), tail
		default:
			return nil, bad()
		}
	}
	return p, nil
}

// cutKey takes a bare or quoted key off the front of s.
func cutKey(s string) (key, rest string, ok bool) {
	if strings.HasPrefix(s, `"`) {
		var b strings.Builder
		for i := 1; i < len(s); i++ {
			switch s[i] {
			case '"':
				return b.String(), s[i+1:], true
			case '\\':
				if i++; i == len(s) || (s[i] != '"' && s[i] != '\\') {
					return "", "", false
				}
			}
			b.WriteByte(s[i])
		}
		return "", "", false
	}
	end := strings.IndexFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsNumber(r) && r != '_' && r != '-'
	})
	if end < 0 {
		end = len(s)
	}
	return s[:end], s[end:], end > 0
}

func parsePaths(ss []string) ([]jsonPath, error) {
	ps := make([]jsonPath, len(ss))
	for i, s := range ss {
		p, err := parsePath(s)
		if err != nil {
			return nil, err
		}
		ps[i] = p
	}
	return ps, nil
}

// each calls f for every value the path reaches. A list is a single value
// unless the path goes into it with [] or [n].
func (p jsonPath) each(pl payload, f func(*qdrant.Value)) {
	if v, ok := pl[p[0].key]; ok {
		eachValue(v, p[1:], f)
	}
}

func eachValue(v *qdrant.Value, p jsonPath, f func(*qdrant.Value)) {
	if len(p) == 0 {
		f(v)
		return
	}
	switch p[0].kind {
	case stepKey:
		if next, ok := v.GetStructValue().GetFields()[p[0].key]; ok {
			eachValue(next, p[1:], f)
		}
	case stepIndex:
		if l := v.GetListValue().GetValues(); p[0].index < len(l) {
			eachValue(l[p[0].index], p[1:], f)
		}
	case stepAll:
		for _, e := range v.GetListValue().GetValues() {
			eachValue(e, p[1:], f)
		}
	}
}

func (p jsonPath) values(pl payload) []*qdrant.Value {
	var vs []*qdrant.Value
	p.each(pl, func(v *qdrant.Value) { vs = append(vs, v) })
	return vs
}

func (p jsonPath) String() string {
	if len(p) == 1 && p[0].isBare() {
		return p[0].key
	}
	var b strings.Builder
	for i, s := range p {
		switch s.kind {
		case stepAll:
			b.WriteString("[]")
		case stepIndex:
			b.WriteString("[" + strconv.Itoa(s.index) + "]")
		default:
			if i > 0 {
				b.WriteByte('.')
			}
			if s.isBare() {
				b.WriteString(s.key)
				continue
			}
			b.WriteString(`"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s.key) + `"`)
		}
	}
	return b.String()
}

// isBare reports whether s is a key that stands in a path as it is.
func (s pathStep) isBare() bool {
	if s.kind != stepKey {
		return false
	}
	bare, rest, ok := cutKey(s.key)
	return ok && rest == "" && bare == s.key
}
