package qdrantlocal

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// fieldNumber returns the number of the first field in encoded unknown fields.
func fieldNumber(u protoreflect.RawFields) protowire.Number {
	n, _, _ := protowire.ConsumeTag(u)
	return n
}

// refuseUnknownFields answers Unimplemented to requests with fields that this
// version of the protocol does not have: protobuf would ignore them silently.
func refuseUnknownFields(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if r, ok := req.(*upsertRequest); ok && r.raw != nil {
		return handler(ctx, req) // it was decoded field by field
	}
	if m, ok := req.(proto.Message); ok {
		if field := unknownField(m.ProtoReflect()); field != "" {
			return nil, unsupported(field)
		}
	}
	return handler(ctx, req)
}

// plainMessages hold data only; no option can hide in them, and there are many.
var plainMessages = map[protoreflect.FullName]bool{
	"qdrant.Value": true, "qdrant.DenseVector": true, "qdrant.SparseVector": true, "qdrant.PointId": true,
}

// unknownField describes the first unknown field in m, "" if there is none.
func unknownField(m protoreflect.Message) (found string) {
	name := m.Descriptor().FullName()
	if plainMessages[name] {
		return ""
	}
	if u := m.GetUnknown(); len(u) > 0 {
		return fmt.Sprintf("a field of %s that it does not know (number %d); the client may be newer", name, fieldNumber(u))
	}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsMap():
			if f.MapValue().Message() != nil && !plainMessages[f.MapValue().Message().FullName()] {
				v.Map().Range(func(_ protoreflect.MapKey, e protoreflect.Value) bool {
					found = unknownField(e.Message())
					return found == ""
				})
			}
		case f.Message() == nil:
		case f.IsList():
			if l := v.List(); !plainMessages[f.Message().FullName()] {
				for i := 0; i < l.Len() && found == ""; i++ {
					found = unknownField(l.Get(i).Message())
				}
			}
		default:
			found = unknownField(v.Message())
		}
		return found == ""
	})
	return found
}
