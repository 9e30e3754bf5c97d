package brokertest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// faults are the faults of requests that a cluster has been told to bring about.
type faults struct {
	cluster *Cluster

	mu   sync.Mutex
	list []*Fault // in the order in which they were asked for
}

var (
	errHungUp = errors.New("the test has the connection closed instead of this request done")
	errLost   = errors.New("the test has the connection closed instead of this request answered")
)

// wrap puts the faults of one broker between requests and their handlers. It is
// all there is of this mechanism in a broker; one that is not tested has none.
func (f *faults) wrap(id int32) func(protocol.API) protocol.API {
	return func(a protocol.API) protocol.API {
		if begin := a.Begin; begin != nil {
			a.Begin = func(call *protocol.Call) protocol.Pending { return f.begin(id, call, begin) }
			return a
		}
		handle := a.Handle
		a.Handle = func(call *protocol.Call) kmsg.Response {
			return f.begin(id, call, func(call *protocol.Call) protocol.Pending {
				return answered{handle(call)}
			}).Response()
		}
		return a
	}
}

// begin does a request as the faults want it, or as do does.
func (f *faults) begin(id int32, call *protocol.Call, do func(*protocol.Call) protocol.Pending) protocol.Pending {
	fault := f.take(id, call)
	if fault == nil {
		return do(call)
	}
	return fault.act(request{id, call, do})
}

// take waits out what delays a request, and returns what else is to become of it,
// nil if nothing.
func (f *faults) take(id int32, call *protocol.Call) *Fault {
	for next := 0; ; {
		f.mu.Lock()
		var found *Fault
		for ; next < len(f.list) && found == nil; next++ {
			if fault := f.list[next]; fault.claims(id, call) {
				found = fault
			}
		}
		f.mu.Unlock()
		if found == nil || found.wait == nil {
			return found
		}
		f.cluster.happened()
		found.wait()
	}
}

// unhappened names the faults that should have happened and did not.
func (f *faults) unhappened() (err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, fault := range f.list {
		if left := fault.left; left > 0 && !fault.removed {
			err = errors.Join(err, fmt.Errorf("brokertest: %s was to happen to %d requests more: no client has sent such a one (end a fault that is not needed with Remove)", fault, left))
		}
	}
	return err
}

// end lets everything pass.
func (f *faults) end() {
	f.mu.Lock()
	list := slices.Clone(f.list)
	f.mu.Unlock()
	for _, fault := range list {
		fault.Remove()
	}
}

// request is one request on its way to its handler.
type request struct {
	broker int32
	call   *protocol.Call
	do     func(*protocol.Call) protocol.Pending
}

// answered is a request whose answer is there.
type answered struct{ resp kmsg.Response }

func (answered) Done() bool                { return true }
func (a answered) Response() kmsg.Response { return a.resp }

// changed is a request whose answer becomes another one.
type changed struct {
	protocol.Pending
	change func(kmsg.Response) kmsg.Response
}

func (c changed) Response() kmsg.Response { return c.change(c.Pending.Response()) }

// On describes requests to which something is to happen. It does nothing by
// itself: one of its last methods (Fail, Delay, Hangup and so on) does.
type On struct {
	cluster     *Cluster
	key         kmsg.Key
	what        string
	times       int
	skip        int
	fromBrokers bool
	when        []func(id int32, call *protocol.Call) bool
	topic       string
	partition   int32 // -1 for all
}

// On describes the next request of a kind that a client sends to any broker.
func (c *Cluster) On(key kmsg.Key) *On {
	return &On{cluster: c, key: key, what: key.Name(), times: 1, partition: -1}
}

// Times says that it happens to the next n requests.
func (o *On) Times(n int) *On {
	if n < 1 {
		o.cluster.fatalf("brokertest: Times(%d): a fault happens once at least", n)
	}
	o.times = n
	return o
}

// Always says that it happens to all such requests until the fault is removed.
func (o *On) Always() *On {
	o.times = -1
	return o
}

// After lets the next n such requests pass first.
func (o *On) After(n int) *On {
	o.skip = n
	return o
}

