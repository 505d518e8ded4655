package index

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"

	"github.com/ragloop/ragloop/internal/failpoint"
)

// Names of the two vectors, and the version of the layout in the package comment.
const (
	denseVector   = "dense"
	sparseVector  = "bm25"
	schemaVersion = 1
	recordSuffix  = "_docs"
	maxNameBytes  = 200 // Qdrant allows 255; the rest is for the suffixes
)

// Keys of the collection metadata.
const (
	metaSchema      = "schema_version"
	metaRecipe      = "recipe"
	metaFingerprint = "fingerprint"
	metaCollection  = "collection"
	metaGeneration  = "generation"
)

// Generation is one immutable build of an index: chunks and records of one
// recipe. Safe for concurrent use.
type Generation struct {
	Collection string // the alias
	Number     int
	Recipe     Recipe

	c           *Client
	fingerprint string // of Recipe
}

func (g *Generation) chunks() string  { return physical(g.Collection, g.Number) }
func (g *Generation) records() string { return physical(g.Collection, g.Number) + recordSuffix }

// String returns the name of g's chunk collection, for example "docs__g3".
func (g *Generation) String() string { return g.chunks() }

func physical(collection string, number int) string {
	return collection + "__g" + strconv.Itoa(number)
}

var physicalName = regexp.MustCompile(`^(.+)__g([1-9][0-9]{0,8})(_docs)?$`)

// parsePhysical takes the name of a Qdrant collection apart; ok is false for
// one that this package did not name.
func parsePhysical(name string) (collection string, number int, records, ok bool) {
	m := physicalName.FindStringSubmatch(name)
	if m == nil {
		return "", 0, false, false
	}
	number, err := strconv.Atoi(m[2])
	return m[1], number, m[3] != "", err == nil
}

// checkName returns nil where name can name a collection, otherwise an error
// that says what is allowed.
func checkName(name string) error {
	bad := func(why string) error {
		return fmt.Errorf("%w: collection name %q %s", ErrInvalid, name, why)
	}
	if name == "" || len(name) > maxNameBytes {
		return bad(fmt.Sprintf("has %d bytes, allowed are 1 to %d", len(name), maxNameBytes))
	}
	for i, r := range name {
		letter := r != unicode.ReplacementChar && (unicode.IsLetter(r) || unicode.IsDigit(r))
		if !letter && (i == 0 || !strings.ContainsRune("._-", r)) {
			return bad(fmt.Sprintf("holds %q, allowed are letters, digits and, after the first, . _ -", r))
		}
	}
	if _, _, _, ok := parsePhysical(name); ok {
		return bad("is the name of a generation")
	}
	return nil
}

// Create makes the next generation of a collection with recipe r. It is not served until Serve.
// The number is one above every number in use. The left-over of an interrupted
// Create, which holds nothing, is completed; that of an interrupted Drop counts
// as in use.
func (c *Client) Create(ctx context.Context, collection string, r Recipe) (*Generation, error) {
	what := fmt.Sprintf("create a generation of %q", collection)
	if err := checkName(collection); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	if err := r.validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	names, err := c.names(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	last := 0
	for _, n := range names {
		if col, num, _, ok := parsePhysical(n); ok && col == collection {
			last = max(last, num)
		}
	}
	g := &Generation{Collection: collection, Number: last + 1, Recipe: r, c: c, fingerprint: r.Fingerprint()}
	if last > 0 && !slices.Contains(names, physical(collection, last)) {
		if n, err := c.count(ctx, physical(collection, last)+recordSuffix, nil); err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		} else if n == 0 {
			g.Number = last
		}
	}
	if err := g.create(ctx); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return g, nil
}

