package embed

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ragloop/ragloop/internal/simd"
)

// TestRanks compares rankings by cosine with those of the original float32
// model, for questions and passages of the demonstration corpus;
// testdata/ranks.py made the file.
func TestRanks(t *testing.T) {
	if simd.Kernel() == "portable" {
		t.Skip("130 texts take a minute; the kernels are compared with the portable ones in package simd")
	}
	passages, queries := ranks(t)
	b := newBuiltin(t)
	vectors := embedAll(t, b, Passage, passages...)
	var tau, overlap, gain, deviation float64
	for _, q := range queries {
		query := embedAll(t, b, Query, q.Query)[0]
		got := scores(query, vectors)
		for i, s := range got {
			deviation = max(deviation, math.Abs(s-q.Scores[i]))
		}
		const k = 10
		order, want := ranking(got), ranking(q.Scores)
		gains := make(map[int]float64) // 10 for the reference's first, 1 for its tenth
		for rank, i := range want[:k] {
			gains[i] = float64(k - rank)
		}
		for _, i := range order[:k] {
			if gains[i] > 0 {
				overlap += 1.0 / k
			}
		}
		tau += kendall(got, q.Scores)
		gain += ndcg(order, gains, k)
	}
	n := float64(len(queries))
	t.Logf("%s: mean Kendall tau %.4f, overlap of the first ten %.4f, nDCG@10 with the reference's ten as gains %.4f; largest deviation of a score %.4f",
		simd.Kernel(), tau/n, overlap/n, gain/n, deviation)
	for _, c := range []struct {
		name       string
		got, least float64
	}{
		{"mean Kendall tau", tau / n, 0.98},
		{"mean overlap of the first ten", overlap / n, 0.95},
		{"mean nDCG@10", gain / n, 0.993},
		{"1 - largest deviation of a score", 1 - deviation, 0.99},
	} {
		if !(c.got >= c.least) {
			t.Errorf("%s = %.4f, want at least %v", c.name, c.got, c.least)
		}
	}
}

type ranked struct {
	Query  string
	Scores []float64 // cosines of the float32 model, one for each passage
}

func ranks(t *testing.T) (passages []string, queries []ranked) {
	t.Helper()
	for line := range readLines(t, "testdata/ranks.jsonl") {
		var row struct {
			Passage string
			ranked
		}
		if err := json.Unmarshal(line, &row); err != nil {
			t.Fatal(err)
		}
		if row.Query == "" {
			passages = append(passages, row.Passage)
			continue
		}
		if len(row.Scores) != len(passages) {
			t.Fatalf("query %q has %d scores, want one for each of %d passages", row.Query, len(row.Scores), len(passages))
		}
		queries = append(queries, row.ranked)
	}
	if len(passages) != 120 || len(queries) != 12 {
		t.Fatalf("%d passages and %d queries, want 120 and 12", len(passages), len(queries))
	}
	return passages, queries
}

// The following measure the whole model where it counts: dense retrieval of
// whole documents of public collections that are not part of this repository.

func TestSciFact(t *testing.T) { checkRetrieval(t, "scifact", 300, 0.7127) }

func TestCranfield(t *testing.T) { checkRetrieval(t, "cranfield", 225, 0.5325) }

func TestCLAPNQ(t *testing.T) { checkRetrieval(t, "clapnq", 600, 0.9116) }

