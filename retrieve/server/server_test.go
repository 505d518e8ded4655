package server

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/meta"
	"github.com/ragloop/ragloop/internal/text"
	ragloopv1 "github.com/ragloop/ragloop/proto/ragloop/v1"
	"github.com/ragloop/ragloop/retrieve"
)

// fake is a collection whose methods are set by a test.
type fake struct {
	search func(ctx context.Context, query string, p retrieve.Params) (retrieve.Result, error)
	put    func(ctx context.Context, d NewDocument) (PutResult, error)
	err    error // of everything else
}

func (f fake) Search(ctx context.Context, query string, p retrieve.Params) (retrieve.Result, error) {
	if f.search == nil {
		return retrieve.Result{}, f.err
	}
	return f.search(ctx, query, p)
}
func (f fake) Put(ctx context.Context, d NewDocument) (PutResult, error) {
	if f.put == nil {
		return PutResult{}, f.err
	}
	return f.put(ctx, d)
}
func (f fake) Delete(context.Context, text.DocID) (bool, error) { return false, f.err }
func (f fake) Record(context.Context, text.DocID) (index.Record, error) {
	return index.Record{}, f.err
}
func (f fake) Text(context.Context, text.DocID) (string, index.Record, error) {
	return strings.Repeat("x", 2000), index.Record{}, f.err
}
func (f fake) ListPage(context.Context, string, int) ([]index.Record, string, error) {
	return nil, "", f.err
}

func (f fake) collection() Collection {
	return Collection{Name: "docs", Generation: 1, Searcher: f, Documents: f, Ingester: f}
}

var retrieveRequest = &ragloopv1.RetrieveRequest{Query: "q"}

// problems returns the BadRequest of err, one line per field.
func problems(err error) (out []string) {
	for _, d := range status.Convert(err).Details() {
		if bad, ok := d.(*errdetails.BadRequest); ok {
			for _, v := range bad.FieldViolations {
				out = append(out, v.Field+": "+v.Description)
			}
		}
	}
	return out
}

