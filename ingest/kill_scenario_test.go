package ingest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ragloop/ragloop/internal/embed"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/lexical"
	"github.com/ragloop/ragloop/internal/text"
)

// The life of a collection that the kill tests interrupt: it is built, updated
// in place, rebuilt by another recipe and back, and old generations are dropped.
// Every round can be repeated until it succeeds, as an operator would.

// killCollection is the collection's name.
const killCollection = "docs"

// killBatch is Options.BatchChunks of these tests: what a kill may cost.
const killBatch = 16

// killRounds is the number of rounds.
const killRounds = 6

// killDocs is the number of synthetic documents, one in ten of which comes
// later and one in ten of which goes.
const killDocs = 40

// killRound performs one round. on is told what was committed.
func killRound(ctx context.Context, c *index.Client, e embed.Embedder, round int, on func(Event)) error {
	p := plan(killCollection)
	if round == 2 || round == 3 { // another recipe, and back again
		p.Chunker.SizeTokens = 24
	}
	served, err := c.Open(ctx, killCollection)
	switch {
	case err == nil:
		measured := lexical.ForChunks()
		measured.AvgLen = 0
		p.Rebuild = served.Recipe.Check(recipeOf(e.Info(), p.Chunker, measured)) != nil
	case !errors.Is(err, index.ErrNoCollection):
		return err
	}
	src, err := killSource(round)
	if err != nil {
		return err
	}
	b, err := Build(ctx, c, p, src, Options{
		Embedder: e, Extractor: InProcess{}, Prune: true, Workers: 2, BatchChunks: killBatch, OnEvent: on,
		Now: func() time.Time { return time.Date(2026, 3, 1+round, 0, 0, 0, 0, time.UTC) },
	})
	if err != nil {
		return err
	}
	if round != 3 && round != 5 {
		return nil
	}
	all, err := c.Generations(ctx, killCollection)
	if err != nil {
		return err
	}
	for _, g := range all {
		if g.Number < b.Generation.Number {
			if err := c.Drop(ctx, g); err != nil {
				return err
			}
		}
	}
	return nil
}

// killSource lists the documents of a round: synthetic ones in several formats,
// the committed examples of the others, one that cannot be opened in some rounds
// and one that is damaged.
func killSource(round int) (Source, error) {
	var items []Item
	for i := range killDocs {
		if i%10 == 9 && round < 1+i%3 || i%10 == 8 && round >= 1+i%4 {
			continue // not yet, or no longer
		}
		version := 0
		for r := 1; r <= round; r++ {
			if (i+r)%3 == 0 {
				version = r
			}
		}
		of := i
		if i%20 == 5 {
			of-- // another document with the same content
		}
		items = append(items, killDocument(i, of, version, round))
	}
	broke := Text("a-broken", "", para("what was there before", 3))
	if round%2 == 1 {
		broke.Open = broken("").Open
	}
	items = append(items, broke, Item{ID: "damaged.pdf", Name: "damaged.pdf", Open: Bytes([]byte("%PDF-1.7\nnothing else"))})
	for i, name := range []string{"deck.pptx", "fares.xlsx", "ferry.epub", "ferry.odt", "ferry.rtf", "handbook.docx", "handbook.pdf", "letter.eml"} {
		if round == 0 && i%2 == 0 {
			continue
		}
		data, err := os.ReadFile(filepath.Join("extract", "testdata", name))
		if err != nil {
			return nil, err
		}
		items = append(items, Item{ID: text.DocID("examples/" + name), Name: name, Open: Bytes(data)})
	}
	return Documents(items), nil
}

// killDocument is document i with the content of document of. Of every seventh
// the URI and a tag change from round to round.
func killDocument(i, of, version, round int) Item {
	rnd := rand.New(rand.NewPCG(uint64(of), uint64(version)))
	var paragraphs []string
	for range 1 + rnd.IntN(5) {
		paragraphs = append(paragraphs, sentence(rnd))
	}
	id := fmt.Sprintf("doc-%03d", i)
	item := Item{ID: text.DocID(id), URI: "file:///" + id, Tags: []string{fmt.Sprint("tag-", i%4)}}
	if i%7 == 6 {
		item.URI += fmt.Sprintf("?round=%d", round)
		item.Tags = append(item.Tags, fmt.Sprint("round-", round))
	}
	var body string
	switch i % 5 {
	case 0:
		item.Name, body = id+".txt", strings.Join(paragraphs, "\n\n")
	case 1:
		item.Name, body = id+".md", "# Title of "+id+"\n\n"+strings.Join(paragraphs, "\n\n## Part\n\n")
	case 2:
		item.Name, body = id+".html", "<title>"+id+"</title><p>"+strings.Join(paragraphs, "</p><p>")+"</p>"
	case 3:
		item.Name, body = id+".csv", "number,text\n1,"+strings.Join(paragraphs, "\n2,")+"\n"
	case 4:
		item.Name, body = id+".json", `{"parts": ["`+strings.Join(paragraphs, `", "`)+`"]}`
	}
	item.Open = Bytes([]byte(body))
	return item
}

// sentence makes up to thirty words of a small vocabulary.
func sentence(rnd *rand.Rand) string {
	words := make([]string, 5+rnd.IntN(25))
	for i := range words {
		words[i] = vocabulary[rnd.IntN(len(vocabulary))]
	}
	return strings.Join(words, " ")
}

var vocabulary = slices.Collect(func(yield func(string) bool) {
	for _, a := range []string{"har", "fer", "tide", "pil", "an", "mo", "que", "log", "war", "sig"} {
		for _, b := range []string{"bour", "ry", "s", "ot", "chor", "or", "stion", "book", "den", "nal"} {
			if !yield(a + b) {
				return
			}
		}
	}
})
