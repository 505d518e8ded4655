package extract

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/unicode/norm"
)

// TestPDFCorpus compares the text of the real files below $RAGLOOP_DATA with
// that of pdftotext, where both are there:
//
//	RAGLOOP_DATA=dir go test ./ingest/extract -run PDFCorpus -v
func TestPDFCorpus(t *testing.T) {
	root := os.Getenv("RAGLOOP_DATA")
	if root == "" {
		t.Skip("RAGLOOP_DATA is not set")
	}
	if _, err := exec.LookPath("pdftotext"); err != nil {
		t.Skip("pdftotext is not installed")
	}
	files, err := filepath.Glob(filepath.Join(root, "sec10q_pdf/data/v1/docs/*.pdf"))
	if err != nil || len(files) == 0 {
		t.Skipf("no files, error %v", err)
	}
	var scores []float64
	var spent time.Duration
	pages := 0
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if _, err := Extract(t.Context(), Input{Name: name, Data: data}); err != nil {
			t.Fatal(err)
		}
		spent += time.Since(start)
		doc, running := extractWithRunning(t, name, data)
		pages += doc.Pages
		checkDocument(t, doc)
		reference, err := exec.Command("pdftotext", name, "-").Output()
		if err != nil {
			t.Fatal(err)
		}
		score := wordF1(doc.Text+"\n"+running, string(reference))
		t.Logf("%s: %d pages, F1 %.4f, %d running lines, %d words joined, warnings %q",
			filepath.Base(name), doc.Pages, score, doc.RunningLines, len(doc.Joined), doc.Warnings)
		scores = append(scores, score)
	}
	slices.Sort(scores)
	if median := scores[len(scores)/2]; median < 0.995 || scores[0] < 0.99 {
		t.Errorf("word F1: median %.4f, lowest %.4f, want at least 0.995 and 0.99", median, scores[0])
	} else {
		t.Logf("word F1: median %.4f, lowest %.4f of %d files; %.0f pages/s", median, scores[0], len(scores), float64(pages)/spent.Seconds())
	}
}

// TestPDFTruth compares the text of an article in two columns, made by TeX, with
// what its author wrote: the words, and which of them follow each other.
func TestPDFTruth(t *testing.T) {
	data, err := os.ReadFile("testdata/tide-mill.pdf")
	if err != nil {
		t.Fatal(err)
	}
	truth, err := os.ReadFile("testdata/src/tide-mill.txt")
	if err != nil {
		t.Fatal(err)
	}
	doc := extractString(t, "tide-mill.pdf", string(data))
	words, pairs := bagF1(strings.Fields(doc.Text), strings.Fields(string(truth))), bagF1(wordPairs(doc.Text), wordPairs(string(truth)))
	t.Logf("F1 of words %.4f, of pairs of words %.4f", words, pairs)
	if words < 0.98 || pairs < 0.96 {
		t.Errorf("F1 of words %.4f, of pairs of words %.4f, want at least 0.98 and 0.96", words, pairs)
	}
	if _, err := exec.LookPath("pdftotext"); err == nil {
		reference, err := exec.Command("pdftotext", "testdata/tide-mill.pdf", "-").Output()
		if err != nil {
			t.Fatal(err)
		}
		_, running := extractWithRunning(t, "tide-mill.pdf", data)
		t.Logf("F1 of words against pdftotext %.4f; of its pairs of words against the author's %.4f",
			wordF1(doc.Text+"\n"+running, string(reference)), bagF1(wordPairs(string(reference)), wordPairs(string(truth))))
	}
	at := 0
	for _, s := range []string{"The building is of stone", "It does not require", "2 How the mill works", "closes under", "2.2 The wheel", "3 What we changed", "4 Results", "5 Discussion", "6 Acknowledgements"} {
		i := strings.Index(strings.ReplaceAll(doc.Text[at:], "\n", " "), s)
		if i < 0 {
			t.Errorf("%q is missing or not in order", s)
			continue
		}
		at += i
	}
}

// wordPairs returns the pairs of words that follow each other.
func wordPairs(s string) []string {
	words := strings.Fields(s)
	for i := range words[1:] {
		words[i] += " " + words[i+1]
	}
	return words[:len(words)-1]
}

// extractWithRunning extracts a PDF file and returns the running heads and feet
// that are left out as well.
func extractWithRunning(t *testing.T, name string, data []byte) (doc Document, running string) {
	t.Helper()
	in := Input{Name: name, Data: data}
	doc, err := Extract(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	file, err := readPDF(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]int{}
	for _, p := range file.pages {
		for _, line := range p.lines {
			all[line.text]++
		}
	}
	layout := newPDFLayout(file.pages)
	for i, p := range layout.pages {
		layout.pages[i].lines = readingOrder(p.lines)
	}
	layout.removeRunning()
	for _, p := range layout.pages {
		for _, line := range p.lines {
			all[line.text]--
		}
	}
	n := 0
	var b strings.Builder
	for _, s := range slices.Sorted(maps.Keys(all)) {
		for range all[s] {
			b.WriteString(s + "\n")
			n++
		}
	}
	if n != doc.RunningLines {
		t.Errorf("%s: %d lines are missing, %d running lines", name, n, doc.RunningLines)
	}
	return doc, b.String()
}

var innerHyphen = regexp.MustCompile(`(\p{L})[-\x{ad}\x{2010}]\s*(\p{L})`)

// wordF1 returns the harmonic mean of precision and recall of the words of got,
// as a bag, against want. Compatibility forms, case and hyphens in words, also
// at line ends, don't count.
func wordF1(got, want string) float64 {
	words := func(s string) []string {
		s = strings.ToLower(norm.NFKC.String(s))
		return strings.Fields(innerHyphen.ReplaceAllString(innerHyphen.ReplaceAllString(s, "$1$2"), "$1$2"))
	}
	return bagF1(words(got), words(want))
}

// bagF1 returns the harmonic mean of precision and recall of a against b, in any
// order.
func bagF1(a, b []string) float64 {
	count := map[string]int{}
	for _, w := range b {
		count[w]++
	}
	common := 0
	for _, w := range a {
		if count[w] > 0 {
			count[w]--
			common++
		}
	}
	return 2 * float64(common) / float64(len(a)+len(b))
}

// BenchmarkExtract measures each format on its golden file; pages/s for PDF.
func BenchmarkExtract(b *testing.B) {
	for _, name := range []string{"guide.md", "manual.html", "article.html", "filters.pdf", "handbook.pdf", "handbook.docx", "people.csv"} {
		b.Run(name, func(b *testing.B) {
			data, err := os.ReadFile(filepath.Join("testdata", name))
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			pages := 0
			for b.Loop() {
				doc, err := Extract(b.Context(), Input{Name: name, Data: data})
				if err != nil {
					b.Fatal(err)
				}
				pages += doc.Pages
			}
			if pages > 0 {
				b.ReportMetric(float64(pages)/b.Elapsed().Seconds(), "pages/s")
			}
		})
	}
}
