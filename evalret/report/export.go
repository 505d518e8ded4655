package report

import (
	"encoding/csv"
	"encoding/xml"
	"fmt"
	"io"
	"strconv"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/evalret/runs"
)

// CSV writes the per-query values of e: one line for each run and query, with
// a column for each metric, and three for the answers where there are any. A value that does not exist is an empty cell; why
// is in the column missing, for queries without results.
func CSV(w io.Writer, e evalret.Evaluation) error {
	c := csv.NewWriter(w)
	head := []string{"run", "id", "query", "answerable", "missing", "top_score"}
	for _, m := range e.Metrics {
		head = append(head, m.String())
	}
	if e.Groundedness != nil {
		head = append(head, "answer_outcome", "answer_support", "answer_worst_support")
	}
	c.Write(head) // errors stay with c
	for _, r := range e.Runs {
		for i, q := range r.PerQuery {
			line := []string{r.Name, q.ID, q.Query, strconv.FormatBool(!e.Queries[i].Unanswerable), q.Missing, ""}
			if q.TopScore != nil {
				line[5] = strconv.FormatFloat(*q.TopScore, 'f', -1, 64)
			}
			for _, m := range e.Metrics {
				text := ""
				if v, ok := q.Values[m.String()]; ok {
					text = csvValue(v)
				}
				line = append(line, text)
			}
			if g := e.Groundedness; g != nil {
				answer := []string{"", "", ""} // of the run that has none
				if r.Name == g.Run {
					a := g.PerQuery[i]
					answer = []string{a.Outcome, csvValue(a.Support), csvValue(a.Worst)}
				}
				line = append(line, answer...)
			}
			c.Write(line)
		}
	}
	c.Flush()
	if err := c.Error(); err != nil {
		return fmt.Errorf("write evaluation as CSV: %w", err)
	}
	return nil
}

// csvValue formats v, "" where it is no number.
func csvValue(v metric.Value) string {
	if v.State() != metric.Number {
		return ""
	}
	x, _ := v.Float()
	return strconv.FormatFloat(metric.Round(x), 'f', -1, 64)
}

type junitSuite struct {
	XMLName  xml.Name    `xml:"testsuite"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Failure *junitFailure `xml:"failure,omitempty"`
	Error   *junitFailure `xml:"error,omitempty"`
	Output  string        `xml:"system-out,omitempty"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
}

const junitClass = "ragloop.gate"

// JUnit writes gates as one JUnit test suite, the form that CI systems show: a
// test case for each gate. One that could not be decided is an error, not a failure.
func JUnit(w io.Writer, suite string, gates []runs.GateResult) error {
	s := junitSuite{Name: suite, Tests: len(gates)}
	for _, g := range gates {
		c := junitCase{Class: junitClass, Name: g.Gate.String()}
		switch {
		case g.Err != nil:
			c.Error = &junitFailure{g.Err.Error()}
			s.Errors++
		case g.Passed:
			c.Output = g.Reason
		default:
			c.Failure = &junitFailure{g.Reason}
			s.Failures++
		}
		s.Cases = append(s.Cases, c)
	}
	return s.write(w)
}

// JUnitError writes the suite of an evaluation that came to no results: each of its
// gates is an error with the message of err, so that a CI system shows what it waited
// for and does not have. gates are as they were given; without any, the evaluation
// itself is the error.
func JUnitError(w io.Writer, suite string, gates []string, err error) error {
	s := junitSuite{Name: suite}
	for _, name := range gates {
		if g, err := runs.ParseGate(name); err == nil {
			name = g.String() // as JUnit names it
		}
		s.Cases = append(s.Cases, junitCase{Class: junitClass, Name: name, Error: &junitFailure{err.Error()}})
	}
	if len(gates) == 0 {
		s.Cases = []junitCase{{Class: junitClass, Name: "evaluation", Error: &junitFailure{err.Error()}}}
	}
	s.Tests, s.Errors = len(s.Cases), len(s.Cases)
	return s.write(w)
}

func (s junitSuite) write(w io.Writer) error {
	body, err := xml.MarshalIndent(s, "", "  ")
	if err == nil {
		_, err = fmt.Fprintf(w, "%s%s\n", xml.Header, body)
	}
	if err != nil {
		return fmt.Errorf("write gates as JUnit: %w", err)
	}
	return nil
}
