package ec2

import (
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/sim"
)

// TestEveryRowIsRead: no table loses a row, and every row says where it is
// from.
func TestEveryRowIsRead(t *testing.T) {
	c := Default()
	sourced := func(table string, rows int, provenance func(int) Provenance) {
		text, err := embedded.ReadFile("data/" + table)
		require.NoError(t, err)
		require.Equal(t, strings.Count(string(text), "\n")-1, rows, table)
		for i := range rows {
			p := provenance(i)
			require.NotEmpty(t, p.Source, "%s, row %d", table, i+2)
			require.NotContains(t, p.Basis.String(), "(", "%s, row %d", table, i+2)
			require.Contains(t, p.String(), p.Source)
		}
	}
	sourced("instances.csv", len(c.Instances), func(i int) Provenance { return c.Instances[i].Provenance })
	sourced("volumes.csv", len(c.Classes), func(i int) Provenance { return c.Classes[i].Provenance })
	sourced("instance-store.csv", len(c.Disks), func(i int) Provenance { return c.Disks[i].Provenance })
	sourced("published-latency.csv", len(c.Published), func(i int) Provenance { return c.Published[i].Provenance })
	sourced("prices.csv", len(c.Prices), func(i int) Provenance { return c.Prices[i].Provenance })
	sourced("survival.csv", len(c.Survivals), func(i int) Provenance { return c.Survivals[i].Provenance })
	var points []Provenance
	for _, l := range c.Latencies {
		for range l.Points {
			points = append(points, l.Provenance)
		}
	}
	sourced("latency.csv", len(points), func(i int) Provenance { return points[i] })
}

func TestInstances(t *testing.T) {
	c := Default()
	i, err := c.Instance("i3en.2xlarge")
	require.NoError(t, err)
	require.EqualValues(t, 8, i.VCPU)
	require.EqualValues(t, 64<<10, i.MemoryMiB)
	require.EqualValues(t, 1_050_000_000, i.Network, "8.4 Gbit/s")
	require.Equal(t, int64(3_125_000_000), i.NetworkBurst)
	require.EqualValues(t, 288_375_000, i.EBS, "2,307 Mbit/s")
	require.EqualValues(t, 593_750_000, i.EBSBurst)
	require.EqualValues(t, 12_000, i.EBSIOPS)
	require.EqualValues(t, 2, i.Disks)
	require.Equal(t, int64(2_500_000_000_000), i.DiskBytes)
	require.EqualValues(t, 904_000, i.HourMicroUSD)
	require.Equal(t, Specification, i.Provenance.Basis)

	i, err = c.Instance("i3en.6xlarge")
	require.NoError(t, err)
	require.Equal(t, int64(3_125_000_000), i.Network, "from its label, 25 Gigabit")

	for _, i := range c.Instances {
		if i.Name != "i4g.metal" {
			require.True(t, i.Complete(), i.Name)
			require.Positive(t, i.HourMicroUSD, i.Name)
			_, err := NewMachine(i)
			require.NoError(t, err, i.Name)
		}
	}
	_, err = c.Instance("i4g.metal")
	require.ErrorContains(t, err, "use another size of i4g")
	_, err = c.Instance("i3en.huge")
	require.ErrorContains(t, err, "i3en.large, i3en.xlarge")
	_, err = c.Instance("z1d.large")
	require.ErrorContains(t, err, "it has m5, m6i")
	_, err = NewMachine(Instance{Name: "none"})
	require.ErrorContains(t, err, `"none" lacks`)
}

// TestPricesAgree: the two price lists that have an instance say the same.
func TestPricesAgree(t *testing.T) {
	c := Default()
	compared := 0
	for _, p := range c.Prices {
		if name, ok := strings.CutPrefix(p.Item, "EC2 "); ok {
			i, err := c.Instance(name)
			require.NoError(t, err)
			require.Equal(t, p.MicroUSD, i.HourMicroUSD, name)
			compared++
		}
	}
	require.Positive(t, compared)
}

