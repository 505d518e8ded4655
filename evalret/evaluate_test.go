package evalret_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/evalret/labels"
	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
	"github.com/ragloop/ragloop/retrieve"
	"github.com/ragloop/ragloop/retrieve/pack"
)

var update = flag.Bool("update", false, "rewrite golden files")

func metrics(t *testing.T, list string) []metric.Metric {
	t.Helper()
	ms, err := metric.ParseList(list)
	if err != nil {
		t.Fatal(err)
	}
	return ms
}

var corpus = map[text.DocID]string{
	"a.md": "alpha one two three. alpha four five six.",
	"b.md": "beta one two three.",
	"c.md": "gamma.",
}

func texts(_ context.Context, id text.DocID) (string, error) {
	if s, ok := corpus[id]; ok {
		return s, nil
	}
	return "", labels.ErrNoDocument
}

func evidence(doc text.DocID, quote string) labels.Evidence {
	i := strings.Index(corpus[doc], quote)
	return labels.Evidence{Doc: doc, Span: text.RuneSpan{Start: i, End: i + len(quote)}, Quote: quote}
}

// example is a set of five queries and what is found for them:
//
//	both    evidence in a.md and b.md; dense has b first, lexical a first
//	late    evidence in the second chunk of a.md, found behind c.md
//	broken  one label of two does not fit
//	fails   the search fails
//	none    unanswerable, low scores
func example() (labels.Set, finder) {
	a1, a2 := corpus["a.md"][:20], corpus["a.md"][21:]
	set := labels.Set{Name: "example.jsonl", Queries: []labels.Query{
		{ID: "both", Text: "both?", Evidence: []labels.Evidence{evidence("a.md", "alpha one two three."), evidence("b.md", "beta one")}, Tags: []string{"multi"}},
		{ID: "late", Text: "late?", Evidence: []labels.Evidence{evidence("a.md", "four five")}},
		{ID: "broken", Text: "broken?", Evidence: []labels.Evidence{evidence("c.md", "gamma."), {Doc: "c.md", Span: text.RuneSpan{Start: 0, End: 4}, Quote: "delta"}}, Line: 3},
		{ID: "fails", Text: "fails?", Evidence: []labels.Evidence{evidence("b.md", "beta")}},
		{ID: "none", Text: "none?", Unanswerable: true},
	}}
	return set, finder{
		"both?":   found(hit{"a.md", 0, a1, 0.6, 9}, hit{"b.md", 0, corpus["b.md"], 0.9, 2}, hit{"c.md", 0, corpus["c.md"], 0.1, 0}),
		"late?":   found(hit{"c.md", 0, corpus["c.md"], 0.8, 0}, hit{"a.md", 21, a2, 0.7, 5}),
		"broken?": found(hit{"c.md", 0, corpus["c.md"], 0.9, 0}),
		"none?":   found(hit{"c.md", 0, corpus["c.md"], 0.2, 1}),
	}
}

func options(t *testing.T) evalret.Options {
	base := retrieve.DefaultParams()
	return evalret.Options{
		Settings: evalret.Standard(base, pack.Options{}),
		Metrics:  metrics(t, "evidence_recall@12t,evidence_recall@200t,evidence_recall@1,all_evidence@5,span_recall@200t,nDCG@10,R@1,RR,Success@1"),
		Counter:  words{}, Tokenizer: "words", Texts: texts, Seed: 7, Resamples: 500, Detail: evalret.Contexts,
		Provenance: evalret.Provenance{Corpus: "c0", Recipe: "r0", Code: "test"},
	}
}

