package chunk

// parent is [Parent].
type parent struct{ structure }

func (parent) regions(sp *splitter) []region { return sp.sections(nil, 0, len(sp.pieces)) }

// sections appends the regions of the pieces [from, to), which begin with the
// heading of a section or belong to none: the whole if it is small enough for a
// parent, otherwise its sections of the highest level, each in the same way.
func (sp *splitter) sections(out []region, from, to int) []region {
	start, end := sp.pieces[from].Start, sp.pieces[to-1].End
	limit := ParentSizes * sp.p.SizeTokens
	if sp.estimate(start, end) <= limit && sp.count.Count(sp.text[start:end]) <= limit {
		return append(out, region{from: from, to: to})
	}
	highest := maxLevel + 1
	for i := from + 1; i < to; i++ {
		highest = min(highest, sp.sectionLevel(i))
	}
	if highest > maxLevel {
		return append(out, region{from: from, to: to})
	}
	for i := from + 1; i < to; i++ {
		if sp.sectionLevel(i) == highest {
			out = sp.sections(out, from, i)
			from = i
		}
	}
	return sp.sections(out, from, to)
}

// sectionLevel returns the level of the heading that piece i begins a section
// with, one more than maxLevel where it begins none.
func (sp *splitter) sectionLevel(i int) int {
	if sp.pieces[i].before != section {
		return maxLevel + 1
	}
	return sp.o.titles[sp.o.heading[sp.pieces[i].block]].level
}

// finish makes parents of as many chunks as one may have.
func (parent) finish(sp *splitter, first int) {
	limit := ParentSizes * sp.p.SizeTokens
	for first < len(sp.chunks) {
		start, last := sp.chunks[first].Span.Start, first
		for last+1 < len(sp.chunks) && sp.estimate(start, sp.chunks[last+1].Span.End) <= limit {
			last++
		}
		for last > first && sp.count.Count(sp.text[start:sp.chunks[last].Span.End]) > limit {
			last--
		}
		if last > first {
			for i := first; i <= last; i++ {
				sp.chunks[i].ParentFirst, sp.chunks[i].ParentLast = first, last
			}
		}
		first = last + 1
	}
}
