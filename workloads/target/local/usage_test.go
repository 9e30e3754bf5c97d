//go:build unix

package local

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env/osenv"
	"github.com/weirlab/weir/workloads/target"
)

func TestUsageBetweenTellings(t *testing.T) {
	var c usageCurve
	c.add(time.Second, osenv.Usage{NetSentBytes: 100, Work: []osenv.WorkCount{{Op: "response", Calls: 10, Units: 1000}}})
	c.add(3*time.Second, osenv.Usage{NetSentBytes: 300, Work: []osenv.WorkCount{
		{Op: "request", Calls: 4, Units: 40}, {Op: "response", Calls: 30, Units: 5000},
	}})
	u := target.Usage{Name: "broker-1"}
	c.fill(&u, 2*time.Second, 4*time.Second)
	require.Equal(t, int64(100), u.NetSentBytes, "half of the first interval, and nothing after the last telling")
	require.Equal(t, []target.WorkCount{{Op: "request", Calls: 2, Units: 20}, {Op: "response", Calls: 10, Units: 2000}}, u.Work)
	c.fill(&u, 0, time.Second)
	require.Equal(t, int64(100), u.NetSentBytes, "from the start")
}
