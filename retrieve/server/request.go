package server

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"google.golang.org/protobuf/reflect/protoreflect"

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
	maxLabels         = 100  // tags or metadata keys of a document
	maxACL            = 1000 // entries of its ACL
	maxLabelBytes     = 256
)

// check returns why d cannot stand for what a request leaves unset.
func (d Defaults) check() error {
	var bad invalidRequest
	bad.addAll(d.Search.Validate(), "search.")
	if len(d.Search.Filter.Docs)+len(d.Search.Filter.Tags)+len(d.Search.Filter.Meta) > 0 || !d.Search.Filter.Where.IsZero() {
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
	if o.Order != "" && !slices.Contains(pack.Orders(), o.Order) {
		bad.add("pack.order", "is %q, allowed are %s", o.Order, strings.Join(pack.Orders(), ", "))
	}
	if !(o.Diversity >= 0 && o.Diversity <= 1) {
		bad.add("pack.diversity", "is %v, allowed are 0 to 1", o.Diversity)
	}
}

func checkTokenizer(name string, bad *invalidRequest) {
	if tokens.Check(name) != nil {
		bad.add("tokenizer", "is %q, allowed are %s and %s", name, strings.Join(tokens.Encodings(), ", "), tokens.Bounds)
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
	if in.RerankWeight != nil {
		p.RerankWeight = *in.RerankWeight
		if p.Rerank == 0 {
			bad.add("search.rerank_weight", "is set, but nothing is reranked: search.rerank is 0, or the server has no reranker")
		}
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
	if in.IdfPower != nil {
		p.IDFPower = *in.IdfPower
	}
	if in.TitleBoost != nil {
		p.TitleBoost = *in.TitleBoost
	}
	if in.PhraseBoost != nil {
		p.PhraseBoost = *in.PhraseBoost
	}
	if in.Feedback != nil {
		p.Feedback = *in.Feedback
	}
	if in.Expand != "" {
		p.Expand = in.Expand
	}
	if in.RequireAll != nil {
		p.RequireAll = *in.RequireAll
	}
	for _, doc := range in.GetFilter().GetDocuments() {
		p.Filter.Docs = append(p.Filter.Docs, text.DocID(doc))
	}
	p.Filter.Tags = in.GetFilter().GetTags()
	p.Filter.Meta = in.GetFilter().GetMeta()
	p.Filter.Where = filterWhere("search.filter.where", in.GetFilter().GetWhere(), bad)
	return p
}

// neighbours returns how many chunks on either side of a ranked one in asks for:
// an option of packing that needs the index.
func (d Defaults) neighbours(in *ragloopv1.PackOptions, bad *invalidRequest) int {
	if in == nil || in.Neighbours == nil {
		return d.Search.Neighbours
	}
	n := int(*in.Neighbours)
	if n < 0 || n > retrieve.MaxNeighbours {
		bad.add("pack.neighbours", "is %d, allowed are 0 to %d", n, retrieve.MaxNeighbours)
		return 0
	}
	return n
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
	case ragloopv1.SegmentOrder_SEGMENT_ORDER_ENDS:
		o.Order = pack.ByEnds
	default:
		bad.add("pack.order", "is %d, allowed are SEGMENT_ORDER_RANK, SEGMENT_ORDER_DOCUMENT and SEGMENT_ORDER_ENDS", order)
	}
	if in != nil && in.Diversity != nil {
		o.Diversity = *in.Diversity
	}
	if in != nil && in.Template != nil {
		t, err := pack.BuiltinTemplate(*in.Template)
		if err != nil || *in.Template == "" {
			bad.add("pack.template", "is %q, allowed are %s, %s and %s", *in.Template, pack.Plain, pack.XML, pack.Markdown)
		}
		o.Template = t
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
	if in.Deleted {
		in.ProtoReflect().Range(func(field protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
			if name := field.Name(); name != "id" && name != "deleted" {
				bad.add("document."+string(name), "has no meaning beside deleted; a document that is gone has its id alone")
			}
			return true
		})
		return NewDocument{ID: text.DocID(in.Id), Deleted: true}, bad.sorted()
	}
	limit("uri", in.Uri, maxURIBytes)
	limit("media_type", in.MediaType, maxMediaTypeBytes)
	limit("title", in.Title, maxTitleBytes)
	if len(in.Content) == 0 {
		bad.add("document.content", "is empty")
	}
	labels := func(name string, values []string, most int) {
		if len(values) > most {
			bad.add("document."+name, "has %d values, allowed are %d", len(values), most)
		}
		seen := map[string]bool{}
		for i, v := range values {
			field := fmt.Sprintf("%s[%d]", name, i)
			if v == "" || seen[v] {
				bad.add("document."+field, "is %q, which is empty or was given before", v)
			}
			seen[v] = true
			limit(field, v, maxLabelBytes)
		}
	}
	labels("tags", in.Tags, maxLabels)
	labels("acl", in.Acl, maxACL)
	fields := newFields(in, &bad)
	return NewDocument{
		ID: text.DocID(in.Id), URI: in.Uri, MediaType: in.MediaType, Title: in.Title,
		Content: in.Content, Tags: in.Tags, ACL: in.Acl, Meta: fields,
	}, bad.sorted()
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
