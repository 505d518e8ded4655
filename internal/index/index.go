// Package index is the only user of Qdrant's client: it stores chunks and
// document records, keeps generations apart and answers the two retrieval legs.
//
// It is not a retriever (no fusion, no ranking across legs) and not an ingester
// (no extraction, no embedding): it takes finished vectors and returns scores.
//
// # Nouns
//
// A [Generation] is one immutable build of an index, described by its [Recipe].
// A [Point] is a [Chunk] with its vectors. A [Record] is the truth about a
// document: a chunk whose revision is not its record's is invisible.
//
// # Stored layout (schema 1)
//
// Generation N of the collection docs is two Qdrant collections:
//
//	docs__gN        chunks; vectors "dense" (Cosine) and sparse "bm25" (modifier IDF)
//	docs__gN_docs   records; no vectors
//
// and the one being served is named by the alias docs. The metadata of docs__gN
// holds schema_version (integer), recipe (the JSON of [Recipe]), fingerprint,
// collection and generation. The collection with the metadata is created last:
// a records collection without it is the left-over of an interrupted Create or
// Drop and is nothing but garbage.
//
// Payload of a chunk, id UUIDv5(tenant, doc, revision, recipe fingerprint, ordinal):
//
//	tenant      keyword, indexed as tenant
//	doc, rev    keyword, indexed
//	ord         integer: position in the document, from 0
//	start, end  integer: code points of the document's text
//	text        keyword: the text, never with the index prefix
//	gap         keyword: white space up to the next chunk
//	heading     keywords: heading path, outermost first
//	page_start, page_end, tokens   integer
//	parent_first, parent_last      integer: ordinals of the parent's chunks, if it has several
//	prefix      keyword: the index prefix, with which the text was indexed
//	sum         keyword: checksum of all above but tokens, 16 hex digits
//	tags, acl   keywords, indexed
//	meta        object of keywords, numbers, booleans, times and lists of keywords;
//	            indexed are the keys of Options.Filterable
//	modified    time, indexed
//	media_type  keyword, indexed
//
// Payload of a record, id UUIDv5(tenant, doc): tenant (indexed), doc, rev, uri,
// media_type, title, content_sha256, text_sha256, input_sha256, chunk_count,
// tokens, bytes, pages, ingested_at (RFC 3339), state, error, reason,
// failed_sha256, damage, unsituated, tags, meta, acl, modified, sum (checksum of
// all). Empty values are left out. What versions before checksums stored has none, and no
// prefix. Times are text in RFC 3339, in UTC, to the microsecond, which is what
// the server compares; a string of metadata in exactly that form is a time.
//
// # Writers
//
// A document is committed in three steps: its chunks, its record (the switch),
// then removal of its other chunks. A crash between two steps leaves invisible
// chunks behind, never a mixture; [Generation.Repair] removes them. Writes to
// one generation through one [Client] take turns. Two processes that write the
// same document at the same time are not coordinated: the loser's chunks may
// be missing until the document is stored again, which Repair reports.
// [Generation.Verify] compares everything that is stored, down to the vectors;
// [Generation.Mend] acts on its report.
package index

import (
	"errors"
	"time"

	"github.com/ragloop/ragloop/internal/filter"
	"github.com/ragloop/ragloop/internal/lexical"
	"github.com/ragloop/ragloop/internal/meta"
	"github.com/ragloop/ragloop/internal/text"
)

var (
	// ErrNoCollection: no generation is served under this name.
	ErrNoCollection = errors.New("no such collection")
	// ErrNoDocument: no record for this document.
	ErrNoDocument = errors.New("no such document")
	// ErrRecipe: the collection was built with another recipe (for example another embedder).
	ErrRecipe = errors.New("collection was built with another recipe")
	// ErrPageToken: a page token that ListPage did not hand out.
	ErrPageToken = errors.New("not a page token of this list")
	// ErrInvalid: a request that can never succeed: a bad name, vector, filter or limit.
	ErrInvalid = errors.New("invalid request")
	// ErrChanged: another writer got ahead; doing the whole again succeeds.
	ErrChanged = errors.New("document was changed meanwhile")
	// ErrUnavailable: the server could not be reached, or had too much to do, for
	// as long as a call is repeated; the same may succeed later.
	ErrUnavailable = errors.New("index unavailable")
	// ErrDamaged: what is stored contradicts itself; [Generation.Verify] says where.
	ErrDamaged = errors.New("stored data is damaged")
)

