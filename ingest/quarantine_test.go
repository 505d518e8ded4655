package ingest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"

	"github.com/ragloop/ragloop/ingest/extract"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
)

// picky is an extractor that fails for documents whose text names one of errs,
// and counts how often it was asked for each.
type picky struct {
	errs map[string]error

	mu    sync.Mutex
	asked map[string]int
}

func (p *picky) Extract(ctx context.Context, in extract.Input) (extract.Document, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.asked == nil {
		p.asked = map[string]int{}
	}
	p.asked[in.Name]++
	for word, err := range p.errs {
		if strings.Contains(string(in.Data), word) {
			return extract.Document{}, fmt.Errorf("extract %s: %w", in.Name, err)
		}
	}
	return extract.Extract(ctx, in)
}

// count returns how often name was asked for since the last call.
func (p *picky) count(name string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.asked[name]
	delete(p.asked, name)
	return n
}

func hostile() *picky {
	return &picky{errs: map[string]error{"BOMB": extract.ErrMemory, "LOOP": extract.ErrTimeout, "UNPLUGGED": errors.New("no parser process")}}
}

// A document at fault is tried once, and again when it has changed or somebody
// asks for it; what was stored of it before stays.
func TestQuarantine(t *testing.T) {
	wire := &cut{left: -1}
	c := dial(t, index.Options{Interceptors: []grpc.UnaryClientInterceptor{wire.intercept}})
	e, x := &hashed{}, hostile()
	g := generation(t, c, e)
	patient := worker(t, g, Options{Embedder: e, Extractor: x})
	again := worker(t, g, Options{Embedder: e, Extractor: x, RetryFailed: true})
	step := func(name string, w *Worker, src Source, tries int, want ...Failure) {
		t.Helper()
		s, err := w.Run(t.Context(), src)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if n := x.count("bad"); n != tries {
			t.Errorf("%s: extracted %d times, want %d", name, n, tries)
		}
		skipped := 0
		for i, f := range s.Failures {
			f.Err = nil
			if f != want[i] {
				t.Errorf("%s: failure %+v, want %+v", name, f, want[i])
			}
			if f.Skipped {
				skipped++
			}
			if r, err := g.Record(t.Context(), f.Doc); err != nil || r.Reason != string(f.Reason) || r.Error == "" || r.State == index.Quarantined == f.Kept {
				t.Errorf("%s: record %+v, %v", name, r, err)
			}
		}
		if s.Failed != len(want) || s.Quarantined != len(want) || s.Skipped != skipped {
			t.Errorf("%s: summary %+v", name, s)
		}
		if n := wire.count(); n > 0 && skipped > 0 && s.Indexed+s.Replaced == 0 {
			t.Errorf("%s: %d writing calls for nothing new", name, n)
		}
	}
	bad := func(body string) Source { return texts("good", "A good document.", "bad", body) }
	fresh := Failure{Doc: "bad", Reason: extract.ReasonMemory}
	skipped := Failure{Doc: "bad", Reason: extract.ReasonMemory, Skipped: true}

	step("first", patient, bad("BOMB"), 1, fresh)
	step("second", patient, bad("BOMB"), 0, skipped)
	step("asked for", again, bad("BOMB"), 1, fresh)
	step("after that", patient, bad("BOMB"), 0, skipped)
	step("changed for the worse", patient, bad("LOOP"), 1, Failure{Doc: "bad", Reason: extract.ReasonTimeout})
	step("changed for the better", patient, bad("Harmless."), 1)
	step("unchanged", patient, bad("Harmless."), 0)

	kept, keptSkipped := fresh, skipped
	kept.Kept, keptSkipped.Kept = true, true
	step("bad again", patient, bad("BOMB"), 1, kept)
	step("still bad", patient, bad("BOMB"), 0, keptSkipped)
	if got, r, err := g.Text(t.Context(), "bad"); err != nil || got != "Harmless." || r.State != index.Indexed {
		t.Errorf("the version before is %q, %+v, %v", got, r, err)
	}
	step("as it was", patient, bad("Harmless."), 1)
	if r, err := g.Record(t.Context(), "bad"); err != nil || r.Error != "" || r.Reason != "" || r.FailedSHA256 != "" {
		t.Errorf("record of what is good again: %+v, %v", r, err)
	}
}

