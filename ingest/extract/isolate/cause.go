package isolate

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/ragloop/ragloop/ingest/extract"
)

// Exit codes of a parser process.
const (
	exitDone   = 0  // its input ended
	exitMemory = 81 // it passed the memory limit of a document
	exitCPU    = 82 // it passed the processor time limit of a document
	exitOrphan = 83 // the process that started it is gone
	exitBroken = 84 // it could not read a request or write an answer
)

// cause says why a process died that the pool did not kill; words is what it
// said, broken what was wrong with its answer. The message is the same for every
// death of the same kind.
func cause(state *os.ProcessState, l limits, words string, broken error) error {
	ending := state.String() // "exit status 2", "signal: killed"
	switch {
	case errors.Is(broken, errFrame):
		return fmt.Errorf("%w: its process answered with something else than an answer", extract.ErrCrashed)
	case state.ExitCode() == exitMemory, strings.Contains(words, "out of memory"), strings.Contains(words, "cannot allocate memory"):
		return memoryError(l)
	case state.ExitCode() == exitCPU:
		return timeoutError(l)
	case ending == "signal: killed":
		// The system does that when memory is short.
		return fmt.Errorf("%w: its process was killed by the system", extract.ErrMemory)
	case words != "":
		return fmt.Errorf("%w: %s", extract.ErrCrashed, words)
	}
	return fmt.Errorf("%w: its process ended with %s", extract.ErrCrashed, ending)
}

// lastWords keeps the line in which a dying Go program says why, of all that is
// written to it. The lines around it hold addresses and numbers, which differ
// from death to death. Safe for concurrent use.
type lastWords struct {
	mu   sync.Mutex
	line []byte // as far as it has come
	said string
}

const maxLineBytes = 512

func (l *lastWords) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for part := range bytes.Lines(b) {
		l.line = append(l.line, part[:min(len(part), maxLineBytes-len(l.line))]...)
		if part[len(part)-1] != '\n' {
			continue
		}
		s := strings.ToValidUTF8(string(bytes.TrimSpace(l.line)), "\uFFFD")
		if dying := strings.HasPrefix(s, "fatal error: ") || strings.HasPrefix(s, "panic: ") || strings.HasPrefix(s, "SIG"); dying && l.said == "" {
			l.said = s
		}
		l.line = l.line[:0]
	}
	return len(b), nil
}

// String returns the line, "" where there was none.
func (l *lastWords) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.said
}
