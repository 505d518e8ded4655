// Package demo holds the demonstration corpus and its labelled query set, both
// embedded in the binary, so that everything can be tried and measured without
// a network and without anybody's documents.
//
// It is data with two accessors, not a benchmark: a good figure on it says that
// the loop works, not that a setting is right for other documents.
//
// # The organisation
//
// Quillmere Thermal does not exist. It makes valves, heat meters (Pipit), heat
// interface units (Brindle) and their controllers (Lantern), runs district
// heating networks in the invented towns of Harnsted, Oskerby and Lindmouth,
// and sells a monitoring platform (Tidewater). Its documents are policies,
// manuals, data sheets, tariffs, incident reports, changelogs, price lists and
// pages of its intranet: Markdown, HTML, PDF, DOCX, plain text, CSV and JSON
// Lines. Sources of the PDF and DOCX files are in the folder source.
//
// # What is hard on purpose
//
//   - Policies, tariffs, warranties and circulars that differ from a sibling in
//     region or year only, and in a few numbers.
//   - Part numbers one letter apart (VX-4410-B, VX-4410-D), and codes that mean
//     something else on an older model (E-17, F17).
//   - Facts in table rows, in every format that has tables; one PDF is set in
//     two columns.
//   - Long documents in which a single sentence matters.
//   - Changelogs, bulletins and newsletters that supersede what is said elsewhere.
//   - Facts spread over two or three documents, and abbreviations that are
//     spelled out in the glossary alone.
//   - Questions in other words than the text, with a few typing errors.
//   - Questions that look answerable and are not: a region, year, part or plan
//     that no document covers.
package demo

import (
	"embed"
	"fmt"
	"io/fs"
)

//go:embed corpus
var files embed.FS

//go:embed queries.jsonl
var queries []byte

// Corpus returns the documents. Paths, such as "policies/travel-eu-2025.md",
// are the DocIDs that the query set uses. The file system is read-only and may
// be used concurrently.
func Corpus() fs.FS {
	corpus, err := fs.Sub(files, "corpus")
	if err != nil {
		panic(fmt.Sprintf("open the embedded corpus: %v", err)) // unreachable: the name is a valid constant
	}
	return corpus
}

// Queries returns the labelled query set as JSON Lines: questions with evidence
// spans in code points, graded documents and reference answers, or marked as not
// answerable from the corpus. The caller owns the returned bytes.
func Queries() []byte { return append([]byte(nil), queries...) }
