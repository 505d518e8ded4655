package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/ragloop/ragloop/evalret/ground"
	"github.com/ragloop/ragloop/evalret/ground/meta"
	"github.com/ragloop/ragloop/evalret/metric"
)

// mutatedAnswers is how many answers of each class are mutated by default.
const mutatedAnswers = 500

type groundMetaFlags struct {
	data      []string
	judge     string
	folds     int
	mutations bool
	limit     int
	seed      uint64
}

func (a *app) groundMetaCmd() *cobra.Command {
	return a.metaCmd("ground meta")
}

// metaCmd is there under two names: "eval meta" and "ground meta".
func (a *app) metaCmd(name string) *cobra.Command {
	var f groundMetaFlags
	cmd := &cobra.Command{
		Use:   "meta --data FILE…",
		Short: "Judge the judges: how well groundedness agrees with people",
		Long: `meta scores responses that people have judged and says how well the scores agree:
area under the ROC curve, balanced accuracy on one half of the rows at the threshold
that is best on the other, Spearman correlation with ratings beside that of people
among themselves, and calibration, with 95 % intervals. Rows that share a context, a
longer sentence of it or a response are a group: no group is split between halves or
parts, and intervals draw groups.

--data takes JSON Lines {"id","dataset","context","response","label" or
"ratings","type"}. label is 0 or 1. Responses with labels are scored by their worst
claim, those with ratings by the mean.

The lexical judge's built-in model was fitted on some public sets: on them,
--folds 10 fits it again without what it is tested on.

--mutations puts faults into supported responses and says how many are noticed;
it needs no labels of faults.`,
		Args: args(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case len(f.data) == 0:
				return fmt.Errorf("%s needs --data FILE", name)
			case f.folds < 0 || f.folds == 1:
				return fmt.Errorf("%s: --folds is %d, allowed are 0 (the built-in model) and 2 or more", name, f.folds)
			case f.folds > 0 && f.judge != lexicalJudge:
				return fmt.Errorf("%s: --folds only goes with --judge %s: it alone is fitted", name, lexicalJudge)
			case f.limit < 0:
				return fmt.Errorf("%s: --limit is %d, allowed is 0 (all) and up", name, f.limit)
			case !f.mutations && cmd.Flags().Changed("limit"):
				return fmt.Errorf("%s: --limit only goes with --mutations", name)
			}
			return a.groundMeta(cmd, name, f)
		},
	}
	fl := cmd.Flags()
	fl.StringArrayVar(&f.data, "data", nil, "file of judged responses (JSON Lines); may be repeated")
	fl.StringVar(&f.judge, "judge", lexicalJudge, "lexical (offline), nli (the endpoint of nli.url) or llm")
	fl.IntVar(&f.folds, "folds", 0, "fit the lexical judge by cross-validation over so many parts; 0: use the built-in model")
	fl.BoolVar(&f.mutations, "mutations", false, "test with faults put into supported responses, instead")
	fl.IntVar(&f.limit, "limit", mutatedAnswers, "with --mutations: responses of each class; 0: all")
	fl.Uint64Var(&f.seed, "seed", defaultSeed, "seed of the intervals")
	return cmd
}

func (a *app) groundMeta(cmd *cobra.Command, name string, f groundMetaFlags) error {
	judge, err := a.checkedJudge(name, f.judge)
	if err != nil {
		return err
	}
	var rows []meta.Row
	for _, file := range f.data {
		more, err := meta.ReadFile(file)
		if err != nil {
			return err
		}
		rows = append(rows, more...)
	}
	o := meta.Options{Seed: f.seed}
	if f.mutations {
		kills, err := meta.Mutate(cmd.Context(), judge, rows, f.limit, o)
		if err != nil {
			return err
		}
		return a.printKills(judge.Info(), kills)
	}
	var scored []meta.Scored
	if f.folds > 0 {
		scored, err = meta.CrossValidated(cmd.Context(), rows, f.folds)
	} else {
		scored, err = meta.Judge(cmd.Context(), judge, rows)
	}
	if err != nil {
		return err
	}
	return a.printAgreement(judge.Info(), meta.Evaluate(scored, o), f.folds)
}

