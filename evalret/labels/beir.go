package labels

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ragloop/ragloop/internal/text"
)

// Document is a document of a BEIR folder.
type Document struct {
	ID    text.DocID
	Title string
	Text  string
}

// BEIR is a test collection in the layout of the BEIR benchmark (Thakur et
// al., NeurIPS 2021).
type BEIR struct {
	Documents []Document // in file order
	Set       Set        // the queries that have judgements in the split, in file order
	Unjudged  int        // queries without judgements in the split, left out as BEIR does
	Absent    int        // judgements of documents that the corpus does not have; they stay in the denominators
}

// ReadBEIR reads DIR/corpus.jsonl ({"_id","title","text"}), DIR/queries.jsonl
// ({"_id","text"}) and DIR/qrels/SPLIT.tsv (query, document, grade, separated
// by tabs, with or without a header line). Other keys, such as metadata, are
// ignored: they belong to other tools. Judgements of unknown queries,
// duplicates and malformed lines are errors.
func ReadBEIR(dir, split string) (BEIR, error) {
	var c BEIR
	fail := func(err error) (BEIR, error) { return BEIR{}, fmt.Errorf("read BEIR folder %s: %w", dir, err) }
	if split == "" || split != filepath.Base(split) {
		return fail(fmt.Errorf("split %q: want a name such as test, dev or train", split))
	}
	qrels, err := readTSV(filepath.Join(dir, "qrels", split+".tsv"))
	if err != nil {
		return fail(err)
	}
	ids := map[text.DocID]int{}
	err = readEntries(filepath.Join(dir, "corpus.jsonl"), func(n int, e entry) string {
		id := text.DocID(e.id)
		if line, ok := ids[id]; ok {
			return fmt.Sprintf("is already used on line %d", line)
		}
		ids[id] = n
		c.Documents = append(c.Documents, Document{ID: id, Title: e.title, Text: e.text})
		return ""
	})
	if err != nil {
		return fail(err)
	}
	c.Set.Name = dir
	asked := map[string]int{}
	err = readEntries(filepath.Join(dir, "queries.jsonl"), func(n int, e entry) string {
		if line, ok := asked[e.id]; ok {
			return fmt.Sprintf("is already used on line %d", line)
		}
		asked[e.id] = n
		grades, ok := qrels[e.id]
		if !ok {
			c.Unjudged++
			return ""
		}
		for doc := range grades {
			if _, ok := ids[doc]; !ok {
				c.Absent++
			}
		}
		c.Set.Queries = append(c.Set.Queries, Query{ID: e.id, Text: e.text, Docs: grades, Line: n})
		return ""
	})
	if err != nil {
		return fail(err)
	}
	var unknown []string
	for id := range qrels {
		if _, ok := asked[id]; !ok {
			unknown = append(unknown, strconv.Quote(id))
		}
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		more := ""
		if len(unknown) > 5 {
			more = fmt.Sprintf(" and %d more", len(unknown)-5)
			unknown = unknown[:5]
		}
		return fail(fmt.Errorf("qrels/%s.tsv judges queries that queries.jsonl does not have: %s%s", split, strings.Join(unknown, ", "), more))
	}
	if err := c.Set.Validate(); err != nil {
		return fail(err)
	}
	return c, nil
}

type entry struct{ id, title, text string }

// readEntries reads the lines of a corpus or queries file; accept returns what
// is wrong with an id, or "".
func readEntries(path string, accept func(n int, e entry) string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	var f faults
	err = eachLine(file, path, func(n int, line []byte) {
		var raw struct {
			ID    *string `json:"_id"`
			Title string  `json:"title"`
			Text  *string `json:"text"`
		}
		fault := func(field, problem string) {
			f.add(&LineError{File: path, Line: n, Field: field, Problem: problem})
		}
		switch err := json.Unmarshal(line, &raw); {
		case err != nil:
			fault("", "is not valid: "+err.Error())
		case !utf8.Valid(line):
			fault("", "is not valid UTF-8")
		case raw.ID == nil || *raw.ID == "":
			fault("_id", "is missing or empty")
		case raw.Text == nil:
			fault("text", "is missing")
		default:
			if problem := accept(n, entry{*raw.ID, raw.Title, *raw.Text}); problem != "" {
				fault("_id", strconv.Quote(*raw.ID)+" "+problem)
			}
		}
	})
	if err != nil {
		return err
	}
	return f.err()
}

func readTSV(path string) (Qrels, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return parseTSV(file, path)
}

func parseTSV(r io.Reader, name string) (Qrels, error) {
	qrels := Qrels{}
	var f faults
	first := true
	err := eachLine(r, name, func(n int, line []byte) {
		fields := strings.Split(strings.TrimRight(string(line), "\r"), "\t")
		header := first && len(fields) == 3 && strings.EqualFold(fields[0], "query-id")
		first = false
		if header {
			return
		}
		if len(fields) != 3 {
			f.add(&LineError{File: name, Line: n, Problem: fmt.Sprintf("has %d fields; want 3 separated by tabs: query-id, corpus-id, score", len(fields))})
			return
		}
		grade, err := strconv.Atoi(fields[2])
		if err != nil || grade < 0 || grade > MaxGrade {
			f.add(&LineError{File: name, Line: n, Query: fields[0], Field: "score", Problem: fmt.Sprintf("is %q; want a whole number from 0 to %d", fields[2], MaxGrade)})
			return
		}
		f.judge(qrels, name, n, fields[0], text.DocID(fields[1]), grade)
	})
	if err == nil {
		err = f.err()
	}
	return qrels, err
}
