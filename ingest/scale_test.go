package ingest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc"

	"github.com/ragloop/ragloop/internal/embed"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/lexical"
	"github.com/ragloop/ragloop/internal/qdrantlocal"
	"github.com/ragloop/ragloop/internal/text"
)

const defaultScale = 5000

var scale = flag.Int("scale", defaultScale, "how many documents TestScale ingests")

// scaleServeEnv makes the test binary a local mode in a process of its own, in
// the directory that it names, until its standard input ends.
const scaleServeEnv = "INGEST_SCALE_SERVE"

func scaleServe(dir string) error {
	ctx := context.Background()
	store, err := qdrantlocal.Open(ctx, qdrantlocal.Options{Dir: dir})
	if err != nil {
		return err
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	srv := store.NewServer()
	served := make(chan error, 1)
	go func() { served <- srv.Serve(lis) }()
	fmt.Println(lis.Addr())
	_, err = io.Copy(io.Discard, os.Stdin)
	srv.Stop()
	return errors.Join(err, <-served, store.Close())
}

// costless is an embedder that takes no time.
type costless struct{ vector []float32 }

func (costless) Info() embed.Info {
	return embed.Info{Name: "costless", Fingerprint: "costless-8", Dimension: 8}
}
func (costless) CountTokens(s string) int { return len(s) }
func (c costless) Embed(_ context.Context, _ embed.Task, texts []string) ([][]float32, error) {
	vectors := make([][]float32, len(texts))
	for i := range vectors {
		vectors[i] = c.vector
	}
	return vectors, nil
}

// prose is the committed example corpus without its markup characters, so that
// words, sentences and tokens are those of real text.
var prose = sync.OnceValues(func() (string, error) {
	var b strings.Builder
	root := os.DirFS(filepath.Join("..", "internal", "demo", "source"))
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(name) != ".md" {
			return err
		}
		data, err := fs.ReadFile(root, name)
		for line := range strings.Lines(string(data)) {
			if s := strings.Trim(line, "#|*-> \n"); len(s) > 40 {
				b.WriteString(s + "\n\n")
			}
		}
		return err
	})
	return b.String(), err
})

// scaleSource makes n different documents of about size bytes while it is read.
// After each part of them it lists a document that fills a batch by itself and
// waits until that is stored: then nothing is under way, and what is in memory is
// what stays there.
type scaleSource struct {
	n, size, part int
	prose         string // at least twice as long as a document

	pass   string        // part of the ids of the documents between the parts
	stored chan struct{} // receives one for each of them
}

func (s scaleSource) Items(ctx context.Context) iter.Seq2[Item, error] {
	full := strings.Repeat(s.prose, 1+scaleBatchBytes/len(s.prose))[:scaleBatchBytes]
	return func(yield func(Item, error) bool) {
		for i := range s.n {
			head := fmt.Sprintf("Document %d.\n\n", i)
			at := i * 7919 % (len(s.prose) - s.size)
			if !yield(proseItem(fmt.Sprintf("archive/%04d/document-%07d.txt", i/1000, i), head, s.prose[at:at+s.size]), nil) {
				return
			}
			if (i+1)%s.part > 0 {
				continue
			}
			if !yield(proseItem(fmt.Sprintf("between/%s-%07d.txt", s.pass, i), head, full), nil) {
				return
			}
			select {
			case <-s.stored:
			case <-ctx.Done():
				return
			}
		}
	}
}

func proseItem(id, head, body string) Item {
	return Item{
		ID: text.DocID(id), MediaType: "text/plain; charset=utf-8",
		Open: func() (io.ReadCloser, error) {
			return &proseFile{Reader: io.MultiReader(strings.NewReader(head), strings.NewReader(body)), size: len(head) + len(body)}, nil
		},
	}
}

// proseFile is a file that knows its size, as those of a directory do.
type proseFile struct {
	io.Reader
	size int
}

func (f *proseFile) Close() error               { return nil }
func (f *proseFile) Stat() (fs.FileInfo, error) { return f, nil }
func (f *proseFile) Name() string               { return "" }
func (f *proseFile) Size() int64                { return int64(f.size) }
func (f *proseFile) Mode() fs.FileMode          { return 0o444 }
func (f *proseFile) ModTime() time.Time         { return time.Time{} }
func (f *proseFile) IsDir() bool                { return false }
func (f *proseFile) Sys() any                   { return nil }

// sample is the state of this process after so many documents.
type sample struct {
	docs      int
	heap, rss float64 // MiB; the heap is what is reachable
}

func takeSample(docs int) sample {
	runtime.GC()
	runtime.GC() // of what the first one left in pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	s := sample{docs: docs, heap: float64(m.HeapAlloc) / (1 << 20)}
	if b, err := os.ReadFile("/proc/self/statm"); err == nil { // Linux alone tells
		var total, resident float64
		if _, err := fmt.Sscan(string(b), &total, &resident); err == nil {
			s.rss = resident * float64(os.Getpagesize()) / (1 << 20)
		}
	}
	return s
}

