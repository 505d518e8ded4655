package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/ragloop/ragloop/ingest"
	"github.com/ragloop/ragloop/ingest/extract"
	"github.com/ragloop/ragloop/ingest/extract/isolate"
	"github.com/ragloop/ragloop/internal/away"
	"github.com/ragloop/ragloop/internal/embed"
	"github.com/ragloop/ragloop/internal/endpoint"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/lexical"
	"github.com/ragloop/ragloop/internal/querycache"
	"github.com/ragloop/ragloop/internal/telemetry"
	"github.com/ragloop/ragloop/internal/text"
	ragloopv1 "github.com/ragloop/ragloop/proto/ragloop/v1"
	"github.com/ragloop/ragloop/retrieve"
	"github.com/ragloop/ragloop/retrieve/expand"
	"github.com/ragloop/ragloop/retrieve/server"
)

func (a *app) serveCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve retrieval and ingestion over gRPC",
		Long: `serve answers the services of ragloop.v1, health and reflection at --listen
until it is interrupted. It listens on loopback unless told otherwise: it asks
for no credentials. A collection that does not exist yet is created empty.

With --metrics-listen it answers GET /metrics for Prometheus and GET /healthz
over HTTP, which asks for no credentials either. With --traces otlp it sends
spans of calls and their stages to an OpenTelemetry collector; the variables
OTEL_EXPORTER_OTLP_ENDPOINT (http://localhost:4317), OTEL_TRACES_SAMPLER
(parentbased_always_on) and their like have their usual meaning. Texts of
queries and documents are in neither.`,
		Args: args(0),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			ctx := cmd.Context()
			client, err := a.dial(ctx)
			if err != nil {
				return err
			}
			defer closing(&err, client.Close)
			e, err := a.bareEmbedder()
			if err != nil {
				return err
			}
			gen, err := a.openOrCreate(ctx, client, e)
			if err != nil {
				return err
			}
			// Another embedder would make every call fail: better no service.
			if _, err := retrieve.New(gen, e); err != nil {
				return fmt.Errorf("serve: %w", err)
			}
			w, err := a.watchers(ctx)
			if err != nil {
				return fmt.Errorf("serve: %w", err)
			}
			defer closing(&err, w.close)
			srv, err := a.newServer(client, e, w)
			if err != nil {
				return err
			}
			lis, err := net.Listen("tcp", a.cfg.Config.Serve.Listen)
			if err != nil {
				return fmt.Errorf("serve: %w", err)
			}
			a.say("serving %s on %s; stop with Ctrl-C", gen, lis.Addr())
			return withThreads(func() error {
				return w.serve(ctx, func(ctx context.Context) error { return srv.Serve(ctx, lis) })
			})
		},
	}
	a.bind(cmd, "listen", "serve.listen", "address to listen on")
	a.bind(cmd, "metrics-listen", "serve.metrics_listen", "address to answer HTTP GET /metrics and /healthz on (default: none)")
	a.bind(cmd, "traces", "serve.traces", "off or otlp")
	a.bindRetrieval(cmd)
	a.bindChunking(cmd)
	return textOnly(cmd)
}

// openOrCreate opens the configured collection. Where there is none it makes an
// empty one of the configured recipe, so that documents can be pushed to it.
func (a *app) openOrCreate(ctx context.Context, client *index.Client, e embed.Embedder) (*index.Generation, error) {
	name := a.cfg.Config.Collection
	gen, err := client.Open(ctx, name)
	if !errors.Is(err, index.ErrNoCollection) {
		return gen, err
	}
	// There is nothing to measure an average length on: Qdrant's default holds
	// until an "ingest" builds the collection from a corpus.
	plan := ingest.Plan{Collection: name, Chunker: a.chunker(), Lexical: lexical.ForChunks()}
	extractor, err := a.extractor()
	if err != nil {
		return nil, err
	}
	situator, err := a.situator()
	if err != nil {
		return nil, err
	}
	built, err := ingest.Build(ctx, client, plan, ingest.Documents(nil), ingest.Options{Embedder: e, Extractor: extractor, Situator: situator})
	if err != nil {
		return nil, err
	}
	a.say("created the empty collection %s", name)
	return built.Generation, nil
}

