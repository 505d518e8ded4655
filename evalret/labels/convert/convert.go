// Package convert turns labelled query sets of other tools into sets of this
// program: Chroma's chunking evaluation, LegalBench-RAG, SQuAD, and TREC topics
// with judgements. BEIR folders are read by labels.ReadBEIR.
//
// It measures nothing and ingests nothing. Every span is checked against the
// document it is about before it becomes a label, and carries its quote, so that
// "ragloop labels check" finds it again where extraction changes a document's
// text. Offsets of all these formats are code points of files that were read
// without translating line ends.
package convert

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ragloop/ragloop/evalret/labels"
	"github.com/ragloop/ragloop/internal/text"
)

// Converted is a query set and, where a format holds documents and queries in
// one file, the documents.
type Converted struct {
	Set       labels.Set
	Documents []labels.Document // in file order; empty where the documents are files already
}

// maxFaults bounds the faults that one error lists.
const maxFaults = 20

// faults collects what is wrong in a file.
type faults struct {
	errs []error
	more int
}

func (f *faults) addf(format string, args ...any) {
	if len(f.errs) == maxFaults {
		f.more++
		return
	}
	f.errs = append(f.errs, fmt.Errorf(format, args...))
}

func (f *faults) err() error {
	if f.more > 0 {
		return errors.Join(append(f.errs, fmt.Errorf("and %d more", f.more))...)
	}
	return errors.Join(f.errs...)
}

// corpus reads documents below a root once.
type corpus struct {
	root  *os.Root
	texts map[string]*text.Index
	errs  map[string]error
}

func openCorpus(dir string) (*corpus, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &corpus{root, map[string]*text.Index{}, map[string]error{}}, nil
}

// quote returns the text of a document at a span.
func (c *corpus) quote(name string, span text.RuneSpan) (string, error) {
	if err := c.errs[name]; err != nil {
		return "", err
	}
	x, ok := c.texts[name]
	if !ok {
		body, err := c.root.ReadFile(filepath.FromSlash(name))
		if err != nil {
			c.errs[name] = err
			return "", err
		}
		x = text.NewIndex(string(body))
		c.texts[name] = x
	}
	return x.Slice(span)
}

// Chroma reads the data of Chroma's chunking evaluation (Smith & Troynikov 2024):
// DIR/questions_df.csv with the columns question, references and corpus_id, and
// DIR/corpora/CORPUS_ID.md. Documents are named as files below DIR/corpora. Each
// query has its corpus as a tag.
func Chroma(dir string) (Converted, error) {
	c, err := chroma(dir)
	if err != nil {
		return Converted{}, fmt.Errorf("convert the Chroma data in %s: %w", dir, err)
	}
	return c, nil
}

func chroma(dir string) (Converted, error) {
	docs, err := openCorpus(filepath.Join(dir, "corpora"))
	if err != nil {
		return Converted{}, err
	}
	defer docs.root.Close()
	const name = "questions_df.csv"
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return Converted{}, err
	}
	defer f.Close()
	r := csv.NewReader(f)
	head, err := r.Read()
	if err != nil {
		return Converted{}, fmt.Errorf("%s: %w", name, err)
	}
	question, references, corpusID := slices.Index(head, "question"), slices.Index(head, "references"), slices.Index(head, "corpus_id")
	if question < 0 || references < 0 || corpusID < 0 {
		return Converted{}, fmt.Errorf("%s has the columns %s; want question, references and corpus_id", name, strings.Join(head, ", "))
	}
	out := Converted{Set: labels.Set{Name: dir}}
	var bad faults
	numbers := map[string]int{}
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Converted{}, fmt.Errorf("%s: %w", name, err)
		}
		line, _ := r.FieldPos(question)
		var refs []struct {
			Content string `json:"content"`
			Start   int    `json:"start_index"`
			End     int    `json:"end_index"`
		}
		if err := json.Unmarshal([]byte(row[references]), &refs); err != nil {
			bad.addf("%s:%d: references: %w", name, line, err)
			continue
		}
		id := row[corpusID]
		numbers[id]++
		q := labels.Query{ID: fmt.Sprintf("%s-%03d", id, numbers[id]), Text: row[question], Tags: []string{id}, Line: line}
		for i, ref := range refs {
			e := labels.Evidence{Doc: text.DocID(id + ".md"), Span: text.RuneSpan{Start: ref.Start, End: ref.End}, Quote: ref.Content}
			if err := docs.verify(e); err != nil {
				bad.addf("%s:%d: references[%d]: %w", name, line, i, err)
				continue
			}
			q.Evidence = append(q.Evidence, e)
		}
		out.Set.Queries = append(out.Set.Queries, q)
	}
	return out, errors.Join(bad.err(), out.Set.Validate())
}

