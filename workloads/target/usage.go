package target

import "time"

// Usage is what a machine was busy with over some time.
type Usage struct {
	Name string        `json:"name"` // "broker-1", "clients"
	Over time.Duration `json:"over"`

	// Cores of its processor, 0 if processing is free; CPU is how long they
	// were busy, all together, and Waited how long tasks waited for one.
	Cores  int           `json:"cores,omitempty"`
	CPU    time.Duration `json:"cpu,omitempty"`
	Waited time.Duration `json:"waited,omitempty"`
	// Work counts the operations that env.Env.Work was told of, by name.
	Work []WorkCount `json:"work,omitempty"`

	DiskReadIOs      int64 `json:"disk_read_ios,omitempty"`
	DiskWriteIOs     int64 `json:"disk_write_ios,omitempty"`
	DiskReadBytes    int64 `json:"disk_read_bytes,omitempty"`
	DiskWrittenBytes int64 `json:"disk_written_bytes,omitempty"`
	DiskSyncs        int64 `json:"disk_syncs,omitempty"`
	// DiskSyncTime is how long syncs took, all together.
	DiskSyncTime time.Duration `json:"disk_sync_time,omitempty"`
	// Throttled is how long writers waited because too many pages were dirty.
	Throttled time.Duration `json:"throttled,omitempty"`

	NetSentBytes     int64 `json:"net_sent_bytes,omitempty"`
	NetReceivedBytes int64 `json:"net_received_bytes,omitempty"`

	// Limits are what the machine could do at most, and how much of it was
	// used.
	Limits []LimitUse `json:"limits,omitempty"`
	// Held is what its volumes' limits held transfers back for.
	Held []HeldBy `json:"held,omitempty"`
	// Credits are its burst credits at the end.
	Credits []CreditState `json:"credits,omitempty"`
}

// WorkCount is how often an operation was done, over how many units.
type WorkCount struct {
	Op    string `json:"op"`
	Calls int64  `json:"calls"`
	Units int64  `json:"units"`
}

// LimitUse is one limit of a machine. Used and PerSecond are of one unit;
// PerSecond 0 is no limit.
type LimitUse struct {
	Name      string `json:"name"` // "disk bandwidth", "processor", "network out"
	Unit      string `json:"unit"` // "bytes/s", "I/Os/s", "cores"
	Used      int64  `json:"used_per_s"`
	PerSecond int64  `json:"limit_per_s"`
}

// Percent is how much of the limit was used, 0 if there is none.
func (l LimitUse) Percent() int64 {
	if l.PerSecond == 0 {
		return 0
	}
	return 100 * l.Used / l.PerSecond
}

// HeldBy is a limit that transfers had to pass: how many units did, and for how
// long transfers were under way because of it.
type HeldBy struct {
	Limit string        `json:"limit"`
	Unit  string        `json:"unit"` // "bytes", "I/Os"
	Units int64         `json:"units"`
	For   time.Duration `json:"for"`

	// What may always pass, and while there are credits, per second.
	Baseline int64 `json:"baseline_per_s"`
	Burst    int64 `json:"burst_per_s"`
}

// CreditState is a bucket of burst credits.
type CreditState struct {
	Name  string `json:"name"` // "gp2 IOPS", "EBS pipe"
	Unit  string `json:"unit"`
	Saved int64  `json:"saved"`
	Most  int64  `json:"most"`
}

// Since is what happened between two looks at the same machines.
func Since(before, after []Usage) []Usage {
	for i := range after {
		if i < len(before) {
			after[i] = after[i].minus(before[i])
		}
	}
	return after
}

// minus is what happened after b was taken. What is a state and not a sum
// stays: limits and credits.
func (u Usage) minus(b Usage) Usage {
	u.Over -= b.Over
	u.CPU -= b.CPU
	u.Waited -= b.Waited
	u.DiskReadIOs -= b.DiskReadIOs
	u.DiskWriteIOs -= b.DiskWriteIOs
	u.DiskReadBytes -= b.DiskReadBytes
	u.DiskWrittenBytes -= b.DiskWrittenBytes
	u.DiskSyncs -= b.DiskSyncs
	u.DiskSyncTime -= b.DiskSyncTime
	u.Throttled -= b.Throttled
	u.NetSentBytes -= b.NetSentBytes
	u.NetReceivedBytes -= b.NetReceivedBytes
	work := map[string]WorkCount{}
	for _, w := range b.Work {
		work[w.Op] = w
	}
	for i := range u.Work {
		w := work[u.Work[i].Op]
		u.Work[i].Calls -= w.Calls
		u.Work[i].Units -= w.Units
	}
	held := map[string]HeldBy{}
	for _, h := range b.Held {
		held[h.Limit] = h
	}
	for i := range u.Held {
		h := held[u.Held[i].Limit]
		u.Held[i].For -= h.For
		u.Held[i].Units -= h.Units
	}
	u.fillLimits()
	return u
}

// fillLimits computes what was used of each limit per second.
func (u *Usage) fillLimits() {
	u.Limits = nil
	add := func(name, unit string, used, baseline, burst int64) {
		l := LimitUse{Name: name, Unit: unit, Used: perSecond(used, u.Over), PerSecond: burst}
		// Without credits a limit is its baseline; with them it is passed.
		if l.Used <= baseline+baseline/50 && u.spent(name) {
			l.PerSecond = baseline
		}
		u.Limits = append(u.Limits, l)
	}
	if u.Cores > 0 {
		second := int64(u.Cores) * int64(time.Second)
		add(LimitProcessor, "ns/s", int64(u.CPU), second, second)
	}
	for _, h := range u.Held {
		add(h.Limit, h.Unit+"/s", h.Units, h.Baseline, h.Burst)
	}
}

// spent reports whether the credits of a limit are used up. One without
// credits has none to spend.
func (u *Usage) spent(limit string) bool {
	for _, c := range u.Credits {
		if c.Name == limit {
			return c.Saved <= c.Most/100
		}
	}
	return false
}

// Names of a Usage that is not a broker's.
const (
	ClientsName = "clients" // all clients together
	SharedName  = "machine" // the machine that all processes are on
)

// LimitProcessor is the limit that a machine's cores are.
const LimitProcessor = "processor"

func perSecond(n int64, over time.Duration) int64 {
	if over <= 0 {
		return 0
	}
	return int64(float64(n) / over.Seconds())
}
