package embed

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/ragloop/ragloop/internal/embed/modelfile"
	"github.com/ragloop/ragloop/internal/simd"
)

// prelude is the size of what precedes the header; package modelfile describes it.
const prelude = 64

// seal makes the checksum of a model file right.
func seal(file []byte) []byte {
	sum := sha256.Sum256(file[prelude:])
	copy(file[16:], sum[:])
	return file
}

// modelHeader returns the JSON header of the built-in model and where it ends.
func modelHeader(t *testing.T) (map[string]any, int) {
	t.Helper()
	end := prelude + int(binary.LittleEndian.Uint32([]byte(builtinModel[12:16])))
	var h map[string]any
	dec := json.NewDecoder(strings.NewReader(builtinModel[prelude:end]))
	dec.UseNumber()
	if err := dec.Decode(&h); err != nil {
		t.Fatal(err)
	}
	return h, end
}

// withHeader returns the built-in model with another header and a right checksum.
func withHeader(t *testing.T, change func(header map[string]any)) []byte {
	t.Helper()
	h, end := modelHeader(t)
	change(h)
	header, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	for len(header)%64 != 0 {
		header = append(header, ' ')
	}
	file := slices.Concat([]byte(builtinModel[:prelude]), header, []byte(builtinModel[end:]))
	binary.LittleEndian.PutUint32(file[12:], uint32(len(header)))
	return seal(file)
}

// withTensor returns the built-in model with other bytes in a tensor and a right checksum.
func withTensor(t *testing.T, name string, change func(data []byte)) []byte {
	t.Helper()
	h, end := modelHeader(t)
	offset, err := tensor(t, h, name)["offset"].(json.Number).Int64()
	if err != nil {
		t.Fatal(err)
	}
	file := []byte(builtinModel)
	change(file[end+int(offset):])
	return seal(file)
}

func tensor(t *testing.T, header map[string]any, name string) map[string]any {
	t.Helper()
	for _, x := range header["tensors"].([]any) {
		if x := x.(map[string]any); x["name"] == name {
			return x
		}
	}
	t.Fatalf("the model has no tensor %q", name)
	return nil
}

