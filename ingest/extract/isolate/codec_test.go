package isolate

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/ingest/extract"
)

// fill sets every field of v, at any depth, at random: nil and empty lists and
// maps, and strings that are not UTF-8, included.
func fill(r *rand.Rand, v reflect.Value) {
	if v.Type() == timeType {
		v.Set(reflect.ValueOf(time.Unix(r.Int64N(1<<34), r.Int64N(1e9)).UTC()))
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(r.Uint64()) >> r.IntN(64))
	case reflect.Uint8, reflect.Uint64:
		v.SetUint(r.Uint64() & 0x7f)
	case reflect.Float64:
		v.SetFloat(r.NormFloat64())
	case reflect.String:
		v.SetString([]string{"", "a", "ünï", "\xff\x00", strings.Repeat("long ", 999)}[r.IntN(5)])
	case reflect.Slice:
		if n := r.IntN(5) - 1; n >= 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
		}
		for i := range v.Len() {
			fill(r, v.Index(i))
		}
	case reflect.Map:
		if n := r.IntN(4) - 1; n >= 0 {
			v.Set(reflect.MakeMap(v.Type()))
			for range n {
				k, e := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
				fill(r, k)
				fill(r, e)
				v.SetMapIndex(k, e)
			}
		}
	case reflect.Pointer:
		if r.IntN(2) == 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(r, v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(r, v.Field(i))
		}
	default:
		panic("cannot fill " + v.Type().String())
	}
}

func encoded[T any](t testing.TB, v *T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := writeFrame(bufio.NewWriter(&b), v, maxFrameBytes); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func roundTrip[T any](t *testing.T, r *rand.Rand) {
	t.Helper()
	var want, got T
	fill(r, reflect.ValueOf(&want).Elem())
	wire := bufio.NewReader(bytes.NewReader(encoded(t, &want)))
	if err := readFrame(wire, &got, maxFrameBytes); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("(-want +got):\n%s", d)
	}
	if _, err := wire.ReadByte(); err != io.EOF {
		t.Fatalf("bytes left over: %v", err)
	}
}

// Whatever a Document, an Input or limits hold arrives exactly. It fails where
// one of them has got a field of a kind that the encoding does not know.
func TestRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		roundTrip[response](t, r)
		roundTrip[extract.Input](t, r)
		roundTrip[limits](t, r)
	}
}

// A list longer than what is set aside for a claim.
func TestRoundTripLongList(t *testing.T) {
	want := response{Document: extract.Document{Blocks: make([]extract.Block, 100_001)}}
	want.Document.Blocks[100_000].Level = 7
	var got response
	if err := readFrame(bufio.NewReader(bytes.NewReader(encoded(t, &want))), &got, maxFrameBytes); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestFrameLimits(t *testing.T) {
	v := response{Message: strings.Repeat("x", 100)}
	if err := writeFrame(bufio.NewWriter(io.Discard), &v, 100); !errors.Is(err, errFrame) {
		t.Errorf("written over its limit: %v", err)
	}
	wire := encoded(t, &v)
	if err := readFrame(bufio.NewReader(bytes.NewReader(wire)), &v, 100); !errors.Is(err, errFrame) {
		t.Errorf("read over its limit: %v", err)
	}
	if err := readFrame(bufio.NewReader(strings.NewReader("<html>garbage</html>")), &v, 100); !errors.Is(err, errFrame) {
		t.Errorf("garbage: %v", err)
	}
	if err := readFrame(bufio.NewReader(strings.NewReader("")), &v, 100); err != io.EOF {
		t.Errorf("nothing: %v, want io.EOF", err)
	}
	for n := 1; n < len(wire); n++ {
		err := readFrame(bufio.NewReader(bytes.NewReader(wire[:n])), &v, 1000)
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("%d of %d bytes: %v, want an unexpected end", n, len(wire), err)
		}
	}
	type unknown struct{ C chan int }
	if err := writeFrame(bufio.NewWriter(io.Discard), &unknown{}, 100); err == nil {
		t.Error("a channel was sent")
	}
}

// What comes out of a broken process makes an error, and no large claim memory.
func FuzzReadFrame(f *testing.F) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 8 {
		var v response
		fill(r, reflect.ValueOf(&v).Elem())
		f.Add(encoded(f, &v))
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		var v response
		if err := readFrame(bufio.NewReader(bytes.NewReader(wire)), &v, 1<<20); err != nil {
			return
		}
		var again response
		if err := readFrame(bufio.NewReader(bytes.NewReader(encoded(t, &v))), &again, 1<<20); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(v, again); d != "" {
			t.Error(d)
		}
	})
}
