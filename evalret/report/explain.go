package report

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/internal/text"
)

// ExplainHTML writes x as one self-contained HTML page: where the tokens and
// the time went, every candidate with what each stage made of it, and the
// context. An empty title is "Explanation".
func ExplainHTML(w io.Writer, x evalret.Explanation, o Options) error {
	if o.Title == "" {
		o.Title = "Explanation"
	}
	v := explainPage{
		Verdict: explainVerdict(x), Command: o.Command, Query: x.Query, explanationView: *explanationOf(x, nil, -1),
	}
	v.Tiles = []tile{
		{thousands(x.Tokens), "tokens", "in the context", "of " + thousands(x.Budget) + " allowed"},
		{thousands(len(x.Segments)), "", "segments", "of " + count(documents(x.Segments), "document", "documents")},
		{thousands(len(x.Candidates)), "", "candidates", count(offered(x), "was", "were") + " offered to the packer"},
	}
	for _, s := range x.Segments {
		v.Context = append(v.Context, labelled{"[" + s.Label + "]", text.Printable(s.Title), text.Printable(string(s.Doc)), s.Span, s.Text})
	}
	return page(w, o.Title, "explain", v)
}

// explainPage is what the template of an explanation shows.
type explainPage struct {
	Verdict, Command, Query string
	Tiles                   []tile
	Context                 []labelled
	explanationView
}

// labelled is a segment with its text.
type labelled struct {
	Label, Title, Doc string
	Span              text.RuneSpan
	Text              string
}

// explanationView is an explanation laid out: for a page, the detail of a query, or
// a terminal. Names have no character that only a terminal or a browser understands:
// a span behind them would be read in another direction.
type explanationView struct {
	Read                                 *readingView // nil: the query was searched for as it is
	Rows                                 []candidateRow
	All                                  string     // how many candidates there are
	Document, Title, Neighbours, Phrases bool       // such columns, of what is added to the fused score
	Reranked                             bool       // such a column
	Mixed                                bool       // a final score, which is not the reranker's alone, decided among the reranked
	Final                                []finalRow // empty unless Mixed
	Noted                                bool       // something is to be told of a candidate beside its fate
	Beside                               []besideRow
	Parts                                []tokenPart
	Bar                                  []barPart // of the tokens
	Stages                               []stageRow
	Remarks                              []string // degraded legs and warnings
}

// readingView is what was made of the query before and beside the search.
type readingView struct {
	Searched string // "" as it was asked
	Expand   string
	Written  []string
	Phrases  []phraseRow
	Feedback []string
}

type phraseRow struct{ Text, Kind, Holders string }

type candidateRow struct {
	Rank, Score, Fused                   string
	Document, Title, Neighbours, Phrases string // what is added
	Dense, Lexical                       string
	DenseAt, LexicalAt                   string // ranks in the legs, for sorting
	Reranked                             string
	Final                                string // among the reranked
	Doc, Span                            string
	Fate, FateClass                      string
	State                                string   // "in", "dropped" or "below", for the filter
	Evidence                             bool     // holds some of the labelled evidence
	Notes                                []string // what else became of it
}

type besideRow struct{ Of, Doc, Span, Fate, FateClass string }

// tokenPart is where tokens of the context went.
type tokenPart struct{ Name, Class, Doc, Span, Tokens, Share, Made string }

type barPart struct{ X, Width, Class, Title string }

type stageRow struct{ Name, Time, Width string }

// embeddedRows is the number of candidates that the detail of a query shows,
// besides those that are in the context or hold evidence.
const embeddedRows = 12

const barWidth = 760.0