// allocated returns how many bytes f allocates, whether or not they are freed.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestBadModels gives New files that are wrong in one place. Each must be
// refused with an error that names it, and without allocating what a lie asks for.
func TestBadModels(t *testing.T) {
	const (
		gain  = "embeddings.LayerNorm.weight"
		query = "encoder.layer.0.attention.self.query.weight"
		down  = "encoder.layer.0.output.dense.weight"
	)
	architecture := func(key string, value any) func(*testing.T) []byte {
		return func(t *testing.T) []byte {
			return withHeader(t, func(h map[string]any) { h["architecture"].(map[string]any)[key] = value })
		}
	}
	described := func(name, key string, value any) func(*testing.T) []byte {
		return func(t *testing.T) []byte {
			return withHeader(t, func(h map[string]any) { tensor(t, h, name)[key] = value })
		}
	}
	filled := func(name string, data ...byte) func(*testing.T) []byte {
		return func(t *testing.T) []byte {
			return withTensor(t, name, func(d []byte) { copy(d, data) })
		}
	}
	float := func(v float64) []byte {
		return binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(v)))
	}
	cut := func(n int) func(*testing.T) []byte {
		return func(t *testing.T) []byte { return []byte(builtinModel[:n]) }
	}
	headerLength := func(n uint32) func(*testing.T) []byte {
		return func(t *testing.T) []byte {
			file := []byte(builtinModel)
			binary.LittleEndian.PutUint32(file[12:], n)
			return seal(file)
		}
	}
	corrupt, unsupported := modelfile.ErrCorrupt, modelfile.ErrUnsupported
	for name, c := range map[string]struct {
		make func(*testing.T) []byte
		is   error
		text string // what the error must contain
	}{
		"empty":             {cut(0), corrupt, "0 bytes"},
		"cut in prelude":    {cut(63), corrupt, "63 bytes"},
		"cut behind it":     {cut(64), corrupt, "header length"},
		"cut in header":     {cut(4096), corrupt, "header length"},
		"cut in weights":    {cut(len(builtinModel) / 2), corrupt, "SHA-256"},
		"cut at the end":    {cut(len(builtinModel) - 1), corrupt, "SHA-256"},
		"longer":            {func(*testing.T) []byte { return append([]byte(builtinModel), 0) }, corrupt, "SHA-256"},
		"header of 4 GiB":   {headerLength(math.MaxUint32 - 63), corrupt, "header length 4294967232"},
		"header of nothing": {headerLength(0), unsupported, "header"},
		"header too short":  {headerLength(64), unsupported, "header"},

		"another type":          {architecture("type", "gpt2"), unsupported, `type is "gpt2", want "bert"`},
		"another activation":    {architecture("activation", "relu"), unsupported, `activation is "relu", want "gelu_erf"`},
		"another pooling":       {architecture("pooling", "max"), unsupported, `pooling is "max", want`},
		"another normalization": {architecture("normalization", "l1"), unsupported, `normalization is "l1", want`},
		"another tokenizer":     {architecture("tokenizer", "sentencepiece"), unsupported, `tokenizer is "sentencepiece", want`},
		"unknown parameter":     {architecture("rotary", true), unsupported, `"rotary"`},
		"no layers":             {architecture("layers", 0), unsupported, "layers is 0, want"},
		"negative layers":       {architecture("layers", -12), unsupported, "layers is -12, want"},
		"too many layers":       {architecture("layers", 13), unsupported, "encoder.layer.12."},
		"a million layers":      {architecture("layers", 1<<20), unsupported, "layers is 1048576, want"},
		"huge width":            {architecture("hidden", 1<<40), unsupported, "hidden is 1099511627776, want"},
		"negative width":        {architecture("hidden", -384), unsupported, "hidden is -384, want"},
		"another width":         {architecture("hidden", 768), unsupported, "[30522 384]"},
		"seven heads":           {architecture("heads", 7), unsupported, "7 heads"},
		"negative heads":        {architecture("heads", -12), unsupported, "heads is -12, want"},
		"huge intermediate":     {architecture("intermediate", math.MaxInt64), unsupported, "intermediate is 9223372036854775807, want"},
		"huge window":           {architecture("max_tokens", 1<<30), unsupported, "max_tokens is 1073741824, want"},
		"window too long":       {architecture("max_tokens", 1024), unsupported, "position_embeddings"},
		"window of nothing":     {architecture("max_tokens", 1), unsupported, "max_tokens is 1, want"},
		"layer_norm_eps":        {architecture("layer_norm_eps", -1e-12), unsupported, "layer_norm_eps is -1e-12, want"},
		"not an integer":        {architecture("layers", 1.5), unsupported, "layers"},
		"beyond int64":          {architecture("hidden", 1e30), unsupported, "hidden"},

		"negative shape":   {described(gain, "shape", []int{-384}), corrupt, gain},
		"huge shape":       {described(gain, "shape", []int{1 << 28}), corrupt, gain},
		"overflowing":      {described(query, "shape", []int{1 << 62, 4}), corrupt, query},
		"no shape":         {described(gain, "shape", []int{}), unsupported, gain},
		"other shape":      {described(gain, "shape", []int{383}), unsupported, gain},
		"negative offset":  {described(gain, "offset", -64), corrupt, gain},
		"huge offset":      {described(gain, "offset", int64(math.MaxInt64-63)), corrupt, gain},
		"unaligned offset": {described(gain, "offset", 1), corrupt, gain},
		"unknown dtype":    {described(gain, "dtype", "bf16"), unsupported, `"bf16", want one of`},
		"integer gain":     {described(gain, "dtype", "i32"), unsupported, gain},
		"renamed":          {described(gain, "name", "embeddings.norm"), unsupported, gain},
		"twice":            {described(gain, "name", query), corrupt, query},

		"NaN":              {filled(gain, float(math.NaN())...), corrupt, gain + `" has the non-finite value NaN at index 0`},
		"infinite scale":   {filled(query+".scale", float(math.Inf(-1))...), corrupt, query + `.scale" has the non-finite value -Inf`},
		"infinite half":    {filled("embeddings.position_embeddings.weight", 0, 0x7c), corrupt, "position_embeddings"},
		"column behind":    {filled(down+".exact_columns", 0xff, 0xff, 0xff, 0x7f), unsupported, "2147483647"},
		"negative column":  {filled(down+".exact_columns", 0xff, 0xff, 0xff, 0xff), unsupported, "-1"},
		"vocabulary bytes": {filled("vocab.txt", 0xff), unsupported, "line 1 of the vocabulary is not UTF-8"},
		"no special piece": {filled("vocab.txt", bytes.Repeat([]byte{'x'}, 5000)...), unsupported, "lacks [UNK]"},
		"vocabulary cut":   {described("vocab.txt", "shape", []int{100_000}), unsupported, "30522 word embeddings"},
	} {
		t.Run(name, func(t *testing.T) {
			file := c.make(t)
			var err error
			bytes := allocated(func() { _, err = New(file) })
			if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("New = %v, want %v with %q", err, c.is, c.text)
			}
			// What is refused late has packed weights by then.
			if limit := uint64(4 * len(builtinModel)); bytes > limit {
				t.Errorf("New allocated %d bytes before it failed, want at most %d", bytes, limit)
			}
		})
	}
}

