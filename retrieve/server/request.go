package server

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/ragloop/ragloop/internal/text"
	"github.com/ragloop/ragloop/internal/tokens"
	ragloopv1 "github.com/ragloop/ragloop/proto/ragloop/v1"
	"github.com/ragloop/ragloop/retrieve"
	"github.com/ragloop/ragloop/retrieve/pack"
)

// Limits of requests, as the wire documentation states them.
const (
	maxBudgetTokens   = 1_000_000
	maxPerSource      = 1000
	maxPageSize       = 1000
	defaultPageSize   = 100
	maxStreamed       = 10_000 // documents of one PutDocuments
	maxIDBytes        = 1024
	maxTitleBytes     = 1024
	maxURIBytes       = 4096
	maxMediaTypeBytes = 256
	maxLabels         = 100 // tags or metadata keys of a document
	maxLabelBytes     = 256
	maxMetaValueBytes = 4096
)

// check returns why d cannot stand for what a request leaves unset.
func (d Defaults) check() error {
	var bad invalidRequest
	bad.addAll(d.Search.Validate(), "search.")
	if len(d.Search.Filter.Docs)+len(d.Search.Filter.Tags)+len(d.Search.Filter.Meta) > 0 {
		bad.add("search.filter", "is set, but a filter belongs to a request")
	}
	checkPack(d.Pack, &bad)
	checkTokenizer(d.Tokenizer, &bad)
	return bad.err()
}

func checkPack(o pack.Options, bad *invalidRequest) {
	if o.BudgetTokens < 1 || o.BudgetTokens > maxBudgetTokens {
		bad.add("budget_tokens", "is %d, allowed are 1 to %d", o.BudgetTokens, maxBudgetTokens)
	}
	if o.MaxPerSource < 0 || o.MaxPerSource > maxPerSource {
		bad.add("pack.max_segments_per_document", "is %d, allowed are 0 to %d", o.MaxPerSource, maxPerSource)
	}
	if o.Order != "" && o.Order != pack.ByRank && o.Order != pack.ByDocument {
		bad.add("pack.order", "is %q, allowed are %s and %s", o.Order, pack.ByRank, pack.ByDocument)
	}
}

func checkTokenizer(name string, bad *invalidRequest) {
	if !slices.Contains(tokens.Encodings(), name) {
		bad.add("tokenizer", "is %q, allowed are %s", name, strings.Join(tokens.Encodings(), " and "))
	}
}

// searchParams returns the parameters that in asks for.
func (d Defaults) searchParams(in *ragloopv1.SearchOptions, bad *invalidRequest) retrieve.Params {
	p := d.Search
	if in == nil {
		return p
	}
	if in.TopK != nil {
		p.TopK = int(*in.TopK)
	}
	if in.Candidates != nil {
		p.Candidates = int(*in.Candidates)
	} else {
		p.Candidates = max(p.Candidates, min(p.TopK, retrieve.MaxCandidates))
	}
	if in.Rerank != nil {
		p.Rerank = int(*in.Rerank)
	} else {
		p.Rerank = min(p.Rerank, max(p.Candidates, 0))
	}
	if in.Fusion != "" {
		f, err := retrieve.ParseFusion(in.Fusion)
		if err != nil {
			bad.addAll(err, "search.")
		} else {
			p.Fusion = f
		}
	}
	if in.DocumentPrior != nil {
		p.DocumentPrior = *in.DocumentPrior
	}
	if in.NeighbourSmoothing != nil {
		p.NeighbourSmoothing = *in.NeighbourSmoothing
	}
	if in.RequireAll != nil {
		p.RequireAll = *in.RequireAll
	}
	for _, doc := range in.GetFilter().GetDocuments() {
		p.Filter.Docs = append(p.Filter.Docs, text.DocID(doc))
	}
	p.Filter.Tags = in.GetFilter().GetTags()
	p.Filter.Meta = in.GetFilter().GetMeta()
	return p
}

// packOptions returns the options that in asks for.
func (d Defaults) packOptions(budget *int32, in *ragloopv1.PackOptions, bad *invalidRequest) pack.Options {
	o := d.Pack
	if budget != nil {
		o.BudgetTokens = int(*budget)
	}
	if in != nil && in.MaxSegmentsPerDocument != nil {
		o.MaxPerSource = int(*in.MaxSegmentsPerDocument)
	}
	switch order := in.GetOrder(); order {
	case ragloopv1.SegmentOrder_SEGMENT_ORDER_UNSPECIFIED:
	case ragloopv1.SegmentOrder_SEGMENT_ORDER_RANK:
		o.Order = pack.ByRank
	case ragloopv1.SegmentOrder_SEGMENT_ORDER_DOCUMENT:
		o.Order = pack.ByDocument
	default:
		bad.add("pack.order", "is %d, allowed are SEGMENT_ORDER_RANK and SEGMENT_ORDER_DOCUMENT", order)
	}
	o.NoTrim = o.NoTrim || in.GetNoTrim()
	checkPack(o, bad)
	return o
}

// newDocument returns the document of a request; fields are named below
// "document.".
func newDocument(in *ragloopv1.NewDocument) (NewDocument, error) {
	var bad invalidRequest
	if in == nil {
		bad.add("document", "is missing")
		return NewDocument{}, bad.err()
	}
	limit := func(field, value string, most int) {
		if len(value) > most {
			bad.add("document."+field, "has %d bytes, allowed are %d", len(value), most)
		}
	}
	checkID("document.id", in.Id, &bad)
	limit("uri", in.Uri, maxURIBytes)
	limit("media_type", in.MediaType, maxMediaTypeBytes)
	limit("title", in.Title, maxTitleBytes)
	if len(in.Content) == 0 {
		bad.add("document.content", "is empty")
	}
	if len(in.Tags) > maxLabels {
		bad.add("document.tags", "has %d values, allowed are %d", len(in.Tags), maxLabels)
	}
	seen := map[string]bool{}
	for i, tag := range in.Tags {
		field := fmt.Sprintf("tags[%d]", i)
		if tag == "" || seen[tag] {
			bad.add("document."+field, "is %q, which is empty or was given before", tag)
		}
		seen[tag] = true
		limit(field, tag, maxLabelBytes)
	}
	if len(in.Meta) > maxLabels {
		bad.add("document.meta", "has %d keys, allowed are %d", len(in.Meta), maxLabels)
	}
	for key, value := range in.Meta {
		if key == "" {
			bad.add("document.meta", "has an empty key")
		}
		limit("meta", key, maxLabelBytes)
		limit(fmt.Sprintf("meta[%q]", key), value, maxMetaValueBytes)
	}
	slices.SortFunc(bad, func(a, b violation) int {
		return cmp.Or(strings.Compare(a.field, b.field), strings.Compare(a.problem, b.problem))
	})
	return NewDocument{
		ID: text.DocID(in.Id), URI: in.Uri, MediaType: in.MediaType, Title: in.Title,
		Content: in.Content, Tags: in.Tags, Meta: in.Meta,
	}, bad.err()
}

func checkID(field, id string, bad *invalidRequest) {
	switch {
	case id == "":
		bad.add(field, "is empty")
	case len(id) > maxIDBytes:
		bad.add(field, "has %d bytes, allowed are %d", len(id), maxIDBytes)
	case strings.ContainsFunc(id, unicode.IsControl):
		bad.add(field, "is %q, control characters are not allowed", id)
	}
}