// newServer makes the service. The zero watchers see nothing of it.
func (a *app) newServer(client *index.Client, e embed.Embedder, w watchers) (*server.Server, error) {
	params, err := a.params()
	if err != nil {
		return nil, err
	}
	extractor, err := a.extractor()
	if err != nil {
		return nil, err
	}
	c := a.cfg.Config
	o, err := a.packing()
	if err != nil {
		return nil, err
	}
	o.BudgetTokens = c.Retrieve.BudgetTokens
	cached := querycache.New(w.embedder(e), int64(c.Serve.QueryCacheMB)<<20)
	served := newServed(client, cached, extractor, c.Collection)
	served.metrics = w.metrics
	if err := w.watch(cached, served); err != nil {
		return nil, err
	}
	if served.situator, err = a.situator(); err != nil {
		return nil, err
	}
	if served.expander, err = a.expander(); err != nil {
		return nil, err
	}
	var rewriter server.Rewriter
	if served.expander != nil {
		rewriter = served.expander
	}
	if served.reranker, err = a.reranker(); err != nil {
		return nil, err
	}
	var searching func(n int)
	if a.model != nil {
		searching = a.model.Yield
	}
	return server.New(server.Config{
		Searching:     searching,
		Cores:         runtime.GOMAXPROCS(0), // before it is raised
		Collections:   served,
		Rewriter:      rewriter,
		Defaults:      server.Defaults{Search: params, Pack: o, Tokenizer: c.Chunk.Tokenizer},
		Feedback:      a.feedbackSink(),
		Metrics:       w.metrics,
		Traces:        w.traces,
		Log:           a.log,
		MaxConcurrent: c.Serve.MaxConcurrent,
		DrainTimeout:  c.Serve.DrainTimeout,
	})
}

// serveInProcess starts the service in this process and connects to it, so that
// a query without a server runs the code that a server runs.
func (a *app) serveInProcess(ctx context.Context) (conn *grpc.ClientConn, done func() error, err error) {
	client, err := a.existing(ctx)
	if err != nil {
		return nil, nil, err
	}
	closers := []func() error{client.Close}
	done = func() error {
		var errs []error
		for i := len(closers) - 1; i >= 0; i-- {
			errs = append(errs, closers[i]())
		}
		return errors.Join(errs...)
	}
	fail := func(err error) (*grpc.ClientConn, func() error, error) { return nil, nil, errors.Join(err, done()) }
	if _, err := a.open(ctx, client); err != nil { // a better message than the service's
		return fail(err)
	}
	e, err := a.bareEmbedder()
	if err != nil {
		return fail(err)
	}
	srv, err := a.newServer(client, e, watchers{})
	if err != nil {
		return fail(err)
	}
	lis := bufconn.Listen(1 << 20)
	ctx, stop := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ctx, lis) }()
	closers = append(closers, func() error { stop(); return <-served })
	conn, err = grpc.NewClient("passthrough:///ragloop", append(ragloopv1.DialOptions(),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		return fail(fmt.Errorf("connect to the service in this process: %w", err))
	}
	closers = append(closers, conn.Close)
	return conn, done, nil
}

// servedFor is how long a request may be answered from a generation that is not
// the served one any more.
const servedFor = time.Second

// served opens collections for the service and follows their aliases.
type served struct {
	client    *index.Client
	embedder  embed.Embedder
	extractor ingest.Extractor
	reranker  reranker        // nil: none
	expander  *expand.Writer  // nil: none
	situator  ingest.Situator // nil: none
	metrics   *telemetry.Metrics
	name      string // the default collection
	now       func() time.Time

	turn chan struct{} // of capacity 1: taken by who asks the index
	mu   sync.Mutex    // never held while the index is asked
	open map[string]opened
}

type opened struct {
	number  int
	checked time.Time
	c       server.Collection
	gen     *index.Generation
}

func newServed(client *index.Client, e embed.Embedder, x ingest.Extractor, name string) *served {
	return &served{
		client: client, embedder: e, extractor: x, name: name, now: time.Now,
		turn: make(chan struct{}, 1), open: map[string]opened{},
	}
}

