package published

import (
	"fmt"
	"slices"
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
	return fmt.Sprintf("against %d published runs; %d parameters were fitted to %d runs, %d of them among these; never on hardware of our own", len(r.Rows), len(parameters), len(Fitted()), fitted)
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
	for _, c := range r.Costs.Sources() {
		add(document.Source{What: c.What, Basis: c.Basis, Source: c.Source, Validated: c.Validated})
	}
	for i := range r.Rows {
		if m := r.Rows[i].Measurement; m != nil {
			for _, x := range m.Models {
				if strings.HasPrefix(x.What, "CPU costs") {
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
		Notes:   []string{r.Costs.Source.Source, "A unit is a byte, for client.record a record, for storage.sync a file, for client.partition, fetch.partition and peer.partition a partition."},
	}
	for _, op := range env.SortedKeys(r.Costs.Operations) {
		c := r.Costs.Operations[op]
		call, unit := float64(c.CallNanos)/1000, float64(c.UnitPicos)/1000
		costs.Rows = append(costs.Rows, []document.Cell{
			document.Words(op), document.Quantity(call, "µs", fmt.Sprintf("%.1f", call)), document.Quantity(unit, "ns", fmt.Sprintf("%.2f", unit)),
		})
	}
	names := Fitted()
	for i, id := range names {
		if !slices.ContainsFunc(r.Rows, func(x RowResult) bool { return x.Row.ID == id }) {
			names[i] += " (which is not among the rows here)"
		}
	}
	return document.Section{
		Title: "The model",
		Text: []string{
			"The brokers and clients that are simulated are Weir's own, which speak Kafka's protocol; Apache Kafka's processor costs are put upon them, and what its threads and its collector add. docs/kafka-jvm.md has the mechanisms. The free parameters were fitted on: " + strings.Join(names, ", ") + ".",
		},
		Tables: []document.Table{costs, r.mechanismTable(), assumed},
	}
}

// throughputSuspicion is what a throughput error is put down to where switching
// mechanisms off does not tell.
func (r *RowResult) throughputSuspicion(e float64) string {
	switch {
	case r.Row.Rules() == "disk bandwidth" && e < 0:
		return "the disks rule both; in the window that is simulated the page cache holds writers to less than the disks take"
	case r.Row.Rules() == "disk bandwidth":
		return "more is written to page caches than to disks while the window lasts"
	case r.Row.Lab == LinkedIn && r.Row.Acks == "all":
		return "at each fetch of a follower Kafka 0.8.1 went through all produce requests that wait for the partition (RequestPurgatory.collectSatisfiedRequests), which costs nothing here"
	case r.Row.Lab == LinkedIn && e > 0:
		return "producers and followers share a card's queue that loses nothing here; a switch drops what is too much, and takes windows from both"
	case e > 0 && r.Row.Partitions >= 1000:
		return "the published consumers were up to a minute behind, and latencies of seconds speak of stalls; a few seconds are simulated, with consumers near the tail, and nothing in the model stalls for thousands of open files"
	case e > 0 && Many(r):
		return "the published consumers, held to 128 KiB a partition, fell tens of seconds behind, so that brokers read old data while writing; the simulated run is of seconds with consumers near the tail"
	case e > 0:
		return "of the published run's requests each waited for the leader's and then for the follower's disk, which had more to do than the disk of the model"
	default:
		return "unknown"
	}
}

// latencySuspicion is the same of a latency error.
func (r *RowResult) latencySuspicion(percentile, e float64) string {
	switch {
	case r.Row.Lab == ElasticStream:
		return "how many requests were under way at once, and on what storage, is not stated; the figure is of requests that wait, and at this rate nothing of the model is short"
	case r.Row.Lab == AWS && e < 0:
		return "clients in shared containers, and what else a managed broker does on four cores, are not in the model"
	case r.Row.Differs() != nil && r.Row.Partitions >= 1000 && e < 0:
		return "metadata, metrics and the consumers' going through all partitions are not in the model"
	case percentile >= 99 && e < 0 && r.Row.Fsync:
		return "the table of fsync latencies is an assumption, the same for all disks; the labs found a p99 of 1 to 6 ms from disk to disk, and waits for a journal that other files' writes hold up"
	case percentile >= 99 && e < 0:
		return "no write-back stalls of a file system in the model"
	case r.Row.Fsync && e > 0:
		return "with flush.messages=1 a request is through when leader and follower have synced it, and the next of the connection waits for that: how long a sync takes, above all how often long, is assumed, and what is assumed is too much"
	case percentile >= 99:
		return "a few seconds hold few of the rare events, and one of them weighs more than in minutes"
	case r.Row.Date < "2019-12" && e < 0:
		return "clients and brokers of before Kafka 2.4 did more for each partition and request than the table, which is of 2.6"
	case r.Row.Fsync && e < 0:
		return "100 files are synced one by one through one journal; the assumed device latency is that of an idle disk"
	default:
		return "unknown"
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
