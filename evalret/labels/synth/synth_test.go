package synth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/evalret/labels"
	"github.com/ragloop/ragloop/internal/chat"
	"github.com/ragloop/ragloop/internal/endpoint"
	"github.com/ragloop/ragloop/internal/text"
)

// reply is what the endpoint does about one request.
type reply struct {
	status int    // 0: 200
	text   string // of the answer
	finish string
	body   string // not "": the whole body
}

// serve starts an endpoint that answers by the messages of a request, and returns a
// model behind it. It counts requests.
func serve(t *testing.T, answer func(system, user string) reply) (m *chat.Client, requests func() int) {
	t.Helper()
	var mu sync.Mutex
	n := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		var body struct {
			Messages []chat.Message
		}
		if err := json.Unmarshal(raw, &body); err != nil || len(body.Messages) != 2 {
			t.Errorf("request %s: %v", raw, err)
			return
		}
		mu.Lock()
		n++
		mu.Unlock()
		a := answer(body.Messages[0].Content, body.Messages[1].Content)
		if a.status != 0 {
			w.WriteHeader(a.status)
		}
		if a.body == "" {
			content, _ := json.Marshal(a.text)
			finish := "stop"
			if a.finish != "" {
				finish = a.finish
			}
			a.body = fmt.Sprintf(`{"choices":[{"message":{"content":%s},"finish_reason":%q}]}`, content, finish)
		}
		io.WriteString(w, a.body)
	}))
	t.Cleanup(server.Close)
	m, err := chat.NewClient(chat.Config{BaseURL: server.URL, Model: "test model", MaxRetries: -1})
	if err != nil {
		t.Fatal(err)
	}
	return m, func() int { mu.Lock(); defer mu.Unlock(); return n }
}

// corpus is documents by id.
func corpus(docs map[text.DocID]string) Corpus {
	return Corpus{
		Docs: slices.Sorted(maps.Keys(docs)),
		Read: func(_ context.Context, doc text.DocID) (Document, error) {
			s, ok := docs[doc]
			if !ok || s == "broken" {
				return Document{}, fmt.Errorf("%w: no text", ErrDocument)
			}
			return Document{ID: doc, Title: "Title of " + string(doc), Text: s}, nil
		},
	}
}

// body is a passage about a thing, with code points of more than a byte.
func body(thing string) string {
	return fmt.Sprintf("# %[1]s\n\nThe Käse called %[1]s ripens for eight weeks in a cellar near Oskerby, as its makers say. "+
		"The %[1]s dairy was founded in 1907 by Greta Holm. A wheel of it costs 48 EUR, 148 EUR when it is old.", thing)
}

func draft(question, quote, answer, kind string) string {
	b, _ := json.Marshal(map[string]string{"question": question, "quote": quote, "answer": answer, "kind": kind})
	return string(b)
}

var things = []text.DocID{"Alma", "Brunn", "Corva", "Dolmen"}

// thing returns which of things a message is about.
func thing(user string) string {
	for _, t := range things {
		if strings.Contains(user, string(t)) {
			return string(t)
		}
	}
	return ""
}

func dairies() map[text.DocID]string {
	docs := map[text.DocID]string{}
	for _, t := range things {
		docs[t] = body(string(t))
	}
	return docs
}

func founded(_, user string) reply {
	t := thing(user)
	return reply{text: draft("When was the "+t+" dairy founded?", "founded in 1907 by Greta Holm", "1907", "date")}
}

