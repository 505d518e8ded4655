package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/ragloop/ragloop/internal/embed"
	ragloopv1 "github.com/ragloop/ragloop/proto/ragloop/v1"
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
the index can be opened and was built with it. With --addr it asks a running service instead: for
its health, which says that the process takes calls, and for a document, which needs the index
behind it. The embedder of a service is not asked, and --config, --data and --qdrant, which say
nothing to it, are refused. The exit code is 1 when a check fails.`,
		Args: args(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.checkRemote(cmd, addr); err != nil {
				return err
			}
			ctx := cmd.Context()
			type check struct {
				name string
				run  func(context.Context) (string, error)
			}
			checks := []check{{"embedder", a.checkEmbedder}, {"reranker", a.checkReranker}, {"index", a.checkIndex}}
			if addr != "" {
				conn, done, err := a.connect(ctx, addr)
				if err != nil {
					return err
				}
				defer done() // a connection that only read
				checks = []check{
					{"service at " + addr, func(ctx context.Context) (string, error) { return serviceHealth(ctx, conn) }},
					{"index of the service", func(ctx context.Context) (string, error) { return a.serviceIndex(ctx, conn) }},
				}
			}
			var failed error
			for _, c := range checks {
				if err := a.check(ctx, c.name, c.run); err != nil {
					failed = err
				}
				if ctx.Err() != nil { // nobody waits for the others, and what failed says nothing
					return ctx.Err()
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

func serviceHealth(ctx context.Context, conn *grpc.ClientConn) (string, error) {
	resp, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{})
	if err != nil {
		return "", describe(err)
	}
	if resp.Status != healthpb.HealthCheckResponse_SERVING {
		return "", fmt.Errorf("it reports %s", resp.Status)
	}
	return resp.Status.String(), nil
}

// serviceIndex reads a document through a service, whose health says nothing about the
// index behind it.
func (a *app) serviceIndex(ctx context.Context, conn *grpc.ClientConn) (string, error) {
	resp, err := ragloopv1.NewIngestionClient(conn).ListDocuments(ctx, &ragloopv1.ListDocumentsRequest{
		Collection: a.flags["collection"], PageSize: 1, // without the flag: the service's own
	})
	if status.Code(err) == codes.ResourceExhausted { // alive, and no place for one call more
		return "not asked, the service has as many calls of ingestion as it takes", nil
	}
	if err != nil {
		return "", describe(err)
	}
	if len(resp.Documents) == 0 {
		return "answers, empty", nil
	}
	return "answers", nil
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
