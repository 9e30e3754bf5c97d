package compare

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/weirlab/weir/sim/ec2"
)

// Demand is what a broker asks of its machine in a second, as measured in a
// simulation of the cluster.
type Demand struct {
	WriteBytes int64 `json:"write_bytes_per_s"` // to its disks
	WriteIOs   int64 `json:"write_ios_per_s"`   // as the device counts them
	InBytes    int64 `json:"in_bytes_per_s"`    // from the network
	OutBytes   int64 `json:"out_bytes_per_s"`
}

// ioBytes is the size of its average write.
func (d Demand) ioBytes() int64 { return max(1, d.WriteBytes/max(1, d.WriteIOs)) }

// scaled is d times n/of.
func (d Demand) scaled(n, of int64) Demand {
	share := func(v int64) int64 { return int64(float64(v) * float64(n) / float64(of)) }
	return Demand{share(d.WriteBytes), share(d.WriteIOs), share(d.InBytes), share(d.OutBytes)}
}

// Course is how a demand fares over hours.
type Course struct {
	Demand Demand        `json:"demand"`
	Step   time.Duration `json:"step"`
	// Points are the steps; each holds averages over the step that ends there
	// and credits at its end.
	Points []CoursePoint `json:"points"`
	// Exhausted are the limits whose credits ran out, in order of time.
	Exhausted []Exhaustion `json:"exhausted,omitempty"`
	// First and Last are what passes in the first step and at the end, in
	// percent of the demand.
	First float64 `json:"first_percent"`
	Last  float64 `json:"last_percent"`
	// Limit is what rules at the end, empty if the demand is met.
	Limit string `json:"limit,omitempty"`
}

// CoursePoint is a moment of a Course.
type CoursePoint struct {
	At         time.Duration `json:"at"`
	WriteBytes int64         `json:"write_bytes_per_s"`
	WriteIOs   int64         `json:"write_ios_per_s"`
	// Credits by limit, in percent of what can be saved; parallel to the
	// result of Credits, and absent for limits without credits.
	Credits []Credit `json:"credits,omitempty"`
}

// Credit is how full a bucket of credits is.
type Credit struct {
	Limit   string  `json:"limit"`
	Percent float64 `json:"percent"`
}

// Exhaustion is the end of a limit's credits.
type Exhaustion struct {
	Limit string        `json:"limit"`
	Unit  string        `json:"unit"` // I/Os or bytes
	At    time.Duration `json:"at"`
	// Burst is what passed per second while there were credits, Baseline what
	// passes without.
	Burst    int64 `json:"burst_per_s"`
	Baseline int64 `json:"baseline_per_s"`
	// Refill is how long the limit takes, idle, until its credits are full.
	Refill time.Duration `json:"refill"`
}

// The directions of an instance's network, as limits.
const (
	networkIn  = "network in"
	networkOut = "network out"
)

// gauge reads the credits of one limit.
type gauge struct {
	rule  ec2.Rule
	saved func(now time.Duration) (saved, most int64)
}

// gauges are the limits of m that have credits.
func (m *limits) gauges() []gauge {
	var all []gauge
	if m.volume != nil {
		v := m.volume.Volume()
		pipe, _ := m.EBSRules()
		all = append(all,
			gauge{v.Limits().IOPS, v.IOCredits},
			gauge{v.Limits().Throughput, v.ByteCredits},
			gauge{pipe, m.EBSCredits})
	}
	in, out := m.NetworkRule(), m.NetworkRule()
	in.Name, out.Name = networkIn, networkOut
	all = append(all,
		gauge{in, func(now time.Duration) (int64, int64) { in, _, most := m.NetworkCredits(now); return in, most }},
		gauge{out, func(now time.Duration) (int64, int64) { _, out, most := m.NetworkCredits(now); return out, most }})
	return slices.DeleteFunc(all, func(g gauge) bool { return g.rule.Burst <= g.rule.Baseline })
}

// write queues writes of one size at the storage and returns when they have
// passed.
func (m *limits) write(now time.Duration, size, count int64) (end time.Duration) {
	if count <= 0 {
		return now
	}
	if m.volume != nil {
		_, end = m.volume.Submit(now, ec2.Transfer{Bytes: size, Count: count})
		return end
	}
	// Striped: what one disk cannot take the next one does.
	share := (size*count + int64(len(m.disks)) - 1) / int64(len(m.disks))
	for _, d := range m.disks {
		_, e := d.Write(now, share)
		end = max(end, e)
	}
	return end
}

// read queues a long read that the file system asks for in whole I/Os.
func (m *limits) read(now time.Duration, bytes int64) (end time.Duration) {
	if m.volume != nil {
		_, end = m.volume.Admit(now, bytes)
		return end
	}
	share := (bytes + int64(len(m.disks)) - 1) / int64(len(m.disks))
	for _, d := range m.disks {
		_, e := d.Read(now, share)
		end = max(end, e)
	}
	return end
}

