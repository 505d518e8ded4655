package retrieve

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/lexical"
	"github.com/ragloop/ragloop/internal/text"
)

func TestQuoted(t *testing.T) {
	for query, want := range map[string][]string{
		`what is "force majeure"?`:          {"force majeure"},
		`"a b" or "c", "a b"`:               {"a b", "c"},
		`“curly” „low” and «guillemets»「角」`: {"curly", "low", "guillemets", "角"},
		`an open "mark`:                     nil,
		`5" pipe and 6" pipe`:               {"pipe and 6"}, // who writes inches that way means it, for all we know
		`don't 'quote' it`:                  nil,
		`"" " "`:                            {""},
		`“mixed" marks”`:                    {`mixed" marks`},
		`an “open "inner" one`:              {"inner"},
		`«one 「two «three "four" five`:      {"four"}, // others are not closed
		"":                                  nil,
	} {
		if got := quoted(query); !slices.Equal(got, want) {
			t.Errorf("quoted(%q) = %q, want %q", query, got, want)
		}
	}
}

func TestIdentifiers(t *testing.T) {
	for query, want := range map[string][]string{
		"torque of the XJ-1200/B?":         {"XJ-1200/B"},
		"is v1.2.3 (or RFC-2119) required": {"v1.2.3", "RFC-2119"},
		"on 2024-05-31, 2024-05-31":        {"2024-05-31"},
		"state-of-the-art and/or e.g.":     nil, // no digit
		"room 12, p53":                     nil, // no mark inside
		"-5 +3 .":                          nil,
		"型式XJ-1200/Bの重量は？":                 {"XJ-1200/B"}, // letters beside it are words of their own
		"型番：XJ-1200/B、XJ-1300（2024-05-31）": {"XJ-1200/B", "XJ-1300", "2024-05-31"},
		"2024年5月31日":                       nil,
	} {
		if got := identifiers(query); !slices.Equal(got, want) {
			t.Errorf("identifiers(%q) = %q, want %q", query, got, want)
		}
	}
}

func TestAcronyms(t *testing.T) {
	r := retriever(t, manual(t), letters{})
	for query, want := range map[string][]string{
		"who runs the IT department, IT?": {"IT"},
		"what does WHO/AM-IT say":         {"WHO", "AM", "IT"},
		"NASA and ESA":                    nil, // the lexical leg knows them
		"Who is it? I am, A. Or":          nil,
		"WHAT IS IT":                      nil, // all in capitals
		"heat AND meter OR pump, NOT IT":  {"IT"},
		"社内IT部門の責任者とWHO":                  {"IT", "WHO"},
		"הספר IT":                         {"IT"}, // not all in capitals
		"":                                nil,
	} {
		if got := r.acronyms(query); !slices.Equal(got, want) {
			t.Errorf("acronyms(%q) = %q, want %q", query, got, want)
		}
	}
}

// An acronym that is a stop word in small letters moves up what has it in capitals.
func TestAcronymBoost(t *testing.T) {
	r := retriever(t, build(t, map[text.DocID][]string{
		"small":   {"the head of it, badge of the head"},
		"capital": {"head of IT: see the badge"},
		"part":    {"head of KIT and ITS badge head"},
	}), letters{})
	got, err := r.Search(t.Context(), "badge of the head of IT", params(func(p *Params) { p.PhraseBoost = 10 }))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range got.All() {
		if want := c.Chunk.Doc == "capital"; want != (c.Phrases > 0) || want != (c.Rank == 1) {
			t.Errorf("%s has rank %d and the share %v", c.Chunk.Doc, c.Rank, c.Phrases)
		}
	}
}

// manual has the words of a phrase in several documents and the phrase in one,
// which by itself is not first.
func manual(t *testing.T) *memory {
	return build(t, map[text.DocID][]string{
		"apart":  {"the badge of the beach"},
		"turned": {"beach beach badge badge"},
		"phrase": {"your own Badge,\nBEACH run"},
		"other":  {"egg"},
	})
}

func TestPhraseBoost(t *testing.T) {
	r := retriever(t, manual(t), letters{})
	first := func(query string, boost float64) string {
		t.Helper()
		p := params(func(p *Params) { p.PhraseBoost, p.DocumentPrior = boost, 0 })
		got, err := r.Search(t.Context(), query, p)
		if err != nil {
			t.Fatal(err)
		}
		return string(got.Chunks[0].Chunk.Doc)
	}
	for _, test := range []struct {
		query string
		boost float64
		want  string
	}{
		{`"badge beach"`, 0, "turned"},
		{`"badge beach"`, 10, "phrase"},
		{`badge beach`, 10, "turned"}, // not quoted
		{`"no such" badge beach`, 10, "turned"},
		{`"badge of the beach"`, 10, "apart"}, // stop words count
	} {
		if got := first(test.query, test.boost); got != test.want {
			t.Errorf("%s with boost %v: first is %s, want %s", test.query, test.boost, got, test.want)
		}
	}
}

