package convert

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/internal/embed"
	"github.com/ragloop/ragloop/internal/embed/modelfile"
	"github.com/ragloop/ragloop/internal/simd"
)

// built converts a folder.
func built(t testing.TB, dir string, o Options) (*Source, []byte) {
	t.Helper()
	s, err := Read(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	data, _, err := s.Build()
	if err != nil {
		t.Fatal(err)
	}
	return s, data
}

// expected is what testdata/make.py computed with code of its own.
type expected struct {
	Embedding []struct {
		Task, Text string
		Vector     []float32
	}
	CrossEncoder []struct {
		Query, Passage string
		Score          float64
	} `json:"cross_encoder"`
}

func readExpected(t *testing.T) expected {
	t.Helper()
	raw, err := os.ReadFile("testdata/expected.json")
	if err != nil {
		t.Fatal(err)
	}
	var e expected
	if err := json.Unmarshal(raw, &e); err != nil {
		t.Fatal(err)
	}
	return e
}

// TestEmbeddingOracle: the reference equals what numpy computed, and the model
// file comes near it.
func TestEmbeddingOracle(t *testing.T) {
	s, data := built(t, "testdata/embedding", Options{})
	want := modelfile.Header{
		Name: "embedding", License: "cc0-1.0", Source: "embedding", SourceSHA256: s.Header.SourceSHA256,
		Architecture: modelfile.Architecture{
			Type: "bert", Layers: 2, Hidden: 64, Heads: 4, Intermediate: 64, MaxTokens: 48, LayerNormEps: 1e-12,
			Activation: "gelu_erf", Pooling: "mean", Normalization: "l2", Tokenizer: "wordpiece", QueryPrefix: "query: ",
			WordPiece: &modelfile.WordPiece{HandleChineseChars: true},
		},
	}
	if diff := cmp.Diff(want, s.Header); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}
	r, err := s.Reference()
	if err != nil {
		t.Fatal(err)
	}
	e, err := embed.New(data)
	if err != nil {
		t.Fatal(err)
	}
	prefix := map[string]string{"query": "query: "}
	for _, c := range readExpected(t).Embedding {
		got, err := r.Embed(prefix[c.Task] + c.Text)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range got {
			if math.Abs(float64(v-c.Vector[i])) > 1e-6 {
				t.Errorf("%q: component %d of the reference = %v, want %v", c.Text, i, v, c.Vector[i])
				break
			}
		}
		task, err := embed.ParseTask(c.Task)
		if err != nil {
			t.Fatal(err)
		}
		vectors, err := e.Embed(t.Context(), task, []string{c.Text})
		if err != nil {
			t.Fatal(err)
		}
		if got := cosine(vectors[0], c.Vector); got < 0.999 {
			t.Errorf("%q: cosine of the model file's vector = %.5f, want at least 0.999", c.Text, got)
		}
	}
}

