package broker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/env"
)

// Each listener tells of its own kind of nodes, and of fenced brokers only who
// asks for them.
func TestDescribeClusterTellsOfTheNodesOfItsListener(t *testing.T) {
	runSim(t, 3, nil, func(c *simCluster, e env.Env) {
		c.ready(e)
		gone := (c.controller() + 1) % 3
		asked := (gone + 1) % 3
		c.nodes[gone].Crash()
		ask := func(addr string, version int16, kind int8, fenced bool) *kmsg.DescribeClusterResponse {
			resp, err := c.askAt(e, addr, &kmsg.DescribeClusterRequest{Version: version, EndpointType: kind, IncludeFencedBrokers: fenced}, time.Second)
			require.NoError(t, err)
			return resp.(*kmsg.DescribeClusterResponse)
		}
		at, controllerAt := c.cfgs[asked].Listen, c.cfgs[asked].Voters[asked].Host+":9093"
		c.await(e, "fenced", func() bool { return len(ask(at, 1, 1, false).Brokers) == 2 })
		all := ask(at, 2, 1, true).Brokers
		require.Len(t, all, 3)
		for _, b := range all {
			require.Equal(t, int(b.NodeID) == gone+1, b.IsFenced)
		}
		require.Len(t, ask(at, 0, 1, false).Brokers, 2)
		require.Equal(t, kerr.MismatchedEndpointType.Code, ask(at, 1, 2, false).ErrorCode)
		require.Equal(t, kerr.UnsupportedEndpointType.Code, ask(at, 1, 9, false).ErrorCode)

		controllers := ask(controllerAt, 1, 2, false)
		require.Zero(t, controllers.ErrorCode)
		require.Len(t, controllers.Brokers, 3)
		require.EqualValues(t, 9093, controllers.Brokers[0].Port)
		require.EqualValues(t, c.controller()+1, controllers.ControllerID)
		require.Equal(t, kerr.MismatchedEndpointType.Code, ask(controllerAt, 1, 1, false).ErrorCode)
	})
}
