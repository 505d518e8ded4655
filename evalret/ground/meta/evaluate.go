package meta

import (
	"cmp"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/ragloop/ragloop/evalret/ground"
	"github.com/ragloop/ragloop/evalret/metric"
)

// Options of [Evaluate]. The zero value is ready to use.
type Options struct {
	Seed      uint64
	Resamples int // of groups, for intervals; 0 means 1,000
}

const (
	defaultResamples = 1000
	calibrationBins  = 10
)

// Figure is a number with its interval.
type Figure struct {
	Value metric.Value `json:"value"`
	CI95  *[2]float64  `json:"ci95,omitempty"` // percentile bootstrap over groups; nil: none
}

// Agreement says how well a judge agrees with people on one set.
type Agreement struct {
	Set      string `json:"set"`
	Rows     int    `json:"rows"`
	Contexts int    `json:"contexts"`
	Groups   int    `json:"groups"` // of rows that share text, see ground.Groups: what intervals resample
	// What became of the rows. Only scored ones take part in the figures.
	Scored    int `json:"scored"`
	Abstained int `json:"abstained"`
	NoClaims  int `json:"no_claims"`
	Failed    int `json:"failed"`

	AUROC    Figure `json:"auroc"`    // of labels; not applicable to degrees
	Spearman Figure `json:"spearman"` // with degrees; not applicable to labels
	// Balanced accuracy on one half of the groups, at the threshold that is best
	// on the other.
	BalancedAccuracy Figure  `json:"balanced_accuracy"`
	Threshold        float64 `json:"threshold"`
	HeldOut          int     `json:"held_out"` // rows that balanced accuracy is over
	// Calibration: expected calibration error, mean |share supported - score| over
	// ten bins of equal width, by their rows.
	ECE  Figure `json:"ece"`
	Bins []Bin  `json:"bins,omitempty"`
	// HumanCeiling is the mean Spearman correlation of one rater with the mean of
	// the others.
	HumanCeiling Figure   `json:"human_ceiling"`
	Types        []ByType `json:"types,omitempty"` // by type, where rows have one
}

// Bin is the rows whose score is in one tenth of the scale.
type Bin struct {
	Lo        float64 `json:"lo"`
	Rows      int     `json:"rows"`
	Score     float64 `json:"score"`     // mean
	Supported float64 `json:"supported"` // share
}

// ByType is the agreement on rows of one type.
type ByType struct {
	Type  string `json:"type"`
	Rows  int    `json:"rows"`
	AUROC Figure `json:"auroc"`
}

// grouped is a scored row with the group that it is in.
type grouped struct {
	Scored
	group int
}

// Evaluate returns the agreement on each set, in order of first appearance.
func Evaluate(rows []Scored, o Options) []Agreement {
	plain := make([]Row, len(rows))
	for i, r := range rows {
		plain[i] = r.Row
	}
	all := make([]grouped, len(rows))
	for i, g := range ground.Groups(Examples(plain)) {
		all[i] = grouped{rows[i], g}
	}
	var out []Agreement
	for _, part := range partition(all, func(r grouped) string { return r.Set }) {
		out = append(out, evaluate(part, o))
	}
	return out
}

// partition splits rows by a key, in order of its first appearance.
func partition[K comparable](rows []grouped, key func(grouped) K) [][]grouped {
	var out [][]grouped
	at := map[K]int{}
	for _, r := range rows {
		k := key(r)
		i, ok := at[k]
		if !ok {
			i = len(out)
			at[k] = i
			out = append(out, nil)
		}
		out[i] = append(out[i], r)
	}
	return out
}

