package convert

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ragloop/ragloop/internal/embed/modelfile"
)

// module is an entry of sentence-transformers' modules.json.
type module struct {
	Path string `json:"path"`
	Type string `json:"type"` // a Python class: the last part counts
}

func (m module) kind() string { return m.Type[strings.LastIndexByte(m.Type, '.')+1:] }

// readModules returns the entries of modules.json, none if there is no such file.
func readModules(dir string) ([]module, error) {
	const file = "modules.json"
	var modules []module
	if found, err := readJSON(dir, file, false, &modules); !found || err != nil {
		return nil, err
	}
	want := []string{"Transformer", "Pooling", "Normalize"}
	for i, m := range modules {
		if i >= len(want) || m.kind() != want[i] {
			return nil, fmt.Errorf("read %s: module %d is %q, supported is the sequence %q, the last one optional", file, i, m.kind(), want)
		}
		if !filepath.IsLocal(path.Join(".", m.Path)) {
			return nil, fmt.Errorf("read %s: path %q is outside the folder", file, m.Path)
		}
	}
	if len(modules) < 2 {
		return nil, fmt.Errorf("read %s: %d modules, supported is the sequence %q, the last one optional", file, len(modules), want)
	}
	if p := modules[0].Path; p != "" && p != "." {
		return nil, fmt.Errorf("read %s: the transformer is in %q, only in the folder itself it is supported", file, p)
	}
	return modules, nil
}

// crossEncoder describes a model that scores pairs of texts. Its score is the
// logit, also where config.json names a sigmoid: the order is the same, and the
// logit does not saturate.
func (s *Source) crossEncoder(cfg config, o Options) error {
	if o.Pooling != "" || o.QueryPrefix != nil || o.PassagePrefix != nil {
		return errors.New("it is a cross-encoder: pooling and prefixes do not apply")
	}
	if cfg.TypeVocabSize < 2 {
		return fmt.Errorf("read config.json: type_vocab_size is %d, a cross-encoder needs 2 and more", cfg.TypeVocabSize)
	}
	a := &s.Header.Architecture
	a.Head, a.Pooling, a.Normalization = modelfile.CrossEncoder, "cls", "none"
	return nil
}

// embedding describes a model that makes vectors.
//
// The product compares vectors by cosine, so they are brought to unit length
// whether or not the source does (module Normalize): the cosine is the same. A
// model that is meant for other similarities of unnormalised vectors is refused.
func (s *Source) embedding(modules []module, o Options) error {
	a := &s.Header.Architecture
	a.Normalization = "l2"
	if o.Pooling != "" && o.Pooling != "cls" && o.Pooling != "mean" {
		return fmt.Errorf(`the pooling is %q, supported are "cls" and "mean"`, o.Pooling)
	}
	prompts, err := readPrompts(s.dir, len(modules) == 3, o)
	if err != nil {
		return err
	}
	a.QueryPrefix, a.PassagePrefix = prompts.query, prompts.passage
	a.Pooling = o.Pooling
	if len(modules) > 0 {
		pooling, err := readPooling(s.dir, path.Join(modules[1].Path, "config.json"), a.QueryPrefix+a.PassagePrefix != "")
		if err != nil {
			return err
		}
		if a.Pooling == "" {
			a.Pooling = pooling
		}
	}
	if a.Pooling == "" {
		return errors.New(`there is no modules.json: the pooling must be given, "cls" or "mean"`)
	}
	return nil
}

// readPooling returns "cls" or "mean".
func readPooling(dir, file string, prefixed bool) (string, error) {
	fields := map[string]any{}
	if _, err := readJSON(dir, file, true, &fields); err != nil {
		return "", err
	}
	const prefix = "pooling_mode_"
	var modes []string
	for key, value := range fields {
		switch mode, ok := strings.CutPrefix(key, prefix); {
		case ok && value == true:
			modes = append(modes, mode)
		case key == "pooling_mode": // newer releases have one string
			modes = append(modes, fmt.Sprint(value))
		case key == "include_prompt" && value == false && prefixed:
			return "", fmt.Errorf("read %s: include_prompt is false, only true is supported for a model with prompts", file)
		}
	}
	slices.Sort(modes)
	if len(modes) == 1 {
		switch modes[0] {
		case "cls_token", "cls":
			return "cls", nil
		case "mean_tokens", "mean":
			return "mean", nil
		}
	}
	return "", fmt.Errorf(`read %s: pooling modes %q, supported is one of "cls_token" and "mean_tokens"`, file, modes)
}

