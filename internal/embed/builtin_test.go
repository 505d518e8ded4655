package embed

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ragloop/ragloop/internal/embed/bert"
	"github.com/ragloop/ragloop/internal/embed/modelfile"
	"github.com/ragloop/ragloop/internal/simd"
)

// builtin loads the model once for all tests that do not change GOMAXPROCS.
var builtin = sync.OnceValues(NewBuiltin)

func newBuiltin(t testing.TB) *Builtin {
	t.Helper()
	b, err := builtin()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

type golden struct {
	Name, Text string
	IDs        []int32
	Embedding  []float32
}

// goldens returns texts with the vectors of the original model; README.md says
// where they come from.
func goldens(t testing.TB) []golden {
	t.Helper()
	out, err := readGoldens()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func readGoldens() ([]golden, error) {
	path := "testdata/golden.jsonl"
	if dir := os.Getenv("RAGLOOP_DATA"); dir != "" {
		path = dir + "/../model/bge-small-en-v1.5/golden.jsonl"
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var out []golden
	for dec := json.NewDecoder(bufio.NewReader(file)); ; {
		var g golden
		if err := dec.Decode(&g); err == io.EOF {
			return out, nil
		} else if err != nil {
			return nil, err
		}
		out = append(out, g)
	}
}

// tokenise returns the ids that b computes.
func (b *Builtin) tokenise(prefix, text string) []int32 {
	return b.tokenizer.AppendWindow(nil, b.info.MaxTokens, prefix, text)
}

func cosine(a, b []float32) float64 {
	var ab, aa, bb float64
	for i := range a {
		ab += float64(a[i]) * float64(b[i])
		aa += float64(a[i]) * float64(a[i])
		bb += float64(b[i]) * float64(b[i])
	}
	return ab / math.Sqrt(aa*bb)
}

// TestGolden compares with the original float32 model, every text on its own.
func TestGolden(t *testing.T) {
	b := newBuiltin(t)
	least := map[bert.Precision]float64{bert.Int16Activations: 0.9996, bert.Int8Activations: 0.999}
	var w bert.Workspace
	worst := map[bert.Precision]float64{bert.Int16Activations: 1, bert.Int8Activations: 1}
	for _, g := range goldens(t) {
		if simd.Kernel() == "portable" && len(g.IDs) > 24 {
			continue // a long one takes seconds
		}
		// Special names are text here and special ids in the reference.
		if ids := b.tokenise("", g.Text); g.Name != "special_tokens" && !slices.Equal(ids, g.IDs) {
			t.Errorf("%s: ids = %v, want %v", g.Name, ids, g.IDs)
		}
		for p, least := range least {
			got := make([]float32, len(g.Embedding))
			if err := b.model.Encode(got, g.IDs, p, &w); err != nil {
				t.Fatalf("%s: %v", g.Name, err)
			}
			c := cosine(got, g.Embedding)
			worst[p] = min(worst[p], c)
			if c < least {
				t.Errorf("%s: precision %d: cosine = %.6f, want ≥ %v", g.Name, p, c, least)
			}
		}
	}
	t.Logf("least cosine: int16 activations %.6f, int8 activations %.6f", worst[bert.Int16Activations], worst[bert.Int8Activations])
}

// TestSpecialNames shows what the difference to the reference tokenizer is for.
func TestSpecialNames(t *testing.T) {
	b := newBuiltin(t)
	ids := b.tokenise("", "ignore [SEP] this [MASK]")
	for _, special := range []int32{101, 102, 103, 0} {
		if slices.Contains(ids[1:len(ids)-1], special) {
			t.Errorf("ids %v of a text have the special id %d inside", ids, special)
		}
	}
}

func embedAll(t *testing.T, e Embedder, task Task, texts ...string) [][]float32 {
	t.Helper()
	v, err := e.Embed(context.Background(), task, texts)
	if err != nil {
		t.Fatal(err)
	}
	if len(v) != len(texts) {
		t.Fatalf("Embed of %d texts gave %d vectors", len(texts), len(v))
	}
	for i, x := range v {
		var squares float64
		for _, c := range x {
			squares += float64(c) * float64(c)
		}
		if len(x) != e.Info().Dimension || !(math.Abs(squares-1) < 1e-5) {
			t.Fatalf("vector %d has %d components and squared length %v, want %d and 1", i, len(x), squares, e.Info().Dimension)
		}
	}
	return v
}

func TestTasks(t *testing.T) {
	b := newBuiltin(t)
	const text = "how do I rotate the API key?"
	const instruction = "Represent this sentence for searching relevant passages: "
	query := embedAll(t, b, Query, text)[0]
	if raw := embedAll(t, b, Raw, instruction+text)[0]; !slices.Equal(query, raw) {
		t.Error("a query is not the raw text with the instruction in front")
	}
	raw, passage := embedAll(t, b, Raw, text)[0], embedAll(t, b, Passage, text)[0]
	if c := cosine(raw, passage); c < 0.999 || slices.Equal(raw, passage) {
		t.Errorf("cosine of passage and raw text = %v, want nearly but not exactly 1", c)
	}
	if _, err := b.Embed(context.Background(), 7, []string{text}); err == nil || !strings.Contains(err.Error(), "Task(7)") {
		t.Errorf("Embed with an unknown task = %v", err)
	}
}

// TestIndependence checks that a vector depends on its text only: not on the
// others of the call, their order or number, the threads, or the process's past.
func TestIndependence(t *testing.T) {
	texts := []string{
		"", "pump", "The valve opens at 3.5 bar.", strings.Repeat("long words follow each other ", 9),
		"pump", "Überprüfung der Ventile", strings.Repeat("x ", 21), "a\nb",
	}
	b := newBuiltin(t)
	for _, task := range []Task{Passage, Query} {
		want := make([][]float32, len(texts))
		for i, text := range texts {
			want[i] = embedAll(t, b, task, text)[0]
		}
		check := func(what string, e Embedder) {
			got, err := e.Embed(context.Background(), task, texts)
			if err != nil || len(got) != len(want) {
				t.Errorf("%s, %s: %d vectors, %v", what, task, len(got), err)
				return
			}
			for i, v := range got {
				if !slices.Equal(v, want[i]) {
					t.Errorf("%s, %s %d: the vector differs from that of the text alone", what, task, i)
				}
			}
		}
		check("together", b)
		many := &Builtin{model: b.model, tokenizer: b.tokenizer, info: b.info}
		many.scheduler.slots.limit = func() int { return 5 }
		check("five threads", many)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { check("three calls at once", b) })
		}
		wg.Wait()
	}
}

func TestWindow(t *testing.T) {
	b := newBuiltin(t)
	long := strings.Repeat("pump ", 600)
	if got := b.CountTokens(long); got != 602 {
		t.Errorf("CountTokens = %d, want 602, before truncation", got)
	}
	ids := b.tokenise("", long)
	if len(ids) != 512 || ids[511] != 102 {
		t.Errorf("%d ids ending with %d, want 512 ending with [SEP]", len(ids), ids[len(ids)-1])
	}
	if got := b.CountTokens(""); got != 2 {
		t.Errorf("CountTokens of the empty text = %d, want 2", got)
	}
	if simd.Kernel() == "portable" {
		t.Skip("vectors of 512 tokens take seconds")
	}
	v := embedAll(t, b, Passage, long, strings.Repeat("pump ", 510))
	if !slices.Equal(v[0], v[1]) {
		t.Error("what is behind the window changes the vector")
	}
}

func TestInvalidText(t *testing.T) {
	v := embedAll(t, newBuiltin(t), Passage, "pump", "pu\xffmp\xc3", "p\u200bum\x00p")
	if !slices.Equal(v[0], v[1]) || !slices.Equal(v[0], v[2]) {
		t.Error("invalid UTF-8 and control characters are not ignored")
	}
}

// countdown is a context that ends after it was asked n times.
type countdown struct {
	context.Context
	mu sync.Mutex
	n  int
}

func (c *countdown) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n--; c.n < 0 {
		return context.Canceled
	}
	return nil
}

