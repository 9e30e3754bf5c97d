package compare

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/sim/ec2"
)

// small is a plan that is simulated in seconds: a volume so small that its
// credits matter.
func small() Plan {
	p := DefaultPlan()
	p.Configurations = []Configuration{{Instance: "m5.xlarge", Volume: &ec2.VolumeSpec{Class: "gp2", GiB: 120}}}
	p.LoadBytesPerSecond, p.StoredBytes, p.Partitions, p.Hours, p.Window, p.Costs = 5_000_000, 60<<30, 2, 12, time.Second, "weir"
	return p
}

// TestRun holds that a comparison finds the limits of its disk, and is the
// same when it is made again.
func TestRun(t *testing.T) {
	if testing.Short() {
		t.Skip("simulates a cluster for some seconds, twice")
	}
	r, err := Run(context.Background(), small(), 0, nil)
	require.NoError(t, err)
	e := r.Configurations[0]

	// 128 MiB/s while there are credits; then 360 IOPS of 256 KiB at most.
	full, spent := e.Off.Ceiling, e.Off.Spent
	require.NotNil(t, spent)
	require.Equal(t, "gp2 throughput", full.Bottleneck)
	require.InDelta(t, 128<<20, full.Acked, 0.15*(128<<20))
	require.Equal(t, "gp2 IOPS", spent.Bottleneck)
	require.Less(t, spent.Acked, int64(360*256<<10)*115/100)
	require.Equal(t, "gp2 IOPS", e.Off.Course.Limit)
	require.NotNil(t, e.Off.Before)
	require.Greater(t, At(e.Off.After.Produce, 99), At(e.Off.Before.Produce, 99))

	require.True(t, e.Off.Carries(r.Plan))
	require.Less(t, At(e.Off.Common.Produce, 99), At(e.On.Common.Produce, 99), "an fsync takes time")
	require.Positive(t, e.CatchUp.BytesPerSecond)
	require.NoError(t, r.Document().Check())

	again, err := Run(context.Background(), small(), 1, nil)
	require.NoError(t, err)
	for i, p := range again.Configurations[0].Patterns() {
		require.Equal(t, e.Patterns()[i].Ceiling.TraceHash, p.Ceiling.TraceHash)
		require.Equal(t, e.Patterns()[i].Sustained(), p.Sustained())
	}
	require.Equal(t, e.Host, again.Configurations[0].Host)
}

// TestRunThatIsStopped ends soon and says why.
func TestRunThatIsStopped(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errors.New("enough"))
	_, err := Run(ctx, small(), 0, nil)
	require.ErrorContains(t, err, "enough")
}
