package watch

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ragloop/ragloop/ingest"
)

// BenchmarkRescan looks at a tree of 10,000 files, in 100 directories of a real
// file system, in which nothing has changed.
func BenchmarkRescan(b *testing.B) {
	const files, each = 10_000, 100
	dir := b.TempDir()
	before := time.Now().Add(-time.Hour)
	for i := range files {
		sub := filepath.Join(dir, fmt.Sprintf("d%03d", i/each))
		name := filepath.Join(sub, fmt.Sprintf("f%03d.md", i%each))
		if i%each == 0 {
			if err := os.Mkdir(sub, 0o700); err != nil {
				b.Fatal(err)
			}
		}
		if err := os.WriteFile(name, []byte("text"), 0o600); err != nil {
			b.Fatal(err)
		}
		if err := os.Chtimes(name, before, before); err != nil {
			b.Fatal(err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		b.Fatal(err)
	}
	defer root.Close()
	round := func(context.Context, ingest.Source, bool) (ingest.Summary, error) { return ingest.Summary{}, nil }
	w := New(ingest.FS(ingest.RootFS(root), ingest.FSOptions{}), round, Options{})
	s, err := w.scan(b.Context(), time.Now(), true)
	if err != nil || len(s.items) != files {
		b.Fatalf("%d documents, %v", len(s.items), err)
	}
	if err := w.carryOut(b.Context(), s); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		s, err := w.scan(b.Context(), time.Now(), true)
		if err != nil || s.work {
			b.Fatalf("work %v, %v", s.work, err)
		}
	}
	b.ReportMetric(float64(files)*float64(b.N)/b.Elapsed().Seconds(), "files/s")
}
