package isolate

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ragloop/ragloop/ingest/extract"
)

const (
	// processName is the only argument of a parser process, in the place of
	// the program's name: what process lists show.
	processName = "ragloop-parser"

	watchEvery = 5 * time.Millisecond
	// stackBytes ends a runaway recursion before it is a matter of memory.
	stackBytes = 64 << 20
	// openFiles is more than a parser has open. It cannot be 0: a fallback
	// parser may read its compiled form from a file.
	openFiles = 32
	// tidyBytes is the memory above which a process cleans up behind a document.
	tidyBytes = 96 << 20
)

// installed is set by Main: without it, starting this program again would run
// whatever else it does.
var installed atomic.Bool

// Main runs the parser, and does not return, where this process was started as
// one by a [Pool]; otherwise it returns at once. Call it first of all in main.
func Main() {
	mainWith(func(in extract.Input) (extract.Document, error) {
		return extract.Extract(context.Background(), in)
	})
}

// mainWith is Main with another function in the parser.
func mainWith(parse func(extract.Input) (extract.Document, error)) {
	installed.Store(true)
	if len(os.Args) == 1 && os.Args[0] == processName {
		os.Exit(serve(parse))
	}
}

// serve is the parser process. It returns its exit code.
func serve(parse func(extract.Input) (extract.Document, error)) int {
	// Whoever stops the program at its terminal stops the pool, which ends its
	// processes once their documents are done.
	signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	r, w := bufio.NewReaderSize(os.Stdin, bufferBytes), bufio.NewWriterSize(os.Stdout, bufferBytes)
	// What a library prints must not end up between the answers, and standard
	// error is for the runtime alone, which says there why it dies.
	defer runtime.KeepAlive([]*os.File{os.Stdin, os.Stdout, os.Stderr})
	log.SetOutput(io.Discard)
	if null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0); err == nil {
		os.Stdin, os.Stdout, os.Stderr = null, null, null
	}
	// One for the document and one for the watch and the garbage collector,
	// which must get their turn even where a parser does not yield.
	runtime.GOMAXPROCS(2)
	debug.SetMaxStack(stackBytes)
	if restrict() != nil {
		return exitBroken
	}
	watch := newWatch()
	if err := writeFrame(w, &greeting{extract.Version}, smallFrameBytes); err != nil {
		return exitBroken
	}
	for {
		var l limits
		if err := readFrame(r, &l, smallFrameBytes); errors.Is(err, io.EOF) {
			return exitDone
		} else if err != nil {
			return exitBroken
		}
		stop := watch.over(l)
		var in extract.Input
		if err := readFrame(r, &in, maxInputBytes); err != nil {
			return exitBroken
		}
		out := try(parse, in)
		in.Data = nil
		err := writeFrame(w, &out, maxFrameBytes)
		if errors.Is(err, errFrame) {
			out = failure(fmt.Errorf("extract %s: %w: more than %d bytes of text, blocks and warnings", in.Name, extract.ErrOutputTooLarge, maxFrameBytes))
			err = writeFrame(w, &out, maxFrameBytes)
		}
		if err != nil {
			return exitBroken
		}
		stop()
		if out = (response{}); watch.memory() > tidyBytes {
			debug.FreeOSMemory()
		}
	}
}

func try(parse func(extract.Input) (extract.Document, error), in extract.Input) response {
	doc, err := parse(in)
	if err != nil {
		return failure(err)
	}
	return response{Document: doc}
}

func failure(err error) response {
	reason := extract.ReasonOf(err)
	if reason == "" {
		reason = extract.ReasonDamaged // unreachable: every error of Extract has a reason
	}
	return response{Reason: reason, Message: err.Error()}
}

// watch ends the process when the document in hand takes too much.
type watch struct {
	parent int
	limit  int // on memory, as it is set
	sample []metrics.Sample
}

func newWatch() *watch {
	return &watch{parent: os.Getppid(), sample: []metrics.Sample{
		{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"},
	}}
}

// memory returns the bytes that the Go runtime has taken from the system and
// not given back.
func (w *watch) memory() int {
	metrics.Read(w.sample)
	return int(w.sample[0].Value.Uint64() - w.sample[1].Value.Uint64())
}

// over watches one document until stop is called.
func (w *watch) over(l limits) (stop func()) {
	if l.Memory != w.limit {
		// The collector works harder, and the system refuses more, when nearly
		// everything is taken.
		debug.SetMemoryLimit(int64(l.Memory) / 8 * 7)
		limitData(l.Memory + l.Memory/2) // without room, the runtime dies in ways that name no memory
		w.limit = l.Memory
	}
	began := processorTime()
	done, left := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(left)
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			if w.memory() > l.Memory {
				debug.FreeOSMemory() // what was over the limit may be garbage
				if w.memory() > l.Memory {
					os.Exit(exitMemory)
				}
			}
			if processorTime()-began > l.CPU {
				os.Exit(exitCPU)
			}
			if orphaned(w.parent) {
				os.Exit(exitOrphan)
			}
		}
	}()
	return func() { close(done); <-left }
}
