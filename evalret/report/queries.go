package report

import (
	"bytes"
	"fmt"
	"html/template"
	"slices"
	"strconv"
	"strings"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/internal/text"
)

// queryRow is a query in the table and what opens below it.
type queryRow struct {
	Number       int // in the file, from 1
	ID, Text     string
	Tags         []string
	State        string // "hit", "miss", "na" or "none" (unanswerable), for the filter
	Unanswerable bool
	Cells        []queryCell
	Tokens       queryCell
	Detail       template.HTML // made by the template "detail"; "": nothing to open
}

// queryCell is a value; Sort is what it is sorted by where that is not Value.
type queryCell struct{ Value, Sort, Class string }

// detail is everything that is shown of one query.
type detail struct {
	Missing  string
	Answer   string
	Evidence []shownEvidence
	Packed   string // "987 of 1,024 tokens"
	Segments []shownSegment
	Outline  []outlineDoc // segments without their text
	Docs     []rankedDoc
	Answered *answerView
	Why      *explanationView
}

// outlineDoc is the spans of a document in a context.
type outlineDoc struct{ Doc, Spans string }

type rankedDoc struct {
	Rank  int
	Doc   string
	Grade string
}

// A page has to open quickly, however many queries there are. The table itself
// is always complete; what opens below a query takes what is left of maxBytes,
// worst first, but at least leastBytes. The first part of that is for full
// contexts and explanations, the rest for the outlines of the others.
const (
	maxBytes   = 1_900_000
	leastBytes = 400_000
	fullShare  = 0.7
)

// queries lists the queries worst first, and returns what there is to say of each.
func (v *evalView) queries(e evalret.Evaluation, o Options) []detail {
	reference, ok := e.Run(e.Reference)
	if !ok {
		return nil
	}
	budget := shownBudget(e)
	tags := map[string]bool{}
	var details []detail
	for place, i := range e.Worst() {
		q, result := e.Queries[i], reference.PerQuery[i]
		row := queryRow{
			Number: i + 1, ID: q.ID, Text: q.Text, Tags: q.Tags, Unanswerable: q.Unanswerable,
			Tokens: queryCell{Value: absent}, State: stateOf(q, result, v.Primary),
		}
		for _, t := range q.Tags {
			tags[t] = true
		}
		for _, r := range e.Runs {
			row.Cells = append(row.Cells, cellOf(r.PerQuery[i], v.Primary))
		}
		d := detail{Missing: result.Missing, Answer: q.Answer}
		for k, doc := range result.Docs {
			d.Docs = append(d.Docs, rankedDoc{k + 1, string(doc), gradeOf(q, doc)})
		}
		for _, c := range result.Contexts {
			if c.Budget != budget {
				continue
			}
			row.Tokens = queryCell{Value: thousands(c.Tokens)}
			d.Packed = thousands(c.Tokens) + " of " + thousands(c.Budget) + " tokens"
			d.Evidence = coverage(c, q.Evidence)
			for k := range min(len(result.Losses), len(d.Evidence)) {
				d.Evidence[k].Lost = lossNote(result.Losses[k])
			}
			d.Outline = outline(c)
			if place < o.Contexts && len(c.Segments) > 0 && c.Segments[0].Text != "" {
				d.Segments = segments(c, q.Evidence, pointers(e.Groundedness, i))
			}
		}
		d.Answered = answerOf(e.Groundedness, i)
		if x, ok := o.Explanations[q.ID]; ok {
			d.Why = explanationOf(x, q.Evidence, embeddedRows)
		}
		v.Queries, details = append(v.Queries, row), append(details, d)
	}
	for t := range tags {
		v.QueryTags = append(v.QueryTags, t)
	}
	slices.Sort(v.QueryTags)
	return details
}

