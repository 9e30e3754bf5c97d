package ec2

import (
	"fmt"
	"time"
)

// VolumeSpec is an EBS volume as one orders it.
type VolumeSpec struct {
	Class string // gp2, gp3, gp3-until-2025, io2, st1 or sc1
	GiB   int64

	// IOPS and MiBps are what is provisioned; 0 is what comes with the class.
	// MiBps is for gp3 only; io2 needs IOPS; the others provision neither.
	IOPS, MiBps int64
}

// What comes with a gp3 volume of any size.
const (
	gp3IOPS  = 3000
	gp3MiBps = 125
)

// The credit bucket of gp2, and what it lets a volume burst to.
const (
	gp2Credits   = 5_400_000
	gp2BurstIOPS = 3000
)

// Modelled are the classes that [NewVolume] knows.
func Modelled() []string { return []string{"gp2", "gp3", "gp3-until-2025", "io2", "st1", "sc1"} }

// String describes s: "gp3, 500 GiB, 3000 IOPS, 125 MiB/s".
func (s VolumeSpec) String() string {
	text := fmt.Sprintf("%s, %d GiB", s.Class, s.GiB)
	if s.IOPS > 0 {
		text += fmt.Sprintf(", %d IOPS", s.IOPS)
	}
	if s.MiBps > 0 {
		text += fmt.Sprintf(", %d MiB/s", s.MiBps)
	}
	return text
}

// Limits are the rules of one volume.
type Limits struct {
	Spec  VolumeSpec // with what was left open filled in
	Class Class

	// MergeBytes is the most that counts as one I/O.
	MergeBytes int64
	// WholeBlocks tells that an I/O costs MergeBytes of throughput even if it
	// is smaller.
	WholeBlocks bool

	IOPS, Throughput Rule
}

// provisioned fills in and checks a spec.
func (s VolumeSpec) provisioned() (VolumeSpec, error) {
	l, err := s.Limits()
	return l.Spec, err
}

// Limits computes the rules of a volume. It is an error if AWS would not sell
// it.
func (s VolumeSpec) Limits() (Limits, error) {
	class, err := Default().Class(s.Class)
	if err != nil {
		return Limits{}, err
	}
	if s.GiB < class.MinGiB || s.GiB > class.MaxGiB {
		return Limits{}, fmt.Errorf("ec2: %s volumes have %d to %d GiB, not %d", s.Class, class.MinGiB, class.MaxGiB, s.GiB)
	}
	l := Limits{Spec: s, Class: class, MergeBytes: class.MergeBytes}
	switch s.Class {
	case "gp2":
		err = l.gp2()
	case "gp3", "gp3-until-2025":
		err = l.gp3()
	case "io2":
		err = l.io2()
	case "st1":
		err = l.hdd(40, 250)
	case "sc1":
		err = l.hdd(12, 80)
	default:
		err = fmt.Errorf("ec2: storage class %s is in the catalogue without a model; use one of %v", s.Class, Modelled())
	}
	if err != nil {
		return Limits{}, err
	}
	return l, nil
}

// notProvisioned is for classes whose performance follows from their size.
func (l *Limits) notProvisioned() error {
	if l.Spec.IOPS != 0 || l.Spec.MiBps != 0 {
		return fmt.Errorf("ec2: the performance of %s follows from its size; leave IOPS and MiB/s out, or use gp3", l.Spec.Class)
	}
	return nil
}

// gp2 follows "General Purpose SSD volumes" of the EC2 User Guide.
func (l *Limits) gp2() error {
	if err := l.notProvisioned(); err != nil {
		return err
	}
	baseline := min(max(3*l.Spec.GiB, 100), l.Class.MaxIOPS)
	l.IOPS = FixedRule("gp2 IOPS", unitIOs, baseline)
	if baseline < gp2BurstIOPS {
		l.IOPS.Burst = gp2BurstIOPS
		l.IOPS.Credit = gp2Credits
	}
	// Between 170 and 334 GiB a volume reaches 250 MiB/s only while it
	// bursts. That follows from its IOPS: 256 KiB times the baseline is less.
	mibps := l.Class.MaxMiBps
	if l.Spec.GiB <= 170 {
		mibps = 128
	}
	l.Throughput = FixedRule("gp2 throughput", unitBytes, mibps<<20)
	return nil
}