func TestCancel(t *testing.T) {
	b := newBuiltin(t)
	texts := slices.Repeat([]string{"pump"}, 9)
	want := embedAll(t, b, Passage, "pump")[0]
	for _, n := range []int{0, 1, 4} {
		got, err := b.Embed(&countdown{Context: context.Background(), n: n}, Passage, texts)
		if !errors.Is(err, context.Canceled) || len(got) > n {
			t.Fatalf("Embed cancelled after %d texts = %d vectors, %v", n, len(got), err)
		}
		for i, v := range got {
			if !slices.Equal(v, want) {
				t.Errorf("cancelled after %d texts: vector %d of the prefix is wrong", n, i)
			}
		}
	}
	if got, err := b.Embed(context.Background(), Passage, nil); len(got) != 0 || err != nil {
		t.Errorf("Embed of nothing = %v, %v", got, err)
	}
}

func TestInfo(t *testing.T) {
	got := newBuiltin(t).Info()
	if got.Name != "bge-small-en-v1.5 (int8)" || got.Dimension != 384 || got.MaxTokens != 512 {
		t.Errorf("Info() = %+v", got)
	}
	// This is a promise to every index and cache: change it only with the vectors.
	const want = "builtin/468f00767a622f10720b02eaa365712f/3"
	if got.Fingerprint != want {
		t.Errorf("fingerprint = %q, want %q", got.Fingerprint, want)
	}
}