func TestEvaluateByHand(t *testing.T) {
	set, f := example()
	e, err := evalret.Evaluate(context.Background(), set, f, options(t))
	if err != nil {
		t.Fatal(err)
	}
	// Four answerable queries; "fails" counts 0 everywhere.
	want := map[string]map[string]float64{
		evalret.Dense: {
			// both: b.md then a.md; late: c.md then a.md; broken: c.md.
			"evidence_recall@1": (0.5 + 0 + 1) / 4, "all_evidence@5": 3. / 4, "evidence_recall@200t": 3. / 4,
			"R@1": (0.5 + 0 + 1) / 4, "RR": (1 + 0.5 + 1) / 4, "Success@1": 2. / 4,
			"nDCG@10": (1 + 1/math.Log2(3) + 1) / 4,
		},
		evalret.Lexical: {
			// both: a.md then b.md; late: a.md; broken: no lexical hit.
			"evidence_recall@1": (0.5 + 1 + 0) / 4, "all_evidence@5": 2. / 4,
			"R@1": (0.5 + 1) / 4, "RR": 2. / 4, "nDCG@10": 2. / 4,
		},
	}
	for name, values := range want {
		r, ok := e.Run(name)
		if !ok {
			t.Fatalf("no run %s", name)
		}
		for m, w := range values {
			got, ok := r.Metrics[m].Value.Float()
			if !ok || math.Abs(got-w) > 1e-12 || r.Metrics[m].N != 4 {
				t.Errorf("%s: %s = %+v, want %v over 4 queries", name, m, r.Metrics[m], w)
			}
			if ci := r.Metrics[m].CI95; ci == nil || got < ci[0]-1e-6 || got > ci[1]+1e-6 {
				t.Errorf("%s: %s = %v is outside its interval %v", name, m, got, ci)
			}
		}
	}
	lexical, _ := e.Run(evalret.Lexical)
	wantMissing := []evalret.Missing{{Query: "broken", Reason: "no results"}, {Query: "fails", Reason: "index on fire"}}
	if diff := cmp.Diff(wantMissing, lexical.Missing); diff != "" {
		t.Errorf("missing queries of lexical (-want +got):\n%s", diff)
	}
	if got := lexical.Metrics["RR"]; got.Missing != 2 {
		t.Errorf("RR of lexical = %+v, want 2 missing", got)
	}
	if e.Primary.String() != "evidence_recall@200t" || e.Reference != evalret.Hybrid || len(e.Comparisons) != 2 {
		t.Errorf("primary %s, reference %s, %d comparisons", e.Primary, e.Reference, len(e.Comparisons))
	}
	for _, r := range e.Runs {
		for _, q := range r.PerQuery {
			for _, c := range q.Contexts {
				if c.Tokens > c.Budget {
					t.Errorf("%s, query %s: context has %d tokens of %d", r.Name, q.ID, c.Tokens, c.Budget)
				}
			}
		}
		if r.Unanswerable == nil || r.Unanswerable.Unanswerable != 1 || r.Unanswerable.Answerable != 4-len(r.Missing) {
			t.Errorf("%s: separation = %+v", r.Name, r.Unanswerable)
		}
	}
	if dense, _ := e.Run(evalret.Dense); dense.Unanswerable.AUROC != 1 {
		t.Errorf("separation by the dense score = %v, want 1", dense.Unanswerable.AUROC)
	}
}

