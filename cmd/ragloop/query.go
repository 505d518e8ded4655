package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	ragloopv1 "github.com/ragloop/ragloop/proto/ragloop/v1"
)

// maxMessageBytes is the largest response the client accepts; the server sends
// less (a context of the largest budget and its segments).
const maxMessageBytes = 64 << 20

func (a *app) queryCmd() *cobra.Command {
	var addr string
	var explain bool
	var tags, docs []string
	cmd := &cobra.Command{
		Use:   `query "QUESTION"`,
		Short: "Print the context an app would get for a question",
		Long: `query asks a running service (--addr) or, without --addr, the same service
started in this process. It prints the context; --json prints the whole
RetrieveResponse as protobuf JSON, --explain the ranking behind it.`,
		Args: args(1, `"QUESTION"`),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if !utf8.ValidString(args[0]) {
				return fmt.Errorf("query: the question %q is not valid UTF-8", args[0])
			}
			ctx := cmd.Context()
			conn, done, err := a.connect(ctx, addr)
			if err != nil {
				return err
			}
			defer closing(&err, done)
			req := a.retrieveRequest(args[0], addr != "")
			req.Explain = explain
			if len(tags)+len(docs) > 0 {
				req.Search.Filter = &ragloopv1.Filter{Tags: tags, Documents: docs}
			}
			resp, err := ragloopv1.NewRetrievalClient(conn).Retrieve(ctx, req)
			if err != nil {
				return fmt.Errorf("query: %w", describe(err))
			}
			if a.json {
				out, err := protojson.MarshalOptions{EmitUnpopulated: true}.Marshal(resp)
				if err != nil {
					return fmt.Errorf("query: encode the response: %w", err)
				}
				_, err = fmt.Fprintf(a.out, "%s\n", out)
				return err
			}
			return a.printContext(resp)
		},
	}
	f := cmd.Flags()
	f.StringVar(&addr, "addr", "", "host:port of a running ragloop service")
	f.BoolVar(&explain, "explain", false, "show legs, fusion and packing of every candidate")
	f.StringSliceVar(&tags, "tag", nil, "only documents with one of these tags")
	f.StringSliceVar(&docs, "doc", nil, "only these documents")
	a.bindRetrieval(cmd)
	return cmd
}

// bindRetrieval adds the flags of the retrieval parameters.
func (a *app) bindRetrieval(cmd *cobra.Command) {
	a.bind(cmd, "budget", "retrieve.budget_tokens", "largest context, in tokens")
	a.bind(cmd, "top-k", "retrieve.top_k", "ranked chunks given to the packer")
	a.bind(cmd, "candidates", "retrieve.candidates", "hits per leg before fusion")
	a.bind(cmd, "fusion", "retrieve.fusion", "zscore(w=0.6), minmax(w=0.5), dbsf, rrf(k=60,w=0.5), dense or lexical")
}

// retrieveRequest makes the request for a question. Against the service in this
// process the configuration already holds the defaults; a remote one is told
// what the flags say and keeps its own defaults for the rest.
func (a *app) retrieveRequest(question string, remote bool) *ragloopv1.RetrieveRequest {
	c := a.cfg.Config
	req := &ragloopv1.RetrieveRequest{Query: question, Search: &ragloopv1.SearchOptions{}}
	if !remote {
		return req
	}
	set := func(key string) bool { _, ok := a.flags[key]; return ok }
	if set("collection") {
		req.Collection = c.Collection
	}
	if set("retrieve.budget_tokens") {
		req.BudgetTokens = new(int32(c.Retrieve.BudgetTokens))
	}
	if set("retrieve.top_k") {
		req.Search.TopK = new(int32(c.Retrieve.TopK))
	}
	if set("retrieve.candidates") {
		req.Search.Candidates = new(int32(c.Retrieve.Candidates))
	}
	if set("retrieve.fusion") {
		req.Search.Fusion = c.Retrieve.Fusion
	}
	return req
}

// connect returns a connection to the service at addr or, when addr is empty,
// to one started in this process. done releases it.
func (a *app) connect(ctx context.Context, addr string) (conn *grpc.ClientConn, done func() error, err error) {
	if addr == "" {
		return a.serveInProcess(ctx)
	}
	conn, err = grpc.NewClient(addr,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessageBytes)))
	if err != nil {
		return nil, nil, fmt.Errorf("connect to %s: %w", addr, err)
	}
	return conn, conn.Close, nil
}

