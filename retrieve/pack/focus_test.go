package pack

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ragloop/ragloop/internal/text"
)

// mentions is the relevance of sentences that have a word: all or nothing.
type mentions string

func (m mentions) Shares(chunks []Chunk, sentences [][]text.Span) [][]float64 {
	out := make([][]float64, len(chunks))
	for i, ss := range sentences {
		for _, s := range ss {
			share := 0.0
			if strings.Contains(chunks[i].Text[s.Start:s.End], string(m)) {
				share = 1
			}
			out[i] = append(out[i], share)
		}
	}
	return out
}

// about returns a chunk of a document of its own with sentences of 20 words, one
// for each of first words.
func about(doc text.DocID, score float64, firsts ...string) Chunk {
	var b strings.Builder
	for i, first := range firsts {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(first + strings.Repeat(" word", 18) + " " + string(doc) + ".")
	}
	body := b.String()
	ch := cut(doc, body, 0, len(body), "")
	ch.Score = score
	return ch
}

// tail returns chunks that fit nowhere and cannot be cut: as usual most scores
// are low.
func tail() []Chunk {
	var out []Chunk
	for i := range 10 {
		body := strings.Repeat("Tail ", 500+i)
		ch := cut("tail", strings.Repeat("x", 10000*i)+body, 10000*i, 10000*i+len(body), "")
		ch.Score = -1
		out = append(out, ch)
	}
	return out
}

// kept returns for each segment the first words of its sentences.
func kept(c Context) []string {
	var out []string
	for _, s := range c.Segments {
		var firsts []string
		for _, x := range text.Sentences(s.Text) {
			first, _, _ := strings.Cut(s.Text[x.Start:], " ")
			firsts = append(firsts, first)
		}
		out = append(out, string(s.Doc)+": "+strings.Join(firsts, " "))
	}
	return out
}

// A header has three words.
func TestFocus(t *testing.T) {
	best := about("a", 3, "One", "Heat", "Two", "Three")
	second := about("b", 2.9, "Four", "Five", "Heat", "Six")
	third := about("c", 2.8, "Seven", "Heat", "Eight", "Nine")
	far := about("d", -1, "Heat", "Heat", "Heat", "Heat")
	table := about("e", 2.9, "Four", "Five", "Heat", "Six")
	table.Text = strings.Replace(table.Text, " Five", "\n|ive", 1)
	// Two chunks of one document, the second behind the first.
	body := about("f", 0, "One", "Two", "Heat", "Three", "Heat", "Four").Text
	sentences := text.Sentences(body)
	front, back := cut("f", body, 0, sentences[2].End-1, " "), cut("f", body, sentences[2].End, len(body), "")
	front.Score, back.Score = 3, 2.9

	for _, tc := range []struct {
		name    string
		chunks  []Chunk
		o       Options
		want    []string
		dropped []Drop
	}{
		{"whatever fits stays", []Chunk{best, second, third}, Options{BudgetTokens: 300},
			[]string{"a: One Heat Two Three", "b: Four Five Heat Six", "c: Seven Heat Eight Nine"}, nil},
		{"ends give way", []Chunk{best, second, third}, Options{BudgetTokens: 192},
			[]string{"a: One Heat Two", "b: Five Heat Six", "c: Seven Heat Eight"}, nil},
		{"what is left has two sentences, as one is too short", []Chunk{best, second, third}, Options{BudgetTokens: 131},
			[]string{"a: One Heat", "b: Five Heat", "c: Seven Heat"}, nil},
		{"not for what is far behind", []Chunk{best, second, far}, Options{BudgetTokens: 170},
			[]string{"a: One Heat Two Three", "b: Four Five Heat Six"}, []Drop{{2, OverBudget}}},
		{"a table is not cut for that", []Chunk{best, table, third}, Options{BudgetTokens: 192},
			[]string{"a: One Heat Two", "e: Four |ive Heat Six", "c: Seven Heat"}, nil},
		{"ends of segments, not what joins their chunks", []Chunk{front, back, third}, Options{BudgetTokens: 170},
			[]string{"f: Two Heat Three Heat Four", "c: Seven Heat Eight"}, nil},
		{"what stands twice is a duplicate though it is cut", []Chunk{best, second, third, func() Chunk { c := best; c.Doc, c.Score = "z", 2.7; return c }()},
			Options{BudgetTokens: 192}, []string{"a: One Heat Two", "b: Five Heat Six", "c: Seven Heat Eight"}, []Drop{{3, Duplicate}}},
		{"the cap holds", []Chunk{best, func() Chunk {
			c := cut("a", strings.Repeat("x", 999)+second.Text, 999, 999+len(second.Text), "")
			c.Score = 2.9
			return c
		}(), third},
			Options{BudgetTokens: 160, MaxPerSource: 1}, []string{"a: One Heat Two Three", "c: Seven Heat Eight"}, []Drop{{1, SourceCap}}},
		{"a single chunk", []Chunk{best}, Options{BudgetTokens: 50}, []string{"a: One Heat"}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.o.Relevance = mentions("Heat")
			got := packed(t, slices.Concat(tc.chunks, tail()), tc.o)
			got.Dropped = slices.DeleteFunc(got.Dropped, func(d Drop) bool { return d.Chunk >= len(tc.chunks) })
			if d := cmp.Diff(tc.want, kept(got)) + cmp.Diff(tc.dropped, got.Dropped, cmpopts.EquateEmpty()); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			for _, s := range got.Segments {
				whole := true
				for _, i := range s.Chunks {
					whole = whole && s.Span.Contains(tc.chunks[i].Span)
				}
				if s.Trimmed == whole {
					t.Errorf("segment %s: Trimmed = %v", s.Label, s.Trimmed)
				}
			}
		})
	}
}