// TestEvaluationJSON pins the machine-readable form.
// TestLossesOfOneLeg: what the other leg alone has found, a setting of one leg has
// not found, whatever was searched for others.
func TestLossesOfOneLeg(t *testing.T) {
	set, _ := example()
	set.Queries = set.Queries[:1]
	set.Queries[0].Evidence = set.Queries[0].Evidence[:1] // in a.md
	f := finder{"both?": found(hit{"a.md", 0, corpus["a.md"][:20], 0.9, 0}, hit{"b.md", 0, corpus["b.md"], 0.5, 3})}
	e, err := evalret.Evaluate(t.Context(), set, f, options(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]evalret.Stage{evalret.Dense: evalret.Kept, evalret.Lexical: evalret.NotFound, evalret.Hybrid: evalret.Kept} {
		run, _ := e.Run(name)
		if got := run.PerQuery[0].Losses[0]; got != want {
			t.Errorf("%s loses it by %q, want %q", name, got, want)
		}
	}
}

func TestEvaluationJSON(t *testing.T) {
	set, f := example()
	e, err := evalret.Evaluate(context.Background(), set, f, options(t))
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.MarshalIndent(e, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	const path = "testdata/evaluation.json"
	if *update {
		if err := os.WriteFile(path, append(got, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got)+"\n", "\n")); diff != "" {
		t.Errorf("JSON differs from %s (-want +got):\n%s", path, diff)
	}
	var shape struct {
		Runs []struct {
			Name         string
			Fingerprints map[string]any
			Metrics      map[string]struct {
				Value   *float64
				N       *int
				Missing *int
				CI95    *[2]float64
			}
		}
		Warnings []struct{ Code, Message string }
	}
	if err := json.Unmarshal(got, &shape); err != nil {
		t.Fatal(err)
	}
	for _, r := range shape.Runs {
		for name, m := range r.Metrics {
			if m.Value == nil || m.N == nil || m.Missing == nil || m.CI95 == nil {
				t.Errorf("run %s: %s = %+v, want value, n, missing and ci95", r.Name, name, m)
			}
		}
		for _, key := range []string{"corpus", "recipe", "retrieval", "query_set", "code", "seed"} {
			if _, ok := r.Fingerprints[key]; !ok {
				t.Errorf("run %s has no fingerprint %s", r.Name, key)
			}
		}
	}
}

func TestEvaluateDoesNotDependOnConcurrency(t *testing.T) {
	set, f := example()
	encode := func(concurrency int) string {
		o := options(t)
		o.Concurrency = concurrency
		last := 0
		o.Progress = func(done, total int) {
			if done != last+1 || total != len(set.Queries) {
				t.Errorf("Progress(%d, %d) after %d", done, total, last)
			}
			last = done
		}
		e, err := evalret.Evaluate(context.Background(), set, f, o)
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if one, many := encode(1), encode(8); one != many {
		t.Errorf("one at a time and eight at a time differ:\n%s", cmp.Diff(one, many))
	}
}

func TestEvaluateNotApplicable(t *testing.T) {
	set := labels.Set{Name: "s", Queries: []labels.Query{
		{ID: "doc", Text: "q?", Docs: map[text.DocID]int{"a.md": 1}},
		{ID: "span", Text: "r?", Evidence: []labels.Evidence{evidence("b.md", "beta")}},
		{ID: "bare", Text: "s?"},
	}}
	f := finder{}
	for _, q := range set.Queries {
		f[q.Text] = found(hit{"a.md", 0, corpus["a.md"][:20], 0.5, 1})
	}
	o := options(t)
	o.Metrics = metrics(t, "R@5,span_recall@5,evidence_recall@5(theta=1)")
	e, err := evalret.Evaluate(context.Background(), set, f, o)
	if err != nil {
		t.Fatal(err)
	}
	r := e.Runs[0]
	if m := r.Metrics["R@5"]; m.N != 2 || m.NotApplicable != 1 || m.Reasons["no relevant document is labelled"] != 1 {
		t.Errorf("R@5 = %+v, want 2 queries and 1 not applicable", m)
	}
	if m := r.Metrics["span_recall@5"]; m.N != 1 || m.NotApplicable != 2 {
		t.Errorf("span_recall@5 = %+v, want 1 query and 2 not applicable", m)
	}
	b, err := json.Marshal(r.PerQuery[0].Values)
	if want := `{"R@5":1,"evidence_recall@5(theta=1)":null,"nDCG@10":1,"span_recall@5":null}`; err != nil || string(b) != want {
		t.Errorf("values of doc = %s, %v, want %s", b, err, want)
	}

	set.Queries = set.Queries[:1]
	e, err = evalret.Evaluate(context.Background(), set, f, o)
	if err != nil {
		t.Fatal(err)
	}
	b, err = json.Marshal(e.Runs[0].Metrics["span_recall@5"])
	if want := `{"value":null,"n":0,"missing":0,"ci95":null,"not_applicable":1,"reasons":{"no evidence span is labelled":1}}`; err != nil || string(b) != want {
		t.Errorf("span_recall@5 without evidence = %s, %v, want %s", b, err, want)
	}
}

// TestLostLeg: a setting that needs a failed leg counts the query as missing;
// one that does not need it is unharmed, and a remark about a leg that
// answered costs nothing.
func TestLostLeg(t *testing.T) {
	set := labels.Set{Name: "s", Queries: []labels.Query{
		{ID: "lost", Text: "q?", Docs: map[text.DocID]int{"a.md": 1}},
		{ID: "remark", Text: "r?", Docs: map[text.DocID]int{"a.md": 1}},
	}}
	lost := found(hit{"a.md", 0, corpus["a.md"][:20], 0, 1})
	lost.Degraded = []string{"dense: embedder unavailable"}
	remark := found(hit{"a.md", 0, corpus["a.md"][:20], 0.5, 1})
	remark.Degraded = []string{"dense: the query is long"}
	o := options(t)
	o.Metrics = metrics(t, "Success@1")
	e, err := evalret.Evaluate(context.Background(), set, finder{"q?": lost, "r?": remark}, o)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]float64{evalret.Lexical: 1, evalret.Dense: 0.5, evalret.Hybrid: 0.5} {
		r, _ := e.Run(name)
		if got, _ := r.Metrics["Success@1"].Value.Float(); got != want || r.Metrics["Success@1"].N != 2 {
			t.Errorf("%s: Success@1 = %+v, want %v of 2 queries", name, r.Metrics["Success@1"], want)
		}
	}
	var codes []string
	for _, w := range e.Warnings {
		codes = append(codes, w.Code)
	}
	if diff := cmp.Diff([]string{"missing", "missing", "degraded", "no_verdict"}, codes); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

func TestEvaluateFails(t *testing.T) {
	set, f := example()
	ctx := context.Background()
	change := func(edit func(*evalret.Options)) evalret.Options {
		o := options(t)
		edit(&o)
		return o
	}
	tests := map[string]struct {
		o    evalret.Options
		want string
	}{
		"no counter":      {change(func(o *evalret.Options) { o.Counter = nil }), "evidence_recall@12t needs a token counter"},
		"same name":       {change(func(o *evalret.Options) { o.Settings[1].Name = evalret.Lexical }), `"lexical" is empty or used twice`},
		"bad params":      {change(func(o *evalret.Options) { o.Settings[0].Params.TopK = 0 }), "setting lexical: top_k"},
		"budget in pack":  {change(func(o *evalret.Options) { o.Settings[0].Pack.BudgetTokens = 5 }), "given by metrics"},
		"no expander":     {change(func(o *evalret.Options) { o.Settings[0].Params.Expand = retrieve.HyDE }), "names no expander"},
		"other feedback":  {change(func(o *evalret.Options) { o.Settings[1].Params.Feedback = 0.5 }), "another feedback, expansion or idf power"},
		"other idf power": {change(func(o *evalret.Options) { o.Settings[1].Params.IDFPower = 1 }), "another feedback, expansion or idf power"},
		"titles in one":   {change(func(o *evalret.Options) { o.Settings[0].Params.TitleBoost = 0 }), "title boost"},
		"other filter":    {change(func(o *evalret.Options) { o.Settings[1].Params.Filter.Tags = []string{"x"} }), "another filter"},
		"other reference": {change(func(o *evalret.Options) { o.Reference = "best" }), `reference "best" is not among`},
		"bad metric":      {change(func(o *evalret.Options) { o.Metrics = []metric.Metric{{Name: "MAP"}} }), "unknown metric"},
		"answers":         {change(func(o *evalret.Options) { o.Metrics = []metric.Metric{{Name: "citation_recall"}} }), "is about answers"},
		"whole run":       {change(func(o *evalret.Options) { o.Metrics = []metric.Metric{{Name: "GMAP"}} }), "mean of a whole run"},
		"metric twice":    {change(func(o *evalret.Options) { o.Metrics = append(o.Metrics, o.Metrics[0]) }), "given twice"},
	}
	for name, tt := range tests {
		_, err := evalret.Evaluate(ctx, set, f, tt.o)
		if !errors.Is(err, evalret.ErrOptions) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want ErrOptions with %q", name, err, tt.want)
		}
	}
	if _, err := evalret.Evaluate(ctx, set, finder{}, options(t)); !errors.Is(err, evalret.ErrAllFailed) || !errors.Is(err, errFind) {
		t.Errorf("every query failing: %v, want ErrAllFailed with the cause", err)
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := evalret.Evaluate(cancelled, set, f, options(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	broken := errors.New("disk gone")
	o := change(func(o *evalret.Options) {
		o.Texts = func(context.Context, text.DocID) (string, error) { return "", broken }
	})
	if _, err := evalret.Evaluate(ctx, set, f, o); !errors.Is(err, broken) {
		t.Errorf("texts failing: %v, want %v", err, broken)
	}
	if _, err := evalret.Evaluate(ctx, labels.Set{}, f, options(t)); err == nil {
		t.Error("an empty set is accepted")
	}
	set.Queries[1].ID = "both"
	if _, err := evalret.Evaluate(ctx, set, f, options(t)); err == nil || !strings.Contains(err.Error(), "already used") {
		t.Errorf("duplicate id: %v", err)
	}
}

func TestStandard(t *testing.T) {
	base := retrieve.DefaultParams()
	got := evalret.Standard(base, pack.Options{MaxPerSource: 2})
	for i, want := range []struct {
		name, fusion string
		candidates   int
	}{{"lexical", "lexical", 200}, {"dense", "dense", 200}, {"hybrid", "zscore(w=0.6)", 100}} {
		s := got[i]
		if s.Name != want.name || s.Params.Fusion.String() != want.fusion || s.Params.Candidates != want.candidates ||
			s.Params.TopK != base.TopK || s.Pack.MaxPerSource != 2 {
			t.Errorf("Standard[%d] = %+v, want %+v", i, s, want)
		}
		if err := s.Params.Validate(); err != nil {
			t.Errorf("Standard[%d]: %v", i, err)
		}
	}
}

// TestReranked: what reranks is a setting of its own beside the same without,
// and a reranker that fails costs that setting only.
func TestReranked(t *testing.T) {
	set, f := example()
	f["no reranker?"] = f["late?"]
	set.Queries = append(set.Queries, labels.Query{ID: "down", Text: "no reranker?", Evidence: set.Queries[1].Evidence})
	base := retrieve.DefaultParams()
	base.Rerank = 2
	o := options(t)
	o.Settings = evalret.Standard(base, pack.Options{})
	if _, err := evalret.Evaluate(t.Context(), set, f, o); !errors.Is(err, evalret.ErrOptions) || !strings.Contains(err.Error(), "names no reranker") {
		t.Errorf("Evaluate without the reranker's name = %v, want %v", err, evalret.ErrOptions)
	}
	o.Provenance.Reranker = "r1"
	e, err := evalret.Evaluate(t.Context(), set, f, o)
	if err != nil {
		t.Fatal(err)
	}
	hybrid, _ := e.Run(evalret.Hybrid)
	reranked, ok := e.Run(evalret.Reranked)
	if !ok || len(e.Runs) != 4 || hybrid.Parameters.Rerank != nil {
		t.Fatalf("%d runs, reranked %v, hybrid with %+v", len(e.Runs), ok, hybrid.Parameters.Rerank)
	}
	if diff := cmp.Diff(&evalret.Rerank{Depth: 2, Reranker: "r1"}, reranked.Parameters.Rerank); diff != "" {
		t.Errorf("parameters (-want +got):\n%s", diff)
	}
	// late: c.md before a.md, the other way round when reranked.
	value := func(r evalret.Run, query int) float64 { v, _ := r.PerQuery[query].Values["R@1"].Float(); return v }
	if value(hybrid, 1) != 0 || value(reranked, 1) != 1 {
		t.Errorf("R@1 of late = %v, reranked %v, want 0 and 1", value(hybrid, 1), value(reranked, 1))
	}
	wantMissing := []evalret.Missing{{Query: "fails", Reason: "index on fire"}, {Query: "down", Reason: "index on fire"}}
	if diff := cmp.Diff(wantMissing, reranked.Missing); diff != "" {
		t.Errorf("missing queries of reranked (-want +got):\n%s", diff)
	}
	if len(hybrid.Missing) != 1 || hybrid.Fingerprints.Retrieval == reranked.Fingerprints.Retrieval {
		t.Errorf("hybrid misses %v; retrieval fingerprints %s and %s", hybrid.Missing, hybrid.Fingerprints.Retrieval, reranked.Fingerprints.Retrieval)
	}
	o.Provenance.Reranker = "r2"
	other, err := evalret.Evaluate(t.Context(), set, f, o)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := reranked.Fingerprints, other.Runs[3].Fingerprints; a.Retrieval == b.Retrieval {
		t.Error("another reranker does not change the retrieval fingerprint")
	}
}

// TestDepth: a metric that the legs were not searched deep enough for is
// flagged.
func TestDepth(t *testing.T) {
	var hits []hit
	for i := range 12 {
		hits = append(hits, hit{text.DocID(fmt.Sprintf("d%02d", i)), 0, "text", 1 - float64(i)/100, 12 - float64(i)})
	}
	p := retrieve.DefaultParams()
	p.TopK, p.Candidates = 5, 10
	o := options(t)
	o.Texts = nil
	o.Settings = []evalret.Setting{{Name: "x", Params: p}}
	set := labels.Set{Name: "s", Queries: []labels.Query{{ID: "q", Text: "q?", Docs: map[text.DocID]int{"d09": 1, "d11": 1}}}}
	// d11 is not among the first 10 hits of either leg.
	for list, want := range map[string]bool{"R@10": false, "R@12": true} {
		o.Metrics = metrics(t, list)
		e, err := evalret.Evaluate(context.Background(), set, finder{"q?": found(hits...)}, o)
		if err != nil {
			t.Fatal(err)
		}
		flagged := false
		for _, w := range e.Warnings {
			flagged = flagged || w.Code == "shallow"
		}
		if flagged != want {
			t.Errorf("%s at a depth of 10: flagged %v, want %v", list, flagged, want)
		}
		// Deeper than TopK, no deeper than Candidates.
		if got, _ := e.Runs[0].Metrics[list].Value.Float(); got != 0.5 {
			t.Errorf("%s = %v, want 0.5", list, got)
		}
	}
}

func TestClusters(t *testing.T) {
	queries := func(n, sources int) []evalret.Query {
		qs := make([]evalret.Query, n)
		for i := range qs {
			qs[i].Source = i % sources
		}
		return qs
	}
	for _, tt := range []struct {
		n, sources int
		clustered  bool
		warned     bool
	}{{100, 100, false, false}, {100, 30, true, false}, {100, 5, false, true}, {10, 5, false, false}} {
		clusters, warnings := evalret.Clusters(queries(tt.n, tt.sources))
		if (clusters != nil) != tt.clustered || (len(warnings) > 0) != tt.warned {
			t.Errorf("Clusters of %d queries from %d sources = %v, %v", tt.n, tt.sources, clusters, warnings)
		}
	}
}

func TestCorpusFingerprint(t *testing.T) {
	fingerprint := func(rs ...index.Record) string {
		s, err := evalret.CorpusFingerprint(func(yield func(index.Record, error) bool) {
			for _, r := range rs {
				if !yield(r, nil) {
					return
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	a := index.Record{Doc: "a", Rev: "1", State: index.Indexed}
	b := index.Record{Doc: "b", Rev: "2", State: index.Indexed}
	failed := index.Record{Doc: "c", State: index.Failed}
	b2 := b
	b2.Rev = "3"
	if fingerprint(a, b) != fingerprint(b, failed, a) {
		t.Error("order or failed documents change the fingerprint")
	}
	if fingerprint(a, b) == fingerprint(a, b2) || fingerprint(a) == fingerprint(a, b) {
		t.Error("a changed or added document does not change the fingerprint")
	}
	broken := errors.New("gone")
	if _, err := evalret.CorpusFingerprint(func(yield func(index.Record, error) bool) { yield(index.Record{}, broken) }); !errors.Is(err, broken) {
		t.Errorf("CorpusFingerprint = %v, want %v", err, broken)
	}
}

func TestFingerprintsSeeParameters(t *testing.T) {
	set, f := example()
	o := options(t)
	first, err := evalret.Evaluate(context.Background(), set, f, o)
	if err != nil {
		t.Fatal(err)
	}
	o.Settings[2].Params.DocumentPrior = 0
	second, err := evalret.Evaluate(context.Background(), set, f, o)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := first.Runs[2].Fingerprints, second.Runs[2].Fingerprints; a.Retrieval == b.Retrieval || a.QuerySet != b.QuerySet {
		t.Errorf("fingerprints %+v and %+v: want another retrieval and the same query set", a, b)
	}
	if a, b := first.Runs[1].Fingerprints, second.Runs[1].Fingerprints; a != b {
		t.Errorf("fingerprints of an unchanged run differ: %+v, %+v", a, b)
	}
}
