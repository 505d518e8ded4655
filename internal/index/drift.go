package index

import (
	"cmp"
	"slices"
	"strings"

	"github.com/ragloop/ragloop/internal/text"
)

// DriftKind says in which way something stored is not as it should be.
type DriftKind string

const (
	// Of the collections.

	DriftSchema DriftKind = "schema"        // vectors of another size, distance or modifier than the recipe's
	DriftIndex  DriftKind = "payload-index" // an index of a payload key is missing, or of another type

	// Of records.

	DriftRecordUnreadable DriftKind = "record-unreadable" // a key is missing or of another type, or it names a document that it is not about
	DriftRecordID         DriftKind = "record-id"         // stored under an id that its document does not have
	DriftRecordAltered    DriftKind = "record-altered"    // not what its checksum was made of
	DriftRecordCount      DriftKind = "record-count"      // names other totals than its chunks have
	DriftText             DriftKind = "text"              // the chunks do not make up the text that was extracted
	DriftMarked           DriftKind = "marked"            // an earlier Mend left it to the next ingestion

	// Of chunks.

	DriftMissing    DriftKind = "chunk-missing"    // named by a record and not stored
	DriftOrphan     DriftKind = "chunk-orphan"     // of a document without a record, or beyond its record's count
	DriftStale      DriftKind = "chunk-stale"      // of another revision than its record's
	DriftChunkID    DriftKind = "chunk-id"         // stored under an id that it does not have
	DriftUnreadable DriftKind = "chunk-unreadable" // a key is missing or of another type
	DriftAltered    DriftKind = "chunk-altered"    // not what its checksum or its id was made of
	DriftLabels     DriftKind = "chunk-labels"     // other tags, metadata or the like than its record's
	DriftTokens     DriftKind = "chunk-tokens"     // another number than its text has
	DriftSparse     DriftKind = "sparse"           // the lexical vector is not that of its text
	DriftDense      DriftKind = "dense"            // the dense vector is not that of its text
	DriftRefused    DriftKind = "dense-refused"    // the embedder refuses its text: nobody can tell whether the dense vector is right
)

// Remedy is what mends a Drift.
type Remedy string

const (
	Recreate Remedy = "recreate" // Mend creates what is missing
	Remove   Remedy = "remove"   // Mend deletes a point that nobody needs
	Rewrite  Remedy = "rewrite"  // Mend makes it again from what is stored
	Reingest Remedy = "reingest" // only the source has it: Mend marks the document for the next ingestion
	Rebuild  Remedy = "rebuild"  // only a new generation helps: Mend does nothing
	Unknown  Remedy = "unknown"  // nothing that this program does helps: Mend does nothing
)

// Drift is one thing that is stored otherwise than it should be.
type Drift struct {
	Kind    DriftKind
	Doc     text.DocID // "" where it is not known or none
	Ordinal int        // of the chunk; -1: unknown, or not about a chunk
	Point   string     // id of the point that is wrong or missing; "" for DriftSchema and DriftIndex
	Detail  string     // for people
	Remedy  Remedy

	discard bool // the point is of no use, whatever the remedy
}

// Report is what a Verify found.
type Report struct {
	Documents int // records that could be read, those of failed documents included
	Indexed   int // of Documents: those that have chunks
	Chunks    int // chunk points whose id and revision were compared
	Foreign   int // chunk points of other tenants, which were not looked at

	Read     int // chunks whose text, labels, tokens and lexical vector were compared
	Unsealed int // of Read: those of an older version, without checksum and index prefix
	Untexted int // indexed documents of an older version, whose text has no hash to compare with
	Embedded int // of Read: those whose dense vector was compared
	Texts    int // documents whose text was rebuilt and compared with its hash

	// Changed are documents that were written to meanwhile: they were not judged.
	Changed []text.DocID

	// Drift is sorted by kind, document, ordinal and point.
	Drift []Drift
}

// Damaged returns the documents that only their source can mend, sorted.
func (r Report) Damaged() []text.DocID {
	var out []text.DocID
	for _, d := range r.Drift {
		if d.Remedy == Reingest && d.Doc != "" {
			out = append(out, d.Doc)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func compareDrift(a, b Drift) int {
	return cmp.Or(strings.Compare(string(a.Kind), string(b.Kind)), strings.Compare(string(a.Doc), string(b.Doc)),
		a.Ordinal-b.Ordinal, strings.Compare(a.Point, b.Point), strings.Compare(a.Detail, b.Detail))
}
