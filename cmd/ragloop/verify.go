package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/ragloop/ragloop/ingest"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
)

// verifySample is the number of chunks that are embedded again by default: with
// so many, a fault of 2 % of all vectors is missed once in 170 times.
const verifySample = 256

// verifyFlags are the flags of verify.
type verifyFlags struct {
	readData bool
	sample   string
	seed     uint64
	repair   bool
}

func (a *app) verifyCmd() *cobra.Command {
	var f verifyFlags
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Compare what the index holds with what it should hold, and mend it",
		Long: `verify compares the records of the served generation with its chunks: ids, revisions, counts,
payload indexes and the parameters of the collections. With --read-data it reads every chunk and
compares text, offsets, labels, token counts and lexical vectors, and embeds a sample again to
compare dense vectors. Other generations are listed, not compared.

It changes nothing without --repair, which makes again what the index itself tells and deletes what
belongs to no document. A document that only its source can mend is marked: the next ingest reads
it again; where the source is gone, "ragloop docs rm" removes what is left. Documents that are right
are not touched. The exit code is 1 while anything is wrong.`,
		Args: args(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.verify(cmd.Context(), f) },
	}
	cmd.Flags().BoolVar(&f.readData, "read-data", false, "read and compare what every chunk holds")
	cmd.Flags().StringVar(&f.sample, "sample", "", fmt.Sprintf("with --read-data: number of chunks to embed again, or all (default %d)", verifySample))
	cmd.Flags().Uint64Var(&f.seed, "seed", defaultSeed, "with --read-data: another seed, another sample")
	cmd.Flags().BoolVar(&f.repair, "repair", false, "mend what is wrong")
	return cmd
}

// options checks f.
func (f verifyFlags) options() (ingest.VerifyOptions, error) {
	o := ingest.VerifyOptions{ReadData: f.readData, Seed: f.seed}
	switch n, err := strconv.Atoi(f.sample); {
	case !f.readData && f.sample != "":
		return o, fmt.Errorf("verify: --sample goes with --read-data")
	case !f.readData && f.seed != defaultSeed:
		return o, fmt.Errorf("verify: --seed goes with --read-data")
	case !f.readData:
	case f.sample == "":
		o.Sample = verifySample
	case f.sample == "all":
		o.Sample = -1
	case err != nil || n < 0:
		return o, fmt.Errorf("verify: --sample is %q, allowed are 0, a number of chunks, or all", f.sample)
	default:
		o.Sample = n
	}
	return o, nil
}

func (a *app) verify(ctx context.Context, f verifyFlags) error {
	o, err := f.options()
	if err != nil {
		return err
	}
	return a.onServed(ctx, func(client *index.Client, gen *index.Generation) error {
		v, err := a.verifier(gen, o.Sample != 0)
		if errors.Is(err, index.ErrRecipe) {
			err = fmt.Errorf("%w; \"--sample 0\" compares all but the dense vectors", err)
		}
		if err != nil {
			return err
		}
		others, err := a.unserved(ctx, client, gen)
		if err != nil {
			return err
		}
		if f.repair && !client.Info().Local {
			a.say("warning: nobody may ingest into %s while it is repaired", gen)
		}
		start := time.Now()
		out := verification{gen: gen, options: o, unserved: others}
		if out.found, err = v.Verify(ctx, o); err != nil {
			return err
		}
		out.left = out.found
		if f.repair && len(out.found.Drift) > 0 {
			if o.Sample == 0 && embeds(out.found) {
				if v, err = a.verifier(gen, true); err != nil {
					return err
				}
			}
			mended, err := v.Mend(ctx, out.found)
			if err != nil {
				return err
			}
			out.mended = &mended
			if out.left, err = v.Verify(ctx, o); err != nil {
				return err
			}
		}
		if a.json {
			err = json.NewEncoder(a.out).Encode(out.machine())
		} else {
			err = a.printVerification(out, time.Since(start))
		}
		if n := len(out.left.Drift); err == nil && n > 0 {
			err = fmt.Errorf("verify %w: %s in %s", errFailed, plural(n, "thing is", "things are")+" not as it should be", gen)
		}
		return err
	})
}

// verifier compares without the embedding cache, whose vectors may be wrong as well.
func (a *app) verifier(gen *index.Generation, embeds bool) (*ingest.Verifier, error) {
	if !embeds {
		return ingest.NewVerifier(gen, nil)
	}
	e, err := a.bareEmbedder()
	if err != nil {
		return nil, err
	}
	return ingest.NewVerifier(gen, e)
}

