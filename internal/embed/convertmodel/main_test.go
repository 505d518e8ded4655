package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ragloop/ragloop/internal/embed/bert"
	"github.com/ragloop/ragloop/internal/embed/modelfile"
)

const vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\none\ntwo\n##s\n"

const tinyConfig = `{"model_type":"bert","hidden_size":64,"num_hidden_layers":1,"num_attention_heads":2,
	"intermediate_size":64,"max_position_embeddings":16,"vocab_size":8,"layer_norm_eps":1e-12,"hidden_act":"gelu"}`

// folder writes a tiny model and returns its folder and its weights. Weights
// are representable as F16, or not with dtype F32.
func folder(t *testing.T, dtype string) (string, map[string][]float32) {
	t.Helper()
	shapes := map[string][]int{
		"embeddings.word_embeddings.weight":       {8, 64},
		"embeddings.position_embeddings.weight":   {16, 64},
		"embeddings.token_type_embeddings.weight": {2, 64},
	}
	norms := []string{"embeddings.LayerNorm"}
	for _, name := range []string{"attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense", "intermediate.dense", "output.dense"} {
		shapes["encoder.layer.0."+name+".weight"] = []int{64, 64}
		shapes["encoder.layer.0."+name+".bias"] = []int{64}
	}
	for _, name := range append(norms, "encoder.layer.0.attention.output.LayerNorm", "encoder.layer.0.output.LayerNorm") {
		shapes[name+".weight"], shapes[name+".bias"] = []int{64}, []int{64}
	}
	names := make([]string, 0, len(shapes))
	for name := range shapes {
		names = append(names, name)
	}
	slices.Sort(names)
	r := rand.New(rand.NewPCG(3, 4))
	entries := map[string]any{"__metadata__": map[string]string{"format": "pt"}}
	weights := make(map[string][]float32)
	var payload []byte
	for _, name := range names {
		n := 1
		for _, d := range shapes[name] {
			n *= d
		}
		start := len(payload)
		for i := range n {
			v := float32(r.NormFloat64() * 0.05)
			if i%7 == 0 {
				v = float32(r.IntN(1024)) * 0x1p-24 // subnormal as F16
			}
			if dtype == "F16" {
				bits := math.Float32bits(v) &^ 0x1fff // 10 bits of mantissa
				if math.Abs(float64(v)) < 0x1p-14 {
					bits = math.Float32bits(v)
				}
				h, exact := modelfile.FloatToHalf(math.Float32frombits(bits))
				if !exact {
					h = 0
				}
				v = modelfile.HalfToFloat(h)
				payload = binary.LittleEndian.AppendUint16(payload, h)
			} else {
				payload = binary.LittleEndian.AppendUint32(payload, math.Float32bits(v))
			}
			weights[name] = append(weights[name], v)
		}
		entries[name] = map[string]any{"dtype": dtype, "shape": shapes[name], "data_offsets": []int{start, len(payload)}}
	}
	header, err := json.Marshal(entries)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, dir, "model.safetensors", string(binary.LittleEndian.AppendUint64(nil, uint64(len(header))))+string(header)+string(payload))
	write(t, dir, "config.json", tinyConfig)
	write(t, dir, "vocab.txt", vocabulary)
	return dir, weights
}

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestConvert(t *testing.T) {
	for _, dtype := range []string{"F16", "F32"} {
		dir, weights := folder(t, dtype)
		out := filepath.Join(t.TempDir(), "tiny.model")
		var stdout, stderr bytes.Buffer
		if err := run([]string{"-in", dir, "-out", out, "-name", "tiny", "-query-prefix", "q: "}, &stdout, &stderr); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(stdout.String(), "7 matrices int8") {
			t.Errorf("%s: printed %q", dtype, stdout.String())
		}
		data, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		f, err := modelfile.Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bert.New(f); err != nil {
			t.Fatal(err)
		}
		if a := f.Header.Architecture; f.Header.Name != "tiny" || a.QueryPrefix != "q: " || a.Hidden != 64 || a.MaxTokens != 16 {
			t.Errorf("%s: header = %+v", dtype, f.Header)
		}
		if vocab, err := f.Blob("vocab.txt"); err != nil || string(vocab) != vocabulary {
			t.Errorf("%s: vocabulary = %q, %v", dtype, vocab, err)
		}
		for name, want := range weights {
			cols := 64
			if !strings.HasSuffix(name, ".weight") || len(want) == 64 || strings.Contains(name, "position") || strings.Contains(name, "token_type") {
				shape := []int{len(want)}
				if len(want) > 64 {
					shape = []int{len(want) / cols, cols}
				}
				if got, err := f.Floats(name, shape...); err != nil || !slices.Equal(got, want) {
					t.Errorf("%s: %s is not kept exactly (%v)", dtype, name, err)
				}
				continue
			}
			m, err := f.Matrix(name, len(want)/cols, cols)
			if err != nil {
				t.Fatal(err)
			}
			if layer := strings.HasPrefix(name, "encoder."); layer && len(m.ExactColumns) != exactColumns || !layer && m.ExactColumns != nil {
				t.Errorf("%s: %s has the exact columns %v", dtype, name, m.ExactColumns)
			}
			for i, v := range want {
				r, c := i/cols, i%cols
				if at, exact := slices.BinarySearch(m.ExactColumns, c); exact {
					if got := m.Exact[r*exactColumns+at]; got != v || m.Values[i] != 0 {
						t.Fatalf("%s: %s(%d,%d) = %v and integer %d, want exactly %v", dtype, name, r, c, got, m.Values[i], v)
					}
					continue
				}
				got := float64(int8(m.Values[i])) * float64(m.Scales[r])
				clipped := math.Abs(got) > 126.5*float64(m.Scales[r])
				if math.Abs(got-float64(v)) > 0.501*float64(m.Scales[r]) && !clipped {
					t.Fatalf("%s: %s(%d,%d) = %v, want %v within half a step of %v", dtype, name, r, c, got, v, m.Scales[r])
				}
			}
		}
		again := filepath.Join(t.TempDir(), "again.model")
		if err := run([]string{"-in", dir, "-out", again, "-name", "tiny", "-query-prefix", "q: "}, &stdout, &stderr); err != nil {
			t.Fatal(err)
		}
		if second, err := os.ReadFile(again); err != nil || !bytes.Equal(data, second) {
			t.Errorf("%s: a second conversion gave other bytes (%v)", dtype, err)
		}
	}
}

