package qdrantwire

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/encoding"
	grpcproto "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
)

// request returns n points such as the index stores.
func request(n int) *qdrant.UpsertPoints {
	r := &qdrant.UpsertPoints{CollectionName: "notes__g1", Wait: qdrant.PtrOf(true)}
	for i := range n {
		r.Points = append(r.Points, &qdrant.PointStruct{
			Id: qdrant.NewIDUUID(fmt.Sprintf("00000000-0000-0000-0000-%012d", i)),
			Payload: map[string]*qdrant.Value{
				"doc": qdrant.NewValueString("a/b.md"), "ord": qdrant.NewValueInt(int64(i)), "off": qdrant.NewValueInt(-1),
				"text":    qdrant.NewValueString("Grüße, 世界"),
				"heading": qdrant.NewValueFromList(qdrant.NewValueString("One"), qdrant.NewValueString("Two")),
				"none":    qdrant.NewValueFromList(),
				"meta": qdrant.NewValueStruct(&qdrant.Struct{Fields: map[string]*qdrant.Value{
					"year": qdrant.NewValueDouble(2026.5), "draft": qdrant.NewValueBool(false), "nothing": qdrant.NewValueNull(),
				}}),
			},
			Vectors: qdrant.NewVectorsMap(map[string]*qdrant.Vector{
				"dense": qdrant.NewVectorDense([]float32{0.25, -1, 3e-9}),
				"bm25":  qdrant.NewVectorSparse([]uint32{1, 300, 4_000_000_000}, []float32{1, 2, 0.5}),
			}),
		})
	}
	return r
}

// variants are requests of the plain form at its edges.
func variants() map[string]*qdrant.UpsertPoints {
	point := func(p *qdrant.PointStruct) *qdrant.UpsertPoints {
		if p.Id == nil {
			p.Id = qdrant.NewIDNum(1 << 63)
		}
		if p.Vectors == nil {
			p.Vectors = qdrant.NewVectorsMap(map[string]*qdrant.Vector{})
		}
		return &qdrant.UpsertPoints{Points: []*qdrant.PointStruct{p}}
	}
	vector := func(v *qdrant.Vector) *qdrant.UpsertPoints {
		return point(&qdrant.PointStruct{Vectors: qdrant.NewVectorsMap(map[string]*qdrant.Vector{"": v})})
	}
	value := func(v *qdrant.Value) *qdrant.UpsertPoints {
		return point(&qdrant.PointStruct{Payload: map[string]*qdrant.Value{"": v}})
	}
	return map[string]*qdrant.UpsertPoints{
		"empty":          {},
		"not waiting":    {CollectionName: "a", Wait: qdrant.PtrOf(false)},
		"many":           request(300),
		"number as id":   point(&qdrant.PointStruct{}),
		"empty uuid":     point(&qdrant.PointStruct{Id: qdrant.NewIDUUID("")}),
		"empty vector":   vector(qdrant.NewVectorDense(nil)),
		"empty sparse":   vector(qdrant.NewVectorSparse(nil, nil)),
		"uneven sparse":  vector(qdrant.NewVectorSparse([]uint32{5}, nil)),
		"empty string":   value(qdrant.NewValueString("")),
		"zero":           value(qdrant.NewValueInt(0)),
		"negative":       value(qdrant.NewValueInt(-1 << 63)),
		"empty object":   value(qdrant.NewValueStruct(&qdrant.Struct{})),
		"nested":         value(nested(maxDepth)),
		"long":           value(qdrant.NewValueString(string(make([]byte, 1<<16)))),
		"list of a list": value(qdrant.NewValueFromList(qdrant.NewValueFromList(qdrant.NewValueInt(1)), qdrant.NewValueNull())),
	}
}

func nested(depth int) *qdrant.Value {
	v := qdrant.NewValueString("deep")
	for i := range depth {
		if i%2 == 0 {
			v = qdrant.NewValueFromList(v)
		} else {
			v = qdrant.NewValueStruct(&qdrant.Struct{Fields: map[string]*qdrant.Value{"in": v}})
		}
	}
	return v
}