// embeds reports whether mending r takes an embedder.
func embeds(r index.Report) bool {
	return slices.ContainsFunc(r.Drift, func(d index.Drift) bool {
		return d.Kind == index.DriftDense && d.Remedy == index.Rewrite
	})
}

// verification is what verify prints.
type verification struct {
	gen         *index.Generation
	options     ingest.VerifyOptions
	unserved    []generationCount
	found, left index.Report
	mended      *index.Mended // nil: nothing was to be mended, or not asked for
}

// generationCount is a generation that was not compared.
type generationCount struct {
	Generation string `json:"generation"`
	Documents  int    `json:"documents"`
	Chunks     int    `json:"chunks"`
	Problem    string `json:"problem,omitempty"` // why they could not be counted
}

func (a *app) unserved(ctx context.Context, client *index.Client, served *index.Generation) ([]generationCount, error) {
	gens, err := client.Generations(ctx, served.Collection)
	if err != nil {
		return nil, err
	}
	out := []generationCount{}
	for _, g := range gens {
		if g.Number == served.Number {
			continue
		}
		stats, err := g.Stats(ctx)
		counted := generationCount{Generation: g.String(), Documents: stats.Documents, Chunks: stats.Chunks}
		if errors.Is(err, index.ErrDamaged) {
			counted.Problem, err = err.Error(), nil // it is not what is being verified
		}
		if err != nil {
			return nil, err
		}
		out = append(out, counted)
	}
	return out, nil
}

// verificationJSON is the machine form of a verification.
type verificationJSON struct {
	Generation     string            `json:"generation"`
	Documents      int               `json:"documents"`
	Indexed        int               `json:"documents_indexed"`
	Chunks         int               `json:"chunks"`
	ForeignChunks  int               `json:"foreign_chunks"`
	ReadData       bool              `json:"read_data"`
	ChunksRead     int               `json:"chunks_read"`
	Unsealed       int               `json:"chunks_without_checksum"`
	Texts          int               `json:"texts_compared"`
	Untexted       int               `json:"documents_without_text_hash"`
	Embedded       int               `json:"chunks_embedded"`
	DenseTolerance float64           `json:"dense_tolerance"`
	Changed        []text.DocID      `json:"changed_meanwhile"`
	Drift          []driftJSON       `json:"drift"`
	Repaired       *mendedJSON       `json:"repaired,omitempty"`
	Unserved       []generationCount `json:"unserved"`
}

type driftJSON struct {
	Kind   index.DriftKind `json:"kind"`
	Doc    text.DocID      `json:"doc,omitempty"`
	Chunk  *int            `json:"chunk,omitempty"`
	Point  string          `json:"point,omitempty"`
	Detail string          `json:"detail"`
	Remedy index.Remedy    `json:"remedy"`
}

type mendedJSON struct {
	Indexes   int          `json:"indexes"`
	Removed   int          `json:"removed"`
	Rewritten int          `json:"rewritten"`
	Marked    []text.DocID `json:"marked"`
	Left      []driftJSON  `json:"left"`
}

func driftsJSON(drift []index.Drift) []driftJSON {
	out := []driftJSON{}
	for _, d := range drift {
		j := driftJSON{Kind: d.Kind, Doc: d.Doc, Point: d.Point, Detail: d.Detail, Remedy: d.Remedy}
		if d.Ordinal >= 0 {
			j.Chunk = &d.Ordinal
		}
		out = append(out, j)
	}
	return out
}

func (v verification) machine() verificationJSON {
	r := v.found
	out := verificationJSON{
		Generation: v.gen.String(), Documents: r.Documents, Indexed: r.Indexed, Chunks: r.Chunks, ForeignChunks: r.Foreign, ReadData: v.options.ReadData,
		ChunksRead: r.Read, Unsealed: r.Unsealed, Texts: r.Texts, Untexted: r.Untexted, Embedded: r.Embedded,
		DenseTolerance: ingest.DenseTolerance, Changed: append([]text.DocID{}, r.Changed...), Drift: driftsJSON(r.Drift), Unserved: v.unserved,
	}
	if m := v.mended; m != nil {
		out.Repaired = &mendedJSON{m.Indexes, m.Removed, m.Rewritten, append([]text.DocID{}, m.Marked...), driftsJSON(v.left.Drift)}
	}
	return out
}
