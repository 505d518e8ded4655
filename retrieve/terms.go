package retrieve

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/lexical"
)

// terms returns the lexical query that a text is, in composed letters, as most
// documents have them: an accent that stands alone would cut its word in two.
func (r *Retriever) terms(query string) lexical.Vector { return r.analyzer.Query(composed(query)) }

// composed returns s with letters and the marks on them made one where Unicode has
// one for them. Nothing is taken apart: normalization form C, which composes the same,
// does so with letters of Hindi and Bengali that keyboards write as one, and their dot
// cuts words, too.
func composed(s string) string {
	if norm.NFC.QuickSpanString(s) == len(s) {
		return s
	}
	var b strings.Builder
	var it norm.Iter
	for it.InitString(norm.NFC, s); !it.Done(); {
		from := it.Pos()
		after := it.Next()
		before := s[from:it.Pos()]
		if utf8.RuneCount(after) < utf8.RuneCountInString(before) {
			b.Write(after)
		} else {
			b.WriteString(before)
		}
	}
	return b.String()
}

// weigh makes rare words count more: the weight of each term of the lexical query
// is multiplied by idf^(p.IDFPower-1), and the index itself multiplies by idf.
// BM25 has idf, Lucene's TFIDFSimilarity idf². It also fills in what titles and
// sentences are compared with, own being the terms of the query as it was asked.
//
// Where the frequencies cannot be had the leg is BM25, titles count for nothing and
// nobody tells which sentences matter, and degraded says so.
func (q *finding) weigh(ctx context.Context, own []uint32) error {
	sparse := &q.search.Sparse
	if q.p.IDFPower == 1 && (q.p.TitleBoost == 0 || !q.r.prefix) {
		return nil // BM25 is all, which the index does alone
	}
	asked := slices.Clone(own)
	if q.p.IDFPower != 1 {
		asked = append(asked, sparse.Indices...)
	}
	if len(asked) == 0 {
		return nil
	}
	defer q.measure("terms", q.r.now())
	slices.Sort(asked)
	idf, err := q.r.index.IDF(ctx, slices.Compact(asked))
	if err != nil {
		part := "terms" // of titles and sentences
		if q.want.lexical && q.p.IDFPower != 1 {
			part = "lexical"
		}
		err = fmt.Errorf("%s: read how rare the query's terms are: %w", part, err)
		if q.p.RequireAll || ctx.Err() != nil {
			return fmt.Errorf("%w: %w", ErrLeg, err)
		}
		q.degraded = append(q.degraded, err.Error())
		return nil
	}
	for i, id := range sparse.Indices {
		if x, ok := idf[id]; ok && x > 0 && q.p.IDFPower != 1 {
			sparse.Values[i] = float32(sparse.Values[i] * float32(power(x, q.p.IDFPower-1)))
		}
	}
	q.asked = newAsked(q.r.analyzer, own, func(id uint32) float64 {
		if x, ok := idf[id]; ok && x > 0 {
			return power(x, q.p.IDFPower)
		}
		return 0 // nowhere, or everywhere
	})
	return nil
}

// power returns x^exponent to 12 bits, for x above 0. In the bits behind them a
// frequency depends on the chunk that it was read from, and a power on the kind of
// processor.
func power(x, exponent float64) float64 {
	const unit = 1 << 12
	fraction, exp := math.Frexp(math.Pow(x, exponent))
	return math.Ldexp(math.Round(fraction*unit)/unit, exp)
}

// titles returns how much of the query is in the title of each of the records: the
// share of its terms, by the squares of their weights, 0 to 1. Nil where titles count
// for nothing: they do not where they are not indexed.
//
// What a title tells of a document is mostly a name, which is rarer than the other
// words of the query, and a small part of a query that asks at length: squared it is
// a larger one.
func (q *finding) titles(records []*index.Record) []float64 {
	if q.asked == nil || q.p.TitleBoost == 0 || !q.r.prefix {
		return nil
	}
	names := q.asked.squared()
	all := names.lacking(0)
	shares := make([]float64, len(records))
	for i, r := range records {
		if said := names.among(q.r.named(r.Title)); said != 0 {
			shares[i] = 1 - names.lacking(said)/all
		}
	}
	return shares
}

const (
	// maxTitles is how many titles a retriever remembers the terms of: some 3 MB. Each
	// would be analysed whenever a chunk of its document is found.
	maxTitles = 1 << 14
	// maxTitleBytes is the length of the longest of them.
	maxTitleBytes = 512
)

// named returns the terms of a title, in composed letters, ascending: nobody may
// change them. Names of files, which titles may be, come decomposed from some systems.
func (r *Retriever) named(title string) []uint32 {
	if ids, ok := r.titles.Get(title); ok {
		return ids
	}
	ids := r.analyzer.Document(composed(title)).Indices
	if len(title) <= maxTitleBytes {
		r.titles.Put(title, ids)
	}
	return ids
}
