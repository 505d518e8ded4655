package embed

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ragloop/ragloop/internal/embed/bert"
)

// priority orders those who wait for a core.
type priority uint8

const (
	interactive priority = iota // somebody waits for the answer: queries
	bulk
	priorities = iota
)

// maxOvertaken is how many interactive texts in a row are taken while bulk texts
// wait. It keeps queries without end from stopping ingestion altogether.
const maxOvertaken = 16

// slots lends the cores to texts: limit of them are computed at the same time,
// each in a workspace of its own. Nothing that runs is interrupted; when
// a text is done, its slot goes to whoever waits:
//
//   - interactive texts before bulk texts, so that a query gets a core within the
//     time of one text however much is being ingested, but after maxOvertaken
//     in a row one bulk text;
//   - within a priority in the order of asking. A call asks for each text anew, so
//     that calls at the same time share the cores evenly;
//   - of two slots and more, bulk texts leave one free for a second after each
//     yield. If others take all the rest, too, so that no bulk text is at work, one
//     of them still comes after maxOvertaken, and those that are computed give way,
//     see behind.
//
// The zero value is ready.
type slots struct {
	limit func() int       // nil: GOMAXPROCS at the time
	now   func() time.Time // nil: time.Now

	yielded atomic.Int64  // end of the time in which somebody yields, in Unix nanoseconds
	crowded atomic.Bool   // others compute beside whoever yielded last
	starved atomic.Int64  // end of the time in which bulk texts do not give way, in Unix nanoseconds
	beside  atomic.Int64  // searches that compute beside this model
	modest  atomic.Int64  // bulk texts that are computed so that they give way, and do not rest
	left    chan struct{} // tells one that rests that a search has ended; nil: it finds out after longRest

	mu        sync.Mutex
	running   [priorities]int
	idle      []*bert.Workspace // at most limit; the last one was used last
	waiting   [priorities][]*turn
	overtaken int // interactive texts taken in a row while bulk texts waited
}

// turn is a place in the queue, to be used again and again by one goroutine.
type turn struct {
	priority priority
	granted  chan *bert.Workspace // of capacity 1
}

func newTurn() *turn { return &turn{granted: make(chan *bert.Workspace, 1)} }

// threadsNow returns the GOMAXPROCS of now, whatever becomes of it: a service raises
// it above the number of cores to have threads for what does not compute.
func threadsNow() func() int {
	n := runtime.GOMAXPROCS(0)
	return func() int { return n }
}

// threads returns how many texts may be computed at the same time.
func (s *slots) threads() int {
	if s.limit != nil {
		return s.limit()
	}
	return runtime.GOMAXPROCS(0)
}

// yieldFor is how long bulk texts leave a core to others after each yield: long
// beside a text, so that while searches come in one after the other they find the
// core free, and short beside what anybody would notice of an ingest.
const yieldFor = time.Second

func (s *slots) time() time.Time {
	if s.now != nil {
		return s.now()
	}
	return time.Now()
}

// yield tells how many searches compute beside this model now. Each leaves a core to
// others than bulk texts for the next yieldFor; with more than one no core helps with a
// text of another meanwhile, or until the next yield.
func (s *slots) yield(searches int) {
	if searches > 0 {
		s.yielded.Store(s.time().Add(yieldFor).UnixNano())
		s.crowded.Store(searches > 1)
	}
	if int64(searches) < s.beside.Swap(int64(searches)) {
		select {
		case s.left <- struct{}{}:
		default: // nobody rests
		}
	}
}

// yields reports whether the last yield still holds.
func (s *slots) yields() bool { return s.time().UnixNano() < s.yielded.Load() }

const (
	// longBehind is how long a text may take that gives way, some 20 times as long as
	// alone. Where it takes longer others leave next to nothing, and for the time of
	// yieldFor bulk texts get their share again, which is dozens of them.
	longBehind = time.Second
	// longRest is how long a text rests at a time.
	longRest = 20 * time.Millisecond
)

// givesWay reports whether bulk texts are to give way to searches.
func (s *slots) givesWay() bool { return s.yields() && s.time().UnixNano() >= s.starved.Load() }

// behind computes a bulk text so that it gives way: on a thread that does, and with
// rests between its steps, see rest.
func (s *slots) behind(w *bert.Workspace, compute func()) {
	s.modest.Add(1)
	defer s.modest.Add(-1)
	w.Rest = s.rest
	defer func() { w.Rest = nil }()
	begin := s.time()
	behind(compute)
	if now := s.time(); now.Sub(begin) > longBehind {
		s.starved.Store(now.Add(yieldFor).UnixNano())
	}
}

