package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/ragloop/ragloop/internal/tokens"
	ragloopv1 "github.com/ragloop/ragloop/proto/ragloop/v1"
	"github.com/ragloop/ragloop/retrieve/pack"
)

const question = "How much may a hotel in London cost?"

func TestRetrieve(t *testing.T) {
	c := serve(t, realCollection(t), func(c *Config) { c.Now = func() time.Time { return time.Unix(0, 0) } })
	got, err := c.Retrieve(t.Context(), &ragloopv1.RetrieveRequest{Query: question, BudgetTokens: new(int32(120)), Explain: true})
	if err != nil {
		t.Fatal(err)
	}
	counter, err := tokens.New(got.Tokenizer)
	if err != nil {
		t.Fatal(err)
	}
	if n := counter.Count(got.Context); int32(n) != got.ContextTokens || n > 120 || !strings.Contains(got.Context, "210 euros") {
		t.Errorf("context of %d tokens, said %d, budget 120:\n%s", n, got.ContextTokens, got.Context)
	}
	for _, s := range got.Segments {
		doc, err := c.GetDocument(t.Context(), &ragloopv1.GetDocumentRequest{Id: s.Document, Span: s.Span})
		if err != nil {
			t.Fatal(err)
		}
		if doc.Text != s.Text || doc.Document.Revision != s.Revision || !strings.Contains(got.Context, s.Text) {
			t.Errorf("segment %s of %s: text %q, the document has %q", s.Label, s.Document, s.Text, doc.Text)
		}
	}
	var names []string
	for _, s := range got.Stages {
		names = append(names, s.Name)
	}
	if d := cmp.Diff([]string{"embed", "terms", "legs", "records", "fuse", "pack"}, names); d != "" {
		t.Errorf("stages (-want +got):\n%s", d)
	}
	packed := len(got.Dropped)
	for _, s := range got.Segments {
		packed += len(s.Chunks)
	}
	if packed != min(20, len(got.Candidates)) {
		t.Errorf("%d chunks packed or dropped of %d candidates", packed, len(got.Candidates))
	}
	got.Stages = nil // times
	golden(t, "testdata/retrieve.json", got)

	again, err := c.Retrieve(t.Context(), &ragloopv1.RetrieveRequest{Query: question, BudgetTokens: new(int32(120))})
	if err != nil {
		t.Fatal(err)
	}
	if again.RetrievalId != "retrieval-2" || len(again.Candidates) > 0 || again.Reading != nil {
		t.Errorf("id %s and %d candidates, want retrieval-2 and, without explain, none", again.RetrievalId, len(again.Candidates))
	}
	if d := cmp.Diff(got, again, protocmp.Transform(), protocmp.IgnoreFields(got, "retrieval_id", "stages", "candidates", "reading")); d != "" {
		t.Errorf("the second answer differs:\n%s", d)
	}
}

// Calls at once get the answers that they get one by one.
func TestRetrieveConcurrently(t *testing.T) {
	c := serve(t, realCollection(t), nil)
	requests := []*ragloopv1.RetrieveRequest{
		{Query: "hotel in London"},
		{Query: "hotel in London", BudgetTokens: new(int32(90)), Explain: true},
		{Query: "badge", Pack: &ragloopv1.PackOptions{Template: new(pack.XML), MaxSegmentsPerDocument: new(int32(1))}},
		{Query: "how much may a night cost", BudgetTokens: new(int32(300)), Search: &ragloopv1.SearchOptions{TopK: new(int32(5))}},
	}
	ask := func(k int) (*ragloopv1.RetrieveResponse, error) { return c.Retrieve(t.Context(), requests[k]) }
	var want []*ragloopv1.RetrieveResponse
	for k := range requests {
		out, err := ask(k)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, out)
	}
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for n := range 10 {
				k := (g + n) % len(requests)
				got, err := ask(k)
				if err != nil {
					t.Error(err)
					return
				}
				if d := cmp.Diff(want[k], got, protocmp.Transform(), protocmp.IgnoreFields(got, "retrieval_id", "stages")); d != "" {
					t.Errorf("%v: another answer:\n%s", requests[k], d)
				}
			}
		})
	}
	all.Wait()
}

