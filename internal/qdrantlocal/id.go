package qdrantlocal

import (
	"cmp"
	"encoding/binary"
	"strings"

	"github.com/google/uuid"
	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// pointID is a point id in comparable form: a number, or a UUID as two
// big-endian halves. Numbers sort before UUIDs.
type pointID struct {
	isUUID bool
	hi, lo uint64 // a number has hi == 0
}

func (a pointID) compare(b pointID) int {
	if a.isUUID != b.isUUID {
		if a.isUUID {
			return 1
		}
		return -1
	}
	if c := cmp.Compare(a.hi, b.hi); c != 0 {
		return c
	}
	return cmp.Compare(a.lo, b.lo)
}

func (a pointID) proto() *qdrant.PointId {
	if !a.isUUID {
		return &qdrant.PointId{PointIdOptions: &qdrant.PointId_Num{Num: a.lo}}
	}
	var u uuid.UUID
	binary.BigEndian.PutUint64(u[:8], a.hi)
	binary.BigEndian.PutUint64(u[8:], a.lo)
	p := &struct { // one piece of memory: a store keeps many
		id   qdrant.PointId
		uuid qdrant.PointId_Uuid
	}{}
	p.uuid.Uuid = u.String()
	p.id.PointIdOptions = &p.uuid
	return &p.id
}

func (a pointID) String() string {
	p := a.proto()
	if a.isUUID {
		return p.GetUuid()
	}
	return p.String()
}

// parseID reads a point id; UUIDs may be hyphenated, simple, braced or "urn:uuid:".
func parseID(p *qdrant.PointId) (pointID, error) {
	switch o := p.GetPointIdOptions().(type) {
	case *qdrant.PointId_Num:
		return pointID{lo: o.Num}, nil
	case *qdrant.PointId_Uuid:
		u, ok := parseUUID(o.Uuid)
		if !ok {
			return pointID{}, status.Errorf(codes.InvalidArgument, "unable to parse UUID: %q", o.Uuid)
		}
		return u, nil
	}
	if p == nil {
		return pointID{}, status.Error(codes.InvalidArgument, "empty id is not allowed")
	}
	return pointID{}, status.Error(codes.InvalidArgument, "no id options provided")
}

func parseUUID(s string) (pointID, bool) {
	// uuid.Parse ignores which characters stand in the place of braces.
	if len(s) == 38 && (s[0] != '{' || s[37] != '}') {
		return pointID{}, false
	}
	if len(s) == 45 && !strings.HasPrefix(s, "urn:uuid:") {
		return pointID{}, false
	}
	u, err := uuid.Parse(s)
	if err != nil {
		return pointID{}, false
	}
	return pointID{isUUID: true, hi: binary.BigEndian.Uint64(u[:8]), lo: binary.BigEndian.Uint64(u[8:])}, true
}

func parseIDs(ps []*qdrant.PointId) ([]pointID, error) {
	ids := make([]pointID, len(ps))
	for i, p := range ps {
		id, err := parseID(p)
		if err != nil {
			return nil, err
		}
		ids[i] = id
	}
	return ids, nil
}
