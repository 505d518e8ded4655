// Package isolate extracts documents in processes of their own, so that a file
// that makes its parser loop, eat all memory or crash costs that file and not
// the program. It knows no file format: what runs in the process is
// [extract.Extract].
//
// A [Pool] starts this program again, as a parser: a process that is handed one
// document after the other over its standard input, answers over its standard
// output, and otherwise inherits nothing, neither environment nor descriptors.
// For that, main (and a TestMain, where tests use a Pool) calls [Main] first.
//
// # Limits
//
// Every document has a time, a processor time and a memory limit that grow with
// its size, see [Options]. The parser watches processor time and memory itself
// and leaves with a code that says which; the pool watches time and, where the
// system shows it, memory, and kills what does not leave. Behind both stands the
// system: a limit on data where it has one (Linux), on open files, no core
// dumps (Unix), and an end with that of the pool's process (Linux; elsewhere a
// parser notices within one document).
//
// When a parser dies over a document, the document gets a second chance in a
// fresh process, with what is left of its time: the death may have been another's
// fault. A second death is the document's failure: an error with one of the
// reasons of package extract. An error without a reason is not: no process could
// be started, or the context ended.
package isolate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/ragloop/ragloop/ingest/extract"
)

// ErrUnavailable: no parser process could be started. It says nothing about the
// document.
var ErrUnavailable = errors.New("no parser process")

// ErrClosed: the pool was closed before.
var ErrClosed = errors.New("the parser pool is closed")

// Options configure a [Pool]. The zero value is usable.
type Options struct {
	// Workers is the largest number of parser processes; 0: one per processor.
	Workers int

	// Time is how long the extraction of one document may take, both chances
	// together, 100ms to 1h; 0: [DefaultTime]. Two thirds of it may be processor
	// time. Each MiB of the file adds as much again, up to 63 times.
	Time time.Duration

	// MemoryBytes is what a parser process may take for one document, 64 MiB
	// to 64 GiB; 0: [DefaultMemoryBytes]. Each byte of the file adds two. Where
	// the watch is too slow, the system steps in at one and a half times of it.
	MemoryBytes int
}

const (
	// DefaultTime ends a parser that loops within 10 s. Measured on SEC 10-Q
	// filings, the built-in PDF parser takes at most 2 % of the processor time
	// it may, and PDFium, the slowest of all, half of it.
	DefaultTime = 9 * time.Second
	// DefaultMemoryBytes keeps a process below 512 MiB for files of up to 60 MB.
	DefaultMemoryBytes = 320 << 20

	minTime, maxTime     = 100 * time.Millisecond, time.Hour
	minMemory, maxMemory = 64 << 20, 64 << 30

	maxTimeFactor = 64
	memoryStep    = 16 << 20 // changing the limit costs more than a small document
)

func (o Options) complete() (Options, error) {
	if o.Workers < 0 {
		return o, fmt.Errorf("%d parser processes, allowed are 1 and above, or 0 for one per processor", o.Workers)
	}
	if o.Workers == 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Time == 0 {
		o.Time = DefaultTime
	}
	if o.Time < minTime || o.Time > maxTime {
		return o, fmt.Errorf("a time of %v per document, allowed are %v to %v", o.Time, minTime, maxTime)
	}
	if o.MemoryBytes == 0 {
		o.MemoryBytes = DefaultMemoryBytes
	}
	if o.MemoryBytes < minMemory || o.MemoryBytes > maxMemory {
		return o, fmt.Errorf("memory of %d bytes per document, allowed are %d to %d", o.MemoryBytes, minMemory, maxMemory)
	}
	return o, nil
}

// limits are those of one document.
type limits struct {
	Time   time.Duration
	CPU    time.Duration
	Memory int // bytes
}

// limits returns those of a file of size bytes.
func (o Options) limits(size int) limits {
	factor := min(1+float64(size)/(1<<20), maxTimeFactor)
	t := time.Duration(factor * float64(o.Time))
	return limits{Time: t, CPU: t * 2 / 3, Memory: o.MemoryBytes + 2*size/memoryStep*memoryStep}
}

// Pool extracts documents in parser processes, which it starts when they are
// needed and keeps until it is closed. Safe for concurrent use.
type Pool struct {
	o     Options
	slots chan struct{} // one per process that may run
	start func() (*process, error)

	compile sync.Once  // PDFium
	closing sync.Mutex // held by Close

	mu     sync.Mutex
	idle   []*process // the last one used at the end: no more are kept alive than needed
	closed bool
}

