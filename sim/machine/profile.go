package machine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/weirlab/weir/sim"
)

// Schema is the version of the file format of profiles.
const Schema = "weir-machine-1"

// Profile describes a machine.
type Profile struct {
	Schema string `json:"schema"`
	Name   string `json:"name"`  // short, for file names and labels: "i3en.2xlarge"
	Title  string `json:"title"` // for people

	Cores       int   `json:"cores"`
	MemoryBytes int64 `json:"memory_bytes"`
	// HeapBytes is the memory that programs keep for themselves; the rest of
	// MemoryBytes is the page cache's.
	HeapBytes int64 `json:"heap_bytes,omitempty"`

	// Costs price the operations of programs.
	Costs Costs `json:"costs"`

	// Wakeup is how long after an event of network or disk a task that waited
	// for it runs, if a core is free: the interrupt and the scheduler. Empty
	// is at once.
	Wakeup []sim.Quantile `json:"wakeup,omitempty"`
	// Timer is how much later than asked a sleep ends. Empty is on time.
	Timer []sim.Quantile `json:"timer,omitempty"`

	// Instance is the EC2 instance type whose limits and credits hold, empty
	// if it is no EC2 machine. Storage is what its disk is, nil if Disk says.
	Instance string   `json:"instance,omitempty"`
	Storage  *Storage `json:"storage,omitempty"`

	// Disk is a disk that was measured, nil if Storage says.
	Disk *Disk `json:"disk,omitempty"`

	// Network is what was measured of it; nil is a network within one
	// availability zone, with the limits of Instance if there is one.
	Network *Network `json:"network,omitempty"`

	Sources []Source `json:"sources"`
}

// Storage is the storage of an EC2 instance.
type Storage struct {
	Class string `json:"class"` // InstanceStore or a class of ec2.VolumeSpec

	// Disks is how many disks of an instance store are striped, 0 all. A
	// program that keeps each file on one of several disks has one of them to
	// itself if it has but one file.
	Disks int64 `json:"disks,omitempty"`

	// GiB, IOPS and MiBps are as in ec2.VolumeSpec; not for InstanceStore.
	GiB   int64 `json:"gib,omitempty"`
	IOPS  int64 `json:"iops,omitempty"`
	MiBps int64 `json:"mibps,omitempty"`

	// CreditsSpent is how many percent of its burst credits, and of those of
	// its instance, are gone when the world begins.
	CreditsSpent int64 `json:"credits_spent_percent,omitempty"`
}

// InstanceStore is the class of all disks of the instance store, striped.
const InstanceStore = "instance-store"

// Source is where a part of a profile is from.
type Source struct {
	What   string `json:"what"`   // "CPU costs", "disk latency"
	Basis  string `json:"basis"`  // specification, measurement, derived or assumption
	Source string `json:"source"` // who says so, with the date
	// Validated is what it was compared with, empty if it was never compared
	// with hardware.
	Validated string `json:"validated,omitempty"`
}

// Bases are the values of Source.Basis; see ec2.Basis for what they mean.
func Bases() []string { return []string{"specification", "measurement", "derived", "assumption"} }

// Disk is a disk with its file system as it was measured.
type Disk struct {
	Title         string `json:"title"` // "ext4 on a virtual disk"
	CapacityBytes int64  `json:"capacity_bytes"`

	// Series are latencies by operation, size and depth.
	Series []DiskSeries `json:"series"`

	// BusyCommitNanos is what a commit of the journal takes longer while
	// programs and the kernel compete for cores than in Series, where nothing
	// else ran.
	BusyCommitNanos int64 `json:"busy_commit_ns,omitempty"`

	// WriteBytesPerSecond and ReadBytesPerSecond are of long sequential runs
	// past the page cache, inside files that have their blocks.
	WriteBytesPerSecond int64 `json:"write_bytes_per_s"`
	ReadBytesPerSecond  int64 `json:"read_bytes_per_s"`
	// AppendBytesPerSecond is of a long run of appends through the page cache,
	// until all of it is durable. New blocks can take longer than old ones. 0
	// is WriteBytesPerSecond.
	AppendBytesPerSecond int64 `json:"append_bytes_per_s,omitempty"`
}

// Operations of DiskSeries.Op.
const (
	AppendSync    = "append+fdatasync"    // a write behind the end of a file, with its new length, made durable
	OverwriteSync = "overwrite+fdatasync" // a write inside a file, made durable
	Append        = "append"              // a write behind the end of a file, to the page cache
	DirectWrite   = "direct write"        // past the page cache, without a flush
	DirectRead    = "direct read"         // past the page cache
)

// DiskSeries is what was measured of one way of using a disk.
type DiskSeries struct {
	Op             string         `json:"op"`
	Bytes          int64          `json:"bytes"` // of one call
	Depth          int64          `json:"depth"` // files used side by side, one call at a time each
	Count          int64          `json:"count"` // calls measured
	BytesPerSecond int64          `json:"bytes_per_s"`
	Latency        []sim.Quantile `json:"latency"` // of one call
}