func TestMake(t *testing.T) {
	m, requests := serve(t, func(system, user string) reply {
		// Questions that differ in one word of six are too much alike: each is worded
		// in its own way.
		name := thing(user)
		q := map[string]string{
			"Alma": "When was the Alma dairy founded?", "Brunn": "Since which year is there a creamery called Brunn?",
			"Corva": "Corva cheese: year of foundation of its makers?", "Dolmen": "How old is Dolmen's company, by year of foundation?",
		}[name]
		return reply{text: "Sure:\n```json\n" + draft(q, "founded in 1907 by Greta Holm", "1907", "date") + "\n```"}
	})
	docs := dairies()
	docs["broken"], docs["short"] = "broken", "Too short."
	docs["copy"] = docs["Alma"] + " "
	var progress [][2]int
	o := Options{Queries: 10, Seed: 7, MinWords: 20, Progress: func(passages, queries int) { progress = append(progress, [2]int{passages, queries}) }}
	r, err := Make(t.Context(), corpus(docs), m, o)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([][2]int{{1, 0}, {2, 0}, {3, 0}, {4, 0}, {4, 4}}, progress); d != "" { // a batch may take minutes
		t.Errorf("progress (-want +got):\n%s", d)
	}
	if len(r.Set.Queries) != 4 || requests() != 4 || len(r.Left) != 0 || r.Asked != 4 {
		t.Fatalf("%d queries of %d requests, left out %+v", len(r.Set.Queries), requests(), r.Left)
	}
	want := Sample{Documents: 7, Read: 7, Unreadable: []string{"read broken: the document cannot be read: no text"}, Passages: 6, TooShort: 1, Repeated: 1}
	if d := cmp.Diff(want, r.Sample); d != "" {
		t.Errorf("sample (-want +got):\n%s", d)
	}
	for _, q := range r.Set.Queries {
		e := q.Evidence[0]
		got, err := text.Slice(docs[e.Doc], e.Span)
		if err != nil || got != e.Quote || got != "founded in 1907 by Greta Holm" {
			t.Errorf("%s: the text at %v is %q, %v", q.ID, e.Span, got, err)
		}
		if d := cmp.Diff([]string{"synthetic", "synthetic:test_model;prompt=" + PromptVersion() + ";seed=7", "kind:date"}, q.Tags); d != "" || q.Answer != "1907" {
			t.Errorf("tags of %+v (-want +got):\n%s", q, d)
		}
	}
	if x, ok := r.Overlap.Float(); !ok || x <= 0 || x >= 1 {
		t.Errorf("overlap = %v", r.Overlap)
	}
	// What it makes passes its own checks, and the same is made again.
	check := labels.Check(r.Set, func(doc text.DocID) (string, error) { return docs[doc], nil })
	if err := r.Set.Validate(); err != nil || check.Exact != 4 || len(check.Broken)+len(check.Warnings) != 0 {
		t.Errorf("check: %v, %v, %+v", err, check, check.Warnings)
	}
	o.Concurrency = 1
	again, err := Make(t.Context(), corpus(docs), m, o)
	if d := cmp.Diff(r, again, cmp.AllowUnexported(labels.Set{}), cmp.Comparer(func(a, b interface{ Float() (float64, bool) }) bool { return a == b })); err != nil || d != "" {
		t.Errorf("made again: %v (-want +got):\n%s", err, d)
	}
	// A document more changes no passage drawn before.
	delete(docs, "Corva")
	fewer, err := Make(t.Context(), corpus(docs), m, o)
	if err != nil || len(fewer.Set.Queries) != 3 {
		t.Fatalf("with a document less: %d queries, %v", len(fewer.Set.Queries), err)
	}
	for _, q := range fewer.Set.Queries {
		if !slices.ContainsFunc(r.Set.Queries, func(o labels.Query) bool { return o.ID == q.ID }) {
			t.Errorf("with a document less, %s is another query", q.ID)
		}
	}
}

