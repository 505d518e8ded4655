package isolate

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/ragloop/ragloop/ingest/extract"
)

const (
	startTimeout = 30 * time.Second       // until a new process greets; it takes milliseconds on an idle machine
	endTimeout   = 5 * time.Second        // for a process that has hung up to end
	guardEvery   = 100 * time.Millisecond // between two looks at a process from outside
	bufferBytes  = 64 << 10
)

// process is a running parser, used by one goroutine at a time.
type process struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	w     *bufio.Writer // to in
	r     *bufio.Reader
	words lastWords              // from its standard error
	onEnd func(*os.ProcessState) // where set, told how the process ended
	ended sync.Once
}

// startProcess starts this program as a parser and waits until it is ready.
func startProcess() (*process, error) {
	if !installed.Load() {
		return nil, errors.New("this program does not call isolate.Main when it starts")
	}
	path, err := self()
	if err != nil {
		return nil, err
	}
	p := &process{cmd: &exec.Cmd{Path: path, Args: []string{processName}, Env: []string{}, SysProcAttr: attributes()}}
	p.cmd.Stderr = &p.words
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.w = bufio.NewWriterSize(p.in, bufferBytes)
	p.r = bufio.NewReaderSize(out, bufferBytes)
	sealDescriptors()
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	late := time.AfterFunc(startTimeout, p.kill)
	var hello greeting
	err = readFrame(p.r, &hello, smallFrameBytes)
	if !late.Stop() {
		err = fmt.Errorf("it was not ready within %v", startTimeout)
	}
	if err == nil && hello.Version != extract.Version {
		// Only where the running program cannot be started again, but what is
		// now installed in its place.
		err = fmt.Errorf("the program on disk has extractor version %q, the running one %q: start it again", hello.Version, extract.Version)
	}
	if err != nil {
		p.kill()
		p.wait()
		return nil, fmt.Errorf("start %s as a parser: %w; it ended with %v %s", path, err, p.cmd.ProcessState, p.words.String())
	}
	return p, nil
}

// extract has the process extract one document within l. An error means that it
// did not answer, is dead now, and why.
func (p *process) extract(ctx context.Context, in extract.Input, l limits) (response, error) {
	done := make(chan struct{})
	verdict := make(chan error, 1)
	go func() { verdict <- p.guard(ctx, l, done) }()
	var answer response
	err := writeFrame(p.w, &l, smallFrameBytes)
	if err == nil {
		err = writeFrame(p.w, &in, maxInputBytes)
	}
	if err == nil {
		err = readFrame(p.r, &answer, maxFrameBytes)
	}
	close(done)
	killed := <-verdict
	if killed == nil && err == nil {
		return answer, nil
	}
	if killed == nil && !errors.Is(err, errFrame) {
		// It hung up: how it ends says why, so let it.
		stuck := time.AfterFunc(endTimeout, p.kill)
		defer stuck.Stop()
	} else {
		p.kill()
	}
	state := p.wait()
	if killed != nil {
		return response{}, killed
	}
	return response{}, cause(state, l, p.words.String(), err)
}

// guard watches over one document until it is done, and kills the process when
// a limit is passed or ctx ends. It returns the reason it had.
func (p *process) guard(ctx context.Context, l limits, done <-chan struct{}) (why error) {
	timeout := time.NewTimer(l.Time)
	defer timeout.Stop()
	tick := time.NewTicker(guardEvery)
	defer tick.Stop()
	for why == nil {
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			why = ctx.Err()
		case <-timeout.C:
			why = timeoutError(l)
		case <-tick.C:
			if residentBytes(p.cmd.Process.Pid) > l.Memory+outsideSlack {
				why = memoryError(l)
			}
		}
	}
	p.kill()
	return why
}

// outsideSlack is what a process may hold in memory beside what it counts
// itself: the pages of the program, and what it takes between two looks.
const outsideSlack = 96 << 20

func timeoutError(l limits) error {
	return fmt.Errorf("%w: the limit is %.1fs, or %.1fs of processor time", extract.ErrTimeout, l.Time.Seconds(), l.CPU.Seconds())
}

func memoryError(l limits) error {
	return fmt.Errorf("%w: the limit is %d MiB", extract.ErrMemory, l.Memory>>20)
}

func (p *process) kill() { p.cmd.Process.Kill() }

// wait returns how the process ended, which it must be about to do.
func (p *process) wait() *os.ProcessState {
	p.ended.Do(func() {
		p.cmd.Wait()
		if p.onEnd != nil {
			p.onEnd(p.cmd.ProcessState)
		}
	})
	return p.cmd.ProcessState
}

// end closes the process's input, which ends it.
func (p *process) end() {
	p.in.Close()
	p.wait()
}