// Where more than what was found is wanted, or cutting is not, relevance changes
// nothing.
func TestNotFocused(t *testing.T) {
	chunks := []Chunk{about("a", 3, "One", "Heat", "Two", "Three"), about("b", 2.9, "Four", "Five", "Heat", "Six"), about("c", 2.8, "Seven", "Heat", "Eight", "Nine")}
	if focused := packed(t, slices.Concat(chunks, tail()), Options{BudgetTokens: 192, Relevance: mentions("Heat")}); len(focused.Segments) != 3 {
		t.Fatalf("%q: nothing focused", kept(focused))
	}
	with := func(i int, change func(*Chunk)) []Chunk {
		out := slices.Clone(chunks)
		change(&out[i])
		return out
	}
	overlapping := about("a", 2.9, "One", "Heat", "Two", "Three", "Ten")
	many := make([]Chunk, 60)
	for i := range many {
		many[i] = about(text.DocID(rune('A'+i)), 3, "One", "Heat", "Two", "Three")
	}
	for _, tc := range []struct {
		name   string
		chunks []Chunk
		o      Options
	}{
		{"NoTrim", chunks, Options{BudgetTokens: 192, NoTrim: true}},
		{"Diversity", chunks, Options{BudgetTokens: 192, Diversity: 0.1}},
		{"a parent", with(1, func(c *Chunk) { c.Found = text.RuneSpan{Start: 0, End: 10} }), Options{BudgetTokens: 192}},
		{"a neighbour", with(2, func(c *Chunk) { c.Neighbour = true }), Options{BudgetTokens: 192}},
		{"overlap", []Chunk{chunks[0], overlapping, chunks[1]}, Options{BudgetTokens: 150}},
		{"a large budget", many, Options{BudgetTokens: maxFocusTokens + 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			without := packed(t, tc.chunks, tc.o)
			tc.o.Relevance = mentions("Heat")
			if d := cmp.Diff(without, packed(t, tc.chunks, tc.o)); d != "" {
				t.Errorf("(-without +with):\n%s", d)
			}
		})
	}
}

