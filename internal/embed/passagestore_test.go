package embed

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"go.etcd.io/bbolt"
)

func openStore(t testing.TB, path string, limit int64) *PassageStore {
	t.Helper()
	s, err := OpenPassageStore(path, limit, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func closeStore(t testing.TB, s *PassageStore) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// stored returns the values of a file in the order in which they came, and the
// sum of their lengths as it is noted.
func stored(t *testing.T, path string) (keys []passageKey, size int64) {
	t.Helper()
	s := openStore(t, path, 1<<30)
	defer closeStore(t, s)
	_, err := s.file.View(func(tx *bbolt.Tx) error {
		values := tx.Bucket([]byte(passageBucket))
		total, n := 0, 0
		err := tx.Bucket([]byte(orderBucket)).ForEach(func(_, key []byte) error {
			keys = append(keys, passageKey(key))
			total += len(values.Get(key))
			return nil
		})
		if err != nil {
			return err
		}
		if err := values.ForEach(func(_, _ []byte) error { n++; return nil }); err != nil {
			return err
		}
		if size = int64(values.Sequence()); size != int64(total) || n != len(keys) {
			t.Errorf("%d values, of which %d bytes are noted; %d are in the order, of %d bytes", n, size, len(keys), total)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return keys, size
}

// change puts other bytes in the place of a stored value.
func change(t *testing.T, path string, key passageKey, f func(value []byte) []byte) {
	t.Helper()
	s := openStore(t, path, 1<<30)
	defer closeStore(t, s)
	err := s.file.Update(func(tx *bbolt.Tx) error {
		values := tx.Bucket([]byte(passageBucket))
		old := values.Get(key[:])
		fresh := f(bytes.Clone(old))
		if err := values.SetSequence(values.Sequence() + uint64(len(fresh)) - uint64(len(old))); err != nil {
			return err
		}
		return values.Put(key[:], fresh)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestPassageStore: what a file holds is not read again, in another process
// neither, and the scores have the same bits.
func TestPassageStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "passages.db")
	b := newBuiltin(t)
	passages := []string{"the pump is cold", "", "replace the filter", "the pump is cold", "Überprüfung der Ventile"}
	want := scoresOf(t, NewLate(b, nil), "cold pump", passages...)

	s := openStore(t, path, 1<<30)
	if got := scoresOf(t, NewLate(b, s), "cold pump", passages...); !slices.Equal(got, want) {
		t.Errorf("scores with an empty store = %v, want %v", got, want)
	}
	closeStore(t, s)
	if keys, _ := stored(t, path); len(keys) != 4 {
		t.Errorf("%d passages are stored, want 4", len(keys))
	}

	s = openStore(t, path, 1<<30)
	l := NewLate(b, s)
	if got := scoresOf(t, l, "cold pump", passages...); !slices.Equal(got, want) || s.Damaged() != 0 {
		t.Errorf("scores with a store = %v, want %v; %d damaged", got, want, s.Damaged())
	}
	closeStore(t, s)
	// That the file is what they came from shows when it says something else.
	pump, filter := l.key(passages[0]), l.key(passages[2])
	var other []byte
	change(t, path, filter, func(value []byte) []byte { other = value; return value })
	change(t, path, pump, func([]byte) []byte { return other })
	s = openStore(t, path, 1<<30)
	defer closeStore(t, s)
	if got := scoresOf(t, NewLate(b, s), "cold pump", passages[0]); got[0] != want[2] {
		t.Errorf("score = %v, want %v of the passage whose tokens are stored", got, want[2])
	}
}

// TestPassageStoreDamage: what is not a passage's tokens is computed again, and
// written anew.
func TestPassageStoreDamage(t *testing.T) {
	b := newBuiltin(t)
	const passage = "the pump is cold"
	want := scoresOf(t, NewLate(b, nil), "cold pump", passage)
	sealed := func(body []byte) []byte {
		return binary.LittleEndian.AppendUint32(body, crc32.Checksum(body, castagnoli))
	}
	scale := func(x float64) func([]byte) []byte {
		return func(v []byte) []byte {
			binary.LittleEndian.PutUint32(v, math.Float32bits(float32(x)))
			return sealed(v[:len(v)-4])
		}
	}
	for name, f := range map[string]func([]byte) []byte{
		"a bit":             func(v []byte) []byte { v[len(v)/2] ^= 4; return v },
		"cut":               func(v []byte) []byte { return v[:len(v)-1] },
		"empty":             func([]byte) []byte { return []byte{} },
		"another dimension": func(v []byte) []byte { return sealed(v[:len(v)-5]) },
		"NaN":               scale(math.NaN()),
		"infinite":          scale(math.Inf(1)),
		"negative":          scale(-0.001),
		"too long":          scale(0.1),
		"zero":              scale(0),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "passages.db")
			s := openStore(t, path, 1<<30)
			l := NewLate(b, s)
			scoresOf(t, l, "cold pump", passage)
			closeStore(t, s)
			change(t, path, l.key(passage), f)
			for _, damaged := range []int64{1, 0} {
				s = openStore(t, path, 1<<30)
				if got := scoresOf(t, NewLate(b, s), "cold pump", passage); !slices.Equal(got, want) || s.Damaged() != damaged {
					t.Errorf("score = %v, want %v; %d damaged, want %d", got, want, s.Damaged(), damaged)
				}
				closeStore(t, s)
			}
			stored(t, path)
		})
	}
}

// TestPassageStoreLimit: of what is too much the oldest goes.
func TestPassageStoreLimit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "passages.db")
	key := func(i int) passageKey { return passageKey{byte(i)} }
	const length = 96 // and 4 of the checksum
	put := func(limit int64, numbers ...int) {
		t.Helper()
		s := openStore(t, path, limit)
		var batch []storedPassage
		for _, i := range numbers {
			batch = append(batch, storedPassage{key(i), bytes.Repeat([]byte{byte(i)}, length)})
		}
		s.put(batch)
		closeStore(t, s)
	}
	for _, step := range []struct {
		limit   int64
		numbers []int
		want    []int
	}{
		{350, []int{1, 2}, []int{1, 2}},
		{350, []int{3, 1, 3}, []int{1, 2, 3}}, // what is there keeps its place
		{350, []int{4, 5}, []int{3, 4, 5}},
		{200, []int{5}, []int{4, 5}}, // a lower limit holds at once
		{99, []int{6}, nil},
		{350, []int{7}, []int{7}},
	} {
		put(step.limit, step.numbers...)
		var want []passageKey
		for _, i := range step.want {
			want = append(want, key(i))
		}
		if got, _ := stored(t, path); !slices.Equal(got, want) {
			t.Errorf("after %v with a limit of %d bytes %v are stored, want %v", step.numbers, step.limit, got, step.want)
		}
	}
}

// TestPassageStoreAtOnce: several calls share a store, also while it is closed.
func TestPassageStoreAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "passages.db")
	b := newBuiltin(t)
	s := openStore(t, path, 20_000) // some 10 passages
	var group sync.WaitGroup
	for i := range 4 {
		l := NewLate(b, s)
		group.Go(func() {
			for j := range 6 {
				passage := fmt.Sprintf("passage %d", (i+j)%8)
				if got, err := l.Score(t.Context(), "passage 3", []string{passage, "another"}); err != nil || len(got) != 2 {
					t.Errorf("Score = %v, %v", got, err)
				}
			}
		})
	}
	group.Wait()
	closeStore(t, s)
	s.put([]storedPassage{{passageKey{1}, rounded{}}}) // has no effect
	if _, err := NewLate(b, s).Score(t.Context(), "q", []string{"p"}); err == nil {
		t.Error("Score with a closed store did not fail")
	}
	if keys, size := stored(t, path); len(keys) == 0 || size > 20_000 {
		t.Errorf("%d passages of %d bytes are stored", len(keys), size)
	}
}

