package ec2

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"
	"sync"
)

//go:embed data/*.csv
var embedded embed.FS

// Catalogue is everything the tables say. It does not change once loaded; the
// slices are to be read only.
type Catalogue struct {
	Instances []Instance
	Classes   []Class
	Disks     []DiskRow
	Latencies []LatencyTable
	Published []PublishedLatency
	Prices    []Price
	Survivals []Survival
}

// Default is the catalogue that is part of the program.
var Default = sync.OnceValue(func() *Catalogue {
	data, err := fs.Sub(embedded, "data")
	if err == nil {
		var c *Catalogue
		if c, err = Load(data); err == nil {
			return c
		}
	}
	panic("ec2: the embedded tables are broken: " + err.Error())
})

// Load reads a catalogue from the tables instances.csv, volumes.csv,
// instance-store.csv, latency.csv, published-latency.csv, prices.csv and
// survival.csv. An error names table, row and column.
func Load(tables fs.FS) (*Catalogue, error) {
	c := new(Catalogue)
	for _, t := range []struct {
		name string
		each func(*row)
	}{
		{"instances.csv", c.addInstance},
		{"volumes.csv", c.addClass},
		{"instance-store.csv", c.addDisk},
		{"published-latency.csv", c.addPublished},
		{"prices.csv", c.addPrice},
		{"survival.csv", c.addSurvival},
	} {
		if err := readTable(tables, t.name, t.each); err != nil {
			return nil, err
		}
	}
	if err := c.loadLatencies(tables); err != nil {
		return nil, err
	}
	return c, nil
}

// Instance is an instance type. Rates are in bytes a second, where AWS states
// decimal bits.
type Instance struct {
	Name      string
	VCPU      int64
	MemoryMiB int64

	// NetworkLabel is the network performance in the words of AWS.
	NetworkLabel string
	// Network is the rate it can sustain, NetworkBurst the most while
	// credits last; each direction has its own.
	Network, NetworkBurst int64

	// EBS is the bandwidth to all EBS volumes together that it can sustain,
	// EBSBurst the most; EBSIOPS and EBSBurstIOPS are I/Os of 16 KiB a second.
	EBS, EBSBurst         int64
	EBSIOPS, EBSBurstIOPS int64

	// DiskKind is the kind of its instance store, empty for none; Disks is
	// how many disks it has and DiskBytes the size of each.
	DiskKind  string
	Disks     int64
	DiskBytes int64
	// DiskReadIOPS and DiskWriteIOPS are specified for all disks together at
	// 4 KiB; 0 where AWS gives none.
	DiskReadIOPS, DiskWriteIOPS int64

	// HourMicroUSD is the price on demand in us-east-1, SpotHourMicroUSD a
	// spot price of the day of the source.
	HourMicroUSD, SpotHourMicroUSD int64

	Provenance Provenance
}

// bytesPerMbit are the bytes of a decimal megabit, the unit of the tables.
const bytesPerMbit = 125_000

func (c *Catalogue) addInstance(r *row) {
	i := Instance{
		Name:             r.name("instance"),
		VCPU:             r.fixed("vcpu", 0),
		MemoryMiB:        r.fixed("mem_GiB", 2) * 1024 / 100,
		NetworkLabel:     r.text("net_label"),
		Network:          r.fixed("net_base_Gbps", 3) * bytesPerMbit,
		NetworkBurst:     r.fixed("net_burst_Gbps", 3) * bytesPerMbit,
		EBS:              r.fixed("ebs_base_mbps", 0) * bytesPerMbit,
		EBSBurst:         r.fixed("ebs_max_mbps", 0) * bytesPerMbit,
		EBSIOPS:          r.fixed("ebs_base_iops", 0),
		EBSBurstIOPS:     r.fixed("ebs_max_iops", 0),
		DiskKind:         r.text("is_type"),
		Disks:            r.fixed("is_n", 0),
		DiskBytes:        r.fixed("is_GB_each", 0) * 1_000_000_000,
		DiskReadIOPS:     r.fixed("is_rd_iops_4k_total", 0),
		DiskWriteIOPS:    r.fixed("is_wr_iops_4k_total", 0),
		HourMicroUSD:     r.fixed("usd_per_h_us_east_1", 6),
		SpotHourMicroUSD: r.fixed("spot_usd_per_h", 6),
		Provenance:       r.provenance(),
	}
	// Where the network does not burst, AWS gives it in the label alone.
	if label, fixed := strings.CutSuffix(i.NetworkLabel, " Gigabit"); fixed && i.Network == 0 {
		n, err := parseFixed(label, 3)
		if err != nil {
			r.fail("net_label", err)
		}
		i.Network, i.NetworkBurst = n*bytesPerMbit, n*bytesPerMbit
	}
	if i.NetworkBurst < i.Network || i.EBSBurst < i.EBS || i.EBSBurstIOPS < i.EBSIOPS {
		r.fail("instance", fmt.Errorf("%s bursts to less than its baseline", i.Name))
	}
	c.Instances = append(c.Instances, i)
}

