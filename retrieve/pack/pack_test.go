package pack

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/internal/text"
	"github.com/ragloop/ragloop/internal/tokens"
)

func counter(t testing.TB, encoding string) *tokens.Counter {
	t.Helper()
	c, err := tokens.New(encoding)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// words counts words: budgets of tests that a reader checks by hand.
type words struct{}

func (words) Count(s string) int { return len(strings.Fields(s)) }

// cut returns the chunk [start, end) of doc, in code points.
func cut(doc text.DocID, body string, start, end int, gap string) Chunk {
	rs := []rune(body)
	return Chunk{Doc: doc, Rev: "r1", Title: strings.ToUpper(string(doc)), URI: string(doc) + ".md",
		Span: text.RuneSpan{Start: start, End: end}, Text: string(rs[start:end]), Gap: gap}
}

const letters = "alpha beta\n\ngamma delta. epsilon zeta eta theta."

func TestMerge(t *testing.T) {
	// alpha beta [0,10) gap [10,12) gamma delta. [12,24) gap [24,25) epsilon … [25,48)
	first := cut("a", letters, 0, 10, "\n\n")
	second := cut("a", letters, 12, 24, " ")
	third := cut("a", letters, 25, 48, "")
	for _, tc := range []struct {
		name   string
		chunks []Chunk
		want   []string // texts of the segments
		spans  []text.RuneSpan
	}{
		{"touching with a gap", []Chunk{first, second}, []string{letters[:24]}, []text.RuneSpan{{Start: 0, End: 24}}},
		{"touching, the later first", []Chunk{second, first}, []string{letters[:24]}, []text.RuneSpan{{Start: 0, End: 24}}},
		{"bridging two segments", []Chunk{third, first, second}, []string{letters}, []text.RuneSpan{{Start: 0, End: 48}}},
		{"not touching", []Chunk{first, third}, []string{"alpha beta", letters[25:]}, []text.RuneSpan{{Start: 0, End: 10}, {Start: 25, End: 48}}},
		{"overlapping behind", []Chunk{cut("a", letters, 0, 15, ""), second}, []string{letters[:24]}, []text.RuneSpan{{Start: 0, End: 24}}},
		{"overlapping in front", []Chunk{second, cut("a", letters, 0, 15, "")}, []string{letters[:24]}, []text.RuneSpan{{Start: 0, End: 24}}},
		{"containing two", []Chunk{first, third, cut("a", letters, 5, 30, "")}, []string{letters}, []text.RuneSpan{{Start: 0, End: 48}}},
		{"no gap at all", []Chunk{cut("a", letters, 0, 6, ""), cut("a", letters, 6, 10, "")}, []string{"alpha beta"}, []text.RuneSpan{{Start: 0, End: 10}}},
		{"other revision", []Chunk{first, func() Chunk { c := second; c.Rev = "r2"; return c }()}, []string{"alpha beta", "gamma delta."}, []text.RuneSpan{{Start: 0, End: 10}, {Start: 12, End: 24}}},
		{"other document", []Chunk{first, func() Chunk { c := second; c.Doc = "b"; return c }()}, []string{"alpha beta", "gamma delta."}, []text.RuneSpan{{Start: 0, End: 10}, {Start: 12, End: 24}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := Pack(tc.chunks, words{}, Options{BudgetTokens: 1000})
			if err != nil {
				t.Fatal(err)
			}
			var texts []string
			var spans []text.RuneSpan
			for _, s := range got.Segments {
				texts, spans = append(texts, s.Text), append(spans, s.Span)
			}
			if d := cmp.Diff(tc.want, texts) + cmp.Diff(tc.spans, spans); d != "" {
				t.Errorf("segments (-want +got):\n%s", d)
			}
			if len(got.Dropped) > 0 {
				t.Errorf("Dropped = %v, want none", got.Dropped)
			}
		})
	}
}

func TestMergeDescribesTheWhole(t *testing.T) {
	a := cut("a", letters, 12, 24, " ")
	a.Heading, a.PageStart, a.PageEnd, a.Score = []string{"Two"}, 2, 3, 1
	b := cut("a", letters, 0, 10, "\n\n")
	b.Heading, b.PageStart, b.PageEnd, b.Score = []string{"One"}, 1, 2, 5
	got, err := Pack([]Chunk{a, b}, words{}, Options{BudgetTokens: 100})
	if err != nil {
		t.Fatal(err)
	}
	want := []Segment{{Label: "1", Doc: "a", Rev: "r1", URI: "a.md", Title: "A", Heading: []string{"One"}, PageStart: 1, PageEnd: 3,
		Span: text.RuneSpan{End: 24}, Text: letters[:24], Context: text.RuneSpan{Start: 24, End: 48}, Tokens: 4, Score: 5, Chunks: []int{0, 1}}}
	if d := cmp.Diff(want, got.Segments); d != "" {
		t.Errorf("Segments (-want +got):\n%s", d)
	}
	if want := "[1] A > One (a, p. 1-3)\n" + letters[:24]; got.Text != want {
		t.Errorf("Text = %q, want %q", got.Text, want)
	}
}

func TestDrops(t *testing.T) {
	one := cut("a", letters, 0, 10, "\n\n")
	for _, tc := range []struct {
		name   string
		chunks []Chunk
		o      Options
		want   []Drop
	}{
		{"covered span", []Chunk{one, cut("a", letters, 0, 5, "")}, Options{BudgetTokens: 100}, []Drop{{1, Duplicate}}},
		{"same text elsewhere", []Chunk{one, cut("b", letters, 0, 10, "")}, Options{BudgetTokens: 100}, []Drop{{1, Duplicate}}},
		{"same text but for white space at the ends", []Chunk{one, cut("b", letters, 0, 12, "")}, Options{BudgetTokens: 100}, []Drop{{1, Duplicate}}},
		{"skips what does not fit and goes on", []Chunk{one, cut("b", letters, 12, 48, ""), cut("c", letters, 12, 17, "")},
			Options{BudgetTokens: 11, NoTrim: true}, []Drop{{1, OverBudget}}},
		{"cap", []Chunk{one, cut("a", letters, 25, 32, ""), cut("b", letters, 33, 37, "")},
			Options{BudgetTokens: 100, MaxPerSource: 1}, []Drop{{1, SourceCap}}},
		{"cap does not keep segments from growing", []Chunk{one, cut("a", letters, 12, 24, "")},
			Options{BudgetTokens: 100, MaxPerSource: 1}, nil},
		{"empty span", []Chunk{one, cut("b", letters, 3, 3, "")}, Options{BudgetTokens: 100}, []Drop{{1, Duplicate}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := Pack(tc.chunks, words{}, tc.o)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tc.want, got.Dropped); d != "" {
				t.Errorf("Dropped (-want +got):\n%s", d)
			}
		})
	}
}

