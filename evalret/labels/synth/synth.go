// Package synth makes labelled queries by asking a language model about passages
// of documents: what could somebody ask that this passage answers, and which words
// of it do.
//
// Nothing that the model says is taken on its word. The evidence must stand in the
// passage, once in its document ([labels.Locate]); a question that only somebody
// with the passage in hand understands, one whose answer it tells itself, and one
// that is almost another one are left out. Everything left out is listed with its
// [Reason]: nothing is repaired.
//
// Nouns. A [Corpus] has documents; a [Passage] is a part of one, of whole
// sentences. Passages are not the chunks of an index: labels that end where chunks
// do would favour the chunking that made them. A [Draft] became no query, and says
// why.
//
// What such queries are not: a sample of what people ask. They are worded by
// somebody who has read the passage and share more words with it than real ones
// ([Result.Overlap]), which favours lexical search, and they ask only what one
// passage answers. Use them where there is nothing better, beside queries of
// people, and read them apart by the tag "synthetic".
//
// Equal documents, options and answers make equal queries, whatever is asked at the
// same time; with a [chat.Cache] a call that was interrupted asks only what has no
// answer yet that could be read.
package synth

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/ragloop/ragloop/evalret/labels"
	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/internal/chat"
	"github.com/ragloop/ragloop/internal/lexical"
	"github.com/ragloop/ragloop/internal/text"
)

// Options of [Make].
type Options struct {
	Queries int    // with an answer, at most; 0: none
	Seed    uint64 // decides which passages are drawn; it is sent to the model, too

	// Unanswerable is how many queries without an answer are wanted at most. They
	// need Search.
	Unanswerable int
	// Search returns the context that retrieval makes for a question. A question is
	// taken for unanswerable where the model finds no answer in it, which is no proof:
	// what the search does not find is not looked at.
	Search func(ctx context.Context, question string) (string, error)

	// ClosedBook asks each question again without the passage and leaves it out where
	// the answer has every term of the reference answer: it is common knowledge, and
	// says nothing about retrieval.
	ClosedBook bool

	MinWords       int // of a passage, 5 and up; shorter ones are left out; 0: 40
	MaxPassages    int // asked about, most; 0: three for each query wanted
	MaxPerDocument int // passages of one document, most; 0: no limit
	Concurrency    int // questions to the model at a time; 0: 4

	// Apart are queries that the new ones must not be almost equal to, and whose
	// documents are not drawn from: those of a set that stays independent.
	Apart labels.Set

	// Progress, when not nil, is called with the number of passages done and of queries
	// made of those in earlier batches, never concurrently.
	Progress func(passages, queries int)
}

// Reason says why an answer of the model became no query; a closed set.
type Reason string

// The reasons, in the order in which they are looked for.
const (
	Rejected       Reason = "rejected"           // the endpoint would not read the request, or broke its protocol
	Refused        Reason = "refused"            // the endpoint declined to answer
	Cut            Reason = "cut"                // the answer was too long
	Unreadable     Reason = "unreadable"         // it is not the JSON object that was asked for
	Declined       Reason = "declined"           // the question is blank: the model finds nothing to ask
	Form           Reason = "form"               // too long, or of too few words
	Dependent      Reason = "dependent"          // it needs the passage to be understood
	QuoteSize      Reason = "quote_size"         // the evidence is too short to mean anything, or too long to be one answer
	QuoteNotFound  Reason = "quote_not_found"    // the evidence is not in the passage
	QuoteAmbiguous Reason = "quote_ambiguous"    // the evidence is in the document several times
	AnswerInside   Reason = "answer_in_question" // the question tells its answer
	Known          Reason = "known"              // the model answers it without the passage
	Answered       Reason = "answered"           // meant as unanswerable, but what was found answers it
	Duplicate      Reason = "duplicate"          // equal or almost equal to an earlier query
)

// Reasons lists them.
func Reasons() []Reason {
	return []Reason{Rejected, Refused, Cut, Unreadable, Declined, Form, Dependent, QuoteSize, QuoteNotFound, QuoteAmbiguous, AnswerInside, Known, Answered, Duplicate}
}

// Draft is an answer of the model that became no query.
type Draft struct {
	Doc      text.DocID `json:"doc"`
	Start    int        `json:"start"` // of the passage, code points
	End      int        `json:"end"`
	Question string     `json:"question,omitempty"` // "": there is none
	Reason   Reason     `json:"reason"`
	Detail   string     `json:"detail"`
}

// Result is what became of a call of [Make].
type Result struct {
	Set    labels.Set `json:"-"` // in the order in which the passages were drawn, queries without an answer last
	Left   []Draft    `json:"left_out"`
	Sample Sample     `json:"sample"`
	Asked  int        `json:"asked"` // passages that the model was asked about
	// Untyped counts queries whose kind is none of [Kinds]: they have no tag of it.
	Untyped int `json:"untyped"`
	// Overlap is the mean share of a question's terms that its passage has, over
	// queries with an answer. Questions of people mostly have less in common with what
	// answers them.
	Overlap metric.Value `json:"question_overlap"`

	Model  string `json:"model"`
	Prompt string `json:"prompt"` // [PromptVersion]
	Seed   uint64 `json:"seed"`
}

