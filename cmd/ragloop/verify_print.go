package main

import (
	"fmt"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/ragloop/ragloop/ingest"
	"github.com/ragloop/ragloop/internal/index"
)

func (a *app) printVerification(v verification, took time.Duration) error {
	r := v.found
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s\t\n", bold(a.out, v.gen.String()))
	fmt.Fprintf(w, "  records, ids and revisions\t%s, %s\n", plural(r.Documents, "document", "documents"), plural(r.Chunks, "chunk", "chunks"))
	if v.options.ReadData {
		fmt.Fprintf(w, "  what chunks hold\t%d of %s\n", r.Read, plural(r.Chunks, "chunk", "chunks"))
		fmt.Fprintf(w, "  whole texts\t%d of %s\n", r.Texts, plural(r.Indexed, "document", "documents"))
		fmt.Fprintf(w, "  dense vectors\t%d of %s, cosine at least %v\n", r.Embedded, plural(r.Chunks, "chunk", "chunks"), ingest.DenseTolerance)
	} else {
		fmt.Fprintf(w, "  what chunks hold\tnot compared, --read-data does\n")
	}
	if r.Unsealed > 0 {
		fmt.Fprintf(w, "  not checkable\tvectors and headings of %s of an older version, without checksum\n", plural(r.Unsealed, "chunk", "chunks"))
	}
	if r.Untexted > 0 {
		fmt.Fprintf(w, "  not checkable\ttext of %s of an older version, without hash\n", plural(r.Untexted, "document", "documents"))
	}
	if r.Foreign > 0 {
		fmt.Fprintf(w, "  of other tenants\t%s, not compared\n", plural(r.Foreign, "chunk", "chunks"))
	}
	if n := len(r.Changed); n > 0 {
		fmt.Fprintf(w, "  written to meanwhile\t%s, not compared\n", plural(n, "document", "documents"))
	}
	for _, g := range v.unserved {
		if g.Problem != "" {
			fmt.Fprintf(w, "%s, not served\tnot compared: %s\n", g.Generation, printable(g.Problem))
			continue
		}
		fmt.Fprintf(w, "%s, not served\tnot compared: %s, %s\n", g.Generation, plural(g.Documents, "document", "documents"), plural(g.Chunks, "chunk", "chunks"))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := a.printDrift(r.Drift, "found"); err != nil {
		return err
	}
	switch m := v.mended; {
	case len(r.Drift) == 0:
		fmt.Fprintf(a.out, "\nall as it should be, in %.1f s\n", took.Seconds())
	case m == nil:
		fmt.Fprintf(a.out, "\n%s\n", remedies(r))
	default:
		fmt.Fprintf(a.out, "\nrepaired: %s created, %s removed, %s made again, %s marked for the next ingest\n",
			plural(m.Indexes, "index", "indexes"), plural(m.Removed, "point", "points"), plural(m.Rewritten, "point", "points"), plural(len(m.Marked), "document", "documents"))
		if len(v.left.Drift) == 0 {
			fmt.Fprintf(a.out, "compared again: all as it should be, in %.1f s\n", took.Seconds())
			return nil
		}
		return a.printLeft(v.left)
	}
	return nil
}

// printLeft says what a repair could not mend.
func (a *app) printLeft(r index.Report) error {
	var other []index.Drift
	for _, d := range r.Drift {
		if d.Remedy != index.Reingest {
			other = append(other, d)
		}
	}
	if err := a.printDrift(other, "left"); err != nil {
		return err
	}
	docs := r.Damaged()
	if len(docs) == 0 {
		return nil
	}
	fmt.Fprintf(a.out, "left: %s, which \"ragloop ingest PATH\" reads again:\n", plural(len(docs), "document", "documents"))
	for i, doc := range docs {
		if i == maxListed {
			fmt.Fprintf(a.out, "  … and %d more, --json lists all\n", len(docs)-i)
			break
		}
		fmt.Fprintf(a.out, "  %s\n", printable(string(doc)))
	}
	return nil
}

// printDrift lists the first of each kind.
func (a *app) printDrift(drift []index.Drift, what string) error {
	if len(drift) == 0 {
		return nil
	}
	fmt.Fprintf(a.out, "\n%s: %s\n", what, plural(len(drift), "thing", "things"))
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "kind\tdocument\tchunk\tpoint\tremedy\twhat")
	for i, of := 0, 0; i < len(drift); i++ {
		d := drift[i]
		if i > 0 && drift[i-1].Kind != d.Kind {
			of = 0
		}
		if of++; of > maxListed {
			more := 1
			for ; i+1 < len(drift) && drift[i+1].Kind == d.Kind; i++ {
				more++
			}
			fmt.Fprintf(w, "%s\t… and %d more, --json lists all\t\t\t\t\n", d.Kind, more)
			continue
		}
		doc, chunk := printable(string(d.Doc)), "-"
		if d.Doc == "" {
			doc = "-"
		}
		if d.Ordinal >= 0 {
			chunk = strconv.Itoa(d.Ordinal)
		}
		point := d.Point
		if point == "" {
			point = "-"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", d.Kind, doc, chunk, point, d.Remedy, printable(d.Detail))
	}
	return w.Flush()
}

// remedies says what mends the drift of a report.
func remedies(r index.Report) string {
	mendable, refused, rebuild := 0, 0, false
	for _, d := range r.Drift {
		switch d.Remedy {
		case index.Rebuild:
			rebuild = true
		case index.Recreate, index.Remove, index.Rewrite:
			mendable++
		case index.Reingest: // counted by document
		case index.Unknown:
			refused++
		}
	}
	out := ""
	if mendable > 0 {
		out += fmt.Sprintf("--repair mends %d of these from what is stored. ", mendable)
	}
	if docs := r.Damaged(); len(docs) > 0 {
		out += fmt.Sprintf("%s must be read again: --repair marks, then \"ragloop ingest PATH\" mends. ", plural(len(docs), "document", "documents"))
	}
	if refused > 0 {
		out += fmt.Sprintf("The embedder refuses %s: nobody can tell whether the dense vectors are right. ", plural(refused, "stored text", "stored texts"))
	}
	if rebuild {
		out += `The collection does not fit its recipe: "ragloop ingest --rebuild PATH". `
	}
	return out[:max(0, len(out)-1)]
}

// plural returns n with the word for one or for several things.
func plural(n int, one, several string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, several)
}
