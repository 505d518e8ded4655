package extract

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// builtinFormats are the number formats that a workbook need not define, by
// id; where they differ between languages, those of English.
// Source: ECMA-376 part 1, 18.8.30.
var builtinFormats = map[int]string{
	1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00", 9: "0%", 10: "0.00%",
	14: "yyyy-mm-dd", 15: "d-mmm-yy", 16: "d-mmm", 17: "mmm-yy", 18: "h:mm", 19: "h:mm:ss", 20: "h:mm", 21: "h:mm:ss", 22: "yyyy-mm-dd h:mm",
	27: "yyyy-mm-dd", 28: "yyyy-mm-dd", 29: "yyyy-mm-dd", 30: "yyyy-mm-dd", 31: "yyyy-mm-dd", 32: "h:mm", 33: "h:mm:ss", 34: "h:mm", 35: "h:mm:ss", 36: "yyyy-mm-dd",
	37: "#,##0", 38: "#,##0", 39: "#,##0.00", 40: "#,##0.00", 41: "#,##0", 42: "$#,##0", 43: "#,##0.00", 44: "$#,##0.00",
	45: "mm:ss", 46: "[h]:mm:ss", 47: "mm:ss.0", 50: "yyyy-mm-dd", 51: "yyyy-mm-dd", 52: "yyyy-mm", 53: "yyyy-mm-dd", 54: "yyyy-mm-dd",
	55: "yyyy-mm", 56: "yyyy-mm-dd", 57: "yyyy-mm-dd", 58: "yyyy-mm-dd",
}

// numberFormat says how a number is written. It is what a format code of a
// spreadsheet says for positive numbers, less colours, padding and the order of
// the parts of a date. The zero value writes the number as it is.
type numberFormat struct {
	prefix, suffix   string // literals: a currency sign, a unit
	digits           bool   // the code has placeholders for digits
	least, most      int    // decimals
	thousands        bool
	percent          bool
	scale            int // the number is divided by 1000 that often
	year, month, day bool
	clock, elapsed   bool // a time of the day; a duration
}

// parseNumberFormat reads a format code. A code that it does not understand
// gives the zero value.
func parseNumberFormat(code string) numberFormat {
	const maxCodeBytes = 255 // what the programs allow
	if len(code) > maxCodeBytes || strings.Contains(code, "[>") || strings.Contains(code, "[<") || strings.Contains(code, "[=") {
		return numberFormat{}
	}
	var f numberFormat
	literal := func(s string) {
		if f.digits {
			f.suffix += s
		} else {
			f.prefix += s
		}
	}
	var decimals, commas bool
	// The last letter of a date; M for a month, m for minutes, which follow
	// hours or precede seconds.
	last := byte(0)
	for s := code; s != ""; {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == ';':
			s, n = "", 0
		case r == '"':
			end := strings.IndexByte(s[1:], '"')
			if end < 0 {
				return numberFormat{}
			}
			literal(s[1 : end+1])
			n = end + 2
		case r == '[':
			end := strings.IndexByte(s, ']')
			if end < 0 {
				return numberFormat{}
			}
			inner := s[1:end]
			if symbol, ok := strings.CutPrefix(inner, "$"); ok {
				symbol, _, _ = strings.Cut(symbol, "-")
				literal(symbol)
			} else if t := strings.ToLower(inner); t != "" && (strings.Trim(t, "h") == "" || strings.Trim(t, "m") == "" || strings.Trim(t, "s") == "") {
				f.elapsed, f.clock, last = true, true, t[0]
			}
			n = end + 1
		case r == '\\' && len(s) > n, r == '_' && len(s) > n, r == '*' && len(s) > n:
			_, k := utf8.DecodeRuneInString(s[n:])
			if r == '\\' {
				literal(s[n : n+k])
			}
			n += k
		case r == '0', r == '#', r == '?':
			f.digits = true
			if commas {
				f.thousands, commas = true, false
				f.scale = 0
			}
			if decimals {
				if f.most++; r == '0' {
					f.least = f.most
				}
			}
		case r == ',' && f.digits:
			commas = true
			f.scale++
		case r == '.' && f.digits:
			decimals = true
		case r == '%':
			f.percent = true
		case strings.HasPrefix(s, "General"):
			return numberFormat{prefix: f.prefix}
		case strings.HasPrefix(s, "AM/PM"):
			n = len("AM/PM")
		case strings.HasPrefix(s, "A/P"):
			n = len("A/P")
		case r == 'E' || r == '/' && f.digits || r == '@':
			return numberFormat{} // scientific notation, fractions, text
		case r == 'y' || r == 'Y' || r == 'e':
			f.year, last = true, 'y'
		case r == 'd' || r == 'D':
			f.day, last = true, 'd'
		case r == 'h' || r == 'H':
			f.clock, last = true, 'h'
		case r == 's' || r == 'S':
			if last == 'M' {
				f.month = false
			}
			f.clock, last = true, 's'
		case r == 'm' || r == 'M':
			if last == 'h' || last == 'm' {
				last = 'm'
			} else {
				f.month, last = true, 'M'
			}
		case strings.ContainsRune("$€£¥+- ", r):
			literal(string(r))
		}
		s = s[n:]
	}
	if f.most > 15 || f.scale > 3 {
		return numberFormat{}
	}
	f.prefix, f.suffix = strings.TrimLeft(f.prefix, " "), strings.TrimRight(f.suffix, " ")
	return f
}