func TestInvalidRequests(t *testing.T) {
	c := serve(t, realCollection(t), nil)
	ctx := t.Context()
	retrieve := func(in *ragloopv1.RetrieveRequest) func() error {
		return func() error { _, err := c.Retrieve(ctx, in); return err }
	}
	put := func(mutate func(*ragloopv1.NewDocument)) func() error {
		d := &ragloopv1.NewDocument{Id: "a", Content: []byte("x")}
		mutate(d)
		return func() error {
			_, err := c.PutDocument(ctx, &ragloopv1.PutDocumentRequest{Document: d})
			return err
		}
	}
	for _, tc := range []struct {
		name string
		call func() error
		want []string
	}{
		{"everything at once", retrieve(&ragloopv1.RetrieveRequest{
			Query: " ", BudgetTokens: new(int32(0)), Tokenizer: "gpt2", Pack: &ragloopv1.PackOptions{Order: 9, MaxSegmentsPerDocument: new(int32(-1)), Template: new("html"), Diversity: new(1.5), Neighbours: new(int32(5))},
			Search: &ragloopv1.SearchOptions{TopK: new(int32(0)), Fusion: "best", DocumentPrior: new(-1.0), NeighbourSmoothing: new(99.0), Filter: &ragloopv1.Filter{Tags: []string{""}}},
		}), []string{
			`search.fusion: is "best", allowed are zscore(w=0.6), minmax(w=0.5), dbsf, rrf(k=60,w=0.5), dense or lexical`,
			"pack.neighbours: is 5, allowed are 0 to 4",
			"query: is blank",
			"search.top_k: is 0, allowed are 1 to 1000",
			"search.document_prior: is -1, allowed are 0 to 10",
			"search.neighbour_smoothing: is 99, allowed are 0 to 10",
			"search.filter.tags: has an empty tag",
			"pack.order: is 9, allowed are SEGMENT_ORDER_RANK, SEGMENT_ORDER_DOCUMENT and SEGMENT_ORDER_ENDS",
			`pack.template: is "html", allowed are plain, xml and markdown`,
			"budget_tokens: is 0, allowed are 1 to 1000000",
			"pack.max_segments_per_document: is -1, allowed are 0 to 1000",
			"pack.diversity: is 1.5, allowed are 0 to 1",
			`tokenizer: is "gpt2", allowed are cl100k_base, o200k_base, p50k_base, p50k_edit, r50k_base and bytes/1 to bytes/8`,
		}},
		{"top_k above", retrieve(&ragloopv1.RetrieveRequest{Query: "q", Search: &ragloopv1.SearchOptions{TopK: new(int32(1001))}}),
			[]string{"search.top_k: is 1001, allowed are 1 to 1000"}},
		{"candidates below top_k", retrieve(&ragloopv1.RetrieveRequest{Query: "q", Search: &ragloopv1.SearchOptions{Candidates: new(int32(5))}}),
			[]string{"search.candidates: is 5, allowed are 50 (top_k) to 1000"}},
		{"budget of no segment", retrieve(&ragloopv1.RetrieveRequest{Query: question, BudgetTokens: new(int32(3))}),
			[]string{"budget_tokens: pack: token budget too small: the budget is 3 tokens, needed are at least 10"}},
		{"search", func() error { _, err := c.Search(ctx, &ragloopv1.SearchRequest{}); return err }, []string{"query: is blank"}},
		{"get without id", func() error { _, err := c.GetDocument(ctx, &ragloopv1.GetDocumentRequest{}); return err }, []string{"id: is empty"}},
		{"get a span that ends first", func() error {
			_, err := c.GetDocument(ctx, &ragloopv1.GetDocumentRequest{Id: "a", Span: &ragloopv1.Span{Start: 2, End: 1}})
			return err
		}, []string{"span: is [2, 1), allowed are 0 <= start <= end"}},
		{"status without id", func() error { _, err := c.GetDocumentStatus(ctx, &ragloopv1.GetDocumentStatusRequest{}); return err }, []string{"id: is empty"}},
		{"delete with a line feed", func() error {
			_, err := c.DeleteDocument(ctx, &ragloopv1.DeleteDocumentRequest{Id: "a\nb"})
			return err
		}, []string{`id: is "a\nb", control characters are not allowed`}},
		{"page size", func() error {
			_, err := c.ListDocuments(ctx, &ragloopv1.ListDocumentsRequest{PageSize: 1001})
			return err
		},
			[]string{"page_size: is 1001, allowed are 0 (for 100) to 1000"}},
		{"page token", func() error {
			_, err := c.ListDocuments(ctx, &ragloopv1.ListDocumentsRequest{PageToken: "x"})
			return err
		},
			[]string{`page_token: list the documents of handbook__g1: not a page token of this list: "x"`}},
		{"no document", func() error { _, err := c.PutDocument(ctx, &ragloopv1.PutDocumentRequest{}); return err }, []string{"document: is missing"}},
		{"document fields", put(func(d *ragloopv1.NewDocument) {
			d.Id, d.Content, d.Tags = strings.Repeat("i", 1025), nil, []string{"x", "", "x"}
			d.Title, d.Uri, d.MediaType = strings.Repeat("t", 1025), strings.Repeat("u", 4097), strings.Repeat("m", 257)
			d.Meta = map[string]string{"": "x", "k": strings.Repeat("v", 4097)}
		}), []string{
			"document.content: is empty",
			"document.id: has 1025 bytes, allowed are 1024",
			"document.media_type: has 257 bytes, allowed are 256",
			`document.meta[""]: is not allowed: invalid metadata: a key of 0 bytes, allowed are 1 to 128`,
			`document.meta["k"]: is not allowed: check "k": invalid metadata: a string of 4097 bytes, the limit is 4096`,
			`document.tags[1]: is "", which is empty or was given before`,
			`document.tags[2]: is "x", which is empty or was given before`,
			"document.title: has 1025 bytes, allowed are 1024",
			"document.uri: has 4097 bytes, allowed are 4096",
		}},
		{"many tags and keys", put(func(d *ragloopv1.NewDocument) {
			d.Meta = map[string]string{}
			for i := range 101 {
				d.Tags = append(d.Tags, fmt.Sprint(i))
				d.Meta[fmt.Sprint(i)] = ""
			}
		}), []string{"document.meta: has 101 keys together with document.fields, allowed are 100", "document.tags: has 101 values, allowed are 100"}},
		{"acl", put(func(d *ragloopv1.NewDocument) { d.Acl = []string{"g", "", "g", strings.Repeat("g", 257)} }), []string{
			`document.acl[1]: is "", which is empty or was given before`,
			`document.acl[2]: is "g", which is empty or was given before`,
			"document.acl[3]: has 257 bytes, allowed are 256",
		}},
		{"long acl", put(func(d *ragloopv1.NewDocument) {
			for i := range 1001 {
				d.Acl = append(d.Acl, fmt.Sprint(i))
			}
		}), []string{"document.acl: has 1001 values, allowed are 1000"}},
		{"modified", put(func(d *ragloopv1.NewDocument) {
			d.Modified, d.Meta = &timestamppb.Timestamp{Seconds: math.MaxInt64}, map[string]string{"modified": "x"}
		}), []string{
			"document.modified: is given in the metadata, too",
			"document.modified: is no point in time, allowed are the years 1 to 9999",
		}},
		{"fields", put(func(d *ragloopv1.NewDocument) {
			d.Meta = map[string]string{"a": "x"}
			d.Fields = map[string]*ragloopv1.MetaValue{"a": {}, "b": {}, "title": {Kind: &ragloopv1.MetaValue_Integer{}}, "t": {Kind: &ragloopv1.MetaValue_Time{Time: &timestamppb.Timestamp{Nanos: -1}}}}
		}), []string{
			`document.fields["a"]: is given in document.meta, too`,
			`document.fields["b"]: has no value; allowed are text, integer, number, boolean, time and texts`,
			`document.fields["t"]: is no point in time, allowed are the years 1 to 9999`,
			`document.fields["title"]: is not allowed: invalid metadata: key "title" is a reserved name; reserved are ` + strings.Join(meta.Reserved(), ", "),
		}},
		{"deleted with more than an id", put(func(d *ragloopv1.NewDocument) {
			d.Id, d.Deleted, d.Title, d.Tags = "", true, "t", []string{"x"}
		}), []string{
			"document.content: has no meaning beside deleted; a document that is gone has its id alone",
			"document.id: is empty",
			"document.tags: has no meaning beside deleted; a document that is gone has its id alone",
			"document.title: has no meaning beside deleted; a document that is gone has its id alone",
		}},
		{"broken document", put(func(d *ragloopv1.NewDocument) { d.Id, d.Content = "x.pdf", []byte(library["broken.pdf"]) }), nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := tc.call()
			if status.Code(err) != codes.InvalidArgument {
				t.Fatalf("error = %v, want InvalidArgument", err)
			}
			got := problems(err)
			if tc.want == nil {
				if len(got) != 1 || !strings.HasPrefix(got[0], "document.content: ") {
					t.Errorf("violations = %q, want one of document.content", got)
				}
				return
			}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Errorf("violations (-want +got):\n%s", d)
			}
		})
	}
}

