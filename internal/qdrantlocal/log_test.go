package qdrantlocal

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
)

// memFile is a file whose syncs can be held up, counted and made to fail.
type memFile struct {
	mu     sync.Mutex
	buf    bytes.Buffer
	syncs  int
	gate   chan struct{} // a sync waits until it can receive
	broken error
}

func (f *memFile) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.buf.Write(b)
}

func (f *memFile) Sync() error {
	if f.gate != nil {
		<-f.gate
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.syncs++
	return f.broken
}

func (f *memFile) Close() error { return nil }

func framed(s string) func([]byte) ([]byte, error) {
	return func(b []byte) ([]byte, error) { return append(b, s...), nil }
}

func TestGroupCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &memFile{gate: make(chan struct{})}
		l := newLog(f, 0)
		const writers = 50
		var wg sync.WaitGroup
		start := func() {
			wg.Go(func() {
				pos, err := l.append(framed("x"))
				if err == nil {
					err = l.waitFor(pos, true)
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		start()
		synctest.Wait() // the first one is in its sync
		for range writers - 1 {
			start()
		}
		synctest.Wait() // all others wait for it
		f.gate <- struct{}{}
		f.gate <- struct{}{}
		wg.Wait()
		if f.syncs != 2 {
			t.Errorf("%d writers made %d syncs, want 2", writers, f.syncs)
		}
		if f.buf.Len() != writers {
			t.Errorf("%d bytes written, want %d", f.buf.Len(), writers)
		}
	})
}

func TestWaitWithoutSync(t *testing.T) {
	f := &memFile{}
	l := newLog(f, 0)
	pos, err := l.append(framed("abc"))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.waitFor(pos, false); err != nil {
		t.Fatal(err)
	}
	if f.syncs != 0 || f.buf.String() != "abc" {
		t.Errorf("after an update that does not wait: %d syncs, %q in the file; want none and \"abc\"", f.syncs, f.buf.String())
	}
}

func TestFailedSyncMakesReadOnly(t *testing.T) {
	s := openStore(t, t.TempDir())
	c := callsTo(t, s)
	c.createHybrid("c")
	c.upsert("c", 1)
	real := s.disk.log
	s.disk.log = newLog(&memFile{broken: errors.New("input/output error")}, 0)
	defer func() { s.disk.log = real }() // let Close release the real file
	for range 2 {
		if err := c.tryUpsert("c", 2); status.Code(err) != codes.FailedPrecondition {
			t.Fatalf("update after a failed sync: %v, want FailedPrecondition", err)
		}
	}
	if err := s.disk.log.sync(); !errors.Is(err, ErrReadOnly) {
		t.Errorf("error of the log is %v, want ErrReadOnly", err)
	}
	n, err := c.Count(t.Context(), &qdrant.CountPoints{CollectionName: "c"})
	if err != nil || n.GetResult().GetCount() == 0 {
		t.Errorf("reading after a failed sync: %v, %v", n, err)
	}
}

func TestUpdateAfterClose(t *testing.T) {
	s := openStore(t, t.TempDir())
	c := callsTo(t, s)
	c.createHybrid("c")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.tryUpsert("c", 1); status.Code(err) != codes.Unavailable {
		t.Errorf("update after Close: %v, want Unavailable", err)
	}
}

// sampleRecords has one record of every kind.
func sampleRecords() []record {
	point := hybridPoint(3)
	return []record{
		{op: opCreateCollection, collection: "c", msg: &qdrant.CollectionConfig{Metadata: qdrant.NewValueMap(map[string]any{"a": 1})}},
		{op: opUpdateCollection, collection: "c", msg: &qdrant.UpdateCollection{CollectionName: "c"}},
		{op: opChangeAliases, collection: "", msg: &qdrant.ChangeAliases{Actions: []*qdrant.AliasOperations{qdrant.NewAliasCreate("a", "c")}}},
		{op: opUpsert, collection: "c", msg: &qdrant.UpsertPoints{Points: []*qdrant.PointStruct{point}}},
		{op: opDelete, collection: "c", msg: &qdrant.DeletePoints{Points: selectIDs(1, 2)}},
		{op: opSetPayload, collection: "c", msg: &qdrant.SetPayloadPoints{Payload: point.Payload, PointsSelector: selectIDs(3)}},
		{op: opOverwritePayload, collection: "c", msg: &qdrant.SetPayloadPoints{Payload: point.Payload, PointsSelector: selectIDs(3)}},
		{op: opDeletePayload, collection: "c", msg: &qdrant.DeletePayloadPoints{Keys: []string{"n"}, PointsSelector: selectIDs(3)}},
		{op: opClearPayload, collection: "c", msg: &qdrant.ClearPayloadPoints{Points: selectIDs(3)}},
		{op: opUpdateVectors, collection: "c", msg: &qdrant.UpdatePointVectors{Points: []*qdrant.PointVectors{{Id: point.Id, Vectors: point.Vectors}}}},
		{op: opDeleteVectors, collection: "c", msg: &qdrant.DeletePointVectors{PointsSelector: selectIDs(3), Vectors: &qdrant.VectorsSelector{Names: []string{"d"}}}},
		{op: opCreateIndex, collection: "c", msg: &qdrant.CreateFieldIndexCollection{FieldName: "n", FieldType: qdrant.FieldType_FieldTypeInteger.Enum()}},
		{op: opDeleteIndex, collection: "c", msg: &qdrant.DeleteFieldIndexCollection{FieldName: "n"}},
		{op: opRestore, collection: "c", msg: &qdrant.BatchResult{Result: []*qdrant.ScoredPoint{{Id: point.Id, Payload: point.Payload}}}},
		{op: opCounter, collection: "c", msg: &qdrant.UpdateResult{OperationId: proto.Uint64(9)}},
		{op: opEnd, collection: "", msg: &qdrant.CountResult{}},
		{op: opDeleteCollection, collection: "c", msg: &qdrant.DeleteCollection{CollectionName: "c"}},
	}
}

func sampleLog(t testing.TB) []byte {
	b := newFileHeader(1)
	for _, r := range sampleRecords() {
		var err error
		if b, err = appendRecord(b, r); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// readLog returns the records of a log and what ended it.
func readLog(b []byte) (rs []record, lr *logReader, err error) {
	lr, err = openLogReader("log", bytes.NewReader(b), int64(len(b)), 1)
	if err != nil {
		return nil, lr, err
	}
	for {
		r, err := lr.next()
		if err != nil {
			return rs, lr, err
		}
		rs = append(rs, r)
	}
}

func TestRecordsRoundTrip(t *testing.T) {
	got, _, err := readLog(sampleLog(t))
	if err != io.EOF {
		t.Fatalf("reading a whole log ends with %v, want EOF", err)
	}
	if diff := cmp.Diff(sampleRecords(), got, cmp.AllowUnexported(record{}), protocmp.Transform()); diff != "" {
		t.Errorf("records (-written +read):\n%s", diff)
	}
}

// FuzzLogReader: whatever a log holds, reading ends without a panic in one of
// the stated ways, and never beyond the end of the file.
func FuzzLogReader(f *testing.F) {
	whole := sampleLog(f)
	f.Add(whole)
	f.Add(whole[:len(whole)-3])
	f.Add(append(bytes.Clone(whole), make([]byte, 20)...))
	f.Add([]byte(logMagic))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		_, lr, err := readLog(b)
		var damage *DamageError
		if err != io.EOF && err != errTorn && !errors.As(err, &damage) {
			t.Fatalf("reading ends with %v, want EOF, a torn tail or damage", err)
		}
		if lr != nil && lr.offset > int64(len(b)) {
			t.Errorf("good records end at %d of %d bytes", lr.offset, len(b))
		}
		if damage != nil && damage.Offset > int64(len(b)) {
			t.Errorf("damage is at %d of %d bytes", damage.Offset, len(b))
		}
	})
}

// FuzzDamagedLog: one changed byte never changes a record or hides a later one.
func FuzzDamagedLog(f *testing.F) {
	whole := sampleLog(f)
	want, _, _ := readLog(whole)
	f.Add(uint16(20), byte(1))
	f.Fuzz(func(t *testing.T, at uint16, xor byte) {
		b := bytes.Clone(whole)
		b[int(at)%len(b)] ^= xor
		got, _, err := readLog(b)
		if xor == 0 {
			return
		}
		var damage *DamageError
		if !errors.As(err, &damage) {
			t.Fatalf("byte %d changed: reading ends with %v, want damage", int(at)%len(b), err)
		}
		if diff := cmp.Diff(want[:len(got)], got, cmp.AllowUnexported(record{}), protocmp.Transform(), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("byte %d changed: records before the damage differ:\n%s", int(at)%len(b), diff)
		}
	})
}

func TestEveryDamagedByteIsSeen(t *testing.T) {
	whole := sampleLog(t)
	for i := range whole {
		b := bytes.Clone(whole)
		b[i] ^= 0x10
		var damage *DamageError
		if _, _, err := readLog(b); !errors.As(err, &damage) {
			t.Fatalf("byte %d changed: reading ends with %v, want damage", i, err)
		}
	}
}
