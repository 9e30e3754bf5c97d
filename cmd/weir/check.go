package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/reports"
	"github.com/weirlab/weir/workloads"
)

func checkCommand(s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "check DIR|history.jsonl",
		Short: "Judge the history of an earlier run again",
		Long: "Judge the history of an earlier run again.\n\n" +
			"What is missing from the history is said: a check without its evidence is\n" +
			"unknown, and so is the verdict (exit code 2). What the run itself found, and\n" +
			"is noted in run.json, stays found: a verdict only gets stricter. A check that\n" +
			"had nothing to look at says nothing. Neither file is changed.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, name := "", args[0]
			if info, err := os.Stat(name); err == nil && info.IsDir() {
				dir, name = name, filepath.Join(name, reports.HistoryFile)
			} else if _, err := os.Stat(filepath.Join(filepath.Dir(name), reports.RunFile)); err == nil && filepath.Base(name) == reports.HistoryFile {
				dir = filepath.Dir(name)
			}
			f, err := os.Open(name)
			if err != nil {
				return fmt.Errorf("there is no history to judge: %w", err)
			}
			history, err := linearizability.ReadHistory(f)
			if err = errors.Join(err, f.Close()); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			v := linearizability.Judge(cmd.Context(), history, linearizability.Options{})
			run := &reports.Run{}
			if dir != "" {
				if run, err = reports.Load(dir); err != nil {
					run = &reports.Run{Verdict: linearizability.Verdict{Status: statusUnknown, Checks: []linearizability.Check{{
						Name: "what the run found", Status: statusUnknown, Note: err.Error()}}}, Complete: true}
				}
				if !run.Complete && run.Verdict.Status != statusFailed {
					run.Verdict.Status = statusUnknown
					run.Verdict.Checks = append(run.Verdict.Checks, linearizability.Check{Name: "what the run found", Status: statusUnknown,
						Note: cmp.Or(run.Interrupted, "the run did not come to its end")})
				}
				v.Carry(run.Verdict, "when the run was judged")
			}
			printVerdict(s, v)
			return verdict(exitCode(run, &workloads.Outcome{Complete: true, Verdict: v}))
		},
	}
}

func printVerdict(s streams, v linearizability.Verdict) {
	_, _ = fmt.Fprintf(s.out, "verdict: %s\n", v.Status)
	for _, f := range v.Findings {
		_, _ = fmt.Fprintf(s.out, "%s: %s\n", f.Code, f.Sentence)
		for _, line := range f.Evidence {
			_, _ = fmt.Fprintf(s.out, "    %s\n", line)
		}
	}
	for _, e := range v.Excused {
		_, _ = fmt.Fprintf(s.out, "excused %s: %s-%d offsets %d to %d: %s\n", e.Code, e.Topic, e.Partition, e.First, e.Last, e.Reason)
	}
	for _, c := range v.Checks {
		status := string(c.Status)
		if c.Status == linearizability.Pass && c.Inputs == 0 {
			status = "nothing" // seen, and so nothing proved
		}
		_, _ = fmt.Fprintf(s.out, "  %-5s %-8s %s: %d %s\n", c.Code, status, c.Name, c.Inputs, c.Unit)
		if c.Note != "" && c.Status != linearizability.Pass {
			_, _ = fmt.Fprintf(s.out, "        %s\n", c.Note)
		}
	}
}

func reportCommand(s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "report DIR...",
		Short: "Draw the report of an earlier run again",
		Long: "Draw the report of an earlier run again, page and pictures, and print its\n" +
			"summary. The verdict is the one in run.json; \"weir check\" judges again.",
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			for _, dir := range args {
				if _, err := reports.Load(dir); err != nil {
					return err
				}
				if err := reports.Write(dir); err != nil {
					return internal(err)
				}
				if err := tell(s, dir, false); err != nil {
					return internal(err)
				}
			}
			return nil
		},
	}
}
