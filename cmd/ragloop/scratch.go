package main

import (
	"context"
	"errors"
	"fmt"
	"os"
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

// build makes the collection ragloop_scratch_NAME from all of src, anew. A
// document that cannot be read is left out with a warning, but not the whole
// corpus and, when complete is set, none at all: a figure for what is left would
// look like one for the corpus.
func (s *scratch) build(ctx context.Context, name string, chunker index.ChunkerRecipe, src ingest.Source, complete bool) (*index.Generation, error) {
	name = "ragloop_scratch_" + name
	s.names = append(s.names, name)
	plan := ingest.Plan{Collection: name, Chunker: chunker, Rebuild: true}
	built, err := s.a.buildOn(ctx, s.client, s.embedder, plan, src, ingest.Options{})
	if err != nil {
		return nil, err
	}
	sum := built.Summary
	if sum.Failed > 0 && (complete || sum.Failed == sum.Documents) {
		f := sum.Failures[0]
		return nil, fmt.Errorf("build a scratch index: %d of %d documents could not be read, first %s: %w", sum.Failed, sum.Documents, f.Doc, f.Err)
	}
	for i, f := range sum.Failures {
		if i == maxListed {
			s.a.say("warning: … and %d more", len(sum.Failures)-i)
			break
		}
		s.a.say("warning: not in the scratch index: %s: %s", printable(string(f.Doc)), printable(f.Err.Error()))
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
