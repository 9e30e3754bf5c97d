package reports

import (
	"bufio"
	"encoding/json"
	"io"
	"sync"
	"time"

	"github.com/weirlab/weir/linearizability"
)

// Event is one line of events.jsonl: something worth telling that happened
// inside the cluster.
type Event struct {
	Time time.Duration `json:"time"` // since the run began, in nanoseconds
	// Node is the machine's name ("broker-1").
	Node string `json:"node"`
	Name string `json:"name"`
	// Attrs are whatever the event says; numbers or text.
	Attrs map[string]any `json:"attrs,omitempty"`
	// Partition is set if the event is a committed change of a partition's
	// metadata (Name is then EventPartition). Elections and ISR changes in the
	// report are read off these.
	Partition *linearizability.PartitionState `json:"partition,omitempty"`
}

// Names of events that the report draws. Start, Stop and Registered are a
// broker's process starting, ending and being unfenced by the controller.
const (
	EventPartition  = "partition"
	EventStart      = "start"
	EventStop       = "stop"
	EventRegistered = "registered"
	EventController = "controller" // the node became leader of the metadata quorum
	EventTruncate   = "truncate"
	EventRecovery   = "recovery"
)

// Events writes events.jsonl. Safe for concurrent use.
type Events struct {
	mu  sync.Mutex
	out *bufio.Writer
	enc *json.Encoder
	err error
}

// NewEvents writes to w.
func NewEvents(w io.Writer) *Events {
	out := bufio.NewWriterSize(w, 64<<10)
	return &Events{out: out, enc: json.NewEncoder(out)}
}

// Write adds an event. Errors show at Close.
func (e *Events) Write(ev Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.enc.Encode(ev); err != nil && e.err == nil {
		e.err = err
	}
}

// PartitionState adds a committed change of a partition's metadata.
func (e *Events) PartitionState(p linearizability.PartitionState) {
	e.Write(Event{Time: p.Time, Node: "controller", Name: EventPartition, Partition: &p})
}

// Close writes what is buffered and returns the first error met.
func (e *Events) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.out.Flush(); err != nil && e.err == nil {
		e.err = err
	}
	return e.err
}