// Collection implements [server.Collections]. One call at a time asks the index,
// which may hang; the others wait for it as long as their ctx allows.
func (s *served) Collection(ctx context.Context, name string) (server.Collection, error) {
	if name == "" {
		name = s.name
	}
	if o, fresh := s.known(name); fresh {
		return o.c, nil
	}
	if !s.client.Info().Local {
		// Until the next one has the turn: whoever has it, and whoever waits for it, waits
		// for another machine.
		defer away.Begin(ctx)()
	}
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return server.Collection{}, fmt.Errorf("look up collection %q: %w", name, ctx.Err())
	}
	o, fresh := s.known(name)
	if fresh { // whoever was before asked for it
		return o.c, nil
	}
	number, err := s.client.Served(ctx, name)
	if err != nil {
		if ctx.Err() == nil { // else nothing is known about the collection
			s.mu.Lock()
			delete(s.open, name)
			s.mu.Unlock()
		}
		return server.Collection{}, err
	}
	if o.gen == nil || o.number != number {
		if o.c, o.gen, err = s.collection(ctx, name); err != nil {
			return server.Collection{}, err
		}
		o.number = o.c.Generation
	}
	o.checked = s.now()
	s.mu.Lock()
	s.open[name] = o
	s.mu.Unlock()
	return o.c, nil
}

// known returns what is open under a name, and whether that was looked up lately.
func (s *served) known(name string) (o opened, fresh bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.open[name]
	return o, ok && s.now().Sub(o.checked) < servedFor
}

func (s *served) collection(ctx context.Context, name string) (server.Collection, *index.Generation, error) {
	gen, err := s.client.Open(ctx, name)
	if err != nil {
		return server.Collection{}, nil, err
	}
	r, err := retriever(gen, s.embedder, s.reranker, s.expander)
	if err != nil {
		return server.Collection{}, nil, err
	}
	ingester, err := s.ingester(gen)
	if err != nil {
		return server.Collection{}, nil, err
	}
	return server.Collection{
		Name: name, Generation: gen.Number, Recipe: gen.Recipe.Fingerprint(), Embedder: gen.Recipe.Embedder.Name,
		Searcher: r, Documents: gen, Ingester: ingester,
	}, gen, nil
}

// pushed ingests the documents that come over the wire.
type pushed struct {
	w       *ingest.Worker
	metrics *telemetry.Metrics
}

func (p pushed) Put(ctx context.Context, d server.NewDocument) (server.PutResult, error) {
	r, err := p.w.Put(ctx, ingest.Item{
		ID: d.ID, URI: d.URI, MediaType: d.MediaType, Title: d.Title, Tags: d.Tags, ACL: d.ACL, Meta: d.Meta,
		Deleted: d.Deleted, Open: ingest.Bytes(d.Content),
	})
	if errors.Is(err, embed.ErrUnavailable) || errors.Is(err, endpoint.ErrUnavailable) || errors.Is(err, isolate.ErrUnavailable) {
		err = fmt.Errorf("%w: %w", server.ErrUnavailable, err)
	}
	if err != nil {
		p.metrics.Document(telemetry.OutcomeError, 0)
		return server.PutResult{}, err
	}
	stored := 0
	if r.Outcome == ingest.Indexed || r.Outcome == ingest.Replaced {
		stored = r.Record.ChunkCount
	}
	p.metrics.Document(string(r.Outcome), stored)
	out := server.PutResult{Record: r.Record, Warnings: r.Warnings}
	switch r.Outcome {
	case ingest.Failed, ingest.Quarantined:
		return out, rejected(d, r)
	case ingest.Unchanged:
		out.Outcome = server.Unchanged
	case ingest.Replaced:
		out.Outcome = server.Replaced
	case ingest.Removed:
		out.Outcome = server.Removed
	default:
		out.Outcome = server.Indexed
	}
	return out, nil
}

// rejected says why d was not ingested, and which field of it is to blame.
func rejected(d server.NewDocument, r ingest.Result) error {
	e := &server.RejectedError{Field: "content", Err: r.Err}
	if r.Outcome == ingest.Quarantined {
		e.Reason = r.Record.Reason
	}
	if e.Reason == string(extract.ReasonUnsupported) && d.MediaType != "" {
		e.Field = "media_type"
	}
	return e
}

func (p pushed) Delete(ctx context.Context, doc text.DocID) (bool, error) {
	existed, err := p.w.Delete(ctx, doc)
	deleted(p.metrics, existed, err)
	return existed, err
}
