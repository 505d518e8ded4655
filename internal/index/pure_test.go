package index

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ragloop/ragloop/internal/lexical"
	"github.com/ragloop/ragloop/internal/text"
)

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

func sorted[T cmp.Ordered](s []T) []T { slices.Sort(s); return s }

// Fingerprints and ids are part of the stored format: a change here makes every
// index that exists unreadable.
func TestStoredIdentities(t *testing.T) {
	if got, want := testRecipe().Fingerprint(), "30d54d2685e1d9bd"; got != want {
		t.Errorf("Fingerprint() = %s, want %s", got, want)
	}
	if got, want := chunkID("default", "a/b.md", "rev", "recipe", 7), ChunkID("4df764a8-54d3-5ba7-993f-974d1aaa3496"); got != want {
		t.Errorf("chunkID = %s, want %s", got, want)
	}
	if got, want := recordID("default", "a/b.md"), "a2658efa-d56e-5c8a-beba-336541186b15"; got != want {
		t.Errorf("recordID = %s, want %s", got, want)
	}
}

func TestIDsAreUnambiguous(t *testing.T) {
	seen := map[ChunkID]string{}
	parts := []string{"", "a", "b", "ab", "a\x00", "\x01a", "\x01"}
	for _, tenant := range parts {
		for _, doc := range parts {
			for _, rev := range parts {
				for _, ord := range []int{0, 1, 97, 300} {
					id := chunkID(tenant, text.DocID(doc), rev, "r", ord)
					key := strings.Join([]string{tenant, doc, rev, string(rune(ord))}, "|")
					if other, ok := seen[id]; ok {
						t.Fatalf("%q and %q share id %s", key, other, id)
					}
					seen[id] = key
				}
			}
		}
	}
}

func TestFingerprintCoversEveryField(t *testing.T) {
	base := testRecipe()
	changes := map[string]func(*Recipe){
		"extractor version":    func(r *Recipe) { r.Extractor = "2" },
		"chunking strategy":    func(r *Recipe) { r.Chunker.Strategy = "other" },
		"chunk size in tokens": func(r *Recipe) { r.Chunker.SizeTokens++ },
		"chunk overlap":        func(r *Recipe) { r.Chunker.Overlap = 0.3 },
		"tokenizer":            func(r *Recipe) { r.Chunker.Tokenizer = "cl100k_base" },
		"index prefix":         func(r *Recipe) { r.Chunker.IndexPrefix = false },
		"context of chunks":    func(r *Recipe) { r.Chunker.Context = "s1" },
		"embedder":             func(r *Recipe) { r.Embedder.Fingerprint = "other" },
		"BM25 k":               func(r *Recipe) { r.Lexical.K = 0.9 },
		"BM25 b":               func(r *Recipe) { r.Lexical.B = 0.4 },
		"BM25 average length":  func(r *Recipe) { r.Lexical.AvgLen = 13 },
		"language":             func(r *Recipe) { r.Lexical.Language = "none" },
		"word splitting":       func(r *Recipe) { r.Lexical.Tokenizer = lexical.Whitespace },
		"case sensitivity":     func(r *Recipe) { r.Lexical.CaseSensitive = true },
		"ASCII folding":        func(r *Recipe) { r.Lexical.ASCIIFolding = true },
		"stop words":           func(r *Recipe) { r.Lexical.StopWords = []string{} },
		"shortest term":        func(r *Recipe) { r.Lexical.MinTermLen = 2 },
		"longest term":         func(r *Recipe) { r.Lexical.MaxTermLen = 30 },
	}
	if want := leaves(reflect.TypeFor[Recipe]()) - 2; len(changes) != want { // an embedder is one part
		t.Errorf("%d parts of a recipe are tried, it has %d", len(changes), want)
	}
	seen := map[string]string{base.Fingerprint(): "unchanged"}
	for _, part := range sortedKeys(changes) {
		r := base
		changes[part](&r)
		f := r.Fingerprint()
		if other, ok := seen[f]; ok {
			t.Errorf("%s and %s have the same fingerprint", part, other)
		}
		seen[f] = part
		d := base.Diff(r)
		if len(d) != 1 || !strings.HasPrefix(d[0], part+": stored ") {
			t.Errorf("diff after a change of the %s = %q", part, d)
		}
		if err := base.Check(r); !errors.Is(err, ErrRecipe) || !strings.Contains(err.Error(), d[0]) {
			t.Errorf("Check after a change of the %s = %v", part, err)
		}
	}
	if err := base.Check(base); err != nil {
		t.Errorf("Check of an equal recipe = %v", err)
	}
	as := base
	as.Lexical.AvgLen, as.Embedder.Name = 0, "renamed"
	if err := base.Check(as); err != nil {
		t.Errorf("Check with the stored average length and another name = %v", err)
	}
}

