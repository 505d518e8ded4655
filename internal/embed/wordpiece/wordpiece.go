// Package wordpiece splits text into the ids of an uncased BERT vocabulary:
// clean, separate CJK ideographs, strip accents, lower-case, split at white
// space and punctuation, then match the longest known pieces greedily. It is
// exact: ids equal those of the reference tokenizer (Hugging Face tokenizers)
// for every input, with one deliberate difference, see [Tokenizer.Append].
//
// Source: Wu et al., "Google's Neural Machine Translation System" (2016), §4.1,
// with the longest-match-first inference and the cleaning rules of BERT
// (Devlin et al., 2019).
package wordpiece

import (
	"bytes"
	"fmt"
	"strings"
	"unsafe"
)

// Tokenizer turns text into ids. It is immutable and safe for concurrent use.
type Tokenizer struct {
	first map[string]int32 // pieces that begin a word
	rest  map[string]int32 // pieces that continue one, without their "##"

	longest               int // bytes of the longest piece
	cls, sep, unk         int32
	special               map[string]int32 // all five, by name
	recogniseSpecialNames bool
}

// specialNames are the pieces that the model gives a meaning of its own.
var specialNames = []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}

const (
	continuation = "##"
	// maxWordRunes is the length beyond which a word is one unknown piece.
	maxWordRunes = 100
)

// New builds a tokenizer from a vocabulary: one piece per line, the line number
// is the id. The vocabulary is kept and must not change.
func New(vocabulary []byte) (*Tokenizer, error) {
	text := unsafe.String(unsafe.SliceData(vocabulary), len(vocabulary))
	lines := bytes.Count(vocabulary, []byte{'\n'})
	t := &Tokenizer{
		first:   make(map[string]int32, lines),
		rest:    make(map[string]int32, lines/4),
		special: make(map[string]int32, len(specialNames)),
	}
	var id int32
	for line := range strings.Lines(text) {
		piece := strings.TrimRight(line, "\r\n")
		t.longest = max(t.longest, len(piece))
		pieces, key := t.first, piece
		if tail, ok := strings.CutPrefix(piece, continuation); ok && tail != "" {
			pieces, key = t.rest, tail
		}
		if other, twice := pieces[key]; twice {
			return nil, fmt.Errorf("build tokenizer: lines %d and %d of the vocabulary are both %q", other+1, id+1, piece)
		}
		pieces[key] = id
		id++
	}
	for _, name := range specialNames {
		id, ok := t.first[name]
		if !ok {
			return nil, fmt.Errorf("build tokenizer: the vocabulary of %d pieces lacks %s", id, name)
		}
		t.special[name] = id
	}
	t.cls, t.sep, t.unk = t.special["[CLS]"], t.special["[SEP]"], t.special["[UNK]"]
	return t, nil
}

// Len returns the number of pieces of the vocabulary.
func (t *Tokenizer) Len() int { return len(t.first) + len(t.rest) }

// Append appends the ids of text to ids: [CLS], the pieces, [SEP]. The result
// is not truncated.
//
// The names of special pieces ("[CLS]", "[SEP]", "[MASK]", "[PAD]", "[UNK]") in
// the text are text: a document cannot forge them. The reference tokenizer
// turns them into the special ids instead. Bytes that are not UTF-8 count as
// U+FFFD, which the cleaning rules delete.
func (t *Tokenizer) Append(ids []int32, text string) []int32 {
	ids = append(ids, t.cls)
	if t.recogniseSpecialNames {
		ids = t.appendWithSpecials(ids, text)
	} else {
		ids = t.appendText(ids, text)
	}
	return append(ids, t.sep)
}

// Count returns the length of Append(nil, text).
func (t *Tokenizer) Count(text string) int {
	var buf [256]int32
	return len(t.Append(buf[:0], text))
}

// appendWithSpecials is the behaviour of the reference tokenizer: special names
// are cut out of the raw text before anything else happens.
func (t *Tokenizer) appendWithSpecials(ids []int32, text string) []int32 {
	for text != "" {
		at, name := len(text), ""
		for _, n := range specialNames {
			if i := strings.Index(text, n); i >= 0 && i < at {
				at, name = i, n
			}
		}
		ids = t.appendText(ids, text[:at])
		if name != "" {
			ids = append(ids, t.special[name])
		}
		text = text[at+len(name):]
	}
	return ids
}

// appendText normalises text and appends the pieces of its words.
func (t *Tokenizer) appendText(ids []int32, text string) []int32 {
	var buf [512]byte
	word := buf[:0]
	runes := 0
	flush := func() {
		if runes > 0 {
			ids = t.appendWord(ids, word, runes)
			word, runes = word[:0], 0
		}
	}
	for _, r := range decompose(clean(text)) {
		switch class, lower := classify(r); class {
		case space:
			flush()
		case punctuation:
			flush()
			word, runes = appendRune(word, lower), 1
			flush()
		case letter:
			word = appendRune(word, lower)
			runes++
		}
	}
	flush()
	return ids
}

// appendWord appends the pieces of one word, or [UNK] when some part of it has
// no piece.
func (t *Tokenizer) appendWord(ids []int32, word []byte, runes int) []int32 {
	if runes > maxWordRunes {
		return append(ids, t.unk)
	}
	start := len(ids)
	pieces := t.first
	for len(word) > 0 {
		n := min(len(word), t.longest)
		for ; n > 0; n-- {
			// Cutting inside a rune is harmless: no piece is invalid UTF-8.
			if id, ok := pieces[string(word[:n])]; ok {
				ids = append(ids, id)
				break
			}
		}
		if n == 0 {
			return append(ids[:start], t.unk)
		}
		word = word[n:]
		pieces = t.rest
	}
	return ids
}
