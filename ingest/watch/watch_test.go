package watch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/ingest"
)

// bench is a watcher at work on a tree in memory, under the clock of synctest.
type bench struct {
	t       *testing.T
	changes chan error
	busy    time.Duration // how long a round takes
	start   time.Time
	ended   chan error
	onRound func()

	mu     sync.Mutex // for what follows
	fsys   fstest.MapFS
	broken map[string]error          // directories that cannot be listed
	fail   []error                   // what the next rounds return
	failed map[string]ingest.Failure // documents that fail in every round
	log    []string                  // rounds and reports since the last look
}

func (b *bench) Open(name string) (fs.File, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.fsys.Open(name)
}

func (b *bench) ReadDir(name string) ([]fs.DirEntry, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.broken[name]; err != nil {
		return nil, err
	}
	return b.fsys.ReadDir(name)
}

func (b *bench) Changes() <-chan error { return b.changes }

// write writes a file now and tells the watcher, unless it hears nothing.
func (b *bench) write(name, data string) {
	b.put(name, data, time.Now())
	b.tell()
}

func (b *bench) put(name, data string, modified time.Time) {
	b.do(func() { b.fsys[name] = &fstest.MapFile{Data: []byte(data), ModTime: modified} })
}

func (b *bench) do(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
}

func (b *bench) remove(name string) {
	b.do(func() { delete(b.fsys, name) })
	b.tell()
}

func (b *bench) tell() {
	if b.changes != nil {
		b.changes <- nil
	}
}

func (b *bench) note(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.log = append(b.log, fmt.Sprintf("%v ", time.Since(b.start))+fmt.Sprintf(format, args...))
}

func (b *bench) round(ctx context.Context, src ingest.Source, full bool) (ingest.Summary, error) {
	var names []string
	var sum ingest.Summary
	for item, err := range src.Items(ctx) {
		name := string(item.ID)
		switch {
		case err != nil:
			name += "!"
		case item.Deleted:
			name = "-" + name
		}
		b.do(func() {
			if f, ok := b.failed[string(item.ID)]; ok {
				f.Doc = item.ID
				sum.Failures = append(sum.Failures, f)
			}
		})
		names = append(names, name)
	}
	what := "some"
	if full {
		what = "full"
	}
	b.note("%s: %s", what, strings.Join(names, " "))
	if b.onRound != nil {
		b.onRound()
	}
	time.Sleep(b.busy)
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.fail) > 0 {
		err := b.fail[0]
		b.fail = b.fail[1:]
		return ingest.Summary{}, err
	}
	return sum, nil
}

// after lets time pass and compares what has happened since the last call.
func (b *bench) after(d time.Duration, want ...string) {
	b.t.Helper()
	time.Sleep(d)
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	if diff := cmp.Diff(want, b.log); diff != "" {
		b.t.Errorf("after %v (-want +got):\n%s", time.Since(b.start), diff)
	}
	b.log = nil
}

// watched runs f beside a watcher with Quiet 3 s and Rescan 1 min.
func watched(t *testing.T, b *bench, f func(*bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b.t, b.start, b.ended = t, time.Now(), make(chan error, 1)
		o := Options{Quiet: 3 * time.Second, Rescan: time.Minute, Report: func(r Report) {
			if r.Warning != nil {
				b.note("warning: %v", r.Warning)
			} else {
				b.note("failed: %v, again in %v", r.Failed, r.Wait)
			}
		}}
		if b.changes != nil {
			// A channel belongs to the bubble that it was made in.
			b.changes = make(chan error, 100)
			o.Notifier = b
		}
		for _, file := range b.fsys {
			file.ModTime = time.Now().Add(-time.Hour)
		}
		ctx, cancel := context.WithCancel(t.Context())
		w := New(ingest.FS(b, ingest.FSOptions{}), b.round, o)
		go func() { b.ended <- w.Run(ctx) }()
		synctest.Wait()
		f(b)
		cancel()
		synctest.Wait()
		select {
		case err := <-b.ended:
			if err != nil {
				t.Errorf("Run = %v, want nil when its context ends", err)
			}
		default:
			t.Error("Run goes on behind its context")
		}
	})
}

func tree(names ...string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for _, name := range names {
		fsys[name] = &fstest.MapFile{Data: []byte("x")}
	}
	return fsys
}

// heard makes a bench whose watcher is told of changes.
func heard(names ...string) *bench {
	return &bench{fsys: tree(names...), changes: make(chan error)}
}

func TestChanges(t *testing.T) {
	watched(t, heard("a.txt", "d/b.txt"), func(b *bench) {
		b.after(0, "0s full: a.txt d/b.txt")
		b.after(10 * time.Minute) // nothing has changed: no round

		b.write("a.txt", "xy")
		b.after(2999 * time.Millisecond)
		b.after(time.Millisecond, "10m3s some: a.txt")

		b.write("e/new.txt", "x")
		b.after(3*time.Second, "10m6s some: e/new.txt")

		b.remove("d/b.txt")
		b.after(6*time.Second, "10m12s some: -d/b.txt")
		b.after(10 * time.Minute)
	})
}

