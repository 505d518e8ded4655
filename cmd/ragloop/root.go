package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ragloop/ragloop/ingest"
	"github.com/ragloop/ragloop/ingest/extract/isolate"
	"github.com/ragloop/ragloop/ingest/situate"
	"github.com/ragloop/ragloop/internal/chat"
	"github.com/ragloop/ragloop/internal/config"
	"github.com/ragloop/ragloop/internal/embed"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
)

const (
	exitOK     = 0
	exitFailed = 1 // the command ran, and its subject failed
	exitUsage  = 2 // the command could not run

	exitInterrupted = 130 // a signal ended it: 128 and the number of SIGINT
)

// errFailed marks an error whose exit code is exitFailed.
var errFailed = errors.New("failed")

// streams are the three standard streams of one run.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// app is what the subcommands share: streams, configuration and the global flags.
type app struct {
	streams
	args    []string // the command line
	environ []string
	json    bool
	verbose bool              // "ingest" alone
	config  string            // path of the configuration file
	flags   map[string]string // configuration keys set by flags
	cfg     *config.Loaded    // set before any subcommand runs
	log     *slog.Logger

	filterable []index.Filterable  // index.filterable
	pathMeta   *ingest.PathPattern // source.path_meta; nil: none

	omitted  *omissions  // by the sources of the command; set by watchable
	llm      chat.Model  // set by the first call of sharedModel
	store    *chat.Store // set by the first call of answerStore
	situated string      // fingerprint of the situator; empty: none

	parsers  *isolate.Pool       // set by the first call of extractor
	model    *embed.Builtin      // set by the first call of builtin
	passages *embed.PassageStore // set by the first call of passageStore
}

// run executes one command line and returns its exit code.
func run(ctx context.Context, args []string, s streams, environ []string) int {
	a := &app{streams: s, args: args, environ: environ, flags: map[string]string{}}
	defer a.closeParsers()
	defer a.closeStore()
	defer a.closePassages()
	root := a.root()
	root.SetArgs(args)
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, ingest.ErrInterrupted):
		fmt.Fprintln(s.err, "ragloop:", err)
		return exitInterrupted
	case interrupted(ctx, err):
		fmt.Fprintln(s.err, "ragloop: interrupted; what was stored before stays")
		return exitInterrupted
	case errors.Is(err, errFailed):
		fmt.Fprintln(s.err, "ragloop:", err)
		return exitFailed
	default:
		fmt.Fprintln(s.err, "ragloop:", err)
		return exitUsage
	}
}

// interrupted reports whether the end of ctx is why a command failed: in the words of
// a context, or of gRPC, whose status does not wrap it. A service may call a request
// off by itself, while ctx goes on.
func interrupted(ctx context.Context, err error) bool {
	return ctx.Err() != nil && (errors.Is(err, context.Canceled) || status.Code(err) == codes.Canceled)
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "ragloop",
		Short: "Build, serve, measure and tune a retrieval index",
		Long: `ragloop is the loop of retrieval-augmented generation as one program:
ingest documents, serve token-budgeted context over gRPC, measure retrieval on
labelled queries, tune what you ship. Start with "ragloop demo".`,
		SilenceUsage:      true,
		SilenceErrors:     true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return a.load(cmd) },
	}
	f := root.PersistentFlags()
	f.StringVar(&a.config, "config", "", "configuration file (YAML)")
	f.BoolVar(&a.json, "json", false, "stable machine output on standard output")
	a.bindPersistent(root, "data", "data_dir", "directory of the local mode and the embedding cache")
	a.bindPersistent(root, "qdrant", "qdrant.addr", "host:port of a Qdrant server (default: local mode)")
	a.bindPersistent(root, "collection", "collection", "collection to use")
	a.bindPersistent(root, "log-level", "log_level", "debug, info, warn or error")
	root.AddCommand(
		a.demoCmd(), a.ingestCmd(), a.queryCmd(), a.serveCmd(), a.evalCmd(), a.tuneCmd(), a.compareCmd(), a.scoreCmd(), a.metricsCmd(),
		a.docsCmd(), a.labelsCmd(), a.generationsCmd(), a.verifyCmd(), a.extractCmd(), a.chunkCmd(), a.embedCmd(), a.modelCmd(), a.localdbCmd(),
		a.configCmd(), a.doctorCmd(), a.benchCmd(), a.answerCmd(), a.groundCmd(), a.versionCmd(),
	)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w; see %q", err, cmd.CommandPath()+" --help")
	})
	return root
}

// load reads the configuration once the flags are known.
func (a *app) load(cmd *cobra.Command) error {
	cfg, err := config.Load(a.config, a.environ, a.flags)
	if err != nil {
		return err
	}
	a.cfg = cfg
	if err := a.parseSettings(); err != nil {
		return err
	}
	if a.json && cmd.Annotations[noJSON] != "" {
		return fmt.Errorf("%s has no --json output", words(cmd))
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.Config.LogLevel)); err != nil {
		return fmt.Errorf("read configuration: log_level: %w", err)
	}
	a.log = slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: level}))
	if cfg.Config.Chunk.Context == "llm" {
		client, err := a.chatClient()
		if err != nil {
			return err
		}
		a.situated = situate.New(client).Fingerprint()
	}
	return nil
}

