package meta

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/ragloop/ragloop/evalret/ground"
	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/evalret/stats"
	"github.com/ragloop/ragloop/internal/text"
)

// Class is one kind of change to an answer or its context.
type Class struct {
	Name  string
	What  string // in words, for people
	Holds bool   // the answer stays as good: the score must not fall, where otherwise it must
	// mutate returns the changed context and answer; false where it doesn't apply.
	mutate func(row Row, r ground.Result) (evidence, answer string, ok bool)
}

// Classes lists the classes of mutations, in the order of reports.
func Classes() []Class {
	return []Class{
		{"number", "a number is replaced by one that is nowhere in the context", false, replaceNumber},
		{"number_elsewhere", "a number is replaced by another one of the context", false, swapNumber},
		{"name_elsewhere", "a name is replaced by another one of the context", false, swapName},
		{"negation", "a negation is inserted", false, negate},
		{"antonym", "a word is replaced by its opposite", false, oppose},
		{"appended", "a sentence that has nothing to do with the context is appended", false, appendSentence},
		{"deleted", "the evidence is deleted from the context", false, deleteEvidence},
		{"shuffled", "the paragraphs, or else groups of sentences, of the context change places", true, shuffle},
		{"paraphrase", "words are replaced by words that mean the same", true, paraphrase},
	}
}

// Kills is how many mutations of one class a judge noticed; of one that holds,
// how many it rightly didn't.
type Kills struct {
	Class string       `json:"class"`
	What  string       `json:"what"`
	Holds bool         `json:"holds"`
	Tried int          `json:"tried"` // answers that the class applies to
	Right int          `json:"right"`
	Rate  metric.Value `json:"rate"` // Right of Tried
	CI95  *[2]float64  `json:"ci95,omitempty"`
	Drop  metric.Value `json:"mean_drop"` // of the score: mean over Tried
}

// minDrop is by how much the score must fall for a mutation to be noticed, and
// may fall where it should hold.
const minDrop = 0.05

// Mutate mutates the answers that people found supported, at most limit of each
// class (0: all), drawn from all sets by a hash of their text, and has judge score them before and after. What must fall is
// the support of the claim that is changed, of the worst claim where one is
// appended, and of the answer as a whole where its context is changed; where it
// should hold, that of the answer as a whole.
func Mutate(ctx context.Context, judge ground.Judge, rows []Row, limit int, o Options) ([]Kills, error) {
	supported := supportedRows(rows)
	groups := ground.Groups(Examples(supported))
	var out []Kills
	before := make([]*ground.Result, len(supported))
	for _, class := range Classes() {
		k := Kills{Class: class.Name, What: class.What, Holds: class.Holds}
		var hits, drops []float64
		var clusters []int
		for i, row := range supported {
			if limit > 0 && k.Tried == limit {
				break
			}
			if before[i] == nil {
				r, err := ground.Score(ctx, judge, row.Context, row.Response)
				if err != nil {
					return nil, fmt.Errorf("row %s: %w", row.ID, err)
				}
				before[i] = &r
			}
			if before[i].Outcome != ground.Scored {
				continue
			}
			evidence, answer, ok := class.mutate(row, *before[i])
			if !ok || answer == row.Response && evidence == row.Context {
				continue
			}
			after, err := ground.Score(ctx, judge, evidence, answer)
			if err != nil {
				return nil, fmt.Errorf("row %s, mutation %s: %w", row.ID, class.Name, err)
			}
			if after.Outcome != ground.Scored {
				continue
			}
			drop := largestDrop(*before[i], after)
			if evidence != row.Context || class.Holds {
				drop = before[i].Mean - after.Mean
			}
			k.Tried++
			hit := 0.0
			if (drop >= minDrop) != class.Holds {
				k.Right++
				hit = 1
			}
			hits, drops, clusters = append(hits, hit), append(drops, drop), append(clusters, groups[i])
		}
		k.Rate, k.Drop = metric.NoValue("the mutation applies to no answer"), metric.NoValue("the mutation applies to no answer")
		if k.Tried > 0 {
			e := stats.Proportion(hits, stats.Options{Seed: o.Seed, Clusters: clusters})
			k.Rate, k.Drop = metric.Of(e.Mean), metric.Of(mean(drops))
			k.CI95 = &[2]float64{metric.Round(e.CI.Lo), metric.Round(e.CI.Hi)}
		}
		out = append(out, k)
	}
	return out, nil
}

// largestDrop is by how much the support of the claim that changed fell: that of
// any claim, and of the worst one where a claim was added.
func largestDrop(before, after ground.Result) float64 {
	if len(before.Sentences) != len(after.Sentences) {
		return least(before) - least(after)
	}
	drop := -1.0
	for i, s := range before.Sentences {
		if s.Judged() && after.Sentences[i].Judged() {
			drop = max(drop, s.Support-after.Sentences[i].Support)
		}
	}
	return drop
}

