package qdrantlocal

import (
	"slices"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// output says what of a point is returned.
type output struct {
	payload func(payload) payload // nil: none
	vectors []string              // names, sorted; nil: none
}

// newOutput checks the selectors. payloadDefault is what no selector at all means.
func (c *collection) newOutput(p *qdrant.WithPayloadSelector, v *qdrant.WithVectorsSelector, payloadDefault bool) (output, error) {
	var o output
	whole := func(pl payload) payload { return pl }
	switch sel := p.GetSelectorOptions().(type) {
	case *qdrant.WithPayloadSelector_Enable:
		if sel.Enable {
			o.payload = whole
		}
	case *qdrant.WithPayloadSelector_Include:
		paths, err := parsePaths(sel.Include.GetFields())
		if err != nil {
			return o, err
		}
		o.payload = func(pl payload) payload { return include(pl, paths) }
	case *qdrant.WithPayloadSelector_Exclude:
		paths, err := parsePaths(sel.Exclude.GetFields())
		if err != nil {
			return o, err
		}
		o.payload = func(pl payload) payload { return exclude(pl, paths) }
	default:
		if p != nil {
			return o, status.Error(codes.InvalidArgument, "No PayloadSelector")
		}
		if payloadDefault {
			o.payload = whole
		}
	}
	switch sel := v.GetSelectorOptions().(type) {
	case *qdrant.WithVectorsSelector_Enable:
		if sel.Enable {
			o.vectors = c.vectorNames()
			if o.vectors == nil {
				o.vectors = []string{}
			}
		}
	case *qdrant.WithVectorsSelector_Include:
		for _, name := range sel.Include.GetNames() {
			if !c.hasVectorName(name) {
				return o, invalid("Not existing vector name error: %s", name)
			}
		}
		o.vectors = slices.Sorted(slices.Values(sel.Include.GetNames()))
	}
	return o, nil
}

func (o output) retrieved(c *collection, s slot, id *qdrant.PointId) *qdrant.RetrievedPoint {
	return &qdrant.RetrievedPoint{Id: id, Payload: o.payloadOf(c, s), Vectors: o.vectorsOf(c, s)}
}

func (o output) points(c *collection, slots []slot) []*qdrant.RetrievedPoint {
	out := spareRetrieved.take(len(slots))
	for i, s := range slots {
		out[i].Id, out[i].Payload, out[i].Vectors = c.id(s), o.payloadOf(c, s), o.vectorsOf(c, s)
	}
	return out
}

func (o output) scored(c *collection, hits []hit) []*qdrant.ScoredPoint {
	out := spareScored.take(len(hits))
	for i, h := range hits {
		p := out[i]
		p.Id, p.Score, p.Version, p.OrderValue = c.id(h.slot), h.score, h.version, h.order
		p.Payload, p.Vectors = o.payloadOf(c, h.slot), o.vectorsOf(c, h.slot)
	}
	return out
}

func (o output) payloadOf(c *collection, s slot) payload {
	if o.payload == nil {
		return nil
	}
	return o.payload(c.payloads[s])
}

// vectorsOf copies the vectors, which may change once the lock is released.
func (o output) vectorsOf(c *collection, s slot) *qdrant.VectorsOutput {
	if o.vectors == nil {
		return nil
	}
	named := map[string]*qdrant.VectorOutput{}
	for _, name := range o.vectors {
		if v, ok := c.vector(s, name); ok {
			named[name] = v.proto()
		}
	}
	if v, ok := named[""]; ok && len(named) == 1 {
		return &qdrant.VectorsOutput{VectorsOptions: &qdrant.VectorsOutput_Vector{Vector: v}}
	}
	return &qdrant.VectorsOutput{VectorsOptions: &qdrant.VectorsOutput_Vectors{Vectors: &qdrant.NamedVectorsOutput{Vectors: named}}}
}

func (v vector) proto() *qdrant.VectorOutput {
	if v.sparse != nil {
		return &qdrant.VectorOutput{Vector: &qdrant.VectorOutput_Sparse{Sparse: &qdrant.SparseVector{
			Indices: v.sparse.indices, Values: v.sparse.values, // never changed in place
		}}}
	}
	if v.multi != nil {
		out := &qdrant.MultiDenseVector{Vectors: make([]*qdrant.DenseVector, len(v.multi))}
		for i, row := range v.multi {
			out.Vectors[i] = &qdrant.DenseVector{Data: row} // rows are never changed in place
		}
		return &qdrant.VectorOutput{Vector: &qdrant.VectorOutput_MultiDense{MultiDense: out}}
	}
	return &qdrant.VectorOutput{Vector: &qdrant.VectorOutput_Dense{Dense: &qdrant.DenseVector{Data: slices.Clone(v.dense)}}}
}

// include keeps what the paths reach, with the objects around it. Positions in
// lists select nothing, as on the server.
func include(pl payload, paths []jsonPath) payload {
	if !slices.ContainsFunc(paths, func(p jsonPath) bool { return len(p) != 1 || p[0].kind != stepKey }) {
		out := make(payload, len(paths)) // whole fields: what a search asks for
		for _, p := range paths {
			if v, ok := pl[p[0].key]; ok {
				out[p[0].key] = v
			}
		}
		return out
	}
	return filterFields(pl, paths, true)
}

func exclude(pl payload, paths []jsonPath) payload {
	return filterFields(pl, paths, false)
}

func filterFields(fields payload, paths []jsonPath, keep bool) payload {
	out := make(payload, len(fields))
	for k, v := range fields {
		var below []jsonPath
		whole := false
		for _, p := range paths {
			if p[0].kind == stepKey && p[0].key == k {
				below = append(below, p[1:])
				whole = whole || len(p) == 1
			}
		}
		switch {
		case whole:
			if keep {
				out[k] = v
			}
		case len(below) > 0:
			out[k] = filterValue(v, below, keep)
		case !keep:
			out[k] = v
		}
	}
	return out
}

// filterValue filters inside a value that no path selects as a whole.
func filterValue(v *qdrant.Value, paths []jsonPath, keep bool) *qdrant.Value {
	switch k := v.GetKind().(type) {
	case *qdrant.Value_StructValue:
		return &qdrant.Value{Kind: &qdrant.Value_StructValue{StructValue: &qdrant.Struct{
			Fields: filterFields(k.StructValue.GetFields(), paths, keep),
		}}}
	case *qdrant.Value_ListValue:
		var below []jsonPath
		whole := false
		for _, p := range paths {
			if p[0].kind == stepAll {
				below = append(below, p[1:])
				whole = whole || len(p) == 1
			}
		}
		if whole == keep && (whole || len(below) == 0) {
			return v
		}
		out := &qdrant.ListValue{}
		if len(below) > 0 && !whole {
			for _, e := range k.ListValue.GetValues() {
				switch e.GetKind().(type) {
				case *qdrant.Value_StructValue, *qdrant.Value_ListValue:
					out.Values = append(out.Values, filterValue(e, below, keep))
				default:
					if !keep {
						out.Values = append(out.Values, e)
					}
				}
			}
		}
		return &qdrant.Value{Kind: &qdrant.Value_ListValue{ListValue: out}}
	}
	return v
}
