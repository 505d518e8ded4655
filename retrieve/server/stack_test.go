package server

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"math"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/ragloop/ragloop/ingest"
	"github.com/ragloop/ragloop/internal/embed"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/meta"
	"github.com/ragloop/ragloop/internal/text"
	ragloopv1 "github.com/ragloop/ragloop/proto/ragloop/v1"
	"github.com/ragloop/ragloop/retrieve"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// The library that the tests over the real stack retrieve from.
var library = map[text.DocID]string{
	"handbook/travel.md": `# Travel policy

## Hotels

A night in a hotel costs at most 140 euros. In London the limit is 210 euros.

## Trains

Second class is the rule. First class is allowed on journeys of more than four hours.

## Flights

Flights need the approval of the head of department. Über die Alpen fliegt niemand 🙂.
`,
	"handbook/expenses.md": `# Expenses

Receipts are handed in within thirty days. Hotels that cost more than the limit of the travel policy are paid by the traveller.
`,
	"faq/badges.txt": "Where do I get a new badge? At the front desk, building 7.\n\nThe badge opens the doors of all buildings but the laboratory.\n",
	"broken.pdf":     "%PDF-1.4\nnothing of a PDF follows",
}

// grams embeds a text by hashing its three-letter pieces into few numbers.
type grams struct{}

func (grams) Info() embed.Info {
	return embed.Info{Name: "grams", Fingerprint: "grams-1", Dimension: 64, MaxTokens: 4096}
}
func (grams) CountTokens(s string) int { return len(strings.Fields(s)) }
func (grams) Embed(_ context.Context, _ embed.Task, texts []string) ([][]float32, error) {
	var out [][]float32
	for _, s := range texts {
		v := make([]float32, 64)
		v[0] = 0.1
		s = strings.ToLower(s)
		for i := range len(s) - 2 {
			v[(int(s[i])*31+int(s[i+1])*7+int(s[i+2]))%64]++
		}
		norm := 0.0
		for _, x := range v {
			norm += float64(x * x)
		}
		for i := range v {
			v[i] /= float32(math.Sqrt(norm))
		}
		out = append(out, v)
	}
	return out, nil
}

// worker adapts ingest.Worker as the program does.
type worker struct{ w *ingest.Worker }

func (w worker) Put(ctx context.Context, d NewDocument) (PutResult, error) {
	r, err := w.w.Put(ctx, ingest.Item{
		ID: d.ID, URI: d.URI, Name: string(d.ID), MediaType: d.MediaType, Title: d.Title, Tags: d.Tags, ACL: d.ACL, Meta: d.Meta,
		Deleted: d.Deleted, Open: ingest.Bytes(d.Content),
	})
	switch {
	case err != nil:
		return PutResult{}, err
	case r.Err != nil:
		return PutResult{}, &RejectedError{Field: "content", Reason: r.Record.Reason, Err: r.Err}
	}
	outcome := map[ingest.Outcome]Outcome{
		ingest.Indexed: Indexed, ingest.Replaced: Replaced, ingest.Unchanged: Unchanged, ingest.Removed: Removed}[r.Outcome]
	return PutResult{Outcome: outcome, Record: r.Record, Warnings: r.Warnings}, nil
}

func (w worker) Delete(ctx context.Context, doc text.DocID) (bool, error) {
	return w.w.Delete(ctx, doc)
}

// realCollection ingests library into a local index in memory.
func realCollection(t testing.TB) Collection {
	t.Helper()
	ctx := t.Context()
	client, err := index.Dial(ctx, index.Options{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	var items []ingest.Item
	for _, id := range []text.DocID{"broken.pdf", "faq/badges.txt", "handbook/expenses.md", "handbook/travel.md"} {
		items = append(items, ingest.Item{ID: id, URI: "file:///" + string(id), Tags: []string{strings.Split(string(id), "/")[0]},
			Meta: meta.Fields{"lang": meta.OfString("en")}, Open: ingest.Bytes([]byte(library[id]))})
	}
	o := ingest.Options{Embedder: grams{}, Extractor: ingest.InProcess{}, Now: func() time.Time { return time.Unix(1_800_000_000, 0) }}
	built, err := ingest.Build(ctx, client, ingest.Plan{
		Collection: "handbook",
		Chunker:    index.ChunkerRecipe{SizeTokens: 24, Tokenizer: "o200k_base", IndexPrefix: true},
	}, ingest.Documents(items), o)
	if err != nil {
		t.Fatal(err)
	}
	g := built.Generation
	w, err := ingest.NewWorker(g, o)
	if err != nil {
		t.Fatal(err)
	}
	r, err := retrieve.New(g, grams{})
	if err != nil {
		t.Fatal(err)
	}
	return Collection{
		Name: g.Collection, Generation: g.Number, Recipe: g.Recipe.Fingerprint(), Embedder: g.Recipe.Embedder.Name,
		Searcher: r, Documents: g, Ingester: worker{w},
	}
}

// clients are the two clients of one connection.
type clients struct {
	conn *grpc.ClientConn
	dial func() (*grpc.ClientConn, error)
	ragloopv1.RetrievalClient
	ragloopv1.IngestionClient
	stop   context.CancelFunc // begins a graceful stop
	served <-chan error       // what Serve returned
	log    *journal
}

// journal is what the server logged.
type journal struct {
	mu sync.Mutex
	b  strings.Builder
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

// serve serves a collection over an in-process connection.
func serve(t testing.TB, c Collection, mutate func(*Config)) *clients {
	t.Helper()
	lis := bufconn.Listen(1 << 20)
	return serveOn(t, lis, c, mutate, grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }))
}

func serveOn(t testing.TB, lis net.Listener, c Collection, mutate func(*Config), o ...grpc.DialOption) *clients {
	t.Helper()
	out := &clients{log: &journal{}}
	var ids atomic.Int64
	config := Config{
		Collections: Only(c), Defaults: Shipped(),
		Log:   slog.New(slog.NewTextHandler(out.log, nil)),
		NewID: func() string { return fmt.Sprintf("retrieval-%d", ids.Add(1)) },
	}
	if mutate != nil {
		mutate(&config)
	}
	s, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, lis) }()
	out.stop, out.served = cancel, served
	out.dial = func() (*grpc.ClientConn, error) {
		return grpc.NewClient("passthrough:///"+lis.Addr().String(), append(o, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	}
	out.conn, err = out.dial()
	if err != nil {
		t.Fatal(err)
	}
	out.RetrievalClient = ragloopv1.NewRetrievalClient(out.conn)
	out.IngestionClient = ragloopv1.NewIngestionClient(out.conn)
	t.Cleanup(func() {
		out.conn.Close()
		cancel()
		if err := out.stopped(); err != nil {
			t.Errorf("Serve = %v, want nil after a stop", err)
		}
	})
	return out
}

// stopped waits for Serve to return and leaves its result for the cleanup.
func (c *clients) stopped() error {
	err := <-c.served
	again := make(chan error, 1)
	again <- err
	c.served = again
	return err
}

// serveClient returns a client with a connection of its own to c's server.
func serveClient(t testing.TB, c *clients) ragloopv1.RetrievalClient {
	t.Helper()
	conn, err := c.dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return ragloopv1.NewRetrievalClient(conn)
}

// closedListener returns a listener that accepts nothing any more.
func closedListener(t testing.TB) net.Listener {
	t.Helper()
	lis := bufconn.Listen(1)
	lis.Close()
	return lis
}
