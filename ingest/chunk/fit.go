package chunk

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/ragloop/ragloop/ingest/extract"
	"github.com/ragloop/ragloop/internal/text"
)

// splitter cuts one document.
type splitter struct {
	doc      extract.Document
	text     string
	o        *outline
	strategy strategy
	plan     []text.Span // what Recursive is to do
	pieces   []piece     // of the region at hand
	head     text.Span   // its header row
	p        Params
	count    Counter
	// ends are the token ends of the whole text. The tokens of a part of the
	// text are estimated from them, and counted only to confirm: a token at the
	// edge of a part may be another one when the part stands alone.
	ends []int

	window      Window // nil: none
	windowSize  int    // in the embedder's tokens; 0: no limit
	windowGuess int    // target tokens that fill the window, as the last chunk had it
	title       string

	// The last prefix, its size in the embedder's tokens, and what it was made of.
	prefix       string
	prefixTokens int
	prefixPath   []string // nil: there is none yet
	prefixHead   text.Span

	chunks []Chunk
	stats  Stats
}

// position is a place in the text at which a chunk may start: offset at lies in
// piece i or, for the first chunk, in the blanks before it.
type position struct{ i, at int }

// cut is a place at which a chunk may end: offset end lies in piece i or is its
// end.
type cut struct{ i, end int }

func newSplitter(doc extract.Document, o *outline, p Params, c Counter, w Window) *splitter {
	sp := &splitter{doc: doc, text: doc.Text, o: o, strategy: p.Strategy.strategy(), pieces: o.pieces, p: p, count: c, window: w, title: cleanTitle(doc.Title)}
	sp.ends = c.Ends(doc.Text)
	if w != nil {
		sp.windowSize = max(w.MaxTokens(), 0)
		sp.windowGuess = sp.windowSize
	}
	return sp
}

func (sp *splitter) split() error {
	all := sp.pieces
	for _, r := range sp.strategy.regions(sp) {
		first := len(sp.chunks)
		sp.pieces, sp.head = all[r.from:r.to], r.head
		if err := sp.splitRegion(); err != nil {
			return err
		}
		sp.strategy.finish(sp, first)
	}
	for i := range sp.chunks {
		next := len(sp.text)
		if i+1 < len(sp.chunks) {
			next = sp.chunks[i+1].Span.Start
		}
		if end := sp.chunks[i].Span.End; next > end {
			sp.chunks[i].Gap = sp.text[end:next]
		}
	}
	return nil
}

// splitRegion cuts sp.pieces. The first chunk of the first region also has the
// blanks in front.
func (sp *splitter) splitRegion() error {
	start := position{0, sp.pieces[0].Start}
	if blanks := sp.text[:start.at]; len(sp.chunks) == 0 && blanks != "" {
		start.at = 0
		if sp.crowds(blanks) {
			_, n := utf8.DecodeRuneInString(blanks)
			sp.append(start, cut{0, n}, sp.count.Count(blanks[:n]), "", nil)
			start.at = sp.pieces[0].Start
		}
	}
	end := 0 // of the chunk before
	for more := true; more; {
		var c cut
		var found bool
		var err error
		if again, ok := sp.strategy.overlap(sp, start); ok {
			c, found, err = sp.fit(again, end, false)
		}
		if err == nil && !found {
			c, _, err = sp.fit(start, end, true)
		}
		if err != nil {
			return err
		}
		end = c.end
		start, more = sp.after(c)
	}
	return nil
}

// crowds reports whether s fills more than half of a chunk or of the window.
func (sp *splitter) crowds(s string) bool {
	return sp.count.Count(s) > sp.p.SizeTokens/2 ||
		sp.windowSize > 0 && sp.window.CountTokens(s) > sp.windowSize/2
}

// after returns where the region goes on after c; ok is false at its end.
func (sp *splitter) after(c cut) (p position, ok bool) {
	if rest := (text.Span{Start: c.end, End: sp.pieces[c.i].End}); rest.Len() > 0 {
		return position{c.i, text.TrimSpace(sp.text, rest).Start}, true
	}
	if c.i+1 == len(sp.pieces) {
		return position{}, false
	}
	return position{c.i + 1, sp.pieces[c.i+1].Start}, true
}

