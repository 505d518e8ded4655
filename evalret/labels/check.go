package labels

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ragloop/ragloop/internal/text"
)

// ErrNoDocument is what the texts function of [Check] returns (wrapped or not)
// for a document that the corpus does not have.
var ErrNoDocument = errors.New("no such document")

// Broken is a label that does not fit its document any more.
type Broken struct {
	Query  string     `json:"query"`
	Line   int        `json:"line,omitempty"` // in the set's file
	Field  string     `json:"field"`          // "evidence[0]" or "docs"
	Doc    text.DocID `json:"doc"`
	Reason Reason     `json:"reason"`
	Detail string     `json:"detail"`
}

// Move is a label that was found at another place or in another form.
type Move struct {
	Query    string
	Line     int
	Field    string
	How      Anchor // Moved or Normalised
	From, To Evidence
}

// Warning is something about a set that a reader of its numbers should know.
type Warning struct {
	Code    string // "duplicate_query", "near_duplicate_query", "unlabelled"
	Message string
	Queries []string // ids, in file order
}

// Report is the result of [Check].
type Report struct {
	Set Set // the labels that hold, re-anchored; queries keep their place

	Queries    int // in the set
	Spans      int // evidence spans in the set
	Exact      int // of these: as labelled
	Moved      int // found elsewhere
	Normalised int // found in another form
	Unquoted   int // of Exact: without a quote, so only the bounds were checked
	Docs       int // graded documents in the set

	Moves    []Move
	Broken   []Broken
	Emptied  []string // ids of queries that had labels and have none left
	Warnings []Warning

	// Err joins what texts failed with other than ErrNoDocument. The labels of
	// such documents are among Broken, but the fault may not be theirs.
	Err error
}

// Check compares the labels of set with the documents they name. texts returns
// a document's current text and is called once per document, in file order; a
// document that is not in the corpus is ErrNoDocument.
//
// An evidence span holds when the text at the span is its quote. If not, the
// label is re-anchored where the quote occurs, exactly once, first by exact
// then by normalised match ([Anchor]); a label that can't be found is broken.
// Broken labels are listed and left out of Report.Set. The document of a
// broken span stays relevant, as a graded document, while the corpus has it.
// Evidence that holds gets its Copies.
//
// set itself is taken as valid ([Set.Validate]) and is not changed.
func Check(set Set, texts func(text.DocID) (string, error)) Report {
	c := checker{texts: texts, docs: map[text.DocID]opened{}}
	c.Set.Name = set.Name
	var unlabelled []string
	for _, q := range set.Queries {
		c.Queries++
		kept := c.query(q)
		if !q.Unanswerable && !q.Labelled() {
			unlabelled = append(unlabelled, q.ID)
		}
		if q.Labelled() && !kept.Labelled() {
			c.Emptied = append(c.Emptied, q.ID)
		}
		c.Set.Queries = append(c.Set.Queries, kept)
	}
	if len(unlabelled) > 0 {
		c.Warnings = append(c.Warnings, Warning{
			Code:    "unlabelled",
			Message: fmt.Sprintf("%s without evidence or a relevant document can't be scored", many(len(unlabelled), "answerable query", "answerable queries")),
			Queries: unlabelled,
		})
	}
	c.Warnings = append(c.Warnings, duplicates(set)...)
	if near := NearDuplicates(set); len(near) > 0 {
		w := Warning{Code: "near_duplicate_query"}
		for _, l := range near {
			w.Queries = append(w.Queries, l.A)
		}
		w.Message = fmt.Sprintf("%s with almost the words of an earlier one (%s and %s, for example): they are not independent",
			many(len(near), "query", "queries"), near[0].B, near[0].A)
		c.Warnings = append(c.Warnings, w)
	}
	return c.Report
}

type opened struct {
	doc    *document
	reason Reason
	detail string
}

type checker struct {
	Report
	texts func(text.DocID) (string, error)
	docs  map[text.DocID]opened
}