// ChunkID is a point id: a lower-case hyphenated UUIDv5.
type ChunkID string

// Chunk is a stored chunk. Span is in code points of the document's text.
type Chunk struct {
	ID                 ChunkID
	Doc                text.DocID
	Rev                string
	Ordinal            int
	Span               text.RuneSpan
	Text               string
	Gap                string // white space up to the next chunk
	Heading            []string
	PageStart, PageEnd int // 1-based; 0: no pages
	Tokens             int // of Text, in the recipe's tokenizer
	// ParentFirst and ParentLast are the ordinals of the first and the last chunk
	// of the parent, which is delivered where this chunk is found; both 0: it is
	// its own. [Generation.Parents] reads them.
	ParentFirst, ParentLast int

	// Copies of what the document's record holds, for filters. Put fills them in.
	Tags      []string
	Meta      meta.Fields
	ACL       []string
	Modified  time.Time
	MediaType string
}

// Point is a chunk with its vectors, ready to be stored.
type Point struct {
	Chunk  Chunk
	Dense  []float32      // Recipe.Embedder.Dimension finite numbers, not all zero
	Sparse lexical.Vector // without indices: the chunk has no terms and only the dense leg finds it
	Prefix string         // the index prefix: both vectors are of Prefix + Chunk.Text
}

// State of a document.
type State string

const (
	Indexed     State = "indexed"     // findable
	Failed      State = "failed"      // Error says why; no chunks
	Quarantined State = "quarantined" // as Failed, and Reason says that it would fail again
)

func (s State) known() bool { return s == Indexed || s == Failed || s == Quarantined }

// Record is the truth about a document: chunks whose Rev differs are invisible.
type Record struct {
	Doc           text.DocID
	Rev           string // "" where State is not Indexed
	URI           string
	MediaType     string
	Title         string
	ContentSHA256 string // of the source bytes, hex
	TextSHA256    string // of the extracted text, hex; "" where an older version stored the chunks, which have no checksums then
	InputSHA256   string // of everything the source gave: bytes, name, media type, title, tags, ...; hex
	ChunkCount    int
	Tokens        int // sum over chunks
	Bytes         int // of the extracted text
	Pages         int
	IngestedAt    time.Time
	State         State
	Error         string // with Indexed: why a newer version could not be ingested; the stored one is older
	Reason        string // the code of a failure that lies in the document; "" where nothing failed, or something else
	FailedSHA256  string // what InputSHA256 would be of the input that Reason is about; hex
	Damage        string // what [Generation.Mend] could not mend without the source; the next ingestion stores it again
	Unsituated    int    // chunks without the line that Recipe.Chunker.Context is about, as the model had no usable answer; the next ingestion asks again
	Tags          []string
	Meta          meta.Fields
	ACL           []string  // who may see it, in the names of whoever asks; a filter can name them, nothing here enforces them
	Modified      time.Time // of the document, as its source says; zero: unknown
}

// Filter restricts retrieval. All given conditions must hold; the zero value lets everything pass.
type Filter struct {
	Docs  []text.DocID      // any of these documents
	Tags  []string          // any of these tags
	Meta  map[string]string // each key is that string
	Where filter.Expr       // zero: no condition
}

// Candidate is a chunk returned by at least one leg, with both exact scores
// ("completed"): a leg that did not return it was asked for its score. A
// lexical score of 0 means that no term is shared.
type Candidate struct {
	Chunk                  *Chunk // shared: nobody may change it
	Dense, Lexical         float64
	DenseRank, LexicalRank int // 1-based rank in the leg's own result; 0: the leg did not return it
}

// Legs is the result of both legs over one query: the union of their hits,
// ordered by chunk id.
type Legs struct {
	Candidates []Candidate
}

// Search describes one two-leg search.
type Search struct {
	Dense  []float32      // nil: no dense leg
	Sparse lexical.Vector // no indices: no lexical leg
	Limit  int            // per leg, 1..1000
	Filter Filter
}
