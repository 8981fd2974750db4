package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"hullbeam/bench"
)

func benchCompare(std stdio) *cobra.Command {
	return &cobra.Command{
		Use:     "compare a.json b.json",
		Short:   "Compare two results",
		Long:    `Print what two results of one scenario have in common, with b as a multiple of a.`,
		Example: `  hullbeam bench compare before.json after.json`,
		Args:    someArgs(2, 2),
		RunE: func(_ *cobra.Command, files []string) error {
			results, err := readResults(files)
			if err != nil {
				return err
			}
			return bench.Compare(std.out, results[0], results[1])
		},
	}
}

func benchTable(std stdio) *cobra.Command {
	return &cobra.Command{
		Use:     "table name=result.json[,result.json...]...",
		Short:   "Put results of one scenario side by side",
		Long:    `Print results of one scenario side by side, under names: of several results the medians.`,
		Example: `  hullbeam bench table hullbeam=a1.json,a2.json,a3.json nchan=b1.json,b2.json,b3.json`,
		Args:    someArgs(1, 20),
		RunE: func(_ *cobra.Command, args []string) error {
			var names []string
			runs := map[string][]*bench.Result{}
			for _, arg := range args {
				name, files, ok := strings.Cut(arg, "=")
				if !ok {
					return usage(fmt.Errorf("%s is not name=result.json", arg))
				}
				results, err := readResults(strings.Split(files, ","))
				if err != nil {
					return err
				}
				names = append(names, name)
				runs[name] = results
			}
			return bench.Table(std.out, names, runs)
		},
	}
}

func benchPlot() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "plot result.json...",
		Short: "Draw results of one scenario",
		Long: `Draw results of one scenario into one plot: memory over streams for hold, else the
part of all that took so long or less.`,
		Example: `  hullbeam bench plot before.json after.json --out hold.svg`,
		Args:    someArgs(1, 20),
		RunE: func(_ *cobra.Command, files []string) error {
			results, err := readResults(files)
			if err != nil {
				return err
			}
			names := make([]string, len(files))
			for i, file := range files {
				names[i] = strings.TrimSuffix(filepath.Base(file), ".json")
			}
			return bench.Plot(out, names, results)
		},
	}
	cmd.Flags().StringVar(&out, "out", "bench.svg", "the file, .svg or .png")
	return cmd
}

func readResults(files []string) ([]*bench.Result, error) {
	results := make([]*bench.Result, 0, len(files))
	for _, file := range files {
		r, err := bench.Read(file)
		if err != nil {
			return nil, usage(err)
		}
		results = append(results, r)
	}
	return results, nil
}

// someArgs checks how many words a command was given.
func someArgs(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < least || len(args) > most {
			return usage(fmt.Errorf("%s takes %s", cmd.CommandPath(), strings.TrimPrefix(cmd.Use, cmd.Name()+" ")))
		}
		return nil
	}
}
