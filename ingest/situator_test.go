package ingest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

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
	p, err := situatedPreparer(t, situator{}).prepare(t.Context(), Text("d", "Title", twoParagraphs), prior{})
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
	p, err := situatedPreparer(t, situator{map[string]error{"Two": unusable}}).prepare(t.Context(), item, prior{})
	if err != nil || len(p.warnings) != 1 || !strings.Contains(p.warnings[0], "no usable answer for 1 of ") {
		t.Errorf("an unusable answer: warnings %q, %v; want one with the count", p.warnings, err)
	}
	down := errors.New("down")
	if _, err := situatedPreparer(t, situator{map[string]error{"Two": down}}).prepare(t.Context(), item, prior{}); !errors.Is(err, down) {
		t.Errorf("a model that is down: %v, want the run to end with its error", err)
	}
	refused := fmt.Errorf("%w: status 400", situate.ErrRefused)
	p, err = situatedPreparer(t, situator{map[string]error{"Two": refused}}).prepare(t.Context(), item, prior{})
	if err != nil || p.outcome != Failed || p.record.State != index.Failed || !strings.Contains(p.record.Error, "status 400") || len(p.points) != 0 {
		t.Errorf("a chunk that the endpoint refuses: %+v, %v; want a document that failed, and the run to go on", p, err)
	}
	if _, err := situatedPreparer(t, nil).prepare(t.Context(), item, prior{}); !errors.Is(err, index.ErrRecipe) {
		t.Errorf("without a model: %v, want ErrRecipe", err)
	}
	other := situatedPreparer(t, situator{})
	other.noSituator = checkSituator(index.Recipe{Chunker: index.ChunkerRecipe{Context: "s2"}}, situator{})
	if _, err := other.prepare(t.Context(), item, prior{}); !errors.Is(err, index.ErrRecipe) || !strings.Contains(err.Error(), "s2") {
		t.Errorf("with another model: %v, want ErrRecipe that names both", err)
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
		_, err := situatedPreparer(t, model).prepare(t.Context(), Text("d", "Title", manyParagraphs), prior{})
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
			prepared, err := p.prepare(t.Context(), Text("d", "Title", manyParagraphs), prior{})
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