func TestNotFound(t *testing.T) {
	c := serve(t, realCollection(t), nil)
	ctx := t.Context()
	for _, tc := range []struct {
		name string
		call func() error
		want string
	}{
		{"collection", func() error {
			_, err := c.Retrieve(ctx, &ragloopv1.RetrieveRequest{Query: "q", Collection: "nope"})
			return err
		}, `ragloop.v1.Collection nope: no such collection "nope": this server serves "handbook"`},
		{"document", func() error { _, err := c.GetDocument(ctx, &ragloopv1.GetDocumentRequest{Id: "nope.md"}); return err },
			`ragloop.v1.Document nope.md: rebuild the text of "nope.md": read the record of "nope.md" in handbook__g1: no such document`},
		{"status", func() error {
			_, err := c.GetDocumentStatus(ctx, &ragloopv1.GetDocumentStatusRequest{Id: "nope.md"})
			return err
		}, `ragloop.v1.Document nope.md: read the record of "nope.md" in handbook__g1: no such document`},
	} {
		err := tc.call()
		got := ""
		for _, d := range status.Convert(err).Details() {
			if r, ok := d.(*errdetails.ResourceInfo); ok {
				got = fmt.Sprintf("%s %s: %s", r.ResourceType, r.ResourceName, r.Description)
			}
		}
		if status.Code(err) != codes.NotFound || got != tc.want {
			t.Errorf("%s: %v with %q, want NotFound with %q", tc.name, err, got, tc.want)
		}
	}
}

