package ingest

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"strconv"
	"time"
)

// MaxFeedLineBytes is the longest line of a feed, white space around it not
// counted. A longer text is given by its path.
const MaxFeedLineBytes = 32 << 20

// maxFeedErrors is how many wrong lines are reported at once.
const maxFeedErrors = 20

// ErrFeed: a feed that holds something else than a feed does.
var ErrFeed = errors.New("not a feed of documents")

// FeedError is what is wrong with a line of a feed. It wraps ErrFeed.
type FeedError struct {
	Name    string // of the feed
	Line    int    // from 1
	Field   string // "" where the line as a whole is meant
	Problem string
}

func (e *FeedError) Error() string {
	what := "the line"
	if e.Field != "" {
		what = strconv.Quote(e.Field)
	}
	return fmt.Sprintf("%s:%d: %s %s", e.Name, e.Line, what, e.Problem)
}

// Unwrap returns ErrFeed.
func (e *FeedError) Unwrap() error { return ErrFeed }

// FeedOptions say what belongs to a feed beside its lines.
type FeedOptions struct {
	Name string // of the feed, in errors

	// Files holds what the lines name by "path", as [RootFS] does; nil: such a
	// line is an error.
	Files     fs.FS
	URIPrefix string // put in front of the path to make the URI where the line gives none
}

// Feed is a [Source] that reads its documents from JSON Lines, as any program
// can write them. Each line is an object:
//
//	{"id": "4711", "uri": "https://…/4711", "text": "…", "tags": ["faq"], "meta": {"lang": "en", "year": 2026}}
//	{"id": "manual", "path": "files/manual.pdf", "acl": ["group:service"], "modified": "2026-03-01T12:00:00Z"}
//	{"id": "4710", "deleted": true}
//
// The fields are
//
//	id          required; without control characters, at most 1024 bytes
//	uri         where people find the document; at most 4096 bytes
//	text        the document itself; this or
//	path        the file that holds it, below the root of the feed, parted by /
//	media_type  of a text: text/plain where nothing is said, or another format of
//	            text; of a file: detected where nothing is said
//	title       at most 1024 bytes; else the one that is found in the document
//	meta        object of strings, numbers, true or false, arrays of strings; an
//	            integer is a number without fraction and exponent, and a time is
//	            a string here; limits as in package meta
//	tags        at most 100 strings of at most 256 bytes, none twice
//	acl         who may see it: at most 1000 strings of at most 256 bytes, none twice
//	modified    when it was last changed: a time in RFC 3339, here or in meta
//	deleted     true: what is stored under the id is removed; no other field then
//
// A feed lists changes: a document that it does not name stays as it is, unless
// Options.Prune says that the feed is the whole. Where several lines have one
// id, the last one counts and the others are as good as absent. A byte order
// mark at the start, carriage returns at line ends and blank lines are allowed.
//
// [NewFeed] reads everything once before anything is ingested. A line that is no
// such object makes the feed an error: an unknown field, a key that is given
// twice, another type, null, a value over its limit, a path that leaves the
// root. What the line cannot show is the failure of its document, and the others
// go on: a file that is not there, or that no parser can read.
//
// Items keeps nothing of lines that it has passed; an [Item] holds its text. Safe
// for concurrent use.
type Feed struct {
	o     FeedOptions
	file  *os.File
	state fileState
	sum   [sha256.Size]byte

	documents  int
	superseded map[int]bool // numbers of lines with an id that a later line has, too
}

// fileState is what changes when a file is written to.
type fileState struct {
	size     int64
	modified time.Time
}

// NewFeed checks all of file, which must be a regular file, and returns its
// documents. It takes at most some 60 bytes of memory for each of them, and gives
// them back when it returns. Its error wraps ErrFeed where the lines are at fault,
// and joins a [FeedError] for each of the first 20 of them.
//
// The feed reads from file again, each time its documents are listed, and does
// not close it. Where file has changed in between, the list ends with an error.
func NewFeed(ctx context.Context, file *os.File, o FeedOptions) (*Feed, error) {
	f := &Feed{o: o, file: file, superseded: map[int]bool{}}
	if err := f.check(ctx); err != nil {
		return nil, fmt.Errorf("check the feed: %w", err)
	}
	return f, nil
}

// Documents returns the number of documents that the feed names.
func (f *Feed) Documents() int { return f.documents }

// Superseded returns the number of lines that do not count, since a later line
// has the same id.
func (f *Feed) Superseded() int { return len(f.superseded) }

