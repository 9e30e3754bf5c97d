package machine

import (
	"time"

	"github.com/weirlab/weir/sim/ec2"
)

// Limit is something that a machine can do only so much of, and how much of it
// was used.
type Limit struct {
	Name string // "processor", "gp2 IOPS", "network out"
	Unit string // "ns", "I/Os" or "bytes"

	// PerSecond is what can be used always, Burst while credits last; equal
	// without credits. 0 is no limit.
	PerSecond, Burst int64

	// Used is summed since the world began.
	Used int64
	// Held is for how long, summed over transfers, this limit of a disk held
	// them back. The limit that held the most is the disk's bottleneck.
	Held time.Duration

	// Saved are the burst credits there are now, of Most.
	Saved, Most int64
}

// Names of the limits that every machine has. Those of disks are named by
// their class and kind.
const (
	LimitProcessor  = "processor"
	LimitNetworkOut = "network out"
	LimitNetworkIn  = "network in"
)

// Limits are the machine's limits: its processor, its disk with the EBS pipe
// before it, its network.
func (m *Machine) Limits() []Limit {
	cpu := m.cpu.Stats()
	cores := int64(cpu.Cores) * int64(time.Second)
	all := []Limit{{Name: LimitProcessor, Unit: "ns", PerSecond: cores, Burst: cores, Used: int64(cpu.Busy)}}
	if m.device != nil {
		all = append(all, m.diskLimits()...)
	}
	return append(all, m.networkLimits()...)
}

func (m *Machine) diskLimits() []Limit {
	credits := m.device.Credits()
	var all []Limit
	for _, h := range m.device.Held() {
		l := Limit{
			Name: h.Limit, Unit: h.Rule.Unit, PerSecond: h.Rule.Baseline, Burst: h.Rule.Burst,
			Used: h.Units, Held: h.For,
		}
		if v := m.disk.Volume; v.Class != "" && h.Rule.Burst > h.Rule.Baseline {
			switch h.Rule.Name {
			case v.Class + " IOPS":
				l.Saved, l.Most = credits.IOs, credits.MostIOs
			case v.Class + " throughput":
				l.Saved, l.Most = credits.Bytes, credits.MostBytes
			default:
				if h.Rule.Unit == "bytes" {
					l.Saved, l.Most = credits.PipeBytes, credits.MostPipeBytes
				}
			}
		}
		all = append(all, l)
	}
	return all
}

func (m *Machine) networkLimits() []Limit {
	out := Limit{Name: LimitNetworkOut, Unit: "bytes"}
	in := Limit{Name: LimitNetworkIn, Unit: "bytes"}
	for _, h := range m.hosts {
		t := h.net.Traffic(h.name)
		out.Used += t.CardSentBytes
		in.Used += t.CardReceivedBytes
	}
	if n := m.Profile.Network; n != nil {
		out.PerSecond, out.Burst = n.SendBytesPerSecond, n.SendBytesPerSecond
		in.PerSecond, in.Burst = n.ReceiveBytesPerSecond, n.ReceiveBytesPerSecond
	}
	if m.ec2 != nil {
		m.rented(&out, &in, m.ec2.NetworkRule())
	}
	return []Limit{out, in}
}

func (m *Machine) rented(out, in *Limit, r ec2.Rule) {
	for _, l := range []*Limit{out, in} {
		l.PerSecond, l.Burst = r.Baseline, r.Burst
	}
	saved, left, most := m.ec2.NetworkCredits(m.k.Now())
	in.Saved, in.Most = saved, most
	out.Saved, out.Most = left, most
}
