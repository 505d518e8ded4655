package evalret

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"

	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
	"github.com/ragloop/ragloop/retrieve/pack"
)

// Provenance is what an evaluation can't see for itself. Every part may be
// empty: unknown.
type Provenance struct {
	Corpus   string // CorpusFingerprint of the records
	Recipe   string // index.Recipe.Fingerprint
	Code     string // version of the program
	Reranker string // fingerprint of what reranks; needed where a setting does
	Expander string // fingerprint of what expands queries; needed where a setting does
}

// Fingerprints name everything that decides a run's numbers. Runs may be
// compared only where Corpus and QuerySet are equal.
type Fingerprints struct {
	Corpus    string `json:"corpus"`
	Recipe    string `json:"recipe"`
	Retrieval string `json:"retrieval"` // of the run's Parameters
	QuerySet  string `json:"query_set"`
	Code      string `json:"code"`
	Seed      uint64 `json:"seed"`
}

// Parameters are the retrieval and packing parameters of a run as files show
// them.
type Parameters struct {
	Fusion             string  `json:"fusion"`
	TopK               int     `json:"top_k"`
	Candidates         int     `json:"candidates"`
	DocumentPrior      float64 `json:"document_prior"`
	NeighbourSmoothing float64 `json:"neighbour_smoothing"`
	IDFPower           float64 `json:"idf_power,omitempty"`
	TitleBoost         float64 `json:"title_boost,omitempty"`
	PhraseBoost        float64 `json:"phrase_boost,omitempty"`
	Feedback           float64 `json:"feedback,omitempty"`
	Expand             *Expand `json:"expand,omitempty"` // nil: off
	Neighbours         int     `json:"neighbours,omitempty"`
	Rerank             *Rerank `json:"rerank,omitempty"` // nil: off
	Filter             *Filter `json:"filter,omitempty"`
	Order              string  `json:"order"`
	MaxPerSource       int     `json:"max_per_source"`
	Trim               bool    `json:"trim"`
	Diversity          float64 `json:"diversity,omitempty"`
	Template           string  `json:"template,omitempty"` // fingerprint; "": plain
	Tokenizer          string  `json:"tokenizer,omitempty"`
}

// Expand is the expansion of queries as files show it.
type Expand struct {
	Method   string `json:"method"`   // retrieve.MultiQuery or retrieve.HyDE
	Expander string `json:"expander"` // fingerprint
}

// Rerank is the rerank stage as files show it.
type Rerank struct {
	Depth    int    `json:"depth"`
	Reranker string `json:"reranker"` // fingerprint
	// Weight is that of the reranker's scores against those before, in (0, 1);
	// 0: the reranker's order alone.
	Weight float64 `json:"weight,omitempty"`
}

// Filter is a retrieval filter as files show it.
type Filter struct {
	Docs  []text.DocID      `json:"docs,omitempty"`
	Tags  []string          `json:"tags,omitempty"`
	Meta  map[string]string `json:"meta,omitempty"`
	Where string            `json:"where,omitempty"` // in its canonical form
}

func parameters(s Setting, tokenizer string, from Provenance) Parameters {
	p := Parameters{
		Fusion: s.Params.Fusion.String(), TopK: s.Params.TopK, Candidates: s.Params.Candidates,
		DocumentPrior: s.Params.DocumentPrior, NeighbourSmoothing: s.Params.NeighbourSmoothing, Neighbours: s.Params.Neighbours,
		IDFPower: s.Params.IDFPower, TitleBoost: s.Params.TitleBoost, PhraseBoost: s.Params.PhraseBoost, Feedback: s.Params.Feedback,
		Order: s.Pack.Order, MaxPerSource: s.Pack.MaxPerSource, Trim: !s.Pack.NoTrim, Tokenizer: tokenizer,
		Diversity: s.Pack.Diversity, Template: s.Pack.Template.Fingerprint(),
	}
	if p.Order == "" {
		p.Order = pack.ByRank
	}
	if s.Params.Rerank > 0 {
		p.Rerank = &Rerank{Depth: s.Params.Rerank, Reranker: from.Reranker}
		if w := s.Params.RerankWeight; w < 1 {
			p.Rerank.Weight = w
		}
	}
	if s.Params.Expands() {
		p.Expand = &Expand{Method: s.Params.Expand, Expander: from.Expander}
	}
	if f := s.Params.Filter; len(f.Docs)+len(f.Tags)+len(f.Meta) > 0 || !f.Where.IsZero() {
		p.Filter = &Filter{Docs: f.Docs, Tags: f.Tags, Meta: f.Meta, Where: f.Where.String()}
	}
	return p
}

// fingerprint returns the first 16 hex digits of the SHA-256 of p's JSON,
// whose keys have a fixed order.
func (p Parameters) fingerprint() string {
	b, err := json.Marshal(p)
	if err != nil {
		return "" // unreachable: validated parameters are finite
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// CorpusFingerprint returns the first 16 hex digits of the SHA-256 over the id
// and revision of every indexed document, ordered by id. Documents that failed
// to be ingested have no part in it.
func CorpusFingerprint(records iter.Seq2[index.Record, error]) (string, error) {
	revisions := map[text.DocID]string{}
	for r, err := range records {
		if err != nil {
			return "", fmt.Errorf("fingerprint corpus: %w", err)
		}
		if r.State == index.Indexed {
			revisions[r.Doc] = r.Rev
		}
	}
	h := sha256.New()
	for _, doc := range slices.Sorted(maps.Keys(revisions)) {
		// Lengths keep neighbouring values apart.
		fmt.Fprintf(h, "%d:", len(doc))
		io.WriteString(h, string(doc))
		fmt.Fprintf(h, "%d:", len(revisions[doc]))
		io.WriteString(h, revisions[doc])
	}
	return hex.EncodeToString(h.Sum(nil)[:8]), nil
}
