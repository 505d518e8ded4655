package embed

import (
	"encoding/hex"
	"fmt"
	"os"

	"github.com/ragloop/ragloop/internal/embed/bert"
	"github.com/ragloop/ragloop/internal/embed/modelfile"
	"github.com/ragloop/ragloop/internal/embed/wordpiece"
)

// modelParts are what a model file holds, ready to run.
type modelParts struct {
	model     *bert.Model
	tokenizer *wordpiece.Tokenizer
	info      Info
}

// parts makes a model file ready to run; see [New].
func parts(f *modelfile.File) (modelParts, error) {
	vocabulary, err := f.Blob("vocab.txt")
	if err != nil {
		return modelParts{}, err
	}
	options, err := tokenizerOptions(f.Header.Architecture)
	if err != nil {
		return modelParts{}, fmt.Errorf("%w: %w", modelfile.ErrUnsupported, err)
	}
	t, err := wordpiece.New(vocabulary, options)
	if err != nil {
		return modelParts{}, fmt.Errorf("%w: %w", modelfile.ErrUnsupported, err)
	}
	m, err := bert.New(f)
	if err != nil {
		return modelParts{}, err
	}
	if t.Len() != m.Pieces() {
		return modelParts{}, fmt.Errorf("%w: a vocabulary of %d pieces and %d word embeddings", modelfile.ErrUnsupported, t.Len(), m.Pieces())
	}
	return modelParts{m, t, Info{
		Name:        f.Header.Name + " (int8)",
		Fingerprint: "builtin/" + hex.EncodeToString(f.Checksum[:16]) + "/" + forwardRevision,
		Dimension:   m.Hidden,
		MaxTokens:   m.MaxTokens,
	}}, nil
}

// tokenizerOptions returns how a model wants its texts prepared.
func tokenizerOptions(a modelfile.Architecture) (wordpiece.Options, error) {
	switch w := a.WordPiece; {
	case a.Tokenizer == modelfile.WordPieceUncased && w == nil:
		return wordpiece.Uncased(), nil
	case a.Tokenizer == modelfile.WordPieceCustom && w != nil:
		return wordpiece.Options{Lowercase: w.Lowercase, StripAccents: w.StripAccents, HandleChineseChars: w.HandleChineseChars}, nil
	case a.Tokenizer == modelfile.WordPieceUncased || a.Tokenizer == modelfile.WordPieceCustom:
		return wordpiece.Options{}, fmt.Errorf("tokenizer %q goes with the field wordpiece if and only if it is %q", a.Tokenizer, modelfile.WordPieceCustom)
	}
	return wordpiece.Options{}, fmt.Errorf("tokenizer is %q, want %q or %q", a.Tokenizer, modelfile.WordPieceUncased, modelfile.WordPieceCustom)
}

// ReadModel returns a model file, memory mapped if possible, and its parsed
// form, which says what it is for. Errors name the path.
func ReadModel(path string) ([]byte, *modelfile.File, error) {
	data, err := readModel(path)
	if err != nil {
		return nil, nil, err
	}
	f, err := modelfile.Parse(data)
	if err != nil {
		return nil, nil, fmt.Errorf("load model %s: %w", path, err)
	}
	return data, f, nil
}

// readModel returns the contents of a model file, memory mapped if possible.
func readModel(path string) ([]byte, error) {
	// Before it is opened: that would wait for somebody who writes to a pipe.
	if info, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("load model: %w", err)
	} else if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("load model %s: it is no regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("load model: %w", err)
	}
	defer f.Close() // read only; a mapping does not need it
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("load model: %w", err)
	}
	data, err := mapFile(f, info.Size())
	if err != nil {
		return nil, fmt.Errorf("load model %s: %w", path, err)
	}
	return data, nil
}
