package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/ragloop/ragloop/internal/embed"
	"github.com/ragloop/ragloop/internal/embed/convert"
	"github.com/ragloop/ragloop/internal/embed/modelfile"
)

func (a *app) modelCmd() *cobra.Command {
	return group("model", "Make, describe and check model files", a.modelConvertCmd(), a.modelShowCmd(), a.modelCheckCmd())
}

func (a *app) modelConvertCmd() *cobra.Command {
	var o convert.Options
	var out, queryPrefix, passagePrefix string
	cmd := &cobra.Command{
		Use:   "convert DIR --out FILE",
		Short: "Turn a local folder of a BERT model into a model file",
		Long: `convert reads a folder in the layout of Hugging Face or sentence-transformers
(config.json, model.safetensors, vocab.txt or tokenizer.json, …) of an embedding
model or a cross-encoder of the BERT family, and writes one int8 model file for
embedder.model or retrieve.rerank.model. It downloads nothing. What cannot be
carried over is an error that names file and field. The flags say what the folder
does not, or replace what it says. The same folder gives the same bytes. Of
existing files only a model file is overwritten.`,
		Args: args(1, "DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return errors.New(`model convert needs --out FILE; see "ragloop model convert --help"`)
			}
			if err := checkOut("--out", out); err != nil {
				return err
			}
			if err := checkModelOut(out); err != nil {
				return err
			}
			if cmd.Flags().Changed("query-prefix") {
				o.QueryPrefix = &queryPrefix
			}
			if cmd.Flags().Changed("passage-prefix") {
				o.PassagePrefix = &passagePrefix
			}
			src, err := convert.Read(args[0], o)
			if err != nil {
				return err
			}
			data, report, err := src.Build()
			if err != nil {
				return err
			}
			// Before it takes the place of an earlier file.
			f, err := modelfile.Parse(data)
			if err != nil {
				return fmt.Errorf("model convert: %w", err)
			}
			m, err := describeModel(data, f)
			if err != nil {
				return fmt.Errorf("model convert: %w", err)
			}
			if err := writeFile(out, func(w io.Writer) error { _, err := w.Write(data); return err }); err != nil {
				return err
			}
			a.say("%d matrices as int8, %d tensors as floats; the largest relative error of a matrix is %.4f (%s)",
				report.Matrices, report.Floats, report.Worst, report.WorstName)
			return m.print(a)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&out, "out", "o", "", "model file to write (required)")
	f.StringVar(&o.Name, "name", "", "name of the model, for people (default: the folder's name)")
	f.StringVar(&o.License, "license", "", "SPDX identifier of the weights' licence (default: that of README.md)")
	f.StringVar(&o.Origin, "source", "", "where the weights come from, for people (default: the name)")
	f.StringVar(&o.Pooling, "pooling", "", "cls or mean (default: that of modules.json)")
	f.StringVar(&queryPrefix, "query-prefix", "", "instruction in front of queries (default: the folder's prompt)")
	f.StringVar(&passagePrefix, "passage-prefix", "", "instruction in front of passages (default: the folder's prompt)")
	f.IntVar(&o.MaxTokens, "max-tokens", 0, "window in tokens (default: the smallest limit in the folder)")
	return cmd
}

// checkModelOut refuses to write over anything but a model file: a slip must not
// cost the weights that are converted.
func checkModelOut(name string) error {
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && info.Mode().IsRegular() {
		var f *os.File
		if f, err = os.Open(name); err == nil {
			defer f.Close() // read only
			begin := make([]byte, len(modelfile.Magic))
			if n, _ := io.ReadFull(f, begin); string(begin[:n]) == modelfile.Magic {
				return nil
			}
		}
	}
	if err != nil {
		return fmt.Errorf("--out %s: %w", name, err)
	}
	return fmt.Errorf("--out %s exists and is no model file: only a model file is overwritten", name)
}

