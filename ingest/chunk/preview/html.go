package preview

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"
	"strconv"
	"strings"

	"github.com/ragloop/ragloop/internal/webpage"
)

//go:embed assets/preview.html
var templates embed.FS

//go:embed assets/style.css
var style string

//go:embed assets/script.js
var script string

var page = template.Must(template.ParseFS(templates, "assets/preview.html"))

// Options of the page.
type Options struct {
	Settings Settings
	Command  string // the command line that made the page; empty: not shown
}

// HTML writes one self-contained page: the sizes, the warnings, and each
// document with its chunks coloured in turns. It can be read, printed and gone
// through with the keyboard without the script, which shows the chunk under the
// pointer or the focus beside the text. Equal input gives equal bytes.
func HTML(w io.Writer, previews []Preview, o Options) error {
	v := view(previews, o)
	var body bytes.Buffer
	if err := page.ExecuteTemplate(&body, "preview.html", v); err != nil {
		return fmt.Errorf("render preview: %w", err)
	}
	if err := webpage.Write(w, webpage.Page{Title: v.Title, Style: style, Script: script, Body: body.Bytes()}); err != nil {
		return fmt.Errorf("write preview: %w", err)
	}
	return nil
}

// pageView is what the template shows.
type pageView struct {
	Title, Summary, Command string
	Tiles                   []tile
	Bars                    []bar
	BarsWidth               int
	Overlaps                bool
	Documents               []documentView
	Warnings                int
	Settings                []fact
}

type tile struct{ Value, Unit, Label, Note string }

type fact struct{ Name, Value string }

// bar is one of the histogram, barStep wide.
type bar struct {
	X, Y, Width, Height string
	LabelX              string
	Label, Count        string
	Title               string
}

type documentView struct {
	ID          string // "d0"
	File, About string
	Stretches   []stretch
	Rows        []rowView
	Warnings    []groupView
	Overlaps    bool
	Pages       bool
	Parents     bool
}

// groupView is the warnings of a document with one code.
type groupView struct {
	Message string
	Links   []int // numbers of chunks
	More    int   // not linked
}

// stretch is text between two ends of chunks; all of it belongs to the chunks
// First to Last, or to none.
type stretch struct {
	Text        string
	First, Last int
	Begins      bool // chunk Last begins here
	Class       string
}

type rowView struct {
	Chunk
	Span, Path, PageRange, Family, Prefix string
	Tiny                                  bool
	Warnings                              []string
	ParentFirst, ParentLast               int
}

// maxLinks bounds the links of one kind of warning.
const maxLinks = 40

func view(previews []Preview, o Options) pageView {
	v := pageView{Title: "Chunk preview", Command: o.Command}
	if len(previews) == 1 {
		v.Title = "Chunks of " + previews[0].File
	}
	total := Total(previews, o.Settings)
	chunks, largest := 0, 0
	for i, p := range previews {
		d := document(p, fmt.Sprintf("d%d", i))
		v.Documents = append(v.Documents, d)
		v.Overlaps = v.Overlaps || d.Overlaps
		v.Warnings += len(p.Warnings)
		chunks += len(p.Chunks)
		for _, c := range p.Chunks {
			largest = max(largest, c.EmbedderTokens)
		}
	}
	v.Summary = fmt.Sprintf("Cut with %s.", o.Settings)
	window := "without a limit"
	if o.Settings.Window > 0 {
		window = fmt.Sprintf("of %s in the window", thousands(o.Settings.Window))
	}
	v.Tiles = []tile{
		{thousands(chunks), "", "chunks", "of " + count(len(previews), "document", "documents")},
		{thousands(total.Median), "tokens", "median size", fmt.Sprintf("%s to %s, 95 %% up to %s", thousands(total.Min), thousands(total.Max), thousands(total.P95))},
		{thousands(total.Sum), "tokens", "in all", o.Settings.Tokenizer},
		{thousands(largest), "tokens", "most to embed", window + ", prefix included"},
		{thousands(v.Warnings), "", "warnings", "about chunks"},
	}
	v.Bars = bars(total.Histogram)
	v.BarsWidth = barStep * len(v.Bars)
	v.Settings = []fact{
		{"strategy", string(o.Settings.Strategy)}, {"size", thousands(o.Settings.SizeTokens) + " tokens"},
		{"overlap", strconv.FormatFloat(o.Settings.Overlap, 'g', -1, 64)}, {"index prefix", onOff(o.Settings.IndexPrefix)},
		{"tokenizer", o.Settings.Tokenizer}, {"embedder", o.Settings.Embedder}, {"embedder's window", "none"},
	}
	if o.Settings.Window > 0 {
		v.Settings[len(v.Settings)-1].Value = thousands(o.Settings.Window) + " tokens"
	}
	return v
}