func (g *Generation) create(ctx context.Context) error {
	// An existing collection is a repeated call whose first answer was lost, or
	// another process creating the same number: what is read back decides.
	create := func(req *qdrant.CreateCollection) error {
		_, err := call(ctx, g.c, false, "create "+req.GetCollectionName(), func(ctx context.Context) (struct{}, error) {
			return struct{}{}, g.c.qc.CreateCollection(ctx, req)
		})
		if codeOf(err) == codes.AlreadyExists {
			return nil
		}
		return err
	}
	if err := create(&qdrant.CreateCollection{CollectionName: g.records()}); err != nil {
		return err
	}
	failpoint.Hit(failpoint.RecordsMade)
	if err := g.prepareRecords(ctx); err != nil {
		return err
	}
	failpoint.Hit(failpoint.RecordsIndexed)
	recipe, err := json.Marshal(g.Recipe)
	if err != nil {
		return err
	}
	if err := create(&qdrant.CreateCollection{
		CollectionName: g.chunks(),
		VectorsConfig: qdrant.NewVectorsConfigMap(map[string]*qdrant.VectorParams{
			denseVector: {Size: uint64(g.Recipe.Embedder.Dimension), Distance: qdrant.Distance_Cosine},
		}),
		SparseVectorsConfig: qdrant.NewSparseVectorsConfig(map[string]*qdrant.SparseVectorParams{
			sparseVector: {Modifier: qdrant.PtrOf(qdrant.Modifier_Idf)},
		}),
		OptimizersConfig: vacuum(),
		Metadata: map[string]*qdrant.Value{
			metaSchema:      qdrant.NewValueInt(schemaVersion),
			metaRecipe:      qdrant.NewValueString(string(recipe)),
			metaFingerprint: qdrant.NewValueString(g.fingerprint),
			metaCollection:  qdrant.NewValueString(g.Collection),
			metaGeneration:  qdrant.NewValueInt(int64(g.Number)),
		},
	}); err != nil {
		return err
	}
	failpoint.Hit(failpoint.ChunksMade)
	back, err := g.c.load(ctx, g.chunks())
	if err != nil {
		return fmt.Errorf("read the recipe back: %w", err)
	}
	if back.fingerprint != g.fingerprint {
		return fmt.Errorf("%s exists already: %w", g.chunks(), back.Recipe.Check(g.Recipe))
	}
	return g.Prepare(ctx)
}

// Prepare makes g ready for writing: it creates the payload indexes that an
// interrupted Create left out, or that Options.Filterable names by now, and the
// settings of vacuum that older generations lack. Cheap where nothing is missing. It
// removes no index.
func (g *Generation) Prepare(ctx context.Context) error {
	info, err := g.c.describe(ctx, g.chunks())
	if err != nil {
		return err
	}
	if err := g.ensureVacuum(ctx, info); err != nil {
		return err
	}
	return g.ensure(ctx, g.chunks(), info, g.c.chunkIndexes())
}

// prepareRecords creates the payload indexes that the records lack.
func (g *Generation) prepareRecords(ctx context.Context) error {
	info, err := g.c.describe(ctx, g.records())
	if err != nil {
		return err
	}
	return g.ensure(ctx, g.records(), info, recordIndexes)
}

func (c *Client) describe(ctx context.Context, collection string) (*qdrant.CollectionInfo, error) {
	return call(ctx, c, true, "describe "+collection, func(ctx context.Context) (*qdrant.CollectionInfo, error) {
		return c.qc.GetCollectionInfo(ctx, collection)
	})
}

// ensure creates those of the wanted indexes that a collection, described by info,
// lacks, in place of those of another type.
func (g *Generation) ensure(ctx context.Context, collection string, info *qdrant.CollectionInfo, want []payloadIndex) error {
	for _, w := range want {
		problem, other := w.missing(info.GetPayloadSchema())
		if problem == "" {
			continue
		}
		if other {
			err := g.c.update(ctx, fmt.Sprintf("drop the index of %s of %s", w.field, collection), func(ctx context.Context) (*qdrant.UpdateResult, error) {
				return g.c.qc.DeleteFieldIndex(ctx, &qdrant.DeleteFieldIndexCollection{
					CollectionName: collection, Wait: qdrant.PtrOf(true), FieldName: w.field,
				})
			})
			if err != nil {
				return err
			}
		}
		err := g.c.update(ctx, fmt.Sprintf("index %s of %s", w.field, collection), func(ctx context.Context) (*qdrant.UpdateResult, error) {
			return g.c.qc.CreateFieldIndex(ctx, &qdrant.CreateFieldIndexCollection{
				CollectionName:   collection,
				Wait:             qdrant.PtrOf(true),
				FieldName:        w.field,
				FieldType:        qdrant.PtrOf(w.kind),
				FieldIndexParams: w.params,
			})
		})
		if err != nil {
			return err
		}
		failpoint.Hit(failpoint.IndexMade)
	}
	return nil
}

