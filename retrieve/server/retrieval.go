package server

import (
	"context"
	"fmt"
	"sync"
	"unicode/utf8"

	"github.com/ragloop/ragloop/internal/text"
	"github.com/ragloop/ragloop/internal/tokens"
	ragloopv1 "github.com/ragloop/ragloop/proto/ragloop/v1"
	"github.com/ragloop/ragloop/retrieve"
	"github.com/ragloop/ragloop/retrieve/pack"
)

// retrieval implements the service Retrieval.
type retrieval struct {
	ragloopv1.UnimplementedRetrievalServer
	config  Config
	giveWay func() // called between two parts of the work of a call
	counts  *pack.Counts
	chunks  sync.Pool // of *[]pack.Chunk: memory for what is packed
}

// collection finds the collection that a request names.
func (c Config) collection(ctx context.Context, name string) (Collection, error) {
	found, err := c.Collections.Collection(ctx, name)
	if err != nil {
		return Collection{}, &missing{"ragloop.v1.Collection", name, err}
	}
	return found, nil
}

// Retrieve searches and packs.
func (s *retrieval) Retrieve(ctx context.Context, in *ragloopv1.RetrieveRequest) (*ragloopv1.RetrieveResponse, error) {
	var bad invalidRequest
	d := s.config.Defaults
	params := d.searchParams(in.Search, &bad)
	params.Neighbours = d.neighbours(in.Pack, &bad)
	bad.addAll(retrieve.Check(in.Query, params), "search.")
	turns := s.config.turns(in.History, &bad)
	options := d.packOptions(in.BudgetTokens, in.Pack, &bad)
	tokenizer := d.Tokenizer
	if in.Tokenizer != "" {
		tokenizer = in.Tokenizer
		checkTokenizer(tokenizer, &bad)
	}
	if err := bad.err(); err != nil {
		return nil, err
	}
	counter, err := tokens.New(tokenizer)
	if err != nil {
		return nil, err
	}
	c, err := s.config.collection(ctx, in.Collection)
	if err != nil {
		return nil, err
	}
	rewritten, err := s.config.rewrite(ctx, turns, in.Query, params)
	if err != nil {
		return nil, err
	}
	found, err := c.Searcher.Search(ctx, rewritten.query, params)
	if err != nil {
		return nil, err
	}
	rewritten.into(&found)
	s.giveWay()
	begin := s.config.Now()
	options.Relevance = found.Relevance
	packed, err := s.pack(found.Chunks, s.counts.Of(tokenizer, counter), options)
	if err != nil {
		return nil, err
	}
	found.Stages = append(found.Stages, retrieve.Stage{Name: "pack", Elapsed: s.config.Now().Sub(begin), Begin: begin})
	out := &ragloopv1.RetrieveResponse{
		Context:       packed.Text,
		ContextTokens: count(packed.Tokens),
		BudgetTokens:  count(options.BudgetTokens),
		Segments:      segments(packed.Segments, found.Chunks),
		Dropped:       dropped(packed.Dropped, found.Chunks),
		RetrievalId:   s.config.NewID(),
		Provenance:    provenance(c, params),
		Tokenizer:     tokenizer,
		Degraded:      valid(found.Degraded),
		Stages:        stages(found.Stages),
		Warnings:      valid(found.Warnings),
		Query:         rewritten.query,
	}
	s.config.answered(ctx, out.RetrievalId, c, found, &packed, options.BudgetTokens)
	if in.Explain {
		explain(out, found, found.All(), packed, params)
	}
	return out, nil
}

// maxPackable is for how many chunks memory is used again: 100 KB.
const maxPackable = 400

// pack packs what was found. The chunks made for that are made in memory that is used
// again, as the packer keeps nothing of it.
func (s *retrieval) pack(ranked []retrieve.Ranked, counter pack.Counter, o pack.Options) (pack.Context, error) {
	memory, ok := s.chunks.Get().(*[]pack.Chunk)
	if !ok {
		memory = new([]pack.Chunk)
	}
	chunks := retrieve.AppendPackable(*memory, ranked)
	packed, err := pack.Pack(chunks, counter, o)
	if len(chunks) <= maxPackable {
		clear(chunks)
		*memory = chunks[:0]
		s.chunks.Put(memory)
	}
	return packed, err
}

// Search returns ranked chunks.
func (s *retrieval) Search(ctx context.Context, in *ragloopv1.SearchRequest) (*ragloopv1.SearchResponse, error) {
	var bad invalidRequest
	params := s.config.Defaults.searchParams(in.Search, &bad)
	params.Neighbours = 0 // they are for the packer
	bad.addAll(retrieve.Check(in.Query, params), "search.")
	turns := s.config.turns(in.History, &bad)
	if err := bad.err(); err != nil {
		return nil, err
	}
	c, err := s.config.collection(ctx, in.Collection)
	if err != nil {
		return nil, err
	}
	rewritten, err := s.config.rewrite(ctx, turns, in.Query, params)
	if err != nil {
		return nil, err
	}
	found, err := c.Searcher.Search(ctx, rewritten.query, params)
	if err != nil {
		return nil, err
	}
	rewritten.into(&found)
	out := &ragloopv1.SearchResponse{
		RetrievalId: s.config.NewID(),
		Provenance:  provenance(c, params),
		Degraded:    valid(found.Degraded),
		Stages:      stages(found.Stages),
		Warnings:    valid(found.Warnings),
		Query:       rewritten.query,
	}
	s.config.answered(ctx, out.RetrievalId, c, found, nil, 0)
	for _, r := range found.Chunks {
		out.Chunks = append(out.Chunks, chunk(r))
	}
	return out, nil
}

// GetDocument returns a document's text.
func (s *retrieval) GetDocument(ctx context.Context, in *ragloopv1.GetDocumentRequest) (*ragloopv1.GetDocumentResponse, error) {
	var bad invalidRequest
	checkID("id", in.Id, &bad)
	if sp := in.Span; sp != nil && (sp.Start < 0 || sp.End < sp.Start) {
		bad.add("span", "is [%d, %d), allowed are 0 <= start <= end", sp.Start, sp.End)
	}
	if err := bad.err(); err != nil {
		return nil, err
	}
	c, err := s.config.collection(ctx, in.Collection)
	if err != nil {
		return nil, err
	}
	body, record, err := c.Documents.Text(ctx, text.DocID(in.Id))
	if err != nil {
		return nil, &missing{"ragloop.v1.Document", in.Id, err}
	}
	where := text.RuneSpan{End: utf8.RuneCountInString(body)}
	if in.Span != nil {
		where = text.RuneSpan{Start: int(in.Span.Start), End: int(in.Span.End)}
		if body, err = text.Slice(body, where); err != nil {
			return nil, fmt.Errorf("get document %q: %w", in.Id, err)
		}
	}
	// What a document has beside its text is bounded at ingestion.
	if most := s.config.MaxResponseBytes / 2; len(body) > most {
		return nil, fmt.Errorf("get document %q: the text asked for is %w: it has %d bytes, allowed are %d; ask for spans of it",
			in.Id, errTooLarge, len(body), most)
	}
	return &ragloopv1.GetDocumentResponse{Document: document(record), Text: body, Span: span(where)}, nil
}
