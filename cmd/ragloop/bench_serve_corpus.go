package main

import (
	"context"
	"fmt"
	"hash/fnv"
	"io/fs"
	"math"
	"math/rand/v2"
	"path"
	"strings"
	"sync"

	"github.com/ragloop/ragloop/ingest"
	"github.com/ragloop/ragloop/internal/demo"
	"github.com/ragloop/ragloop/internal/embed"
	"github.com/ragloop/ragloop/internal/text"
	"github.com/ragloop/ragloop/internal/tokens"
)

// benchDocChunks is the number of chunks of a document of the corpus that
// "bench serve" makes.
const benchDocChunks = 20

// benchCorpus makes documents of n chunks of at most size tokens altogether. Their
// paragraphs are sentences of the demo's corpus, each document's from a few of
// its documents, drawn anew: text as people write it, with words as frequent as
// they are, and no two chunks alike. Each paragraph is more than half a chunk, so
// that it is one. The same seed makes the same documents.
func benchCorpus(n, size int, counter *tokens.Counter, seed uint64) ([]ingest.Item, error) {
	sources, err := benchSentences(counter, size/4)
	if err != nil {
		return nil, err
	}
	random := rand.New(rand.NewPCG(seed, 0))
	var items []ingest.Item
	for made := 0; made < n; made += benchDocChunks {
		var pool []benchSentence
		for range 3 {
			pool = append(pool, sources[random.IntN(len(sources))]...)
		}
		var b strings.Builder
		for range min(benchDocChunks, n-made) {
			for used := 0; used <= size*7/10; {
				s := pool[random.IntN(len(pool))]
				b.WriteString(s.text)
				b.WriteByte(' ')
				used += s.tokens + 1
			}
			b.WriteString("\n\n")
		}
		id := text.DocID(fmt.Sprintf("bench/%05d.txt", made/benchDocChunks))
		items = append(items, ingest.Text(id, fmt.Sprintf("Document %d", made/benchDocChunks), b.String()))
	}
	return items, nil
}

type benchSentence struct {
	text   string
	tokens int
}

// benchSentences returns the sentences of each plain document of the demo's
// corpus that are no longer than most tokens.
func benchSentences(counter *tokens.Counter, most int) ([][]benchSentence, error) {
	var out [][]benchSentence
	corpus := demo.Corpus()
	err := fs.WalkDir(corpus, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(name) != ".md" && path.Ext(name) != ".txt" {
			return err
		}
		body, err := fs.ReadFile(corpus, name)
		if err != nil {
			return err
		}
		var sentences []benchSentence
		for _, s := range text.Sentences(string(body)) {
			one := strings.Join(strings.Fields(string(body)[s.Start:s.End]), " ")
			if n := counter.Count(one); n > 0 && n <= most {
				sentences = append(sentences, benchSentence{one, n})
			}
		}
		if len(sentences) > 0 {
			out = append(out, sentences)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the demo's corpus: %w", err)
	}
	return out, nil
}

// benchEmbedder stands for a model where only the time around it is measured: a
// text is the sum of one random direction per word, so that texts which share
// words are close to each other. Where a model is to take its time, its vectors are
// used in their place; beside those of words they find nothing better.
type benchEmbedder struct {
	model   embed.Embedder // nil: none
	queries bool           // the model embeds queries
	real    bool           // it embeds passages
	info    embed.Info

	mu    sync.Mutex
	words map[string][]float32
}

// newBenchEmbedder returns an embedder of words. With a model, its vectors are as
// long, and it embeds queries if asked to.
func newBenchEmbedder(model embed.Embedder, queries bool) *benchEmbedder {
	e := &benchEmbedder{model: model, queries: queries, words: map[string][]float32{}}
	e.info = embed.Info{Name: "words", Fingerprint: "bench-words-1", Dimension: 384, MaxTokens: 512}
	if model != nil {
		e.info.Dimension = model.Info().Dimension
	}
	return e
}

// Info implements [embed.Embedder].
func (e *benchEmbedder) Info() embed.Info { return e.info }

// CountTokens implements [embed.Embedder]; it counts words, or what the model does.
func (e *benchEmbedder) CountTokens(s string) int {
	if e.queries {
		return e.model.CountTokens(s)
	}
	return len(strings.Fields(s))
}

// Embed implements [embed.Embedder].
func (e *benchEmbedder) Embed(ctx context.Context, task embed.Task, texts []string) ([][]float32, error) {
	if task == embed.Query && e.queries || task == embed.Passage && e.real {
		return e.model.Embed(ctx, task, texts)
	}
	out := make([][]float32, len(texts))
	for i, s := range texts {
		out[i] = e.sum(s)
	}
	return out, nil
}

func (e *benchEmbedder) sum(s string) []float32 {
	v := make([]float32, e.info.Dimension)
	v[0] = 1 // never of length 0
	for _, word := range strings.Fields(strings.ToLower(s)) {
		for i, x := range e.word(word) {
			v[i] += x
		}
	}
	var squares float64
	for _, x := range v {
		squares += float64(x) * float64(x)
	}
	for i := range v {
		v[i] /= float32(math.Sqrt(squares))
	}
	return v
}

func (e *benchEmbedder) word(s string) []float32 {
	e.mu.Lock()
	defer e.mu.Unlock()
	v, ok := e.words[s]
	if !ok {
		h := fnv.New64a()
		h.Write([]byte(s))
		random := rand.New(rand.NewPCG(h.Sum64(), 0))
		v = make([]float32, e.info.Dimension)
		for i := range v {
			v[i] = float32(random.NormFloat64())
		}
		e.words[s] = v
	}
	return v
}
