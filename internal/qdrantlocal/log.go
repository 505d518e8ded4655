package qdrantlocal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"sync"

	"github.com/ragloop/ragloop/internal/failpoint"
)

// A log file starts with an 8-byte magic and the file's number. Records follow,
// each with a header of three little-endian uint32: the length of the body, the
// CRC-32C of the body, and the CRC-32C of the first eight header bytes. The
// last one tells a damaged length from a record that was cut short by a crash.
const (
	logMagic      = "RAGLQDL1"
	fileHeader    = len(logMagic) + 8
	recordHeader  = 12
	maxRecordBody = 1<<31 - 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func newFileHeader(number uint64) []byte {
	return binary.LittleEndian.AppendUint64([]byte(logMagic), number)
}

// appendRecord frames r at the end of b.
func appendRecord(b []byte, r record) ([]byte, error) {
	start := len(b)
	b = append(b, make([]byte, recordHeader)...)
	b, err := r.encode(b)
	if err != nil {
		return nil, fmt.Errorf("encode record: %w", err)
	}
	body := b[start+recordHeader:]
	if len(body) > maxRecordBody {
		return nil, fmt.Errorf("encode record: %d bytes, at most %d are possible", len(body), maxRecordBody)
	}
	h := b[start : start+recordHeader]
	binary.LittleEndian.PutUint32(h, uint32(len(body)))
	binary.LittleEndian.PutUint32(h[4:], crc32.Checksum(body, castagnoli))
	binary.LittleEndian.PutUint32(h[8:], crc32.Checksum(h[:8], castagnoli))
	return b, nil
}

// position is a number of log bytes handed over since the store was opened.
type position int64

// file is what the log needs of an *os.File.
type file interface {
	Write([]byte) (int, error)
	Sync() error
	Close() error
}

var _ file = (*os.File)(nil)

// log appends records to a file. Writers that wait for the disk at the same
// time share one fsync (group commit).
type log struct {
	mu      sync.Mutex
	changed sync.Cond // on mu: written, synced, busy or err
	f       file
	buf     []byte   // appended but not written
	spare   []byte   // empty, for the next buf
	added   position // end of buf
	written position
	synced  position
	size    int64 // of the current file, buf included
	busy    bool  // somebody writes or syncs, without mu
	err     error // first failure; nothing is written after it
}

func newLog(f file, size int64) *log {
	l := &log{f: f, size: size}
	l.changed.L = &l.mu
	return l
}

// append adds what frame appends to the end of a buffer, a framed record, and
// returns its end. After an error nothing is added.
func (l *log) append(frame func([]byte) ([]byte, error)) (position, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return 0, l.err
	}
	buf, err := frame(l.buf)
	if err != nil {
		return 0, err
	}
	n := len(buf) - len(l.buf)
	l.buf = buf
	l.added += position(n)
	l.size += int64(n)
	return l.added, nil
}

// waitFor returns once everything up to pos is written and, if durable,
// synced. The first caller does the work for all that came meanwhile.
func (l *log) waitFor(pos position, durable bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		if l.synced >= pos || !durable && l.written >= pos {
			return nil
		}
		if l.err != nil {
			return l.err
		}
		if l.busy {
			l.changed.Wait()
			continue
		}
		l.flush(durable)
	}
}

// maxSpare bounds the buffers that are kept: a few batches of points.
const maxSpare = 4 << 20

// flush writes the buffer and, if durable, syncs. It is called with mu held and
// releases it while the disk works.
func (l *log) flush(durable bool) {
	l.busy = true
	buf, end, f := l.buf, l.added, l.f
	l.buf, l.spare = l.spare, nil
	l.mu.Unlock()
	var err error
	if len(buf) > 0 {
		_, err = f.Write(buf)
		failpoint.Hit(failpoint.LogWritten)
	}
	if err == nil && durable {
		err = f.Sync()
		failpoint.Hit(failpoint.LogSynced)
	}
	l.mu.Lock()
	l.busy = false
	if cap(buf) <= maxSpare {
		l.spare = buf[:0]
	}
	if err != nil {
		l.fail(err)
	} else {
		l.written = end
		if durable {
			l.synced = end
		}
	}
	l.changed.Broadcast()
}

// fail makes the log refuse everything from now on; mu is held. After a failed
// fsync the kernel may have dropped the pages, so a retry would prove nothing.
func (l *log) fail(err error) {
	if l.err == nil {
		l.err = fmt.Errorf("%w: %w", ErrReadOnly, err)
	}
}

// rotate makes everything durable and goes on in the file that next returns.
// No append may run meanwhile.
func (l *log) rotate(next func() (file, int64, error)) error {
	if err := l.sync(); err != nil {
		return err
	}
	f, size, err := next()
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.busy {
		l.changed.Wait()
	}
	old := l.f
	l.f, l.size = f, size
	failpoint.Hit(failpoint.LogRotated)
	return old.Close() // its content is synced
}

// close makes everything durable; later calls of append fail with ErrClosed.
func (l *log) close() error {
	err := l.sync()
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.busy {
		l.changed.Wait()
	}
	if l.err == nil {
		l.err = ErrClosed
	}
	if cerr := l.f.Close(); err == nil {
		err = cerr
	}
	return err
}

// sync makes everything durable that has been appended.
func (l *log) sync() error {
	l.mu.Lock()
	end := l.added
	l.mu.Unlock()
	return l.waitFor(end, true)
}

func (l *log) bytes() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.size
}