func (c *checker) open(id text.DocID) opened {
	if o, ok := c.docs[id]; ok {
		return o
	}
	var o opened
	switch s, err := c.texts(id); {
	case err == nil:
		o.doc = newDocument(s)
	case errors.Is(err, ErrNoDocument):
		o.reason, o.detail = NoDocument, "the corpus has no such document"
	default:
		o.reason, o.detail = Unreadable, err.Error()
		c.Err = errors.Join(c.Err, fmt.Errorf("read text of %s: %w", id, err))
	}
	c.docs[id] = o
	return o
}

func (c *checker) query(q Query) Query {
	kept := q
	kept.Evidence, kept.Docs = nil, nil
	for i, e := range q.Evidence {
		c.Spans++
		field := evidenceField(i)
		o := c.open(e.Doc)
		if o.doc == nil {
			c.broken(q, field, e.Doc, o.reason, o.detail)
			continue
		}
		found, how, reason, detail := o.doc.anchor(e)
		if reason != "" {
			c.broken(q, field, e.Doc, reason, detail)
			if kept.Docs == nil {
				kept.Docs = map[text.DocID]int{}
			}
			kept.Docs[e.Doc] = 1
			continue
		}
		found.Copies = o.doc.copies(found.Span)
		kept.Evidence = append(kept.Evidence, found)
		switch how {
		case Exact:
			c.Exact++
			if e.Quote == "" {
				c.Unquoted++
			}
			continue
		case Moved:
			c.Moved++
		case Normalised:
			c.Normalised++
		}
		c.Moves = append(c.Moves, Move{Query: q.ID, Line: q.Line, Field: field, How: how, From: e, To: found})
	}
	for _, doc := range slices.Sorted(maps.Keys(q.Docs)) {
		c.Docs++
		if o := c.open(doc); o.doc == nil {
			c.broken(q, "docs", doc, o.reason, o.detail)
			continue
		}
		if kept.Docs == nil {
			kept.Docs = map[text.DocID]int{}
		}
		kept.Docs[doc] = q.Docs[doc]
	}
	return kept
}

func (c *checker) broken(q Query, field string, doc text.DocID, reason Reason, detail string) {
	c.Broken = append(c.Broken, Broken{Query: q.ID, Line: q.Line, Field: field, Doc: doc, Reason: reason, Detail: detail})
}

// duplicates warns of queries with the same text: they count twice in a mean.
func duplicates(set Set) []Warning {
	first := map[string]string{}
	var ids []string
	for _, q := range set.Queries {
		key := strings.ToLower(strings.Join(strings.Fields(q.Text), " "))
		if _, ok := first[key]; ok {
			ids = append(ids, q.ID)
			continue
		}
		first[key] = q.ID
	}
	if len(ids) == 0 {
		return nil
	}
	return []Warning{{
		Code:    "duplicate_query",
		Message: fmt.Sprintf("%s with the text of an earlier one: such queries weigh double in every mean", many(len(ids), "query", "queries")),
		Queries: ids,
	}}
}

// many says how many there are of something.
func many(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

// Held returns how many of the set's labels (evidence spans and graded
// documents) are in Report.Set, and how many there were.
func (r Report) Held() (held, of int) {
	of = r.Spans + r.Docs
	return of - len(r.Broken), of
}

// String returns one line for people, with the denominators.
func (r Report) String() string {
	var b strings.Builder
	b.WriteString(many(r.Queries, "query", "queries"))
	if r.Spans > 0 {
		fmt.Fprintf(&b, "; %d of %d evidence spans hold", r.Exact+r.Moved+r.Normalised, r.Spans)
		if n := r.Moved + r.Normalised; n > 0 {
			fmt.Fprintf(&b, " (%d as labelled, %d moved, %d normalised)", r.Exact, r.Moved, r.Normalised)
		}
	}
	if r.Docs > 0 {
		broken := 0
		for _, x := range r.Broken {
			if x.Field == "docs" {
				broken++
			}
		}
		fmt.Fprintf(&b, "; %d of %d graded documents exist", r.Docs-broken, r.Docs)
	}
	if n := len(r.Broken); n > 0 {
		fmt.Fprintf(&b, "; left out as broken: %s", many(n, "label", "labels"))
	}
	if n := len(r.Emptied); n > 0 {
		fmt.Fprintf(&b, "; without any label left: %s", many(n, "query", "queries"))
	}
	return b.String()
}
