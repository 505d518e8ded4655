package synth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ragloop/ragloop/evalret/labels"
	"github.com/ragloop/ragloop/internal/chat"
	"github.com/ragloop/ragloop/internal/endpoint"
	"github.com/ragloop/ragloop/internal/lexical"
	"github.com/ragloop/ragloop/internal/text"
)

// What a draft may be. Words are those of text.Words.
const (
	maxQuestionRunes = 300
	maxAnswerRunes   = 500 // of the reference answer, which is asked for in a few words
	minQuestionTerms = 2   // a question of one word is a topic
	minQuoteWords    = 2   // fewer are in every text
	maxQuoteWords    = 80
)

// answerable makes a query that p answers.
func (k *maker) answerable(ctx context.Context, p Passage) (outcome, error) {
	said, bad, err := k.ask(ctx, question(p, k.options.Seed))
	if err != nil || bad != nil {
		return deref(bad), err
	}
	draft, err := readFounded(said)
	if err != nil {
		return left("", Unreadable, "%v", err), nil
	}
	q, answer := clean(*draft.Question), clean(draft.Answer)
	if bad := k.checkQuestion(q); bad != nil {
		return *bad, nil
	}
	if utf8.RuneCountInString(answer) > maxAnswerRunes {
		return left(q, Form, "its answer has more than %d code points", maxAnswerRunes), nil
	}
	evidence, bad := p.quoted(q, *draft.Quote)
	if bad != nil {
		return *bad, nil
	}
	if a := fold(answer); len(k.analyzer.Terms(answer)) > 0 && strings.Contains(" "+fold(q)+" ", " "+a+" ") {
		return left(q, AnswerInside, "the answer is %q", answer), nil
	}
	if k.options.ClosedBook {
		if bad, err := k.withoutPassage(ctx, q, answer); err != nil || bad != nil {
			return deref(bad), err
		}
	}
	out := outcome{
		query:   labels.Query{ID: id(p.Document.ID, evidence.Span, q), Text: q, Evidence: []labels.Evidence{evidence}, Answer: answer, Tags: k.tags()},
		overlap: k.overlap(q, p.Text()),
	}
	if slices.Contains(kinds[:], draft.Kind) {
		out.query.Tags = append(out.query.Tags, "kind:"+draft.Kind)
	} else {
		out.untyped = true
	}
	return out, nil
}

// unanswerable makes a query on p that nothing answers which is found for it.
func (k *maker) unanswerable(ctx context.Context, p Passage) (outcome, error) {
	said, bad, err := k.ask(ctx, noAnswer(p, k.options.Seed))
	if err != nil || bad != nil {
		return deref(bad), err
	}
	draft, err := readBare(said)
	if err != nil {
		return left("", Unreadable, "%v", err), nil
	}
	q := clean(*draft.Question)
	if bad := k.checkQuestion(q); bad != nil {
		return *bad, nil
	}
	found, err := k.options.Search(ctx, q)
	if err != nil {
		return outcome{}, fmt.Errorf("search for %q: %w", q, err)
	}
	// The passage is looked at whether or not it is found.
	for _, body := range []string{p.Text(), found} {
		if text.Blank(body) {
			continue
		}
		said, bad, err := k.ask(ctx, lookFor(q, body, k.options.Seed))
		if err != nil || bad != nil {
			o := deref(bad)
			o.draft.Question = q
			return o, err
		}
		verdict, err := readVerdict(said)
		if err != nil {
			return left(q, Unreadable, "%v", err), nil
		}
		if *verdict.Answered {
			return left(q, Answered, "by %q", cutRunes(clean(verdict.Quote), 200)), nil
		}
	}
	return outcome{query: labels.Query{ID: id(p.Document.ID, p.Runes, q), Text: q, Unanswerable: true, Tags: k.tags()}}, nil
}