// TestStatusOf goes through the table of errors.
func TestStatusOf(t *testing.T) {
	wrap := func(err error) error { return fmt.Errorf("do something: %w", err) }
	for _, tc := range []struct {
		err  error
		want codes.Code
	}{
		{wrap(errors.New("a bug")), codes.Internal},
		{wrap(index.ErrNoCollection), codes.NotFound},
		{wrap(index.ErrNoDocument), codes.NotFound},
		{wrap(index.ErrRecipe), codes.FailedPrecondition},
		{wrap(index.ErrUnindexed), codes.FailedPrecondition},
		{wrap(index.ErrDamaged), codes.DataLoss},
		{wrap(index.ErrInvalid), codes.InvalidArgument},
		{wrap(text.ErrRange), codes.OutOfRange},
		{wrap(retrieve.ErrLeg), codes.Unavailable},
		{wrap(fmt.Errorf("%w: %w", retrieve.ErrLeg, index.ErrDamaged)), codes.DataLoss},
		{wrap(&retrieve.InvalidError{Field: "query", Problem: "is odd"}), codes.InvalidArgument},
		{wrap(&RejectedError{Field: "content", Err: errors.New("odd")}), codes.InvalidArgument},
		{wrap(context.DeadlineExceeded), codes.Unavailable},
		{wrap(context.Canceled), codes.Unavailable},
		{wrap(status.Error(codes.Unavailable, "down")), codes.Unavailable},
		{wrap(status.Error(codes.DeadlineExceeded, "slow")), codes.Unavailable},
		{wrap(status.Error(codes.DataLoss, "gone")), codes.DataLoss},
		{wrap(status.Error(codes.InvalidArgument, "more than strict mode allows")), codes.FailedPrecondition},
		{wrap(fmt.Errorf("%w: dense and lexical: %w", retrieve.ErrLeg, status.Error(codes.InvalidArgument, "more than strict mode allows"))), codes.FailedPrecondition},
		{wrap(fmt.Errorf("%w: %w", retrieve.ErrLeg, status.Error(codes.FailedPrecondition, "not now"))), codes.FailedPrecondition},
		{wrap(fmt.Errorf("%w: %w", retrieve.ErrLeg, status.Error(codes.PermissionDenied, "read only key"))), codes.FailedPrecondition},
		{wrap(fmt.Errorf("%w: %w", retrieve.ErrLeg, status.Error(codes.Unauthenticated, "no key"))), codes.FailedPrecondition},
		{wrap(fmt.Errorf("%w: %w", retrieve.ErrLeg, status.Error(codes.Unimplemented, "unknown method"))), codes.Internal},
		{wrap(fmt.Errorf("%w: %w", retrieve.ErrLeg, status.Error(codes.Internal, "panicked"))), codes.Unavailable},
		{wrap(fmt.Errorf("%w: %w", retrieve.ErrLeg, status.Error(codes.Unavailable, "down"))), codes.Unavailable},
		{wrap(errReadOnly), codes.Unimplemented},
		{wrap(ErrUnavailable), codes.Unavailable},
		{wrap(index.ErrUnavailable), codes.Unavailable},
		{received{status.Error(codes.ResourceExhausted, "too big")}, codes.ResourceExhausted},
		{wrap(errors.New("bytes \xff")), codes.Internal},
	} {
		if got := statusOf(t.Context(), tc.err); got.Code() != tc.want || got.Message() == "" {
			t.Errorf("status of %v = %v, want %v", tc.err, got, tc.want)
		}
	}
}

func TestEveryMethodReportsErrors(t *testing.T) {
	f := fake{err: fmt.Errorf("ask the index: %w", status.Error(codes.Unavailable, "down"))}
	c := serve(t, f.collection(), nil)
	ctx := t.Context()
	for name, call := range map[string]func() error{
		"Retrieve":       func() error { _, err := c.Retrieve(ctx, retrieveRequest); return err },
		"Search":         func() error { _, err := c.Search(ctx, &ragloopv1.SearchRequest{Query: "q"}); return err },
		"GetDocument":    func() error { _, err := c.GetDocument(ctx, &ragloopv1.GetDocumentRequest{Id: "a"}); return err },
		"DeleteDocument": func() error { _, err := c.DeleteDocument(ctx, &ragloopv1.DeleteDocumentRequest{Id: "a"}); return err },
		"GetDocumentStatus": func() error {
			_, err := c.GetDocumentStatus(ctx, &ragloopv1.GetDocumentStatusRequest{Id: "a"})
			return err
		},
		"ListDocuments": func() error { _, err := c.ListDocuments(ctx, &ragloopv1.ListDocumentsRequest{}); return err },
		"PutDocument": func() error {
			_, err := c.PutDocument(ctx, &ragloopv1.PutDocumentRequest{Document: &ragloopv1.NewDocument{Id: "a", Content: []byte("x")}})
			return err
		},
	} {
		if err := call(); status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "ask the index: ") {
			t.Errorf("%s = %v, want Unavailable and the cause", name, err)
		}
	}
	if n := strings.Count(c.log.String(), "level=WARN msg=call"); n != 7 {
		t.Errorf("%d warnings in the log, want 7:\n%s", n, c.log)
	}
}

func TestGetDocumentLimits(t *testing.T) {
	c := serve(t, fake{}.collection(), func(c *Config) { c.MaxResponseBytes = 1999 })
	_, err := c.GetDocument(t.Context(), &ragloopv1.GetDocumentRequest{Id: "a"})
	want := `get document "a": the text asked for is too large: it has 2000 bytes, allowed are 999; ask for spans of it`
	if status.Code(err) != codes.ResourceExhausted || status.Convert(err).Message() != want {
		t.Errorf("error = %v, want ResourceExhausted %s", err, want)
	}
	if got, err := c.GetDocument(t.Context(), &ragloopv1.GetDocumentRequest{Id: "a", Span: &ragloopv1.Span{Start: 1100, End: 2000}}); err != nil || len(got.Text) != 900 {
		t.Errorf("span = %v, %v; want 900 bytes", got, err)
	}
	_, err = c.GetDocument(t.Context(), &ragloopv1.GetDocumentRequest{Id: "a", Span: &ragloopv1.Span{End: 2001}})
	if status.Code(err) != codes.OutOfRange {
		t.Errorf("span behind the end = %v, want OutOfRange", err)
	}
}

