package demo_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"
	"sync"
	"testing"

	"github.com/ragloop/ragloop/ingest/extract"
	"github.com/ragloop/ragloop/internal/demo"
	"github.com/ragloop/ragloop/internal/text"
)

type query struct {
	ID         string             `json:"id"`
	Query      string             `json:"query"`
	Evidence   []evidence         `json:"evidence"`
	Docs       map[text.DocID]int `json:"docs"`
	Answerable *bool              `json:"answerable"`
	Answer     string             `json:"answer"`
	Tags       []string           `json:"tags"`
}

type evidence struct {
	Doc text.DocID `json:"doc"`
	text.RuneSpan
	Quote string `json:"quote"`
}

func readQueries(t *testing.T) []query {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(demo.Queries()))
	dec.DisallowUnknownFields()
	var qs []query
	for {
		var q query
		err := dec.Decode(&q)
		if errors.Is(err, io.EOF) {
			return qs
		}
		if err != nil {
			t.Fatalf("query after %d others: %v", len(qs), err)
		}
		qs = append(qs, q)
	}
}

// corpus is extracted once for all tests.
var corpus = sync.OnceValues(func() (map[text.DocID]extract.Document, error) {
	docs := map[text.DocID]extract.Document{}
	err := fs.WalkDir(demo.Corpus(), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := fs.ReadFile(demo.Corpus(), name)
		if err != nil {
			return err
		}
		docs[text.DocID(name)], err = extract.Extract(context.Background(), extract.Input{Name: name, Data: data})
		return err
	})
	return docs, err
})

func extractCorpus(t *testing.T) map[text.DocID]extract.Document {
	t.Helper()
	docs, err := corpus()
	if err != nil {
		t.Fatalf("extract the corpus: %v", err)
	}
	return docs
}

func TestCorpus(t *testing.T) {
	const (
		minDocs  = 36
		minWords = 30_000
		maxWords = 45_000 // what two cores embed while somebody is watching
	)
	formats := map[string]int{".md": 15, ".html": 4, ".pdf": 4, ".docx": 3, ".txt": 3, ".csv": 2, ".jsonl": 1}
	docs := extractCorpus(t)
	words := 0
	found := map[string]int{}
	for id, d := range docs {
		words += len(strings.Fields(d.Text))
		found[path.Ext(string(id))]++
		if len(d.Warnings) > 0 {
			t.Errorf("%s: warnings %q", id, d.Warnings)
		}
		if d.MediaType == "application/pdf" && d.Pages < 2 {
			t.Errorf("%s has %d pages, want several", id, d.Pages)
		}
	}
	t.Logf("%d documents, %d words, %v", len(docs), words, found)
	if len(docs) < minDocs {
		t.Errorf("%d documents, want at least %d", len(docs), minDocs)
	}
	if words < minWords || words > maxWords {
		t.Errorf("%d words, want %d to %d", words, minWords, maxWords)
	}
	for ext, want := range formats {
		if found[ext] < want {
			t.Errorf("%d documents in %s, want at least %d", found[ext], ext, want)
		}
	}
}

func TestLabels(t *testing.T) {
	docs := extractCorpus(t)
	index := map[text.DocID]*text.Index{}
	for id, d := range docs {
		index[id] = text.NewIndex(d.Text)
	}
	cited := map[text.DocID]bool{}
	for _, q := range readQueries(t) {
		for _, e := range q.Evidence {
			x, ok := index[e.Doc]
			if !ok {
				t.Errorf("%s: no document %q", q.ID, e.Doc)
				continue
			}
			cited[e.Doc] = true
			got, err := x.Slice(e.RuneSpan)
			if err != nil {
				t.Errorf("%s: %s: %v", q.ID, e.Doc, err)
			} else if got != e.Quote || text.Blank(got) {
				t.Errorf("%s: %s[%d:%d] = %q, want %q", q.ID, e.Doc, e.Start, e.End, got, e.Quote)
			}
			if q.Docs[e.Doc] < 2 {
				t.Errorf("%s: %s has evidence but grade %d", q.ID, e.Doc, q.Docs[e.Doc])
			}
		}
		for id := range q.Docs {
			if _, ok := docs[id]; !ok {
				t.Errorf("%s: no document %q", q.ID, id)
			}
		}
	}
	for id := range docs {
		if !cited[id] {
			t.Errorf("%s answers no query", id)
		}
	}
}

func TestQueries(t *testing.T) {
	const (
		minQueries      = 120
		minUnanswerable = 20
		minMultiHop     = 12
	)
	flat := func(s string) string { return strings.Join(strings.Fields(strings.ToLower(s)), " ") }
	flattened := map[text.DocID]string{}
	for id, d := range extractCorpus(t) {
		flattened[id] = flat(d.Text)
	}
	qs := readQueries(t)
	seen := map[string]bool{}
	unanswerable, multiHop := 0, 0
	for _, q := range qs {
		for _, key := range []string{q.ID, flat(q.Query)} {
			if key == "" || seen[key] {
				t.Errorf("%s: %q is empty or not unique", q.ID, key)
			}
			seen[key] = true
		}
		for id, s := range flattened {
			if strings.Contains(s, strings.TrimRight(flat(q.Query), "?.")) {
				t.Errorf("%s is copied from %s", q.ID, id)
			}
		}
		if q.Answerable == nil {
			t.Errorf("%s doesn't say whether it is answerable", q.ID)
			continue
		}
		tags := map[string]bool{}
		for _, tag := range q.Tags {
			tags[tag] = true
		}
		sources := map[text.DocID]bool{}
		for _, e := range q.Evidence {
			sources[e.Doc] = true
		}
		if tags["multi-hop"] {
			multiHop++
			if len(sources) < 2 {
				t.Errorf("%s is multi-hop with evidence from %d documents", q.ID, len(sources))
			}
		}
		if tags["unanswerable"] == *q.Answerable {
			t.Errorf("%s: answerable = %t, tags %q", q.ID, *q.Answerable, q.Tags)
		}
		if *q.Answerable {
			if len(q.Evidence) == 0 || q.Answer == "" {
				t.Errorf("%s: answerable without evidence or answer", q.ID)
			}
			continue
		}
		unanswerable++
		if len(q.Evidence) > 0 || len(q.Docs) > 0 || q.Answer != "" {
			t.Errorf("%s: not answerable, yet labelled with evidence, documents or an answer", q.ID)
		}
	}
	t.Logf("%d queries, %d of them unanswerable, %d multi-hop", len(qs), unanswerable, multiHop)
	if len(qs) < minQueries || unanswerable < minUnanswerable || multiHop < minMultiHop {
		t.Errorf("%d queries, %d unanswerable, %d multi-hop, want at least %d, %d, %d",
			len(qs), unanswerable, multiHop, minQueries, minUnanswerable, minMultiHop)
	}
}

// A caller may do with the bytes what it likes.
func TestQueriesAreACopy(t *testing.T) {
	demo.Queries()[0] = 'x'
	if got := demo.Queries()[0]; got != '{' {
		t.Errorf("first byte = %q after a caller wrote to an earlier copy, want '{'", got)
	}
}
