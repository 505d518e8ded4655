package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"sync"
	"time"

	"github.com/ragloop/ragloop/ingest"
	"github.com/ragloop/ragloop/internal/embed"
	"github.com/ragloop/ragloop/internal/index"
)

// benchProcess is the service under load in a process of its own, as it is in
// use: in that of the generator each would wait for the other's goroutines, and
// nobody could tell whose time it is.
//
// The process is this program with the same command line and --service. It says
// on its standard output where it serves, then, for every line on its standard
// input, what it has used, and stops at the end of that.
type benchProcess struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *json.Decoder
	serving benchServing
}

// benchServing is the first line of the process.
type benchServing struct {
	Addr      string `json:"addr"`
	Documents int    `json:"documents"`
	Chunks    int    `json:"chunks"`
}

// benchUsage is each line after it.
type benchUsage struct {
	CPUSeconds float64 `json:"cpu_seconds"`
}

// startBenchProcess starts the service and waits until it serves.
func (a *app) startBenchProcess(ctx context.Context) (*benchProcess, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start the service: %w", err)
	}
	cmd := exec.CommandContext(ctx, path)
	cmd.Args = slices.Concat([]string{"ragloop"}, a.args, []string{"--service"})
	if _, file := a.err.(*os.File); !file { // else exec copies to it while this process writes, too
		a.err = &lockedWriter{w: a.err}
	}
	cmd.Env, cmd.Stderr = a.environ, a.err
	p := &benchProcess{cmd: cmd}
	if p.in, err = cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start the service: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start the service: %w", err)
	}
	p.out = json.NewDecoder(out)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the service: %w", err)
	}
	if err := p.out.Decode(&p.serving); err != nil {
		return nil, fmt.Errorf("start the service: %w", errors.Join(err, p.close()))
	}
	return p, nil
}

// lockedWriter is a writer for several goroutines.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// cpu returns the processor time that the service has used so far.
func (p *benchProcess) cpu() (time.Duration, error) {
	var u benchUsage
	_, err := io.WriteString(p.in, "\n")
	if err == nil {
		err = p.out.Decode(&u)
	}
	if err != nil {
		return 0, fmt.Errorf("ask the service for its processor time: %w", err)
	}
	return time.Duration(u.CPUSeconds * float64(time.Second)), nil
}

func (p *benchProcess) close() error {
	if err := errors.Join(p.in.Close(), p.cmd.Wait()); err != nil {
		return fmt.Errorf("stop the service: %w", err)
	}
	return nil
}

// busyCores says how many cores were at work, on average. A service that is
// somewhere else counts 0.
type busyCores struct {
	Service   float64 `json:"service"`
	Generator float64 `json:"generator"`
}

// busyMeter measures from one lap to the next.
type busyMeter struct {
	process            *benchProcess // nil: the service is somewhere else
	at                 time.Time
	service, generator time.Duration
	err                error // the first one
}

func (t *loadTarget) busy() *busyMeter {
	m := &busyMeter{process: t.process}
	m.lap()
	return m
}

// lap returns what was at work since the last lap.
func (m *busyMeter) lap() busyCores {
	old := *m
	m.at, m.generator = time.Now(), cpuTime()
	if m.process != nil && m.err == nil {
		m.service, m.err = m.process.cpu()
	}
	elapsed := m.at.Sub(old.at).Seconds()
	return busyCores{(m.service - old.service).Seconds() / elapsed, (m.generator - old.generator).Seconds() / elapsed}
}

// benchCollection is the collection of that process.
const benchCollection = "bench"

// benchService is that process: it makes a corpus, builds an index of it in
// memory, and serves that on loopback. Nothing is written to the data directory.
func (a *app) benchService(ctx context.Context, b servingLoad) (err error) {
	counter, err := a.counter()
	if err != nil {
		return err
	}
	items, err := benchCorpus(b.chunks, a.cfg.Config.Chunk.SizeTokens, counter, b.plan.Seed)
	if err != nil {
		return err
	}
	var model embed.Embedder
	if b.embed || b.ingest {
		if model, err = a.bareEmbedder(); err != nil {
			return err
		}
	}
	embedder := newBenchEmbedder(model, b.embed)
	client, err := index.Dial(ctx, index.Options{InMemory: true})
	if err != nil {
		return err
	}
	defer closing(&err, client.Close)
	a.cfg.Config.Collection = benchCollection
	built, err := ingest.Build(ctx, client, ingest.Plan{Collection: benchCollection, Chunker: a.chunker()}, ingest.Documents(items),
		ingest.Options{Embedder: embedder, Extractor: ingest.InProcess{}})
	if err != nil {
		return err
	}
	embedder.real = b.ingest
	chunks, _, err := built.Generation.CountChunks(ctx)
	if err != nil {
		return err
	}
	srv, err := a.newServer(client, embedder, watchers{})
	if err != nil {
		return err
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("bench serve: %w", err)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	served := make(chan error, 1)
	go func() {
		served <- withThreads(func() error { return srv.Serve(ctx, lis) })
	}()
	out := json.NewEncoder(a.out)
	err = out.Encode(benchServing{lis.Addr().String(), built.Summary.Documents, int(chunks)})
	for asked := bufio.NewScanner(a.in); err == nil && asked.Scan(); {
		err = out.Encode(benchUsage{cpuTime().Seconds()})
	}
	stop()
	return errors.Join(err, <-served)
}
