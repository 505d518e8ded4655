package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ragloop/ragloop/evalret/labels"
	"github.com/ragloop/ragloop/ingest"
	"github.com/ragloop/ragloop/internal/demo"
	"github.com/ragloop/ragloop/internal/embed"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/load"
	ragloopv1 "github.com/ragloop/ragloop/proto/ragloop/v1"
)

// loadTarget is a service under load.
type loadTarget struct {
	retrieval ragloopv1.RetrievalClient
	request   func(query string) *ragloopv1.RetrieveRequest
	queries   []string
	unique    bool // no query twice

	// Of the service in this process.
	ingestion ragloopv1.IngestionClient
	embedder  *benchEmbedder
	more      []ingest.Item // to ingest under load
	closers   []func() error
}

func (t *loadTarget) close() error {
	var errs []error
	for i := len(t.closers) - 1; i >= 0; i-- {
		errs = append(errs, t.closers[i]())
	}
	return errors.Join(errs...)
}

func (a *app) loadTarget(ctx context.Context, b servingLoad) (t *loadTarget, err error) {
	t = &loadTarget{unique: b.embed}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.close())
		}
	}()
	if t.queries, err = loadQueries(b.set); err != nil {
		return t, err
	}
	addr := b.addr
	if addr == "" {
		if addr, err = a.serveBench(ctx, t, b); err != nil {
			return t, err
		}
	}
	conn, done, err := a.connect(ctx, addr)
	if err != nil {
		return t, err
	}
	t.closers = append(t.closers, done)
	t.retrieval, t.ingestion = ragloopv1.NewRetrievalClient(conn), ragloopv1.NewIngestionClient(conn)
	t.request = func(query string) *ragloopv1.RetrieveRequest { return a.retrieveRequest(query, b.addr != "") }
	return t, nil
}

// loadQueries returns the texts of a query set, of the demo's where path is empty.
func loadQueries(path string) ([]string, error) {
	var set labels.Set
	var err error
	if path == "" {
		set, err = labels.Read(bytes.NewReader(demo.Queries()), "the demo's queries")
	} else {
		set, err = labels.ReadFile(path)
	}
	if err != nil {
		return nil, err
	}
	var out []string
	for _, q := range set.Queries {
		out = append(out, q.Text)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("bench serve: %s holds no query", path)
	}
	return out, nil
}

// benchCollection is the collection of the service in this process.
const benchCollection = "bench"

// serveBench makes a corpus, builds an index of it in memory, and serves that on
// loopback. Nothing is written to the data directory.
func (a *app) serveBench(ctx context.Context, t *loadTarget, b servingLoad) (addr string, err error) {
	counter, err := a.counter()
	if err != nil {
		return "", err
	}
	extra := 0
	if b.ingest {
		extra = b.chunks
	}
	items, err := benchCorpus(b.chunks+extra, a.cfg.Config.Chunk.SizeTokens, counter, b.plan.Seed)
	if err != nil {
		return "", err
	}
	documents := (b.chunks + benchDocChunks - 1) / benchDocChunks
	items, t.more = items[:documents], items[documents:]
	var model embed.Embedder
	if b.embed || b.ingest {
		if model, err = a.bareEmbedder(); err != nil {
			return "", err
		}
	}
	t.embedder = newBenchEmbedder(model, b.embed)
	client, err := index.Dial(ctx, index.Options{InMemory: true})
	if err != nil {
		return "", err
	}
	t.closers = append(t.closers, client.Close)
	a.cfg.Config.Collection = benchCollection
	built, err := ingest.Build(ctx, client, ingest.Plan{Collection: benchCollection, Chunker: a.chunker()}, ingest.Documents(items),
		ingest.Options{Embedder: t.embedder, Extractor: ingest.InProcess{}})
	if err != nil {
		return "", err
	}
	chunks, _, err := built.Generation.CountChunks(ctx)
	if err != nil {
		return "", err
	}
	srv, err := a.newServer(client, t.embedder)
	if err != nil {
		return "", err
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("bench serve: %w", err)
	}
	ctx, stop := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ctx, lis) }()
	t.closers = append(t.closers, func() error { stop(); return <-served })
	a.say("serving %d documents, %d chunks, on %s", built.Summary.Documents, chunks, lis.Addr())
	return lis.Addr().String(), nil
}

// call asks for one context.
func (t *loadTarget) call(ctx context.Context, n int) load.Reply {
	query := t.queries[n%len(t.queries)]
	if t.unique {
		query = fmt.Sprintf("%s (%d)", query, n)
	}
	resp, err := t.retrieval.Retrieve(ctx, t.request(query))
	if err != nil {
		return load.Reply{Outcome: outcome(err), Err: describe(err)}
	}
	out := load.Reply{}
	if len(resp.Degraded) > 0 {
		out.Outcome = load.Degraded
	}
	for _, s := range resp.Stages {
		out.Stages = append(out.Stages, load.Stage{Name: s.Name, Elapsed: s.Elapsed.AsDuration()})
	}
	return out
}

// outcome tells a call that was refused as it should be, with the time to come
// again, from one that failed.
func outcome(err error) load.Outcome {
	switch st := status.Convert(err); st.Code() {
	case codes.DeadlineExceeded:
		return load.Expired
	case codes.ResourceExhausted:
		for _, d := range st.Details() {
			if _, ok := d.(*errdetails.RetryInfo); ok {
				return load.Rejected
			}
		}
	}
	return load.Failed
}

// startIngest puts documents into the service, embedded by the model, one stream
// after the other until stop is called.
func (t *loadTarget) startIngest(ctx context.Context) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	t.embedder.real.Store(true)
	done := make(chan error, 1)
	go func() {
		for n := 0; ctx.Err() == nil; n++ {
			if err := t.put(ctx, n); err != nil && ctx.Err() == nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	return func() error {
		cancel()
		err := <-done
		t.embedder.real.Store(false)
		return err
	}
}

// put stores the n-th of the documents that are left, from the beginning again
// under another id when all are stored.
func (t *loadTarget) put(ctx context.Context, n int) error {
	item := t.more[n%len(t.more)]
	body, err := item.Open()
	if err != nil {
		return err
	}
	defer body.Close()
	var content bytes.Buffer
	if _, err := content.ReadFrom(body); err != nil {
		return fmt.Errorf("bench serve: read %s: %w", item.ID, err)
	}
	_, err = t.ingestion.PutDocument(ctx, &ragloopv1.PutDocumentRequest{Document: &ragloopv1.NewDocument{
		Id: fmt.Sprintf("%s/%d", item.ID, n), Content: content.Bytes(), MediaType: item.MediaType,
	}}, grpc.WaitForReady(true))
	if err != nil {
		return fmt.Errorf("bench serve: ingest: %w", describe(err))
	}
	return nil
}
