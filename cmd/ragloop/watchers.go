package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/ragloop/ragloop/internal/embed"
	"github.com/ragloop/ragloop/internal/querycache"
	"github.com/ragloop/ragloop/internal/telemetry"
	"github.com/ragloop/ragloop/retrieve/server"
)

// watchers see what a service does. The zero value sees nothing.
type watchers struct {
	metrics *telemetry.Metrics // nil: none
	traces  *telemetry.Traces  // nil: none
	lis     net.Listener       // for the metrics; nil: none
	log     *slog.Logger
}

// watchers returns those that the configuration asks for. It listens for scrapes
// already, so that an address in use is an error at the start.
func (a *app) watchers(ctx context.Context) (w watchers, err error) {
	c := a.cfg.Config.Serve
	w.log = a.log
	if c.MetricsListen != "" {
		w.metrics = telemetry.NewMetrics(codeVersion(), server.Methods())
		if w.lis, err = net.Listen("tcp", c.MetricsListen); err != nil {
			return w, fmt.Errorf("serve.metrics_listen: %w", err)
		}
	}
	if c.Traces == "otlp" {
		exporter, err := telemetry.OTLP(ctx)
		if err == nil {
			w.traces, err = telemetry.NewTraces(ctx, telemetry.TraceConfig{Version: codeVersion(), Exporter: exporter, Metrics: w.metrics, Log: a.log})
		}
		if err != nil {
			return w, errors.Join(err, w.close())
		}
	}
	if w.lis != nil {
		a.say("metrics at http://%s/metrics", w.lis.Addr())
	}
	return w, nil
}

// close ends what serve has not ended: it hands over the spans that are left.
func (w watchers) close() error {
	w.traces.Close()
	if w.lis != nil {
		if err := w.lis.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			return err
		}
	}
	return nil
}

// serve runs a service until ctx is done and answers scrapes until it has ended, so
// that a stop can be watched, too. Where scrapes cannot be answered the service ends.
func (w watchers) serve(ctx context.Context, service func(context.Context) error) error {
	if w.lis == nil {
		return service(ctx)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	healthy := func() error {
		if ctx.Err() != nil {
			return errors.New("stopping")
		}
		return nil
	}
	scraped, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() {
		defer cancel()
		ended <- telemetry.ServeHTTP(scraped, w.lis, w.handler(healthy), w.log)
	}()
	err := service(ctx)
	stop()
	return errors.Join(err, <-ended)
}

func (w watchers) handler(healthy func() error) http.Handler {
	return w.metrics.Handler(healthy, w.log)
}

// watch shows what is behind a service in the metrics.
func (w watchers) watch(cache *querycache.Cache, s *served) error {
	return errors.Join(
		w.metrics.WatchQueryCache(func() telemetry.QueryCache {
			n := cache.Stats()
			return telemetry.QueryCache{Hits: n.Hits, Shared: n.Shared, Misses: n.Misses, Bytes: n.Bytes, Vectors: n.Kept}
		}),
		w.metrics.WatchCollections(s.collections),
	)
}

// collections returns the collections that were asked for and are there, by name.
func (s *served) collections(ctx context.Context) []telemetry.Collection {
	// Shown from the start, before anybody asks for it; where that fails, it is left out.
	_, _ = s.Collection(ctx, "")
	s.mu.Lock()
	open := maps.Clone(s.open)
	s.mu.Unlock()
	var out []telemetry.Collection
	for _, name := range slices.Sorted(maps.Keys(open)) {
		o := open[name]
		own, _, err := o.gen.CountChunks(ctx)
		if err != nil {
			own = -1
		}
		out = append(out, telemetry.Collection{Name: name, Generation: o.number, Chunks: own})
	}
	return out
}

// embedder returns e, measured if there is something to measure for.
func (w watchers) embedder(e embed.Embedder) embed.Embedder {
	if w.metrics == nil {
		return e
	}
	return timed{e, w.metrics}
}

// timed is an embedder whose calls are measured.
type timed struct {
	embed.Embedder
	metrics *telemetry.Metrics
}

func (t timed) Embed(ctx context.Context, task embed.Task, texts []string) ([][]float32, error) {
	begin := time.Now()
	vectors, err := t.Embedder.Embed(ctx, task, texts)
	t.metrics.Embedded(task.String(), len(texts), time.Since(begin), err)
	return vectors, err
}
