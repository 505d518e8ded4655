package embed

import (
	"container/list"
	"encoding/binary"
	"math"
	"sync"
)

// rounded holds vectors, one after the other, rounded to int8: for each its
// scale, a float32, and then the steps, one byte for each component. A component
// is scale times its steps, from -127 to 127. That is a quarter of the memory.
type rounded []byte

const scaleBytes = 4

// round rounds vectors of a dimension that lie one after the other.
func round(vectors []float32, dimension int) rounded {
	out := make(rounded, 0, len(vectors)/dimension*(scaleBytes+dimension))
	for at := 0; at < len(vectors); at += dimension {
		v := vectors[at : at+dimension]
		var largest float32
		for _, x := range v {
			largest = max(largest, x, -x)
		}
		scale := largest / 127
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(scale))
		for _, x := range v { // not zero: it has unit length
			out = append(out, byte(int8(math.RoundToEven(float64(x/scale)))))
		}
	}
	return out
}

// next writes the steps of the first vector to steps and returns its scale and
// the vectors behind it.
func (r rounded) next(steps []float32) (scale float32, rest rounded) {
	scale = math.Float32frombits(binary.LittleEndian.Uint32(r))
	r = r[scaleBytes:]
	for i, b := range r[:len(steps)] {
		steps[i] = float32(int8(b))
	}
	return scale, r[len(steps):]
}

// passageKey is made by [Late].key.
type passageKey [32]byte

// passageCache keeps what was used last, up to limit bytes. It is safe for
// concurrent use.
type passageCache struct {
	limit int

	mu     sync.Mutex
	size   int
	places map[passageKey]*list.Element
	order  list.List // of *keptPassage, the last used first
}

type keptPassage struct {
	key    passageKey
	tokens rounded
}

// bytes is what a kept passage takes, about: map, list and key are some 200.
func (k *keptPassage) bytes() int { return len(k.tokens) + 200 }

func (c *passageCache) get(key passageKey) (rounded, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.places[key]
	if !ok {
		return nil, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*keptPassage).tokens, true
}

func (c *passageCache) put(key passageKey, tokens rounded) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.places[key]; ok {
		return // another call was faster: it has the same
	}
	if c.places == nil {
		c.places = map[passageKey]*list.Element{}
	}
	k := &keptPassage{key, tokens}
	c.places[key] = c.order.PushFront(k)
	c.size += k.bytes()
	for c.size > c.limit {
		last := c.order.Remove(c.order.Back()).(*keptPassage)
		delete(c.places, last.key)
		c.size -= last.bytes()
	}
}
