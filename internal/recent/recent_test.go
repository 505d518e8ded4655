package recent

import (
	"sync"
	"testing"
)

func TestMap(t *testing.T) {
	m := New[string, int](4)
	if v, ok := m.Get("a"); ok || v != 0 {
		t.Errorf("Get of an empty map = %d, %v", v, ok)
	}
	m.Put("a", 1)
	for i, key := range []string{"b", "c", "d", "e", "f"} {
		m.Put(key, i)
		if v, ok := m.Get("a"); !ok || v != 1 {
			t.Errorf("after %q: Get(a) = %d, %v: what is asked for must stay", key, v, ok)
		}
		if n := m.Len(); n > 4 {
			t.Errorf("after %q: %d are kept, want at most 4", key, n)
		}
	}
	if _, ok := m.Get("b"); ok {
		t.Error("b is kept though nobody asked for it")
	}
	m.Put("a", 2)
	if v, _ := m.Get("a"); v != 2 {
		t.Errorf("Get(a) = %d, want the value put last", v)
	}
}

// TestNewBeatsOld: a value put anew is the one found, though the old half still
// has the one before.
func TestNewBeatsOld(t *testing.T) {
	m := New[string, int](2)
	m.Put("a", 1)
	m.Put("b", 1) // a is in the old half now
	m.Put("a", 2)
	if v, ok := m.Get("a"); !ok || v != 2 {
		t.Errorf("Get(a) = %d, %v, want 2", v, ok)
	}
}

func TestConcurrentUse(t *testing.T) {
	m := New[int, int](16)
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for i := range 2000 {
				key := (i*7 + g) % 40
				if v, ok := m.Get(key); ok && v != key {
					t.Errorf("Get(%d) = %d", key, v)
				}
				m.Put(key, key)
			}
		})
	}
	all.Wait()
	if n := m.Len(); n > 16 {
		t.Errorf("%d are kept, want at most 16", n)
	}
}