// Broker means only requests to that broker.
func (o *On) Broker(id int32) *On {
	o.cluster.node(id)
	o.what += fmt.Sprintf(" to broker %d", id)
	o.when = append(o.when, func(to int32, _ *protocol.Call) bool { return to == id })
	return o
}

// Client means only requests of clients that call themselves so (client.id).
func (o *On) Client(id string) *On {
	o.what += fmt.Sprintf(" of client %q", id)
	o.when = append(o.when, func(_ int32, call *protocol.Call) bool { return call.ClientID == id })
	return o
}

// Topic means only requests that name the topic. Errors concern it alone, in
// requests that ask for something of single partitions.
func (o *On) Topic(name string) *On {
	o.what += " for " + name
	o.topic = name
	return o
}

// Partition is Topic for one partition.
func (o *On) Partition(topic string, partition int32) *On {
	o.what += fmt.Sprintf(" for %s-%d", topic, partition)
	o.topic, o.partition = topic, partition
	return o
}

// When means only requests for which it reports true. They must not be changed.
func (o *On) When(wanted func(req kmsg.Request) bool) *On {
	o.when = append(o.when, func(_ int32, call *protocol.Call) bool { return wanted(call.Request) })
	return o
}

// FromBrokers means what brokers send to one another, instead of what clients
// send: the fetches of followers, and requests to the controller. What a broker
// asks of the controller within itself is no request.
func (o *On) FromBrokers() *On {
	o.what += " from brokers"
	o.fromBrokers = true
	return o
}

// Fault is something that happens to requests.
type Fault struct {
	on   On
	does string
	act  func(request) protocol.Pending
	wait func() // instead of act: the request goes on afterwards

	// Guarded by faults.mu.
	left    int // negative for any number
	skip    int
	happens int
	removed bool

	released chan struct{}
	once     sync.Once
}

// String says what happens to which requests.
func (f *Fault) String() string { return f.does + " of " + f.on.what }

// fault is one that does nothing yet: act or wait is to be set, and then it is to
// be added.
func (o *On) fault(does string) *Fault {
	return &Fault{on: *o, does: does, left: o.times, skip: o.skip, released: make(chan struct{})}
}

// add makes the fault happen from now on.
func (f *Fault) add() *Fault {
	all := &f.on.cluster.faults
	all.mu.Lock()
	defer all.mu.Unlock()
	all.list = append(all.list, f)
	return f
}

// claims reports whether the fault happens to a request, and counts it.
func (f *Fault) claims(id int32, call *protocol.Call) bool {
	switch {
	case f.removed || f.left == 0 || call.Request.Key() != f.on.key.Int16():
		return false
	case f.on.cluster.peers.has(call.Remote) != f.on.fromBrokers:
		return false
	case f.on.topic != "" && !f.selects(id).named(call.Request):
		return false
	}
	for _, wanted := range f.on.when {
		if !wanted(id, call) {
			return false
		}
	}
	if f.skip > 0 {
		f.skip--
		return false
	}
	if f.left > 0 {
		f.left--
	}
	f.happens++
	return true
}

// Happened is to how many requests it has happened.
func (f *Fault) Happened() int {
	f.on.cluster.faults.mu.Lock()
	defer f.on.cluster.faults.mu.Unlock()
	return f.happens
}

// Await waits until the fault has happened to as many requests as it should, to
// one if it should to all.
func (f *Fault) Await() {
	err := f.on.cluster.await(f.String(), func() bool {
		f.on.cluster.faults.mu.Lock()
		defer f.on.cluster.faults.mu.Unlock()
		return f.left == 0 || f.left < 0 && f.happens > 0
	})
	if err != nil {
		f.on.cluster.fatalf("brokertest: %v", err)
	}
}

// Remove ends the fault: it happens to no request any more. Requests that it
// holds go on.
func (f *Fault) Remove() {
	f.on.cluster.faults.mu.Lock()
	f.removed = true
	f.on.cluster.faults.mu.Unlock()
	f.once.Do(func() { close(f.released) })
}

// pause waits, but not when the fault has been removed.
func (f *Fault) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-f.released:
	}
}
