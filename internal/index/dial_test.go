package index

import (
	"context"
	"flag"
	"hash/fnv"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc"

	"github.com/ragloop/ragloop/internal/lexical"
	"github.com/ragloop/ragloop/internal/meta"
	"github.com/ragloop/ragloop/internal/text"
)

var updateGolden = flag.Bool("update", false, "rewrite the golden files")

// dial connects to the server that RAGLOOP_QDRANT names, otherwise or where o
// asks for it to a local mode, over the same gRPC stack.
func dial(t testing.TB, o Options) *Client {
	t.Helper()
	if o.DataDir == "" && !o.InMemory {
		o.Addr = os.Getenv("RAGLOOP_QDRANT")
		o.InMemory = o.Addr == ""
	}
	c, err := Dial(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// collection returns a name for t and drops what was made under it afterwards.
func collection(t testing.TB, c *Client) string {
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
	t.Cleanup(func() {
		clean(context.WithoutCancel(t.Context()))
	})
	return name
}

func create(t testing.TB, c *Client) *Generation {
	t.Helper()
	g, err := c.Create(t.Context(), collection(t, c), testRecipe())
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func testRecipe() Recipe {
	return Recipe{
		Extractor: "1",
		Chunker:   ChunkerRecipe{Strategy: "structure", SizeTokens: 64, Overlap: 0.25, Tokenizer: "o200k_base", IndexPrefix: true},
		Embedder:  EmbedderRecipe{Name: "hash", Fingerprint: "hash-4", Dimension: 4},
		Lexical:   lexical.Params{K: 1.2, B: 0.75, AvgLen: 12.5, Language: "english"},
	}
}

// wire is an interceptor that sees every call and can answer in the server's place.
type wire struct {
	mu     sync.Mutex
	before func(method string, req any) error // an error is returned instead of calling
	after  func(method string, reply any)
	calls  []string // names of the methods called, without their service
	reqs   []any
}

func (w *wire) option() []grpc.UnaryClientInterceptor {
	return []grpc.UnaryClientInterceptor{func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		name := method[strings.LastIndexByte(method, '/')+1:]
		w.mu.Lock()
		before, after := w.before, w.after
		w.calls, w.reqs = append(w.calls, name), append(w.reqs, req)
		w.mu.Unlock()
		if before != nil {
			if err := before(name, req); err != nil {
				return err
			}
		}
		err := invoke(ctx, method, req, reply, cc, opts...)
		if err == nil && after != nil {
			after(name, reply)
		}
		return err
	}}
}

func (w *wire) set(before func(string, any) error, after func(string, any)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.before, w.after = before, after
}

// take returns the calls since the last take.
func (w *wire) take() (calls []string, reqs []any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	calls, reqs = w.calls, w.reqs
	w.calls, w.reqs = nil, nil
	return calls, reqs
}

// vector returns a unit vector that depends on s alone.
func vector(s string) []float32 {
	h := fnv.New64a()
	h.Write([]byte(s))
	x := h.Sum64()
	v := make([]float32, 4)
	var norm float64
	for i := range v {
		v[i] = float32(int16(x>>(16*i))) / 32768
		norm += float64(v[i]) * float64(v[i])
	}
	for i := range v {
		v[i] /= float32(math.Sqrt(norm) + 1e-9)
	}
	return v
}

// terms returns a sparse vector with one dimension per word of s.
func terms(s string) lexical.Vector {
	weight := map[uint32]float32{}
	for _, w := range strings.Fields(s) {
		h := fnv.New32a()
		h.Write([]byte(w))
		weight[h.Sum32()]++
	}
	var v lexical.Vector
	for _, k := range sortedKeys(weight) {
		v.Indices, v.Values = append(v.Indices, k), append(v.Values, weight[k])
	}
	return v
}

// document builds an entry from texts with a blank line behind each.
func document(doc text.DocID, rev string, texts ...string) Entry {
	e := Entry{Record: Record{
		Doc: doc, Rev: rev, URI: "file:///" + string(doc), MediaType: "text/plain", Title: "Title of " + string(doc),
		ContentSHA256: "c0ffee", InputSHA256: "beef", State: Indexed,
		IngestedAt: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC),
		Tags:       []string{"red", string(doc[0])},
		ACL:        []string{"group:" + string(doc[0])},
		Modified:   time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC),
		Meta:       meta.Fields{"lang": meta.OfString("en"), "a.b": meta.OfString("dotted"), "year": meta.OfInteger(2024), "at": meta.OfTime(time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)), "ok": meta.OfBool(true), "x": meta.OfFloat(0.5), "by": meta.OfStrings([]string{"Ana", "Bo"})},
	}}
	at := 0
	for i, s := range texts {
		n := utf8.RuneCountInString(s)
		e.Points = append(e.Points, Point{
			Chunk: Chunk{
				Ordinal: i, Span: text.RuneSpan{Start: at, End: at + n}, Text: s, Gap: "\n\n",
				Heading: []string{"Part", "Äußeres"}, PageStart: 1, PageEnd: i + 1, Tokens: len(s),
				Tags: e.Record.Tags, Meta: e.Record.Meta,
			},
			Dense: vector(s), Sparse: terms(s),
		})
		at += n + 2
	}
	e.Record.Bytes = len(fullText(e))
	return e
}

func fullText(e Entry) string {
	s := ""
	for _, p := range e.Points {
		s += p.Chunk.Text + p.Chunk.Gap
	}
	return s
}

func put(t testing.TB, g *Generation, entries ...Entry) {
	t.Helper()
	if err := g.PutAll(t.Context(), entries); err != nil {
		t.Fatal(err)
	}
}

// stored returns the texts of all chunk points, visible or not, sorted.
func stored(t testing.TB, g *Generation) []string {
	t.Helper()
	var out []string
	for p, err := range g.c.scan(t.Context(), g.chunks(), &qdrant.Filter{}, 100, keyText) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p.GetPayload()[keyText].GetStringValue())
	}
	return sorted(out)
}

// golden compares got with testdata/name, or rewrites that with -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *updateGolden {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got):\n%s", file, d)
	}
}
