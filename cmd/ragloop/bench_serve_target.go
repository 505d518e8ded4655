package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/ragloop/ragloop/evalret/labels"
	"github.com/ragloop/ragloop/ingest"
	"github.com/ragloop/ragloop/internal/demo"
	"github.com/ragloop/ragloop/internal/load"
	"github.com/ragloop/ragloop/internal/unary"
	ragloopv1 "github.com/ragloop/ragloop/proto/ragloop/v1"
)

// loadTarget is a service under load.
type loadTarget struct {
	retrieval *unary.Client
	request   func(query string) *ragloopv1.RetrieveRequest
	queries   []string
	unique    bool // no query twice
	asked     atomic.Int64

	// Of the service that was started for this.
	process   *benchProcess // nil: there is none
	ingestion ragloopv1.IngestionClient
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
		if t.process, err = a.startBenchProcess(ctx); err != nil {
			return t, err
		}
		t.closers = append(t.closers, t.process.close)
		s := t.process.serving
		a.say("serving %d documents, %d chunks, on %s", s.Documents, s.Chunks, s.Addr)
		addr = s.Addr
	}
	if b.ingest {
		if t.more, err = a.moreDocuments(b); err != nil {
			return t, err
		}
	}
	t.retrieval = unary.New(addr, ragloopv1.Retrieval_Retrieve_FullMethodName)
	t.closers = append(t.closers, t.retrieval.Close)
	conn, done, err := a.connect(ctx, addr)
	if err != nil {
		return t, err
	}
	t.closers = append(t.closers, done)
	t.ingestion = ragloopv1.NewIngestionClient(conn)
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

// moreDocuments are what is ingested under load.
func (a *app) moreDocuments(b servingLoad) ([]ingest.Item, error) {
	counter, err := a.counter()
	if err != nil {
		return nil, err
	}
	return benchCorpus(benchMoreChunks, a.cfg.Config.Chunk.SizeTokens, counter, b.plan.Seed+1)
}

// benchMoreChunks are no more than are needed for chunks to differ.
const benchMoreChunks = 2000

// uniqueQuery returns the query as nobody has asked it before n.
func uniqueQuery(query string, n int) string { return fmt.Sprintf("%s (%d)", query, n) }

// call asks for one context.
func (t *loadTarget) call(ctx context.Context, n int, done func(load.Reply)) {
	query := t.queries[n%len(t.queries)]
	if t.unique {
		query = uniqueQuery(query, int(t.asked.Add(1))) // n begins anew with every measurement
	}
	request, err := proto.Marshal(t.request(query))
	if err != nil {
		done(load.Reply{Outcome: load.Failed, Err: fmt.Errorf("encode the request: %w", err)})
		return
	}
	t.retrieval.Start(ctx, request, func(reply unary.Reply, err error) {
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			done(load.Reply{Outcome: load.Expired})
		case err != nil:
			done(load.Reply{Outcome: load.Failed, Err: err})
		case reply.Code != uint32(codes.OK):
			done(refusal(reply))
		default:
			done(answered(reply.Body))
		}
	})
}

// The parts of a response that are looked at. Decoding all of it would take as long
// as the rest of the call.
var (
	stagesField   = responseField("stages")
	degradedField = responseField("degraded")
)

func responseField(name protoreflect.Name) protowire.Number {
	return (&ragloopv1.RetrieveResponse{}).ProtoReflect().Descriptor().Fields().ByName(name).Number()
}

// answered reads an encoded response.
func answered(body []byte) (out load.Reply) {
	for len(body) > 0 {
		number, kind, n := protowire.ConsumeTag(body)
		if n < 0 {
			return load.Reply{Outcome: load.Failed, Err: fmt.Errorf("decode the response: %w", protowire.ParseError(n))}
		}
		size := protowire.ConsumeFieldValue(number, kind, body[n:])
		if size < 0 {
			return load.Reply{Outcome: load.Failed, Err: fmt.Errorf("decode the response: %w", protowire.ParseError(size))}
		}
		value := body[n : n+size]
		body = body[n+size:]
		switch number {
		case degradedField:
			out.Outcome = load.Degraded
		case stagesField:
			encoded, _ := protowire.ConsumeBytes(value) // it has just been measured
			var s ragloopv1.StageTiming
			if err := proto.Unmarshal(encoded, &s); err != nil {
				return load.Reply{Outcome: load.Failed, Err: fmt.Errorf("decode the response: %w", err)}
			}
			out.Stages = append(out.Stages, load.Stage{Name: s.Name, Elapsed: s.Elapsed.AsDuration()})
		}
	}
	return out
}

// refusal tells a call that was refused as it should be, with the time to come
// again, from one that failed.
func refusal(r unary.Reply) load.Reply {
	st := &statuspb.Status{Code: int32(r.Code), Message: r.Message}
	if len(r.Details) > 0 {
		st = &statuspb.Status{}
		if err := proto.Unmarshal(r.Details, st); err != nil {
			return load.Reply{Outcome: load.Failed, Err: fmt.Errorf("decode the status: %w", err)}
		}
	}
	switch codes.Code(st.Code) {
	case codes.DeadlineExceeded:
		return load.Reply{Outcome: load.Expired}
	case codes.ResourceExhausted:
		for _, d := range st.Details {
			if d.MessageIs(&errdetails.RetryInfo{}) {
				return load.Reply{Outcome: load.Rejected}
			}
		}
	}
	return load.Reply{Outcome: load.Failed, Err: describe(status.FromProto(st).Err())}
}

// startIngest puts documents into the service, embedded by the model, one stream
// after the other until stop is called.
func (t *loadTarget) startIngest(ctx context.Context) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
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
		return <-done
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
