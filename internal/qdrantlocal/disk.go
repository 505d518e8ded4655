package qdrantlocal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ragloop/ragloop/internal/failpoint"
)

// Files of a data directory. Numbers have 16 digits, so that names sort.
//
//	LOCK                        flock'ed while open; holds the owner's process id
//	MANIFEST                    which checkpoint is valid, replaced atomically
//	checkpoint-0000000000000003 state before log 3, if the manifest names it
//	log-0000000000000003        updates since, then log 4 and so on
const (
	lockName     = "LOCK"
	manifestName = "MANIFEST"
	manifestTemp = "MANIFEST.tmp"
)

func logName(n uint64) string        { return fmt.Sprintf("log-%016d", n) }
func checkpointName(n uint64) string { return fmt.Sprintf("checkpoint-%016d", n) }

// numbered returns the numbers of the files in dir that name would give one,
// in ascending order. Other files are somebody else's.
func numbered(dir string, name func(uint64) string) ([]uint64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var ns []uint64
	for _, e := range entries {
		_, digits, _ := strings.Cut(e.Name(), "-")
		if n, err := strconv.ParseUint(digits, 10, 64); err == nil && e.Name() == name(n) {
			ns = append(ns, n)
		}
	}
	slices.Sort(ns)
	return ns, nil
}

// disk is the durable side of a Store.
type disk struct {
	dir      string
	lock     *os.File
	log      *log
	manifest manifest
	number   uint64 // of the log file being written

	checkpointing sync.Mutex    // one at a time; guards manifest and number
	wake          chan struct{} // asks the background goroutine for a checkpoint
	quit          chan struct{}
	background    sync.WaitGroup
}

// syncEvery bounds how long an update with wait=false may stay unsynced.
const syncEvery = time.Second

// openDisk locks dir and replays it into s.
func openDisk(ctx context.Context, dir string, s *Store) (_ *disk, err error) {
	if err := makeDir(dir); err != nil {
		return nil, err
	}
	d := &disk{dir: dir, wake: make(chan struct{}, 1), quit: make(chan struct{})}
	if d.lock, err = lockDir(filepath.Join(dir, lockName)); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			d.lock.Close()
		}
	}()
	if d.manifest, err = readManifest(filepath.Join(dir, manifestName)); errors.Is(err, os.ErrNotExist) {
		err = d.create()
	}
	if err != nil {
		return nil, err
	}
	if err := d.replay(ctx, s); err != nil {
		return nil, err
	}
	d.removeStale()
	d.background.Go(func() { d.run(s) })
	return d, nil
}

