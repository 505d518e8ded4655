package metric

import (
	"fmt"
	"slices"
)

// Citations are the counts that citation_recall and citation_precision of an
// answer are made of. They may be added up over answers.
type Citations struct {
	Sentences int `json:"sentences"`
	Supported int `json:"supported_sentences"` // by all their citations together
	Uncited   int `json:"uncited_sentences"`   // without a citation
	Citations int `json:"citations"`           // distinct ones of each sentence
	Counting  int `json:"counting_citations"`  // the sentence is supported and needs them, or they suffice alone
	Unknown   int `json:"unknown_citations"`   // of segments that the context does not have
}

// CiteCheck counts one answer by ALCE (Gao et al., EMNLP 2023). cited holds for
// each sentence the segments it cites, counted from 0; segments is how many the
// context has. Which sentences take part is the caller's choice: ALCE takes all.
//
// supports says whether segments, given by number in ascending order, together
// support a sentence. It is asked about all that a sentence cites, then, where
// they support it and are several, about each alone and, where that fails, about
// all others. Its first error ends the check.
func CiteCheck(cited [][]int, segments int, supports func(sentence int, segments []int) (bool, error)) (Citations, error) {
	c := Citations{Sentences: len(cited)}
	for i, given := range cited {
		refs := slices.Compact(slices.Sorted(slices.Values(given)))
		c.Citations += len(refs)
		unknown := 0
		for _, r := range refs {
			if r < 0 || r >= segments {
				unknown++
			}
		}
		c.Unknown += unknown
		switch {
		case len(refs) == 0:
			c.Uncited++
			continue
		case unknown > 0:
			continue
		}
		counting, err := countingCitations(refs, func(some []int) (bool, error) { return supports(i, some) })
		if err != nil {
			return Citations{}, fmt.Errorf("check the citations of sentence %d: %w", i+1, err)
		}
		if counting >= 0 {
			c.Supported++
			c.Counting += counting
		}
	}
	return c, nil
}

// countingCitations returns how many of refs count; -1 where all together do
// not support the sentence.
func countingCitations(refs []int, supports func([]int) (bool, error)) (int, error) {
	ok, err := supports(refs)
	if err != nil || !ok {
		return -1, err
	}
	if len(refs) == 1 {
		return 1, nil
	}
	n := 0
	for k, r := range refs {
		alone, err := supports([]int{r})
		if err != nil {
			return -1, err
		}
		needed := false
		if !alone {
			without, err := supports(slices.Delete(slices.Clone(refs), k, k+1))
			if err != nil {
				return -1, err
			}
			needed = !without
		}
		if alone || needed {
			n++
		}
	}
	return n, nil
}

// Plus returns the sum of both counts.
func (c Citations) Plus(d Citations) Citations {
	return Citations{
		c.Sentences + d.Sentences, c.Supported + d.Supported, c.Uncited + d.Uncited,
		c.Citations + d.Citations, c.Counting + d.Counting, c.Unknown + d.Unknown,
	}
}

// Recall is citation_recall.
func (c Citations) Recall() Value {
	if c.Sentences == 0 {
		return NoValue("the answer has no sentence")
	}
	return share(c.Supported, c.Sentences)
}

// Precision is citation_precision.
func (c Citations) Precision() Value {
	if c.Citations == 0 {
		return NoValue("the answer cites nothing")
	}
	return share(c.Counting, c.Citations)
}