// beat is the time between two portions that are put on the buckets. It is
// short beside what is plotted and long beside an I/O.
const beat = time.Second

// portion is what beat n has of so many units a second. All portions together
// are exact.
func portion(perSecond, n int64) int64 {
	const each = int64(time.Second / beat)
	return perSecond*(n+1)/each - perSecond*n/each
}

// Drain puts a demand on the limits of a configuration for some hours, from
// full credits. A demand that is not met waits: producers are held back as a
// full buffer holds them back.
func Drain(c Configuration, d Demand, hours int) (*Course, error) {
	m, err := c.limits()
	if err != nil {
		return nil, err
	}
	if d.WriteBytes <= 0 || d.WriteIOs <= 0 || hours <= 0 {
		return nil, fmt.Errorf("compare: a demand of %d bytes and %d I/Os a second over %d hours is nothing to follow", d.WriteBytes, d.WriteIOs, hours)
	}
	until := time.Duration(hours) * time.Hour
	course := &Course{Demand: d, Step: max(time.Minute, until/144)}
	gauges := m.gauges()
	dry := make([]bool, len(gauges))

	beats, size := int64(0), d.ioBytes()
	held := m.held()         // since the last step
	ios := int64(0)          // since the last step
	from := time.Duration(0) // the last step
	for now := time.Duration(0); now < until; {
		count := portion(d.WriteIOs, beats)
		_, in := m.Receive(now, portion(d.InBytes, beats))
		_, out := m.Send(now, portion(d.OutBytes, beats))
		ends := []ending{{m.storageLimit(), m.write(now, size, count)}, {networkIn, in}, {networkOut, out}}
		beats++
		last := slices.MaxFunc(ends, func(a, b ending) int { return cmp.Compare(a.at, b.at) })
		next := now + beat
		if last.at > next {
			held.by[last.limit] += last.at - next
			next = last.at
		}
		now = next
		ios += count
		for i, g := range gauges {
			if saved, most := g.saved(now); !dry[i] && saved*1000 < most {
				dry[i] = true
				course.Exhausted = append(course.Exhausted, Exhaustion{
					Limit: g.rule.Name, Unit: g.rule.Unit, At: now, Burst: g.rule.Burst, Baseline: g.rule.Baseline, Refill: g.rule.RefillDuration(),
				})
			}
		}
		if now-from < course.Step {
			continue
		}
		rate := float64(ios) / (now - from).Seconds()
		p := CoursePoint{At: now, WriteBytes: int64(rate * float64(size)), WriteIOs: int64(rate)}
		for _, g := range gauges {
			saved, most := g.saved(now)
			p.Credits = append(p.Credits, Credit{g.rule.Name, 100 * float64(saved) / float64(most)})
		}
		course.Points = append(course.Points, p)
		course.Limit = held.most()
		held, ios, from = m.held(), 0, now
	}
	percent := func(p CoursePoint) float64 { return min(100, 100*float64(p.WriteBytes)/float64(d.WriteBytes)) }
	if len(course.Points) > 0 {
		course.First, course.Last = percent(course.Points[0]), percent(course.Points[len(course.Points)-1])
	}
	if course.Last > 99.5 {
		course.Limit = ""
	}
	return course, nil
}

// ending is when a limit, or a group of them, has let something pass.
type ending struct {
	limit string
	at    time.Duration
}

// storageLimit is the name of the storage as one limit.
func (m *limits) storageLimit() string {
	if m.volume != nil {
		return "EBS"
	}
	return "instance store"
}

// heldBack is what held a demand back since some moment.
type heldBack struct {
	m      *limits
	by     map[string]time.Duration // by storage as a whole and network
	before []ec2.Held
}

func (m *limits) held() *heldBack {
	h := &heldBack{m: m, by: map[string]time.Duration{}}
	if m.volume != nil {
		h.before = m.volume.Held(0)
	}
	return h
}

// most names the limit that held back most, "" if none did.
func (h *heldBack) most() string {
	limit, most := "", time.Duration(0)
	for _, name := range []string{h.m.storageLimit(), networkIn, networkOut} {
		if h.by[name] > most {
			limit, most = name, h.by[name]
		}
	}
	if limit != h.m.storageLimit() {
		return limit
	}
	if h.m.volume == nil {
		return h.m.disks[0].Limits().WriteThroughput.Name
	}
	most = 0
	for i, now := range h.m.volume.Held(0) {
		if since := now.For - h.before[i].For; since > most {
			limit, most = now.Limit, since
		}
	}
	return limit
}
