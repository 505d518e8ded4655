package embed

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestRest: as many bulk texts that give way get on as there are cores which neither
// searches have nor anybody is left; the others rest until searches end, for a while.
func TestRest(t *testing.T) {
	for _, c := range []struct {
		name                   string
		cores, texts, searches int
		rests                  int
		ended, restsAfterwards int
	}{
		{"two cores", 2, 1, 1, 1, 0, 0},
		{"nobody searches", 2, 1, 0, 0, 0, 0},
		{"one core", 1, 1, 1, 1, 0, 0},
		{"four cores, one search", 4, 3, 1, 1, 0, 0},
		{"four cores, two searches", 4, 3, 2, 2, 1, 1},
		{"more searches than cores", 4, 3, 6, 3, 5, 3},
		{"few texts", 16, 2, 4, 0, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &slots{limit: func() int { return c.cores }, left: make(chan struct{}, 1)}
				s.yield(c.searches)
				s.modest.Store(int64(c.texts))
				begin := time.Now()
				ended := make(chan time.Duration, c.texts)
				for range c.texts {
					go func() {
						s.rest()
						if rested := time.Since(begin); rested > 0 {
							ended <- rested
						}
					}()
				}
				synctest.Wait()
				if n := c.texts - int(s.modest.Load()); n != c.rests {
					t.Errorf("%d texts rest, want %d", n, c.rests)
				}
				if c.rests == 0 {
					return
				}
				time.Sleep(longRest / 2)
				s.yield(c.ended)
				synctest.Wait()
				if n := c.texts - int(s.modest.Load()); n != c.restsAfterwards {
					t.Errorf("%d texts rest when searches have ended, want %d", n, c.restsAfterwards)
				}
				time.Sleep(longRest)
				synctest.Wait()
				if n := s.modest.Load(); int(n) != c.texts {
					t.Errorf("%d texts rest for more than %v", c.texts-int(n), longRest)
				}
				for range c.rests {
					if rested := <-ended; rested > longRest {
						t.Errorf("a text rests for %v", rested)
					}
				}
			})
		})
	}
}
