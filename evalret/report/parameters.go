package report

import (
	"fmt"
	"strconv"

	"github.com/ragloop/ragloop/evalret"
)

// parametersOf returns what r was retrieved and packed with: of what is off unless
// somebody wants it, what is on.
func parametersOf(r evalret.Run) []fact {
	p := r.Parameters
	out := []fact{
		{"fusion", p.Fusion}, {"top-k", strconv.Itoa(p.TopK)}, {"candidates a leg", strconv.Itoa(p.Candidates)},
		{"document prior", fmt.Sprint(p.DocumentPrior)}, {"neighbour smoothing", fmt.Sprint(p.NeighbourSmoothing)},
		{"idf power", fmt.Sprint(p.IDFPower)}, {"title boost", fmt.Sprint(p.TitleBoost)},
		{"phrase boost", fmt.Sprint(p.PhraseBoost)}, {"feedback", fmt.Sprint(p.Feedback)},
		{"order", p.Order}, {"trim", strconv.FormatBool(p.Trim)}, {"fingerprint", r.Fingerprints.Retrieval},
	}
	add := func(on bool, name, value string) {
		if on {
			out = append(out, fact{name, value})
		}
	}
	add(p.Neighbours > 0, "neighbours on either side", strconv.Itoa(p.Neighbours))
	add(p.MaxPerSource > 0, "segments of a document", "at most "+strconv.Itoa(p.MaxPerSource))
	add(p.Diversity > 0, "diversity", fmt.Sprint(p.Diversity))
	add(p.Template != "", "template", p.Template)
	if e := p.Expand; e != nil {
		add(true, "expanded", e.Method+" by "+e.Expander)
	}
	if r := p.Rerank; r != nil {
		value := fmt.Sprintf("the first %d by %s", r.Depth, r.Reranker)
		if r.Weight > 0 {
			value += ", weight " + fmt.Sprint(r.Weight)
		}
		add(true, "reranked", value)
	}
	if f := p.Filter; f != nil {
		add(true, "filter", fmt.Sprintf("%+v", *f))
	}
	return out
}
