package embed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/ragloop/ragloop/internal/embed/bert"
)

// Embed implements [Embedder].
//
// The texts of a call are spread over the threads, one text on each, longest
// first. The only text of a call is computed by several threads if they
// have nothing else to do: the answer comes sooner, with the same bits.
//
// Calls at the same time share the threads evenly, text by text, but a [Query]
// goes ahead of passages and raw texts: it has a core within the time of one
// text (some 50 ms for 512 tokens), however much is being ingested. When ctx
// ends, a call does so before the next layer of the model, a twelfth of a text.
//
// Beside its result a call needs memory for the ids of 256 texts a thread,
// 4 bytes a token. It allocates nothing for each text. There is no progress to
// ask for: a caller that wants to show it calls with a few hundred texts at a
// time and loses nothing.
func (b *Builtin) Embed(ctx context.Context, task Task, texts []string) ([][]float32, error) {
	prefix, precision, p, err := b.plan(task)
	if err != nil {
		return nil, err
	}
	dim := b.info.Dimension
	flat := make([]float32, len(texts)*dim)
	vectors := make([][]float32, len(texts))
	for i := range vectors {
		vectors[i] = flat[i*dim : (i+1)*dim : (i+1)*dim]
	}
	n, err := b.scheduler.run(ctx, work{
		priority: p,
		items:    len(texts),
		tokenise: func(ids []int32, i int) ([]int32, int) {
			ids = b.tokenizer.AppendWindow(ids, b.model.MaxTokens, prefix, texts[i])
			return ids, len(ids)
		},
		compute: func(i int, ids []int32, _ int, w *bert.Workspace) error {
			if len(texts) > 1 {
				return b.model.Encode(vectors[i], ids, precision, w)
			}
			return b.model.EncodeWith(b.scheduler.team(p, len(ids)), vectors[i], ids, precision, w)
		},
	})
	if err != nil {
		return vectors[:n], fmt.Errorf("embed text %d of %d: %w", n+1, len(texts), err)
	}
	return vectors, nil
}

// Yield tells how many searches are at work, which compute beside this model, and for
// which it may have no query to embed; it is to be told whenever that changes. For a
// second after one of two and more cores is left to others than passages and raw texts:
// ingestion takes longer, with one core of two twice as long, and is never stopped.
// What they compute meanwhile gives way: it rests while searches are on all other cores,
// and its threads take only what others leave (Linux). Where that is next to nothing
// they have their share again for a while. Beside other searches no text is computed by
// several threads, for that is faster but more work. Cheap enough for every search.
func (b *Builtin) Yield(searches int) { b.scheduler.slots.yield(searches) }

// plan returns the instruction, the arithmetic and the priority of a task.
func (b *Builtin) plan(task Task) (prefix string, precision bert.Precision, p priority, err error) {
	switch task {
	case Passage:
		return b.model.PassagePrefix, bert.Int8Activations, bulk, nil
	case Query:
		return b.model.QueryPrefix, bert.Int16Activations, interactive, nil
	case Raw:
		return "", bert.Int16Activations, bulk, nil
	}
	return "", 0, 0, unknownTask(task.String())
}

// windowTexts is the number of texts for each thread that are tokenised, sorted
// and computed together: enough that no thread waits long for the last text of
// another, and a bound on memory.
const windowTexts = 256

// scheduler computes the items of calls, such as texts, on all cores. The zero
// value is ready.
type scheduler struct {
	slots slots

	mu   sync.Mutex
	idle []*window // at most one for each thread
}

// work is what one call asks for. The functions are called by several goroutines.
type work struct {
	priority priority
	items    int
	// tokenise appends the ids of item i to ids and returns where in the result
	// its second segment begins.
	tokenise func(ids []int32, i int) (_ []int32, second int)
	compute  func(i int, ids []int32, second int, w *bert.Workspace) error
}

// run computes all items. On error it returns the least item that failed: all
// before it are done.
func (s *scheduler) run(ctx context.Context, work work) (int, error) {
	w := s.window()
	defer s.keep(w)
	for first := 0; first < work.items; {
		threads := s.slots.threads()
		size := min(work.items-first, threads*windowTexts)
		w.reset(first, size, min(threads, size), work.priority)
		w.each(func(k *worker, j *job) { w.tokenise(ctx, work, k, j) })
		w.longestFirst()
		w.each(func(k *worker, j *job) { s.compute(ctx, work, w, k, j) })
		if j := w.failed(); j != nil {
			return j.item, j.err
		}
		first += size
	}
	return work.items, nil
}