// ask makes one request. bad is not nil where it came to nothing and others may
// come to something.
func (k *maker) ask(ctx context.Context, r chat.Request) (said string, bad *outcome, err error) {
	none := func(why Reason, format string, args ...any) (string, *outcome, error) {
		o := left("", why, format, args...)
		return "", &o, nil
	}
	response, err := k.model.Complete(ctx, r)
	switch {
	case endpoint.Rejects(err), errors.Is(err, chat.ErrContract):
		return none(Rejected, "%v", err)
	case err != nil:
		return "", nil, err
	case response.Refused():
		return none(Refused, "the endpoint declined: %s", clean(response.Refusal))
	case response.Cut():
		return none(Cut, "it was cut at %d tokens", r.MaxTokens)
	}
	return response.Text, nil, nil
}

func deref(o *outcome) outcome {
	if o == nil {
		return outcome{}
	}
	return *o
}

// foundedDraft is an answer to [question]: a draft of a query with its evidence.
type foundedDraft struct {
	Question *string `json:"question"`
	Quote    *string `json:"quote"`
	Answer   string  `json:"answer"`
	Kind     string  `json:"kind"`
}

func readFounded(said string) (foundedDraft, error) {
	d, err := decode[foundedDraft](said)
	if err == nil && (d.Question == nil || d.Quote == nil) {
		err = errors.New("it has no question or no quote")
	}
	return d, err
}

// bareDraft is an answer to [noAnswer]: a question that has no evidence.
type bareDraft struct {
	Question *string `json:"question"`
}

func readBare(said string) (bareDraft, error) {
	d, err := decode[bareDraft](said)
	if err == nil && d.Question == nil {
		err = errors.New("it has no question")
	}
	return d, err
}

// verdict is an answer to [lookFor].
type verdict struct {
	Answered *bool  `json:"answered"`
	Quote    string `json:"quote"`
}

func readVerdict(said string) (verdict, error) {
	v, err := decode[verdict](said)
	if err == nil && v.Answered == nil {
		err = errors.New("it does not say whether the question is answered")
	}
	return v, err
}

// decode reads the object of an answer.
func decode[T any](said string) (T, error) {
	var out T
	object, err := chat.Object(said)
	if err == nil {
		err = json.Unmarshal(object, &out)
	}
	return out, err
}

// readable returns the Usable of a request whose answers are read by a function:
// what reads well and makes no query is an answer, too.
func readable[T any](read func(said string) (T, error)) func(chat.Response) bool {
	return func(r chat.Response) bool {
		if r.Refused() || r.Cut() {
			return false
		}
		_, err := read(r.Text)
		return err == nil
	}
}

// clean is s on one line, as people write it.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && !unicode.IsSpace(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	return strings.Join(strings.Fields(chat.Restore(s)), " ")
}

// fold returns the words of s in lower case, parted by spaces.
func fold(s string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) }), " ")
}

// checkQuestion returns what is wrong with a question by itself.
func (k *maker) checkQuestion(q string) *outcome {
	var o outcome
	switch {
	case q == "":
		o = left("", Declined, "the model finds nothing to ask")
	case utf8.RuneCountInString(q) > maxQuestionRunes:
		o = left(cutRunes(q, maxQuestionRunes), Form, "it has more than %d code points", maxQuestionRunes)
	case len(k.analyzer.Terms(q)) < minQuestionTerms:
		o = left(q, Form, "it names too little: fewer than %d terms", minQuestionTerms)
	default:
		why := dependent(q)
		if why == "" {
			return nil
		}
		o = left(q, Dependent, "%s", why)
	}
	return &o
}

