package qdrantlocal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// openStore opens dir and closes it with the test.
func openStore(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(context.Background(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

// calls are the service methods without a connection.
type calls struct {
	t testing.TB
	collectionsServer
	pointsServer
}

func callsTo(t testing.TB, s *Store) calls {
	return calls{t, collectionsServer{s: s}, pointsServer{s: s}}
}

func (c calls) ok(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// createHybrid makes a collection with a dense vector "d" of 3 dimensions and a sparse "s" with IDF.
func (c calls) createHybrid(name string) {
	c.t.Helper()
	_, err := c.Create(c.t.Context(), &qdrant.CreateCollection{
		CollectionName: name,
		VectorsConfig: qdrant.NewVectorsConfigMap(map[string]*qdrant.VectorParams{
			"d": {Size: 3, Distance: qdrant.Distance_Cosine},
		}),
		SparseVectorsConfig: qdrant.NewSparseVectorsConfig(map[string]*qdrant.SparseVectorParams{
			"s": {Modifier: qdrant.Modifier_Idf.Enum()},
		}),
		Metadata: qdrant.NewValueMap(map[string]any{"recipe": name}),
	})
	c.ok(err)
}

// hybridPoint is a point whose content follows from n.
func hybridPoint(n uint64) *qdrant.PointStruct {
	return &qdrant.PointStruct{
		Id: qdrant.NewIDNum(n),
		Vectors: qdrant.NewVectorsMap(map[string]*qdrant.Vector{
			"d": qdrant.NewVectorDense([]float32{float32(n), 1, float32(n % 7)}),
			"s": qdrant.NewVectorSparse([]uint32{uint32(n % 5), 100 + uint32(n)}, []float32{1, float32(n%3) + 0.5}),
		}),
		Payload: qdrant.NewValueMap(map[string]any{
			"doc": fmt.Sprintf("doc-%d", n%4), "n": int64(n), "when": "2026-01-02T03:04:05Z",
			"nested": map[string]any{"list": []any{int64(n), "x", nil, true}},
		}),
	}
}

func (c calls) upsert(collection string, ns ...uint64) {
	c.t.Helper()
	c.ok(c.tryUpsert(collection, ns...))
}

func (c calls) tryUpsert(collection string, ns ...uint64) error {
	r := &qdrant.UpsertPoints{CollectionName: collection, Wait: proto.Bool(true)}
	for _, n := range ns {
		r.Points = append(r.Points, hybridPoint(n))
	}
	_, err := c.Upsert(context.Background(), r)
	return err
}

// dump is everything a store can tell, in canonical bytes.
func dump(t testing.TB, s *Store) []byte {
	t.Helper()
	var b bytes.Buffer
	w := newCheckpointWriter(&b)
	s.gate.Lock()
	defer s.gate.Unlock()
	s.dump(w)
	if err := w.flush(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// fill performs one update of every kind.
func fill(t testing.TB, s *Store) {
	c := callsTo(t, s)
	ctx := context.Background()
	c.createHybrid("a__g1")
	c.createHybrid("dropped")
	c.upsert("a__g1", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
	c.upsert("dropped", 1)
	_, err := c.collectionsServer.Delete(ctx, &qdrant.DeleteCollection{CollectionName: "dropped"})
	c.ok(err)
	_, err = c.UpdateAliases(ctx, &qdrant.ChangeAliases{Actions: []*qdrant.AliasOperations{qdrant.NewAliasCreate("a", "a__g1")}})
	c.ok(err)
	for field, kind := range map[string]qdrant.FieldType{
		"doc": qdrant.FieldType_FieldTypeKeyword, "n": qdrant.FieldType_FieldTypeInteger, "when": qdrant.FieldType_FieldTypeDatetime,
	} {
		_, err = c.CreateFieldIndex(ctx, &qdrant.CreateFieldIndexCollection{CollectionName: "a", FieldName: field, FieldType: kind.Enum()})
		c.ok(err)
	}
	_, err = c.DeleteFieldIndex(ctx, &qdrant.DeleteFieldIndexCollection{CollectionName: "a", FieldName: "when"})
	c.ok(err)
	_, err = c.pointsServer.Delete(ctx, &qdrant.DeletePoints{CollectionName: "a", Points: selectDoc("doc-1")})
	c.ok(err)
	_, err = c.SetPayload(ctx, &qdrant.SetPayloadPoints{
		CollectionName: "a", PointsSelector: selectDoc("doc-2"), Key: proto.String("nested"), Payload: qdrant.NewValueMap(map[string]any{"more": 1.5}),
	})
	c.ok(err)
	_, err = c.OverwritePayload(ctx, &qdrant.SetPayloadPoints{
		CollectionName: "a", PointsSelector: selectIDs(3), Payload: qdrant.NewValueMap(map[string]any{"doc": "other"}),
	})
	c.ok(err)
	_, err = c.DeletePayload(ctx, &qdrant.DeletePayloadPoints{CollectionName: "a", PointsSelector: selectIDs(4, 7), Keys: []string{"nested.list"}})
	c.ok(err)
	_, err = c.ClearPayload(ctx, &qdrant.ClearPayloadPoints{CollectionName: "a", Points: selectIDs(8)})
	c.ok(err)
	_, err = c.UpdateVectors(ctx, &qdrant.UpdatePointVectors{CollectionName: "a", Points: []*qdrant.PointVectors{{
		Id: qdrant.NewIDNum(2), Vectors: qdrant.NewVectorsMap(map[string]*qdrant.Vector{"d": qdrant.NewVectorDense([]float32{0, 0, 9})}),
	}}})
	c.ok(err)
	_, err = c.DeleteVectors(ctx, &qdrant.DeletePointVectors{
		CollectionName: "a", PointsSelector: selectIDs(10), Vectors: &qdrant.VectorsSelector{Names: []string{"s"}},
	})
	c.ok(err)
	_, err = c.Update(ctx, &qdrant.UpdateCollection{CollectionName: "a", Metadata: qdrant.NewValueMap(map[string]any{"recipe": "changed", "extra": true})})
	c.ok(err)
	c.upsert("a", 3, 11)
}

func selectIDs(ns ...uint64) *qdrant.PointsSelector {
	ids := make([]*qdrant.PointId, len(ns))
	for i, n := range ns {
		ids[i] = qdrant.NewIDNum(n)
	}
	return qdrant.NewPointsSelectorIDs(ids)
}

func selectDoc(doc string) *qdrant.PointsSelector {
	return qdrant.NewPointsSelectorFilter(&qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewMatch("doc", doc)}})
}

func TestReopenKeepsEverything(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	fill(t, s)
	want := dump(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := openStore(t, dir)
	if got := dump(t, again); !bytes.Equal(got, want) {
		t.Error("the state after reopening differs")
	}
	if err := again.disk.checkpoint(again); err != nil {
		t.Fatal(err)
	}
	callsTo(t, again).upsert("a", 50)
	want = dump(t, again)
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
	third := openStore(t, dir)
	if got := dump(t, third); !bytes.Equal(got, want) {
		t.Error("the state after a checkpoint and reopening differs")
	}
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range names {
		names[i] = filepath.Base(names[i])
	}
	if diff := cmp.Diff([]string{"LOCK", "MANIFEST", checkpointName(2), logName(2)}, names); diff != "" {
		t.Errorf("files after a checkpoint (-want +got):\n%s", diff)
	}
}

func TestSecondOpenIsLocked(t *testing.T) {
	dir := t.TempDir()
	openStore(t, dir)
	_, err := Open(t.Context(), Options{Dir: dir})
	if !errors.Is(err, ErrLocked) {
		t.Errorf("Open of an open directory: %v, want ErrLocked", err)
	}
}

// lastRecord returns the path of the log of a closed store and where its last record starts.
func lastRecord(t testing.TB, dir string) (name string, start, end int64) {
	t.Helper()
	name = filepath.Join(dir, logName(1))
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	lr, err := openLogReader(name, f, st.Size(), 1)
	if err != nil {
		t.Fatal(err)
	}
	for {
		at := lr.offset
		if _, err := lr.next(); err != nil {
			return name, start, lr.offset
		}
		start = at
	}
}

func writeFile(t testing.TB, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// copyDir copies a closed data directory.
func copyDir(t testing.TB, from string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

func TestTornTailIsCut(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	c := callsTo(t, s)
	c.createHybrid("c")
	c.upsert("c", 1, 2)
	want := dump(t, s)
	c.upsert("c", 3)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	name, start, end := lastRecord(t, dir)
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for size := start; size < end; size++ {
		writeFile(t, name, whole[:size])
		s, err := Open(t.Context(), Options{Dir: dir})
		if err != nil {
			t.Fatalf("log cut at byte %d of %d: %v", size-start, end-start, err)
		}
		if got := dump(t, s); !bytes.Equal(got, want) {
			t.Fatalf("log cut at byte %d of %d: state is not the one before the last record", size-start, end-start)
		}
		callsTo(t, s).upsert("c", 3)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if again, err := os.ReadFile(name); err != nil || !bytes.Equal(again, whole) {
			t.Fatalf("log cut at byte %d of %d: it did not grow back to what it was (%v)", size-start, end-start, err)
		}
	}
	// Space that was allotted but never written is also a torn tail.
	writeFile(t, name, append(whole[:start:start], make([]byte, 100)...))
	if got := dump(t, openStore(t, dir)); !bytes.Equal(got, want) {
		t.Error("log with a tail of zeros: state is not the one before it")
	}
}

// TestUnwrittenPageIsTorn leaves pages of the last records unwritten, as a power
// cut may.
func TestUnwrittenPageIsTorn(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	c := callsTo(t, s)
	c.createHybrid("c")
	c.upsert("c", 1)
	want := dump(t, s)
	p := hybridPoint(2)
	p.Payload["text"] = qdrant.NewValueString(strings.Repeat("x", 5*pageSize/2))
	_, err := c.Upsert(t.Context(), &qdrant.UpsertPoints{CollectionName: "c", Points: []*qdrant.PointStruct{p}})
	c.ok(err)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	name, start, end := lastRecord(t, dir)
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	without := func(b []byte, from, to int64) []byte {
		b = bytes.Clone(b)
		clear(b[from:to])
		return b
	}
	for _, tt := range []struct {
		name string
		log  []byte
		torn bool
	}{
		{"first whole page", without(whole, pageSize, 2*pageSize), true},
		{"last page", without(whole, 2*pageSize, end), true},
		{"all but the first", append(without(whole, pageSize, end), make([]byte, 3*pageSize)...), true},
		{"less than a page", without(whole, pageSize, 2*pageSize-1), false},
		{"a page across two", without(whole, pageSize/2, 3*pageSize/2), false},
		{"a page with a record behind it", append(without(whole, pageSize, 2*pageSize), whole[start:]...), false},
	} {
		writeFile(t, name, tt.log)
		s, err := Open(t.Context(), Options{Dir: dir})
		if !tt.torn {
			if d := (*DamageError)(nil); !errors.As(err, &d) {
				t.Errorf("%s: %v, want a DamageError", tt.name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if got := dump(t, s); !bytes.Equal(got, want) {
			t.Errorf("%s: the state is not the one before the last record", tt.name)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCheckpointPayloads: payloads come back from a checkpoint as they were, whatever
// they have in common with those beside them, as chunks of a document have.
func TestCheckpointPayloads(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	c := callsTo(t, s)
	c.createHybrid("c")
	r := rand.New(rand.NewPCG(8, 8))
	up := &qdrant.UpsertPoints{CollectionName: "c"}
	for doc := range 100 {
		for chunk := range 1 + r.IntN(5) {
			p := hybridPoint(uint64(len(up.Points)))
			p.Payload = qdrant.NewValueMap(map[string]any{
				"doc": fmt.Sprintf("doc-%02d", doc), "tenant": "t", "rev": fmt.Sprint(r.IntN(2)), "chunk": chunk, "tags": []any{fmt.Sprint(r.IntN(2))},
			})
			up.Points = append(up.Points, p)
		}
	}
	_, err := c.Upsert(t.Context(), up)
	c.ok(err)
	want := dump(t, s)
	c.ok(s.disk.checkpoint(s))
	c.ok(s.Close())
	if got := dump(t, openStore(t, dir)); !bytes.Equal(got, want) {
		t.Error("the state after a checkpoint and reopening differs")
	}
}

// TestFailedCheckpoint keeps a checkpoint from being made in each of its steps:
// nothing is lost, and the next one succeeds.
func TestFailedCheckpoint(t *testing.T) {
	for _, blocked := range []string{checkpointName(2), logName(2), manifestTemp} {
		dir := t.TempDir()
		s := openStore(t, dir)
		c := callsTo(t, s)
		c.createHybrid("c")
		c.upsert("c", 1)
		obstacle := filepath.Join(dir, blocked)
		if err := os.MkdirAll(filepath.Join(obstacle, "x"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := s.disk.checkpoint(s); err == nil {
			t.Fatalf("the checkpoint was made in spite of %s", blocked)
		}
		c.upsert("c", 2)
		if err := os.RemoveAll(obstacle); err != nil {
			t.Fatal(err)
		}
		reopened := openStore(t, copyDir(t, dir))
		want := dump(t, s)
		if got := dump(t, reopened); !bytes.Equal(got, want) {
			t.Errorf("blocked by %s: the state after a failed checkpoint differs", blocked)
		}
		if err := s.disk.checkpoint(s); err != nil {
			t.Fatal(err)
		}
		if names, err := filepath.Glob(filepath.Join(dir, "*-*")); err != nil || len(names) != 2 {
			t.Errorf("blocked by %s: after the next checkpoint there are %v (%v)", blocked, names, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if got := dump(t, openStore(t, dir)); !bytes.Equal(got, want) {
			t.Errorf("blocked by %s: the state after the next checkpoint differs", blocked)
		}
	}
}

// TestUnwrittenHeaderIsTorn leaves a new log without its only page, as a power cut
// may that comes before its first sync.
func TestUnwrittenHeaderIsTorn(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	c := callsTo(t, s)
	c.createHybrid("c")
	c.upsert("c", 1)
	want := dump(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	next := filepath.Join(dir, logName(2))
	writeFile(t, next, make([]byte, fileHeader))
	again := openStore(t, dir)
	if got := dump(t, again); !bytes.Equal(got, want) {
		t.Error("the state differs")
	}
	callsTo(t, again).upsert("c", 2)
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
	// Where records were behind the header, they are lost: that is damage.
	b, err := os.ReadFile(next)
	if err != nil {
		t.Fatal(err)
	}
	for _, damaged := range [][]byte{make([]byte, len(b)), append(make([]byte, fileHeader), b[fileHeader:]...)} {
		writeFile(t, next, damaged)
		if _, err := Open(t.Context(), Options{Dir: dir}); !errors.As(err, new(*DamageError)) {
			t.Errorf("Open of a log without its first page: %v, want a DamageError", err)
		}
	}
}

// A directory with logs that no manifest names is not an empty one, and files
// that the store did not make are left alone.
func TestForeignFiles(t *testing.T) {
	dir := t.TempDir()
	others := []string{"checkpoint-best.pt", "log-2026.txt", "notes.tmp", "log-1"}
	for _, name := range others {
		writeFile(t, filepath.Join(dir, name), []byte("mine"))
	}
	s := openStore(t, dir)
	callsTo(t, s).createHybrid("c")
	if err := s.disk.checkpoint(s); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	openStore(t, dir).Close()
	for _, name := range others {
		if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(b) != "mine" {
			t.Errorf("%s holds %q afterwards (%v)", name, b, err)
		}
	}
	lost := t.TempDir()
	writeFile(t, filepath.Join(lost, logName(3)), newFileHeader(3))
	if _, err := Open(t.Context(), Options{Dir: lost}); !errors.As(err, new(*DamageError)) {
		t.Errorf("Open of a directory with log 3 alone: %v, want a DamageError", err)
	}
}

func TestDamageIsDataLoss(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	c := callsTo(t, s)
	c.createHybrid("c")
	c.upsert("c", 1)
	if err := s.disk.checkpoint(s); err != nil {
		t.Fatal(err)
	}
	c.upsert("c", 2)
	c.upsert("c", 3)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, base := range []string{logName(2), checkpointName(2), manifestName} {
		whole, err := os.ReadFile(filepath.Join(dir, base))
		if err != nil {
			t.Fatal(err)
		}
		for i := range whole {
			damaged := bytes.Clone(whole)
			damaged[i] ^= 1 << (i % 8)
			writeFile(t, filepath.Join(dir, base), damaged)
			s, err := Open(t.Context(), Options{Dir: dir}) // changes nothing when it fails
			if err == nil {
				s.Close()
				t.Fatalf("%s with byte %d of %d damaged was opened", base, i, len(whole))
			}
			var d *DamageError
			if errors.As(err, &d) && status.Code(d) != codes.DataLoss {
				t.Fatalf("code of %v is %v, want DataLoss", d, status.Code(d))
			}
			if base != manifestName && d == nil {
				t.Fatalf("%s with byte %d damaged: %v, want a DamageError", base, i, err)
			}
		}
		writeFile(t, filepath.Join(dir, base), whole)
	}
	openStore(t, dir).Close()
	for _, base := range []string{logName(2), checkpointName(2), manifestName} {
		copied := copyDir(t, dir)
		if err := os.Remove(filepath.Join(copied, base)); err != nil {
			t.Fatal(err)
		}
		_, err := Open(t.Context(), Options{Dir: copied})
		if d := (*DamageError)(nil); !errors.As(err, &d) {
			t.Errorf("without %s: %v, want a DamageError", base, err)
		}
	}
}

// TestReadersDoNotWaitForTheDisk holds up an fsync and reads meanwhile.
func TestReadersDoNotWaitForTheDisk(t *testing.T) {
	s := openStore(t, t.TempDir())
	c := callsTo(t, s)
	c.createHybrid("c")
	exchange := func(f file) (old file) {
		l := s.disk.log
		l.mu.Lock()
		defer l.mu.Unlock()
		old, l.f = l.f, f
		return old
	}
	slow := &memFile{gate: make(chan struct{})}
	real := exchange(slow)
	acknowledged := make(chan error)
	go func() { acknowledged <- c.tryUpsert("c", 1) }()
	for n := uint64(0); n == 0; { // visible, though not durable yet
		res, err := c.Count(t.Context(), &qdrant.CountPoints{CollectionName: "c"})
		c.ok(err)
		n = res.GetResult().GetCount()
	}
	select {
	case err := <-acknowledged:
		t.Fatalf("acknowledged before the fsync ended (%v)", err)
	default:
	}
	slow.gate <- struct{}{}
	c.ok(<-acknowledged)
	exchange(real) // let Close release the real file
}

// TestLogDoesNotGrowForever overwrites the same points until a checkpoint is made.
func TestLogDoesNotGrowForever(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	c := callsTo(t, s)
	c.createHybrid("c")
	text := strings.Repeat("x", 1<<20)
	for written := 0; written <= 2*checkpointSlack; written += len(text) {
		p := hybridPoint(uint64(written % 2))
		p.Payload["text"] = qdrant.NewValueString(text)
		_, err := c.Upsert(t.Context(), &qdrant.UpsertPoints{CollectionName: "c", Points: []*qdrant.PointStruct{p}})
		c.ok(err)
	}
	for s.disk.checkpointBytes() == 0 { // it is made in the background
		if t.Context().Err() != nil {
			t.Fatal("no checkpoint was made")
		}
		runtime.Gosched()
	}
	want := dump(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var size int64
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	if size > 2*checkpointSlack {
		t.Errorf("the directory holds %d bytes of 1 MiB live data", size)
	}
	if got := dump(t, openStore(t, dir)); !bytes.Equal(got, want) {
		t.Error("the state after the checkpoint differs")
	}
}

// TestInterruptedCheckpoint leaves the files of a checkpoint that was not finished.
func TestInterruptedCheckpoint(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	c := callsTo(t, s)
	c.createHybrid("c")
	c.upsert("c", 1)
	f, err := os.Create(filepath.Join(dir, checkpointName(2)))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	// The state is written and the next log begun, but no manifest says so.
	if _, err := s.disk.freeze(s, f, 2); err != nil {
		t.Fatal(err)
	}
	c.upsert("c", 2)
	want := dump(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := openStore(t, dir)
	if got := dump(t, again); !bytes.Equal(got, want) {
		t.Error("the state after an interrupted checkpoint differs")
	}
	if exists(filepath.Join(dir, checkpointName(2))) {
		t.Error("the unfinished checkpoint is still there")
	}
	if err := again.disk.checkpoint(again); err != nil {
		t.Fatal(err)
	}
}
