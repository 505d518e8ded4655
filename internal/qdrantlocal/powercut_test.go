//go:build failpoint

package qdrantlocal

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/qdrant/go-client/qdrant"

	"github.com/ragloop/ragloop/internal/failpoint"
)

// files are the files of a directory by name.
type files map[string][]byte

// platter models what a power cut leaves of a directory. The kernel keeps what
// was fsynced: a file's bytes by syncing the file, its name by syncing the
// directory. Everything else may be there or not, in any combination.
type platter struct {
	dir     string
	synced  files // fsynced content of the files that are there now
	durable files // what a power cut leaves at least
}

func (p *platter) now() (files, error) {
	out := files{}
	entries, err := os.ReadDir(p.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return out, nil
	}
	for _, e := range entries {
		if err == nil && e.Name() != lockName {
			out[e.Name()], err = os.ReadFile(filepath.Join(p.dir, e.Name()))
		}
	}
	return out, err
}

// follow notes what the store has synced when it comes to a point.
func (p *platter) follow(at failpoint.Point, now files) {
	newest := func(name func(uint64) string) string {
		var found string
		for n := range now {
			if len(n) == len(name(1)) && n[:4] == name(1)[:4] {
				found = max(found, n)
			}
		}
		return found
	}
	syncFile := func(name string) {
		p.synced[name] = now[name]
		if _, ok := p.durable[name]; ok {
			p.durable[name] = now[name]
		}
	}
	syncDir := func() {
		p.durable = files{}
		for name := range now {
			p.durable[name] = p.synced[name]
		}
	}
	switch at {
	case failpoint.LogSynced:
		syncFile(newest(logName))
	case failpoint.LogReady:
		syncFile(newest(logName))
		syncDir()
	case failpoint.CheckpointSynced:
		syncFile(newest(checkpointName))
		syncDir()
	case failpoint.ManifestSynced:
		p.synced[manifestTemp] = now[manifestTemp]
	case failpoint.ManifestRenamed:
		p.synced[manifestName] = p.synced[manifestTemp] // another file under the old name
		delete(p.synced, manifestTemp)
	case failpoint.ManifestReady:
		syncDir()
	}
}

// cut returns what may be left of a directory that holds now.
func (p *platter) cut(rnd *rand.Rand, now files) files {
	left := files{}
	for name, least := range p.durable {
		most, there := now[name]
		switch {
		case !there: // removed, but the directory was not synced
			if rnd.IntN(2) == 0 {
				left[name] = least
			}
		case bytes.HasPrefix(most, least):
			left[name] = tear(rnd, most, len(least))
		default: // replaced
			left[name] = least
			if rnd.IntN(2) == 0 {
				left[name] = tear(rnd, most, len(p.synced[name]))
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if _, ok := p.durable[name]; !ok && rnd.IntN(2) == 0 {
			left[name] = tear(rnd, now[name], len(p.synced[name]))
		}
	}
	return left
}

// tear returns b without some of its bytes from synced on: the end, or a page
// that reads as zeros.
func tear(rnd *rand.Rand, b []byte, synced int) []byte {
	switch lost := len(b) - synced; {
	case lost == 0 || rnd.IntN(3) == 0:
		return b
	case rnd.IntN(3) == 0:
		torn := bytes.Clone(b)
		from := synced + int(toPage(int64(synced)))*rnd.IntN(2)
		clear(torn[min(from, len(b)):]) // all pages after the one that holds synced bytes, or the rest of that, too
		return torn
	default:
		return b[:synced+rnd.IntN(lost)]
	}
}

// TestPowerCutAtEveryStep cuts the power at every named step of a store's life,
// several times with another outcome: what was acknowledged is there afterwards,
// and beyond that at most the update under way, as a whole.
func TestPowerCutAtEveryStep(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	p := &platter{dir: dir, synced: files{}, durable: files{}}
	rnd := rand.New(rand.NewPCG(1, 2))
	type image struct {
		at   failpoint.Point
		acks int // updates acknowledged before
		left files
	}
	var images []image
	var states [][]byte // after so many updates
	reached := map[failpoint.Point]bool{}
	failpoint.Watch(func(at failpoint.Point) {
		now, err := p.now()
		if err != nil {
			t.Error(err)
			return
		}
		reached[at] = true
		p.follow(at, now)
		images = append(images, image{at, len(states) - 1, maps.Clone(p.durable)}, image{at, len(states) - 1, now})
		for range 4 {
			images = append(images, image{at, len(states) - 1, p.cut(rnd, now)})
		}
	})
	defer failpoint.Watch(nil)

	empty := OpenMemory()
	states = append(states, dump(t, empty))
	s := openStore(t, dir)
	c := callsTo(t, s)
	step := func(update func()) {
		t.Helper()
		update()
		states = append(states, dump(t, s))
	}
	step(func() { c.createHybrid("c") })
	for round := range uint64(3) {
		for n := range uint64(4) {
			step(func() { c.upsert("c", 10*round+n, 10*round+n+1) })
		}
		step(func() {
			_, err := c.pointsServer.Delete(t.Context(), &qdrant.DeletePoints{CollectionName: "c", Wait: qdrant.PtrOf(true), Points: selectIDs(10 * round)})
			c.ok(err)
		})
		if err := s.disk.checkpoint(s); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	failpoint.Watch(nil)

	if len(reached) < 15 {
		t.Errorf("the store came to %d steps only", len(reached))
	}
	for i, im := range images {
		if d := restored(t, im.left); !bytes.Equal(d, states[max(im.acks, 0)]) && (im.acks+1 >= len(states) || !bytes.Equal(d, states[im.acks+1])) {
			t.Errorf("power cut %d at %s after %d updates, files %v: the state is neither the one before the update under way nor the one after it", i, im.at, im.acks, im.left.sizes())
		}
		if t.Failed() {
			break
		}
	}
	t.Logf("%d power cuts at %d steps", len(images), len(reached))
}

func (f files) sizes() (out []string) {
	for _, name := range slices.Sorted(maps.Keys(f)) {
		out = append(out, fmt.Sprint(name, ":", len(f[name])))
	}
	return out
}

// restored opens what a power cut left, and once more what that made of it.
func restored(t *testing.T, left files) []byte {
	t.Helper()
	dir := t.TempDir()
	for name, b := range left {
		writeFile(t, filepath.Join(dir, name), b)
	}
	var first []byte
	for range 2 {
		s, err := Open(t.Context(), Options{Dir: dir})
		if err != nil {
			t.Errorf("files %v: %v", left.sizes(), err)
			return nil
		}
		d := dump(t, s)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if first != nil && !bytes.Equal(first, d) {
			t.Errorf("files %v: opened twice, the state differs", left.sizes())
		}
		first = d
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Error(err)
	}
	return first
}
