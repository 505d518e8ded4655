package wordpiece

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// A piece either begins a word or, with "##" in front, continues one.
const (
	head = iota
	tail

	continuation = "##"
)

// padding is how many bytes behind a word must be readable.
const padding = 7

// vocabulary is an open-addressing hash table of pieces. A slot has the piece
// itself if it is short, as nearly all are, so that a search mostly ends with
// the one cache line it starts with.
type vocabulary struct {
	slots  []slot   // a power of two of them, at most half in use
	shift  int      // of a 64-bit hash, to the index of a slot
	text   string   // the file
	starts []uint32 // where each piece begins in text, behind its "##"
	// lengths has, for heads and tails and for each hash of three bytes, the
	// lengths of pieces that begin so: bit n for n bytes, the last bit for its
	// number and more. Bits 1 and 2 are set always.
	lengths [2][1 << lengthsBits]uint32
	longest int // bytes
}

type slot struct {
	key  uint64 // the bytes of the piece if there are at most eight, else a hash of them
	form uint32 // see form; 0: the slot is free
	id   int32
}

const (
	lengthsBits = 13
	manyBytes   = 31 // the last bit of an entry of lengths
)

// form tells apart what a key does not: the length and the kind of a piece.
func form(size, kind int) uint32 { return uint32(size<<1 | kind) }

// load fills the table from a file with one piece per line, and the ids of the
// special pieces; -1 stands for one that the file lacks. Special pieces do not
// get into the table: no text can have them.
func (v *vocabulary) load(file []byte, special map[string]*int32) error {
	const largestFile, mostPieces = 1 << 28, 1 << 20
	if len(file) > largestFile {
		return fmt.Errorf("the vocabulary has %d bytes, want at most %d", len(file), largestFile)
	}
	if !utf8.Valid(file) {
		line := 1
		for l := range bytes.Lines(file) {
			if !utf8.Valid(l) {
				break
			}
			line++
		}
		return fmt.Errorf("line %d of the vocabulary is not UTF-8", line)
	}
	lines := bytes.Count(file, []byte{'\n'}) + 1
	if lines > mostPieces {
		return fmt.Errorf("the vocabulary has %d lines, want at most %d", lines, mostPieces)
	}
	for _, id := range special {
		*id = -1
	}
	for kind := range v.lengths {
		for i := range v.lengths[kind] {
			v.lengths[kind][i] = 1<<1 | 1<<2
		}
	}
	width := bits.Len(uint(2*lines - 1))
	v.slots = make([]slot, 1<<width)
	v.shift = 64 - width
	v.text = unsafe.String(unsafe.SliceData(file), len(file))
	v.starts = make([]uint32, 0, lines)
	next := 0
	var buf []byte
	for line := range strings.Lines(v.text) {
		start := next
		next += len(line)
		id := int32(len(v.starts))
		piece, kind := strings.TrimRight(line, "\r\n"), head
		name := piece
		if rest, ok := strings.CutPrefix(piece, continuation); ok && rest != "" {
			piece, kind = rest, tail
			start += len(continuation)
		}
		v.starts = append(v.starts, uint32(start))
		if at, ok := special[name]; ok {
			if *at >= 0 {
				return fmt.Errorf("lines %d and %d of the vocabulary are both %q", *at+1, id+1, name)
			}
			*at = id
			continue
		}
		if piece == "" {
			continue // an empty line takes its number
		}
		v.longest = max(v.longest, len(piece))
		if len(piece) > 2 {
			v.lengths[kind][prefixHash(piece[0], piece[1], piece[2])] |= 1 << min(len(piece), manyBytes)
		}
		buf = append(append(buf[:0], piece...), make([]byte, padding)...)
		k, f := key(buf, len(piece)), form(len(piece), kind)
		i := v.home(k, kind)
		for ; v.slots[i].form != 0; i = (i + 1) & (len(v.slots) - 1) {
			if s := v.slots[i]; s.key == k && s.form == f && v.piece(s.id, len(piece)) == piece {
				return fmt.Errorf("lines %d and %d of the vocabulary are both %q", s.id+1, id+1, name)
			}
		}
		v.slots[i] = slot{k, f, id}
	}
	return nil
}

// piece returns the n bytes of a piece, without "##".
func (v *vocabulary) piece(id int32, n int) string {
	start := v.starts[id]
	return v.text[start:][:n]
}

// key returns the bytes of b[:n] if they are at most eight, else a hash of them.
// b is longer than n by the padding.
func key(b []byte, n int) uint64 {
	k := binary.LittleEndian.Uint64(b)
	if n <= 8 {
		return k & first(n)
	}
	for at := 8; at < n; at += 8 {
		k = scramble(k) ^ binary.LittleEndian.Uint64(b[at:])&first(min(n-at, 8))
	}
	return k
}

// first returns a mask of the first n bytes of a word, for n from 1 to 8.
func first(n int) uint64 { return ^uint64(0) >> ((64 - 8*n) & 63) }

// scramble is a bijection whose high bits depend on all bits of k.
func scramble(k uint64) uint64 {
	k *= 0x9e3779b97f4a7c15
	return k ^ k>>32
}

// home returns the index where the search for a key begins.
func (v *vocabulary) home(k uint64, kind int) int {
	return int((k + uint64(kind)) * 0x9e3779b97f4a7c15 >> v.shift)
}

func prefixHash(a, b, c byte) uint32 {
	return (uint32(a) | uint32(b)<<8 | uint32(c)<<16) * 0x9e3779b1 >> (32 - lengthsBits)
}

// find returns the id of the piece b[:n] with the given key, or -1.
func (v *vocabulary) find(b []byte, n int, k uint64, kind int) int32 {
	f := form(n, kind)
	for i := v.home(k, kind); ; i++ {
		s := &v.slots[i&(len(v.slots)-1)]
		if s.key == k && s.form == f && (n <= 8 || v.piece(s.id, n) == string(b[:n])) {
			return s.id
		}
		if s.form == 0 {
			return -1
		}
	}
}

// longestPrefix returns the longest piece that b[:n] begins with; size is 0 if
// there is none. A cut inside a rune is harmless: pieces are valid UTF-8.
func (v *vocabulary) longestPrefix(b []byte, n, kind int) (id int32, size int) {
	lengths := uint32(1<<1 | 1<<2)
	if n > 2 {
		lengths = v.lengths[kind][prefixHash(b[0], b[1], b[2])]
	}
	if n >= manyBytes && lengths>>manyBytes != 0 {
		for size = min(n, v.longest); size >= manyBytes; size-- {
			if id = v.find(b, size, key(b, size), kind); id >= 0 {
				return id, size
			}
		}
	}
	for lengths &= 1<<min(n+1, manyBytes) - 1; lengths != 0; lengths &^= 1 << size {
		size = bits.Len32(lengths) - 1
		if id = v.find(b, size, key(b, size), kind); id >= 0 {
			return id, size
		}
	}
	return -1, 0
}

// appendPieces appends the pieces of the word b[:n], or [UNK] when some part of
// it has no piece. b is longer than n by the padding.
func (t *Tokenizer) appendPieces(ids []int32, b []byte, n int) []int32 {
	start, kind := len(ids), head
	for n > 0 {
		id, size := t.longestPrefix(b, n, kind)
		if size == 0 {
			return append(ids[:start], t.unk)
		}
		ids = append(ids, id)
		b, n, kind = b[size:], n-size, tail
	}
	return ids
}