// parseSettings reads the settings whose form other packages know and a wrong one
// of which no command should run with.
func (a *app) parseSettings() (err error) {
	c := a.cfg.Config
	bad := func(key string, err error) error {
		problem := strings.TrimPrefix(err.Error(), index.ErrInvalid.Error()+": ")
		return &config.Error{Key: key, Origin: a.cfg.Origin[key], Problem: "is not allowed: " + problem}
	}
	if a.filterable, err = index.ParseFilterable(c.Index.Filterable); err != nil {
		return bad("index.filterable", err)
	}
	if c.Source.PathMeta != "" {
		if a.pathMeta, err = ingest.ParsePathPattern(c.Source.PathMeta); err != nil {
			return bad("source.path_meta", err)
		}
	}
	return nil
}

// noJSON annotates commands without machine output: --json is refused there,
// not ignored.
const noJSON = "no-json"

func textOnly(cmd *cobra.Command) *cobra.Command {
	cmd.Annotations = map[string]string{noJSON: "true"}
	return cmd
}

// group makes a command that only holds others.
func group(name, short string, sub ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: name, Short: short}
	// Without it, cobra prints the help and succeeds on a misspelt command.
	cmd.RunE = func(cmd *cobra.Command, got []string) error {
		var names []string
		for _, s := range sub {
			names = append(names, s.Name())
		}
		problem := "needs a command"
		if len(got) > 0 {
			problem = fmt.Sprintf("has no command %q", got[0])
		}
		return fmt.Errorf("%s %s, there are %s; see %q", words(cmd), problem, strings.Join(names, ", "), cmd.CommandPath()+" --help")
	}
	cmd.AddCommand(sub...)
	return cmd
}

// printable returns a name or message that comes from a document for a terminal.
func printable(s string) string { return text.Printable(s) }

// forReading returns text of a document as it is printed to w: byte for byte, but for a
// terminal, which would obey what a document may have of its commands.
func forReading(w io.Writer, s string) string {
	if terminal(w) {
		return text.PrintableLines(s)
	}
	return s
}

// keyFlag is a flag that sets a configuration key; the loader checks its value.
type keyFlag struct {
	flags map[string]string
	key   string
	bool  bool
}

func (k keyFlag) String() string     { return "" }
func (k keyFlag) Set(s string) error { k.flags[k.key] = s; return nil }
func (k keyFlag) Type() string {
	if k.bool {
		return "bool"
	}
	return "value"
}
func (k keyFlag) IsBoolFlag() bool { return k.bool }

// bind adds a flag that overrides a configuration key.
func (a *app) bind(cmd *cobra.Command, name, key, usage string) {
	cmd.Flags().Var(keyFlag{flags: a.flags, key: key}, name, usage)
}

func (a *app) bindBool(cmd *cobra.Command, name, key, usage string) {
	cmd.Flags().Var(keyFlag{flags: a.flags, key: key, bool: true}, name, usage)
	cmd.Flags().Lookup(name).NoOptDefVal = "true"
}

// listFlag is a flag that adds to a configuration key that is a list.
type listFlag struct{ keyFlag }

func (l listFlag) Set(s string) error {
	if before, given := l.flags[l.key]; given {
		s = before + "," + s
	}
	return l.keyFlag.Set(s)
}

// bindList adds a flag that overrides a configuration key that is a list, with
// all of its values together.
func (a *app) bindList(cmd *cobra.Command, name, key, usage string) {
	cmd.Flags().Var(listFlag{keyFlag{flags: a.flags, key: key}}, name, usage)
}

func (a *app) bindPersistent(cmd *cobra.Command, name, key, usage string) {
	cmd.PersistentFlags().Var(keyFlag{flags: a.flags, key: key}, name, usage)
}

// checkRemote refuses the global flags that say nothing to a service at an address.
func (a *app) checkRemote(cmd *cobra.Command, addr string) error {
	for _, name := range []string{"config", "data", "qdrant"} {
		if addr != "" && cmd.Flags().Changed(name) {
			return fmt.Errorf("%s: --%s goes without --addr: the service at %s has data and a configuration of its own", words(cmd), name, addr)
		}
	}
	return nil
}

// say prints a message for people to standard error.
func (a *app) say(format string, args ...any) { fmt.Fprintf(a.err, format+"\n", args...) }

// terminal reports whether w is a terminal, which alone gets colour and progress.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// bold and dim style s when w is a terminal.
func bold(w io.Writer, s string) string { return style(w, "1", s) }
func dim(w io.Writer, s string) string  { return style(w, "2", s) }

func style(w io.Writer, code, s string) string {
	if !terminal(w) || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// words returns the words that call cmd, for messages, which begin with the
// program's name already.
func words(cmd *cobra.Command) string {
	return strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ")
}

// noArgs and the like of cobra name no offender; this one does.
func args(n int, names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, got []string) error {
		if len(got) != n {
			return fmt.Errorf("%s takes %s, got %d arguments; see %q", words(cmd),
				wanted(names), len(got), cmd.CommandPath()+" --help")
		}
		return nil
	}
}

// atLeast accepts one or more arguments, called name in messages.
func atLeast(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, got []string) error {
		if len(got) == 0 {
			return fmt.Errorf("%s takes at least one %s; see %q", words(cmd), name, cmd.CommandPath()+" --help")
		}
		return nil
	}
}

func wanted(names []string) string {
	if len(names) == 0 {
		return "no arguments"
	}
	return strings.Join(names, " ")
}
