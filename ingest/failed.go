package ingest

import (
	"strings"
	"sync"

	"github.com/ragloop/ragloop/ingest/extract"
	"github.com/ragloop/ragloop/internal/index"
)

// failed returns a document that could not be ingested. What is stored of it
// stays findable, with the error on its record; a document of which nothing is
// stored gets a record that says so. content and input are its digests, as far
// as it could be read. It is quarantined where err has a reason.
func failed(item Item, old prior, content, input string, err error) prepared {
	out := prepared{doc: item.ID, outcome: Failed, err: err}
	about, _, wrong := labelsOf(item, nil)
	if wrong != nil {
		about = labels{acl: item.ACL} // it may be the reason
	}
	fresh := index.Record{
		Doc:           item.ID,
		URI:           item.URI,
		MediaType:     item.MediaType,
		Title:         item.Title,
		ContentSHA256: content,
		InputSHA256:   input,
		State:         index.Failed,
		Error:         message(err),
		Tags:          about.tags,
		Meta:          about.meta,
		ACL:           about.acl,
		Modified:      about.modified,
	}
	if reason := extract.ReasonOf(err); reason != "" && input != "" {
		out.outcome = Quarantined
		fresh.State, fresh.Reason, fresh.FailedSHA256 = index.Quarantined, string(reason), input
	}
	r := old.record
	same := old.known && r.Error == fresh.Error && r.Reason == fresh.Reason && r.FailedSHA256 == fresh.FailedSHA256
	if old.known && r.State == index.Indexed {
		out.record = r
		if !same {
			out.record.Error, out.record.Reason, out.record.FailedSHA256 = fresh.Error, fresh.Reason, fresh.FailedSHA256
			out.write = writeRecord
		}
		return out
	}
	if same && !old.unsound() && r.State == fresh.State && r.InputSHA256 == input {
		out.record = r
		return out
	}
	out.record, out.write = fresh, writeAll
	if out.record.Validate() != nil {
		// What cannot be stored may be the reason of the failure: keep the rest.
		out.record.URI, out.record.MediaType, out.record.Title, out.record.Tags, out.record.ACL = "", "", "", nil, nil
		if out.record.Validate() != nil {
			out.write = writeNothing
		}
	}
	return out
}

// deleted returns a document that its source says is gone.
func deleted(item Item, old prior) prepared {
	if !old.known {
		return prepared{doc: item.ID, outcome: Unchanged}
	}
	return prepared{doc: item.ID, outcome: Removed, write: writeRemoval}
}

// maxMessageBytes is how much of an error is stored: some quote the document.
const maxMessageBytes = 2000

// message returns the text of err as it is stored.
func message(err error) string {
	s := err.Error()
	if len(s) > maxMessageBytes {
		s = s[:maxMessageBytes] + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// fault is an error of the extractor that says nothing about the document.
type fault struct{ error }

func (f *fault) Unwrap() error { return f.error }

// rejections remembers, by input digest, what could not be extracted: a build
// that reads its source twice must not wait twice for a parser that hangs. The
// nil value remembers nothing. Safe for concurrent use.
type rejections struct{ byInput sync.Map }

func (r *rejections) find(input string) error {
	if r == nil {
		return nil
	}
	err, _ := r.byInput.Load(input)
	known, _ := err.(error)
	return known
}

func (r *rejections) add(input string, err error) {
	if r != nil {
		r.byInput.Store(input, err)
	}
}
