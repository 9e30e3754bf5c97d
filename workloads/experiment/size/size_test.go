package size

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/sim/ec2"
	"github.com/weirlab/weir/workloads/experiment"
	"github.com/weirlab/weir/workloads/experiment/compare"
)

func instance(t *testing.T, name string) ec2.Instance {
	t.Helper()
	i, err := ec2.Default().Instance(name)
	require.NoError(t, err)
	return i
}

// An m5.large sustains 81.25 MB/s to its volumes, so three of them with three
// replicas take that, whatever gp2 volume of 1,000 GiB (250 MiB/s) they have,
// until the consumer groups are so many that the network rules: 93.75 MB/s out.
func TestFormulaOfThreeM5Large(t *testing.T) {
	store, err := volume(ec2.VolumeSpec{Class: "gp2", GiB: 1000})
	require.NoError(t, err)
	i := instance(t, "m5.large")
	for groups, want := range map[int64]struct {
		bytes int64
		term  string
	}{
		1: {81_250_000, TermEBS},
		2: {93_750_000 * 3 / 4, TermNetwork},
		3: {93_750_000 * 3 / 5, TermNetwork},
	} {
		got, term := Formula(formulaOf(i, store, 3, 3, groups))
		require.Equal(t, want.bytes, got, "%d groups", groups)
		require.Equal(t, want.term, term, "%d groups", groups)
	}
	// MSK's guide to sizing: three replicas on three brokers with volumes of
	// 250 MiB/s are at their end with 250 MiB/s from clients, 83 for each broker.
	got, term := Formula(FormulaInput{Brokers: 3, Replicas: 3, Groups: 1, Storage: 250 << 20, EBS: 593_750_000, Network: 1_250_000_000})
	require.EqualValues(t, 250<<20, got)
	require.Equal(t, TermStorage, term)
}

func TestThereAreFortyCombinations(t *testing.T) {
	require.Len(t, combinations(), 40)
}

// Every candidate keeps what it promises: recomputed here from the need alone.
func TestCandidatesHold(t *testing.T) {
	n := DefaultNeed()
	all, err := Search(n)
	require.NoError(t, err)
	require.Greater(t, len(all), 20)
	last := int64(0)
	for _, c := range all {
		require.GreaterOrEqual(t, c.Bill.MicroUSD(), last, "the cheapest first")
		last = c.Bill.MicroUSD()
		require.Zero(t, c.Brokers%3, "%v", c)
		i := instance(t, c.Instance)
		out := float64(n.PeakBytesPerSecond) * float64(2+n.Groups)
		require.LessOrEqual(t, out/float64(c.Brokers), 0.8*float64(i.Network), "%v", c)
		if c.Brokers > 3 {
			require.LessOrEqual(t, out/float64(c.Brokers-1), float64(i.Network), "%v", c)
		}
		kept := n.AverageBytesPerSecond * int64(n.Retention.Seconds()) * 3
		if c.Store.Volume != nil {
			require.LessOrEqual(t, float64(kept)/float64(c.Brokers), 0.85*float64(c.Store.Volume.GiB<<30), "%v", c)
			require.LessOrEqual(t, 3*float64(n.PeakBytesPerSecond)/float64(c.Brokers), 0.8*float64(i.EBS), "%v", c)
		}
		require.False(t, c.Host.Never)
		require.LessOrEqual(t, c.Storage.Exposed(), n.RebuildWithin)
	}
}

// More load, longer retention or less risk never makes a cluster cheaper.
func TestMoreCostsMore(t *testing.T) {
	cheapest := func(change func(*Need)) int64 {
		n := DefaultNeed()
		n.Instances = []string{"m5.large", "m5.2xlarge", "r5.4xlarge", "i3en.2xlarge", "i4i.4xlarge"}
		change(&n)
		all, err := Search(n)
		require.NoError(t, err)
		require.NotEmpty(t, all)
		return all[0].Bill.MicroUSD()
	}
	base := cheapest(func(*Need) {})
	for name, change := range map[string]func(*Need){
		"load":      func(n *Need) { n.PeakBytesPerSecond *= 8 },
		"growth":    func(n *Need) { n.GrowthPercent = 300 },
		"retention": func(n *Need) { n.Retention *= 20 },
		"groups":    func(n *Need) { n.Groups = 20 },
	} {
		require.Greater(t, cheapest(change), base, name)
	}
	require.Less(t, cheapest(func(n *Need) { n.FollowerFetch = true }), base, "reads stay in their zone")
	require.Less(t, cheapest(func(n *Need) { n.Zones = 1 }), base, "nothing passes between zones")
}