// TestLocalDisks: every size of i3en and i4i in the catalogue has a measured
// disk, near what AWS specifies where it specifies anything.
func TestLocalDisks(t *testing.T) {
	c := Default()
	found := 0
	for _, i := range c.Instances {
		if family, _, _ := strings.Cut(i.Name, "."); (family != "i3en" && family != "i4i") || !i.Complete() {
			continue
		}
		found++
		l, err := c.LocalDisk(i.Name)
		require.NoError(t, err)
		require.Equal(t, Measurement, l.Provenance.Basis)
		require.InEpsilon(t, i.DiskReadIOPS/i.Disks, l.ReadIOPS.Baseline, 0.15, i.Name)
		require.InEpsilon(t, i.DiskWriteIOPS/i.Disks, l.WriteIOPS.Baseline, 0.15, i.Name)

		d, err := l.New()
		require.NoError(t, err)
		_, end := d.Write(0, 10*l.WriteThroughput.Baseline)
		require.InDelta(t, 10, end.Seconds(), 0.001, i.Name)
		_, end = d.Read(0, 10*l.ReadThroughput.Baseline)
		require.InDelta(t, 10, end.Seconds(), 0.001, "reads do not wait for writes")
		require.Equal(t, i.Name, d.Limits().Instance)
	}
	require.Equal(t, 16, found)

	l, err := c.LocalDisk("i3en.2xlarge")
	require.NoError(t, err)
	require.EqualValues(t, 333_447_168, l.WriteThroughput.Baseline)
	l, err = c.LocalDisk("i3en.24xlarge")
	require.NoError(t, err)
	require.EqualValues(t, 1_024_458_752, l.WriteThroughput.Baseline, "the row for all other sizes")

	// The raw disk was also measured with dd, by two labs.
	i := slices.IndexFunc(c.Published, func(p PublishedLatency) bool { return strings.HasPrefix(p.What, "dd O_DIRECT") })
	require.Equal(t, "327-328", c.Published[i].Value)

	_, err = c.LocalDisk("m5.large")
	require.ErrorContains(t, err, "no instance store")
	_, err = c.LocalDisk("d3.xlarge")
	require.ErrorContains(t, err, "nobody measured")
}

// TestClassesMatchModels: the rules in code and the figures in the table.
func TestClassesMatchModels(t *testing.T) {
	c := Default()
	for _, name := range Modelled() {
		k, err := c.Class(name)
		require.NoError(t, err)
		require.Positive(t, k.MaxMiBps, name)
		want := int64(256 << 10)
		if k.Media == "HDD" {
			want = 1 << 20
		}
		require.Equal(t, want, k.MergeBytes, name)
		s := VolumeSpec{Class: name, GiB: k.MaxGiB}
		if name == "io2" || strings.HasPrefix(name, "gp3") {
			s.IOPS = k.MaxIOPS
		}
		if strings.HasPrefix(name, "gp3") {
			s.MiBps = k.MaxMiBps
		}
		l, err := s.Limits()
		require.NoError(t, err)
		require.Equal(t, k.MaxIOPS, l.IOPS.Burst, name)
		require.Equal(t, k.MaxMiBps<<20, l.Throughput.Burst, name)
		for _, direction := range []string{"-read", "-write"} {
			if name != "gp3-until-2025" {
				_, err := c.Latency(name + direction)
				require.NoError(t, err)
			}
		}
	}
}

// TestLatencyTables holds the tables against what was published.
func TestLatencyTables(t *testing.T) {
	c := Default()
	table := func(name string) LatencyTable {
		l, err := c.Latency(name)
		require.NoError(t, err)
		require.Equal(t, l, MustLatency(name))
		return l
	}
	// klite.dev: 2.6 ms for an fsync, which is a write and a journal commit.
	require.InEpsilon(t, 2600*time.Microsecond, 2*table("gp3-write").Mean(), 0.1)
	for _, name := range []string{"io2-write", "io2-read"} {
		require.Less(t, table(name).Mean(), 500*time.Microsecond, name)
	}
	slow := 800 * time.Microsecond
	require.Less(t, 10*table("io2-write").Above(slow), table("gp3-write").Above(slow))
	// Within a zone 80 to 100 µs there and back; between zones 0.82 ms.
	median := func(name string) time.Duration {
		points := table(name).Points
		return points[slices.IndexFunc(points, func(p sim.Quantile) bool { return p.PPM == 500_000 })].Value
	}
	require.InDelta(t, 90*time.Microsecond, 2*median("same-zone"), float64(10*time.Microsecond))
	require.InDelta(t, 820*time.Microsecond, 2*median("cross-zone"), float64(30*time.Microsecond))
	for _, l := range c.Latencies {
		require.Equal(t, Assumption, l.Provenance.Basis, "%s: nobody published a distribution", l.Name)
		require.EqualValues(t, 1_000_000, l.Above(l.Points[0].Value-1))
		require.Zero(t, l.Above(l.Points[len(l.Points)-1].Value))
	}
	_, err := c.Latency("floppy-write")
	require.ErrorContains(t, err, "use one of gp3-write")
	require.Panics(t, func() { MustLatency("floppy-write") })
}

