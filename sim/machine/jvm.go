package machine

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/sim"
)

// Mechanisms are what makes operations of a program take longer than their
// work occupies a core. The zero value is none.
type Mechanisms struct {
	HandOver  *HandOver  `json:"hand_over,omitempty"`
	Collector *Collector `json:"collector,omitempty"`
	Sockets   *Sockets   `json:"sockets,omitempty"`
	Muting    *Muting    `json:"muting,omitempty"`
}

// Muting is that a broker reads nothing more from a connection until the request
// that it has read from it is answered, which with acks=all is when the followers
// have it. So producers' requests under way wait for one another at the broker,
// however many max.in.flight.requests.per.connection lets there be.
type Muting struct {
	Source Source `json:"source"`
}

// Sockets are the buffers of connections, whose sizes Kafka sets itself instead
// of having the operating system let them grow. A connection has no more on the
// way than they hold, and waits a round trip for the rest.
type Sockets struct {
	// BrokerBytes is what a broker has on the way at most to a follower or a
	// consumer, ClientBytes a client to a broker: the less of what the one sets for
	// sending and the other for receiving.
	BrokerBytes int64  `json:"broker_bytes"`
	ClientBytes int64  `json:"client_bytes"`
	Source      Source `json:"source"`
}

// OfClients are the mechanisms of a client's machine: its sockets.
func (m Mechanisms) OfClients() Mechanisms {
	if m.Sockets == nil {
		return Mechanisms{}
	}
	own := *m.Sockets
	own.BrokerBytes = own.ClientBytes
	return Mechanisms{Sockets: &own}
}

// HandOver is the way of a request from thread to thread. A Kafka broker's
// network thread reads a request and queues it; a request handler takes it from
// the queue, does it and queues the answer; the network thread is woken and
// writes it. Whoever takes something from a queue has to be woken first.
type HandOver struct {
	// Wait is how long one hand-over takes.
	Wait []sim.Quantile `json:"wait"`
	// Times is how many hand-overs an operation has; one that is not listed has
	// none.
	Times  map[string]int64 `json:"times"`
	Source Source           `json:"source"`
}

// Collector is a garbage collector that stops all threads of a process for
// every so many bytes that they have allocated.
type Collector struct {
	Name string `json:"name"` // "G1"
	// YoungBytes are allocated from one collection to the next.
	YoungBytes int64 `json:"young_bytes"`
	// Pause is how long one stops the process.
	Pause []sim.Quantile `json:"pause"`
	// Allocates is what operations allocate; one that is not listed allocates
	// nothing.
	Allocates map[string]Allocation `json:"allocates"`
	Source    Source                `json:"source"`
}

// Allocation is what an operation allocates.
type Allocation struct {
	CallBytes int64 `json:"call_bytes"` // a call
	// UnitPermille is how many thousandths of a byte a unit allocates.
	UnitPermille int64 `json:"unit_permille,omitempty"`
}

// Names of mechanisms that [Costs.Without] takes.
const (
	HandOverMechanism   = "hand-over"  // of requests from thread to thread
	CollectorMechanism  = "collector"  // pauses of the garbage collector
	PartitionsMechanism = "partitions" // work for each partition of a fetch
	SocketsMechanism    = "sockets"    // buffers of connections of a set size
	MutingMechanism     = "muting"     // one request of a connection at a time
)

// MechanismNames are the names of the mechanisms.
func MechanismNames() []string {
	return []string{HandOverMechanism, CollectorMechanism, PartitionsMechanism, SocketsMechanism, MutingMechanism}
}

// Without is the table with some of its mechanisms switched off.
func (c Costs) Without(names ...string) (Costs, error) {
	for _, name := range names {
		switch name {
		case HandOverMechanism:
			c.Mechanisms.HandOver = nil
		case CollectorMechanism:
			c.Mechanisms.Collector = nil
		case SocketsMechanism:
			c.Mechanisms.Sockets = nil
		case MutingMechanism:
			c.Mechanisms.Muting = nil
		case PartitionsMechanism:
			priced := make(map[string]Cost, len(c.Operations))
			for _, op := range env.SortedKeys(c.Operations) {
				if !strings.HasSuffix(op, ".partition") {
					priced[op] = c.Operations[op]
				}
			}
			c.Operations = priced
		default:
			return c, fmt.Errorf("machine: there is no mechanism %q; use %s", name, strings.Join(MechanismNames(), ", "))
		}
	}
	return c, nil
}

// Sources is where the table and its mechanisms are from.
func (c Costs) Sources() []Source {
	all := []Source{c.Source}
	if h := c.Mechanisms.HandOver; h != nil {
		all = append(all, h.Source)
	}
	if g := c.Mechanisms.Collector; g != nil {
		all = append(all, g.Source)
	}
	if s := c.Mechanisms.Sockets; s != nil {
		all = append(all, s.Source)
	}
	if s := c.Mechanisms.Muting; s != nil {
		all = append(all, s.Source)
	}
	return all
}