func least(r ground.Result) float64 { return r.Sentences[r.Worst].Support }

// supportedRows are those with the best label of their set, in order of a hash of
// their text: the first of them are a sample of all sets.
func supportedRows(rows []Row) []Row {
	best := map[string]float64{}
	for _, r := range rows {
		best[r.Set] = max(best[r.Set], r.Label)
	}
	var out []Row
	for _, r := range rows {
		if r.Label > 0 && r.Label == best[r.Set] {
			out = append(out, r)
		}
	}
	slices.SortStableFunc(out, func(a, b Row) int { return cmp.Compare(hash(a), hash(b)) })
	return out
}

func hash(r Row) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(r.Context + "\x00" + r.Response)) // never fails
	return h.Sum64()
}

// digits matches a number, without marks around it.
var digits = regexp.MustCompile(`\b\d[\d,]*(?:\.\d+)?\b`)

// numberIn returns the first number of the claims of row that its context has.
func numberIn(row Row, r ground.Result) (at []int, number string, ok bool) {
	for _, s := range r.Sentences {
		if s.Kind != ground.Claim {
			continue
		}
		for _, m := range digits.FindAllStringIndex(row.Response[s.Span.Start:s.Span.End], -1) {
			from, to := m[0]+s.Span.Start, m[1]+s.Span.Start
			n := strings.TrimRight(row.Response[from:to], ",")
			if slices.Contains(digits.FindAllString(row.Context, -1), n) {
				return []int{from, from + len(n)}, n, true
			}
		}
	}
	return nil, "", false
}

func splice(s string, at []int, with string) string { return s[:at[0]] + with + s[at[1]:] }

func replaceNumber(row Row, r ground.Result) (string, string, bool) {
	at, n, ok := numberIn(row, r)
	if !ok {
		return "", "", false
	}
	whole, fraction, _ := strings.Cut(strings.ReplaceAll(n, ",", ""), ".")
	v, err := strconv.Atoi(whole)
	if err != nil {
		return "", "", false
	}
	for step := 7; step < 1000; step += 6 {
		other := strconv.Itoa(v + step)
		if fraction != "" {
			other += "." + fraction
		}
		if !strings.Contains(row.Context, other) && !strings.Contains(row.Response, other) {
			return row.Context, splice(row.Response, at, other), true
		}
	}
	return "", "", false
}

func swapNumber(row Row, r ground.Result) (string, string, bool) {
	at, n, ok := numberIn(row, r)
	if !ok {
		return "", "", false
	}
	for _, other := range digits.FindAllString(row.Context, -1) {
		if other = strings.TrimRight(other, ","); other != n && len(other) == len(n) && !strings.Contains(row.Response, other) {
			return row.Context, splice(row.Response, at, other), true
		}
	}
	return "", "", false
}

// nameWord is a capitalised word that does not begin a sentence.
var nameWord = regexp.MustCompile(`[a-z,] ([A-Z][a-z]{2,})\b`)

func swapName(row Row, r ground.Result) (string, string, bool) {
	known := map[string]bool{}
	var names []string // of the context, in order
	for _, m := range nameWord.FindAllStringSubmatch(row.Context, -1) {
		if !known[m[1]] {
			known[m[1]] = true
			names = append(names, m[1])
		}
	}
	for _, s := range r.Sentences {
		if s.Kind != ground.Claim {
			continue
		}
		for _, m := range nameWord.FindAllStringSubmatchIndex(row.Response[s.Span.Start:s.Span.End], -1) {
			at := []int{m[2] + s.Span.Start, m[3] + s.Span.Start}
			if !known[row.Response[at[0]:at[1]]] {
				continue
			}
			for _, other := range names {
				if !strings.Contains(row.Response, other) {
					return row.Context, splice(row.Response, at, other), true
				}
			}
		}
	}
	return "", "", false
}

// auxiliary is where a negation can be inserted.
var auxiliary = regexp.MustCompile(`\b(?:is|are|was|were|has|have|had|can|could|will|would|should|may|might|must)\b `)

func negate(row Row, r ground.Result) (string, string, bool) {
	for _, s := range r.Sentences {
		if s.Kind != ground.Claim {
			continue
		}
		body := row.Response[s.Span.Start:s.Span.End]
		at := auxiliary.FindStringIndex(body)
		if at == nil || strings.HasPrefix(body[at[1]:], "not ") {
			continue
		}
		end := s.Span.Start + at[1]
		return row.Context, row.Response[:end] + "not " + row.Response[end:], true
	}
	return "", "", false
}

