package metric_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ragloop/ragloop/evalret/labels"
	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/internal/text"
)

// With -trec_eval=PATH the files of testdata/trec_eval are made anew: seeded
// random judgements and runs, and what the program at PATH prints for them.
var trecEval = flag.String("trec_eval", "", "path of a trec_eval binary; regenerates testdata/trec_eval")

// names maps our metrics to trec_eval's measures and the parameters that make
// it print them.
var names = []struct{ ours, theirs string }{
	{"AP", "map"},
	{"AP@10", "map_cut_10"},
	{"RR", "recip_rank"},
	{"Rprec", "Rprec"}, {"bpref", "bpref"},
	{"P@1", "P_1"}, {"P@5", "P_5"}, {"P@10", "P_10"}, {"P@100", "P_100"},
	{"R@1", "recall_1"}, {"R@5", "recall_5"}, {"R@10", "recall_10"}, {"R@100", "recall_100"},
	{"Success@1", "success_1"}, {"Success@5", "success_5"}, {"Success@10", "success_10"},
	{"GMAP", "gm_map"},
	{"IPrec", "iprec_at_recall_0.00"}, {"IPrec(recall=0.1)", "iprec_at_recall_0.10"}, {"IPrec(recall=0.3)", "iprec_at_recall_0.30"},
	{"IPrec(recall=0.5)", "iprec_at_recall_0.50"}, {"IPrec(recall=0.75)", "iprec_at_recall_0.75"}, {"IPrec(recall=1)", "iprec_at_recall_1.00"},
	{"nDCG", "ndcg"},
	{"nDCG@1", "ndcg_cut_1"}, {"nDCG@5", "ndcg_cut_5"}, {"nDCG@10", "ndcg_cut_10"}, {"nDCG@100", "ndcg_cut_100"},
}

var measures = []string{
	"-m", "map", "-m", "map_cut.10", "-m", "recip_rank", "-m", "Rprec", "-m", "bpref", "-m", "P.1,5,10,100", "-m", "recall.1,5,10,100",
	"-m", "success.1,5,10", "-m", "gm_map", "-m", "iprec_at_recall.0,.1,.3,.5,.75,1", "-m", "ndcg", "-m", "ndcg_cut.1,5,10,100",
}

func TestAgreesWithTrecEval(t *testing.T) {
	dir := filepath.Join("testdata", "trec_eval")
	if *trecEval != "" {
		regenerate(t, dir)
	}
	qrels, run := readTREC(t, filepath.Join(dir, "random.qrels.gz"), filepath.Join(dir, "random.run.gz"))
	for _, level := range []int{1, 2} {
		want := readTable(t, filepath.Join(dir, fmt.Sprintf("random.l%d.out.gz", level)))
		if n := compare(t, qrels, run, level, want); n < randomRuns*(len(names)-1) { // gm_map has one value
			t.Errorf("relevance level %d: compared %d values, want at least %d", level, n, randomRuns*(len(names)-1))
		}
	}
}

// TestAgreesWithTrecEvalFixtures runs the fixtures that trec_eval ships, where
// they are at hand.
func TestAgreesWithTrecEvalFixtures(t *testing.T) {
	root := os.Getenv("RAGLOOP_DATA")
	if root == "" {
		t.Skip("RAGLOOP_DATA is not set")
	}
	dir := filepath.Join(root, "trec_eval", "test")
	for _, c := range []struct {
		qrels, run, out string
		level           int
	}{
		{"qrels.test", "results.test", "out.test.aq", 1},
		{"qrels.test", "results.trunc", "out.test.aqc", 1},
		{"qrels.rel_level", "results.test", "out.test.aql", 2},
	} {
		t.Run(c.out, func(t *testing.T) {
			qrels, run := readTREC(t, filepath.Join(dir, c.qrels), filepath.Join(dir, c.run))
			if c.out != "out.test.aqc" {
				maps.DeleteFunc(qrels, func(id string, _ map[text.DocID]int) bool { return run.Results[id] == nil })
			}
			if n := compare(t, qrels, run, c.level, readTable(t, filepath.Join(dir, c.out))); n < 20 {
				t.Errorf("compared %d values, want at least 20", n)
			}
		})
	}
}

// compare checks per-query values and the averages over all judged queries,
// where a query without results or without relevant documents counts 0.
func compare(t *testing.T, qrels labels.Qrels, run labels.Run, level int, want map[string]map[string]float64) int {
	t.Helper()
	compared := 0
	for _, name := range names {
		m, err := metric.Parse(name.ours)
		if err != nil {
			t.Fatal(err)
		}
		if d, _ := m.Definition(); d.Rel {
			m.Rel = level
		}
		var all []float64
		check := func(query string, got float64) {
			w, ok := want[query][name.theirs]
			if !ok {
				return
			}
			compared++
			if math.Abs(got-w) > 0.00005+1e-9 {
				t.Errorf("level %d, query %s: %s = %.6f, trec_eval's %s is %.4f", level, query, m, got, name.theirs, w)
			}
		}
		for _, query := range slices.Sorted(maps.Keys(qrels)) {
			got, _ := m.Ranking(metric.Judge(run.Ranking(query), qrels[query])).Float()
			all = append(all, got)
			check(query, got)
		}
		mean := metric.GeometricMean(all)
		if d, _ := m.Definition(); !d.Geometric {
			mean = 0
			for _, x := range all {
				mean += x / float64(len(all))
			}
		}
		check("all", mean)
	}
	return compared
}

