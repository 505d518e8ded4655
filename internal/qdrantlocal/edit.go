package qdrantlocal

import (
	"maps"
	"slices"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// edit changes existing points one by one; ids that do not exist are reported
// after the others were changed.
type edit struct {
	ids []pointID
	f   func(c *collection, s slot)
}

func (e edit) apply(c *collection) error {
	var missing error
	for _, id := range e.ids {
		s, ok := c.ids[id]
		if !ok {
			if missing == nil {
				missing = noPoint(id)
			}
			continue
		}
		e.f(c, s)
		c.versions[s] = c.ops
	}
	return missing
}

func noPoint(id pointID) error {
	return status.Errorf(codes.NotFound, "Not found: No point with id %v found", id)
}

// replacePayload installs a changed payload.
func (c *collection) replacePayload(s slot, pl payload) {
	size := int(c.sizes[s]) - payloadSize(c.payloads[s]) + payloadSize(pl)
	c.setPayload(s, pl)
	c.resize(s, max(size, 0))
}

func payloadSize(pl payload) int { return proto.Size(&qdrant.Struct{Fields: pl}) }

func overwriteEdit(pl payload) func(*collection, slot) {
	return func(c *collection, s slot) { c.replacePayload(s, pl) }
}

// setPayloadEdit merges into the payload or, with a key, into the object there.
// null values remove their key.
func setPayloadEdit(r *qdrant.SetPayloadPoints) (func(*collection, slot), error) {
	if err := checkPayload(r.GetPayload()); err != nil {
		return nil, err
	}
	if r.Key == nil {
		return func(c *collection, s slot) { c.replacePayload(s, merged(c.payloads[s], r.GetPayload())) }, nil
	}
	path, err := parsePath(*r.Key)
	if err != nil {
		return nil, err
	}
	return func(c *collection, s slot) {
		pl := maps.Clone(c.payloads[s])
		if pl == nil {
			pl = payload{}
		}
		key := path[0].key
		pl[key] = mergedAt(pl[key], path[1:], r.GetPayload())
		c.replacePayload(s, pl)
	}, nil
}

// merged returns pl with the values of with; null values remove their key.
func merged(pl, with payload) payload {
	out := maps.Clone(pl)
	if out == nil {
		out = make(payload, len(with))
	}
	for k, v := range with {
		if isNull(v) {
			delete(out, k)
		} else {
			out[k] = v
		}
	}
	return out
}

func object(fields payload) *qdrant.Value {
	return &qdrant.Value{Kind: &qdrant.Value_StructValue{StructValue: &qdrant.Struct{Fields: fields}}}
}

func list(vs []*qdrant.Value) *qdrant.Value {
	return &qdrant.Value{Kind: &qdrant.Value_ListValue{ListValue: &qdrant.ListValue{Values: vs}}}
}

// mergedAt returns v with the object at path merged. What is in the way of the
// path is replaced; list elements that do not exist are not made.
func mergedAt(v *qdrant.Value, path jsonPath, with payload) *qdrant.Value {
	if len(path) == 0 {
		return object(merged(v.GetStructValue().GetFields(), with))
	}
	switch p := path[0]; p.kind {
	case stepKey:
		fields := maps.Clone(v.GetStructValue().GetFields())
		if fields == nil {
			fields = payload{}
		}
		fields[p.key] = mergedAt(fields[p.key], path[1:], with)
		return object(fields)
	default:
		vs := slices.Clone(v.GetListValue().GetValues())
		for i, e := range vs {
			if p.kind == stepAll || i == p.index {
				vs[i] = mergedAt(e, path[1:], with)
			}
		}
		return list(vs)
	}
}

// deletePayloadEdit removes keys; positions in lists remove nothing, as on the
// server, and "list[]" empties a list.
func deletePayloadEdit(keys []string) (func(*collection, slot), error) {
	paths, err := parsePaths(keys)
	if err != nil {
		return nil, err
	}
	return func(c *collection, s slot) {
		pl := c.payloads[s]
		for _, p := range paths {
			pl = without(pl, p)
		}
		c.replacePayload(s, pl)
	}, nil
}

func without(fields payload, path jsonPath) payload {
	v, ok := fields[path[0].key]
	if !ok {
		return fields
	}
	out := maps.Clone(fields)
	if len(path) == 1 {
		delete(out, path[0].key)
	} else {
		out[path[0].key] = withoutIn(v, path[1:])
	}
	return out
}

func withoutIn(v *qdrant.Value, path jsonPath) *qdrant.Value {
	switch k := v.GetKind().(type) {
	case *qdrant.Value_StructValue:
		if path[0].kind == stepKey {
			return object(without(k.StructValue.GetFields(), path))
		}
	case *qdrant.Value_ListValue:
		vs := k.ListValue.GetValues()
		switch {
		case path[0].kind == stepAll && len(path) == 1:
			return list(nil)
		case path[0].kind == stepAll:
			vs = slices.Clone(vs)
			for i, e := range vs {
				vs[i] = withoutIn(e, path[1:])
			}
			return list(vs)
		case path[0].kind == stepIndex && len(path) > 1 && path[0].index < len(vs):
			vs = slices.Clone(vs)
			vs[path[0].index] = withoutIn(vs[path[0].index], path[1:])
			return list(vs)
		}
	}
	return v
}

// vectorUpdate sets some vectors of one point and leaves the others.
type vectorUpdate struct {
	id      pointID
	vectors map[string]vector
}

func (c *collection) checkPointVectors(ps []*qdrant.PointVectors) (vectorUpdates, error) {
	out := make(vectorUpdates, len(ps))
	for i, p := range ps {
		id, err := parseID(p.GetId())
		if err != nil {
			return nil, err
		}
		if p.GetVectors() == nil {
			return nil, status.Errorf(codes.InvalidArgument, "Expected some vectors for point %v", id)
		}
		vs, err := c.checkVectors(p.GetVectors())
		if err != nil {
			return nil, err
		}
		out[i] = vectorUpdate{id, vs}
	}
	return out, nil
}

type vectorUpdates []vectorUpdate

func (us vectorUpdates) apply(c *collection) error {
	var missing error
	for _, u := range us {
		s, ok := c.ids[u.id]
		if !ok {
			if missing == nil {
				missing = noPoint(u.id)
			}
			continue
		}
		for name, v := range u.vectors {
			c.setVector(s, name, v)
		}
		c.versions[s] = c.ops
	}
	return missing
}

func (c *collection) deleteVectorsEdit(names []string) (func(*collection, slot), error) {
	for _, name := range names {
		if !c.hasVectorName(name) {
			return nil, c.noVectorName(name)
		}
	}
	return func(c *collection, s slot) {
		for _, name := range names {
			c.removeVector(s, name)
		}
	}, nil
}
