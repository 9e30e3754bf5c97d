package sim

import (
	"testing"

	"github.com/stretchr/testify/require"

	kernel "github.com/weirlab/weir/sim"
	"github.com/weirlab/weir/sim/simnet"
	"github.com/weirlab/weir/workloads/scenario"
)

// Racks that are zones have longer ways between them, and clients take turns in
// them as brokers do.
func TestZones(t *testing.T) {
	k := kernel.NewKernel(kernel.Options{Seed: 1})
	net := simnet.New(k, simnet.Options{})
	s := &scenario.Scenario{Cluster: scenario.Cluster{Racks: scenario.Exactly(2), BetweenRacks: scenario.CrossZone}}
	z := newZones(net, s)
	for i, name := range []string{"a", "b", "c", "client-1", "client-2"} {
		net.Attach(k.NewNode(name), name)
		if i < 3 {
			z.place(name, i)
			continue
		}
		z.place(name, z.guests)
		z.guests++
	}
	for _, c := range []struct {
		from, to string
		far      bool
	}{{"a", "b", true}, {"b", "a", true}, {"a", "c", false}, {"client-1", "a", false}, {"b", "client-1", true}, {"client-2", "b", false}, {"client-2", "client-1", true}} {
		want := simnet.SameZone()
		if c.far {
			want = simnet.OtherZone()
		}
		require.Equal(t, want, net.Link(c.from, c.to), "%s to %s", c.from, c.to)
	}
	s.Cluster.BetweenRacks = ""
	none := newZones(net, s)
	none.place("a", 0)
	none.place("b", 1)
	require.Empty(t, none.hosts)
	require.NoError(t, k.Close())
}
