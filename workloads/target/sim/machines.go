package sim

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/weirlab/weir/sim/ec2"
	"github.com/weirlab/weir/sim/machine"
	"github.com/weirlab/weir/sim/simdisk"
	"github.com/weirlab/weir/workloads/scenario"
)

// MachineOf is the machine that a scenario's brokers are simulated on, nil if
// it names none.
func MachineOf(c scenario.Cluster) (*machine.Profile, error) {
	if c.Machine == "" {
		return nil, nil
	}
	p, err := namedMachine(c)
	if err != nil {
		return nil, fmt.Errorf("cluster.machine: %w", err)
	}
	if c.Costs != "" {
		costs, err := machine.CostTable(c.Costs)
		if err != nil {
			return nil, fmt.Errorf("cluster.costs: %w", err)
		}
		p = p.WithCosts(costs)
	}
	return &p, nil
}

func namedMachine(c scenario.Cluster) (machine.Profile, error) {
	if filepath.Ext(c.Machine) != ".json" && !strings.ContainsRune(c.Machine, filepath.Separator) {
		if c.Storage == scenario.MachineStorage {
			return machine.Profile{}, fmt.Errorf("the disk of %s is not in a profile; give storage: a class of EC2 storage, or machine: the file of a machine profile that weir calibrate wrote", c.Machine)
		}
		return machine.EC2(c.Machine, storageOf(c))
	}
	p, err := machine.Load(c.Machine)
	if err != nil || c.Storage == scenario.MachineStorage {
		return p, err
	}
	if p.Instance == "" {
		return p, fmt.Errorf("%s is no EC2 instance and has no %s; give storage: machine", c.Machine, c.Storage)
	}
	return p.WithStorage(storageOf(c))
}

func storageOf(c scenario.Cluster) machine.Storage {
	if c.Storage == scenario.InstanceStore {
		return machine.Storage{Class: machine.InstanceStore}
	}
	v := volumeOf(c)
	s := machine.Storage{Class: v.Class, GiB: v.GiB, IOPS: v.IOPS, MiBps: v.MiBps}
	if left := c.Volume.CreditsPercent; left != nil {
		s.CreditsSpent = 100 - *left
	}
	return s
}

// defaultGiB is the size of an EBS volume that a scenario gives no size.
const defaultGiB = 500

// volumeOf is the EBS volume that a scenario asks for.
func volumeOf(c scenario.Cluster) ec2.VolumeSpec {
	v := ec2.VolumeSpec{Class: c.Storage, GiB: c.Volume.SizeGiB, IOPS: c.Volume.IOPS, MiBps: c.Volume.ThroughputMiBps}
	if v.GiB == 0 {
		v.GiB = defaultGiB
	}
	return v
}

// diskProfile is the disk of a broker whose machine is not described.
func diskProfile(c scenario.Cluster) (simdisk.Profile, error) {
	if c.Storage == scenario.InstanceStore {
		return simdisk.InstanceStore(), nil
	}
	return simdisk.EBS(volumeOf(c))
}

// StorageName is what a cluster's storage is called in full.
func StorageName(c scenario.Cluster) string {
	switch c.Storage {
	case scenario.InstanceStore:
		if c.Machine == "" {
			return "one disk of the instance store of an i3en.2xlarge"
		}
		return "instance store of an " + c.Machine
	case scenario.MachineStorage:
		return "the disk of machine " + c.Machine
	}
	v := volumeOf(c)
	name := fmt.Sprintf("EBS %s, %d GiB", v.Class, v.GiB)
	if limits, err := v.Limits(); err == nil {
		name = fmt.Sprintf("%s, %d IOPS, %d MiB/s", name, limits.IOPS.Burst, limits.Throughput.Burst>>20)
	}
	return name
}

// Model is a table of figures that a simulation rests on.
type Model struct {
	What   string `json:"what"`
	Name   string `json:"name"`
	Source string `json:"source"`
	// Checked says that it was compared with hardware.
	Checked bool `json:"checked"`
}

// Models lists the tables that a simulation of s rests on. m is the machine if
// it is in no file.
func Models(s *scenario.Scenario, m *machine.Profile) []Model {
	if m == nil {
		m, _ = MachineOf(s.Cluster) // that it exists was seen when the run began
	}
	var between []Model
	if s.Cluster.BetweenRacks == scenario.CrossZone {
		between = []Model{{What: "network latency between zones", Name: "one region", Source: ec2.MustLatency("cross-zone").Provenance.String()}}
	}
	if m != nil {
		all := between
		for _, src := range m.Sources {
			all = append(all, Model{What: src.What, Name: m.Title, Source: src.Basis + ": " + src.Source, Checked: src.Validated != ""})
		}
		return all
	}
	return append(between, diskModel(s.Cluster), latencyModel(s.Cluster), Model{
		What: "network latency and bandwidth", Name: "one availability zone", Source: ec2.MustLatency("same-zone").Provenance.String(),
	}, Model{
		What: "CPU", Name: "free", Source: "assumption: processing takes no simulated time",
	})
}

func diskModel(c scenario.Cluster) Model {
	m := Model{What: "disk IOPS and bandwidth", Name: StorageName(c)}
	if c.Storage == scenario.InstanceStore {
		if limits, err := ec2.Default().LocalDisk(bareInstance); err == nil {
			m.Source = limits.Provenance.String()
		}
	} else if class, err := ec2.Default().Class(c.Storage); err == nil {
		m.Source = class.Provenance.String()
	}
	return m
}

// bareInstance is whose instance store a broker has when its machine is not
// described; see simdisk.InstanceStore.
const bareInstance = "i3en.2xlarge"

func latencyModel(c scenario.Cluster) Model {
	m := Model{What: "disk latency", Name: StorageName(c)}
	if t, err := ec2.Default().Latency(c.Storage + "-write"); err == nil {
		m.Source = t.Provenance.String()
	}
	return m
}