func TestRoundTrip(t *testing.T) {
	for name, r := range variants() {
		t.Run(name, func(t *testing.T) {
			b, ok := Append([]byte("before"), r)
			if !ok {
				t.Fatal("not of the plain form")
			}
			b = b[len("before"):]
			if got, want := len(b), proto.Size(r); got != want {
				t.Errorf("%d bytes, protobuf makes %d", got, want)
			}
			var back qdrant.UpsertPoints
			if err := proto.Unmarshal(b, &back); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(r, &back, protocmp.Transform()); diff != "" {
				t.Errorf("protobuf reads (-want +got):\n%s", diff)
			}
			got, points, ok := Decode(b)
			if !ok || len(points) != len(r.Points) {
				t.Fatalf("Decode = %d points, %v, want %d", len(points), ok, len(r.Points))
			}
			if diff := cmp.Diff(r, got, protocmp.Transform()); diff != "" {
				t.Errorf("Decode (-want +got):\n%s", diff)
			}
			for i, p := range r.Points {
				if got, want := PointSize(p), len(points[i]); got != want {
					t.Errorf("PointSize = %d, want %d", got, want)
				}
			}
			var again qdrant.UpsertPoints
			if err := proto.Unmarshal(AppendPoints(nil, points), &again); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(r.Points, again.Points, protocmp.Transform()); diff != "" {
				t.Errorf("AppendPoints (-want +got):\n%s", diff)
			}
		})
	}
}

// TestSameBytes: the bytes depend on what a request holds alone.
func TestSameBytes(t *testing.T) {
	want, _ := Append(nil, request(20))
	for range 20 {
		if got, _ := Append(nil, request(20)); string(got) != string(want) {
			t.Fatal("equal requests have different bytes")
		}
	}
}

