package synth

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/ragloop/ragloop/evalret/labels"
	"github.com/ragloop/ragloop/internal/chat"
	"github.com/ragloop/ragloop/internal/lexical"
	"github.com/ragloop/ragloop/internal/text"
)

// maker is a call of Make.
type maker struct {
	model    chat.Model
	options  Options
	analyzer *lexical.Analyzer
	sampler  *sampler
	known    *labels.QueryIndex
	overlaps []float64
	result   Result
}

// outcome is what became of a passage: a query, or a draft with a reason.
type outcome struct {
	query   labels.Query
	overlap float64 // of a query with an answer
	untyped bool
	draft   Draft
}

// fill asks about passages by f until want more queries are there.
func (k *maker) fill(ctx context.Context, want int, f func(context.Context, Passage) (outcome, error)) error {
	for want > 0 {
		var passages []Passage
		for len(passages) < min(want, batch) && k.result.Asked < k.options.MaxPassages {
			p, ok, err := k.sampler.next(ctx)
			if err != nil {
				return err
			}
			if !ok {
				break
			}
			passages = append(passages, p)
			k.result.Asked++
		}
		if len(passages) == 0 {
			return nil
		}
		outcomes := make([]outcome, len(passages))
		progress := k.progress(k.result.Asked - len(passages))
		group, groupCtx := errgroup.WithContext(ctx)
		group.SetLimit(k.options.Concurrency)
		for i, p := range passages {
			group.Go(func() (err error) {
				if outcomes[i], err = f(groupCtx, p); err == nil {
					progress()
				}
				return err
			})
		}
		if err := group.Wait(); err != nil {
			return cmp.Or(ctx.Err(), err)
		}
		for i, o := range outcomes {
			if k.take(passages[i], o) {
				want--
			}
		}
		if k.options.Progress != nil {
			k.options.Progress(k.result.Asked, len(k.result.Set.Queries))
		}
	}
	return nil
}

// progress returns what tells that one more passage is done, of a batch that begins
// behind so many. Queries are counted when the batch is: a model may take minutes for
// it.
func (k *maker) progress(done int) func() {
	queries := len(k.result.Set.Queries)
	var mu sync.Mutex
	return func() {
		mu.Lock()
		defer mu.Unlock()
		done++
		if k.options.Progress != nil {
			k.options.Progress(done, queries)
		}
	}
}

// take adds an outcome to the result; true: it is a query.
func (k *maker) take(p Passage, o outcome) bool {
	if o.draft.Reason == "" {
		if like, share := k.known.Nearest(o.query.Text); share > 0 {
			o.draft = Draft{Question: o.query.Text, Reason: Duplicate, Detail: fmt.Sprintf("it shares %.0f %% of its words with %s: %q", 100*share, like.ID, like.Text)}
		}
	}
	if o.draft.Reason != "" {
		o.draft.Doc, o.draft.Start, o.draft.End = p.Document.ID, p.Runes.Start, p.Runes.End
		k.result.Left = append(k.result.Left, o.draft)
		return false
	}
	k.known.Add(o.query)
	k.result.Set.Queries = append(k.result.Set.Queries, o.query)
	if !o.query.Unanswerable {
		k.overlaps = append(k.overlaps, o.overlap)
	}
	if o.untyped {
		k.result.Untyped++
	}
	return true
}

// left is the outcome of a draft.
func left(question string, why Reason, format string, args ...any) outcome {
	return outcome{draft: Draft{Question: question, Reason: why, Detail: fmt.Sprintf(format, args...)}}
}

// tags marks a query as synthetic, by what made it.
func (k *maker) tags() []string {
	name := strings.Join(strings.Fields(k.model.Info().Name), "_")
	return []string{Tag, fmt.Sprintf("%s:%s;prompt=%s;seed=%d", Tag, name, PromptVersion(), k.options.Seed)}
}

// Tag is that of every query of this package. A second one, "synthetic:" with model,
// prompt version and seed, says where it comes from.
const Tag = "synthetic"

// id is made of what a query is about, so that it stays the same when others come
// or go.
func id(doc text.DocID, span text.RuneSpan, question string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %d %d %q", doc, span.Start, span.End, question))
	return "syn-" + hex.EncodeToString(sum[:6])
}

// overlap returns the share of the terms of s that other has; 0 for none.
func (k *maker) overlap(s, other string) float64 {
	has := map[string]bool{}
	for _, t := range k.analyzer.Terms(other) {
		has[t] = true
	}
	terms := k.analyzer.Terms(s)
	slices.Sort(terms)
	terms = slices.Compact(terms)
	n := 0
	for _, t := range terms {
		if has[t] {
			n++
		}
	}
	if len(terms) == 0 {
		return 0
	}
	return float64(n) / float64(len(terms))
}

func cutRunes(s string, n int) string {
	for at := range s {
		if n == 0 {
			return s[:at]
		}
		n--
	}
	return s
}