func TestSurvival(t *testing.T) {
	c := Default()
	want := map[Event]Outcome{Reboot: Kept, Stop: Lost, Terminate: Lost, PowerLoss: Synced, HostFailure: Lost, ZoneLoss: Lost}
	for _, e := range Events() {
		s, err := c.Survival("instance-store", e)
		require.NoError(t, err)
		require.Equal(t, want[e], s.Outcome, e)
	}
	want = map[Event]Outcome{Reboot: Kept, Stop: Kept, Terminate: Kept, PowerLoss: Synced, HostFailure: Synced, ZoneLoss: Lost}
	for _, class := range []string{"gp2", "gp3", "io1", "io2", "st1", "sc1"} {
		for _, e := range Events() {
			s, err := c.Survival(class, e)
			require.NoError(t, err)
			require.Equal(t, want[e], s.Outcome, "%s %s", class, e)
		}
	}
	require.Len(t, c.Survivals, 7*len(Events()))
	_, err := c.Survival("gp3", "flood")
	require.ErrorContains(t, err, `event "flood" is not known`)
	_, err = c.Survival("tape", Reboot)
	require.ErrorContains(t, err, `"tape"`)
}

func TestVolumePrices(t *testing.T) {
	c := Default()
	for _, row := range []struct {
		spec VolumeSpec
		usd  float64
	}{
		{VolumeSpec{Class: "gp2", GiB: 1000}, 100},
		{VolumeSpec{Class: "gp3", GiB: 1000}, 80},
		{VolumeSpec{Class: "gp3", GiB: 1000, IOPS: 4000, MiBps: 250}, 80 + 5 + 5},
		{VolumeSpec{Class: "gp3", GiB: 160, IOPS: 80_000}, 12.8 + 385},
		{VolumeSpec{Class: "io2", GiB: 100, IOPS: 1000}, 12.5 + 65},
		{VolumeSpec{Class: "st1", GiB: 1000}, 45},
		{VolumeSpec{Class: "sc1", GiB: 1000}, 15},
	} {
		bill, err := c.VolumePrice(row.spec)
		require.NoError(t, err)
		require.EqualValues(t, row.usd*1e6, Total(bill), row.spec.String())
	}
	_, err := c.VolumePrice(VolumeSpec{Class: "gp3"})
	require.ErrorContains(t, err, "not 0")
	i, err := c.Instance("i3en.2xlarge")
	require.NoError(t, err)
	require.EqualValues(t, 659_920_000, i.MonthlyPrice())
}

// TestBrokenTables: an error names table, row and column.
func TestBrokenTables(t *testing.T) {
	for _, broken := range []struct{ table, from, to, says string }{
		{"instances.csv", "m5.large,2,8.0,", "m5.large,two,8.0,", `instances.csv: row 2, column vcpu: "two" is not a decimal number`},
		{"instances.csv", "m5.large,2,8.0,", "m5.large,2.5,8.0,", `"2.5" has more than 0 digits behind the point`},
		{"instances.csv", "650.0,4750.0", "9650.0,4750.0", "m5.large bursts to less than its baseline"},
		{"volumes.csv", "class,", "klass,", "volumes.csv: row 2, column class: there is no such column"},
		{"volumes.csv", "specification", "rumour", `"rumour" is not a basis; use specification`},
		{"instance-store.csv", "one disk", "some disk", `column scope: "some disk`},
		{"latency.csv", "gp3-write,500000,1000000", "gp3-write,500000,100", "latency.csv: table gp3-write: quantiles"},
		{"latency.csv", "gp3-write,1000000,", "gp2-read,1000000,", "latency.csv"},
		{"prices.csv", "0.1,", "0.1000001,", "more than 6 digits"},
		{"survival.csv", ",kept,", ",eaten,", `"eaten" is not an outcome`},
		{"published-latency.csv", "2.6,ms", "2.6,ms,more", "published-latency.csv"},
	} {
		tables := fstest.MapFS{}
		files, err := fs.Glob(embedded, "data/*.csv")
		require.NoError(t, err)
		for _, name := range files {
			text, err := embedded.ReadFile(name)
			require.NoError(t, err)
			name = strings.TrimPrefix(name, "data/")
			if name == broken.table {
				require.Contains(t, string(text), broken.from)
				text = []byte(strings.Replace(string(text), broken.from, broken.to, 1))
			}
			tables[name] = &fstest.MapFile{Data: text}
		}
		_, err = Load(tables)
		require.ErrorContains(t, err, broken.says)
		delete(tables, broken.table)
		_, err = Load(tables)
		require.ErrorContains(t, err, broken.table)
	}
}
