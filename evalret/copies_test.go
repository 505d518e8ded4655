package evalret_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/evalret/labels"
	"github.com/ragloop/ragloop/internal/text"
)

// A document says the same twice. The packer delivers one place and drops the
// other as a duplicate: nothing is lost, whichever of them is labelled.
func TestEvidenceThatTheDocumentHasTwice(t *testing.T) {
	const said, between, after = "Pay within 30 days.", "\n\nOther things.\n\n", "\n\nThe end."
	body := said + between + said + after
	second := len(said + between)
	for _, start := range []int{0, second} {
		set := labels.Set{Name: "twice", Queries: []labels.Query{{ID: "q", Text: "q?", Evidence: []labels.Evidence{
			{Doc: "a.md", Span: text.RuneSpan{Start: start, End: start + len(said)}, Quote: said},
		}}}}
		o := options(t)
		o.Texts = func(context.Context, text.DocID) (string, error) { return body, nil }
		f := finder{"q?": found(hit{"a.md", 0, said, 0.9, 9}, hit{"a.md", second, said, 0.9, 9}, hit{"a.md", second + len(said+"\n\n"), "The end.", 0.1, 1})}
		e, err := evalret.Evaluate(context.Background(), set, f, o)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]int{second - start}, e.Queries[0].Evidence[0].Copies); diff != "" {
			t.Errorf("label at %d: copies (-want +got):\n%s", start, diff)
		}
		for _, run := range e.Runs {
			q := run.PerQuery[0]
			if got, _ := q.Values["evidence_recall@12t"].Float(); got != 1 || q.Losses[0] != evalret.Kept {
				t.Errorf("label at %d: %s has an evidence_recall of %v in its context and loses it by %q, want 1 and none", start, run.Name, got, q.Losses[0])
			}
			if segments := q.Contexts[0].Segments; len(segments) == 0 || segments[0].End-segments[0].Start != len(said) {
				t.Errorf("label at %d: the context of %s is %+v, want %q once", start, run.Name, segments, said)
			}
		}
	}
}
