package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	"github.com/ragloop/ragloop/internal/qdrantlocal"
)

func (a *app) localdbCmd() *cobra.Command {
	var listen string
	cmd := &cobra.Command{
		Use:   "localdb",
		Short: "Serve the local mode's data over Qdrant's gRPC API",
		Long: `localdb serves the data directory of the local mode at --listen, so that any
Qdrant client can talk to it. It implements the part of the API that ragloop
uses and answers UNIMPLEMENTED, naming the feature, for the rest. It asks for no
credentials.`,
		Args: args(0),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			ctx := cmd.Context()
			store, err := qdrantlocal.Open(ctx, qdrantlocal.Options{
				Dir: filepath.Join(a.cfg.Config.DataDir, "index"), Logger: a.log,
			})
			if err != nil {
				return err
			}
			defer closing(&err, store.Close)
			lis, err := net.Listen("tcp", listen)
			if err != nil {
				return fmt.Errorf("localdb: %w", err)
			}
			a.say("serving Qdrant's API on %s from %s; stop with Ctrl-C", lis.Addr(), a.cfg.Config.DataDir)
			return serveUntilDone(ctx, store.NewServer(), lis, a.cfg.Config.Serve.DrainTimeout)
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:6334", "address to listen on")
	return textOnly(cmd)
}

// serveUntilDone serves until ctx ends, then lets calls in flight finish, but
// for no longer than drain.
func serveUntilDone(ctx context.Context, srv *grpc.Server, lis net.Listener, drain time.Duration) error {
	served := make(chan error, 1)
	go func() { served <- srv.Serve(lis) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve on %s: %w", lis.Addr(), err)
	case <-ctx.Done():
	}
	stopped := make(chan struct{})
	go func() { srv.GracefulStop(); close(stopped) }()
	select {
	case <-stopped:
	case <-time.After(drain):
		srv.Stop()
	}
	if err := <-served; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("serve on %s: %w", lis.Addr(), err)
	}
	return nil
}