// verify compares a label with its document.
func (c *corpus) verify(e labels.Evidence) error {
	got, err := c.quote(string(e.Doc), e.Span)
	switch {
	case err != nil:
		return fmt.Errorf("%s at %d to %d: %w", e.Doc, e.Span.Start, e.Span.End, err)
	case got != e.Quote:
		return fmt.Errorf("%s at %d to %d is %q, the label says %q", e.Doc, e.Span.Start, e.Span.End, short(got), short(e.Quote))
	}
	return nil
}

// short cuts s to 60 code points.
func short(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}

// LegalBench reads one benchmark file of LegalBench-RAG (Pipitone & Houir Alami
// 2024): {"tests":[{"query","snippets":[{"file_path","span":[start,end],"answer"}]}]}.
// corpusDir is the folder that file_path is relative to, and documents are
// named so. Each query has the file's name as a tag.
func LegalBench(file, corpusDir string) (Converted, error) {
	c, err := legalBench(file, corpusDir)
	if err != nil {
		return Converted{}, fmt.Errorf("convert the LegalBench-RAG file %s: %w", file, err)
	}
	return c, nil
}

func legalBench(file, corpusDir string) (Converted, error) {
	docs, err := openCorpus(corpusDir)
	if err != nil {
		return Converted{}, err
	}
	defer docs.root.Close()
	var data struct {
		Tests []struct {
			Query    string `json:"query"`
			Snippets []struct {
				File   string `json:"file_path"`
				Span   []int  `json:"span"`
				Answer string `json:"answer"`
			} `json:"snippets"`
		} `json:"tests"`
	}
	if err := readJSON(file, &data); err != nil {
		return Converted{}, err
	}
	if len(data.Tests) == 0 {
		return Converted{}, errors.New(`it has no "tests"`)
	}
	tag := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
	out := Converted{Set: labels.Set{Name: file}}
	var bad faults
	for n, t := range data.Tests {
		q := labels.Query{ID: fmt.Sprintf("%s-%04d", tag, n+1), Text: t.Query, Tags: []string{tag}}
		for i, s := range t.Snippets {
			if len(s.Span) != 2 {
				bad.addf("tests[%d].snippets[%d].span has %d numbers, want 2", n, i, len(s.Span))
				continue
			}
			e := labels.Evidence{Doc: text.DocID(path.Clean(s.File)), Span: text.RuneSpan{Start: s.Span[0], End: s.Span[1]}, Quote: s.Answer}
			if s.Answer == "" { // not in every edition
				if e.Quote, err = docs.quote(s.File, e.Span); err != nil {
					bad.addf("tests[%d].snippets[%d]: %w", n, i, err)
					continue
				}
			} else if err := docs.verify(e); err != nil {
				bad.addf("tests[%d].snippets[%d]: %w", n, i, err)
				continue
			}
			q.Evidence = append(q.Evidence, e)
		}
		out.Set.Queries = append(out.Set.Queries, q)
	}
	return out, errors.Join(bad.err(), out.Set.Validate())
}

func readJSON[T any](file string, dst *T) error {
	body, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return json.Unmarshal(body, dst)
}
