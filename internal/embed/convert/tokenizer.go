package convert

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ragloop/ragloop/internal/embed/modelfile"
	"github.com/ragloop/ragloop/internal/embed/wordpiece"
)

// tokenizer is what the folder says about texts and tokens.
type tokenizer struct {
	vocabulary []byte // a piece per line, the line number is the id
	pieces     int
	options    wordpiece.Options
	maxLength  float64 // tokens; 0: not stated
}

// flags are the switches of BERT's normaliser; nil: not stated.
type flags struct {
	lowercase, accents, chinese *bool
}

// Names of the files.
const (
	vocabFile     = "vocab.txt"
	tokenizerFile = "tokenizer.json"
	settingsFile  = "tokenizer_config.json"
)

// readTokenizer reads vocab.txt, tokenizer.json or both, which must then agree,
// and tokenizer_config.json. What nobody states is as in transformers'
// BertTokenizer: uncased, ideographs apart, accents as case.
func readTokenizer(dir string) (tokenizer, error) {
	t, settings, err := readSettings(dir)
	if err != nil {
		return tokenizer{}, err
	}
	listed, err := os.ReadFile(filepath.Join(dir, vocabFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return tokenizer{}, err
	}
	described, inline, err := readTokenizerJSON(dir)
	if err != nil {
		return tokenizer{}, err
	}
	switch {
	case listed == nil && inline == nil:
		return tokenizer{}, fmt.Errorf("there is neither %s nor %s", vocabFile, tokenizerFile)
	case listed == nil:
		t.vocabulary = inline
	case inline != nil && !slices.Equal(lines(listed), lines(inline)):
		return tokenizer{}, fmt.Errorf("%s and %s have different vocabularies", vocabFile, tokenizerFile)
	default:
		t.vocabulary = listed
	}
	t.pieces = len(lines(t.vocabulary))
	t.options = wordpiece.Uncased()
	for _, f := range []struct {
		key   string
		a, b  *bool
		value *bool
	}{
		{"do_lower_case and lowercase", settings.lowercase, described.lowercase, &t.options.Lowercase},
		{"tokenize_chinese_chars and handle_chinese_chars", settings.chinese, described.chinese, &t.options.HandleChineseChars},
	} {
		if err := agree(f.key, f.a, f.b, f.value); err != nil {
			return tokenizer{}, err
		}
	}
	t.options.StripAccents = t.options.Lowercase
	if err := agree("strip_accents and strip_accents", settings.accents, described.accents, &t.options.StripAccents); err != nil {
		return tokenizer{}, err
	}
	if _, err := wordpiece.New(t.vocabulary, t.options); err != nil {
		return tokenizer{}, err
	}
	return t, nil
}

// agree sets value to what either file states.
func agree(keys string, inSettings, inTokenizer, value *bool) error {
	switch {
	case inSettings != nil && inTokenizer != nil && *inSettings != *inTokenizer:
		return fmt.Errorf("%s and %s disagree on %s: %v and %v", settingsFile, tokenizerFile, keys, *inSettings, *inTokenizer)
	case inSettings != nil:
		*value = *inSettings
	case inTokenizer != nil:
		*value = *inTokenizer
	}
	return nil
}

// describe tells the architecture how texts become tokens.
func (t tokenizer) describe(a *modelfile.Architecture) {
	if t.options == wordpiece.Uncased() {
		a.Tokenizer = modelfile.WordPieceUncased
		return
	}
	a.Tokenizer = modelfile.WordPieceCustom
	a.WordPiece = &modelfile.WordPiece{
		Lowercase: t.options.Lowercase, StripAccents: t.options.StripAccents, HandleChineseChars: t.options.HandleChineseChars,
	}
}

// lines returns the pieces of a vocabulary.
func lines(vocabulary []byte) []string {
	if len(vocabulary) == 0 {
		return nil
	}
	all := strings.Split(strings.TrimSuffix(string(vocabulary), "\n"), "\n")
	for i := range all {
		all[i] = strings.TrimRight(all[i], "\r")
	}
	return all
}

// specialPieces are the names that this program knows, by their role.
var specialPieces = map[string]string{
	"unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "mask_token": "[MASK]",
}

// readSettings reads tokenizer_config.json.
func readSettings(dir string) (tokenizer, flags, error) {
	raw := map[string]any{}
	var c struct {
		Class     string   `json:"tokenizer_class"`
		Lowercase *bool    `json:"do_lower_case"`
		Accents   *bool    `json:"strip_accents"`
		Chinese   *bool    `json:"tokenize_chinese_chars"`
		MaxLength *float64 `json:"model_max_length"`
		rules
	}
	if _, err := readJSON(dir, settingsFile, false, &raw); err != nil {
		return tokenizer{}, flags{}, err
	}
	if _, err := readJSON(dir, settingsFile, false, &c); err != nil {
		return tokenizer{}, flags{}, err
	}
	classes := []string{"", "BertTokenizer", "BertTokenizerFast", "PreTrainedTokenizerFast", "TokenizersBackend"}
	if !slices.Contains(classes, c.Class) {
		return tokenizer{}, flags{}, fmt.Errorf("read %s: tokenizer_class is %q, supported are %q", settingsFile, c.Class, classes[1:])
	}
	if err := c.check(); err != nil {
		return tokenizer{}, flags{}, fmt.Errorf("read %s: %w", settingsFile, err)
	}
	if err := readAddedTokens(dir); err != nil {
		return tokenizer{}, flags{}, err
	}
	for _, key := range slices.Sorted(maps.Keys(specialPieces)) {
		name, want := raw[key], specialPieces[key]
		if object, ok := name.(map[string]any); ok {
			name = object["content"]
		}
		if name != nil && name != want {
			return tokenizer{}, flags{}, fmt.Errorf("read %s: %s is %q, only %q is supported", settingsFile, key, name, want)
		}
	}
	var t tokenizer
	if c.MaxLength != nil {
		if t.maxLength = *c.MaxLength; !(t.maxLength >= 2) {
			return tokenizer{}, flags{}, fmt.Errorf("read %s: model_max_length is %v, allowed are 2 and more", settingsFile, t.maxLength)
		}
	}
	return t, flags{c.Lowercase, c.Accents, c.Chinese}, nil
}

// readTokenizerJSON returns the switches and the vocabulary, one piece per
// line, or nothing if there is no tokenizer.json.
func readTokenizerJSON(dir string) (flags, []byte, error) {
	var c struct {
		Model struct {
			Type     string         `json:"type"`
			Vocab    map[string]int `json:"vocab"`
			Prefix   string         `json:"continuing_subword_prefix"`
			Unknown  string         `json:"unk_token"`
			MaxChars int            `json:"max_input_chars_per_word"`
		} `json:"model"`
		Normalizer struct {
			Type      string `json:"type"`
			Clean     *bool  `json:"clean_text"`
			Chinese   *bool  `json:"handle_chinese_chars"`
			Accents   *bool  `json:"strip_accents"`
			Lowercase *bool  `json:"lowercase"`
		} `json:"normalizer"`
		Splitter struct {
			Type string `json:"type"`
		} `json:"pre_tokenizer"`
		Added      []piece   `json:"added_tokens"`
		Processor  processor `json:"post_processor"`
		Truncation struct {
			Direction string `json:"direction"`
		} `json:"truncation"`
	}
	found, err := readJSON(dir, tokenizerFile, false, &c)
	if !found || err != nil {
		return flags{}, nil, err
	}
	for _, f := range []struct{ key, got, want string }{
		{"model.type", c.Model.Type, "WordPiece"},
		{"model.continuing_subword_prefix", c.Model.Prefix, "##"},
		{"model.unk_token", c.Model.Unknown, "[UNK]"},
		{"model.max_input_chars_per_word", fmt.Sprint(c.Model.MaxChars), "100"},
		{"normalizer.type", c.Normalizer.Type, "BertNormalizer"},
		{"pre_tokenizer.type", c.Splitter.Type, "BertPreTokenizer"},
	} {
		if f.got != f.want {
			return flags{}, nil, fmt.Errorf("read %s: %s is %q, only %q is supported", tokenizerFile, f.key, f.got, f.want)
		}
	}
	if clean := c.Normalizer.Clean; clean != nil && !*clean {
		return flags{}, nil, fmt.Errorf("read %s: normalizer.clean_text is false, only true is supported", tokenizerFile)
	}
	for _, t := range c.Added {
		if !special(string(t)) {
			return flags{}, nil, fmt.Errorf("read %s: added_tokens has %q, supported are the special pieces of BERT only", tokenizerFile, t)
		}
	}
	if err := c.Processor.check(); err != nil {
		return flags{}, nil, fmt.Errorf("read %s: %w", tokenizerFile, err)
	}
	if side := c.Truncation.Direction; side != "" && side != "Right" {
		return flags{}, nil, fmt.Errorf(`read %s: truncation.direction is %q, only "Right" is supported`, tokenizerFile, side)
	}
	pieces := make([]string, len(c.Model.Vocab))
	seen := make([]bool, len(pieces))
	for _, piece := range slices.Sorted(maps.Keys(c.Model.Vocab)) {
		id := c.Model.Vocab[piece]
		if id < 0 || id >= len(pieces) || seen[id] {
			return flags{}, nil, fmt.Errorf("read %s: id %d of %q is not one of 0 to %d or given twice", tokenizerFile, id, piece, len(pieces)-1)
		}
		if strings.ContainsAny(piece, "\r\n") {
			return flags{}, nil, fmt.Errorf("read %s: the piece %q has a line break", tokenizerFile, piece)
		}
		pieces[id], seen[id] = piece, true
	}
	var b bytes.Buffer
	for _, piece := range pieces {
		b.WriteString(piece)
		b.WriteByte('\n')
	}
	return flags{c.Normalizer.Lowercase, c.Normalizer.Accents, c.Normalizer.Chinese}, b.Bytes(), nil
}
