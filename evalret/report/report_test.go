package report_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"flag"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/evalret/report"
	"github.com/ragloop/ragloop/evalret/stats"
	"github.com/ragloop/ragloop/evalret/tune"
	"github.com/ragloop/ragloop/internal/text"
)

var update = flag.Bool("update", false, "rewrite golden files")

// sample is an evaluation for tests that only read it.
var sample = sync.OnceValues(func() (evalret.Evaluation, error) { return evaluation(newWorld(60, 10)) })

func sampled(t *testing.T) evalret.Evaluation {
	t.Helper()
	e, err := sample()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got), "\n")); diff != "" {
		t.Errorf("differs from %s (-want +got):\n%s", path, diff)
	}
}

func TestText(t *testing.T) {
	var b bytes.Buffer
	w := newWorld(60, 10)
	w.set.Queries[4].Evidence[0].Quote = "gone from the text"
	if err := report.Text(&b, evaluate(t, w)); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/eval.txt", b.Bytes())
}

func TestTuneText(t *testing.T) {
	var b bytes.Buffer
	if err := report.TuneText(&b, tuned(t, newWorld(60, 5))); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/tune.txt", b.Bytes())
}

func TestJSON(t *testing.T) {
	w := newWorld(30, 3)
	var b bytes.Buffer
	if err := report.JSON(&b, evaluate(t, w)); err != nil {
		t.Fatal(err)
	}
	var e map[string]any
	if err := json.Unmarshal(b.Bytes(), &e); err != nil || len(e["runs"].([]any)) != 3 {
		t.Errorf("JSON: %v, %d runs", err, len(e["runs"].([]any)))
	}
	b.Reset()
	if err := report.TuneJSON(&b, tuned(t, w)); err != nil || !json.Valid(b.Bytes()) {
		t.Errorf("TuneJSON: %v", err)
	}
}

