package lexical

// Phrase is a run of words that has to stand in a text as it is: in this order,
// with nothing but word boundaries between them. Letter case (unless the
// parameters tell the two apart) and what separates the words make no
// difference; stop words count and nothing is stemmed: who quotes means the
// words quoted. The zero value has no words and is in no text.
type Phrase struct{ words []string }

// Phrase returns the phrase that s is.
func (a *Analyzer) Phrase(s string) Phrase {
	an := a.begin()
	defer an.end()
	var p Phrase
	a.words(s, func(w string) { p.words = append(p.words, an.normalise(w)) })
	return p
}

// Len returns the number of words.
func (p Phrase) Len() int { return len(p.words) }

// Holds reports for each phrase whether it is in one of the texts. A phrase does
// not reach from one text into the next. Reading a text is linear in it, times
// the phrases that are begun at once.
func (a *Analyzer) Holds(phrases []Phrase, texts ...string) []bool {
	an := a.begin()
	defer an.end()
	holds := make([]bool, len(phrases))
	for _, t := range texts {
		begun := make([][]int, len(phrases)) // how far each attempt got, per phrase
		a.words(t, func(w string) {
			w = an.normalise(w)
			for i, p := range phrases {
				if !holds[i] {
					begun[i], holds[i] = p.advance(begun[i], w)
				}
			}
		})
	}
	return holds
}

// advance takes the next word of a text into the attempts at p, and begins one.
func (p Phrase) advance(begun []int, w string) (rest []int, held bool) {
	if len(p.words) == 0 {
		return nil, false
	}
	rest = begun[:0]
	for _, n := range begun {
		if p.words[n] == w {
			n++
			if n == len(p.words) {
				return rest, true
			}
			rest = append(rest, n)
		}
	}
	if p.words[0] == w {
		if len(p.words) == 1 {
			return rest, true
		}
		rest = append(rest, 1)
	}
	return rest, false
}