// exchange replaces the first word of the claims that has an entry in table, and
// all of them if every is set.
func exchange(row Row, r ground.Result, table map[string]string, every bool) (string, string, bool) {
	answer, done := row.Response, false
	for i := len(r.Sentences) - 1; i >= 0; i-- { // from the end: offsets before it stay
		s := r.Sentences[i]
		if s.Kind != ground.Claim {
			continue
		}
		all := plainWord.FindAllStringIndex(row.Response[s.Span.Start:s.Span.End], -1)
		slices.Reverse(all)
		for _, m := range all {
			at := []int{m[0] + s.Span.Start, m[1] + s.Span.Start}
			with, ok := table[row.Response[at[0]:at[1]]]
			if !ok {
				continue
			}
			if !every {
				return row.Context, splice(row.Response, at, with), true
			}
			answer, done = splice(answer, at, with), true
		}
	}
	return row.Context, answer, done
}

var plainWord = regexp.MustCompile(`\b[a-z]+\b`)

func oppose(row Row, r ground.Result) (string, string, bool) {
	return exchange(row, r, opposite, false)
}

func paraphrase(row Row, r ground.Result) (string, string, bool) {
	return exchange(row, r, synonym, true)
}

// pairs reads "a/b" pairs into a table of both directions.
func pairs(list string) map[string]string {
	m := map[string]string{}
	for _, p := range strings.Fields(list) {
		a, b, _ := strings.Cut(p, "/")
		m[a], m[b] = b, a
	}
	return m
}

var (
	opposite = pairs(`increased/decreased increase/decrease increases/decreases increasing/decreasing higher/lower more/less most/least
rose/fell rising/falling larger/smaller large/small before/after first/last always/never best/worst better/worse early/late
positive/negative north/south east/west northern/southern eastern/western won/lost began/ended started/stopped
allowed/prohibited accepted/rejected include/exclude includes/excludes including/excluding older/younger new/old strong/weak
high/low long/short good/bad male/female men/women man/woman husband/wife brother/sister father/mother son/daughter`)
	synonym = map[string]string{
		"about": "approximately", "also": "additionally", "because": "since", "began": "started", "big": "large", "but": "yet",
		"buy": "purchase", "bought": "purchased", "children": "kids", "help": "assist", "helps": "assists", "important": "crucial",
		"many": "numerous", "often": "frequently", "show": "demonstrate", "shows": "demonstrates", "showed": "demonstrated",
		"start": "begin", "use": "employ", "used": "employed", "uses": "employs", "using": "employing", "usually": "typically",
		"while": "whereas", "movie": "film", "film": "movie", "however": "nevertheless", "within": "inside", "need": "require",
		"needs": "requires", "several": "various", "located": "situated", "famous": "renowned", "made": "produced", "around": "roughly",
	}
)

// foreign is a claim that hardly any context supports.
const foreign = "A lighthouse keeper in Tromsø repainted seventeen wooden staircases for the regional chess federation."

func appendSentence(row Row, r ground.Result) (string, string, bool) {
	answer := strings.TrimSpace(row.Response)
	if !strings.HasSuffix(answer, ".") && !strings.HasSuffix(answer, "!") && !strings.HasSuffix(answer, "?") {
		answer += "."
	}
	return row.Context, answer + " " + foreign, true
}

func deleteEvidence(row Row, r ground.Result) (string, string, bool) {
	var gone []text.Span
	for _, s := range r.Sentences {
		if s.Judged() && s.Evidence.Len() > 0 {
			gone = append(gone, s.Evidence)
		}
	}
	var kept strings.Builder
	for _, s := range text.Subtract([]text.Span{{End: len(row.Context)}}, gone) {
		kept.WriteString(row.Context[s.Start:s.End])
	}
	// Without anything left it is another question.
	return kept.String(), row.Response, len(gone) > 0 && len(strings.Fields(kept.String())) >= 10
}

// shuffle turns the order of paragraphs round, or of groups of five sentences in
// a context of one paragraph: chunks may come in any order.
func shuffle(row Row, _ ground.Result) (string, string, bool) {
	var parts []string
	for _, p := range strings.Split(row.Context, "\n") {
		if strings.TrimSpace(p) != "" {
			parts = append(parts, p)
		}
	}
	if len(parts) < 2 {
		parts = nil
		all := text.Sentences(row.Context)
		for i := 0; i < len(all); i += 5 {
			parts = append(parts, strings.TrimSpace(row.Context[all[i].Start:all[min(i+5, len(all))-1].End]))
		}
	}
	if len(parts) < 2 {
		return "", "", false
	}
	slices.Reverse(parts)
	return strings.Join(parts, "\n\n"), row.Response, true
}