func readTREC(t *testing.T, qrelsPath, runPath string) (labels.Qrels, labels.Run) {
	t.Helper()
	q := readFile(t, qrelsPath)
	qrels, err := labels.ReadQrels(bytes.NewReader(q), qrelsPath)
	if err != nil {
		t.Fatal(err)
	}
	r := readFile(t, runPath)
	run, err := labels.ReadRun(bytes.NewReader(r), runPath)
	if err != nil {
		t.Fatal(err)
	}
	return qrels, run
}

// readFile reads a file, a compressed one where its name says so.
func readFile(t *testing.T, path string) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			t.Fatal(err)
		}
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// readTable reads "MEASURE QUERY VALUE" lines.
func readTable(t *testing.T, path string) map[string]map[string]float64 {
	t.Helper()
	b := readFile(t, path)
	table := map[string]map[string]float64{}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) != 3 {
			continue
		}
		v, err := strconv.ParseFloat(f[2], 64)
		if err != nil {
			continue // runid, relstring
		}
		if table[f[1]] == nil {
			table[f[1]] = map[string]float64{}
		}
		table[f[1]][f[0]] = v
	}
	return table
}

// randomRuns is the number of queries that have results.
const randomRuns = 1000

func regenerate(t *testing.T, dir string) {
	t.Helper()
	qrels, run := randomCollection(rand.New(rand.NewPCG(20260101, 7)), randomRuns+72)
	var q, r bytes.Buffer
	if err := labels.WriteQrels(&q, qrels); err != nil {
		t.Fatal(err)
	}
	if err := labels.WriteRun(&r, run); err != nil {
		t.Fatal(err)
	}
	plain := t.TempDir() // trec_eval reads no compressed files
	write := func(name string, b []byte) string {
		var z bytes.Buffer
		w, err := gzip.NewWriterLevel(&z, gzip.BestCompression)
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.Write(b)
		path := filepath.Join(plain, name)
		if err := errors.Join(err, w.Close(), os.WriteFile(filepath.Join(dir, name+".gz"), z.Bytes(), 0o644), os.WriteFile(path, b, 0o644)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	qrelsPath, runPath := write("random.qrels", q.Bytes()), write("random.run", r.Bytes())
	for _, level := range []int{1, 2} {
		args := append([]string{"-q", "-c", "-l", strconv.Itoa(level)}, measures...)
		out, err := exec.Command(*trecEval, append(args, qrelsPath, runPath)...).Output()
		if err != nil {
			t.Fatalf("run %s: %v", *trecEval, err)
		}
		write(fmt.Sprintf("random.l%d.out", level), out)
	}
	out, err := exec.Command(*trecEval, "-c", qrelsPath, runPath).Output()
	if err != nil {
		t.Fatalf("run %s: %v", *trecEval, err)
	}
	write("random.official.out", out)
}

// randomCollection makes queries with graded, unjudged and pooled-but-unjudged
// documents, some without any relevant one, and runs with tied and negative
// scores, gaps, unjudged documents, empty results and unknown queries.
func randomCollection(rng *rand.Rand, n int) (labels.Qrels, labels.Run) {
	qrels, run := labels.Qrels{}, labels.Run{Tag: "random", Results: map[string][]labels.Scored{}}
	for i := range n {
		query := fmt.Sprintf("q%04d", i)
		best := rng.IntN(4) // 0: nothing judged relevant
		grades := map[text.DocID]int{"d00": 0}
		for range 1 + rng.IntN(25) {
			grades[text.DocID(fmt.Sprintf("d%02d", rng.IntN(60)))] = min(rng.IntN(6)-1, best)
		}
		qrels[query] = grades
		if i%15 == 7 {
			continue
		}
		seen := map[text.DocID]bool{}
		for range 1 + rng.IntN(40) {
			doc := text.DocID(fmt.Sprintf("d%02d", rng.IntN(80)))
			if !seen[doc] {
				seen[doc] = true
				run.Results[query] = append(run.Results[query], labels.Scored{Doc: doc, Score: float64(rng.IntN(24)-8) / 4})
			}
		}
	}
	run.Results["unknown"] = []labels.Scored{{Doc: "d00", Score: 1}}
	return qrels, run
}