// A phrase is found in whatever way letters are written and wherever the writing has
// no spaces, and nobody is told that it is nowhere.
func TestPhraseWriting(t *testing.T) {
	r := retriever(t, build(t, map[text.DocID][]string{
		"japanese":   {"日本語の検索エンジン。型式XJ-1200/Bの重量、badge"},
		"composed":   {"die gr\u00f6\u00dfte Pumpe: badge"},
		"decomposed": {"die gro\u0308\u00dfte Pumpe: badge"},
		"hyphens":    {"the soft\u00adware of the badge"},
		"none":       {"badge of the beach"},
	}), letters{})
	for query, want := range map[string][]string{
		"badge 「検索エンジン」について":                   {"japanese"},
		"badge 型式XJ-1200/Bの重量":                 {"japanese"},
		"badge \"gr\u00f6\u00dfte Pumpe\"":     {"composed", "decomposed"},
		"badge \"gro\u0308\u00dfte Pumpe\"":    {"composed", "decomposed"},
		"badge \"software of\"":                {"hyphens"},
		"badge \"soft\u00adware\" “the badge”": {"hyphens"},
		"badge \"检索\" 「検索エンジン」 \"the beach\"":  {"japanese", "none"},
	} {
		got, err := r.Search(t.Context(), query, params(func(p *Params) { p.PhraseBoost = 1 }))
		if err != nil {
			t.Fatal(err)
		}
		var holders []string
		for _, c := range got.All() {
			if c.Phrases > 0 {
				holders = append(holders, string(c.Chunk.Doc))
			}
		}
		slices.Sort(holders)
		if !slices.Equal(holders, want) {
			t.Errorf("%s: held by %q, want %q", query, holders, want)
		}
		missing := 0
		for _, p := range got.Reading.Phrases {
			if p.Holders == 0 {
				missing++
			}
		}
		if missing != len(got.Warnings) || (missing > 0) != strings.Contains(query, "检索") {
			t.Errorf("%s: %d phrases are missing, warnings %q", query, missing, got.Warnings)
		}
	}
}

// The boost is in standard deviations, under every fusion.
func TestPhraseBoostUnit(t *testing.T) {
	r := retriever(t, library(t), letters{})
	const query = `hedge "beach badge" head`
	for _, f := range allFusions() {
		p := params(func(p *Params) { p.Fusion, p.PhraseBoost, p.TopK, p.Candidates = f, 3, 100, 100 })
		got, err := r.Search(t.Context(), query, p)
		if err != nil {
			t.Fatal(err)
		}
		p.PhraseBoost = 0
		plain, err := r.Search(t.Context(), query, p)
		if err != nil {
			t.Fatal(err)
		}
		before, fused := map[index.ChunkID]float64{}, []float64{}
		for _, c := range plain.All() {
			before[c.Chunk.ID] = c.Score
			fused = append(fused, c.Fused)
		}
		mean, squares := mean(fused), 0.0
		for _, x := range fused {
			squares += (x - mean) * (x - mean)
		}
		unit := math.Sqrt(squares / float64(len(fused)))
		held := 0
		for _, c := range got.All() {
			if c.Phrases > 0 {
				held++
			}
			if gain := c.Score - before[c.Chunk.ID]; math.Abs(gain-3*unit*c.Phrases) > 1e-9 {
				t.Errorf("%s: a chunk with the share %v gains %v, want %v", f, c.Phrases, gain, 3*unit*c.Phrases)
			}
		}
		if held == 0 || held == got.Considered {
			t.Errorf("%s: %d of %d candidates hold the phrase, the test needs some", f, held, got.Considered)
		}
	}
}

func TestPhraseShares(t *testing.T) {
	m := manual(t)
	r, err := newRetriever(m, index.Recipe{
		Lexical: lexical.Default(), Embedder: index.EmbedderRecipe{Fingerprint: "letters-1"}, Chunker: index.ChunkerRecipe{IndexPrefix: true},
	}, letters{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := r.Search(t.Context(), `"badge beach" "title of apart" "in none" beach`, params(nil))
	if err != nil {
		t.Fatal(err)
	}
	shares := map[string]float64{}
	for _, c := range got.All() {
		if c.Phrases > 0 {
			shares[string(c.Chunk.Doc)] = c.Phrases
		}
	}
	if d := cmp.Diff(map[string]float64{"phrase": 1. / 3, "apart": 1. / 3}, shares); d != "" {
		t.Errorf("shares (-want +got):\n%s", d)
	}
	if got, err := r.Search(t.Context(), "badge-beach-2 beach/badge", params(nil)); err != nil || len(got.Warnings) != 1 {
		t.Errorf("an identifier that is nowhere: warnings %q, %v", got.Warnings, err)
	}
	if d := cmp.Diff([]string{`phrase: no candidate has "in none" as it is`}, got.Warnings); d != "" {
		t.Errorf("warnings (-want +got):\n%s", d)
	}
}

// FuzzQuoted: phrases come from the query, and no query makes it panic.
func FuzzQuoted(f *testing.F) {
	f.Add(`a "b" “c`)
	f.Add("\xff\"\xff\"")
	f.Fuzz(func(t *testing.T, query string) {
		for _, s := range append(quoted(query), identifiers(query)...) {
			if len(s) > len(query) {
				t.Errorf("%q is longer than its query %q", s, query)
			}
		}
	})
}