func TestTrim(t *testing.T) {
	body := "One two three. Four five six. Seven eight nine. Ten eleven twelve."
	ch := cut("a", body, 0, utf8.RuneCountInString(body), "\n")
	// The header "[1] A (a)" has three words.
	got, err := Pack([]Chunk{ch}, words{}, Options{BudgetTokens: 10})
	if err != nil {
		t.Fatal(err)
	}
	s := got.Segments[0]
	if want := "One two three. Four five six."; s.Text != want || !s.Trimmed || s.Span != (text.RuneSpan{End: len(want)}) {
		t.Errorf("segment = %q, trimmed %v, span %v; want %q, true, its span", s.Text, s.Trimmed, s.Span, want)
	}
	if got.Tokens != 9 {
		t.Errorf("Tokens = %d, want 9", got.Tokens)
	}

	t.Run("grows a segment", func(t *testing.T) {
		got, err := Pack([]Chunk{cut("a", body, 0, 14, " "), cut("a", body, 4, len(body), "")}, words{}, Options{BudgetTokens: 13})
		if err != nil {
			t.Fatal(err)
		}
		if want := body[:47]; len(got.Segments) != 1 || got.Segments[0].Text != want || !got.Segments[0].Trimmed {
			t.Errorf("segments = %+v, want one with %q", got.Segments, want)
		}
	})
	t.Run("a short beginning is not worth a header of its own", func(t *testing.T) {
		long := "# A heading\n\n" + strings.Repeat("many words and ", 6) + "a stop. " + "More " + strings.Repeat("of the words ", 20)
		for budget, want := range map[int]int{12: 1, 20: 1, 36: 2} {
			got, err := Pack([]Chunk{cut("a", body, 0, 14, ""), cut("b", long, 0, len(long), "")}, words{}, Options{BudgetTokens: budget})
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Segments) != want {
				t.Errorf("with %d tokens: segments = %+v, want %d", budget, got.Segments, want)
			}
		}
	})
	t.Run("only once", func(t *testing.T) {
		other := strings.ToUpper(body)
		got, err := Pack([]Chunk{ch, cut("b", other, 0, len(other), "")}, words{}, Options{BudgetTokens: 16, MaxPerSource: 1})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]Drop{{1, OverBudget}}, got.Dropped); d != "" {
			t.Errorf("Dropped (-want +got):\n%s", d)
		}
	})
	t.Run("of the first that has a short sentence", func(t *testing.T) {
		long := strings.Repeat("word ", 50)
		got, err := Pack([]Chunk{cut("b", long, 0, len(long), ""), ch}, words{}, Options{BudgetTokens: 10})
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Segments) != 1 || got.Segments[0].Doc != "a" {
			t.Errorf("segments = %+v, want one of a", got.Segments)
		}
	})
	t.Run("what is cut off may come back", func(t *testing.T) {
		tail := cut("a", body, 30, 47, "")
		got, err := Pack([]Chunk{ch, tail}, words{}, Options{BudgetTokens: 12})
		if err != nil {
			t.Fatal(err)
		}
		if got.Segments[0].Text != body[:47] || len(got.Dropped) != 1 || got.Dropped[0] != (Drop{1, Duplicate}) {
			t.Errorf("got %+v, dropped %v", got.Segments, got.Dropped)
		}
	})
}

