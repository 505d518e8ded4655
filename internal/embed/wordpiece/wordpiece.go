// Package wordpiece splits text into the ids of a BERT vocabulary: clean,
// separate CJK ideographs, strip accents, lower-case, split at white space and
// punctuation, then match the longest known pieces greedily. It is exact: ids
// equal those of the reference tokenizer (Hugging Face tokenizers 0.23), with one
// deliberate difference, see [Tokenizer.Append]. Characters newer than the
// Unicode 8 of that tokenizer, or than the tables of this program, may be lowered
// and ordered differently, which shows only with a vocabulary that has them.
//
// It does one pass over the text and allocates nothing but the ids: words of
// ASCII letters and digits, nearly all of English, are looked up where they
// stand, eight bytes at a time; others are normalised rune by rune in a buffer
// of one word (file scan.go). What a rune becomes is in a table that is filled
// when its block of Unicode first occurs (characters.go); pieces are in a hash
// table (vocabulary.go). Time and memory are linear in the text, whatever it is.
//
// Source: Wu et al., "Google's Neural Machine Translation System" (2016), §4.1,
// with the longest-match-first inference and the cleaning rules of BERT
// (Devlin et al., 2019).
package wordpiece

import (
	"fmt"
	"math"
	"strings"

	"github.com/ragloop/ragloop/internal/text"
)

// Tokenizer turns text into ids. It is immutable, but for tables filled on
// demand, and safe for concurrent use.
type Tokenizer struct {
	vocabulary
	characters
	// fold is ored to eight ASCII letters and digits at once: the bit that
	// lowers letters and that digits have already, or nothing.
	fold          uint64
	cls, sep, unk int32
	marks         [128]int32 // the id of each ASCII punctuation mark
}

// maxWordRunes is the length beyond which a word is one unknown piece.
const maxWordRunes = 100

// New builds a tokenizer from a vocabulary: one piece per line, the line number
// is the id. The vocabulary is kept and must not change. It is an error if it
// is not UTF-8, has a piece twice or lacks a special piece.
func New(vocabulary []byte, options Options) (*Tokenizer, error) {
	options = options.withDefaults()
	t := &Tokenizer{characters: characters{options: options}}
	if options.Lowercase {
		t.fold = 0x2020202020202020
	}
	special := map[string]*int32{options.Unknown: &t.unk, options.Class: &t.cls, options.Separator: &t.sep}
	if len(special) != 3 {
		return nil, fmt.Errorf("build tokenizer: the special pieces %q, %q and %q are not different", options.Unknown, options.Class, options.Separator)
	}
	if err := t.load(vocabulary, special); err != nil {
		return nil, fmt.Errorf("build tokenizer: %w", err)
	}
	for _, name := range []string{options.Unknown, options.Class, options.Separator} {
		if *special[name] < 0 {
			return nil, fmt.Errorf("build tokenizer: the vocabulary of %d pieces lacks %s", t.Len(), name)
		}
	}
	for c := range t.marks {
		b := [1 + padding]byte{byte(c)}
		t.marks[c] = t.unk
		if id := t.find(b[:], 1, key(b[:], 1), head); id >= 0 {
			t.marks[c] = id
		}
	}
	return t, nil
}

// Len returns the number of pieces of the vocabulary.
func (t *Tokenizer) Len() int { return len(t.starts) }

// Piece returns the characters of a piece, without the "##" of one that
// continues a word. It panics unless id is below Len.
func (t *Tokenizer) Piece(id int32) string {
	line, _, _ := strings.Cut(t.text[t.starts[id]:], "\n")
	return strings.TrimRight(line, "\r")
}

// Append appends the ids of text to ids: [CLS], the pieces, [SEP]. The result
// is not truncated.
//
// The names of special pieces ("[CLS]", "[SEP]", "[MASK]", "[PAD]", "[UNK]") in
// the text are text: a document cannot forge them. The reference tokenizer
// turns them into the special ids instead. Bytes that are not UTF-8 count as
// U+FFFD, which the cleaning rules delete.
func (t *Tokenizer) Append(ids []int32, text string) []int32 {
	ids, _ = t.scan(append(ids, t.cls), text, math.MaxInt)
	return append(ids, t.sep)
}

