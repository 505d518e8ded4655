package convert

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/ragloop/ragloop/evalret/labels"
	"github.com/ragloop/ragloop/internal/text"
)

// between stands between the paragraphs of an article.
const between = "\n\n"

// SQuAD reads a file of SQuAD 1.1 or 2.0, or of XQuAD, which has the same form
// (Rajpurkar et al. 2016, 2018; Artetxe et al. 2020). Each article becomes one
// document: its paragraphs with an empty line between them, named after its
// title. Evidence is the answer as the annotators marked it, often a few words;
// equal spans are one label. Questions marked impossible are unanswerable from
// their paragraph; whether the rest of the article answers them, SQuAD does not
// say, so they are left out unless impossible is set.
func SQuAD(file string, impossible bool) (Converted, error) {
	c, err := squad(file, impossible)
	if err != nil {
		return Converted{}, fmt.Errorf("convert the SQuAD file %s: %w", file, err)
	}
	return c, nil
}

type squadFile struct {
	Data []struct {
		Title      string `json:"title"`
		Paragraphs []struct {
			Context string `json:"context"`
			QAs     []struct {
				ID         string `json:"id"`
				Question   string `json:"question"`
				Impossible bool   `json:"is_impossible"`
				Answers    []struct {
					Text  string `json:"text"`
					Start int    `json:"answer_start"`
				} `json:"answers"`
			} `json:"qas"`
		} `json:"paragraphs"`
	} `json:"data"`
}

func squad(file string, impossible bool) (Converted, error) {
	var data squadFile
	if err := readJSON(file, &data); err != nil {
		return Converted{}, err
	}
	if len(data.Data) == 0 {
		return Converted{}, errors.New(`it has no "data"`)
	}
	out := Converted{Set: labels.Set{Name: file}}
	var bad faults
	used := map[text.DocID]bool{}
	for a, article := range data.Data {
		doc := text.DocID(fileName(article.Title) + ".txt")
		if used[doc] {
			doc = text.DocID(fmt.Sprintf("%s-%d.txt", fileName(article.Title), a+1))
		}
		used[doc] = true
		var body strings.Builder
		runes := 0
		for p, paragraph := range article.Paragraphs {
			if p > 0 {
				body.WriteString(between)
				runes += len(between)
			}
			x := text.NewIndex(paragraph.Context)
			for _, qa := range paragraph.QAs {
				q := labels.Query{ID: qa.ID, Text: strings.TrimSpace(qa.Question), Unanswerable: qa.Impossible}
				if qa.Impossible && !impossible {
					continue
				}
				seen := map[text.RuneSpan]bool{}
				for i, answer := range qa.Answers {
					if qa.Impossible {
						break // plausible answers are no evidence
					}
					span := text.RuneSpan{Start: answer.Start, End: answer.Start + utf8.RuneCountInString(answer.Text)}
					if got, err := x.Slice(span); err != nil || got != answer.Text {
						bad.addf("data[%d].paragraphs[%d]: question %s: answers[%d]: %q is not at %d", a, p, qa.ID, i, short(answer.Text), answer.Start)
						continue
					}
					span.Start, span.End = span.Start+runes, span.End+runes
					if seen[span] {
						continue
					}
					seen[span] = true
					if q.Answer == "" {
						q.Answer = answer.Text
					}
					q.Evidence = append(q.Evidence, labels.Evidence{Doc: doc, Span: span, Quote: answer.Text})
				}
				out.Set.Queries = append(out.Set.Queries, q)
			}
			body.WriteString(paragraph.Context)
			runes += x.Runes()
		}
		out.Documents = append(out.Documents, labels.Document{ID: doc, Title: strings.ReplaceAll(article.Title, "_", " "), Text: body.String()})
	}
	return out, errors.Join(bad.err(), out.Set.Validate())
}

// fileName makes a file name of a title.
func fileName(title string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r < ' ' || strings.ContainsRune(`/\:*?"<>|`, r):
			return '_'
		}
		return r
	}, strings.TrimSpace(title))
	if name = strings.Trim(name, "."); name == "" {
		return "untitled"
	}
	return name
}
