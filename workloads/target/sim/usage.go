package sim

import (
	"time"

	"github.com/weirlab/weir/env"
	kernel "github.com/weirlab/weir/sim"
	"github.com/weirlab/weir/sim/machine"
	"github.com/weirlab/weir/sim/simdisk"
	"github.com/weirlab/weir/workloads/target"
)

// Usage implements target.Cluster: it is what the machines did so far.
func (c *Cluster) Usage(env.Env) []target.Usage {
	now := c.k.Now()
	var all []target.Usage
	for _, b := range c.brokers {
		d := b.disk.Stats()
		u := target.Usage{
			Name: b.name, Over: now,
			DiskReadIOs: d.ReadIOs, DiskWriteIOs: d.WriteIOs, DiskReadBytes: d.ReadBytes, DiskWrittenBytes: d.WriteBytes,
			DiskSyncs: d.Syncs, DiskSyncTime: d.SyncTime, Throttled: d.Throttled,
		}
		t := c.net.Traffic(b.name)
		u.NetSentBytes, u.NetReceivedBytes = t.SentBytes, t.ReceivedBytes
		u.CPU, u.Work = workOf(b.node)
		if c.shared == nil {
			addMachine(&u, b.on, b.disk)
			addNetwork(&u, now, b.on, t.CardSentBytes, t.CardReceivedBytes)
		}
		all = append(all, u)
	}
	if c.shared == nil {
		return all
	}
	clients := target.Usage{Name: target.ClientsName, Over: now}
	clients.CPU, clients.Work = workOf(c.clients...)
	whole := target.Usage{Name: target.SharedName, Over: now}
	for _, u := range append(all, clients) {
		whole.CPU += u.CPU
	}
	addMachine(&whole, c.shared, c.brokers[0].disk)
	return append(all, clients, whole)
}

// workOf is the processor time and the operations of the programs of nodes.
func workOf(nodes ...*kernel.Node) (time.Duration, []target.WorkCount) {
	var cpu time.Duration
	sums := map[string]target.WorkCount{}
	for _, n := range nodes {
		cpu += n.CPUTime()
		for _, w := range n.WorkStats() {
			sum := sums[w.Op]
			sums[w.Op] = target.WorkCount{Op: w.Op, Calls: sum.Calls + w.Calls, Units: sum.Units + w.Units}
		}
	}
	var work []target.WorkCount
	for _, op := range env.SortedKeys(sums) {
		work = append(work, sums[op])
	}
	return cpu, work
}

// addMachine adds what a machine as a whole did: its cores, and the device
// that a disk is on. m is nil if its processor is free.
func addMachine(u *target.Usage, m *machine.Machine, disk *simdisk.Disk) {
	if m != nil {
		s := m.Processor().Stats()
		u.Cores, u.Waited = s.Cores, s.Wait
	}
	d, class := disk.Device(), disk.Profile().Volume.Class
	for _, h := range d.Held() {
		u.Held = append(u.Held, target.HeldBy{
			Limit: h.Limit, Unit: h.Rule.Unit, Units: h.Units, For: h.For,
			Baseline: h.Rule.Baseline, Burst: h.Rule.Burst,
		})
	}
	saved := d.Credits()
	for _, c := range []target.CreditState{
		{Name: class + " IOPS", Unit: "I/Os", Saved: saved.IOs, Most: saved.MostIOs},
		{Name: class + " throughput", Unit: "bytes", Saved: saved.Bytes, Most: saved.MostBytes},
		{Name: "EBS bandwidth of the instance", Unit: "bytes", Saved: saved.PipeBytes, Most: saved.MostPipeBytes},
	} {
		if c.Most > 0 {
			u.Credits = append(u.Credits, c)
		}
	}
}

// addNetwork adds what passed the card of an EC2 instance.
func addNetwork(u *target.Usage, now time.Duration, m *machine.Machine, sent, received int64) {
	if m == nil || m.EC2() == nil {
		return
	}
	rule := m.EC2().NetworkRule()
	in, out, most := m.EC2().NetworkCredits(now)
	for _, d := range []struct {
		name         string
		units, saved int64
	}{{"network out", sent, out}, {"network in", received, in}} {
		u.Held = append(u.Held, target.HeldBy{Limit: d.name, Unit: rule.Unit, Units: d.units, Baseline: rule.Baseline, Burst: rule.Burst})
		if most > 0 {
			u.Credits = append(u.Credits, target.CreditState{Name: d.name, Unit: rule.Unit, Saved: d.saved, Most: most})
		}
	}
}