// isDate reports whether f writes a date or a time.
func (f numberFormat) isDate() bool { return f.year || f.month || f.day || f.clock }

// format writes a number as it is stored: a decimal literal.
func (f numberFormat) format(s string, date1904 bool) string {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsInf(v, 0) || math.IsNaN(v) {
		return s
	}
	if f.isDate() {
		if t := f.moment(v, date1904); t != "" {
			return t
		}
		return plainNumber(v)
	}
	sign := ""
	if v < 0 {
		sign, v = "-", -v
	}
	if !f.digits || v >= 1e15 {
		return sign + f.prefix + plainNumber(v)
	}
	for range f.scale {
		v /= 1000
	}
	suffix := f.suffix
	if f.percent {
		v *= 100
		suffix = "%" + suffix
	}
	digits := strconv.FormatFloat(v, 'f', f.most, 64)
	whole, fraction, _ := strings.Cut(digits, ".")
	for len(fraction) > f.least && fraction[len(fraction)-1] == '0' {
		fraction = fraction[:len(fraction)-1]
	}
	if f.thousands {
		whole = groupThousands(whole)
	}
	if fraction != "" {
		whole += "." + fraction
	}
	return sign + f.prefix + whole + suffix
}

// groupThousands puts a comma in front of every third digit from the right.
func groupThousands(digits string) string {
	var b strings.Builder
	for i := range len(digits) {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteByte(digits[i])
	}
	return b.String()
}

// plainNumber writes v in 15 significant digits, what spreadsheets compute
// with, without an exponent where the number is not extreme.
func plainNumber(v float64) string {
	s := strconv.FormatFloat(v, 'g', 15, 64)
	if r, err := strconv.ParseFloat(s, 64); err == nil && (r == 0 || math.Abs(r) >= 1e-9 && math.Abs(r) < 1e21) {
		return strconv.FormatFloat(r, 'f', -1, 64)
	}
	return s
}

// moment writes the day v of a calendar that begins in 1900 or 1904: the date,
// the time or both, as far as f has them; "" for what is no date.
func (f numberFormat) moment(v float64, date1904 bool) string {
	const secondsPerDay = 24 * 60 * 60
	const maxDay = 2_958_466 // the day after 9999-12-31
	if v < 0 || v >= maxDay {
		return ""
	}
	seconds := int64(math.Round(v * secondsPerDay))
	if f.elapsed {
		return clock(seconds/3600, seconds%3600)
	}
	if !f.year && !f.month && !f.day {
		seconds %= secondsPerDay
		return clock(seconds/3600, seconds%3600)
	}
	day := seconds / secondsPerDay
	epoch := time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC)
	switch {
	case date1904:
		epoch = time.Date(1904, 1, 1, 0, 0, 0, 0, time.UTC)
	case day < 60:
		day++ // the calendar has a 29 February 1900
	}
	date := epoch.AddDate(0, 0, int(day))
	layout := time.DateOnly
	if f.year && f.month && !f.day && !f.clock {
		layout = "2006-01"
	}
	s := date.Format(layout)
	if seconds %= secondsPerDay; f.clock {
		s += " " + clock(seconds/3600, seconds%3600)
	}
	return s
}

// clock writes hours and the seconds of an hour; without the seconds of a
// minute where there are none.
func clock(hours, seconds int64) string {
	s := twoDigits(hours) + ":" + twoDigits(seconds/60)
	if seconds%60 != 0 {
		s += ":" + twoDigits(seconds%60)
	}
	return s
}

func twoDigits(n int64) string {
	if n < 10 {
		return "0" + strconv.FormatInt(n, 10)
	}
	return strconv.FormatInt(n, 10)
}