func (f *Feed) check(ctx context.Context) (err error) {
	if f.state, err = f.stat(); err != nil {
		return err
	}
	// A part of a SHA-256 instead of the id: ids are long, and there may be millions.
	last := map[[16]byte]int{}
	var faults []error
	more := 0
	f.sum, err = f.lines(ctx, func(n int, line []byte, fault *FeedError) error {
		var l feedLine
		if fault == nil {
			l, fault = parseFeedLine(line)
		}
		if fault == nil && l.Path != "" && f.o.Files == nil {
			fault = &FeedError{Field: "path", Problem: "names a file, but no root of the feed is given to find it in"}
		}
		if fault != nil {
			fault.Name, fault.Line = f.o.Name, n
			if len(faults) < maxFeedErrors {
				faults = append(faults, fault)
			} else {
				more++
			}
			return nil
		}
		sum := sha256.Sum256([]byte(l.ID))
		key := [16]byte(sum[:])
		if before, ok := last[key]; ok {
			f.superseded[before] = true
		}
		last[key] = n
		return nil
	})
	if more > 0 {
		faults = append(faults, fmt.Errorf("and %d more lines", more))
	}
	f.documents = len(last)
	return errors.Join(append(faults, err)...)
}

// Items yields the documents in the order of their last lines.
func (f *Feed) Items(ctx context.Context) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		sum, err := f.lines(ctx, func(n int, line []byte, fault *FeedError) error {
			if f.superseded[n] {
				return nil
			}
			var l feedLine
			if fault == nil {
				l, fault = parseFeedLine(line)
			}
			if fault != nil { // it passed when it was checked
				return f.changed()
			}
			if !yield(f.item(ctx, l)) {
				return errStop
			}
			return nil
		})
		if err == nil && sum != f.sum {
			err = f.changed()
		}
		if err != nil && err != errStop {
			yield(Item{}, fmt.Errorf("read the feed: %w", err))
		}
	}
}

// item makes a document of a line. An error is the document's.
func (f *Feed) item(ctx context.Context, l feedLine) (item Item, err error) {
	switch {
	case l.Deleted:
	case l.Path == "":
		item.Open = Bytes([]byte(l.Text))
	default:
		files := Files(f.o.Files, FSOptions{URIPrefix: f.o.URIPrefix}, l.Path)
		for item, err = range files.Items(ctx) {
			break
		}
	}
	item.ID, item.URI, item.MediaType, item.Title = l.ID, cmp.Or(l.URI, item.URI), l.MediaType, l.Title
	item.Tags, item.ACL, item.Meta, item.Deleted = l.Tags, l.ACL, l.Meta, l.Deleted
	return item, err
}

// lines calls fn with every line that is not blank and its number from 1,
// without white space around it; fault says why there is no line. It returns
// the hash of all bytes.
func (f *Feed) lines(ctx context.Context, fn func(n int, line []byte, fault *FeedError) error) (sum [sha256.Size]byte, err error) {
	hash := sha256.New()
	const buffer = 256 << 10
	in := bufio.NewReaderSize(io.TeeReader(steady{io.NewSectionReader(f.file, 0, f.state.size), f}, hash), buffer)
	var line []byte
	for n, eof := 1, false; !eof; n++ {
		if err := ctx.Err(); err != nil {
			return sum, err
		}
		var tooLong bool
		line, tooLong, err = nextLine(in, line[:0])
		if eof = errors.Is(err, io.EOF); err != nil && !eof {
			return sum, err
		}
		if n == 1 {
			line = bytes.TrimPrefix(line, []byte("\ufeff"))
		}
		line = bytes.Trim(line, " \t\r\n")
		var fault *FeedError
		if tooLong || len(line) > MaxFeedLineBytes {
			fault = &FeedError{Problem: fmt.Sprintf("is longer than %d bytes; give a text of that length by \"path\"", MaxFeedLineBytes)}
		} else if len(line) == 0 {
			continue
		}
		if err := fn(n, line, fault); err != nil {
			return sum, err
		}
	}
	return [sha256.Size]byte(hash.Sum(nil)), nil
}

// nextLine appends the next line to buf; io.EOF comes with the last one. Of a
// line that is too long it returns nothing.
func nextLine(in *bufio.Reader, buf []byte) (line []byte, tooLong bool, err error) {
	const around = len("\ufeff\r\n")
	for {
		part, err := in.ReadSlice('\n')
		if tooLong = tooLong || len(buf)+len(part) > MaxFeedLineBytes+around; tooLong {
			buf = buf[:0]
		} else {
			buf = append(buf, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return buf, tooLong, err
		}
	}
}

// steady reads a feed as long as its file stays as it was when it was checked.
type steady struct {
	io.Reader
	feed *Feed
}

func (s steady) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if state, fault := s.feed.stat(); fault != nil {
		return 0, fault
	} else if state != s.feed.state {
		return 0, s.feed.changed()
	}
	return n, err
}

func (f *Feed) stat() (fileState, error) {
	info, err := f.file.Stat()
	if err != nil {
		return fileState{}, err
	}
	if !info.Mode().IsRegular() {
		return fileState{}, fmt.Errorf("%s is not a regular file", f.o.Name)
	}
	return fileState{info.Size(), info.ModTime()}, nil
}

func (f *Feed) changed() error {
	return fmt.Errorf("%s changed while it was being read; ingest it again once it is complete", f.o.Name)
}
