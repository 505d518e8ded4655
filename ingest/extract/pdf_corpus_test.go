package extract

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

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
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := Extract(t.Context(), Input{Name: name, Data: data})
		if err != nil {
			t.Error(err)
			continue
		}
		checkDocument(t, doc)
		reference, err := exec.Command("pdftotext", name, "-").Output()
		if err != nil {
			t.Fatal(err)
		}
		score := wordF1(doc.Text, string(reference))
		t.Logf("%s: %d pages, F1 %.4f, warnings %q", filepath.Base(name), doc.Pages, score, doc.Warnings)
		scores = append(scores, score)
	}
	slices.Sort(scores)
	if median := scores[len(scores)/2]; median < 0.995 || scores[0] < 0.99 {
		t.Errorf("word F1: median %.4f, lowest %.4f, want at least 0.995 and 0.99", median, scores[0])
	} else {
		t.Logf("word F1: median %.4f, lowest %.4f of %d files", median, scores[0], len(scores))
	}
}

var lineHyphen = regexp.MustCompile(`(\p{L})-\s*\n\s*`)

// wordF1 returns the harmonic mean of precision and recall of the words of got,
// as a bag, against want. Compatibility forms, case and hyphens at line ends
// don't count.
func wordF1(got, want string) float64 {
	words := func(s string) []string {
		return strings.Fields(lineHyphen.ReplaceAllString(strings.ToLower(norm.NFKC.String(s)), "$1"))
	}
	a, b := words(got), words(want)
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
