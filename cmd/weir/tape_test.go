package main

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/reports"
	"github.com/weirlab/weir/workloads/scenario"
)

// The tape that a run keeps replays it.
func TestTheTapeOfARunReplaysIt(t *testing.T) {
	out := t.TempDir()
	run := func(args ...string) (r reports.Run) {
		code, stdout, stderr := call(append(append([]string{"run"}, args...), "--json", "--out", out)...)
		require.Equal(t, exitPassed, code, "%s", stderr)
		require.NoError(t, json.Unmarshal([]byte(stdout), &r))
		return r
	}
	first := run("testdata/short.yaml", "--tape")
	tape := filepath.Join(out, "latest", tapeFile)
	kept, err := scenario.ReadFile(tape)
	require.NoError(t, err)
	require.NotZero(t, kept.Simulation.Tape.Len())
	require.Equal(t, first.TraceHash, run(tape).TraceHash)

	code, _, stderr := call("run", "testdata/short.yaml", "--tape", "--target", "local")
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "--tape works with --target sim only")
}
