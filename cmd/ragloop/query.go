package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/evalret/report"
	"github.com/ragloop/ragloop/internal/filter"
	"github.com/ragloop/ragloop/internal/qdrantlocal"
	ragloopv1 "github.com/ragloop/ragloop/proto/ragloop/v1"
	"github.com/ragloop/ragloop/retrieve/pack"
	"github.com/ragloop/ragloop/retrieve/server"
)

func (a *app) queryCmd() *cobra.Command {
	var addr, page, where, tokenizer, expand string
	var explain bool
	var rerank int32
	var weight float64
	var tags, docs []string
	cmd := &cobra.Command{
		Use:   `query "QUESTION"`,
		Short: "Print the context an app would get for a question",
		Long: `query asks a running service (--addr) or, without --addr, the same service
started in this process. It prints the context; --json prints the whole
RetrieveResponse as protobuf JSON. --explain prints in front of it what the query
was read as, with what a language model wrote for it, every candidate with the
scores behind its rank, what of it is in the context and why the rest is not, and
the tokens of each segment. --explain-html writes the same, and the time of each
stage, as a page.

A running service has data and a configuration of its own: of this command's
configuration only the flags of a query and --collection count there, and --config,
--data and --qdrant are refused.`,
		Args: args(1, `"QUESTION"`),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if err := a.checkRemote(cmd, addr); err != nil {
				return err
			}
			if !utf8.ValidString(args[0]) {
				return fmt.Errorf("query: the question %q is not valid UTF-8", args[0])
			}
			wanted, err := parseFilter(where)
			if err != nil {
				return fmt.Errorf("query: %w", err)
			}
			if err := checkOut("--explain-html", page); err != nil {
				return err
			}
			if err := errors.Join(notEmpty(cmd, "tag", tags), notEmpty(cmd, "doc", docs)); err != nil {
				return err
			}
			ctx := cmd.Context()
			conn, done, err := a.connect(ctx, addr)
			switch {
			case errors.Is(err, qdrantlocal.ErrLocked):
				return fmt.Errorf(`%w; if that is "ragloop serve", --addr HOST:PORT asks it`, err)
			case err != nil:
				return err
			}
			defer closing(&err, done)
			req := a.retrieveRequest(args[0], addr != "")
			req.Explain = explain || page != ""
			req.Tokenizer, req.Search.Expand = tokenizer, expand
			if cmd.Flags().Changed("rerank") {
				req.Search.Rerank = &rerank
			}
			if cmd.Flags().Changed("rerank-weight") {
				req.Search.RerankWeight = &weight
			}
			if len(tags)+len(docs) > 0 || !wanted.IsZero() {
				req.Search.Filter = &ragloopv1.Filter{Tags: tags, Documents: docs, Where: server.Where(wanted)}
			}
			resp, err := ragloopv1.NewRetrievalClient(conn).Retrieve(ctx, req)
			if err != nil {
				return fmt.Errorf("query: %w", describe(err))
			}
			var x evalret.Explanation
			if req.Explain {
				x = explanation(args[0], resp)
			}
			if page != "" {
				o := report.Options{Command: a.commandLine()}
				if err := writeFile(page, func(w io.Writer) error { return report.ExplainHTML(w, x, o) }); err != nil {
					return err
				}
				a.say("explanation: %s", page)
			}
			if !explain {
				resp.Candidates, resp.Neighbours, resp.Reading = nil, nil, nil // not asked for
			}
			if a.json {
				out, err := protojson.MarshalOptions{EmitUnpopulated: true}.Marshal(resp)
				if err != nil {
					return fmt.Errorf("query: encode the response: %w", err)
				}
				_, err = fmt.Fprintf(a.out, "%s\n", out)
				return err
			}
			if explain {
				if err := report.ExplainText(a.out, x); err != nil {
					return err
				}
			}
			return a.printContext(resp)
		},
	}
	f := cmd.Flags()
	f.StringVar(&addr, "addr", "", "host:port of a running ragloop service")
	f.BoolVar(&explain, "explain", false, "show how the query was read, legs, fusion and packing of every candidate, and the tokens of every segment")
	f.StringVar(&page, "explain-html", "", "file of a page that shows the same as --explain, and the time of each stage")
	f.StringVar(&tokenizer, "tokenizer", "", "what tokens are counted in: o200k_base, cl100k_base, p50k_base, p50k_edit, r50k_base or an upper bound, bytes/1 to bytes/8 (default: that of the service)")
	f.StringVar(&expand, "expand", "", "what the language model writes to be searched for, too: none, multi-query or hyde (default: that of the service)")
	f.Int32Var(&rerank, "rerank", 0, "how many of the best candidates are reranked, 0 for none (default: that of the service)")
	f.Float64Var(&weight, "rerank-weight", 0, "weight of the reranker's scores against those before, above 0 to 1 (default: that of the service)")
	f.StringVar(&where, "filter", "", "only documents for which this `EXPRESSION` holds, such as 'tags=policy AND year>=2024'")
	f.StringSliceVar(&tags, "tag", nil, "only documents with one of these tags, parted by commas; may be repeated")
	f.StringArrayVar(&docs, "doc", nil, "only the document with this id, commas and all; may be repeated, for several")
	a.bindRetrieval(cmd)
	return cmd
}

