package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ragloop/ragloop/evalret/labels"
	"github.com/ragloop/ragloop/ingest"
	"github.com/ragloop/ragloop/internal/demo"
	"github.com/ragloop/ragloop/internal/embed"
	"github.com/ragloop/ragloop/internal/index"
	ragloopv1 "github.com/ragloop/ragloop/proto/ragloop/v1"
)

const (
	demoCollection = "demo"
	// demoBudget makes the printed contexts short enough to read.
	demoBudget = 320
)

// demoQuestions are asked through a real client; none of them is in the query set.
var demoQuestions = []string{
	"may I accept a bottle of wine from a supplier?",
	"is there a reward for cooling the water well in Oskerby?",
	"the cover of a controller got lost, where do I get its installer code?",
}

func (a *app) demoCmd() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "The whole loop on a bundled corpus: ingest, serve, query, evaluate, report",
		Long: `demo needs no server, no key and no network. It writes the bundled corpus to the
data directory, ingests it, serves it over gRPC on a loopback port, asks it a few
questions, evaluates the bundled query set and writes a report. A second run
embeds no document again.`,
		Args: args(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOut("--out", out); err != nil {
				return err
			}
			return a.demo(cmd.Context(), out)
		},
	}
	cmd.Flags().StringVar(&out, "out", "report.html", "file of the HTML report")
	return textOnly(cmd)
}

func (a *app) demo(ctx context.Context, out string) (err error) {
	dir := filepath.Join(a.cfg.Config.DataDir, "demo")
	corpus, setFile := filepath.Join(dir, "corpus"), filepath.Join(dir, "queries.jsonl")
	if err := exportDemo(corpus, setFile); err != nil {
		return err
	}
	client, err := a.dial(ctx)
	if err != nil {
		return err
	}
	defer closing(&err, client.Close)
	e, done, err := a.embedder()
	if err != nil {
		return err
	}
	defer closing(&err, done)

	a.heading("1. Ingest %s", corpus)
	gen, err := a.demoIngest(ctx, client, e, corpus)
	if err != nil {
		return err
	}

	a.heading("2. Serve on a loopback port and ask over gRPC")
	if err := a.demoAsk(ctx, client, e); err != nil {
		return err
	}

	a.heading("3. Evaluate the labelled queries of %s", setFile)
	set, err := labels.ReadFile(setFile)
	if err != nil {
		return err
	}
	start := time.Now()
	next := a.command()
	f := evalFlags{seed: defaultSeed, out: out, command: next + " demo"}
	result, err := a.evaluate(ctx, gen, e, set, f)
	if err != nil {
		return err
	}
	if err := a.printEvaluation(result, f); err != nil {
		return err
	}
	a.say("%s", dim(a.err, fmt.Sprintf("%d queries in %.1f s", len(set.Queries), time.Since(start).Seconds())))

	a.heading("4. What to try next")
	_, err = fmt.Fprintf(a.out, `Open %s in a browser: worst queries first, with what reached the model.

  %s query --collection demo "your question"
  %s query --collection demo --explain --json "your question"
  %s tune --collection demo --set %s --sizes 128,256,512 --overlaps 0,0.15 --top-k 5,10,20
  %s ingest DIR && %s serve
`, out, next, next, next, shellWord(filepath.ToSlash(setFile)), next, next)
	return err
}

// command returns how the user can call this program again on the same index:
// with the flags that say where it is. "go run" builds into a temporary directory
// that is gone afterwards.
func (a *app) command() string {
	words := []string{"ragloop"}
	if exe, err := os.Executable(); err != nil || strings.Contains(exe, "go-build") {
		words = []string{"go run ./cmd/ragloop"}
	}
	if a.config != "" {
		words = append(words, "--config", shellWord(a.config))
	}
	for _, f := range []struct{ flag, key string }{{"--data", "data_dir"}, {"--qdrant", "qdrant.addr"}} {
		if v, given := a.flags[f.key]; given {
			words = append(words, f.flag, shellWord(v))
		}
	}
	return strings.Join(words, " ")
}

func (a *app) heading(format string, args ...any) {
	fmt.Fprintf(a.out, "\n%s\n\n", bold(a.out, fmt.Sprintf(format, args...)))
}

// exportDemo writes corpus and query set as files, so that the demo ingests
// what a user would and its documents can be opened. Files that are there
// already with the same content stay untouched; others of that name are replaced.
func exportDemo(corpus, setFile string) error {
	files := demo.Corpus()
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(corpus, filepath.FromSlash(name))
		if d.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		return export(to, data)
	})
	if err != nil {
		return fmt.Errorf("write the demo corpus: %w", err)
	}
	return export(setFile, demo.Queries())
}

func export(name string, data []byte) error {
	old, err := os.ReadFile(name)
	if err == nil && bytes.Equal(old, data) {
		return nil
	}
	return os.WriteFile(name, data, 0o644)
}

func (a *app) demoIngest(ctx context.Context, client *index.Client, e embed.Embedder, corpus string) (*index.Generation, error) {
	src, done, err := a.paths([]string{corpus}, nil)
	if err != nil {
		return nil, err
	}
	defer done()
	start := time.Now()
	plan := ingest.Plan{Collection: demoCollection, Chunker: a.chunker()}
	built, err := a.buildOn(ctx, client, e, plan, src, ingest.Options{Prune: true})
	if errors.Is(err, index.ErrRecipe) {
		// The collection is the demo's own: an older program's is made anew.
		a.say("%v", err)
		plan.Rebuild = true
		built, err = a.buildOn(ctx, client, e, plan, src, ingest.Options{Prune: true})
	}
	if err != nil {
		return nil, err
	}
	if err := a.printSummary(built); err != nil {
		return nil, err
	}
	a.say("%s", dim(a.err, fmt.Sprintf("%.1f s", time.Since(start).Seconds())))
	return built.Generation, nil
}

// demoAsk serves on a loopback port and asks the questions as an app would.
func (a *app) demoAsk(ctx context.Context, client *index.Client, e embed.Embedder) (err error) {
	srv, err := a.newServer(client, e, watchers{})
	if err != nil {
		return err
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	serving, stop := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(serving, lis) }()
	defer closing(&err, func() error { stop(); return <-served })

	conn, done, err := a.connect(ctx, lis.Addr().String())
	if err != nil {
		return err
	}
	defer closing(&err, done)
	retrieval := ragloopv1.NewRetrievalClient(conn)
	for _, q := range demoQuestions {
		resp, err := retrieval.Retrieve(ctx, &ragloopv1.RetrieveRequest{
			Query: q, Collection: demoCollection, BudgetTokens: new(int32(demoBudget)),
		})
		if err != nil {
			return fmt.Errorf("ask %q: %w", q, describe(err))
		}
		fmt.Fprintf(a.out, "%s\n%s\n", bold(a.out, "? "+q), indent(resp.Context))
		fmt.Fprintf(a.out, "%s\n\n", dim(a.out, summary(resp)))
	}
	return nil
}

func indent(s string) string {
	return "  │ " + strings.ReplaceAll(s, "\n", "\n  │ ")
}
