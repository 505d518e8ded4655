package retrieve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ragloop/ragloop/internal/embed"
	"github.com/ragloop/ragloop/internal/filter"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/lexical"
	"github.com/ragloop/ragloop/internal/text"
)

// memory is an exact index in memory.
type memory struct {
	points     []index.Point
	rec        map[text.DocID]*index.Record
	fail       func(s index.Search) error // of Legs
	recFail    error
	parentFail error
	nearFail   error // of Neighbours
	vectorFail error // of Vectors
	idfFail    error // of IDF
	torn       bool  // no parent is stored as a whole, and no neighbour at all
	mu         sync.Mutex
	limits     []int // of the calls of Legs
}

var errDown = errors.New("connection refused")

// Absent takes whatever the filter names for absent.
func (m *memory) Absent(_ context.Context, f index.Filter, most int) ([]index.Absent, error) {
	var out []index.Absent
	for _, d := range f.Docs[:min(len(f.Docs), most)] {
		out = append(out, index.Absent{Field: filter.Doc, Value: string(d)})
	}
	return out, nil
}

func (m *memory) Legs(ctx context.Context, s index.Search) (index.Legs, error) {
	m.mu.Lock()
	m.limits = append(m.limits, s.Limit)
	m.mu.Unlock()
	if m.fail != nil {
		if err := m.fail(s); err != nil {
			return index.Legs{}, err
		}
	}
	var all []index.Candidate
	for i := range m.points {
		p := &m.points[i]
		if len(s.Filter.Docs) > 0 && !slices.Contains(s.Filter.Docs, p.Chunk.Doc) {
			continue
		}
		c := index.Candidate{Chunk: &p.Chunk}
		for i, x := range s.Dense {
			c.Dense += float64(x * p.Dense[i])
		}
		for i, term := range s.Sparse.Indices {
			if at, ok := slices.BinarySearch(p.Sparse.Indices, term); ok {
				c.Lexical += float64(s.Sparse.Values[i] * p.Sparse.Values[at])
			}
		}
		all = append(all, c)
	}
	rank := func(score func(index.Candidate) float64, set func(*index.Candidate, int), anyScore bool) {
		slices.SortFunc(all, func(a, b index.Candidate) int {
			return cmp.Or(cmp.Compare(score(b), score(a)), cmp.Compare(a.Chunk.ID, b.Chunk.ID))
		})
		for i := range all[:min(len(all), s.Limit)] {
			if anyScore || score(all[i]) > 0 {
				set(&all[i], i+1)
			}
		}
	}
	if s.Dense != nil {
		rank(func(c index.Candidate) float64 { return c.Dense }, func(c *index.Candidate, r int) { c.DenseRank = r }, true)
	}
	if len(s.Sparse.Indices) > 0 {
		rank(func(c index.Candidate) float64 { return c.Lexical }, func(c *index.Candidate, r int) { c.LexicalRank = r }, false)
	}
	var out index.Legs
	for _, c := range all {
		if bestRank(c.DenseRank, c.LexicalRank) > 0 {
			out.Candidates = append(out.Candidates, c)
		}
	}
	slices.SortFunc(out.Candidates, func(a, b index.Candidate) int { return cmp.Compare(a.Chunk.ID, b.Chunk.ID) })
	return out, nil
}

// IDF counts chunks; the scores of Legs do without.
func (m *memory) IDF(_ context.Context, terms []uint32) (map[uint32]float64, error) {
	out := map[uint32]float64{}
	for _, id := range terms {
		df := 0
		for _, p := range m.points {
			if _, ok := slices.BinarySearch(p.Sparse.Indices, id); ok {
				df++
			}
		}
		if df > 0 {
			out[id] = math.Log1p((float64(len(m.points)-df) + 0.5) / (float64(df) + 0.5))
		}
	}
	return out, m.idfFail
}

func (m *memory) RecordsOf(_ context.Context, docs []text.DocID) ([]*index.Record, error) {
	out := make([]*index.Record, len(docs))
	for i, d := range docs {
		out[i] = m.rec[d]
	}
	return out, m.recFail
}

func (m *memory) Vectors(_ context.Context, ids []index.ChunkID) (map[index.ChunkID][]float32, error) {
	out := map[index.ChunkID][]float32{}
	for _, p := range m.points {
		if slices.Contains(ids, p.Chunk.ID) {
			out[p.Chunk.ID] = p.Dense
		}
	}
	return out, m.vectorFail
}

