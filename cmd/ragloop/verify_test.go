package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/qdrant/go-client/qdrant"

	"github.com/ragloop/ragloop/internal/qdrantlocal"
)

// A user whose index lost a chunk and has a wrong vector: what is found, what
// --repair mends, and what the next ingest does.
func TestVerifyRepairIngest(t *testing.T) {
	dir := t.TempDir()
	data, docs := filepath.Join(dir, "data"), filepath.Join(dir, "docs")
	if err := os.Mkdir(docs, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string]string{"a.txt": "The main valve closes in six seconds.", "b.txt": "The pump starts with the valve open."} {
		if err := os.WriteFile(filepath.Join(docs, name), []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ragloop := func(want int, args ...string) (stdout, stderr string) {
		t.Helper()
		code, stdout, stderr := command(t, append(args, "--data", data)...)
		if code != want {
			t.Fatalf("%q ends with %d, want %d: %s%s", args, code, want, stdout, stderr)
		}
		return stdout, stderr
	}
	ragloop(exitOK, "ingest", docs)
	spoil(t, filepath.Join(data, "index"))

	stdout, stderr := ragloop(exitFailed, "verify", "--read-data")
	for _, want := range []string{
		`found: 2 things\n`, `(?m)^chunk-missing +a\.txt +0 +[0-9a-f-]{36} +reingest +it is not stored$`,
		`(?m)^dense +b\.txt +0 +[0-9a-f-]{36} +rewrite +its dense vector has cosine -?0\.\d+ with that of its text, at least 0\.995 is allowed$`,
		`--repair mends 1 of these from what is stored\. 1 document must be read again: --repair marks, then "ragloop ingest PATH" mends\.`,
	} {
		if !regexp.MustCompile(want).MatchString(stdout) {
			t.Errorf("verify prints\n%s, want %s", stdout, want)
		}
	}
	if want := "verify failed: 2 things are not as it should be in default__g1"; !strings.Contains(stderr, want) {
		t.Errorf("verify says %q, want %q", stderr, want)
	}

	stdout, _ = ragloop(exitFailed, "verify", "--read-data", "--repair")
	if want := "repaired: 0 indexes created, 0 points removed, 1 point made again, 1 document marked for the next ingest\n"; !strings.Contains(stdout, want) || !strings.Contains(stdout, "left: 1 document, which \"ragloop ingest PATH\" reads again:\n  a.txt\n") {
		t.Errorf("verify --repair prints\n%s, want %s", stdout, want)
	}

	stdout, _ = ragloop(exitFailed, "verify", "--repair", "--json")
	var machine verificationJSON
	if err := json.Unmarshal([]byte(stdout), &machine); err != nil {
		t.Fatal(err)
	}
	if len(machine.Drift) != 1 || machine.Drift[0].Doc != "a.txt" || *machine.Drift[0].Chunk != 0 || machine.Repaired == nil || len(machine.Repaired.Left) != 1 {
		t.Errorf("verify --repair --json prints %s", stdout)
	}

	if stdout, _ := ragloop(exitOK, "docs", "ls"); !regexp.MustCompile(`(?m)^a\.txt +indexed .* damaged in the index, the next ingest mends it: .*chunk-missing`).MatchString(stdout) {
		t.Errorf("docs ls prints\n%s, want the damage of a.txt", stdout)
	}

	if _, stderr := ragloop(exitOK, "ingest", docs); !strings.Contains(stderr, "1 documents were stored again: what was stored of them was damaged") {
		t.Errorf("ingest says %q, want that a.txt was mended", stderr)
	}
	if stdout, _ := ragloop(exitOK, "docs", "ls"); strings.Contains(stdout, "damage") {
		t.Errorf("after another ingest docs ls prints\n%s", stdout)
	}
	if stdout, _ := ragloop(exitOK, "verify", "--read-data", "--sample", "all"); !strings.Contains(stdout, "all as it should be") {
		t.Errorf("after another ingest verify prints\n%s", stdout)
	}

	// What is wrong with a generation that is not served is no finding.
	ragloop(exitOK, "ingest", "--rebuild", docs)
	spoilRecord(t, filepath.Join(data, "index"))
	if stdout, _ := ragloop(exitOK, "verify"); !regexp.MustCompile(`default__g1, not served +not compared: .*stored data is damaged`).MatchString(stdout) {
		t.Errorf("beside a damaged generation verify prints\n%s", stdout)
	}
}

// rawClient opens an index as any client of Qdrant does; done closes it.
func rawClient(t *testing.T, dir string) (c *qdrant.Client, done func()) {
	t.Helper()
	store, err := qdrantlocal.Open(t.Context(), qdrantlocal.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if c, err = qdrant.NewClient(store.Connect()); err != nil {
		t.Fatal(err)
	}
	return c, func() {
		if err := errors.Join(c.Close(), store.Close()); err != nil {
			t.Error(err)
		}
	}
}

func ofDoc(doc string) *qdrant.Filter {
	return &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewMatch("doc", doc)}}
}

// spoilRecord gives the record of a.txt in the first generation an impossible state.
func spoilRecord(t *testing.T, dir string) {
	t.Helper()
	c, done := rawClient(t, dir)
	defer done()
	if _, err := c.SetPayload(t.Context(), &qdrant.SetPayloadPoints{
		CollectionName: "default__g1_docs", Wait: qdrant.PtrOf(true),
		Payload: qdrant.NewValueMap(map[string]any{"state": 5}), PointsSelector: qdrant.NewPointsSelectorFilter(ofDoc("a.txt")),
	}); err != nil {
		t.Fatal(err)
	}
}

// spoil removes the chunk of a.txt and turns the vector of b.txt.
func spoil(t *testing.T, dir string) {
	t.Helper()
	c, done := rawClient(t, dir)
	defer done()
	const name = "default__g1"
	if _, err := c.Delete(t.Context(), &qdrant.DeletePoints{CollectionName: name, Wait: qdrant.PtrOf(true), Points: qdrant.NewPointsSelectorFilter(ofDoc("a.txt"))}); err != nil {
		t.Fatal(err)
	}
	points, err := c.Scroll(t.Context(), &qdrant.ScrollPoints{CollectionName: name, Filter: ofDoc("b.txt"), WithVectors: qdrant.NewWithVectors(true)})
	if err != nil || len(points) != 1 {
		t.Fatalf("%d points, %v", len(points), err)
	}
	v := points[0].GetVectors().GetVectors().GetVectors()["dense"].GetDense().GetData()
	for i := range len(v) / 2 {
		v[i], v[len(v)-1-i] = v[len(v)-1-i], v[i]
	}
	if _, err := c.UpdateVectors(t.Context(), &qdrant.UpdatePointVectors{
		CollectionName: name, Wait: qdrant.PtrOf(true),
		Points: []*qdrant.PointVectors{{Id: points[0].GetId(), Vectors: qdrant.NewVectorsMap(map[string]*qdrant.Vector{"dense": qdrant.NewVectorDense(v)})}},
	}); err != nil {
		t.Fatal(err)
	}
}
