package review

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ragloop/ragloop/evalret/labels"
	"github.com/ragloop/ragloop/evalret/labels/feedback"
	"github.com/ragloop/ragloop/internal/text"
)

// Tag marks queries that came from a review.
const Tag = "reviewed"

// Applied says what judgements did to a query set.
type Applied struct {
	Evidence int `json:"evidence"` // spans added
	Grades   int `json:"grades"`   // documents graded 1
	Queries  int `json:"queries"`  // added
	Known    int `json:"known"`    // said what the set says already
	Kept     int `json:"kept"`     // not relevant or unsure: no label follows
	// Conflicts are judgements that a query marked unanswerable has an answer;
	// they are not applied.
	Conflicts []Judgement `json:"-"`
	// Others are judgements of a query that has another text in the set: they may
	// be about another set with the same ids, and are not applied.
	Others []Judgement `json:"-"`
}

// Apply returns set with the labels that judgements make: a relevant passage
// becomes evidence, and the document of one that is partly relevant is graded 1
// where it has no label. That a passage is not relevant says nothing about the rest
// of its document and makes no label. A query that set does not have is added at
// the end with the tag "reviewed", once a label follows. set is not changed.
func Apply(set labels.Set, judgements []Judgement) (labels.Set, Applied) {
	out := labels.Set{Name: set.Name, Queries: slices.Clone(set.Queries)}
	at := map[string]int{}
	for i, q := range out.Queries {
		at[q.ID] = i
	}
	var a Applied
	for _, j := range judgements {
		if j.Verdict != Relevant && j.Verdict != Partly {
			a.Kept++
			continue
		}
		i, ok := at[j.Query]
		if !ok {
			i = len(out.Queries)
			at[j.Query] = i
			out.Queries = append(out.Queries, labels.Query{ID: j.Query, Text: j.Text, Tags: []string{Tag}})
			a.Queries++
		}
		q := &out.Queries[i]
		_, labelled := q.Grades()[j.Doc]
		switch {
		case q.Text != j.Text:
			a.Others = append(a.Others, j)
		case q.Unanswerable:
			a.Conflicts = append(a.Conflicts, j)
		case j.Verdict == Relevant && slices.ContainsFunc(q.Evidence, func(e labels.Evidence) bool { return e.Doc == j.Doc && e.Span == j.Span }),
			j.Verdict == Partly && labelled:
			a.Known++
		case j.Verdict == Relevant:
			q.Evidence = append(slices.Clip(q.Evidence), j.Evidence())
			a.Evidence++
		default:
			docs := map[text.DocID]int{j.Doc: 1}
			maps.Copy(docs, q.Docs)
			q.Docs = docs
			a.Grades++
		}
	}
	return out, a
}

// FromFeedback makes candidates of the feedback about one collection, in the order
// in which passages were first judged; what several said about one passage is one
// candidate. comments are those of entries without judgements. A query that is not
// among known, which maps texts to ids, has an id made of its text.
func FromFeedback(entries []feedback.Entry, collection string, known map[string]string) (cs []labels.Candidate, comments []string) {
	type said struct {
		verdicts map[string]int
		comments []string
	}
	all := map[passage]*said{}
	for _, e := range entries {
		if e.Collection != collection {
			continue
		}
		if len(e.Judgements) == 0 {
			comments = append(comments, fmt.Sprintf("%s: %s", plain(e.Query), plain(e.Comment)))
		}
		id, ok := known[e.Query]
		if !ok {
			sum := sha256.Sum256([]byte(e.Query))
			id = "feedback-" + hex.EncodeToString(sum[:6])
		}
		for _, j := range e.Judgements {
			c := labels.Candidate{Query: id, Text: e.Query, Doc: text.DocID(j.Doc), Span: text.RuneSpan{Start: j.Start, End: j.End}, Quote: j.Text}
			s := all[about(c)]
			if s == nil {
				s = &said{verdicts: map[string]int{}}
				all[about(c)] = s
				cs = append(cs, c)
			}
			s.verdicts[j.Verdict]++
			if e.Comment != "" {
				s.comments = append(s.comments, e.Comment)
			}
		}
	}
	for i, c := range cs {
		s := all[about(c)]
		var parts []string
		for _, v := range slices.Sorted(maps.Keys(s.verdicts)) {
			parts = append(parts, fmt.Sprintf("%d %s", s.verdicts[v], strings.ReplaceAll(v, "_", " ")))
		}
		reason := "feedback: " + strings.Join(parts, ", ")
		for _, comment := range s.comments {
			reason += fmt.Sprintf("; %q", comment)
		}
		cs[i].Reason = reason
	}
	return cs, comments
}
