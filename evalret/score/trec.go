package score

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/ragloop/ragloop/evalret/metric"
)

// trecNames maps families to the names of trec_eval, with and without a cut-off.
var trecNames = []struct{ family, plain, cut string }{
	{"AP", "map", "map_cut_"},
	{"GMAP", "gm_map", ""},
	{"nDCG", "ndcg", "ndcg_cut_"},
	{"RR", "recip_rank", ""},
	{"P", "", "P_"},
	{"R", "", "recall_"},
	{"Success", "", "success_"},
	{"Rprec", "Rprec", ""},
	{"bpref", "bpref", ""},
}

// trecRecall is what trec_eval calls interpolated precision; a level with two
// decimals follows.
const trecRecall = "iprec_at_recall_"

// TRECName returns trec_eval's name of m, and m's own where trec_eval has none.
// A relevance level has no part in a name of trec_eval.
func TRECName(m metric.Metric) string {
	switch {
	case m.Gain != "":
		return m.String()
	case m.Name == "IPrec":
		if name := trecRecall + strconv.FormatFloat(m.Recall, 'f', 2, 64); level(name) == m.Recall {
			return name
		}
		return m.String()
	}
	for _, n := range trecNames {
		switch {
		case n.family != m.Name:
		case m.At == 0 && n.plain != "":
			return n.plain
		case m.At > 0 && n.cut != "":
			return n.cut + strconv.Itoa(m.At)
		}
	}
	return m.String()
}

// level returns the level of recall that a name of trec_eval ends in; -1 for
// another name.
func level(name string) float64 {
	x, err := strconv.ParseFloat(strings.TrimPrefix(name, trecRecall), 64)
	if err != nil || !strings.HasPrefix(name, trecRecall) || !(x >= 0 && x <= 1) {
		return -1
	}
	return x
}

// Parse reads a metric's name, trec_eval's or our own ([metric.Parse]).
func Parse(s string) (metric.Metric, error) {
	if x := level(s); x >= 0 {
		return metric.Metric{Name: "IPrec", Recall: x}, nil
	}
	for _, n := range trecNames {
		if s == n.plain && s != "" {
			return metric.Metric{Name: n.family}, nil
		}
		if at, ok := strings.CutPrefix(s, n.cut); ok && n.cut != "" {
			if m, err := metric.Parse(n.family + "@" + at); err == nil {
				return m, nil
			}
		}
	}
	return metric.Parse(s)
}

// ParseList reads names separated by commas, each as [Parse] does, or as
// trec_eval takes them: "recall.5,10" is R@5 and R@10, "recall" alone has all
// cut-offs that trec_eval gives it, and "official" stands for [Official].
// Duplicates are an error.
func ParseList(s string) ([]metric.Metric, error) {
	var ms []metric.Metric
	measure := "" // whose parameters are being read, with what joins them in a name
	for part := range strings.SplitSeq(s, ",") {
		part = strings.TrimSpace(part)
		if all := several(part); all != nil {
			ms, measure = append(ms, all...), ""
			continue
		}
		if name, first, ok := strings.Cut(part, "."); ok && several(name) != nil && name != official {
			measure, part = name+"_", name+"_"+first
		} else if measure != "" && part != "" && strings.ContainsRune(".0123456789", rune(part[0])) {
			part = measure + part
		} else {
			measure = ""
		}
		m, err := Parse(part)
		if err != nil {
			return nil, err
		}
		ms = append(ms, m)
	}
	seen := map[metric.Metric]bool{}
	for _, m := range ms {
		if seen[m] {
			return nil, fmt.Errorf("%s is given twice", m)
		}
		seen[m] = true
	}
	return ms, nil
}

// official is what trec_eval calls the metrics of [Official].
const official = "official"

// several returns the metrics that a name of trec_eval without parameters stands
// for, where they are more than one; otherwise nil.
func several(name string) []metric.Metric {
	switch name {
	case official:
		return Official()
	case strings.TrimSuffix(trecRecall, "_"):
		return levels()
	case "success":
		return cuts("Success", 1, 5, 10)
	}
	for _, n := range trecNames {
		if n.cut != "" && name == strings.TrimSuffix(n.cut, "_") {
			return cuts(n.family, trecCuts...)
		}
	}
	return nil
}

// trecCuts are the cut-offs that most measures of trec_eval have.
var trecCuts = []int{5, 10, 15, 20, 30, 100, 200, 500, 1000}

func cuts(family string, at ...int) []metric.Metric {
	var ms []metric.Metric
	for _, k := range at {
		ms = append(ms, metric.Metric{Name: family, At: k})
	}
	return ms
}

// levels returns interpolated precision at 0, 0.1, … 1.
func levels() []metric.Metric {
	var ms []metric.Metric
	for tenths := range 11 {
		ms = append(ms, metric.Metric{Name: "IPrec", Recall: float64(tenths) / 10})
	}
	return ms
}

// Official returns the metrics that trec_eval prints unless told otherwise, in
// its order.
func Official() []metric.Metric {
	ms := []metric.Metric{{Name: "AP"}, {Name: "GMAP"}, {Name: "Rprec"}, {Name: "bpref"}, {Name: "RR"}}
	return slices.Concat(ms, levels(), cuts("P", trecCuts...))
}

// TREC writes t as trec_eval prints it: "NAME\tQUERY\tVALUE", values with four
// decimals, the rows of each query first where perQuery is set, then the means
// ([Mean.Value]) under the query "all", after the run's tag and the counts.
func TREC(w io.Writer, t Table, perQuery bool) error {
	b := bufio.NewWriter(w)
	line := func(name, query, value string) { fmt.Fprintf(b, "%-22s\t%s\t%s\n", name, query, value) }
	counts := func(query string, retrieved, relevant, both int) {
		line("num_ret", query, strconv.Itoa(retrieved))
		line("num_rel", query, strconv.Itoa(relevant))
		line("num_rel_ret", query, strconv.Itoa(both))
	}
	var total Row
	for _, r := range t.Rows {
		total.Retrieved += r.Retrieved
		total.Relevant += r.Relevant
		total.RelevantRetrieved += r.RelevantRetrieved
		if !perQuery {
			continue
		}
		counts(r.Query, r.Retrieved, r.Relevant, r.RelevantRetrieved)
		for i, m := range t.Metrics {
			if d, _ := m.Definition(); d.Geometric {
				continue // trec_eval prints it for all queries together alone
			}
			x, _ := r.Values[i].Float()
			line(TRECName(m), r.Query, strconv.FormatFloat(x, 'f', 4, 64))
		}
	}
	if t.Tag != "" {
		line("runid", "all", t.Tag)
	}
	line("num_q", "all", strconv.Itoa(len(t.Rows)))
	counts("all", total.Retrieved, total.Relevant, total.RelevantRetrieved)
	for i, m := range t.Metrics {
		x, _ := t.Mean(i).Value.Float()
		line(TRECName(m), "all", strconv.FormatFloat(x, 'f', 4, 64))
	}
	if err := b.Flush(); err != nil {
		return fmt.Errorf("write scores: %w", err)
	}
	return nil
}
