package machine_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/sim/machine"
	"github.com/weirlab/weir/sim/simnet"
)

func TestLimitsTellWhatWasUsed(t *testing.T) {
	p, err := machine.EC2("m5.2xlarge", machine.Storage{Class: "gp2", GiB: 100})
	require.NoError(t, err)
	p.Costs.Operations = map[string]machine.Cost{"request.produce": {CallNanos: int64(time.Second)}}
	k := world(t)
	net := simnet.New(k, simnet.Options{})
	m, err := p.Build(k, "m")
	require.NoError(t, err)
	n := k.NewNode("a")
	net.Attach(n, "a")
	net.Attach(k.NewNode("other"), "other")
	m.Host(n)
	m.Join(net, "a")
	n.SetFS(m.NewDisk(n))
	k.Node("other").Start("sink", func(e env.Env) {
		l, err := e.Listen("other:1")
		require.NoError(t, err)
		c, err := l.Accept()
		require.NoError(t, err)
		for buf := make([]byte, 1<<20); err == nil; {
			_, err = c.Read(buf)
		}
	})
	n.Start("main", func(e env.Env) {
		e.Work("request.produce", 1)
		f, err := e.FS().Create("log")
		require.NoError(t, err)
		_, err = f.WriteAt(make([]byte, 256<<20), 0)
		require.NoError(t, err)
		require.NoError(t, f.Sync())
		for _, l := range m.Limits() {
			if l.Name == "gp2 IOPS" {
				require.Less(t, l.Saved, l.Most)
			}
		}
		c, err := e.Dial("other:1", time.Second)
		require.NoError(t, err)
		_, err = c.Write(make([]byte, 100<<20))
		require.NoError(t, err)
		require.NoError(t, c.Close())
	})
	run(t, k)

	limits := map[string]machine.Limit{}
	for _, l := range m.Limits() {
		require.NotContains(t, limits, l.Name)
		limits[l.Name] = l
	}
	require.Equal(t, machine.Limit{Name: "processor", Unit: "ns", PerSecond: 8e9, Burst: 8e9, Used: 1e9}, limits[machine.LimitProcessor])

	iops := limits["gp2 IOPS"]
	require.EqualValues(t, 300, iops.PerSecond)
	require.EqualValues(t, 3000, iops.Burst)
	require.GreaterOrEqual(t, iops.Used, int64(1024))
	require.EqualValues(t, 5_400_000, iops.Most)
	require.Positive(t, limits["gp2 throughput"].Held, "128 MiB/s are the bottleneck of large writes")
	require.Greater(t, limits["gp2 throughput"].Held, iops.Held)

	pipe := limits["EBS bandwidth of the instance"]
	require.Positive(t, pipe.Most)
	require.GreaterOrEqual(t, pipe.Used, int64(256<<20))

	out := limits[machine.LimitNetworkOut]
	require.EqualValues(t, 312_500_000, out.PerSecond)
	require.EqualValues(t, 1_250_000_000, out.Burst)
	require.EqualValues(t, 100<<20, out.Used)
	require.EqualValues(t, 300*(1_250_000_000-312_500_000), out.Most, "five minutes of the burst")
	require.Zero(t, limits[machine.LimitNetworkIn].Used)
}