func TestVolumesAreAsLargeAndFastAsNeeded(t *testing.T) {
	for _, class := range ec2.Modelled() {
		for _, gib := range []int64{1, 400, 9000} {
			for _, mib := range []int64{1, 100, 400} {
				s, ok := volumeFor(class, gib<<30, mib<<20)
				if !ok {
					continue
				}
				l, err := s.Volume.Limits()
				require.NoError(t, err, "%s %d %d", class, gib, mib)
				require.GreaterOrEqual(t, l.Throughput.Baseline, mib<<20)
				require.GreaterOrEqual(t, 100*gib, (85 * gib), "%s", class)
				require.GreaterOrEqual(t, s.Volume.GiB*85, gib*100)
			}
		}
	}
	_, ok := volumeFor("st1", 100<<30, 2000<<20)
	require.False(t, ok, "no st1 volume writes 2000 MiB/s")
}

func TestMistakesAreNamed(t *testing.T) {
	for want, change := range map[string]func(*Need){
		"records have 24 bytes":    func(n *Need) { n.RecordBytes = 1 },
		"no broker's loss":         func(n *Need) { n.ReplicationFactor = 1 },
		"does not let a broker":    func(n *Need) { n.MinISR = 3 },
		"spread over":              func(n *Need) { n.Zones = 4 },
		"is not in the catalogue":  func(n *Need) { n.Instances = []string{"m5.tiny"} },
		"is called instance-store": func(n *Need) { n.Classes = []string{"floppy"} },
		"cannot be in sync":        func(n *Need) { n.RebuildWithin = time.Minute },
		"a headroom of 95":         func(n *Need) { n.HeadroomPercent = 95 },
	} {
		n := DefaultNeed()
		require.NoError(t, n.Check())
		change(&n)
		_, err := Search(n)
		require.ErrorContains(t, err, want)
	}
}

// A small load is simulated, holds, and is shown; one that costs more processor
// than there is is refused.
func TestRunSimulatesTheCheapest(t *testing.T) {
	if testing.Short() {
		t.Skip("simulates clusters for some seconds")
	}
	n := DefaultNeed()
	n.PeakBytesPerSecond, n.AverageBytesPerSecond, n.Partitions, n.Retention, n.Groups = 2_000_000, 1_000_000, 6, time.Hour, 1
	n.Instances, n.Classes = []string{"m5.large"}, []string{"gp3"}
	r, err := Run(context.Background(), n, Options{Answers: 1, Seeds: 2})
	require.NoError(t, err)
	require.Len(t, r.Holding(), 1)
	low, least, most := r.Trials[0].Latency(99)
	require.Positive(t, least)
	require.True(t, least <= low && low <= most)
	require.NoError(t, r.Document().Check())

	var text bytes.Buffer
	require.NoError(t, experiment.Write(&text, r))
	back, err := Read(&text)
	require.NoError(t, err)
	require.Equal(t, r.Document(), back.Document())

	// Batches of one record without linger: requests cost more than bytes.
	n.PeakBytesPerSecond, n.BatchBytes, n.Linger, n.RecordBytes = 6_000_000, 100, 0, 100
	r, err = Run(context.Background(), n, Options{Answers: 1, Trials: 1, Seeds: 1})
	require.NoError(t, err)
	require.Empty(t, r.Holding())
	require.Contains(t, r.Trials[0].Refused, "does not carry the load")
	require.NoError(t, r.Document().Check())
}

// Every difference has a reason, and none has one without a difference.
func TestDifferencesHaveReasons(t *testing.T) {
	figures := func(acked, consumed, written int64, used string) *compare.Figures {
		return &compare.Figures{Acked: acked, Consumed: consumed, Demand: compare.Demand{WriteBytes: written}, Bottleneck: used, Used: []compare.LimitUse{{Name: used, Percent: 97}}}
	}
	for want, row := range map[string]*FormulaRow{
		"":                 {Groups: 1, Formula: 100, Simulated: figures(95, 95, 95, "x")},
		"consumers behind": {Groups: 3, Formula: 100, Simulated: figures(120, 300, 120, "x")},
		"page caches":      {Groups: 1, Formula: 100, Simulated: figures(120, 120, 100, "x")},
		"processors":       {Groups: 1, Formula: 100, Simulated: figures(60, 60, 60, "processor"), Free: figures(98, 98, 98, "x")},
		"st1 throughput":   {Groups: 1, Formula: 100, Simulated: figures(50, 50, 50, "st1 throughput"), Free: figures(52, 52, 52, "st1 throughput")},
	} {
		why, _, _ := strings.Cut(row.Why(), ":")
		require.Equal(t, want, why)
	}
}

func TestADifferenceIsExplainedByExperiment(t *testing.T) {
	if testing.Short() {
		t.Skip("simulates saturated clusters for some seconds")
	}
	n := DefaultNeed()
	n.Partitions = 6
	rows := []*FormulaRow{{Instance: "m5.large", Volume: ec2.VolumeSpec{Class: "st1", GiB: 125}, Groups: 1}}
	r, err := compareRows(context.Background(), n, rows, 0, nil)
	require.NoError(t, err)
	require.Equal(t, TermStorage, r.Rows[0].Term)
	require.Less(t, r.Rows[0].Off(), 0.05, "nothing goes beyond a limit")
	if r.Rows[0].Off() < -Tolerance {
		require.NotEmpty(t, r.Rows[0].Why())
	}
	require.NoError(t, r.Document().Check())
}