// New returns a pool. Nothing is started yet.
func New(o Options) (*Pool, error) {
	o, err := o.complete()
	if err != nil {
		return nil, fmt.Errorf("make a parser pool: %w", err)
	}
	return &Pool{o: o, slots: make(chan struct{}, o.Workers), start: startProcess}, nil
}

// Extract is extract.Extract in a parser process. Beyond its errors, the
// failure of a document may be extract.ErrTimeout, extract.ErrMemory or
// extract.ErrCrashed; every one of them has a reason. Without a reason are
// ErrUnavailable, ErrClosed and the error of ctx, all three at no fault of the
// document. It waits where all processes are busy; that time does not count.
func (p *Pool) Extract(ctx context.Context, in extract.Input) (extract.Document, error) {
	if len(in.Data) > extract.MaxBytes {
		return extract.Extract(ctx, in) // refused before any parser sees it
	}
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return extract.Document{}, fmt.Errorf("extract %s: %w", in.Name, ctx.Err())
	}
	p.prepare(ctx, in)
	total := p.o.limits(len(in.Data))
	begin := time.Now()
	doc, fault, err := p.attempt(ctx, in, total)
	if err == nil || !fault {
		return doc, err
	}
	left, spent := total, time.Since(begin)
	left.Time -= spent
	left.CPU -= spent
	if left.CPU <= 0 {
		return extract.Document{}, err
	}
	doc, _, err = p.attempt(ctx, in, left)
	return doc, err
}

// prepare has PDFium compiled for the first document that may need it, in time
// of its own: that takes more than a document may. Whether it worked shows when
// it is needed.
func (p *Pool) prepare(ctx context.Context, in extract.Input) {
	if in.PDF.Backend == "" || in.PDF.Backend == extract.PDFBuiltin || in.PDF.CacheDir == "" || !bytes.Contains(in.Data[:min(len(in.Data), 1024)], []byte("%PDF-")) {
		return
	}
	p.compile.Do(func() {
		proc, err := p.take()
		if err != nil {
			return
		}
		ctx := context.WithoutCancel(ctx) // others wait for it, too
		empty := extract.Input{Name: "empty.pdf", Data: []byte(emptyPDF), PDF: extract.PDFOptions{Backend: extract.PDFium, CacheDir: in.PDF.CacheDir}}
		if _, err := proc.extract(ctx, empty, limits{Time: 4 * time.Minute, CPU: 2 * time.Minute, Memory: 1 << 30}); err == nil {
			p.give(proc)
		}
	})
}

// emptyPDF has one page with nothing on it.
const emptyPDF = "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n" +
	"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>endobj\ntrailer<</Root 1 0 R>>\n"

// attempt extracts in one process. fault reports that the process died, so that
// another one may fare better.
func (p *Pool) attempt(ctx context.Context, in extract.Input, l limits) (doc extract.Document, fault bool, err error) {
	defer func() {
		if err != nil && fault {
			err = fmt.Errorf("extract %s: %w", in.Name, err)
		}
	}()
	proc, err := p.take()
	if err != nil {
		return extract.Document{}, false, fmt.Errorf("extract %s: %w", in.Name, err)
	}
	answer, err := proc.extract(ctx, in, l)
	if err != nil {
		return extract.Document{}, true, err
	}
	p.give(proc)
	if answer.Reason != "" {
		return extract.Document{}, false, &extract.Error{Reason: answer.Reason, Message: answer.Message}
	}
	return answer.Document, false, nil
}

// take returns a process that waits for a document.
func (p *Pool) take() (*process, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, ErrClosed
	}
	if n := len(p.idle); n > 0 {
		proc := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return proc, nil
	}
	p.mu.Unlock()
	proc, err := p.start()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return proc, nil
}

func (p *Pool) give(proc *process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, proc)
}

// Close waits for the documents in hand and ends all processes. A closed pool
// extracts nothing any more; closing it again does nothing.
func (p *Pool) Close() error {
	p.closing.Lock()
	defer p.closing.Unlock()
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	for range p.o.Workers {
		p.slots <- struct{}{}
	}
	defer func() {
		for range p.o.Workers {
			<-p.slots
		}
	}()
	p.mu.Lock()
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, proc := range idle {
		proc.end()
	}
	return nil
}
