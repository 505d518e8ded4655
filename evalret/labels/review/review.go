package review

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"

	"github.com/ragloop/ragloop/evalret/labels"
)

// Keys reads what a person answers, one key at a time; io.EOF ends the review.
type Keys interface{ Next() (rune, error) }

// Lines reads keys from lines, the first character that is not blank of each, for
// terminals and programs that send whole lines. An empty line is the key '\n'.
func Lines(r io.Reader) Keys { return &lines{bufio.NewReader(r)} }

type lines struct{ r *bufio.Reader }

func (l *lines) Next() (rune, error) {
	line, err := l.r.ReadString('\n')
	if err != nil && line == "" {
		return 0, err
	}
	for _, r := range strings.TrimSpace(line) {
		return r, nil
	}
	return '\n', nil
}

// Single reads keys from a terminal that passes each on at once. The sequence that
// an arrow or function key sends is the one key '\x1b': its letters, such as the
// P of F1, are no answers.
func Single(r io.Reader) Keys { return single{bufio.NewReader(r)} }

type single struct{ r *bufio.Reader }

func (s single) Next() (rune, error) {
	key, _, err := s.r.ReadRune()
	if key == '\x1b' {
		s.r.Discard(s.r.Buffered()) // it comes in one piece; of what is buffered nothing fails
	}
	return key, err
}

// Passage is a candidate as it is shown.
type Passage struct {
	Title         string
	Heading       []string // outermost first
	Before, After string   // the text around it
	Text          string   // its own
}

// Options of [Run].
type Options struct {
	Candidates []labels.Candidate
	Log        *Log
	Keys       Keys
	Out        io.Writer
	// Show returns what is shown of a candidate. An error says why it can't be
	// judged, as when its document changed: it is printed, and the candidate passed
	// over.
	Show func(context.Context, labels.Candidate) (Passage, error)
}

// Counts says what became of the candidates.
type Counts struct {
	Candidates int             `json:"candidates"`
	Before     int             `json:"judged_before"`
	Verdicts   map[Verdict]int `json:"verdicts"` // given now
	Skipped    int             `json:"skipped"`
	Unshown    int             `json:"not_shown"` // Show failed
	Left       int             `json:"left"`      // not come to
}

func (c Counts) String() string {
	return fmt.Sprintf("%d candidates: %d relevant, %d partly, %d not relevant, %d unsure; %d judged before, %d skipped, %d not to be shown, %d left",
		c.Candidates, c.Verdicts[Relevant], c.Verdicts[Partly], c.Verdicts[NotRelevant], c.Verdicts[Unsure], c.Before, c.Skipped, c.Unshown, c.Left)
}

const help = `[r]elevant  [p]artly  [n]ot relevant  [u]nsure  [s]kip  [z] undo  [q]uit`

var keyVerdicts = map[rune]Verdict{'r': Relevant, 'p': Partly, 'n': NotRelevant, 'u': Unsure}

const (
	interrupt   = 0x03 // Ctrl-C and Ctrl-D, where the terminal passes them on
	endOfInput  = 0x04
	skipped     = Verdict("skipped")
	unshown     = Verdict("unshown")
	judgedEarly = Verdict("before")
)

// Run asks about every candidate that has no verdict yet, in order, and keeps each
// verdict before it goes on; what is not answered can be taken up by another Run
// with the same log. It ends with the candidates, the key q, or the keys.
func Run(ctx context.Context, o Options) (Counts, error) {
	r := &runner{Options: o, became: make([]Verdict, len(o.Candidates))}
	r.sweep()
	err := r.run(ctx)
	r.sweep() // the same passage twice
	return r.counts(), err
}

type runner struct {
	Options
	became []Verdict // of each candidate; "": not come to
	done   []int     // candidates that were answered or skipped, in order
}

// sweep finds candidates that were not come to and have a verdict.
func (r *runner) sweep() {
	for i, c := range r.Candidates {
		if _, ok := r.Log.Judged(c); ok && r.became[i] == "" {
			r.became[i] = judgedEarly
		}
	}
}