// notEmpty refuses a flag that was given and names nothing: without it every document
// would be looked at.
func notEmpty(cmd *cobra.Command, name string, values []string) error {
	if cmd.Flags().Changed(name) && (len(values) == 0 || slices.Contains(values, "")) {
		return fmt.Errorf("%s: --%s is empty", words(cmd), name)
	}
	return nil
}

// parseFilter reads the value of a flag; empty stands for no filter.
func parseFilter(s string) (filter.Expr, error) {
	if s == "" {
		return filter.Expr{}, nil
	}
	return filter.Parse(s)
}

// bindRetrieval adds the flags of the retrieval parameters.
func (a *app) bindRetrieval(cmd *cobra.Command) {
	a.bind(cmd, "budget", "retrieve.budget_tokens", "largest context, in tokens")
	a.bind(cmd, "top-k", "retrieve.top_k", "ranked chunks given to the packer")
	a.bind(cmd, "candidates", "retrieve.candidates", "hits per leg before fusion")
	a.bind(cmd, "fusion", "retrieve.fusion", "zscore(w=0.6), minmax(w=0.5), dbsf, rrf(k=60,w=0.5), dense or lexical")
	a.bind(cmd, "title-boost", "retrieve.title_boost", "weight of the query's terms in a document's title, in standard deviations of the fused scores, 0 to 10")
	a.bind(cmd, "phrase-boost", "retrieve.phrase_boost", "weight of phrases in quotation marks and of identifiers, in standard deviations of the fused scores, 0 to 10")
	a.bind(cmd, "feedback", "retrieve.feedback", "weight of what the dense leg finds first against the query, 0 to 1")
	a.bind(cmd, "neighbours", "retrieve.neighbours", "chunks on either side of a ranked one that may make its segment longer, 0 to 4")
	a.bind(cmd, "max-per-source", "retrieve.max_per_source", "largest number of segments of one document in a context, 0 is no cap")
	a.bind(cmd, "order", "retrieve.order", "order of segments: rank, document or ends")
	a.bind(cmd, "diversity", "retrieve.diversity", "weight of not resembling what is in the context already, 0 to 1")
	a.bind(cmd, "template", "retrieve.template", "what stands around each text: plain, xml, markdown or the path of a template file")
}

// segmentOrders are the orders of a configuration as the wire has them.
var segmentOrders = map[string]ragloopv1.SegmentOrder{
	pack.ByRank:     ragloopv1.SegmentOrder_SEGMENT_ORDER_RANK,
	pack.ByDocument: ragloopv1.SegmentOrder_SEGMENT_ORDER_DOCUMENT,
	pack.ByEnds:     ragloopv1.SegmentOrder_SEGMENT_ORDER_ENDS,
}

