//go:build !unix

package embed

import (
	"io"
	"os"
)

// mapFile reads f: memory mapping is left to Unix.
func mapFile(f *os.File, size int64) ([]byte, error) { return io.ReadAll(f) }