// TestLeftOut: what an answer can be, and what becomes of it.
func TestLeftOut(t *testing.T) {
	const quote = "founded in 1907 by Greta Holm"
	for name, c := range map[string]struct {
		reply  reply
		reason Reason
		detail string
	}{
		"no JSON":           {reply{text: "When was Alma founded?"}, Unreadable, "no single JSON object"},
		"two objects":       {reply{text: `{"question":"a"} {"question":"b"}`}, Unreadable, "several"},
		"another type":      {reply{text: `{"question":["a"],"quote":"b"}`}, Unreadable, "cannot unmarshal"},
		"no quote":          {reply{text: `{"question":"When was Alma founded?"}`}, Unreadable, "no question or no quote"},
		"cut":               {reply{text: `{"question":"When`, finish: "length"}, Cut, "600 tokens"},
		"refused":           {reply{body: `{"choices":[{"message":{"refusal":"I would rather not"},"finish_reason":"stop"}]}`}, Refused, "I would rather not"},
		"filtered":          {reply{text: "", finish: "content_filter"}, Refused, ""},
		"status 400":        {reply{status: 400, body: `{"error":{"message":"too long for me"}}`}, Rejected, "too long for me"},
		"no choices":        {reply{body: `{}`}, Rejected, "0 answers"},
		"no protocol":       {reply{body: `<html>`}, Rejected, "invalid character"},
		"nothing to ask":    {reply{text: draft(" ", "", "", "fact")}, Declined, ""},
		"long":              {reply{text: draft(strings.Repeat("Alma dairy? ", 40), quote, "1907", "date")}, Form, "300 code points"},
		"one word":          {reply{text: draft("Alma?", quote, "1907", "date")}, Form, "fewer than 2 terms"},
		"dependent":         {reply{text: draft("When was the dairy in the passage founded?", quote, "1907", "date")}, Dependent, "the passage"},
		"pronoun":           {reply{text: draft("When was it founded by Greta Holm?", quote, "1907", "date")}, Dependent, `"it"`},
		"quote elsewhere":   {reply{text: draft("When was the Alma dairy founded?", "established in 1907", "1907", "date")}, QuoteNotFound, "established"},
		"quote of another":  {reply{text: draft("When was the Alma dairy founded?", "The Brunn dairy was founded", "1907", "date")}, QuoteNotFound, ""},
		"quote twice":       {reply{text: draft("How much does Alma cheese cost?", "EUR,\u00a0148 EUR", "48 EUR", "number")}, "", ""},
		"ambiguous":         {reply{text: draft("Where is the Alma dairy?", "Alma ripens", "Oskerby", "fact")}, "", ""},
		"in words":          {reply{text: draft("How much does Alma cheese cost?", "8 EUR when it is old", "148 EUR", "number")}, QuoteNotFound, "inside a word"},
		"whole":             {reply{text: draft("How old is the Alma dairy?", strings.Repeat("word ", 81), "1907", "date")}, QuoteSize, "81 words"},
		"one word of quote": {reply{text: draft("How old is the Alma dairy?", "1907", "1907", "date")}, QuoteSize, "1 words"},
		"tells the answer":  {reply{text: draft("Was the Alma dairy founded in 1907?", quote, "1907", "date")}, AnswerInside, "1907"},
		"another form":      {reply{text: draft("When was the Alma dairy founded?", "FOUNDED in\n1907 by Greta  Holm", "1907", "no such kind")}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			m, _ := serve(t, func(string, string) reply { return c.reply })
			docs := map[text.DocID]string{"a": body("Alma")}
			r, err := Make(t.Context(), corpus(docs), m, Options{Queries: 1, MinWords: 20})
			if err != nil {
				t.Fatal(err)
			}
			if c.reason == "" {
				if len(r.Set.Queries) != 1 {
					t.Fatalf("left out: %+v", r.Left)
				}
				e := r.Set.Queries[0].Evidence[0]
				if got, err := text.Slice(docs["a"], e.Span); err != nil || got != e.Quote {
					t.Errorf("evidence %+v is %q, %v", e, got, err)
				}
				return
			}
			if len(r.Set.Queries) != 0 || len(r.Left) != 1 || r.Left[0].Reason != c.reason || !strings.Contains(r.Left[0].Detail, c.detail) || r.Count(c.reason) != 1 {
				t.Errorf("Make = %+v, left out %+v, want %s with %q", r.Set.Queries, r.Left, c.reason, c.detail)
			}
		})
	}
}

