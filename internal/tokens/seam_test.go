package tokens

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/pkoukk/tiktoken-go"
)

// checkSeams checks with the reference that counts add up at every seam of a+b.
func checkSeams(t *testing.T, c *Counter, o *tiktoken.Tiktoken, a, b string) {
	t.Helper()
	count := func(s string) int { return len(o.EncodeOrdinary(s)) }
	s := a + b
	total := count(s)
	for i := 1; i < len(s); i++ {
		if c.rule.seam(s, i) && count(s[:i])+count(s[i:]) != total {
			t.Fatalf("%s: %q has no seam at %d: %d + %d tokens in the parts, %d together", c.Name(), s, i, count(s[:i]), count(s[i:]), total)
		}
	}
	if i := c.LastSeam(a); i < 0 || i > len(a) || count(a[:i])+count(a[i:]+b) != total {
		t.Fatalf("%s: LastSeam(%q) = %d, but counts do not add up there in front of %q", c.Name(), a, i, b)
	}
	if i := c.FirstSeam(b); i < 0 || i > len(b) || count(a+b[:i])+count(b[i:]) != total {
		t.Fatalf("%s: FirstSeam(%q) = %d, but counts do not add up there behind %q", c.Name(), b, i, a)
	}
	for _, limit := range []int{-1, 0, total / 2, total - 1, total, total + 1} {
		if n := c.CountUpTo(s, limit); (n <= limit) != (total <= limit) || n <= limit && n != total {
			t.Fatalf("%s: CountUpTo(%q, %d) = %d, the text has %d tokens", c.Name(), s, limit, n, total)
		}
	}
}

func TestSeams(t *testing.T) {
	n := 4000
	if testing.Short() {
		n = 300
	}
	for _, name := range Encodings() {
		c, o := counter(t, name), oracle(t, name)
		for _, a := range oddities {
			for _, b := range oddities {
				if strings.ToValidUTF8(a+b, "") == a+b && len(a+b) < 40 {
					checkSeams(t, c, o, a, b)
				}
			}
		}
		r := rand.New(rand.NewPCG(11, 12))
		for range n {
			checkSeams(t, c, o, randomText(r, 20), randomText(r, 20))
		}
	}
	bound := counter(t, "bytes/3")
	if first, last := bound.FirstSeam("a b c"), bound.LastSeam("a b c"); first != 5 || last != 0 {
		t.Errorf("a bound has seams at %d and %d, want none", first, last)
	}
}

func FuzzSeams(f *testing.F) {
	for _, s := range oddities {
		f.Add(s, " "+s)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if len(a)+len(b) > 300 {
			return
		}
		a, b = strings.ToValidUTF8(a, "?"), strings.ToValidUTF8(b, "?") // the reference reads nothing else
		for _, name := range Encodings() {
			checkSeams(t, counter(t, name), oracle(t, name), a, b)
		}
	})
}
