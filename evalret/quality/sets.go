package quality

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ragloop/ragloop/evalret/labels"
	"github.com/ragloop/ragloop/evalret/labels/convert"
	"github.com/ragloop/ragloop/internal/text"
)

// Document is a document of a [Set] before ingestion.
type Document struct {
	ID    text.DocID
	Title string // empty: the one that extraction finds, if need be in the name of the file, the ID
	Plain bool   // Text is plain text whatever the ID looks like
	Text  string
}

// Set is a labelled collection as it is measured.
type Set struct {
	Name      string
	Documents []Document
	Queries   labels.Set
	Choice    string // what of the folder this is: "150 of 977 queries, all 95 documents"
}

// Evidence reports whether s is measured by evidence recall; otherwise by the
// order of documents.
func (s Set) Evidence() bool {
	return slices.ContainsFunc(s.Queries.Queries, func(q labels.Query) bool { return len(q.Evidence) > 0 })
}

// Skipped is a set that is not at hand, and why.
type Skipped struct {
	Set    string `json:"set"`
	Reason string `json:"reason"`
}

// reader reads one set from the folder of all. limit is false for all of it.
type reader struct {
	name string
	read func(dir string, limit bool) (Set, error)
}

// readers are in the order of the table: spans first.
var readers = []reader{
	{"chroma_chunking", readChroma},
	{"squad_long", readSquad},
	{"privacy_qa", func(dir string, _ bool) (Set, error) { return readLegal(dir, "privacy_qa", 0) }},
	{"contractnli", func(dir string, limit bool) (Set, error) {
		if limit {
			return readLegal(dir, "contractnli", contractQueries)
		}
		return readLegal(dir, "contractnli", 0)
	}},
	{"scifact", readRanking("scifact")},
	{"cranfield", readRanking("cranfield")},
	{"clapnq", readRanking("clapnq")},
}

// Names lists the sets that [Load] knows, in the order of its result.
func Names() []string {
	names := make([]string, len(readers))
	for i, r := range readers {
		names[i] = r.name
	}
	return names
}

// Sizes of the samples that are measured of the two sets with the most queries.
// A sample holds what has the smallest SHA-256 of its id: anybody can draw it
// again, and no choice of ours is in it.
const (
	contractQueries = 150
	squadArticles   = 24
	squadQueries    = 300
)

// Load reads the sets with the given names, all for none, from a folder that
// holds them as folders in their own formats: chroma_chunking (questions_df.csv,
// corpora), squad_long, scifact, cranfield and clapnq (BEIR's layout; squad_long
// with metadata.doc_id and metadata.answer_span in queries.jsonl), legalbenchrag
// (benchmarks and corpus of privacy_qa and contractnli).
//
// Unless full is set, squad_long is 24 of its articles with 300 of their queries
// and contractnli 150 of its queries. A set whose folder is missing is skipped;
// one that cannot be read is an error. No set at all is an error, too.
func Load(dir string, full bool, names ...string) ([]Set, []Skipped, error) {
	for _, name := range names {
		if !slices.Contains(Names(), name) {
			return nil, nil, fmt.Errorf("load labelled sets: unknown set %q, there are %s", name, strings.Join(Names(), ", "))
		}
	}
	var sets []Set
	var skipped []Skipped
	for _, r := range readers {
		if len(names) > 0 && !slices.Contains(names, r.name) {
			skipped = append(skipped, Skipped{r.name, "not asked for"})
			continue
		}
		s, err := r.read(dir, !full)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			skipped = append(skipped, Skipped{r.name, missing(err)})
		case err != nil:
			return nil, nil, fmt.Errorf("load labelled set %s: %w", r.name, err)
		default:
			s.Name, s.Queries.Name = r.name, r.name
			sets = append(sets, s)
		}
	}
	if len(sets) == 0 {
		return nil, nil, fmt.Errorf("load labelled sets from %s: none of %s is there", dir, strings.Join(Names(), ", "))
	}
	return sets, skipped, nil
}

// missing says which file or folder is.
func missing(err error) string {
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		return p.Path + " is missing"
	}
	return err.Error()
}

func readRanking(name string) func(string, bool) (Set, error) {
	return func(dir string, _ bool) (Set, error) {
		b, err := labels.ReadBEIR(filepath.Join(dir, name), "test")
		if err != nil {
			return Set{}, err
		}
		s := Set{Queries: b.Set, Documents: plain(b.Documents)}
		s.Choice = s.all()
		if b.Unjudged > 0 {
			s.Choice = fmt.Sprintf("%d of %d queries, those with judgements; %s",
				len(b.Set.Queries), len(b.Set.Queries)+b.Unjudged, every(len(s.Documents), "document", "documents"))
		}
		// An empty document cannot be indexed; judged ones count as not found.
		all := len(s.Documents)
		s.Documents = slices.DeleteFunc(s.Documents, func(d Document) bool { return text.Blank(d.Text) })
		if empty := all - len(s.Documents); empty > 0 {
			s.Choice += fmt.Sprintf(", %d of them empty and never found", empty)
		}
		return s, nil
	}
}

func plain(docs []labels.Document) []Document {
	out := make([]Document, len(docs))
	for i, d := range docs {
		out[i] = Document{ID: d.ID, Title: d.Title, Plain: true, Text: d.Text}
	}
	return out
}

