package qdrantlocal

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// TestUpsertByWire: points that come encoded, and are logged as they came, are
// stored like those that do not, also when the log is read back.
func TestUpsertByWire(t *testing.T) {
	dir := t.TempDir()
	wired, handed := openStore(t, dir), openStore(t, t.TempDir())
	client := qdrant.NewPointsClient(dialStore(t, wired))
	callsTo(t, wired).createHybrid("c")
	direct := callsTo(t, handed)
	direct.createHybrid("c")
	same := hybridPoint(3)
	same.Payload["doc"] = qdrant.NewValueString("again")
	bare := &qdrant.PointStruct{Id: qdrant.NewIDNum(4), Vectors: qdrant.NewVectorsMap(map[string]*qdrant.Vector{})}
	for _, r := range []*qdrant.UpsertPoints{
		{Points: []*qdrant.PointStruct{hybridPoint(1), hybridPoint(2), hybridPoint(3)}},
		{Points: []*qdrant.PointStruct{hybridPoint(3), same, bare}}, // one point twice
		{Points: []*qdrant.PointStruct{bare, hybridPoint(5)}, UpdateMode: qdrant.UpdateMode_InsertOnly.Enum()},
	} {
		r.CollectionName, r.Wait = "c", proto.Bool(true)
		if _, err := client.Upsert(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if _, err := direct.pointsServer.Upsert(t.Context(), proto.CloneOf(r)); err != nil {
			t.Fatal(err)
		}
	}
	want := dump(t, handed)
	if !bytes.Equal(dump(t, wired), want) {
		t.Error("what came encoded is stored otherwise")
	}
	if err := wired.Close(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(dump(t, openStore(t, dir)), want) {
		t.Error("what came encoded is otherwise after the store was opened again")
	}
}

// TestUpsertByWireRefuses: what the protobuf package or a handler refuses is
// refused in the encoded form, too, and changes nothing.
func TestUpsertByWireRefuses(t *testing.T) {
	s := openStore(t, t.TempDir())
	client := qdrant.NewPointsClient(dialStore(t, s))
	callsTo(t, s).createHybrid("c")
	before := dump(t, s)
	unknown := protowire.AppendVarint(protowire.AppendTag(nil, 99, protowire.VarintType), 1)
	newer := hybridPoint(1)
	newer.ProtoReflect().SetUnknown(unknown)
	long := hybridPoint(1)
	long.Vectors.GetVectors().Vectors["d"] = qdrant.NewVectorDense([]float32{1, 2, 3, 4})
	unsound := hybridPoint(1)
	unsound.Vectors.GetVectors().Vectors["s"] = qdrant.NewVectorSparse([]uint32{1, 1}, []float32{1, 2})
	for _, tt := range []struct {
		name  string
		point *qdrant.PointStruct
		want  codes.Code
	}{
		{"a field of a newer protocol", newer, codes.Unimplemented},
		{"another dimension", long, codes.InvalidArgument},
		{"an index twice", unsound, codes.InvalidArgument},
	} {
		_, err := client.Upsert(t.Context(), &qdrant.UpsertPoints{CollectionName: "c", Points: []*qdrant.PointStruct{hybridPoint(2), tt.point}})
		expectCode(t, tt.name, err, tt.want)
	}
	if _, err := client.Upsert(t.Context(), &qdrant.UpsertPoints{CollectionName: "c"}); err == nil {
		t.Error("an upsert of no points has no error")
	}
	if !bytes.Equal(dump(t, s), before) {
		t.Error("a refused upsert changed the store")
	}
}

// TestUpsertsAtOnceByWire: the memory that requests came in is used again for
// others, of which nothing may get into the store or its log.
func TestUpsertsAtOnceByWire(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	client := qdrant.NewPointsClient(dialStore(t, s))
	callsTo(t, s).createHybrid("c")
	const writers, rounds, batch = 4, 10, 5
	point := func(n uint64) *qdrant.PointStruct {
		p := hybridPoint(n)
		p.Payload["text"] = qdrant.NewValueString(strings.Repeat(string(rune('a'+n%26)), 700))
		return p
	}
	var group sync.WaitGroup
	for w := range uint64(writers) {
		group.Go(func() {
			for round := range uint64(rounds) {
				r := &qdrant.UpsertPoints{CollectionName: "c", Wait: proto.Bool(round%3 == 0)}
				for k := range uint64(batch) {
					r.Points = append(r.Points, point(w*1000+round*batch+k))
				}
				if _, err := client.Upsert(t.Context(), r); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	check := func(s *Store) {
		c := s.collections["c"]
		if len(c.ids) != writers*rounds*batch {
			t.Errorf("%d points are stored, want %d", len(c.ids), writers*rounds*batch)
		}
		for id, at := range c.ids {
			if want := point(id.proto().GetNum()).Payload; !proto.Equal(object(want), object(c.payloads[at])) {
				t.Errorf("point %v has the payload %v, want %v", id, c.payloads[at], want)
			}
		}
	}
	check(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	check(openStore(t, dir))
}

// TestUpsertLogIsPlain: the records of upserts are what earlier versions write:
// the protobuf package reads them.
func TestUpsertLogIsPlain(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	client := qdrant.NewPointsClient(dialStore(t, s))
	callsTo(t, s).createHybrid("c")
	sent := &qdrant.UpsertPoints{CollectionName: "c", Wait: proto.Bool(true), Points: []*qdrant.PointStruct{hybridPoint(1), hybridPoint(2)}}
	if _, err := client.Upsert(t.Context(), sent); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	name, start, end := lastRecord(t, dir)
	b, err := os.ReadFile(filepath.Join(dir, filepath.Base(name)))
	if err != nil {
		t.Fatal(err)
	}
	body := b[start+recordHeader : end]
	n, size := binary.Uvarint(body[1:])
	var got qdrant.UpsertPoints
	if err := proto.Unmarshal(body[1+size+int(n):], &got); err != nil {
		t.Fatal(err)
	}
	if want := (&qdrant.UpsertPoints{Points: sent.Points}); opcode(body[0]) != opUpsert || !proto.Equal(&got, want) {
		t.Errorf("record %d holds %v, want %d with %v", body[0], &got, opUpsert, want)
	}
}
