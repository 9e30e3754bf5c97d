package compare

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weirlab/weir/workloads/experiment/document"
)

// courses are the patterns whose throughput changes as credits run out.
func (r *Result) courses() (list []patternOf) {
	for _, e := range r.Configurations {
		for _, p := range e.Patterns() {
			if p.Course != nil && len(p.Course.Exhausted) > 0 {
				list = append(list, patternOf{e, p})
			}
		}
	}
	return list
}

type patternOf struct {
	e *Entry
	p *Pattern
}

func (x patternOf) name() string {
	if x.p.Fsync {
		return x.e.name() + ", fsync"
	}
	return x.e.name()
}

func (x patternOf) file(prefix string) string {
	name := prefix + "-" + strings.ToLower(x.e.name())
	if x.p.Fsync {
		name += "-fsync"
	}
	return name
}

// burst is what happens when credits run out.
func (r *Result) burst() document.Section {
	s := document.Section{
		Title: "When burst credits run out",
		Text:  []string{fmt.Sprintf("What a broker asks of its disks and its network at the ceiling was measured in the simulation of the cluster. Put on the credit buckets alone, from full credits and for %d hours, it shows when they run out and what passes from then on. Then the cluster was simulated once more with all credits spent, at its ceiling and at a load half way between the two ceilings: one that the burst carries and the baseline does not.", r.Plan.Hours)},
	}
	list := r.courses()
	if len(list) == 0 {
		s.Text = append(s.Text, "No configuration runs out of credits at its ceiling within this time.")
		return s
	}
	t := document.Table{
		Name: "credits", Title: "When credits run out, at full load",
		Columns: []document.Column{
			{Name: "storage"}, {Name: "fsync"}, {Name: "limit"}, {Name: "after", Number: true}, {Name: "burst", Unit: "per s", Number: true}, {Name: "baseline", Unit: "per s", Number: true},
			{Name: "full again when idle", Number: true}, {Name: "with credits", Unit: "MB/s", Number: true}, {Name: "without", Unit: "MB/s", Number: true},
		},
		Notes: []string{"Burst and baseline are of the limit itself; with and without are record values acknowledged by the simulated cluster."},
	}
	rates := document.Figure{
		Name: "credits-throughput", Title: "Written by each broker, hour by hour", Kind: document.Steps,
		About: "The demand of the cluster's ceiling, put on the limits of disk, instance and network alone.",
		X:     document.Axis{Label: "time under full load", Unit: "h"}, Y: document.Axis{Label: "written by each broker", Unit: "MB/s"},
		Basis: document.Simulated, Model: r.model(), Validated: document.NeverCompared,
	}
	balance := document.Figure{
		Name: "credits-balance", Title: "Burst credits left of volumes and EBS pipes", Kind: document.Lines,
		About: "Only limits whose credits run out are drawn.",
		X:     rates.X, Y: document.Axis{Label: "of the most that can be saved", Unit: "%", Max: 100},
		Basis: document.Simulated, Model: r.model(), Validated: document.NeverCompared,
	}
	network := balance
	network.Name, network.Title = "credits-network", "Burst credits left of the network"
	for _, x := range list {
		c := x.p.Course
		line := document.Series{Name: x.name(), Basis: document.Simulated, Color: r.color(x.e), X: []float64{0}, Y: []float64{float64(c.Points[0].WriteBytes) / 1e6}}
		for _, pt := range c.Points {
			line.X, line.Y = append(line.X, pt.At.Hours()), append(line.Y, float64(pt.WriteBytes)/1e6)
		}
		rates.Series = append(rates.Series, line)
		for _, dry := range c.Exhausted {
			if dry.Limit == networkOut && slices.ContainsFunc(c.Exhausted, func(o Exhaustion) bool { return o.Limit == networkIn && o.At == dry.At }) {
				continue // replication: what comes in goes out
			}
			left := document.Series{Name: x.name() + ": " + dry.Limit, Basis: document.Simulated, X: []float64{0}, Y: []float64{100}}
			for _, pt := range c.Points {
				i := slices.IndexFunc(pt.Credits, func(k Credit) bool { return k.Limit == dry.Limit })
				left.X, left.Y = append(left.X, pt.At.Hours()), append(left.Y, pt.Credits[i].Percent)
				if pt.Credits[i].Percent < 0.1 {
					break // they are out, and the demand goes on
				}
			}
			if dry.Limit == networkIn || dry.Limit == networkOut {
				network.Series = append(network.Series, left)
			} else {
				balance.Series = append(balance.Series, left)
			}
			with, without := rate(x.p.Ceiling.Acked), document.Words("")
			if x.p.Spent != nil {
				without = rate(x.p.Spent.Acked)
			}
			t.Rows = append(t.Rows, []document.Cell{
				document.Words(x.e.name()), document.Words(onOff(x.p.Fsync)), document.Words(dry.Limit), document.Quantity(dry.At.Seconds(), "s", long(dry.At)),
				units(dry.Burst, dry.Unit), units(dry.Baseline, dry.Unit), document.Quantity(dry.Refill.Seconds(), "s", long(dry.Refill)), with, without,
			})
		}
	}
	s.Tables = append(s.Tables, t)
	for _, f := range []document.Figure{rates, balance, network} {
		if len(f.Series) > 0 {
			s.Figures = append(s.Figures, f)
		}
	}
	r.between(&s, list)
	return s
}

