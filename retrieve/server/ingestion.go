package server

import (
	"context"
	"errors"
	"fmt"
	"io"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/ragloop/ragloop/internal/text"
	ragloopv1 "github.com/ragloop/ragloop/proto/ragloop/v1"
)

// ingestion implements the service Ingestion.
type ingestion struct {
	ragloopv1.UnimplementedIngestionServer
	config Config
}

// ingester returns what takes the documents of the collection that a request
// names.
func (s *ingestion) ingester(ctx context.Context, collection string) (Ingester, error) {
	c, err := s.config.collection(ctx, collection)
	if err != nil {
		return nil, err
	}
	if c.Ingester == nil {
		return nil, fmt.Errorf("change collection %q: %w", c.Name, errReadOnly)
	}
	return c.Ingester, nil
}

// PutDocument ingests or removes one document.
func (s *ingestion) PutDocument(ctx context.Context, in *ragloopv1.PutDocumentRequest) (*ragloopv1.PutDocumentResponse, error) {
	doc, err := newDocument(in.Document)
	if err != nil {
		return nil, err
	}
	to, err := s.ingester(ctx, in.Collection)
	if err != nil {
		return nil, err
	}
	return put(ctx, to, doc)
}

func put(ctx context.Context, to Ingester, doc NewDocument) (*ragloopv1.PutDocumentResponse, error) {
	r, err := to.Put(ctx, doc)
	if err != nil {
		return nil, err
	}
	out := &ragloopv1.PutDocumentResponse{Outcome: putOutcomes[r.Outcome], Warnings: valid(r.Warnings)}
	if r.Record.Doc != "" {
		out.Document = document(r.Record)
	}
	return out, nil
}

// PutDocuments ingests or removes documents one after the other.
func (s *ingestion) PutDocuments(stream grpc.ClientStreamingServer[ragloopv1.PutDocumentsRequest, ragloopv1.PutDocumentsResponse]) error {
	ctx := stream.Context()
	out := &ragloopv1.PutDocumentsResponse{}
	var to Ingester
	collection, bytes := "", 0
	for goOn := true; goOn; {
		in, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return received{err}
		}
		if to == nil {
			collection = in.Collection
			if to, err = s.ingester(ctx, collection); err != nil {
				return err
			}
		}
		var response *ragloopv1.PutDocumentResponse
		// All results must fit into one response, with room for the last.
		if len(out.Results) >= maxStreamed || bytes > s.config.MaxResponseBytes/2 {
			err = fmt.Errorf("the stream is %w: it took %d documents; put this one and the next ones with another stream", errTooLarge, len(out.Results))
		} else {
			response, err = putNext(ctx, to, collection, in)
		}
		if ctx.Err() != nil {
			return errors.Join(ctx.Err(), err) // nobody waits for the results any more
		}
		result, ends := putResult(ctx, in, response, err)
		goOn = !ends
		bytes += proto.Size(result)
		out.Results = append(out.Results, result)
		if err != nil {
			out.Failed++
		} else {
			out.Succeeded++
		}
	}
	return stream.SendAndClose(out)
}

// putNext ingests one document of a stream into collection.
func putNext(ctx context.Context, to Ingester, collection string, in *ragloopv1.PutDocumentsRequest) (*ragloopv1.PutDocumentResponse, error) {
	if in.Collection != "" && in.Collection != collection {
		return nil, invalidRequest{{"collection", fmt.Sprintf("is %q, but this stream began with %q", in.Collection, collection)}}
	}
	doc, err := newDocument(in.Document)
	if err != nil {
		return nil, err
	}
	return put(ctx, to, doc)
}

// putResult reports on one document. ends says that err is not about the
// document: the ones after it would fare the same.
func putResult(ctx context.Context, in *ragloopv1.PutDocumentsRequest, response *ragloopv1.PutDocumentResponse, err error) (r *ragloopv1.PutDocumentResult, ends bool) {
	r = &ragloopv1.PutDocumentResult{Id: in.Document.GetId()}
	if err == nil {
		r.Result = &ragloopv1.PutDocumentResult_Response{Response: response}
		return r, false
	}
	st := statusOf(ctx, err)
	problem := &ragloopv1.DocumentError{Code: int32(st.Code()), Message: st.Message()}
	for _, detail := range st.Details() {
		if bad, ok := detail.(*errdetails.BadRequest); ok {
			for _, v := range bad.FieldViolations {
				problem.FieldViolations = append(problem.FieldViolations, &ragloopv1.FieldViolation{Field: v.Field, Description: v.Description})
			}
		}
	}
	if rejected := (*RejectedError)(nil); errors.As(err, &rejected) {
		problem.Reason = rejected.Reason
	}
	r.Result = &ragloopv1.PutDocumentResult_Error{Error: problem}
	return r, st.Code() != codes.InvalidArgument
}

// DeleteDocument removes a document.
func (s *ingestion) DeleteDocument(ctx context.Context, in *ragloopv1.DeleteDocumentRequest) (*ragloopv1.DeleteDocumentResponse, error) {
	var bad invalidRequest
	if checkID("id", in.Id, &bad); len(bad) > 0 {
		return nil, bad
	}
	from, err := s.ingester(ctx, in.Collection)
	if err != nil {
		return nil, err
	}
	existed, err := from.Delete(ctx, text.DocID(in.Id))
	if err != nil {
		return nil, err
	}
	return &ragloopv1.DeleteDocumentResponse{Existed: existed}, nil
}

// GetDocumentStatus returns a document's record.
func (s *ingestion) GetDocumentStatus(ctx context.Context, in *ragloopv1.GetDocumentStatusRequest) (*ragloopv1.GetDocumentStatusResponse, error) {
	var bad invalidRequest
	if checkID("id", in.Id, &bad); len(bad) > 0 {
		return nil, bad
	}
	c, err := s.config.collection(ctx, in.Collection)
	if err != nil {
		return nil, err
	}
	record, err := c.Documents.Record(ctx, text.DocID(in.Id))
	if err != nil {
		return nil, &missing{"ragloop.v1.Document", in.Id, err}
	}
	return &ragloopv1.GetDocumentStatusResponse{Document: document(record)}, nil
}

// ListDocuments returns one page of records.
func (s *ingestion) ListDocuments(ctx context.Context, in *ragloopv1.ListDocumentsRequest) (*ragloopv1.ListDocumentsResponse, error) {
	size := int(in.PageSize)
	if size < 0 || size > maxPageSize {
		return nil, invalidRequest{{"page_size", fmt.Sprintf("is %d, allowed are 0 (for %d) to %d", size, defaultPageSize, maxPageSize)}}
	}
	if size == 0 {
		size = defaultPageSize
	}
	c, err := s.config.collection(ctx, in.Collection)
	if err != nil {
		return nil, err
	}
	page, next, err := c.Documents.ListPage(ctx, in.PageToken, size)
	if err != nil {
		return nil, err
	}
	out := &ragloopv1.ListDocumentsResponse{NextPageToken: next}
	for _, r := range page {
		out.Documents = append(out.Documents, document(r))
	}
	return out, nil
}
