package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/ragloop/ragloop/ingest"
)

const (
	redrawEvery = 100 * time.Millisecond // on a terminal
	lineEvery   = 10 * time.Second       // anywhere else
	// rateWindow is what rates are measured over: documents that are unchanged
	// take no time, and shall not make those behind them look as fast.
	rateWindow = 30 * time.Second
	sampleTime = time.Second
)

// progress shows how far a command is: on a terminal a line that changes, and
// anywhere else a new line every ten seconds. Safe for concurrent use.
type progress struct {
	w     io.Writer
	live  bool // w is a terminal
	each  bool // say what became of every document that is not unchanged
	now   func() time.Time
	total int // documents that will be finished; 0: not known

	mu      sync.Mutex
	last    time.Time // something was shown
	shown   bool      // there is a line to be cleared
	samples []sample  // oldest first, a second apart at least
}

// sample is what had been done at a time.
type sample struct {
	at                        time.Time
	documents, chunks, tokens int
}

func (a *app) progress() *progress {
	p := &progress{w: a.err, live: terminal(a.err), each: a.verbose, now: time.Now}
	p.last = p.now()
	p.samples = []sample{{at: p.last}}
	return p
}

// list counts the documents of a source, so that the time left can be told. A
// source that fails is for the run to report.
func (p *progress) list(ctx context.Context, src ingest.Source, stop <-chan struct{}) {
	n := 0
	for item := range src.Items(ctx) {
		select {
		case <-stop:
			return
		default:
		}
		if item.ID == "" {
			continue
		}
		n++
		p.show(func() string { return fmt.Sprintf("listing… %d documents so far", n) })
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.total = n
	p.samples = []sample{{at: p.now()}}
}

// event is an ingest.Options.OnEvent.
func (p *progress) event(e ingest.Event) {
	if e.Outage != nil {
		p.say("%v; trying again in %v", e.Outage, e.Wait)
		return
	}
	if p.each && e.Doc != "" && e.Outcome != ingest.Unchanged {
		p.say("%s: %s, %d chunks", e.Outcome, printable(string(e.Doc)), e.Chunks)
	}
	p.mu.Lock()
	p.add(sample{p.now(), e.Documents, e.ChunksEmbedded, e.TokensEmbedded})
	p.mu.Unlock()
	p.show(func() string { return p.ingested(e) })
}

// add keeps s, and of the older ones those that rates are measured with.
func (p *progress) add(s sample) {
	if n := len(p.samples); n > 1 && s.at.Sub(p.samples[n-2].at) < sampleTime {
		p.samples = p.samples[:n-1]
	}
	p.samples = append(p.samples, s)
	for len(p.samples) > 2 && s.at.Sub(p.samples[1].at) >= rateWindow {
		p.samples = p.samples[1:]
	}
}

// ingested is the line about a run.
func (p *progress) ingested(e ingest.Event) string {
	from, to := p.samples[0], p.samples[len(p.samples)-1]
	seconds := max(to.at.Sub(from.at).Seconds(), 0.001)
	rate := func(n int) float64 { return float64(n) / seconds }
	documents := rate(to.documents - from.documents)
	line := fmt.Sprintf("%d documents done", e.Documents)
	if p.total > 0 {
		line = fmt.Sprintf("%d of %d documents", e.Documents, p.total)
	}
	line += fmt.Sprintf(", %d of %d chunks so far, %.1f documents/s, %.1f chunks/s, %.0f tokens/s",
		e.ChunksEmbedded, e.ChunksFound, documents, rate(to.chunks-from.chunks), rate(to.tokens-from.tokens))
	if left := p.total - e.Documents; left > 0 && documents > 0 && seconds >= 3 {
		eta := time.Duration(float64(left) / documents * float64(time.Second))
		line += fmt.Sprintf(", about %v left", coarse(eta))
	}
	return line
}

// coarse rounds d to what an estimate is worth.
func coarse(d time.Duration) time.Duration {
	switch {
	case d < time.Minute:
		return max(d.Round(time.Second), time.Second)
	case d < time.Hour:
		return d.Round(10 * time.Second)
	}
	return d.Round(10 * time.Minute)
}

// count shows progress of something that is counted.
func (p *progress) count(what string) func(done, total int) {
	return func(done, total int) {
		p.show(func() string { return fmt.Sprintf("%d of %d %s", done, total, what) })
	}
}

// show prints a line where it is time to.
func (p *progress) show(line func() string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	every := lineEvery
	if p.live {
		every = redrawEvery
	}
	if now := p.now(); now.Sub(p.last) >= every {
		p.last = now
		if p.live {
			fmt.Fprint(p.w, "\r\x1b[K", line())
			p.shown = true
		} else {
			fmt.Fprintln(p.w, line())
		}
	}
}

// say prints a message that stays.
func (p *progress) say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	fmt.Fprintf(p.w, format+"\n", args...)
}

func (p *progress) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
}

func (p *progress) clear() {
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
}
