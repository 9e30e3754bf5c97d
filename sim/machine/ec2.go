package machine

import (
	"fmt"

	"github.com/weirlab/weir/sim/ec2"
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
		Title: fmt.Sprintf("EC2 %s with %s", instance, s),
		Cores: int(i.VCPU), MemoryBytes: memory, HeapBytes: min(kafkaHeap, memory/4),
		Costs: costs, Instance: instance, Storage: &s,
		Sources: []Source{costs.Source, source("instance type", i.Provenance)},
	}
	return p, p.Check()
}

func source(what string, p ec2.Provenance) Source {
	return Source{What: what, Basis: p.Basis.String(), Source: p.Source}
}

// String describes the storage: "gp3, 500 GiB".
func (s Storage) String() string {
	if s.Class == InstanceStore {
		return "instance store"
	}
	return s.volume().String()
}

func (s Storage) volume() ec2.VolumeSpec {
	return ec2.VolumeSpec{Class: s.Class, GiB: s.GiB, IOPS: s.IOPS, MiBps: s.MiBps}
}
