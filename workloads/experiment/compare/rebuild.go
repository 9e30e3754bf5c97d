package compare

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Loss is what happened to a broker.
type Loss string

// Losses.
const (
	// HostLost is a machine that fails. Its volume is attached to another one;
	// its instance store is gone.
	HostLost Loss = "host lost"
	// StorageLost is a broker whose log is gone with its disk or volume.
	StorageLost Loss = "storage lost"
)

// Rebuild is how a broker comes back.
type Rebuild struct {
	Loss Loss `json:"loss"`
	// Away is how long no machine runs in its place.
	Away time.Duration `json:"away"`
	// Bytes have to be fetched from the other replicas before the load that
	// goes on is counted; CopiedBytes with it, until the replicas are in sync.
	Bytes       int64  `json:"bytes"`
	CopiedBytes int64  `json:"copied_bytes"`
	Why         string `json:"why"`

	// Limits are what a rebuild could go at if nothing else limited it: what
	// each limit sustains, less what the load takes of it.
	Limits []RebuildLimit `json:"limits"`
	// Rules names the limit that held the rebuild back longest.
	Rules string `json:"rules"`

	// Took is from when the machine runs again until the replicas are in sync.
	Took time.Duration `json:"took"`
	// BytesPerSecond is the average of what was copied in that time.
	BytesPerSecond int64 `json:"bytes_per_s"`
	// Never tells that the load leaves nothing for a rebuild.
	Never bool `json:"never,omitempty"`

	Points []RebuildPoint `json:"points"`
}

// Exposed is how long a replica is missing.
func (r *Rebuild) Exposed() time.Duration { return r.Away + r.Took }

// RebuildLimit is one of the limits that a rebuild has.
type RebuildLimit struct {
	Name string `json:"name"`
	// Burst and Sustained are bytes per second that the load leaves.
	Burst     int64 `json:"burst_bytes_per_s"`
	Sustained int64 `json:"sustained_bytes_per_s"`
}

// RebuildPoint is a moment of a Rebuild, since the machine runs again.
type RebuildPoint struct {
	At time.Duration `json:"at"`
	// Missing is what is still to be copied.
	Missing        int64 `json:"missing_bytes"`
	BytesPerSecond int64 `json:"bytes_per_s"`
}

// Names of a rebuild's limits that are none of a machine's own.
const (
	limitFetch   = "fetching, as simulated"
	limitSources = "network out of the other brokers"
	limitReads   = "reads on the other brokers"
)

// rebuildMost is when a rebuild that makes no headway is given up.
const rebuildMost = 30 * 24 * time.Hour

