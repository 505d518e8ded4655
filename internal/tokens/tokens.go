// Package tokens counts and cuts text in the tokens of the target language
// model, exactly: the numbers are those of OpenAI's tiktoken. For tokenizers that
// it does not have, it counts by a declared upper bound (bound.go).
//
// An encoding is a vocabulary (byte strings with ranks, embedded in the
// binary) and a pre-tokenisation rule. Text is first split into pieces by the
// rule (split.go), then every piece is merged byte pair by byte pair, lowest
// rank first (merge.go; long.go does the same to long pieces). Both steps take
// time linear in the length of the text, whatever it is, a megabyte of one letter
// included.
//
// The package doesn't encode: nothing here needs token ids. It doesn't know
// special tokens either: "<|endoftext|>" in a document is counted as the
// ordinary text that it is.
//
// The encodings are all that github.com/pkoukk/tiktoken-go has. That is the
// reference in tests and counts nothing here: it takes time quadratic in the length
// of a piece, so that one document could hold up a service.
//
// Text that isn't valid UTF-8 counts as if each invalid byte were U+FFFD, the
// replacement character, which is what would reach a model.
package tokens

import (
	"errors"
	"math"
	"strings"
	"sync"
	"unicode/utf8"
)

// ErrUnknownEncoding is returned by New for a name it does not know.
var ErrUnknownEncoding = errors.New("unknown tokenizer encoding")

// encoding is the immutable data of one encoding, loaded on first use.
type encoding struct {
	name string
	rule rule
	load func() (*vocabulary, error)
}

// The vocabularies take 3 ms and 5 MB (p50k_base, r50k_base), 10 ms and 9 MB
// (cl100k_base) or 20 ms and 18 MB (o200k_base) to load: once per process, and only
// when asked for. The first long piece takes as much again: see long.go.
var encodings = []*encoding{
	newEncoding("cl100k_base", cl100k),
	newEncoding("o200k_base", o200k),
	p50kBase,
	{"p50k_edit", gpt2, p50kBase.load}, // differs in special tokens only
	newEncoding("r50k_base", gpt2),
}

var p50kBase = newEncoding("p50k_base", gpt2)

func newEncoding(name string, r rule) *encoding {
	return &encoding{name: name, rule: r, load: sync.OnceValues(func() (*vocabulary, error) {
		fillClasses()
		return loadVocabulary(name)
	})}
}

// Encodings lists the supported names, sorted.
func Encodings() []string {
	names := make([]string, len(encodings))
	for i, e := range encodings {
		names[i] = e.name
	}
	return names
}

// Counter counts tokens of one encoding exactly, or by an upper bound. Counters
// of one encoding share its data. Safe for concurrent use.
type Counter struct {
	name     string
	rule     rule
	vocab    *vocabulary
	perToken int // more than 0: a bound of one token for so many bytes
}

// New returns the counter of an encoding, or of an upper bound, "bytes/N". The
// first call for an encoding loads it (3 to 20 ms), later ones are free.
// Errors: [ErrUnknownEncoding], wrapped with the name and the known ones.
func New(name string) (*Counter, error) {
	for _, e := range encodings {
		if e.name != name {
			continue
		}
		v, err := e.load()
		if err != nil {
			return nil, err
		}
		return &Counter{name: name, rule: e.rule, vocab: v}, nil
	}
	if n, ok := parseBound(name); ok {
		return &Counter{name: name, perToken: n}, nil
	}
	return nil, Check(name)
}

// Name returns the encoding's name, for example "o200k_base".
func (c *Counter) Name() string { return c.name }

// Exact reports whether counts are exact; otherwise they are an upper bound.
func (c *Counter) Exact() bool { return c.perToken == 0 }

// Count returns the number of tokens of s (no special tokens).
// Count("") is 0. It allocates only for invalid UTF-8 and for pieces of more than
// 384 bytes or 128 tokens.
func (c *Counter) Count(s string) int { return c.CountUpTo(s, math.MaxInt) }

