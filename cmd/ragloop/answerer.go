package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/url"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/ragloop/ragloop/evalret/answer"
	"github.com/ragloop/ragloop/internal/chat"
	"github.com/ragloop/ragloop/internal/embed"
)

// Answerers that --answerer names; what else it may be is the address of one.
const (
	byExtract = "extractive"
	byModel   = "llm"
)

// maxAnswerTokens is the longest answer that a language model gives unless told
// otherwise.
const maxAnswerTokens = 512

// answererFlags say who answers.
type answererFlags struct {
	name      string // extractive, llm or a URL; "": nobody
	model     string // with a URL
	keyEnv    string // with a URL
	threshold float64
	maxTokens int
}

func (f *answererFlags) bind(cmd *cobra.Command, name, usage string) {
	fl := cmd.Flags()
	fl.StringVar(&f.name, "answerer", name, usage+": extractive (offline, a floor to compare with), llm (the model of llm.base_url), or the `URL` of an OpenAI-compatible endpoint, up to and without /chat/completions")
	fl.StringVar(&f.model, "answerer-model", "", "with --answerer URL: the model's name (default: llm.model)")
	fl.StringVar(&f.keyEnv, "answerer-key-env", "", "with --answerer URL: the environment variable that holds the bearer token (default: none is sent)")
	fl.Float64Var(&f.threshold, "threshold", answer.DefaultThreshold, "with --answerer extractive: cosine of the question to the best of the first segments below which it abstains, 0 to 1")
	fl.IntVar(&f.maxTokens, "max-tokens", maxAnswerTokens, "with a language model: longest answer")
}

// priced are the flags of a dry run that say what an endpoint asks for.
type priced struct{ price chat.Price }

func (p *priced) bind(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.Float64Var(&p.price.Prompt, "price-in", 0, "with --dry-run: price of a million tokens sent")
	fl.Float64Var(&p.price.Completion, "price-out", 0, "with --dry-run: price of a million tokens received")
}

// check tells what is no price; command is for messages.
func (p *priced) check(command string, changed func(flag string) bool, dryRun bool) error {
	for _, flag := range []struct {
		name  string
		price float64
	}{{"price-in", p.price.Prompt}, {"price-out", p.price.Completion}} {
		switch {
		case changed(flag.name) && !dryRun:
			return fmt.Errorf("%s: --%s only goes with --dry-run", command, flag.name)
		case !(flag.price >= 0) || math.IsInf(flag.price, 1):
			return fmt.Errorf("%s: --%s is %v, allowed are numbers from 0 up", command, flag.name, flag.price)
		}
	}
	return nil
}

// remote reports whether a language model answers.
func (f *answererFlags) remote() bool { return f.name == byModel || f.address() }

func (f *answererFlags) address() bool {
	return strings.HasPrefix(f.name, "http://") || strings.HasPrefix(f.name, "https://")
}

// check tells what does not go together; command is for messages.
func (f *answererFlags) check(command string, changed func(flag string) bool) error {
	if f.name != "" && f.name != byExtract && !f.remote() {
		return fmt.Errorf("%s: --answerer is %q, allowed are %s, %s, or a URL that begins with http:// or https://", command, f.name, byExtract, byModel)
	}
	if u, err := url.Parse(f.name); err == nil && u.User != nil {
		return fmt.Errorf("%s: --answerer has a user name in its URL, which would be in reports: name the variable that holds a bearer token with --answerer-key-env", command)
	}
	for _, only := range []struct {
		flag, with string
		ok         bool
	}{
		{"answerer-model", "--answerer URL", f.address()},
		{"answerer-key-env", "--answerer URL", f.address()},
		{"threshold", "--answerer extractive", f.name == byExtract},
		{"max-tokens", "--answerer llm or URL", f.remote()},
	} {
		if changed(only.flag) && !only.ok {
			return fmt.Errorf("%s: --%s only goes with %s", command, only.flag, only.with)
		}
	}
	return nil
}

// answerer answers one question; implemented in package answer. It is safe for
// concurrent use.
type answerer interface {
	Answer(ctx context.Context, question string, c answer.Context) (string, error)
	Fingerprint() string
	Name() string
}

// answerer returns who answers, and the model that does, nil where none is asked.
func (a *app) answerer(f answererFlags, e embed.Embedder) (who answerer, m chat.Model, err error) {
	if f.name == byExtract {
		who, err = answer.NewExtractive(e, f.threshold)
		return who, nil, err
	}
	if f.address() {
		m, err = a.modelAt(f)
	} else {
		m, err = a.sharedModel()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("--answerer %s: %w", f.name, err)
	}
	who, err = answer.NewLLM(m, f.maxTokens)
	return who, m, err
}

// asked is a question and the context to answer it from.
type asked struct {
	id, text string
	context  answer.Context
}

// ask has who answer all questions, several at a time; answers have their order.
// What concerns one answer alone is its failure; any other error ends the call.
func (a *app) ask(ctx context.Context, who answerer, all []asked, done func(done, total int)) ([]answer.Answer, error) {
	answers := make([]answer.Answer, len(all))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(a.cfg.Config.LLM.Concurrency)
	var mu sync.Mutex
	n := 0
	for i, q := range all {
		group.Go(func() error {
			one := answer.Answer{ID: q.id, Context: &all[i].context, Answerer: who.Fingerprint()}
			var err error
			one.Text, err = who.Answer(groupCtx, q.text, q.context)
			switch {
			case errors.Is(err, answer.ErrNoAnswer):
				one.Text, one.Failure = "", err.Error()
			case err != nil:
				return fmt.Errorf("answer query %q with %s: %w", q.id, who.Name(), err)
			}
			answers[i] = one
			mu.Lock()
			defer mu.Unlock()
			n++
			done(n, len(all))
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err() // the command was interrupted: what calls made of it says less
		}
		return nil, err
	}
	return answers, nil
}
