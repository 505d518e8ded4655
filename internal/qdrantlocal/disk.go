package qdrantlocal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
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
)

func logName(n uint64) string        { return fmt.Sprintf("log-%016d", n) }
func checkpointName(n uint64) string { return fmt.Sprintf("checkpoint-%016d", n) }

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
	if err := os.MkdirAll(dir, 0o755); err != nil {
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

// create initialises an empty directory. Logs without a manifest are not taken
// for an empty store: the manifest is written before anything is acknowledged.
func (d *disk) create() error {
	names, err := filepath.Glob(filepath.Join(d.dir, "checkpoint-*"))
	if err != nil {
		return err
	}
	if len(names) > 0 {
		return &DamageError{File: filepath.Join(d.dir, manifestName), Reason: "the file is missing, but there is " + filepath.Base(names[0])}
	}
	first := filepath.Join(d.dir, logName(1))
	if st, err := os.Stat(first); err == nil && st.Size() > int64(fileHeader) {
		return &DamageError{File: filepath.Join(d.dir, manifestName), Reason: "the file is missing, but there is " + logName(1)}
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

// newLogFile makes an empty, durable log file.
func (d *disk) newLogFile(n uint64) (*os.File, int64, error) {
	f, err := os.OpenFile(filepath.Join(d.dir, logName(n)), os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, 0, err
	}
	if _, err = f.Write(newFileHeader(n)); err == nil {
		if err = f.Sync(); err == nil {
			err = syncDir(d.dir)
		}
	}
	if err != nil {
		// An empty later log would turn a torn tail of this one into damage.
		err = errors.Join(err, f.Close(), os.Remove(f.Name()))
		return nil, 0, err
	}
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
	last := d.manifest.FirstLog
	for exists(filepath.Join(d.dir, logName(last+1))) {
		last++
	}
	if err := d.checkGap(last); err != nil {
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

// checkGap refuses logs beyond a missing one.
func (d *disk) checkGap(last uint64) error {
	names, err := filepath.Glob(filepath.Join(d.dir, "log-*"))
	if err != nil {
		return err
	}
	for _, name := range names {
		if filepath.Base(name) > logName(last) {
			return &DamageError{File: filepath.Join(d.dir, logName(last+1)), Reason: "the file is missing, but there is " + filepath.Base(name)}
		}
	}
	return nil
}

// continueLog opens the last log for appending, cut to its good records.
func (d *disk) continueLog(name string, number uint64, end int64, torn bool) (*log, error) {
	if torn && end < int64(fileHeader) { // crashed while the file was made
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

// removeStale deletes what an interrupted checkpoint left behind. Failures are harmless.
func (d *disk) removeStale() {
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		name := e.Name()
		stale := strings.HasPrefix(name, "log-") && name < logName(d.manifest.FirstLog) ||
			strings.HasPrefix(name, "checkpoint-") && (d.manifest.Checkpoint == 0 || name != checkpointName(d.manifest.Checkpoint)) ||
			strings.HasSuffix(name, ".tmp")
		if stale {
			_ = os.Remove(filepath.Join(d.dir, name))
		}
	}
}

func (d *disk) append(r record) (position, error) {
	framed, err := appendRecord(nil, r)
	if err != nil {
		return 0, err
	}
	return d.log.append(framed)
}

func (d *disk) waitFor(pos position, durable bool) error { return d.log.waitFor(pos, durable) }

// run syncs updates that nobody waits for and makes checkpoints, until close.
func (d *disk) run(s *Store) {
	tick := time.NewTicker(syncEvery)
	defer tick.Stop()
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
			if !d.overgrown(s) { // asked for while the last one was being made
				continue
			}
			if err := d.checkpoint(s); err != nil {
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