// FuzzArchitecture checks that no architecture makes New panic or allocate
// more than the file is long: there are no weights behind it.
func FuzzArchitecture(f *testing.F) {
	f.Add("bert", 12, 384, 12, 1536, 512, 1e-12, "cls", "l2")
	f.Add("bert", -1, 0, 0, math.MinInt, math.MaxInt, math.Inf(1), "", "none")
	f.Add("bert", 1<<14, 1<<14, 1, 1<<14, 1<<14, 0.5, "mean", "l2")
	f.Fuzz(func(t *testing.T, kind string, layers, hidden, heads, intermediate, window int, eps float64, pooling, normalization string) {
		var b modelfile.Builder
		b.AddBlob("vocab.txt", []byte("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"))
		file, err := b.Bytes(modelfile.Header{Architecture: modelfile.Architecture{
			Type: kind, Layers: layers, Hidden: hidden, Heads: heads, Intermediate: intermediate, MaxTokens: window,
			LayerNormEps: eps, Activation: "gelu_erf", Pooling: pooling, Normalization: normalization, Tokenizer: "wordpiece_uncased",
		}})
		if err != nil {
			return // JSON has no infinity
		}
		bytes := allocated(func() { _, err = New(file) })
		if !errors.Is(err, modelfile.ErrUnsupported) {
			t.Errorf("New = %v, want %v", err, modelfile.ErrUnsupported)
		}
		if bytes > 4<<20 {
			t.Errorf("New allocated %d bytes for a file of %d", bytes, len(file))
		}
	})
}

// TestBadTexts embeds texts that nobody meant to be embedded.
func TestBadTexts(t *testing.T) {
	const size = 1 << 20
	fill := func(s string) string { return strings.Repeat(s, size/len(s)) }
	b := newBuiltin(t)
	empty := embedAll(t, b, Passage, "")[0]
	for name, c := range map[string]struct {
		text    string
		nothing bool // has no pieces: its vector is that of the empty text
	}{
		"NUL":             {fill("\x00"), true},
		"not UTF-8":       {fill("\xff\xc0\x80"), true},
		"cut rune":        {fill("\xe4\xb8"), true},
		"surrogates":      {fill("\xed\xa0\x80"), true},
		"combining marks": {fill("\u0301"), true},
		"kept marks":      {fill("\u302e\u302f"), false},
		"joiners":         {fill("\u200d"), true},
		"spaces":          {fill(" \t\r\n\u00a0\u2028"), true},
		"one word":        {fill("a"), false},
		"one emoji":       {"\U0001f469\u200d\U0001f469\u200d\U0001f467", false},
	} {
		v := embedAll(t, b, Passage, c.text)
		if same := slices.Equal(v[0], empty); same != c.nothing {
			t.Errorf("%s: equal to the vector of the empty text: %v, want %v", name, same, c.nothing)
		}
		var n, ids int
		bytes := allocated(func() { n, ids = b.CountTokens(c.text), len(b.tokenise("", c.text)) })
		if n != ids || c.nothing && n != 2 {
			t.Errorf("%s: CountTokens = %d for a text of %d ids", name, n, ids)
		}
		if bytes > 4096 {
			t.Errorf("%s: counting and tokenising %d bytes allocated %d", name, len(c.text), bytes)
		}
	}
}