func leaves(t reflect.Type) (n int) {
	if t.Kind() != reflect.Struct {
		return 1
	}
	for i := range t.NumField() {
		n += leaves(t.Field(i).Type)
	}
	return n
}

func TestRecipeValidate(t *testing.T) {
	for name, change := range map[string]func(*Recipe){
		"dimension":    func(r *Recipe) { r.Embedder.Dimension = 0 },
		"average":      func(r *Recipe) { r.Lexical.AvgLen = 0 },
		"not a number": func(r *Recipe) { r.Lexical.AvgLen = nan() },
		"overlap":      func(r *Recipe) { r.Chunker.Overlap = nan() },
		"language":     func(r *Recipe) { r.Lexical.Language = "klingon" },
	} {
		r := testRecipe()
		change(&r)
		if err := r.validate(); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: validate() = %v, want %v", name, err, ErrInvalid)
		}
	}
}

func nan() float64 { var zero float64; return zero / zero }

func TestCheckName(t *testing.T) {
	for _, name := range []string{"docs", "a", "Docs-2.v_1", "données", "x__g", "x__g0", "x__gA", "a__b"} {
		if err := checkName(name); err != nil {
			t.Errorf("checkName(%q) = %v", name, err)
		}
	}
	for _, name := range []string{"", ".", "..", ".hidden", "-x", "a/b", "a b", "a\x00", "a\xff", "x__g1", "x__g12_docs", strings.Repeat("x", 201)} {
		if err := checkName(name); !errors.Is(err, ErrInvalid) {
			t.Errorf("checkName(%q) = %v, want %v", name, err, ErrInvalid)
		}
	}
}

func TestParsePhysical(t *testing.T) {
	for _, tt := range []struct {
		in         string
		collection string
		number     int
		records    bool
		ok         bool
	}{
		{"docs__g1", "docs", 1, false, true},
		{"docs__g12_docs", "docs", 12, true, true},
		{"docs_docs__g2", "docs_docs", 2, false, true},
		{"docs", "", 0, false, false},
		{"docs__g0", "", 0, false, false},
		{"docs__g01", "", 0, false, false},
		{"docs__g1_other", "", 0, false, false},
		{"__g1", "", 0, false, false},
	} {
		c, n, r, ok := parsePhysical(tt.in)
		if c != tt.collection || n != tt.number || r != tt.records || ok != tt.ok {
			t.Errorf("parsePhysical(%q) = %q, %d, %v, %v", tt.in, c, n, r, ok)
		}
	}
}