// all says that s is everything there is.
func (s Set) all() string {
	return fmt.Sprintf("%s, %s", every(len(s.Queries.Queries), "query", "queries"), every(len(s.Documents), "document", "documents"))
}

func every(n int, one, several string) string {
	if n != 1 {
		return "all " + count(n, one, several)
	}
	return count(n, one, several)
}

func readChroma(dir string, _ bool) (Set, error) {
	dir = filepath.Join(dir, "chroma_chunking")
	c, err := convert.Chroma(dir)
	if err != nil {
		return Set{}, err
	}
	s := Set{Queries: c.Set}
	if s.Documents, err = readDocuments(filepath.Join(dir, "corpora"), "."); err != nil {
		return Set{}, err
	}
	s.Choice = s.all()
	return s, nil
}

// readLegal reads one benchmark over its own documents; most is how many of its
// queries, 0 all.
func readLegal(dir, name string, most int) (Set, error) {
	dir = filepath.Join(dir, "legalbenchrag")
	c, err := convert.LegalBench(filepath.Join(dir, "benchmarks", name+".json"), filepath.Join(dir, "corpus"))
	if err != nil {
		return Set{}, err
	}
	s := Set{Queries: c.Set}
	if s.Documents, err = readDocuments(filepath.Join(dir, "corpus"), name); err != nil {
		return Set{}, err
	}
	s.Choice = s.all()
	if all := len(s.Queries.Queries); most > 0 && most < all {
		s.Queries.Queries = sample(s.Queries.Queries, most)
		s.Choice = fmt.Sprintf("%d of %d queries, %s", most, all, every(len(s.Documents), "document", "documents"))
	}
	return s, nil
}

// readDocuments reads the files below root/sub, named by their paths below root,
// in the order of their names.
func readDocuments(root, sub string) ([]Document, error) {
	r, err := os.OpenRoot(root)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var docs []Document
	err = fs.WalkDir(r.FS(), sub, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := r.ReadFile(filepath.FromSlash(name))
		docs = append(docs, Document{ID: text.DocID(path.Clean(name)), Text: string(body)})
		return err
	})
	return docs, err
}

// readSquad reads whole articles with the spans of the answers.
func readSquad(dir string, limit bool) (Set, error) {
	dir = filepath.Join(dir, "squad_long")
	b, err := labels.ReadBEIR(dir, "test")
	if err != nil {
		return Set{}, err
	}
	spans, err := answerSpans(filepath.Join(dir, "queries.jsonl"))
	if err != nil {
		return Set{}, err
	}
	all := b.Set.Queries
	for i := range all {
		e, ok := spans[all[i].ID]
		if !ok {
			return Set{}, fmt.Errorf("read %s: query %q has no metadata.answer_span", dir, all[i].ID)
		}
		all[i].Evidence, all[i].Docs = []labels.Evidence{e}, nil
	}
	s := Set{Queries: b.Set, Documents: plain(b.Documents)}
	s.Choice = s.all()
	if !limit {
		return s, nil
	}
	var articles []text.DocID
	for _, q := range all {
		articles = append(articles, q.Evidence[0].Doc)
	}
	slices.Sort(articles)
	articles = slices.Compact(articles)
	among := len(articles)
	slices.SortFunc(articles, func(a, b text.DocID) int { return byDigest(string(a), string(b)) })
	articles = articles[:min(squadArticles, among)]
	s.Documents = slices.DeleteFunc(s.Documents, func(d Document) bool { return !slices.Contains(articles, d.ID) })
	of := slices.DeleteFunc(slices.Clone(all), func(q labels.Query) bool { return !slices.Contains(articles, q.Evidence[0].Doc) })
	s.Queries.Queries = sample(of, squadQueries)
	s.Choice = fmt.Sprintf("%d of %d queries about %d of the %d articles with queries", len(s.Queries.Queries), len(all), len(s.Documents), among)
	return s, nil
}

// answerSpans reads the spans of answers, by query.
func answerSpans(file string) (map[string]labels.Evidence, error) {
	body, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	out := map[string]labels.Evidence{}
	lines := bufio.NewScanner(bytes.NewReader(body))
	lines.Buffer(nil, len(body)+1)
	for n := 1; lines.Scan(); n++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var q struct {
			ID       string `json:"_id"`
			Metadata struct {
				Doc    text.DocID `json:"doc_id"`
				Span   []int      `json:"answer_span"`
				Answer string     `json:"answer"`
			} `json:"metadata"`
		}
		if err := json.Unmarshal(lines.Bytes(), &q); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, n, err)
		}
		if m := q.Metadata; len(m.Span) == 2 && m.Doc != "" {
			out[q.ID] = labels.Evidence{Doc: m.Doc, Span: text.RuneSpan{Start: m.Span[0], End: m.Span[1]}, Quote: m.Answer}
		}
	}
	return out, lines.Err()
}

// sample returns the n queries whose ids have the smallest digests, in the order
// of the file; all where there are not more.
func sample(queries []labels.Query, n int) []labels.Query {
	if len(queries) <= n {
		return queries
	}
	ids := make([]string, len(queries))
	for i, q := range queries {
		ids[i] = q.ID
	}
	slices.SortFunc(ids, byDigest)
	ids = ids[:n]
	return slices.DeleteFunc(slices.Clone(queries), func(q labels.Query) bool { return !slices.Contains(ids, q.ID) })
}

// byDigest orders ids by their SHA-256.
func byDigest(a, b string) int {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return bytes.Compare(x[:], y[:])
}