func (a *app) modelShowCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "show FILE",
		Short: "Print what is in a model file: architecture, sizes, checksum, fingerprint",
		Args:  args(1, "FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			data, f, err := embed.ReadModel(args[0])
			if err != nil {
				return err
			}
			m, err := describeModel(data, f)
			if err != nil {
				return fmt.Errorf("load model %s: %w", args[0], err)
			}
			return m.print(a)
		},
	}
}

// modelInfo describes a model file.
type modelInfo struct {
	Name         string                 `json:"name"`
	Kind         string                 `json:"kind"` // "embedding" or "cross-encoder"
	License      string                 `json:"license"`
	Source       string                 `json:"source"`
	SourceSHA256 string                 `json:"source_sha256"`
	SHA256       string                 `json:"sha256"` // of everything behind the prelude
	Fingerprint  string                 `json:"fingerprint"`
	Bytes        int                    `json:"bytes"`
	Parameters   int64                  `json:"parameters"`
	Pieces       int                    `json:"pieces"`
	Architecture modelfile.Architecture `json:"architecture"`
}

// describeModel describes a model file, of which f is the parsed form, and makes
// sure that it can be run.
func describeModel(data []byte, f *modelfile.File) (modelInfo, error) {
	m := modelInfo{
		Kind: "embedding", License: f.Header.License, Source: f.Header.Source, SourceSHA256: f.Header.SourceSHA256,
		SHA256: fmt.Sprintf("%x", f.Checksum), Bytes: len(data), Parameters: f.Parameters(),
		Pieces: f.Rows("embeddings.word_embeddings.weight"), Architecture: f.Header.Architecture,
	}
	var info embed.Info
	if m.Architecture.Head == modelfile.CrossEncoder {
		m.Kind = "cross-encoder"
		c, err := embed.NewCrossEncoder(data)
		if err != nil {
			return modelInfo{}, err
		}
		info = c.Info()
	} else {
		e, err := embed.New(data)
		if err != nil {
			return modelInfo{}, err
		}
		info = e.Info()
	}
	m.Name, m.Fingerprint = f.Header.Name, info.Fingerprint
	return m, nil
}

func (m modelInfo) print(a *app) error {
	if a.json {
		return json.NewEncoder(a.out).Encode(m)
	}
	arch := m.Architecture
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	row("name", "%s", printable(m.Name))
	row("kind", "%s", m.Kind)
	row("license", "%s", printable(m.License))
	row("source", "%s", printable(m.Source))
	row("size", "%d bytes, %d parameters", m.Bytes, m.Parameters)
	row("layers", "%d of %d heads, hidden %d, inner %d", arch.Layers, arch.Heads, arch.Hidden, arch.Intermediate)
	row("window", "%d tokens", arch.MaxTokens)
	row("activation", "%s", arch.Activation)
	if m.Kind == "embedding" {
		row("pooling", "%s, then %s", arch.Pooling, arch.Normalization)
		row("query prefix", "%q", arch.QueryPrefix)
		row("passage prefix", "%q", arch.PassagePrefix)
	}
	row("tokenizer", "%s, %d pieces", arch.Tokenizer, m.Pieces)
	if wp := arch.WordPiece; wp != nil {
		row("", "lowercase %v, strip accents %v, ideographs apart %v", wp.Lowercase, wp.StripAccents, wp.HandleChineseChars)
	}
	row("weights sha256", "%s", m.SourceSHA256)
	row("sha256", "%s", m.SHA256)
	row("fingerprint", "%s", m.Fingerprint)
	return w.Flush()
}

// Least cosines, and the largest difference of a logit as a share of their
// spread, that "model check" accepts.
const (
	leastQueryCosine   = 0.995
	leastPassageCosine = 0.99
	largestScoreShare  = 0.1
)

