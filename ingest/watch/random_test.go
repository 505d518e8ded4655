package watch

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/ingest"
)

// random changes a tree at random while rounds fail at random, and checks what
// an index would hold in the end.
func random(t *testing.T, b *bench, seed uint64) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		rnd := rand.New(rand.NewPCG(7, seed))
		b.t, b.start = t, time.Now()
		faults := rand.New(rand.NewPCG(8, seed)) // the watcher's alone
		index := fstest.MapFS{}
		round := func(ctx context.Context, src ingest.Source, full bool) (ingest.Summary, error) {
			seen := map[string]bool{}
			for item, err := range src.Items(ctx) {
				name := string(item.ID)
				seen[name] = true
				if faults.IntN(20) == 0 {
					return ingest.Summary{}, errors.New("boom")
				}
				if err != nil || item.Deleted {
					delete(index, name)
					continue
				}
				r, err := item.Open()
				if err != nil {
					continue // it vanished, and is deleted by another round
				}
				data, err := io.ReadAll(r)
				if err != nil {
					t.Error(err)
				}
				index[name] = &fstest.MapFile{Data: data}
			}
			if full {
				for name := range index {
					if !seen[name] {
						delete(index, name)
					}
				}
			}
			return ingest.Summary{}, nil
		}
		o := Options{Quiet: time.Duration(1+rnd.IntN(4000)) * time.Millisecond, Rescan: time.Minute}
		if b.changes != nil {
			b.changes = make(chan error, 1000)
			o.Notifier = b
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- New(ingest.FS(b, ingest.FSOptions{}), round, o).Run(ctx) }()
		all := []string{"a0", "a1", "d/a2", "d/e/a3", "f/a4"}
		for range 200 {
			synctest.Wait()
			name := all[rnd.IntN(len(all))]
			switch rnd.IntN(4) {
			case 0:
				b.remove(name)
			case 1: // moved
				b.do(func() {
					if f := b.fsys[name]; f != nil {
						delete(b.fsys, name)
						b.fsys[all[rnd.IntN(len(all))]] = f
					}
				})
				b.tell()
			default:
				b.write(name, string(rune('A'+rnd.IntN(26))))
			}
			time.Sleep(time.Duration(rnd.IntN(3000)) * time.Millisecond)
		}
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if d := cmp.Diff(names(b.fsys), names(index)); d != "" {
			t.Errorf("seed %d: index (-tree +index):\n%s", seed, d)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
