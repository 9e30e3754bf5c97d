package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/workloads/experiment/regress"
)

// TestRegress compares this program with itself, as briefly as it can be. What
// comes out is noise; that it comes out whole is the point.
func TestRegress(t *testing.T) {
	if testing.Short() {
		t.Skip("needs half a minute")
	}
	weir := weirProgram(t)
	out := t.TempDir()
	code, stdout, stderr := call("regress", weir, weir, "--rounds", "3", "--round-time", "1ms", "--scratch", t.TempDir(), "--out", out)
	require.Contains(t, []int{exitPassed, exitFailed}, code, "%s%s", stdout, stderr)
	require.Contains(t, stdout, "Processor time of the brokers")

	file, err := os.ReadFile(filepath.Join(out, "result.json"))
	require.NoError(t, err)
	r, err := regress.Read(bytes.NewReader(file))
	require.NoError(t, err)
	require.Equal(t, code == exitFailed, r.Alarm)
	require.GreaterOrEqual(t, r.Rounds, 3)
	require.Len(t, r.Processes, 4*r.Rounds)
	for _, p := range r.Processes {
		require.Len(t, p.Slices, 8, "two blocks of four loads")
		for _, s := range p.Slices {
			require.Positive(t, s.Wall)
			require.Positive(t, s.P50)
			require.GreaterOrEqual(t, s.P99, s.P50)
			require.Positive(t, s.Bytes)
		}
	}
	for _, name := range []string{"regress.html", "changes.png", "old.txt", "new.txt"} {
		require.FileExists(t, filepath.Join(out, name))
	}
}
