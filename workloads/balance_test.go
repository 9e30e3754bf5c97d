package workloads_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/scenarios"
	"github.com/weirlab/weir/workloads"
	"github.com/weirlab/weir/workloads/scenario"
)

// Balancers move partitions about while brokers fail: nothing acknowledged is lost,
// and everything ends where they were told.
func TestBalancers(t *testing.T) {
	text, err := scenarios.Files.ReadFile("reassignment.yaml")
	require.NoError(t, err)
	s, err := scenario.Parse("reassignment.yaml", text)
	require.NoError(t, err)
	var file bytes.Buffer
	o, err := workloads.RunSim(context.Background(), workloads.Options{Scenario: s, History: &file})
	require.NoError(t, err)
	requirePassed(t, o)
	h, err := linearizability.ReadHistory(&file)
	require.NoError(t, err)
	answered, unanswered := map[string]int{}, 0
	for _, a := range h.Administrations {
		if a.Error == "" {
			answered[strings.Fields(a.Op)[0]]++
		} else {
			unanswered++
		}
	}
	require.Greater(t, answered["move"], 50)
	require.Greater(t, answered["cancel"], 10)
	require.Equal(t, 2, answered["describe"])
	require.NotZero(t, unanswered, "no fault was noticed")
	t.Logf("%v, %d unanswered", answered, unanswered)
}