// rest waits, longRest at most, as long as bulk texts that give way and searches are
// more than there are cores, less the one that is left to others. A search that finds
// its core taken is not only late by what it takes to get it: the caches are full of
// the model, and where two cores are one that works on two things at once, it is slower.
func (s *slots) rest() {
	most := int64(max(s.threads()-1, 1))
	crowd := func(texts int64) bool { return texts+s.beside.Load() > most && s.givesWay() }
	if !crowd(s.modest.Load()) {
		return
	}
	s.modest.Add(-1)
	end := time.NewTimer(longRest)
	defer end.Stop()
	for {
		others := s.modest.Load()
		if !crowd(others + 1) {
			if s.modest.CompareAndSwap(others, others+1) {
				return
			}
			continue // somebody else goes on in the meantime
		}
		select {
		case <-s.left:
		case <-end.C:
			s.modest.Add(1)
			return
		}
	}
}

// bulkThreads returns how many texts may be computed at the same time where one
// of them is bulk and nobody interactive waits.
func (s *slots) bulkThreads() int {
	n := s.threads()
	if n > 1 && s.yields() {
		n--
	}
	return n
}

// busy returns how many texts are computed. s.mu is held.
func (s *slots) busy() int { return s.running[interactive] + s.running[bulk] }

// acquire waits for a slot, which the caller must release, until ctx ends.
func (s *slots) acquire(ctx context.Context, t *turn) (*bert.Workspace, error) {
	s.enqueue(t)
	select {
	case w := <-t.granted:
		return w, nil
	case <-ctx.Done():
		s.leave(t)
		return nil, ctx.Err()
	}
}

// idleSlot returns a slot to help with a text of a priority, which the caller must
// release, if one is free that nobody waits for and nobody computes beside the
// text, and otherwise nil.
func (s *slots) idleSlot(p priority) *bert.Workspace {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dispatch() // somebody may wait still if GOMAXPROCS was raised
	limit := s.threads()
	if p == bulk {
		limit = s.bulkThreads()
	}
	if s.busy() >= limit || s.crowded.Load() && s.yields() {
		return nil
	}
	return s.take(p)
}

func (s *slots) enqueue(t *turn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting[t.priority] = append(s.waiting[t.priority], t)
	s.dispatch()
}

// leave takes t out of the queue or, if its turn came meanwhile, passes it on.
func (s *slots) leave(t *turn) {
	s.mu.Lock()
	queue := &s.waiting[t.priority]
	if i := slices.Index(*queue, t); i >= 0 {
		*queue = slices.Delete(*queue, i, i+1)
		s.mu.Unlock()
		return
	}
	s.mu.Unlock()
	s.release(<-t.granted, t.priority)
}

// release gives a slot back that was taken for a text of a priority.
func (s *slots) release(w *bert.Workspace, p priority) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running[p]--
	if s.busy()+len(s.idle) < s.threads() {
		s.idle = append(s.idle, w)
	}
	s.dispatch()
}

// dispatch grants the free slots. s.mu is held.
func (s *slots) dispatch() {
	for s.busy() < s.threads() {
		p, ok := s.next()
		if !ok {
			return
		}
		queue := &s.waiting[p]
		t := (*queue)[0]
		*queue = slices.Delete(*queue, 0, 1)
		t.granted <- s.take(p)
	}
}

// take makes a free slot a running one. s.mu is held.
func (s *slots) take(p priority) *bert.Workspace {
	s.running[p]++
	n := len(s.idle)
	if n == 0 {
		return new(bert.Workspace)
	}
	w := s.idle[n-1]
	s.idle = s.idle[:n-1]
	return w
}

// next returns who gets a free slot, and false if nobody does. s.mu is held.
func (s *slots) next() (priority, bool) {
	most := s.bulkThreads()
	// A slot is left free to nobody's harm as long as bulk texts have another.
	due := s.overtaken >= maxOvertaken && (most == s.threads() || s.running[bulk] == 0)
	switch {
	case len(s.waiting[bulk]) == 0:
		s.overtaken = 0
		return interactive, len(s.waiting[interactive]) > 0
	case len(s.waiting[interactive]) > 0 && !due:
		s.overtaken++
		return interactive, true
	case !due && s.busy() >= most:
		return bulk, false
	}
	s.overtaken = 0
	return bulk, true
}
