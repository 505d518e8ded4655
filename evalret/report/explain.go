package report

import (
	"fmt"
	"io"
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
		Title: o.Title, Verdict: explainVerdict(x), Command: o.Command, Query: x.Query, explanationView: *explanationOf(x, nil, -1),
	}
	v.Tiles = []tile{
		{thousands(x.Tokens), "tokens", "in the context", "of " + thousands(x.Budget) + " allowed"},
		{thousands(len(x.Segments)), "", "segments", "of " + count(documents(x.Segments), "document", "documents")},
		{thousands(len(x.Candidates)), "", "candidates", count(offered(x), "was", "were") + " offered to the packer"},
	}
	for _, s := range x.Segments {
		v.Context = append(v.Context, labelled{"[" + s.Label + "]", s.Title, string(s.Doc), s.Span, s.Text})
	}
	return page(w, o.Title, "explain", v)
}

// explainPage is what the template of an explanation shows.
type explainPage struct {
	Title, Verdict, Command, Query string
	Tiles                          []tile
	Context                        []labelled
	explanationView
}

// labelled is a segment with its text.
type labelled struct {
	Label, Title, Doc string
	Span              text.RuneSpan
	Text              string
}

// explanationView is an explanation laid out, for its own page or for the
// detail of a query.
type explanationView struct {
	Rows                     []candidateRow
	All                      string // how many candidates there are
	Reranked, Title, Phrases bool   // such columns
	Beside                   []besideRow
	Parts                    []tokenPart
	Bar                      []barPart // of the tokens
	Stages                   []stageRow
	Remarks                  []string // degraded legs and warnings
}

type candidateRow struct {
	Rank, Score, Fused       string
	Dense, Lexical           string
	DenseAt, LexicalAt       string // ranks in the legs, for sorting
	Title, Phrases, Reranked string
	Doc, Span                string
	Fate, FateClass          string
	State                    string // "in", "dropped" or "below", for the filter
	Evidence                 bool   // holds some of the labelled evidence
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
	v := explanationView{All: thousands(len(x.Candidates))}
	for _, c := range x.Candidates {
		v.Reranked = v.Reranked || c.Reranked != nil
		v.Title = v.Title || c.Title > 0
		v.Phrases = v.Phrases || c.Phrases > 0
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
			Rank: strconv.Itoa(c.Rank), Score: number(c.Score), Fused: number(c.Fused), Dense: legOf(c.Dense), Lexical: legOf(c.Lexical),
			DenseAt: rankKey(c.Dense.Rank), LexicalAt: rankKey(c.Lexical.Rank),
			Doc: string(c.Doc), Span: fmt.Sprintf("%d–%d", c.Span.Start, c.Span.End), Evidence: holds,
		}
		if v.Title {
			row.Title = whole(c.Title)
		}
		if v.Phrases {
			row.Phrases = whole(c.Phrases)
		}
		if v.Reranked {
			row.Reranked = absent
			if c.Reranked != nil {
				row.Reranked = fmt.Sprintf("%s (was #%d)", number(c.Reranked.Score), c.Reranked.Before)
			}
		}
		row.Fate, row.FateClass, row.State = fateOf(c)
		v.Rows = append(v.Rows, row)
	}
	for _, c := range x.Beside {
		row := besideRow{Of: fmt.Sprintf("#%d", c.Rank), Doc: string(c.Doc), Span: fmt.Sprintf("%d–%d", c.Span.Start, c.Span.End)}
		row.Fate, row.FateClass, _ = fateOf(c)
		v.Beside = append(v.Beside, row)
	}
	v.tokens(x)
	v.stages(x)
	for _, d := range x.Degraded {
		v.Remarks = append(v.Remarks, "degraded: "+d)
	}
	v.Remarks = append(v.Remarks, x.Warnings...)
	return &v
}

// legOf formats a leg's score and its rank there; absent where the leg did not
// return the chunk.
func legOf(l evalret.LegScore) string {
	if l.Rank == 0 {
		return number(l.Score) + " (" + absent + ")"
	}
	return fmt.Sprintf("%s (#%d)", number(l.Score), l.Rank)
}

// rankKey sorts what a leg did not return behind everything else.
func rankKey(rank int) string {
	if rank == 0 {
		return "100000"
	}
	return strconv.Itoa(rank)
}

// fateNames says why a chunk is in no segment, for people.
var fateNames = map[string]string{
	"duplicate":   "duplicate",
	"over_budget": "no room",
	"source_cap":  "document at its cap",
	"apart":       "beside nothing that is in",
}

func fateOf(c evalret.ExplainedChunk) (fate, class, state string) {
	if c.Segment != "" {
		return "in [" + c.Segment + "]", "better", "in"
	}
	if c.Dropped == "" {
		return "below top-k", "neutral", "below"
	}
	name, ok := fateNames[string(c.Dropped)]
	if !ok {
		name = strings.ReplaceAll(string(c.Dropped), "_", " ")
	}
	return name, "worse", "dropped"
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
		add("["+s.Label+"]", colour(i%(colours-1)), s.Tokens, tokenPart{Doc: string(s.Doc), Span: fmt.Sprintf("%d–%d", s.Span.Start, s.Span.End), Made: strings.Join(made, ", ")})
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
	return fmt.Sprintf("%s of %s fill %s of %s tokens; %s of %s were offered to the packer.",
		count(len(x.Segments), "segment", "segments"), count(documents(x.Segments), "document", "documents"),
		thousands(x.Tokens), thousands(x.Budget), thousands(offered(x)), count(len(x.Candidates), "candidate", "candidates"))
}

func documents(segments []evalret.ExplainedSegment) int {
	seen := map[text.DocID]bool{}
	for _, s := range segments {
		seen[s.Doc] = true
	}
	return len(seen)
}

// offered returns how many candidates the packer was given.
func offered(x evalret.Explanation) (n int) {
	for _, c := range x.Candidates {
		if c.Segment != "" || c.Dropped != "" {
			n++
		}
	}
	return n
}
