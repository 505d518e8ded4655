package qdrantlocal

import (
	"context"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"
)

// Direct returns the option with which a connection of [Store.Connect] takes the
// short way for searches, and sees what changes the store through to its end: the
// end of the context keeps such a call from being made, but does not call it off,
// after which it might still be applied, at some later time. It must be the last of
// the options: interceptors behind it would not see all calls.
func (s *Store) Direct() grpc.DialOption { return grpc.WithChainUnaryInterceptor(s.direct) }

// direct is a client's interceptor that hands the calls a search consists of
// straight to s, and all others on. The handlers and their answers are those of
// the server; what is left out is to encode and decode messages that do not leave
// the process, which is most of the work of a search in a small collection.
//
// Answers share payloads and ids with the store, which never changes one in place;
// nor may the caller. The points themselves are the caller's, who may give them back
// by [Release] and [ReleasePoints].
func (s *Store) direct(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, next grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	if cc.GetState() == connectivity.Shutdown { // closed: next says so
		return next(ctx, method, req, reply, cc, opts...)
	}
	ps := &pointsServer{s: s}
	switch r := req.(type) {
	case *qdrant.QueryBatchPoints:
		if out, ok := reply.(*qdrant.QueryBatchResponse); ok {
			got, err := handled(ctx, r, ps.QueryBatch)
			if err == nil {
				out.Result, out.Time, out.Usage = got.GetResult(), got.GetTime(), got.GetUsage()
			}
			return err
		}
	case *qdrant.GetPoints:
		if out, ok := reply.(*qdrant.GetResponse); ok {
			got, err := handled(ctx, r, ps.Get)
			if err == nil {
				out.Result, out.Time, out.Usage = got.GetResult(), got.GetTime(), got.GetUsage()
			}
			return err
		}
	}
	if ctx.Err() == nil && changes(method) {
		ctx = context.WithoutCancel(ctx)
	}
	return next(ctx, method, req, reply, cc, opts...)
}

// changes reports whether a method changes the store.
func changes(method string) bool {
	switch method {
	case qdrant.Collections_Create_FullMethodName,
		qdrant.Collections_Update_FullMethodName,
		qdrant.Collections_Delete_FullMethodName,
		qdrant.Collections_UpdateAliases_FullMethodName,
		qdrant.Points_Upsert_FullMethodName,
		qdrant.Points_Delete_FullMethodName,
		qdrant.Points_UpdateVectors_FullMethodName,
		qdrant.Points_DeleteVectors_FullMethodName,
		qdrant.Points_SetPayload_FullMethodName,
		qdrant.Points_OverwritePayload_FullMethodName,
		qdrant.Points_DeletePayload_FullMethodName,
		qdrant.Points_ClearPayload_FullMethodName,
		qdrant.Points_CreateFieldIndex_FullMethodName,
		qdrant.Points_DeleteFieldIndex_FullMethodName,
		qdrant.Points_UpdateBatch_FullMethodName:
		return true
	}
	return false
}

// handled calls a handler as a server does: not after the end of the context, and
// with an error that is a status.
func handled[Request, Response any](ctx context.Context, r Request, handle func(context.Context, Request) (Response, error)) (Response, error) {
	var none Response
	if err := ctx.Err(); err != nil {
		return none, status.FromContextError(err).Err()
	}
	out, err := handle(ctx, r)
	if err == nil {
		return out, nil
	}
	if _, ok := status.FromError(err); !ok {
		err = status.FromContextError(err).Err()
	}
	return none, err
}
