package wordpiece

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
	"unsafe"
)

// scan appends the pieces of text to ids, word by word, until there are at
// least limit ids or the text ends. It returns how many bytes of text it has
// read; what follows them begins a new word.
func (t *Tokenizer) scan(ids []int32, text string, limit int) ([]int32, int) {
	b := unsafe.Slice(unsafe.StringData(text), len(text))
	var w word
	i := 0
	for i < len(b) && len(ids) < limit {
		n := 0 // ASCII letters and digits from i on
		for i+n+8 <= len(b) {
			eight := binary.LittleEndian.Uint64(b[i+n:])
			if n <= maxWordRunes {
				binary.LittleEndian.PutUint64(w.bytes[n:], eight|t.fold)
			}
			m := alphanumerics(eight)
			n += m
			if m < 8 {
				break
			}
		}
		switch {
		case n > 0 && i+n < len(b) && separators[b[i+n]] != 0:
			i += n
			ids = t.appendWord(ids, w.bytes[:], n, n)
			if b[i] == ' ' {
				i++
			}
		case n == 0 && separators[b[i]] == isSpace:
			i++
		case n == 0 && separators[b[i]] == isMark:
			ids = append(ids, t.marks[b[i]])
			i++
		default:
			ids, i = t.scanWord(ids, b, i, &w)
		}
	}
	return ids, i
}

// What separates words among ASCII characters. Those that are neither this nor
// letters or digits are deleted.
const (
	isSpace = 1 + iota
	isMark
)

// separators has isSpace or isMark for each byte that certainly ends a word.
var separators = [256]uint8{'\t': isSpace, '\n': isSpace, '\r': isSpace, ' ': isSpace,
	'!': isMark, '"': isMark, '#': isMark, '$': isMark, '%': isMark, '&': isMark, '\'': isMark, '(': isMark,
	')': isMark, '*': isMark, '+': isMark, ',': isMark, '-': isMark, '.': isMark, '/': isMark, ':': isMark,
	';': isMark, '<': isMark, '=': isMark, '>': isMark, '?': isMark, '@': isMark, '[': isMark, '\\': isMark,
	']': isMark, '^': isMark, '_': isMark, '`': isMark, '{': isMark, '|': isMark, '}': isMark, '~': isMark,
}

// alphanumerics returns how many of the eight bytes of k, from the lowest on,
// are ASCII letters and digits, before the first that is not.
func alphanumerics(k uint64) int {
	const (
		ones = 0x0101010101010101
		high = 0x80 * ones
	)
	// Adding to seven bits does not reach the next byte; the eighth bit of a sum
	// says whether the byte is at least 0x80 minus the addend.
	digits := k &^ high
	letters := digits | 0x20*ones
	digits = (digits + (0x80-'0')*ones) &^ (digits + (0x80-'9'-1)*ones)
	letters = (letters + (0x80-'a')*ones) &^ (letters + (0x80-'z'-1)*ones)
	return bits.TrailingZeros64(^((digits|letters)&^k)&high) >> 3
}

// scanWord reads rune by rune from i up to the end of a word.
func (t *Tokenizer) scanWord(ids []int32, b []byte, i int, w *word) ([]int32, int) {
	for i < len(b) {
		r, size := rune(b[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRune(b[i:])
		}
		i += size
		c := t.of(r)
		if c.class() == letter {
			w.add(c.rune())
			continue
		}
		ids = t.add(ids, r, c, w)
		if w.runes == 0 {
			break
		}
	}
	return t.flush(ids, w), i
}

// add adds what a rune becomes to the word and flushes the word where it ends.
func (t *Tokenizer) add(ids []int32, r rune, c character, w *word) []int32 {
	switch c.class() {
	case letter:
		w.add(c.rune())
	case space:
		ids = t.flush(ids, w)
	case punctuation, ideograph:
		ids = t.flush(ids, w)
		w.add(c.rune())
		ids = t.flush(ids, w)
	case mark:
		w.fixed = w.size
	case compound:
		var buf [8]rune
		parts := t.expand(buf[:0], r)
		if len(parts) == 1 {
			w.insert(parts[0])
			break
		}
		for _, p := range parts {
			ids = t.add(ids, p, t.of(p), w)
		}
	}
	return ids
}

// flush appends the pieces of the word and empties it.
func (t *Tokenizer) flush(ids []int32, w *word) []int32 {
	if w.runes > 0 {
		ids = t.appendWord(ids, w.bytes[:], w.size, w.runes)
		w.size, w.runes = 0, 0
	}
	w.fixed = 0
	return ids
}

// appendWord appends the pieces of the word b[:n]. b is longer than n by the padding.
func (t *Tokenizer) appendWord(ids []int32, b []byte, n, runes int) []int32 {
	if runes > maxWordRunes {
		return append(ids, t.unk)
	}
	if id := t.find(b, n, key(b, n), head); id >= 0 { // so are most
		return append(ids, id)
	}
	return t.appendPieces(ids, b, n)
}

// word collects what the runes of a word become.
type word struct {
	bytes [maxWordRunes*utf8.UTFMax + padding]byte
	size  int // bytes
	runes int // also those that are too many to be kept
	fixed int // bytes that no combining character may move into
}

func (w *word) add(r rune) {
	if w.runes < maxWordRunes {
		if r < utf8.RuneSelf {
			w.bytes[w.size] = byte(r)
			w.size++
		} else {
			w.size += utf8.EncodeRune(w.bytes[w.size:], r)
		}
	}
	w.runes++
}

// insert adds a combining character in canonical order: before those of a
// higher class at the end of the word.
func (w *word) insert(r rune) {
	if w.runes < maxWordRunes {
		at, class := w.size, combiningClass(r)
		for at > w.fixed {
			before, n := utf8.DecodeLastRune(w.bytes[:at])
			if combiningClass(before) <= class {
				break
			}
			at -= n
		}
		var buf [utf8.UTFMax]byte
		n := utf8.EncodeRune(buf[:], r)
		copy(w.bytes[at+n:w.size+n], w.bytes[at:w.size])
		copy(w.bytes[at:], buf[:n])
		w.size += n
	}
	w.runes++
}
