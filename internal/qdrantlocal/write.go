package qdrantlocal

import (
	"fmt"
	"math"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/ragloop/ragloop/internal/qdrantwire"
)

// newPoint is a checked point of an upsert.
type newPoint struct {
	id      pointID
	payload payload
	vectors map[string]vector
	size    int
}

// checkPoints converts and checks all points before any is stored. It reads
// only what is fixed at creation, so it needs no lock. raw are the encoded
// points where they are known, or nil.
func (c *collection) checkPoints(ps []*qdrant.PointStruct, raw [][]byte) ([]newPoint, error) {
	out := make([]newPoint, len(ps))
	for i, p := range ps {
		id, err := parseID(p.GetId())
		if err != nil {
			return nil, err
		}
		if err := checkPayload(p.GetPayload()); err != nil {
			return nil, err
		}
		if p.GetVectors() == nil {
			return nil, status.Errorf(codes.InvalidArgument, "Expected some vectors for point %v", id)
		}
		vs, err := c.checkVectors(p.GetVectors())
		if err != nil {
			return nil, err
		}
		out[i] = newPoint{id: id, payload: p.GetPayload(), vectors: vs}
		if raw != nil {
			out[i].size = len(raw[i])
		} else {
			out[i].size = qdrantwire.PointSize(p)
		}
	}
	return out, nil
}

// checkPayload refuses numbers that JSON cannot hold and turns values without a kind into null.
func checkPayload(pl payload) error {
	for _, v := range pl {
		if err := checkValue(v); err != nil {
			return err
		}
	}
	return nil
}

