package workloads_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/workloads/scenario"
)

// TestWhatWasFoundStaysFixed runs the explicit plans of seeds that once found
// a bug. Each file says which.
func TestWhatWasFoundStaysFixed(t *testing.T) {
	files, err := filepath.Glob("testdata/found/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			s, err := scenario.Parse(file, text)
			require.NoError(t, err)
			requirePassed(t, simulate(t, s.Resolve()))
		})
	}
}
