package embed_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ragloop/ragloop/internal/embed"
	"github.com/ragloop/ragloop/internal/embed/convert"
	"github.com/ragloop/ragloop/internal/embed/modelfile"
)

// modelFile converts a folder of convert's test data and returns the file's path.
func modelFile(t *testing.T, folder string, o convert.Options) string {
	t.Helper()
	s, err := convert.Read(filepath.Join("convert/testdata", folder), o)
	if err != nil {
		t.Fatal(err)
	}
	data, _, err := s.Build()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), folder+".model")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func crossEncoder(t *testing.T) *embed.CrossEncoder {
	t.Helper()
	c, err := embed.LoadCrossEncoder(modelFile(t, "crossencoder", convert.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestScoreIndependence checks that a score depends on its pair only: not on
// the other passages, their order or number, or other calls at the same time.
func TestScoreIndependence(t *testing.T) {
	c := crossEncoder(t)
	passages := []string{"", "the valve opens .", "heat", "THE VALVE OPENS .", strings.Repeat("pump ", 100), strings.Repeat("pump ", 200), "heat", "\xff"}
	const query = "when is the pump cold ?"
	var alone []float32
	for _, p := range passages {
		scores, err := c.Score(t.Context(), query, []string{p})
		if err != nil || len(scores) != 1 {
			t.Fatalf("Score = %v, %v", scores, err)
		}
		alone = append(alone, scores[0])
	}
	if alone[1] != alone[3] || alone[4] != alone[5] || alone[2] != alone[6] || alone[0] != alone[7] {
		t.Errorf("scores %v: want case, the text behind the window and invalid UTF-8 to make no difference", alone)
	}
	if alone[0] == alone[1] || alone[1] == alone[2] {
		t.Errorf("scores %v do not tell passages apart", alone)
	}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if got, err := c.Score(t.Context(), query, passages); err != nil || !slices.Equal(got, alone) {
				t.Errorf("together: %v (%v), alone: %v", got, err, alone)
			}
		})
	}
	wg.Wait()
	if got, err := c.Score(t.Context(), "heat", passages[:2]); err != nil || got[1] == alone[1] {
		t.Errorf("another query: %v, %v, want other scores than %v", got, err, alone[:2])
	}
	if got, err := c.Score(t.Context(), query, nil); err != nil || len(got) != 0 {
		t.Errorf("Score of nothing = %v, %v", got, err)
	}
}

func TestScoreCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := crossEncoder(t).Score(ctx, "pump", []string{"a", "b"}); !errors.Is(err, context.Canceled) || got != nil {
		t.Errorf("Score = %v, %v, want %v alone", got, err, context.Canceled)
	}
}

// TestPassagePrefix: what the instruction takes is not part of the window that
// chunks are fitted to.
func TestPassagePrefix(t *testing.T) {
	prefix := "the pump : "
	e, err := embed.Load(modelFile(t, "embedding", convert.Options{PassagePrefix: &prefix}))
	if err != nil {
		t.Fatal(err)
	}
	if got := e.Info().MaxTokens; got != 45 {
		t.Fatalf("MaxTokens = %d, want 45: 48 less 3", got)
	}
	full := strings.TrimSpace(strings.Repeat("valve ", 43))
	if n := e.CountTokens(full); n != 45 {
		t.Fatalf("CountTokens = %d, want 45", n)
	}
	vectors, err := e.Embed(t.Context(), embed.Passage, []string{full + " opens", full, strings.TrimSuffix(full, " valve")})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(vectors[0], vectors[1]) || slices.Equal(vectors[1], vectors[2]) {
		t.Error("the window does not end where MaxTokens says")
	}
	long := strings.Repeat("pump ", 60)
	for _, o := range []convert.Options{{PassagePrefix: &long}, {QueryPrefix: &long}} {
		_, err := embed.Load(modelFile(t, "embedding", o))
		if !errors.Is(err, modelfile.ErrUnsupported) || !strings.Contains(err.Error(), "leaves no room in the window of 48") {
			t.Errorf("a prefix as long as the window: %v", err)
		}
	}
}

func TestLoadErrors(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.model")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	vectors := modelFile(t, "embedding", convert.Options{})
	for path, want := range map[string]struct {
		is   error
		text string
	}{
		empty:        {modelfile.ErrCorrupt, "0 bytes"},
		t.TempDir():  {nil, "it is no regular file"},
		vectors:      {modelfile.ErrUnsupported, "it is an embedding model; a cross-encoder is needed"},
		"none.model": {os.ErrNotExist, ""},
	} {
		_, err := embed.LoadCrossEncoder(path)
		if err == nil || want.is != nil && !errors.Is(err, want.is) || !strings.Contains(err.Error(), want.text) || !strings.Contains(err.Error(), path) {
			t.Errorf("LoadCrossEncoder(%s) = %v, want %v with %q", path, err, want.is, want.text)
		}
	}
	if _, f, err := embed.ReadModel(vectors); err != nil || f.Header.Architecture.Hidden != 64 || f.Parameters() != 143*64+48*64+2*64+2*64+2*(4*(64*64+64)+2*(64*64+64)+4*64) {
		t.Errorf("ReadModel = %+v, %v", f, err)
	}
}
