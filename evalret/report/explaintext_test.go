package report_test

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/evalret/report"
	"github.com/ragloop/ragloop/internal/text"
	"github.com/ragloop/ragloop/retrieve"
	"github.com/ragloop/ragloop/retrieve/pack"
)

// everything is an explanation in which all happens that may.
func everything() evalret.Explanation {
	span := func(start, end int) text.RuneSpan { return text.RuneSpan{Start: start, End: end} }
	in := func(turn int, label string, delivered text.RuneSpan, cuts ...pack.Cut) pack.Fate {
		return pack.Fate{Turn: turn, Segment: label, Delivered: delivered, Cuts: cuts}
	}
	out := func(turn int, r pack.Reason, of string) pack.Fate {
		return pack.Fate{Turn: turn, Dropped: r, Duplicate: of}
	}
	manual := text.DocID("a/very/long/way/to/the/operating-manual.pdf")
	x := evalret.Explanation{
		Query: "and in winter?", Searched: "opening hours of the depot in winter", Expand: retrieve.MultiQuery,
		Written:  []string{"depot winter hours", "\x1b[2Jwhen is \u202Eit open\r\n", strings.Repeat("on and on ", 100)},
		Phrases:  []retrieve.Phrase{{Text: "the depot", Kind: retrieve.Quoted, Holders: 2}, {Text: strings.Repeat("so ", 200), Kind: retrieve.Quoted}, {Text: "XJ-1", Kind: retrieve.Identifier}, {Text: "IT", Kind: retrieve.Acronym, Holders: 1}},
		Feedback: []metric.Place{{Doc: "b.md", Span: span(0, 90)}},
		Budget:   1000, Tokens: 900, Context: "[1] …", Tokenizer: "o200k_base",
		Candidates: []evalret.ExplainedChunk{
			{Doc: manual, Span: span(100, 300), Score: 6.5, Fused: 3, Added: retrieve.Added{Document: 2.4, Title: 0.5, Neighbours: 0.1, Phrases: 0.5},
				Dense: evalret.LegScore{Score: 0.71, Rank: 1}, Lexical: evalret.LegScore{Score: 11.2, Rank: 12},
				Reranked: &retrieve.Reranked{Before: 2, Score: 0.9, Final: 2.6, Weighted: 0.7, Own: -0.3, Added: retrieve.Added{Document: 1, Title: 1.1, Neighbours: 0.1}},
				Parent:   span(0, 500), Fate: in(1, "1", span(0, 500))},
			{Doc: manual, Span: span(500, 700), Score: 4, Fused: 2, Added: retrieve.Added{Document: 2.4, Neighbours: -0.4}, Dense: evalret.LegScore{Score: 0.7, Rank: 2},
				Reranked: &retrieve.Reranked{Before: 1, Score: 0.8, Final: 1.25, Weighted: -0.7, Own: 0.3, Added: retrieve.Added{Document: 1, Title: 1.1, Neighbours: -0.45}}, Fate: in(3, "1", span(500, 600), pack.Cut{Span: span(600, 700), Reason: pack.Trimmed})},
			{Doc: "b.md", Span: span(0, 90), Score: 3, Fused: 3, Fate: in(2, "2", span(20, 80), pack.Cut{Span: span(0, 20), Reason: pack.Focused}, pack.Cut{Span: span(80, 90), Reason: pack.Focused})},
			{Doc: "c.md", Span: span(0, 90), Score: 2, Fused: 2, Parent: span(0, 400), Fate: in(4, "3", span(0, 90), pack.Cut{Span: span(90, 400), Reason: pack.Unfound})},
			{Doc: "a\tb\u202e.md", Span: span(0, 90), Score: 1, Fused: 1, Fate: out(5, pack.Duplicate, "2")},
			{Doc: "b.md", Span: span(300, 390), Score: 0.5, Fused: 0.5, Fate: out(8, pack.OverBudget, "")},
			{Doc: "b.md", Span: span(500, 590), Score: 0.4, Fused: 0.4, Fate: out(6, pack.SourceCap, "")},
			{Doc: "b.md", Span: span(700, 790), Score: 0.001, Fused: -0.001},
			{Doc: manual, Span: span(700, 800), Fate: pack.Fate{Segment: "1", Delivered: span(700, 800)}},
		},
		Beside: []evalret.ExplainedChunk{
			{Doc: manual, Span: span(700, 800), Rank: 2, Fate: pack.Fate{Segment: "1", Delivered: span(700, 800)}},
			{Doc: "b.md", Span: span(390, 400), Rank: 6, Fate: pack.Fate{Dropped: pack.Apart}},
		},
		Segments: []evalret.ExplainedSegment{
			{Label: "1", Doc: manual, Span: span(0, 800), Tokens: 700, Ranks: []int{1, 2}, Beside: 1, Trimmed: true},
			{Label: "2", Doc: "b.md", Span: span(20, 80), Tokens: 50, Ranks: []int{3}, Trimmed: true},
			{Label: "3", Doc: "c.md", Span: span(0, 90), Tokens: 60, Ranks: []int{4}, Trimmed: true},
		},
	}
	for i := range x.Candidates {
		x.Candidates[i].Rank = i + 1
	}
	return x
}