// CountUpTo returns Count(s) where that is at most limit, and some number above
// limit otherwise, without reading all of s: whether a long text fits takes no
// longer to find out than there is room.
func (c *Counter) CountUpTo(s string, limit int) int {
	if c.perToken > 0 {
		return boundCount(len(s), c.perToken)
	}
	if !utf8.ValidString(s) {
		s, _ = replaceInvalid(s)
	}
	n := 0
	var m scratch
	for i := 0; i < len(s) && n <= limit; {
		j := c.rule.end(s, i)
		n += c.vocab.count(&m, s, i, j)
		i = j
	}
	return n
}

// Ends returns the byte offset at which each token of s ends, in increasing
// order; len(result) == Count(s), and the last element is len(s).
// A token may end inside a code point: an emoji can be three tokens.
// Where s isn't valid UTF-8, the tokens of one invalid byte share its end.
func (c *Counter) Ends(s string) []int {
	if c.perToken > 0 {
		return boundEnds(len(s), c.perToken)
	}
	valid, offsets := s, []int(nil)
	if !utf8.ValidString(s) {
		valid, offsets = replaceInvalid(s)
	}
	ends := make([]int, 0, len(valid)/4+1)
	var m scratch
	for i := 0; i < len(valid); {
		j := c.rule.end(valid, i)
		ends = c.vocab.appendEnds(&m, ends, valid, i, j)
		i = j
	}
	if offsets != nil {
		for k, e := range ends {
			ends[k] = offsets[e]
		}
	}
	return ends
}

// Cut returns a prefix of s that has at most maxTokens tokens and ends between
// two code points: s itself where it fits, "" where maxTokens <= 0. The prefix
// ends where a token of s ends, so it may fall short of the longest one
// possible by less than a token.
func (c *Counter) Cut(s string, maxTokens int) string {
	if maxTokens <= 0 || s == "" {
		return ""
	}
	if maxTokens/3 >= len(s) { // an invalid byte can be three tokens
		return s
	}
	// What fits is mostly found in a head of the text, which grows until it has
	// too many tokens.
	for n := 8 * maxTokens; n < len(s); n *= 2 {
		if ends := c.Ends(s[:floorRune(s, n)]); len(ends) > maxTokens {
			return c.cutAt(s, ends, maxTokens)
		}
	}
	ends := c.Ends(s)
	if len(ends) <= maxTokens {
		return s
	}
	return c.cutAt(s, ends, maxTokens)
}

// cutAt steps back from the last token allowed until the prefix, counted on
// its own, fits: moving back to a code point boundary can change the tokens
// before it.
func (c *Counter) cutAt(s string, ends []int, maxTokens int) string {
	for k := maxTokens - 1; k >= 0; k-- {
		if p := s[:floorRune(s, ends[k])]; c.Count(p) <= maxTokens {
			return p
		}
	}
	return ""
}

// floorRune returns the last code point boundary of s at or before i.
func floorRune(s string, i int) int {
	if i >= len(s) {
		return len(s)
	}
	for k := i; k >= 0 && k > i-utf8.UTFMax; k-- {
		if utf8.RuneStart(s[k]) {
			if _, n := utf8.DecodeRuneInString(s[k:]); k+n > i {
				return k
			}
			break
		}
	}
	return i
}

// replaceInvalid returns s with U+FFFD for each invalid byte, and for each
// byte offset of the result (its length included) the offset in s: offsets
// inside a replacement character map to the end of the byte that it replaces.
func replaceInvalid(s string) (string, []int) {
	var b strings.Builder
	offsets := make([]int, 1, len(s)+1)
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		b.WriteRune(r)
		if r == utf8.RuneError && n == 1 {
			offsets = append(offsets, i+1, i+1, i+1)
		} else {
			for k := 1; k <= n; k++ {
				offsets = append(offsets, i+k)
			}
		}
		i += n
	}
	return b.String(), offsets
}
