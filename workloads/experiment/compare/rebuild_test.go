package compare

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestRefillArithmetic: without a load and within constant limits a rebuild
// takes its bytes over the smallest limit.
func TestRefillArithmetic(t *testing.T) {
	p := DefaultPlan()
	p.LoadBytesPerSecond = p.RecordBytes
	// gp3: 350 GiB at 125 MiB/s.
	r, err := Refill(p, onVolume("gp3", 500, 0), StorageLost, 0)
	require.NoError(t, err)
	require.Equal(t, p.StoredBytes, r.Bytes)
	require.InDelta(t, float64(175<<30)/float64(125<<20), r.Took.Seconds(), 30)
	require.Equal(t, storageWrites, r.Rules)

	// The instance store of an i3en.2xlarge: two disks of 333 MB/s each.
	r, err = Refill(p, Configuration{Instance: "i3en.2xlarge"}, HostLost, 0)
	require.NoError(t, err)
	require.InDelta(t, float64(175<<30)/(2*333_447_168), r.Took.Seconds(), 6)

	// An EBS volume that survives its host has missed only what was written
	// meanwhile.
	p.LoadBytesPerSecond = 20_000_000
	r, err = Refill(p, onVolume("gp3", 500, 0), HostLost, 0)
	require.NoError(t, err)
	require.EqualValues(t, 20_000_000*600, r.Bytes)
	require.InDelta(t, 12e9/(125<<20-20e6), r.Took.Seconds(), 5)
	require.Equal(t, p.Away+r.Took, r.Exposed())
}

// TestRefillIsHeldBackByFetching where nothing else is slower.
func TestRefillIsHeldBackByFetching(t *testing.T) {
	p := DefaultPlan()
	r, err := Refill(p, Configuration{Instance: "i3en.2xlarge"}, HostLost, 100_000_000)
	require.NoError(t, err)
	require.Equal(t, limitFetch, r.Rules)
	require.InDelta(t, float64(175<<30)/1e8, r.Took.Seconds(), 60)
	require.InDelta(t, 1e8, float64(r.BytesPerSecond), 1e6)
}

// TestRefillSpendsBurst: rebuilding an st1 volume outlasts its credits, so it
// is faster at first.
func TestRefillSpendsBurst(t *testing.T) {
	p := DefaultPlan()
	p.LoadBytesPerSecond, p.StoredBytes = 1_000_000, 490<<30
	r, err := Refill(p, onVolume("st1", 500, 0), StorageLost, 0)
	require.NoError(t, err)
	require.False(t, r.Never)
	require.Greater(t, r.Took.Seconds(), float64(490<<10)/122)
	first, last := r.Points[1].BytesPerSecond, r.Points[len(r.Points)-2].BytesPerSecond
	require.GreaterOrEqual(t, first, last)
}

// TestRefillThatNeverEnds: a load that a volume can just carry leaves nothing
// to catch up with.
func TestRefillThatNeverEnds(t *testing.T) {
	p := DefaultPlan()
	p.LoadBytesPerSecond = 140_000_000
	r, err := Refill(p, onVolume("gp3", 500, 0), StorageLost, 0)
	require.NoError(t, err)
	require.True(t, r.Never)
}

func TestBill(t *testing.T) {
	p := DefaultPlan()
	b, err := Price(p, Configuration{Instance: "i3en.2xlarge"})
	require.NoError(t, err)
	require.InDelta(t, 3*0.904*730, b.USD(), 0.01)

	// gp3 of 500 GiB as it comes: $40 a month; r5.2xlarge: $0.504 an hour.
	b, err = Price(p, onVolume("gp3", 500, 0))
	require.NoError(t, err)
	require.InDelta(t, 3*(0.504*730+40), b.USD(), 0.01)
	require.InDelta(t, 120e6, float64(b.of(GroupVolumes)), 1)

	// Replication between zones: two copies of 20 MB/s at $0.02 a GB.
	p.CrossZone = true
	b, err = Price(p, onVolume("gp3", 500, 0))
	require.NoError(t, err)
	require.InDelta(t, 0.02*2*0.02*730*3600, float64(b.of(GroupTransfer))/1e6, 0.1)
}

func TestExposure(t *testing.T) {
	p := DefaultPlan()
	host := &Rebuild{Away: 10 * time.Minute, Took: 50 * time.Minute}
	x, err := Expose(p, Configuration{Instance: "i3en.2xlarge"}, host)
	require.NoError(t, err)
	require.Equal(t, time.Hour, x.Missing)
	require.EqualValues(t, 228, x.SecondPerMillion) // two brokers, an hour of 8,760
	require.Contains(t, x.Stopped, "lost")
	require.Contains(t, x.Meanwhile, "just min.insync.replicas")

	x, err = Expose(p, onVolume("gp3", 500, 0), host)
	require.NoError(t, err)
	require.Contains(t, x.Stopped, "keep")
	require.NotEmpty(t, x.AnnualLoss)
	p.MinISR = 3
	require.Contains(t, meanwhile(p), "refused")
	p.MinISR = 1
	require.Contains(t, meanwhile(p), "1 more may fail")
}

func TestPlanMistakes(t *testing.T) {
	for want, change := range map[string]func(*Plan){
		"nothing to compare":           func(p *Plan) { p.Configurations = nil },
		"there twice":                  func(p *Plan) { p.Configurations = append(p.Configurations, p.Configurations[0]) },
		"replication factor of 4":      func(p *Plan) { p.ReplicationFactor = 4 },
		"min.insync.replicas 4":        func(p *Plan) { p.MinISR = 4 },
		"keeps 250 GiB":                func(p *Plan) { p.StoredBytes = 600 << 30 },
		"must be positive":             func(p *Plan) { p.Partitions = 0 },
		"a measurement takes a second": func(p *Plan) { p.Window = 0 },
	} {
		p := DefaultPlan()
		require.NoError(t, p.Check())
		change(&p)
		require.ErrorContains(t, p.Check(), want)
	}
	_, err := ParseVolume("gp3:500:6000:500")
	require.NoError(t, err)
	for _, text := range []string{"gp3", "gp3:x", "gp3:500:1", "gp9:500", "gp3:500:6000:500:1", "gp3:-5"} {
		_, err := ParseVolume(text)
		require.Error(t, err, text)
	}
}