func TestOrder(t *testing.T) {
	chunks := []Chunk{
		cut("a", letters, 25, 32, ""), // epsilon
		cut("b", letters, 12, 17, ""), // gamma
		cut("a", letters, 0, 5, ""),   // alpha
	}
	for order, want := range map[string]string{
		"":         "[1] A (a)\nepsilon\n\n[2] B (b)\ngamma\n\n[3] A (a)\nalpha",
		ByRank:     "[1] A (a)\nepsilon\n\n[2] B (b)\ngamma\n\n[3] A (a)\nalpha",
		ByDocument: "[1] A (a)\nalpha\n\n[2] A (a)\nepsilon\n\n[3] B (b)\ngamma",
	} {
		got, err := Pack(chunks, words{}, Options{BudgetTokens: 100, Order: order})
		if err != nil {
			t.Fatal(err)
		}
		if got.Text != want {
			t.Errorf("order %q:\n%s\nwant:\n%s", order, got.Text, want)
		}
	}
}

func TestErrors(t *testing.T) {
	ok := cut("a", letters, 0, 10, "")
	long := cut("a", strings.Repeat("x ", 100), 0, 200, "")
	short := ok
	short.Text = "alpha"
	for _, tc := range []struct {
		name   string
		chunks []Chunk
		o      Options
		want   string
		budget bool
	}{
		{"zero", []Chunk{ok}, Options{}, "pack: token budget too small: the budget is 0 tokens, needed are at least 1", true},
		{"negative", nil, Options{BudgetTokens: -3}, "pack: token budget too small: the budget is -3 tokens, needed are at least 1", true},
		{"too small", []Chunk{long, ok}, Options{BudgetTokens: 4}, "pack: token budget too small: the budget is 4 tokens, needed are at least 5", true},
		{"order", nil, Options{BudgetTokens: 1, Order: "date"}, `pack: the order is "date", allowed are rank, document, ends`, false},
		{"cap", nil, Options{BudgetTokens: 1, MaxPerSource: -1}, "pack: the cap per source is -1, allowed are 0 (none) and more", false},
		{"found", []Chunk{ok, func() Chunk { c := ok; c.Found = text.RuneSpan{Start: 5, End: 11}; return c }()}, Options{BudgetTokens: 9}, `pack: chunk 1 (document "a") has the span [0, 10), but what was found of it is [5, 11)`, false},
		{"score", []Chunk{func() Chunk { c := ok; c.Score = math.NaN(); return c }()}, Options{BudgetTokens: 9}, `pack: chunk 0 (document "a") has a score that is not a number`, false},
		{"neighbour", []Chunk{func() Chunk { c := ok; c.Neighbour = true; return c }(), ok}, Options{BudgetTokens: 9}, `pack: chunk 1 (document "a") was found, but comes after a neighbour`, false},
		{"diversity", nil, Options{BudgetTokens: 1, Diversity: 1.5}, "pack: the diversity is 1.5, allowed are 0 to 1", false},
		{"diversity not a number", nil, Options{BudgetTokens: 1, Diversity: math.NaN()}, "pack: the diversity is NaN, allowed are 0 to 1", false},
		{"span", []Chunk{ok, short}, Options{BudgetTokens: 9}, `pack: chunk 1 (document "a") has the span [0, 10), but its text has 5 code points`, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := Pack(tc.chunks, words{}, tc.o)
			if err == nil || err.Error() != tc.want {
				t.Fatalf("error = %v, want %v", err, tc.want)
			}
			if errors.Is(err, ErrBudget) != tc.budget {
				t.Errorf("errors.Is(ErrBudget) = %v, want %v", !tc.budget, tc.budget)
			}
			if got.Text != "" || got.Segments != nil {
				t.Errorf("context = %+v beside an error", got)
			}
		})
	}
	got, err := Pack(nil, words{}, Options{BudgetTokens: 1})
	if d := cmp.Diff(Context{}, got); err != nil || d != "" {
		t.Errorf("Pack of nothing = %v, %v; want an empty context", got, err)
	}
}

