package qdrantlocal

import (
	"context"
	"net"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/test/bufconn"
)

// version is what HealthCheck reports: the server version whose recorded behaviour local mode reproduces.
const version = "1.18.3"

// maxMessageBytes bounds requests and answers.
const maxMessageBytes = 1 << 30

// Sizes of a connection's flow control window and of its buffers.
const (
	windowBytes     = 4 << 20
	transportBuffer = 256 << 10
)

// NewServer returns a gRPC server of s with Qdrant's services and
// grpc.health.v1. It accepts the pings that go-client sends on idle
// connections, which grpc-go's default policy would punish. The caller serves
// and stops it, before it closes s.
func (s *Store) NewServer() *grpc.Server {
	srv := grpc.NewServer(
		grpc.MaxRecvMsgSize(maxMessageBytes), grpc.MaxSendMsgSize(maxMessageBytes),
		// A batch of points comes without waiting for permission to send the rest.
		grpc.InitialWindowSize(windowBytes), grpc.InitialConnWindowSize(windowBytes),
		grpc.ReadBufferSize(transportBuffer), grpc.WriteBufferSize(transportBuffer),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: time.Second, PermitWithoutStream: true}),
		grpc.ChainUnaryInterceptor(refuseUnknownFields),
		grpc.ForceServerCodecV2(upsertCodec{encoding.GetCodecV2(proto.Name)}),
	)
	qdrant.RegisterQdrantServer(srv, qdrantServer{})
	qdrant.RegisterCollectionsServer(srv, &collectionsServer{s: s})
	srv.RegisterService(pointsService(), &pointsServer{s: s})
	qdrant.RegisterSnapshotsServer(srv, snapshotsServer{})
	healthpb.RegisterHealthServer(srv, healthServer{})
	return srv
}

// Connect starts a server of s inside the process and returns the
// configuration with which qdrant.NewClient reaches it. The server stops with
// s.Close; close the client before.
func (s *Store) Connect() *qdrant.Config {
	lis := bufconn.Listen(1 << 20)
	srv := s.NewServer()
	s.mu.Lock()
	if s.closed {
		_ = lis.Close() // dialling fails then
	} else {
		s.stop = append(s.stop, srv.GracefulStop)
		s.serving.Go(func() { _ = srv.Serve(lis) }) // ends with the stop
	}
	s.mu.Unlock()
	return &qdrant.Config{
		Host: "passthrough:///local", PoolSize: 1, SkipCompatibilityCheck: true,
		GrpcOptions: []grpc.DialOption{
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }),
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessageBytes), grpc.MaxCallSendMsgSize(maxMessageBytes)),
		},
	}
}

type qdrantServer struct {
	qdrant.UnimplementedQdrantServer
}

func (qdrantServer) HealthCheck(context.Context, *qdrant.HealthCheckRequest) (*qdrant.HealthCheckReply, error) {
	return &qdrant.HealthCheckReply{Title: "qdrant - vector search engine", Version: version}, nil
}

// healthServer answers that every service is up, known or not, as the server does.
type healthServer struct {
	healthpb.UnimplementedHealthServer
}

func (healthServer) Check(context.Context, *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	return &healthpb.HealthCheckResponse{Status: healthpb.HealthCheckResponse_SERVING}, nil
}

// snapshotsServer names what is missing: the data directory is the snapshot.
type snapshotsServer struct {
	qdrant.UnimplementedSnapshotsServer
}

func (snapshotsServer) Create(context.Context, *qdrant.CreateSnapshotRequest) (*qdrant.CreateSnapshotResponse, error) {
	return nil, unsupported("snapshots")
}

func (snapshotsServer) List(context.Context, *qdrant.ListSnapshotsRequest) (*qdrant.ListSnapshotsResponse, error) {
	return nil, unsupported("snapshots")
}

func (snapshotsServer) Delete(context.Context, *qdrant.DeleteSnapshotRequest) (*qdrant.DeleteSnapshotResponse, error) {
	return nil, unsupported("snapshots")
}

func (snapshotsServer) CreateFull(context.Context, *qdrant.CreateFullSnapshotRequest) (*qdrant.CreateSnapshotResponse, error) {
	return nil, unsupported("snapshots")
}

func (snapshotsServer) ListFull(context.Context, *qdrant.ListFullSnapshotsRequest) (*qdrant.ListSnapshotsResponse, error) {
	return nil, unsupported("snapshots")
}

func (snapshotsServer) DeleteFull(context.Context, *qdrant.DeleteFullSnapshotRequest) (*qdrant.DeleteSnapshotResponse, error) {
	return nil, unsupported("snapshots")
}
