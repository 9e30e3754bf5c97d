package compare

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/sim/ec2"
)

func onVolume(class string, gib, iops int64) Configuration {
	return Configuration{Instance: "r5.2xlarge", Volume: &ec2.VolumeSpec{Class: class, GiB: gib, IOPS: iops}}
}

// TestDrainFollowsTheWorkedExamples: a demand of the full burst runs out when
// the EC2 User Guide says that it does.
func TestDrainFollowsTheWorkedExamples(t *testing.T) {
	for _, row := range []struct {
		name   string
		c      Configuration
		demand Demand
		limit  string
		after  time.Duration
		last   float64 // percent of the demand
	}{
		// 5.4 million credits / (3,000 - 300) = 2,000 s; then 300 IOPS.
		{"gp2 of 100 GiB", onVolume("gp2", 100, 0), Demand{WriteBytes: 3000 << 14, WriteIOs: 3000}, "gp2 IOPS", 2000 * time.Second, 10},
		// 5.4 million / (3,000 - 2,250) = 7,200 s; then 2,250 IOPS.
		{"gp2 of 750 GiB", onVolume("gp2", 750, 0), Demand{WriteBytes: 3000 << 14, WriteIOs: 3000}, "gp2 IOPS", 7200 * time.Second, 75},
		// 1 TiB of credit / (250 - 40 MiB/s); then 40 MiB/s.
		{"st1 of 1 TiB", onVolume("st1", 1024, 0), Demand{WriteBytes: 250 << 20, WriteIOs: 250}, "st1 throughput", (1 << 20) * time.Second / 210, 16},
		// The pipe: 30 minutes a day, then its baseline: 2,300 of 4,750 Mbit/s.
		{"EBS pipe", onVolume("io2", 500, 4000), Demand{WriteBytes: 593_750_000, WriteIOs: 2375}, "EBS bandwidth of the instance", 30 * time.Minute, 48.4},
	} {
		t.Run(row.name, func(t *testing.T) {
			course, err := Drain(row.c, row.demand, 4)
			require.NoError(t, err)
			require.NotEmpty(t, course.Exhausted)
			require.Equal(t, row.limit, course.Exhausted[0].Limit)
			require.InDelta(t, row.after.Seconds(), course.Exhausted[0].At.Seconds(), 0.01*row.after.Seconds())
			require.InDelta(t, 100, course.First, 0.5)
			require.InDelta(t, row.last, course.Last, 0.5)
			require.Equal(t, row.limit, course.Limit)
			last := course.Points[len(course.Points)-1]
			for _, g := range last.Credits {
				if g.Limit == row.limit {
					require.Less(t, g.Percent, 0.1)
				}
			}
		})
	}
}

// TestDrainWithinTheBaseline runs out of nothing.
func TestDrainWithinTheBaseline(t *testing.T) {
	for _, c := range DefaultPlan().Configurations {
		course, err := Drain(c, Demand{WriteBytes: 10 << 20, WriteIOs: 10, InBytes: 10 << 20, OutBytes: 20 << 20}, 2)
		require.NoError(t, err)
		require.Empty(t, course.Exhausted, c)
		require.Empty(t, course.Limit, c)
		require.InDelta(t, 100, course.Last, 0.5, c)
	}
}

// TestDrainOfTheNetwork: an instance store that is faster than the network of
// its instance is held back by it, once the burst is over.
func TestDrainOfTheNetwork(t *testing.T) {
	course, err := Drain(Configuration{Instance: "i4i.2xlarge"}, Demand{WriteBytes: 1e9, WriteIOs: 8000, InBytes: 1e9, OutBytes: 1e8}, 2)
	require.NoError(t, err)
	require.Equal(t, "network in", course.Limit)
	require.InDelta(t, 58.6, course.Last, 0.2) // 4.687 Gb/s
}

func TestDrainRefusesNothing(t *testing.T) {
	_, err := Drain(Configuration{Instance: "i4i.2xlarge"}, Demand{}, 1)
	require.Error(t, err)
	_, err = Drain(Configuration{Instance: "m5.2xlarge"}, Demand{WriteBytes: 1, WriteIOs: 1}, 1)
	require.ErrorContains(t, err, "has no instance store")
}
