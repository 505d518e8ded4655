package index

import (
	"reflect"
	"sync"
	"unsafe"

	"github.com/qdrant/go-client/qdrant"
)

// decoded keeps what payloads were decoded to. In local mode the answers to a
// search share their payloads with the store, which replaces a payload that
// changes and never touches it in place: the same map holds the same. Reading one
// again takes a hundred dependent reads of memory, most of a search's time.
//
// It is for local mode only: what a server sends is new every time, and a nil
// *decoded keeps nothing. Safe for concurrent use.
type decoded[T any] struct {
	limit int // of each half

	mu sync.RWMutex
	// What was asked for lately, and before that: when the first is full it takes
	// the place of the second, so that what is not asked for is gone after a while.
	young, old map[unsafe.Pointer]reading[T]
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
	return &decoded[T]{limit: max(limit/2, 1), young: map[unsafe.Pointer]reading[T]{}}
}

// read returns what p is decoded to. Nobody may change it.
func (d *decoded[T]) read(id *qdrant.PointId, p map[string]*qdrant.Value, decode func(*qdrant.PointId, map[string]*qdrant.Value) (T, error)) (*T, error) {
	at := reflect.ValueOf(p).UnsafePointer()
	if d == nil || at == nil {
		v, err := decode(id, p)
		return &v, err
	}
	d.mu.RLock()
	r, ok := d.young[at]
	before := false
	if !ok {
		r, before = d.old[at]
	}
	d.mu.RUnlock()
	if ok {
		return r.value, nil
	}
	if !before {
		v, err := decode(id, p)
		if err != nil {
			return nil, err
		}
		r = reading[T]{p, &v}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.young) >= d.limit {
		d.young, d.old = make(map[unsafe.Pointer]reading[T], d.limit), d.young
	}
	d.young[at] = r
	return r.value, nil
}