// TestQuiet: a file that is being written to is left alone, and others need not
// wait for it.
func TestQuiet(t *testing.T) {
	watched(t, heard("a.txt", "b.txt"), func(b *bench) {
		b.after(0, "0s full: a.txt b.txt")
		for i := range 20 { // a long download
			b.write("a.txt", strings.Repeat("x", i))
			if i == 3 {
				b.write("b.txt", "done")
			}
			time.Sleep(time.Second)
		}
		b.after(time.Minute, "6s some: b.txt", "22s some: a.txt")
	})
}

// TestReplaced: a file that is gone for a moment is not taken for deleted.
func TestReplaced(t *testing.T) {
	watched(t, heard("a.txt", "b.txt"), func(b *bench) {
		b.after(0, "0s full: a.txt b.txt")
		b.remove("a.txt")
		b.after(3500 * time.Millisecond) // a scan has missed it
		b.write("a.txt", "new")
		b.after(time.Minute, "6.5s some: a.txt")
	})
}

// TestUnheard: without events rescans find everything.
func TestUnheard(t *testing.T) {
	watched(t, &bench{fsys: tree("a.txt", "b.txt")}, func(b *bench) {
		b.after(time.Second, "0s full: a.txt b.txt")
		b.write("a.txt", "xy")
		b.remove("b.txt")
		b.after(2*time.Minute, "1m0s some: a.txt", "1m3s some: -b.txt")
	})
}

// TestYoung: a file that was written to just before it was read is read again,
// since it could have changed in the same tick of its clock.
func TestYoung(t *testing.T) {
	b := heard("a.txt")
	b.fsys["b.txt"] = &fstest.MapFile{Data: []byte("x")}
	watched(t, b, func(b *bench) {
		b.after(0, "0s full: a.txt b.txt")
		b.do(func() { b.fail = []error{ErrStale} })
		b.write("a.txt", "xy")
		b.write("b.txt", "xy")
		time.Sleep(2500 * time.Millisecond)
		b.write("b.txt", "xyz") // young when the full round lists it
		b.after(time.Minute, "3s some: a.txt", "3s full: a.txt b.txt", "4.5s some: b.txt")
	})
}

// TestAhead: a file whose time lies ahead is taken once it has been seen in one
// state for long enough.
func TestAhead(t *testing.T) {
	watched(t, heard("a.txt"), func(b *bench) {
		b.after(0, "0s full: a.txt")
		b.put("b.txt", "x", time.Now().Add(1000*time.Hour))
		b.tell()
		b.after(5 * time.Second)
		b.after(time.Second, "6s some: b.txt")
		b.after(10 * time.Minute)
	})
}

func TestFailures(t *testing.T) {
	boom := errors.New("boom")
	b := heard("a.txt", "b.txt", "c.txt")
	b.fail = []error{boom, boom, boom}
	b.failed = map[string]ingest.Failure{"b.txt": {Err: boom}, "c.txt": {Err: boom, Reason: "damaged"}}
	watched(t, b, func(b *bench) {
		b.after(8*time.Second,
			"0s full: a.txt b.txt c.txt", "0s failed: boom, again in 1s",
			"1s full: a.txt b.txt c.txt", "1s failed: boom, again in 2s",
			"3s full: a.txt b.txt c.txt", "3s failed: boom, again in 4s",
			"7s full: a.txt b.txt c.txt")
		// What failed is tried again with every rescan, what is quarantined is not.
		b.write("a.txt", "xy")
		b.after(time.Minute, "11s some: a.txt", "1m7s some: b.txt")
		b.do(func() { delete(b.failed, "b.txt") })
		b.after(time.Minute, "2m7s some: b.txt")
		b.after(time.Hour)
		b.write("c.txt", "mended")
		b.after(3*time.Second, fmt.Sprintf("%v some: c.txt", time.Since(b.start)+3*time.Second))

		b.do(func() { b.fail = []error{boom} })
		b.remove("c.txt")
		b.after(10*time.Second, fmt.Sprintf("%v some: -c.txt", time.Since(b.start)+6*time.Second),
			fmt.Sprintf("%v failed: boom, again in 1s", time.Since(b.start)+6*time.Second),
			fmt.Sprintf("%v some: -c.txt", time.Since(b.start)+7*time.Second))
	})
}

