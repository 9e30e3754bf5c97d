package workloads_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/workloads"
)

// Members of a share group get each record, and none again that is done, while leaders
// and coordinators fail.
func TestSharers(t *testing.T) {
	var file bytes.Buffer
	o, err := workloads.RunSim(context.Background(), workloads.Options{Scenario: builtIn(t, "share-groups.yaml"), History: &file})
	require.NoError(t, err)
	requirePassed(t, o)
	seen := 0
	for _, c := range o.Verdict.Checks {
		if c.Unit == "records given to members of share groups" || c.Name == "acknowledged records reach share groups" {
			seen++
			require.Equal(t, linearizability.Pass, c.Status, "%s %s: %s", c.Code, c.Name, c.Note)
			require.NotZero(t, c.Inputs, "%s %s", c.Code, c.Name)
		}
	}
	require.Equal(t, 3, seen)
	h, err := linearizability.ReadHistory(&file)
	require.NoError(t, err)
	said, given := map[string]int{}, map[int64]int{}
	for _, s := range h.Sharings {
		if s.Said != "" {
			said[s.Said]++
			continue
		}
		for _, r := range s.Runs {
			for i := range r.Count {
				given[int64(s.Partition)<<32+r.Offset+i]++
			}
		}
	}
	require.Positive(t, said["release"])
	require.Positive(t, said["reject"])
	again := 0
	for _, n := range given {
		if n > 1 {
			again++
		}
	}
	require.Greater(t, again, 20, "records given again")
}
