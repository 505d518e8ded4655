package labels

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/internal/text"
)

func corpus(texts map[text.DocID]string) func(text.DocID) (string, error) {
	return func(id text.DocID) (string, error) {
		if s, ok := texts[id]; ok {
			return s, nil
		}
		return "", fmt.Errorf("look up %s: %w", id, ErrNoDocument)
	}
}

func TestAnchor(t *testing.T) {
	tests := []struct {
		name, text string
		start, end int
		quote      string
		wantHow    Anchor
		wantQuote  string
		wantReason Reason
	}{
		{name: "as labelled", text: "Gäste: 40 max", start: 7, end: 9, quote: "40", wantHow: Exact, wantQuote: "40"},
		{name: "no quote", text: "abc", start: 1, end: 3, wantHow: Exact},
		{name: "no quote, outside", text: "abc", start: 1, end: 4, wantReason: OutOfBounds},
		{name: "moved", text: "Zürich: new intro. The fee is 30 CHF.", start: 0, end: 13, quote: "fee is 30 CHF", wantHow: Moved, wantQuote: "fee is 30 CHF"},
		{name: "moved, span outside", text: "the fee is 30", start: 90, end: 99, quote: "fee is 30", wantHow: Moved, wantQuote: "fee is 30"},
		{name: "twice", text: "30 CHF or 30 CHF", start: 1, end: 7, quote: "30 CHF", wantReason: QuoteAmbiguous},
		{name: "overlapping twice", text: "aaab", start: 2, end: 4, quote: "aa", wantReason: QuoteAmbiguous},
		{name: "twice, but at the span", text: "30 CHF or 30 CHF", start: 10, end: 16, quote: "30 CHF", wantHow: Exact, wantQuote: "30 CHF"},
		{name: "gone", text: "nothing here", start: 0, end: 3, quote: "fee is 30 CHF", wantReason: QuoteNotFound},
		{name: "white space", text: "The  fee\nis   30 CHF.", start: 0, end: 5, quote: "the fee is 30", wantHow: Normalised, wantQuote: "The  fee\nis   30"},
		{name: "hyphenation and ligature", text: "an ef\u00adfi\u00adcient exam-\n  ple, ok", start: 0, end: 5, quote: "efﬁcient example", wantHow: Normalised, wantQuote: "ef\u00adfi\u00adcient exam-\n  ple"},
		{name: "a real hyphen stays", text: "minus -5 degrees", start: 0, end: 5, quote: "minus 5", wantReason: QuoteNotFound},
		{name: "quotation marks and accents", text: "say “re\u0301sume\u0301” — now", start: 0, end: 1, quote: "\"RÉSUMÉ\" -", wantHow: Normalised, wantQuote: "“re\u0301sume\u0301” —"},
		{name: "normalised twice", text: "A b, a  b", start: 0, end: 1, quote: "a b", wantReason: QuoteAmbiguous},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := Evidence{Doc: "d", Span: text.RuneSpan{Start: tt.start, End: tt.end}, Quote: tt.quote}
			got, how, reason, detail := newDocument(tt.text).anchor(e)
			if how != tt.wantHow || reason != tt.wantReason {
				t.Fatalf("anchor = %+v, %q, %q (%s), want %q, %q", got, how, reason, detail, tt.wantHow, tt.wantReason)
			}
			if reason != "" {
				if detail == "" {
					t.Error("a broken label has no detail")
				}
				return
			}
			if got.Quote != tt.wantQuote {
				t.Errorf("quote = %q, want %q", got.Quote, tt.wantQuote)
			}
			if at, err := text.Slice(tt.text, got.Span); err != nil || tt.quote != "" && at != got.Quote {
				t.Errorf("text at %v = %q, %v, want the quote %q", got.Span, at, err, got.Quote)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	texts := map[text.DocID]string{"a": "The trial lasts 30 days.", "b": "Fees: 30 CHF."}
	set := Set{Name: "f", Queries: []Query{
		{ID: "exact", Text: "x", Line: 1, Evidence: []Evidence{{Doc: "a", Span: text.RuneSpan{Start: 16, End: 23}, Quote: "30 days"}, {Doc: "b", Span: text.RuneSpan{Start: 0, End: 4}, Quote: ""}}},
		{ID: "moved", Text: "y", Line: 2, Evidence: []Evidence{{Doc: "b", Span: text.RuneSpan{Start: 0, End: 6}, Quote: "30 CHF"}}},
		{ID: "half", Text: "X ", Line: 3, Evidence: []Evidence{{Doc: "a", Span: text.RuneSpan{Start: 0, End: 6}, Quote: "gone!!"}, {Doc: "a", Span: text.RuneSpan{Start: 0, End: 9}, Quote: "The trial"}}},
		{ID: "doc only left", Text: "z", Line: 4, Evidence: []Evidence{{Doc: "a", Span: text.RuneSpan{Start: 0, End: 6}, Quote: "gone!!"}}},
		{ID: "nothing left", Text: "w", Line: 5, Evidence: []Evidence{{Doc: "c", Span: text.RuneSpan{Start: 0, End: 6}, Quote: "gone!!"}}, Docs: map[text.DocID]int{"c": 2}},
		{ID: "none", Text: "v", Line: 6},
		{ID: "un", Text: "u", Line: 7, Unanswerable: true},
	}}
	before := fmt.Sprint(set)
	got := Check(set, corpus(texts))
	if fmt.Sprint(set) != before {
		t.Error("Check changed its argument")
	}
	want := Report{
		Queries: 7, Spans: 7, Exact: 3, Moved: 1, Unquoted: 1, Docs: 1,
		Emptied: []string{"nothing left"},
		Moves: []Move{{
			Query: "moved", Line: 2, Field: "evidence[0]", How: Moved,
			From: set.Queries[1].Evidence[0], To: Evidence{Doc: "b", Span: text.RuneSpan{Start: 6, End: 12}, Quote: "30 CHF"},
		}},
		Broken: []Broken{
			{Query: "half", Line: 3, Field: "evidence[0]", Doc: "a", Reason: QuoteNotFound, Detail: `the quote "gone!!" does not occur; the text at [0, 6) is "The tr"`},
			{Query: "doc only left", Line: 4, Field: "evidence[0]", Doc: "a", Reason: QuoteNotFound, Detail: `the quote "gone!!" does not occur; the text at [0, 6) is "The tr"`},
			{Query: "nothing left", Line: 5, Field: "evidence[0]", Doc: "c", Reason: NoDocument, Detail: "the corpus has no such document"},
			{Query: "nothing left", Line: 5, Field: "docs", Doc: "c", Reason: NoDocument, Detail: "the corpus has no such document"},
		},
		Warnings: []Warning{
			{Code: "unlabelled", Message: "1 answerable query without evidence or a relevant document can't be scored", Queries: []string{"none"}},
			{Code: "duplicate_query", Message: "1 query with the text of an earlier one: such queries weigh double in every mean", Queries: []string{"half"}},
		},
	}
	want.Set = Set{Name: "f", Queries: []Query{
		set.Queries[0],
		{ID: "moved", Text: "y", Line: 2, Evidence: []Evidence{want.Moves[0].To}},
		{ID: "half", Text: "X ", Line: 3, Evidence: set.Queries[2].Evidence[1:], Docs: map[text.DocID]int{"a": 1}},
		{ID: "doc only left", Text: "z", Line: 4, Docs: map[text.DocID]int{"a": 1}},
		{ID: "nothing left", Text: "w", Line: 5},
		set.Queries[5],
		set.Queries[6],
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Check (-want +got):\n%s", diff)
	}
	if held, of := got.Held(); held != 4 || of != 8 {
		t.Errorf("Held = %d, %d, want 4, 8", held, of)
	}
	wantText := "7 queries; 4 of 7 evidence spans hold (3 as labelled, 1 moved, 0 normalised); 0 of 1 graded documents exist; left out as broken: 4 labels; without any label left: 1 query"
	if got.String() != wantText {
		t.Errorf("String = %q, want %q", got, wantText)
	}
	if again := Check(got.Set, corpus(texts)); len(again.Broken) != 0 || len(again.Moves) != 0 {
		t.Errorf("a checked set does not check clean: %v", again)
	}
}

func TestCheckTellsAFaultFromAnAbsentDocument(t *testing.T) {
	set := Set{Queries: []Query{{ID: "a", Text: "x", Docs: map[text.DocID]int{"d": 1, "e": 1}}}}
	calls := 0
	broken := errors.New("connection refused")
	got := Check(set, func(id text.DocID) (string, error) {
		calls++
		if id == "d" {
			return "", broken
		}
		return "", ErrNoDocument
	})
	if !errors.Is(got.Err, broken) || strings.Contains(got.Err.Error(), "text of e") {
		t.Errorf("Err = %v, want the fault of d alone", got.Err)
	}
	if len(got.Broken) != 2 || got.Broken[0].Reason != Unreadable || got.Broken[1].Reason != NoDocument || calls != 2 {
		t.Errorf("Broken = %+v after %d calls", got.Broken, calls)
	}
}

// TestAnchorSurvivesInsertions: text put in front of a document moves every
// label by its length and breaks none.
func TestAnchorSurvivesInsertions(t *testing.T) {
	body := "Ärzte arbeiten 42 Stunden. Pflege: 38 Stunden. Lohn – 5’000 CHF."
	index := text.NewIndex(body)
	var set Set
	for i, s := range text.Sentences(body) {
		s = text.TrimSpace(body, s)
		span, err := index.RuneSpan(s)
		if err != nil {
			t.Fatal(err)
		}
		set.Queries = append(set.Queries, Query{ID: fmt.Sprint(i), Text: fmt.Sprint("query ", i), Evidence: []Evidence{{Doc: "d", Span: span, Quote: body[s.Start:s.End]}}})
	}
	for n := range 5 {
		intro := strings.Repeat("Übersicht. ", n)
		got := Check(set, corpus(map[text.DocID]string{"d": intro + body}))
		for i, q := range got.Set.Queries {
			was := set.Queries[i].Evidence[0].Span
			shift := len([]rune(intro))
			if want := (text.RuneSpan{Start: was.Start + shift, End: was.End + shift}); len(q.Evidence) != 1 || q.Evidence[0].Span != want {
				t.Errorf("with %d sentences in front: %+v, want %v", n, q.Evidence, want)
			}
		}
	}
}

func FuzzAnchor(f *testing.F) {
	f.Add("The fee\nis 30 CHF.", "fee is 30", 0, 4)
	f.Add("exam-\nple", "example", 1, 2)
	f.Add("ﬁﬁ", "fi", 0, 1)
	f.Add("\xff\u0130", "i̇", 0, 1)
	f.Add("é", "\xa9", 0, 1)
	f.Add("\xe2\xc3\xa9", "é", 0, 1)
	f.Fuzz(func(t *testing.T, body, quote string, start, end int) {
		got, _, reason, _ := newDocument(body).anchor(Evidence{Doc: "d", Span: text.RuneSpan{Start: start, End: end}, Quote: quote})
		if reason != "" || quote == "" {
			return
		}
		if at, err := text.Slice(body, got.Span); err != nil || at != got.Quote || at == "" {
			t.Errorf("text at %v = %q, %v, want %q", got.Span, at, err, got.Quote)
		}
	})
}