func (a *app) printAgreement(info ground.Info, sets []meta.Agreement, folds int) error {
	if a.json {
		return json.NewEncoder(a.out).Encode(struct {
			Judge  string           `json:"judge"`
			Folds  int              `json:"folds,omitempty"`
			Limits []string         `json:"limits"`
			Sets   []meta.Agreement `json:"sets"`
		}{info.Name, folds, info.Limits, sets})
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "set\trows\tgroups\tscored\tAUROC\tSpearman\tbalanced accuracy\tECE\thuman ceiling")
	for _, s := range sets {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%s\t%s\t%s\t%s\t%s\n", printable(s.Set), s.Rows, s.Groups, s.Scored,
			figure(s.AUROC), figure(s.Spearman), figure(s.BalancedAccuracy), figure(s.ECE), figure(s.HumanCeiling))
		for _, t := range s.Types {
			fmt.Fprintf(w, "  %s\t%d\t\t\t%s\n", printable(t.Type), t.Rows, figure(t.AUROC))
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	how := "as it is built in"
	if folds > 0 {
		how = fmt.Sprintf("cross-validated in %d parts", folds)
	}
	fmt.Fprintf(a.out, "\n%s, %s. Rows that abstain or claim nothing are not scored.\n", info.Name, how)
	a.printLimits(info)
	return nil
}

func (a *app) printKills(info ground.Info, kills []meta.Kills) error {
	if a.json {
		return json.NewEncoder(a.out).Encode(struct {
			Judge     string       `json:"judge"`
			Limits    []string     `json:"limits"`
			Mutations []meta.Kills `json:"mutations"`
		}{info.Name, info.Limits, kills})
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "mutation\ttried\tmust\tright\tmean drop\twhat")
	for _, k := range kills {
		must := "fall"
		if k.Holds {
			must = "hold"
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\n", k.Class, k.Tried, must, figure(meta.Figure{Value: k.Rate, CI95: k.CI95}), figure(meta.Figure{Value: k.Drop}), k.What)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(a.out)
	a.printLimits(info)
	return nil
}

// figure returns "0.812 [0.780, 0.845]", or "-" for no value.
func figure(f meta.Figure) string {
	n, ok := f.Value.Float()
	if !ok || f.Value.State() == metric.Failed {
		return "-"
	}
	if f.CI95 == nil {
		return fmt.Sprintf("%.3f", n)
	}
	return fmt.Sprintf("%.3f [%.3f, %.3f]", n, f.CI95[0], f.CI95[1])
}

func (a *app) groundFitCmd() *cobra.Command {
	var dir, out string
	cmd := &cobra.Command{
		Use:   "fit --data DIR -o FILE",
		Short: "Fit the lexical judge's model to responses that people have judged",
		Long: `fit writes the model of the lexical judge, fitted to all *.jsonl files of a folder
in the form that "ragloop ground meta" reads. The same files give the same bytes.
How good it is says "ragloop ground meta --folds 10" on the same files.`,
		Args: args(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dir == "" || out == "" {
				return errors.New("ground fit takes --data DIR and -o FILE")
			}
			if err := checkOut("-o", out); err != nil {
				return err
			}
			files, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
			if err != nil {
				return fmt.Errorf("ground fit: --data %s: %w", dir, err)
			}
			if len(files) == 0 {
				return fmt.Errorf("ground fit: --data %s: there is no *.jsonl file in it", dir)
			}
			slices.Sort(files)
			var rows []meta.Row
			for _, file := range files {
				more, err := meta.ReadFile(file)
				if err != nil {
					return err
				}
				rows = append(rows, more...)
			}
			m, err := ground.Fit(cmd.Context(), meta.Examples(rows))
			if err != nil {
				return err
			}
			b, err := m.Write()
			if err != nil {
				return err
			}
			a.say("fitted to %d claims of %d responses in %d files", m.Claims, len(rows), len(files))
			return writeFile(out, func(w io.Writer) error {
				_, err := w.Write(b)
				return err
			})
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&dir, "data", "", "folder of judged responses (*.jsonl)")
	fl.StringVarP(&out, "output", "o", "", "file to write")
	return textOnly(cmd)
}
