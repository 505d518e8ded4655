package answer

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/ragloop/ragloop/evalret/ground"
	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/internal/text"
)

// Cited is a claim of an answer and what it cites.
type Cited struct {
	Span     text.Span // of the sentence, bytes of the answer
	Claim    string    // the sentence without its citations
	Segments []int     // indices of segments, in the order of citation, each once; from their number on: labels that there are not
}

// marker is a citation: "[1]", "[1, 2]", "[2-4]", "[[1]]".
var marker = regexp.MustCompile(`\[{1,8}\s*\d{1,4}(?:\s*[-–,;]\s*\d{1,4})*\s*\]{1,8}`)

// markerRange is one number of a marker, or a range.
var markerRange = regexp.MustCompile(`(\d{1,4})(?:\s*[-–]\s*(\d{1,4}))?`)

// maxRange is the longest range that is one.
const maxRange = 20

// Cited returns the claims of a (see ground.Split: remarks and abstentions claim
// nothing) and what each cites. A citation belongs to the sentence that it stands
// in; one that stands alone, behind a full stop, to the sentence before it. Labels
// are those of a.Context; without one, all are unknown.
func (a Answer) Cited() []Cited {
	at := map[string]int{} // labels are unique
	if a.Context != nil {
		for i, s := range a.Context.Segments {
			at[s.Label] = i
		}
	}
	cite := func(c *Cited, s string) {
		for _, m := range marker.FindAllString(s, -1) {
			for _, label := range labelsOf(m) {
				i, known := at[label]
				if !known {
					i = len(at)
					at[label] = i
				}
				if !slices.Contains(c.Segments, i) {
					c.Segments = append(c.Segments, i)
				}
			}
		}
	}
	var out []Cited
	begin := 0
	claimed := false // the sentence before is a claim
	for _, s := range ground.Split(a.Text) {
		// What stands between sentences may be a citation that Split takes for a
		// list marker.
		body := a.Text[begin:s.Span.End]
		own := a.Text[s.Span.Start:s.Span.End]
		begin = s.Span.End
		lead := leadingMarkers(strings.TrimSpace(body))
		if claimed && lead != "" {
			cite(&out[len(out)-1], lead)
			own = strings.TrimPrefix(own, lead)
		}
		if s.Kind != ground.Claim {
			claimed = claimed && text.Blank(marker.ReplaceAllString(own, ""))
			continue
		}
		c := Cited{Span: s.Span, Claim: strip(own)}
		cite(&c, own)
		out, claimed = append(out, c), true
	}
	if claimed {
		cite(&out[len(out)-1], a.Text[begin:])
	}
	return out
}

// leadingMarkers returns the citations at the beginning of s.
func leadingMarkers(s string) string {
	end := 0
	for {
		rest := s[end:]
		blank := len(rest) - len(strings.TrimLeft(rest, " \t"))
		m := marker.FindStringIndex(rest[blank:])
		if m == nil || m[0] != 0 {
			return s[:end]
		}
		end += blank + m[1]
	}
}

// strip returns a sentence without citations and the blanks in front of them.
func strip(s string) string {
	out := marker.ReplaceAllString(s, "\x00")
	for _, before := range []string{" \x00", "\x00"} {
		out = strings.ReplaceAll(out, before, "")
	}
	return strings.TrimSpace(out)
}

// labelsOf returns the labels of a marker, ranges written out.
func labelsOf(m string) []string {
	var out []string
	for _, r := range markerRange.FindAllStringSubmatch(m, -1) {
		from, _ := strconv.Atoi(r[1]) // unreachable error: four digits
		to, err := strconv.Atoi(r[2])
		if err != nil || to < from || to-from > maxRange {
			to = from
			if r[2] != "" {
				out = append(out, r[2])
			}
		}
		for n := from; n <= to; n++ {
			out = append(out, strconv.Itoa(n))
		}
	}
	return out
}

// Check is a claim and texts that are to support it.
type Check struct{ Claim, Evidence string }

// CitationChecks returns the judgements that [Answer.Citations] takes at most, to
// tell their cost: by claims, all that one cites, then each citation alone and all
// others.
func (a Answer) CitationChecks() []Check {
	var out []Check
	texts := a.segments()
	for _, c := range a.Cited() {
		refs := slices.Sorted(slices.Values(c.Segments))
		if len(refs) == 0 || refs[len(refs)-1] >= len(texts) {
			continue
		}
		out = append(out, Check{c.Claim, evidence(texts, refs)})
		if len(refs) == 1 {
			continue
		}
		for k, r := range refs {
			out = append(out, Check{c.Claim, evidence(texts, []int{r})},
				Check{c.Claim, evidence(texts, slices.Delete(slices.Clone(refs), k, k+1))})
		}
	}
	return out
}

// segments returns the texts that can be cited.
func (a Answer) segments() []string {
	if a.Context == nil {
		return nil
	}
	return a.Context.Texts()
}

// evidence joins segments.
func evidence(texts []string, segments []int) string {
	var some []string
	for _, i := range segments {
		some = append(some, texts[i])
	}
	return strings.Join(some, "\n\n")
}

// Citations counts the citations of a by metric.CiteCheck: segments support a claim
// where judge gives it at least the support threshold against their texts alone,
// joined by blank lines. A claim that judge fails on counts as not supported.
//
// From ALCE it differs in that sentences which claim nothing have no part, that any
// judge may say what supports, and in what metric.Citations counts as wrong.
func (a Answer) Citations(ctx context.Context, judge ground.Judge, threshold float64) (metric.Citations, error) {
	cited := a.Cited()
	refs := make([][]int, len(cited))
	for i, c := range cited {
		refs[i] = c.Segments
	}
	texts := a.segments()
	return metric.CiteCheck(refs, len(texts), func(sentence int, segments []int) (bool, error) {
		judged, err := judge.Judge(ctx, evidence(texts, segments), []string{cited[sentence].Claim})
		if err != nil {
			return false, err
		}
		if len(judged) != 1 {
			return false, fmt.Errorf("%w: %d judgements of one claim", ground.ErrContract, len(judged))
		}
		return judged[0].Failure == "" && judged[0].Support >= threshold, nil
	})
}