// fit finds the end of the chunk that starts at start, which must lie past
// after, and appends the chunk. It cuts a piece only if cutPieces is set;
// otherwise found may be false, and nothing is appended.
//
// It aims by the estimate, counts, and aims shorter by what was too much, until
// the chunk fits. Where the window is the limit, it also aims longer if a tenth
// of the window is left.
func (sp *splitter) fit(start position, after int, cutPieces bool) (c cut, found bool, err error) {
	path := sp.path(start)
	prefix, prefixTokens := sp.indexPrefix(path, start.at)
	size := sp.p.SizeTokens // the most target tokens to aim at
	n := size               // what is aimed at
	if sp.windowSize > 0 {
		n = min(n, sp.windowGuess)
	}
	tooLong := len(sp.text) + 1 // the shortest end that was
	var counted int             // tokens of the chunk that ends at c
	for grown := 0; ; {
		next, ok := sp.strategy.pick(sp, start, n, after, cutPieces)
		if !ok || found && next.end <= c.end {
			break
		}
		body := sp.text[start.at:next.end]
		if next.end >= tooLong { // not even the smallest chunk possible fits
			if prefix == "" {
				return cut{}, false, fmt.Errorf("fit %q at byte %d into a chunk: want room for it in %d tokens and in a window of %d", body, start.at, sp.p.SizeTokens, sp.windowSize)
			}
			prefix, prefixTokens = "", 0
			tooLong = len(sp.text) + 1
		}
		used := sp.estimate(start.at, next.end)
		exact := sp.count.Count(body)
		if over := exact - sp.p.SizeTokens; over > 0 {
			size, n, tooLong = used-over, used-over, next.end
			continue
		}
		if sp.windowSize == 0 {
			c, counted, found = next, exact, true
			break
		}
		tokens := sp.window.CountTokens(prefix + body)
		if tokens > sp.windowSize {
			n, tooLong = min(used-1, used*sp.windowSize/tokens), next.end
			continue
		}
		c, counted, found = next, exact, true
		// The tokens that would fill the window, were all text like this.
		if own := tokens - prefixTokens; own > 0 {
			sp.windowGuess = max(1, used*(sp.windowSize-prefixTokens)/own)
		}
		if n >= size || tooLong <= len(sp.text) || grown == maxGrowth || tokens >= sp.windowSize-sp.windowSize/10 {
			break
		}
		grown++
		n = min(size, max(n+1, sp.windowGuess))
	}
	if !found {
		return cut{}, false, nil
	}
	sp.append(start, c, counted, prefix, path)
	if n < size {
		if free, ok := sp.strategy.pick(sp, start, size, after, cutPieces); ok && free.end > c.end {
			sp.chunks[len(sp.chunks)-1].WindowSplit = true
			sp.stats.WindowSplits++
		}
	}
	return c, true, nil
}

// maxGrowth bounds the attempts to use more of a window.
const maxGrowth = 8

// path returns the heading path of a chunk that starts at start: the headings
// in force there, and those that it opens with.
func (sp *splitter) path(start position) []string {
	i, limit := start.i, sp.limit(start.at, sp.p.SizeTokens)
	for sp.isHeading(i) && sp.isHeading(i+1) && sp.pieces[i+1].End <= limit {
		i++
	}
	path := sp.o.path(sp.pieces[i].block)
	if len(path) > 0 && isTitle(path[0], sp.title) {
		path = path[1:] // the title is not repeated
	}
	if len(path) == 0 {
		return nil
	}
	return path
}

// isTitle reports whether a heading says what the title does, which may go on
// with a remark in parentheses.
func isTitle(heading, title string) bool {
	if n := len(heading); n < len(title) && strings.HasPrefix(title[n:], " (") && strings.HasSuffix(title, ")") {
		title = title[:n]
	}
	return strings.EqualFold(heading, title)
}

func (sp *splitter) isHeading(i int) bool {
	return i < len(sp.pieces) && sp.doc.Blocks[sp.pieces[i].block].Kind == extract.Heading
}

func (sp *splitter) append(start position, c cut, counted int, prefix string, path []string) {
	sp.chunks = append(sp.chunks, Chunk{
		Ordinal:   len(sp.chunks),
		Span:      text.Span{Start: start.at, End: c.end},
		Text:      sp.text[start.at:c.end],
		Heading:   path,
		PageStart: sp.doc.Blocks[sp.pieces[start.i].block].Page,
		PageEnd:   sp.doc.Blocks[sp.pieces[c.i].block].Page,
		Tokens:    counted,
		Prefix:    prefix,
	})
}

// indexPrefix returns the prefix of a chunk with a heading path that starts at
// an offset, and its size.
func (sp *splitter) indexPrefix(path []string, at int) (string, int) {
	if !sp.p.IndexPrefix {
		return "", 0
	}
	head := sp.head
	if at < head.End {
		head = text.Span{} // the chunk has it itself
	}
	if sp.prefixPath != nil && slices.Equal(path, sp.prefixPath) && head == sp.prefixHead {
		return sp.prefix, sp.prefixTokens
	}
	count, limit := sp.count.Count, maxPrefixTokens
	if sp.window != nil {
		count = sp.window.CountTokens
	}
	if sp.windowSize > 0 {
		limit = min(limit, sp.windowSize/4)
	}
	fits := func(s string) bool { return count(s) <= limit }
	sp.prefixPath, sp.prefixHead = append([]string{}, path...), head // not nil
	sp.prefix = indexPrefix(sp.title, path, fits) + headPrefix(sp.text[head.Start:head.End], fits)
	sp.prefixTokens = 0
	if sp.prefix != "" {
		sp.prefixTokens = count(sp.prefix)
	}
	return sp.prefix, sp.prefixTokens
}
