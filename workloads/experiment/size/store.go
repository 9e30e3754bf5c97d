package size

import (
	"slices"

	"github.com/weirlab/weir/sim/ec2"
)

// Store is what a broker keeps its log on.
type Store struct {
	Volume *ec2.VolumeSpec `json:"volume,omitempty"` // nil: the instance store

	bytes       int64 // it holds so many
	writes, ios int64 // sustained, per second
	merge       int64 // the most that counts as one I/O
}

// fullPercent is how full a disk may get: Kafka deletes whole segments, behind
// its retention, and people have to be able to react.
const fullPercent = 85

// instanceStore is the store of an instance that has one.
func instanceStore(i ec2.Instance) (Store, error) {
	l, err := ec2.Default().LocalDisk(i.Name)
	if err != nil {
		return Store{}, err
	}
	return Store{bytes: i.Disks * l.Bytes, writes: i.Disks * l.WriteThroughput.Baseline, ios: i.Disks * l.WriteIOPS.Baseline, merge: wholeIO}, nil
}

// wholeIO is the write-back of a page cache in long stretches, where a device
// states no size.
const wholeIO = 256 << 10

// volume is a volume of a class, as it is.
func volume(s ec2.VolumeSpec) (Store, error) {
	l, err := s.Limits()
	if err != nil {
		return Store{}, err
	}
	return Store{Volume: &l.Spec, bytes: l.Spec.GiB << 30, writes: l.Throughput.Baseline, ios: l.IOPS.Baseline, merge: l.MergeBytes}, nil
}

// volumeFor is the smallest volume of a class that holds so many bytes and
// sustains so many bytes per second; false if AWS sells none. What can be
// provisioned is, and what follows from the size is got by size.
func volumeFor(class string, bytes, writes int64) (Store, bool) {
	c, err := ec2.Default().Class(class)
	if err != nil {
		return Store{}, false
	}
	const step = 10 // GiB
	first := max(c.MinGiB, (bytes*100/fullPercent>>30)/step*step+step)
	for gib := first; gib <= c.MaxGiB; gib += max(step, gib/20/step*step) {
		s := ec2.VolumeSpec{Class: class, GiB: gib}
		mib := (writes + 1<<20 - 1) >> 20
		switch class {
		case "gp3", "gp3-until-2025":
			if mib > 125 {
				s.MiBps, s.IOPS = mib, max(3000, 4*mib) // a quarter MiB/s for each of the IOPS
			}
		case "io2":
			s.IOPS = max(100, (writes*1000+256<<20-1)/(256<<20))
		}
		v, err := volume(s)
		if err == nil && v.writes >= writes && v.ios >= writes/v.merge {
			return v, true
		}
	}
	return Store{}, false
}

// String describes the store.
func (s Store) String() string {
	if s.Volume == nil {
		return "instance store"
	}
	return s.Volume.String()
}

// stores are what an instance may keep its log on, each sized for a demand.
func (n Need) stores(i ec2.Instance, bytes, writes int64) []Store {
	wanted := func(class string) bool {
		if len(n.Classes) == 0 {
			// Cold HDD is for archives, and volumes of before 2025 are sold no more.
			return class != "sc1" && class != "gp3-until-2025"
		}
		return slices.Contains(n.Classes, class)
	}
	var all []Store
	if i.Disks > 0 && wanted(InstanceStore) {
		if s, err := instanceStore(i); err == nil && s.bytes*fullPercent/100 >= bytes && s.writes >= writes {
			all = append(all, s)
		}
	}
	if i.Disks > 0 {
		return all // who pays for disks uses them
	}
	for _, class := range ec2.Modelled() {
		if wanted(class) {
			if s, ok := volumeFor(class, bytes, writes); ok {
				all = append(all, s)
			}
		}
	}
	return all
}

// class is the class by its name.
func (s Store) class() string {
	if s.Volume == nil {
		return InstanceStore
	}
	return s.Volume.Class
}