// checkRetrieval compares with the nDCG@10 of the original model in float32, as
// computed by ONNX Runtime from the same ids.
func checkRetrieval(t *testing.T, collection string, queries int, float32NDCG float64) {
	t.Helper()
	dir := os.Getenv("RAGLOOP_DATA")
	if dir == "" {
		t.Skipf("RAGLOOP_DATA is not set: it names the folder that has %s in BEIR's layout", collection)
	}
	if testing.Short() || simd.Kernel() == "portable" {
		t.Skip("thousands of documents take minutes")
	}
	dir += "/" + collection

	var docs, texts []string
	for line := range readLines(t, dir+"/corpus.jsonl") {
		var d struct {
			ID          string `json:"_id"`
			Title, Text string
		}
		if err := json.Unmarshal(line, &d); err != nil {
			t.Fatal(err)
		}
		docs, texts = append(docs, d.ID), append(texts, d.Title+" "+d.Text)
	}
	index := make(map[string]int, len(docs))
	for i, id := range docs {
		index[id] = i
	}
	labels := make(map[string]map[int]float64)
	for line := range readLines(t, dir+"/qrels/test.tsv") {
		f := strings.Split(string(line), "\t") // query, document, grade
		if len(f) != 3 || f[0] == "query-id" {
			continue
		}
		grade, err := strconv.ParseFloat(f[2], 64)
		i, ok := index[f[1]]
		if err != nil || !ok {
			t.Fatalf("label %q: no such document, or no grade: %v", line, err)
		}
		if labels[f[0]] == nil {
			labels[f[0]] = make(map[int]float64)
		}
		labels[f[0]][i] = grade
	}

	b := newBuiltin(t)
	vectors, err := b.Embed(context.Background(), Passage, texts)
	if err != nil {
		t.Fatal(err)
	}
	var sum float64
	n := 0
	for line := range readLines(t, dir+"/queries.jsonl") {
		var q struct {
			ID   string `json:"_id"`
			Text string
		}
		if err := json.Unmarshal(line, &q); err != nil {
			t.Fatal(err)
		}
		if gains := labels[q.ID]; gains != nil {
			sum += ndcg(ranking(scores(embedAll(t, b, Query, q.Text)[0], vectors)), gains, 10)
			n++
		}
	}
	if n != queries {
		t.Fatalf("%d queries have labels, want %d", n, queries)
	}
	mean := sum / float64(n)
	t.Logf("%s: nDCG@10 = %.4f, %.2f %% of float32's %v", simd.Kernel(), mean, 100*mean/float32NDCG, float32NDCG)
	if least := 0.995 * float32NDCG; !(mean >= least) {
		t.Errorf("nDCG@10 = %.4f, want at least %.4f", mean, least)
	}
}

// readLines returns an iterator over the lines of a file.
func readLines(t *testing.T, path string) func(yield func([]byte) bool) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return func(yield func([]byte) bool) {
		s := bufio.NewScanner(bytes.NewReader(data))
		s.Buffer(nil, len(data)+1)
		for s.Scan() && yield(s.Bytes()) {
		}
		if err := s.Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// scores returns the dot products of a query with all vectors.
func scores(query []float32, vectors [][]float32) []float64 {
	out := make([]float64, len(vectors))
	for i, v := range vectors {
		for j, x := range v {
			out[i] += float64(x) * float64(query[j])
		}
	}
	return out
}

// ranking returns the indices of scores, highest first, ties by index.
func ranking(scores []float64) []int {
	order := make([]int, len(scores))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(x, y int) int { return cmp.Compare(scores[y], scores[x]) })
	return order
}

// ndcg is nDCG@k as trec_eval defines it: linear gains, discount log2(rank+1).
func ndcg(order []int, gains map[int]float64, k int) float64 {
	dcg := func(gain func(rank int) float64, n int) (sum float64) {
		for rank := range min(n, k) {
			sum += gain(rank) / math.Log2(float64(rank)+2)
		}
		return sum
	}
	var ideal []float64
	for _, g := range gains {
		ideal = append(ideal, g)
	}
	slices.SortFunc(ideal, func(x, y float64) int { return cmp.Compare(y, x) })
	return dcg(func(rank int) float64 { return gains[order[rank]] }, len(order)) /
		dcg(func(rank int) float64 { return ideal[rank] }, len(ideal))
}

// kendall is Kendall's tau-a: concordant minus discordant pairs, by all pairs.
func kendall(x, y []float64) float64 {
	sum, pairs := 0, 0
	for i := range x {
		for j := range i {
			sum += cmp.Compare(x[i], x[j]) * cmp.Compare(y[i], y[j])
			pairs++
		}
	}
	return float64(sum) / float64(pairs)
}