// TestPassageStorePending: what waits to be written is bounded, and a store that
// cannot be written says so when it is closed.
func TestPassageStorePending(t *testing.T) {
	s := openStore(t, filepath.Join(t.TempDir(), "passages.db"), 1<<30)
	s.writing = true // as if a goroutine were at it
	s.put([]storedPassage{{passageKey{1}, make(rounded, maxPending-10)}, {passageKey{2}, make(rounded, 11)}})
	s.put([]storedPassage{{passageKey{3}, make(rounded, 10)}})
	if len(s.pending) != 2 || s.size != maxPending {
		t.Errorf("%d passages of %d bytes wait, want 2 of %d", len(s.pending), s.size, maxPending)
	}
	if err := s.file.Close(); err != nil { // writing fails
		t.Fatal(err)
	}
	var told []error
	s.warn = func(err error) { told = append(told, err) }
	s.writePending()
	s.put([]storedPassage{{passageKey{3}, make(rounded, 10)}})
	if err := s.Close(); len(told) != 1 || !errors.Is(err, told[0]) || len(s.pending) != 0 {
		t.Errorf("Close = %v after %v, %d passages wait", err, told, len(s.pending))
	}
}

func TestOpenPassageStoreErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "passages.db")
	if _, err := OpenPassageStore(path, 0, nil); err == nil {
		t.Error("a limit of 0 bytes is allowed")
	}
	s := openStore(t, path, 1)
	defer closeStore(t, s)
	if _, err := OpenPassageStore(path, 1, nil); !errors.Is(err, ErrCacheLocked) {
		t.Errorf("OpenPassageStore of an open file = %v, want %v", err, ErrCacheLocked)
	}
}

// Passages of another model, or of another way to read them, have other keys.
func TestLateKey(t *testing.T) {
	l := NewLate(newBuiltin(t), nil)
	other := NewLate(&Builtin{info: Info{Fingerprint: "other"}}, nil)
	keys := []passageKey{l.key(""), l.key("a"), other.key(""), other.key("a")}
	slices.SortFunc(keys, func(a, b passageKey) int { return bytes.Compare(a[:], b[:]) })
	if len(slices.Compact(keys)) != 4 || l.key("a") != l.key("a") {
		t.Error("keys are not those of a model and a passage")
	}
}
