package pack

import (
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/internal/tokens"
)

// TestCountsChangeNothing: whatever was counted before, and as far as it was, a
// context is the same.
func TestCountsChangeNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 1))
	counts := NewCounts()
	corpus := makeCorpus(r, 60, 80, true)
	for n := range 300 {
		encoding := tokens.Encodings()[n%len(tokens.Encodings())]
		c := counter(t, encoding)
		chunks, o := corpus.pick(r), Options{BudgetTokens: 1 + r.IntN(600), MaxPerSource: r.IntN(4)}
		want, wantErr := Pack(chunks, c, o)
		for range 2 {
			got, err := Pack(chunks, counts.Of(encoding, c), o)
			if (err == nil) != (wantErr == nil) {
				t.Fatalf("Pack = %v, want %v", err, wantErr)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Fatalf("another context with remembered counts (-want +got):\n%s", d)
			}
		}
	}
}

// counting counts bytes, and how many it has read.
type counting struct{ read int }

func (c *counting) Count(s string) int { return c.CountUpTo(s, noLimit) }
func (c *counting) CountUpTo(s string, limit int) int {
	n := max(min(len(s), limit+1), 0)
	c.read += n
	return n
}
func (c *counting) Exact() bool            { return true }
func (c *counting) FirstSeam(s string) int { return 0 }
func (c *counting) LastSeam(s string) int  { return len(s) }

func TestCounts(t *testing.T) {
	c := &counting{}
	r := NewCounts().Of("bytes", c).(additive)
	text := strings.Repeat("x", 1000)
	for _, step := range []struct{ limit, want, read int }{
		{400, 401, 401}, // read as far as the limit
		{300, 401, 0},   // known to be more
		{401, 402, 402}, // not known: it might be 401
		{2000, 1000, 1000},
		{2000, 1000, 0},
		{400, 1000, 0}, // a count is some number above every limit below it
		{-5, 1000, 0},
	} {
		c.read = 0
		if got := r.CountUpTo(text, step.limit); got != step.want || c.read != step.read {
			t.Errorf("CountUpTo(%d) = %d after reading %d, want %d after %d", step.limit, got, c.read, step.want, step.read)
		}
	}
	c.read = 0
	if r.CountUpTo(text[:minCounted-1], 2000); c.read != minCounted-1 {
		t.Errorf("read %d of a short text, want all", c.read)
	}
	if r.CountUpTo(text[:minCounted-1], 2000); c.read != 2*(minCounted-1) {
		t.Error("a short text was remembered")
	}
}

// TestCountsByTokenizer: what one tokenizer counts is nothing to another.
func TestCountsByTokenizer(t *testing.T) {
	counts := NewCounts()
	text := strings.Repeat("Größenordnungen überprüfen. ", 40)
	for _, encoding := range []string{"o200k_base", "cl100k_base", "o200k_base"} {
		c := counter(t, encoding)
		if got, want := counts.Of(encoding, c).Count(text), c.Count(text); got != want {
			t.Errorf("%s: Count = %d, want %d", encoding, got, want)
		}
	}
	if c := (crooked{}); counts.Of("crooked", c) != Counter(c) {
		t.Error("a counter that does not add up is remembered")
	}
}

func TestCountsConcurrently(t *testing.T) {
	counts := NewCounts()
	c := counter(t, "o200k_base")
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for n := range 50 {
				text := strings.Repeat("one two three ", 20+(n*g)%30)
				if got, want := counts.Of("o200k_base", c).Count(text), c.Count(text); got != want {
					t.Errorf("Count = %d, want %d", got, want)
				}
			}
		})
	}
	all.Wait()
}
