package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/ragloop/ragloop/evalret/labels/synth"
	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/internal/chat"
)

// printSynth prints what became of the passages.
func (a *app) printSynth(r synth.Result, f synthFlags) error {
	unanswerable := 0
	for _, q := range r.Set.Queries {
		if q.Unanswerable {
			unanswerable++
		}
	}
	counts := map[synth.Reason]int{}
	for _, why := range synth.Reasons() {
		if n := r.Count(why); n > 0 {
			counts[why] = n
		}
	}
	if a.json {
		return json.NewEncoder(a.out).Encode(struct {
			Queries      int                  `json:"queries"`
			Unanswerable int                  `json:"unanswerable"` // of them
			Counts       map[synth.Reason]int `json:"left_out_by_reason"`
			synth.Result
		}{len(r.Set.Queries), unanswerable, counts, r})
	}
	s := r.Sample
	fmt.Fprintf(a.out, "%s of %s, %d of them without an answer (%s, prompt %s, seed %d): %s\n", plural(len(r.Set.Queries), "query", "queries"),
		plural(r.Asked, "passage", "passages"), unanswerable, r.Model, r.Prompt, r.Seed, f.out)
	fmt.Fprintf(a.out, "documents: %d, %d left apart, %d read, %d of these unreadable\n", s.Documents, s.Apart, s.Read, len(s.Unreadable))
	fmt.Fprintf(a.out, "their passages: %d; left out: %d too short, %d too long, %d almost equal to one before\n", s.Passages, s.TooShort, s.TooLong, s.Repeated)
	if x, ok := r.Overlap.Float(); ok {
		fmt.Fprintf(a.out, "questions share %.0f %% of their terms with their passages; what people ask shares less\n", 100*x)
	}
	if len(r.Left) > 0 {
		var parts []string
		for _, why := range synth.Reasons() {
			if n := counts[why]; n > 0 {
				parts = append(parts, fmt.Sprintf("%d %s", n, why))
			}
		}
		fmt.Fprintf(a.out, "questions left out: %s\n", strings.Join(parts, ", "))
	}
	for i, d := range r.Left {
		if i == maxListed {
			a.say("… and %d more; --left-out FILE lists all", len(r.Left)-i)
			break
		}
		a.say("left out: %s of %s [%d, %d): %q: %s", d.Reason, printable(string(d.Doc)), d.Start, d.End, d.Question, printable(d.Detail))
	}
	for i, s := range s.Unreadable {
		if i == maxListed {
			a.say("… and %d more", len(r.Sample.Unreadable)-i)
			break
		}
		a.say("warning: %s", printable(s))
	}
	return nil
}

// synthCost prints what asking m would cost: if every passage makes a query, and if
// as many are asked about as may be.
func (a *app) synthCost(ctx context.Context, m chat.Model, c synth.Corpus, f synthFlags) error {
	wanted := f.o.Queries + f.o.Unanswerable
	most := f.o.MaxPassages
	if most == 0 {
		most = 3 * wanted
	}
	type costJSON struct {
		Passages     int          `json:"passages"`
		Calls        int          `json:"calls"`
		Cached       int          `json:"cached"`
		PromptTokens int          `json:"prompt_tokens"`
		Completion   int          `json:"completion_tokens"`
		Cost         metric.Value `json:"cost"`
	}
	var rows []costJSON
	for _, passages := range []int{min(wanted, most), most} {
		e, err := a.estimator(m)
		if err != nil {
			return err
		}
		requests, _, err := synth.Requests(ctx, c, f.o, passages)
		if err != nil {
			return err
		}
		for _, r := range requests {
			if err := e.Add(r); err != nil {
				return err
			}
		}
		sum := e.Sum()
		row := costJSON{passages, sum.Calls, sum.Cached, sum.PromptTokens, sum.CompletionTokens, metric.NoValue("no price")}
		if f.price != (chat.Price{}) {
			row.Cost = metric.Of(sum.Cost(f.price))
		}
		rows = append(rows, row)
		if a.json {
			continue
		}
		fmt.Fprintf(a.out, "%s (%s), up to %d passages: %v\n", m.Info().Name, a.cfg.Config.LLM.Tokenizer, passages, sum)
		if f.price != (chat.Price{}) {
			fmt.Fprintf(a.out, "cost: at most %.4f\n", sum.Cost(f.price))
		}
	}
	if a.json {
		return json.NewEncoder(a.out).Encode(rows)
	}
	_, err := fmt.Fprintln(a.out, "The last is the most that is asked, where questions are left out and other passages take their place.")
	return err
}