func TestConvertErrors(t *testing.T) {
	prelude := func(header string) string {
		return string(binary.LittleEndian.AppendUint64(nil, uint64(len(header)))) + header
	}
	for _, c := range []struct{ file, content, text string }{
		{"config.json", "{", "unexpected end"},
		{"config.json", strings.Replace(tinyConfig, `"bert"`, `"t5"`, 1), `model_type is "t5", only "bert" is supported`},
		{"config.json", strings.Replace(tinyConfig, `"gelu"`, `"relu"`, 1), "hidden_act"},
		{"config.json", strings.Replace(tinyConfig, `{`, `{"position_embedding_type":"relative_key",`, 1), "position_embedding_type"},
		{"config.json", strings.Replace(tinyConfig, `"num_hidden_layers":1`, `"num_hidden_layers":2`, 1), "encoder.layer.1."},
		{"vocab.txt", "one\n", "1 lines, config.json says 8 pieces"},
		{"vocab.txt", strings.Replace(vocabulary, "[CLS]", "[cls]", 1), "lacks [CLS]"},
		{"model.safetensors", "", "shorter than"},
		{"model.safetensors", "\xff\xff\xff\xff\xff\xff\xff\xff", "header of"},
		{"model.safetensors", prelude("["), "header"},
		{"model.safetensors", prelude(`{"x":{"dtype":"F16","shape":[1],"data_offsets":[0,2]}}`), "payload of 0"},
		{"model.safetensors", prelude(`{"x":{"dtype":"BF16","shape":[0],"data_offsets":[0,0]}}`), `dtype "BF16", want F16 or F32`},
		{"model.safetensors", prelude(`{"x":{"dtype":"F16","shape":[3],"data_offsets":[0,2]}}`) + "ab", "shape [3] and 1 values"},
		{"model.safetensors", prelude(`{"x":3}`), `tensor "x"`},
	} {
		dir, _ := folder(t, "F16")
		write(t, dir, c.file, c.content)
		var out bytes.Buffer
		err := run([]string{"-in", dir, "-out", filepath.Join(dir, "out")}, &out, &out)
		if err == nil || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s = %.40q: %v, want an error with %q", c.file, c.content, err, c.text)
		}
		if _, err := os.Stat(filepath.Join(dir, "out")); err == nil {
			t.Errorf("%s = %.40q: a file was written", c.file, c.content)
		}
	}
	for _, file := range []string{"config.json", "vocab.txt", "model.safetensors"} {
		dir, _ := folder(t, "F16")
		if err := os.Remove(filepath.Join(dir, file)); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := run([]string{"-in", dir, "-out", filepath.Join(dir, "out")}, &out, &out); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("without %s: %v, want an error that names it", file, err)
		}
	}
	for _, args := range [][]string{{}, {"-in", "x"}, {"-in", "x", "-out", "y", "z"}, {"-nonsense"}} {
		var out bytes.Buffer
		if err := run(args, &out, &out); err == nil {
			t.Errorf("arguments %q did not fail", args)
		}
	}
}

func TestQuantise(t *testing.T) {
	row := make([]float32, 400)
	r := rand.New(rand.NewPCG(5, 6))
	for i := range row {
		row[i] = float32(r.NormFloat64())
	}
	row[7] = 4.5
	plain, clipped := squaredError(row, 4.5/127), 0.0
	m, relative := quantise(row, 1, len(row), nil)
	clipped = squaredError(row, m.Scales[0])
	if clipped > plain {
		t.Errorf("squared error with the chosen scale = %v, without clipping %v", clipped, plain)
	}
	if relative <= 0 || relative > 0.02 {
		t.Errorf("relative error = %v, want between 0 and 0.02", relative)
	}
	zero, relative := quantise(make([]float32, 8), 2, 4, []int{1})
	if relative != 0 || zero.Scales[0] != 0 || !bytes.Equal(zero.Values, make([]byte, 8)) {
		t.Errorf("quantise of zeros = %+v, %v", zero, relative)
	}
}

func squaredError(row []float32, scale float32) float64 {
	var e float64
	for _, v := range row {
		d := float64(v) - float64(quantum(v, scale))*float64(scale)
		e += d * d
	}
	return e
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

// TestCommittedModel converts the original weights again, if they are there, and
// compares with the file in the repository.
func TestCommittedModel(t *testing.T) {
	data := os.Getenv("RAGLOOP_DATA")
	if data == "" {
		t.Skip("RAGLOOP_DATA is not set")
	}
	out := filepath.Join(t.TempDir(), "model")
	var log bytes.Buffer
	if err := run([]string{"-in", filepath.Join(data, "../model/bge-small-en-v1.5"), "-out", out}, &log, &log); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("../bge-small-en-v1.5.model")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the conversion gives another file than the committed one: %s", log.String())
	}
}
