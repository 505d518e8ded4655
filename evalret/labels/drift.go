package labels

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ragloop/ragloop/internal/text"
)

// Drift is what became of the evidence spans of one document.
type Drift struct {
	Doc text.DocID `json:"doc"`
	// The spans by what became of them; Spans is their sum.
	Spans      int `json:"spans"`
	Exact      int `json:"exact"`      // as labelled
	Moved      int `json:"moved"`      // found elsewhere
	Normalised int `json:"normalised"` // found in another form
	Ambiguous  int `json:"ambiguous"`  // the quote is there several times
	Lost       int `json:"lost"`       // broken for another reason

	// How far the starts of the spans that were found again moved, in code points,
	// towards the end when positive. 0 where there is none.
	ShiftMin    int `json:"shift_min"`
	ShiftMedian int `json:"shift_median"` // the lower of the two middle ones
	ShiftMax    int `json:"shift_max"`
}

// Changed reports whether a span is not as labelled.
func (d Drift) Changed() bool { return d.Exact < d.Spans }

// Drift returns the drift of every document with evidence in set, which r is
// about, ordered by id.
func (r Report) Drift(set Set) []Drift {
	type of struct {
		Drift
		shifts []int
	}
	docs := map[text.DocID]*of{}
	for _, q := range set.Queries {
		for _, e := range q.Evidence {
			if docs[e.Doc] == nil {
				docs[e.Doc] = &of{Drift: Drift{Doc: e.Doc}}
			}
			docs[e.Doc].Spans++
		}
	}
	for _, m := range r.Moves {
		d := docs[m.From.Doc]
		d.shifts = append(d.shifts, m.Shift())
		if m.How == Moved {
			d.Moved++
		} else {
			d.Normalised++
		}
	}
	for _, b := range r.Broken {
		switch d := docs[b.Doc]; {
		case b.Field == "docs":
		case b.Reason == QuoteAmbiguous:
			d.Ambiguous++
		default:
			d.Lost++
		}
	}
	all := make([]Drift, 0, len(docs))
	for _, d := range docs {
		d.Exact = d.Spans - d.Moved - d.Normalised - d.Ambiguous - d.Lost
		if n := len(d.shifts); n > 0 {
			slices.Sort(d.shifts)
			d.ShiftMin, d.ShiftMedian, d.ShiftMax = d.shifts[0], d.shifts[(n-1)/2], d.shifts[n-1]
		}
		all = append(all, d.Drift)
	}
	slices.SortFunc(all, func(a, b Drift) int { return cmp.Compare(a.Doc, b.Doc) })
	return all
}

// Shift returns by how many code points the start of the span moved.
func (m Move) Shift() int { return m.To.Span.Start - m.From.Span.Start }

// Reanchored returns set, which r is about, with the spans that moved where they
// are now. Broken labels stay as they are: nothing is lost, and a later [Check]
// names them again. Report.Set is the set without them.
func (r Report) Reanchored(set Set) Set {
	moved := map[string]map[string]Evidence{}
	for _, m := range r.Moves {
		if moved[m.Query] == nil {
			moved[m.Query] = map[string]Evidence{}
		}
		moved[m.Query][m.Field] = m.To
	}
	out := Set{Name: set.Name, Queries: slices.Clone(set.Queries)}
	for i, q := range out.Queries {
		at := moved[q.ID]
		if at == nil {
			continue
		}
		q.Evidence = slices.Clone(q.Evidence)
		for k := range q.Evidence {
			if e, ok := at[evidenceField(k)]; ok {
				q.Evidence[k] = e
			}
		}
		out.Queries[i] = q
	}
	return out
}

func evidenceField(i int) string { return "evidence[" + strconv.Itoa(i) + "]" }

// String returns one line for people.
func (d Drift) String() string {
	var parts []string
	for _, p := range []struct {
		n    int
		what string
	}{
		{d.Exact, "as labelled"}, {d.Moved, "moved"}, {d.Normalised, "in another form"},
		{d.Ambiguous, "ambiguous"}, {d.Lost, "lost"},
	} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	line := fmt.Sprintf("%s: %s", many(d.Spans, "span", "spans"), strings.Join(parts, ", "))
	switch {
	case d.Moved+d.Normalised == 0:
	case d.ShiftMin == d.ShiftMax:
		line += fmt.Sprintf("; shifted by %+d code points", d.ShiftMin)
	default:
		line += fmt.Sprintf("; shifted by %+d to %+d code points, %+d in the middle", d.ShiftMin, d.ShiftMax, d.ShiftMedian)
	}
	return line
}