// A document that is quarantined is the caller's mistake, with its reason for
// people and for programs.
func TestQuarantined(t *testing.T) {
	f := fake{put: func(context.Context, NewDocument) (PutResult, error) {
		return PutResult{}, &RejectedError{Field: "content", Reason: "needs_ocr", Err: errors.New("extract a.pdf: pictures alone")}
	}}
	_, err := serve(t, f.collection(), nil).PutDocument(t.Context(), &ragloopv1.PutDocumentRequest{Document: &ragloopv1.NewDocument{Id: "a.pdf", Content: []byte("x")}})
	st := status.Convert(err)
	if want := "content: quarantined (needs_ocr): extract a.pdf: pictures alone"; st.Code() != codes.InvalidArgument || st.Message() != want {
		t.Errorf("error = %v, want InvalidArgument %s", err, want)
	}
	if d := cmp.Diff([]string{"document.content: extract a.pdf: pictures alone"}, problems(err)); d != "" {
		t.Errorf("violations (-want +got):\n%s", d)
	}
	var info *errdetails.ErrorInfo
	for _, d := range st.Details() {
		if i, ok := d.(*errdetails.ErrorInfo); ok {
			info = i
		}
	}
	if info.GetReason() != "NEEDS_OCR" || info.GetDomain() != "ragloop" {
		t.Errorf("ErrorInfo = %v, want NEEDS_OCR of ragloop", info)
	}
}

func TestReadOnly(t *testing.T) {
	readOnly := realCollection(t)
	readOnly.Ingester = nil
	c := serve(t, readOnly, nil)
	_, err := c.PutDocument(t.Context(), &ragloopv1.PutDocumentRequest{Document: &ragloopv1.NewDocument{Id: "a", Content: []byte("x")}})
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("PutDocument = %v, want Unimplemented", err)
	}
	_, err = c.DeleteDocument(t.Context(), &ragloopv1.DeleteDocumentRequest{Id: "a"})
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("DeleteDocument = %v, want Unimplemented", err)
	}
}