func packed(t *testing.T, chunks []Chunk, o Options) Context {
	t.Helper()
	c, err := Pack(chunks, words{}, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Scores that are all alike, or too far apart for a deviation, leave the order.
func TestFocusWithoutScores(t *testing.T) {
	for _, scores := range [][]float64{{1, 1, 1}, {1e308, 0, -1e308}, {1, 2, 3}} {
		chunks := []Chunk{about("a", scores[0], "One", "Heat", "Two", "Three"), about("b", scores[1], "Four", "Five", "Heat", "Six"), about("c", scores[2], "Seven", "Heat", "Eight", "Nine")}
		got := packed(t, chunks, Options{BudgetTokens: 192, Relevance: mentions("Heat")})
		if want := []string{"a: One Heat Two", "b: Five Heat Six", "c: Seven Heat Eight"}; !cmp.Equal(want, kept(got)) {
			t.Errorf("scores %v: %q, want %q", scores, kept(got), want)
		}
	}
}

// What fits without focus fits with it, however little room there is.
func TestFocusInNoRoom(t *testing.T) {
	// To keep what is asked for, the best chunk loses its beginning, the only text
	// that fits.
	best, other := about("a", 3, "One", "Heat", "Heat"), about("b", 2.9, "Heat", "Heat", "Heat")
	last := strings.LastIndex(best.Text, ". Heat")
	best.Text = best.Text[:last] + ", heat" + best.Text[last+len(", heat"):]
	other.Text = strings.ReplaceAll(other.Text, ". Heat", ", heat")
	chunks := slices.Concat([]Chunk{best, other}, tail())
	for budget := 1; budget < 160; budget++ {
		plain, plainErr := Pack(chunks, words{}, Options{BudgetTokens: budget})
		got, err := Pack(chunks, words{}, Options{BudgetTokens: budget, Relevance: mentions("Heat")})
		if plainErr == nil && err != nil {
			t.Errorf("budget %d: %v, but %q fits", budget, err, kept(plain))
		}
		var small *BudgetError
		if errors.As(err, &small) {
			if _, err := Pack(chunks, words{}, Options{BudgetTokens: small.NeedTokens, Relevance: mentions("Heat")}); err != nil {
				t.Errorf("budget %d: needed are %d, and with them %v", budget, small.NeedTokens, err)
			}
		}
		if err == nil && got.Tokens > budget {
			t.Errorf("budget %d: %d tokens", budget, got.Tokens)
		}
	}
}

// Segments are in the order of their best chunks, also of those that come in last.
func TestFocusedOrder(t *testing.T) {
	best, table, third := about("a", 3, "Heat", "Heat", "Heat"), about("b", 2.95, "One", "Two", "Three", "Four", "Five"), about("c", 2.9, "Heat", "Heat", "Heat")
	table.Text = strings.Replace(table.Text, " Five", "\n|ive", 1)
	chunks := slices.Concat([]Chunk{best, table, third}, tail())
	for order, want := range map[string][]string{
		ByRank:     {"a: Heat Heat Heat", "b: One Two", "c: Heat Heat Heat"},
		ByDocument: {"a: Heat Heat Heat", "b: One Two", "c: Heat Heat Heat"},
		ByEnds:     {"a: Heat Heat Heat", "c: Heat Heat Heat", "b: One Two"},
	} {
		got := packed(t, chunks, Options{BudgetTokens: 175, Relevance: mentions("Heat"), Order: order})
		if d := cmp.Diff(want, kept(got)); d != "" {
			t.Errorf("%s (-want +got):\n%s", order, d)
		}
	}
}

// A cut between chunks that follow each other makes two segments of one, which a
// cap may have no room for.
func TestFocusUnderCap(t *testing.T) {
	body := about("f", 0, "Heat", "Heat", "Two", "Three", "Heat", "Heat").Text
	sentences := text.Sentences(body)
	front, back := cut("f", body, 0, sentences[2].End-1, " "), cut("f", body, sentences[2].End, len(body), "")
	front.Score, back.Score = 3, 2.99
	chunks := slices.Concat([]Chunk{front, back, about("c", 2.98, "Heat", "Heat", "Heat")}, tail())
	got := packed(t, chunks, Options{BudgetTokens: 170, MaxPerSource: 1, Relevance: mentions("Heat")})
	if got.Tokens < 140 || slices.ContainsFunc(got.Dropped, func(d Drop) bool { return d.Reason == SourceCap }) {
		t.Errorf("%q, %d tokens, dropped %v", kept(got), got.Tokens, got.Dropped[:1])
	}
}

// Of ends that are worth the same the last goes, whatever numbers their worth is
// made of.
func TestFocusOfEquals(t *testing.T) {
	for n := range 50 {
		firsts := slices.Repeat([]string{"Heat"}, 5)
		firsts[0] += strings.Repeat(" more", n)
		chunks := []Chunk{about("a", 3, "One"), about("b", 3-float64(n)/7, firsts...), about("c", -3, "One")}
		cs, _ := contenders(chunks, newMeter(words{}), Options{BudgetTokens: 1000})
		value(cs, chunks, mentions("Heat"))
		var last removal
		least := 0.0
		cs[1].removals(func(r removal, worth float64) {
			if w := worth / float64(r.saved); r.kind != all && (last.of == nil || w <= least) {
				last, least = r, w
			}
		})
		if last.kind != back {
			t.Errorf("%d: the first of equal sentences goes", n)
		}
	}
}

// A sentence too short to count does not keep those behind it.
func TestFocusShortSentences(t *testing.T) {
	long := about("a", 3, "One", "Two", "Heat", "Heat")
	long.Text = "!\n\n" + long.Text
	long.Span.End = len(long.Text)
	chunks := slices.Concat([]Chunk{long, about("b", 2.9, "Heat", "Heat", "Heat")}, tail())
	got := packed(t, chunks, Options{BudgetTokens: 120, Relevance: mentions("Heat")})
	if want := []string{"a: Heat Heat", "b: Heat Heat Heat"}; !slices.Equal(kept(got), want) {
		t.Errorf("%q, want %q", kept(got), want)
	}
}
