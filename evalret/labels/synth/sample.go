package synth

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/ragloop/ragloop/internal/text"
)

// Corpus is what passages are drawn from.
type Corpus struct {
	Docs []text.DocID // each once, in any order
	// Read returns a document. It is called by one goroutine, perhaps several times
	// for one document. An error that wraps [ErrDocument] concerns this document
	// alone.
	Read func(ctx context.Context, doc text.DocID) (Document, error)
}

// Document is a document as it is indexed.
type Document struct {
	ID    text.DocID
	Title string // may be empty
	Text  string
}

// ErrDocument is wrapped by errors that concern one document: others may be read.
var ErrDocument = errors.New("the document cannot be read")

// Passage is a part of a document of whole sentences, without white space around it.
type Passage struct {
	Document Document
	Span     text.Span     // bytes of the document's text
	Runes    text.RuneSpan // the same in code points
}

// Text returns the passage.
func (p Passage) Text() string { return p.Document.Text[p.Span.Start:p.Span.End] }

// Sample says what passages there were to draw from, as far as documents were read:
// no more are than passages are needed.
type Sample struct {
	Documents  int      `json:"documents"`  // in the corpus
	Apart      int      `json:"apart"`      // of them: with labels in the set that stays independent
	Read       int      `json:"read"`       // of the others
	Unreadable []string `json:"unreadable"` // why, one for each of Read that could not be

	Passages int `json:"passages"`  // of the documents read, those left out included
	TooShort int `json:"too_short"` // left out: fewer words than Options.MinWords
	TooLong  int `json:"too_long"`  // left out: a sentence of more than 1,000 words, such as a table without lines
	Repeated int `json:"repeated"`  // drawn and left out: almost equal to one drawn before
}

const (
	// A passage ends with the first paragraph that gives it wantWords, or with the
	// sentence that gives it maxWords.
	wantWords = 120
	maxWords  = 250
	// longestWords is the longest that a passage may be.
	longestWords = 1000
)

// passages cuts a text into passages. Spans are in order and apart.
func passages(s string) []text.Span {
	var out []text.Span
	start, words := 0, 0
	end := func(at int) {
		if span := text.TrimSpace(s, text.Span{Start: start, End: at}); span.Len() > 0 {
			out = append(out, span)
		}
		start, words = at, 0
	}
	for _, sentence := range text.Sentences(s) {
		body := s[sentence.Start:sentence.End]
		n := len(text.Words(body))
		if words > 0 && words+n > maxWords {
			end(sentence.Start)
		}
		words += n
		// A heading goes with what follows it.
		if words >= wantWords && paragraphEnds(body) && closed(body) {
			end(sentence.End)
		}
	}
	end(len(s))
	return out
}

// paragraphEnds reports whether a sentence is followed by a blank line.
func paragraphEnds(sentence string) bool {
	body := strings.TrimRightFunc(sentence, unicode.IsSpace)
	return strings.Count(sentence[len(body):], "\n") > 1
}

// closed reports whether a sentence has an end of one.
func closed(sentence string) bool {
	body := strings.TrimRight(strings.TrimRightFunc(sentence, unicode.IsSpace), "\"'”’)]»")
	return strings.HasSuffix(body, ".") || strings.HasSuffix(body, "!") || strings.HasSuffix(body, "?") || strings.HasSuffix(body, "。")
}

// sampler draws passages: documents in the order of a hash of their id and the
// seed, one passage of each in turn, those of a document in the order of a hash of
// their text. A document more or less thus changes no other draw.
type sampler struct {
	Sample
	corpus  Corpus
	options Options
	docs    []text.DocID
	spans   map[text.DocID][]text.Span // in the order of drawing; missing: not read
	sums    map[text.DocID][sha256.Size]byte
	round   int
	at      int
	more    bool // a document has passages for another round
	seen    sketches
}

func newSampler(c Corpus, o Options) *sampler {
	s := &sampler{corpus: c, options: o, spans: map[text.DocID][]text.Span{}, sums: map[text.DocID][sha256.Size]byte{}, seen: sketches{by: map[uint64][]int{}}}
	s.Unreadable = []string{}
	apart := map[text.DocID]bool{}
	for _, q := range o.Apart.Queries {
		for doc, grade := range q.Grades() {
			if grade > 0 {
				apart[doc] = true
			}
		}
	}
	s.Documents = len(c.Docs)
	for _, doc := range c.Docs {
		if apart[doc] {
			s.Apart++
			continue
		}
		s.docs = append(s.docs, doc)
	}
	slices.SortFunc(s.docs, func(a, b text.DocID) int {
		return slices.Compare(s.rank(string(a)), s.rank(string(b)))
	})
	return s
}