func TestFrame(t *testing.T) {
	chunk := func(mutate func(*Chunk)) []Chunk {
		c := cut("a", letters, 0, 10, "")
		mutate(&c)
		c.Span.End = utf8.RuneCountInString(c.Text)
		return []Chunk{c}
	}
	for _, tc := range []struct {
		name   string
		chunks []Chunk
		header string
	}{
		{"title and headings", chunk(func(c *Chunk) { c.Heading = []string{"Costs", "Travel"} }), "[1] A > Costs > Travel (a)"},
		{"heading that repeats the title", chunk(func(c *Chunk) { c.Heading = []string{"A", "Costs"} }), "[1] A > Costs (a)"},
		{"the id says the title", chunk(func(c *Chunk) {
			c.Doc, c.Title, c.Heading = "nda/Mutual%20NDA_form.pdf", "Mutual NDA Form", []string{"Term"}
		}), "[1] Term (nda/Mutual%20NDA_form.pdf)"},
		{"and nothing else is to say", chunk(func(c *Chunk) { c.Doc, c.Title = "nda/MutualNDAForm.pdf", "Mutual NDA form" }), "[1] nda/MutualNDAForm.pdf"},
		{"the id says other things in between", chunk(func(c *Chunk) { c.Doc, c.Title = "mutual-2-nda-form.pdf", "Mutual NDA Form" }), "[1] Mutual NDA Form (mutual-2-nda-form.pdf)"},
		{"the id has no more than a part of the title", chunk(func(c *Chunk) { c.Doc, c.Title = "mutual-nda.pdf", "Mutual NDA Form" }), "[1] Mutual NDA Form (mutual-nda.pdf)"},
		{"a short title inside a word", chunk(func(c *Chunk) { c.Doc, c.Title = "departments.md", "Part" }), "[1] Part (departments.md)"},
		{"a heading that repeats a title that the id says", chunk(func(c *Chunk) {
			c.Doc, c.Title, c.Heading = "travel-policy.md", "Travel policy", []string{"Travel policy", "Hotels"}
		}), "[1] Hotels (travel-policy.md)"},
		{"one page", chunk(func(c *Chunk) { c.PageStart, c.PageEnd = 3, 3 }), "[1] A (a, p. 3)"},
		{"no title", chunk(func(c *Chunk) { c.Title = "" }), "[1] a"},
		{"header on one line", chunk(func(c *Chunk) { c.Title = "x\n[2] y\u2028\u200bz\x07" }), "[1] x [2] y z (a)"},
		{"long title", chunk(func(c *Chunk) { c.Title = strings.Repeat("ä", 500) }), "[1] " + strings.Repeat("ä", maxNameRunes-1) + "… (a)"},
		{"references in the text", chunk(func(c *Chunk) { c.Text = "see\n[1] Smith" }), "[[1]] A (a)"},
		{"indented and invisible", chunk(func(c *Chunk) { c.Text = "see\r \u200b[\u200b2] Smith" }), "[[1]] A (a)"},
		{"one and two taken", chunk(func(c *Chunk) { c.Text = "[[1]] x\n[9] y" }), "[[[1]]] A (a)"},
		{"only two taken", chunk(func(c *Chunk) { c.Text = "[[1]] x" }), "[1] A (a)"},
		{"inside a line", chunk(func(c *Chunk) { c.Text = "as shown in [1] and [a]" }), "[1] A (a)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := Pack(tc.chunks, words{}, Options{BudgetTokens: 1000})
			if err != nil {
				t.Fatal(err)
			}
			if header, _, _ := strings.Cut(got.Text, "\n"); header != tc.header {
				t.Errorf("header = %q, want %q", header, tc.header)
			}
		})
	}
	t.Run("put together by a merge", func(t *testing.T) {
		body := "end\n[7] Smith"
		got, err := Pack([]Chunk{cut("a", body, 0, 5, ""), cut("a", body, 5, 13, "")}, words{}, Options{BudgetTokens: 100})
		if err != nil {
			t.Fatal(err)
		}
		if want := "[[1]] A (a)\n" + body; got.Text != want {
			t.Errorf("Text = %q, want %q", got.Text, want)
		}
	})
}

