package published

import (
	"fmt"
	"math"
	"strings"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/workloads/experiment/document"
	"github.com/weirlab/weir/workloads/target"
)

// model names the sources of the models behind the figures.
func (r *Result) model() string {
	return "sim/ec2 (instance limits: specification; disks: iotune; latencies: assumption) and processor costs \"" + r.Costs.Name + "\" (" + r.Costs.Source.Basis + ")"
}

// validated says how far the model was compared with hardware.
func (r *Result) validated() string {
	fitted := 0
	for i := range r.Rows {
		if r.Rows[i].Fitted {
			fitted++
		}
	}
	return fmt.Sprintf("against the published runs shown, of which %d of %d were used to fit the processor costs; never on hardware of our own", fitted, len(r.Rows))
}

func (r *Result) sources() []document.Source {
	var all []document.Source
	seen := map[document.Source]bool{}
	add := func(s document.Source) {
		if !seen[s] && s.What != "" && s.Source != "" {
			seen[s] = true
			all = append(all, s)
		}
	}
	for i := range r.Rows {
		row := &r.Rows[i].Row
		add(document.Source{What: "published runs of " + string(row.Lab), Basis: "measurement", Source: row.Source + ", " + row.URL})
	}
	c := r.Costs.Source
	add(document.Source{What: c.What, Basis: c.Basis, Source: c.Source, Validated: c.Validated})
	for i := range r.Rows {
		if m := r.Rows[i].Measurement; m != nil {
			for _, x := range m.Models {
				if x.What == c.What {
					continue // said above
				}
				basis, source, _ := strings.Cut(x.Source, ": ")
				add(document.Source{What: x.What, Basis: basis, Source: source})
			}
		}
	}
	return all
}

func (r *Result) modelSection() document.Section {
	assumed := document.Table{
		Name: "published-assumptions", Title: "What was assumed",
		Columns: []document.Column{{Name: "Assumption"}, {Name: "Ground"}},
	}
	for _, a := range Assumptions() {
		assumed.Rows = append(assumed.Rows, []document.Cell{document.Words(a.What), document.Words(a.Why)})
	}
	costs := document.Table{
		Name: "published-costs", Title: "Processor costs of Kafka on the JVM",
		Columns: []document.Column{{Name: "Operation"}, {Name: "A call", Unit: "µs", Number: true}, {Name: "A unit", Unit: "ns", Number: true}},
		Notes:   []string{r.Costs.Source.Source, "A unit is a byte, for client.record a record, for storage.sync a file."},
	}
	for _, op := range env.SortedKeys(r.Costs.Operations) {
		c := r.Costs.Operations[op]
		call, unit := float64(c.CallNanos)/1000, float64(c.UnitPicos)/1000
		costs.Rows = append(costs.Rows, []document.Cell{
			document.Words(op), document.Quantity(call, "µs", fmt.Sprintf("%.1f", call)), document.Quantity(unit, "ns", fmt.Sprintf("%.2f", unit)),
		})
	}
	var names []string
	for i := range r.Rows {
		if r.Rows[i].Fitted {
			names = append(names, r.Rows[i].Row.ID)
		}
	}
	return document.Section{
		Title: "The model",
		Text: []string{
			"The brokers and clients that are simulated are Weir's own, which speak Kafka's protocol; Apache Kafka's processor costs are put upon them. The free parameters of these were fitted on: " + strings.Join(names, ", ") + ".",
		},
		Tables: []document.Table{costs, assumed},
	}
}

// missesSection has every error beyond its target, with the mechanism.
func (r *Result) missesSection() document.Section {
	t := document.Table{
		Name: "published-misses", Title: "What misses, and why",
		Columns: []document.Column{{Name: "Row"}, {Name: "Figure"}, {Name: "Error", Number: true}, {Name: "Mechanism"}},
	}
	add := func(x *RowResult, figure string, e float64, ok bool, limit float64, why string) {
		if ok && math.Abs(e) > limit {
			t.Rows = append(t.Rows, []document.Cell{document.Words(x.Row.Name()), document.Words(figure), errorCell(e, ok, limit), document.Words(why)})
		}
	}
	for i := range r.Rows {
		x := &r.Rows[i]
		e, ok := x.ThroughputError()
		add(x, "throughput", e, ok, throughputTarget, x.throughputReason(e))
		if x.Row.Saturated() {
			continue
		}
		for _, kind := range []LatencyKind{Publish, EndToEnd} {
			for _, p := range []float64{50, 99} {
				_, _, e, ok := x.LatencyError(kind, p)
				add(x, fmt.Sprintf("%s p%v", kind, p), e, ok, latencyMiss, x.latencyReason(kind, p, e))
			}
		}
	}
	s := document.Section{Title: "What misses, and why", Tables: []document.Table{t}}
	if len(t.Rows) == 0 {
		s.Text, s.Tables = []string{"Nothing is beyond its limit."}, nil
	}
	return s
}

// throughputReason is the mechanism that a throughput error is put down to.
func (r *RowResult) throughputReason(e float64) string {
	switch {
	case r.Row.Rules() == "disk bandwidth" && e < 0:
		return "the disks rule both; in the window that is simulated the page cache holds writers to less than the disks take"
	case r.Row.Rules() == "disk bandwidth":
		return "more is written to page caches than to disks while the window lasts"
	case e > 0 && Many(r):
		return "the published consumers, held to 128 KiB a partition, fell tens of seconds behind, so that brokers read old data from disks and caches while writing, and requests took longer; the simulated run is of seconds with consumers near the tail, and gets to the disks' limit"
	case e > 0:
		return "of the published run's requests each waited for the leader's and then for the follower's disk; the simulated ones overlap, and get to the disk's limit"
	default:
		return "requests take longer through the simulated followers than they did through Kafka's eight fetchers per source"
	}
}

// latencyReason is the mechanism that a latency error is put down to.
func (r *RowResult) latencyReason(kind LatencyKind, percentile, e float64) string {
	switch {
	case percentile >= 99 && e < 0 && r.Row.Fsync:
		return "the table of fsync latencies is an assumption, the same for all disks; the labs found a p99 of 1 to 6 ms from disk to disk, and waits for a journal that other files' writes hold up"
	case percentile >= 99 && e < 0:
		return "no collector pauses, and no write-back stalls of a file system, in the model"
	case percentile >= 99:
		return "a few seconds hold few of the rare events, and one of them weighs more than in minutes"
	case r.Row.Fsync && e < 0:
		return "100 files are synced one by one through one journal; the assumed device latency is that of an idle disk"
	case r.Row.Fsync:
		return "a fetcher syncs the partitions of a round one after the other, and all files of a broker share a journal that commits them one by one; each call's fitted cost, much of which Kafka spends elsewhere, comes on top and makes rounds longer and fuller"
	case kind == EndToEnd && e < 0:
		return "Kafka's consumer polls and decodes in a loop of its own, which takes longer than the simulated one"
	case e < 0:
		return "the costs were fitted to medians of two other rows, one of each kind of acks; what differs here (batch size, producers) acts less on the simulated cluster than on Kafka"
	default:
		return "processor costs were fitted on other rows"
	}
}

// busiest is the limit of a broker that was used most, in words.
func busiest(machines []target.Usage) string {
	var name string
	var most int64 = -1
	for _, m := range machines {
		for _, l := range m.Limits {
			if p := l.Percent(); p > most {
				most, name = p, fmt.Sprintf("%s %d%%", l.Name, p)
			}
		}
	}
	return name
}