// A file that could not be read says nothing about the document.
func TestReadErrorIsNoQuarantine(t *testing.T) {
	c := dial(t, index.Options{})
	e, x := &hashed{}, hostile()
	g := generation(t, c, e)
	w := worker(t, g, Options{Embedder: e, Extractor: x})
	for i, want := range []struct {
		item   Item
		reason extract.Reason
	}{
		{Text("bad", "", "BOMB"), extract.ReasonMemory},
		{broken("bad"), ""},
		{broken("bad"), ""},
		{Text("bad", "", "BOMB"), extract.ReasonMemory},
	} {
		s, err := w.Run(t.Context(), Documents([]Item{want.item}))
		if err != nil || s.Failed != 1 || s.Skipped != 0 || s.Failures[0].Reason != want.reason {
			t.Errorf("run %d: %+v, %v", i, s, err)
		}
		r, err := g.Record(t.Context(), "bad")
		if err != nil || r.Reason != string(want.reason) || r.State == index.Quarantined != (want.reason != "") {
			t.Errorf("run %d: record %+v, %v", i, r, err)
		}
	}
}

// What keeps every document from being extracted ends the run and is nobody's
// failure; the next run goes on.
func TestExtractorFault(t *testing.T) {
	c := dial(t, index.Options{})
	e, x := &hashed{}, hostile()
	src := texts("a", "A good document.", "b", "UNPLUGGED")
	if _, err := Build(t.Context(), c, plan(collection(t, c)), src, Options{Embedder: e, Extractor: x}); err == nil || !strings.Contains(err.Error(), "extract b: no parser process") {
		t.Errorf("Build = %v", err)
	}
	g := generation(t, c, e)
	w := worker(t, g, Options{Embedder: e, Extractor: x})
	if _, err := w.Run(t.Context(), src); err == nil || !strings.Contains(err.Error(), "extract b: no parser process") {
		t.Errorf("Run = %v", err)
	}
	if _, err := w.Put(t.Context(), Text("b", "", "UNPLUGGED")); err == nil {
		t.Error("Put did not fail")
	}
	if r, err := g.Record(t.Context(), "b"); !errors.Is(err, index.ErrNoDocument) {
		t.Errorf("a record was made: %+v, %v", r, err)
	}
	x.errs = nil
	if s, err := w.Run(t.Context(), src); err != nil || s.Failed != 0 {
		t.Errorf("afterwards: %+v, %v", s, err)
	}
}

// A new collection reads its source twice, but nobody waits twice for a parser
// that hangs.
func TestBuildTriesOnce(t *testing.T) {
	c := dial(t, index.Options{})
	e, x := &hashed{}, hostile()
	b, err := Build(t.Context(), c, plan(collection(t, c)), texts("good", "A good document.", "bad", "LOOP"), Options{Embedder: e, Extractor: x})
	if err != nil || b.Summary.Indexed != 1 || b.Summary.Quarantined != 1 || b.Summary.Skipped != 0 {
		t.Fatalf("Build = %+v, %v", b.Summary, err)
	}
	if n := x.count("bad"); n != 1 {
		t.Errorf("extracted %d times", n)
	}
	if n := x.count("good"); n != 2 {
		t.Errorf("the good one was extracted %d times, want once to measure and once to index", n)
	}
}

// Some errors quote the document, and a document may be one word.
func TestLongErrorIsCut(t *testing.T) {
	c := dial(t, index.Options{})
	e := &hashed{}
	g := generation(t, c, e)
	w := worker(t, g, Options{Embedder: e, Extractor: &picky{errs: map[string]error{"LONG": fmt.Errorf("%w: <%s>", extract.ErrMalformed, strings.Repeat("é", 1<<20))}}})
	for i := range 2 {
		r, err := w.Put(t.Context(), Text("bad", "", "LONG"))
		if err != nil || len(r.Record.Error) > maxMessageBytes+8 || !strings.HasSuffix(r.Record.Error, "…") || !errors.Is(r.Err, extract.ErrMalformed) {
			t.Errorf("put %d: %d bytes of message, %v", i, len(r.Record.Error), err)
		}
	}
}

// A client that pushes the same bomb again and again gets its error each time,
// and costs nothing.
func TestPutQuarantined(t *testing.T) {
	c := dial(t, index.Options{})
	e, x := &hashed{}, hostile()
	w := worker(t, generation(t, c, e), Options{Embedder: e, Extractor: x})
	for i := range 3 {
		r, err := w.Put(t.Context(), Text("bad", "", "BOMB"))
		if err != nil || r.Outcome != Quarantined || !errors.Is(r.Err, extract.ErrMemory) || r.Record.Doc != text.DocID("bad") {
			t.Errorf("put %d: %+v, %v", i, r, err)
		}
	}
	if n := x.count("bad"); n != 1 {
		t.Errorf("extracted %d times", n)
	}
}