func checkValue(v *qdrant.Value) error {
	switch k := v.GetKind().(type) {
	case nil:
		v.Kind = &qdrant.Value_NullValue{}
	case *qdrant.Value_DoubleValue:
		if math.IsNaN(k.DoubleValue) || math.IsInf(k.DoubleValue, 0) {
			return status.Error(codes.InvalidArgument, "cannot convert to json number")
		}
	case *qdrant.Value_StructValue:
		return checkPayload(k.StructValue.GetFields())
	case *qdrant.Value_ListValue:
		for _, e := range k.ListValue.GetValues() {
			if err := checkValue(e); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *collection) checkVectors(vs *qdrant.Vectors) (map[string]vector, error) {
	switch o := vs.GetVectorsOptions().(type) {
	case *qdrant.Vectors_Vector:
		v, err := c.checkVector("", o.Vector)
		if err != nil {
			return nil, err
		}
		return map[string]vector{"": v}, nil
	case *qdrant.Vectors_Vectors:
		out := make(map[string]vector, len(o.Vectors.GetVectors()))
		for name, in := range o.Vectors.GetVectors() {
			v, err := c.checkVector(name, in)
			if err != nil {
				return nil, err
			}
			out[name] = v
		}
		return out, nil
	}
	return nil, status.Error(codes.InvalidArgument, "No Vector Provided")
}

// checkVector converts a vector to the form in which the named space stores it.
func (c *collection) checkVector(name string, in *qdrant.Vector) (vector, error) {
	var values []float32
	switch o := in.GetVector().(type) {
	case *qdrant.Vector_Dense:
		values = o.Dense.GetData()
	case *qdrant.Vector_Sparse:
		return c.checkSparse(name, o.Sparse.GetIndices(), o.Sparse.GetValues())
	case *qdrant.Vector_MultiDense:
		return c.checkMulti(name, o.MultiDense.GetVectors())
	case *qdrant.Vector_Document, *qdrant.Vector_Image, *qdrant.Vector_Object:
		return vector{}, errNoInference // unreachable for requests: inferPoints replaced or refused it
	case nil: // the deprecated fields
		values = in.GetData()
		if in.VectorsCount != nil {
			rows, err := splitRows(values, *in.VectorsCount)
			if err != nil {
				return vector{}, err
			}
			return c.checkMulti(name, rows)
		}
		if in.Indices != nil {
			return c.checkSparse(name, in.Indices.GetData(), values)
		}
	}
	if len(values) == 0 {
		return vector{}, invalid("dense vector must not be empty")
	}
	if c.multi[name] != nil {
		return c.checkMulti(name, []*qdrant.DenseVector{{Data: values}})
	}
	d, ok := c.dense[name]
	if !ok {
		return vector{}, c.noVectorName(name)
	}
	if len(values) != d.dim {
		return vector{}, wrongDimension(d.dim, len(values))
	}
	return vector{dense: d.prepare(values)}, nil
}

func (c *collection) checkMulti(name string, vs []*qdrant.DenseVector) (vector, error) {
	m, ok := c.multi[name]
	if !ok {
		if c.dense[name] != nil {
			return vector{}, invalid("Conversion between multi and regular vectors failed")
		}
		return vector{}, c.noVectorName(name)
	}
	rows, err := multiRows(vs, m.row.dim)
	if err != nil {
		return vector{}, err
	}
	return vector{multi: m.prepare(rows)}, nil
}

func (c *collection) checkSparse(name string, indices []uint32, values []float32) (vector, error) {
	if name == "" {
		return vector{}, status.Error(codes.InvalidArgument, "Sparse vector must be named")
	}
	if _, ok := c.sparse[name]; !ok {
		return vector{}, c.noVectorName(name)
	}
	v, err := newSparse(indices, values)
	return vector{sparse: &v}, err
}

// noVectorName explains why a vector of the wanted kind cannot be had under name.
func (c *collection) noVectorName(name string) error {
	if c.hasVectorName(name) {
		return invalid("vector %q is of another kind (dense, multi, sparse) than the one given", name)
	}
	return invalid("Not existing vector name error: %s", name)
}

func wrongDimension(want, got int) error {
	return invalid("Vector dimension error: expected dim: %d, got %d", want, got)
}

// change is a checked update. apply is the only way in which points change,
// both for requests and when a log is replayed; its error is one that the
// server, too, reports after having changed something.
type change interface {
	apply(c *collection) error
}

type upsertPoints []newPoint

func (ps upsertPoints) apply(c *collection) error {
	for _, p := range ps {
		s, isNew := c.insert(p.id)
		if !isNew {
			c.removeVectors(s)
		}
		c.setPayload(s, p.payload)
		for name, v := range p.vectors {
			c.setVector(s, name, v)
		}
		c.resize(s, p.size)
		c.versions[s] = c.ops
	}
	return nil
}

type deletePoints []pointID

func (ids deletePoints) apply(c *collection) error {
	for _, id := range ids {
		c.delete(id)
	}
	return nil
}

// createIndex holds a new, empty index. An index of the same type and
// parameters is kept.
type createIndex struct{ ix *fieldIndex }

func (i createIndex) apply(c *collection) error {
	old := c.indexes[i.ix.path.String()]
	if old != nil && old.schema == i.ix.schema && proto.Equal(old.params, i.ix.params) {
		return nil
	}
	c.buildIndex(i.ix)
	return nil
}

type deleteIndex struct{ path jsonPath }

func (i deleteIndex) apply(c *collection) error {
	delete(c.indexes, i.path.String())
	return nil
}

var indexSchemas = map[qdrant.FieldType]qdrant.PayloadSchemaType{
	qdrant.FieldType_FieldTypeKeyword:  qdrant.PayloadSchemaType_Keyword,
	qdrant.FieldType_FieldTypeInteger:  qdrant.PayloadSchemaType_Integer,
	qdrant.FieldType_FieldTypeFloat:    qdrant.PayloadSchemaType_Float,
	qdrant.FieldType_FieldTypeGeo:      qdrant.PayloadSchemaType_Geo,
	qdrant.FieldType_FieldTypeText:     qdrant.PayloadSchemaType_Text,
	qdrant.FieldType_FieldTypeBool:     qdrant.PayloadSchemaType_Bool,
	qdrant.FieldType_FieldTypeDatetime: qdrant.PayloadSchemaType_Datetime,
	qdrant.FieldType_FieldTypeUuid:     qdrant.PayloadSchemaType_Uuid,
}

// indexSchema returns the schema that index parameters belong to.
func indexSchema(p *qdrant.PayloadIndexParams) (qdrant.PayloadSchemaType, error) {
	switch p.GetIndexParams().(type) {
	case *qdrant.PayloadIndexParams_KeywordIndexParams:
		return qdrant.PayloadSchemaType_Keyword, nil
	case *qdrant.PayloadIndexParams_IntegerIndexParams:
		return qdrant.PayloadSchemaType_Integer, nil
	case *qdrant.PayloadIndexParams_FloatIndexParams:
		return qdrant.PayloadSchemaType_Float, nil
	case *qdrant.PayloadIndexParams_GeoIndexParams:
		return qdrant.PayloadSchemaType_Geo, nil
	case *qdrant.PayloadIndexParams_TextIndexParams:
		return qdrant.PayloadSchemaType_Text, nil
	case *qdrant.PayloadIndexParams_BoolIndexParams:
		return qdrant.PayloadSchemaType_Bool, nil
	case *qdrant.PayloadIndexParams_DatetimeIndexParams:
		return qdrant.PayloadSchemaType_Datetime, nil
	case *qdrant.PayloadIndexParams_UuidIndexParams:
		return qdrant.PayloadSchemaType_Uuid, nil
	}
	return 0, fmt.Errorf("index parameters have no variant set")
}