// fingerprint matches what is derived from recipes and bytes: other packages may
// change it, and no reader can check it.
var fingerprint = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}|"[0-9a-f]{16,64}"`)

// numbered replaces each distinct string by the number of its first occurrence.
func numbered() func(string) string {
	seen := map[string]string{}
	return func(s string) string {
		if seen[s] == "" {
			seen[s] = fmt.Sprintf("<%d>", len(seen)+1)
			if s[0] == '"' {
				seen[s] = strconv.Quote(seen[s])
			}
		}
		return seen[s]
	}
}

// golden compares the protobuf JSON of m with a file: keys sorted, floats
// rounded to 4 places, fingerprints numbered.
func golden(t *testing.T, path string, m proto.Message) {
	t.Helper()
	raw, err := protojson.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := json.Unmarshal(raw, &tree); err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	e := json.NewEncoder(&got)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(rounded(tree)); err != nil {
		t.Fatal(err)
	}
	text := fingerprint.ReplaceAllStringFunc(got.String(), numbered())
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), text); d != "" {
		t.Errorf("%s (-want +got; -update rewrites it):\n%s", path, d)
	}
}

func rounded(v any) any {
	switch v := v.(type) {
	case float64:
		return math.Round(v*1e4) / 1e4
	case []any:
		for i := range v {
			v[i] = rounded(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = rounded(v[k])
		}
	}
	return v
}

func TestRetrieveOptions(t *testing.T) {
	c := serve(t, realCollection(t), nil)
	retrieve := func(in *ragloopv1.RetrieveRequest) *ragloopv1.RetrieveResponse {
		t.Helper()
		in.Query = question
		out, err := c.Retrieve(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	out := retrieve(&ragloopv1.RetrieveRequest{Search: &ragloopv1.SearchOptions{
		TopK: new(int32(3)), Fusion: "lexical", Filter: &ragloopv1.Filter{Tags: []string{"faq", "handbook"}, Documents: []string{"handbook/travel.md", "faq/badges.txt"}},
	}})
	if out.Provenance.Fusion != "lexical" || len(out.Segments) == 0 {
		t.Errorf("fusion %s, %d segments; want lexical and some", out.Provenance.Fusion, len(out.Segments))
	}
	for _, s := range out.Segments {
		if s.Document == "handbook/expenses.md" {
			t.Errorf("segment of %s, which the filter excludes", s.Document)
		}
		for _, ch := range s.Chunks {
			if ch.DenseRank != 0 || ch.LexicalRank == 0 || ch.Rank > 3 {
				t.Errorf("chunk with the ranks %v, want lexical only, of 3", ch)
			}
		}
	}
	out = retrieve(&ragloopv1.RetrieveRequest{Search: &ragloopv1.SearchOptions{Filter: &ragloopv1.Filter{Meta: map[string]string{"lang": "de"}}}})
	if out.Context != "" || out.ContextTokens != 0 || len(out.Segments) != 0 {
		t.Errorf("context %q for a filter that nothing passes, want none", out.Context)
	}
	out = retrieve(&ragloopv1.RetrieveRequest{Tokenizer: "cl100k_base", Pack: &ragloopv1.PackOptions{
		MaxSegmentsPerDocument: new(int32(1)), Order: ragloopv1.SegmentOrder_SEGMENT_ORDER_DOCUMENT}})
	seen := map[string]bool{}
	for _, s := range out.Segments {
		if seen[s.Document] {
			t.Errorf("two segments of %s, want at most one", s.Document)
		}
		seen[s.Document] = true
	}
	if out.Tokenizer != "cl100k_base" || out.BudgetTokens != 2048 {
		t.Errorf("tokenizer %s, budget %d; want cl100k_base, 2048", out.Tokenizer, out.BudgetTokens)
	}
	// top_k above the default number of candidates raises it.
	retrieve(&ragloopv1.RetrieveRequest{Search: &ragloopv1.SearchOptions{TopK: new(int32(500))}})
}

func TestSearch(t *testing.T) {
	c := serve(t, realCollection(t), nil)
	out, err := c.Search(t.Context(), &ragloopv1.SearchRequest{Query: question, Search: &ragloopv1.SearchOptions{TopK: new(int32(4))}})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Chunks) != 4 || !strings.Contains(out.Chunks[0].Text, "London") {
		t.Fatalf("%d chunks, the first %q; want 4 and the one on London", len(out.Chunks), out.Chunks[0].GetText())
	}
	first := out.Chunks[0]
	if d := cmp.Diff([]string{"handbook"}, first.Tags); d != "" || first.Meta["lang"] != "en" || first.Title != "Travel policy" || first.Uri != "file:///handbook/travel.md" {
		t.Errorf("first chunk = %v", first)
	}
	for i, ch := range out.Chunks {
		if int(ch.Rank) != i+1 || ch.Tokens == 0 || ch.Dense.Rank == 0 && ch.Lexical.Rank == 0 {
			t.Errorf("chunk %d = %v", i, ch)
		}
	}
}

func TestGetDocument(t *testing.T) {
	c := serve(t, realCollection(t), func(c *Config) { c.MaxResponseBytes = 1000 })
	body := library["handbook/travel.md"]
	if len(body) <= 300 {
		t.Fatal("the document is too short for this test")
	}
	whole, err := c.GetDocument(t.Context(), &ragloopv1.GetDocumentRequest{Id: "handbook/travel.md"})
	if err != nil {
		t.Fatal(err)
	}
	runes := []rune(body)
	if whole.Text != body || whole.Span.End != int32(len(runes)) || whole.Document.Title != "Travel policy" || int(whole.Document.TextBytes) != len(body) {
		t.Errorf("text %q at %v of %v", whole.Text, whole.Span, whole.Document)
	}
	end := int32(len(runes))
	for _, sp := range [][2]int32{{0, 0}, {0, 15}, {end - 5, end}, {end, end}, {3, 3}} {
		got, err := c.GetDocument(t.Context(), &ragloopv1.GetDocumentRequest{Id: "handbook/travel.md", Span: &ragloopv1.Span{Start: sp[0], End: sp[1]}})
		if err != nil {
			t.Fatal(err)
		}
		if want := string(runes[sp[0]:sp[1]]); got.Text != want {
			t.Errorf("span %v = %q, want %q", sp, got.Text, want)
		}
	}
}

func TestPutFindDelete(t *testing.T) {
	c := serve(t, realCollection(t), nil)
	ctx := t.Context()
	find := func() (texts []string) {
		t.Helper()
		out, err := c.Search(ctx, &ragloopv1.SearchRequest{Query: "zeppelin hangar", Search: &ragloopv1.SearchOptions{Fusion: "lexical"}})
		if err != nil {
			t.Fatal(err)
		}
		for _, ch := range out.Chunks {
			texts = append(texts, ch.Text)
		}
		return texts
	}
	put := func(content string) *ragloopv1.PutDocumentResponse {
		t.Helper()
		out, err := c.PutDocument(ctx, &ragloopv1.PutDocumentRequest{Collection: "handbook", Document: &ragloopv1.NewDocument{
			Id: "notes/zeppelin.md", Title: "Airships", Content: []byte(content), Tags: []string{"notes"}, Meta: map[string]string{"year": "1924"}}})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if got := find(); got != nil {
		t.Fatalf("found %q before it was put", got)
	}
	first := put("The zeppelin is in its hangar.\n")
	if first.Outcome != ragloopv1.PutOutcome_PUT_OUTCOME_INDEXED || first.Document.State != ragloopv1.DocumentState_DOCUMENT_STATE_INDEXED ||
		first.Document.Title != "Airships" || first.Document.Meta["year"] != "1924" || first.Document.IngestTime.AsTime().Unix() != 1_800_000_000 {
		t.Errorf("first put = %v", first)
	}
	if d := cmp.Diff([]string{"The zeppelin is in its hangar."}, find()); d != "" {
		t.Errorf("after the put (-want +got):\n%s", d)
	}
	if again := put("The zeppelin is in its hangar.\n"); again.Outcome != ragloopv1.PutOutcome_PUT_OUTCOME_UNCHANGED || again.Document.Revision != first.Document.Revision {
		t.Errorf("second put = %v, want unchanged", again)
	}
	if changed := put("The zeppelin has left.\n"); changed.Outcome != ragloopv1.PutOutcome_PUT_OUTCOME_REPLACED || changed.Document.Revision == first.Document.Revision {
		t.Errorf("third put = %v, want replaced", changed)
	}
	if d := cmp.Diff([]string{"The zeppelin has left."}, find()); d != "" {
		t.Errorf("after the replacement (-want +got):\n%s", d)
	}
	status, err := c.GetDocumentStatus(ctx, &ragloopv1.GetDocumentStatusRequest{Id: "notes/zeppelin.md"})
	if err != nil || status.Document.ChunkCount != 1 {
		t.Errorf("status = %v, %v; want 1 chunk", status, err)
	}
	for _, existed := range []bool{true, false} {
		out, err := c.DeleteDocument(ctx, &ragloopv1.DeleteDocumentRequest{Id: "notes/zeppelin.md"})
		if err != nil || out.Existed != existed {
			t.Errorf("delete = %v, %v; want existed %v", out, err, existed)
		}
	}
	if got := find(); got != nil {
		t.Errorf("found %q after it was deleted", got)
	}
}

// TestNeverTwoRevisions searches while a document is replaced again and again:
// every answer has chunks of one of its revisions.
func TestNeverTwoRevisions(t *testing.T) {
	c := serve(t, realCollection(t), nil)
	put := func(version int) error {
		var body strings.Builder
		for i := range 12 {
			fmt.Fprintf(&body, "Paragraph %d on the zeppelin, in version %d of the text, as it was then.\n\n", i, version)
		}
		_, err := c.PutDocument(t.Context(), &ragloopv1.PutDocumentRequest{
			Document: &ragloopv1.NewDocument{Id: "zeppelin.md", Content: []byte(body.String())}})
		return err
	}
	if err := put(0); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		var err error
		for version := 1; version <= 20 && err == nil; version++ {
			err = put(version)
		}
		done <- err
	}()
	for searching := true; searching; {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			searching = false // once more, after the last
		default:
		}
		out, err := c.Search(t.Context(), &ragloopv1.SearchRequest{Query: "zeppelin version"})
		if err != nil {
			t.Fatal(err)
		}
		versions := map[string]bool{}
		for _, ch := range out.Chunks {
			if ch.Document == "zeppelin.md" {
				versions[ch.Revision] = true
			}
		}
		if len(versions) > 1 {
			t.Fatalf("one answer has %d revisions of the document", len(versions))
		}
		if !searching && len(versions) == 0 {
			t.Error("nothing found after the last replacement")
		}
	}
}

func TestPutDocuments(t *testing.T) {
	c := serve(t, realCollection(t), nil)
	stream, err := c.PutDocuments(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range []*ragloopv1.PutDocumentsRequest{
		{Collection: "handbook", Document: &ragloopv1.NewDocument{Id: "a.md", Content: []byte("# A\n\nThe aardvark.\n")}},
		{Document: &ragloopv1.NewDocument{Id: "broken.pdf", Content: []byte(library["broken.pdf"])}},
		{Document: &ragloopv1.NewDocument{Id: "faq/badges.txt", Content: []byte(library["faq/badges.txt"]), Uri: "file:///faq/badges.txt", Tags: []string{"faq"}, Meta: map[string]string{"lang": "en"}}},
		{Document: &ragloopv1.NewDocument{Id: "faq/badges.txt", Content: []byte("There are no badges any more.\n")}},
		{Document: &ragloopv1.NewDocument{Id: "handbook/expenses.md", Deleted: true}},
		{Document: &ragloopv1.NewDocument{Id: "never.md", Deleted: true}},
		{Document: &ragloopv1.NewDocument{Id: "gone.md", Deleted: true, Title: "Gone"}},
		{Document: &ragloopv1.NewDocument{Id: "", Content: []byte("x")}},
		{},
		{Collection: "other", Document: &ragloopv1.NewDocument{Id: "b.md", Content: []byte("x")}},
		{Collection: "handbook", Document: &ragloopv1.NewDocument{Id: "c.md", Content: []byte("The capybara.\n")}},
	} {
		if err := stream.Send(in); err != nil {
			t.Fatal(err)
		}
	}
	out, err := stream.CloseAndRecv()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range out.Results {
		line := r.Id + ": " + r.GetResponse().GetOutcome().String()
		if d := r.GetResponse().GetDocument(); d != nil {
			line += " " + d.State.String()
		}
		if e := r.GetError(); e != nil {
			line = r.Id + ": " + codes.Code(e.Code).String() + " " + e.Reason
			for _, v := range e.FieldViolations {
				line += " " + v.Field
			}
		}
		got = append(got, line)
	}
	want := []string{
		"a.md: PUT_OUTCOME_INDEXED DOCUMENT_STATE_INDEXED",
		"broken.pdf: InvalidArgument damaged document.content",
		"faq/badges.txt: PUT_OUTCOME_UNCHANGED DOCUMENT_STATE_INDEXED",
		"faq/badges.txt: PUT_OUTCOME_REPLACED DOCUMENT_STATE_INDEXED",
		"handbook/expenses.md: PUT_OUTCOME_REMOVED",
		"never.md: PUT_OUTCOME_UNCHANGED",
		"gone.md: InvalidArgument  document.title",
		": InvalidArgument  document.id",
		": InvalidArgument  document",
		"b.md: InvalidArgument  collection",
		"c.md: PUT_OUTCOME_INDEXED DOCUMENT_STATE_INDEXED",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("results (-want +got):\n%s", d)
	}
	if out.Succeeded != 6 || out.Failed != 5 {
		t.Errorf("succeeded %d, failed %d; want 6, 5", out.Succeeded, out.Failed)
	}
	if _, err := c.GetDocumentStatus(t.Context(), &ragloopv1.GetDocumentStatusRequest{Id: "handbook/expenses.md"}); status.Code(err) != codes.NotFound {
		t.Errorf("status of what was removed = %v, want NotFound", err)
	}
	found, err := c.Search(t.Context(), &ragloopv1.SearchRequest{Query: "capybara", Search: &ragloopv1.SearchOptions{Fusion: "lexical"}})
	if err != nil || len(found.Chunks) != 1 {
		t.Errorf("search for the last document = %v, %v", found, err)
	}
}

func TestListDocuments(t *testing.T) {
	c := serve(t, realCollection(t), nil)
	var got []string
	pages := 0
	for token := ""; ; pages++ {
		out, err := c.ListDocuments(t.Context(), &ragloopv1.ListDocumentsRequest{PageSize: 3, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range out.Documents {
			got = append(got, d.Id+" "+strings.TrimPrefix(d.State.String(), "DOCUMENT_STATE_"))
			if (d.Error != "") != (d.State == ragloopv1.DocumentState_DOCUMENT_STATE_QUARANTINED) || (d.Error != "") != (d.Reason == "damaged") {
				t.Errorf("document %v", d)
			}
		}
		if token = out.NextPageToken; token == "" {
			break
		}
	}
	slices.Sort(got)
	want := []string{"broken.pdf QUARANTINED", "faq/badges.txt INDEXED", "handbook/expenses.md INDEXED", "handbook/travel.md INDEXED"}
	if d := cmp.Diff(want, got); d != "" || pages != 1 {
		t.Errorf("documents on %d pages (-want +got):\n%s", pages+1, d)
	}
}

// TestLoopback serves over TCP and asks what a stranger would: what services
// are there, are they well, and the question.
func TestLoopback(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := serveOn(t, lis, realCollection(t), nil)
	stream, err := reflectionv1.NewServerReflectionClient(c.conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{}}); err != nil {
		t.Fatal(err)
	}
	answer, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	var services []string
	for _, s := range answer.GetListServicesResponse().Service {
		services = append(services, s.Name)
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ragloop.v1.Retrieval", "ragloop.v1.Ingestion", "grpc.health.v1.Health"} {
		if !slices.Contains(services, name) {
			t.Errorf("reflection lists %v, want %s too", services, name)
		}
	}
	for _, name := range []string{"", "ragloop.v1.Retrieval", "ragloop.v1.Ingestion"} {
		h, err := healthv1.NewHealthClient(c.conn).Check(t.Context(), &healthv1.HealthCheckRequest{Service: name})
		if err != nil || h.Status != healthv1.HealthCheckResponse_SERVING {
			t.Errorf("health of %q = %v, %v; want SERVING", name, h, err)
		}
	}
	out, err := c.Retrieve(t.Context(), &ragloopv1.RetrieveRequest{Query: question})
	if err != nil || !strings.Contains(out.Context, "210 euros") {
		t.Errorf("retrieve = %v, %v", out, err)
	}
}
