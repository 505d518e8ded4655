package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/evalret/report"
	"github.com/ragloop/ragloop/evalret/runs"
)

// outputs are what an evaluation is written to and held against, besides the
// report.
type outputs struct {
	save, csv, markdown, junit string
	baseline                   string
	gates                      []string

	parsed []runs.Gate
	base   *runs.Side
}

func (o *outputs) bind(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&o.save, "save", "", `directory to save the run in, for "ragloop compare" and --baseline`)
	fl.StringVar(&o.csv, "csv", "", "file of the per-query values")
	fl.StringVar(&o.markdown, "markdown", "", "file of a Markdown summary")
	fl.StringVar(&o.junit, "junit", "", "file of the gates' results as JUnit XML")
	fl.StringVar(&o.baseline, "baseline", "", "saved run that gates with a signed number compare with: DIR or DIR#RUN")
	fl.StringArrayVar(&o.gates, "gate", nil, `condition that the reference run must meet, or the exit code is 1: "nDCG@10>=0.7" is about the mean, "nDCG@10>-0.02" about the interval of the difference from --baseline; "groundedness>-0.02" and other metrics of answers go with --answers or --answerer; may be repeated`)
}

// check reads gates and baseline, and tells before the work whether what is to be
// written can be.
func (o *outputs) check() error {
	files := map[string]string{"--csv": o.csv, "--markdown": o.markdown, "--junit": o.junit}
	for _, flag := range slices.Sorted(maps.Keys(files)) {
		if err := checkOut(flag, files[flag]); err != nil {
			return err
		}
	}
	if o.save != "" {
		if err := runs.Free(o.save); err != nil {
			return fmt.Errorf("eval: --save: %w", err)
		}
	}
	relative := false
	for _, s := range o.gates {
		g, err := runs.ParseGate(s)
		if err != nil {
			return fmt.Errorf("eval: --gate: %w", err)
		}
		o.parsed = append(o.parsed, g)
		relative = relative || g.Relative
	}
	switch {
	case relative && o.baseline == "":
		return errors.New("eval: a gate with a signed number is about the difference from a baseline; name one with --baseline")
	case !relative && o.baseline != "":
		return errors.New(`eval: --baseline only goes with a gate whose number has a sign, as --gate "nDCG@10>-0.02"; "ragloop compare" compares without gates`)
	case o.junit != "" && len(o.gates) == 0:
		return errors.New("eval: --junit only goes with --gate")
	}
	if o.baseline != "" {
		side, err := runs.Open(o.baseline)
		if err != nil {
			return fmt.Errorf("eval: --baseline: %w", err)
		}
		o.base = &side
	}
	return nil
}

// begin removes the JUnit file of an earlier evaluation, which is no result of this
// one, however it ends. [outputs.end] then finds whether this one has written it.
func (o *outputs) begin() error {
	if o.junit == "" {
		return nil
	}
	if err := checkOut("--junit", o.junit); err != nil {
		return err
	}
	if err := os.Remove(o.junit); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("eval: --junit: %w", err)
	}
	return nil
}

// end returns err. Where an evaluation ended with it before its gates were held
// against anything, the JUnit file says so.
func (o *outputs) end(suite string, err error) error {
	if err == nil || o.junit == "" {
		return err
	}
	if _, missing := os.Lstat(o.junit); !errors.Is(missing, fs.ErrNotExist) {
		return err
	}
	return errors.Join(err, writeFile(o.junit, func(w io.Writer) error { return report.JUnitError(w, suite, o.gates, err) }))
}

// metrics are those of the gates that are about retrieval.
func (o outputs) metrics() (ms []metric.Metric) {
	for _, g := range o.parsed {
		if !g.Answers() {
			ms = append(ms, g.Metric)
		}
	}
	return ms
}

// writeOutputs writes what was asked for and returns an error with exitFailed when a
// gate did not hold. Where one could not be decided, as its baseline is no match, it
// is written all the same, and the error is that.
func (a *app) writeOutputs(o outputs, e evalret.Evaluation, suite string, seed uint64) error {
	side, err := runs.Of(e, "this run", "")
	if err != nil {
		return err
	}
	results, undecided := runs.Check(o.parsed, side, o.base, runs.Options{Seed: seed})
	for _, file := range []struct {
		name  string
		write func(io.Writer) error
	}{
		{o.csv, func(w io.Writer) error { return report.CSV(w, e) }},
		{o.markdown, func(w io.Writer) error { return report.Markdown(w, e, results) }},
		{o.junit, func(w io.Writer) error { return report.JUnit(w, suite, results) }},
	} {
		if file.name == "" {
			continue
		}
		if err := writeFile(file.name, file.write); err != nil {
			return err
		}
	}
	if o.save != "" {
		if err := runs.Save(o.save, e); err != nil {
			return err
		}
		a.say("saved: %s", o.save)
	}
	failed := 0
	for _, r := range results {
		switch {
		case r.Err != nil:
			a.say("gate %s could not be decided: %v", r.Gate, r.Err)
			continue
		case r.Passed:
			a.say("gate %s passed: %s", r.Gate, r.Reason)
			continue
		}
		failed++
		a.say("gate %s FAILED: %s", r.Gate, r.Reason)
	}
	if undecided != nil {
		return fmt.Errorf("eval: %w", undecided)
	}
	if failed > 0 {
		return fmt.Errorf("eval %w: %d of %d gates do not hold", errFailed, failed, len(results))
	}
	return nil
}
