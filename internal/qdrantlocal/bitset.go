package qdrantlocal

import "math/bits"

// slot is the position of a point inside a collection. Slots of deleted points are reused.
type slot uint32

// bitset is a set of slots. It grows on set; reads beyond its end are false.
type bitset []uint64

func (b bitset) has(s slot) bool {
	w := int(s >> 6)
	return w < len(b) && b[w]&(1<<(s&63)) != 0
}

func (b *bitset) set(s slot) {
	w := int(s >> 6)
	if w >= len(*b) {
		*b = append(*b, make([]uint64, w+1-len(*b))...)
	}
	(*b)[w] |= 1 << (s & 63)
}

func (b *bitset) setAll(l []slot) {
	for _, s := range l {
		b.set(s)
	}
}

func (b bitset) clear(s slot) {
	if w := int(s >> 6); w < len(b) {
		b[w] &^= 1 << (s & 63)
	}
}

func (b bitset) clone() bitset { return append(bitset(nil), b...) }

// and keeps the slots that are also in o.
func (b bitset) and(o bitset) {
	for i := range b {
		if i < len(o) {
			b[i] &= o[i]
		} else {
			b[i] = 0
		}
	}
}

// andNot removes the slots that are in o.
func (b bitset) andNot(o bitset) {
	for i := range min(len(b), len(o)) {
		b[i] &^= o[i]
	}
}

func (b bitset) count() int {
	n := 0
	for _, w := range b {
		n += bits.OnesCount64(w)
	}
	return n
}

// each calls f for every slot in ascending order until f returns false.
func (b bitset) each(f func(slot) bool) {
	for i, w := range b {
		for w != 0 {
			if !f(slot(i<<6 + bits.TrailingZeros64(w))) {
				return
			}
			w &= w - 1
		}
	}
}
