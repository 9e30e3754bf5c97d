package machine

import (
	"github.com/weirlab/weir/sim"
	"github.com/weirlab/weir/sim/ec2"
	"github.com/weirlab/weir/sim/simdisk"
	"github.com/weirlab/weir/sim/simnet"
)

// Machine is a physical machine of a world.
type Machine struct {
	Name    string
	Profile Profile

	k   *sim.Kernel
	cpu *sim.Processor
	ec2 *ec2.Machine // nil if it is no EC2 instance
}

// Build makes a machine of this profile in a world. Its name is for traces and
// random streams and must be its own.
func (p Profile) Build(k *sim.Kernel, name string) (*Machine, error) {
	if err := p.Check(); err != nil {
		return nil, err
	}
	m := &Machine{Name: name, Profile: p, k: k, cpu: k.NewProcessor(name, p.Cores)}
	return m, nil
}

// Processor is the machine's processor.
func (m *Machine) Processor() *sim.Processor { return m.cpu }

// Host has the processes of a node run on this machine: its cores, prices and
// wake-up delays.
func (m *Machine) Host(n *sim.Node) { n.SetProcessor(m.cpu, m.Profile.Price) }

// Join ties a host of a network to this machine: its network card, and
// loopback to the other hosts of the machine.
func (m *Machine) Join(net *simnet.Network, host string) {}

// NewDisk makes a file system for a node on the machine's device. All file
// systems of the machine share the device and the page cache.
func (m *Machine) NewDisk(n *sim.Node) *simdisk.Disk {
	return simdisk.New(m.k, n, simdisk.GP3())
}
