package published

import (
	"fmt"
	"strings"
	"time"

	"github.com/weirlab/weir/sim"
	"github.com/weirlab/weir/sim/machine"
)

const (
	gp2    = "gp2"
	mskGiB = 5334 // of a broker's volume: 16,000 IOPS and 250 MiB/s
)

// machineType is the instance type without what a service puts before it.
func (r Row) machineType() string {
	if r.Lab == LinkedIn {
		return "linkedin-2014.json"
	}
	if r.Lab == Kesque {
		return "i3.4xlarge" // "OMB default then i3.4xlarge (not confirmed)"
	}
	return strings.TrimPrefix(r.Instance, "kafka.")
}

// machine is the row's broker.
func (r Row) machine(costs machine.Costs) (machine.Profile, error) {
	if r.Lab == LinkedIn {
		return linkedIn().WithCosts(r.costs(costs)), nil
	}
	storage := machine.Storage{Class: machine.InstanceStore}
	switch {
	case r.Lab == AWS:
		storage = machine.Storage{Class: gp2, GiB: mskGiB}
	case r.Partitions == 1 && r.machineType() != "i4i.2xlarge":
		storage.Disks = 1 // log.dirs puts a partition on one of them
	}
	p, err := machine.EC2(r.machineType(), storage)
	if err != nil {
		return p, fmt.Errorf("%s: %w", r.ID, err)
	}
	return p.WithCosts(costs), nil
}

// clients is what each of the row's clients runs on: a machine that never lacks
// a core, at the prices of the table.
func (r Row) clients(costs machine.Costs) machine.Profile {
	p := linkedIn()
	p.Name, p.Title, p.Cores, p.Disk = "client", "a client's machine", 0, nil
	if r.Lab != LinkedIn {
		p.Network = nil
	}
	costs = r.costs(costs)
	costs.Mechanisms = costs.Mechanisms.OfClients()
	return p.WithCosts(costs)
}

// costs are the table's with what a publication says of its sockets.
func (r Row) costs(costs machine.Costs) machine.Costs {
	if s := costs.Mechanisms.Sockets; s != nil && r.Lab == LinkedIn {
		own := *s
		own.ClientBytes = linkedInSendBytes
		costs.Mechanisms.Sockets = &own
	}
	return costs
}

// linkedInSendBytes is send.buffer.bytes of the producers of 2014: their brokers
// were set to receive more (socket.receive.buffer.bytes=1048576).
const linkedInSendBytes = 128 << 10

// linkedIn is the machine of the runs of 2014.
func linkedIn() machine.Profile {
	const source = "Benchmarking Apache Kafka: 2 Million Writes Per Second (LinkedIn, 2014-04)"
	drive := []sim.Quantile{{PPM: 0, Value: 100 * time.Microsecond}, {PPM: 500_000, Value: 4 * time.Millisecond}, {PPM: 990_000, Value: 12 * time.Millisecond}, {PPM: 1_000_000, Value: 40 * time.Millisecond}}
	series := func(op string) machine.DiskSeries {
		return machine.DiskSeries{Op: op, Bytes: 4 << 10, Depth: 1, Count: 1, BytesPerSecond: 1_000_000, Latency: drive}
	}
	const gigabit = 125_000_000 // bytes a second of a 1 Gbit/s card
	return machine.Profile{
		Schema: machine.Schema, Name: "linkedin-2014", Title: "Xeon 2.5 GHz, 6 cores, 32 GB, 1 Gbit/s, six SATA drives",
		Cores: 6, MemoryBytes: 32 << 30, HeapBytes: 4 << 30,
		Disk: &machine.Disk{
			Title: "six 7,200 rpm SATA drives, one after the other's files", CapacityBytes: 6 << 40, WriteBytesPerSecond: 822_000_000, ReadBytesPerSecond: 822_000_000,
			Series: []machine.DiskSeries{series(machine.AppendSync), series(machine.OverwriteSync), series(machine.DirectWrite), series(machine.DirectRead)},
		},
		Network: &machine.Network{SendBytesPerSecond: gigabit, ReceiveBytesPerSecond: gigabit},
		Sources: []machine.Source{
			{What: "CPU costs", Basis: "assumption", Source: "set by the comparison"},
			{What: "processors, memory, network and disk rate of LinkedIn's machines", Basis: "measurement", Source: source},
			{What: "disk latency of LinkedIn's machines", Basis: "assumption", Source: "a 7,200 rpm drive: 4 ms in the median"},
		},
	}
}
