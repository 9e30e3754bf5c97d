package ec2

import (
	"fmt"
	"github.com/weirlab/weir/sim"
	"slices"
	"time"
)

// How instances burst. AWS publishes how long and not how it keeps accounts.
const (
	// PipeBurst is how long an instance may use its EBS burst at least once
	// in PipeDay: a specification. That it earns the burst back evenly over
	// the rest of the day is an assumption.
	PipeBurst = 30 * time.Minute
	PipeDay   = 24 * time.Hour

	// PipeWindow is over how long its use of the baseline is averaged, so
	// that short peaks below it cost nothing: an assumption.
	PipeWindow = time.Second

	// NetworkBurst is how long an instance may use its network burst. AWS
	// says "typically 5 to 60 minutes"; the least is assumed.
	NetworkBurst = 5 * time.Minute
)

// Machine is an instance at work: what it allows all its volumes together,
// and its network. Its credits are full at time 0, an assumption.
type Machine struct {
	Instance Instance

	pipeBytes, pipeIOs *Bucket
	in, out            *Bucket
}

// NewMachine makes an instance.
func NewMachine(i Instance) (*Machine, error) {
	if !i.Complete() {
		return nil, fmt.Errorf("ec2: instance type %q lacks processors, network or EBS limits", i.Name)
	}
	m := &Machine{Instance: i}
	for _, b := range []struct {
		to   **Bucket
		rule Rule
	}{
		{&m.pipeBytes, pipeRule("EBS bandwidth of the instance", unitBytes, i.EBS, i.EBSBurst)},
		{&m.pipeIOs, pipeRule("EBS IOPS of the instance", unitIOs, i.EBSIOPS, i.EBSBurstIOPS)},
		{&m.in, networkRule("network in", i.Network, i.NetworkBurst)},
		{&m.out, networkRule("network out", i.Network, i.NetworkBurst)},
	} {
		var err error
		if *b.to, err = NewBucket(b.rule); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// pipeRule is a limit of the EBS pipe: PipeBurst in PipeDay.
func pipeRule(name, unit string, baseline, burst int64) Rule {
	r := Rule{Name: name, Unit: unit, Baseline: baseline, Burst: burst}
	if burst > baseline {
		seconds := int64(PipeBurst / time.Second)
		r.Credit = baseline * int64(PipeWindow/time.Second)
		r.Earn = (burst - baseline) * seconds / int64(PipeDay/time.Second)
		r.Reserve = (burst - baseline) * seconds
	}
	return r
}

func networkRule(name string, baseline, burst int64) Rule {
	return Rule{
		Name: name, Unit: unitBytes, Baseline: baseline, Burst: burst,
		Credit: (burst - baseline) * int64(NetworkBurst/time.Second),
	}
}

// EBSRules are the limits of the instance on all its EBS volumes together.
func (m *Machine) EBSRules() (bandwidth, iops Rule) { return m.pipeBytes.rule, m.pipeIOs.rule }

// NetworkRule is the limit of the instance's network, in each direction.
func (m *Machine) NetworkRule() Rule { return m.in.rule }

// EBSCredits are the credits of the pipe at a time, of at most how many, in
// bytes.
func (m *Machine) EBSCredits(now time.Duration) (saved, most int64) { return m.pipeBytes.Saved(now) }

// NetworkCredits are the credits of the network at a time, in and out, of at
// most how many each, in bytes.
func (m *Machine) NetworkCredits(now time.Duration) (in, out, most int64) {
	in, most = m.in.Saved(now)
	out, _ = m.out.Saved(now)
	return in, out, most
}

// Receive queues bytes that come in over the network.
func (m *Machine) Receive(now time.Duration, n int64) (start, end time.Duration) {
	return m.in.Admit(now, n)
}

// Send queues bytes that go out over the network.
func (m *Machine) Send(now time.Duration, n int64) (start, end time.Duration) {
	return m.out.Admit(now, n)
}

// SetEBSCredits makes the pipe hold percent of the credits it can hold. It is
// for the start of a run.
func (m *Machine) SetEBSCredits(percent int64) {
	m.pipeBytes.SetCredits(percent)
	m.pipeIOs.SetCredits(percent)
}

// SetNetworkCredits makes the network hold percent of the credits it can hold,
// in and out. It is for the start of a run.
func (m *Machine) SetNetworkCredits(percent int64) {
	m.in.SetCredits(percent)
	m.out.SetCredits(percent)
}

// SetCreditsAt makes pipe and network hold percent of the credits they can
// hold at a later time: what was saved until now is gone.
func (m *Machine) SetCreditsAt(now time.Duration, percent int64) {
	for _, b := range []*Bucket{m.pipeBytes, m.pipeIOs, m.in, m.out} {
		b.SetCreditsAt(now, percent)
	}
}

// Attach puts a volume behind the EBS pipe of the instance, which all attached
// volumes share.
func (m *Machine) Attach(v *Volume) *Attached {
	return attach(v, v.ios, v.bytes, m.pipeIOs, m.pipeBytes)
}

// Alone is a volume on an instance whose EBS pipe never holds it back.
func (v *Volume) Alone() *Attached { return attach(v, v.ios, v.bytes) }

func attach(v *Volume, limits ...*Bucket) *Attached {
	a := &Attached{v: v, limits: limits, held: make([]Held, len(limits)), passed: make([]sim.Flow, len(limits))}
	for i, b := range limits {
		a.held[i].Limit, a.held[i].Rule = b.rule.Name, b.rule
	}
	return a
}

// Attached is a volume as its instance sees it.
type Attached struct {
	v      *Volume
	limits []*Bucket // IOPS and bytes of the volume, then of the pipe if any
	held   []Held
	passed []sim.Flow // by limit
}

// Held is for how long transfers were under way because of a limit: from when
// they were queued until it, the last of all limits, let them pass. Units is
// what it let pass, in units of its Rule.
type Held struct {
	Limit string
	Rule  Rule
	For   time.Duration
	Units int64
}

// Volume is the volume.
func (a *Attached) Volume() *Volume { return a.v }

// Held is for each limit of the volume and of the instance what it held back
// so far, and what it has let pass by a time. The largest names the bottleneck.
func (a *Attached) Held(now time.Duration) []Held {
	held := slices.Clone(a.held)
	for i := range held {
		held[i].Units = a.passed[i].At(now)
	}
	return held
}

// Admit queues a contiguous transfer, as [Volume.Admit].
func (a *Attached) Admit(now time.Duration, bytes int64) (start, end time.Duration) {
	return a.Submit(now, Transfer{Bytes: bytes})
}

// Submit queues a transfer, as [Volume.Submit].
func (a *Attached) Submit(now time.Duration, t Transfer) (start, end time.Duration) {
	ios, credit := a.v.charge(t)
	// The pipe carries the bytes there are, whatever the volume charges.
	moved := t.Bytes * max(t.Count, 1)
	costs := [4]int64{ios, credit, ios, moved}
	p := passage{now, now}
	last := 0
	for i, b := range a.limits {
		before := p.end
		start, end := p.through(b, now, costs[i])
		a.passed[i].Add(start, end, costs[i])
		if p.end > before {
			last = i
		}
	}
	a.held[last].For += p.end - now
	return p.start, p.end
}
