package report

import (
	"fmt"
	"strconv"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/evalret/stats"
)

// absent stands for a value that does not exist.
const absent = "–"

// number formats a metric value with three decimals.
func number(x float64) string { return strconv.FormatFloat(x, 'f', 3, 64) }

// value formats v, or absent when it is not a number.
func value(v metric.Value) string {
	if v.State() != metric.Number {
		return absent
	}
	x, _ := v.Float()
	return number(x)
}

// interval formats the interval of s, or nothing.
func interval(s evalret.Summary) string {
	if s.CI95 == nil {
		return ""
	}
	return "[" + number(s.CI95[0]) + ", " + number(s.CI95[1]) + "]"
}

// percent formats a 0..1 number as a percentage, without the sign %.
func percent(x float64) string { return strconv.FormatFloat(100*x, 'f', 1, 64) }

// signed formats a difference of 0..1 numbers, times 100, with its sign.
func signed(x float64) string {
	s := fmt.Sprintf("%+.1f", 100*x)
	if s == "+0.0" || s == "-0.0" {
		return "0.0"
	}
	return s
}

// points formats a difference with its interval.
func points(c stats.Comparison) string {
	return signed(c.Diff) + " [" + signed(c.CI.Lo) + ", " + signed(c.CI.Hi) + "]"
}

// pValue formats a p-value.
func pValue(p float64) string {
	if p < 0.001 {
		return "<0.001"
	}
	return number(p)
}

// thousands formats n with a comma between groups of three digits.
func thousands(n int) string {
	if n < 0 {
		return "-" + thousands(-n)
	}
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// count says how many there are of something.
func count(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(n) + " " + more
}

// whole formats a share as whole percent; 100 % and 0 % are exact.
func whole(x float64) string {
	p := int(100*x + 0.5)
	if p == 100 && x < 1 {
		p = 99
	}
	if p == 0 && x > 0 {
		p = 1
	}
	return strconv.Itoa(p) + " %"
}