// TestUnlisted: what lies in a directory that cannot be listed does not vanish,
// and is accounted for when it can be.
func TestUnlisted(t *testing.T) {
	b := heard("a.txt", "d/b.txt")
	b.broken = map[string]error{"d": fs.ErrPermission}
	watched(t, b, func(b *bench) {
		b.after(0, "0s full: a.txt !")
		b.after(time.Minute, "1m0s some: !")
		b.do(func() { b.broken = nil })
		b.after(time.Minute, "2m0s full: a.txt d/b.txt")
		b.do(func() { b.broken = map[string]error{"d": fs.ErrPermission} })
		b.remove("a.txt")
		b.after(50 * time.Second)
		b.after(10*time.Second, "3m0s some: !")
		b.do(func() { b.broken = nil })
		b.tell()
		b.after(20*time.Second, "3m6s some: -a.txt")
	})
}

// TestNothingLeft: a source that is empty all at once is an unmounted disk rather
// than a wish.
func TestNothingLeft(t *testing.T) {
	watched(t, heard("a.txt", "b.txt"), func(b *bench) {
		b.after(0, "0s full: a.txt b.txt")
		kept := b.fsys["b.txt"]
		b.remove("a.txt")
		b.remove("b.txt")
		b.after(5*time.Second,
			"3s failed: scan: the source lists no documents at all, refusing to remove all 2, again in 1s",
			"4s failed: scan: the source lists no documents at all, refusing to remove all 2, again in 2s")
		b.do(func() { b.fsys["b.txt"] = kept })
		b.after(time.Minute, "6s some: -a.txt")
	})
}

func TestStale(t *testing.T) {
	watched(t, heard("a.txt", "b.txt"), func(b *bench) {
		b.after(0, "0s full: a.txt b.txt")
		b.do(func() { b.fail = []error{ErrStale, ErrStale} })
		b.write("a.txt", "xy")
		b.after(10*time.Second, "3s some: a.txt", "3s full: a.txt b.txt",
			"3s failed: the index is another one now, again in 1s", "4s full: a.txt b.txt")
	})
}

// TestLongRound: what changes during a round is taken up after it.
func TestLongRound(t *testing.T) {
	b := heard("a.txt", "b.txt")
	b.busy = 20 * time.Second
	watched(t, b, func(b *bench) {
		b.after(time.Second, "0s full: a.txt b.txt")
		b.write("b.txt", "xy")
		b.after(50*time.Second, "23s some: b.txt")
	})
}

func TestWarnings(t *testing.T) {
	watched(t, heard("a.txt"), func(b *bench) {
		b.after(0, "0s full: a.txt")
		b.put("b.txt", "x", time.Now())
		b.changes <- errors.New("a limit is reached")
		b.after(10*time.Second, "0s warning: a limit is reached", "3s some: b.txt")
	})
}

func TestRunEnds(t *testing.T) {
	fatal := fmt.Errorf("wrong recipe: %w", ErrFatal)
	for _, tt := range []struct {
		name   string
		broken error
		fail   []error
		want   error
	}{
		{"the source cannot be listed", fs.ErrPermission, nil, fs.ErrPermission},
		{"a fatal error", nil, []error{fatal}, fatal},
		{"a fatal error later", nil, []error{errors.New("boom"), fatal}, fatal},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &bench{t: t, fsys: tree("a.txt"), broken: map[string]error{".": tt.broken}, fail: tt.fail, start: time.Now()}
				err := New(ingest.FS(b, ingest.FSOptions{}), b.round, Options{}).Run(t.Context())
				if !errors.Is(err, tt.want) {
					t.Errorf("Run = %v, want %v", err, tt.want)
				}
			})
		})
	}
}

// TestInterrupted: Run ends when its context does, in a round, a wait for another
// try, and a scan.
func TestInterrupted(t *testing.T) {
	for _, in := range []string{"a round", "a retry", "a scan"} {
		t.Run(in, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				b := &bench{t: t, fsys: tree("a.txt"), start: time.Now(), fail: []error{ingest.ErrInterrupted}}
				o := ingest.FSOptions{}
				switch in {
				case "a round":
					b.onRound = cancel
				case "a retry":
					time.AfterFunc(time.Millisecond, cancel)
				case "a scan":
					o.Entered = func(string) { cancel() }
				}
				if err := New(ingest.FS(b, o), b.round, Options{}).Run(ctx); err != nil {
					t.Errorf("Run = %v, want nil", err)
				}
			})
		})
	}
}

// TestRandom: whatever happens to a tree, once it is left alone the rounds have
// made the index what the tree is.
func TestRandom(t *testing.T) {
	for seed := range uint64(30) {
		b := heard("a0", "a1", "d/a2", "keep")
		if seed%3 == 0 {
			b.changes = nil
		}
		random(t, b, seed)
	}
}

func names(fsys fstest.MapFS) (out []string) {
	for name, f := range fsys {
		out = append(out, name+"="+string(f.Data))
	}
	slices.Sort(out)
	return out
}