// explanationOf lays out x. The first rows candidates are shown, all if rows is
// negative, and every further one that is in the context or holds evidence.
func explanationOf(x evalret.Explanation, evidence []evalret.Evidence, rows int) *explanationView {
	v := &explanationView{All: thousands(len(x.Candidates)), Read: readingOf(x)}
	largest := 0.0
	for _, c := range x.Candidates {
		if r := c.Reranked; r != nil {
			v.Reranked, v.Mixed = true, v.Mixed || r.Final != r.Score
		}
		largest = max(largest, math.Abs(c.Score))
	}
	score := scores(largest)
	for _, c := range x.Candidates { // what shows anywhere has a column
		v.Document = v.Document || score(c.Added.Document) != score(0)
		v.Title = v.Title || score(c.Added.Title) != score(0)
		v.Neighbours = v.Neighbours || score(c.Added.Neighbours) != score(0)
		v.Phrases = v.Phrases || score(c.Added.Phrases) != score(0)
	}
	added := func(there bool, x float64) string {
		if !there {
			return ""
		}
		return score(x)
	}
	segments := map[string]evalret.ExplainedSegment{}
	for _, s := range x.Segments {
		segments[s.Label] = s
	}
	for i, c := range x.Candidates {
		holds := false
		for _, e := range evidence {
			holds = holds || e.Doc == c.Doc && c.Span.Overlap(text.RuneSpan{Start: e.Start, End: e.End}) > 0
		}
		if rows >= 0 && i >= rows && c.Segment == "" && !holds {
			continue
		}
		row := candidateRow{
			Rank: strconv.Itoa(c.Rank), Score: score(c.Score), Fused: score(c.Fused), Dense: legOf(c.Dense, 3), Lexical: legOf(c.Lexical, 2),
			Document: added(v.Document, c.Added.Document), Title: added(v.Title, c.Added.Title),
			Neighbours: added(v.Neighbours, c.Added.Neighbours), Phrases: added(v.Phrases, c.Added.Phrases),
			DenseAt: rankKey(c.Dense.Rank), LexicalAt: rankKey(c.Lexical.Rank),
			Doc: text.Printable(string(c.Doc)), Span: spanOf(c.Span), Evidence: holds, Notes: notes(c, segments[c.Segment]),
		}
		if v.Reranked {
			row.Reranked = absent
			if c.Reranked != nil {
				row.Reranked = fmt.Sprintf("%s, was #%d", decimal(c.Reranked.Score, 2), c.Reranked.Before)
			}
		}
		if v.Mixed {
			row.Final = absent
			if c.Reranked != nil {
				final := finalOf(c)
				row.Final = final.Final
				v.Final = append(v.Final, final)
			}
		}
		row.Fate, row.FateClass, row.State = fateOf(c)
		v.Noted = v.Noted || len(row.Notes) > 0
		v.Rows = append(v.Rows, row)
	}
	for _, c := range x.Beside {
		row := besideRow{Of: fmt.Sprintf("#%d", c.Rank), Doc: text.Printable(string(c.Doc)), Span: spanOf(c.Span)}
		row.Fate, row.FateClass, _ = fateOf(c)
		v.Beside = append(v.Beside, row)
	}
	v.tokens(x)
	v.stages(x)
	for _, d := range x.Degraded {
		v.Remarks = append(v.Remarks, "degraded: "+d)
	}
	v.Remarks = append(v.Remarks, x.Warnings...)
	return v
}

// readingOf returns nil for a query that was searched for as it is. What a language
// model wrote has no character that only a terminal or a browser understands.
func readingOf(x evalret.Explanation) *readingView {
	v := &readingView{Searched: text.Printable(x.Searched), Expand: x.Expand}
	for _, s := range x.Written {
		v.Written = append(v.Written, text.Printable(s))
	}
	for _, p := range x.Phrases {
		v.Phrases = append(v.Phrases, phraseRow{text.Printable(p.Text), p.Kind, count(p.Holders, "candidate", "candidates")})
	}
	for _, f := range x.Feedback {
		v.Feedback = append(v.Feedback, text.Printable(string(f.Doc))+" "+spanOf(f.Span))
	}
	if v.Searched == "" && len(v.Written)+len(v.Phrases)+len(v.Feedback) == 0 {
		return nil
	}
	return v
}

