package scenario

import (
	"fmt"
	"slices"

	"github.com/weirlab/weir/faults/drawn"
)

// Values of Producers.Arrivals.
const (
	ArrivalsConstant = "constant" // evenly spaced; the default
	ArrivalsPoisson  = "poisson"  // independent of each other, Rate on average
	ArrivalsRamp     = "ramp"     // evenly spaced, from RampFrom to Rate over the load
	ArrivalsSaturate = "saturate" // no schedule: as fast as buffer.memory lets
)

// Arrivals are the values of Producers.Arrivals.
func Arrivals() []string {
	return []string{ArrivalsConstant, ArrivalsPoisson, ArrivalsRamp, ArrivalsSaturate}
}

// Values of Producers.Partitioner.
const (
	PartitionerRoundRobin = "round-robin" // record by record; the default
	PartitionerSticky     = "sticky"      // batch by batch, as Kafka does without keys (KIP-480)
)

// Partitioners are the values of Producers.Partitioner.
func Partitioners() []string { return []string{PartitionerRoundRobin, PartitionerSticky} }

// Producers send records in an open loop: on schedule, whether earlier ones
// were answered or not.
type Producers struct {
	Topic       string     `yaml:"topic,omitempty"`
	Count       Number     `yaml:"count,omitempty"`
	Rate        Number     `yaml:"rate,omitempty"`        // records per second of all producers together
	Arrivals    string     `yaml:"arrivals,omitempty"`    // one of Arrivals()
	RampFrom    Number     `yaml:"ramp-from,omitempty"`   // records per second at the start of a ramp
	Partitioner string     `yaml:"partitioner,omitempty"` // one of Partitioners()
	RecordSize  Number     `yaml:"record-size,omitempty"` // bytes of value per record
	Keys        Number     `yaml:"keys,omitempty"`        // how many keys the records write, each again and again; 0 is a key for each
	Properties  Properties `yaml:"properties,omitempty"`
}

// Clients implements Clients.
func (p *Producers) Clients() int { return int(p.Count.Max) }

func (p *Producers) least() int64 { return p.Count.Min }

// On implements Clients.
func (p *Producers) On() string { return p.Topic }

func (p *Producers) draw(seed uint64, path string) Program {
	r := *p
	r.Count = p.Count.Draw(stream(seed, path+".count"))
	r.Properties = p.Properties.draw(seed, path+".properties")
	r.Rate = p.Rate.Draw(stream(seed, path+".rate"))
	r.RampFrom = p.RampFrom.Draw(stream(seed, path+".ramp-from"))
	r.RecordSize = p.RecordSize.Draw(stream(seed, path+".record-size"))
	r.Keys = p.Keys.Draw(stream(seed, path+".keys"))
	r.Partitioner = drawn.Word(stream(seed, path+".partitioner"), p.Partitioner)
	r.Arrivals = drawn.Word(stream(seed, path+".arrivals"), p.Arrivals)
	r.settle(p)
	return Program{Producers: &r}
}

// Bounds of a record's value in bytes: the least holds a value and a
// checksum, the most is Kafka's default limit less room for headers.
const (
	minRecordSize = 16
	maxRecordSize = 1 << 20
)

func (p *Producers) check() (string, error) {
	if err := checkWord(p.Arrivals, Arrivals()); err != nil {
		return "arrivals", err
	}
	if err := checkWord(p.Partitioner, Partitioners()); err != nil {
		return "partitioner", err
	}
	arrivals := drawn.Alternatives(p.Arrivals)
	ramp, saturate := slices.Contains(arrivals, ArrivalsRamp), p.Arrivals == ArrivalsSaturate
	switch {
	case saturate && !p.Rate.IsZero():
		return "rate", fmt.Errorf("arrivals: saturate has no rate of its own; remove one of them")
	case ramp && p.RampFrom.Min < 1:
		return "ramp-from", fmt.Errorf("a ramp starts at 1 record per second or more")
	case !ramp && !p.RampFrom.IsZero():
		return "ramp-from", fmt.Errorf("only arrivals: ramp has a start; remove it")
	case p.Keys.Max > 1_000_000:
		return "keys", fmt.Errorf("%d keys are not possible; use 0 to 1000000", p.Keys.Max)
	case p.Keys.Max > 0 && (saturate || slices.Contains(drawn.Alternatives(p.Partitioner), PartitionerSticky)):
		return "keys", fmt.Errorf("a key has its partition, and its writes their schedule; remove partitioner: sticky and arrivals: saturate")
	case p.Count.Max > 10_000:
		return "count", fmt.Errorf("%d producers are not possible; use 0 to 10000", p.Count.Max)
	case p.Count.Max > 0 && p.Rate.Min < 1 && !saturate:
		return "rate", fmt.Errorf("producers need a rate of 1 record per second or more")
	case p.Count.Max > 0 && (p.RecordSize.Min < minRecordSize || p.RecordSize.Max > maxRecordSize):
		return "record-size", fmt.Errorf("records have %d to %d bytes; smaller ones could not be told apart by the judge", minRecordSize, maxRecordSize)
	}
	if name, err := p.Properties.check(producerProperties); err != nil {
		return "properties." + name, err
	}
	if p.Properties.drawn("enable.idempotence") {
		return "", nil // settle turns it off where it cannot be
	}
	return p.checkIdempotence()
}

// checkIdempotence finds what idempotence, if it is on, does not go with.
func (p *Producers) checkIdempotence() (string, error) {
	for _, acks := range p.Properties.values("acks", "all") {
		all := acks == "all" || acks == "-1"
		if !p.Properties.Bool("enable.idempotence", all) {
			continue
		}
		if !all {
			return "properties.acks", fmt.Errorf("enable.idempotence needs acks=all, not acks=%s; change one of them", acks)
		}
		if n := p.Properties.most("max.in.flight.requests.per.connection", 5); n > 5 {
			return "properties.max.in.flight.requests.per.connection", fmt.Errorf("enable.idempotence needs at most 5, not %d: brokers remember five batches; acks=all implies it, unless it is false", n)
		}
		if slices.Contains(p.Properties.values("retries", "1"), "0") {
			return "properties.retries", fmt.Errorf("enable.idempotence needs at least 1: a lost batch would block the partition's sequence; acks=all implies it, unless it is false")
		}
	}
	return "", nil
}