// Complete tells whether the tables say enough of i to simulate it.
func (i Instance) Complete() bool {
	return i.VCPU > 0 && i.MemoryMiB > 0 && i.Network > 0 && i.EBS > 0 && i.EBSIOPS > 0
}

// Instance finds an instance type by its name, such as "i3en.2xlarge". It is
// an error if the tables have too little of it to simulate it.
func (c *Catalogue) Instance(name string) (Instance, error) {
	family, _, _ := strings.Cut(name, ".")
	var sizes []string
	for _, i := range c.Instances {
		if i.Name == name {
			if !i.Complete() {
				return Instance{}, fmt.Errorf("ec2: the tables lack the processors, network or EBS limits of %s; use another size of %s", name, family)
			}
			return i, nil
		}
		if strings.HasPrefix(i.Name, family+".") {
			sizes = append(sizes, i.Name)
		}
	}
	if len(sizes) > 0 {
		return Instance{}, fmt.Errorf("ec2: instance type %q is not in the catalogue; of its family it has %s", name, strings.Join(sizes, ", "))
	}
	return Instance{}, fmt.Errorf("ec2: instance type %q is not in the catalogue; it has %s", name, strings.Join(c.families(), ", "))
}

func (c *Catalogue) families() []string {
	var families []string
	for _, i := range c.Instances {
		family, _, _ := strings.Cut(i.Name, ".")
		if n := len(families); n == 0 || families[n-1] != family {
			families = append(families, family)
		}
	}
	return families
}

// Class is a class of storage as its specification describes it. The rules
// are text; what they come to for one volume is computed by [NewVolume].
type Class struct {
	Name  string // "gp3"
	Title string // "gp3 (from 2025-09)"
	Media string // SSD, HDD or local

	MinGiB, MaxGiB int64 // 0 where the class has no sizes of its own
	MaxIOPS        int64
	MaxMiBps       int64 // 0 where it is given only as a range
	MergeBytes     int64 // the most that counts as one I/O; 0 if not stated

	IOPSRule, ThroughputRule, BurstRule  string
	Latency, SLO, Durability, AnnualLoss string

	Provenance Provenance
}

func (c *Catalogue) addClass(r *row) {
	k := Class{
		Name:           r.name("class"),
		Title:          r.name("volume_type"),
		Media:          r.name("media"),
		MinGiB:         r.fixed("size_min_GiB", 0),
		MaxGiB:         r.fixed("size_max_GiB", 0),
		IOPSRule:       r.text("iops_rule"),
		ThroughputRule: r.text("throughput_rule"),
		BurstRule:      r.text("burst_rule"),
		Latency:        r.text("latency_claim"),
		SLO:            r.text("perf_slo"),
		Durability:     r.text("durability"),
		AnnualLoss:     r.text("afr"),
		Provenance:     r.provenance(),
	}
	// An instance store refers to other tables, a magnetic disk has a range.
	if k.Media != "local" {
		k.MaxIOPS = r.fixed("max_iops", 0)
		k.MergeBytes = r.fixed("merge_max_KiB", 0) << 10
		if !strings.Contains(r.text("max_MiBps"), "-") {
			k.MaxMiBps = r.fixed("max_MiBps", 0)
		}
	}
	c.Classes = append(c.Classes, k)
}

// Class finds a class of storage by its name, such as "gp3".
func (c *Catalogue) Class(name string) (Class, error) {
	var names []string
	for _, k := range c.Classes {
		if k.Name == name {
			return k, nil
		}
		names = append(names, k.Name)
	}
	return Class{}, fmt.Errorf("ec2: storage class %q is not known; use one of %s", name, strings.Join(names, ", "))
}
