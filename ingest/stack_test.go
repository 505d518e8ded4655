package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ragloop/ragloop/internal/embed"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/lexical"
	"github.com/ragloop/ragloop/internal/text"
)

// hashed is an embedder whose vectors depend on the text alone. It keeps the
// contract unless breach is set.
type hashed struct {
	max    int // window in words; 0: none
	breach func(texts []string, vectors [][]float32) ([][]float32, error)

	mu    sync.Mutex
	calls int
	count map[string]int // by text: how often it was embedded
}

func (h *hashed) Info() embed.Info {
	return embed.Info{Name: "hashed", Fingerprint: "hashed-8", Dimension: 8, MaxTokens: h.max}
}

func (h *hashed) CountTokens(s string) int { return len(strings.Fields(s)) + 2 }

func (h *hashed) Embed(ctx context.Context, task embed.Task, texts []string) ([][]float32, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if task != embed.Passage {
		return nil, fmt.Errorf("embedded for task %d, want passages", task)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls++
	vectors := make([][]float32, len(texts))
	for i, s := range texts {
		vectors[i] = vector(s)
		if h.count == nil {
			h.count = map[string]int{}
		}
		h.count[s]++
	}
	if h.breach != nil {
		return h.breach(texts, vectors)
	}
	return vectors, nil
}

// embedded returns how many texts were embedded since the last call.
func (h *hashed) embedded() (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.count {
		n += c
	}
	h.count = nil
	return n
}

func vector(s string) []float32 {
	v := make([]float32, 8)
	var norm float64
	for i := range v {
		f := fnv.New32a()
		fmt.Fprint(f, i, s)
		v[i] = float32(f.Sum32()%2000)/1000 - 1
		norm += float64(v[i]) * float64(v[i])
	}
	for i := range v {
		v[i] /= float32(math.Sqrt(norm))
	}
	return v
}

var chunker = index.ChunkerRecipe{SizeTokens: 16, Tokenizer: "o200k_base", IndexPrefix: true}

func plan(collection string) Plan {
	return Plan{Collection: collection, Chunker: chunker}
}

// fixed is a recipe whose average length is given, for generations made without Build.
func fixed(e embed.Embedder) index.Recipe {
	return recipeOf(e.Info(), chunker, lexical.ForChunks())
}

// clock returns one second later at every call.
func clock() func() time.Time {
	var mu sync.Mutex
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	return func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(time.Second)
		return now
	}
}

// cut is an interceptor that fails every call from the n-th writing one on, as
// if the power had gone; n < 0 never.
type cut struct {
	mu     sync.Mutex
	left   int
	writes int
	change func(req any) // where set, sees every request before it is sent
}

func (c *cut) after(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left, c.writes = n, 0
}

func (c *cut) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.writes
	c.writes = 0
	return n
}

func (c *cut) intercept(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	c.mu.Lock()
	switch method[strings.LastIndexByte(method, '/')+1:] {
	case "Upsert", "Delete", "Create", "CreateFieldIndex", "UpdateAliases":
		c.writes++
	}
	dead := c.left >= 0 && c.writes > c.left
	if c.change != nil {
		c.change(req)
	}
	c.mu.Unlock()
	if dead {
		return status.Error(codes.FailedPrecondition, "power cut")
	}
	return invoke(ctx, method, req, reply, cc, opts...)
}

// dial connects to the server that RAGLOOP_QDRANT names, otherwise or where o
// asks for it to a local mode.
func dial(t testing.TB, o index.Options) *index.Client {
	t.Helper()
	if o.DataDir == "" && !o.InMemory {
		o.Addr = os.Getenv("RAGLOOP_QDRANT")
		o.InMemory = o.Addr == ""
	}
	c, err := index.Dial(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// collection returns a name for t and drops what was made under it afterwards.
func collection(t testing.TB, c *index.Client) string {
	t.Helper()
	name := regexp.MustCompile(`[^A-Za-z0-9]+`).ReplaceAllString(t.Name(), "-")
	clean := func(ctx context.Context) {
		if err := c.DropCollection(ctx, name); err != nil {
			t.Error(err)
		}
	}
	if !c.Info().Local { // left over from an interrupted run against a server
		clean(t.Context())
	}
	t.Cleanup(func() { clean(context.WithoutCancel(t.Context())) })
	return name
}

func generation(t testing.TB, c *index.Client, e embed.Embedder) *index.Generation {
	t.Helper()
	g, err := c.Create(t.Context(), collection(t, c), fixed(e))
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func worker(t testing.TB, g *index.Generation, o Options) *Worker {
	t.Helper()
	if o.Now == nil {
		o.Now = clock()
	}
	w, err := NewWorker(g, o)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// texts is a source of plain text by document id.
func texts(pairs ...string) Source {
	var items []Item
	for i := 0; i < len(pairs); i += 2 {
		items = append(items, Text(text.DocID(pairs[i]), "", pairs[i+1]))
	}
	return Documents(items)
}

// broken is an item that cannot be opened.
func broken(id text.DocID) Item {
	item := Text(id, "", "")
	item.Open = func() (io.ReadCloser, error) { return nil, errors.New("bad sector") }
	return item
}

// dump returns everything that is visible in g as text, times left out, and
// fails where something is stored that is not visible.
func dump(t testing.TB, g *index.Generation) string {
	t.Helper()
	var b strings.Builder
	for r, err := range g.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		r.IngestedAt = time.Time{}
		line(t, &b, r)
		chunks, err := g.Chunks(t.Context(), r.Doc)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range chunks {
			line(t, &b, c)
		}
	}
	if s, err := g.Stats(t.Context()); err != nil || s.Hidden != 0 {
		t.Errorf("Stats = %+v, %v, want nothing hidden", s, err)
	}
	return b.String()
}

func line[T index.Record | index.Chunk](t testing.TB, b *strings.Builder, v T) {
	t.Helper()
	j, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	b.Write(j)
	b.WriteByte('\n')
}

// para returns n sentences that differ by tag.
func para(tag string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "Sentence %d about %s says a little more than nothing.\n\n", i, tag)
	}
	return b.String()
}
