// Convertmodel turns a folder with config.json, model.safetensors and vocab.txt
// of a BERT embedding model into the one-file int8 format of package modelfile.
//
//	go run ./internal/embed/convertmodel -in DIR -out FILE
//
// It reads local files only, and the same input gives the same bytes on every machine.
package main

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/ragloop/ragloop/internal/embed/modelfile"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "convertmodel:", err)
		}
		os.Exit(2)
	}
}

// options are what the folder does not say about the model.
type options struct {
	in, out       string
	name          string
	license       string
	source        string
	queryPrefix   string
	passagePrefix string
}

func run(args []string, stdout, stderr io.Writer) error {
	var o options
	fs := flag.NewFlagSet("convertmodel", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&o.in, "in", "", "folder with config.json, model.safetensors and vocab.txt (required)")
	fs.StringVar(&o.out, "out", "", "file to write (required)")
	fs.StringVar(&o.name, "name", "bge-small-en-v1.5", "name of the model, for people")
	fs.StringVar(&o.license, "license", "MIT", "SPDX identifier of the licence of the weights")
	fs.StringVar(&o.source, "source", "BAAI/bge-small-en-v1.5", "where the weights come from")
	fs.StringVar(&o.queryPrefix, "query-prefix", "Represent this sentence for searching relevant passages: ", "instruction in front of queries")
	fs.StringVar(&o.passagePrefix, "passage-prefix", "", "instruction in front of passages")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if o.in == "" || o.out == "" || fs.NArg() > 0 {
		return fmt.Errorf("parse arguments: -in DIR and -out FILE are required and nothing else is allowed, got %q", args)
	}
	data, report, err := convert(o)
	if err != nil {
		return fmt.Errorf("convert %s: %w", o.in, err)
	}
	if err := os.WriteFile(o.out, data, 0o644); err != nil {
		return fmt.Errorf("write model: %w", err)
	}
	fmt.Fprintf(stdout, "%s: %d bytes, %d matrices int8, %d tensors float, largest relative error of a matrix %.4f (%s)\n",
		o.out, len(data), report.matrices, report.floats, report.worst, report.worstName)
	return nil
}

// report sums up a conversion.
type report struct {
	matrices, floats int
	worst            float64 // root of the squared error over the squared values
	worstName        string
}

// config is the part of config.json that the converter understands. A value
// that it cannot carry over is an error, never ignored.
type config struct {
	ModelType    string  `json:"model_type"`
	Hidden       int     `json:"hidden_size"`
	Layers       int     `json:"num_hidden_layers"`
	Heads        int     `json:"num_attention_heads"`
	Intermediate int     `json:"intermediate_size"`
	MaxPositions int     `json:"max_position_embeddings"`
	VocabSize    int     `json:"vocab_size"`
	LayerNormEps float64 `json:"layer_norm_eps"`
	HiddenAct    string  `json:"hidden_act"`
	PositionType string  `json:"position_embedding_type"`
}

func readConfig(path string) (config, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return config{}, err
	}
	c := config{PositionType: "absolute"}
	if err := json.Unmarshal(raw, &c); err != nil {
		return config{}, fmt.Errorf("read %s: %w", path, err)
	}
	for _, want := range []struct{ key, got, want string }{
		{"model_type", c.ModelType, "bert"},
		{"hidden_act", c.HiddenAct, "gelu"},
		{"position_embedding_type", c.PositionType, "absolute"},
	} {
		if want.got != want.want {
			return config{}, fmt.Errorf("read %s: %s is %q, only %q is supported", path, want.key, want.got, want.want)
		}
	}
	return c, nil
}

func convert(o options) ([]byte, report, error) {
	cfg, err := readConfig(filepath.Join(o.in, "config.json"))
	if err != nil {
		return nil, report{}, err
	}
	vocab, err := os.ReadFile(filepath.Join(o.in, "vocab.txt"))
	if err != nil {
		return nil, report{}, err
	}
	if n := strings.Count(string(vocab), "\n"); n != cfg.VocabSize {
		return nil, report{}, fmt.Errorf("read vocab.txt: %d lines, config.json says %d pieces", n, cfg.VocabSize)
	}
	weights, err := os.ReadFile(filepath.Join(o.in, "model.safetensors"))
	if err != nil {
		return nil, report{}, err
	}
	tensors, err := parseSafetensors(weights)
	if err != nil {
		return nil, report{}, fmt.Errorf("read model.safetensors: %w", err)
	}
	header := modelfile.Header{
		Name:         o.name,
		License:      o.license,
		Source:       o.source,
		SourceSHA256: fmt.Sprintf("%x", sha256.Sum256(weights)),
		Architecture: modelfile.Architecture{
			Type:          "bert",
			Layers:        cfg.Layers,
			Hidden:        cfg.Hidden,
			Heads:         cfg.Heads,
			Intermediate:  cfg.Intermediate,
			MaxTokens:     cfg.MaxPositions,
			LayerNormEps:  cfg.LayerNormEps,
			Activation:    "gelu_erf",
			Pooling:       "cls",
			Normalization: "l2",
			Tokenizer:     "wordpiece_uncased",
			QueryPrefix:   o.queryPrefix,
			PassagePrefix: o.passagePrefix,
		},
	}
	plain, _, err := build(header, tensors, vocab, nil)
	if err != nil {
		return nil, report{}, err
	}
	exact, err := calibrate(plain, vocab)
	if err != nil {
		return nil, report{}, fmt.Errorf("calibrate: %w", err)
	}
	return build(header, tensors, vocab, exact)
}

// build makes a model file in which the matrices named in exact keep the
// columns given there.
func build(h modelfile.Header, tensors []tensor, vocab []byte, exact map[string][]int) ([]byte, report, error) {
	var b modelfile.Builder
	var r report
	for _, t := range tensors {
		switch {
		case quantised(t.name, t.shape):
			m, relative := quantise(t.values, t.shape[0], t.shape[1], exact[t.name])
			b.AddMatrix(t.name, m)
			r.matrices++
			if relative > r.worst {
				r.worst, r.worstName = relative, t.name
			}
		case len(t.shape) == 2: // the position and token type embeddings
			b.AddCompact(t.name, t.values, t.shape...)
			r.floats++
		default:
			b.AddFloats(t.name, t.values, t.shape...)
			r.floats++
		}
	}
	b.AddBlob("vocab.txt", vocab)
	data, err := b.Bytes(h)
	return data, r, err
}

// quantised reports whether a tensor becomes int8: the matrices that hold
// nearly all bytes. Position and token type embeddings are small and are added
// to every token, so they keep their precision.
func quantised(name string, shape []int) bool {
	return len(shape) == 2 && strings.HasSuffix(name, ".weight") &&
		!strings.HasSuffix(name, "position_embeddings.weight") &&
		!strings.HasSuffix(name, "token_type_embeddings.weight")
}
