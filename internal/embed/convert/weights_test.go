package convert

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestShardErrors: an index and its shards must fit each other.
func TestShardErrors(t *testing.T) {
	const (
		embeddings = "bert." + wordEmbeddings
		first      = "model-0.safetensors"
		second     = "model-1.safetensors"
		missing    = "model-2.safetensors"
	)
	other := map[string]string{first: second, second: first}
	for _, c := range []struct {
		name   string
		change func(t *testing.T, dir string, listed map[string]string)
		text   string
	}{
		{"a tensor in another shard", func(_ *testing.T, _ string, listed map[string]string) {
			listed[embeddings] = other[listed[embeddings]]
		}, `read model.safetensors.index.json: tensor "bert.embeddings.word_embeddings.weight" is in `},
		{"a tensor in no shard", func(_ *testing.T, _ string, listed map[string]string) {
			listed["x"] = first
		}, `read model.safetensors.index.json: tensor "x" is not in model-0.safetensors, nor in another file that is named`},
		{"a tensor that is not listed", func(_ *testing.T, _ string, listed map[string]string) {
			delete(listed, embeddings)
		}, `read model.safetensors.index.json: tensor "bert.embeddings.word_embeddings.weight" of `},
		{"a missing shard", func(_ *testing.T, _ string, listed map[string]string) {
			listed["x"] = missing
		}, "model-2.safetensors: no such file"},
		{"a shard elsewhere", func(_ *testing.T, _ string, listed map[string]string) {
			listed["x"] = "../" + first
		}, `read model.safetensors.index.json: "../model-0.safetensors" is outside the folder`},
		{"no shards", func(_ *testing.T, _ string, listed map[string]string) {
			clear(listed)
		}, "read model.safetensors.index.json: weight_map has no tensors"},
		{"one tensor in two shards", func(t *testing.T, dir string, listed map[string]string) {
			put(t, dir, missing, prelude(`{"`+embeddings+`":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`)+"four")
			listed["x"] = missing
		}, `read model-2.safetensors: tensor "bert.embeddings.word_embeddings.weight" is in `},
		{"one tensor under two names", func(t *testing.T, dir string, listed map[string]string) {
			put(t, dir, missing, prelude(`{"`+wordEmbeddings+`":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`)+"four")
			listed[wordEmbeddings] = missing
		}, `there are the tensors "embeddings.word_embeddings.weight" in model-2.safetensors and "bert.embeddings.word_embeddings.weight" in `},
		{"a missing tensor", func(t *testing.T, dir string, listed map[string]string) {
			empty := other[listed[embeddings]]
			put(t, dir, empty, prelude(`{}`))
			maps.DeleteFunc(listed, func(_, file string) bool { return file == empty })
		}, `read model.safetensors.index.json: there is no tensor "bert.`},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := folder{layers: 1, hidden: 32, heads: 2, inner: 32, dtype: "F32", pooling: "cls", prefix: "bert.", shards: 2}
			dir := f.write(t)
			listed, found, err := readIndex(dir)
			if err != nil || !found {
				t.Fatal(found, err)
			}
			c.change(t, dir, listed)
			raw, err := json.Marshal(map[string]any{"weight_map": listed})
			if err != nil {
				t.Fatal(err)
			}
			put(t, dir, shardsFile, string(raw))
			wantReadError(t, dir, c.text)
		})
	}
}

func TestIndexErrors(t *testing.T) {
	for _, c := range []struct{ index, text string }{
		{`{`, "read model.safetensors.index.json: unexpected end"},
		{`{}`, "read model.safetensors.index.json: weight_map has no tensors"},
		{`{"weight_map":null}`, "read model.safetensors.index.json: weight_map has no tensors"},
		{`{"weight_map":["x"]}`, "read model.safetensors.index.json: weight_map: "},
		{`{"weight_map":{"x":"a","x":"b"}}`, `read model.safetensors.index.json: weight_map: "x" is listed twice`},
	} {
		f := folder{layers: 1, hidden: 32, heads: 2, inner: 32, dtype: "F32", pooling: "cls", shards: 1}
		dir := f.write(t)
		put(t, dir, shardsFile, c.index)
		wantReadError(t, dir, c.text)
	}
}

func put(t *testing.T, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func wantReadError(t *testing.T, dir, text string) {
	t.Helper()
	if _, err := Read(dir, Options{}); err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("Read = %v, want an error with %q", err, text)
	}
}