// printContext prints a response for people: the context on standard output,
// what is to be known about it on standard error.
func (a *app) printContext(resp *ragloopv1.RetrieveResponse) error {
	if len(resp.Candidates) > 0 {
		if err := a.printCandidates(resp); err != nil {
			return err
		}
	}
	if resp.Context == "" {
		a.say("nothing found in collection %s", resp.Provenance.GetCollection())
		return nil
	}
	if _, err := fmt.Fprintln(a.out, resp.Context); err != nil {
		return err
	}
	a.say("%s", dim(a.err, summary(resp)))
	for _, d := range resp.Degraded {
		a.say("warning: degraded answer: %s", d)
	}
	return nil
}

func summary(resp *ragloopv1.RetrieveResponse) string {
	dropped := map[string]int{}
	for _, d := range resp.Dropped {
		dropped[strings.ToLower(strings.TrimPrefix(d.Reason.String(), "DROP_REASON_"))]++
	}
	var why []string
	for _, reason := range sortedKeys(dropped) {
		why = append(why, fmt.Sprintf("%d %s", dropped[reason], strings.ReplaceAll(reason, "_", " ")))
	}
	s := fmt.Sprintf("%d of %d tokens (%s), %d segments", resp.ContextTokens, resp.BudgetTokens, resp.Tokenizer, len(resp.Segments))
	if len(why) > 0 {
		s += "; left out: " + strings.Join(why, ", ")
	}
	var stages []string
	for _, st := range resp.Stages {
		stages = append(stages, fmt.Sprintf("%s %.1f ms", st.Name, float64(st.Elapsed.AsDuration().Microseconds())/1000))
	}
	return s + "; " + strings.Join(stages, ", ")
}

// printCandidates prints the table of candidates: what each leg said, what came
// out of fusion, and where the chunk ended up.
func (a *app) printCandidates(resp *ragloopv1.RetrieveResponse) error {
	fate := map[string]string{}
	for _, s := range resp.Segments {
		for _, c := range s.Chunks {
			fate[c.Id] = "in [" + s.Label + "]"
		}
	}
	for _, d := range resp.Dropped {
		fate[d.Id] = strings.ToLower(strings.TrimPrefix(d.Reason.String(), "DROP_REASON_"))
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	reranked := slices.ContainsFunc(resp.Candidates, func(c *ragloopv1.Candidate) bool { return c.Reranked != nil })
	column := func(s string) string { // of the reranker, if it took part
		if !reranked {
			return ""
		}
		return s + "\t"
	}
	fmt.Fprintln(w, "rank\tscore\tfused\tdense\tlexical\t"+column("reranked")+"document\tspan\tcontext")
	for _, c := range resp.Candidates {
		where, ok := fate[c.Id]
		if !ok {
			where = "below top-k"
		}
		fmt.Fprintf(w, "%d\t%.4f\t%.4f\t%s\t%s\t%s%s\t%d-%d\t%s\n", c.Rank, c.Score, c.Fused, leg(c.Dense), leg(c.Lexical), column(before(c.Reranked)),
			printable(c.Document), c.Span.GetStart(), c.Span.GetEnd(), where)
	}
	fmt.Fprintln(w)
	return w.Flush()
}

// leg formats a leg's score and its rank there; "-" where the leg did not
// return the chunk.
func leg(l *ragloopv1.LegScore) string {
	if l.GetRank() == 0 {
		return fmt.Sprintf("%.4f (-)", l.GetScore())
	}
	return fmt.Sprintf("%.4f (#%d)", l.GetScore(), l.GetRank())
}

// before formats a reranker's score and the rank before it; "-" where the chunk
// was not reranked.
func before(r *ragloopv1.Reranked) string {
	if r == nil {
		return "-"
	}
	return fmt.Sprintf("%.4f (was #%d)", r.Score, r.RankBefore)
}

// describe turns a gRPC status into an error that reads like ours: the message,
// then each offending field.
func describe(err error) error {
	s, ok := status.FromError(err)
	if !ok {
		return err
	}
	var fields []string
	for _, d := range s.Details() {
		if b, ok := d.(*errdetails.BadRequest); ok {
			for _, v := range b.FieldViolations {
				field := v.Field + " " + v.Description
				if v.Description != s.Message() && !strings.Contains(s.Message(), field) {
					fields = append(fields, field)
				}
			}
		}
	}
	if len(fields) == 0 {
		return fmt.Errorf("%s (%s)", s.Message(), s.Code())
	}
	return fmt.Errorf("%s (%s): %s", s.Message(), s.Code(), strings.Join(fields, "; "))
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
