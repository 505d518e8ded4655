//go:build !linux

package server

import "runtime"

// yieldCore lets the goroutines that wait for this thread run before this one.
func yieldCore() { runtime.Gosched() }
