package extract

import (
	"errors"
	"fmt"
)

// Finer sentinels: each wraps the coarser one that callers of Extract already
// know, so that errors.Is holds for both.
var (
	// ErrEncrypted: the document cannot be read without its password.
	ErrEncrypted = fmt.Errorf("%w: encrypted", ErrUnsupported)
	// ErrNeedsOCR: the document has pages, but they hold pictures of text only.
	ErrNeedsOCR = fmt.Errorf("%w that can be read without character recognition", ErrEmpty)
	// ErrArchiveBomb: a container that unpacks to far more than what it is.
	ErrArchiveBomb = fmt.Errorf("%w: archive bomb", ErrTooLarge)
	// ErrOutputTooLarge: more text or blocks than a document may have.
	ErrOutputTooLarge = fmt.Errorf("%w: too much text", ErrTooLarge)

	// ErrCrashed: the parser panicked, or died with the process that it ran in.
	ErrCrashed = fmt.Errorf("%w: its parser crashed", ErrMalformed)
	// ErrTimeout: the parser took more time than the document may cost. Only
	// what runs Extract under such a limit reports it.
	ErrTimeout = errors.New("extraction took too long")
	// ErrMemory: the parser took more memory than the document may cost. Only
	// what runs Extract under such a limit reports it.
	ErrMemory = errors.New("extraction took too much memory")
)

// Reason is the code of a failure that lies in the document: extracting the
// same bytes again by the same program would fail again. The codes are stored
// and printed; their set is closed.
type Reason string

// The reasons, as people are told about them.
const (
	ReasonUnsupported    Reason = "unsupported"      // no extractor for this kind of file
	ReasonEncrypted      Reason = "encrypted"        // needs a password
	ReasonDamaged        Reason = "damaged"          // not what its media type promises
	ReasonEmpty          Reason = "empty"            // holds no text
	ReasonNeedsOCR       Reason = "needs_ocr"        // holds pictures of text only
	ReasonTooLarge       Reason = "too_large"        // the file, or something inside it, is over a limit
	ReasonArchiveBomb    Reason = "archive_bomb"     // unpacks to far more than it is
	ReasonOutputTooLarge Reason = "output_too_large" // more text or blocks than a document may have
	ReasonTimeout        Reason = "timeout"          // its parser took too long and was ended
	ReasonMemory         Reason = "memory"           // its parser took too much memory and was ended
	ReasonCrash          Reason = "crash"            // its parser panicked or died
)

// reasons is the one table from errors to reasons. The first match counts, so
// what wraps another sentinel comes before it.
var reasons = []struct {
	err    error
	reason Reason
}{
	{ErrTimeout, ReasonTimeout},
	{ErrMemory, ReasonMemory},
	{ErrCrashed, ReasonCrash},
	{ErrEncrypted, ReasonEncrypted},
	{ErrNeedsOCR, ReasonNeedsOCR},
	{ErrArchiveBomb, ReasonArchiveBomb},
	{ErrOutputTooLarge, ReasonOutputTooLarge},
	{ErrUnsupported, ReasonUnsupported},
	{ErrEmpty, ReasonEmpty},
	{ErrTooLarge, ReasonTooLarge},
	{ErrMalformed, ReasonDamaged},
}

// Reasons returns all reasons.
func Reasons() []Reason {
	var all []Reason
	for _, r := range reasons {
		all = append(all, r.reason)
	}
	return all
}

// ReasonOf returns the reason that err stands for, "" where err is not the
// document's failure: a context that ended, a parser that could not be started.
func ReasonOf(err error) Reason {
	for _, r := range reasons {
		if errors.Is(err, r.err) {
			return r.reason
		}
	}
	return ""
}

// Error is the failure of a document as it was stored or sent: the reason and
// the message of the error it once was. It wraps the sentinel of its reason.
type Error struct {
	Reason  Reason
	Message string
}

func (e *Error) Error() string { return e.Message }

// Unwrap returns the sentinel, nil where the reason is none of this program's.
func (e *Error) Unwrap() error {
	for _, r := range reasons {
		if r.reason == e.Reason {
			return r.err
		}
	}
	return nil
}
