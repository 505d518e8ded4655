package webpage

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestContrast holds the palette to WCAG 2.2: 4.5 to 1 for text, 3 to 1 for
// lines and areas that mean something (success criteria 1.4.3 and 1.4.11).
func TestContrast(t *testing.T) {
	light, dark := palettes(t)
	text := map[string][]string{
		"bg":      {"ink", "soft", "accent", "good", "bad"},
		"surface": {"ink", "soft", "accent", "good", "bad", "c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7"},
		"faint":   {"ink", "soft", "good", "bad", "c0"},
		"accent":  {"surface"},
		"mark":    {"mark-ink"}, "good-bg": {"good"}, "bad-bg": {"bad"}, "warn-bg": {"warn"},
		"q0": {"q-ink"}, "q1": {"q-ink"}, "q2": {"q-ink"}, "q3": {"q-ink"}, "q4": {"q-ink"},
	}
	graphic := map[string][]string{"bg": {"c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7"}}
	for name, colours := range map[string]map[string][3]float64{"light": light, "dark": dark} {
		check := func(pairs map[string][]string, least float64) {
			for behind, fronts := range pairs {
				for _, front := range fronts {
					a, okA := colours[behind]
					b, okB := colours[front]
					if !okA || !okB {
						t.Fatalf("%s: there is no --%s or no --%s", name, behind, front)
					}
					if got := contrast(a, b); got < least {
						t.Errorf("%s: --%s on --%s has contrast %.2f, want at least %.1f", name, front, behind, got, least)
					}
				}
			}
		}
		check(text, 4.5)
		check(graphic, 3)
	}
}

// palettes returns the colours of light and dark; dark changes what it names.
func palettes(t *testing.T) (light, dark map[string][3]float64) {
	t.Helper()
	before, after, ok := strings.Cut(base, "@media (prefers-color-scheme: dark)")
	if !ok {
		t.Fatal("the style has no dark colours")
	}
	after, _, _ = strings.Cut(after, "\n}\n")
	light, dark = map[string][3]float64{}, map[string][3]float64{}
	property := regexp.MustCompile(`--([a-z0-9-]+): #([0-9a-f]{6});`)
	for _, m := range property.FindAllStringSubmatch(before, -1) {
		light[m[1]], dark[m[1]] = rgb(t, m[2]), rgb(t, m[2])
	}
	changed := 0
	for _, m := range property.FindAllStringSubmatch(after, -1) {
		dark[m[1]] = rgb(t, m[2])
		changed++
	}
	if changed < len(light) {
		t.Errorf("dark has %d colours of its own, light has %d", changed, len(light))
	}
	return light, dark
}

func rgb(t *testing.T, hex string) (c [3]float64) {
	t.Helper()
	for i := range c {
		n, err := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		c[i] = float64(n) / 255
	}
	return c
}

// contrast is the contrast ratio of WCAG 2.2.
func contrast(a, b [3]float64) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func luminance(c [3]float64) float64 {
	linear := func(v float64) float64 {
		if v <= 0.04045 {
			return v / 12.92
		}
		return math.Pow((v+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(c[0]) + 0.7152*linear(c[1]) + 0.0722*linear(c[2])
}
