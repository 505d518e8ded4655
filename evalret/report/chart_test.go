package report

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func curves(values ...float64) []curve {
	var cs []curve
	for i, v := range values {
		c := curve{Name: strconv.Itoa(i), Class: colour(i)}
		for k, b := range []int{512, 1024, 2048} {
			x := v + float64(k)*0.05
			c.points = append(c.points, point{b, x, x - 0.05, x + 0.05, 100})
		}
		cs = append(cs, c)
	}
	return cs
}

func TestChartLabelsDoNotOverlap(t *testing.T) {
	c, ok := newChart("x", curves(0.5, 0.505, 0.51, 0.8, 0.1, 0.1))
	if !ok {
		t.Fatal("nothing drawn")
	}
	var at []float64
	for _, l := range c.Lines {
		y, err := strconv.ParseFloat(l.LabelY, 64)
		if err != nil || y > chartBottom+5 {
			t.Errorf("label of %s at %q", l.Name, l.LabelY)
		}
		for _, other := range at {
			if d := y - other; d > -labelGap+0.2 && d < labelGap-0.2 {
				t.Errorf("labels at %v and %v overlap", y, other)
			}
		}
		at = append(at, y)
	}
}

func TestChartAxis(t *testing.T) {
	texts := func(ticks []tick) string {
		var s []string
		for _, k := range ticks {
			s = append(s, k.Text)
		}
		return strings.Join(s, " ")
	}
	c, _ := newChart("x", curves(0.70))
	if got, want := texts(c.YTicks), "60 % 70 % 80 % 90 %"; got != want {
		t.Errorf("ticks %q, want %q", got, want)
	}
	if got, want := texts(c.XTicks), "512 1,024 2,048"; got != want {
		t.Errorf("ticks %q, want %q", got, want)
	}
	c, _ = newChart("x", curves(0.05, 0.85))
	if got, want := texts(c.YTicks), "0 % 20 % 40 % 60 % 80 % 100 %"; got != want {
		t.Errorf("ticks %q, want %q", got, want)
	}
	if _, ok := newChart("x", []curve{{points: []point{{budget: 512}}}}); ok {
		t.Error("a chart of one budget is drawn")
	}
	if _, ok := newChart("x", nil); ok {
		t.Error("a chart of nothing is drawn")
	}
}

func TestFormats(t *testing.T) {
	got := []string{
		thousands(0), thousands(999), thousands(1000), thousands(-1234567), signed(-0.0001), signed(0.012), whole(0.999), whole(0.0001), whole(1), whole(0),
		pValue(0.0001), pValue(0.05), wrap("a bb  ccc\ndddd", 6), count(1, "query", "queries"), count(2000, "query", "queries"),
	}
	want := []string{"0", "999", "1,000", "-1,234,567", "0.0", "+1.2", "99 %", "1 %", "100 %", "0 %", "<0.001", "0.050", "a bb\nccc\ndddd", "1 query", "2,000 queries"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("formats (-want +got):\n%s", diff)
	}
}

func TestTable(t *testing.T) {
	var b strings.Builder
	table{rows: [][]string{{"name", "n"}, {"Gäste", "10"}, {"x", "7", "end"}}}.write(&b, "lr")
	if want := "name    n\nGäste  10\nx       7  end\n"; b.String() != want {
		t.Errorf("table = %q, want %q", b.String(), want)
	}
}