func TestStreamEnds(t *testing.T) {
	t.Run("with what is not the document's fault", func(t *testing.T) {
		n := 0
		f := fake{put: func(context.Context, NewDocument) (PutResult, error) {
			if n++; n == 2 {
				return PutResult{}, status.Error(codes.Unavailable, "down")
			}
			return PutResult{Outcome: Indexed}, nil
		}}
		out := putMany(t, serve(t, f.collection(), nil), 5)
		if len(out.Results) != 2 || codes.Code(out.Results[1].GetError().GetCode()) != codes.Unavailable || out.Succeeded != 1 || out.Failed != 1 {
			t.Errorf("results = %v, want one success and Unavailable", out)
		}
	})
	f := fake{put: func(context.Context, NewDocument) (PutResult, error) { return PutResult{Outcome: Indexed}, nil }}
	t.Run("at the limit", func(t *testing.T) {
		out := putMany(t, serve(t, f.collection(), nil), maxStreamed+5)
		last := out.Results[len(out.Results)-1].GetError()
		if len(out.Results) != maxStreamed+1 || codes.Code(last.GetCode()) != codes.ResourceExhausted || out.Succeeded != maxStreamed {
			t.Errorf("%d results, the last %v; want %d and ResourceExhausted", len(out.Results), last, maxStreamed+1)
		}
	})
	t.Run("before the response is too large", func(t *testing.T) {
		out := putMany(t, serve(t, f.collection(), func(c *Config) { c.MaxResponseBytes = 1000 }), 500)
		last := out.Results[len(out.Results)-1].GetError()
		if n := len(out.Results); n < 10 || n >= 500 || codes.Code(last.GetCode()) != codes.ResourceExhausted {
			t.Errorf("%d results, the last %v; want some and ResourceExhausted", n, last)
		}
	})
	t.Run("with an unknown collection", func(t *testing.T) {
		stream, err := serve(t, f.collection(), nil).PutDocuments(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.Send(&ragloopv1.PutDocumentsRequest{Collection: "nope"}); err != nil {
			t.Fatal(err)
		}
		if _, err := stream.CloseAndRecv(); status.Code(err) != codes.NotFound {
			t.Errorf("error = %v, want NotFound", err)
		}
	})
	t.Run("without documents", func(t *testing.T) {
		if out := putMany(t, serve(t, f.collection(), nil), 0); len(out.Results) != 0 {
			t.Errorf("results = %v, want none", out)
		}
	})
	t.Run("with a message that is too large", func(t *testing.T) {
		c := serve(t, f.collection(), func(c *Config) { c.MaxRequestBytes = 1000 })
		stream, err := c.PutDocuments(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		in := &ragloopv1.PutDocumentsRequest{Document: &ragloopv1.NewDocument{Id: "a", Content: make([]byte, 2000)}}
		if err := stream.Send(in); err != nil {
			t.Fatal(err)
		}
		if _, err := stream.CloseAndRecv(); status.Code(err) != codes.ResourceExhausted {
			t.Errorf("stream = %v, want ResourceExhausted", err)
		}
		_, err = c.PutDocument(t.Context(), &ragloopv1.PutDocumentRequest{Document: in.Document})
		if status.Code(err) != codes.ResourceExhausted {
			t.Errorf("PutDocument = %v, want ResourceExhausted", err)
		}
	})
}

// A client that gives up on a stream gets its own status, and no document after
// that is put.
func TestStreamContext(t *testing.T) {
	for _, want := range []codes.Code{codes.DeadlineExceeded, codes.Canceled} {
		for _, last := range []string{"in time", "too late to stop"} {
			synctest.Test(t, func(t *testing.T) { testStreamContext(t, want, last) })
		}
	}
}

// testStreamContext gives up while the document last is being put: by the clock of
// synctest, which stands still before.
func testStreamContext(t *testing.T, want codes.Code, last string) {
	began := make(chan text.DocID, 10)
	f := fake{put: func(ctx context.Context, d NewDocument) (PutResult, error) {
		began <- d.ID
		if d.ID == "first" {
			return PutResult{Outcome: Indexed}, nil
		}
		<-ctx.Done()
		if d.ID == "in time" {
			return PutResult{}, fmt.Errorf("embed 1 chunks: %w", ctx.Err())
		}
		return PutResult{Outcome: Indexed}, nil
	}}
	c := serve(t, f.collection(), nil)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	if want == codes.Canceled {
		ctx, cancel = context.WithCancel(t.Context())
		go func() {
			<-began
			<-began
			cancel()
		}()
	}
	defer cancel()
	stream, err := c.PutDocuments(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"first", last, "after"} {
		in := &ragloopv1.PutDocumentsRequest{Document: &ragloopv1.NewDocument{Id: id, Content: []byte("x")}}
		if err := stream.Send(in); err != nil {
			break // CloseAndRecv tells why
		}
	}
	if _, err := stream.CloseAndRecv(); status.Code(err) != want {
		t.Errorf("%s: stream = %v, want %s", last, err, want)
	}
	c.stop()
	if err := c.stopped(); err != nil {
		t.Fatal(err)
	}
	for len(began) > 0 {
		if <-began == "after" {
			t.Errorf("%s, %s: the next document was put all the same", want, last)
		}
	}
	if strings.Contains(c.log.String(), "code=OK") {
		t.Errorf("%s, %s: a stream that broke off is logged as a success:\n%s", want, last, c.log)
	}
}

// putMany streams n documents until the server ends the stream.
func putMany(t *testing.T, c *clients, n int) *ragloopv1.PutDocumentsResponse {
	t.Helper()
	stream, err := c.PutDocuments(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := stream.Send(&ragloopv1.PutDocumentsRequest{Document: &ragloopv1.NewDocument{Id: fmt.Sprint(i), Content: []byte("x")}}); err != nil {
			break // the server ended the stream: its answer says why
		}
	}
	out, err := stream.CloseAndRecv()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// waiting is a search that begins, waits for the end of its context or for
// release, and tells.
func waiting() (f fake, began chan struct{}, release chan struct{}, ended chan error) {
	began, release, ended = make(chan struct{}, 10), make(chan struct{}), make(chan error, 10)
	f.search = func(ctx context.Context, _ string, _ retrieve.Params) (retrieve.Result, error) {
		began <- struct{}{}
		select {
		case <-ctx.Done():
			ended <- ctx.Err()
			return retrieve.Result{}, fmt.Errorf("search the index: %w", ctx.Err())
		case <-release:
			ended <- nil
			return retrieve.Result{}, nil
		}
	}
	return f, began, release, ended
}

func TestDeadlines(t *testing.T) {
	t.Run("the server's", func(t *testing.T) {
		f, _, _, ended := waiting()
		c := serve(t, f.collection(), func(c *Config) { c.MaxSearchTime = time.Nanosecond })
		_, err := c.Retrieve(t.Context(), retrieveRequest)
		if status.Code(err) != codes.DeadlineExceeded || !errors.Is(<-ended, context.DeadlineExceeded) {
			t.Errorf("error = %v, want DeadlineExceeded", err)
		}
	})
	t.Run("the client's", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { // the time passes once the search has begun
			f, _, _, ended := waiting()
			c := serve(t, f.collection(), nil)
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			_, err := c.Search(ctx, &ragloopv1.SearchRequest{Query: "q"})
			if status.Code(err) != codes.DeadlineExceeded {
				t.Errorf("error = %v, want DeadlineExceeded", err)
			}
			if err := <-ended; err == nil {
				t.Error("the search went on after the client's deadline")
			}
		})
	})
}

func TestCancel(t *testing.T) {
	f, began, _, ended := waiting()
	c := serve(t, f.collection(), nil)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-began
		cancel()
	}()
	if _, err := c.Retrieve(ctx, retrieveRequest); status.Code(err) != codes.Canceled {
		t.Errorf("error = %v, want Canceled", err)
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the search ended with %v, want Canceled", err)
	}
}

