package ragloopv1

import (
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
)

// ServiceConfig is the gRPC service config, in JSON, that suits clients of
// ragloop: up to four attempts at a read that is answered with UNAVAILABLE, unless by
// the server itself, which has tried already and says so (grpc-retry-pushback-ms), in
// all at most 35 seconds for a call of Retrieval (the server as shipped ends one
// after 30), and responses of up to 64 MiB, as many as the server sends.
//
// RESOURCE_EXHAUSTED is not retried: it also means a response that is too large,
// and of a busy server only the RetryInfo says when to ask again, which a service
// config cannot read. Nor are writes: only their caller knows whether to repeat
// them. When a tenth of the calls and more fail, retries stop.
const ServiceConfig = `{
  "methodConfig": [
    {
      "name": [{"service": "ragloop.v1.Retrieval"}],
      "timeout": "35s",
      "maxResponseMessageBytes": 67108864,
      "retryPolicy": {
        "maxAttempts": 4, "initialBackoff": "0.1s", "maxBackoff": "2s", "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"]
      }
    },
    {
      "name": [
        {"service": "ragloop.v1.Ingestion", "method": "GetDocumentStatus"},
        {"service": "ragloop.v1.Ingestion", "method": "ListDocuments"}
      ],
      "maxResponseMessageBytes": 67108864,
      "retryPolicy": {
        "maxAttempts": 4, "initialBackoff": "0.1s", "maxBackoff": "2s", "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"]
      }
    }
  ],
  "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1}
}`

// DialOptions returns the options that suit a connection to ragloop: those of
// [ServiceConfig], pings that the server allows, so that a dead connection is
// noticed, and windows of 1 MiB for a response and 16 MiB for all. HTTP/2's own, of
// 64 KiB for all, hold two contexts or three: the others would wait for the client to
// say that it has read those. Credentials are the caller's to add.
func DialOptions() []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithDefaultServiceConfig(ServiceConfig),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64 << 20)),
		grpc.WithInitialWindowSize(1 << 20), grpc.WithInitialConnWindowSize(16 << 20),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 30 * time.Second, Timeout: 10 * time.Second}),
	}
}
