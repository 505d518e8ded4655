package qdrantlocal

import (
	"context"
	"slices"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"

	"github.com/ragloop/ragloop/internal/qdrantwire"
)

// upsertRequest is an upsert with the bytes it came in. Points that are stored
// as they came are logged without being encoded again.
type upsertRequest struct {
	*qdrant.UpsertPoints
	raw [][]byte   // the points, encoded, in buf; nil where they are not known
	buf mem.Buffer // nil without raw
}

// free gives the bytes back that r came in.
func (r *upsertRequest) free() {
	if r.buf != nil {
		r.buf.Free()
	}
}

// upsertCodec is the codec of the server; it decodes upsert requests itself.
type upsertCodec struct{ encoding.CodecV2 }

func (c upsertCodec) Unmarshal(data mem.BufferSlice, v any) error {
	r, ok := v.(*upsertRequest)
	if !ok {
		return c.CodecV2.Unmarshal(data, v)
	}
	buf := data.MaterializeToBuffer(mem.DefaultBufferPool())
	if msg, raw, ok := qdrantwire.Decode(buf.ReadOnlyData()); ok {
		r.UpsertPoints, r.raw, r.buf = msg, raw, buf
		return nil
	}
	buf.Free()
	r.UpsertPoints = &qdrant.UpsertPoints{}
	return c.CodecV2.Unmarshal(data, r.UpsertPoints)
}

// pointsService is the service Points, but for the handler of Upsert: the
// generated one decodes into a message, which has no room for its bytes.
func pointsService() *grpc.ServiceDesc {
	d := qdrant.Points_ServiceDesc
	d.Methods = slices.Clone(d.Methods)
	for i := range d.Methods {
		if d.Methods[i].MethodName == "Upsert" {
			d.Methods[i].Handler = handleUpsert
		}
	}
	return &d
}

func handleUpsert(srv any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
	r := &upsertRequest{}
	defer r.free() // by then they are in the log's buffer
	if err := decode(r); err != nil {
		return nil, err
	}
	info := &grpc.UnaryServerInfo{Server: srv, FullMethod: qdrant.Points_Upsert_FullMethodName}
	return interceptor(ctx, r, info, func(ctx context.Context, _ any) (any, error) {
		return srv.(*pointsServer).upsert(ctx, r)
	})
}

func (ps *pointsServer) upsert(ctx context.Context, r *upsertRequest) (*qdrant.PointsOperationResponse, error) {
	return ps.update(ctx, r.GetCollectionName(), r.GetWait(), r.Timeout, func(c *collection) (plan, error) { return c.planUpsert(r) })
}
