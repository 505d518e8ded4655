package main

import (
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	ragloopv1 "github.com/ragloop/ragloop/proto/ragloop/v1"
)

// TestFeedbackIsReviewed hands feedback in over gRPC and finds it in a review.
func TestFeedbackIsReviewed(t *testing.T) {
	dir := t.TempDir()
	writeDocs(t, dir, map[string]string{"fence.txt": "The fence is 30 m long. It is red."})
	data := filepath.Join(dir, "data")
	mustRun(t, "ingest", filepath.Join(dir, "fence.txt"), "--data", data)
	s := start(t, "serve", "--data", data, "--listen", "127.0.0.1:0")
	conn, err := grpc.NewClient(s.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	in := &ragloopv1.SubmitRequest{FeedbackId: "f1", Query: "how long?", Judgements: []*ragloopv1.PassageJudgement{{
		Document: "fence.txt", Span: &ragloopv1.Span{Start: 0, End: 23}, Text: "The fence is 30 m long.", Verdict: ragloopv1.Verdict_VERDICT_RELEVANT,
	}}}
	for _, duplicate := range []bool{false, true} {
		out, err := ragloopv1.NewFeedbackClient(conn).Submit(t.Context(), in)
		if err != nil || out.Duplicate != duplicate {
			t.Fatalf("Submit = %v, %v, want duplicate %v", out, err, duplicate)
		}
	}
	s.stop()
	out := mustRun(t, "labels", "review", "--feedback", "--judgements", filepath.Join(dir, "j.jsonl"), "--data", data)
	for _, want := range []string{"QUERY    how long?", "REASON   feedback: 1 relevant", ">>> The fence is 30 m long.", "1 candidates"} {
		if !strings.Contains(out, want) {
			t.Errorf("the review lacks %q:\n%s", want, out)
		}
	}
}
