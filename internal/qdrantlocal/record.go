package qdrantlocal

import (
	"encoding/binary"
	"fmt"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/protobuf/proto"

	"github.com/ragloop/ragloop/internal/qdrantwire"
)

// opcode is the first byte of a record; the numbers are part of the stored format.
type opcode byte

const (
	opCreateCollection opcode = 1 // CollectionConfig, complete
	opUpdateCollection opcode = 2 // UpdateCollection
	opDeleteCollection opcode = 3 // DeleteCollection
	opChangeAliases    opcode = 4 // ChangeAliases
	opUpsert           opcode = 5 // UpsertPoints without filter and mode
	opDelete           opcode = 6 // DeletePoints by ids
	opSetPayload       opcode = 7
	opOverwritePayload opcode = 8
	opDeletePayload    opcode = 9
	opClearPayload     opcode = 10
	opUpdateVectors    opcode = 11
	opDeleteVectors    opcode = 12
	opCreateIndex      opcode = 13
	opDeleteIndex      opcode = 14
	opRestore          opcode = 15 // BatchResult: stored points, in checkpoints only
	opEnd              opcode = 16 // last record of a checkpoint
	opCounter          opcode = 17 // UpdateResult: number of updates, in checkpoints only
)

// record is one logged update. Filters are never logged: what they select is
// resolved to ids when the update happens, so that replaying does not depend
// on how filters are evaluated.
type record struct {
	op         opcode
	collection string // physical name; empty for opChangeAliases and opEnd
	msg        proto.Message
	points     [][]byte // of opUpsert, instead of msg: encoded points
}

// message returns an empty message of the type that op carries.
func (op opcode) message() proto.Message {
	switch op {
	case opCreateCollection:
		return &qdrant.CollectionConfig{}
	case opUpdateCollection:
		return &qdrant.UpdateCollection{}
	case opDeleteCollection:
		return &qdrant.DeleteCollection{}
	case opChangeAliases:
		return &qdrant.ChangeAliases{}
	case opUpsert:
		return &qdrant.UpsertPoints{}
	case opDelete:
		return &qdrant.DeletePoints{}
	case opSetPayload, opOverwritePayload:
		return &qdrant.SetPayloadPoints{}
	case opDeletePayload:
		return &qdrant.DeletePayloadPoints{}
	case opClearPayload:
		return &qdrant.ClearPayloadPoints{}
	case opUpdateVectors:
		return &qdrant.UpdatePointVectors{}
	case opDeleteVectors:
		return &qdrant.DeletePointVectors{}
	case opCreateIndex:
		return &qdrant.CreateFieldIndexCollection{}
	case opDeleteIndex:
		return &qdrant.DeleteFieldIndexCollection{}
	case opRestore:
		return &qdrant.BatchResult{}
	case opEnd:
		return &qdrant.CountResult{}
	case opCounter:
		return &qdrant.UpdateResult{}
	}
	return nil
}

// encode appends op, length-prefixed collection name and message to b.
func (r record) encode(b []byte) ([]byte, error) {
	b = append(b, byte(r.op))
	b = binary.AppendUvarint(b, uint64(len(r.collection)))
	b = append(b, r.collection...)
	if r.points != nil {
		return qdrantwire.AppendPoints(b, r.points), nil
	}
	return proto.MarshalOptions{Deterministic: true}.MarshalAppend(b, r.msg)
}

func decodeRecord(b []byte) (record, error) {
	if len(b) == 0 {
		return record{}, fmt.Errorf("record is empty")
	}
	r := record{op: opcode(b[0]), msg: opcode(b[0]).message()}
	if r.msg == nil {
		return record{}, fmt.Errorf("record has the unknown operation %d", b[0])
	}
	n, size := binary.Uvarint(b[1:])
	if size <= 0 || n > uint64(len(b)-1-size) {
		return record{}, fmt.Errorf("record has a wrong name length")
	}
	name := b[1+size : 1+size+int(n)]
	r.collection = string(name)
	body := b[1+size+int(n):]
	if r.op == opUpsert {
		if msg, _, ok := qdrantwire.Decode(body); ok {
			r.msg = msg
			return r, nil
		}
	}
	if err := proto.Unmarshal(body, r.msg); err != nil {
		return record{}, fmt.Errorf("record of operation %d: %w", b[0], err)
	}
	return r, nil
}
