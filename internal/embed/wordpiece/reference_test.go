package wordpiece

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// reference is the algorithm as it is defined, one step after the other over
// the whole text, with maps: what [Tokenizer] must be equal to.
type reference struct {
	options       Options
	first, rest   map[string]int32
	longest       int
	cls, sep, unk int32
}

func newReference(vocabulary []byte, options Options) *reference {
	options = options.withDefaults()
	r := &reference{options: options, first: map[string]int32{}, rest: map[string]int32{}}
	var id int32
	for line := range strings.Lines(string(vocabulary)) {
		piece := strings.TrimRight(line, "\r\n")
		r.longest = max(r.longest, len(piece))
		if tail, ok := strings.CutPrefix(piece, "##"); ok && tail != "" {
			r.rest[tail] = id
		} else {
			r.first[piece] = id
		}
		id++
	}
	r.unk, r.cls, r.sep = r.first[options.Unknown], r.first[options.Class], r.first[options.Separator]
	return r
}

func (t *reference) append(ids []int32, text string) []int32 {
	return append(t.appendText(append(ids, t.cls), text), t.sep)
}

// specialNames are the pieces that the models give a meaning of their own.
var specialNames = []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}

// appendWithSpecials is the behaviour of the Hugging Face tokenizer: special
// names are cut out of the raw text before anything else happens.
func (t *reference) appendWithSpecials(ids []int32, text string, appendText func([]int32, string) []int32) []int32 {
	ids = append(ids, t.cls)
	for text != "" {
		at, name := len(text), ""
		for _, n := range specialNames {
			if i := strings.Index(text, n); i >= 0 && i < at {
				at, name = i, n
			}
		}
		ids = appendText(ids, text[:at])
		if name != "" {
			ids = append(ids, t.first[name])
		}
		text = text[at+len(name):]
	}
	return append(ids, t.sep)
}

func (t *reference) appendText(ids []int32, text string) []int32 {
	var word []rune
	flush := func() {
		if len(word) > 0 {
			ids = t.appendWord(ids, word)
			word = word[:0]
		}
	}
	for _, r := range t.lower(t.strip(t.clean(text))) {
		switch {
		case unicode.IsSpace(r):
			flush()
		case r < utf8.RuneSelf && unicode.In(r, unicode.P, unicode.S) || unicode.Is(punctuationMarks, r):
			flush()
			word = append(word, r)
			flush()
		default:
			word = append(word, r)
		}
	}
	flush()
	return ids
}

// clean deletes control characters, turns white space into spaces and puts
// spaces around CJK ideographs. It must come before decomposition: deleting a
// character lets its neighbours combine.
func (t *reference) clean(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\t' || r == '\n' || r == '\r':
			b.WriteByte(' ')
		case dropped(r):
		case unicode.IsSpace(r):
			b.WriteByte(' ')
		case t.options.HandleChineseChars && isIdeograph(r):
			b.WriteString(" " + string(r) + " ")
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func (t *reference) strip(text string) string {
	if !t.options.StripAccents {
		return text
	}
	// Not norm.NFD.String: it puts U+034F between more than 30 combining
	// characters in a row.
	type decomposed struct {
		r     rune
		class uint8
	}
	var b strings.Builder
	var marks []decomposed // combining characters that are still to be sorted
	end := func() {
		slices.SortStableFunc(marks, func(x, y decomposed) int { return cmp.Compare(x.class, y.class) })
		for _, m := range marks {
			if !unicode.Is(nonspacingMarks, m.r) {
				b.WriteRune(m.r)
			}
		}
		marks = marks[:0]
	}
	for _, whole := range text {
		for _, r := range norm.NFD.String(string(whole)) {
			class := norm.NFD.PropertiesString(string(r)).CCC()
			if class == 0 {
				end()
			}
			marks = append(marks, decomposed{r, class})
		}
	}
	end()
	return b.String()
}

func (t *reference) lower(text string) string {
	if !t.options.Lowercase {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if r == 'İ' {
			b.WriteString("i\u0307")
			continue
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

func (t *reference) appendWord(ids []int32, runes []rune) []int32 {
	if len(runes) > 100 {
		return append(ids, t.unk)
	}
	start, word, pieces := len(ids), string(runes), t.first
	for len(word) > 0 {
		n := min(len(word), t.longest)
		for ; n > 0; n-- {
			if id, ok := pieces[word[:n]]; ok {
				ids = append(ids, id)
				break
			}
		}
		if n == 0 {
			return append(ids[:start], t.unk)
		}
		word, pieces = word[n:], t.rest
	}
	return ids
}