// Parents joins the chunks without gaps between them, as build makes them.
func (m *memory) Parents(ctx context.Context, chunks []index.Chunk) (map[index.ChunkID]*index.Chunk, error) {
	out := map[index.ChunkID]*index.Chunk{}
	for _, c := range chunks {
		if c.ParentLast == 0 || m.torn {
			continue
		}
		var p index.Chunk
		for _, other := range m.points {
			switch o := other.Chunk; {
			case o.Doc != c.Doc || o.Ordinal < c.ParentFirst || o.Ordinal > c.ParentLast:
			case o.Ordinal == c.ParentFirst:
				p = o
			default:
				p.Text, p.Span.End = p.Text+o.Text, o.Span.End
			}
		}
		out[c.ID] = &p
	}
	return out, m.parentFail
}

func (m *memory) Neighbours(ctx context.Context, chunks []index.Chunk, n int) (map[index.ChunkID][]*index.Chunk, error) {
	out := map[index.ChunkID][]*index.Chunk{}
	for _, c := range chunks {
		for d := 1; d <= n && c.ParentLast == 0 && !m.torn; d++ {
			for _, ord := range []int{c.Ordinal + d, c.Ordinal - d} {
				for i := range m.points {
					if o := &m.points[i].Chunk; o.Doc == c.Doc && o.Ordinal == ord {
						out[c.ID] = append(out[c.ID], o)
					}
				}
			}
		}
	}
	return out, m.nearFail
}

// letters embeds a text by how often it has each of the first letters.
type letters struct {
	err    error
	answer func(context.Context) ([][]float32, error)
	window int
}

func (e letters) Info() embed.Info {
	return embed.Info{Name: "letters", Fingerprint: "letters-1", Dimension: 8, MaxTokens: e.window}
}
func (e letters) CountTokens(s string) int { return len(strings.Fields(s)) + 2 }
func (e letters) Embed(ctx context.Context, task embed.Task, texts []string) ([][]float32, error) {
	if e.answer != nil {
		return e.answer(ctx)
	}
	if e.err != nil {
		return nil, e.err
	}
	var out [][]float32
	for _, s := range texts {
		v := make([]float32, 8)
		for _, r := range s {
			if r >= 'a' && r < 'a'+8 {
				v[r-'a']++
			}
		}
		out = append(out, v)
	}
	return out, nil
}

// build makes an index of documents given as their chunks' texts.
func build(t testing.TB, docs map[text.DocID][]string) *memory {
	t.Helper()
	a, err := lexical.New(lexical.Default())
	if err != nil {
		t.Fatal(err)
	}
	m := &memory{rec: map[text.DocID]*index.Record{}}
	for doc, chunks := range docs {
		at := 0
		for i, s := range chunks {
			v, err := letters{}.Embed(t.Context(), embed.Passage, []string{s})
			if err != nil {
				t.Fatal(err)
			}
			m.points = append(m.points, index.Point{
				Chunk: index.Chunk{ID: index.ChunkID(fmt.Sprintf("%s-%03d", doc, i)), Doc: doc, Rev: "new", Ordinal: i,
					Span: text.RuneSpan{Start: at, End: at + len(s)}, Text: s},
				Dense: v[0], Sparse: a.Document(s),
			})
			at += len(s)
		}
		m.rec[doc] = &index.Record{Doc: doc, Rev: "new", State: index.Indexed, Title: "Title of " + string(doc), ChunkCount: len(chunks)}
	}
	return m
}

func retriever(t testing.TB, m *memory, e embed.Embedder) *Retriever {
	t.Helper()
	r, err := newRetriever(m, index.Recipe{Lexical: lexical.Default(), Embedder: index.EmbedderRecipe{Fingerprint: "letters-1"}}, e)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// library is a small corpus with chunks of several documents for any query.
func library(t testing.TB) *memory {
	words := []string{"badge", "cabbage", "head", "face", "decade", "beach", "cafe", "feed", "hedge", "egg"}
	docs := map[text.DocID][]string{}
	for d := range 12 {
		var chunks []string
		for c := range 1 + d {
			chunks = append(chunks, strings.Join([]string{words[d%10], words[(d*3+c)%10], words[(c*7+d)%10]}, " "))
		}
		docs[text.DocID(fmt.Sprintf("doc%02d", d))] = chunks
	}
	return build(t, docs)
}

// ids returns the chunk ids in order.
func ids(rs []Ranked) []string {
	var out []string
	for _, r := range rs {
		out = append(out, string(r.Chunk.ID))
	}
	return out
}
