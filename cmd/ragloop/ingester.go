package main

import (
	"context"
	"errors"

	"github.com/ragloop/ragloop/ingest"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/telemetry"
	"github.com/ragloop/ragloop/internal/text"
	"github.com/ragloop/ragloop/retrieve/server"
)

// ingester returns what ingests documents into gen. Where gen has another recipe
// than this program makes, as after an update of the program, documents are
// refused; they can still be found and deleted.
func (s *served) ingester(gen *index.Generation) (server.Ingester, error) {
	w, err := ingest.NewWorker(gen, ingest.Options{Embedder: s.embedder, Extractor: s.extractor, Situator: s.situator})
	switch {
	case errors.Is(err, index.ErrRecipe):
		return refusing{gen, err, s.metrics}, nil
	case err != nil:
		return nil, err
	}
	return pushed{w, s.metrics}, nil
}

// refusing is the ingester of a collection that this program cannot add to.
type refusing struct {
	gen     *index.Generation
	why     error
	metrics *telemetry.Metrics
}

func (r refusing) Put(ctx context.Context, d server.NewDocument) (server.PutResult, error) {
	if !d.Deleted {
		r.metrics.Document(telemetry.OutcomeError, 0)
		return server.PutResult{}, r.why
	}
	existed, err := r.Delete(ctx, d.ID)
	out := server.PutResult{Outcome: server.Unchanged}
	if existed {
		out.Outcome = server.Removed
	}
	return out, err
}

func (r refusing) Delete(ctx context.Context, doc text.DocID) (bool, error) {
	existed, err := r.gen.Delete(ctx, doc)
	deleted(r.metrics, existed, err)
	return existed, err
}

// deleted reports a deletion that was asked for.
func deleted(m *telemetry.Metrics, existed bool, err error) {
	switch {
	case err != nil:
		m.Document(telemetry.OutcomeError, 0)
	case existed:
		m.Document(string(ingest.Removed), 0)
	}
}