// rank is the place of something in a draw.
func (s *sampler) rank(what string) []byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s", s.options.Seed, what))
	return sum[:]
}

// next returns the next passage; false: there is none.
func (s *sampler) next(ctx context.Context) (Passage, bool, error) {
	for {
		if s.at == len(s.docs) {
			if !s.more {
				return Passage{}, false, nil
			}
			s.at, s.more = 0, false
			s.round++
		}
		doc := s.docs[s.at]
		s.at++
		if spans, read := s.spans[doc]; read && s.round >= len(spans) {
			continue
		}
		d, err := s.read(ctx, doc)
		switch {
		case errors.Is(err, ErrDocument):
			s.Unreadable = append(s.Unreadable, err.Error())
			s.spans[doc] = nil
			continue
		case err != nil:
			return Passage{}, false, err
		}
		spans := s.spans[doc]
		s.more = s.more || s.round+1 < len(spans)
		if s.round >= len(spans) {
			continue
		}
		p := Passage{Document: d, Span: spans[s.round]}
		if s.seen.has(p.Text()) {
			s.Repeated++
			continue
		}
		if p.Runes, err = text.NewIndex(d.Text).RuneSpan(p.Span); err != nil {
			return Passage{}, false, fmt.Errorf("passage of %s: %w", doc, err)
		}
		return p, true, nil
	}
}

// read reads a document, and cuts it the first time.
func (s *sampler) read(ctx context.Context, doc text.DocID) (Document, error) {
	_, before := s.spans[doc]
	if !before {
		s.Read++
	}
	d, err := s.corpus.Read(ctx, doc)
	if err != nil {
		return Document{}, fmt.Errorf("read %s: %w", doc, err)
	}
	sum := sha256.Sum256([]byte(d.Text))
	if before {
		if sum != s.sums[doc] {
			return Document{}, fmt.Errorf("read %s: %w: it changed while passages were drawn", doc, ErrDocument)
		}
		return d, nil
	}
	s.sums[doc] = sum
	var keep []text.Span
	for _, span := range passages(d.Text) {
		s.Passages++
		switch n := len(text.Words(d.Text[span.Start:span.End])); {
		case n < s.options.MinWords:
			s.TooShort++
		case n > longestWords:
			s.TooLong++
		default:
			keep = append(keep, span)
		}
	}
	slices.SortStableFunc(keep, func(a, b text.Span) int {
		return slices.Compare(s.rank(d.Text[a.Start:a.End]), s.rank(d.Text[b.Start:b.End]))
	})
	if limit := s.options.MaxPerDocument; limit > 0 {
		keep = keep[:min(len(keep), limit)]
	}
	s.spans[doc] = keep
	return d, nil
}

const (
	shingleWords = 5
	sketchSize   = 32
	sameShare    = 0.8
)

// sketches finds texts that are almost equal: two are where the sketches, the 32
// smallest hashes of their runs of 5 words, share 0.8 of the shorter one.
type sketches struct {
	all [][]uint64
	by  map[uint64][]int // hash → texts
}

// has reports whether s is almost equal to an earlier text, and keeps it if not.
func (x *sketches) has(s string) bool {
	words := strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) })
	var own []uint64
	for at := 0; at == 0 || at+shingleWords <= len(words); at++ {
		sum := sha256.Sum256([]byte(strings.Join(words[at:min(at+shingleWords, len(words))], " ")))
		own = append(own, binary.LittleEndian.Uint64(sum[:8]))
	}
	slices.Sort(own)
	own = slices.Compact(own)
	own = own[:min(len(own), sketchSize)]
	common := map[int]int{}
	for _, h := range own {
		for _, i := range x.by[h] {
			common[i]++
		}
	}
	for i, n := range common {
		if float64(n) >= sameShare*float64(min(len(own), len(x.all[i]))) {
			return true
		}
	}
	for _, h := range own {
		x.by[h] = append(x.by[h], len(x.all))
	}
	x.all = append(x.all, own)
	return false
}
