package chunk

import (
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ragloop/ragloop/ingest/extract"
	"github.com/ragloop/ragloop/internal/text"
)

var vocabulary = []string{
	"the", "of", "Employees", "unused", "leave.", "2024-03-31", "(see", "4.2),", "Dr.", "e.g.", "naïve", "Straße", "it's", "END.", "Really?",
	"Привет,", "мир!", "日本語の文章です。", "東京タワー", "한국어", "مرحبا", "हिन्दी", "ภาษาไทย", "👩‍👩‍👧‍👦", "e\u0301", "x²+y³=z", "https://example.org/a/b?c=d",
	"a_b_c", "<|endoftext|>", "\u00a0", "\u200b", "—", "…",
}

func randomWords(r *rand.Rand, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString([]string{" ", " ", " ", "  ", "\n", "\t", ""}[r.IntN(7)])
		}
		if r.IntN(60) == 0 {
			b.WriteString(strings.Repeat([]string{"x", "日", "e\u0301", "=", "👍🏽", "\u0301"}[r.IntN(6)], r.IntN(200)))
		}
		b.WriteString(vocabulary[r.IntN(len(vocabulary))])
	}
	return b.String()
}

func randomDocument(r *rand.Rand) extract.Document {
	b := newDocument([]string{"", "A title", "日本語の題名", randomWords(r, 40)}[r.IntN(4)])
	if r.IntN(4) == 0 {
		b.newPage()
	}
	for range r.IntN(25) {
		switch r.IntN(10) {
		case 0, 1:
			b.heading(1+r.IntN(6), randomWords(r, 1+r.IntN(6)))
		case 2:
			var rows []string
			for range 1 + r.IntN(12) {
				rows = append(rows, "| "+randomWords(r, 3)+" | "+randomWords(r, 2)+" |")
				if len(rows) == 1 {
					rows = append(rows, "|---|---|")
				}
			}
			b.table(rows...)
		case 3:
			for range 1 + r.IntN(8) {
				b.row(randomWords(r, 1+r.IntN(20)))
			}
		case 4:
			b.code(randomWords(r, r.IntN(40)))
		case 5:
			for range 1 + r.IntN(5) {
				b.item(randomWords(r, 1+r.IntN(15)))
			}
		case 6:
			if b.page > 0 {
				b.newPage()
			}
			b.add(extract.Paragraph, 0, strings.Repeat([]string{" ", "\n", "\t \n"}[r.IntN(3)], r.IntN(80)))
		default:
			b.paragraph(randomWords(r, 1+r.IntN(120)))
		}
	}
	return b.Document
}

func randomParams(r *rand.Rand) (Params, Window) {
	p := Params{
		SizeTokens:  []int{16, 17, 24, 50, 128, 200, 512, 8192}[r.IntN(8)],
		Overlap:     []float64{0, 0, 0.1, 0.15, 0.3, 0.5}[r.IntN(6)],
		IndexPrefix: r.IntN(2) == 0,
	}
	p.Strategy = append(Strategies(), "")[r.IntN(len(Strategies())+1)]
	if !p.Strategy.Overlaps() {
		p.Overlap = 0
	}
	return p, []Window{nil, byteWindow(0), byteWindow(8), byteWindow(33), byteWindow(100), byteWindow(512)}[r.IntN(6)]
}

func TestRandomDocuments(t *testing.T) {
	n := 400
	if testing.Short() {
		n = 100
	}
	for seed := range n {
		r := rand.New(rand.NewPCG(uint64(seed), 7))
		doc := randomDocument(r)
		p, w := randomParams(r)
		chunks, stats := split(t, doc, p, w)
		again, statsAgain := split(t, doc, p, w)
		if d := cmp.Diff(chunks, again); d != "" || stats != statsAgain {
			t.Fatalf("seed %d: two runs differ:\n%s", seed, d)
		}
	}
}

// FuzzSplit takes the text as it comes and cuts it into blocks by the bytes of
// structure.
func FuzzSplit(f *testing.F) {
	for strategy := range Strategies() {
		f.Add("# Title\n\nSome text. More text.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n", []byte{0, 8, 1, 20, 3, 200}, uint16(16), uint8(30), uint16(0), uint8(strategy))
		f.Add(strings.Repeat("日本語の文章です。", 30), []byte{1, 50}, uint16(20), uint8(0), uint16(40), uint8(strategy))
		f.Add(strings.Repeat("e\u0301", 300)+strings.Repeat(" ", 500), []byte{4, 255, 4, 255}, uint16(0), uint8(50), uint16(9), uint8(strategy))
	}
	kinds := []extract.Kind{extract.Heading, extract.Paragraph, extract.ListItem, extract.Table, extract.Row, extract.Code, extract.PageBreak}
	c := counter(f)
	f.Fuzz(func(t *testing.T, s string, structure []byte, size uint16, overlap uint8, window uint16, strategy uint8) {
		s = strings.ToValidUTF8(s, "?")
		doc := extract.Document{Text: s, Title: "Fuzz > title"}
		for start := 0; start < len(s); {
			kind, n := extract.Paragraph, len(s)
			if len(structure) >= 2 {
				kind, n = kinds[int(structure[0])%len(kinds)], int(binary.BigEndian.Uint16(append([]byte{structure[0] >> 3}, structure[1])))+1
				structure = structure[2:]
			}
			end := min(start+n, len(s))
			for !runeBoundary(s, end) {
				end++
			}
			doc.Blocks = append(doc.Blocks, extract.Block{Kind: kind, Level: n % 8, Page: 1 + len(doc.Blocks)/3, Span: text.Span{Start: start, End: end}})
			start = end
		}
		p := Params{SizeTokens: 16 + int(size)%500, Overlap: float64(overlap%51) / 100, IndexPrefix: size%2 == 0}
		p.Strategy = Strategies()[int(strategy)%len(Strategies())]
		if !p.Strategy.Overlaps() {
			p.Overlap = 0
		}
		w := byteWindow(window % 300)
		chunks, _, err := Split(doc, p, c, w)
		if err != nil {
			if w == 0 || w > 6 {
				t.Fatalf("Split = %v", err)
			}
			return
		}
		checkChunks(t, doc, p, c, w, chunks)
	})
}