func spanOf(s text.RuneSpan) string { return fmt.Sprintf("%d–%d", s.Start, s.End) }

// scores returns how scores of a query are formatted, whose largest is given: those
// of reciprocal ranks are small.
func scores(largest float64) func(float64) string {
	decimals := 2
	switch {
	case largest < 0.1:
		decimals = 4
	case largest < 1:
		decimals = 3
	}
	return func(x float64) string { return decimal(x, decimals) }
}

// decimal formats x without a negative zero.
func decimal(x float64, decimals int) string {
	s := strconv.FormatFloat(x, 'f', decimals, 64)
	if strings.Trim(s, "-0.") == "" {
		return strings.TrimPrefix(s, "-")
	}
	return s
}

// tokens lays out where the budget went: to each segment, to what stands around
// them, and what was left.
func (v *explanationView) tokens(x evalret.Explanation) {
	all := max(x.Budget, x.Tokens, 1)
	at := 0.0
	add := func(name, class string, tokens int, p tokenPart) {
		p.Name, p.Class, p.Tokens, p.Share = name, class, thousands(tokens), share(max(tokens, 0), all)
		v.Parts = append(v.Parts, p)
		if width := barWidth * float64(tokens) / float64(all); width > 0 {
			v.Bar = append(v.Bar, barPart{px(at), px(width), class, fmt.Sprintf("%s: %s", name, count(tokens, "token", "tokens"))})
			at += width
		}
	}
	for i, s := range x.Segments {
		var made []string
		for _, r := range s.Ranks {
			made = append(made, "#"+strconv.Itoa(r))
		}
		if s.Beside > 0 {
			made = append(made, count(s.Beside, "neighbour", "neighbours"))
		}
		if s.Trimmed {
			made = append(made, "trimmed")
		}
		add("["+s.Label+"]", colour(i%(colours-1)), s.Tokens, tokenPart{Doc: text.Printable(string(s.Doc)), Span: spanOf(s.Span), Made: strings.Join(made, ", ")})
	}
	if len(x.Segments) > 0 {
		add("labels and separators", "around", x.Around(), tokenPart{})
	}
	if x.Budget > x.Tokens {
		add("not used", "unused", x.Budget-x.Tokens, tokenPart{})
	}
}

func (v *explanationView) stages(x evalret.Explanation) {
	longest := time.Duration(1)
	for _, s := range x.Stages {
		longest = max(longest, s.Elapsed)
	}
	for _, s := range x.Stages {
		v.Stages = append(v.Stages, stageRow{s.Name, fmt.Sprintf("%.2f ms", float64(s.Elapsed.Microseconds())/1000), px(max(1, 260*float64(s.Elapsed)/float64(longest)))})
	}
}

func explainVerdict(x evalret.Explanation) string {
	if len(x.Segments) == 0 {
		return fmt.Sprintf("None of %s is in the context.", count(len(x.Candidates), "candidate", "candidates"))
	}
	fill := "fill"
	if len(x.Segments) == 1 {
		fill = "fills"
	}
	return fmt.Sprintf("%s of %s %s %s of %s tokens; %s of %s were offered to the packer.",
		count(len(x.Segments), "segment", "segments"), count(documents(x.Segments), "document", "documents"), fill,
		thousands(x.Tokens), thousands(x.Budget), thousands(offered(x)), count(len(x.Candidates), "candidate", "candidates"))
}

func documents(segments []evalret.ExplainedSegment) int {
	seen := map[text.DocID]bool{}
	for _, s := range segments {
		seen[s.Doc] = true
	}
	return len(seen)
}

// offered returns how many candidates the packer was given to compete, not to stand
// beside others.
func offered(x evalret.Explanation) (n int) {
	for _, c := range x.Candidates {
		if c.Turn > 0 {
			n++
		}
	}
	return n
}