const (
	// leastTeam is the length in tokens from which help pays off.
	leastTeam = 8
	// maxHelpers bounds how many threads one text occupies beside its own. More
	// than two threads have not been measured.
	maxHelpers = 3
)

// team lets threads that have nothing else to do help with one text of a priority.
// It returns nil if there are none, or the text is too short.
func (s *scheduler) team(p priority, tokens int) *bert.Team {
	if tokens < leastTeam {
		return nil
	}
	var t *bert.Team
	for range maxHelpers {
		w := s.slots.idleSlot(p)
		if w == nil {
			break
		}
		if t == nil {
			t = new(bert.Team)
		}
		go func() {
			defer s.slots.release(w, p)
			t.Help(w)
		}()
	}
	return t
}

// window returns the memory of an earlier call, if there is some.
func (s *scheduler) window() *window {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.idle)
	if n == 0 {
		return new(window)
	}
	w := s.idle[n-1]
	s.idle = s.idle[:n-1]
	return w
}

func (s *scheduler) keep(w *window) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.idle) < s.slots.threads() {
		s.idle = append(s.idle, w)
	}
}

// compute computes one item as soon as a slot is free.
func (s *scheduler) compute(ctx context.Context, work work, w *window, k *worker, j *job) {
	if j.err != nil {
		return
	}
	if j.err = ctx.Err(); j.err != nil {
		return
	}
	space, err := s.slots.acquire(ctx, k.turn)
	if err != nil {
		j.err = err
		return
	}
	defer s.slots.release(space, k.turn.priority)
	ids := w.workers[j.worker].ids[j.from:j.to:j.to]
	space.Done = ctx.Done()
	if work.priority == bulk && s.slots.givesWay() {
		s.slots.behind(space, func() { j.err = work.compute(j.item, ids, j.second-j.from, space) })
	} else {
		j.err = work.compute(j.item, ids, j.second-j.from, space)
	}
	space.Done = nil
	if errors.Is(j.err, bert.ErrStopped) {
		j.err = ctx.Err()
	}
}

// window is a part of a call that is computed together, and its memory.
type window struct {
	jobs    []job
	workers []*worker // of which the first active ones are at work
	active  int
	next    atomic.Int64 // index of the job that the next free worker takes
}

// worker is one of the goroutines of a call.
type worker struct {
	index int
	ids   []int32 // of what this worker tokenised
	turn  *turn
}

// job is an item of a window.
type job struct {
	item     int
	worker   int // whose ids from:to are the item's
	from, to int
	second   int // where the second segment begins
	err      error
}

// reset makes w a window of the items from first on.
func (w *window) reset(first, items, workers int, p priority) {
	w.jobs = slices.Grow(w.jobs[:0], items)[:items]
	for i := range w.jobs {
		w.jobs[i] = job{item: first + i}
	}
	for len(w.workers) < workers {
		w.workers = append(w.workers, &worker{index: len(w.workers), turn: newTurn()})
	}
	w.active = workers
	for _, k := range w.workers[:workers] {
		k.ids, k.turn.priority = k.ids[:0], p
	}
}

// each calls do for every job, in order, each worker in a goroutine of its own.
// When it panics, nobody works on the window any more either.
func (w *window) each(do func(*worker, *job)) {
	w.next.Store(0)
	loop := func(k *worker) {
		for {
			i := int(w.next.Add(1)) - 1
			if i >= len(w.jobs) {
				return
			}
			do(k, &w.jobs[i])
		}
	}
	var others sync.WaitGroup
	for _, k := range w.workers[1:w.active] {
		others.Go(func() { loop(k) })
	}
	defer others.Wait()
	loop(w.workers[0])
}

func (w *window) tokenise(ctx context.Context, work work, k *worker, j *job) {
	if j.err = ctx.Err(); j.err != nil {
		return
	}
	j.worker, j.from = k.index, len(k.ids)
	k.ids, j.second = work.tokenise(k.ids, j.item)
	j.to = len(k.ids)
}

// longestFirst sorts the jobs, so that no worker is left with a long item at the end.
func (w *window) longestFirst() {
	slices.SortFunc(w.jobs, func(x, y job) int {
		return cmp.Or(cmp.Compare(y.to-y.from, x.to-x.from), cmp.Compare(x.item, y.item))
	})
}

// failed returns the job of the least item that failed, nil if none did.
func (w *window) failed() *job {
	var least *job
	for i := range w.jobs {
		if j := &w.jobs[i]; j.err != nil && (least == nil || j.item < least.item) {
			least = j
		}
	}
	return least
}
