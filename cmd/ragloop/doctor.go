package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/ragloop/ragloop/internal/embed"
	"github.com/ragloop/ragloop/retrieve"
)

// doctorTimeout bounds each check.
const doctorTimeout = 20 * time.Second

func (a *app) doctorCmd() *cobra.Command {
	var addr string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check the configuration, the embedder and the index, or a running service",
		Long: `doctor checks what the other commands need: that the embedder and the reranker answer and that
the index can be opened and was built with it. With --addr it asks a running service for its health
instead. The exit code is 1 when a check fails.`,
		Args: args(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			if addr != "" {
				return a.check(ctx, "service at "+addr, func(ctx context.Context) (string, error) { return a.health(ctx, addr) })
			}
			var failed error
			for _, c := range []struct {
				name string
				run  func(context.Context) (string, error)
			}{
				{"embedder", a.checkEmbedder},
				{"reranker", a.checkReranker},
				{"index", a.checkIndex},
			} {
				if err := a.check(ctx, c.name, c.run); err != nil {
					failed = err
				}
			}
			return failed
		},
	}
	cmd.Flags().StringVar(&addr, "addr", "", "host:port of a running ragloop service")
	return textOnly(cmd)
}

// check runs one check and prints its line.
func (a *app) check(ctx context.Context, name string, run func(context.Context) (string, error)) error {
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	found, err := run(ctx)
	if err != nil {
		fmt.Fprintf(a.out, "FAIL  %s: %v\n", name, err)
		return fmt.Errorf("doctor %w: %s", errFailed, name)
	}
	_, err = fmt.Fprintf(a.out, "ok    %s: %s\n", name, found)
	return err
}

func (a *app) health(ctx context.Context, addr string) (string, error) {
	conn, done, err := a.connect(ctx, addr)
	if err != nil {
		return "", err
	}
	defer done() // a connection that only read
	resp, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{})
	if err != nil {
		return "", describe(err)
	}
	if resp.Status != healthpb.HealthCheckResponse_SERVING {
		return "", fmt.Errorf("it reports %s", resp.Status)
	}
	return resp.Status.String(), nil
}

func (a *app) checkEmbedder(ctx context.Context) (string, error) {
	e, err := a.bareEmbedder()
	if err != nil {
		return "", err
	}
	start := time.Now()
	if _, err := e.Embed(ctx, embed.Query, []string{"is anybody there?"}); err != nil {
		return "", err
	}
	info := e.Info()
	return fmt.Sprintf("%s, fingerprint %s, %d dimensions, reads %d tokens, a query takes %d ms",
		info.Name, info.Fingerprint, info.Dimension, info.MaxTokens, time.Since(start).Milliseconds()), nil
}

func (a *app) checkReranker(ctx context.Context) (string, error) {
	c, err := a.rerankerWith(nil) // it makes no file
	if err != nil {
		return "", err
	}
	if c == nil {
		return "none", nil
	}
	start := time.Now()
	if _, err := c.Score(ctx, "is anybody there?", []string{"Somebody is."}); err != nil {
		return "", err
	}
	info := c.Info()
	return fmt.Sprintf("%s, fingerprint %s, reads %d tokens, a short pair takes %d ms",
		info.Name, info.Fingerprint, info.MaxTokens, time.Since(start).Milliseconds()), nil
}

func (a *app) checkIndex(ctx context.Context) (found string, err error) {
	client, err := a.existing(ctx)
	if err != nil {
		return "", err
	}
	defer closing(&err, client.Close)
	info := client.Info()
	names, err := client.Collections(ctx)
	if err != nil {
		return "", err
	}
	if len(names) == 0 {
		return fmt.Sprintf("%s %s at %s, empty", info.Title, info.Version, info.Addr), nil
	}
	gen, err := a.open(ctx, client)
	if err != nil {
		return "", err
	}
	if e, err := a.bareEmbedder(); err == nil { // else its own check fails
		if _, err := retrieve.New(gen, e); err != nil {
			return "", err
		}
	}
	stats, err := gen.Stats(ctx)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s %s at %s, %s with %d documents and %d chunks", info.Title, info.Version, info.Addr, gen, stats.Documents, stats.Chunks), nil
}
