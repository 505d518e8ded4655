package pack

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Edit is a change between a segment's text and what of it is in the context:
// the code points [At, At+Len) of Segment.Text read With there. There are two
// kinds. A backslash is inserted (Len 0) where a document has what would read
// as a part of the frame. And U+FFFD, the replacement character, stands for a
// run of characters that nobody sees but a model reads.
type Edit struct {
	At, Len int
	With    string
}

const (
	mark   = `\`
	hidden = "\uFFFD"
)

// Delivered returns the text of s as it is in the context.
func (s Segment) Delivered() string { return applyEdits(s.Text, s.Edits) }

// Origin returns where in the document of s the code point at of the context
// comes from: an offset in code points. What an edit put there comes from the
// beginning of what it replaced. False: at is not in s.Context.
func (s Segment) Origin(at int) (int, bool) {
	if at < s.Context.Start || at >= s.Context.End {
		return 0, false
	}
	at -= s.Context.Start
	shift := 0 // how far the context is ahead of Text
	for _, e := range s.Edits {
		begin := e.At + shift
		end := begin + runes(e.With)
		if at < begin {
			break
		}
		if at < end {
			return s.Span.Start + e.At, true
		}
		shift = end - e.At - e.Len
	}
	return s.Span.Start + at - shift, true
}

// applyEdits makes edits, which are in order and apart, in s.
func applyEdits(s string, edits []Edit) string {
	if len(edits) == 0 {
		return s
	}
	var b strings.Builder
	at := 0 // code points of s taken
	take := func(n int) (taken string) {
		end := 0
		for range n {
			_, width := utf8.DecodeRuneInString(s[end:])
			end += width
		}
		taken, s = s[:end], s[end:]
		at += n
		return taken
	}
	for _, e := range edits {
		b.WriteString(take(e.At - at))
		take(e.Len)
		b.WriteString(e.With)
	}
	b.WriteString(s)
	return b.String()
}

// edits returns the changes that a text needs in a context.
func (f frame) edits(s string) []Edit {
	out := hiddenRuns(s)
	if f.template != nil {
		out = append(out, forgeries(s, f.template.signs, true)...)
		slices.SortFunc(out, func(a, b Edit) int { return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Len, b.Len)) })
	}
	return out
}

// forgeries returns an edit for each sign that s has: for tags anywhere, for
// others at the beginning of a line, the first one included where s begins one.
// What nobody sees does not hide a sign, nor does case.
func forgeries(s string, signs []sign, begins bool) []Edit {
	var out []Edit
	lineBegins := begins
	at := -1
	for i, r := range s {
		at++
		switch {
		case endsLine(r):
			lineBegins = true
			continue
		case r != '<' && !lineBegins, unseen(r):
			continue
		}
		for _, sg := range signs {
			if (sg.tag || lineBegins) && sg.matches(s[i:]) {
				e := Edit{At: at, With: mark}
				if sg.tag {
					e.At++ // behind the "<"
				}
				out = append(out, e)
				break
			}
		}
		lineBegins = false
	}
	return out
}

// matches reports whether s begins with sg, as a reader would see it. Of a tag, the
// beginning is enough where s ends: what comes next may be the rest.
func (sg sign) matches(s string) bool {
	n := 0
	for _, r := range s {
		if n == len(sg.runes) {
			if sg.tag {
				return unseen(r) || !nameRune(r) // a filler of Hangul is a letter, too
			}
			if !sg.digit {
				return true
			}
		}
		if unseen(r) {
			continue
		}
		if n == len(sg.runes) {
			return unicode.IsNumber(r)
		}
		if fold(r) != sg.runes[n] {
			return false
		}
		n++
	}
	return sg.tag || n == len(sg.runes) && !sg.digit
}

// folded returns the visible characters of s without their case.
func folded(s string) []rune {
	var out []rune
	for _, r := range s {
		if !unseen(r) {
			out = append(out, fold(r))
		}
	}
	return out
}

// fold returns the same rune for all that differ by case only.
func fold(r rune) rune {
	least := r
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		least = min(least, f)
	}
	return least
}

// maxInvisible is the longest run of invisible characters that is left alone.
// Emoji and mixed directions of writing need two or three in a row.
const maxInvisible = 3

// hiddenRuns returns an edit for each run of invisible characters that can hold
// a message: a long one, or one with tag characters (U+E0000 to U+E007F, which
// mirror ASCII) that does not make a flag.
func hiddenRuns(s string) []Edit {
	if !hides(s) {
		return nil
	}
	var out []Edit
	at, begin := 0, 0 // code points before r, and before the run that it ends or goes on
	start := 0        // byte offset of the run
	var before rune   // the visible character before the run
	end := func(i int) {
		if run := s[start:i]; run != "" && (at-begin > maxInvisible || strings.ContainsFunc(run, tagRune)) && !(before == blackFlag && regionFlag(run)) {
			out = append(out, Edit{At: begin, Len: at - begin, With: hidden})
		}
	}
	for i, r := range s {
		if !invisible(r) {
			end(i)
			begin, start, before = at+1, i+utf8.RuneLen(r), r
		}
		at++
	}
	end(len(s))
	return out
}

func tagRune(r rune) bool { return r >= 0xE0000 && r <= 0xE007F }

const blackFlag = '\U0001F3F4'

// regionFlag reports whether a run of tag characters behind a black flag makes the
// flag of a region: the letters and digits of its code, then the end.
func regionFlag(run string) bool {
	const end = '\U000E007F'
	code, ok := strings.CutSuffix(run, string(end))
	n := runes(code)
	return ok && n >= 3 && n <= 6 && !strings.ContainsFunc(code, func(r rune) bool {
		r -= 0xE0000
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9')
	})
}