// TestScale ingests many documents with an embedder that takes no time, twice:
// as new ones and unchanged. It prints the throughput and the memory of this
// process, which must not grow with the number of documents by more than a
// hundredth of their text. The index is left out of both (its calls are answered
// without being sent), or in another process; with more documents than the
// default also in this process, on disk, for the throughput alone.
func TestScale(t *testing.T) {
	text, err := prose()
	if err != nil {
		t.Fatal(err)
	}
	docs := *scale
	if testing.Short() {
		docs = min(docs, 500)
	}
	src := scaleSource{n: docs, size: scaleDocBytes, part: max(docs/scaleParts, 1), prose: text}
	t.Run("without index", func(t *testing.T) {
		c := connect(t, index.Options{InMemory: true, Interceptors: []grpc.UnaryClientInterceptor{swallow}})
		runScale(t, c, "new", src).checkMemory(t)
	})
	t.Run("index in another process", func(t *testing.T) {
		c := connect(t, index.Options{Addr: scaleProcess(t)})
		first := runScale(t, c, "new", src)
		again := runScale(t, c, "again", src)
		first.checkMemory(t)
		again.checkMemory(t)
		// Knowing what is stored takes no memory either, but for what is under way:
		// documents that are unchanged are taken together in larger numbers.
		if got, limit := again.most(), first.most()+16; got > limit {
			t.Errorf("the second run needs %.1f MiB, want at most %.1f", got, limit)
		}
	})
	if docs > defaultScale {
		t.Run("index in this process", func(t *testing.T) {
			runScale(t, connect(t, index.Options{DataDir: t.TempDir()}), "new", src)
		})
	}
}

func connect(t *testing.T, o index.Options) *index.Client {
	t.Helper()
	c, err := index.Dial(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

const (
	scaleDocBytes   = 4096
	scaleBatchBytes = 512 << 10 // more than a batch of chunks
	scaleParts      = 10

	// scaleWarm is the number of documents after which the texts that a run
	// remembers are as many as they may be; see recentTexts.
	scaleWarm = 1500
)

// scaled is the memory of a run: after each part of the documents, from scaleWarm
// on, with nothing under way; and in the middle of each part.
type scaled struct{ idle, busy []sample }

func (s scaled) most() (heap float64) {
	for _, x := range s.busy {
		heap = max(heap, x.heap)
	}
	return heap
}

func (s scaled) checkMemory(t *testing.T) {
	t.Helper()
	if got, limit := s.slope(), 0.01*scaleDocBytes; got > limit {
		t.Errorf("memory grows by %.0f bytes per document, want at most %.0f: %v", got, limit, s.idle)
	}
}

// slope is the slope of the heap in bytes per document: the median of the slopes
// between any two idle samples (Theil 1950, Sen 1968). 0 with fewer than two.
func (s scaled) slope() float64 {
	var slopes []float64
	for i, a := range s.idle {
		for _, b := range s.idle[i+1:] {
			slopes = append(slopes, (b.heap-a.heap)*(1<<20)/float64(b.docs-a.docs))
		}
	}
	if len(slopes) == 0 {
		return 0
	}
	slices.Sort(slopes)
	return slopes[len(slopes)/2]
}

// runScale ingests src into the collection "scale" and reports under the name of
// the pass.
func runScale(t *testing.T, c *index.Client, pass string, src scaleSource) scaled {
	t.Helper()
	e := costless{vector("x")}
	p := plan("scale")
	p.Chunker.SizeTokens = 256
	p.Lexical = lexical.Default()
	src.pass, src.stored = pass, make(chan struct{}, 1)
	var out scaled
	var paused time.Duration
	each := src.part + 1 // documents of a part and the one after it
	start := time.Now()
	b, err := Build(t.Context(), c, p, src, Options{Embedder: e, Extractor: InProcess{}, OnEvent: func(e Event) {
		if e.Doc == "" {
			return
		}
		at := time.Now()
		switch e.Documents % each {
		case 0:
			if e.Documents > scaleWarm {
				out.idle = append(out.idle, takeSample(e.Documents))
			}
			src.stored <- struct{}{}
		case each / 2:
			out.busy = append(out.busy, takeSample(e.Documents))
		}
		paused += time.Since(at)
	}})
	took := time.Since(start) - paused
	docs := src.n + src.n/src.part
	if err != nil || b.Summary.Documents != docs || b.Summary.Failed > 0 {
		t.Fatalf("%s: %+v, %v", pass, b.Summary, err)
	}
	t.Logf("%s: %d documents of %d bytes, %d chunks in %.1f s: %.1f MB/s; %.0f bytes of heap per document, at most %.1f MiB at work",
		pass, b.Summary.Documents, src.size, b.Summary.Chunks, took.Seconds(), float64(src.n*src.size+src.n/src.part*scaleBatchBytes)/1e6/took.Seconds(), out.slope(), out.most())
	if n := len(out.idle); n > 0 {
		first, last := out.idle[0], out.idle[n-1]
		t.Logf("%s: heap %.1f MiB after %d documents, %.1f after %d; resident %.0f, %.0f MiB", pass, first.heap, first.docs, last.heap, last.docs, first.rss, last.rss)
	}
	return out
}

// scaleProcess starts a local mode in another process and returns its address.
func scaleProcess(t *testing.T) string {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe) // not of t's context, which ends before the cleanup
	cmd.Env = append(os.Environ(), scaleServeEnv+"="+t.TempDir())
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	var addr string
	if _, err := fmt.Fscan(out, &addr); err != nil {
		t.Fatal(err)
	}
	return addr
}

// swallow answers that points were stored, without sending them.
func swallow(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	if r, ok := reply.(*qdrant.PointsOperationResponse); ok {
		switch req.(type) {
		case *qdrant.UpsertPoints, *qdrant.DeletePoints:
			r.Result = &qdrant.UpdateResult{Status: qdrant.UpdateStatus_Completed}
			return nil
		}
	}
	return invoke(ctx, method, req, reply, cc, opts...)
}
