package index

import (
	"reflect"
	"unsafe"

	"github.com/qdrant/go-client/qdrant"

	"github.com/ragloop/ragloop/internal/recent"
)

// decoded keeps what payloads were decoded to. In local mode the answers to a
// search share their payloads with the store, which replaces a payload that
// changes and never touches it in place: the same map holds the same. Reading one
// again takes a hundred dependent reads of memory, most of a search's time.
//
// It is for local mode only: what a server sends is new every time, and a nil
// *decoded keeps nothing. Safe for concurrent use.
type decoded[T any] struct {
	kept *recent.Map[unsafe.Pointer, reading[T]]
}

// reading is a payload, which is kept so that its address stays its own, and what
// it was decoded to.
type reading[T any] struct {
	payload map[string]*qdrant.Value
	value   *T
}

// maxDecoded is how many chunks, and how many records, are kept: some 15 MB, and
// as much of payloads that were replaced or deleted meanwhile.
const maxDecoded = 1 << 15

func newDecoded[T any](limit int) *decoded[T] {
	return &decoded[T]{recent.New[unsafe.Pointer, reading[T]](limit)}
}

// read returns what p is decoded to. Nobody may change it.
func (d *decoded[T]) read(id *qdrant.PointId, p map[string]*qdrant.Value, decode func(*qdrant.PointId, map[string]*qdrant.Value) (T, error)) (*T, error) {
	at := reflect.ValueOf(p).UnsafePointer()
	if d == nil || at == nil {
		v, err := decode(id, p)
		return &v, err
	}
	if r, ok := d.kept.Get(at); ok {
		return r.value, nil
	}
	v, err := decode(id, p)
	if err != nil {
		return nil, err
	}
	d.kept.Put(at, reading[T]{p, &v})
	return &v, nil
}