// String says in a few words how is cut.
func (s Settings) String() string {
	words := fmt.Sprintf("strategy %s, at most %s tokens", s.Strategy, thousands(s.SizeTokens))
	if s.Overlap > 0 {
		words += fmt.Sprintf(", %s %% repeated", strconv.FormatFloat(100*s.Overlap, 'g', 3, 64))
	}
	return words
}

const barStep = 64

// bars lays the histogram out.
func bars(histogram []Bin) []bar {
	most := 0
	for _, b := range histogram {
		most = max(most, b.Chunks)
	}
	var out []bar
	coordinate := func(x float64) string { return strconv.FormatFloat(x, 'f', 1, 64) }
	for i, b := range histogram {
		const step, full = barStep, 96.0
		height := 0.0
		if b.Chunks > 0 {
			height = max(2, full*float64(b.Chunks)/float64(most))
		}
		x := float64(step * i)
		out = append(out, bar{
			X: coordinate(x + 4), Y: coordinate(18 + full - height), Width: coordinate(step - 8), Height: coordinate(height), LabelX: coordinate(x + step/2),
			Label: fmt.Sprintf("%d–%d", b.From, b.To), Count: thousands(b.Chunks),
			Title: fmt.Sprintf("%s with %d to %d tokens", count(b.Chunks, "chunk", "chunks"), b.From, b.To),
		})
	}
	return out
}

func document(p Preview, id string) documentView {
	d := documentView{ID: id, File: p.File, Stretches: stretches(p), Pages: p.Pages > 0}
	about := []string{p.MediaType}
	if p.Title != "" {
		about = append(about, "“"+p.Title+"”")
	}
	if p.Pages > 0 {
		about = append(about, count(p.Pages, "page", "pages"))
	}
	about = append(about, count(p.CodePoints, "code point", "code points"), count(len(p.Chunks), "chunk", "chunks"))
	if p.Sizes.Max > 0 {
		about = append(about, fmt.Sprintf("%s to %s tokens, median %s", thousands(p.Sizes.Min), thousands(p.Sizes.Max), thousands(p.Sizes.Median)))
	}
	d.About = strings.Join(about, " · ")
	for _, s := range d.Stretches {
		d.Overlaps = d.Overlaps || s.First < s.Last
	}
	byChunk := map[int][]string{}
	for _, w := range p.Warnings {
		byChunk[w.Chunk] = append(byChunk[w.Chunk], w.Message)
	}
	for _, c := range p.Chunks {
		r := rowView{Chunk: c, Span: span(c), Path: strings.Join(c.Heading, " › "), PageRange: PageRange(c), Warnings: byChunk[c.Number],
			Prefix: strings.ReplaceAll(strings.TrimSuffix(c.Prefix, "\n"), "\n", " ⏎ "), ParentFirst: c.Number, ParentLast: c.Number}
		if c.Parent != nil {
			d.Parents = true
			r.ParentFirst, r.ParentLast = c.Parent.First, c.Parent.Last
			r.Family = fmt.Sprintf("%d–%d", c.Parent.First, c.Parent.Last)
		}
		d.Rows = append(d.Rows, r)
	}
	for _, code := range Codes() {
		g := groupView{Message: code.Meaning()}
		for _, w := range p.Warnings {
			switch {
			case w.Code != code:
			case len(g.Links) < maxLinks:
				g.Links = append(g.Links, w.Chunk)
			default:
				g.More++
			}
		}
		if len(g.Links) > 0 {
			d.Warnings = append(d.Warnings, g)
		}
	}
	return d
}

// stretches cuts the text at every start and end of a chunk. Both ascend, so
// what covers a stretch is a run of chunks.
func stretches(p Preview) []stretch {
	var out []stretch
	first, next := 0, 0 // chunks [first, next) cover the text at at
	for at := 0; at < len(p.text); {
		begins := false
		for next < len(p.spans) && p.spans[next].Start <= at {
			next++
			begins = true
		}
		for first < next && p.spans[first].End <= at {
			first++
		}
		end := len(p.text)
		if next < len(p.spans) {
			end = min(end, p.spans[next].Start)
		}
		if first < next {
			end = min(end, p.spans[first].End)
		}
		s := stretch{Text: p.text[at:end], First: first, Last: next - 1, Begins: begins, Class: "gap"}
		switch {
		case s.First == s.Last:
			s.Class = []string{"even", "odd"}[first%2]
		case s.First < s.Last:
			s.Class = "twice"
		}
		out = append(out, s)
		at = end
	}
	return out
}

func span(c Chunk) string { return thousands(c.Start) + "–" + thousands(c.End) }

// PageRange returns "3", "3–4", or "" without pages.
func PageRange(c Chunk) string {
	switch {
	case c.PageStart == 0:
		return ""
	case c.PageStart == c.PageEnd:
		return strconv.Itoa(c.PageStart)
	}
	return fmt.Sprintf("%d–%d", c.PageStart, c.PageEnd)
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

// thousands formats n, which is not negative, with a comma between groups.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func count(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(n) + " " + more
}
