// Command ragloop builds, serves, measures and tunes a retrieval index: the
// build → evaluate → improve loop of retrieval-augmented generation.
//
// This package parses flags, wires the stages together and prints; what the
// stages do is documented with them. Machine output (--json) goes to standard
// output and is stable; progress and messages go to standard error.
//
// Exit codes: 0 success, 1 the command ran and found something wrong (a
// document failed, a label is broken), 2 it could not run (usage, bad input,
// infrastructure), 130 an interrupt ended it.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/ragloop/ragloop/ingest/extract/isolate"
)

func main() {
	isolate.Main() // where this process is a parser, that is all it does
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second interrupt ends a command that does not stop
	code := run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}, os.Environ())
	stop()
	os.Exit(code)
}
