package tokens

import (
	"fmt"
	"strconv"
	"strings"
)

// A bound stands in for a tokenizer that the package does not have: the name
// "bytes/N" declares that it makes at most one token of N bytes, so that what
// fits a budget here fits it there. Counts are the least whole number above.
//
// "bytes/1" is safe for every tokenizer whose tokens are one byte or longer:
// byte-level BPE (GPT-2, Llama 3, Qwen, DeepSeek, Mistral's Tekken) and
// SentencePiece with byte fallback, apart from what it puts in front of a text.
// It is some four times too high for English. Larger N is the caller's promise
// about the texts: measure it.

// maxBound is the largest N.
const maxBound = 8

// Bounds describes the names that stand for a bound.
const Bounds = "bytes/1 to bytes/8"

// parseBound returns N of "bytes/N".
func parseBound(name string) (int, bool) {
	number, ok := strings.CutPrefix(name, "bytes/")
	n, err := strconv.Atoi(number)
	return n, ok && err == nil && n >= 1 && n <= maxBound && number == strconv.Itoa(n)
}

// Check returns [ErrUnknownEncoding], wrapped as by New, for a name that New
// does not know. It loads nothing.
func Check(name string) error {
	for _, e := range encodings {
		if e.name == name {
			return nil
		}
	}
	if _, ok := parseBound(name); ok {
		return nil
	}
	return fmt.Errorf("%w %q: want one of %s or an upper bound, %s", ErrUnknownEncoding, name, strings.Join(Encodings(), ", "), Bounds)
}

// boundCount returns the count of n bytes, perToken to a token.
func boundCount(n, perToken int) int { return (n + perToken - 1) / perToken }

func boundEnds(n, perToken int) []int {
	ends := make([]int, boundCount(n, perToken))
	for i := range ends {
		ends[i] = min((i+1)*perToken, n)
	}
	return ends
}
