package retrieve

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/ragloop/ragloop/internal/filter"
	"github.com/ragloop/ragloop/internal/text"
)

// Limits of a query. They bound the work that one request can ask for.
const (
	MaxQueryRunes    = 8192
	MaxCandidates    = 1000
	MaxFilterValues  = 1000 // documents or tags of a filter
	MaxFilterMeta    = 100  // metadata conditions of a filter
	maxRescoreWeight = 10
	maxIDFPower      = 3
)

// InvalidError says which part of a query is not allowed and what is. Several
// come joined (errors.Join).
type InvalidError struct {
	Field   string // "query", "top_k", "fusion", "filter.tags", ...: the names of the wire and of the configuration
	Problem string // "is 0, allowed are 1 to 1000"
}

func (e *InvalidError) Error() string { return e.Field + " " + e.Problem }

// Validate returns nil or every problem of p as joined [*InvalidError].
func (p Params) Validate() error {
	var errs []error
	reject := func(field, format string, args ...any) {
		errs = append(errs, &InvalidError{field, fmt.Sprintf(format, args...)})
	}
	if p.TopK < 1 || p.TopK > MaxCandidates {
		reject("top_k", "is %d, allowed are 1 to %d", p.TopK, MaxCandidates)
	}
	if least := min(max(1, p.TopK), MaxCandidates); p.Candidates < least || p.Candidates > MaxCandidates {
		reject("candidates", "is %d, allowed are %d (top_k) to %d", p.Candidates, least, MaxCandidates)
	}
	if p.Rerank < 0 || p.Rerank > p.Candidates {
		reject("rerank", "is %d, allowed are 0 (off) to %d (candidates)", p.Rerank, p.Candidates)
	}
	if p.Rerank > 0 && !(p.RerankWeight > 0 && p.RerankWeight <= 1) || !within(p.RerankWeight, 0, 1) {
		reject("rerank_weight", "is %v, allowed are above 0 to 1", p.RerankWeight)
	}
	if p.Neighbours < 0 || p.Neighbours > MaxNeighbours {
		reject("neighbours", "is %d, allowed are 0 (off) to %d", p.Neighbours, MaxNeighbours)
	}
	if problem := p.Fusion.problem(); problem != "" {
		reject("fusion", "%s", problem)
	}
	for _, w := range []struct {
		field string
		value float64
	}{{"document_prior", p.DocumentPrior}, {"neighbour_smoothing", p.NeighbourSmoothing}, {"title_boost", p.TitleBoost}, {"phrase_boost", p.PhraseBoost}} {
		if !within(w.value, 0, maxRescoreWeight) {
			reject(w.field, "is %v, allowed are 0 to %d", w.value, maxRescoreWeight)
		}
	}
	if p.Expand != "" && !slices.Contains(expansions, p.Expand) {
		reject("expand", "is %q, allowed are %s", p.Expand, list(expansions))
	}
	if !within(p.IDFPower, 1, maxIDFPower) {
		reject("idf_power", "is %v, allowed are 1 (BM25) to %d", p.IDFPower, maxIDFPower)
	}
	if !within(p.Feedback, 0, 1) {
		reject("feedback", "is %v, allowed are 0 (off) to 1", p.Feedback)
	}
	f := p.Filter
	if len(f.Docs) > MaxFilterValues {
		reject("filter.documents", "has %d values, allowed are %d", len(f.Docs), MaxFilterValues)
	}
	if len(f.Tags) > MaxFilterValues {
		reject("filter.tags", "has %d values, allowed are %d", len(f.Tags), MaxFilterValues)
	}
	if len(f.Meta) > MaxFilterMeta {
		reject("filter.meta", "has %d keys, allowed are %d", len(f.Meta), MaxFilterMeta)
	}
	for _, d := range f.Docs {
		if d == "" {
			reject("filter.documents", "has an empty id")
			break
		}
	}
	for _, tag := range f.Tags {
		if tag == "" {
			reject("filter.tags", "has an empty tag")
			break
		}
	}
	for _, key := range slices.Sorted(maps.Keys(f.Meta)) {
		if err := filter.MetaField(key).Check(); err != nil {
			reject("filter.meta", "has the %s", filter.Problem(err))
			break
		}
	}
	if err := f.Where.Check(); err != nil {
		reject("filter.where", "is not allowed: %s", filter.Problem(err))
	}
	return errors.Join(errs...)
}

// Check returns nil or every problem of a query and its parameters as joined
// [*InvalidError]. Find and Search check by themselves.
func Check(query string, p Params) error {
	var problem string
	switch n := utf8.RuneCountInString(query); {
	case !utf8.ValidString(query):
		problem = "is not valid UTF-8"
	case text.Blank(query):
		problem = "is blank"
	case n > MaxQueryRunes:
		problem = fmt.Sprintf("has %d code points, allowed are %d", n, MaxQueryRunes)
	}
	if problem == "" {
		return p.Validate()
	}
	return errors.Join(&InvalidError{"query", problem}, p.Validate())
}

// within is false for NaN.
func within(v, lo, hi float64) bool { return v >= lo && v <= hi && !math.IsInf(v, 0) }

// list joins names for an error text: "a, b or c".
func list(names []string) string {
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}
