package watch

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"github.com/fsnotify/fsnotify"
)

// System is a [Notifier] that hears of changes from the operating system. It
// watches directories one by one, each for itself. Safe for concurrent use.
type System struct {
	events  *fsnotify.Watcher
	changes chan error
	done    sync.WaitGroup

	mu      sync.Mutex
	refused bool // a directory, which is told once
}

// NewSystem returns a notifier that watches nothing yet. The system may allow
// few of them, on Linux fs.inotify.max_user_instances.
func NewSystem() (*System, error) {
	events, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("ask the system to tell of changes: %w", err)
	}
	// The error has room beside a change.
	s := &System{events: events, changes: make(chan error, 2)}
	s.done.Go(s.pass)
	return s, nil
}

// pass makes one change of many events.
func (s *System) pass() {
	for {
		select {
		case _, ok := <-s.events.Events:
			if !ok {
				return
			}
			s.tell(nil)
		case err, ok := <-s.events.Errors:
			switch {
			case !ok:
				return
			case errors.Is(err, fsnotify.ErrEventOverflow):
				s.tell(nil) // some were lost, and one is enough
			default:
				s.tell(fmt.Errorf("hear of changes: %w", err))
			}
		}
	}
}

// tell passes a change on, unless there is one already that nobody took.
func (s *System) tell(err error) bool {
	if err == nil && len(s.changes) > 0 {
		return false
	}
	select {
	case s.changes <- err:
		return true
	default:
		return false
	}
}

// Watch watches a directory, again if it is watched already: another one may
// have taken its place. One that cannot be watched is told by Changes, once for
// all such: the usual reason is a limit, on Linux fs.inotify.max_user_watches.
func (s *System) Watch(dir string) {
	err := s.events.Add(dir)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil || s.refused || errors.Is(err, fs.ErrNotExist) {
		return
	}
	s.refused = s.tell(fmt.Errorf("hear of changes in %s, and perhaps in other directories: %w", dir, err))
}

// Changes implements Notifier.
func (s *System) Changes() <-chan error { return s.changes }

// Close ends the watching.
func (s *System) Close() error {
	err := s.events.Close()
	s.done.Wait()
	return err
}