func TestRetry(t *testing.T) {
	limited := &qdrant.QdrantResourceExhaustedError{Reason: "slow down", RetryAfterS: 3}
	for _, tt := range []struct {
		name  string
		err   error
		read  bool
		calls int
		after time.Duration
	}{
		{"unavailable", status.Error(codes.Unavailable, ""), false, maxAttempts, 0},
		{"aborted", status.Error(codes.Aborted, ""), false, maxAttempts, 0},
		{"server's deadline", status.Error(codes.DeadlineExceeded, ""), false, maxAttempts, 0},
		{"rate limit", limited, false, maxAttempts, 3 * time.Second},
		{"message too large", status.Error(codes.ResourceExhausted, ""), false, 1, 0},
		{"dead replica, read", status.Error(codes.Internal, "1 of 1 read operations failed"), true, maxReadAttempts, 0},
		{"dead replica, write", status.Error(codes.Internal, "1 of 1 read operations failed"), false, 1, 0},
		{"internal", status.Error(codes.Internal, "panic"), true, 1, 0},
		{"invalid", status.Error(codes.InvalidArgument, ""), true, 1, 0},
		{"not found", status.Error(codes.NotFound, ""), true, 1, 0},
		{"no key", status.Error(codes.Unauthenticated, ""), true, 1, 0},
		{"no status", errors.New("x"), true, 1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var waits []time.Duration
			r := retrier{
				jitter: func() float64 { return 0.5 },
				wait:   func(_ context.Context, d time.Duration) error { waits = append(waits, d); return nil },
			}
			calls := 0
			err := r.do(t.Context(), tt.read, func() error { calls++; return tt.err })
			if err != tt.err || calls != tt.calls || len(waits) != tt.calls-1 {
				t.Errorf("%d calls, waits %v, error %v; want %d calls", calls, waits, err, tt.calls)
			}
			if got, want := errors.Is(newCallError(t.Context(), tt.err), ErrUnavailable), tt.calls == maxAttempts; got != want {
				t.Errorf("wraps ErrUnavailable: %v, want %v", got, want)
			}
			for i, d := range waits {
				if want := min(retryBase<<i, retryCap)*3/4 + tt.after; d != want {
					t.Errorf("wait %d = %v, want %v", i, d, want)
				}
			}
		})
	}
}

func TestRetryStops(t *testing.T) {
	down := status.Error(codes.Unavailable, "down")
	never := func(context.Context, time.Duration) error { t.Error("waited"); return nil }

	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	r := retrier{jitter: func() float64 { return 0 }, wait: never}
	if err := r.do(ctx, true, func() error { calls++; cancel(); return down }); err != down || calls != 1 {
		t.Errorf("cancelled during the call: %d calls, error %v", calls, err)
	}

	calls = 0
	r.wait = func(context.Context, time.Duration) error { return context.Canceled }
	if err := r.do(t.Context(), true, func() error { calls++; return down }); err != down || calls != 1 {
		t.Errorf("cancelled during the wait: %d calls, error %v", calls, err)
	}

	calls = 0
	r.wait = func(context.Context, time.Duration) error { return nil }
	err := r.do(t.Context(), true, func() error {
		if calls++; calls < 3 {
			return down
		}
		return nil
	})
	if err != nil || calls != 3 {
		t.Errorf("up again at the third call: %d calls, error %v", calls, err)
	}
}

func TestSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		if err := sleep(t.Context(), 3*time.Second); err != nil || time.Since(start) != 3*time.Second {
			t.Errorf("slept %v, %v", time.Since(start), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		if err := sleep(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("slept %v, %v", time.Since(start), err)
		}
	})
}

func TestMetaPath(t *testing.T) {
	for key, want := range map[string]string{
		"lang": "meta.lang", "a_b-C9": "meta.a_b-C9", "a.b": `meta."a.b"`, "a[0]": `meta."a[0]"`, "größe": `meta."größe"`,
	} {
		if got := metaPath(key); got != want {
			t.Errorf("metaPath(%q) = %s, want %s", key, got, want)
		}
	}
}

