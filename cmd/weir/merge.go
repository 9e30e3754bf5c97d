package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	reportcampaign "github.com/weirlab/weir/reports/campaign"
	"github.com/weirlab/weir/workloads/campaign"
)

func mergeCommand(s streams) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "merge DIR...",
		Short: "Join the shards of a campaign and give its verdict",
		Long: "Join the shards of a campaign and give its verdict. Each DIR is what a shard\n" +
			"wrote, or a directory with those of several; in which order does not matter.\n" +
			"Shards that ran another program, scenario or campaign are refused. A seed that\n" +
			"is missing, a shard that was cut short or never ran, and a canary that was not\n" +
			"found make the verdict unknown (exit code 2); a seed that came to two different\n" +
			"ends is a run that is not a function of its seed (3).",
		Example: "  weir merge weir-out/campaign/nightly-2026-11-27",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			target := out
			if target == "" {
				target = filepath.Join(args[0], "merged")
			}
			dirs, err := campaignDirs(args, target)
			if err != nil {
				return err
			}
			merged, err := readAndMerge(dirs...)
			if err != nil {
				return err
			}
			if err := merged.Write(target); err != nil {
				return internal(err)
			}
			if err := reportcampaign.Write(target, merged); err != nil {
				return internal(err)
			}
			_, _ = io.WriteString(s.out, reportcampaign.Summary(merged))
			_, _ = fmt.Fprintf(s.out, "merged: %s\n", target)
			return verdict(campaignExit(merged))
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "directory for the merged campaign; by default DIR/merged of the first")
	return cmd
}

func historyCommand(s streams) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "history DIR...",
		Short: "Write a page about campaigns over time",
		Long: "Write a page about campaigns over time: what was found when, for the first and\n" +
			"the last time, how many seeds an hour and on which commit. Each DIR is a\n" +
			"campaign's directory, merged or of a single machine, or one with several.",
		Example: "  weir history weir-out/campaign",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			dirs, err := campaignDirs(args, "")
			if err != nil {
				return err
			}
			nights, err := reportcampaign.Nights(dirs)
			if err != nil {
				return err
			}
			if err := reportcampaign.WriteHistory(out, nights); err != nil {
				return internal(err)
			}
			_, _ = fmt.Fprintf(s.out, "%d campaigns: %s\n", len(nights), filepath.Join(out, reportcampaign.PageFile))
			return nil
		},
	}
	cmd.Flags().StringVar(&out, "out", filepath.Join("weir-out", "history"), "directory for the page")
	return cmd
}

// campaignDirs finds the campaigns' directories in what was named, but for the
// one that is written to.
func campaignDirs(args []string, out string) ([]string, error) {
	var dirs []string
	for _, arg := range args {
		before := len(dirs)
		err := filepath.WalkDir(arg, func(path string, d os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() && d.Name() == campaign.FailDir {
				return filepath.SkipDir
			}
			if d.Name() == campaign.ManifestFile && filepath.Dir(path) != filepath.Clean(out) {
				dirs = append(dirs, filepath.Dir(path))
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		if len(dirs) == before {
			return nil, fmt.Errorf("%s: there is no %s in it or below", arg, campaign.ManifestFile)
		}
	}
	slices.Sort(dirs)
	return slices.Compact(dirs), nil
}

func readAndMerge(dirs ...string) (*campaign.Merged, error) {
	var parts []*campaign.Part
	for _, dir := range dirs {
		p, err := campaign.Read(dir)
		if err != nil {
			return nil, err
		}
		parts = append(parts, p)
	}
	return campaign.Merge(parts...)
}

// campaignExit is the worst of the seeds' exit codes: a broken promise first,
// then a broken simulator, then what is not known.
func campaignExit(m *campaign.Merged) int {
	if len(m.Conflicts) > 0 && !slices.ContainsFunc(m.Results, func(r campaign.Result) bool { return r.Exit == exitFailed }) {
		return exitNotDeterministic
	}
	if code := worstExit(m.Results); code != exitPassed {
		return code
	}
	if !m.Whole() || len(m.Results) == 0 || (m.Manifest.Canary != nil && !m.Manifest.Canary.Found) {
		return exitUnknown
	}
	return exitPassed
}

// worstExit is the worst of the results' exit codes: a broken promise first, then
// a broken simulator, then what is not known.
func worstExit(results []campaign.Result) int {
	for _, code := range []int{exitFailed, exitNotDeterministic, exitInternal, exitLiveness, exitUnknown} {
		if slices.ContainsFunc(results, func(r campaign.Result) bool { return r.Exit == code }) {
			return code
		}
	}
	return exitPassed
}
