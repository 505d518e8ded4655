package embed

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// cacheOf returns the bytes of a cache of these texts.
func cacheOf(t *testing.T, texts []string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cache.db")
	c, err := OpenCache(path, &fake{name: "f"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	embedAll(t, c, Passage, texts...)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// Whatever is wrong with its file, a cache gives the vectors, tells of the damage once,
// and keeps the file under another name; who opens it next has a sound one.
func TestDamagedFile(t *testing.T) {
	texts := numbered(600)
	body := cacheOf(t, texts)
	page := os.Getpagesize()
	rng := rand.New(rand.NewPCG(1, 2))
	files := map[string][]byte{
		"another file":    []byte(strings.Repeat("not a database ", 4096)),
		"cut in half":     body[:len(body)/2],
		"cut to one page": body[:page],
	}
	for i := range 12 {
		cut := rng.IntN(len(body))
		files[fmt.Sprintf("cut at %d", cut)] = body[:cut]
		spoilt := slices.Clone(body)
		at := rng.IntN(len(body)/page) * page
		for k := range page {
			spoilt[at+k] = byte(rng.Uint32() * uint32(i%2)) // zeros, too
		}
		files[fmt.Sprintf("page %d, %d", at/page, i%2)] = spoilt
	}
	want := embedAll(t, &fake{name: "f"}, Passage, texts...)
	told := 0
	for name, content := range files {
		path := filepath.Join(t.TempDir(), "cache.db")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		var warnings []string
		for range 2 {
			c, err := OpenCache(path, &fake{name: "f"}, func(err error) { warnings = append(warnings, err.Error()) })
			if err != nil {
				t.Fatalf("%s: OpenCache = %v", name, err)
			}
			for range 2 {
				got, err := c.Embed(context.Background(), Passage, texts)
				if err != nil || !slices.EqualFunc(got, want, slices.Equal) {
					t.Errorf("%s: Embed = %d vectors, %v, want those of the embedder", name, len(got), err)
				}
			}
			if err := c.Close(); err != nil {
				t.Errorf("%s: Close = %v", name, err)
			}
		}
		if len(warnings) == 0 { // only pages that nothing refers to, or values
			continue
		}
		told++
		aside, err := os.ReadFile(path + ".damaged")
		if len(warnings) != 1 || err != nil || !strings.Contains(warnings[0], "it was moved to "+path+".damaged") {
			t.Errorf("%s: warnings %q, and aside there are %d bytes, %v", name, warnings, len(aside), err)
		}
		c := openCache(t, path, &fake{name: "f"})
		embedAll(t, c, Passage, texts...)
		if s := c.Stats(); s.Misses > 0 && strings.Contains(warnings[0], "a new one begun") {
			t.Errorf("%s: the new file lacks %d texts", name, s.Misses)
		}
	}
	if told < len(files)/3 {
		t.Errorf("%d of %d files were found to be damaged", told, len(files))
	}
}
