package isolate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/ingest/extract"
)

func TestMain(m *testing.M) {
	mainWith(misbehave)
	if len(os.Args) == 2 && os.Args[1] == parentArgument {
		loopForever()
	}
	os.Exit(m.Run())
}

const parentArgument = "-isolate-parent"

// loopForever is a process with a parser that never finishes. It prints the
// parser's process id.
func loopForever() {
	proc, err := startProcess()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(proc.cmd.Process.Pid)
	in := extract.Input{Name: "x", MediaType: "test/loop", Data: []byte("x")}
	proc.extract(context.Background(), in, limits{Time: time.Hour, CPU: time.Hour, Memory: 1 << 30})
}

// fixtures returns the committed documents of package extract.
func fixtures(t testing.TB) (inputs []extract.Input) {
	t.Helper()
	files, err := filepath.Glob("../testdata/*.*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, ".golden") {
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		inputs = append(inputs, extract.Input{Name: filepath.Base(file), Data: data})
	}
	if len(inputs) < 10 {
		t.Fatalf("%d fixtures", len(inputs))
	}
	return inputs
}

func fixture(t testing.TB, name string) extract.Input {
	t.Helper()
	for _, in := range fixtures(t) {
		if in.Name == name {
			return in
		}
	}
	t.Fatalf("no fixture %s", name)
	return extract.Input{}
}

func raceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

func pool(t testing.TB, o Options) *Pool {
	t.Helper()
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// What comes out of a process is what comes out of Extract, errors included.
func TestSameAsInProcess(t *testing.T) {
	p := pool(t, Options{})
	inputs := append(fixtures(t),
		extract.Input{Name: "empty.txt"},
		extract.Input{Name: "noise.bin", Data: []byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x3e\x00")},
		extract.Input{Name: "broken.pdf", Data: []byte("%PDF-1.4\nno PDF")},
		extract.Input{Name: "bad\xffname.txt", MediaType: "text/plain", Data: []byte("Text.")},
		extract.Input{Name: "large.txt", Data: make([]byte, extract.MaxBytes+1)},
	)
	var wg sync.WaitGroup
	for _, in := range inputs {
		wg.Go(func() {
			want, wantErr := extract.Extract(t.Context(), in)
			got, err := p.Extract(t.Context(), in)
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s (-in process +isolated):\n%s", in.Name, d)
			}
			if fmt.Sprint(err) != fmt.Sprint(wantErr) || extract.ReasonOf(err) != extract.ReasonOf(wantErr) {
				t.Errorf("%s: error %v, want %v", in.Name, err, wantErr)
			}
		})
	}
	wg.Wait()
}

// Whatever a parser does, its document gets a reason, and the next one its text.
func TestMisbehaviour(t *testing.T) {
	short := Options{Workers: 1, Time: time.Second, MemoryBytes: 64 << 20}
	long := Options{Workers: 1, MemoryBytes: 64 << 20}
	for what, tt := range map[string]struct {
		o      Options
		reason extract.Reason
		words  string
	}{
		"loop":     {short, extract.ReasonTimeout, "1.0s"},
		"sleep":    {short, extract.ReasonTimeout, "1.0s"},
		"silence":  {short, extract.ReasonTimeout, "1.0s"}, // half an answer
		"grow":     {long, extract.ReasonMemory, "64 MiB"},
		"huge":     {long, extract.ReasonMemory, "64 MiB"},
		"churn":    {long, "", ""}, // much garbage, little memory
		"panic":    {long, extract.ReasonCrash, "panic: boom"},
		"stray":    {long, extract.ReasonCrash, "panic: stray"}, // in a goroutine
		"overflow": {Options{Workers: 1}, extract.ReasonCrash, "fatal error: stack overflow"},
		"race":     {long, extract.ReasonCrash, "fatal error: concurrent map writes"},
		"exit":     {long, extract.ReasonCrash, "exit status 3"},
		"killed":   {long, extract.ReasonMemory, "killed by the system"},
		"garbage":  {long, extract.ReasonCrash, "something else than an answer"},
		"hangup":   {long, extract.ReasonCrash, "exit status 0"},
		"print":    {long, "", ""}, // to what it takes for standard output
		"words":    {long, extract.ReasonOutputTooLarge, "more than"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			if raceDetector() && (what == "huge" || what == "churn" || what == "stray") {
				t.Skip("the race detector takes too long, or ends a process with a code of its own")
			}
			p := pool(t, tt.o)
			_, err := p.Extract(t.Context(), extract.Input{Name: "bad", MediaType: "test/" + what, Data: []byte("x")})
			if got := extract.ReasonOf(err); got != tt.reason || (err != nil) != (tt.reason != "") || !strings.Contains(fmt.Sprint(err), tt.words) {
				t.Errorf("error %v with reason %q, want %q and %q", err, got, tt.reason, tt.words)
			}
			if err != nil && !strings.HasPrefix(err.Error(), "extract bad: ") {
				t.Errorf("error %v does not name the document", err)
			}
			doc, err := p.Extract(t.Context(), extract.Input{Name: "good.txt", Data: []byte("Good.")})
			if err != nil || doc.Text != "Good." {
				t.Errorf("the next document: %q, %v", doc.Text, err)
			}
		})
	}
}

// A document is not to blame for what an earlier one left behind.
func TestSecondChance(t *testing.T) {
	p := pool(t, Options{Workers: 1})
	started := 0
	start := p.start
	p.start = func() (*process, error) { started++; return start() }
	for i := range 3 {
		doc, err := p.Extract(t.Context(), extract.Input{Name: "x", MediaType: "test/fresh", Data: []byte("x")})
		if err != nil || doc.Text != "fresh" {
			t.Errorf("document %d: %q, %v", i, doc.Text, err)
		}
	}
	if started != 3 {
		t.Errorf("%d processes started, want one per document", started)
	}
}

