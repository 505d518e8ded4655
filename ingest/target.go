package ingest

import (
	"context"
	"errors"
	"fmt"

	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
)

// target is the generation that a build works on.
type target struct {
	how        how
	generation *index.Generation // with created: the one being served so far, which is empty or to be replaced; may be nil
}

type how uint8

const (
	created how = iota // a new generation
	inPlace            // the one being served
	resumed            // one of an interrupted build
)

// choose finds the target of a build. It changes nothing.
func choose(ctx context.Context, c *index.Client, plan Plan, want index.Recipe, o Options) (target, error) {
	served, err := c.Open(ctx, plan.Collection)
	switch {
	case errors.Is(err, index.ErrNoCollection):
		served = nil
	case err != nil:
		return target{}, err
	default:
		stays, err := keep(ctx, served, plan.Rebuild)
		if err != nil || stays {
			return target{inPlace, served}, err
		}
		if err := replaceable(ctx, served, plan, o); err != nil {
			return target{}, err
		}
	}
	g, err := interrupted(ctx, c, plan.Collection, served, want)
	if err != nil || g != nil {
		return target{resumed, g}, err
	}
	return target{created, served}, nil
}

// keep says whether a served generation is updated in place. An empty one is in
// nobody's way: its recipe, average length included, is no reason to refuse.
func keep(ctx context.Context, g *index.Generation, rebuild bool) (bool, error) {
	own, all, err := g.CountChunks(ctx)
	if err != nil {
		return false, err
	}
	if rebuild && all > own {
		return false, fmt.Errorf("rebuild: %s also holds %d chunks of other tenants, which would be lost", g, all-own)
	}
	return !rebuild && all > 0, nil
}

// replaceable refuses a rebuild that would lose what its source does not answer
// for.
func replaceable(ctx context.Context, g *index.Generation, plan Plan, o Options) error {
	if !plan.Rebuild || o.Prune || o.Scope == nil {
		return nil
	}
	var first text.DocID // by id, so that the message is always the same
	n := 0
	for rec, err := range g.List(ctx) {
		if err != nil {
			return fmt.Errorf("rebuild: %w", err)
		}
		if rec.State != index.Indexed || o.Scope(rec) {
			continue // of one that failed there is nothing to lose
		}
		if n++; n == 1 || rec.Doc < first {
			first = rec.Doc
		}
	}
	if n > 0 {
		return fmt.Errorf("rebuild: %w: %s holds %d documents from elsewhere, such as %q, and the new generation would not", ErrElsewhere, g, n, first)
	}
	return nil
}

// interrupted returns the newest generation that was never served and has the
// wanted recipe, or nil. One that is older than the served generation was
// replaced by it and stays for rollback.
func interrupted(ctx context.Context, c *index.Client, collection string, served *index.Generation, want index.Recipe) (*index.Generation, error) {
	all, err := c.Generations(ctx, collection)
	if err != nil {
		return nil, err
	}
	var found *index.Generation
	for _, g := range all {
		if (served == nil || g.Number > served.Number) && g.Recipe.Check(want) == nil {
			found = g
		}
	}
	return found, nil
}
