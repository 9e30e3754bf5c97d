package compare

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirlab/weir/sim/ec2"
	"github.com/weirlab/weir/sim/machine"
	"github.com/weirlab/weir/workloads/scenario"
)

// Kinds of storage, as the command line names them.
const (
	Ephemeral = "ephemeral" // the instance store of the brokers' instances
	EBS       = "ebs"       // one EBS volume per broker
)

// Configuration is one way to store a broker's log.
type Configuration struct {
	Instance string `json:"instance"` // "i3en.2xlarge"
	// Volume is the EBS volume of each broker; nil is the instance store, all
	// of its disks striped.
	Volume *ec2.VolumeSpec `json:"volume,omitempty"`
}

// Kind is [Ephemeral] or [EBS].
func (c Configuration) Kind() string {
	if c.Volume == nil {
		return Ephemeral
	}
	return EBS
}

// Class is the class of storage as package ec2 names it.
func (c Configuration) Class() string {
	if c.Volume == nil {
		return "instance-store"
	}
	return c.Volume.Class
}

// Name is short and used in tables: "i3en.2xlarge", "gp3".
func (c Configuration) Name() string {
	if c.Volume == nil {
		return c.Instance
	}
	return c.Volume.Class
}

// String describes c: "gp3, 500 GiB, on r5.2xlarge".
func (c Configuration) String() string {
	if c.Volume == nil {
		return "instance store of " + c.Instance
	}
	return c.Volume.String() + ", on " + c.Instance
}

// limits are an instance of the configuration with its disks, as buckets.
type limits struct {
	*ec2.Machine
	volume *ec2.Attached
	disks  []*ec2.LocalDisk
}

func (c Configuration) limits() (*limits, error) {
	i, err := ec2.Default().Instance(c.Instance)
	if err != nil {
		return nil, err
	}
	m, err := ec2.NewMachine(i)
	if err != nil {
		return nil, err
	}
	own := &limits{Machine: m}
	if c.Volume != nil {
		v, err := ec2.NewVolume(*c.Volume)
		if err != nil {
			return nil, err
		}
		own.volume = m.Attach(v)
		return own, nil
	}
	l, err := ec2.Default().LocalDisk(c.Instance)
	if err != nil {
		return nil, err
	}
	for range i.Disks {
		d, err := l.New()
		if err != nil {
			return nil, err
		}
		own.disks = append(own.disks, d)
	}
	return own, nil
}

// capacity is how many bytes a broker can keep.
func (m *limits) capacity() int64 {
	if m.volume != nil {
		return m.volume.Volume().Limits().Spec.GiB << 30
	}
	return int64(len(m.disks)) * m.disks[0].Limits().Bytes
}

// Plan is what is to be compared.
type Plan struct {
	Configurations []Configuration `json:"configurations"`

	Brokers           int `json:"brokers"`
	ReplicationFactor int `json:"replication_factor"`
	MinISR            int `json:"min_insync_replicas"`
	Partitions        int `json:"partitions"`

	// Producers and Consumers are how many clients there are. Consumers read
	// everything once, or once for each of so many groups.
	Producers   int   `json:"producers"`
	Consumers   int   `json:"consumers"`
	Groups      int   `json:"consumer_groups,omitempty"`
	RecordBytes int64 `json:"record_bytes"`
	// BatchBytes and Linger are the producers' batch.size and linger.ms.
	BatchBytes int64         `json:"batch_bytes"`
	Linger     time.Duration `json:"linger"`
	// Costs names the table of what requests cost a broker's processor.
	Costs string `json:"costs"`
	// LoadBytesPerSecond is what producers send to the whole cluster.
	LoadBytesPerSecond int64 `json:"load_bytes_per_s"`
	// StoredBytes is what each broker keeps, replicas included.
	StoredBytes int64 `json:"stored_bytes"`

	// Away is how long it takes until a machine runs again in the place of one
	// that failed, with its volume attached or its disks empty.
	Away time.Duration `json:"away"`
	// Hours is how long the courses of burst credits are followed.
	Hours int `json:"hours"`
	// CrossZone adds what it costs to replicate the load between zones. What is
	// simulated stays in one zone.
	CrossZone bool `json:"cross_zone"`

	// Window is the simulated time that each measurement takes after its
	// warm-up. Longer is slower and steadier.
	Window time.Duration `json:"window"`
	Seed   scenario.Seed `json:"seed"`
}

