package ingest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/qdrant/go-client/qdrant"

	"github.com/ragloop/ragloop/internal/embed"
	"github.com/ragloop/ragloop/internal/index"
)

// TestVerifyBesideRefusedTexts: what an endpoint refuses by now is reported, and
// keeps nothing else from being compared and mended.
func TestVerifyBesideRefusedTexts(t *testing.T) {
	d := newDriftCase(t)
	var chunks int
	d.raw(t, func(r *rawIndex) {
		chunks = len(r.points(driftChunks))
		for _, doc := range []string{"a", "c"} { // the vector of another text
			p := r.chunk(doc, 0)
			r.vector(p, "dense", qdrant.NewVectorDense(vectors(r.chunk("b", 0))["dense"].GetDense().GetData()))
		}
	})
	before := d.dump(t)
	e := &hashed{breach: func(texts []string, vectors [][]float32) ([][]float32, error) {
		// What all chunks of a have in their index prefix, and no others.
		if i := slices.IndexFunc(texts, func(s string) bool { return strings.Contains(s, "On a") }); i >= 0 {
			return vectors[:i], fmt.Errorf("%w: it is rude", embed.ErrRefused)
		}
		return vectors, nil
	}}
	o := VerifyOptions{ReadData: true, Sample: -1}
	describe := func(r index.Report) (out []string) {
		for _, x := range r.Drift {
			out = append(out, fmt.Sprintf("%s %s %s", x.Kind, x.Doc, x.Remedy))
			if x.Kind == index.DriftRefused && !strings.Contains(x.Detail, "the endpoint refuses this text: it is rude") {
				t.Errorf("the detail is %q", x.Detail)
			}
		}
		return out
	}
	d.open(t, func(_ *index.Client, g *index.Generation) {
		v, err := NewVerifier(g, e)
		if err != nil {
			t.Fatal(err)
		}
		found, err := v.Verify(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		refused := 0
		for _, x := range found.Drift {
			if x.Kind == index.DriftRefused {
				refused++
				want = append(want, "dense-refused a unknown")
			}
		}
		if refused == 0 || found.Embedded != chunks-refused || found.Read != chunks {
			t.Errorf("%d of %d chunks were compared, %d refused, %d read", found.Embedded, chunks, refused, found.Read)
		}
		if diff := gocmp.Diff(append([]string{"dense c rewrite"}, want...), describe(found)); diff != "" {
			t.Errorf("found (-want +got):\n%s", diff)
		}
		mended, err := v.Mend(t.Context(), found)
		if err != nil || mended.Rewritten != 1 {
			t.Errorf("mended %+v, %v, want one point", mended, err)
		}
		left, err := v.Verify(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(want, describe(left)); diff != "" {
			t.Errorf("left (-want +got):\n%s", diff)
		}
		// With an embedder that takes all it is found, and one that then refuses mends
		// nothing, and loses nothing.
		if v, err = NewVerifier(g, &hashed{}); err != nil {
			t.Fatal(err)
		}
		if found, err = v.Verify(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff([]string{"dense a rewrite"}, describe(found)); diff != "" {
			t.Errorf("found by another (-want +got):\n%s", diff)
		}
		if v, err = NewVerifier(g, e); err != nil {
			t.Fatal(err)
		}
		if mended, err = v.Mend(t.Context(), found); err != nil || mended.Rewritten != 0 {
			t.Errorf("mended %+v, %v, want none", mended, err)
		}
	})
	after := d.dump(t)
	changed := 0
	for id, p := range before {
		if after[id] != p {
			changed++
		}
	}
	if changed != 1 || len(after) != len(before) {
		t.Errorf("%d points were changed, want that of c", changed)
	}
}