func TestPanic(t *testing.T) {
	f := fake{search: func(context.Context, string, retrieve.Params) (retrieve.Result, error) { panic("a secret") }}
	c := serve(t, f.collection(), nil)
	_, err := c.Retrieve(t.Context(), retrieveRequest)
	if st := status.Convert(err); st.Code() != codes.Internal || st.Message() != "internal error" {
		t.Errorf("error = %v, want Internal without the panic", err)
	}
	for _, want := range []string{"a secret", "TestPanic", "level=ERROR msg=call", "code=Internal"} {
		if !strings.Contains(c.log.String(), want) {
			t.Errorf("the log has no %q:\n%s", want, c.log)
		}
	}
	if _, err := c.ListDocuments(t.Context(), &ragloopv1.ListDocumentsRequest{}); err != nil {
		t.Errorf("the call after a panic = %v", err)
	}
}

// TestBusy: as many calls as are at work may wait, on whatever connections; the
// next is refused and told when to come again. Health is answered meanwhile.
func TestBusy(t *testing.T) {
	f, began, release, _ := waiting()
	c := serve(t, f.collection(), func(c *Config) { c.MaxConcurrent, c.Cores = 2, 2 })
	other := serveClient(t, c)
	done := make(chan error)
	for _, client := range []ragloopv1.RetrievalClient{c, other} { // the limit is not one of a connection
		go func() { _, err := client.Retrieve(t.Context(), retrieveRequest); done <- err }()
		<-began
	}
	var refused int
	for range 5 { // which of them wait is left to chance
		go func() { _, err := other.Retrieve(t.Context(), retrieveRequest); done <- err }()
	}
	for range 3 {
		err := <-done
		if status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "too many calls at once: this server handles 2") {
			t.Errorf("call that is too many = %v, want ResourceExhausted", err)
		}
		for _, d := range status.Convert(err).Details() {
			if r, ok := d.(*errdetails.RetryInfo); ok && r.RetryDelay.AsDuration() > 0 {
				refused++
			}
		}
	}
	if refused != 3 {
		t.Errorf("%d of 3 refusals say when to try again", refused)
	}
	if h, err := healthv1.NewHealthClient(c.conn).Check(t.Context(), &healthv1.HealthCheckRequest{}); err != nil || h.Status != healthv1.HealthCheckResponse_SERVING {
		t.Errorf("health of a busy server = %v, %v", h, err)
	}
	if _, err := c.ListDocuments(t.Context(), &ragloopv1.ListDocumentsRequest{}); err != nil {
		t.Errorf("a call of the other service = %v", err)
	}
	close(release)
	for range 4 {
		if err := <-done; err != nil {
			t.Errorf("call in flight or waiting = %v", err)
		}
	}
	if _, err := other.Retrieve(t.Context(), retrieveRequest); err != nil {
		t.Errorf("call after the others = %v", err)
	}
}

// TestUnread: a call whose message is not read gives back the place that it was
// promised.
func TestUnread(t *testing.T) {
	c := serve(t, fake{}.collection(), func(c *Config) { c.MaxConcurrent, c.Cores, c.MaxRequestBytes = 1, 1, 1<<10 })
	long := &ragloopv1.RetrieveRequest{Query: strings.Repeat("x", 1<<11)}
	for range 10 {
		if _, err := c.Retrieve(t.Context(), long); status.Code(err) != codes.ResourceExhausted {
			t.Fatalf("a message that is too long = %v, want ResourceExhausted", err)
		}
	}
	var err error
	for range 10_000 { // the place is given back soon after the answer
		if _, err = c.Retrieve(t.Context(), retrieveRequest); status.Code(err) != codes.ResourceExhausted {
			break
		}
	}
	if err != nil {
		t.Errorf("the call after them = %v", err)
	}
}

// TestSearching: who computes beside searches is told how many there are when one
// begins and when one ends, and of nothing else.
func TestSearching(t *testing.T) {
	var told []int // nobody writes it at the same time
	c := serve(t, fake{}.collection(), func(c *Config) { c.Searching = func(n int) { told = append(told, n) } })
	if _, err := c.ListDocuments(t.Context(), &ragloopv1.ListDocumentsRequest{}); err != nil || told != nil {
		t.Errorf("ListDocuments: told %d, %v", told, err)
	}
	if _, err := c.Retrieve(t.Context(), retrieveRequest); err != nil || !slices.Equal(told, []int{1, 0}) {
		t.Errorf("Retrieve: told %d, %v", told, err)
	}
}

