package published

import (
	"time"

	"github.com/weirlab/weir/sim/machine"
)

// What the labs' own tools said of their machines, and defaults of Kafka 2.6
// that neither lab's driver changes.
const (
	// diskBytes is what dd wrote to one disk of an i3en.2xlarge, in bytes per
	// second: 327 and 328 MB/s in both publications.
	diskBytes = 327_000_000
	disks     = 2 // of an i3en.2xlarge

	bufferMemory    = 32 << 20 // buffer.memory
	maxRequestBytes = 1 << 20  // max.request.size
	maxInFlight     = 5        // max.in.flight.requests.per.connection

	// LinkedIn's commands of 2014 set buffer.memory; its producer had no
	// max.in.flight.requests.per.connection yet.
	linkedInBufferMemory = 64 << 20
	unlimitedInFlight    = 10_000
)

// Physics is what a row's figures say about what ruled it, by arithmetic on
// the publication alone. Nothing here is simulated.
type Physics struct {
	// DiskBytesPerSecond is the most that the disks of a broker take, which
	// bounds the cluster since every broker writes every byte; one disk if
	// there is but one partition, because log.dirs puts it on one.
	DiskBytesPerSecond int64
	// DiskUse is the published throughput over that bound.
	DiskUse float64

	// Buffered is the mean publish latency that Little's law demands of
	// producers whose buffer.memory is full at the published throughput. Near
	// the published mean, it says that latency is nothing but the queue.
	Buffered time.Duration

	// UnderWay is how long a produce request takes if all requests that may be
	// in flight are, each of max.request.size. It is an upper bound.
	UnderWay time.Duration
}

// Physics computes the arithmetic of a row.
func (r Row) Physics() Physics {
	p := Physics{DiskBytesPerSecond: disks * diskBytes}
	leaders := int64(r.Brokers)
	if r.Partitions == 1 {
		p.DiskBytesPerSecond, leaders = diskBytes, 1
	}
	if r.Instance != usualInstance {
		p.DiskBytesPerSecond = r.diskLimit()
	}
	rate := r.AckedPerSecond * float64(r.RecordBytes)
	p.DiskUse = rate / float64(p.DiskBytesPerSecond)
	took := func(bytes int64) time.Duration {
		return time.Duration(float64(bytes) / rate * float64(time.Second))
	}
	p.Buffered = took(int64(r.Producers) * bufferMemory)
	p.UnderWay = took(int64(r.Producers) * leaders * maxInFlight * maxRequestBytes)
	return p
}

// usualInstance is what dd's figures are of.
const usualInstance = "i3en.2xlarge"

// diskLimit is what the model's disks of another machine take.
func (r Row) diskLimit() int64 {
	m, err := r.machine(machine.Costs{Name: "none", Source: machine.Source{What: "CPU costs", Basis: "assumption", Source: "none"}})
	if err != nil {
		return 0
	}
	d, err := m.DiskProfile()
	if err != nil {
		return 0
	}
	if d.Write.BytesPerSecond == 0 {
		if l, err := d.Volume.Limits(); err == nil {
			return l.Throughput.Baseline
		}
	}
	return d.Write.BytesPerSecond
}

// diskRuled is the part of the disk bound from which on the disk is taken to
// have ruled a row. The labs' best runs reach 98%.
const diskRuled = 0.90

// Rules says in words what ruled a row.
func (r Row) Rules() string {
	switch p := r.Physics(); {
	case !r.Saturated():
		return "round trips"
	case p.DiskUse >= diskRuled:
		return "disk bandwidth"
	default:
		return "request pipeline"
	}
}