// retrieveRequest makes the request for a question. Against the service in this
// process the configuration already holds the defaults; a remote one is told
// what the flags say and keeps its own defaults for the rest.
func (a *app) retrieveRequest(question string, remote bool) *ragloopv1.RetrieveRequest {
	c := a.cfg.Config
	req := &ragloopv1.RetrieveRequest{Query: question, Search: &ragloopv1.SearchOptions{}, Pack: &ragloopv1.PackOptions{}}
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
	if set("retrieve.title_boost") {
		req.Search.TitleBoost = new(c.Retrieve.TitleBoost)
	}
	if set("retrieve.phrase_boost") {
		req.Search.PhraseBoost = new(c.Retrieve.PhraseBoost)
	}
	if set("retrieve.feedback") {
		req.Search.Feedback = new(c.Retrieve.Feedback)
	}
	if set("retrieve.neighbours") {
		req.Pack.Neighbours = new(int32(c.Retrieve.Neighbours))
	}
	if set("retrieve.max_per_source") {
		req.Pack.MaxSegmentsPerDocument = new(int32(c.Retrieve.MaxPerSource))
	}
	if set("retrieve.order") {
		req.Pack.Order = segmentOrders[c.Retrieve.Order]
	}
	if set("retrieve.diversity") {
		req.Pack.Diversity = new(c.Retrieve.Diversity)
	}
	if set("retrieve.template") {
		req.Pack.Template = new(c.Retrieve.Template)
	}
	return req
}

// connect returns a connection to the service at addr or, when addr is empty,
// to one started in this process. done releases it.
func (a *app) connect(ctx context.Context, addr string) (conn *grpc.ClientConn, done func() error, err error) {
	if addr == "" {
		return a.serveInProcess(ctx)
	}
	conn, err = grpc.NewClient(addr, append(ragloopv1.DialOptions(), grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		return nil, nil, fmt.Errorf("connect to %s: %w", addr, err)
	}
	return conn, conn.Close, nil
}

// printContext prints a response for people: the context on standard output,
// what is to be known about it on standard error.
func (a *app) printContext(resp *ragloopv1.RetrieveResponse) error {
	for _, w := range resp.Warnings {
		a.say("warning: %s", w)
	}
	if resp.Context == "" {
		a.say("nothing found in collection %s", resp.Provenance.GetCollection())
		return nil
	}
	if _, err := fmt.Fprintln(a.out, forReading(a.out, resp.Context)); err != nil {
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
		dropped[string(dropReason(d.Reason))]++
	}
	var why []string
	for _, r := range sortedKeys(dropped) {
		why = append(why, fmt.Sprintf("%d %s", dropped[r], strings.ReplaceAll(r, "_", " ")))
	}
	s := fmt.Sprintf("%d of %d tokens (%s), %s", resp.ContextTokens, resp.BudgetTokens, resp.Tokenizer, plural(len(resp.Segments), "segment", "segments"))
	if len(why) > 0 {
		s += "; left out: " + strings.Join(why, ", ")
	}
	var stages []string
	for _, st := range resp.Stages {
		stages = append(stages, fmt.Sprintf("%s %.1f ms", st.Name, float64(st.Elapsed.AsDuration().Microseconds())/1000))
	}
	return s + "; " + strings.Join(stages, ", ")
}

// statusError is a gRPC status that reads like an error of ours.
type statusError struct {
	text   string
	status *status.Status
}

func (e *statusError) Error() string { return e.text }

// GRPCStatus is what package status looks for.
func (e *statusError) GRPCStatus() *status.Status { return e.status }

// describe turns a gRPC status into an error that reads like ours: the message,
// then each offending field.
func describe(err error) error {
	s, ok := status.FromError(err)
	if !ok {
		return err
	}
	message, code := s.Message(), s.Code().String()
	// What gRPC says when it has tried again is in front of a text of its own. Behind
	// other words such a text is of what the service asked, and the words are about it.
	if strings.HasPrefix(message, "max retries exhausted: ") {
		if _, last, ok := strings.Cut(message, "rpc error: code = "+code+" desc = "); ok {
			message, code = last, code+", tried several times"
		}
	}
	var fields []string
	for _, d := range s.Details() {
		if b, ok := d.(*errdetails.BadRequest); ok {
			for _, v := range b.FieldViolations {
				field := v.Field + " " + v.Description
				if v.Description != message && !strings.Contains(message, field) {
					fields = append(fields, field)
				}
			}
		}
	}
	text := fmt.Sprintf("%s (%s)", message, code)
	if len(fields) > 0 {
		text += ": " + strings.Join(fields, "; ")
	}
	return &statusError{text, s}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
