package main

import (
	"fmt"

	"github.com/ragloop/ragloop/internal/embed"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/retrieve"
)

// reranker returns the configured cross-encoder, nil where there is none.
func (a *app) reranker() (*embed.CrossEncoder, error) {
	path := a.cfg.Config.Retrieve.Rerank.Model
	if path == "" {
		return nil, nil
	}
	c, err := embed.LoadCrossEncoder(path)
	if err != nil {
		return nil, fmt.Errorf("retrieve.rerank.model: %w", err)
	}
	return c, nil
}

// retriever returns a retriever over gen that reranks with c, unless c is nil.
func retriever(gen *index.Generation, e embed.Embedder, c *embed.CrossEncoder) (*retrieve.Retriever, error) {
	r, err := retrieve.New(gen, e)
	if err != nil || c == nil {
		return r, err
	}
	return r.WithReranker(c), nil
}

// rerankerFingerprint names c in reports; "" for nil.
func rerankerFingerprint(c *embed.CrossEncoder) string {
	if c == nil {
		return ""
	}
	return c.Info().Fingerprint
}