func (r *runner) run(ctx context.Context) error {
	for i := 0; i < len(r.Candidates); i++ {
		if r.became[i] != "" {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		c := r.Candidates[i]
		if _, ok := r.Log.Judged(c); ok {
			continue // the same passage twice
		}
		p, err := r.Show(ctx, c)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			r.became[i] = unshown
			fmt.Fprintf(r.Out, "passed over: %s in %s: %s\n", plain(c.Query), plain(string(c.Doc)), plain(err.Error()))
			continue
		}
		r.show(i, p)
		back, quit, err := r.ask(i)
		if err != nil || quit {
			return err
		}
		if back >= 0 {
			i = back - 1
		}
	}
	return nil
}

// ask reads keys until one decides about candidate i. back is the candidate to go
// back to, -1 for none.
func (r *runner) ask(i int) (back int, quit bool, err error) {
	c := r.Candidates[i]
	for {
		fmt.Fprintf(r.Out, "%s > ", help)
		key, err := r.Keys.Next()
		fmt.Fprintln(r.Out)
		if errors.Is(err, io.EOF) {
			return -1, true, nil
		}
		if err != nil {
			return -1, false, fmt.Errorf("read the answer: %w", err)
		}
		key = unicode.ToLower(key)
		if v, ok := keyVerdicts[key]; ok {
			if err := r.Log.Add(Judgement{c, v}); err != nil {
				return -1, false, err
			}
			r.became[i] = v
			r.done = append(r.done, i)
			return -1, false, nil
		}
		switch key {
		case 's':
			r.became[i] = skipped
			r.done = append(r.done, i)
			return -1, false, nil
		case 'q', interrupt, endOfInput:
			return -1, true, nil
		case 'z':
			if len(r.done) == 0 {
				fmt.Fprintln(r.Out, "there is nothing to undo")
				continue
			}
			back := r.done[len(r.done)-1]
			r.done = r.done[:len(r.done)-1]
			if r.became[back] != skipped {
				if err := r.Log.Undo(r.Candidates[back]); err != nil {
					return -1, false, err
				}
			}
			r.became[back] = ""
			return back, false, nil
		case '\n', '\r', '?':
		default:
			fmt.Fprintf(r.Out, "%s is none of the keys\n", strconv.QuoteRune(key))
		}
	}
}

func (r *runner) show(i int, p Passage) {
	c := r.Candidates[i]
	fmt.Fprintf(r.Out, "\n--- %d of %d: %s\nQUERY    %s\n", i+1, len(r.Candidates), plain(c.Query), plain(c.Text))
	where := plain(string(c.Doc))
	if p.Title != "" {
		where += ": " + plain(p.Title)
	}
	if len(p.Heading) > 0 {
		where += " > " + plain(strings.Join(p.Heading, " > "))
	}
	fmt.Fprintf(r.Out, "DOCUMENT %s\n", where)
	if c.Reason != "" {
		fmt.Fprintf(r.Out, "REASON   %s\n", plain(c.Reason))
	}
	if p.Before != "" {
		fmt.Fprintf(r.Out, "  ... %s\n", indent(p.Before))
	}
	fmt.Fprintf(r.Out, "  >>> %s\n", indent(p.Text))
	if p.After != "" {
		fmt.Fprintf(r.Out, "  ... %s\n", indent(p.After))
	}
}

// plain makes s one line without control and format characters: what comes from
// documents and users shall not reach the terminal as commands.
func plain(s string) string { return strings.Join(strings.Fields(visible(s)), " ") }

// indent is plain for texts of several lines.
func indent(s string) string {
	var out []string
	for line := range strings.SplitSeq(strings.TrimSpace(s), "\n") {
		if line = plain(line); line != "" {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n      ")
}

func visible(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r):
			return '�'
		}
		return r
	}, s)
}

func (r *runner) counts() Counts {
	c := Counts{Candidates: len(r.Candidates), Verdicts: map[Verdict]int{}}
	for _, v := range r.became {
		switch v {
		case "":
			c.Left++
		case skipped:
			c.Skipped++
		case unshown:
			c.Unshown++
		case judgedEarly:
			c.Before++
		default:
			c.Verdicts[v]++
		}
	}
	return c
}