func evaluate(all []grouped, o Options) Agreement {
	a := Agreement{Set: all[0].Set, Rows: len(all), Contexts: len(partition(all, func(r grouped) string { return r.Context })), Groups: len(partition(all, byGroup))}
	var rows []grouped
	for _, r := range all {
		switch r.Outcome {
		case ground.Scored:
			rows = append(rows, r)
			a.Scored++
		case ground.Abstained:
			a.Abstained++
		case ground.Failed:
			a.Failed++
		default:
			a.NoClaims++
		}
	}
	labels := Figure{Value: metric.NoValue("labels are degrees")}
	a.AUROC, a.BalancedAccuracy, a.ECE = labels, labels, labels
	a.Spearman = Figure{Value: metric.NoValue("labels are 0 or 1")}
	a.HumanCeiling = ceiling(all)
	if all[0].Graded {
		a.Spearman = interval(rows, o, spearman)
		return a
	}
	a.AUROC = interval(rows, o, auroc)
	a.ECE = interval(rows, o, func(r []grouped) (float64, bool) { _, e, ok := calibration(r); return e, ok })
	a.Bins, _, _ = calibration(rows)
	dev, held := halves(rows)
	a.Threshold, a.HeldOut = threshold(dev), len(held)
	a.BalancedAccuracy = interval(held, o, func(r []grouped) (float64, bool) { return balancedAccuracy(r, a.Threshold) })
	typed := partition(rows, func(r grouped) string { return r.Type })
	slices.SortFunc(typed, func(x, y []grouped) int { return cmp.Compare(x[0].Type, y[0].Type) })
	if len(typed) > 1 {
		for _, part := range typed {
			a.Types = append(a.Types, ByType{part[0].Type, len(part), interval(part, o, auroc)})
		}
	}
	return a
}

func byGroup(r grouped) int { return r.group }

// interval returns a statistic of rows with its bootstrap interval: groups are
// drawn with replacement. Resamples without the statistic, such as one without a
// negative, are left out; with more than a tenth of them there is no interval.
func interval(rows []grouped, o Options, statistic func([]grouped) (float64, bool)) Figure {
	v, ok := statistic(rows)
	if !ok {
		return Figure{Value: metric.NoValue("too few rows, or all with one label or score")}
	}
	f := Figure{Value: metric.Of(v)}
	clusters := partition(rows, byGroup)
	n := o.Resamples
	if n <= 0 {
		n = defaultResamples
	}
	rng := rand.New(rand.NewPCG(o.Seed, uint64(len(rows))))
	var values []float64
	var sample []grouped
	for range n {
		sample = sample[:0]
		for range clusters {
			sample = append(sample, clusters[rng.IntN(len(clusters))]...)
		}
		if v, ok := statistic(sample); ok {
			values = append(values, v)
		}
	}
	if len(clusters) < 2 || len(values) < n*9/10 || len(values) == 0 {
		return f
	}
	slices.Sort(values)
	cut := int(0.025 * float64(len(values)-1))
	f.CI95 = &[2]float64{metric.Round(values[cut]), metric.Round(values[len(values)-1-cut])}
	return f
}

// auroc is the chance that a supported row scores higher than another, ties half.
func auroc(rows []grouped) (float64, bool) {
	x := make([]float64, len(rows))
	for i, r := range rows {
		x[i] = r.Score
	}
	rank := ranks(x)
	sum, pos, neg := 0.0, 0.0, 0.0
	for i, r := range rows {
		if r.Label > 0.5 {
			sum += rank[i]
			pos++
		} else {
			neg++
		}
	}
	if pos == 0 || neg == 0 {
		return 0, false
	}
	return (sum - pos*(pos+1)/2) / (pos * neg), true
}

// ranks returns the rank of each value, from 1, equal ones sharing their mean.
func ranks(x []float64) []float64 {
	order := make([]int, len(x))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(x[a], x[b]) })
	out := make([]float64, len(x))
	for i := 0; i < len(order); {
		j := i
		for j < len(order) && x[order[j]] == x[order[i]] {
			j++
		}
		for _, k := range order[i:j] {
			out[k] = float64(i+j+1) / 2
		}
		i = j
	}
	return out
}

func spearman(rows []grouped) (float64, bool) {
	x, y := make([]float64, len(rows)), make([]float64, len(rows))
	for i, r := range rows {
		x[i], y[i] = r.Score, r.Label
	}
	return correlation(ranks(x), ranks(y))
}