// TestEnormousText embeds and counts 100 MB: what is behind the window costs
// neither time nor memory, and counting costs no memory.
func TestEnormousText(t *testing.T) {
	if simd.Kernel() == "portable" {
		t.Skip("vectors of 512 tokens take seconds")
	}
	const words, word = 20_000_000, "pump "
	b := newBuiltin(t)
	text := strings.Repeat(word, words)
	for _, task := range []Task{Passage, Query} {
		want := embedAll(t, b, task, text[:len(word)*600])[0]
		var got [][]float32
		// A workspace may be made, which depends on the window only.
		if bytes := allocated(func() { got = embedAll(t, b, task, text) }); bytes > uint64(len(text)/4) {
			t.Errorf("%s: Embed of %d bytes allocated %d", task, len(text), bytes)
		}
		if !slices.Equal(got[0], want) {
			t.Errorf("%s: what is behind the window changes the vector", task)
		}
	}
	var n int
	if bytes := allocated(func() { n = b.CountTokens(text) }); n != words+2 || bytes > 4096 {
		t.Errorf("CountTokens = %d, want %d; it allocated %d bytes", n, words+2, bytes)
	}

	ended, cancel := context.WithCancel(context.Background())
	cancel()
	texts := slices.Repeat([]string{text}, 1000)
	if v, err := b.Embed(ended, Passage, texts); len(v) != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("Embed with an ended context = %d vectors, %v", len(v), err)
	}
}

// TestCancelBetweenBadTexts ends the context at every point of a call.
func TestCancelBetweenBadTexts(t *testing.T) {
	b := newBuiltin(t)
	texts := []string{"pump", "\xff", "", strings.Repeat("\u0301", 1000), "valve"}
	want := embedAll(t, b, Passage, texts...)
	complete := false
	for n := 0; n < 100 && !complete; n++ {
		got, err := b.Embed(&countdown{Context: context.Background(), n: n}, Passage, texts)
		if complete = err == nil; !complete && !errors.Is(err, context.Canceled) {
			t.Fatalf("Embed cancelled at its check %d = %v", n, err)
		}
		if complete != (len(got) == len(texts)) {
			t.Errorf("Embed cancelled at its check %d: %d vectors, %v", n, len(got), err)
		}
		for i, v := range got {
			if !slices.Equal(v, want[i]) {
				t.Errorf("cancelled at check %d: vector %d of the prefix is wrong", n, i)
			}
		}
	}
	if !complete {
		t.Error("Embed does not end after 100 checks of its context")
	}
}

// TestHeaderRoundTrip shows that the helpers of this file change nothing by themselves.
func TestHeaderRoundTrip(t *testing.T) {
	for name, file := range map[string][]byte{
		"header": withHeader(t, func(map[string]any) {}),
		"tensor": withTensor(t, "vocab.txt", func([]byte) {}),
	} {
		b, err := New(file)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, want := b.Info(), newBuiltin(t).Info(); got.Name != want.Name || got.Dimension != want.Dimension {
			t.Errorf("%s: Info() = %+v, want %+v", name, got, want)
		}
	}
	h, _ := modelHeader(t)
	if keys := slices.Sorted(maps.Keys(h)); !slices.Contains(keys, "tensors") || !slices.Contains(keys, "architecture") {
		t.Errorf("the header has the keys %q", keys)
	}
}
