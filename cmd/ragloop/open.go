package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ragloop/ragloop/ingest"
	"github.com/ragloop/ragloop/ingest/extract"
	"github.com/ragloop/ragloop/ingest/extract/isolate"
	"github.com/ragloop/ragloop/internal/embed"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/tokens"
)

// dial connects to the index that the configuration names.
func (a *app) dial(ctx context.Context) (*index.Client, error) {
	return index.Dial(ctx, a.indexOptions())
}

func (a *app) indexOptions() index.Options {
	c := a.cfg.Config
	if c.Qdrant.APIKey != "" && !c.Qdrant.TLS {
		a.log.Warn("qdrant.api_key is sent unencrypted: qdrant.tls is off")
	}
	return index.Options{
		Addr: c.Qdrant.Addr, APIKey: c.Qdrant.APIKey, TLS: c.Qdrant.TLS,
		DataDir: filepath.Join(c.DataDir, "index"), Filterable: a.filterable,
	}
}

// existing connects to an index that must already be there: a command that only
// reads creates no data directory on a misspelt --data.
func (a *app) existing(ctx context.Context) (*index.Client, error) {
	c := a.cfg.Config
	if c.Qdrant.Addr == "" {
		if _, err := os.Stat(filepath.Join(c.DataDir, "index")); err != nil {
			return nil, fmt.Errorf("open the index: %w; \"ragloop ingest PATH\" makes one, --data names another directory", err)
		}
	}
	return a.dial(ctx)
}

// open returns the served generation of the configured collection.
func (a *app) open(ctx context.Context, client *index.Client) (*index.Generation, error) {
	gen, err := client.Open(ctx, a.cfg.Config.Collection)
	if !errors.Is(err, index.ErrNoCollection) {
		return gen, err
	}
	names, listErr := client.Collections(ctx)
	if listErr != nil || len(names) == 0 {
		return nil, fmt.Errorf("%w; the index is empty, \"ragloop ingest PATH\" fills it", err)
	}
	return nil, fmt.Errorf("%w; there are %v", err, names)
}

// onServed runs f on the served generation of the configured collection.
func (a *app) onServed(ctx context.Context, f func(*index.Client, *index.Generation) error) (err error) {
	client, err := a.existing(ctx)
	if err != nil {
		return err
	}
	defer closing(&err, client.Close)
	gen, err := a.open(ctx, client)
	if err != nil {
		return err
	}
	return f(client, gen)
}

// bareEmbedder returns the configured embedder, without the cache.
func (a *app) bareEmbedder() (embed.Embedder, error) {
	c := a.cfg.Config.Embedder
	if c.Kind == "builtin" {
		return a.builtin()
	}
	return embed.NewHTTP(embed.HTTPConfig{
		BaseURL: c.BaseURL, Model: c.Model, APIKey: c.APIKey, Dimension: c.Dimension, MaxTokens: c.MaxTokens,
		QueryPrefix: c.QueryPrefix, PassagePrefix: c.PassagePrefix, Timeout: c.Timeout,
	})
}

// embedder returns the configured embedder behind the cache, for commands that
// embed documents. done closes the cache.
func (a *app) embedder() (e embed.Embedder, done func() error, err error) {
	e, err = a.bareEmbedder()
	if err != nil {
		return nil, nil, err
	}
	c := a.cfg.Config
	if !c.Embedder.Cache {
		return e, func() error { return nil }, nil
	}
	if err := os.MkdirAll(c.DataDir, 0o755); err != nil {
		return nil, nil, fmt.Errorf("open the embedding cache: %w", err)
	}
	cache, err := embed.OpenCache(filepath.Join(c.DataDir, "embeddings.db"), e, func(err error) {
		a.log.Warn("embedding cache: what it had is embedded again where it is needed", "error", err)
	})
	if err != nil {
		return nil, nil, err
	}
	return cache, cache.Close, nil
}

// extractor returns what turns files into text, in processes of their own: the
// same for all of a command, which ends them when it is done.
func (a *app) extractor() (ingest.Extractor, error) {
	c := a.cfg.Config
	if a.parsers == nil {
		pool, err := isolate.New(isolate.Options{Time: c.Extract.Timeout, MemoryBytes: c.Extract.MemoryMB << 20})
		if err != nil {
			return nil, err
		}
		a.parsers = pool
	}
	return &extract.PDFExtractor{
		Options: extract.PDFOptions{Backend: extract.PDFBackend(c.PDF.Backend), CacheDir: filepath.Join(c.DataDir, "pdfium")},
		Run:     a.parsers.Extract,
	}, nil
}

func (a *app) closeParsers() {
	if a.parsers != nil {
		a.parsers.Close()
	}
}

func (a *app) counter() (*tokens.Counter, error) {
	return tokens.New(a.cfg.Config.Chunk.Tokenizer)
}

// closing joins what f returns into *err: a Close that fails after writing is
// an error of the command.
func closing(err *error, f func() error) { *err = errors.Join(*err, f()) }
