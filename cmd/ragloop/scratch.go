package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/ragloop/ragloop/ingest"
	"github.com/ragloop/ragloop/internal/embed"
	"github.com/ragloop/ragloop/internal/index"
)

// cleanupTimeout bounds the removal of scratch collections after the work, also
// after an interrupted one.
const cleanupTimeout = 30 * time.Second

// scratch builds collections for one evaluation and removes them at the end: on
// the configured Qdrant server, or in a local mode of its own beside the user's
// index. The embedding cache outlives it, so that building the same again
// embeds nothing.
type scratch struct {
	a        *app
	client   *index.Client
	embedder embed.Embedder
	names    []string
	closers  []func() error // last first
}

func (a *app) scratch(ctx context.Context) (s *scratch, err error) {
	s = &scratch{a: a}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close(ctx))
		}
	}()
	e, done, err := a.embedder()
	if err != nil {
		return s, err
	}
	s.embedder = e
	s.closers = append(s.closers, done)
	o := a.indexOptions()
	if o.Addr == "" {
		// Not in the user's index: building and dropping would grow its log.
		if err := os.MkdirAll(a.cfg.Config.DataDir, 0o755); err != nil {
			return s, fmt.Errorf("make a scratch index: %w", err)
		}
		dir, err := os.MkdirTemp(a.cfg.Config.DataDir, "scratch-")
		if err != nil {
			return s, fmt.Errorf("make a scratch index: %w", err)
		}
		s.closers = append(s.closers, func() error { return os.RemoveAll(dir) })
		o.DataDir = dir
	}
	s.client, err = index.Dial(ctx, o)
	if err != nil {
		return s, err
	}
	s.closers = append(s.closers, s.client.Close)
	return s, nil
}

// build makes the collection ragloop_scratch_NAME from all of src, anew.
func (s *scratch) build(ctx context.Context, name string, chunker index.ChunkerRecipe, src ingest.Source) (*index.Generation, error) {
	name = "ragloop_scratch_" + name
	s.names = append(s.names, name)
	plan := ingest.Plan{Collection: name, Chunker: chunker, Rebuild: true}
	built, err := s.a.buildOn(ctx, s.client, s.embedder, plan, src, false)
	if err != nil {
		return nil, err
	}
	if n := built.Summary.Failed; n > 0 {
		var docs []string
		for _, f := range built.Summary.Failures {
			docs = append(docs, fmt.Sprintf("%s (%v)", f.Doc, f.Err))
		}
		s.a.say("warning: %d documents could not be read and are not in the scratch index: %s", n, strings.Join(docs, "; "))
	}
	return built.Generation, nil
}

// drop removes what build made under name.
func (s *scratch) drop(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	return s.client.DropCollection(ctx, "ragloop_scratch_"+name)
}

func (s *scratch) close(ctx context.Context) error {
	var errs []error
	if s.client != nil && s.a.cfg.Config.Qdrant.Addr != "" { // the local one goes with its directory
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
		defer cancel()
		for _, name := range s.names {
			errs = append(errs, s.client.DropCollection(ctx, name))
		}
	}
	for i := len(s.closers) - 1; i >= 0; i-- {
		errs = append(errs, s.closers[i]())
	}
	return errors.Join(errs...)
}
