package metric

import "slices"

// Definition describes a metric family for people and for [Parse].
type Definition struct {
	Name       string
	Level      Level
	Cut        CutRule
	Rel        bool // takes the parameter rel
	Theta      bool // takes the parameter theta
	Gain       bool // takes the parameter gain
	Recall     bool // takes the parameter recall
	Geometric  bool // its mean over queries is the geometric one: [GeometricMean]
	Better     Better
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
	// RequiredTokens: "evidence_density@1024t".
	RequiredTokens
	// NoCut: "Rprec".
	NoCut
	// TokenRange: "AURC@512..4096t".
	TokenRange
)

// Better says in which direction a metric is better. Only metrics that are
// better when they are higher can choose a winner.
type Better uint8

const (
	// Higher is better.
	Higher Better = iota
	// Lower is better.
	Lower
	// Neither: the metric describes, it does not judge.
	Neither
)

// Limits of cut-offs.
const (
	MaxItems  = 10_000
	MaxTokens = 10_000_000

	// MaxExponentialGrade bounds the grades of nDCG(gain=exp): higher ones are
	// worth the same, so that no sum overflows.
	MaxExponentialGrade = 62
)

// Definitions returns every metric family in the order in which reports list
// them. Values are in [0, 1] unless the formula says otherwise.
func Definitions() []Definition { return slices.Clone(definitions[:]) }