// Count returns how many drafts were left out for a reason.
func (r Result) Count(why Reason) int {
	n := 0
	for _, d := range r.Left {
		if d.Reason == why {
			n++
		}
	}
	return n
}

// ErrOptions is wrapped by errors about Options.
var ErrOptions = errors.New("invalid options")

const (
	defaultMinWords  = 40
	leastWords       = 5
	passagesPerQuery = 3
	// batch is how many passages are asked about before queries are counted. Part of
	// what decides the result: it does not follow the concurrency.
	batch = 64
)

func (o Options) resolve() (Options, error) {
	bad := func(format string, args ...any) (Options, error) {
		return o, fmt.Errorf("%w: "+format, append([]any{ErrOptions}, args...)...)
	}
	o.MinWords = cmp.Or(o.MinWords, defaultMinWords)
	o.MaxPassages = cmp.Or(o.MaxPassages, passagesPerQuery*(o.Queries+o.Unanswerable))
	o.Concurrency = cmp.Or(o.Concurrency, 4)
	switch {
	case o.Queries < 0 || o.Unanswerable < 0 || o.Queries+o.Unanswerable == 0:
		return bad("%d queries with an answer and %d without, want one and more", o.Queries, o.Unanswerable)
	case o.Unanswerable > 0 && o.Search == nil:
		return bad("queries without an answer need a search, which is not at hand here")
	case o.MinWords < leastWords || o.MinWords > maxWords:
		return bad("passages of at least %d words, allowed are %d to %d", o.MinWords, leastWords, maxWords)
	case o.MaxPassages < 1 || o.MaxPerDocument < 0 || o.Concurrency < 1:
		return bad("%d passages at most, %d of a document, %d at a time, must be 1 and more (0: the default)", o.MaxPassages, o.MaxPerDocument, o.Concurrency)
	}
	return o, nil
}

// Make draws passages and asks m about them until there are as many queries as
// wanted, or no passages. Passages are drawn one of each document in turn, so that
// long documents have no more than others as long as there are enough.
//
// What concerns one answer alone is a [Draft]. Errors: [ErrOptions], those of the
// corpus and of m that concern everything, and ctx's own; nothing comes with them.
func Make(ctx context.Context, c Corpus, m chat.Model, o Options) (Result, error) {
	o, err := o.resolve()
	if err != nil {
		return Result{}, fmt.Errorf("make synthetic queries: %w", err)
	}
	analyzer, err := lexical.New(lexical.Default())
	if err != nil {
		return Result{}, err // unreachable: the defaults are valid
	}
	k := &maker{
		model: m, options: o, analyzer: analyzer, sampler: newSampler(c, o), known: labels.NewQueryIndex(o.Apart.Queries),
		result: Result{Left: []Draft{}, Model: m.Info().Name, Prompt: PromptVersion(), Seed: o.Seed, Set: labels.Set{Name: "synthetic"}},
	}
	err = k.fill(ctx, o.Queries, k.answerable)
	if err == nil {
		err = k.fill(ctx, o.Unanswerable, k.unanswerable)
	}
	if err != nil {
		return Result{}, fmt.Errorf("make synthetic queries: %w", err)
	}
	k.result.Sample = k.sampler.Sample
	k.result.Overlap = metric.NoValue("no query has an answer")
	if n := len(k.overlaps); n > 0 {
		sum := 0.0
		for _, x := range k.overlaps {
			sum += x
		}
		k.result.Overlap = metric.Of(sum / float64(n))
	}
	return k.result, nil
}

// Requests returns the most requests of [Make] about so many passages, to tell their
// cost: one for each passage, one more where the question is then tried without it,
// and up to two where its answer is looked for, with the beginning of the passage in
// the place of the question that is not known yet. Passages beyond one for each query
// with an answer are taken to be those of queries without, which cost more, where
// there are any.
func Requests(ctx context.Context, c Corpus, o Options, passages int) ([]chat.Request, Sample, error) {
	o, err := o.resolve()
	if err != nil {
		return nil, Sample{}, fmt.Errorf("plan synthetic queries: %w", err)
	}
	s := newSampler(c, o)
	var out []chat.Request
	for n := range passages {
		p, ok, err := s.next(ctx)
		if err != nil {
			return nil, Sample{}, fmt.Errorf("plan synthetic queries: %w", err)
		}
		if !ok {
			break
		}
		stand := cutRunes(p.Text(), maxQuestionRunes)
		if n < o.Queries || o.Unanswerable == 0 {
			out = append(out, question(p, o.Seed))
			if o.ClosedBook {
				out = append(out, closedBook(stand, o.Seed))
			}
			continue
		}
		found, err := o.Search(ctx, stand)
		if err != nil {
			return nil, Sample{}, fmt.Errorf("plan synthetic queries: search: %w", err)
		}
		out = append(out, noAnswer(p, o.Seed), lookFor(stand, p.Text(), o.Seed))
		if !text.Blank(found) {
			out = append(out, lookFor(stand, found, o.Seed))
		}
	}
	return out, s.Sample, nil
}
