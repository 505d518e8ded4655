package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ragloop/ragloop/ingest/situate"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/lexical"
	"github.com/ragloop/ragloop/internal/text"
)

// situator writes a line that tells which chunk of which document it saw.
type situator struct{ err map[string]error } // by the beginning of the chunk

func (s situator) Fingerprint() string { return "s1" }

func (s situator) Context(_ context.Context, document string, chunk text.Span) (string, error) {
	at := document[chunk.Start:chunk.End]
	if err := s.err[strings.Fields(at)[0]]; err != nil {
		return "", err
	}
	return fmt.Sprintf("From %d of %d.", chunk.Start, len(document)), nil
}

func situatedPreparer(t *testing.T, s Situator) *preparer {
	t.Helper()
	p, err := newPreparer(index.Recipe{
		Chunker: index.ChunkerRecipe{Strategy: "structure", SizeTokens: 16, Tokenizer: "o200k_base", IndexPrefix: true, Context: "s1"},
		Lexical: lexical.Default(),
	}, Options{Embedder: &hashed{}, Extractor: InProcess{}, Situator: s})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const twoParagraphs = "One paragraph about the first of two things, which is long enough.\n\nTwo is another paragraph, about the other thing, and as long as that."

// The line is indexed and stored with the prefix, and no part of the text.
func TestSituate(t *testing.T) {
	p, err := situatedPreparer(t, situator{}).prepare(t.Context(), Text("d", "Title", twoParagraphs), prior{}, once)
	if err != nil || p.err != nil || len(p.points) < 2 || p.warnings != nil {
		t.Fatalf("prepared %+v, %v", p, err)
	}
	for i, point := range p.points {
		want := fmt.Sprintf("Title\nFrom %d of %d.\n", point.Chunk.Span.Start, len(twoParagraphs))
		if point.Prefix != want || p.texts[i] != want+point.Chunk.Text || strings.Contains(point.Chunk.Text, "From") {
			t.Errorf("chunk %d has the prefix %q and is indexed as %q, want the prefix %q", i, point.Prefix, p.texts[i], want)
		}
	}
}

func TestSituateFails(t *testing.T) {
	item := Text("d", "Title", twoParagraphs)
	unusable := fmt.Errorf("no line: %w", situate.ErrAnswer)
	p, err := situatedPreparer(t, situator{map[string]error{"Two": unusable}}).prepare(t.Context(), item, prior{}, once)
	if err != nil || len(p.warnings) != 1 || !strings.Contains(p.warnings[0], "no usable answer for 1 of ") {
		t.Errorf("an unusable answer: warnings %q, %v; want one with the count", p.warnings, err)
	}
	down := errors.New("down")
	if _, err := situatedPreparer(t, situator{map[string]error{"Two": down}}).prepare(t.Context(), item, prior{}, once); !errors.Is(err, down) {
		t.Errorf("a model that is down: %v, want the run to end with its error", err)
	}
	refused := fmt.Errorf("%w: status 400", situate.ErrRefused)
	p, err = situatedPreparer(t, situator{map[string]error{"Two": refused}}).prepare(t.Context(), item, prior{}, once)
	if err != nil || p.outcome != Failed || p.record.State != index.Failed || !strings.Contains(p.record.Error, "status 400") || len(p.points) != 0 {
		t.Errorf("a chunk that the endpoint refuses: %+v, %v; want a document that failed, and the run to go on", p, err)
	}
	if _, err := situatedPreparer(t, nil).prepare(t.Context(), item, prior{}, once); !errors.Is(err, index.ErrRecipe) {
		t.Errorf("without a model: %v, want ErrRecipe", err)
	}
	other := situatedPreparer(t, situator{})
	other.noSituator = checkSituator(index.Recipe{Chunker: index.ChunkerRecipe{Context: "s2"}}, situator{})
	if _, err := other.prepare(t.Context(), item, prior{}, once); !errors.Is(err, index.ErrRecipe) || !strings.Contains(err.Error(), "s2") {
		t.Errorf("with another model: %v, want ErrRecipe that names both", err)
	}
}

// A chunk without a usable answer is asked about again by the next run, which stores
// what has a line now, and nothing where nothing is gained.
func TestSituateAgain(t *testing.T) {
	c, e := dial(t, index.Options{}), &hashed{}
	plan := Plan{Collection: collection(t, c), Chunker: chunker}
	plan.Chunker.Context = "s1"
	bad := func(err error) Situator { return situator{map[string]error{"Bad": fmt.Errorf("no line: %w", err)}} }
	unusable, away, refused := bad(situate.ErrAnswer), bad(situate.ErrUnavailable), bad(situate.ErrRefused)
	tagged := func(tags ...string) Source {
		item := Text("b", "", "Bad one.")
		item.Tags = tags
		return Documents([]Item{Text("a", "", "Good one."), item})
	}
	for _, step := range []struct {
		name                 string
		s                    Situator
		tags                 []string
		planned              Outcome // of b; "": not looked at
		indexed, replaced    int
		unchanged, warned    int
		embedded, unsituated int
	}{
		{"no answer", unusable, nil, Indexed, 2, 0, 0, 1, 2, 1},
		{"again none", unusable, nil, Replaced, 0, 0, 2, 1, 0, 1},
		{"without the model", nil, nil, Unchanged, 0, 0, 2, 0, 0, 1},
		{"away", away, nil, Replaced, 0, 0, 2, 1, 0, 1},
		{"refused", refused, nil, Replaced, 0, 0, 2, 1, 0, 1},
		{"other labels, and none", unusable, []string{"x"}, Replaced, 0, 1, 1, 1, 0, 1},
		{"other labels, and away", away, []string{"x", "y"}, Replaced, 0, 1, 1, 1, 0, 1},
		{"other labels, and refused", refused, []string{"x"}, Replaced, 0, 1, 1, 1, 0, 1},
		{"well", situator{}, []string{"x"}, Replaced, 0, 1, 1, 0, 1, 0},
		{"nothing left", situator{}, []string{"x"}, Unchanged, 0, 0, 2, 0, 0, 0},
	} {
		o := Options{Embedder: e, Extractor: InProcess{}, Situator: step.s}
		p, err := Look(t.Context(), c, plan, tagged(step.tags...), o)
		if err != nil || len(p.Documents) != 2 || p.Documents[1].Outcome != step.planned {
			t.Errorf("%s: Look = %+v, %v, want b to be %s", step.name, p.Documents, err, step.planned)
		}
		built, err := Build(t.Context(), c, plan, tagged(step.tags...), o)
		sum := built.Summary
		if err != nil || sum.Indexed != step.indexed || sum.Replaced != step.replaced || sum.Unchanged != step.unchanged || len(sum.Warnings) != step.warned || sum.Embedded != step.embedded {
			t.Errorf("%s: Run = %+v, %v, want %+v", step.name, sum, err, step)
		}
		r, err := built.Generation.Record(t.Context(), "b")
		if err != nil || r.Unsituated != step.unsituated || len(r.Tags) != len(step.tags) {
			t.Errorf("%s: the record has %d chunks without a line and tags %q, %v, want %d and %q", step.name, r.Unsituated, r.Tags, err, step.unsituated, step.tags)
		}
	}
}

// A model that is away when it would be asked again is asked once, whatever is stored:
// all of it serves as it is.
func TestSituateAgainAway(t *testing.T) {
	c := dial(t, index.Options{})
	plan := Plan{Collection: collection(t, c), Chunker: chunker}
	plan.Chunker.Context = "s1"
	source := texts("a", "Bad one.", "b", "Bad two.", "c", "Bad three.")
	model := &restarting{situator: situator{map[string]error{"Bad": situate.ErrAnswer}}, answered: map[string]int{}}
	model.answers.Store(3)
	o := Options{Embedder: &hashed{}, Extractor: InProcess{}, Situator: model, Workers: 1}
	o.wait = func(context.Context, time.Duration) error { t.Error("the run waits for the model"); return nil }
	if b, err := Build(t.Context(), c, plan, source, o); err != nil || b.Summary.Indexed != 3 || model.answers.Load() != 0 {
		t.Fatalf("Build = %+v, %v", b.Summary, err)
	}
	b, err := Build(t.Context(), c, plan, source, o)
	if err != nil || b.Summary.Unchanged != 3 || len(b.Summary.Warnings) != 1 || model.answers.Load() != -1 {
		t.Errorf("Build again = %+v, %v after %d requests, want 3 unchanged after 1", b.Summary, err, -model.answers.Load())
	}
}

// A run goes on behind a document that the model's endpoint refuses, and tries it
// again the next time.
func TestSituateRefusedRun(t *testing.T) {
	c, e := dial(t, index.Options{}), &hashed{}
	recipe := fixed(e)
	recipe.Chunker.Context = "s1"
	g, err := c.Create(t.Context(), collection(t, c), recipe)
	if err != nil {
		t.Fatal(err)
	}
	refuses := situator{map[string]error{"Bad": fmt.Errorf("%w: status 400", situate.ErrRefused)}}
	source := texts("a", "Good one.", "b", "Bad one.", "c", "Good, too.")
	for _, want := range []struct {
		s               situator
		indexed, failed int
	}{{refuses, 2, 1}, {refuses, 0, 1}, {situator{}, 1, 0}} {
		sum, err := worker(t, g, Options{Embedder: e, Extractor: InProcess{}, Situator: want.s}).Run(t.Context(), source)
		if err != nil || sum.Indexed != want.indexed || sum.Failed != want.failed || sum.Quarantined != 0 {
			t.Fatalf("Run = %+v, %v, want %d indexed and %d failed", sum, err, want.indexed, want.failed)
		}
		if want.failed == 1 && (sum.Failures[0].Doc != "b" || !strings.Contains(sum.Failures[0].Err.Error(), "status 400")) {
			t.Errorf("failures = %+v, want that of b with its status", sum.Failures)
		}
	}
	// One that concerns every document ends the run.
	_, err = worker(t, g, Options{Embedder: e, Extractor: InProcess{}, Situator: situator{map[string]error{"Bad": errAway}}}).Run(t.Context(), texts("d", "Bad one."))
	if !errors.Is(err, errAway) {
		t.Errorf("Run = %v, want %v", err, errAway)
	}
}

// restarting is a model that goes away after some answers.
type restarting struct {
	situator
	answers atomic.Int32 // before it goes
	back    atomic.Bool

	mu       sync.Mutex
	answered map[string]int // by chunk
}

func (m *restarting) Context(ctx context.Context, document string, chunk text.Span) (string, error) {
	if m.answers.Add(-1) < 0 && !m.back.Load() {
		return "", fmt.Errorf("%w: status 503", situate.ErrUnavailable)
	}
	m.mu.Lock()
	m.answered[document[chunk.Start:chunk.End]]++
	m.mu.Unlock()
	return m.situator.Context(ctx, document, chunk)
}

// A model that is away costs waits, one after the other for all documents that are
// prepared beside each other; what it answered before is not asked for again. Waiting
// has an end, and a stop ends it.
func TestModelOutage(t *testing.T) {
	var source []string
	for i := range 8 {
		source = append(source, fmt.Sprint("d", i), fmt.Sprintf("Document %d.\n\n%s", i, manyParagraphs))
	}
	for name, tt := range map[string]struct {
		backAfter int // waits; 0: for ever
		stopAfter int // waits; 0: never
		waits     int
		want      []error
	}{
		"returns":  {backAfter: 3, waits: 3},
		"for ever": {waits: 9, want: []error{situate.ErrUnavailable}},
		"stopped":  {stopAfter: 2, waits: 2, want: []error{ErrInterrupted}},
	} {
		c, e := dial(t, index.Options{InMemory: true}), &hashed{}
		recipe := fixed(e)
		recipe.Chunker.Context = "s1"
		g, err := c.Create(t.Context(), collection(t, c), recipe)
		if err != nil {
			t.Fatal(err)
		}
		model := &restarting{answered: map[string]int{}}
		model.answers.Store(30)
		stop := make(chan struct{})
		var waits, told []time.Duration
		o := Options{Embedder: e, Extractor: InProcess{}, Situator: model, Workers: 3, Stop: stop}
		o.wait = func(ctx context.Context, d time.Duration) error {
			waits = append(waits, d)
			switch len(waits) {
			case tt.backAfter:
				model.back.Store(true)
			case tt.stopAfter:
				close(stop)
				<-ctx.Done()
			}
			return ctx.Err()
		}
		o.OnEvent = func(e Event) {
			if e.Outage != nil {
				told = append(told, e.Wait)
			}
		}
		w := worker(t, g, o)
		sum, err := w.Run(t.Context(), texts(source...))
		for _, want := range tt.want {
			if !errors.Is(err, want) {
				t.Errorf("%s: Run = %v, want %v", name, err, want)
			}
		}
		if tt.want == nil && (err != nil || sum.Indexed != 8) {
			t.Errorf("%s: Run = %+v, %v, want 8 documents indexed", name, sum, err)
		}
		if len(waits) != tt.waits || waits[0] != firstWait || !slices.Equal(told, waits) {
			t.Errorf("%s: waits %v, told %v; want %d", name, waits, told, tt.waits)
		}
		for chunk, n := range model.answered {
			if most := strings.Count(strings.Join(source, ""), chunk); n > most {
				t.Errorf("%s: %q was asked about %d times, want %d at most", name, chunk, n, most)
			}
		}
		if tt.backAfter > 0 {
			continue
		}
		// Who puts a single document can try again himself.
		waits = nil
		if _, err := w.Put(t.Context(), Text("a", "", "One.")); !errors.Is(err, situate.ErrUnavailable) || waits != nil {
			t.Errorf("%s: Put = %v after %v", name, err, waits)
		}
	}
}

// staged is a model that answers once for each value of answers, and does not wait
// for one to fail.
type staged struct {
	situator
	fails   int // the start of the chunk that it fails; -1: none
	answers chan struct{}
	began   chan int // the start of each chunk that it is asked about
}

func newStaged(fails int) staged {
	return staged{fails: fails, answers: make(chan struct{}, 1), began: make(chan int, 100)}
}

var errAway = errors.New("away")

func (s staged) Context(ctx context.Context, document string, chunk text.Span) (string, error) {
	s.began <- chunk.Start
	if chunk.Start == s.fails {
		return "", errAway
	}
	select {
	case <-s.answers:
		return s.situator.Context(ctx, document, chunk)
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

var manyParagraphs = strings.Repeat(twoParagraphs+"\n\n", 20)

// The first error ends the requests about the other chunks of a document, that about
// the first chunk all of them.
func TestSituateEndsWithTheFirstError(t *testing.T) {
	second := strings.Index(manyParagraphs, "Two is")
	for fails, most := range map[int]int{0: 1, second: 1 + situatedAtOnce} {
		model := newStaged(fails)
		model.answers <- struct{}{}
		_, err := situatedPreparer(t, model).prepare(t.Context(), Text("d", "Title", manyParagraphs), prior{}, once)
		if !errors.Is(err, errAway) {
			t.Errorf("error %v, want %v", err, errAway)
		}
		if n := len(model.began); n > most {
			t.Errorf("the model, which fails the chunk at %d, was asked about %d chunks, want at most %d", fails, n, most)
		}
	}
}

// The first chunk of a document is asked about alone, the others together.
func TestSituateFirstAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		model := newStaged(-1)
		p := situatedPreparer(t, model)
		done := make(chan error)
		go func() {
			prepared, err := p.prepare(t.Context(), Text("d", "Title", manyParagraphs), prior{}, once)
			for i, point := range prepared.points {
				if want := fmt.Sprintf("Title\nFrom %d of %d.\n", point.Chunk.Span.Start, len(manyParagraphs)); point.Prefix != want {
					t.Errorf("chunk %d has the prefix %q, want %q", i, point.Prefix, want)
				}
			}
			done <- err
		}()
		synctest.Wait()
		if n := len(model.began); n != 1 {
			t.Errorf("%d chunks are asked about before there is an answer, want 1", n)
		}
		model.answers <- struct{}{}
		synctest.Wait()
		if n := len(model.began); n != 1+situatedAtOnce {
			t.Errorf("%d chunks are asked about after the first answer, want %d", n, 1+situatedAtOnce)
		}
		close(model.answers)
		if err := <-done; err != nil {
			t.Error(err)
		}
		if at := <-model.began; at != 0 {
			t.Errorf("the chunk at %d is asked about first, want that at 0", at)
		}
	})
}
