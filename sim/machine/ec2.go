package machine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weirlab/weir/sim/ec2"
	"github.com/weirlab/weir/sim/simdisk"
)

// kafkaHeap is the memory that a broker's process takes from the page cache:
// the heap that Kafka's documentation gives a JVM ("6. Java Version", -Xmx6g),
// but no more than a quarter of a small machine.
const kafkaHeap = 6 << 30

// EC2 is the profile of an EC2 instance type with a storage of its own, from
// the tables of package ec2, with the cost table "weir".
func EC2(instance string, s Storage) (Profile, error) {
	i, err := ec2.Default().Instance(instance)
	if err != nil {
		return Profile{}, err
	}
	costs, err := CostTable("weir")
	if err != nil {
		return Profile{}, err
	}
	memory := i.MemoryMiB << 20
	p := Profile{
		Schema: Schema, Name: instance,
		Title: fmt.Sprintf("EC2 %s, %s", instance, s),
		Cores: int(i.VCPU), MemoryBytes: memory, HeapBytes: min(kafkaHeap, memory/4),
		Costs: costs, Instance: instance, Storage: &s,
	}
	storage, err := s.sources(instance)
	if err != nil {
		return Profile{}, err
	}
	p.Sources = slices.Concat([]Source{
		costs.Source,
		source("processors, memory, network and EBS limits of "+instance, i.Provenance),
	}, storage, []Source{
		source("network latency within a zone", ec2.MustLatency("same-zone").Provenance),
		{What: "page cache", Basis: "assumption", Source: fmt.Sprintf("Linux defaults for a machine of %d GiB of which programs keep %d GiB", memory>>30, p.HeapBytes>>30)},
	})
	return p, p.Check()
}

// What sources are about begins with one of these words, by which those are
// found that no longer count.
const (
	costsSource = "CPU costs" // those of mechanisms too
	diskSource  = "disk "
)

// WithCosts is the profile with other costs, and their source for the old.
func (p Profile) WithCosts(c Costs) Profile {
	p.Costs = c
	p.Sources = replaced(p.Sources, costsSource, c.Sources()...)
	return p
}

// WithStorage is the profile of an EC2 instance with another storage, and its
// sources for the old. It is an error if the instance or AWS does not have it.
func (p Profile) WithStorage(s Storage) (Profile, error) {
	sources, err := s.sources(p.Instance)
	if err != nil {
		return p, err
	}
	p.Storage, p.Disk = &s, nil
	p.Sources = replaced(p.Sources, diskSource, sources...)
	p.Title = fmt.Sprintf("%s with %s", p.Title, s)
	return p, p.Check()
}

// replaced is a list of sources in which others stand where those were that are
// about something.
func replaced(sources []Source, about string, by ...Source) []Source {
	var list []Source
	for _, s := range sources {
		if !strings.HasPrefix(s.What, about) {
			list = append(list, s)
			continue
		}
		list = append(list, by...)
		by = nil
	}
	return append(list, by...)
}

func source(what string, p ec2.Provenance) Source {
	return Source{What: what, Basis: p.Basis.String(), Source: p.Source}
}

// sources is where the figures of a storage are from. It is an error if the
// instance or AWS does not have it.
func (s Storage) sources(instance string) ([]Source, error) {
	write := func(class string) Source {
		return source("disk latency of "+class, ec2.MustLatency(class+"-write").Provenance)
	}
	if s.Class == InstanceStore {
		l, err := ec2.Default().LocalDisk(instance)
		if err != nil {
			return nil, err
		}
		return []Source{source("disk limits of the instance store of "+instance, l.Provenance), write(InstanceStore)}, nil
	}
	l, err := s.volume().Limits()
	if err != nil {
		return nil, err
	}
	return []Source{source("disk limits and credits of "+l.Spec.Class, l.Class.Provenance), write(strings.TrimSuffix(s.Class, "-until-2025"))}, nil
}

// String describes the storage: "gp3, 500 GiB".
func (s Storage) String() string {
	switch {
	case s.Class == InstanceStore && s.Disks == 1:
		return "one disk of its instance store"
	case s.Class == InstanceStore && s.Disks > 1:
		return fmt.Sprintf("%d disks of its instance store", s.Disks)
	case s.Class == InstanceStore:
		return "instance store"
	}
	return s.volume().String()
}

func (s Storage) volume() ec2.VolumeSpec {
	return ec2.VolumeSpec{Class: s.Class, GiB: s.GiB, IOPS: s.IOPS, MiBps: s.MiBps}
}

func (s Storage) check() error {
	if s.CreditsSpent < 0 || s.CreditsSpent > 100 {
		return fmt.Errorf("credits_spent_percent: %d is not from 0 to 100", s.CreditsSpent)
	}
	if s.Disks < 0 || s.Disks > 0 && s.Class != InstanceStore {
		return fmt.Errorf("disks: %d; how many are striped can only be said of an instance store", s.Disks)
	}
	if s.Class == InstanceStore && (s.GiB != 0 || s.IOPS != 0 || s.MiBps != 0) {
		return fmt.Errorf("class: an instance store comes with its instance; leave gib, iops and mibps out")
	}
	return nil
}

// profile is the storage of an instance as one disk of the simulator. The
// disks of an instance store are striped.
func (s Storage) profile(instance string) (simdisk.Profile, error) {
	if s.Class != InstanceStore {
		p, err := simdisk.EBS(s.volume())
		p.CreditPercent = 100 - s.CreditsSpent
		return p, err
	}
	i, err := ec2.Default().Instance(instance)
	if err != nil {
		return simdisk.Profile{}, err
	}
	p, err := simdisk.LocalDisk(instance)
	if err != nil {
		return p, err
	}
	disks := s.Disks
	switch {
	case disks == 0:
		disks = i.Disks
	case disks > i.Disks:
		return p, fmt.Errorf("disks: %s has %d, not %d", instance, i.Disks, disks)
	}
	p.CapacityBytes *= disks
	p.QueueDepth *= int(disks)
	for _, l := range []*simdisk.Limit{&p.Write, &p.Read} {
		l.IOPS *= disks
		l.BytesPerSecond *= disks
	}
	return p, nil
}
