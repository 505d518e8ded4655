package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ragloop/ragloop/internal/config"
	"github.com/ragloop/ragloop/internal/embed"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/retrieve"
	"github.com/ragloop/ragloop/retrieve/expand"
)

// reranker is what the kinds of retrieve.rerank have in common.
type reranker interface {
	retrieve.Reranker
	Info() embed.Info
}

// reranker returns the configured reranker, nil where there is none. That of late
// interaction has its store, which [app.closePassages] closes.
func (a *app) reranker() (reranker, error) {
	store, err := a.passageStore()
	if err != nil {
		return nil, err
	}
	return a.rerankerWith(store)
}

// passageStore returns the file of what late interaction read, nil where it is not
// configured or has no file: a second process reads again what the first one keeps.
func (a *app) passageStore() (*embed.PassageStore, error) {
	c := a.cfg.Config
	if a.passages != nil || c.Retrieve.Rerank.Kind != config.Late || c.Retrieve.Rerank.CacheMB == 0 {
		return a.passages, nil
	}
	if err := os.MkdirAll(c.DataDir, 0o755); err != nil {
		return nil, fmt.Errorf("open the passage store: %w", err)
	}
	store, err := embed.OpenPassageStore(filepath.Join(c.DataDir, "passages.db"), int64(c.Retrieve.Rerank.CacheMB)<<20, func(err error) {
		a.log.Warn("passage store: what the reranker reads is in memory all the same", "error", err)
	})
	if errors.Is(err, embed.ErrCacheLocked) {
		a.log.Warn("the reranker keeps what it reads in memory only", "error", err)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	a.passages = store
	return store, nil
}

// closePassages closes the passage store. An error costs time only: what is not
// kept is read again.
func (a *app) closePassages() {
	if a.passages != nil {
		if err := a.passages.Close(); err != nil {
			a.log.Warn("close the passage store", "error", err)
		}
	}
}

// rerankerWith is reranker with a given store, or without if it is nil.
func (a *app) rerankerWith(store *embed.PassageStore) (reranker, error) {
	c := a.cfg.Config.Retrieve.Rerank
	switch {
	case !c.On():
		return nil, nil
	case c.Kind == config.Late:
		m, err := a.builtin()
		if err != nil {
			return nil, err
		}
		return embed.NewLate(m, store), nil
	case c.Kind == config.HTTPReranker:
		key, err := a.secret("retrieve.rerank.api_key_env", c.APIKeyEnv)
		if err != nil {
			return nil, err
		}
		return embed.NewHTTPReranker(embed.HTTPRerankerConfig{
			URL: c.URL, Model: c.Model, API: embed.RerankAPI(c.API), APIKey: key, Timeout: c.Timeout,
		})
	}
	e, err := embed.LoadCrossEncoder(c.Model)
	if err != nil {
		return nil, fmt.Errorf("retrieve.rerank.model: %w", err)
	}
	return e, nil
}

// builtin returns the model that runs in this process, always the same: its
// calls share the cores only if they are of one model. It is the built-in one
// where embedder.kind is not builtin.
func (a *app) builtin() (*embed.Builtin, error) {
	if a.model != nil {
		return a.model, nil
	}
	var err error
	if c := a.cfg.Config.Embedder; c.Kind != "builtin" || c.Model == "" {
		a.model, err = embed.NewBuiltin()
	} else if a.model, err = embed.Load(c.Model); err != nil {
		err = fmt.Errorf("embedder.model: %w", err)
	}
	return a.model, err
}

// retriever returns a retriever over gen that reranks with c and expands with x,
// unless they are nil.
func retriever(gen *index.Generation, e embed.Embedder, c reranker, x *expand.Writer) (*retrieve.Retriever, error) {
	r, err := retrieve.New(gen, e)
	if err != nil {
		return nil, err
	}
	if c != nil {
		r = r.WithReranker(c)
	}
	if x != nil {
		r = r.WithExpander(x)
	}
	return r, nil
}

// rerankerFingerprint names c in reports; "" for nil.
func rerankerFingerprint(c reranker) string {
	if c == nil {
		return ""
	}
	return c.Info().Fingerprint
}