func (m *Mechanisms) check() error {
	known := func(key string, ops []string) error {
		for _, op := range ops {
			if !slices.Contains(Operations(), op) {
				return fmt.Errorf("%s: there is no operation %q", key, op)
			}
		}
		return nil
	}
	if h := m.HandOver; h != nil {
		if err := stalling(h.Wait); err != nil {
			return fmt.Errorf("hand_over.wait: %w", err)
		}
		if err := known("hand_over.times", env.SortedKeys(h.Times)); err != nil {
			return err
		}
		for _, op := range env.SortedKeys(h.Times) {
			if n := h.Times[op]; n < 0 || n > mostHandOvers {
				return fmt.Errorf("hand_over.times.%s: %d is not from 0 to %d", op, n, mostHandOvers)
			}
		}
		if err := h.Source.check(); err != nil {
			return fmt.Errorf("hand_over.source: %w", err)
		}
	}
	if s := m.Sockets; s != nil {
		if s.BrokerBytes < leastSocket || s.ClientBytes < leastSocket {
			return fmt.Errorf("sockets: broker_bytes and client_bytes must be at least %d", leastSocket)
		}
		if err := s.Source.check(); err != nil {
			return fmt.Errorf("sockets.source: %w", err)
		}
	}
	if s := m.Muting; s != nil {
		if err := s.Source.check(); err != nil {
			return fmt.Errorf("muting.source: %w", err)
		}
	}
	g := m.Collector
	if g == nil {
		return nil
	}
	if err := stalling(g.Pause); err != nil {
		return fmt.Errorf("collector.pause: %w", err)
	}
	if g.YoungBytes <= 0 || g.YoungBytes > mostAllocated {
		return fmt.Errorf("collector.young_bytes: %d is not from 1 to %d", g.YoungBytes, mostAllocated)
	}
	if err := known("collector.allocates", env.SortedKeys(g.Allocates)); err != nil {
		return err
	}
	for _, op := range env.SortedKeys(g.Allocates) {
		if a := g.Allocates[op]; a.CallBytes < 0 || a.UnitPermille < 0 || a.CallBytes > mostAllocated || a.UnitPermille > mostPermille {
			return fmt.Errorf("collector.allocates.%s: call_bytes must be from 0 to %d, unit_permille from 0 to %d", op, mostAllocated, mostPermille)
		}
	}
	if err := g.Source.check(); err != nil {
		return fmt.Errorf("collector.source: %w", err)
	}
	return nil
}

const (
	// leastSocket is the least buffer that Linux gives a socket that asks for one
	// (SOCK_MIN_RCVBUF, rounded up).
	leastSocket = 4 << 10
	// mostHandOvers bounds the draws of one operation.
	mostHandOvers = 64
	// mostStall bounds what one draw takes, so that all of an operation are a time.
	mostStall = time.Minute
	// mostAllocated bounds a young generation and what a call allocates, in bytes,
	// and mostUnits and mostPermille what its units do, so that sums of thousandths
	// are numbers.
	mostAllocated = int64(1) << 50
	mostUnits     = int64(1) << 31
	mostPermille  = int64(1) << 30
)

// stalling is a distribution of stalls.
func stalling(points []sim.Quantile) error {
	if _, err := distribution(points); err != nil || len(points) == 0 {
		return errors.Join(err, missing(len(points)))
	}
	if most := points[len(points)-1].Value; most > mostStall {
		return fmt.Errorf("%v is more than %v", most, mostStall)
	}
	return nil
}

func missing(n int) error {
	if n == 0 {
		return errors.New("has no points")
	}
	return nil
}

// stalls is what a process of the node waits for besides cores, nil for
// nothing. Draws come from streams of the node's own, one for each mechanism,
// so that switching one off leaves those of the other as they were.
func (m *Mechanisms) stalls(k *sim.Kernel, node *sim.Node) sim.Stall {
	if m.HandOver == nil && m.Collector == nil {
		return nil
	}
	r := &runtime{m: m, node: node, handOver: k.Rand("jvm hand-over", node.Name()), pause: k.Rand("jvm collector", node.Name())}
	if m.HandOver != nil {
		r.wait, _ = distribution(m.HandOver.Wait) // Build has checked it
	}
	if g := m.Collector; g != nil {
		r.stops, _ = distribution(g.Pause)
		// Brokers are not in step: each has filled some part of its young
		// generation before.
		r.allocated = r.pause.Int64n(1000 * g.YoungBytes)
	}
	return r.stall
}

// runtime is the state of the mechanisms of a machine's process, one after the
// other.
type runtime struct {
	m               *Mechanisms
	node            *sim.Node
	process         int64 // the node's epoch, 0 before the first
	handOver, pause *env.Rand
	wait, stops     sim.Quantiles

	allocated    int64         // thousandths of a byte since the last collection
	stoppedUntil time.Duration // all threads
}

// stall is a [sim.Stall]. The operation that fills the young generation begins
// the collection; who ends an operation before its end waits for it, as a thread
// does at its next safepoint.
func (r *runtime) stall(now time.Duration, op string, n int64) time.Duration {
	until := now
	if started := r.node.Epoch(); started != r.process {
		if r.process > 0 { // a restarted process has allocated nothing, and no collection of before goes on
			r.allocated, r.stoppedUntil = 0, 0
		}
		r.process = started
	}
	if g := r.m.Collector; g != nil {
		a := g.Allocates[op]
		r.allocated += 1000*a.CallBytes + min(max(n, 0), mostUnits)*a.UnitPermille
		if r.allocated >= 1000*g.YoungBytes {
			r.allocated = 0
			// While all threads stand still nothing fills a generation: what did
			// so meanwhile was begun before, and is collected next.
			r.stoppedUntil = max(now, r.stoppedUntil) + r.stops.Draw(r.pause)
		}
		until = max(until, r.stoppedUntil)
	}
	if h := r.m.HandOver; h != nil {
		for range h.Times[op] {
			until += r.wait.Draw(r.handOver)
		}
	}
	return until - now
}
