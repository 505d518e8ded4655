package convert

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// tensor is one decoded array, row major.
type tensor struct {
	name   string
	shape  []int
	values []float32
}

const (
	weightsFile = "model.safetensors"
	shardsFile  = "model.safetensors.index.json"
)

// readWeights reads the tensors of the architecture, which a file may have
// under a prefix, and leaves what it does not need. Position embeddings beyond
// the window, and word embeddings beyond the vocabulary, with which some models
// are padded, are cut off.
func (s *Source) readWeights(cfg config, pieces int) error {
	if err := checkVocabulary(pieces, cfg.VocabSize); err != nil {
		return err
	}
	stored, err := readStored(s.dir)
	if err != nil {
		return err
	}
	s.Header.SourceSHA256 = stored.sha256
	prefix, err := stored.prefix()
	if err != nil {
		return err
	}
	a := s.Header.Architecture
	needed := shapes(a)
	needed[wordEmbeddings][0] = cfg.VocabSize
	needed[positionEmbeddings][0] = cfg.MaxPositions
	needed[typeEmbeddings][0] = cfg.TypeVocabSize
	keep := map[string]int{wordEmbeddings: pieces, positionEmbeddings: a.MaxTokens}
	for _, name := range slices.Sorted(maps.Keys(needed)) {
		full := prefix + name
		if strings.HasPrefix(name, "classifier.") {
			full = name // beside the encoder, not in it
		}
		entry, ok := stored.entries[full]
		if !ok {
			return fmt.Errorf("read %s: there is no tensor %q", stored.file, full)
		}
		if !slices.Equal(entry.Shape, needed[name]) {
			return fmt.Errorf("read %s: tensor %q has shape %v, config.json asks for %v", entry.file, full, entry.Shape, needed[name])
		}
		values, err := entry.decode()
		if err != nil {
			return fmt.Errorf("read %s: tensor %q: %w", entry.file, full, err)
		}
		shape := slices.Clone(entry.Shape)
		if rows, ok := keep[name]; ok {
			shape[0], values = rows, values[:rows*shape[1]]
		}
		s.tensors = append(s.tensors, tensor{name, shape, values})
	}
	return nil
}

// checkVocabulary refuses a vocabulary that is not what the word embeddings were
// made for. They may have more rows only where they are padded to a multiple of
// a power of two, as some training programs do: a vocabulary that was cut off
// would silently give other vectors.
func checkVocabulary(pieces, rows int) error {
	for unit := 1; unit <= 128; unit *= 2 {
		if (pieces+unit-1)/unit*unit == rows {
			return nil
		}
	}
	return fmt.Errorf("the vocabulary has %d pieces, config.json says vocab_size %d; more than the pieces is supported as padding to a multiple of a power of two up to 128",
		pieces, rows)
}

// weights are the stored arrays of a folder.
type weights struct {
	entries map[string]entry
	file    string // model.safetensors or the index of its shards
	sha256  string // of the files with arrays, in the order of their names
}

// prefixes are what may stand in front of the names of an encoder's tensors.
var prefixes = []string{"", "bert.", "0.auto_model."}

// prefix returns the one that the tensors have.
func (w weights) prefix() (string, error) {
	var found []string
	for _, p := range prefixes {
		if _, ok := w.entries[p+wordEmbeddings]; ok {
			found = append(found, p)
		}
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("read %s: there is no tensor %q, also not behind one of %q", w.file, wordEmbeddings, prefixes[1:])
	case 1:
		return found[0], nil
	}
	first, second := found[0]+wordEmbeddings, found[1]+wordEmbeddings
	return "", fmt.Errorf("read %s: there are the tensors %q in %s and %q in %s, want one encoder",
		w.file, first, w.entries[first].file, second, w.entries[second].file)
}

// readStored reads model.safetensors, or the files that its index names.
func readStored(dir string) (weights, error) {
	w := weights{entries: make(map[string]entry), file: weightsFile}
	listed, sharded, err := readIndex(dir)
	if err != nil {
		return weights{}, err
	}
	_, err = os.Stat(filepath.Join(dir, weightsFile))
	whole := err == nil
	files := []string{weightsFile}
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return weights{}, err
	case whole && sharded:
		return weights{}, fmt.Errorf("there are both %s and %s: remove the one that is not to be read", weightsFile, shardsFile)
	case !whole && !sharded:
		return weights{}, fmt.Errorf("there is neither %s nor %s; other formats of weights are not read", weightsFile, shardsFile)
	case sharded:
		w.file, files = shardsFile, slices.Compact(slices.Sorted(maps.Values(listed)))
	}
	sum := sha256.New()
	for _, name := range files {
		if !filepath.IsLocal(name) {
			return weights{}, fmt.Errorf("read %s: %q is outside the folder", shardsFile, name)
		}
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return weights{}, fmt.Errorf("read %s: %w", w.file, err)
		}
		sum.Write(data)
		entries, err := parseSafetensors(data)
		if err != nil {
			return weights{}, fmt.Errorf("read %s: %w", name, err)
		}
		for _, key := range slices.Sorted(maps.Keys(entries)) {
			if other, twice := w.entries[key]; twice {
				return weights{}, fmt.Errorf("read %s: tensor %q is in %s, too", name, key, other.file)
			}
			e := entries[key]
			e.file = name
			w.entries[key] = e
		}
	}
	w.sha256 = fmt.Sprintf("%x", sum.Sum(nil))
	if sharded {
		return w, w.checkIndex(listed)
	}
	return w, nil
}

// readIndex returns which file has which tensor, if there is an index of shards.
func readIndex(dir string) (listed map[string]string, found bool, err error) {
	index := struct {
		Map json.RawMessage `json:"weight_map"`
	}{json.RawMessage("{}")}
	if found, err = readJSON(dir, shardsFile, false, &index); err != nil || !found {
		return nil, false, err
	}
	if err := json.Unmarshal(index.Map, &listed); err != nil {
		return nil, false, fmt.Errorf("read %s: weight_map: %w", shardsFile, err)
	}
	if name, twice := repeatedKey(index.Map); twice {
		return nil, false, fmt.Errorf("read %s: weight_map: %q is listed twice", shardsFile, name)
	}
	if len(listed) == 0 {
		return nil, false, fmt.Errorf("read %s: weight_map has no tensors", shardsFile)
	}
	return listed, true, nil
}

// checkIndex makes sure that the shards have the tensors that the index says
// they have, and no others: else one of them belongs to another model.
func (w weights) checkIndex(listed map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(listed)) {
		switch e, ok := w.entries[name]; {
		case !ok:
			return fmt.Errorf("read %s: tensor %q is not in %s, nor in another file that is named", shardsFile, name, listed[name])
		case e.file != listed[name]:
			return fmt.Errorf("read %s: tensor %q is in %s, not in %s", shardsFile, name, e.file, listed[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.entries)) {
		if _, ok := listed[name]; !ok {
			return fmt.Errorf("read %s: tensor %q of %s is not listed", shardsFile, name, w.entries[name].file)
		}
	}
	return nil
}