// Network is a network as it was measured. What is 0 or empty was not.
type Network struct {
	// Loopback is the time from a write until the reader on the same machine
	// can have it, without waking the reader up: half a round trip less the
	// wake-up.
	Loopback []sim.Quantile `json:"loopback,omitempty"`
	// LoopbackBytesPerSecond is what one connection carries.
	LoopbackBytesPerSecond int64 `json:"loopback_bytes_per_s,omitempty"`

	// SendBytesPerSecond and ReceiveBytesPerSecond are of the network card.
	SendBytesPerSecond    int64 `json:"send_bytes_per_s,omitempty"`
	ReceiveBytesPerSecond int64 `json:"receive_bytes_per_s,omitempty"`
}

// Price is how long operation op over n units occupies a core of this machine.
func (p Profile) Price(op string, n int64) time.Duration { return p.Costs.Price(op, n) }

// Load reads a profile from a file.
func Load(path string) (Profile, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Profile{}, fmt.Errorf("machine profile: %w", err)
	}
	p, err := Parse(data)
	if err != nil {
		return Profile{}, fmt.Errorf("machine profile %s: %w", path, err)
	}
	return p, nil
}

// Parse reads a profile from JSON. A key that profiles do not have is an
// error that names it.
func Parse(data []byte) (Profile, error) {
	var p Profile
	if err := strict(data, &p); err != nil {
		return Profile{}, err
	}
	return p, p.Check()
}

// Save writes the profile to a file as JSON.
func (p Profile) Save(path string) error {
	if p.Schema == "" {
		p.Schema = Schema
	}
	if err := p.Check(); err != nil {
		return err
	}
	data, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return fmt.Errorf("machine profile %s: %w", p.Name, err)
	}
	if err := os.WriteFile(path, append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("machine profile: %w", err)
	}
	return nil
}

// strict decodes one JSON value without unknown keys.
func strict(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is something behind the end of the JSON value; remove it")
	}
	return nil
}

// Check says what is wrong with a profile, naming the key.
func (p Profile) Check() error {
	switch {
	case p.Schema != Schema:
		return fmt.Errorf("schema: %q is not %q; the file is not a machine profile, or is of another version of weir", p.Schema, Schema)
	case p.Name == "":
		return errors.New("name: is missing")
	case p.Cores < 0 || p.Cores > 1024:
		return fmt.Errorf("cores: %d is not from 0 (always enough) to 1024", p.Cores)
	case p.MemoryBytes <= 0:
		return fmt.Errorf("memory_bytes: %d is not positive", p.MemoryBytes)
	case p.HeapBytes < 0 || p.HeapBytes >= p.MemoryBytes:
		return fmt.Errorf("heap_bytes: %d must leave something of the memory of %d bytes", p.HeapBytes, p.MemoryBytes)
	case p.Storage != nil && p.Disk != nil:
		return errors.New("storage and disk: only one can be the disk; remove the other")
	case p.Storage != nil && p.Instance == "":
		return errors.New("storage: needs an instance type; for a disk that was measured use disk")
	}
	if p.Storage != nil {
		if err := p.Storage.check(); err != nil {
			return fmt.Errorf("storage.%w", err)
		}
	}
	if err := p.Costs.check(); err != nil {
		return fmt.Errorf("costs: %w", err)
	}
	for _, d := range []struct {
		key    string
		points []sim.Quantile
	}{{"wakeup", p.Wakeup}, {"timer", p.Timer}} {
		if _, err := distribution(d.points); err != nil {
			return fmt.Errorf("%s: %w", d.key, err)
		}
	}
	if p.Disk != nil {
		if err := p.Disk.check(); err != nil {
			return fmt.Errorf("disk: %w", err)
		}
	}
	if n := p.Network; n != nil {
		if _, err := distribution(n.Loopback); err != nil {
			return fmt.Errorf("network.loopback: %w", err)
		}
		if n.LoopbackBytesPerSecond < 0 || n.SendBytesPerSecond < 0 || n.ReceiveBytesPerSecond < 0 {
			return errors.New("network: rates must not be negative")
		}
	}
	for i, s := range p.Sources {
		if err := s.check(); err != nil {
			return fmt.Errorf("sources[%d]: %w", i, err)
		}
	}
	return nil
}

func (s Source) check() error {
	switch {
	case s.What == "" || s.Source == "":
		return errors.New("what and source must both be given")
	case !slices.Contains(Bases(), s.Basis):
		return fmt.Errorf("basis: %q is not one of %s", s.Basis, strings.Join(Bases(), ", "))
	}
	return nil
}

// distribution makes a distribution of points, the zero value of none.
func distribution(points []sim.Quantile) (sim.Quantiles, error) {
	if len(points) == 0 {
		return sim.Quantiles{}, nil
	}
	return sim.NewQuantiles(points...)
}
