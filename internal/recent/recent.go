// Package recent keeps a bounded number of values that were asked for lately, for
// what is dear to find out again and asked for by many at once. It knows nothing of
// what it keeps, and of no bytes: who makes a [Map] bounds their number by what one
// takes.
package recent

import "sync"

// Map keeps values by key, in two halves: what was asked for lately, and what was
// asked for before that. When the first half is full it takes the place of the
// second, so that what nobody asks for is gone after a while, and to find a value
// costs no more than to look it up. Safe for concurrent use.
type Map[K comparable, V any] struct {
	half int

	mu         sync.RWMutex
	young, old map[K]V
}

// New returns a map of at most limit values, at least 2.
func New[K comparable, V any](limit int) *Map[K, V] {
	return &Map[K, V]{half: max(limit/2, 1), young: map[K]V{}}
}

// Get returns the value of a key, if it is still kept.
func (m *Map[K, V]) Get(key K) (V, bool) {
	m.mu.RLock()
	v, ok := m.young[key]
	before := false
	if !ok {
		v, before = m.old[key]
	}
	m.mu.RUnlock()
	if before {
		m.keep(key, v, false)
	}
	return v, ok || before
}

// Put keeps a value under a key, in place of the one that was there.
func (m *Map[K, V]) Put(key K, v V) { m.keep(key, v, true) }

// keep puts a value into the first half; what is there already is newer than one
// that was found in the second.
func (m *Map[K, V]) keep(key K, v V, replace bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, there := m.young[key]
	if there && !replace {
		return
	}
	if !there && len(m.young) >= m.half {
		m.young, m.old = make(map[K]V, m.half), m.young
	}
	m.young[key] = v
}

// Len returns how many values are kept.
func (m *Map[K, V]) Len() int {
	m.mu.RLock()
	defer m.mu.RUnlock()
	n := len(m.young)
	for key := range m.old {
		if _, ok := m.young[key]; !ok {
			n++
		}
	}
	return n
}
