package ec2

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weirlab/weir/sim"
)

// LatencyTable is a distribution of latencies as integer quantiles: of single
// I/Os on an idle volume, or of packets, one way.
type LatencyTable struct {
	Name       string // "gp3-write"
	Points     []sim.Quantile
	Quantiles  sim.Quantiles
	Provenance Provenance
}

// Mean is the average of the distribution, rounded down to a nanosecond.
func (t LatencyTable) Mean() time.Duration {
	var sum int64
	for i := 1; i < len(t.Points); i++ {
		a, b := t.Points[i-1], t.Points[i]
		sum += (b.PPM - a.PPM) * int64(a.Value+b.Value)
	}
	return time.Duration(sum / 2_000_000)
}

// Above is how many draws in a million are above d, rounded down.
func (t LatencyTable) Above(d time.Duration) (ppm int64) {
	if d < t.Points[0].Value {
		return 1_000_000
	}
	for i := 1; i < len(t.Points); i++ {
		a, b := t.Points[i-1], t.Points[i]
		if d < b.Value {
			return 1_000_000 - b.PPM + (b.PPM-a.PPM)*int64(b.Value-d)/int64(b.Value-a.Value)
		}
	}
	return 0
}

func readLatencies(tables fs.FS) ([]LatencyTable, error) {
	var all []LatencyTable
	err := readTable(tables, "latency.csv", func(r *row) {
		name, p := r.name("table"), r.provenance()
		if n := len(all); n == 0 || all[n-1].Name != name {
			if slices.ContainsFunc(all, func(t LatencyTable) bool { return t.Name == name }) {
				r.fail("table", fmt.Errorf("the rows of %s are apart; put them together", name))
			}
			all = append(all, LatencyTable{Name: name, Provenance: p})
		}
		t := &all[len(all)-1]
		if t.Provenance != p {
			r.fail("source", fmt.Errorf("differs from the other rows of %s", name))
		}
		t.Points = append(t.Points, sim.Quantile{PPM: r.fixed("ppm", 0), Value: time.Duration(r.fixed("ns", 0))})
	})
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].Quantiles, err = sim.NewQuantiles(all[i].Points...); err != nil {
			return nil, fmt.Errorf("latency.csv: table %s: %w", all[i].Name, err)
		}
	}
	return all, nil
}

func (c *Catalogue) loadLatencies(tables fs.FS) (err error) {
	c.Latencies, err = readLatencies(tables)
	return err
}

// Latency finds a latency table. Those of storage are named after class and
// direction ("gp3-write", "instance-store-read"); those of the network are
// "same-zone" and "cross-zone", one way.
func (c *Catalogue) Latency(name string) (LatencyTable, error) {
	return findLatency(c.Latencies, name)
}

func findLatency(tables []LatencyTable, name string) (LatencyTable, error) {
	var names []string
	for _, t := range tables {
		if t.Name == name {
			return t, nil
		}
		names = append(names, t.Name)
	}
	return LatencyTable{}, fmt.Errorf("ec2: there is no latency table %q; use one of %s", name, strings.Join(names, ", "))
}

// defaultLatencies are the embedded latency tables without the others, for
// programs that need nothing else at their start.
var defaultLatencies = sync.OnceValue(func() []LatencyTable {
	data, err := fs.Sub(embedded, "data")
	if err == nil {
		var all []LatencyTable
		if all, err = readLatencies(data); err == nil {
			return all
		}
	}
	panic("ec2: the embedded latency tables are broken: " + err.Error())
})

// MustLatency is a latency table of [Default] by a name written in code; it
// panics if there is none.
func MustLatency(name string) LatencyTable {
	t, err := findLatency(defaultLatencies(), name)
	if err != nil {
		panic(err)
	}
	return t
}

// PublishedLatency is a figure that somebody published, to hold tables and
// results against. Value is text as published: "1-6", "<500".
type PublishedLatency struct {
	What, Where, Metric, Value, Unit, Date string

	Provenance Provenance
}

func (c *Catalogue) addPublished(r *row) {
	c.Published = append(c.Published, PublishedLatency{
		What: r.name("what"), Where: r.name("where"), Metric: r.name("metric"),
		Value: r.text("value"), Unit: r.text("unit"), Date: r.name("date"),
		Provenance: r.provenance(),
	})
}
