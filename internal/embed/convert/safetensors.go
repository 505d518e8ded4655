package convert

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ragloop/ragloop/internal/embed/modelfile"
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
	stored, sum, err := readStored(s.dir)
	if err != nil {
		return err
	}
	s.Header.SourceSHA256 = fmt.Sprintf("%x", sum.Sum(nil))
	prefix, err := findPrefix(stored)
	if err != nil {
		return err
	}
	a := s.Header.Architecture
	if pieces > cfg.VocabSize {
		return fmt.Errorf("the vocabulary has %d pieces, config.json says vocab_size %d", pieces, cfg.VocabSize)
	}
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
		entry, ok := stored[full]
		if !ok {
			return fmt.Errorf("read %s: there is no tensor %q", weightsFile, full)
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

// prefixes are what may stand in front of the names of an encoder's tensors.
var prefixes = []string{"", "bert.", "0.auto_model."}

func findPrefix(stored map[string]entry) (string, error) {
	for _, p := range prefixes {
		if _, ok := stored[p+wordEmbeddings]; ok {
			return p, nil
		}
	}
	return "", fmt.Errorf("read %s: there is no tensor %q, also not behind one of %q", weightsFile, wordEmbeddings, prefixes[1:])
}

// readStored reads model.safetensors, or the files that its index names.
func readStored(dir string) (map[string]entry, hash.Hash, error) {
	sum := sha256.New()
	files := []string{weightsFile}
	if _, err := os.Stat(filepath.Join(dir, weightsFile)); errors.Is(err, fs.ErrNotExist) {
		var index struct {
			Files map[string]string `json:"weight_map"`
		}
		found, err := readJSON(dir, shardsFile, false, &index)
		if err != nil {
			return nil, nil, err
		}
		if !found {
			return nil, nil, fmt.Errorf("there is neither %s nor %s; other formats of weights are not read", weightsFile, shardsFile)
		}
		files = slices.Compact(slices.Sorted(maps.Values(index.Files)))
	}
	all := make(map[string]entry)
	for _, name := range files {
		if !filepath.IsLocal(name) {
			return nil, nil, fmt.Errorf("read %s: %q is outside the folder", shardsFile, name)
		}
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, nil, err
		}
		sum.Write(data)
		entries, err := parseSafetensors(data)
		if err != nil {
			return nil, nil, fmt.Errorf("read %s: %w", name, err)
		}
		for key, e := range entries {
			if other, twice := all[key]; twice {
				return nil, nil, fmt.Errorf("read %s: tensor %q is in %s, too", name, key, other.file)
			}
			e.file = name
			all[key] = e
		}
	}
	return all, sum, nil
}

// entry is a stored array.
type entry struct {
	DType   string    `json:"dtype"`
	Shape   []int     `json:"shape"`
	Offsets [2]uint64 `json:"data_offsets"`

	file string
	raw  []byte
}

// parseSafetensors reads the entries of a file in the safetensors format: a
// uint64 header length, a JSON header, the arrays. The arrays alias data.
func parseSafetensors(data []byte) (map[string]entry, error) {
	if len(data) < 8 {
		return nil, errors.New("the file is shorter than its 8 byte prelude")
	}
	n := binary.LittleEndian.Uint64(data)
	if n > uint64(len(data)-8) {
		return nil, fmt.Errorf("header of %d bytes in a file of %d", n, len(data))
	}
	var header map[string]json.RawMessage
	if err := json.Unmarshal(data[8:8+n], &header); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	if name, twice := repeatedKey(data[8 : 8+n]); twice {
		return nil, fmt.Errorf("header: %q is listed twice", name)
	}
	delete(header, "__metadata__")
	payload := data[8+n:]
	out := make(map[string]entry, len(header))
	for _, name := range slices.Sorted(maps.Keys(header)) {
		var e entry
		if err := json.Unmarshal(header[name], &e); err != nil {
			return nil, fmt.Errorf("tensor %q: %w", name, err)
		}
		if e.Offsets[0] > e.Offsets[1] || e.Offsets[1] > uint64(len(payload)) {
			return nil, fmt.Errorf("tensor %q: bytes %d to %d of a payload of %d", name, e.Offsets[0], e.Offsets[1], len(payload))
		}
		e.raw = payload[e.Offsets[0]:e.Offsets[1]]
		out[name] = e
	}
	return out, nil
}

// repeatedKey returns a key that a valid JSON object has twice: package json
// silently takes the last one.
func repeatedKey(object []byte) (string, bool) {
	d := json.NewDecoder(bytes.NewReader(object))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return "", false // null, which has no keys
	}
	seen := map[string]bool{}
	for d.More() {
		token, err := d.Token()
		key, ok := token.(string)
		if err != nil || !ok {
			return "", false // unreachable: the object is valid
		}
		if seen[key] {
			return key, true
		}
		seen[key] = true
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return "", false // unreachable: the object is valid
		}
	}
	return "", false
}

// decode returns the values of an array of type F16, BF16 or F32.
func (e entry) decode() ([]float32, error) {
	var size int
	var value func(b []byte) float32
	switch e.DType {
	case "F16":
		size, value = 2, func(b []byte) float32 { return modelfile.HalfToFloat(binary.LittleEndian.Uint16(b)) }
	case "BF16": // the upper half of a float32
		size, value = 2, func(b []byte) float32 { return math.Float32frombits(uint32(binary.LittleEndian.Uint16(b)) << 16) }
	case "F32":
		size, value = 4, func(b []byte) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(b)) }
	default:
		return nil, fmt.Errorf("dtype is %q, supported are F32, F16 and BF16", e.DType)
	}
	elements := 1
	for _, d := range e.Shape {
		elements *= d
	}
	if elements*size != len(e.raw) {
		return nil, fmt.Errorf("shape %v of %s and %d bytes", e.Shape, e.DType, len(e.raw))
	}
	out := make([]float32, elements)
	for i := range out {
		if out[i] = value(e.raw[i*size:]); math.IsNaN(float64(out[i])) || math.IsInf(float64(out[i]), 0) {
			return nil, fmt.Errorf("element %d is %v", i, out[i])
		}
	}
	return out, nil
}
