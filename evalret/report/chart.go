package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/ragloop/ragloop/evalret"
)

// curve is one line of a chart.
type curve struct {
	Name   string
	Class  string // colour
	Muted  bool   // in the background, without band and label
	points []point
}

// point is a value at a token budget with its interval.
type point struct {
	budget    int
	x, lo, hi float64
	n         int
}

// chart is values against token budgets, laid out for the template.
type chart struct {
	Width, Height int
	Left, Right   string // ends of the horizontal grid lines
	Top, Bottom   string
	Label         string // for screen readers
	YTicks        []tick
	XTicks        []tick
	Lines         []line
}

type tick struct{ At, Text string }

// line is a laid-out curve.
type line struct {
	Name, Class    string
	Muted          bool
	Path, Band     string
	Dots           []dot
	LabelX, LabelY string
	NeedsLeader    bool // the label was moved away from the end of the line
	Leader         string
}

type dot struct{ X, Y, Title string }

const (
	chartWidth  = 760
	chartHeight = 380
	chartLeft   = 54.0
	chartRight  = 632.0
	chartTop    = 18.0
	chartBottom = 330.0
	labelGap    = 17.0
)

func px(x float64) string { return fmt.Sprintf("%.1f", x) }

// newChart lays out curves over at least two budgets; false when there is
// nothing to draw.
func newChart(label string, curves []curve) (chart, bool) {
	var budgets []int
	lo, hi := 1.0, 0.0
	for _, c := range curves {
		for _, p := range c.points {
			budgets = append(budgets, p.budget)
			if c.Muted {
				lo, hi = min(lo, p.x), max(hi, p.x)
			} else {
				lo, hi = min(lo, p.lo), max(hi, p.hi)
			}
		}
	}
	slices.Sort(budgets)
	budgets = slices.Compact(budgets)
	if len(budgets) < 2 {
		return chart{}, false
	}
	// The axis ends on tenths around everything drawn, at least three apart.
	bottom, top := math.Floor(lo*10+1e-9)/10, math.Ceil(hi*10-1e-9)/10
	for top-bottom < 0.3-1e-9 {
		if top < 1-1e-9 {
			top += 0.1
		} else {
			bottom -= 0.1
		}
	}
	first, last := math.Log2(float64(budgets[0])), math.Log2(float64(budgets[len(budgets)-1]))
	x := func(budget int) float64 {
		return chartLeft + 14 + (math.Log2(float64(budget))-first)/(last-first)*(chartRight-chartLeft-28)
	}
	y := func(v float64) float64 { return chartBottom - (v-bottom)/(top-bottom)*(chartBottom-chartTop) }

	c := chart{
		Width: chartWidth, Height: chartHeight, Label: label,
		Left: px(chartLeft), Right: px(chartRight), Top: px(chartTop), Bottom: px(chartBottom),
	}
	step := 0.1
	if top-bottom > 0.6 {
		step = 0.2
	}
	for v := math.Ceil(bottom/step-1e-9) * step; v <= top+1e-9; v += step {
		c.YTicks = append(c.YTicks, tick{px(y(v)), fmt.Sprintf("%d %%", int(math.Round(100*v)))})
	}
	for _, b := range budgets {
		c.XTicks = append(c.XTicks, tick{px(x(b)), thousands(b)})
	}
	for _, cv := range curves {
		c.Lines = append(c.Lines, layOut(cv, x, y))
	}
	c.placeLabels(curves, y)
	return c, true
}

func layOut(cv curve, x func(int) float64, y func(float64) float64) line {
	l := line{Name: cv.Name, Class: cv.Class, Muted: cv.Muted}
	var path, upper, lower []string
	for i, p := range cv.points {
		command := "L"
		if i == 0 {
			command = "M"
		}
		px0 := px(x(p.budget))
		path = append(path, command+px0+" "+px(y(p.x)))
		upper = append(upper, command+px0+" "+px(y(p.hi)))
		lower = append(lower, "L"+px0+" "+px(y(p.lo)))
		l.Dots = append(l.Dots, dot{px0, px(y(p.x)), fmt.Sprintf("%s, %s tokens: %s %% (95 %% interval %s to %s, n = %d)",
			cv.Name, thousands(p.budget), percent(p.x), percent(p.lo), percent(p.hi), p.n)})
	}
	slices.Reverse(lower)
	l.Path = strings.Join(path, " ")
	if !cv.Muted {
		l.Band = strings.Join(upper, " ") + " " + strings.Join(lower, " ") + " Z"
	}
	return l
}

// placeLabels puts the names of the lines at their right ends, moved apart
// where they would overlap.
func (c *chart) placeLabels(curves []curve, y func(float64) float64) {
	type end struct {
		line   int
		at, to float64
	}
	var ends []end
	for i, cv := range curves {
		if n := len(cv.points); n > 0 && !cv.Muted {
			at := y(cv.points[n-1].x)
			ends = append(ends, end{i, at, at})
		}
	}
	slices.SortStableFunc(ends, func(a, b end) int {
		switch {
		case a.at < b.at:
			return -1
		case a.at > b.at:
			return 1
		}
		return 0
	})
	for i := 1; i < len(ends); i++ {
		ends[i].to = max(ends[i].to, ends[i-1].to+labelGap)
	}
	// Whatever was pushed over the lower edge moves up again.
	limit := chartBottom
	for i := len(ends) - 1; i >= 0; i-- {
		ends[i].to = min(ends[i].to, limit)
		limit = ends[i].to - labelGap
	}
	for _, e := range ends {
		l := &c.Lines[e.line]
		l.LabelX, l.LabelY = px(chartRight+14), px(e.to+4)
		if math.Abs(e.to-e.at) > 3 {
			l.NeedsLeader = true
			l.Leader = fmt.Sprintf("M%s %s L%s %s", px(chartRight-8), px(e.at), px(chartRight+11), px(e.to))
		}
	}
}

// whiskers is a value with its interval on a common horizontal scale.
type whiskers struct {
	Width       int
	X, Lo, Hi   string
	Length      string // from Lo to Hi
	Zero        string // position of 0; empty: not drawn
	Class       string
	Description string
}

const whiskersWidth = 180

// scale maps values to 4..width-4 of a whiskers picture.
type scale struct{ lo, hi float64 }

func (s scale) at(v float64) float64 {
	if s.hi <= s.lo {
		return whiskersWidth / 2
	}
	return 4 + (min(max(v, s.lo), s.hi)-s.lo)/(s.hi-s.lo)*(whiskersWidth-8)
}

func (s scale) whiskers(x, lo, hi float64, class, description string, zero bool) whiskers {
	w := whiskers{
		Width: whiskersWidth, X: px(s.at(x)), Lo: px(s.at(lo)), Hi: px(s.at(hi)),
		Length: px(max(1, s.at(hi)-s.at(lo))), Class: class, Description: description,
	}
	if zero {
		w.Zero = px(s.at(0))
	}
	return w
}

// unit is the scale of a metric.
var unit = scale{0, 1}

// summaryWhiskers draws a metric's mean on 0..1; false when it has none.
func summaryWhiskers(s evalret.Summary, class string) (whiskers, bool) {
	x, ok := s.Value.Float()
	if !ok || s.CI95 == nil {
		return whiskers{}, false
	}
	return unit.whiskers(x, s.CI95[0], s.CI95[1], class, number(x)+" "+interval(s), false), true
}

// colours is the number of colour classes in the style sheet.
const colours = 8

func colour(i int) string { return fmt.Sprintf("c%d", i%colours) }
