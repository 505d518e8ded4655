package ground

import (
	"strconv"
	"strings"
)

// spelled are the numbers that are written as words. "one" is left out: it is
// a pronoun as often.
var spelled = map[string]float64{
	"zero": 0, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
	"eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17,
	"eighteen": 18, "nineteen": 19, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60,
	"seventy": 70, "eighty": 80, "ninety": 90,
}

// magnitudes multiply the number in front of them.
var magnitudes = map[string]float64{
	"hundred": 1e2, "thousand": 1e3, "k": 1e3, "million": 1e6, "millions": 1e6, "m": 1e6, "mn": 1e6,
	"billion": 1e9, "billions": 1e9, "bn": 1e9, "b": 1e9, "trillion": 1e12, "tn": 1e12,
}

// numeral writes a number one way: "1,000", "1000" and "1000.0" are "1000",
// "ten" is "10", "3rd" is "3". What is no number comes back as it is.
func numeral(form string) string {
	v, rest, ok := leading(form)
	if !ok {
		return form
	}
	switch rest {
	case "", "st", "nd", "rd", "th", "s", "'s":
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return strconv.FormatFloat(v, 'f', -1, 64) + rest
}

// leading reads the number at the beginning of form and returns what follows.
func leading(form string) (v float64, rest string, ok bool) {
	if v, ok := spelled[form]; ok {
		return v, "", true
	}
	end := 0
	for end < len(form) && (form[end] >= '0' && form[end] <= '9' || form[end] == '.' || form[end] == ',') {
		end++
	}
	digits := form[:end]
	// A comma groups thousands where three digits follow each; else it is a
	// decimal mark.
	if parts := strings.Split(digits, ","); len(parts) > 1 {
		grouped := true
		for _, p := range parts[1:] {
			whole, _, _ := strings.Cut(p, ".")
			grouped = grouped && len(whole) == 3
		}
		if grouped {
			digits = strings.ReplaceAll(digits, ",", "")
		} else {
			digits = strings.ReplaceAll(digits, ",", ".")
		}
	}
	v, err := strconv.ParseFloat(digits, 64)
	if err != nil || v > 1e18 {
		return 0, "", false
	}
	return v, form[end:], true
}

// quantity is a number with what belongs to it.
type quantity struct {
	at     int     // index of its word
	last   int     // index of its last word: a magnitude may follow
	value  float64 // with its magnitude
	bare   float64 // without
	digits bool    // written in digits
	unit   string  // canonical; "" for none that is known
	year   bool    // could be a year: 1000 to 2100 without unit, magnitude and separators
}

// kind says what other numbers could stand in its place: years, those with the
// same unit, ordinals, or plain ones.
func (q quantity) kind(p *passage) string {
	form := p.words[q.at].form
	switch {
	case q.year:
		return "year"
	case q.unit != "":
		return q.unit
	case len(form) > 2 && ordinalEndings[form[len(form)-2:]]:
		return "ordinal"
	}
	return ""
}

var ordinalEndings = map[string]bool{"st": true, "nd": true, "rd": true, "th": true}

// quantities returns the numbers of p in order.
func (p *passage) quantities() []quantity {
	var out []quantity
	for i := 0; i < len(p.words); i++ {
		w := p.words[i]
		if !w.number {
			continue
		}
		v, rest, ok := leading(w.form)
		if !ok {
			continue
		}
		q := quantity{at: i, last: i, value: v, bare: v, digits: w.form[0] <= '9'}
		next := ""
		if i+1 < len(p.words) {
			next = p.words[i+1].form
		}
		// "twenty five" and "twenty-five" are one number.
		if tens, ok := spelled[w.form]; ok && tens >= 20 && spelled[next] > 0 && spelled[next] < 10 {
			q.value, q.bare, q.last = v+spelled[next], v+spelled[next], i+1
		}
		if m, ok := magnitudes[rest]; ok {
			q.value, rest = v*m, ""
		} else if m, ok := magnitudes[p.after(q.last)]; ok && rest == "" && p.joined(q.last) {
			q.value, q.last = q.value*m, q.last+1
		}
		q.unit = p.unitOf(q, rest)
		q.year = q.unit == "" && q.last == i && len(w.form) == 4 && v == float64(int(v)) && v >= 1000 && v <= 2100
		out = append(out, q)
		i = q.last
	}
	return out
}

// after returns the form of the word after the i-th; "" for none.
func (p *passage) after(i int) string {
	if i+1 < len(p.words) {
		return p.words[i+1].form
	}
	return ""
}

// joined reports whether only spaces or a hyphen stand between word i and the next.
func (p *passage) joined(i int) bool {
	if i+1 >= len(p.words) {
		return false
	}
	gap := p.body[p.words[i].span.End:p.words[i+1].span.Start]
	return strings.Trim(gap, " \u00a0-") == ""
}

// unitOf returns the unit of a quantity: what is glued to it ("5km"), the sign
// in front of or behind it, or the next word.
func (p *passage) unitOf(q quantity, glued string) string {
	if u, ok := units[glued]; ok && glued != "" {
		return u
	}
	before := strings.TrimRight(p.body[:p.words[q.at].span.Start], " ")
	for sign, u := range currencies {
		if strings.HasSuffix(before, sign) {
			return u
		}
	}
	behind := p.body[p.words[q.last].span.End:]
	behind = strings.TrimLeft(behind[:min(len(behind), 8)], " ")
	for _, s := range []struct{ sign, unit string }{{"%", "%"}, {"€", "€"}, {"$", "$"}, {"£", "£"}, {"°C", "°C"}, {"°F", "°F"}, {"°", "°"}} {
		if strings.HasPrefix(behind, s.sign) {
			return s.unit
		}
	}
	if p.joined(q.last) {
		return units[p.after(q.last)]
	}
	return ""
}

var currencies = map[string]string{"$": "$", "€": "€", "£": "£", "¥": "¥"}

// units maps what stands behind a number to one name for each unit.
var units = func() map[string]string {
	m := map[string]string{}
	for _, line := range strings.Split(unitNames, "\n") {
		names := strings.Fields(line)
		for _, n := range names {
			m[n] = names[0]
		}
	}
	return m
}()

const unitNames = `% percent pct
$ dollars dollar usd
€ euros euro eur
£ pounds-sterling gbp
second seconds sec secs
minute minutes min mins
hour hours hr hrs
day days
week weeks
month months
year years yr yrs
decade decades
century centuries
mm millimetre millimetres millimeter millimeters
cm centimetre centimetres centimeter centimeters
metre metres meter meters
km kilometre kilometres kilometer kilometers
inch inches
foot feet ft
yard yards
mile miles mi
mg milligram milligrams
gram grams g
kg kilogram kilograms kilo kilos
tonne tonnes ton tons
pound pounds lb lbs
ounce ounces oz
ml millilitre millilitres milliliter milliliters
litre litres liter liters
gallon gallons
kb kilobyte kilobytes
mb megabyte megabytes
gb gigabyte gigabytes
tb terabyte terabytes
watt watts
kw kilowatt kilowatts
mw megawatt megawatts
gw gigawatt gigawatts
degree degrees
acre acres
hectare hectares ha
barrel barrels`
