// Package stats says how far a mean over queries can be trusted.
//
// It is pure: vectors of per-query values go in, estimates with intervals,
// p-values and warnings come out. It knows nothing of metrics or retrieval.
//
// Nouns. An [Estimate] is a mean with its interval; a [Comparison] is a paired
// difference of two systems over the same queries; a [Sweep] is many
// differences against one baseline, corrected for their number. Queries that
// share a source document are not independent: they form a cluster, and
// whole clusters are resampled and flipped. A [Warning] is data, not a log
// line.
//
// Choices, and where they come from: intervals are expanded percentile
// bootstraps (Efron 1979; Hesterberg 2015); tests are sign-flip randomization
// tests, not Wilcoxon or sign tests (Smucker, Allan & Carterette, CIKM 2007;
// Urbano, Lima & Hanjalic, SIGIR 2019); sweeps use max-T (Westfall & Young 1993; Boytsov, Belova &
// Westfall, SIGIR 2013). Random numbers are PCG-DXSM (math/rand/v2) from the
// seed in [Options], so equal input gives equal output.
package stats

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// Options of every resampling procedure. The zero value is ready to use.
type Options struct {
	Seed      uint64
	Resamples int // 0 means 10,000; more than 0 otherwise
	// Clusters gives the cluster of each observation as any number; equal
	// numbers are one cluster. Nil: every observation is its own cluster.
	Clusters []int
}

const (
	defaultResamples = 10_000
	level            = 0.95
	power            = 0.80
)

const (
	// MinVerdict is the number of independent observations (clusters) under
	// which no verdict is given.
	MinVerdict = 25
	// MinComfort is the number under which intervals come with a warning.
	// Simulated coverage of nominal 95 % intervals is 91 to 95 % below it.
	MinComfort = 50
)

// Warning says why a number should be read with care.
type Warning struct {
	Code    string `json:"code"` // "few_queries", "no_verdict", "few_clusters"
	Message string `json:"message"`
}

// Interval is a closed interval.
type Interval struct{ Lo, Hi float64 }

// Contains reports whether x lies in i.
func (i Interval) Contains(x float64) bool { return i.Lo <= x && x <= i.Hi }

func (o Options) resamples() int {
	if o.Resamples <= 0 {
		return defaultResamples
	}
	return o.Resamples
}

// Streams keep the procedures of one seed apart.
const (
	streamBootstrap = iota + 1
	streamFlip
	streamROC
)

func (o Options) rng(stream uint64) *rand.PCG { return rand.NewPCG(o.Seed, stream) }

// groups is a sample split into clusters: the sum of the values and the number
// of observations of each, in order of first appearance.
type groups struct {
	sums   []float64
	counts []float64
	n      int
}

// group sums x by cluster. It panics when clusters has another length than x:
// that is a mistake in the calling code, not in data.
func group(x []float64, clusters []int) groups {
	if clusters == nil {
		g := groups{sums: x, counts: make([]float64, len(x)), n: len(x)}
		for i := range g.counts {
			g.counts[i] = 1
		}
		return g
	}
	if len(clusters) != len(x) {
		panic(fmt.Sprintf("stats: %d clusters for %d observations", len(clusters), len(x)))
	}
	g := groups{n: len(x)}
	at := map[int]int{}
	for i, v := range x {
		k, ok := at[clusters[i]]
		if !ok {
			k = len(g.sums)
			at[clusters[i]] = k
			g.sums, g.counts = append(g.sums, 0), append(g.counts, 0)
		}
		g.sums[k] += v
		g.counts[k]++
	}
	return g
}

func (g groups) mean() float64 {
	if g.n == 0 {
		return 0
	}
	sum := 0.0
	for _, s := range g.sums {
		sum += s
	}
	return sum / float64(g.n)
}

// standardError is the cluster-robust standard error of the mean, the usual
// sd/√n when every cluster has one observation; 0 with fewer than 2 clusters.
func (g groups) standardError() float64 {
	j := float64(len(g.sums))
	if j < 2 {
		return 0
	}
	mean, ss := g.mean(), 0.0
	for i, s := range g.sums {
		d := s - g.counts[i]*mean
		ss += d * d
	}
	return math.Sqrt(ss*j/(j-1)) / float64(g.n)
}

// warnings about the number of independent observations.
func (g groups) warnings() []Warning {
	j := len(g.sums)
	who := fmt.Sprintf("%d queries", g.n)
	if j < g.n {
		who += fmt.Sprintf(" from %d sources", j)
	}
	switch {
	case j < MinVerdict:
		return []Warning{{"no_verdict", fmt.Sprintf("%s: too few for a verdict, at least %d independent ones are needed", who, MinVerdict)}}
	case j < MinComfort:
		return []Warning{{"few_queries", fmt.Sprintf("%s: with fewer than %d independent ones, intervals are somewhat too narrow", who, MinComfort)}}
	}
	return nil
}
