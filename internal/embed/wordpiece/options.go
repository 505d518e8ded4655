package wordpiece

import "cmp"

// Options says how a vocabulary wants its text prepared. The names are those of
// Hugging Face's BertNormalizer. The zero value keeps case and accents and does
// not separate ideographs; see [Uncased] and [Cased] for the usual ones.
type Options struct {
	// Lowercase lowers each character alone: no rule looks at its neighbours.
	Lowercase bool
	// StripAccents decomposes the text (NFD) and deletes nonspacing marks.
	// A strip_accents that is null in a Hugging Face file means: as Lowercase.
	StripAccents bool
	// HandleChineseChars makes each CJK ideograph a word.
	HandleChineseChars bool

	// Names of the special pieces; "" stands for "[UNK]", "[CLS]" and "[SEP]".
	Unknown, Class, Separator string
}

// Uncased returns the options of bert-base-uncased and its descendants, such as
// bge-small-en-v1.5.
func Uncased() Options {
	return Options{Lowercase: true, StripAccents: true, HandleChineseChars: true}
}

// Cased returns the options of bert-base-cased.
func Cased() Options { return Options{HandleChineseChars: true} }

func (o Options) withDefaults() Options {
	o.Unknown = cmp.Or(o.Unknown, "[UNK]")
	o.Class = cmp.Or(o.Class, "[CLS]")
	o.Separator = cmp.Or(o.Separator, "[SEP]")
	return o
}
