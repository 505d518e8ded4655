package labels

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/ragloop/ragloop/internal/filter"
	"github.com/ragloop/ragloop/internal/strictjson"
	"github.com/ragloop/ragloop/internal/text"
)

// MaxLineBytes is the longest line that the readers of this package accept.
const MaxLineBytes = 16 << 20

// ReadFile reads a query set from a JSON Lines file.
func ReadFile(path string) (Set, error) {
	f, err := os.Open(path)
	if err != nil {
		return Set{}, fmt.Errorf("read query set: %w", err)
	}
	defer f.Close()
	return Read(f, path)
}

// Read reads a query set; name stands for the file in errors and becomes the
// set's name. Unknown and repeated keys, wrong types and everything that
// [Set.Validate] refuses are errors; up to 20 are reported at once, each a
// [LineError]. A set without queries is an error.
func Read(r io.Reader, name string) (Set, error) {
	s := Set{Name: name}
	var f faults
	err := eachLine(r, name, func(n int, line []byte) {
		q, fault := decode(line)
		if fault != nil {
			fault.File, fault.Line, fault.Query = name, n, q.ID
			f.add(fault)
			return
		}
		q.Line = n
		s.Queries = append(s.Queries, q)
	})
	if err == nil {
		err = f.err()
	}
	if err == nil && len(s.Queries) == 0 {
		err = &LineError{File: name, Problem: "has no queries"}
	}
	if err == nil {
		err = s.Validate()
	}
	if err != nil {
		return Set{}, fmt.Errorf("read query set: %w", err)
	}
	return s, nil
}

// Write writes s as JSON Lines: keys in the order of the package comment,
// labels that are empty left out, "answerable" always there.
func Write(w io.Writer, s Set) error {
	b := bufio.NewWriter(w)
	for _, q := range s.Queries {
		b.Write(encode(q))
	}
	if err := b.Flush(); err != nil {
		return fmt.Errorf("write query set: %w", err)
	}
	return nil
}

// eachLine calls fn with every line that is not blank and its number from 1,
// without its line end. A byte order mark at the start is skipped.
func eachLine(r io.Reader, name string, fn func(n int, line []byte)) error {
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 64<<10), MaxLineBytes)
	n := 0
	for sc.Scan() {
		n++
		line := sc.Bytes()
		if n == 1 {
			line = bytes.TrimPrefix(line, []byte("\ufeff"))
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		fn(n, line)
	}
	if err := sc.Err(); errors.Is(err, bufio.ErrTooLong) {
		return &LineError{File: name, Line: n + 1, Problem: fmt.Sprintf("line is longer than %d bytes", MaxLineBytes)}
	} else if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// decode reads one line. The query holds what was read up to the fault.
func decode(line []byte) (Query, *LineError) {
	var q Query
	if !utf8.Valid(line) {
		return q, &LineError{Problem: "is not valid UTF-8"}
	}
	fault := object(line, "", []string{"id", "query", "evidence", "docs", "answerable", "answer", "tags", "filter"}, []string{"id", "query"},
		func(key string, raw json.RawMessage) *LineError {
			switch key {
			case "id":
				return value(raw, key, "a string", &q.ID)
			case "query":
				return value(raw, key, "a string", &q.Text)
			case "answer":
				return value(raw, key, "a string", &q.Answer)
			case "tags":
				return tags(raw, &q)
			case "filter":
				return where(raw, &q)
			case "answerable":
				answerable := true
				fault := value(raw, key, "true or false", &answerable)
				q.Unanswerable = !answerable
				return fault
			case "docs":
				return docs(raw, &q)
			default:
				return evidence(raw, &q)
			}
		})
	return q, fault
}

func tags(raw json.RawMessage, q *Query) *LineError {
	var items []json.RawMessage
	if fault := value(raw, "tags", "an array of strings", &items); fault != nil {
		return fault
	}
	for i, item := range items {
		var tag string
		if fault := value(item, fmt.Sprintf("tags[%d]", i), "a string", &tag); fault != nil {
			return fault
		}
		q.Tags = append(q.Tags, tag)
	}
	return nil
}

func where(raw json.RawMessage, q *Query) *LineError {
	var s string
	if fault := value(raw, "filter", "a string (an expression)", &s); fault != nil {
		return fault
	}
	var err error
	if q.Filter, err = filter.Parse(s); err != nil {
		problem := err.Error()
		if syntax := (*filter.SyntaxError)(nil); errors.As(err, &syntax) {
			problem = fmt.Sprintf("%s, at character %d of %s", syntax.Problem, syntax.Offset+1, strictjson.Abbreviate(raw))
		}
		return &LineError{Field: "filter", Problem: problem}
	}
	return nil
}

func docs(raw json.RawMessage, q *Query) *LineError {
	return object(raw, "docs", nil, nil, func(doc string, raw json.RawMessage) *LineError {
		var grade int
		if fault := value(raw, "docs."+doc, "a whole number (the grade)", &grade); fault != nil {
			return fault
		}
		if q.Docs == nil {
			q.Docs = map[text.DocID]int{}
		}
		q.Docs[text.DocID(doc)] = grade
		return nil
	})
}

func evidence(raw json.RawMessage, q *Query) *LineError {
	var items []json.RawMessage
	if fault := value(raw, "evidence", "an array of objects", &items); fault != nil {
		return fault
	}
	for i, item := range items {
		path := fmt.Sprintf("evidence[%d]", i)
		var e Evidence
		keys := []string{"doc", "start", "end", "quote"}
		fault := object(item, path, keys, keys[:3], func(key string, raw json.RawMessage) *LineError {
			field := path + "." + key
			switch key {
			case "doc":
				return value(raw, field, "a string", &e.Doc)
			case "quote":
				return value(raw, field, "a string", &e.Quote)
			case "start":
				return value(raw, field, "a whole number (code points)", &e.Span.Start)
			default:
				return value(raw, field, "a whole number (code points)", &e.Span.End)
			}
		})
		if fault != nil {
			return fault
		}
		q.Evidence = append(q.Evidence, e)
	}
	return nil
}

// value decodes raw into dst; null is refused, so that absent and null can't
// be confused.
func value[T any](raw json.RawMessage, field, want string, dst *T) *LineError {
	if string(raw) == "null" || json.Unmarshal(raw, dst) != nil {
		return &LineError{Field: field, Problem: fmt.Sprintf("is %s; want %s", strictjson.Abbreviate(raw), want)}
	}
	return nil
}

// object reads a JSON object and calls visit with each key and value in
// order. allowed nil lets every key pass.
func object(raw []byte, path string, allowed, required []string, visit func(key string, raw json.RawMessage) *LineError) *LineError {
	broken := func(field, problem string) *LineError { return &LineError{Field: field, Problem: problem} }
	seen := map[string]bool{}
	fault := strictjson.Object(raw, path, broken, func(key string, raw json.RawMessage) *LineError {
		if allowed != nil && !slices.Contains(allowed, key) {
			return broken(strictjson.Join(path, key), "unknown key; allowed: "+strings.Join(allowed, ", "))
		}
		seen[key] = true
		return visit(key, raw)
	})
	if fault != nil {
		return fault
	}
	for _, key := range required {
		if !seen[key] {
			return broken(path, fmt.Sprintf("key %q is missing", key))
		}
	}
	return nil
}