func ExamplePack() {
	body := "Hotels cost at most 140 a night. In London the limit is 210."
	c := Chunk{Doc: "travel.md", Rev: "1", URI: "handbook/travel.md", Title: "Travel policy", Heading: []string{"Hotels"},
		Span: text.RuneSpan{Start: 0, End: len(body)}, Text: body}
	context, err := Pack([]Chunk{c}, words{}, Options{BudgetTokens: 50})
	fmt.Println(context.Text, err)
	// Output:
	// [1] Travel policy > Hotels (travel.md)
	// Hotels cost at most 140 a night. In London the limit is 210. <nil>
}

func BenchmarkPack(b *testing.B) {
	c := counter(b, "o200k_base")
	sentence := "The quarterly report lists revenue, costs and the number of staff in every region. "
	for _, tc := range []struct{ chunks, budget, docs int }{{20, 2048, 8}, {100, 16_384, 20}, {500, 131_072, 1}} {
		body := strings.Repeat(strings.Repeat(sentence, 4)+"\n\n", 4)
		var chunks []Chunk
		for i := range tc.chunks {
			// Neighbours come apart, so that every second one bridges two segments.
			pos := (i * 2) % tc.chunks
			if i*2 >= tc.chunks {
				pos++
			}
			text0 := fmt.Sprintf("%d. ", pos) + body
			size := utf8.RuneCountInString(text0)
			chunks = append(chunks, Chunk{Doc: text.DocID(fmt.Sprint(pos % tc.docs)), Rev: "r", Title: "Report", URI: "report.md",
				Span: text.RuneSpan{Start: (pos/tc.docs)*2000 + 2000 - size, End: (pos/tc.docs)*2000 + 2000}, Text: text0})
		}
		b.Run(fmt.Sprintf("chunks=%d/budget=%d/docs=%d", tc.chunks, tc.budget, tc.docs), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Pack(chunks, c, Options{BudgetTokens: tc.budget}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkPackContext packs what a search returns, as a service does that has seen
// it before: 50 chunks of 30 documents, some of which follow each other. Of 350 tokens
// each a dozen fits, of 90 nearly all.
func BenchmarkPackContext(b *testing.B) {
	for _, bb := range []struct {
		name              string
		sentences, budget int
		relevance         Relevance
	}{
		{"tokens=350/budget=4096", 16, 4096, nil},
		{"tokens=90/budget=4096", 4, 4096, mentions("even")},
		{"tokens=90/budget=1024", 4, 1024, mentions("even")}, // focused
	} {
		chunks := found(bb.sentences)
		b.Run(bb.name, func(b *testing.B) {
			c := NewCounts().Of("o200k_base", counter(b, "o200k_base"))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Pack(chunks, c, Options{BudgetTokens: bb.budget, Relevance: bb.relevance}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// found returns chunks of so many sentences as a search does.
func found(sentences int) []Chunk {
	quarters := strings.Fields("first second third fourth uneven")
	var chunks []Chunk
	for i := range 50 {
		var body strings.Builder
		for k := range sentences {
			fmt.Fprintf(&body, "Region %d reports revenue, costs and the number of staff – for the %s quarter – of its %d sites. ", i, quarters[(i+k)%5], i*37+k)
		}
		text0 := strings.TrimSpace(body.String())
		doc, pos := i%30, i/30 // some have a second one, every third of them right behind the first
		start, n := pos*5000, utf8.RuneCountInString(text0)
		if pos == 1 && doc%3 == 0 {
			start = chunks[doc].Span.End + 2
		}
		chunks = append(chunks, Chunk{Doc: text.DocID(fmt.Sprintf("reports/%d.md", doc)), Rev: "r", Title: fmt.Sprintf("Report %d", doc),
			Heading: []string{"Regions", fmt.Sprintf("Region %d", i)}, Score: 3 - float64(i)/10,
			Span: text.RuneSpan{Start: start, End: start + n}, Text: text0, Gap: "\n\n"})
	}
	return chunks
}

// Packs that share memory are those that do not.
func TestPackConcurrently(t *testing.T) {
	c := counter(t, "o200k_base")
	chunks := found(4)
	options := []Options{{BudgetTokens: 4096}, {BudgetTokens: 700, Relevance: mentions("even")}, {BudgetTokens: 300, Order: ByDocument, MaxPerSource: 1},
		{BudgetTokens: 900, Template: template(t, XML)}, {BudgetTokens: 5}}
	var want []Context
	for _, o := range options {
		got, _ := Pack(chunks, c, o)
		want = append(want, got)
	}
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for n := range 50 {
				k := (g + n) % len(options)
				if got, _ := Pack(chunks, c, options[k]); !reflect.DeepEqual(got, want[k]) {
					t.Errorf("%+v: another context:\n%s", options[k], cmp.Diff(want[k], got))
				}
			}
		})
	}
	all.Wait()
	// What was given away stays as it is.
	for k, o := range options {
		if got, _ := Pack(chunks, c, o); !reflect.DeepEqual(got, want[k]) {
			t.Errorf("%+v: a context has changed:\n%s", o, cmp.Diff(want[k], got))
		}
	}
}

// Memory that is used again holds nothing of what was packed.
func TestScratchForgets(t *testing.T) {
	chunks := found(4)
	for _, o := range []Options{{BudgetTokens: 2000, MaxPerSource: 2, Order: ByDocument}, {BudgetTokens: 100, Template: template(t, XML)}} {
		p := newPacking(nil, nil, chunks, newMeter(counter(t, "o200k_base")), o)
		if _, err := p.run(); err != nil {
			t.Fatal(err)
		}
		s := p.scratch
		s.release()
		for _, all := range []any{s.slab[:cap(s.slab)], s.alone[:cap(s.alone)], s.chunks[:cap(s.chunks)], s.dropped[:cap(s.dropped)], s.in[:cap(s.in)]} {
			v := reflect.ValueOf(all)
			for i := range v.Len() {
				if !v.Index(i).IsZero() {
					t.Fatalf("%v: %T has %+v at %d", o, all, v.Index(i), i)
				}
			}
		}
		if n := len(s.numbers) + len(s.perDoc) + len(s.texts); n > 0 || s.tried.segment.names != nil || s.fitting.segment.names != nil {
			t.Errorf("%v: %d entries of maps, tried %v, fitting %v", o, n, s.tried, s.fitting)
		}
	}
}