// makeDir is os.MkdirAll, but what it makes survives a power cut.
func makeDir(dir string) error {
	if exists(dir) {
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := makeDir(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return syncDir(parent)
}

// create initialises an empty directory. Logs without a manifest are not taken
// for an empty store: the manifest is written before anything is acknowledged.
func (d *disk) create() error {
	checkpoints, err := numbered(d.dir, checkpointName)
	if err != nil {
		return err
	}
	logs, err := numbered(d.dir, logName)
	if err != nil {
		return err
	}
	there := ""
	switch {
	case len(checkpoints) > 0:
		there = checkpointName(checkpoints[0])
	case len(logs) > 0 && logs[len(logs)-1] > 1:
		there = logName(logs[len(logs)-1])
	case len(logs) > 0:
		st, err := os.Stat(filepath.Join(d.dir, logName(1)))
		if err != nil {
			return err
		}
		if st.Size() > int64(fileHeader) {
			there = logName(1)
		} else if err := os.Remove(filepath.Join(d.dir, logName(1))); err != nil { // crashed in here
			return err
		}
	}
	if there != "" {
		return &DamageError{File: filepath.Join(d.dir, manifestName), Reason: "the file is missing, but there is " + there}
	}
	f, _, err := d.newLogFile(1)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	d.manifest = manifest{Version: formatVersion, FirstLog: 1}
	return writeManifest(d.dir, d.manifest)
}

// newLogFile makes an empty, durable log file. One that exists is never
// emptied.
func (d *disk) newLogFile(n uint64) (*os.File, int64, error) {
	f, err := os.OpenFile(filepath.Join(d.dir, logName(n)), os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, 0, err
	}
	failpoint.Hit(failpoint.LogMade)
	if _, err = f.Write(newFileHeader(n)); err == nil {
		failpoint.Hit(failpoint.LogHeaderWritten)
		if err = f.Sync(); err == nil {
			err = syncDir(d.dir)
		}
	}
	if err != nil {
		// An empty later log would turn a torn tail of this one into damage.
		err = errors.Join(err, f.Close(), os.Remove(f.Name()))
		return nil, 0, err
	}
	failpoint.Hit(failpoint.LogReady)
	return f, int64(fileHeader), nil
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// replay loads the checkpoint and all logs from the first one on. Only the
// last log may be torn; it is cut and goes on being written.
func (d *disk) replay(ctx context.Context, s *Store) error {
	if d.manifest.Checkpoint != 0 {
		if err := d.loadCheckpoint(ctx, s); err != nil {
			return err
		}
	}
	last, err := d.lastLog()
	if err != nil {
		return err
	}
	for n := d.manifest.FirstLog; n <= last; n++ {
		name := filepath.Join(d.dir, logName(n))
		end, torn, err := readFile(name, n, func(r record) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return s.replay(r)
		})
		switch {
		case errors.Is(err, os.ErrNotExist):
			return &DamageError{File: name, Reason: "the file is missing"}
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return err
		case torn && n < last:
			return &DamageError{File: name, Offset: end, Reason: "the file ends inside a record, but there is a later log"}
		}
		if n == last {
			if d.log, err = d.continueLog(name, n, end, torn); err != nil {
				return err
			}
			d.number = n
		}
	}
	return nil
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// lastLog returns the number of the last log. None may be missing before it.
func (d *disk) lastLog() (uint64, error) {
	logs, err := numbered(d.dir, logName)
	if err != nil {
		return 0, err
	}
	last := d.manifest.FirstLog
	for _, n := range logs {
		if n > last+1 {
			return 0, &DamageError{File: filepath.Join(d.dir, logName(last+1)), Reason: "the file is missing, but there is " + logName(n)}
		}
		last = max(last, n)
	}
	return last, nil
}

// continueLog opens the last log for appending, cut to its good records.
func (d *disk) continueLog(name string, number uint64, end int64, torn bool) (*log, error) {
	if torn && end < int64(fileHeader) { // crashed while the file was made
		if err := os.Remove(name); err != nil {
			return nil, err
		}
		f, size, err := d.newLogFile(number)
		if err != nil {
			return nil, err
		}
		return newLog(f, size), nil
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return nil, err
	}
	if torn {
		err = f.Truncate(end)
		failpoint.Hit(failpoint.TornCut)
	}
	if err == nil {
		// What an earlier process wrote but did not sync becomes durable before it is served.
		err = f.Sync()
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return newLog(f, end), nil
}

// removeStale deletes what a checkpoint replaced and what an interrupted one
// left behind. Failures are harmless: the next call tries again.
func (d *disk) removeStale() {
	logs, _ := numbered(d.dir, logName)
	for _, n := range logs {
		if n < d.manifest.FirstLog {
			_ = os.Remove(filepath.Join(d.dir, logName(n)))
			failpoint.Hit(failpoint.StaleRemoved)
		}
	}
	checkpoints, _ := numbered(d.dir, checkpointName)
	for _, n := range checkpoints {
		if n != d.manifest.Checkpoint {
			_ = os.Remove(filepath.Join(d.dir, checkpointName(n)))
			failpoint.Hit(failpoint.StaleRemoved)
		}
	}
	_ = os.Remove(filepath.Join(d.dir, manifestTemp))
}

func (d *disk) append(r record) (position, error) {
	return d.log.append(func(b []byte) ([]byte, error) { return appendRecord(b, r) })
}

func (d *disk) waitFor(pos position, durable bool) error { return d.log.waitFor(pos, durable) }

// run syncs updates that nobody waits for and makes checkpoints, until close.
func (d *disk) run(s *Store) {
	tick := time.NewTicker(syncEvery)
	defer tick.Stop()
	var notBefore int64 // bytes in the log, after a failure
	for {
		select {
		case <-d.quit:
			return
		case <-tick.C:
			if err := d.log.sync(); err != nil {
				s.logger.Error("local store: sync failed", "dir", d.dir, "error", err)
				return
			}
		case <-d.wake:
			// It may have been asked for while the last one was being made.
			if !d.overgrown(s) || d.log.bytes() < notBefore {
				continue
			}
			notBefore = 0
			if err := d.checkpoint(s); err != nil {
				notBefore = d.log.bytes() + checkpointSlack
				s.logger.Error("local store: checkpoint failed, the log goes on growing", "dir", d.dir, "error", err)
			}
		}
	}
}

func (d *disk) close() error {
	close(d.quit)
	d.background.Wait()
	err := d.log.close()
	if cerr := d.lock.Close(); err == nil {
		err = cerr
	}
	return err
}
