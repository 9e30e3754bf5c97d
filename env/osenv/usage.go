package osenv

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirlab/weir/env"
)

// Usage is what a process did through its Env and what it took.
type Usage struct {
	// CPU is the processor time of the whole process, in user and system mode.
	// It is 0 where the system does not tell.
	CPU time.Duration

	// Bytes written to and read from the Env's connections.
	NetSentBytes, NetReceivedBytes int64

	// Syncs of files, and how long they took, all together.
	Syncs    int64
	SyncTime time.Duration

	// Work counts the Work calls of the Env, sorted by operation.
	Work []WorkCount
}

// WorkCount counts the Work calls of one operation.
type WorkCount struct {
	Op    string
	Calls int64
	Units int64 // summed over calls
}

// Usage is what happened since the Env was made; CPU since the process began.
func (e *Env) Usage() Usage {
	return Usage{
		CPU:              cpuTime(),
		NetSentBytes:     e.traffic.sent.Load(),
		NetReceivedBytes: e.traffic.received.Load(),
		Syncs:            e.files.syncs.Load(),
		SyncTime:         time.Duration(e.files.syncNanos.Load()),
		Work:             e.work.counts(),
	}
}

// Sub is what happened since before.
func (u Usage) Sub(before Usage) Usage {
	d := Usage{
		CPU:              u.CPU - before.CPU,
		NetSentBytes:     u.NetSentBytes - before.NetSentBytes,
		NetReceivedBytes: u.NetReceivedBytes - before.NetReceivedBytes,
		Syncs:            u.Syncs - before.Syncs,
		SyncTime:         u.SyncTime - before.SyncTime,
	}
	for _, w := range u.Work {
		if i := slices.IndexFunc(before.Work, func(b WorkCount) bool { return b.Op == w.Op }); i >= 0 {
			w.Calls -= before.Work[i].Calls
			w.Units -= before.Work[i].Units
		}
		d.Work = append(d.Work, w)
	}
	return d
}

// UsageEvent is the name of the event under which weir broker tells its usage
// to whoever reads its event log.
const UsageEvent = "usage"

const (
	attrCPU      = "cpu_ns"
	attrSent     = "net_sent_bytes"
	attrReceived = "net_received_bytes"
	attrSyncs    = "syncs"
	attrSyncTime = "sync_ns"
	callsSuffix  = ".calls"
	unitsSuffix  = ".units"
)

// Attrs is the usage as the attributes of a [UsageEvent].
func (u Usage) Attrs() []env.Attr {
	attrs := []env.Attr{env.Int(attrCPU, int64(u.CPU)), env.Int(attrSent, u.NetSentBytes), env.Int(attrReceived, u.NetReceivedBytes),
		env.Int(attrSyncs, u.Syncs), env.Int(attrSyncTime, int64(u.SyncTime))}
	for _, w := range u.Work {
		attrs = append(attrs, env.Int(w.Op+callsSuffix, w.Calls), env.Int(w.Op+unitsSuffix, w.Units))
	}
	return attrs
}

// ParseUsage reads the attributes of a [UsageEvent]. Others are left out.
func ParseUsage(attrs []env.Attr) Usage {
	var u Usage
	count := func(op string) *WorkCount {
		i := slices.IndexFunc(u.Work, func(w WorkCount) bool { return w.Op == op })
		if i < 0 {
			i = len(u.Work)
			u.Work = append(u.Work, WorkCount{Op: op})
		}
		return &u.Work[i]
	}
	for _, a := range attrs {
		if a.IsText {
			continue
		}
		switch a.Key {
		case attrCPU:
			u.CPU = time.Duration(a.Int)
		case attrSent:
			u.NetSentBytes = a.Int
		case attrReceived:
			u.NetReceivedBytes = a.Int
		case attrSyncs:
			u.Syncs = a.Int
		case attrSyncTime:
			u.SyncTime = time.Duration(a.Int)
		default:
			if op, ok := strings.CutSuffix(a.Key, callsSuffix); ok {
				count(op).Calls = a.Int
			} else if op, ok := strings.CutSuffix(a.Key, unitsSuffix); ok {
				count(op).Units = a.Int
			}
		}
	}
	return u
}

// workCounter counts operations by name. The map is replaced when a name is
// new and never changed, so that counting takes no lock.
type workCounter struct {
	ops atomic.Pointer[map[string]*opCount]
	mu  sync.Mutex // held to replace the map
}

type opCount struct{ calls, units atomic.Int64 }

func (w *workCounter) count(op string, n int64) {
	var c *opCount
	if ops := w.ops.Load(); ops != nil {
		c = (*ops)[op]
	}
	if c == nil {
		c = w.add(op)
	}
	c.calls.Add(1)
	c.units.Add(n)
}

func (w *workCounter) add(op string) *opCount {
	w.mu.Lock()
	defer w.mu.Unlock()
	ops := map[string]*opCount{}
	if old := w.ops.Load(); old != nil {
		if c := (*old)[op]; c != nil {
			return c
		}
		ops = maps.Clone(*old)
	}
	c := new(opCount)
	ops[op] = c
	w.ops.Store(&ops)
	return c
}

func (w *workCounter) counts() []WorkCount {
	ops := w.ops.Load()
	if ops == nil {
		return nil
	}
	var all []WorkCount
	for _, op := range env.SortedKeys(*ops) {
		c := (*ops)[op]
		all = append(all, WorkCount{Op: op, Calls: c.calls.Load(), Units: c.units.Load()})
	}
	return all
}
