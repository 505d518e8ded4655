package main

import (
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/ragloop/ragloop/internal/embed"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/lexical"
	"github.com/ragloop/ragloop/internal/text"
	ragloopv1 "github.com/ragloop/ragloop/proto/ragloop/v1"
)

// earlier stores one document as a program with another extractor would have.
func earlier(t *testing.T, data, collection string) {
	t.Helper()
	client, err := index.Dial(t.Context(), index.Options{DataDir: filepath.Join(data, "index")})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	e, err := embed.NewBuiltin()
	if err != nil {
		t.Fatal(err)
	}
	info := e.Info()
	recipe := index.Recipe{
		Extractor: "earlier",
		Chunker:   index.ChunkerRecipe{Strategy: "structure", SizeTokens: 200, Tokenizer: "o200k_base", IndexPrefix: true},
		Embedder:  index.EmbedderRecipe{Name: info.Name, Fingerprint: info.Fingerprint, Dimension: info.Dimension},
		Lexical:   lexical.Default(),
	}
	gen, err := client.Create(t.Context(), collection, recipe)
	if err != nil {
		t.Fatal(err)
	}
	const body = "The pump is serviced every two years."
	vectors, err := e.Embed(t.Context(), embed.Passage, []string{body})
	if err != nil {
		t.Fatal(err)
	}
	analyzer, err := lexical.New(recipe.Lexical)
	if err != nil {
		t.Fatal(err)
	}
	point := index.Point{Chunk: index.Chunk{Span: text.RuneSpan{End: len(body)}, Text: body, Tokens: 8}, Dense: vectors[0], Sparse: analyzer.Document(body)}
	record := index.Record{Doc: "pump.txt", Rev: "r1", MediaType: "text/plain", TextSHA256: index.TextSum(body), Bytes: len(body)}
	if err := gen.Put(t.Context(), record, []index.Point{point}); err != nil {
		t.Fatal(err)
	}
	if err := client.Serve(t.Context(), gen); err != nil {
		t.Fatal(err)
	}
}

// After an update that extracts otherwise, what is stored can be searched and
// deleted; new documents are refused until the collection is rebuilt.
func TestCollectionOfAnEarlierExtractor(t *testing.T) {
	data := t.TempDir()
	earlier(t, data, "manuals")
	flags := []string{"--data", data, "--collection", "manuals"}
	if out := mustRun(t, append(flags, "query", "how often is the pump serviced?")...); !strings.Contains(out, "every two years") {
		t.Errorf("query found %q", out)
	}
	metrics := freeAddr(t)
	s := start(t, append(flags, "serve", "--listen", "127.0.0.1:0", "--metrics-listen", metrics)...)
	conn, err := grpc.NewClient(s.addr, append(ragloopv1.DialOptions(), grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	documents := ragloopv1.NewIngestionClient(conn)
	_, err = documents.PutDocument(t.Context(), &ragloopv1.PutDocumentRequest{Document: &ragloopv1.NewDocument{Id: "new.txt", Content: []byte("Valves, too.")}})
	if status.Code(err) != codes.FailedPrecondition || !strings.Contains(err.Error(), "extractor version") {
		t.Errorf("PutDocument = %v, want %v that names the extractor", err, codes.FailedPrecondition)
	}
	if _, err := documents.DeleteDocument(t.Context(), &ragloopv1.DeleteDocumentRequest{Id: "pump.txt"}); err != nil {
		t.Errorf("DeleteDocument = %v", err)
	}
	resp, err := ragloopv1.NewRetrievalClient(conn).Retrieve(t.Context(), &ragloopv1.RetrieveRequest{Query: "pump"})
	if err != nil || resp.Context != "" {
		t.Errorf("after the deletion: %q, %v, want nothing", resp.GetContext(), err)
	}
	_, counts := get(t, "http://"+metrics+"/metrics")
	for _, want := range []string{`{outcome="error"} 1`, `{outcome="removed"} 1`} {
		if !strings.Contains(counts, "\nragloop_ingest_documents_total"+want+"\n") {
			t.Errorf("the metrics do not count %s", want)
		}
	}
}