// Open returns the generation that is served under collection. ErrNoCollection when there is none.
// It stays the same generation when another one is served later.
func (c *Client) Open(ctx context.Context, collection string) (*Generation, error) {
	what := fmt.Sprintf("open collection %q", collection)
	if err := checkName(collection); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	name, err := c.resolve(ctx, collection)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	g, err := c.load(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return g, nil
}

// Served returns the number of the generation that is served under collection.
// ErrNoCollection when there is none.
func (c *Client) Served(ctx context.Context, collection string) (int, error) {
	name, err := c.resolve(ctx, collection)
	if err != nil {
		return 0, fmt.Errorf("look up collection %q: %w", collection, err)
	}
	col, number, records, ok := parsePhysical(name)
	if !ok || records || col != collection {
		return 0, fmt.Errorf("look up collection %q: its alias points at %q, which is none of its generations", collection, name)
	}
	return number, nil
}

// resolve returns the Qdrant collection behind an alias.
func (c *Client) resolve(ctx context.Context, alias string) (string, error) {
	aliases, err := call(ctx, c, true, "list the aliases", c.qc.ListAliases)
	if err != nil {
		return "", err
	}
	for _, a := range aliases {
		if a.GetAliasName() == alias {
			return a.GetCollectionName(), nil
		}
	}
	return "", ErrNoCollection
}

// load reads a generation from the metadata of its chunk collection.
func (c *Client) load(ctx context.Context, name string) (*Generation, error) {
	info, err := c.describe(ctx, name)
	if err != nil {
		return nil, err
	}
	meta := info.GetConfig().GetMetadata()
	schema := meta[metaSchema]
	if schema == nil {
		return nil, fmt.Errorf("%s holds no recipe: not made by ragloop, or by a server that does not keep collection metadata", name)
	}
	if v := schema.GetIntegerValue(); v != schemaVersion {
		return nil, fmt.Errorf("%s has layout version %d, this program reads and writes %d", name, v, schemaVersion)
	}
	g := &Generation{
		Collection: meta[metaCollection].GetStringValue(),
		Number:     int(meta[metaGeneration].GetIntegerValue()),
		c:          c,
	}
	if g.chunks() != name {
		return nil, fmt.Errorf("%s: %w: its metadata names generation %d of %q", name, ErrDamaged, g.Number, g.Collection)
	}
	if err := json.Unmarshal([]byte(meta[metaRecipe].GetStringValue()), &g.Recipe); err != nil {
		return nil, fmt.Errorf("%s: %w: its recipe: %w", name, ErrDamaged, err)
	}
	g.fingerprint = g.Recipe.Fingerprint()
	if f := meta[metaFingerprint].GetStringValue(); f != g.fingerprint {
		return nil, fmt.Errorf("%s: %w: its recipe has fingerprint %s, stored is %s", name, ErrDamaged, g.fingerprint, f)
	}
	return g, nil
}

// Serve points the alias at g. Readers that opened another generation keep it.
func (c *Client) Serve(ctx context.Context, g *Generation) error {
	failpoint.Hit(failpoint.AliasNext)
	_, err := call(ctx, c, false, fmt.Sprintf("serve %s as %q", g, g.Collection), func(ctx context.Context) (struct{}, error) {
		return struct{}{}, c.qc.CreateAlias(ctx, g.Collection, g.chunks()) // re-points an existing alias
	})
	failpoint.Hit(failpoint.AliasSwitched)
	if codeOf(err) == codes.AlreadyExists {
		return fmt.Errorf("%w: Qdrant has a collection of that name which ragloop did not make", err)
	}
	return err
}

// Drop deletes g's collections; a served generation is refused. Dropping what
// is gone already is no error.
func (c *Client) Drop(ctx context.Context, g *Generation) error {
	what := fmt.Sprintf("drop %s", g)
	served, err := c.resolve(ctx, g.Collection)
	if err != nil && !errors.Is(err, ErrNoCollection) {
		return fmt.Errorf("%s: %w", what, err)
	}
	if served == g.chunks() {
		return fmt.Errorf("%s: %w: it is being served as %q; serve another generation first", what, ErrInvalid, g.Collection)
	}
	done, err := c.turn(ctx, g.chunks())
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	defer done()
	names, err := c.names(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	// The chunks first: their metadata is what makes the rest a generation.
	doomed := []string{g.chunks()}
	for _, n := range names {
		col, number, records, ok := parsePhysical(n)
		if !ok || !records || col != g.Collection || number > g.Number {
			continue
		}
		// Records of g, and those that an interrupted Create or Drop left over.
		if number == g.Number || !slices.Contains(names, physical(col, number)) {
			doomed = append(doomed, n)
		}
	}
	if err := c.deleteCollections(ctx, doomed); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// DropCollection stops serving a collection and deletes all its generations,
// the documents of all tenants. Dropping what does not exist is no error.
func (c *Client) DropCollection(ctx context.Context, collection string) error {
	what := fmt.Sprintf("drop collection %q", collection)
	if err := checkName(collection); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	_, err := call(ctx, c, false, what, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, c.qc.DeleteAlias(ctx, collection)
	})
	if err != nil {
		return err
	}
	names, err := c.names(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	var doomed []string // sorted: the chunks of a generation before its records
	for _, n := range names {
		if col, _, _, ok := parsePhysical(n); ok && col == collection {
			doomed = append(doomed, n)
		}
	}
	if err := c.deleteCollections(ctx, doomed); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func (c *Client) deleteCollections(ctx context.Context, names []string) error {
	for _, n := range names {
		_, err := call(ctx, c, false, "delete "+n, func(ctx context.Context) (*qdrant.CollectionOperationResponse, error) {
			// The client's own method takes "it was not there" for a failure.
			return c.qc.GetCollectionsClient().Delete(ctx, &qdrant.DeleteCollection{CollectionName: n})
		})
		if err != nil {
			return err
		}
		failpoint.Hit(failpoint.CollectionGone)
	}
	return nil
}

// Generations lists the generations of a collection, oldest first, served or
// not; none is no error.
func (c *Client) Generations(ctx context.Context, collection string) ([]*Generation, error) {
	what := fmt.Sprintf("list the generations of %q", collection)
	names, err := c.names(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	var out []*Generation
	for _, n := range names {
		col, _, records, ok := parsePhysical(n)
		if !ok || records || col != collection || !slices.Contains(names, n+recordSuffix) {
			continue
		}
		g, err := c.load(ctx, n)
		if errors.Is(err, ErrNoCollection) {
			continue // dropped since it was listed
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		out = append(out, g)
	}
	slices.SortFunc(out, func(a, b *Generation) int { return a.Number - b.Number })
	return out, nil
}

// Collections lists the names under which a generation is served, sorted.
func (c *Client) Collections(ctx context.Context) ([]string, error) {
	aliases, err := call(ctx, c, true, "list the collections", c.qc.ListAliases)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, a := range aliases {
		col, _, records, ok := parsePhysical(a.GetCollectionName())
		if ok && !records && col == a.GetAliasName() {
			out = append(out, col)
		}
	}
	slices.Sort(out)
	return out, nil
}

// names lists Qdrant's collections, sorted.
func (c *Client) names(ctx context.Context) ([]string, error) {
	names, err := call(ctx, c, true, "list the collections", c.qc.ListCollections)
	slices.Sort(names)
	return names, err
}