// TestLeavesTheQueue: a call that waits and whose client gives up is not begun.
func TestLeavesTheQueue(t *testing.T) {
	f, began, release, _ := waiting()
	c := serve(t, f.collection(), func(c *Config) { c.MaxConcurrent = 1 })
	done := make(chan error, 1)
	go func() { _, err := c.Retrieve(t.Context(), retrieveRequest); done <- err }()
	<-began
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() { _, err := c.Retrieve(ctx, retrieveRequest); gone <- err }()
	cancel()
	if err := <-gone; status.Code(err) != codes.Canceled {
		t.Errorf("call that was given up = %v", err)
	}
	close(release)
	if err := <-done; err != nil {
		t.Errorf("call in flight = %v", err)
	}
	select {
	case <-began:
		t.Error("the call that was given up was begun")
	default:
	}
}

func TestGracefulStop(t *testing.T) {
	f, began, release, _ := waiting()
	c := serve(t, f.collection(), nil)
	watch, err := healthv1.NewHealthClient(c.conn).Watch(t.Context(), &healthv1.HealthCheckRequest{Service: "ragloop.v1.Retrieval"})
	if err != nil {
		t.Fatal(err)
	}
	state := func() healthv1.HealthCheckResponse_ServingStatus {
		t.Helper()
		h, err := watch.Recv()
		if err != nil {
			t.Fatal(err)
		}
		return h.Status
	}
	if got := state(); got != healthv1.HealthCheckResponse_SERVING {
		t.Errorf("health = %v, want SERVING", got)
	}
	done := make(chan error, 1)
	go func() { _, err := c.Retrieve(t.Context(), retrieveRequest); done <- err }()
	<-began
	c.stop()
	if got := state(); got != healthv1.HealthCheckResponse_NOT_SERVING {
		t.Errorf("health after the stop began = %v, want NOT_SERVING", got)
	}
	if _, err := watch.Recv(); err == nil {
		t.Error("the health watch goes on and would hold up the stop")
	}
	select {
	case err := <-c.served:
		t.Fatalf("Serve = %v with a call in flight", err)
	default:
	}
	close(release)
	if err := <-done; err != nil {
		t.Errorf("the call in flight = %v, want it to finish", err)
	}
	if err := c.stopped(); err != nil {
		t.Errorf("Serve = %v, want nil", err)
	}
	if _, err := c.Retrieve(t.Context(), retrieveRequest); status.Code(err) != codes.Unavailable {
		t.Errorf("call after the stop = %v, want Unavailable", err)
	}
}

func TestStopDoesNotWaitForEver(t *testing.T) {
	f, began, _, ended := waiting()
	c := serve(t, f.collection(), func(c *Config) { c.DrainTimeout = time.Nanosecond })
	done := make(chan error, 1)
	go func() { _, err := c.Retrieve(t.Context(), retrieveRequest); done <- err }()
	<-began
	c.stop()
	if err := c.stopped(); err != nil {
		t.Errorf("Serve = %v, want nil", err)
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the search ended with %v, want Canceled", err)
	}
	if err := <-done; err == nil {
		t.Error("the call that was cut off reports success")
	}
	if !strings.Contains(c.log.String(), "cancelling the calls that are still in flight") {
		t.Errorf("the log does not tell:\n%s", c.log)
	}
}

func TestNewChecksItsConfig(t *testing.T) {
	good := func() Config { return Config{Collections: Only(fake{}.collection()), Defaults: Shipped()} }
	for _, tc := range []struct {
		mutate func(*Config)
		want   string
	}{
		{func(c *Config) { c.Collections = nil }, "make the gRPC server: no collections given"},
		{func(c *Config) { c.Defaults = Defaults{} }, "make the gRPC server: defaults: invalid request: search.top_k is 0, allowed are 1 to 1000; "},
		{func(c *Config) { c.Defaults.Search.Filter.Tags = []string{"x"} }, "make the gRPC server: defaults: invalid request: search.filter is set"},
		{func(c *Config) { c.Defaults.Pack.Order = "date" }, `make the gRPC server: defaults: invalid request: pack.order is "date", allowed are rank, document, ends`},
		{func(c *Config) { c.DrainTimeout = -1 }, "make the gRPC server: a limit is negative"},
	} {
		c := good()
		tc.mutate(&c)
		if _, err := New(c); err == nil || !strings.HasPrefix(err.Error(), tc.want) {
			t.Errorf("New error = %v, want %s", err, tc.want)
		}
	}
	s, err := New(good())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(t.Context(), closedListener(t)); err == nil {
		t.Error("Serve on a closed listener = nil")
	}
}
