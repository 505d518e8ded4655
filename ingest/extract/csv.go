package extract

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/ragloop/ragloop/internal/text"
)

// extractCSV keeps the source verbatim; every record is a block of kind Row,
// the first of them the header. The delimiter is comma, semicolon, tab or
// vertical bar, whichever divides the records into columns most evenly.
// A quoted field may hold line breaks.
func extractCSV(ctx context.Context, in Input) (Document, error) {
	s, warnings, err := decodeText(in)
	if err != nil {
		return Document{}, err
	}
	var marks []mark
	r := newCSVReader(s, delimiter(s))
	start, columns := 0, 0
	for {
		if len(marks)%1024 == 0 && ctx.Err() != nil {
			return Document{}, ctx.Err()
		}
		if len(marks) > MaxBlocks {
			return Document{}, tooManyBlocks()
		}
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Document{}, malformedCSV(err)
		}
		line, _ := r.FieldPos(0)
		switch {
		case len(marks) == 0:
			columns = len(record)
		case len(record) != columns && columns > 0:
			warnings = append(warnings, fmt.Sprintf("line %d: %d fields where the header has %d; further lines may differ too", line, len(record), columns))
			columns = 0 // said once
		}
		// The reader skips blank lines in front of a record; they belong to
		// the record before.
		end := int(r.InputOffset())
		blank := len(s[start:end]) - len(strings.TrimLeft(s[start:end], "\r\n"))
		marks = append(marks, mark{at: start + blank, kind: Row})
		start = end
	}
	return Document{Text: s, Blocks: tile(s, marks), Warnings: warnings}, nil
}

func newCSVReader(s string, comma rune) *csv.Reader {
	r := csv.NewReader(strings.NewReader(s))
	r.Comma = comma
	r.FieldsPerRecord = -1
	r.ReuseRecord = true
	return r
}

// malformedCSV names the line of a parse error.
func malformedCSV(err error) error {
	var pe *csv.ParseError
	if errors.As(err, &pe) {
		if errors.Is(pe.Err, csv.ErrQuote) && pe.StartLine != pe.Line {
			return fmt.Errorf("%w: line %d, column %d: %w (record starts on line %d)", ErrMalformed, pe.Line, pe.Column, pe.Err, pe.StartLine)
		}
		return fmt.Errorf("%w: line %d, column %d: %w", ErrMalformed, pe.Line, pe.Column, pe.Err)
	}
	return fmt.Errorf("%w: %w", ErrMalformed, err) // unreachable: the reader reads from memory
}

// delimiter returns the delimiter under which the largest share of the first
// records has the same number of columns, two at least; among equals the one
// with more columns, then the first of ",;\t|".
func delimiter(s string) rune {
	const sample = 200 // records
	best, bestShare, bestColumns := ',', 0.0, 0
	for _, comma := range []rune{',', ';', '\t', '|'} {
		r := newCSVReader(s, comma)
		r.LazyQuotes = true
		counts, n := map[int]int{}, 0
		for n < sample {
			record, err := r.Read()
			if err != nil {
				break
			}
			counts[len(record)]++
			n++
		}
		share, columns := 0.0, 0
		for c, k := range counts {
			if f := float64(k) / float64(n); c > 1 && (f > share || f == share && c > columns) {
				share, columns = f, c
			}
		}
		if share > bestShare || share == bestShare && columns > bestColumns {
			best, bestShare, bestColumns = comma, share, columns
		}
	}
	return best
}

// extractJSONLines keeps the source verbatim; every line that is not blank is
// one JSON value and a block of kind Row.
func extractJSONLines(ctx context.Context, in Input) (Document, error) {
	s, warnings, err := decodeText(in)
	if err != nil {
		return Document{}, err
	}
	var marks []mark
	for at, line := 0, 1; at < len(s); line++ {
		if line%1024 == 0 && ctx.Err() != nil {
			return Document{}, ctx.Err()
		}
		if len(marks) > MaxBlocks {
			return Document{}, tooManyBlocks()
		}
		end := strings.IndexByte(s[at:], '\n') + at + 1
		if end == at {
			end = len(s)
		}
		if row := s[at:end]; !text.Blank(row) {
			if err := checkJSON(row); err != nil {
				return Document{}, fmt.Errorf("%w: line %d is not a JSON value: %w", ErrMalformed, line, err)
			}
			marks = append(marks, mark{at: at, kind: Row})
		}
		at = end
	}
	return Document{Text: s, Blocks: tile(s, marks), Warnings: warnings}, nil
}

// checkJSON returns why row is not exactly one JSON value.
func checkJSON(row string) error {
	var v json.RawMessage
	return json.Unmarshal([]byte(row), &v)
}
