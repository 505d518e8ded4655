package ground

import (
	_ "embed"
	"math"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/blevesearch/snowballstem"
	"github.com/blevesearch/snowballstem/english"

	"github.com/ragloop/ragloop/internal/text"
)

// word is one word of a text.
type word struct {
	span   text.Span
	form   string  // lower case, plain apostrophes
	stem   string  // of form; numbers are written one way
	weight float64 // how much it says: 0..1, near 0 for function words
	stop   bool    // a function word
	number bool    // begins with a digit or is a spelled number
	upper  bool    // begins with a capital letter
	first  bool    // the first word of a sentence

	capitals bool // all letters are capitals, two at least
}

// passage is a text cut into sentences and words.
type passage struct {
	body      string
	words     []word
	sentences []text.Span // of words: [Start, End) of the i-th sentence
	sentence  []int       // of each word
	at        map[string][]int
	gist      map[[2]string][]int // positions of the first of two neighbouring stems
	acronyms  map[string]bool     // see initials; nil until it is asked for
}

// reader cuts texts into words. Not safe for concurrent use.
type reader struct {
	env   *snowballstem.Env
	stems map[string]string
}

func newReader() *reader {
	return &reader{env: snowballstem.NewEnv(""), stems: map[string]string{}}
}

// read cuts body into words, and indexes them if it is to be searched.
func (r *reader) read(body string, index bool) *passage {
	p := &passage{body: body}
	for _, s := range text.Sentences(body) {
		start := len(p.words)
		for _, span := range words(body[s.Start:s.End]) {
			span.Start, span.End = span.Start+s.Start, span.End+s.Start
			w := r.word(body[span.Start:span.End])
			w.span, w.first = span, len(p.words) == start
			p.words = append(p.words, w)
			p.sentence = append(p.sentence, len(p.sentences))
		}
		if len(p.words) > start {
			p.sentences = append(p.sentences, text.Span{Start: start, End: len(p.words)})
		}
	}
	if !index {
		return p
	}
	p.at, p.gist = make(map[string][]int), make(map[[2]string][]int)
	for i, w := range p.words {
		p.at[w.stem] = append(p.at[w.stem], i)
		if i > 0 {
			k := [2]string{p.words[i-1].stem, w.stem}
			p.gist[k] = append(p.gist[k], i-1)
		}
	}
	return p
}

// sentenceHas reports whether sentence s of an indexed passage has a stem.
func (p *passage) sentenceHas(s int, stem string) bool {
	at, span := p.at[stem], p.sentences[s]
	i, _ := slices.BinarySearch(at, span.Start)
	return i < len(at) && at[i] < span.End
}

func (r *reader) word(s string) word {
	w := word{form: fold(s)}
	first, n := utf8.DecodeRuneInString(s)
	w.upper = unicode.IsUpper(first)
	w.capitals = w.upper && len(s) > n && s == strings.ToUpper(s)
	w.number = unicode.IsNumber(first)
	switch {
	case w.number:
		w.stem, w.weight = numeral(w.form), 1
	default:
		form := strings.TrimSuffix(w.form, "'s")
		w.stop = stopWords()[w.form] || n == len(s) && !w.upper
		w.stem, w.weight = r.stem(form), weight(form)
		if w.stop {
			w.weight = min(w.weight, 0.1)
		}
		if _, ok := spelled[form]; ok {
			w.number, w.stem = true, numeral(form)
		}
	}
	return w
}

func (r *reader) stem(form string) string {
	if s, ok := r.stems[form]; ok {
		return s
	}
	r.env.SetCurrent(form)
	english.Stem(r.env)
	s := strings.Clone(r.env.Current())
	r.stems[strings.Clone(form)] = s
	return s
}

// frequencyList has the commonest words of English text, the most frequent
// first: those of the vocabulary of the built-in embedding model, whose pieces
// are ordered so.
//
//go:embed frequency.txt
var frequencyList string

var ranks = sync.OnceValue(func() map[string]int {
	m := make(map[string]int, 6000)
	for i, w := range strings.Fields(frequencyList) {
		m[w] = i
	}
	return m
})

// rareRank is the rank that words off the list are given.
const rareRank = 30_000

// weight says how much a word tells, from how rare it is in English: a stand-in
// for inverse document frequency that needs no corpus. By Zipf's law the
// frequency of rank r is near 1/r, so that log r is an idf.
func weight(form string) float64 {
	rank, ok := ranks()[form]
	if !ok {
		rank = rareRank
	}
	return math.Log1p(float64(rank)) / math.Log1p(rareRank)
}

var stopWords = sync.OnceValue(func() map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(functionWords) {
		m[w] = true
	}
	return m
})

// functionWords carry structure rather than content. Negations are among them:
// they have a check of their own.
const functionWords = `a an the and or but nor so yet if then else than that this these those there here
of in on at by for with from to into onto over under about after before between through during without within
against among as like per via upon toward towards across along around off out up down again further
i me my mine myself we us our ours ourselves you your yours yourself he him his himself she her hers herself
it its itself they them their theirs themselves who whom whose which what when where why how
am is are was were be been being do does did doing done have has had having will would shall should can could
may might must ought not no never none neither cannot n't don't doesn't didn't isn't aren't wasn't weren't
won't wouldn't can't couldn't shouldn't hasn't haven't hadn't
all any both each every either some such other another same own own's only just also too very more most much many
few less least several enough even still already ever once while because although though however therefore thus
it's that's there's he's she's they're we're you're i'm i've we've you've they've i'll we'll you'll they'll he'd she'd
let's s t d ll m re ve etc ie eg`
