package report

import (
	"fmt"
	"strings"

	"github.com/ragloop/ragloop/evalret"
)

// flow is the way of the labelled evidence into the context as a picture: one
// stream from left to right, from which each stage that loses something
// branches off. Laid out for the template.
type flow struct {
	Width, Height int
	Label         string // for screen readers
	Gates         []flowGate
	Streams       []flowStream // what is kept first, then the losses, the last stage first
	Source        string       // how many spans enter
}

// flowGate is a step of the pipeline, a vertical line.
type flowGate struct{ X, Bottom, Name string }

type flowStream struct {
	Path         string
	Kept         bool
	Count, Name  string
	TextX, TextY string
}

const (
	flowWidth  = 860
	flowLeft   = 6.0
	flowRight  = 470.0 // where the streams end and their names begin
	flowTop    = 40.0
	flowFull   = 150.0 // height of all spans together
	flowGap    = 24.0  // between two streams at the right
	flowBend   = 56.0  // width of the way down
	flowLeast  = 2.0   // height of the thinnest stream
	gateMargin = 104.0
)

// gates are the steps of retrieval and the losses that happen there.
var gates = []struct {
	name   string
	stages []evalret.Stage
}{
	{"search", []evalret.Stage{evalret.NoResults, evalret.NotFound, evalret.SplitApart}},
	{"rank", []evalret.Stage{evalret.Outranked}},
	{"rerank", []evalret.Stage{evalret.Demoted}},
	{"pack", []evalret.Stage{evalret.Capped, evalret.OverBudget}},
}

// newFlow lays out l. reranked says whether the run has that step.
func newFlow(l *evalret.Losses, reranked bool) flow {
	f := flow{Width: flowWidth, Source: thousands(l.Spans)}
	type loss struct {
		stage evalret.Stage
		gate  int
	}
	var losses []loss
	var names []string
	for _, g := range gates {
		if g.name == "rerank" && !reranked && l.Lost[evalret.Demoted] == 0 {
			continue
		}
		for _, s := range g.stages {
			if l.Lost[s] > 0 {
				losses = append(losses, loss{s, len(names)})
			}
		}
		names = append(names, g.name)
	}
	gateX := func(i int) float64 {
		return flowLeft + gateMargin + float64(i)*(flowRight-flowBend-flowLeft-gateMargin-20)/float64(max(1, len(names)-1))
	}
	unit := flowFull / float64(max(1, l.Spans))
	y := flowTop // top of the next stream at the left
	down := 0.0  // how far the next stream is moved at its gate
	stream := func(n, gate int, kept bool, name string) {
		height := max(flowLeast, float64(n)*unit)
		top, bottom := y, y+height
		s := flowStream{Kept: kept, Count: thousands(n), Name: name, TextX: px(flowRight + 12), TextY: px(top + down + height/2 + 4.5)}
		if kept {
			s.Path = fmt.Sprintf("M%s %s H%s V%s H%s Z", px(flowLeft), px(top), px(flowRight), px(bottom), px(flowLeft))
		} else {
			x := gateX(gate)
			mid, end := x+flowBend/2, x+flowBend
			s.Path = fmt.Sprintf("M%s %s H%s C%s %s %s %s %s %s H%s V%s H%s C%s %s %s %s %s %s H%s Z",
				px(flowLeft), px(top), px(x), px(mid), px(top), px(mid), px(top+down), px(end), px(top+down), px(flowRight),
				px(bottom+down), px(end), px(mid), px(bottom+down), px(mid), px(bottom), px(x), px(bottom), px(flowLeft))
		}
		f.Streams = append(f.Streams, s)
		y = bottom
		down += flowGap
	}
	if l.Kept > 0 {
		stream(l.Kept, 0, true, fmt.Sprintf("in the context (%s)", share(l.Kept, l.Spans)))
	}
	for i := len(losses) - 1; i >= 0; i-- {
		n := l.Lost[losses[i].stage]
		stream(n, losses[i].gate, false, fmt.Sprintf("%s (%s)", stageNames[losses[i].stage], share(n, l.Spans)))
	}
	bottom := y + down - flowGap
	f.Height = int(bottom + 14)
	for i, name := range names {
		f.Gates = append(f.Gates, flowGate{px(gateX(i)), px(bottom + 8), name})
	}
	var parts []string
	for _, s := range f.Streams {
		parts = append(parts, s.Count+" "+s.Name)
	}
	f.Label = fmt.Sprintf("Of %s: %s", count(l.Spans, "evidence span", "evidence spans"), strings.Join(parts, "; "))
	return f
}

// share formats n of all as whole percent.
func share(n, all int) string {
	if all == 0 {
		return absent
	}
	return whole(float64(n) / float64(all))
}