// DefaultPlan compares what AWS sells for the purpose: the two instance types
// with an NVMe instance store, and four classes of volumes of 250 GiB on an
// instance type with as many processors and as much memory, whose EBS pipe
// bursts. io2 has the IOPS that carry what the pipe carries.
func DefaultPlan() Plan {
	const instance = "r5.2xlarge"
	volume := func(class string, iops int64) Configuration {
		return Configuration{Instance: instance, Volume: &ec2.VolumeSpec{Class: class, GiB: 250, IOPS: iops}}
	}
	return Plan{
		Configurations: []Configuration{
			{Instance: "i3en.2xlarge"}, {Instance: "i4i.2xlarge"},
			volume("gp2", 0), volume("gp3", 0), volume("io2", 4000), volume("st1", 0),
		},
		Brokers: 3, ReplicationFactor: 3, MinISR: 2, Partitions: 12,
		Producers: 4, Consumers: 3, RecordBytes: 1024, BatchBytes: 128 << 10, Linger: 5 * time.Millisecond, Costs: "kafka-jvm",
		LoadBytesPerSecond: 20_000_000, StoredBytes: 175 << 30,
		Away: 10 * time.Minute, Hours: 12,
		Window: 2 * time.Second, Seed: 1,
	}
}

// Check says what is wrong with p.
func (p Plan) Check() error {
	switch {
	case len(p.Configurations) == 0:
		return errors.New("compare: there is nothing to compare; name ephemeral, ebs, or both")
	case p.Brokers < 1 || p.ReplicationFactor < 1 || p.ReplicationFactor > p.Brokers:
		return fmt.Errorf("compare: a replication factor of %d needs at least as many brokers, not %d", p.ReplicationFactor, p.Brokers)
	case p.MinISR < 1 || p.MinISR > p.ReplicationFactor:
		return fmt.Errorf("compare: min.insync.replicas %d is not within 1 and the replication factor of %d", p.MinISR, p.ReplicationFactor)
	case p.Partitions < 1 || p.RecordBytes < 1 || p.LoadBytesPerSecond < p.RecordBytes || p.StoredBytes < 1:
		return errors.New("compare: partitions, record size, load and stored bytes must be positive")
	case p.Producers < 1 || p.Consumers < 0 || p.BatchBytes < 1 || p.Linger < 0:
		return errors.New("compare: there is at least one producer, and batch.size is positive")
	case p.Window < time.Second || p.Hours < 1 || p.Hours > 24*30 || p.Away < 0:
		return errors.New("compare: a measurement takes a second at least, and a course 1 to 720 hours")
	}
	if _, err := machine.CostTable(p.Costs); err != nil {
		return err
	}
	var names []string
	for _, c := range p.Configurations {
		if slices.Contains(names, c.Name()) {
			return fmt.Errorf("compare: %s is there twice; tables could not tell them apart", c.Name())
		}
		names = append(names, c.Name())
		m, err := c.limits()
		if err != nil {
			return err
		}
		if full := m.capacity(); p.StoredBytes > full {
			return fmt.Errorf("compare: %v keeps %d GiB, and each broker is to keep %d; choose larger volumes or fewer bytes", c, full>>30, p.StoredBytes>>30)
		}
	}
	return nil
}

// brokerLoad is what each broker writes at the load of the plan: its share of
// every replica.
func (p Plan) brokerLoad() int64 {
	return p.LoadBytesPerSecond * int64(p.ReplicationFactor) / int64(p.Brokers)
}

// ParseVolume reads a volume as the command line writes it:
// CLASS:GiB[:IOPS[:MiB/s]].
func ParseVolume(text string) (ec2.VolumeSpec, error) {
	parts := strings.Split(text, ":")
	s := ec2.VolumeSpec{Class: parts[0]}
	if len(parts) < 2 || len(parts) > 4 {
		return s, fmt.Errorf("volume %q is not CLASS:GiB[:IOPS[:MiB/s]], such as gp3:500:6000:500", text)
	}
	for i, to := range []*int64{&s.GiB, &s.IOPS, &s.MiBps} {
		if i+1 >= len(parts) {
			break
		}
		n, err := strconv.ParseInt(parts[i+1], 10, 64)
		if err != nil || n <= 0 {
			return s, fmt.Errorf("volume %q: %q is not a positive whole number; write CLASS:GiB[:IOPS[:MiB/s]]", text, parts[i+1])
		}
		*to = n
	}
	_, err := s.Limits()
	return s, err
}
