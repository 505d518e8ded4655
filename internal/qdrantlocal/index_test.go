package qdrantlocal

import (
	"testing"
	"unsafe"

	"github.com/qdrant/go-client/qdrant"
)

// TestKeywordIndexKeepsNoPayload: the strings of a payload lie in one piece of
// memory, which a key of an index must not keep after its point is gone.
func TestKeywordIndexKeepsNoPayload(t *testing.T) {
	ix := newKeywordIndex()
	check := func(when string, given string) {
		for k := range ix.posts {
			if unsafe.StringData(k) == unsafe.StringData(given) {
				t.Errorf("%s: the key is the string of the payload", when)
			}
		}
	}
	first, second := string([]byte("red")), string([]byte("red"))
	ix.add(qdrant.NewValueString(first), 1)
	check("new key", first)
	ix.add(qdrant.NewValueString(second), 2)
	check("known key", second)
	ix.remove(qdrant.NewValueString(first), 1)
	check("removed", first)
	if got := ix.facets(); len(got) != 1 || len(got[0].slots) != 1 || got[0].slots[0] != 2 {
		t.Errorf("facets %v, want red at 2", got)
	}
}