func TestCrossEncoderOracle(t *testing.T) {
	s, data := built(t, "testdata/crossencoder", Options{Name: "tiny"})
	a := s.Header.Architecture
	if a.Head != modelfile.CrossEncoder || a.Pooling != "cls" || a.Normalization != "none" || a.Tokenizer != "wordpiece_uncased" || a.WordPiece != nil {
		t.Errorf("architecture = %+v", a)
	}
	r, err := s.Reference()
	if err != nil {
		t.Fatal(err)
	}
	c, err := embed.NewCrossEncoder(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range readExpected(t).CrossEncoder {
		if got := float64(r.Score(p.Query, p.Passage)); math.Abs(got-p.Score) > 1e-5 {
			t.Errorf("%q, %q: score of the reference = %v, want %v", p.Query, p.Passage, got, p.Score)
		}
		got, err := c.Score(t.Context(), p.Query, []string{p.Passage})
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(float64(got[0])-p.Score) > 0.05 {
			t.Errorf("%q, %q: score = %v, want nearly %v", p.Query, p.Passage, got[0], p.Score)
		}
	}
	if _, err := embed.New(data); !errors.Is(err, modelfile.ErrUnsupported) || !strings.Contains(err.Error(), "an embedding model is needed") {
		t.Errorf("New of a cross-encoder = %v", err)
	}
	d, err := s.CheckCrossEncoder(t.Context(), c, []string{"heat", "the pump"}, []string{"valve", "the heat is cold", ""})
	if err != nil || d.Texts != 6 || !(d.Score > 0 && d.Score < 0.05) || !(d.Spread > d.Score) {
		t.Errorf("CheckCrossEncoder = %+v, %v", d, err)
	}
	if _, err := s.CheckEmbedder(t.Context(), nil, nil, nil); err == nil {
		t.Error("CheckEmbedder of a cross-encoder did not fail")
	}
}

// TestShapes converts random models of other shapes and compares with the
// reference.
func TestShapes(t *testing.T) {
	queries, passages := []string{"the pump", "valve ?"}, []string{"", "the valve opens when the heat is cold .", strings.Repeat("pump ", 30)}
	for name, m := range map[string]folder{
		"two heads of 32, cls":          {layers: 2, hidden: 64, heads: 2, inner: 96, dtype: "F32", pooling: "cls"},
		"six heads of 16, mean, cased":  {layers: 3, hidden: 96, heads: 6, inner: 64, dtype: "F16", pooling: "mean", cased: true},
		"one head of 128, a 0. prefix":  {layers: 1, hidden: 128, heads: 1, inner: 32, dtype: "BF16", pooling: "mean", prefix: "0.auto_model."},
		"bert. prefix, in three shards": {layers: 1, hidden: 32, heads: 1, inner: 32, dtype: "F32", pooling: "cls", prefix: "bert.", shards: 3},
	} {
		dir := m.write(t)
		s, data := built(t, dir, Options{})
		e, err := embed.New(data)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		d, err := s.CheckEmbedder(t.Context(), e, queries, passages)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if d.Queries < 0.999 || d.Passages < 0.997 || d.Queries == 1 || d.Texts != 5 {
			t.Errorf("%s: %+v, want cosines of at least 0.999 and 0.997", name, d)
		}
		if got := e.Info(); got.Dimension != m.hidden || got.MaxTokens != folderPositions || got.Name != filepath.Base(dir)+" (int8)" {
			t.Errorf("%s: Info() = %+v", name, got)
		}
		if _, again := built(t, dir, Options{}); !bytes.Equal(data, again) {
			t.Errorf("%s: a second conversion gave other bytes", name)
		}
	}
}

func TestCheckEmbedderErrors(t *testing.T) {
	s, _ := built(t, "testdata/embedding", Options{})
	_, other := built(t, (&folder{layers: 1, hidden: 32, heads: 1, inner: 32, dtype: "F32", pooling: "cls"}).write(t), Options{})
	e, err := embed.New(other)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.CheckEmbedder(t.Context(), e, []string{"a"}, nil); err == nil || !strings.Contains(err.Error(), "32 dimensions, those of the folder 64") {
		t.Errorf("CheckEmbedder with a model of another dimension = %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.CheckCrossEncoder(ctx, nil, nil, nil); err == nil {
		t.Error("CheckCrossEncoder of an embedding model did not fail")
	}
}

func TestOptions(t *testing.T) {
	ask, doc := "ask: ", "doc: "
	s, data := built(t, "testdata/embedding", Options{
		Name: "other", License: "MIT", Origin: "elsewhere", Pooling: "cls", QueryPrefix: &ask, PassagePrefix: &doc, MaxTokens: 20,
	})
	a := s.Header.Architecture
	if h := s.Header; h.Name != "other" || h.License != "MIT" || h.Source != "elsewhere" || a.Pooling != "cls" || a.QueryPrefix != ask || a.PassagePrefix != doc || a.MaxTokens != 20 {
		t.Errorf("header = %+v", s.Header)
	}
	if _, err := embed.New(data); err != nil {
		t.Error(err)
	}
}

// TestCommittedModel converts the original weights again, if they are there, and
// compares with the file in the repository.
func TestCommittedModel(t *testing.T) {
	data := os.Getenv("RAGLOOP_DATA")
	if data == "" {
		t.Skip("RAGLOOP_DATA is not set")
	}
	if testing.Short() || simd.Kernel() == "portable" {
		t.Skip("calibrating takes half a minute, and gives the same bits on vector kernels only")
	}
	instruction := "Represent this sentence for searching relevant passages: "
	_, got := built(t, filepath.Join(data, "../model/bge-small-en-v1.5"), Options{
		License: "MIT", Origin: "BAAI/bge-small-en-v1.5", Pooling: "cls", QueryPrefix: &instruction,
	})
	want, err := os.ReadFile("../bge-small-en-v1.5.model")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("the conversion gives another file than the committed one")
	}
}

func TestLargest(t *testing.T) {
	for _, c := range []struct {
		values []float64
		n      int
		want   []int
	}{
		{[]float64{1, 5, 3, 5, 2}, 2, []int{1, 3}},
		{[]float64{1, 5, 3, 5, 2}, 3, []int{1, 2, 3}},
		{[]float64{2, 2, 2}, 2, []int{0, 1}},
		{[]float64{1}, 4, []int{0}},
	} {
		if got := largest(c.values, c.n); !slices.Equal(got, c.want) {
			t.Errorf("largest(%v, %d) = %v, want %v", c.values, c.n, got, c.want)
		}
	}
}
