package qdrantlocal

import (
	"fmt"

	"github.com/qdrant/go-client/qdrant"
)

// replay applies a logged record. It runs alone, while the store is opened.
func (s *Store) replay(r record) error {
	switch r.op {
	case opCreateCollection, opChangeAliases:
		return s.applyCatalog(r)
	}
	c := s.collections[r.collection]
	if c == nil {
		return fmt.Errorf("there is no collection %q", r.collection)
	}
	switch r.op {
	case opUpdateCollection, opDeleteCollection:
		return s.applyCatalog(r)
	case opCounter:
		c.ops = r.msg.(*qdrant.UpdateResult).GetOperationId()
		return nil
	}
	ch, err := c.changeOf(r)
	if err != nil {
		return err
	}
	_ = c.apply(ch) // the update was answered with this error, too
	return nil
}

// changeOf turns a logged record back into the change that was applied.
func (c *collection) changeOf(r record) (change, error) {
	switch m := r.msg.(type) {
	case *qdrant.SetPayloadPoints:
		ids, err := parseIDs(m.GetPointsSelector().GetPoints().GetIds())
		if err != nil || r.op == opOverwritePayload {
			return edit{ids, overwriteEdit(m.GetPayload())}, err
		}
		f, err := setPayloadEdit(m)
		return edit{ids, f}, err
	case *qdrant.DeletePayloadPoints:
		ids, err := parseIDs(m.GetPointsSelector().GetPoints().GetIds())
		if err != nil {
			return nil, err
		}
		f, err := deletePayloadEdit(m.GetKeys())
		return edit{ids, f}, err
	case *qdrant.ClearPayloadPoints:
		ids, err := parseIDs(m.GetPoints().GetPoints().GetIds())
		return edit{ids, overwriteEdit(nil)}, err
	case *qdrant.UpdatePointVectors:
		return c.checkPointVectors(m.GetPoints())
	case *qdrant.DeletePointVectors:
		ids, err := parseIDs(m.GetPointsSelector().GetPoints().GetIds())
		if err != nil {
			return nil, err
		}
		f, err := c.deleteVectorsEdit(m.GetVectors().GetNames())
		return edit{ids, f}, err
	case *qdrant.UpsertPoints:
		pts, err := c.checkPoints(m.GetPoints(), nil)
		return upsertPoints(pts), err
	case *qdrant.DeletePoints:
		ids, err := parseIDs(m.GetPoints().GetPoints().GetIds())
		return deletePoints(ids), err
	case *qdrant.CreateFieldIndexCollection:
		return checkIndex(m)
	case *qdrant.DeleteFieldIndexCollection:
		path, err := parsePath(m.GetFieldName())
		return deleteIndex{path}, err
	case *qdrant.BatchResult:
		return c.restored(m.GetResult())
	}
	return nil, fmt.Errorf("operation %d changes no points", r.op)
}
