package story

import (
	"slices"
	"time"

	"github.com/weirlab/weir/linearizability"
)

// Schema is the value of Explanation.Schema that this version writes and reads.
const Schema = "weir.explanation/1"

// Explanation is what "weir explain" works out about a failing run, and what its
// report draws. Durations are nanoseconds in the file.
type Explanation struct {
	Schema string `json:"schema"`
	// Finding is what is explained, Signature its kind.
	Finding   linearizability.Finding `json:"finding"`
	Signature string                  `json:"signature"`
	Story     Story                   `json:"story"`
	// Replicas is how each replica of the partition stood, at every change, in
	// order of time; thinned out where nothing depends on it.
	Replicas []Sighting `json:"replicas,omitempty"`
	// Messages are those that the story rests on, by the time they were sent.
	Messages []Message `json:"messages,omitempty"`

	// Forks say how likely the failure was from each time on, and Faults what
	// each fault of the plan contributed; nil if not worked out.
	Forks  []Fork         `json:"forks,omitempty"`
	Faults []Contribution `json:"faults,omitempty"`
	// Missing says what could not be worked out, one sentence each.
	Missing []string `json:"missing,omitempty"`
}

// Sighting is how a replica stood from a time on.
type Sighting struct {
	At     time.Duration `json:"at"`
	Broker int32         `json:"broker"`
	// Up is that the broker's process ran and had the replica; if not, the rest
	// says nothing.
	Up     bool `json:"up,omitempty"`
	Leader bool `json:"leader,omitempty"`
	// LeaderEpoch is the one that the replica acts in.
	LeaderEpoch int32 `json:"leader_epoch"`
	// Where its log starts and ends, how far it believes it to be committed, and
	// how far it is synced to disk.
	Start  int64 `json:"start"`
	End    int64 `json:"end"`
	High   int64 `json:"high_watermark"`
	Synced int64 `json:"synced"`
	// ISR is whom a leader waits for, with a proposed expansion.
	ISR []int32 `json:"isr,omitempty"`
	// Epochs are the leader epochs in its log, ascending.
	Epochs []Span `json:"epochs,omitempty"`
}

// Span is where a leader epoch begins in a log.
type Span struct {
	Epoch int32 `json:"epoch"`
	From  int64 `json:"from"`
}

// Same says whether nothing changed but the time.
func (s *Sighting) Same(o *Sighting) bool {
	return s.Broker == o.Broker && s.Up == o.Up && s.Leader == o.Leader && s.LeaderEpoch == o.LeaderEpoch && s.Start == o.Start &&
		s.End == o.End && s.High == o.High && s.Synced == o.Synced && slices.Equal(s.ISR, o.ISR) && slices.Equal(s.Epochs, o.Epochs)
}

// epochAt is the leader epoch of the record at an offset, None if it has none.
func (s *Sighting) epochAt(offset int64) int32 {
	if !s.Up || offset < s.Start || offset >= s.End {
		return linearizability.None
	}
	epoch := int32(linearizability.None)
	for _, e := range s.Epochs {
		if e.From <= offset {
			epoch = e.Epoch
		}
	}
	return epoch
}

// holds says whether the replica has the record of an epoch at an offset; any
// record, if the epoch is None.
func (s *Sighting) holds(offset int64, epoch int32) bool {
	if !s.Up || offset < s.Start || offset >= s.End {
		return false
	}
	return epoch == linearizability.None || len(s.Epochs) == 0 || s.epochAt(offset) == epoch
}

// Never is when a message arrives that does not.
const Never time.Duration = -1

// Message is a request or an answer on its way from one machine to another.
type Message struct {
	Sent    time.Duration `json:"sent"`
	Arrived time.Duration `json:"arrived"` // Never if it did not
	From    string        `json:"from"`    // "broker-2", "producer-1"
	To      string        `json:"to"`
	API     string        `json:"api"` // "Fetch"
	Answer  bool          `json:"answer,omitempty"`
	// Text says what it says about the partition: "offset 12, last epoch 1".
	Text string `json:"text"`
	// Offset that is asked for, or of the first record carried; None if none.
	Offset int64 `json:"offset"`
	// End is behind the last record carried, High the high watermark told, Epoch
	// the leader epoch named; None if there is none.
	End   int64 `json:"end"`
	High  int64 `json:"high_watermark"`
	Epoch int32 `json:"epoch"`
	// Diverging is an answer that says that the follower's log has parted.
	Diverging bool `json:"diverging,omitempty"`
	// ISR that an AlterPartition asks for.
	ISR   []int32 `json:"isr,omitempty"`
	Error string  `json:"error,omitempty"`
}

// Arrives says whether the message had arrived by a time.
func (m *Message) Arrives(by time.Duration) bool { return m.Arrived != Never && m.Arrived <= by }

// Fork is what came of runs that were as they were up to a time, and drew
// everything anew from there.
type Fork struct {
	At     time.Duration `json:"at"`
	Runs   int           `json:"runs"`
	Failed int           `json:"failed"` // with the same signature
}

// Contribution is what a fault of the plan has to do with a failure.
type Contribution struct {
	Fault string `json:"fault"` // in the words of the plan
	// Same says whether the run without it still fails in the same way, Other
	// whether it fails in another.
	Same  bool `json:"same,omitempty"`
	Other bool `json:"other,omitempty"`
	// Of Runs that draw everything else anew, With failed in the same way with
	// the fault, Without without it.
	Runs    int `json:"runs,omitempty"`
	With    int `json:"with,omitempty"`
	Without int `json:"without,omitempty"`
}

// Event is a line of events.jsonl.
type Event struct {
	Line  int // counted from 1
	Time  time.Duration
	Node  string
	Name  string
	Attrs map[string]any
	// Partition is set if the event is a change of a partition's metadata.
	Partition *linearizability.PartitionState
}

// number is an attribute, None if there is none.
func (e *Event) number(key string) int64 {
	switch v := e.Attrs[key].(type) {
	case float64:
		return int64(v)
	case int64:
		return v
	}
	return linearizability.None
}

func (e *Event) word(key string) string { s, _ := e.Attrs[key].(string); return s }

// of says whether the event is one of a partition's replica.
func (e *Event) of(tp linearizability.TopicPartition) bool {
	return e.word("topic") == tp.Topic && e.number("partition") == int64(tp.Partition)
}

// Case is a finding with what is known about it.
type Case struct {
	Finding  linearizability.Finding
	History  *linearizability.History // nil if there is none
	Events   []Event
	Replicas []Sighting
	Messages []Message
}
