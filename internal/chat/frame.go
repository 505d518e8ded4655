package chat

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// Frame marks where material begins and ends in a prompt, so that the model can
// tell it from what it is asked:
//
//	<context-3f0c…>
//	…
//	</context-3f0c…>
//
//	<claim-3f0c… number="1">
//	…
//	</claim-3f0c…>
//
// The nonce, 16 hex digits, is made of what it marks: the same question makes the
// same prompt, so that answers can be cached, and yet nobody can write a document
// that has the nonce of a prompt with it in, short of finding a text that holds a
// part of its own hash. If one does, the next nonce is taken.
type Frame struct{ nonce string }

// NewFrame returns a frame whose nonce is in none of the texts.
func NewFrame(texts ...string) Frame {
	var b strings.Builder
	for _, t := range texts {
		fmt.Fprintf(&b, "%d:%s", len(t), t) // the length keeps them apart
	}
	all := b.String()
	for n := 0; ; n++ {
		sum := sha256.Sum256([]byte(strconv.Itoa(n) + all))
		nonce := hex.EncodeToString(sum[:8])
		if !strings.Contains(strings.ToLower(all), nonce) {
			return Frame{nonce}
		}
	}
}

// Wrap returns body between the marks of a name; attributes, if any, begin with a
// space. Control tokens of chat templates in it are made harmless by [Defuse].
func (f Frame) Wrap(name, attributes, body string) string {
	return "<" + name + "-" + f.nonce + attributes + ">\n" + Defuse(body) + "\n</" + name + "-" + f.nonce + ">\n"
}

// In reports whether s holds a part of the frame's marks: an answer that copies them
// says nothing.
func (f Frame) In(s string) bool { return strings.Contains(strings.ToLower(s), f.nonce) }

// Some endpoints read the control tokens of their chat template in the text of
// messages, too, where they would end the message.
var controlTokens = []string{"<|", "|>", "<s>", "</s>", "[INST]", "[/INST]", "<<SYS>>", "<start_of_turn>", "<end_of_turn>"}

var defuse, restore = func() (*strings.Replacer, *strings.Replacer) {
	var there, back []string
	for _, t := range controlTokens {
		spaced := t[:1] + " " + t[1:]
		there, back = append(there, t, spaced), append(back, spaced, t)
	}
	return strings.NewReplacer(there...), strings.NewReplacer(back...)
}()

// Defuse returns s with a space in each control token.
func Defuse(s string) string { return defuse.Replace(s) }

// Restore takes the spaces out again that [Defuse] puts into control tokens: for
// what a model copies from its prompt.
func Restore(s string) string { return restore.Replace(s) }
