package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/ragloop/ragloop/evalret/labels"
	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/evalret/score"
)

type scoreFlags struct {
	qrels, spans, run     string
	metrics               []string
	rel                   int
	perQuery, skipMissing bool
}

func (a *app) scoreCmd() *cobra.Command {
	var f scoreFlags
	cmd := &cobra.Command{
		Use:   "score --qrels FILE --run FILE | --spans FILE --run FILE",
		Short: "Score a result file against judgements, as trec_eval does",
		Long: `score computes metrics of results that are in a file, whoever made them.

With --qrels, judgements and run are TREC files, and the output is that of
trec_eval, with its names: NAME, QUERY, VALUE. One thing differs from its
defaults: a judged query without results counts 0 (trec_eval -c); --skip-missing
leaves such queries out.

With --spans, the labels are a query set of this program (see "ragloop eval
--help"), and the run has one query a line, its spans best first, in code points:
  {"id":"q1","spans":[{"doc":"a.md","start":10,"end":42}]}

-m takes names of trec_eval as it prints them (map, recall_5) and as it takes them
(recall.5,10; official), and those of "ragloop metrics ls". What the means run
over goes to standard error.`,
		Args: args(0),
		RunE: func(*cobra.Command, []string) error { return a.score(f) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.qrels, "qrels", "", "judgements (TREC)")
	fl.StringVar(&f.spans, "spans", "", "query set with evidence spans (JSON Lines)")
	fl.StringVar(&f.run, "run", "", "results")
	fl.StringArrayVarP(&f.metrics, "metrics", "m", nil, "metrics, separated by commas; may be repeated (default: what trec_eval prints, or evidence and span metrics at 1, 5 and 10)")
	fl.IntVarP(&f.rel, "rel", "l", 1, "smallest grade that counts as relevant")
	fl.BoolVarP(&f.perQuery, "per-query", "q", false, "print the values of each query, too")
	fl.BoolVar(&f.skipMissing, "skip-missing", false, "leave out judged queries without results")
	return cmd
}

func (a *app) score(f scoreFlags) error {
	switch {
	case f.run == "":
		return errors.New(`score needs --run FILE; see "ragloop score --help"`)
	case (f.qrels == "") == (f.spans == ""):
		return errors.New(`score takes one of --qrels FILE and --spans FILE; see "ragloop score --help"`)
	case f.rel < 1:
		return fmt.Errorf("score: --rel is %d, allowed is 1 and up", f.rel)
	case f.spans != "" && f.rel != 1:
		return errors.New("score: --rel only goes with --qrels: spans have no grades")
	}
	o := score.Options{Rel: f.rel, SkipMissing: f.skipMissing}
	if len(f.metrics) > 0 {
		var err error
		if o.Metrics, err = score.ParseList(strings.Join(f.metrics, ",")); err != nil {
			return fmt.Errorf("score: --metrics: %w", err)
		}
	}
	t, err := scoreFiles(f, o)
	if err != nil {
		return err
	}
	a.sayDenominators(t, f)
	if a.json {
		return json.NewEncoder(a.out).Encode(scoreJSON(t, f.perQuery))
	}
	return score.TREC(a.out, t, f.perQuery)
}

func scoreFiles(f scoreFlags, o score.Options) (score.Table, error) {
	run, err := os.Open(f.run)
	if err != nil {
		return score.Table{}, fmt.Errorf("score: --run: %w", err)
	}
	defer run.Close()
	if f.spans != "" {
		if len(o.Metrics) == 0 {
			for _, name := range []string{"evidence_recall", "all_evidence", "span_recall", "span_precision", "iou"} {
				for _, k := range []int{1, 5, 10} {
					o.Metrics = append(o.Metrics, metric.Metric{Name: name, At: k})
				}
			}
		}
		set, err := labels.ReadFile(f.spans)
		if err != nil {
			return score.Table{}, err
		}
		results, err := labels.ReadSpans(run, f.run)
		if err != nil {
			return score.Table{}, err
		}
		return score.Spans(set, results, o)
	}
	if len(o.Metrics) == 0 {
		o.Metrics = score.Official()
	}
	judgements, err := os.Open(f.qrels)
	if err != nil {
		return score.Table{}, fmt.Errorf("score: --qrels: %w", err)
	}
	defer judgements.Close()
	var qrels labels.Qrels
	var results labels.Run
	var group errgroup.Group
	group.Go(func() (err error) { qrels, err = labels.ReadQrels(judgements, f.qrels); return err })
	group.Go(func() (err error) { results, err = labels.ReadRun(run, f.run); return err })
	if err := group.Wait(); err != nil {
		return score.Table{}, err
	}
	return score.Runs(qrels, results, o)
}

// sayDenominators says what the means run over, where it is not everything.
func (a *app) sayDenominators(t score.Table, f scoreFlags) {
	switch n := t.Missing; {
	case n == 0:
	case f.skipMissing:
		a.say("%s", plural(n, "judged query has no results and is left out", "judged queries have no results and are left out"))
	default:
		a.say("%s", plural(n, "judged query has no results and counts 0", "judged queries have no results and count 0"))
	}
	if n := t.Unjudged; n > 0 {
		a.say("%s", plural(n, "query of the run has no judgements and is left out", "queries of the run have no judgements and are left out"))
	}
	none := 0
	for _, r := range t.Rows {
		if r.Relevant == 0 {
			none++
		}
	}
	if none > 0 {
		a.say("%s 0, as in trec_eval; --json has the means without them, too",
			plural(none, "query has no relevant document and counts", "queries have no relevant document and count"))
	}
}

type meanJSON struct {
	Value         metric.Value `json:"value"`
	N             int          `json:"n"`
	Missing       int          `json:"missing"`
	NotApplicable int          `json:"not_applicable"`
	Applicable    metric.Value `json:"value_where_applicable"`
}

type tableJSON struct {
	Run      string                             `json:"run,omitempty"`
	Missing  int                                `json:"missing_queries"`
	Unjudged int                                `json:"unjudged_queries"`
	Metrics  map[string]meanJSON                `json:"metrics"`
	PerQuery map[string]map[string]metric.Value `json:"per_query,omitempty"`
}

func scoreJSON(t score.Table, perQuery bool) tableJSON {
	out := tableJSON{Run: t.Tag, Missing: t.Missing, Unjudged: t.Unjudged, Metrics: map[string]meanJSON{}}
	for i, m := range t.Metrics {
		out.Metrics[m.String()] = meanJSON(t.Mean(i))
	}
	if !perQuery {
		return out
	}
	out.PerQuery = map[string]map[string]metric.Value{}
	for _, r := range t.Rows {
		values := map[string]metric.Value{}
		for i, m := range t.Metrics {
			values[m.String()] = r.Values[i]
		}
		out.PerQuery[r.Query] = values
	}
	return out
}