// TestBuiltinIsIntact checks once what NewBuiltin trusts.
func TestBuiltinIsIntact(t *testing.T) {
	if _, err := modelfile.Parse([]byte(builtinModel)); err != nil {
		t.Error(err)
	}
}

func TestLoad(t *testing.T) {
	b, err := Load("bge-small-en-v1.5.model")
	if err != nil {
		t.Fatal(err)
	}
	if b.Info() != newBuiltin(t).Info() {
		t.Errorf("Load gives %+v, the builtin model is %+v", b.Info(), newBuiltin(t).Info())
	}
	if _, err := Load("testdata/none.model"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Load of a missing file = %v", err)
	}
	damaged := []byte(builtinModel)
	damaged[len(damaged)/2] ^= 0x10
	path := filepath.Join(t.TempDir(), "damaged.model")
	if err := os.WriteFile(path, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); !errors.Is(err, modelfile.ErrCorrupt) || !strings.Contains(err.Error(), path) {
		t.Errorf("Load of a damaged file = %v, want %v and its path", err, modelfile.ErrCorrupt)
	}
	if _, err := Load("README.md"); !errors.Is(err, modelfile.ErrUnsupported) {
		t.Errorf("Load of a text file = %v, want %v", err, modelfile.ErrUnsupported)
	}
}

// TestNewTokenizer checks what New adds to the checks of bert.New.
func TestNewTokenizer(t *testing.T) {
	for name, c := range map[string]struct {
		tokenizer, vocabulary, text string
	}{
		"tokenizer":     {"sentencepiece", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n", "tokenizer is"},
		"vocabulary":    {"wordpiece_uncased", "one\n", "lacks [UNK]"},
		"no vocabulary": {"wordpiece_uncased", "", "vocab.txt"},
	} {
		var b modelfile.Builder
		if c.vocabulary != "" {
			b.AddBlob("vocab.txt", []byte(c.vocabulary))
		}
		data, err := b.Bytes(modelfile.Header{Architecture: modelfile.Architecture{Tokenizer: c.tokenizer}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := New(data); !errors.Is(err, modelfile.ErrUnsupported) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: New = %v, want %v with %q", name, err, modelfile.ErrUnsupported, c.text)
		}
	}
}

func TestParseTask(t *testing.T) {
	for _, task := range []Task{Passage, Query, Raw} {
		if got, err := ParseTask(task.String()); got != task || err != nil {
			t.Errorf("ParseTask(%q) = %v, %v", task.String(), got, err)
		}
	}
	if _, err := ParseTask("document"); err == nil || !strings.Contains(err.Error(), `"document"`) || !strings.Contains(err.Error(), "passage") {
		t.Errorf("ParseTask of an unknown name = %v", err)
	}
}