// fill gives each query as much of its detail as the page has room for, worst
// first: all of it, then none but the outline, then nothing.
func (v *evalView) fill(details []detail) error {
	var bare bytes.Buffer
	if err := pages.ExecuteTemplate(&bare, "eval", v); err != nil {
		return fmt.Errorf("render report: %w", err)
	}
	room := max(maxBytes-bare.Len(), leastBytes)
	outlines, all := make([]template.HTML, len(details)), 0
	for i, d := range details {
		d.Segments, d.Why, d.Answered = nil, nil, nil
		html, err := detailHTML(d)
		if err != nil {
			return err
		}
		outlines[i] = html
		all += len(html)
	}
	forFull := max(int(fullShare*float64(room)), room-all)
	outlined, shown, explained := 0, 0, 0
	for i, d := range details {
		if forFull > 0 && (len(d.Segments) > 0 || d.Why != nil || d.Answered != nil) {
			html, err := detailHTML(d)
			if err != nil {
				return err
			}
			if len(html) <= forFull {
				v.Queries[i].Detail = html
				forFull, room = forFull-len(html), room-len(html)
				if len(d.Segments) > 0 {
					shown++
				}
				if d.Why != nil {
					explained++
				}
				continue
			}
			forFull = 0 // those that follow are no worse
		}
		if len(outlines[i]) > room {
			room = 0
			continue
		}
		v.Queries[i].Detail = outlines[i]
		room -= len(outlines[i])
		outlined++
	}
	var parts []string
	add := func(n int, what string) {
		if n > 0 {
			parts = append(parts, what+" for "+count(n, "query", "queries"))
		}
	}
	add(shown, "the packed context with its evidence marked")
	add(explained, "the ranking behind it")
	add(outlined, "an outline")
	if none := len(details) - countDetails(v.Queries); none > 0 {
		parts = append(parts, fmt.Sprintf("the table alone for %s, to keep this file small", count(none, "query", "queries")))
	}
	v.QueriesShown = strings.Join(parts, ", ")
	return nil
}

func countDetails(rows []queryRow) (n int) {
	for _, r := range rows {
		if r.Detail != "" {
			n++
		}
	}
	return n
}

// detailHTML renders d; the template escapes what is in it.
func detailHTML(d detail) (template.HTML, error) {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, "detail", d); err != nil {
		return "", fmt.Errorf("render report: %w", err)
	}
	return template.HTML(bytes.TrimSpace(b.Bytes())), nil
}

// outline lists the spans of a context by document, in the order of their first.
func outline(c evalret.Context) []outlineDoc {
	var out []outlineDoc
	at := map[text.DocID]int{}
	for _, s := range c.Segments {
		span := fmt.Sprintf("%d–%d", s.Start, s.End)
		if i, ok := at[s.Doc]; ok {
			out[i].Spans += ", " + span
			continue
		}
		at[s.Doc] = len(out)
		out = append(out, outlineDoc{string(s.Doc), span})
	}
	return out
}

// shownBudget is the budget whose contexts are shown.
func shownBudget(e evalret.Evaluation) int {
	if e.Primary.Unit == metric.Tokens {
		return e.Primary.At
	}
	best := 0
	for _, b := range e.Budgets {
		if best == 0 || max(b-1024, 1024-b) < max(best-1024, 1024-best) {
			best = b
		}
	}
	return best
}

// stateOf says whether the reference run fully answers q.
func stateOf(q evalret.Query, r evalret.QueryResult, primary string) string {
	if q.Unanswerable {
		return "none"
	}
	x, ok := r.Values[primary].Float()
	switch {
	case !ok:
		return "na"
	case x >= 1:
		return "hit"
	}
	return "miss"
}

func cellOf(r evalret.QueryResult, primary string) queryCell {
	v, ok := r.Values[primary]
	switch {
	case !ok || v.State() == metric.NotApplicable:
		return queryCell{absent, "2", "na"}
	case v.State() == metric.Failed:
		return queryCell{"missing", "-1", "q0"}
	}
	x, _ := v.Float()
	// Five shades: 0, up to a third, up to two thirds, below 1, 1.
	class := "q0"
	switch {
	case x >= 1:
		class = "q4"
	case x > 2./3:
		class = "q3"
	case x > 1./3:
		class = "q2"
	case x > 0:
		class = "q1"
	}
	cell := queryCell{Value: strconv.FormatFloat(x, 'f', 2, 64), Class: class}
	if exact := number(x); exact != cell.Value+"0" {
		cell.Sort = exact
	}
	return cell
}

// gradeOf returns the grade of doc for q, or "" for a document that is not
// judged.
func gradeOf(q evalret.Query, doc text.DocID) string {
	if g, ok := q.Grades[doc]; ok {
		return strconv.Itoa(g)
	}
	return ""
}