// A process that died while nobody used it costs nobody a document.
func TestIdleDeath(t *testing.T) {
	p := pool(t, Options{Workers: 1})
	for range 3 {
		if doc, err := p.Extract(t.Context(), extract.Input{Name: "a.txt", Data: []byte("Text.")}); err != nil || doc.Text != "Text." {
			t.Errorf("%q, %v", doc.Text, err)
		}
		p.idle[0].kill()
		p.idle[0].cmd.Process.Wait()
	}
}

func TestPool(t *testing.T) {
	good := extract.Input{Name: "a.txt", Data: []byte("Text.")}
	p := pool(t, Options{Workers: 2})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	if _, err := p.Extract(ctx, extract.Input{Name: "x", MediaType: "test/loop", Data: []byte("x")}); !errors.Is(err, context.Canceled) || extract.ReasonOf(err) != "" {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := p.Extract(ctx, good); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before: %v", err)
	}
	if _, err := p.Extract(t.Context(), good); err != nil {
		t.Error(err)
	}
	if n := len(p.idle); n != 1 {
		t.Errorf("%d idle processes for one document at a time", n)
	}
	for range 2 {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := p.Extract(t.Context(), good); !errors.Is(err, ErrClosed) || extract.ReasonOf(err) != "" {
		t.Errorf("closed: %v", err)
	}
	p = pool(t, Options{})
	p.start = func() (*process, error) { return nil, errors.New("no more processes") }
	if _, err := p.Extract(t.Context(), good); !errors.Is(err, ErrUnavailable) || extract.ReasonOf(err) != "" || !strings.Contains(err.Error(), "no more processes") {
		t.Errorf("nothing can be started: %v", err)
	}
}

// Without Main in its main, a program would start itself as itself, again and again.
func TestMainMustBeCalled(t *testing.T) {
	installed.Store(false)
	defer installed.Store(true)
	_, err := pool(t, Options{}).Extract(t.Context(), extract.Input{Name: "a.txt", Data: []byte("Text.")})
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "isolate.Main") {
		t.Error(err)
	}
}

func TestOptions(t *testing.T) {
	for _, o := range []Options{{Workers: -1}, {Time: time.Millisecond}, {Time: 2 * time.Hour}, {MemoryBytes: 1 << 20}, {MemoryBytes: 1 << 40}, {Time: -1}} {
		if _, err := New(o); err == nil || !strings.HasPrefix(err.Error(), "make a parser pool: ") || !strings.Contains(err.Error(), "allowed are") {
			t.Errorf("New(%+v): %v", o, err)
		}
	}
	o, err := Options{}.complete()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		size int
		want limits
	}{
		{0, limits{9 * time.Second, 6 * time.Second, 320 << 20}},
		{1 << 20, limits{18 * time.Second, 12 * time.Second, 320 << 20}},
		{8 << 20, limits{81 * time.Second, 54 * time.Second, 336 << 20}},
		{256 << 20, limits{576 * time.Second, 384 * time.Second, 832 << 20}},
	} {
		if got := o.limits(tt.size); got != tt.want {
			t.Errorf("limits(%d) = %v, want %v", tt.size, got, tt.want)
		}
	}
}

// Compiling PDFium takes more than the limits of a document, and is not
// counted; later processes find it compiled.
func TestPDFium(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles PDFium, for seconds")
	}
	page := fixture(t, "handbook.pdf")
	page.PDF = extract.PDFOptions{Backend: extract.PDFium, CacheDir: t.TempDir()}
	for range 2 {
		p := pool(t, Options{Workers: 1})
		doc, err := p.Extract(t.Context(), page)
		if err != nil || len(doc.Text) == 0 {
			t.Errorf("%q, %v", doc.Text, err)
		}
	}
	files, err := os.ReadDir(page.PDF.CacheDir)
	if err != nil || len(files) == 0 {
		t.Errorf("nothing was kept: %v, %v", files, err)
	}
}

func TestLastWords(t *testing.T) {
	var w lastWords
	for _, s := range []string{"noise\n", strings.Repeat("x", 2000), "\nruntime: 17 bytes\nfatal ", "error: it is\nfatal error: more\n", "goroutine 1:"} {
		if n, err := fmt.Fprint(&w, s); n != len(s) || err != nil {
			t.Fatal(n, err)
		}
	}
	if got, want := w.String(), "fatal error: it is"; got != want {
		t.Errorf("words %q, want %q", got, want)
	}
}

func BenchmarkExtract(b *testing.B) {
	p := pool(b, Options{Workers: 1})
	small := extract.Input{Name: "a.txt", Data: []byte("One line of text.\n")}
	for name, in := range map[string]extract.Input{
		"text=17B": small,
		"text=4MB": {Name: "b.txt", Data: bytes.Repeat([]byte("A paragraph of some words that says nothing at all.\n\n"), 80_000)},
		"pdf=38kB": fixture(b, "handbook.pdf"),
	} {
		b.Run(name+"/isolated", func(b *testing.B) {
			b.SetBytes(int64(len(in.Data)))
			for b.Loop() {
				if _, err := p.Extract(b.Context(), in); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/in-process", func(b *testing.B) {
			b.SetBytes(int64(len(in.Data)))
			for b.Loop() {
				if _, err := extract.Extract(b.Context(), in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("start", func(b *testing.B) {
		for b.Loop() {
			proc, err := startProcess()
			if err != nil {
				b.Fatal(err)
			}
			proc.end()
		}
	})
}
