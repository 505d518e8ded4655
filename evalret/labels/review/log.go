// Package review lets a person judge candidate passages, one key each, and turns
// judgements into labels.
//
// It finds no candidates and reads no index: candidates come from a file or from
// the feedback of a service, and what stands around a passage from its caller.
//
// Nouns. A [Verdict] is what somebody thinks of a candidate. A [Log] keeps
// verdicts; [Run] asks for them; [Apply] makes labels of them.
//
// # Stored layout
//
// A log is JSON Lines, only ever appended to: the candidate without its reason,
// and its verdict. Of several lines about one passage of one query the last one
// counts; "undone" takes the others back.
package review

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ragloop/ragloop/evalret/labels"
	"github.com/ragloop/ragloop/internal/text"
)

// Verdict says how a passage serves a query.
type Verdict string

// The verdicts. Unsure is one: the candidate is not asked about again.
const (
	Relevant    Verdict = "relevant"
	Partly      Verdict = "partly" // on the subject, and a part of the answer at most
	NotRelevant Verdict = "not_relevant"
	Unsure      Verdict = "unsure"

	undone Verdict = "undone"
)

// Judgement is a candidate with its verdict.
type Judgement struct {
	labels.Candidate
	Verdict Verdict
}

// passage identifies what a verdict is about.
type passage struct {
	query string
	doc   text.DocID
	span  text.RuneSpan
}

func about(c labels.Candidate) passage { return passage{c.Query, c.Doc, c.Span} }

// Log keeps judgements in a file. It is not safe for concurrent use, and one
// process at a time may have the file open.
type Log struct {
	file *os.File
	last map[passage]Judgement // undone ones are not in it
	// order is that in which passages were first judged; seen has the same.
	order []passage
	seen  map[passage]bool
	// Torn is how many bytes of an unfinished line, which was never
	// acknowledged, were cut off when the log was opened.
	Torn int
}

type logLine struct {
	Query   string     `json:"query"`
	Text    string     `json:"text"`
	Doc     text.DocID `json:"doc"`
	Start   int        `json:"start"`
	End     int        `json:"end"`
	Quote   string     `json:"quote"`
	Verdict Verdict    `json:"verdict"`
}

// OpenLog opens or makes the log at path. A damaged line is an error that names it,
// and so is an end that no unfinished line of a log has: the file is another one.
func OpenLog(path string) (*Log, error) {
	l, err := openLog(path)
	if err != nil {
		return nil, fmt.Errorf("open judgements: %w", err)
	}
	return l, nil
}

func openLog(path string) (*Log, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		f, err = os.OpenFile(path, os.O_RDWR, 0)
	} else if err == nil {
		err = syncDir(filepath.Dir(path)) // the name of a new file must last, too
	}
	if err != nil {
		return nil, err
	}
	l := &Log{file: f}
	body, err := io.ReadAll(f)
	if err == nil {
		whole := bytes.LastIndexByte(body, '\n') + 1
		l.Torn = len(body) - whole
		if err = l.read(body[:whole], path); err == nil {
			err = torn(body[whole:], path)
		}
		if err == nil {
			err = errors.Join(f.Truncate(int64(whole)), seek(f, int64(whole)))
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return l, nil
}

// torn returns an error unless end may be the beginning of a line that [Log.Add]
// did not finish. What is cut off must not be somebody's file of another kind.
func torn(end []byte, path string) error {
	begin := []byte(`{"query":"`)
	end = bytes.TrimRight(end, "\x00") // what a crash may leave of a length without its bytes
	if !bytes.HasPrefix(end, begin) && !bytes.HasPrefix(begin, end) {
		return fmt.Errorf("%s ends in a line that is no judgement", path)
	}
	if !json.Valid(end) {
		return nil
	}
	return new(Log).read(end, path)
}

func seek(f *os.File, at int64) error {
	_, err := f.Seek(at, io.SeekStart)
	return err
}

func syncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// ReadLog returns the judgements of a log that count.
func ReadLog(path string) ([]Judgement, error) {
	body, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read judgements: %w", err)
	}
	l := &Log{}
	if err := l.read(body[:bytes.LastIndexByte(body, '\n')+1], path); err != nil {
		return nil, fmt.Errorf("read judgements: %w", err)
	}
	return l.Judgements(), nil
}

func (l *Log) read(body []byte, path string) error {
	l.last, l.seen = map[passage]Judgement{}, map[passage]bool{}
	n := 0
	for line := range bytes.Lines(body) {
		n++
		var in logLine
		dec := json.NewDecoder(bytes.NewReader(line))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&in); err != nil {
			return fmt.Errorf("%s:%d is damaged: %w", path, n, err)
		}
		switch in.Verdict {
		case Relevant, Partly, NotRelevant, Unsure, undone:
		default:
			return fmt.Errorf("%s:%d: the verdict is %q, allowed are %s, %s, %s, %s and %s", path, n, in.Verdict, Relevant, Partly, NotRelevant, Unsure, undone)
		}
		span := text.RuneSpan{Start: in.Start, End: in.End}
		l.take(Judgement{labels.Candidate{Query: in.Query, Text: in.Text, Doc: in.Doc, Span: span, Quote: in.Quote}, in.Verdict})
	}
	return nil
}

func (l *Log) take(j Judgement) {
	key := about(j.Candidate)
	if j.Verdict == undone {
		delete(l.last, key)
		return
	}
	if !l.seen[key] {
		l.seen[key] = true
		l.order = append(l.order, key)
	}
	l.last[key] = j
}

// Judged returns the verdict on a candidate, false where there is none.
func (l *Log) Judged(c labels.Candidate) (Verdict, bool) {
	j, ok := l.last[about(c)]
	return j.Verdict, ok
}

// Judgements returns those that count, in the order in which their passages were
// first judged.
func (l *Log) Judgements() []Judgement {
	var all []Judgement
	for _, key := range l.order {
		if j, ok := l.last[key]; ok {
			all = append(all, j)
		}
	}
	return all
}

// Add appends a judgement and returns when it is durable.
func (l *Log) Add(j Judgement) error {
	line, err := json.Marshal(logLine{j.Query, j.Text, j.Doc, j.Span.Start, j.Span.End, j.Quote, j.Verdict})
	if err != nil {
		return fmt.Errorf("keep the judgement: %w", err) // unreachable: strings and ints always encode
	}
	if _, err := l.file.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("keep the judgement: %w", err)
	}
	if err := l.file.Sync(); err != nil {
		return fmt.Errorf("keep the judgement: %w", err)
	}
	l.take(j)
	return nil
}

// Undo takes the verdict on a candidate back.
func (l *Log) Undo(c labels.Candidate) error { return l.Add(Judgement{c, undone}) }

// Close closes the file.
func (l *Log) Close() error { return l.file.Close() }
