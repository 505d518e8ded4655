package server

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	ragloopv1 "github.com/ragloop/ragloop/proto/ragloop/v1"
	"github.com/ragloop/ragloop/retrieve/expand"
)

// lastTurn makes a query of what was said last.
type lastTurn struct {
	err   error
	blank bool
	wait  bool // for the end of the context
}

func (r lastTurn) Rewrite(ctx context.Context, turns []expand.Turn, query string) (string, error) {
	switch {
	case r.wait:
		<-ctx.Done()
		return "", ctx.Err()
	case r.blank:
		return " ", nil
	case r.err != nil:
		return "", r.err
	}
	return turns[len(turns)-1].Text + " " + query, nil
}

var conversation = []*ragloopv1.Turn{
	{Role: ragloopv1.TurnRole_TURN_ROLE_USER, Text: "How do I travel?"},
	{Role: ragloopv1.TurnRole_TURN_ROLE_ASSISTANT, Text: "expenses badges"},
}

func TestHistory(t *testing.T) {
	c := serve(t, realCollection(t), func(c *Config) { c.Rewriter = lastTurn{} })
	got, err := c.Retrieve(t.Context(), &ragloopv1.RetrieveRequest{Query: "report", History: conversation})
	if err != nil {
		t.Fatal(err)
	}
	alone, err := c.Retrieve(t.Context(), &ragloopv1.RetrieveRequest{Query: "expenses badges report"})
	if err != nil {
		t.Fatal(err)
	}
	if got.Query != "expenses badges report" || got.Context == "" || got.Context != alone.Context {
		t.Errorf("searched for %q, the context is\n%s\nwant that of the query as it was rewritten:\n%s", got.Query, got.Context, alone.Context)
	}
	if got.Stages[0].Name != "rewrite" || alone.Stages[0].Name == "rewrite" {
		t.Errorf("the first stages are %s and without a history %s", got.Stages[0].Name, alone.Stages[0].Name)
	}
	found, err := c.Search(t.Context(), &ragloopv1.SearchRequest{Query: "report", History: conversation})
	if err != nil {
		t.Fatal(err)
	}
	if found.Query != "expenses badges report" || len(found.Chunks) == 0 {
		t.Errorf("Search for %q finds %d chunks", found.Query, len(found.Chunks))
	}
}

// What fails leaves the query as it is, and is told. What is slow takes its time by
// the clock of synctest, so that the search has all that is left.
func TestHistoryDegrades(t *testing.T) {
	for name, test := range map[string]struct {
		r    lastTurn
		want string
	}{
		"error": {lastTurn{err: errors.New("model unreachable")}, "rewrite: model unreachable"},
		"blank": {lastTurn{blank: true}, "rewrite: what was written is not a query: query is blank"},
		"slow":  {lastTurn{wait: true}, "rewrite: context deadline exceeded"},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := serve(t, realCollection(t), func(c *Config) { c.Rewriter, c.MaxSearchTime = test.r, 200*time.Millisecond })
			req := &ragloopv1.RetrieveRequest{Query: "badges", History: conversation}
			got, err := c.Retrieve(t.Context(), req)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if d := cmp.Diff([]string{test.want}, got.Degraded); d != "" || got.Query != "badges" || got.Context == "" {
				t.Errorf("%s: searched for %q, %d bytes of context, degraded (-want +got):\n%s", name, got.Query, len(got.Context), d)
			}
			if test.r.wait {
				return
			}
			req.Search = &ragloopv1.SearchOptions{RequireAll: new(true)}
			if _, err := c.Retrieve(t.Context(), req); status.Code(err) != codes.Unavailable {
				t.Errorf("%s: with all required the error is %v, want UNAVAILABLE", name, err)
			}
		})
	}
}

func TestHistoryRefused(t *testing.T) {
	with := serve(t, realCollection(t), func(c *Config) { c.Rewriter = lastTurn{} })
	without := serve(t, realCollection(t), nil)
	for name, test := range map[string]struct {
		c       *clients
		history []*ragloopv1.Turn
		want    string
	}{
		"no model": {without, conversation, "history is set"},
		"too many": {with, make([]*ragloopv1.Turn, expand.MaxTurns+1), "history has 21 turns, allowed are 20"},
		"no role":  {with, []*ragloopv1.Turn{{Text: "x"}}, "history[0].role is TURN_ROLE_UNSPECIFIED"},
		"too long": {with, []*ragloopv1.Turn{{Role: 1, Text: strings.Repeat("é", expand.MaxTurnRunes+1)}}, "history[0].text has 4001 code points, allowed are 4000"},
	} {
		_, err := test.c.Retrieve(t.Context(), &ragloopv1.RetrieveRequest{Query: "q", History: test.history})
		if status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want INVALID_ARGUMENT with %q", name, err, test.want)
		}
		if _, err := test.c.Search(t.Context(), &ragloopv1.SearchRequest{Query: "q", History: test.history}); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: Search: %v, want INVALID_ARGUMENT", name, err)
		}
	}
}