// correlation is Pearson's; false where one side doesn't vary.
func correlation(x, y []float64) (float64, bool) {
	if len(x) < 2 {
		return 0, false
	}
	mx, my := mean(x), mean(y)
	xy, xx, yy := 0.0, 0.0, 0.0
	for i := range x {
		dx, dy := x[i]-mx, y[i]-my
		xy, xx, yy = xy+dx*dy, xx+dx*dx, yy+dy*dy
	}
	if xx == 0 || yy == 0 {
		return 0, false
	}
	return xy / math.Sqrt(xx*yy), true
}

// calibration returns the bins and the expected calibration error.
func calibration(rows []grouped) ([]Bin, float64, bool) {
	bins := make([]Bin, calibrationBins)
	for i := range bins {
		bins[i].Lo = float64(i) / calibrationBins
	}
	for _, r := range rows {
		b := &bins[min(calibrationBins-1, int(r.Score*calibrationBins))]
		b.Rows++
		b.Score += r.Score
		if r.Label > 0.5 {
			b.Supported++
		}
	}
	ece := 0.0
	for i := range bins {
		b := &bins[i]
		if b.Rows == 0 {
			continue
		}
		ece += math.Abs(b.Supported-b.Score) / float64(len(rows))
		b.Score, b.Supported = metric.Round(b.Score/float64(b.Rows)), metric.Round(b.Supported/float64(b.Rows))
	}
	return bins, ece, len(rows) > 0
}

// halves splits rows by their group: by the least hash of its contexts, so
// that the order of rows does not matter.
func halves(rows []grouped) (dev, held []grouped) {
	least := map[int]uint64{}
	for _, r := range rows {
		h := fnv.New64a()
		_, _ = h.Write([]byte(r.Context)) // never fails
		if old, ok := least[r.group]; !ok || h.Sum64() < old {
			least[r.group] = h.Sum64()
		}
	}
	for _, r := range rows {
		if least[r.group]>>32&1 == 0 {
			dev = append(dev, r)
		} else {
			held = append(held, r)
		}
	}
	return dev, held
}

// threshold returns the score from which on a row is best taken as supported:
// the one with the greatest balanced accuracy, the least of equals; 0.5 where
// there is no choice.
func threshold(rows []grouped) float64 {
	var scores []float64
	for _, r := range rows {
		scores = append(scores, r.Score)
	}
	slices.Sort(scores)
	best, at := -1.0, 0.5
	for _, s := range slices.Compact(scores) {
		if b, ok := balancedAccuracy(rows, s); ok && b > best {
			best, at = b, s
		}
	}
	return at
}

// balancedAccuracy is the mean of the shares of supported and of other rows that
// are told right.
func balancedAccuracy(rows []grouped, threshold float64) (float64, bool) {
	var right, all [2]float64
	for _, r := range rows {
		k := 0
		if r.Label > 0.5 {
			k = 1
		}
		all[k]++
		if (r.Score >= threshold) == (k == 1) {
			right[k]++
		}
	}
	if all[0] == 0 || all[1] == 0 {
		return 0, false
	}
	return (right[0]/all[0] + right[1]/all[1]) / 2, true
}

// ceiling is the agreement of people among themselves.
func ceiling(rows []grouped) Figure {
	raters := 0
	for _, r := range rows {
		raters = max(raters, len(r.Ratings))
	}
	sum, n := 0.0, 0
	for rater := range raters {
		var one, others []float64
		for _, r := range rows {
			if len(r.Ratings) < 2 || rater >= len(r.Ratings) {
				continue
			}
			rest := slices.Delete(slices.Clone(r.Ratings), rater, rater+1)
			one, others = append(one, r.Ratings[rater]), append(others, mean(rest))
		}
		if len(one) == 0 {
			continue
		}
		if c, ok := correlation(ranks(one), ranks(others)); ok {
			sum, n = sum+c, n+1
		}
	}
	if n == 0 {
		return Figure{Value: metric.NoValue("no row has two ratings")}
	}
	return Figure{Value: metric.Of(sum / float64(n))}
}