// TestAskedAgain: an answer that cannot be read is asked for again the next time, one
// that can be read and makes no query is not.
func TestAskedAgain(t *testing.T) {
	for said, want := range map[reply]int{
		{text: "lorem ipsum"}:                              2,
		{text: `{"question":"When"}`}:                      2,
		{text: `{"question":"When`, finish: "length"}:      2,
		{text: draft(" ", "", "", "fact")}:                 1,
		{text: draft("Alma?", "by Greta", "1907", "date")}: 1,
	} {
		m, requests := serve(t, func(string, string) reply { return said })
		cache, err := chat.OpenCache(filepath.Join(t.TempDir(), "answers.db"), m, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer cache.Close()
		for range 2 {
			r, err := Make(t.Context(), corpus(map[text.DocID]string{"a": body("Alma")}), cache, Options{Queries: 1, MinWords: 20})
			if err != nil || len(r.Left) != 1 {
				t.Fatalf("%+v: Make = left out %+v, %v", said, r.Left, err)
			}
		}
		if requests() != want {
			t.Errorf("%+v: %d requests of two calls, want %d", said, requests(), want)
		}
	}
}

// TestQuoteTwice: evidence that stands in the document twice is no label, wherever the
// other place is.
func TestQuoteTwice(t *testing.T) {
	m, _ := serve(t, func(_, user string) reply { return founded("", user) })
	for name, s := range map[string]string{
		"passage":  body("Alma") + " Another one was founded in 1907 by Greta Holm.",
		"document": body("Alma") + strings.Repeat("\n\nNothing of note is said here in so many words, again and again and on and on.", 10) + "\n\nIt was founded in 1907 by Greta Holm.",
	} {
		r, err := Make(t.Context(), corpus(map[text.DocID]string{"a": s}), m, Options{Queries: 1, MinWords: 20, MaxPassages: 9})
		if err != nil || len(r.Set.Queries) != 0 || r.Count(QuoteAmbiguous) == 0 || !strings.Contains(r.Left[0].Detail, name) {
			t.Errorf("%s: %+v, left out %+v, %v", name, r.Set.Queries, r.Left, err)
		}
	}
}

// TestErrors: what concerns every question ends the call, and makes no query.
func TestErrors(t *testing.T) {
	for _, status := range []int{401, 429, 500, 503} {
		m, _ := serve(t, func(string, string) reply { return reply{status: status, body: `{"error":{"message":"no"}}`} })
		r, err := Make(t.Context(), corpus(dairies()), m, Options{Queries: 1, MinWords: 20})
		if err == nil || len(r.Set.Queries)+len(r.Left) != 0 || status != 401 && !errors.Is(err, endpoint.ErrUnavailable) {
			t.Errorf("status %d: Make = %+v, %v", status, r, err)
		}
	}
	m, requests := serve(t, founded)
	for _, o := range []Options{
		{}, {Queries: -1}, {Queries: 1, Unanswerable: 1}, {Queries: 1, MinWords: 4}, {Queries: 1, MaxPassages: -1},
		{Queries: 1, MaxPerDocument: -1}, {Queries: 1, Concurrency: -1},
	} {
		if _, err := Make(t.Context(), corpus(dairies()), m, o); !errors.Is(err, ErrOptions) {
			t.Errorf("Make(%+v) = %v, want %v", o, err, ErrOptions)
		}
	}
	disk := errors.New("disk on fire")
	broken := Corpus{Docs: []text.DocID{"a"}, Read: func(context.Context, text.DocID) (Document, error) { return Document{}, disk }}
	if _, err := Make(t.Context(), broken, m, Options{Queries: 1}); !errors.Is(err, disk) {
		t.Errorf("Make of a broken corpus = %v, want %v", err, disk)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Make(ctx, corpus(dairies()), m, Options{Queries: 1, MinWords: 20}); !errors.Is(err, context.Canceled) || requests() != 0 {
		t.Errorf("Make of a cancelled context = %v after %d requests", err, requests())
	}
}

// TestResumes: what was answered before is not asked again, and others take the place
// of what is left out.
func TestResumes(t *testing.T) {
	down := true
	m, requests := serve(t, func(_, user string) reply {
		switch name := thing(user); {
		case name == "Corva" && down:
			return reply{status: 503}
		case name == "Alma":
			return reply{text: "no"}
		default:
			q := map[string]string{"Brunn": "Brunn wheels come from whose creamery?", "Corva": "Who was first to own the Corva dairy?", "Dolmen": "Founder of the Dolmen dairy?"}[name]
			return reply{text: draft(q, "1907 by Greta Holm", "Greta Holm", "person")}
		}
	})
	cache, err := chat.OpenCache(filepath.Join(t.TempDir(), "answers.db"), m, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer cache.Close()
	o := Options{Queries: 4, MinWords: 20, Concurrency: 1, Apart: labels.Set{Queries: []labels.Query{{ID: "old", Text: "dolmen dairy, of the founder", Docs: map[text.DocID]int{"elsewhere": 1}}}}}
	if _, err := Make(t.Context(), corpus(dairies()), cache, o); !errors.Is(err, endpoint.ErrUnavailable) {
		t.Fatalf("Make = %v, want %v", err, endpoint.ErrUnavailable)
	}
	before := requests()
	down = false
	r, err := Make(t.Context(), corpus(dairies()), cache, o)
	if err != nil || len(r.Set.Queries) != 2 || r.Asked != 4 || r.Count(Unreadable) != 1 || r.Count(Duplicate) != 1 {
		t.Fatalf("Make = %d queries of %d passages, left out %+v, %v", len(r.Set.Queries), r.Asked, r.Left, err)
	}
	total := requests()
	if before < 2 || total != 5 { // the one that failed was asked again
		t.Errorf("%d requests, then %d in all, want 5", before, total)
	}
	// Only the one whose answer could not be read is asked again.
	if _, err := Make(t.Context(), corpus(dairies()), cache, o); err != nil || requests() != total+1 {
		t.Errorf("Make again = %v after %d more requests, want 1", err, requests()-total)
	}
	// Documents with labels in the other set are not drawn from.
	o.Apart.Queries[0].Docs = map[text.DocID]int{"Corva": 1, "Brunn": 0}
	r, err = Make(t.Context(), corpus(dairies()), cache, o)
	if err != nil || r.Sample.Apart != 1 || slices.ContainsFunc(r.Set.Queries, func(q labels.Query) bool { return q.Evidence[0].Doc == "Corva" }) {
		t.Errorf("apart from Corva: %+v, %v", r.Set.Queries, err)
	}
}

func TestClosedBook(t *testing.T) {
	m, requests := serve(t, func(system, user string) reply {
		if system != closedSystem {
			return founded(system, user)
		}
		if strings.Contains(user, "passage") {
			t.Error("the passage is in the question without it")
		}
		switch thing(user) {
		case "Alma":
			return reply{text: "It was in 1907, I think."}
		case "Brunn":
			return reply{text: "", finish: "content_filter"}
		case "Corva":
			return reply{status: 400}
		}
		return reply{text: "unknown"}
	})
	got := map[text.DocID]Reason{}
	for _, doc := range things {
		r, err := Make(t.Context(), corpus(map[text.DocID]string{doc: body(string(doc))}), m, Options{Queries: 1, MinWords: 20, ClosedBook: true})
		if err != nil {
			t.Fatal(err)
		}
		got[doc] = ""
		if len(r.Left) > 0 {
			got[doc] = r.Left[0].Reason
		}
	}
	if d := cmp.Diff(map[text.DocID]Reason{"Alma": Known, "Brunn": "", "Corva": Rejected, "Dolmen": ""}, got); d != "" || requests() != 8 {
		t.Errorf("after %d requests (-want +got):\n%s", requests(), d)
	}
}

func TestUnanswerable(t *testing.T) {
	m, _ := serve(t, func(system, user string) reply {
		name := thing(user)
		switch system {
		case noAnswerSystem:
			return reply{text: `{"question":"Which colour does the rind of ` + strings.Repeat(name+" ", 9) + ` have?"}`}
		case lookSystem:
			switch {
			case name == "Brunn" && strings.Contains(user, "found elsewhere"):
				return reply{text: `{"answered":true,"quote":"The rind of Brunn is red."}`}
			case name == "Corva":
				return reply{text: `{"quote":""}`}
			}
			return reply{text: `{"answered":false,"quote":""}`}
		}
		return founded(system, user)
	})
	searched := 0
	var mu sync.Mutex
	o := Options{Unanswerable: 4, MinWords: 20, Search: func(_ context.Context, question string) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		searched++
		return "found elsewhere", nil
	}}
	// Of questions that differ in a name alone, one is enough.
	r, err := Make(t.Context(), corpus(dairies()), m, o)
	if err != nil || searched != 4 || r.Count(Answered) != 1 || r.Count(Unreadable) != 1 || len(r.Set.Queries)+r.Count(Duplicate) != 2 || len(r.Set.Queries) == 0 {
		t.Fatalf("Make = %+v after %d searches, left out %+v, %v", r.Set.Queries, searched, r.Left, err)
	}
	q := r.Set.Queries[0]
	if !q.Unanswerable || len(q.Evidence) != 0 || q.Tags[0] != Tag || r.Set.Validate() != nil {
		t.Errorf("query = %+v, %v", q, r.Set.Validate())
	}
	if _, ok := r.Overlap.Float(); ok {
		t.Errorf("overlap = %v, want none", r.Overlap)
	}
	o.Search = func(context.Context, string) (string, error) { return "", errors.New("index on fire") }
	if _, err := Make(t.Context(), corpus(dairies()), m, o); err == nil || !strings.Contains(err.Error(), "index on fire") {
		t.Errorf("Make with a broken search = %v", err)
	}
}

func TestRequests(t *testing.T) {
	c := corpus(dairies())
	o := Options{Queries: 2, Unanswerable: 2, MinWords: 20, ClosedBook: true, Search: func(context.Context, string) (string, error) { return "found", nil }}
	got, sample, err := Requests(t.Context(), c, o, 4)
	if err != nil || sample.Passages != 4 {
		t.Fatalf("Requests = %+v, %v", sample, err)
	}
	systems := []string{}
	seen := map[string]bool{}
	for _, r := range got {
		systems = append(systems, r.Messages[0].Content[:12])
		seen[r.Messages[1].Content] = true
	}
	kind := func(s string) string { return s[:12] }
	q, cb, n, l := kind(questionSystem), kind(closedSystem), kind(noAnswerSystem), kind(lookSystem)
	if d := cmp.Diff([]string{q, cb, q, cb, n, l, l, n, l, l}, systems); d != "" || len(seen) != len(got) {
		t.Errorf("requests (-want +got):\n%s\n%d of %d are distinct", d, len(seen), len(got))
	}
	if got, _, err = Requests(t.Context(), c, o, 100); err != nil || len(got) != 10 {
		t.Errorf("Requests about more passages than there are = %d, %v", len(got), err)
	}
	// What is planned is the most: here every question comes to something, the last
	// one to the last request.
	wordings := map[string]string{"Alma": "wood of the Alma shelves", "Brunn": "length of Brunn's cellar", "Corva": "Corva butter price", "Dolmen": "goats on Dolmen hill"}
	busy, requests := serve(t, func(system, user string) reply {
		switch system {
		case lookSystem:
			return reply{text: `{"answered":false,"quote":""}`}
		case closedSystem:
			return reply{text: "unknown"}
		case noAnswerSystem:
			return reply{text: `{"question":"What about the ` + wordings[thing(user)] + `?"}`}
		}
		return reply{text: draft("What about the "+wordings[thing(user)]+"?", "founded in 1907 by Greta Holm", "1907", "date")}
	})
	if r, err := Make(t.Context(), c, busy, o); err != nil || len(r.Set.Queries) != 4 || requests() != len(got) {
		t.Errorf("Make = %d queries with %d requests, %v; planned are %d", len(r.Set.Queries), requests(), err, len(got))
	}
	// The requests are those that are made.
	made := map[string]bool{}
	var mu sync.Mutex
	m, _ := serve(t, func(system, user string) reply {
		mu.Lock()
		defer mu.Unlock()
		made[user] = true
		return reply{text: "no"}
	})
	if _, err := Make(t.Context(), c, m, Options{Queries: 2, MinWords: 20, MaxPassages: 2}); err != nil {
		t.Fatal(err)
	}
	planned, _, _ := Requests(t.Context(), c, Options{Queries: 2, MinWords: 20}, 2)
	for _, r := range planned {
		if !made[r.Messages[1].Content] {
			t.Errorf("planned and not made: %s", r.Messages[1].Content)
		}
	}
	if len(made) != len(planned) {
		t.Errorf("%d requests made, %d planned", len(made), len(planned))
	}
}
