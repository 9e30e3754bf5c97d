package workloads_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Balancers move partitions about while brokers fail: nothing acknowledged is lost,
// and everything ends where they were told.
func TestBalancers(t *testing.T) {
	_, h := recorded(t, builtIn(t, "reassignment.yaml"))
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
	require.Greater(t, answered["throttle"], 10)
	require.Equal(t, 2, answered["describe"])
	require.NotZero(t, unanswered, "no fault was noticed")
	t.Logf("%v, %d unanswered", answered, unanswered)
}
