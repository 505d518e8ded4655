//go:build unix

package embed

import (
	"os"

	"golang.org/x/sys/unix"
)

// mapFile maps the first size bytes of f. It is never unmapped: models are
// loaded once, and slices of the mapping live in many places.
func mapFile(f *os.File, size int64) ([]byte, error) {
	if size == 0 {
		return nil, nil // nothing can be mapped; too short to be a model
	}
	if int64(int(size)) != size {
		return nil, unix.EFBIG
	}
	data, err := unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	return data, nil
}