var definitions = [...]Definition{
	{
		Name: "evidence_recall", Level: Passages, Cut: ItemsOrTokens, Theta: true,
		Formula: "share of labelled evidence spans of which at least theta (default 0.5) of the code points lie in the union of the retrieved spans; 0..1",
		Edge:    "@k: the first k chunks; @Bt: the context packed with a budget of B tokens. Where the document has the sentences of a span several times, word for word, each of the places counts as the labelled one. Not applicable without labelled evidence.",
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
		Name: "AURC", Level: Passages, Cut: TokenRange,
		Formula: "area under span_recall against log2 of the token budget, by the trapezoid rule, divided by the width of the range: (r0/2 + r1 + … + rm/2) / m for the budgets B, 2B, 4B, … of @B..Et; 0..1",
		Edge:    "the range is doubled from its first to its last budget, so @512..4096t packs 512, 1024, 2048 and 4096 tokens; a curve that is flat at r has the area r. As evidence_recall otherwise",
		Source:  "ragloop; the area under a recall curve over budgets, log scaled since each doubling of a context costs as much again",
	},
	{
		Name: "span_precision", Level: Passages, Cut: ItemsOrTokens,
		Formula: "|U ∩ G| / |U| in code points; 0..1",
		Edge:    "0 when nothing is retrieved; as evidence_recall otherwise. What a reader of merged text sees",
		Source:  "ragloop; as Chroma's precision, but what overlapping chunks share counts once",
	},
	{
		Name: "iou", Level: Passages, Cut: ItemsOrTokens,
		Formula: "|U ∩ G| / |U ∪ G| in code points; 0..1",
		Edge:    "0 when nothing is retrieved; as evidence_recall otherwise",
		Source:  "Jaccard index",
	},
	{
		Name: "span_precision_redundant", Level: Passages, Cut: ItemsOrTokens,
		Formula: "|U ∩ G| / S, S the sum of the lengths of the retrieved spans, repeated text counted each time; 0..1",
		Edge:    "as span_precision",
		Source:  "Chroma precision, chunking_evaluation base_evaluation.py (Smith & Troynikov 2024)",
	},
	{
		Name: "iou_redundant", Level: Passages, Cut: ItemsOrTokens,
		Formula: "|U ∩ G| / (S + |G \\ U|); 0..1",
		Edge:    "as iou",
		Source:  "Chroma IoU, chunking_evaluation base_evaluation.py (Smith & Troynikov 2024)",
	},
	{
		Name: "redundancy", Level: Passages, Cut: ItemsOrTokens, Better: Lower,
		Formula: "1 - |U| / S: the share of the retrieved text that repeats other retrieved text; 0..1, lower is better",
		Edge:    "not applicable when nothing is retrieved; needs no labels",
		Source:  "ragloop",
	},
	{
		Name: "evidence_density", Level: Passages, Cut: RequiredTokens,
		Formula: "tokens of the evidence in the context / all tokens of the context, headers and separators included; 0..1",
		Edge:    "each run of evidence is counted by itself; 0 for an empty context; not applicable without labelled evidence",
		Source:  "ragloop",
	},
	{
		Name: "budget_utilisation", Level: Passages, Cut: RequiredTokens, Better: Neither,
		Formula: "tokens of the context / budget; 0..1, neither high nor low is better",
		Edge:    "needs no labels",
		Source:  "ragloop",
	},
	{
		Name: "precision_omega", Level: Passages, Cut: NoCut,
		Formula: "|O ∩ G| / |O ∪ G|, O the union of all chunks of the corpus that touch G: the best iou that these chunks allow, whatever is retrieved; 0..1",
		Edge:    "judges the chunking alone. Not applicable without labelled evidence",
		Source:  "Chroma precision Ω, chunking_evaluation base_evaluation.py (Smith & Troynikov 2024)",
	},
	{
		Name: "legalbench_recall", Level: Passages, Cut: ItemsOrTokens, Better: Neither,
		Formula: "Σ over retrieved spans r of |r ∩ G| / |G|; 0 and up: what overlapping chunks share counts again, so it can exceed 1",
		Edge:    "to compare with published numbers; use span_recall for anything else",
		Source:  "LegalBench-RAG, run_benchmark.py (Pipitone & Houir Alami 2024)",
	},
	{
		Name: "legalbench_precision", Level: Passages, Cut: ItemsOrTokens,
		Formula: "Σ over retrieved spans r of |r ∩ G| / S; 0..1",
		Edge:    "0 when nothing is retrieved; to compare with published numbers",
		Source:  "LegalBench-RAG, run_benchmark.py (Pipitone & Houir Alami 2024)",
	},
	{
		Name: "nDCG", Level: Documents, Cut: OptionalItems, Gain: true,
		Formula: "DCG@k / ideal DCG@k, DCG = Σ gain_i / log2(i+1) over ranks i with grade > 0; gain is the grade, or 2^grade - 1 with gain=exp; 0..1",
		Edge:    "the ideal list takes the k best of all judged documents; 0 for an empty ranking; not applicable without a positive grade",
		Source:  "Järvelin & Kekäläinen, TOIS 2002; trec_eval ndcg_cut_k and ndcg. gain=exp: Burges et al., ICML 2005",
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
		Name: "GMAP", Level: Documents, Cut: NoCut, Rel: true, Geometric: true,
		Formula: "geometric mean of AP over queries, each AP raised to at least 0.00001; of one query: that AP; 0.00001..1",
		Edge:    "a mean of a whole run alone, as ragloop score prints it: it has no interval and no part in comparisons. As trec_eval, a query without a relevant document or without results counts 0.00001",
		Source:  "Robertson, On GMAP, CIKM 2006; trec_eval gm_map",
	},
	{
		Name: "IPrec", Level: Documents, Cut: NoCut, Rel: true, Recall: true,
		Formula: "interpolated precision: the largest P@i over the ranks i from that of the c-th relevant document on, c = recall × R rounded half up, R all relevant documents; for c = 0 over all ranks; 0..1",
		Edge:    "0 where fewer than c relevant documents are retrieved; recall is 0 unless given; as R otherwise",
		Source:  "the recall-precision graph of TREC; trec_eval 10 iprec_at_recall (version 9 rounds c up by 0.9)",
	},
	{
		Name: "P", Level: Documents, Cut: RequiredItems, Rel: true,
		Formula: "relevant documents in the first k / k; 0..1",
		Edge:    "divides by k also when fewer are returned; as R otherwise",
		Source:  "trec_eval P_k",
	},
	{
		Name: "Rprec", Level: Documents, Cut: NoCut, Rel: true,
		Formula: "relevant documents in the first R / R, R all relevant documents; 0..1",
		Edge:    "as R",
		Source:  "trec_eval Rprec",
	},
	{
		Name: "bpref", Level: Documents, Cut: NoCut, Rel: true,
		Formula: "(1/R) Σ over retrieved relevant documents of 1 - min(n, R) / min(N, R), n the judged non-relevant ones ranked above, N all of them; 0..1",
		Edge:    "unjudged documents are passed over; a relevant document with n = 0 counts 1; as R otherwise",
		Source:  "Buckley & Voorhees, SIGIR 2004; trec_eval bpref",
	},
	{
		Name: "Judged", Level: Documents, Cut: RequiredItems, Better: Neither,
		Formula: "documents with a judgement in the first k / documents in the first k; 0..1: how far the labels can be believed, not how good the ranking is",
		Edge:    "divides by what is returned when that is less than k; not applicable without a judgement or when nothing is returned",
		Source:  "ir-measures Judged@k; 1 - BEIR hole@k for lists of at least k",
	},
	{
		Name: Groundedness, Level: Answers, Cut: NoCut,
		Formula: "support of an answer's claims by the context that it was given, a mean weighted by their words; of a set, the mean over its scored answers; 0..1",
		Edge:    "sentences that claim nothing have no part. Not applicable to an answer that abstains or claims nothing, that is missing, or of which no claim could be judged; these are counted beside. It rewards saying little: read it with abstention_recall and with how many answerable queries were abstained from. Who judges is said beside the number, and numbers of different judges do not compare",
		Source:  "ragloop; the precision of an answer's claims, as in FActScore (Min et al., EMNLP 2023), over sentences",
	},
	{
		Name: GroundednessWorst, Level: Answers, Cut: NoCut,
		Formula: "support of the claim of an answer that has least; of a set, the mean over its scored answers; 0..1",
		Edge:    "as groundedness. Longer answers have worse ones",
		Source:  "ragloop",
	},
	{
		Name: Unsupported, Level: Answers, Cut: NoCut, Theta: true, Better: Lower,
		Formula: "claims of an answer with a support below theta (default 0.5) / its judged claims; of a set, the mean over its scored answers; 0..1, lower is better",
		Edge:    "as groundedness. No theta holds for all judges and texts: choose it on answers of yours that people judged (ragloop eval meta). A judge with verdicts gives 0.5 for \"partly\", which theta=1 counts as unsupported",
		Source:  "ragloop; 1 - Ragas' faithfulness, over sentences",
	},
	{
		Name: AbstentionPrecision, Level: Answers, Cut: NoCut, Proportion: true,
		Formula: "unanswerable queries abstained from / all queries abstained from; 0..1",
		Edge:    "not applicable when no query was abstained from; queries without an answer at all (failed) are counted apart. 1 for a system that abstains once, rightly: read it with abstention_recall",
		Source:  "ragloop; the 2x2 of answerable against abstained, as in SQuAD 2.0 (Rajpurkar et al., ACL 2018)",
	},
	{
		Name: AbstentionRecall, Level: Answers, Cut: NoCut, Proportion: true,
		Formula: "unanswerable queries abstained from / all unanswerable queries; 0..1",
		Edge:    "not applicable without an unanswerable query. 1 for a system that never answers: read it with abstention_precision",
		Source:  "as abstention_precision",
	},
	{
		Name: CitationRecall, Level: Answers, Cut: NoCut,
		Formula: "sentences that all their cited segments together support / sentences; 0..1",
		Edge:    "a sentence without a citation, or with one of a segment that the context does not have, is unsupported; not applicable without a sentence. Of a set, the mean over its answers. ALCE takes every sentence, ragloop eval those that claim something; ALCE asks one entailment model, ragloop the judge of the evaluation, whose support must reach the threshold that is said beside the number; a claim that it fails on counts as unsupported",
		Source:  "ALCE (Gao et al., EMNLP 2023), eval.py compute_autoais; who judges support is said beside the number",
	},
	{
		Name: CitationPrecision, Level: Answers, Cut: NoCut,
		Formula: "citations that count / citations; one counts when its sentence is supported and it supports the sentence alone, or the others no longer support it without it; 0..1",
		Edge:    "a segment cited twice by a sentence is one citation; one that the context does not have counts as wrong, where ALCE's eval.py leaves all citations of its sentence out; not applicable without a citation, where eval.py gives 0; as citation_recall otherwise",
		Source:  "ALCE (Gao et al., EMNLP 2023), eval.py compute_autoais",
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
