//go:build !linux

package embed

// behind runs f: threads have no priorities of their own here.
func behind(f func()) { f() }
