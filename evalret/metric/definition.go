package metric

import "slices"

// Definition describes a metric family for people and for [Parse].
type Definition struct {
	Name       string
	Level      Level
	Cut        CutRule
	Rel        bool   // takes the parameter rel
	Theta      bool   // takes the parameter theta
	Proportion bool   // every value is 0 or 1
	Formula    string // with the range
	Edge       string // what happens at the edges
	Source     string // paper or program, and which variant
}

// CutRule says which cut-offs a metric takes.
type CutRule uint8

const (
	// OptionalItems: "AP" or "AP@10".
	OptionalItems CutRule = iota
	// RequiredItems: "P@10".
	RequiredItems
	// ItemsOrTokens: "span_recall@5" (ranked chunks) or "span_recall@1024t"
	// (the context packed with that budget).
	ItemsOrTokens
)

// Limits of cut-offs.
const (
	MaxItems  = 10_000
	MaxTokens = 10_000_000
)

// Definitions returns every metric family in the order in which reports list
// them. All values are in [0, 1] and larger is better.
func Definitions() []Definition { return slices.Clone(definitions[:]) }

var definitions = [...]Definition{
	{
		Name: "evidence_recall", Level: Passages, Cut: ItemsOrTokens, Theta: true,
		Formula: "share of labelled evidence spans of which at least theta (default 0.5) of the code points lie in the union of the retrieved spans; 0..1",
		Edge:    "@k: the first k chunks; @Bt: the context packed with a budget of B tokens. Not applicable without labelled evidence.",
		Source:  "ragloop; union arithmetic as Chroma's recall, Evaluating Chunking Strategies for Retrieval (Smith & Troynikov 2024), with a threshold per span",
	},
	{
		Name: "all_evidence", Level: Passages, Cut: ItemsOrTokens, Theta: true, Proportion: true,
		Formula: "1 when every labelled evidence span is covered to at least theta (default 0.5), else 0",
		Edge:    "as evidence_recall; equals it for queries with one span",
		Source:  "ragloop; joint recall of multi-hop question answering",
	},
	{
		Name: "span_recall", Level: Passages, Cut: ItemsOrTokens,
		Formula: "|U ∩ G| / |G| in code points, U the union of the retrieved spans, G the union of the labelled ones; 0..1",
		Edge:    "as evidence_recall",
		Source:  "Chroma recall (Smith & Troynikov 2024); LegalBench-RAG recall when chunks don't overlap (its reference code counts overlaps twice)",
	},
	{
		Name: "nDCG", Level: Documents, Cut: OptionalItems,
		Formula: "DCG@k / ideal DCG@k, DCG = Σ grade_i / log2(i+1) over ranks i with grade > 0; 0..1",
		Edge:    "linear gain; the ideal list takes the k best of all judged documents; 0 for an empty ranking; not applicable without a positive grade",
		Source:  "Järvelin & Kekäläinen, TOIS 2002; trec_eval ndcg_cut_k and ndcg",
	},
	{
		Name: "R", Level: Documents, Cut: RequiredItems, Rel: true,
		Formula: "relevant documents in the first k / all relevant documents; 0..1",
		Edge:    "relevant: grade ≥ rel (default 1); unjudged counts as not relevant; not applicable without a relevant document",
		Source:  "trec_eval recall_k",
	},
	{
		Name: "Success", Level: Documents, Cut: RequiredItems, Rel: true, Proportion: true,
		Formula: "1 when a relevant document is in the first k, else 0",
		Edge:    "as R",
		Source:  "trec_eval success_k; also called hit rate, which is not recall",
	},
	{
		Name: "RR", Level: Documents, Cut: OptionalItems, Rel: true,
		Formula: "1 / rank of the first relevant document, 0 when there is none in the list or, with @k, in its first k; 0..1",
		Edge:    "as R",
		Source:  "trec_eval recip_rank (no cut-off); @k as MS MARCO's MRR@k, whose mean it gives",
	},
	{
		Name: "AP", Level: Documents, Cut: OptionalItems, Rel: true,
		Formula: "(1/R) Σ P@i over the ranks i of relevant documents, R all relevant documents; 0..1",
		Edge:    "divides by R with a cut-off too, not by min(R, k); as R otherwise",
		Source:  "trec_eval map and map_cut_k",
	},
	{
		Name: "P", Level: Documents, Cut: RequiredItems, Rel: true,
		Formula: "relevant documents in the first k / k; 0..1",
		Edge:    "divides by k also when fewer are returned; as R otherwise",
		Source:  "trec_eval P_k",
	},
}

// Definition returns the definition of m's family, false when m.Name is not a
// metric.
func (m Metric) Definition() (Definition, bool) {
	for _, d := range definitions {
		if d.Name == m.Name {
			return d, true
		}
	}
	return Definition{}, false
}

// Defaults returns the metrics that an evaluation computes unless told
// otherwise, in report order: [DefaultPassages], then [DefaultDocuments].
func Defaults(budgets []int) []Metric {
	return append(DefaultPassages(budgets), DefaultDocuments()...)
}

// DefaultPassages returns the usual metrics for sets with labelled evidence:
// those of the context packed with each budget, then those of the first chunks.
func DefaultPassages(budgets []int) []Metric {
	var ms []Metric
	for _, name := range []string{"evidence_recall", "all_evidence", "span_recall"} {
		for _, b := range budgets {
			ms = append(ms, Metric{Name: name, At: b, Unit: Tokens})
		}
	}
	return append(ms, Metric{Name: "evidence_recall", At: 5}, Metric{Name: "evidence_recall", At: 10})
}

// DefaultDocuments returns the usual metrics of ranked documents.
func DefaultDocuments() []Metric {
	return []Metric{
		{Name: "nDCG", At: 10},
		{Name: "R", At: 5}, {Name: "R", At: 10}, {Name: "R", At: 20}, {Name: "R", At: 100},
		{Name: "Success", At: 1}, {Name: "Success", At: 5},
		{Name: "RR"}, {Name: "RR", At: 10},
		{Name: "AP"}, {Name: "P", At: 5}, {Name: "P", At: 10},
	}
}