// quoted returns the evidence that a quote is: it stands in the document once, and
// within p, as it is or in another form (labels.Normalised).
func (p Passage) quoted(q, quote string) (labels.Evidence, *outcome) {
	bad := func(why Reason, format string, args ...any) (labels.Evidence, *outcome) {
		o := left(q, why, format, args...)
		return labels.Evidence{}, &o
	}
	quote = strings.TrimSpace(quote)
	if n := len(text.Words(quote)); n < minQuoteWords || n > maxQuoteWords {
		return bad(QuoteSize, "it has %d words, allowed are %d to %d", n, minQuoteWords, maxQuoteWords)
	}
	where := labels.Evidence{Doc: p.Document.ID, Quote: quote}
	found, _, broken, _ := labels.Locate(p.Text(), where)
	if broken != "" {
		where.Quote = chat.Restore(quote) // the model saw what the frame makes of control tokens
		found, _, broken, _ = labels.Locate(p.Text(), where)
	}
	switch broken {
	case "":
	case labels.QuoteAmbiguous:
		return bad(QuoteAmbiguous, "the passage has %q several times", cutRunes(quote, 200))
	default:
		return bad(QuoteNotFound, "the passage does not have %q", cutRunes(quote, 200))
	}
	// The same words elsewhere in the document would be evidence, too, and a label
	// that is one of several places cannot be found again when the document changes.
	whole, _, broken, _ := labels.Locate(p.Document.Text, labels.Evidence{Doc: p.Document.ID, Quote: found.Quote})
	if broken != "" {
		return bad(QuoteAmbiguous, "the document has %q several times", cutRunes(quote, 200))
	}
	span := text.RuneSpan{Start: p.Runes.Start + found.Span.Start, End: p.Runes.Start + found.Span.End}
	if whole.Span != span {
		return bad(QuoteAmbiguous, "the document has it at [%d, %d), too", whole.Span.Start, whole.Span.End) // unreachable: a text in the passage is in the document
	}
	if part := cutsWord(p.Document.Text, whole.Quote, span); part != "" {
		return bad(QuoteNotFound, "it begins or ends inside a word: %q", part)
	}
	return whole, nil
}

// cutsWord returns the surroundings of a span whose first or last word is longer in
// the text: "40 EUR" of "140 EUR" says something else. "": it cuts none.
func cutsWord(document, quote string, span text.RuneSpan) string {
	at, err := text.NewIndex(document).Span(span)
	if err != nil {
		return quote // unreachable: the span was found in the document
	}
	word := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }
	before, _ := utf8.DecodeLastRuneInString(document[:at.Start])
	first, _ := utf8.DecodeRuneInString(quote)
	last, _ := utf8.DecodeLastRuneInString(quote)
	after, _ := utf8.DecodeRuneInString(document[at.End:])
	if word(before) && word(first) && !lexical.Unspaced(before) || word(last) && word(after) && !lexical.Unspaced(after) {
		begin := strings.LastIndexFunc(document[:at.Start], func(r rune) bool { return !word(r) }) + 1
		end := strings.IndexFunc(document[at.End:], func(r rune) bool { return !word(r) })
		if end < 0 {
			end = len(document) - at.End
		}
		return document[max(begin, at.Start-40):at.Start] + "|" + cutRunes(quote, 20) + "|" + document[at.End:at.End+min(end, 40)]
	}
	return ""
}

// withoutPassage asks q without the passage; bad: the model knows the answer. A draft
// without a reference answer, or with one of stop words alone, is not tried.
func (k *maker) withoutPassage(ctx context.Context, q, answer string) (bad *outcome, err error) {
	if len(k.analyzer.Terms(answer)) == 0 {
		return nil, nil
	}
	said, bad, err := k.ask(ctx, closedBook(q, k.options.Seed))
	switch {
	case err != nil:
		return nil, err
	case bad != nil && (bad.draft.Reason == Refused || bad.draft.Reason == Cut):
		return nil, nil // it does not know
	case bad != nil:
		bad.draft.Question = q
		return bad, nil
	case k.overlap(answer, said) < 1:
		return nil, nil
	}
	o := left(q, Known, "without the passage the model says %q, the answer is %q", cutRunes(clean(said), 100), answer)
	return &o, nil
}
