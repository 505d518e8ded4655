package meta

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestCheck(t *testing.T) {
	many := Fields{}
	for i := range MaxFields + 1 {
		many[fmt.Sprint(i)] = OfBool(true)
	}
	moment := time.Date(2025, 3, 1, 12, 0, 0, 0, time.FixedZone("", 3600))
	tests := []struct {
		fields Fields
		want   string // in the error; empty: none
	}{
		{nil, ""},
		{Fields{"author": OfStrings([]string{"Ana", "Ülo"}), "n": OfInteger(-1), "x.y": OfFloat(0.5), "ok": OfBool(false), "at": OfTime(moment)}, ""},
		{Fields{"größe": OfString("")}, ""},
		{Fields{"tenant": OfString("x")}, `"tenant" is a reserved name`},
		{Fields{"Page_Start": OfInteger(1)}, "reserved"},
		{Fields{"": OfString("x")}, "0 bytes"},
		{Fields{strings.Repeat("k", MaxKeyBytes+1): OfString("x")}, "129 bytes"},
		{Fields{`a"b`: OfString("x")}, "quotation"},
		{Fields{" a": OfString("x")}, "white space"},
		{Fields{"a\nb": OfString("x")}, "control"},
		{Fields{"a\xff": OfString("x")}, "UTF-8"},
		{Fields{"a": OfString("\xff")}, `check "a"`},
		{Fields{"a": OfString(strings.Repeat("x", MaxStringBytes+1))}, "4097 bytes"},
		{Fields{"a": OfFloat(math.NaN())}, "NaN"},
		{Fields{"a": OfFloat(math.Inf(1))}, "finite"},
		{Fields{"a": OfTime(time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC))}, "12000"},
		{Fields{"a": OfStrings(make([]string, MaxStrings+1))}, "257 strings"},
		{Fields{"a": OfStrings([]string{"\xff"})}, "UTF-8"},
		{Fields{"a": {}}, "kind"},
		{many, "129 fields"},
		{Fields{"a": OfStrings(slices.Repeat([]string{strings.Repeat("x", 4000)}, 9))}, "32768 bytes"},
	}
	for _, tt := range tests {
		err := Check(tt.fields)
		if tt.want == "" && err != nil || tt.want != "" && (!errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("Check(%v) = %v, want an error with %q", tt.fields, err, tt.want)
		}
	}
}

func TestText(t *testing.T) {
	moment := time.Date(2025, 3, 1, 12, 0, 0, 0, time.FixedZone("", 3600))
	for want, v := range map[string]Value{
		"": {}, "a b": OfString("a b"), "-7": OfInteger(-7), "0.25": OfFloat(0.25), "true": OfBool(true),
		"2025-03-01T11:00:00Z": OfTime(moment), "a, b": OfStrings([]string{"a", "b"}),
	} {
		if got := v.Text(); got != want {
			t.Errorf("Text of %v = %q, want %q", v, got, want)
		}
	}
}