// between shows a load that the burst carries and the baseline does not.
func (r *Result) between(s *document.Section, list []patternOf) {
	t := document.Table{
		Name: "between", Title: "A load between the two ceilings, with credits and without",
		Columns: []document.Column{
			{Name: "storage"}, {Name: "fsync"}, {Name: "load", Unit: "MB/s", Number: true}, {Name: "credits last", Number: true},
			{Name: "acknowledged with", Unit: "MB/s", Number: true}, {Name: "without", Unit: "MB/s", Number: true},
			{Name: "p99 with", Unit: "ms", Number: true}, {Name: "p99 without", Unit: "ms", Number: true}, {Name: "held back by"},
		},
		Notes: []string{"Without credits the latency has no value of its own: the backlog grows for as long as the load goes on. What is given is that of the measured seconds."},
	}
	for _, x := range list {
		p := x.p
		if p.Before == nil || p.After == nil {
			continue
		}
		last := document.Words("for longer than was followed")
		if c := p.BetweenCourse; c != nil && len(c.Exhausted) > 0 {
			last = document.Quantity(c.Exhausted[0].At.Seconds(), "s", long(c.Exhausted[0].At))
		}
		t.Rows = append(t.Rows, []document.Cell{
			document.Words(x.e.name()), document.Words(onOff(p.Fsync)), rate(p.Before.Requested), last, rate(p.Before.Acked), rate(p.After.Acked),
			latencyCell(p.Before, 99), latencyCell(p.After, 99), document.Words(p.After.Bottleneck),
		})
		f := document.Figure{
			Name: x.file("between"), Title: fmt.Sprintf("%s: p99 second by second at %s", x.name(), megabytes(p.Before.Requested)), Kind: document.Lines, Half: true,
			X: document.Axis{Label: "time", Unit: "s"}, Y: document.Axis{Label: "produce latency, p99", Unit: "ms", Log: true},
			Bands: []document.Band{{From: 0, To: p.Before.WarmUp.Seconds(), Label: "warm-up"}},
			Basis: document.Simulated, Model: r.model(), Validated: document.NeverCompared,
		}
		for i, run := range []*Figures{p.Before, p.After} {
			line := document.Series{Name: []string{"credits full", "credits spent"}[i], Basis: document.Simulated}
			for _, sec := range run.Seconds {
				if sec.P99 > 0 {
					line.X, line.Y = append(line.X, sec.At.Seconds()), append(line.Y, float64(sec.P99)/1e6)
				}
			}
			if len(line.X) > 0 {
				f.Series = append(f.Series, line)
			}
		}
		if len(f.Series) > 0 {
			s.Figures = append(s.Figures, f)
		}
	}
	if len(t.Rows) > 0 {
		s.Tables = append(s.Tables, t)
	}
}

func units(n int64, unit string) document.Cell {
	if unit == "bytes" {
		return document.Quantity(float64(n)/1e6, "MB/s", megabytes(n))
	}
	return document.Quantity(float64(n), "1/s", fmt.Sprintf("%d %s", n, unit))
}

