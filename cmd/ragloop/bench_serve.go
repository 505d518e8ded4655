package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/spf13/cobra"

	"github.com/ragloop/ragloop/internal/load"
)

// servingLoad is what one run of "bench serve" is asked for.
type servingLoad struct {
	addr   string // empty: a service that is started for this
	set    string // file of the query set; empty: the demo's
	chunks int
	embed  bool
	ingest bool

	peak     bool // look for it; plan.Rate is where to begin
	plan     load.Plan
	limit    load.Limit
	overload float64 // 0: none
	service  bool    // be the service
}

// firstRate is where the search for the peak begins.
const firstRate = 100

func (a *app) benchServeCmd() *cobra.Command {
	b := servingLoad{plan: load.Plan{Exact: true}, limit: load.Limit{Answered: 0.99}}
	var rate, arrivals string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Latency, peak rate and overload of the service",
		Long: `serve asks for contexts at a rate of its own, whatever the answers do (an open
loop), and prints how long they took from when they were due, by percentile and by
stage, and how many cores were at work. It asks the service at --addr or, without
it, one that it starts in another process, over loopback, on a corpus that it makes
of the demo's sentences, with vectors that cost nothing: what is measured is the
service. Both share the cores of this machine.

--rate max looks for the highest rate of which 99 % of calls are answered, 99 % of
those within --p99, and then measures at half of it. --overload 4 offers four times
the rate, or the peak, and prints how many calls are still answered, against what is
answered of the rate itself right before, as machines are not equally fast all the
time, and how soon the others are refused. --embed asks nothing twice and embeds
every query with the configured embedder; without it each query is embedded once.
--ingest measures again while documents are embedded and stored.`,
		Args: args(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			b.plan.Arrivals = load.Arrivals(arrivals)
			if err := a.checkRemote(cmd, b.addr); err != nil {
				return err
			}
			if err := b.check(cmd, rate); err != nil {
				return fmt.Errorf("bench serve: %w", err)
			}
			if b.service {
				return a.benchService(cmd.Context(), b)
			}
			return a.benchServe(cmd.Context(), b)
		},
	}
	f := cmd.Flags()
	f.StringVar(&b.addr, "addr", "", "host:port of a running ragloop service")
	f.StringVar(&b.set, "set", "", "query set whose queries are asked (default: the demo's)")
	f.IntVar(&b.chunks, "chunks", 10_000, "size of the corpus of the service that is started")
	f.Uint64Var(&b.plan.Seed, "seed", 1, "of that corpus and of the arrivals")
	f.BoolVar(&b.embed, "embed", false, "ask no query twice, so that each is embedded")
	f.BoolVar(&b.ingest, "ingest", false, "measure again during a bulk ingest into the service that is started")
	f.StringVar(&rate, "rate", "max", "calls per second, or max")
	f.StringVar(&arrivals, "arrivals", string(load.Constant), "constant or poisson (independent clients)")
	f.DurationVar(&b.plan.Duration, "duration", 5*time.Second, "of each measurement")
	f.DurationVar(&b.plan.Warmup, "warmup", time.Second, "before each measurement")
	f.DurationVar(&b.plan.Timeout, "timeout", time.Second, "deadline of a call")
	f.DurationVar(&b.limit.P99, "p99", 50*time.Millisecond, "what 99 % of answers may take at the peak")
	f.Float64Var(&b.overload, "overload", 0, "offer so many times the rate at the end; 0: do not")
	f.BoolVar(&b.service, "service", false, "be the service: how this command starts it")
	_ = f.MarkHidden("service") // unreachable error: the flag is there
	a.bindRetrieval(cmd)
	return cmd
}

