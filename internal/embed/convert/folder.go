package convert

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ragloop/ragloop/internal/embed/bert"
	"github.com/ragloop/ragloop/internal/embed/modelfile"
	"github.com/ragloop/ragloop/internal/embed/wordpiece"
)

// Options are what a folder does not say, or what is to be used instead of what
// it says. The zero value takes everything from the folder.
type Options struct {
	Name    string // for people; "": the folder's name
	License string // SPDX identifier of the weights' licence; "": the one in README.md's front matter, else "unknown"
	Origin  string // where the weights come from, for people; "": Name

	Pooling       string  // "cls" or "mean"; "": that of modules.json
	QueryPrefix   *string // nil: the prompt "query" of config_sentence_transformers.json, else none
	PassagePrefix *string // nil: the prompt "passage" or "document" there, else none
	MaxTokens     int     // the window, special tokens included; 0: the smallest of the limits in the folder
}

// Source is a model folder that has been read. It is immutable.
type Source struct {
	Header modelfile.Header // without tensors

	dir        string
	vocabulary []byte
	options    wordpiece.Options
	tensors    []tensor // sorted by name
}

// Read reads a folder. Its errors name the file, the field, what was found and
// what is supported; those about an architecture that cannot be run wrap
// [modelfile.ErrUnsupported].
func Read(dir string, o Options) (*Source, error) {
	s := &Source{dir: dir}
	if err := s.read(o); err != nil {
		return nil, fmt.Errorf("read model folder %s: %w", dir, err)
	}
	return s, nil
}

func (s *Source) read(o Options) error {
	cfg, err := readConfig(s.dir)
	if err != nil {
		return err
	}
	a := &s.Header.Architecture
	*a = modelfile.Architecture{
		Type: "bert", Layers: cfg.Layers, Hidden: cfg.Hidden, Heads: cfg.Heads, Intermediate: cfg.Intermediate,
		MaxTokens: cfg.MaxPositions, LayerNormEps: cfg.LayerNormEps, Activation: "gelu_erf",
	}
	modules, err := readModules(s.dir)
	if err != nil {
		return err
	}
	if cfg.classifies() && len(modules) == 0 {
		err = s.crossEncoder(cfg, o)
	} else {
		err = s.embedding(modules, o)
	}
	if err != nil {
		return err
	}
	tok, err := readTokenizer(s.dir)
	if err != nil {
		return err
	}
	tok.describe(a)
	s.vocabulary, s.options = tok.vocabulary, tok.options
	if err := s.window(tok, modules, o); err != nil {
		return err
	}
	// Before any weight is read.
	if err := bert.Check(*a); err != nil {
		return fmt.Errorf("read config.json: %w", err)
	}
	s.name(o)
	return s.readWeights(cfg, tok.pieces)
}

// name fills in what is for people.
func (s *Source) name(o Options) {
	h := &s.Header
	h.Name, h.License, h.Source = o.Name, o.License, o.Origin
	if h.Name == "" {
		dir, err := filepath.Abs(s.dir)
		if err != nil {
			dir = s.dir
		}
		h.Name = filepath.Base(dir)
	}
	if h.License == "" {
		h.License = cardLicense(filepath.Join(s.dir, "README.md"))
	}
	if h.Source == "" {
		h.Source = h.Name
	}
}

// cardLicense returns the field license of a model card's front matter, or
// "unknown".
func cardLicense(path string) string {
	const none = "unknown"
	card, err := os.ReadFile(path)
	front, ok := strings.CutPrefix(string(card), "---\n")
	if err != nil || !ok {
		return none
	}
	for line := range strings.Lines(front) {
		if strings.HasPrefix(line, "---") {
			break
		}
		if value, ok := strings.CutPrefix(line, "license:"); ok {
			if value = strings.Trim(strings.TrimSpace(value), `"'`); value != "" {
				return value
			}
		}
	}
	return none
}

// config is the part of config.json that decides how the model computes.
type config struct {
	ModelType     string            `json:"model_type"`
	Architectures []string          `json:"architectures"`
	Hidden        int               `json:"hidden_size"`
	Layers        int               `json:"num_hidden_layers"`
	Heads         int               `json:"num_attention_heads"`
	Intermediate  int               `json:"intermediate_size"`
	MaxPositions  int               `json:"max_position_embeddings"`
	VocabSize     int               `json:"vocab_size"`
	TypeVocabSize int               `json:"type_vocab_size"`
	LayerNormEps  float64           `json:"layer_norm_eps"`
	HiddenAct     string            `json:"hidden_act"`
	PositionType  string            `json:"position_embedding_type"`
	IsDecoder     bool              `json:"is_decoder"`
	NumLabels     int               `json:"num_labels"`
	Labels        map[string]string `json:"id2label"`
}

// largestTable bounds the rows of an embedding table.
const largestTable = 1 << 24

const classification = "BertForSequenceClassification"

// classifies reports whether the model has a head for labels.
func (c config) classifies() bool { return slices.Contains(c.Architectures, classification) }

func readConfig(dir string) (config, error) {
	const file = "config.json"
	// What BertConfig of transformers takes for what is missing.
	c := config{PositionType: "absolute", LayerNormEps: 1e-12, HiddenAct: "gelu", TypeVocabSize: 2}
	if _, err := readJSON(dir, file, true, &c); err != nil {
		return config{}, err
	}
	for _, want := range []struct{ key, got, want string }{
		{"model_type", c.ModelType, "bert"},
		{"hidden_act", c.HiddenAct, "gelu"},
		{"position_embedding_type", c.PositionType, "absolute"},
	} {
		if want.got != want.want {
			return config{}, fmt.Errorf("read %s: %s is %q, only %q is supported", file, want.key, want.got, want.want)
		}
	}
	for _, size := range []struct {
		key   string
		value int
	}{{"vocab_size", c.VocabSize}, {"max_position_embeddings", c.MaxPositions}, {"type_vocab_size", c.TypeVocabSize}} {
		if size.value < 1 || size.value > largestTable {
			return config{}, fmt.Errorf("read %s: %s is %d, allowed are 1 to %d", file, size.key, size.value, largestTable)
		}
	}
	if c.IsDecoder {
		return config{}, fmt.Errorf("read %s: is_decoder is true, only encoders are supported", file)
	}
	supported := []string{"BertModel", "BertForMaskedLM", "BertForPreTraining", classification}
	for _, name := range c.Architectures {
		if !slices.Contains(supported, name) {
			return config{}, fmt.Errorf("read %s: architectures has %q, supported are %q", file, name, supported)
		}
	}
	labels := max(c.NumLabels, len(c.Labels))
	if labels == 0 {
		labels = 2 // what transformers takes, and leaves out when it writes
	}
	if c.classifies() && labels > 1 {
		return config{}, fmt.Errorf("read %s: the classifier has %d labels, only one (a cross-encoder) is supported", file, labels)
	}
	return c, nil
}

// readJSON decodes a file of the folder. It reports whether there is one; a
// missing file is an error only if it is required.
func readJSON(dir, name string, required bool, into any) (found bool, err error) {
	raw, err := os.ReadFile(filepath.Join(dir, name))
	switch {
	case errors.Is(err, fs.ErrNotExist) && !required:
		return false, nil
	case err != nil:
		return false, err
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return false, fmt.Errorf("read %s: %w", name, err)
	}
	return true, nil
}