// prompts are what is put in front of texts.
type prompts struct{ query, passage string }

// readPrompts reads config_sentence_transformers.json.
func readPrompts(dir string, normalised bool, o Options) (prompts, error) {
	const file = "config_sentence_transformers.json"
	var c struct {
		Prompts    map[string]string `json:"prompts"`
		Default    *string           `json:"default_prompt_name"`
		Similarity *string           `json:"similarity_fn_name"`
	}
	if _, err := readJSON(dir, file, false, &c); err != nil {
		return prompts{}, err
	}
	if sim := c.Similarity; sim != nil && *sim != "cosine" && !(*sim == "dot" && normalised) {
		return prompts{}, fmt.Errorf(`read %s: similarity_fn_name is %q, supported are "cosine" and, for normalised vectors, "dot"`, file, *sim)
	}
	if c.Default != nil && (o.QueryPrefix == nil || o.PassagePrefix == nil) {
		return prompts{}, fmt.Errorf("read %s: default_prompt_name is %q, which has no counterpart here: give both prefixes", file, *c.Default)
	}
	if _, ok := c.Prompts["query"]; !ok && o.QueryPrefix == nil {
		for _, name := range slices.Sorted(maps.Keys(c.Prompts)) {
			if c.Prompts[name] != "" && name != "passage" && name != "document" {
				return prompts{}, fmt.Errorf(`read %s: there is a prompt %q and none named "query": give the query prefix`, file, name)
			}
		}
	}
	p := prompts{query: c.Prompts["query"], passage: c.Prompts["passage"]}
	if document := c.Prompts["document"]; p.passage == "" {
		p.passage = document
	} else if document != "" && document != p.passage && o.PassagePrefix == nil {
		return prompts{}, fmt.Errorf("read %s: the prompts passage %q and document %q differ: give the passage prefix", file, p.passage, document)
	}
	if o.QueryPrefix != nil {
		p.query = *o.QueryPrefix
	}
	if o.PassagePrefix != nil {
		p.passage = *o.PassagePrefix
	}
	return p, nil
}

// window settles how many tokens the model reads: the smallest of the limits
// that the folder states, or the one that was asked for.
func (s *Source) window(tok tokenizer, modules []module, o Options) error {
	a := &s.Header.Architecture
	positions := a.MaxTokens
	if o.MaxTokens != 0 {
		if o.MaxTokens < 2 || o.MaxTokens > positions {
			return fmt.Errorf("the window is %d tokens, allowed are 2 to max_position_embeddings, which is %d", o.MaxTokens, positions)
		}
		a.MaxTokens = o.MaxTokens
		return nil
	}
	// A tokenizer without a limit states an enormous one.
	if 0 < tok.maxLength && tok.maxLength < float64(positions) {
		a.MaxTokens = int(tok.maxLength)
	}
	if len(modules) == 0 {
		return nil
	}
	const file = "sentence_bert_config.json"
	var c struct {
		MaxLength *int `json:"max_seq_length"`
		Lower     bool `json:"do_lower_case"`
	}
	if _, err := readJSON(s.dir, file, false, &c); err != nil {
		return err
	}
	if c.Lower && !tok.options.Lowercase {
		return fmt.Errorf("read %s: do_lower_case is true, but the tokenizer keeps case: supported is false", file)
	}
	if c.MaxLength == nil {
		return nil
	}
	if *c.MaxLength < 2 || *c.MaxLength > positions {
		return fmt.Errorf("read %s: max_seq_length is %d, allowed are 2 to max_position_embeddings, which is %d", file, *c.MaxLength, positions)
	}
	a.MaxTokens = min(a.MaxTokens, *c.MaxLength)
	return nil
}