// check reads the rate and refuses flags that would mean nothing.
func (b *servingLoad) check(cmd *cobra.Command, rate string) error {
	b.peak, b.plan.Rate = rate == "max", firstRate
	if !b.peak {
		r, err := strconv.ParseFloat(rate, 64)
		if err != nil || !(r > 0 && r <= 1e6) {
			return fmt.Errorf("--rate is %q, allowed are max and numbers above 0 up to 1000000", rate)
		}
		b.plan.Rate = r
	}
	given := cmd.Flags().Changed
	switch {
	case !slices.Contains(load.ArrivalKinds(), b.plan.Arrivals):
		return fmt.Errorf("--arrivals is %q, allowed are %q", b.plan.Arrivals, load.ArrivalKinds())
	case b.chunks < benchDocChunks:
		return fmt.Errorf("--chunks is %d, allowed are %d and more", b.chunks, benchDocChunks)
	case b.addr != "" && b.ingest:
		return fmt.Errorf("--ingest would fill the service at %s with documents that mean nothing; it goes without --addr", b.addr)
	case b.addr != "" && given("chunks"):
		return fmt.Errorf("--chunks is for the service that is started, it goes without --addr")
	case !b.peak && given("p99"):
		return fmt.Errorf("--p99 is for --rate max")
	case b.plan.Duration <= 0:
		return fmt.Errorf("--duration is %v, allowed are times above 0", b.plan.Duration)
	case b.plan.Warmup < 0:
		return fmt.Errorf("--warmup is %v, allowed are 0 and longer times", b.plan.Warmup)
	case b.plan.Timeout <= 0:
		return fmt.Errorf("--timeout is %v, allowed are times above 0", b.plan.Timeout)
	case b.limit.P99 <= 0:
		return fmt.Errorf("--p99 is %v, allowed are times above 0", b.limit.P99)
	case b.addr == "" && (given("collection") || given("data") || given("qdrant")):
		return errors.New("--collection, --data and --qdrant say nothing to the service that is started, which serves a corpus of its own from memory")
	case b.overload != 0 && !(b.overload > 1 && b.overload <= 100):
		return fmt.Errorf("--overload is %v, allowed are 0 (none) and more than 1 up to 100", b.overload)
	}
	return nil
}

func (a *app) benchServe(ctx context.Context, b servingLoad) (err error) {
	t, err := a.loadTarget(ctx, b)
	if err != nil {
		return err
	}
	defer closing(&err, t.close)
	defer collectSeldom(memlimit.FromCgroup)() // what it takes, the service lacks
	var out loadResults
	busy := t.busy()
	highest, plan := b.plan.Rate, b.plan
	if b.peak {
		var peak busyCores
		r, err := load.Peak(ctx, plan, b.limit, t.call, func(r load.Report, holds bool) {
			verdict := "kept up with"
			if !holds {
				verdict = "too many"
			}
			a.say("%7.0f calls per second: %s (%.1f %% answered, 99 %% within %s)", r.Rate, verdict,
				100*r.Share(load.Answered), millis(r.Of(load.Answered).Quantile(0.99)))
			if cores := busy.lap(); holds {
				peak = cores
			}
		})
		if err != nil {
			return err
		}
		out.add("peak", r, peak)
		highest = r.Rate
		plan.Rate = highest / 2
	}
	measure := func(name string) error {
		busy.lap()
		r, err := load.Run(ctx, plan, t.call)
		if err == nil {
			out.add(name, r, busy.lap())
		}
		return err
	}
	name := "rate"
	if b.peak {
		name = "half"
	}
	if err := measure(name); err != nil {
		return err
	}
	if b.ingest {
		stop := t.startIngest(ctx)
		err := measure(name + " during ingest")
		if stopErr := stop(); err == nil {
			err = stopErr
		}
		if err != nil {
			return err
		}
	}
	if b.overload > 0 {
		if b.peak || b.ingest { // something else was measured last
			name, plan.Rate = "rate again", highest
			if b.peak {
				name = "peak again"
			}
			if err := measure(name); err != nil {
				return err
			}
		}
		plan.Rate = highest * b.overload
		if err := measure("overload"); err != nil {
			return err
		}
		out.compare()
	}
	if busy.err != nil {
		return busy.err
	}
	return a.printLoad(out)
}