// gp3 does not burst. The ratios are those of the EC2 User Guide of 2023; the
// larger limits of 2025 kept them.
func (l *Limits) gp3() error {
	s := &l.Spec
	if s.IOPS == 0 {
		s.IOPS = gp3IOPS
	}
	if s.MiBps == 0 {
		s.MiBps = gp3MiBps
	}
	if most := min(max(500*s.GiB, gp3IOPS), l.Class.MaxIOPS); s.IOPS < gp3IOPS || s.IOPS > most {
		return fmt.Errorf("ec2: a %s volume of %d GiB has %d to %d IOPS, not %d", s.Class, s.GiB, gp3IOPS, most, s.IOPS)
	}
	if most := min(s.IOPS/4, l.Class.MaxMiBps); s.MiBps < gp3MiBps || s.MiBps > most {
		return fmt.Errorf("ec2: a %s volume with %d IOPS has %d to %d MiB/s (0.25 for each of its IOPS), not %d", s.Class, s.IOPS, gp3MiBps, most, s.MiBps)
	}
	l.IOPS = FixedRule("gp3 IOPS", unitIOs, s.IOPS)
	l.Throughput = FixedRule("gp3 throughput", unitBytes, s.MiBps<<20)
	return nil
}

// io2 is io2 Block Express, as every io2 volume is today.
func (l *Limits) io2() error {
	s := &l.Spec
	if s.MiBps != 0 {
		return fmt.Errorf("ec2: the throughput of io2 follows from its IOPS; leave MiB/s out")
	}
	if most := min(1000*s.GiB, l.Class.MaxIOPS); s.IOPS < 100 || s.IOPS > most {
		return fmt.Errorf("ec2: an io2 volume of %d GiB has 100 to %d IOPS, not %d", s.GiB, most, s.IOPS)
	}
	l.IOPS = FixedRule("io2 IOPS", unitIOs, s.IOPS)
	// 0.256 MiB/s for each of the IOPS.
	l.Throughput = FixedRule("io2 throughput", unitBytes, min(s.IOPS*256<<20/1000, l.Class.MaxMiBps<<20))
	return nil
}

// hdd follows "Throughput Optimized HDD and Cold HDD volumes" of the EC2 User
// Guide; the rates are MiB/s per TiB. That credits come in while they are
// spent is what the guide says of gp2, with which it compares these.
func (l *Limits) hdd(baseline, burst int64) error {
	if err := l.notProvisioned(); err != nil {
		return err
	}
	most := l.Class.MaxMiBps << 20
	l.WholeBlocks = true
	l.IOPS = FixedRule(l.Spec.Class+" IOPS", unitIOs, l.Class.MaxIOPS)
	l.Throughput = Rule{
		Name: l.Spec.Class + " throughput", Unit: unitBytes,
		Baseline: min(l.Spec.GiB*baseline<<10, most),
		Burst:    min(l.Spec.GiB*burst<<10, most),
		Credit:   l.Spec.GiB << 30,
	}
	return nil
}

// Transfer is something to read or write.
type Transfer struct {
	Bytes int64 // of each of Count pieces

	// Count is how many pieces of Bytes it has, none of them next to another;
	// 0 is one.
	Count int64

	// Continues tells that it starts where the transfer before it ended and
	// waits in the queue with it, so that the two are merged.
	Continues bool
}

// Volume is an EBS volume at work: the limits of one volume, without its
// latency and without those of its instance.
type Volume struct {
	limits     Limits
	ios, bytes *Bucket
	room       int64 // left in the last I/O for what continues it
}

// NewVolume makes a volume with full credits at time 0.
func NewVolume(s VolumeSpec) (*Volume, error) {
	l, err := s.Limits()
	if err != nil {
		return nil, err
	}
	return l.New()
}