func (a *app) modelCheckCmd() *cobra.Command {
	var dir string
	var o convert.Options
	cmd := &cobra.Command{
		Use:   "check FILE",
		Short: "Run a model file on fixed texts and compare with the folder it was made from",
		Long: fmt.Sprintf(`check loads a model file and runs it on fixed texts. With --dir it also runs the
unquantised weights of the folder on them, in the plainest way, and prints the
least cosine between the two (for a cross-encoder: the largest difference of a
score). The exit code is 1 when that is below %v for queries or %v for passages
(above %v of the spread of scores). Tokens are the program's in both: the check is about
weights and arithmetic.`, leastQueryCosine, leastPassageCosine, largestScoreShare),
		Args: args(1, "FILE"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.checkModel(cmd.Context(), args[0], dir, o) },
	}
	cmd.Flags().StringVar(&dir, "dir", "", "folder that the model file was made from")
	return textOnly(cmd)
}

func (a *app) checkModel(ctx context.Context, path, dir string, o convert.Options) error {
	data, f, err := embed.ReadModel(path)
	if err != nil {
		return err
	}
	var src *convert.Source
	if dir != "" {
		arch := f.Header.Architecture
		o.MaxTokens = arch.MaxTokens
		if arch.Head != modelfile.CrossEncoder {
			o.Pooling, o.QueryPrefix, o.PassagePrefix = arch.Pooling, &arch.QueryPrefix, &arch.PassagePrefix
		}
		if src, err = convert.Read(dir, o); err != nil {
			return err
		}
		if src.Header.SourceSHA256 != f.Header.SourceSHA256 {
			return fmt.Errorf("model check %w: %s was made from weights with SHA-256 %s, those in %s have %s",
				errFailed, path, f.Header.SourceSHA256, dir, src.Header.SourceSHA256)
		}
	}
	queries, passages := convert.Texts()
	if f.Header.Architecture.Head == modelfile.CrossEncoder {
		c, err := embed.NewCrossEncoder(data)
		if err != nil {
			return fmt.Errorf("load model %s: %w", path, err)
		}
		return a.checkCrossEncoder(ctx, c, src, queries, passages)
	}
	e, err := embed.New(data)
	if err != nil {
		return fmt.Errorf("load model %s: %w", path, err)
	}
	return a.checkEmbedding(ctx, e, src, queries, passages)
}

func (a *app) checkEmbedding(ctx context.Context, e *embed.Builtin, src *convert.Source, queries, passages []string) error {
	if src == nil {
		if _, err := e.Embed(ctx, embed.Query, queries); err != nil {
			return err
		}
		if _, err := e.Embed(ctx, embed.Passage, passages); err != nil {
			return err
		}
		_, err := fmt.Fprintf(a.out, "%d texts embedded\n", len(queries)+len(passages))
		return err
	}
	d, err := src.CheckEmbedder(ctx, e, queries, passages)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "least cosine to the source over %d texts: queries %.4f, passages %.4f\n", d.Texts, d.Queries, d.Passages)
	if !(d.Queries >= leastQueryCosine && d.Passages >= leastPassageCosine) {
		return fmt.Errorf("model check %w: allowed are %v and %v", errFailed, leastQueryCosine, leastPassageCosine)
	}
	return nil
}

func (a *app) checkCrossEncoder(ctx context.Context, c *embed.CrossEncoder, src *convert.Source, queries, passages []string) error {
	if src == nil {
		for _, q := range queries {
			if _, err := c.Score(ctx, q, passages); err != nil {
				return err
			}
		}
		_, err := fmt.Fprintf(a.out, "%d pairs scored\n", len(queries)*len(passages))
		return err
	}
	d, err := src.CheckCrossEncoder(ctx, c, queries, passages)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "largest difference of a score from the source over %d pairs: %.4f; the scores span %.4f\n", d.Texts, d.Score, d.Spread)
	if !(d.Score <= largestScoreShare*d.Spread) {
		return fmt.Errorf("model check %w: allowed is %v of the span", errFailed, largestScoreShare)
	}
	return nil
}
