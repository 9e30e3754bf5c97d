package machine

import (
	"time"

	"fmt"

	"github.com/weirlab/weir/sim"
	"github.com/weirlab/weir/sim/ec2"
	"github.com/weirlab/weir/sim/simdisk"
	"github.com/weirlab/weir/sim/simnet"
)

// Machine is a physical machine of a world.
type Machine struct {
	Name    string
	Profile Profile

	k      *sim.Kernel
	cpu    *sim.Processor
	wakeup sim.Quantiles
	timer  sim.Quantiles
	disk   simdisk.Profile
	device *simdisk.Device // nil if the profile has no disk
	ec2    *ec2.Machine    // nil if it is no EC2 instance
}

// timeSlice is how long a process keeps a core that others wait for: about
// what EEVDF's base slice of 0.7 ms × (1 + log2 of the cores) comes to, with
// the timer tick of 4 ms of common kernels (HZ=250) in between.
const timeSlice = 3 * time.Millisecond

// Build makes a machine of this profile in a world. Its name is for traces and
// random streams and must be its own.
func (p Profile) Build(k *sim.Kernel, name string) (*Machine, error) {
	if err := p.Check(); err != nil {
		return nil, fmt.Errorf("machine profile %s: %w", p.Name, err)
	}
	m := &Machine{Name: name, Profile: p, k: k, cpu: k.NewProcessor(name, p.Cores)}
	m.cpu.SetSlice(timeSlice)
	var err error
	if m.wakeup, err = distribution(p.Wakeup); err != nil {
		return nil, err
	}
	if m.timer, err = distribution(p.Timer); err != nil {
		return nil, err
	}
	if p.Instance != "" {
		if err := m.rent(); err != nil {
			return nil, err
		}
	}
	if p.Disk != nil || p.Storage != nil {
		if err := m.installDisk(); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// rent makes it an EC2 instance.
func (m *Machine) rent() error {
	i, err := ec2.Default().Instance(m.Profile.Instance)
	if err != nil {
		return err
	}
	if m.ec2, err = ec2.NewMachine(i); err != nil {
		return err
	}
	if s := m.Profile.Storage; s != nil {
		m.ec2.SetEBSCredits(100 - s.CreditsSpent)
		m.ec2.SetNetworkCredits(100 - s.CreditsSpent)
	}
	return nil
}

// ResetCredits makes all burst credits what the profile says of the start, now:
// what was earned while the cluster started does not count.
func (m *Machine) ResetCredits() {
	s := m.Profile.Storage
	if s == nil || m.ec2 == nil {
		return
	}
	m.ec2.SetCreditsAt(m.k.Now(), 100-s.CreditsSpent)
	if m.device != nil {
		m.device.SetCredits(100 - s.CreditsSpent)
	}
}

func (m *Machine) installDisk() error {
	p, err := m.Profile.DiskProfile()
	if err != nil {
		return err
	}
	m.disk = p
	m.device = simdisk.NewDevice(m.k, m.Name, p)
	if p.Volume.Class != "" {
		return m.device.Attach(m.ec2)
	}
	return nil
}

// DiskProfile is the machine's disk and page cache as package simdisk has them.
func (p Profile) DiskProfile() (simdisk.Profile, error) {
	var d simdisk.Profile
	var err error
	switch {
	case p.Disk != nil:
		d, err = p.Disk.profile(p.Wakeup, p.Price("storage.sync", 1))
	case p.Storage != nil:
		d, err = p.Storage.profile(p.Instance)
	default:
		err = fmt.Errorf("machine profile %s: it has neither a disk nor a storage", p.Name)
	}
	if err != nil {
		return d, err
	}
	d.SharedCache = true
	return d.WithMemory(p.MemoryBytes - p.HeapBytes), nil
}

// SetPoint is at how many percent of what Linux allows the dirty pages settle
// under a load that is more than the disk takes: half way between the limit and
// where writers are first slowed down, which is half way between the limit and
// the half of it at which write-back begins (balance_dirty_pages).
const SetPoint = 87

// WithDirtyLimit is the machine with only so much memory that writers wait at
// this many dirty bytes, or all of it if that is less. How much memory there is
// decides how long a cache takes to fill and to settle, minutes with all of it,
// and not at what rate a disk that cannot keep up lets it be written.
func (p Profile) WithDirtyLimit(bytes int64) Profile {
	const dirtyShare = 5 // vm.dirty_ratio is 20 percent
	p.MemoryBytes = min(p.MemoryBytes, p.HeapBytes+dirtyShare*bytes)
	return p
}

// Processor is the machine's processor.
func (m *Machine) Processor() *sim.Processor { return m.cpu }

// EC2 is the instance with its EBS pipe and its network, nil if it is none.
func (m *Machine) EC2() *ec2.Machine { return m.ec2 }

// Device is the machine's block device, nil if it has none.
func (m *Machine) Device() *simdisk.Device { return m.device }

// Host has the processes of a node run on this machine: its cores, prices, and
// how late it wakes tasks up.
func (m *Machine) Host(n *sim.Node) {
	n.SetProcessor(m.cpu, m.Profile.Price)
	n.SetStall(m.Profile.Costs.Mechanisms.stalls(m.k, n))
	n.SetWakeup(m.wakeup, m.timer)
}

// Join ties a host of a network to this machine: its network card, and
// loopback to the other hosts of the machine.
func (m *Machine) Join(net *simnet.Network, host string) {
	var loopback simnet.LinkOptions
	if n := m.Profile.Network; n != nil {
		if q, err := distribution(n.Loopback); err == nil && !q.IsZero() {
			loopback = simnet.LinkOptions{Latency: &q, BytesPerSecond: n.LoopbackBytesPerSecond}
		}
		net.SetNIC(host, simnet.NIC{EgressBytesPerSecond: n.SendBytesPerSecond, IngressBytesPerSecond: n.ReceiveBytesPerSecond})
	}
	if s := m.Profile.Costs.Mechanisms.Sockets; s != nil {
		net.SetSendWindow(host, s.BrokerBytes)
	}
	net.Colocate(host, m.Name, loopback)
	if m.ec2 != nil {
		net.SetLimiter(host, m.ec2)
	}
}

// NewDisk makes a file system for a node on the machine's device. All file
// systems of the machine share the device and the page cache, and their
// journals commit together. It panics if the profile has no disk.
func (m *Machine) NewDisk(n *sim.Node) *simdisk.Disk {
	if m.device == nil {
		panic("machine: profile " + m.Profile.Name + " has neither a disk nor a storage")
	}
	return simdisk.NewOn(m.k, n, m.device, m.disk)
}
