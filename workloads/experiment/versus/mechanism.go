package versus

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/workloads/experiment/document"
	"github.com/weirlab/weir/workloads/measure"
)

// busy is what the machine did per record in a saturated run: CPU time, of
// what the processor had, and how often each operation was done.
type busy struct {
	cores      float64 // busy on average
	perRecord  float64 // µs of core time
	operations map[string]float64
	records    float64
}

func busyOf(m *measure.Measurement) busy {
	b := busy{operations: map[string]float64{}, perRecord: cpuPerRecord(m)}
	var over time.Duration
	for _, u := range processes(m) {
		over = u.Over
		b.cores += u.CPU.Seconds() / u.Over.Seconds()
	}
	b.records = m.AckedPerSecond * over.Seconds()
	for _, u := range processes(m) {
		for _, w := range u.Work {
			b.operations[w.Op] += float64(w.Calls) / max(b.records, 1)
		}
	}
	return b
}

func busyMedian(runs []*measure.Measurement) busy {
	var list []busy
	for _, m := range runs {
		list = append(list, busyOf(m))
	}
	median := func(of func(busy) float64) float64 {
		var values []float64
		for _, b := range list {
			values = append(values, of(b))
		}
		return spread(values).Median
	}
	b := busy{
		cores: median(func(b busy) float64 { return b.cores }), perRecord: median(func(b busy) float64 { return b.perRecord }),
		records: median(func(b busy) float64 { return b.records }), operations: map[string]float64{},
	}
	for _, o := range list {
		for _, op := range env.SortedKeys(o.operations) {
			if _, done := b.operations[op]; !done {
				b.operations[op] = median(func(b busy) float64 { return b.operations[op] })
			}
		}
	}
	return b
}

// reason says, from what both machines were busy with, why a figure is off.
func (c *Case) reason(f Figure) string {
	if f.Name != Throughput.Name {
		real, sim := c.Compare(P50Sent).Real, c.Compare(P50Sent).Sim
		return fmt.Sprintf("from the hand-over of a record, without the generator's timer, it takes %.2f ms in reality and %.2f ms in the simulation.", real.Median, sim.Median)
	}
	real, sim := busyMedian(c.Saturated.Real), busyMedian(c.Saturated.Sim)
	text := fmt.Sprintf("in reality %.1f cores were busy, %.0f µs for each record; in the simulation %.1f cores, %.0f µs.", real.cores, real.perRecord, sim.cores, sim.perRecord)
	cores := float64(runCores(c.Saturated.Sim))
	switch full := 0.9 * cores; {
	case real.cores >= full && sim.cores >= full:
		return text + " Both are short of CPU: the costs of the operations are off for this mixture of them."
	case real.cores >= full:
		return text + " The real machine is short of CPU and the simulated one waits for something else."
	case sim.cores >= full:
		return text + " The simulated machine is short of CPU and the real one waits for something else."
	}
	if op, a, b := furthest(real, sim); op != "" {
		return text + fmt.Sprintf(" Neither is short of CPU: both wait, for the disk or for each other; %s is done %.3f times for each record in reality and %.3f times in the simulation.", op, a, b)
	}
	return text + " Neither is short of CPU: both wait, for the disk or for each other."
}

func runCores(runs []*measure.Measurement) int {
	for _, m := range runs {
		for _, u := range m.Machines {
			if u.Cores > 0 {
				return u.Cores
			}
		}
	}
	return 0
}

// furthest is the operation whose number for each record differs most between
// the worlds; rare ones do not count.
func furthest(real, sim busy) (op string, a, b float64) {
	most := math.Log(1.3)
	for _, name := range env.SortedKeys(real.operations) {
		x, y := real.operations[name], sim.operations[name]
		if max(x, y) < 0.01 || x == 0 || y == 0 {
			continue
		}
		if d := math.Abs(math.Log(x / y)); d > most {
			most, op, a, b = d, name, x, y
		}
	}
	return op, a, b
}

// mechanismSection shows what both machines were busy with.
func (r *Result) mechanismSection() document.Section {
	s := document.Section{
		Title: "Why",
		Text:  []string{"What both machines were busy with while saturated: cores, core time for each record of brokers and clients together, and how often brokers and clients did each operation for each record. Where the worlds do different things, and not only faster or slower, it shows here."},
	}
	t := document.Table{
		Name: r.figureName() + "-busy", Title: "Busy with, saturated",
		Columns: []document.Column{{Name: "Workload"}, {Name: "Half"},
			{Name: "cores real", Number: true}, {Name: "simulated", Number: true},
			{Name: "CPU per record, real", Unit: "µs", Number: true}, {Name: "simulated", Unit: "µs", Number: true}, {Name: "error", Number: true}},
	}
	var reasons []string
	for i := range r.Cases {
		c := &r.Cases[i]
		if len(c.Saturated.Real) == 0 {
			continue
		}
		real, sim := busyMedian(c.Saturated.Real), busyMedian(c.Saturated.Sim)
		t.Rows = append(t.Rows, []document.Cell{document.Words(c.Workload.Title()), c.halfCell(),
			cell(real.cores, ""), cell(sim.cores, ""), cell(real.perRecord, "µs"), cell(sim.perRecord, "µs"), errorCell(c.Compare(CPUPerRecord), 0)})
		for _, f := range []Figure{Throughput, P50} {
			if e, ok := c.Compare(f).Error(); ok && math.Abs(e) > f.Target {
				reasons = append(reasons, fmt.Sprintf("%s, %s %+.0f%%: %s", c.Workload.Title(), f.Name, e, c.reason(f)))
			}
		}
	}
	if len(t.Rows) > 0 {
		s.Tables = append(s.Tables, t, r.operationsTable())
	}
	if len(reasons) > 0 {
		s.Text = append(s.Text, "What misses its target:")
		s.Text = append(s.Text, reasons...)
	} else if len(t.Rows) > 0 {
		s.Text = append(s.Text, "No workload misses a target.")
	}
	return s
}

// operationsTable shows how often each operation was done per record.
func (r *Result) operationsTable() document.Table {
	t := document.Table{
		Name: r.figureName() + "-operations", Title: "Operations per thousand records, real and simulated",
		Columns: []document.Column{{Name: "Workload"}},
		Notes:   []string{"A pair is real → simulated. It is marked if they differ by more than a factor of 1.3."},
	}
	var ops []string
	var rows []struct {
		c         *Case
		real, sim busy
	}
	for i := range r.Cases {
		c := &r.Cases[i]
		if len(c.Saturated.Real) == 0 {
			continue
		}
		real, sim := busyMedian(c.Saturated.Real), busyMedian(c.Saturated.Sim)
		rows = append(rows, struct {
			c         *Case
			real, sim busy
		}{c, real, sim})
		for _, op := range env.SortedKeys(real.operations) {
			if real.operations[op] >= 0.005 && !slices.Contains(ops, op) {
				ops = append(ops, op)
			}
		}
	}
	slices.Sort(ops)
	for _, op := range ops {
		t.Columns = append(t.Columns, document.Column{Name: op, Number: true})
	}
	for _, row := range rows {
		cells := []document.Cell{document.Words(row.c.Workload.Title())}
		for _, op := range ops {
			a, b := row.real.operations[op], row.sim.operations[op]
			c := document.Words(fmt.Sprintf("%.0f → %.0f", 1000*a, 1000*b))
			if a > 0 && b > 0 && max(a, b) >= 0.01 && math.Abs(math.Log(a/b)) > math.Log(1.3) {
				c = c.Marked(document.Bad)
			}
			cells = append(cells, c)
		}
		t.Rows = append(t.Rows, cells)
	}
	return t
}
