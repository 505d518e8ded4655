package convert

import (
	"bufio"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/ragloop/ragloop/evalret/labels"
)

// TREC reads judgements and topics. Topics are lines "ID<tab>TEXT", or the
// classic form with <top>, <num> and <title>. Topics without a judgement are
// left out; judgements of other queries are an error. Negative grades, which
// mean that a document was pooled and not judged, are left out.
func TREC(qrelsFile, topicsFile string) (Converted, error) {
	c, err := trec(qrelsFile, topicsFile)
	if err != nil {
		return Converted{}, fmt.Errorf("convert the TREC files %s and %s: %w", qrelsFile, topicsFile, err)
	}
	return c, nil
}

func trec(qrelsFile, topicsFile string) (Converted, error) {
	f, err := os.Open(qrelsFile)
	if err != nil {
		return Converted{}, err
	}
	defer f.Close()
	qrels, err := labels.ReadQrels(f, qrelsFile)
	if err != nil {
		return Converted{}, err
	}
	body, err := os.ReadFile(topicsFile)
	if err != nil {
		return Converted{}, err
	}
	read := tabbed
	if strings.Contains(string(body), "<top>") {
		read = classic
	}
	topics, err := read(string(body))
	if err != nil {
		return Converted{}, fmt.Errorf("%s: %w", topicsFile, err)
	}
	out := Converted{Set: labels.Set{Name: qrelsFile}}
	known := map[string]bool{}
	for _, q := range topics {
		known[q.ID] = true
		if len(qrels[q.ID]) == 0 {
			continue
		}
		for doc, grade := range qrels[q.ID] {
			if grade < 0 {
				delete(qrels[q.ID], doc)
			}
		}
		q.Docs = qrels[q.ID]
		out.Set.Queries = append(out.Set.Queries, q)
	}
	for _, id := range slices.Sorted(maps.Keys(qrels)) {
		if !known[id] {
			return Converted{}, fmt.Errorf("query %q is judged, but %s does not have it", id, topicsFile)
		}
	}
	if len(out.Set.Queries) == 0 {
		return Converted{}, errors.New("no topic has a judgement")
	}
	return out, out.Set.Validate()
}

func tabbed(body string) (qs []labels.Query, err error) {
	sc := bufio.NewScanner(strings.NewReader(body))
	sc.Buffer(nil, labels.MaxLineBytes)
	for n := 1; sc.Scan(); n++ {
		line := strings.TrimSpace(strings.TrimPrefix(sc.Text(), "\ufeff"))
		if line == "" {
			continue
		}
		id, text, ok := strings.Cut(line, "\t")
		if !ok {
			return nil, fmt.Errorf("line %d has no tab; want ID<tab>TEXT, or topics with <top>", n)
		}
		qs = append(qs, labels.Query{ID: strings.TrimSpace(id), Text: strings.TrimSpace(text), Line: n})
	}
	return qs, sc.Err()
}

var (
	topicForm  = regexp.MustCompile(`(?s)<top>(.*?)</top>`)
	numberForm = regexp.MustCompile(`(?s)<num>\s*(?:Number:)?\s*([^\s<]+)`)
	titleForm  = regexp.MustCompile(`(?s)<title>\s*(?:Topic:)?\s*([^<]*)`)
)

func classic(body string) (qs []labels.Query, err error) {
	for i, m := range topicForm.FindAllStringSubmatch(body, -1) {
		number, title := numberForm.FindStringSubmatch(m[1]), titleForm.FindStringSubmatch(m[1])
		if number == nil || title == nil {
			return nil, fmt.Errorf("topic %d lacks <num> or <title>", i+1)
		}
		qs = append(qs, labels.Query{ID: number[1], Text: strings.Join(strings.Fields(title[1]), " ")})
	}
	return qs, nil
}
