package pack

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/internal/text"
)

const numbered = "One is one. Two is two. Three is three. Four is four. Five is five. Six is six. "

// parent returns all of numbered, of which the sentences that hold part were found.
func parent(t *testing.T, part string) Chunk {
	t.Helper()
	at := strings.Index(numbered, part)
	if at < 0 {
		t.Fatalf("no %q", part)
	}
	ch := cut("a", numbered, 0, len(numbered), "")
	ch.Found = text.RuneSpan{Start: at, End: at + len(part)}
	return ch
}

// A parent that does not fit keeps what was found of it and what is around that.
func TestParentIsTrimmedAroundWhatWasFound(t *testing.T) {
	for _, tc := range []struct {
		found  string
		budget int // the header has three words, a sentence three
		want   string
	}{
		{"Four is four.", 21, strings.TrimSpace(numbered)},
		{"Four is four.", 18, "Two is two. Three is three. Four is four. Five is five. Six is six."},
		{"Four is four.", 15, "Three is three. Four is four. Five is five. Six is six."},
		{"Four is four.", 12, "Three is three. Four is four. Five is five."},
		{"Four is four.", 9, "Four is four. Five is five."},
		{"Four is four.", 6, "Four is four."},
		{"Three is three. Four is four. Five", 6, "Three is three."},
		{"Six is six.", 9, "Five is five. Six is six."},
		{"One is one.", 9, "One is one. Two is two."},
		{"is two. Three", 12, "Two is two. Three is three. Four is four."},
	} {
		got, err := Pack([]Chunk{parent(t, tc.found)}, words{}, Options{BudgetTokens: tc.budget})
		if err != nil {
			t.Fatal(err)
		}
		s := got.Segments[0]
		if strings.TrimSpace(s.Text) != tc.want || numbered[s.Span.Start:s.Span.End] != s.Text || s.Trimmed != (tc.budget < 21) {
			t.Errorf("%q found, %d tokens: %q at %v, trimmed %v; want %q", tc.found, tc.budget, s.Text, s.Span, s.Trimmed, tc.want)
		}
	}
}