// loss is what it takes to bring a broker back.
func (r *Result) loss() document.Section {
	s := document.Section{
		Title: "When a broker is lost",
		Text: []string{
			fmt.Sprintf("A host fails and a machine runs in its place %v later, an assumption. A volume is attached to the new machine and lacks only what was written meanwhile; an instance store starts empty. What is missing is read by the other brokers, sent, received and written, beside the load that goes on, through the limits of all of them; where these leave room, the rate is the one at which a broker was seen to catch up in a simulation of its return.", r.Plan.Away),
		},
	}
	t := document.Table{
		Name: "rebuild", Title: "Rebuild",
		Columns: []document.Column{
			{Name: "storage"}, {Name: "what was lost"}, {Name: "to copy", Unit: "GiB", Number: true}, {Name: "copying takes", Number: true}, {Name: "on average", Unit: "MB/s", Number: true},
			{Name: "ruled by"}, {Name: "replica missing", Number: true},
		},
	}
	f := document.Figure{
		Name: "rebuild", Title: "What a broker that lost its storage still lacks", Kind: document.Lines,
		X: document.Axis{Label: "time since a machine runs again", Unit: "min"}, Y: document.Axis{Label: "missing", Unit: "GiB"},
		Basis: document.Simulated, Model: r.model(), Validated: document.NeverCompared,
		Note: "Computed with the credit buckets; the rate of fetching is from a simulation of the whole cluster.",
	}
	for _, e := range r.Configurations {
		for _, b := range []*Rebuild{e.Host, e.Storage} {
			if e.Configuration.Kind() == Ephemeral && b == e.Storage {
				continue // the same: with the host its storage is lost
			}
			what := "host"
			if b == e.Storage {
				what = "volume"
			} else if e.Configuration.Kind() == Ephemeral {
				what = "host with its disks"
			}
			took := document.Quantity(b.Took.Seconds(), "s", long(b.Took))
			if b.Never {
				took = document.Words("never ends").Marked(document.Bad)
			}
			t.Rows = append(t.Rows, []document.Cell{
				document.Words(e.name()), document.Words(what), document.Quantity(float64(b.Bytes)/(1<<30), "GiB", strings.TrimSuffix(gibibytes(b.Bytes), " GiB")),
				took, rate(b.BytesPerSecond), document.Words(b.Rules), waitCell(b),
			})
		}
		line := document.Series{Name: e.name(), Basis: document.Simulated, Color: r.color(e)}
		for _, pt := range e.Storage.Points {
			line.X, line.Y = append(line.X, pt.At.Minutes()), append(line.Y, float64(max(0, pt.Missing))/(1<<30))
		}
		if !e.Storage.Never {
			f.Series = append(f.Series, line)
		}
	}
	s.Tables = append(s.Tables, t, r.returns(), r.rebuildLimits())
	if len(f.Series) > 0 {
		s.Figures = append(s.Figures, f)
	}
	return s
}

// returns are the simulations of a broker's return.
func (r *Result) returns() document.Table {
	t := document.Table{
		Name: "catch-up", Title: "How fast a broker fetched what it had missed, simulated",
		Columns: []document.Column{{Name: "instance"}, {Name: "missed", Unit: "MB", Number: true}, {Name: "fetched in", Unit: "s", Number: true}, {Name: "rate", Unit: "MB/s", Number: true}},
		Notes:   []string{"The load was over, and what was missing was in the memory of the other brokers: this is what fetching takes by itself."},
	}
	var seen []string
	for _, e := range r.Configurations {
		u := e.CatchUp
		if u == nil || slices.Contains(seen, u.Instance) {
			continue
		}
		seen = append(seen, u.Instance)
		t.Rows = append(t.Rows, []document.Cell{
			document.Words(u.Instance), document.Quantity(float64(u.Bytes)/1e6, "MB", fmt.Sprintf("%.0f", float64(u.Bytes)/1e6)),
			document.Quantity(u.Took.Seconds(), "s", fmt.Sprintf("%.2f", u.Took.Seconds())), rate(u.BytesPerSecond),
		})
	}
	return t
}

// rebuildLimits is the arithmetic behind a rebuild.
func (r *Result) rebuildLimits() document.Table {
	t := document.Table{
		Name: "rebuild-limits", Title: "What each limit leaves for a rebuild",
		Columns: []document.Column{{Name: "storage"}, {Name: "limit"}, {Name: "while it bursts", Unit: "MB/s", Number: true}, {Name: "sustained", Unit: "MB/s", Number: true}},
		Notes:   []string{"Each limit less what the load takes of it; for what the other brokers do, of all of them together."},
	}
	for _, e := range r.Configurations {
		for _, l := range e.Storage.Limits {
			t.Rows = append(t.Rows, []document.Cell{document.Words(e.name()), document.Words(l.Name), rate(l.Burst), rate(l.Sustained)})
		}
	}
	return t
}