// render returns the page and its parsed form.
func render(t *testing.T, write func(*bytes.Buffer) error) (string, *html.Node) {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	doc, err := html.Parse(strings.NewReader(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	return b.String(), doc
}

func elements(n *html.Node, name string) []*html.Node {
	var out []*html.Node
	for d := range n.Descendants() {
		if d.Type == html.ElementNode && d.Data == name {
			out = append(out, d)
		}
	}
	return out
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func textOf(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

// selfContained checks what every report promises: nothing is loaded, the
// policy allows exactly the style and script that are there, and there are no
// inline handlers or styles, which the policy would forbid.
func selfContained(t *testing.T, page string, doc *html.Node) {
	t.Helper()
	sum := func(s string) string {
		h := sha256.Sum256([]byte(s))
		return "'sha256-" + base64.StdEncoding.EncodeToString(h[:]) + "'"
	}
	scripts, styles := elements(doc, "script"), elements(doc, "style")
	if len(scripts) != 1 || len(styles) != 1 {
		t.Fatalf("%d scripts and %d styles, want one each", len(scripts), len(styles))
	}
	policy := ""
	for _, m := range elements(doc, "meta") {
		if attr(m, "http-equiv") == "Content-Security-Policy" {
			policy = attr(m, "content")
		}
	}
	for _, want := range []string{"default-src 'none'", "script-src " + sum(textOf(scripts[0])), "style-src " + sum(textOf(styles[0]))} {
		if !strings.Contains(policy, want) {
			t.Errorf("policy %q does not have %q", policy, want)
		}
	}
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		if slices.Contains([]string{"link", "img", "iframe", "object", "embed", "base", "video", "audio", "image", "use"}, n.Data) {
			t.Errorf("element <%s> in the page", n.Data)
		}
		for _, a := range n.Attr {
			switch {
			case a.Key == "src" || a.Key == "style" || strings.HasPrefix(a.Key, "on"):
				t.Errorf("<%s %s=%q> in the page", n.Data, a.Key, a.Val)
			case a.Key == "href" && !strings.HasPrefix(a.Val, "#"):
				t.Errorf("<%s href=%q> in the page", n.Data, a.Val)
			}
		}
	}
	if strings.Contains(page, "NaN") || strings.Contains(page, "ZgotmplZ") || strings.Contains(page, "http://") || strings.Contains(page, "https://") {
		t.Error("the page has NaN, a value refused by the template engine, or an address")
	}
	ids := map[string]bool{}
	for n := range doc.Descendants() {
		if id := attr(n, "id"); id != "" {
			if ids[id] {
				t.Errorf("id %q is used twice", id)
			}
			ids[id] = true
		}
	}
	for _, a := range elements(doc, "a") {
		if !ids[strings.TrimPrefix(attr(a, "href"), "#")] {
			t.Errorf("link to %q leads nowhere", attr(a, "href"))
		}
	}
}

func TestHTML(t *testing.T) {
	e := sampled(t)
	o := report.Options{Command: "ragloop eval --set handbook.jsonl"}
	page, doc := render(t, func(b *bytes.Buffer) error { return report.HTML(b, e, o) })
	selfContained(t, page, doc)
	again, _ := render(t, func(b *bytes.Buffer) error { return report.HTML(b, e, o) })
	if page != again {
		t.Error("the same evaluation gives different bytes")
	}
	body := textOf(elements(doc, "body")[0])
	for _, want := range []string{report.Verdict(e), "ragloop eval --set handbook.jsonl", e.Runs[0].Fingerprints.Corpus, "two facts", "hybrid against the other runs", "Unanswerable queries"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if len(elements(doc, "svg")) == 0 || len(elements(doc, "mark")) == 0 {
		t.Error("the page has no chart or no marked evidence")
	}
}

func TestHTMLOrdersWorstFirst(t *testing.T) {
	e := sampled(t)
	_, doc := render(t, func(b *bytes.Buffer) error { return report.HTML(b, e, report.Options{}) })
	reference, _ := e.Run(e.Reference)
	values := map[string]float64{}
	for i, r := range reference.PerQuery {
		values[r.ID] = 2 // unanswerable
		if !e.Queries[i].Unanswerable {
			values[r.ID], _ = r.Values[e.Primary.String()].Float()
		}
	}
	last, rows := -1.0, 0
	for _, tbody := range elements(doc, "tbody") {
		if attr(tbody, "data-state") == "" {
			continue
		}
		rows++
		id := ""
		for _, span := range elements(tbody, "span") {
			if attr(span, "class") == "id" && id == "" {
				id = textOf(span)
			}
		}
		if values[id] < last {
			t.Errorf("query %s with %v comes after one with %v", id, values[id], last)
		}
		last = values[id]
	}
	if rows != len(e.Queries) {
		t.Errorf("%d rows, want one for each of %d queries", rows, len(e.Queries))
	}
}

func TestHTMLKeepsContextsForTheWorst(t *testing.T) {
	e := sampled(t)
	articles := func(contexts int) (queries int) {
		_, doc := render(t, func(b *bytes.Buffer) error { return report.HTML(b, e, report.Options{Contexts: contexts}) })
		for _, d := range elements(doc, "div") {
			if attr(d, "class") == "context" {
				queries++
			}
		}
		return queries
	}
	for contexts, want := range map[int]int{-1: 0, 0: 60, 7: 7} {
		if got := articles(contexts); got != want {
			t.Errorf("with Contexts %d, %d queries have their context, want %d", contexts, got, want)
		}
	}
}

// TestHTMLMarksEvidence: the marked text is the quoted evidence, as far as it
// is in the context.
func TestHTMLMarksEvidence(t *testing.T) {
	w := newWorld(1, 0)
	e := evaluate(t, w)
	q := w.set.Queries[0].Evidence[0]
	start, end := q.Span.Start+10, q.Span.End+20
	for i := range e.Runs {
		for k := range e.Runs[i].PerQuery[0].Contexts {
			c := &e.Runs[i].PerQuery[0].Contexts[k]
			c.Segments = []evalret.Segment{{Doc: q.Doc, Start: start, End: end, Text: w.docs[q.Doc][start:end]}}
		}
	}
	e.Queries[0].Evidence = e.Queries[0].Evidence[:1]
	_, doc := render(t, func(b *bytes.Buffer) error { return report.HTML(b, e, report.Options{}) })
	marks := elements(doc, "mark")
	if len(marks) != 1 || textOf(marks[0]) != q.Quote[10:] {
		t.Errorf("marked: %d pieces, want %q", len(marks), q.Quote[10:])
	}
	found := false
	for _, li := range elements(doc, "li") {
		found = found || attr(li, "class") == "part" && strings.Contains(textOf(li), q.Quote[10:])
	}
	if !found {
		t.Error("no evidence is listed as covered in part")
	}
	// What is missing is marked twice: in the list of evidence, and where the
	// context breaks off.
	missing := elements(doc, "del")
	if len(missing) != 2 {
		t.Fatalf("%d gaps are marked, want 2", len(missing))
	}
	for _, gap := range missing {
		if got, want := textOf(gap), "missing: "+q.Quote[:10]; got != want {
			t.Errorf("a gap is %q, want %q", got, want)
		}
	}
}

const hostile = `</script><script>alert(1)</script><img src=x onerror="alert(2)">"'><svg onload=alert(3)>`

func TestHTMLIsSafeAgainstHostileNames(t *testing.T) {
	w := newWorld(30, 2)
	e := evaluate(t, w)
	e.Labels.Set = hostile
	e.Warnings = append(e.Warnings, stats.Warning{Code: hostile, Message: hostile})
	for i := range e.Runs {
		e.Runs[i].Name += hostile
		e.Runs[i].Fingerprints.Code = hostile
		e.Runs[i].Parameters.Fusion = hostile
		e.Runs[i].Tags[0].Tag = hostile
		for k := range e.Runs[i].PerQuery {
			r := &e.Runs[i].PerQuery[k]
			r.Missing = hostile
			if len(r.Docs) > 0 {
				r.Docs[0] = hostile
			}
			for _, c := range r.Contexts {
				for s := range c.Segments {
					c.Segments[s].Doc, c.Segments[s].Title = hostile, hostile
					if c.Segments[s].Text != "" {
						c.Segments[s].Text = hostile
					}
				}
			}
		}
	}
	e.Reference += hostile
	for i := range e.Comparisons {
		e.Comparisons[i].Other += hostile
		e.Comparisons[i].Reference += hostile
	}
	for i := range e.Queries {
		q := &e.Queries[i]
		q.ID, q.Text, q.Answer, q.Tags = hostile, hostile, hostile, []string{hostile}
		for k := range q.Evidence {
			q.Evidence[k].Quote, q.Evidence[k].Doc = hostile, hostile
		}
		q.Grades = map[text.DocID]int{hostile: 1}
	}
	page, doc := render(t, func(b *bytes.Buffer) error {
		return report.HTML(b, e, report.Options{Title: hostile, Command: hostile})
	})
	selfContained(t, page, doc)
	if !strings.Contains(textOf(elements(doc, "h1")[0]), "<script>alert(1)</script>") {
		t.Error("the title is not shown as it is")
	}

	r := tuned(t, w)
	r.Verdict.Sentence, r.Labels.Set = hostile, hostile
	for i := range r.Settings {
		r.Settings[i].Setting.Fusion.Method = hostile
	}
	for i := range r.Chunkings {
		r.Chunkings[i].Recipe = hostile
	}
	page, doc = render(t, func(b *bytes.Buffer) error {
		return report.TuneHTML(b, r, report.Options{Title: hostile, Command: hostile})
	})
	selfContained(t, page, doc)
}

func TestTuneHTML(t *testing.T) {
	r := tuned(t, newWorld(60, 5))
	page, doc := render(t, func(b *bytes.Buffer) error { return report.TuneHTML(b, r, report.Options{Command: "ragloop tune"}) })
	selfContained(t, page, doc)
	body := textOf(elements(doc, "body")[0])
	for _, want := range []string{r.Verdict.Sentence, "current", "ragloop tune", "max-T"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	rows := 0
	for _, tbody := range elements(doc, "tbody") {
		if attr(tbody, "data-search") != "" {
			rows++
		}
	}
	if rows != len(r.Settings) {
		t.Errorf("%d rows, want %d settings", rows, len(r.Settings))
	}
}

// TestBareEvaluation: a set with document labels alone, one run, no budgets.
func TestBareEvaluation(t *testing.T) {
	w := newWorld(12, 0)
	for i, q := range w.set.Queries {
		w.set.Queries[i].Docs = map[text.DocID]int{q.Evidence[0].Doc: 2}
		w.set.Queries[i].Evidence, w.set.Queries[i].Tags = nil, nil
	}
	full := evaluate(t, w)
	e := full
	e.Runs, e.Comparisons, e.Reference = full.Runs[:1], nil, full.Runs[0].Name
	e.Budgets, e.Primary = nil, metric.Metric{Name: "nDCG", At: 10}
	e.Metrics = []metric.Metric{e.Primary}
	page, doc := render(t, func(b *bytes.Buffer) error { return report.HTML(b, e, report.Options{}) })
	selfContained(t, page, doc)
	var b bytes.Buffer
	if err := report.Text(&b, e); err != nil || !strings.Contains(b.String(), "Too few independent queries") {
		t.Errorf("Text = %q, %v", b.String(), err)
	}
	if got := report.Verdict(full); got != "No query has the labels that evidence_recall@120t needs." {
		t.Errorf("Verdict without evidence = %q", got)
	}
	if got := report.Verdict(evalret.Evaluation{}); got != "Nothing was evaluated." {
		t.Errorf("Verdict of nothing = %q", got)
	}
	page, doc = render(t, func(b *bytes.Buffer) error { return report.HTML(b, evalret.Evaluation{}, report.Options{}) })
	selfContained(t, page, doc)
	page, doc = render(t, func(b *bytes.Buffer) error { return report.TuneHTML(b, tune.Result{}, report.Options{}) })
	selfContained(t, page, doc)
}