func TestRebuild(t *testing.T) {
	c := func(start int, s, gap string) Chunk {
		return Chunk{Span: text.RuneSpan{Start: start, End: start + len([]rune(s))}, Text: s, Gap: gap}
	}
	for _, tt := range []struct {
		name   string
		chunks []Chunk
		want   string
		bad    bool
	}{
		{"one", []Chunk{c(0, "é", "")}, "é", false},
		{"gaps", []Chunk{c(0, "ab", " "), c(3, "cd", "\n")}, "ab cd\n", false},
		{"overlap", []Chunk{c(0, "äöü", ""), c(1, "öüß", "."), c(5, "x", "")}, "äöüß.x", false},
		{"inside", []Chunk{c(0, "äöüß", ""), c(1, "öü", ""), c(3, "ßx", "")}, "äöüßx", false},
		{"hole", []Chunk{c(0, "ab", ""), c(3, "x", "")}, "ab?x", true},
		{"late start", []Chunk{c(1, "ab", "")}, "?ab", true},
		{"short", []Chunk{c(0, "ab", "")}, "abc", true},
	} {
		got, err := rebuild(Record{Bytes: len(tt.want)}, tt.chunks)
		if tt.bad {
			if !errors.Is(err, ErrDamaged) {
				t.Errorf("%s: error %v, want %v", tt.name, err, ErrDamaged)
			}
		} else if err != nil || got != tt.want {
			t.Errorf("%s: rebuild = %q, %v, want %q", tt.name, got, err, tt.want)
		}
	}
}

func TestSplitAddr(t *testing.T) {
	for addr, want := range map[string]string{"localhost:6334": "localhost", ":1": "localhost", "[::1]:6334": "[::1]", "10.0.0.1:65535": "10.0.0.1"} {
		if host, _, err := splitAddr(addr); err != nil || host != want {
			t.Errorf("splitAddr(%q) = %q, %v, want %q", addr, host, err, want)
		}
	}
	for _, addr := range []string{"localhost", "localhost:", "localhost:0", "localhost:65536", "localhost:http", "http://x:1"} {
		if _, _, err := splitAddr(addr); !errors.Is(err, ErrInvalid) {
			t.Errorf("splitAddr(%q) = %v, want %v", addr, err, ErrInvalid)
		}
	}
}

func TestDecodeRefusesOtherTypes(t *testing.T) {
	good := chunkPayload("t", document("d", "r", "words").Points[0].Chunk)
	good[keyDoc], good[keyRev] = qdrant.NewValueString("d"), qdrant.NewValueString("r")
	id := qdrant.NewIDUUID("6d2f6a0e-3c1b-5e0c-9a53-6f0b1f3c7a11")
	if _, err := decodeChunk(id, good); err != nil {
		t.Fatal(err)
	}
	for _, key := range chunkKeys {
		bad := maps.Clone(good)
		bad[key] = qdrant.NewValueBool(true)
		if _, err := decodeChunk(id, bad); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), key) {
			t.Errorf("chunk with a bool under %s: %v", key, err)
		}
	}
	for _, key := range []string{keyDoc, keyRev} {
		bad := maps.Clone(good)
		delete(bad, key)
		if _, err := decodeChunk(id, bad); !errors.Is(err, ErrDamaged) {
			t.Errorf("chunk without %s: %v", key, err)
		}
	}
	rec := recordPayload("t", document("d", "r", "words").Record)
	for _, key := range sortedKeys(rec) {
		bad := maps.Clone(rec)
		bad[key] = qdrant.NewValueBool(true)
		if _, err := decodeRecord(id, bad); (err == nil) != (key == keyTenant) {
			t.Errorf("record with a bool under %s: %v", key, err)
		}
	}
}

func TestRecordRoundTrip(t *testing.T) {
	want := document("d", "r", "words").Record
	want.ChunkCount, want.Tokens, want.Pages, want.Error = 1, 5, 3, "newer version failed"
	got, err := decodeRecord(qdrant.NewIDUUID("x"), recordPayload("t", want))
	if d := gocmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("round trip: %v\n%s", err, d)
	}
}
