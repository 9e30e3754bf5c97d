//go:build unix

package local

import (
	"time"

	"github.com/weirlab/weir/env/osenv"
	"github.com/weirlab/weir/workloads/target"
)

// usageCurve is what a process told about its work, as it went on.
type usageCurve struct {
	at   []time.Duration
	told []osenv.Usage
}

func (c *usageCurve) add(at time.Duration, u osenv.Usage) {
	c.at, c.told = append(c.at, at), append(c.told, u)
}

// fill adds what the process did between two instants to what was seen from
// outside. Between two tellings the work is taken to be even.
func (c *usageCurve) fill(u *target.Usage, from, to time.Duration) {
	begin, end := c.find(from), c.find(to)
	u.NetSentBytes = end.NetSentBytes - begin.NetSentBytes
	u.NetReceivedBytes = end.NetReceivedBytes - begin.NetReceivedBytes
	u.DiskSyncs = end.Syncs - begin.Syncs
	u.DiskSyncTime = end.SyncTime - begin.SyncTime
	u.Work = nil
	for _, w := range end.Sub(begin).Work {
		u.Work = append(u.Work, target.WorkCount{Op: w.Op, Calls: w.Calls, Units: w.Units})
	}
}

// find is the usage up to an instant.
func (c *usageCurve) find(at time.Duration) osenv.Usage {
	i := 0
	for i < len(c.at) && c.at[i] <= at {
		i++
	}
	switch {
	case i == 0:
		return osenv.Usage{}
	case i == len(c.at):
		return c.told[i-1]
	}
	part := float64(at-c.at[i-1]) / float64(c.at[i]-c.at[i-1])
	between := func(a, b int64) int64 { return a + int64(part*float64(b-a)) }
	before, after := c.told[i-1], c.told[i]
	u := osenv.Usage{
		NetSentBytes:     between(before.NetSentBytes, after.NetSentBytes),
		NetReceivedBytes: between(before.NetReceivedBytes, after.NetReceivedBytes),
		Syncs:            between(before.Syncs, after.Syncs),
		SyncTime:         time.Duration(between(int64(before.SyncTime), int64(after.SyncTime))),
	}
	step := after.Sub(before)
	for j, w := range after.Work {
		w.Calls += between(0, step.Work[j].Calls) - step.Work[j].Calls
		w.Units += between(0, step.Work[j].Units) - step.Work[j].Units
		u.Work = append(u.Work, w)
	}
	return u
}
