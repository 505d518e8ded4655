package qdrantlocal

import (
	"context"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// The plan functions check a request completely before it can change anything.
// What they log names points by id only.

func (c *collection) planUpsert(r *upsertRequest) (plan, error) {
	if err := checkShards(r.GetShardKeySelector()); err != nil {
		return nil, err
	}
	if len(r.GetPoints()) == 0 {
		return nil, errEmptyUpdate
	}
	if _, ok := qdrant.UpdateMode_name[int32(r.GetUpdateMode())]; !ok {
		return nil, unsupported("this update mode")
	}
	if r.raw == nil { // those of the plain form have vectors
		if err := inferPoints(r.GetPoints()); err != nil {
			return nil, err
		}
	}
	pts, err := c.checkPoints(r.GetPoints(), r.raw)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (record, change, error) {
		if err := c.checkStrictUpsert(len(pts)); err != nil {
			return record{}, nil, err
		}
		if r.raw != nil {
			return record{op: opUpsert, collection: c.name, points: r.raw}, upsertPoints(pts), nil
		}
		logged := r.GetPoints()
		if r.UpdateFilter != nil || r.GetUpdateMode() != qdrant.UpdateMode_Upsert {
			matching, err := c.selectForUpdate(ctx, r.UpdateFilter)
			if err != nil {
				return record{}, nil, err
			}
			pts, logged = c.applicable(pts, logged, matching, r.GetUpdateMode())
			if len(pts) == 0 {
				return record{}, nil, nil
			}
		}
		return record{op: opUpsert, collection: c.name, msg: &qdrant.UpsertPoints{Points: logged}}, upsertPoints(pts), nil
	}, nil
}

// applicable leaves out the points that the mode excludes and the existing ones that are not in matching.
func (c *collection) applicable(pts []newPoint, logged []*qdrant.PointStruct, matching bitset, mode qdrant.UpdateMode) (keep []newPoint, keepLogged []*qdrant.PointStruct) {
	for i, p := range pts {
		s, exists := c.ids[p.id]
		if exists && (mode == qdrant.UpdateMode_InsertOnly || !matching.has(s)) || !exists && mode == qdrant.UpdateMode_UpdateOnly {
			continue
		}
		keep, keepLogged = append(keep, p), append(keepLogged, logged[i])
	}
	return keep, keepLogged
}

// selectForUpdate returns the live points that f matches, under the rules of strict mode for updates.
func (c *collection) selectForUpdate(ctx context.Context, f *qdrant.Filter) (bitset, error) {
	if err := c.checkStrictFilter(f, true); err != nil {
		return nil, err
	}
	return c.selectFiltered(ctx, f, nil)
}

// selectFiltered returns the live points that f matches.
func (c *collection) selectFiltered(ctx context.Context, f *qdrant.Filter, m *memory) (bitset, error) {
	cl, err := compileFilter(f, c, m)
	if err != nil {
		return nil, err
	}
	return c.selectPoints(ctx, cl, m)
}

// selector is a checked points selector.
type selector struct {
	ids    []pointID
	filter *qdrant.Filter // used if not nil
}

func checkSelector(sel *qdrant.PointsSelector, shards *qdrant.ShardKeySelector) (selector, error) {
	if err := checkShards(shards); err != nil {
		return selector{}, err
	}
	switch o := sel.GetPointsSelectorOneOf().(type) {
	case *qdrant.PointsSelector_Points:
		if len(o.Points.GetIds()) == 0 {
			return selector{}, errEmptyUpdate
		}
		ids, err := parseIDs(o.Points.GetIds())
		return selector{ids: ids}, err
	case *qdrant.PointsSelector_Filter:
		f := o.Filter
		if f == nil {
			f = &qdrant.Filter{}
		}
		return selector{filter: f}, nil
	}
	if sel == nil {
		return selector{}, status.Error(codes.InvalidArgument, "PointSelector is missing")
	}
	return selector{}, malformed("PointsSelector type")
}

// resolve returns the selected ids, in ascending order for a filter.
func (sel selector) resolve(ctx context.Context, c *collection) ([]pointID, error) {
	if sel.filter == nil {
		return sel.ids, nil
	}
	set, err := c.selectForUpdate(ctx, sel.filter)
	if err != nil {
		return nil, err
	}
	var ids []pointID
	for _, s := range c.inOrderOf(set) {
		ids = append(ids, c.points[s])
	}
	return ids, nil
}

// byIDs is the logged form of a selector.
func byIDs(ids []pointID) *qdrant.PointsSelector {
	list := &qdrant.PointsIdsList{Ids: make([]*qdrant.PointId, len(ids))}
	for i, id := range ids {
		list.Ids[i] = id.proto()
	}
	return &qdrant.PointsSelector{PointsSelectorOneOf: &qdrant.PointsSelector_Points{Points: list}}
}

// planEdit is the plan of an update of selected points.
func (c *collection) planEdit(sel selector, build func(ids []pointID) (record, change)) plan {
	return func(ctx context.Context) (record, change, error) {
		ids, err := sel.resolve(ctx, c)
		if err != nil || len(ids) == 0 {
			return record{}, nil, err
		}
		r, ch := build(ids)
		return r, ch, nil
	}
}

func (c *collection) planDelete(r *qdrant.DeletePoints) (plan, error) {
	sel, err := checkSelector(r.GetPoints(), r.GetShardKeySelector())
	if err != nil {
		return nil, err
	}
	return c.planEdit(sel, func(ids []pointID) (record, change) {
		return record{op: opDelete, collection: c.name, msg: &qdrant.DeletePoints{Points: byIDs(ids)}}, deletePoints(ids)
	}), nil
}

func (c *collection) planSetPayload(r *qdrant.SetPayloadPoints) (plan, error) {
	f, err := setPayloadEdit(r)
	if err != nil {
		return nil, err
	}
	sel, err := checkSelector(r.GetPointsSelector(), r.GetShardKeySelector())
	if err != nil {
		return nil, err
	}
	return c.planEdit(sel, func(ids []pointID) (record, change) {
		return record{op: opSetPayload, collection: c.name, msg: &qdrant.SetPayloadPoints{Payload: r.Payload, Key: r.Key, PointsSelector: byIDs(ids)}}, edit{ids, f}
	}), nil
}

func (c *collection) planOverwritePayload(r *qdrant.SetPayloadPoints) (plan, error) {
	// The server ignores the key of an overwrite.
	if err := checkPayload(r.GetPayload()); err != nil {
		return nil, err
	}
	sel, err := checkSelector(r.GetPointsSelector(), r.GetShardKeySelector())
	if err != nil {
		return nil, err
	}
	return c.planEdit(sel, func(ids []pointID) (record, change) {
		return record{op: opOverwritePayload, collection: c.name, msg: &qdrant.SetPayloadPoints{Payload: r.Payload, PointsSelector: byIDs(ids)}},
			edit{ids, overwriteEdit(r.GetPayload())}
	}), nil
}

func (c *collection) planDeletePayload(r *qdrant.DeletePayloadPoints) (plan, error) {
	f, err := deletePayloadEdit(r.GetKeys())
	if err != nil {
		return nil, err
	}
	sel, err := checkSelector(r.GetPointsSelector(), r.GetShardKeySelector())
	if err != nil {
		return nil, err
	}
	return c.planEdit(sel, func(ids []pointID) (record, change) {
		return record{op: opDeletePayload, collection: c.name, msg: &qdrant.DeletePayloadPoints{Keys: r.Keys, PointsSelector: byIDs(ids)}}, edit{ids, f}
	}), nil
}

func (c *collection) planClearPayload(r *qdrant.ClearPayloadPoints) (plan, error) {
	sel, err := checkSelector(r.GetPoints(), r.GetShardKeySelector())
	if err != nil {
		return nil, err
	}
	return c.planEdit(sel, func(ids []pointID) (record, change) {
		return record{op: opClearPayload, collection: c.name, msg: &qdrant.ClearPayloadPoints{Points: byIDs(ids)}}, edit{ids, overwriteEdit(nil)}
	}), nil
}

func (c *collection) planUpdateVectors(r *qdrant.UpdatePointVectors) (plan, error) {
	if err := checkShards(r.GetShardKeySelector()); err != nil {
		return nil, err
	}
	if len(r.GetPoints()) == 0 {
		return nil, errEmptyUpdate
	}
	for _, p := range r.GetPoints() {
		if err := inferVectors(p.GetVectors()); err != nil {
			return nil, err
		}
	}
	updates, err := c.checkPointVectors(r.GetPoints())
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (record, change, error) {
		logged := r.GetPoints()
		if r.UpdateFilter != nil {
			matching, err := c.selectForUpdate(ctx, r.UpdateFilter)
			if err != nil {
				return record{}, nil, err
			}
			all := updates
			updates, logged = nil, nil
			for i, u := range all {
				if s, ok := c.ids[u.id]; ok && matching.has(s) {
					updates, logged = append(updates, u), append(logged, r.GetPoints()[i])
				}
			}
			if len(updates) == 0 {
				return record{}, nil, nil
			}
		}
		return record{op: opUpdateVectors, collection: c.name, msg: &qdrant.UpdatePointVectors{Points: logged}}, updates, nil
	}, nil
}

func (c *collection) planDeleteVectors(r *qdrant.DeletePointVectors) (plan, error) {
	if r.GetVectors() == nil {
		return nil, status.Error(codes.InvalidArgument, "vectors: the names of the vectors to delete are missing")
	}
	f, err := c.deleteVectorsEdit(r.GetVectors().GetNames())
	if err != nil {
		return nil, err
	}
	sel, err := checkSelector(r.GetPointsSelector(), r.GetShardKeySelector())
	if err != nil {
		return nil, err
	}
	return c.planEdit(sel, func(ids []pointID) (record, change) {
		return record{op: opDeleteVectors, collection: c.name, msg: &qdrant.DeletePointVectors{PointsSelector: byIDs(ids), Vectors: r.Vectors}}, edit{ids, f}
	}), nil
}

func (c *collection) planCreateIndex(r *qdrant.CreateFieldIndexCollection) (plan, error) {
	ci, err := checkIndex(r)
	if err != nil {
		return nil, err
	}
	return func(context.Context) (record, change, error) {
		if _, exists := c.indexes[ci.ix.path.String()]; !exists {
			if err := c.checkStrictIndexes(); err != nil {
				return record{}, nil, err
			}
		}
		return record{op: opCreateIndex, collection: c.name, msg: &qdrant.CreateFieldIndexCollection{
			FieldName: r.FieldName, FieldType: r.FieldType, FieldIndexParams: r.FieldIndexParams,
		}}, ci, nil
	}, nil
}

func checkIndex(r *qdrant.CreateFieldIndexCollection) (createIndex, error) {
	if r.GetFieldName() == "" {
		return createIndex{}, status.Error(codes.InvalidArgument, "field_name: must not be empty")
	}
	path, err := parsePath(r.GetFieldName())
	if err != nil {
		return createIndex{}, err
	}
	if r.FieldType == nil {
		return createIndex{}, status.Error(codes.InvalidArgument, "field_type is missing")
	}
	schema, ok := indexSchemas[r.GetFieldType()]
	if !ok {
		return createIndex{}, status.Errorf(codes.InvalidArgument, "field_type %d is unknown", r.GetFieldType())
	}
	if p := r.GetFieldIndexParams(); p != nil {
		given, err := indexSchema(p)
		if err != nil {
			return createIndex{}, status.Error(codes.InvalidArgument, err.Error())
		}
		if given != schema {
			return createIndex{}, status.Errorf(codes.InvalidArgument, "field_type (%v) and field_index_params (%v) do not match", schema, given)
		}
		if i := p.GetIntegerIndexParams(); i != nil && i.Lookup != nil && i.Range != nil && !*i.Lookup && !*i.Range {
			return createIndex{}, status.Error(codes.InvalidArgument, "field_index_params: lookup and range can't be both disabled")
		}
	}
	ix, err := newFieldIndex(path, schema, r.GetFieldIndexParams())
	return createIndex{ix}, err
}

func (c *collection) planDeleteIndex(r *qdrant.DeleteFieldIndexCollection) (plan, error) {
	if r.GetFieldName() == "" {
		return nil, status.Error(codes.InvalidArgument, "field_name: must not be empty")
	}
	path, err := parsePath(r.GetFieldName())
	if err != nil {
		return nil, err
	}
	return func(context.Context) (record, change, error) {
		return record{op: opDeleteIndex, collection: c.name, msg: &qdrant.DeleteFieldIndexCollection{FieldName: r.FieldName}}, deleteIndex{path}, nil
	}, nil
}