// AppendWindow is [Tokenizer.Append] of prefix+text cut to a model's window:
// the pieces that are too many are left out, [SEP] ends the result. What is
// behind the window is not read, but text is copied if prefix does not end with
// white space or an ASCII punctuation mark. A window below 2 counts as 2, the
// room of [CLS] and [SEP].
func (t *Tokenizer) AppendWindow(ids []int32, window int, prefix, text string) []int32 {
	limit := len(ids) + max(window, 2) - 1
	ids = append(ids, t.cls)
	if endsWord(prefix) {
		ids = t.appendUpTo(ids, prefix, limit)
	} else {
		text = prefix + text
	}
	return append(t.appendUpTo(ids, text, limit), t.sep)
}

// AppendWords is [Tokenizer.AppendWindow], and appends to spans where in text
// each of its pieces comes from: the bytes of the word, which all its pieces
// share, with a mark that follows without a space. Pieces that begin in prefix
// and special ones have no span: the last len(spans) pieces before [SEP] are the
// text's.
func (t *Tokenizer) AppendWords(ids []int32, spans []text.Span, window int, prefix, s string) ([]int32, []text.Span) {
	limit := len(ids) + max(window, 2) - 1
	ids = append(ids, t.cls)
	whole := prefix + s
	for at := 0; at < len(whole) && len(ids) < limit; {
		before := len(ids)
		var read int
		ids, read = t.scan(ids, whole[at:], before+1)
		ids = ids[:min(len(ids), limit)]
		word := strings.TrimSpace(whole[at : at+read])
		start := at + strings.Index(whole[at:at+read], word) - len(prefix)
		at += read
		if start < 0 {
			continue
		}
		for range len(ids) - before {
			spans = append(spans, text.Span{Start: start, End: start + len(word)})
		}
	}
	return append(ids, t.sep), spans
}

// endsWord reports whether no word of s can go on in what follows it.
func endsWord(s string) bool { return s == "" || separators[s[len(s)-1]] != 0 }

// AppendPair appends [CLS], the pieces of a, [SEP], the pieces of b, [SEP], at
// most window ids, and returns where the second segment begins: the ids before
// it have token type 0, those from it on token type 1. Of pieces that are too
// many, the longer text loses first, until both are equally long, and an odd
// place stays with the longer one (Hugging Face's "longest_first"). A window
// below 3 counts as 3.
func (t *Tokenizer) AppendPair(ids []int32, window int, a, b string) (_ []int32, second int) {
	room := max(window, 3) - 3
	ids = append(ids, t.cls)
	first := len(ids)
	ids = t.appendUpTo(ids, a, first+room)
	middle := len(ids)
	ids = t.appendUpTo(ids, b, middle+room)

	n, m := middle-first, len(ids)-middle
	if n == room && m == room { // perhaps cut, then only Count knows which is longer
		n, m = t.Count(a), t.Count(b)
	}
	n, m = share(n, m, room)
	ids = append(ids[:middle+m], t.sep, t.sep)
	copy(ids[first+n+1:], ids[middle:middle+m])
	second = first + n + 1
	ids[second-1], ids[second+m] = t.sep, t.sep
	return ids[:second+m+1], second
}

// share returns how many of n and of m pieces stay where there is room for so many.
func share(n, m, room int) (int, int) {
	switch {
	case n+m <= room:
		return n, m
	case n > m:
		m, n = share(m, n, room)
		return n, m
	case 2*n <= room:
		return n, room - n
	}
	return room / 2, room - room/2
}

// appendUpTo appends the pieces of text until ids has the length limit.
func (t *Tokenizer) appendUpTo(ids []int32, text string, limit int) []int32 {
	ids, _ = t.scan(ids, text, limit)
	return ids[:min(len(ids), limit)]
}

// Count returns the length of Append(nil, text) without making it.
func (t *Tokenizer) Count(text string) int {
	var buf [256]int32
	n := 2
	for text != "" {
		// The last word may have maxWordRunes pieces and a mark behind it.
		ids, read := t.scan(buf[:0], text, len(buf)-maxWordRunes-1)
		n += len(ids)
		text = text[read:]
	}
	return n
}
