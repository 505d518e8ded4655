package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// lines hands on what a command prints, line by line.
func lines(t *testing.T) (io.Writer, <-chan string) {
	t.Helper()
	r, w := io.Pipe()
	out := make(chan string, 1000)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for s := bufio.NewScanner(r); s.Scan(); {
			out <- s.Text()
		}
	}()
	t.Cleanup(func() { w.Close(); <-done })
	return w, out
}

// wait returns the first line that begins with prefix.
func wait(ctx context.Context, t *testing.T, from <-chan string, prefix string) string {
	t.Helper()
	var seen []string
	for {
		select {
		case line := <-from:
			if strings.HasPrefix(line, prefix) {
				return line
			}
			seen = append(seen, line)
		case <-ctx.Done():
			t.Fatalf("no line begins with %q among %q", prefix, seen)
		}
	}
}

// TestWatch changes a directory while "ingest --watch" is at work: the system
// tells of everything, since the next rescan is an hour away.
func TestWatch(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	dir := t.TempDir()
	docs, data := filepath.Join(dir, "docs"), filepath.Join(dir, "data")
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	// write makes a file that is complete as soon as it is there: one that is still
	// empty when the quiet is over would be a document of its own.
	write := func(name, text string) {
		t.Helper()
		file, part := filepath.Join(docs, name), filepath.Join(dir, "part")
		check(os.MkdirAll(filepath.Dir(file), 0o755))
		check(os.WriteFile(part, []byte(text), 0o644))
		check(os.Rename(part, file))
	}
	write("a.md", "# Valve\n\nOpen the valve by hand.\n")
	write("sub/b.md", "# Pump\n\nThe pump takes water.\n")
	write(".ragloopignore", "*.tmp\n")
	write("x.tmp", "scratch")

	watching, stop := context.WithCancel(ctx)
	defer stop()
	out, printed := lines(t)
	errs, said := lines(t)
	code := make(chan int, 1)
	go func() {
		code <- run(watching, []string{"ingest", "--watch", "--quiet", "30ms", "--rescan", "1h", "--path-meta", "{team}/**", "--data", data, docs}, streams{nil, out, errs}, nil)
	}()
	const unmatched = "1 documents get no metadata from their paths"
	wait(ctx, t, said, unmatched)
	if line := wait(ctx, t, said, "left out:"); line != "left out: 1 by .ragloopignore; --verbose names them" {
		t.Errorf("said %q", line)
	}
	wait(ctx, t, said, "watching "+docs+": 2 directories")
	wait(ctx, t, printed, " ") // the summary's header
	wait(ctx, t, printed, " ")

	// rounds sums up what is printed until it is want.
	rounds := func(what string, want [4]int) {
		t.Helper()
		var got [4]int
		for got != want {
			select {
			case line := <-printed:
				var n [4]int
				if _, err := fmt.Sscanf(line, "%d indexed, %d replaced, %d removed, %d failed", &n[0], &n[1], &n[2], &n[3]); err != nil {
					t.Fatalf("%s: printed %q: %v", what, line, err)
				}
				for i := range got {
					got[i] += n[i]
				}
			case <-ctx.Done():
				t.Fatalf("%s: got %v, want %v of indexed, replaced, removed, failed", what, got, want)
			}
		}
	}
	valve, err := os.OpenFile(filepath.Join(docs, "a.md"), os.O_WRONLY, 0) // in place, and at once
	check(err)
	_, err = valve.WriteString("# Valve\n\nOpen the valve by motor.\n")
	check(errors.Join(err, valve.Close()))
	rounds("changed", [4]int{0, 1, 0, 0})
	wait(ctx, t, said, unmatched)
	write("new/deep/c.md", "# Filter\n\nRinse the filter.\n")
	rounds("in a new directory", [4]int{1, 0, 0, 0})
	write("new/deep/d.md", "# Seal\n\nReplace the seal.\n")
	rounds("in a directory that is known by now", [4]int{1, 0, 0, 0})
	check(os.Rename(filepath.Join(docs, "sub"), filepath.Join(docs, "moved")))
	rounds("a moved directory", [4]int{1, 0, 1, 0})
	write("moved/e.md", "# Motor\n\nIt turns.\n")
	rounds("in a moved directory", [4]int{1, 0, 0, 0})
	write("broken.pdf", "%PDF-1.7 is not all that a PDF needs")
	rounds("a broken file", [4]int{0, 0, 0, 1})
	check(os.RemoveAll(filepath.Join(docs, "new")))
	rounds("a removed directory", [4]int{0, 0, 2, 0})

	// The directory is replaced by another one.
	other := filepath.Join(dir, "other")
	check(os.Mkdir(other, 0o755))
	check(os.WriteFile(filepath.Join(other, "f.md"), []byte("# Gauge\n\nRead the gauge.\n"), 0o644))
	check(os.Rename(docs, docs+".old"))
	check(os.Rename(other, docs))
	rounds("another directory", [4]int{1, 0, 4, 0})
	stop()
	if got := <-code; got != exitOK {
		t.Errorf("exit code %d, want %d", got, exitOK)
	}
	wait(ctx, t, said, "watching has ended")

	var list strings.Builder
	if got := run(ctx, []string{"docs", "ls", "--json", "--data", data}, streams{nil, &list, io.Discard}, nil); got != exitOK {
		t.Fatalf("docs ls = %d", got)
	}
	var ids []string
	for dec := json.NewDecoder(strings.NewReader(list.String())); dec.More(); {
		var d struct{ Doc string }
		check(dec.Decode(&d))
		ids = append(ids, d.Doc)
	}
	slices.Sort(ids)
	if d := cmp.Diff([]string{"f.md"}, ids); d != "" {
		t.Errorf("documents (-want +got):\n%s", d)
	}
}