// Only one chunk is cut, but a parent is not lost for that.
func TestParentIsDeliveredAsWhatWasFound(t *testing.T) {
	long := "Short it is. " + strings.Repeat("Long ", 20) + "it is."
	other := cut("b", long, 0, len(long), "")
	for _, tc := range []struct {
		name   string
		chunks []Chunk
		o      Options
		want   []string
		drops  []Drop
	}{
		{"after the cut", []Chunk{other, parent(t, "Four is four.")}, Options{BudgetTokens: 14}, []string{"Short it is.", "Four is four."}, nil},
		{"without cutting", []Chunk{parent(t, "Four is four.")}, Options{BudgetTokens: 16, NoTrim: true}, []string{"Four is four."}, nil},
		{"is in the context", []Chunk{parent(t, "Four is four."), parent(t, "Five is five.")}, Options{BudgetTokens: 9}, []string{"Four is four. Five is five."}, []Drop{{1, Duplicate}}},
		{"of the same parent", []Chunk{parent(t, "Four is four."), parent(t, "One is one.")}, Options{BudgetTokens: 10, NoTrim: true}, []string{"Four is four."}, []Drop{{1, OverBudget}}},
		{"in two places", []Chunk{parent(t, "Four is four."), parent(t, "One is one.")}, Options{BudgetTokens: 12, NoTrim: true}, []string{"Four is four.", "One is one."}, nil},
		{"the cap holds", []Chunk{parent(t, "Four is four."), parent(t, "One is one.")}, Options{BudgetTokens: 12, NoTrim: true, MaxPerSource: 1}, []string{"Four is four."}, []Drop{{1, OverBudget}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := Pack(tc.chunks, words{}, tc.o)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tc.want, textsOf(got)) + cmp.Diff(tc.drops, got.Dropped); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func textsOf(c Context) []string {
	var out []string
	for _, s := range c.Segments {
		out = append(out, strings.TrimSpace(s.Text))
	}
	return out
}

func neighbour(ch Chunk) Chunk {
	ch.Neighbour = true
	return ch
}

func TestNeighbours(t *testing.T) {
	one, two, three, four := cut("a", numbered, 0, 11, " "), cut("a", numbered, 12, 23, " "), cut("a", numbered, 24, 39, " "), cut("a", numbered, 40, 53, " ")
	other := cut("b", letters, 12, 24, "")
	two.Score, three.Score = -3, 7
	for _, tc := range []struct {
		name   string
		chunks []Chunk
		budget int
		want   []string
		drops  []Drop
	}{
		{"make a segment longer", []Chunk{two, other, neighbour(three), neighbour(one)}, 100, []string{numbered[:39], "gamma delta."}, nil},
		{"with what is left only", []Chunk{two, other, neighbour(three), neighbour(one)}, 14, []string{numbered[12:39], "gamma delta."}, []Drop{{3, OverBudget}}},
		{"a smaller one may fit", []Chunk{three, neighbour(cut("a", numbered, 12, 80, "")), neighbour(four)}, 9, []string{numbered[24:53]}, []Drop{{1, OverBudget}}},
		{"one after the other", []Chunk{two, neighbour(three), neighbour(four)}, 100, []string{numbered[12:53]}, nil},
		{"of nothing", []Chunk{one, neighbour(three)}, 100, []string{numbered[:11]}, []Drop{{1, Apart}}},
		{"of another document", []Chunk{other, neighbour(three)}, 100, []string{"gamma delta."}, []Drop{{1, Apart}}},
		{"in the context already", []Chunk{two, three, neighbour(three)}, 100, []string{numbered[12:39]}, []Drop{{2, Duplicate}}},
		{"alone", []Chunk{neighbour(one)}, 100, nil, []Drop{{0, Apart}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := Pack(tc.chunks, words{}, Options{BudgetTokens: tc.budget, MaxPerSource: 1})
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tc.want, textsOf(got)) + cmp.Diff(tc.drops, got.Dropped); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if len(got.Segments) > 0 && got.Segments[0].Score != tc.chunks[0].Score && !(tc.name == "in the context already") {
				t.Errorf("score = %v, want that of what was found", got.Segments[0].Score)
			}
		})
	}
}

func TestDiversity(t *testing.T) {
	const policy = "The travel policy allows hotels up to 140 euros a night, in London up to 210 euros, breakfast included."
	chunks := []Chunk{
		whole("2025", policy),
		whole("2024", strings.Replace(policy, "140", "130", 1)),
		whole("2023", strings.Replace(policy, "210", "190", 1)),
		whole("faq", "Expenses are paid within three weeks after the receipts were handed in, but never before the journey."),
	}
	for _, tc := range []struct {
		diversity float64
		want      []text.DocID
		dropped   []Drop
	}{
		{0, []text.DocID{"2025", "2024"}, []Drop{{2, OverBudget}, {3, OverBudget}}},
		{0.1, []text.DocID{"2025", "2024"}, []Drop{{2, OverBudget}, {3, OverBudget}}},
		{0.6, []text.DocID{"2025", "faq"}, []Drop{{1, OverBudget}, {2, OverBudget}}},
		{1, []text.DocID{"2025", "faq"}, []Drop{{1, OverBudget}, {2, OverBudget}}},
	} {
		got, err := Pack(chunks, words{}, Options{BudgetTokens: 62, NoTrim: true, Diversity: tc.diversity})
		if err != nil {
			t.Fatal(err)
		}
		var docs []text.DocID
		for _, s := range got.Segments {
			docs = append(docs, s.Doc)
		}
		if d := cmp.Diff(tc.want, docs) + cmp.Diff(tc.dropped, got.Dropped); d != "" {
			t.Errorf("diversity %v (-want +got):\n%s", tc.diversity, d)
		}
	}
}

func TestLikeness(t *testing.T) {
	a := sketchOf(strings.Repeat(numbered, 1) + letters)
	for _, tc := range []struct {
		name     string
		b        sketch
		min, max float64
	}{
		{"itself", a, 1, 1},
		{"in capitals, in other lines", sketchOf(strings.ToUpper(strings.ReplaceAll(numbered+letters, " ", "\n"))), 1, 1},
		{"half", sketchOf(numbered), 0.3, 0.9},
		{"nothing in common", sketchOf("検索の評価と再現率について述べる。"), 0, 0},
		{"too short", sketchOf("abc"), 0, 0},
	} {
		if got := a.like(tc.b); got < tc.min || got > tc.max || got != tc.b.like(a) {
			t.Errorf("%s: %v, want %v to %v, both ways", tc.name, got, tc.min, tc.max)
		}
	}
}

func TestEnds(t *testing.T) {
	var chunks []Chunk
	for _, w := range []string{"one", "two", "three", "four", "five"} {
		chunks = append(chunks, whole(text.DocID(w), w))
	}
	for n, want := range [][]string{nil, {"one"}, {"one", "two"}, {"one", "three", "two"}, {"one", "three", "four", "two"}, {"one", "three", "five", "four", "two"}} {
		got, err := Pack(chunks[:n], words{}, Options{BudgetTokens: 1000, Order: ByEnds})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, textsOf(got)); d != "" {
			t.Errorf("%d segments (-want +got):\n%s", n, d)
		}
	}
}

// Equal ranks are ordered by what the chunks hold, whatever their order was, and
// what is reported is about the chunks as they were given.
func TestTies(t *testing.T) {
	a, b, c := cut("a", letters, 0, 10, ""), cut("b", letters, 12, 24, ""), cut("c", letters, 25, 32, "")
	a.Rank, b.Rank, c.Rank = 2, 2, 1
	for _, chunks := range [][]Chunk{{c, a, b}, {c, b, a}} {
		got, err := Pack(chunks, words{}, Options{BudgetTokens: 9, NoTrim: true})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]string{"epsilon", "alpha beta"}, textsOf(got)); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
		if chunks[got.Segments[1].Chunks[0]].Doc != "a" || chunks[got.Dropped[0].Chunk].Doc != "b" {
			t.Errorf("segments %+v, dropped %v", got.Segments, got.Dropped)
		}
	}
}