// TestDecodeOwns: what was decoded does not change with the bytes.
func TestDecodeOwns(t *testing.T) {
	b, _ := Append(nil, request(3))
	r, _, _ := Decode(b)
	clear(b)
	if diff := cmp.Diff(request(3), r, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
}

// TestShared: points have entries in common with the point before, wherever those
// stand, and each has its own map.
func TestShared(t *testing.T) {
	r := request(4)
	delete(r.Points[1].Payload, "doc")
	r.Points[3].Payload["doc"] = qdrant.NewValueString("c.md")
	b, ok := Append(nil, r)
	if !ok {
		t.Fatal("not of the plain form")
	}
	got, _, ok := Decode(b)
	if !ok {
		t.Fatal("Decode takes it for no plain request")
	}
	if diff := cmp.Diff(r, got, protocmp.Transform()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for i, want := range []string{"", "heading meta none off text", "heading meta none off text", "heading meta none off text"} {
		var same []string
		for key, v := range got.Points[i].Payload {
			if i > 0 && got.Points[i-1].Payload[key] == v {
				same = append(same, key)
			}
		}
		slices.Sort(same)
		if s := strings.Join(same, " "); s != want {
			t.Errorf("point %d shares %q with the one before, want %q", i, s, want)
		}
	}
	got.Points[0].Payload["new"] = qdrant.NewValueNull()
	if _, ok := got.Points[1].Payload["new"]; ok {
		t.Error("two points share a map")
	}
}

// TestCompactor: payloads are what they were, in fewer pieces of memory, and stay so
// when others are compacted.
func TestCompactor(t *testing.T) {
	var c Compactor
	var want, got []map[string]*qdrant.Value
	compact := func(fields map[string]*qdrant.Value) {
		want, got = append(want, fields), append(got, c.Payload(fields))
	}
	for _, name := range slices.Sorted(maps.Keys(variants())) {
		for i, p := range variants()[name].Points {
			if i < 5 {
				compact(p.Payload)
			}
		}
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for name, odd := range map[string]map[string]*qdrant.Value{
		"nil": nil, "empty": {}, "no kind": {"a": {}}, "too deep": {"a": nested(maxDepth + 1)}, "no UTF-8": {"a": qdrant.NewValueString("\xff")},
	} {
		if got := c.Payload(odd); reflect.ValueOf(got).Pointer() != reflect.ValueOf(odd).Pointer() {
			t.Errorf("%s: %v, want what was given", name, got)
		}
	}
	want, got = nil, nil // payloads whose entries come, stay for a while and change, at the same place or another
	r := rand.New(rand.NewPCG(7, 7))
	for range 300 {
		fields := map[string]*qdrant.Value{}
		for _, key := range []string{"a", "b", "c", "d", "e", "f"} {
			if r.IntN(8) > 0 {
				fields[key] = qdrant.NewValueString(strings.Repeat(string(rune('p'+r.IntN(2))), 1+r.IntN(10)/9))
			}
		}
		if len(fields) > 0 {
			compact(fields)
		}
	}
	for i := range want {
		if diff := cmp.Diff(plain(want[i]), plain(got[i])); diff != "" {
			t.Fatalf("payload %d (-want +got):\n%s", i, diff)
		}
	}
	fields := request(1).Points[0].Payload
	if n := testing.AllocsPerRun(20, func() { c.Payload(map[string]*qdrant.Value{"a": fields["doc"], "b": fields["text"]}) }); n > 6 {
		t.Errorf("%v pieces of memory for a payload of two strings", n)
	}
}

// plain returns the strings of a payload.
func plain(fields map[string]*qdrant.Value) map[string]string {
	out := map[string]string{}
	for key, v := range fields {
		out[key] = v.GetStringValue()
	}
	return out
}

// TestOthers: what is not of the plain form is left to protobuf, by the codec too.
func TestOthers(t *testing.T) {
	change := func(f func(*qdrant.UpsertPoints)) *qdrant.UpsertPoints {
		r := request(2)
		f(r)
		return r
	}
	unknown := protowire.AppendVarint(protowire.AppendTag(nil, 999, protowire.VarintType), 1)
	for name, r := range map[string]*qdrant.UpsertPoints{
		"timeout":         change(func(r *qdrant.UpsertPoints) { r.Timeout = qdrant.PtrOf(uint64(1)) }),
		"mode":            change(func(r *qdrant.UpsertPoints) { r.UpdateMode = qdrant.UpdateMode_InsertOnly.Enum() }),
		"filter":          change(func(r *qdrant.UpsertPoints) { r.UpdateFilter = &qdrant.Filter{} }),
		"ordering":        change(func(r *qdrant.UpsertPoints) { r.Ordering = &qdrant.WriteOrdering{} }),
		"shards":          change(func(r *qdrant.UpsertPoints) { r.ShardKeySelector = &qdrant.ShardKeySelector{} }),
		"no id":           change(func(r *qdrant.UpsertPoints) { r.Points[1].Id = nil }),
		"no vectors":      change(func(r *qdrant.UpsertPoints) { r.Points[1].Vectors = nil }),
		"unnamed vector":  change(func(r *qdrant.UpsertPoints) { r.Points[1].Vectors = qdrant.NewVectors(1, 2) }),
		"several vectors": change(func(r *qdrant.UpsertPoints) { r.Points[1].Vectors = multi() }),
		"old vector":      change(func(r *qdrant.UpsertPoints) { r.Points[0].Vectors.GetVectors().Vectors["bm25"].Data = []float32{1} }),
		"no kind":         change(func(r *qdrant.UpsertPoints) { r.Points[0].Payload["x"] = &qdrant.Value{} }),
		"too deep":        change(func(r *qdrant.UpsertPoints) { r.Points[0].Payload["x"] = nested(maxDepth + 1) }),
		"new field":       change(func(r *qdrant.UpsertPoints) { r.ProtoReflect().SetUnknown(unknown) }),
		"new field of a value": change(func(r *qdrant.UpsertPoints) {
			r.Points[1].Payload["doc"].ProtoReflect().SetUnknown(unknown)
		}),
		"new field of a vector": change(func(r *qdrant.UpsertPoints) {
			r.Points[1].Vectors.GetVectors().Vectors["dense"].GetDense().ProtoReflect().SetUnknown(unknown)
		}),
	} {
		t.Run(name, func(t *testing.T) {
			if b, ok := Append([]byte("before"), r); ok || string(b) != "before" {
				t.Errorf("Append = %q, %v, want what was before and false", b, ok)
			}
			b, err := proto.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, ok := Decode(b); ok {
				t.Error("Decode takes it for a plain request")
			}
			if diff := cmp.Diff(r, marshalled(t, r), protocmp.Transform()); diff != "" {
				t.Errorf("codec (-want +got):\n%s", diff)
			}
		})
	}
	bad := request(1)
	bad.Points[0].Payload["doc"] = qdrant.NewValueString("\xff")
	if _, ok := Append(nil, bad); ok {
		t.Error("Append encodes a string that is no UTF-8")
	}
	if _, err := Codec().Marshal(bad); err == nil {
		t.Error("the codec encodes a string that is no UTF-8")
	}
}

func multi() *qdrant.Vectors {
	return qdrant.NewVectorsMap(map[string]*qdrant.Vector{"m": qdrant.NewVectorMulti([][]float32{{1}, {2}})})
}

// marshalled returns r as a server receives it through the codec.
func marshalled(t *testing.T, r *qdrant.UpsertPoints) *qdrant.UpsertPoints {
	t.Helper()
	data, err := Codec().Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	defer data.Free()
	var out qdrant.UpsertPoints
	if err := encoding.GetCodecV2(grpcproto.Name).Unmarshal(mem.BufferSlice{mem.SliceBuffer(data.Materialize())}, &out); err != nil {
		t.Fatal(err)
	}
	return &out
}

func TestCodec(t *testing.T) {
	for name, r := range variants() {
		if diff := cmp.Diff(r, marshalled(t, r), protocmp.Transform()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if name := Codec().Name(); name != "" {
		t.Errorf("Name = %q, want none", name)
	}
	data, err := Codec().Marshal(&qdrant.DeletePoints{CollectionName: "a"})
	if err != nil {
		t.Fatal(err)
	}
	var back qdrant.DeletePoints
	if err := Codec().Unmarshal(data, &back); err != nil || back.CollectionName != "a" {
		t.Errorf("another message comes back as %v, %v", &back, err)
	}
}

// TestDamaged: Decode reads nothing from bytes that protobuf refuses, and the
// same from those that both read.
func TestDamaged(t *testing.T) {
	whole, _ := Append(nil, request(2))
	for n := range len(whole) {
		agree(t, whole[:n])
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		b := append([]byte(nil), whole...)
		for range 1 + rng.IntN(3) {
			b[rng.IntN(len(b))] = byte(rng.Uint32())
		}
		agree(t, b)
	}
}

// agree fails t where Decode accepts b, but reads other things than protobuf.
func agree(t *testing.T, b []byte) {
	t.Helper()
	got, _, ok := Decode(b)
	if !ok {
		return
	}
	var want qdrant.UpsertPoints
	if err := proto.Unmarshal(b, &want); err != nil {
		t.Fatalf("Decode accepts %x, protobuf: %v", b, err)
	}
	// Bytes tell a NaN from another.
	gb, err := proto.MarshalOptions{Deterministic: true}.Marshal(got)
	if err != nil {
		t.Fatalf("Decode accepts %x and makes of it what cannot be encoded: %v", b, err)
	}
	wb, err := proto.MarshalOptions{Deterministic: true}.Marshal(&want)
	if err != nil {
		t.Fatal(err)
	}
	if string(gb) != string(wb) {
		t.Fatalf("Decode of %x:\ngot  %v\nwant %v", b, got, &want)
	}
}

func FuzzDecode(f *testing.F) {
	for _, r := range variants() {
		if b, _ := Append(nil, r); len(b) < 1<<10 {
			f.Add(b)
		}
	}
	b, _ := Append(nil, request(1))
	f.Add(b)
	f.Fuzz(agree)
}

func BenchmarkAppend(b *testing.B) {
	r := request(256)
	b.Run("here", func(b *testing.B) {
		b.ReportAllocs()
		var buf []byte
		for b.Loop() {
			buf, _ = Append(buf[:0], r)
		}
		b.SetBytes(int64(len(buf)))
	})
	b.Run("protobuf", func(b *testing.B) {
		b.ReportAllocs()
		var buf []byte
		for b.Loop() {
			buf, _ = proto.MarshalOptions{}.MarshalAppend(buf[:0], r)
		}
		b.SetBytes(int64(len(buf)))
	})
}

func BenchmarkDecode(b *testing.B) {
	buf, _ := Append(nil, request(256))
	b.Run("here", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(buf)))
		for b.Loop() {
			if _, _, ok := Decode(buf); !ok {
				b.Fatal("not of the plain form")
			}
		}
	})
	b.Run("protobuf", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(buf)))
		for b.Loop() {
			if err := proto.Unmarshal(buf, &qdrant.UpsertPoints{}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
