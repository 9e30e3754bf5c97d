package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/reports"
	"github.com/weirlab/weir/workloads/scenario"
)

// TestPlantedBugsShrink tests what is made of a find: the first finding of a
// planted bug becomes a plan of one screen that fails with the bug, passes
// without, and has a report that tells its story.
func TestPlantedBugsShrink(t *testing.T) {
	weir := os.Getenv("WEIR_FAULTS")
	if weir == "" {
		t.Skip("needs a build with planted bugs; run \"make planted\"")
	}
	const (
		mostFaults = 6
		screen     = 60 // lines
	)
	for _, c := range []struct{ bug, scenario, finding, step string }{
		{"B1", "quickstart", "", "cuts its log from offset"},
		{"B17", filepath.Join("testdata", "planted", "last-replica.yaml"), "^K2", "but lacks the record"},
		{"B33", filepath.Join("testdata", "planted", "resending.yaml"), "", "a broker refused"},
	} {
		t.Run(c.bug, func(t *testing.T) {
			out := t.TempDir()
			seed := foundIn100(t, weir, c.scenario, c.bug, c.finding).Seed
			text, err := exec.Command(weir, "shrink", c.scenario, "--seed", seed, "--plant", c.bug, "--out", out).CombinedOutput()
			require.NoError(t, err, "%s", text)

			files, err := filepath.Glob(filepath.Join(out, "*", "*", shrunkFile))
			require.NoError(t, err)
			require.Len(t, files, 1)
			plan, err := os.ReadFile(files[0])
			require.NoError(t, err)
			require.LessOrEqual(t, bytes.Count(plan, []byte("\n")), screen, "%s", plan)
			s, err := scenario.ReadFile(files[0])
			require.NoError(t, err)
			require.LessOrEqual(t, len(s.Faults.Plan), mostFaults, "%s", plan)

			found, err := reports.Load(filepath.Dir(files[0]))
			require.NoError(t, err)
			shrunk, err := filepath.EvalSymlinks(filepath.Join(out, "latest"))
			require.NoError(t, err)
			r, err := reports.Load(shrunk)
			require.NoError(t, err)
			require.Contains(t, r.Verdict.Signatures(), found.Verdict.Signature())
			e, err := reports.LoadExplanation(shrunk)
			require.NoError(t, err)
			require.True(t, e.Story.Told())
			steps := ""
			for _, step := range e.Story.Steps {
				steps += step.Text + "\n"
			}
			require.Contains(t, steps, c.step)
			page, err := os.Stat(filepath.Join(shrunk, reports.ReportFile))
			require.NoError(t, err)
			require.Less(t, page.Size(), int64(5<<20))

			text, err = exec.Command(weir, "run", files[0], "--out", out).CombinedOutput()
			require.NoError(t, err, "it must pass without the bug\n%s", text)
		})
	}
}
