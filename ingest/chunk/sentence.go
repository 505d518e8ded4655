package chunk

// wholes is [Sentence].
type wholes struct{ structure }

// pick returns the end of the last piece that fits.
func (wholes) pick(sp *splitter, start position, n, after int, cutPieces bool) (c cut, ok bool) {
	limit := sp.limit(start.at, n)
	last := start.i - 1
	for last+1 < len(sp.pieces) && sp.pieces[last+1].End <= limit {
		last++
	}
	if last >= start.i && sp.pieces[last].End > after {
		return cut{last, sp.pieces[last].End}, true
	}
	if !cutPieces {
		return cut{}, false
	}
	return cut{last + 1, sp.cutPiece(last+1, max(start.at, sp.pieces[last+1].Start), limit)}, true
}

// overlap returns the earliest piece of the tail, across headings, too.
func (wholes) overlap(sp *splitter, start position) (p position, ok bool) {
	return sp.tail(start, false)
}
