package ingest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/protobuf/proto"

	"github.com/ragloop/ragloop/internal/qdrantlocal"
	"github.com/ragloop/ragloop/internal/text"
)

// stored is everything that a data directory holds, read over Qdrant's API and
// not through the package under test: nothing that a kill leaves behind is
// overlooked because ragloop would not show it.
type stored struct {
	Aliases     map[string]string
	Generations map[string]generationState // by chunk collection
}

// generationState is one generation. Hashes are of every key of the payload,
// sorted, and of all vectors.
type generationState struct {
	Config string // hash of vectors, metadata and payload indexes
	Docs   map[text.DocID]docState
	Hidden []string // ids of the chunks that no record accounts for
	Broken []string // documents without exactly the chunks that their record promises
}

// docState is a document: its record, and its chunks of the record's revision.
type docState struct{ Record, Chunks string }

// sum is one hash of all.
func (s stored) sum() string {
	h := sha256.New()
	for _, alias := range slices.Sorted(maps.Keys(s.Aliases)) {
		fmt.Fprintf(h, "%q %q\n", alias, s.Aliases[alias])
	}
	for _, name := range slices.Sorted(maps.Keys(s.Generations)) {
		g := s.Generations[name]
		fmt.Fprintf(h, "%q %q %q %q\n", name, g.Config, g.Hidden, g.Broken)
		for _, doc := range slices.Sorted(maps.Keys(g.Docs)) {
			fmt.Fprintf(h, "%q %q %q\n", doc, g.Docs[doc].Record, g.Docs[doc].Chunks)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// served returns the generation behind the alias; nothing where there is none.
func (s stored) served() (generationState, bool) {
	g, ok := s.Generations[s.Aliases[killCollection]]
	return g, ok
}

// readStored reads a copy of a data directory, which stays as its process left it.
func readStored(t *testing.T, dir string) stored {
	t.Helper()
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(filepath.Join(dir, "index"))); err != nil {
		t.Fatal(err)
	}
	s, err := inspect(t.Context(), copied)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(copied); err != nil { // not hundreds of them at the end
		t.Fatal(err)
	}
	return s
}

func inspect(ctx context.Context, dir string) (stored, error) {
	store, err := qdrantlocal.Open(ctx, qdrantlocal.Options{Dir: dir})
	if err != nil {
		return stored{}, err
	}
	defer store.Close()
	c, err := qdrant.NewClient(store.Connect())
	if err != nil {
		return stored{}, err
	}
	defer c.Close()
	out := stored{Aliases: map[string]string{}, Generations: map[string]generationState{}}
	aliases, err := c.ListAliases(ctx)
	if err != nil {
		return stored{}, err
	}
	for _, a := range aliases {
		out.Aliases[a.GetAliasName()] = a.GetCollectionName()
	}
	names, err := c.ListCollections(ctx)
	if err != nil {
		return stored{}, err
	}
	for _, name := range names {
		// Records without chunks are the garbage of an interrupted Create or Drop,
		// see package index.
		if !strings.HasSuffix(name, "_docs") {
			if out.Generations[name], err = inspectGeneration(ctx, c, name); err != nil {
				return stored{}, fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return out, nil
}

func inspectGeneration(ctx context.Context, c *qdrant.Client, name string) (generationState, error) {
	g := generationState{Docs: map[text.DocID]docState{}}
	var config strings.Builder
	type document struct {
		record *qdrant.RetrievedPoint
		chunks map[int64]*qdrant.RetrievedPoint // by ordinal
	}
	docs := map[string]*document{}
	for _, collection := range []string{name + "_docs", name} {
		info, err := c.GetCollectionInfo(ctx, collection)
		if err != nil {
			return g, err
		}
		for _, m := range []proto.Message{info.GetConfig(), &qdrant.CollectionInfo{PayloadSchema: info.GetPayloadSchema()}} {
			if x, ok := m.(*qdrant.CollectionInfo); ok {
				for _, p := range x.PayloadSchema {
					p.Points = nil // counts hidden ones, too
				}
			}
			config.WriteString(canonical(m))
		}
		for p, err := range scroll(ctx, c, collection) {
			if err != nil {
				return g, err
			}
			doc := p.GetPayload()["doc"].GetStringValue()
			d := docs[doc]
			if collection != name {
				docs[doc] = &document{record: p, chunks: map[int64]*qdrant.RetrievedPoint{}}
				continue
			}
			ord := p.GetPayload()["ord"].GetIntegerValue()
			if d == nil || d.chunks[ord] != nil || d.record.GetPayload()["rev"].GetStringValue() != p.GetPayload()["rev"].GetStringValue() {
				g.Hidden = append(g.Hidden, p.GetId().GetUuid())
				continue
			}
			d.chunks[ord] = p
		}
	}
	g.Config = short(config.String())
	for doc, d := range docs {
		var chunks strings.Builder
		n := d.record.GetPayload()["chunk_count"].GetIntegerValue()
		for ord := range n {
			if d.chunks[ord] != nil {
				chunks.WriteString(canonical(d.chunks[ord]))
			}
		}
		if int64(len(d.chunks)) != n {
			g.Broken = append(g.Broken, doc)
		}
		g.Docs[text.DocID(doc)] = docState{short(canonical(d.record)), short(chunks.String())}
	}
	slices.Sort(g.Hidden)
	slices.Sort(g.Broken)
	return g, nil
}

// scroll yields every point of a collection with all that is stored of it.
func scroll(ctx context.Context, c *qdrant.Client, collection string) func(func(*qdrant.RetrievedPoint, error) bool) {
	return func(yield func(*qdrant.RetrievedPoint, error) bool) {
		var offset *qdrant.PointId
		for {
			page, next, err := c.ScrollAndOffset(ctx, &qdrant.ScrollPoints{
				CollectionName: collection, Offset: offset, Limit: qdrant.PtrOf(uint32(1000)),
				WithPayload: qdrant.NewWithPayload(true), WithVectors: qdrant.NewWithVectors(true),
			})
			if err != nil {
				yield(nil, err)
				return
			}
			for _, p := range page {
				if !yield(p, nil) {
					return
				}
			}
			if next == nil {
				return
			}
			offset = next
		}
	}
}

func canonical(m proto.Message) string {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return err.Error() // unreachable: it came over the wire
	}
	return string(b)
}

func short(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:8])
}
