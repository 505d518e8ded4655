package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/ragloop/ragloop/internal/load"
)

// loadResults are the measurements of one "bench serve", as --json prints them.
type loadResults struct {
	Measurements []loadResult `json:"measurements"`
}

type loadResult struct {
	Name     string             `json:"name"` // "peak", "half", "rate", "overload", "… during ingest", "… again"
	Rate     float64            `json:"calls_per_second"`
	Goodput  float64            `json:"answers_per_second"` // complete ones
	Calls    int                `json:"calls"`
	Outcomes map[string]int     `json:"outcomes"`
	Latency  map[string]latency `json:"latency"` // by outcome, from when a call was due
	Stages   []stageLatency     `json:"stages"`  // of answers, as the service measured them
	Lag      latency            `json:"lag"`     // how late calls were sent; it is part of Latency
	Cores    busyCores          `json:"busy_cores"`
	Error    string             `json:"error,omitempty"`
	// Share is Goodput in parts of that of the measurement before: of an overload where
	// that one has answers.
	Share *float64 `json:"share_of_answers_before,omitempty"`
}

type stageLatency struct {
	Name string `json:"name"`
	latency
}

// latency has milliseconds.
type latency struct {
	Count int     `json:"count"`
	Mean  float64 `json:"mean_ms"`
	P50   float64 `json:"p50_ms"`
	P90   float64 `json:"p90_ms"`
	P99   float64 `json:"p99_ms"`
	P999  float64 `json:"p99_9_ms"`
	Max   float64 `json:"max_ms"`
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// millis prints a time as all of them are printed.
func millis(d time.Duration) string { return fmt.Sprintf("%.1f ms", ms(d)) }

func latencyOf(l *load.Latencies) latency {
	q := func(p float64) float64 { return ms(l.Quantile(p)) }
	return latency{l.Count(), ms(l.Mean()), q(0.5), q(0.9), q(0.99), q(0.999), ms(l.Max())}
}

func (o *loadResults) add(name string, r load.Report, cores busyCores) {
	out := loadResult{
		Name: name, Rate: r.Rate, Goodput: r.Goodput(), Calls: r.Calls, Lag: latencyOf(r.Lag), Cores: cores,
		Outcomes: map[string]int{}, Latency: map[string]latency{},
	}
	for outcome, n := range r.Outcomes {
		out.Outcomes[outcome.String()] = n
		out.Latency[outcome.String()] = latencyOf(r.Of(outcome))
	}
	for _, s := range r.Stages {
		out.Stages = append(out.Stages, stageLatency{s.Name, latencyOf(s.Latency)})
	}
	if r.FirstErr != nil {
		out.Error = r.FirstErr.Error()
	}
	o.Measurements = append(o.Measurements, out)
}

// compare fills in the share of the last measurement.
func (o *loadResults) compare() {
	last, before := &o.Measurements[len(o.Measurements)-1], o.Measurements[len(o.Measurements)-2]
	if before.Goodput > 0 {
		share := last.Goodput / before.Goodput
		last.Share = &share
	}
}

func (a *app) printLoad(o loadResults) error {
	if a.json {
		e := json.NewEncoder(a.out)
		e.SetIndent("", "  ")
		return e.Encode(o)
	}
	for i, m := range o.Measurements {
		if i > 0 {
			fmt.Fprintln(a.out)
		}
		fmt.Fprintf(a.out, "%s: %.0f calls per second, %.0f answered completely", m.Name, m.Rate, m.Goodput)
		if m.Share != nil {
			fmt.Fprintf(a.out, ", %.0f %% of those answered at the rate before", 100**m.Share)
		}
		fmt.Fprintln(a.out)
		w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintln(w, "\tcalls\tp50 ms\tp90\tp99\tp99.9\tmax\t")
		row := func(name string, l latency) {
			fmt.Fprintf(w, "%s\t%d\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t\n", name, l.Count, l.P50, l.P90, l.P99, l.P999, l.Max)
		}
		for _, outcome := range sortedKeys(m.Latency) {
			row(outcome, m.Latency[outcome])
		}
		for _, s := range m.Stages {
			row("  "+s.Name, s.latency)
		}
		row("sent late", m.Lag)
		if err := w.Flush(); err != nil {
			return err
		}
		fmt.Fprintf(a.out, "cores at work: generator %.2f", m.Cores.Generator)
		if m.Cores.Service > 0 {
			fmt.Fprintf(a.out, ", service %.2f", m.Cores.Service)
			if m.Goodput > 0 {
				fmt.Fprintf(a.out, "; %.2f ms of a core for each answer", 1000*(m.Cores.Generator+m.Cores.Service)/m.Goodput)
			}
		}
		fmt.Fprintln(a.out)
		if m.Error != "" {
			a.say("warning: a call failed: %s", m.Error)
		}
	}
	return nil
}
