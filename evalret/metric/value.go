package metric

import (
	"encoding/json"
	"math"
)

// State says whether a [Value] is a number.
type State uint8

const (
	// Number: the metric has a value for this query.
	Number State = iota
	// NotApplicable: the query has no label that the metric needs. It does not
	// take part in a mean; the number of such queries is reported beside it.
	NotApplicable
	// Failed: there was no result to score. It counts as 0 in a mean, and the
	// number of such queries is reported as missing.
	Failed
)

// Value is a metric's result for one query. The zero value is the number 0.
type Value struct {
	state  State
	number float64
	reason string
}

// Of returns x as a value. A NaN or infinite x, which no metric of this
// package produces, becomes a failed value.
func Of(x float64) Value {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return Fail("value is not finite")
	}
	return Value{number: x}
}

// NoValue returns a not applicable value with its reason.
func NoValue(reason string) Value { return Value{state: NotApplicable, reason: reason} }

// Fail returns a failed value with its reason.
func Fail(reason string) Value { return Value{state: Failed, reason: reason} }

// State returns the state of v.
func (v Value) State() State { return v.state }

// Reason says why v is not a number; empty for a number.
func (v Value) Reason() string { return v.reason }

// Float returns the number to take into a mean: the value itself, or 0 for a
// failed one. It reports false when v is not applicable.
func (v Value) Float() (float64, bool) { return v.number, v.state != NotApplicable }

// Rounded returns v as files carry it. What is compared with a value that was
// read back is rounded before: a run is no better than itself.
func (v Value) Rounded() Value {
	v.number = Round(v.number)
	return v
}

// MarshalJSON writes the number of v.Rounded, or null when v is not a number.
func (v Value) MarshalJSON() ([]byte, error) {
	if v.state != Number {
		return []byte("null"), nil
	}
	return json.Marshal(Round(v.number))
}

// UnmarshalJSON reads a number, or null as a value that is not applicable.
func (v *Value) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*v = NoValue("null in file")
		return nil
	}
	var x float64
	if err := json.Unmarshal(b, &x); err != nil {
		return err
	}
	*v = Of(x)
	return nil
}

// Round rounds x to the 6 decimals that files and reports carry.
func Round(x float64) float64 {
	r := math.Round(x*1e6) / 1e6
	if r == 0 {
		return 0 // no negative zero
	}
	return r
}