// Refill follows the return of one broker of a cluster that carries the load
// of the plan. catchUp is at how many bytes per second the broker was seen to
// catch up in a simulation where no disk or network held it back, 0 if that is
// not known.
//
// The bytes to fetch are known from the start, each of them is read from the
// disks of the other brokers, sent by them, received, and written; beside them
// the load goes on. All of that passes through the buckets of the machines,
// from full credits of the new machine and its volume, beat by beat. A beat
// that does not fit takes longer, and the limit that it waited for last is
// what held it back.
func Refill(p Plan, c Configuration, loss Loss, catchUp int64) (*Rebuild, error) {
	if p.ReplicationFactor < 2 {
		return nil, errors.New("compare: with one replica of each partition a lost broker has nobody to fetch from")
	}
	fresh, err := c.limits()
	if err != nil {
		return nil, err
	}
	// The other brokers are alike: one of them, with its share of the work.
	other, err := c.limits()
	if err != nil {
		return nil, err
	}
	sources := int64(p.Brokers - 1)
	load := p.brokerLoad()
	r := &Rebuild{Loss: loss, Away: p.Away}
	switch {
	case c.Volume != nil && loss == HostLost:
		r.Bytes = min(int64(float64(load)*p.Away.Seconds()), p.StoredBytes)
		r.Why = fmt.Sprintf("the volume comes back with what was synced; missing is what was written in the %v that the broker was away", p.Away)
	default:
		r.Bytes = p.StoredBytes
		r.Why = "the disk starts empty: everything the broker kept is fetched again"
	}
	r.Limits = rebuildLimits(p, fresh, catchUp)

	leads := p.LoadBytesPerSecond / int64(p.Brokers) // what a broker is sent by producers
	// Each copy that a leader serves goes out once per follower.
	serves := leads * int64(p.ReplicationFactor-1)

	// Ask for more than any limit gives, so that the limits decide.
	most := int64(0)
	for _, l := range r.Limits {
		most = max(most, l.Burst)
	}
	if catchUp > 0 {
		most = min(most, catchUp)
	}
	held := map[string]time.Duration{}
	step, from, moved := time.Duration(0), time.Duration(0), int64(0)
	missing := r.Bytes
	record := func(now time.Duration) {
		if now > from {
			r.Points = append(r.Points, RebuildPoint{At: now, Missing: missing, BytesPerSecond: int64(float64(moved) / (now - from).Seconds())})
			from, moved = now, 0
		}
	}
	r.Points = append(r.Points, RebuildPoint{Missing: missing})
	now := time.Duration(0)
	for missing > 0 {
		// Beats get longer as the rebuild does.
		beat := max(beat, now/5000)
		portion := func(perSecond int64) int64 { return int64(float64(perSecond) * beat.Seconds()) }
		copied := min(max(portion(most), 1), missing)
		// The load of the beat and then the copy, at every place they pass.
		_, in := fresh.Receive(now, portion(load)+copied)
		_, out := other.Send(now, portion(serves)+copied/sources)
		ends := []ending{
			{storageWrites, fresh.write(now, refillWrite, max(1, (portion(load)+copied)/refillWrite))},
			{networkIn, in},
			{limitSources, out},
			{limitReads, max(other.write(now, refillWrite, max(1, portion(load)/refillWrite)), other.read(now, copied/sources))},
		}
		last := slices.MaxFunc(ends, func(a, b ending) int { return cmp.Compare(a.at, b.at) })
		next := now + beat
		if last.at > next {
			held[last.limit] += last.at - next
			next = last.at
		}
		// While the beat was stretched the load went on; that is missing too.
		late := int64(float64(load) * (next - now - beat).Seconds())
		missing += late - copied
		r.CopiedBytes += copied
		moved += copied
		now = next
		if now > rebuildMost || missing > 2*r.Bytes+p.StoredBytes {
			r.Never = true
			break
		}
		if step = max(time.Second, now/50); now-from >= step {
			record(now)
		}
	}
	missing = max(0, missing)
	record(now)
	r.Took = now
	if now > 0 {
		r.BytesPerSecond = int64(float64(r.CopiedBytes) / now.Seconds())
	}
	r.Rules = ruling(held, catchUp > 0 && most == catchUp)
	return r, nil
}

// storageWrites is the storage of the new broker as a limit.
const storageWrites = "writes of the returning broker"

// refillWrite is the size of the writes of a rebuild: a rebuilt log is written
// back in long stretches.
const refillWrite = 1 << 20

// ruling names the limit that held a rebuild back longest.
func ruling(held map[string]time.Duration, byFetching bool) string {
	rules, longest := "", time.Duration(0)
	for _, name := range []string{storageWrites, networkIn, limitSources, limitReads} {
		if held[name] > longest {
			rules, longest = name, held[name]
		}
	}
	if rules == "" && byFetching {
		rules = limitFetch
	}
	return rules
}

// rebuildLimits is the arithmetic that a reader can repeat: each limit less
// what the load takes of it.
func rebuildLimits(p Plan, m *limits, catchUp int64) []RebuildLimit {
	load := p.brokerLoad()
	sources := int64(p.Brokers - 1)
	serves := p.LoadBytesPerSecond / int64(p.Brokers) * int64(p.ReplicationFactor-1)
	var limits []RebuildLimit
	add := func(name string, burst, sustained, taken, times int64) {
		limits = append(limits, RebuildLimit{name, max(0, burst-taken) * times, max(0, sustained-taken) * times})
	}
	if m.volume != nil {
		v := m.volume.Volume().Limits().Throughput
		pipe, _ := m.EBSRules()
		add(storageWrites+": "+v.Name, v.Burst, v.Baseline, load, 1)
		add(storageWrites+": "+pipe.Name, pipe.Burst, pipe.Baseline, load, 1)
		add(limitReads, min(v.Burst, pipe.Burst), min(v.Baseline, pipe.Baseline), load, sources)
	} else {
		n := int64(len(m.disks))
		l := m.disks[0].Limits()
		add(storageWrites+": "+l.WriteThroughput.Name, n*l.WriteThroughput.Burst, n*l.WriteThroughput.Baseline, load, 1)
		add(limitReads, n*l.ReadThroughput.Burst, n*l.ReadThroughput.Baseline, 0, sources)
	}
	n := m.NetworkRule()
	add(networkIn, n.Burst, n.Baseline, load, 1)
	add(limitSources, n.Burst, n.Baseline, serves, sources)
	if catchUp > 0 {
		add(limitFetch, catchUp, catchUp, 0, 1)
	}
	return limits
}
