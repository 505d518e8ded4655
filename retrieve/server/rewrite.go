package server

import (
	"context"
	"fmt"
	"time"
	"unicode/utf8"

	ragloopv1 "github.com/ragloop/ragloop/proto/ragloop/v1"
	"github.com/ragloop/ragloop/retrieve"
	"github.com/ragloop/ragloop/retrieve/expand"
)

// Rewriter makes a query that stands alone of one that continues a conversation;
// implemented by expand.Writer. It must be safe for concurrent use.
type Rewriter interface {
	Rewrite(ctx context.Context, turns []expand.Turn, query string) (string, error)
}

// roles of a turn on the wire.
var roles = map[ragloopv1.TurnRole]string{
	ragloopv1.TurnRole_TURN_ROLE_USER:      expand.User,
	ragloopv1.TurnRole_TURN_ROLE_ASSISTANT: expand.Assistant,
}

// turns reads the history of a request.
func (c Config) turns(in []*ragloopv1.Turn, bad *invalidRequest) []expand.Turn {
	if len(in) == 0 {
		return nil
	}
	if c.Rewriter == nil {
		bad.add("history", "is set, but this server has no language model to make use of it")
		return nil
	}
	if len(in) > expand.MaxTurns {
		bad.add("history", "has %d turns, allowed are %d", len(in), expand.MaxTurns)
		return nil
	}
	out := make([]expand.Turn, len(in))
	for i, t := range in {
		role, ok := roles[t.GetRole()]
		if !ok {
			bad.add(fmt.Sprintf("history[%d].role", i), "is %s, allowed are TURN_ROLE_USER and TURN_ROLE_ASSISTANT", t.GetRole())
		}
		if n := utf8.RuneCountInString(t.GetText()); n > expand.MaxTurnRunes {
			bad.add(fmt.Sprintf("history[%d].text", i), "has %d code points, allowed are %d", n, expand.MaxTurnRunes)
		}
		out[i] = expand.Turn{Role: role, Text: t.GetText()}
	}
	return out
}

// rewriting is a query on its way to the searcher.
type rewriting struct {
	query    string
	degraded []string
	stages   []retrieve.Stage
}

// rewrite returns what to search for. A failure leaves the query as it is, which
// is told as degraded, unless all is required; so does what the searcher would
// refuse. It takes at most half of the time that is left.
func (c Config) rewrite(ctx context.Context, turns []expand.Turn, query string, p retrieve.Params) (rewriting, error) {
	out := rewriting{query: query}
	if len(turns) == 0 {
		return out, nil
	}
	limited := ctx
	if deadline, ok := ctx.Deadline(); ok && !p.RequireAll {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, time.Until(deadline)/2)
		defer cancel()
	}
	begin := c.Now()
	written, err := c.Rewriter.Rewrite(limited, turns, query)
	out.stages = []retrieve.Stage{{Name: "rewrite", Elapsed: c.Now().Sub(begin), Begin: begin}}
	if err == nil {
		if problem := retrieve.Check(written, p); problem != nil {
			err = fmt.Errorf("what was written is not a query: %v", problem) // not the client's mistake
		}
	}
	switch {
	case err == nil:
		out.query = written
	case ctx.Err() != nil:
		return out, ctx.Err()
	case p.RequireAll:
		return out, fmt.Errorf("%w: %w", retrieve.ErrLeg, err)
	default:
		out.degraded = []string{"rewrite: " + err.Error()}
	}
	return out, nil
}

// into puts what rewriting has to tell in front of what the search tells.
func (r rewriting) into(found *retrieve.Result) {
	found.Degraded = append(r.degraded, found.Degraded...)
	stages := make([]retrieve.Stage, 0, len(r.stages)+len(found.Stages)+1) // packing is to come
	found.Stages = append(append(stages, r.stages...), found.Stages...)
}
