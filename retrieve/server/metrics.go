package server

import (
	"context"
	"slices"
	"strings"

	"google.golang.org/grpc"

	"github.com/ragloop/ragloop/internal/admit"
	"github.com/ragloop/ragloop/internal/telemetry"
	ragloopv1 "github.com/ragloop/ragloop/proto/ragloop/v1"
	"github.com/ragloop/ragloop/retrieve"
	"github.com/ragloop/ragloop/retrieve/pack"
)

// Methods returns the names of the methods of ragloop's own services, without those
// of the services, in the order of their declaration. They are distinct.
func Methods() []string {
	var names []string
	for _, s := range []grpc.ServiceDesc{ragloopv1.Retrieval_ServiceDesc, ragloopv1.Ingestion_ServiceDesc, ragloopv1.Feedback_ServiceDesc} {
		for _, m := range s.Methods {
			names = append(names, m.MethodName)
		}
		for _, m := range s.Streams {
			names = append(names, m.StreamName)
		}
	}
	return names
}

// watch shows the admission of calls in the metrics.
func (l *limits) watch() error {
	state := func(class string, s admit.State) telemetry.Admission {
		return telemetry.Admission{Class: class, Limit: s.Limit, Running: s.Running, Away: s.Away, Waiting: s.Waiting, Busy: s.Busy, Late: s.Late}
	}
	return l.metrics.WatchAdmission(func() []telemetry.Admission {
		return []telemetry.Admission{
			state(telemetry.ClassSearch, l.searches.State()), state(telemetry.ClassIngestion, l.ingestion.State()),
		}
	})
}

// answered reports an answer. packed is nil for a search.
func (c Config) answered(ctx context.Context, id string, from Collection, found retrieve.Result, packed *pack.Context, budget int) {
	recorded := c.Traces.Recorded(ctx)
	if c.Metrics == nil && !recorded {
		return
	}
	a := telemetry.Answer{
		Collection: from.Name, Generation: from.Generation, RetrievalID: id,
		Chunks: len(found.Chunks), Degraded: degradedParts(found.Degraded), Stages: make([]telemetry.Stage, len(found.Stages)),
	}
	if packed != nil {
		a.Context = &telemetry.Context{Tokens: packed.Tokens, BudgetTokens: budget}
	}
	for i, s := range found.Stages {
		a.Stages[i] = telemetry.Stage{Name: s.Name, Begin: s.Begin, Elapsed: s.Elapsed}
		if recorded {
			a.Stages[i].Counts = counts(s.Name, found, packed)
		}
	}
	c.Metrics.Answered(a)
	c.Traces.Answered(ctx, a)
}

// counts returns what a stage had before it, or left.
func counts(stage string, found retrieve.Result, packed *pack.Context) []telemetry.Count {
	candidates := telemetry.Count{Name: telemetry.AttrCandidates, N: found.Considered}
	switch stage {
	case "legs":
		return []telemetry.Count{candidates}
	case "rerank":
		return []telemetry.Count{{Name: telemetry.AttrReranked, N: found.Reranked}}
	case "fuse":
		return []telemetry.Count{candidates, {Name: telemetry.AttrChunks, N: len(found.Chunks)}}
	case "pack":
		return []telemetry.Count{
			{Name: telemetry.AttrSegments, N: len(packed.Segments)}, {Name: telemetry.AttrDropped, N: len(packed.Dropped)},
			{Name: telemetry.AttrTokens, N: packed.Tokens},
		}
	}
	return nil
}

// degradedParts returns the parts that an answer had to do without, each once: what
// its messages begin with.
func degradedParts(degraded []string) []string {
	var out []string
	for _, d := range degraded {
		name, _, _ := strings.Cut(d, ":")
		if part := telemetry.Part(name); !slices.Contains(out, part) {
			out = append(out, part)
		}
	}
	return out
}