func TestExplainText(t *testing.T) {
	var b bytes.Buffer
	if err := report.ExplainText(&b, everything()); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/explain.txt", b.Bytes())
	for line := range strings.Lines(b.String()) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 130 { // as everything takes part
			t.Errorf("a line has %d columns: %s", n, line)
		}
	}
	page, doc := render(t, func(b *bytes.Buffer) error { return report.ExplainHTML(b, everything(), report.Options{}) })
	selfContained(t, page, doc)
	body := textOf(doc)
	for _, want := range []string{
		"opening hours of the depot in winter", "depot winter hours", `\x1b[2Jwhen is \u202eit open\r\n`, "XJ-1", "identifier", "0 candidates", "b.md 0–90",
		"as its parent 0–500", "joined with #2, 1 neighbour", "set back to turn 3", "without 600–700: no room, cut at a sentence",
		"without 0–20 and 80–90: made room for other chunks", "without 90–400: no room for more of its parent", "duplicate of [2]", `a\tb\u202e.md`, "document's cap", "below top-k", "beside nothing that is in", "below top-k: offered as a neighbour", "joined with #1, #2",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
		if !strings.Contains(b.String(), want) {
			t.Errorf("the text lacks %q", want)
		}
	}
	// The final score is taken apart where it is not the reranker's.
	parts := regexp.MustCompile(`(?m)^ +2  #1 .*500–700 +0\.80 +1\.25 +-0\.70 +0\.30 +1\.00 +1\.10 +-0\.45$`)
	if !parts.MatchString(b.String()) || !strings.Contains(body, "0.801.25-0.700.301.001.10-0.45") {
		t.Errorf("no final score is taken apart")
	}
	alone := everything()
	for i, c := range alone.Candidates {
		if r := c.Reranked; r != nil {
			alone.Candidates[i].Reranked = &retrieve.Reranked{Before: r.Before, Score: r.Score, Final: r.Score}
		}
	}
	b.Reset()
	if err := report.ExplainText(&b, alone); err != nil || !regexp.MustCompile(`(?m)^rank  context +document +span +score  .*lexical +rerank$`).MatchString(b.String()) || strings.Contains(b.String(), "final") {
		t.Errorf("of a reranker alone: %v\n%s", err, b.String())
	}
	if page, _ := render(t, func(b *bytes.Buffer) error { return report.ExplainHTML(b, alone, report.Options{}) }); strings.Contains(page, "taken apart") || !strings.Contains(page, "0.90, was #2") {
		t.Errorf("the page of a reranker alone takes its scores apart, or lacks them")
	}
	// A query of which nothing is to be told, and that finds nothing.
	b.Reset()
	if err := report.ExplainText(&b, evalret.Explanation{Query: "x", Budget: 10}); err != nil || strings.Contains(b.String(), "searched for") {
		t.Errorf("of nothing: %v\n%s", err, b.String())
	}
}