// New makes a volume with full credits at time 0 under the limits l.
func (l Limits) New() (*Volume, error) {
	if l.MergeBytes <= 0 {
		return nil, fmt.Errorf("ec2: the most that counts as one I/O must be positive, not %d bytes", l.MergeBytes)
	}
	ios, err := NewBucket(l.IOPS)
	if err != nil {
		return nil, err
	}
	bytes, err := NewBucket(l.Throughput)
	if err != nil {
		return nil, err
	}
	return &Volume{limits: l, ios: ios, bytes: bytes}, nil
}

// Limits are the rules the volume keeps to.
func (v *Volume) Limits() Limits { return v.limits }

// IOs is how many I/Os a contiguous transfer counts as.
func (l Limits) IOs(bytes int64) int64 { return (bytes + l.MergeBytes - 1) / l.MergeBytes }

// Admit queues a contiguous transfer. It starts at start; the limits have let
// all of it pass at end, to which the latency is to be added.
func (v *Volume) Admit(now time.Duration, bytes int64) (start, end time.Duration) {
	return v.Submit(now, Transfer{Bytes: bytes})
}

// Submit is Admit for any transfer.
func (v *Volume) Submit(now time.Duration, t Transfer) (start, end time.Duration) {
	ios, bytes := v.charge(t)
	p := passage{now, now}
	p.through(v.ios, now, ios)
	p.through(v.bytes, now, bytes)
	return p.start, p.end
}

// charge is what a transfer costs.
func (v *Volume) charge(t Transfer) (ios, bytes int64) {
	count := max(t.Count, 1)
	bytes = count * t.Bytes
	fresh := t.Bytes
	if t.Continues && count == 1 {
		fresh = max(0, fresh-v.room)
		v.room -= t.Bytes - fresh
	}
	if fresh > 0 {
		each := v.limits.IOs(fresh)
		ios = count * each
		v.room = each*v.limits.MergeBytes - fresh
	}
	if v.limits.WholeBlocks {
		bytes = ios * v.limits.MergeBytes
	}
	return ios, bytes
}

// IOCredits are the I/O credits of a gp2 volume at a time, of at most how
// many; 0 of 0 for others.
func (v *Volume) IOCredits(now time.Duration) (saved, most int64) { return v.ios.Saved(now) }

// ByteCredits are the throughput credits of an HDD volume at a time, of at
// most how many, in bytes; 0 of 0 for others.
func (v *Volume) ByteCredits(now time.Duration) (saved, most int64) { return v.bytes.Saved(now) }

// SetCredits makes the volume hold percent of the credits it can hold. It is
// for the start of a run.
func (v *Volume) SetCredits(percent int64) {
	v.ios.SetCredits(percent)
	v.bytes.SetCredits(percent)
}

// SetCreditsAt is SetCredits at a later time: what was saved until now is gone.
func (v *Volume) SetCreditsAt(now time.Duration, percent int64) {
	v.ios.SetCreditsAt(now, percent)
	v.bytes.SetCreditsAt(now, percent)
}

// passage collects how far several limits let something pass.
type passage struct{ start, end time.Duration }

// through passes n units through b. What costs nothing, because it is part of
// an I/O that was charged before, passes with that I/O. A lone I/O does not wait for the slot it
// takes: a limit of I/Os holds back what comes after it. Bytes take the time
// they take. It returns between which times the units pass b.
func (p *passage) through(b *Bucket, now time.Duration, n int64) (start, passed time.Duration) {
	start, passed = b.Admit(now, n)
	end := passed
	if b.rule.Unit == unitIOs {
		if n <= 0 {
			return start, passed
		}
		last, _ := perSecond(1, b.rule.Burst)
		end = max(start, end-last)
	}
	p.start, p.end = max(p.start, start), max(p.end, end)
	return start, passed
}

// Units of rules.
const (
	unitIOs   = "I/Os"
	unitBytes = "bytes"
)
