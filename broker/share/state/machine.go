package state

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirlab/weir/broker/coordinator"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/share"
	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/planted"
)

// output is what a request about one key is answered with.
type output struct {
	code    int16
	message string
	state   share.State
	offset  int64 // of the log, see redundant
}

// At, answer and turn are the runtime's, for share state.
type (
	ref    = coordinator.Ref
	at     = coordinator.At
	answer = coordinator.Answer[output]
	turn   = coordinator.Turn[output]
)

// machine is the keys of one partition of __share_group_state. It is pure: what it is
// told of the world comes with each call, or by image.
type machine struct {
	cfg   *Config
	lab   *env.Lab
	image func() *metadata.Image

	parts map[share.Key]*partition

	// anew is the offset of the newest record that no later one builds on: a snapshot,
	// a tombstone, a barrier. end is where the newest record ends.
	anew, end int64

	missing map[metadata.TopicID]bool // topics that metadata had not when it was looked last
}

// partition is what is known of a key. Its value, batches included, is replaced and
// never changed.
type partition struct {
	value
	at      int64 // offset of the newest snapshot
	updates int   // records since
}

func newMachine(cfg *Config, image func() *metadata.Image) *machine {
	return &machine{cfg: cfg, image: image, parts: make(map[share.Key]*partition)}
}

// apply takes in a record that is in the log at an offset.
func (m *machine) apply(k kind, key share.Key, v *value, offset int64) {
	m.end = offset + 1
	p := m.parts[key]
	switch {
	case k == snapshotKind && v == nil:
		delete(m.parts, key)
		m.anew = offset
	case k == snapshotKind:
		m.parts[key] = &partition{value: *v, at: offset}
		m.anew = offset
	case v == nil: // nobody writes such a one
	case p == nil: // the snapshot before it is gone: it is all that is known
		m.parts[key] = &partition{value: *v, at: offset}
	default:
		p.value = p.updated(v)
		p.updates++
	}
}

// updated is a state with an update.
func (p *partition) updated(u *value) value {
	next := p.value
	if u.StartOffset != share.Uninitialized {
		next.StartOffset = u.StartOffset
	}
	if u.LeaderEpoch != -1 {
		next.LeaderEpoch = u.LeaderEpoch
	}
	next.DeliveryCompleteCount = u.DeliveryCompleteCount
	next.Batches = Combine(p.Batches, u.Batches, next.StartOffset)
	return next
}

// put is a turn that writes a record and then gives an answer.
func (m *machine) put(at at, ref ref, out output, k kind, key share.Key, v *value) turn {
	return turn{
		Records: []storage.Record{record(k, key, v, at.WallMillis)},
		Applied: func(base int64) { m.apply(k, key, v, base) },
		Answers: []answer{{Ref: ref, Value: out}},
	}
}

// refuse answers without a record.
func (m *machine) refuse(ref ref, what string, err *kerr.Error, message string) turn {
	m.reached(what, err)
	if message == "" {
		message = err.Description
	}
	return turn{Answers: []answer{{Ref: ref, Value: output{code: err.Code, message: message}}}}
}

func (m *machine) reached(what string, err *kerr.Error) {
	if m.lab == nil {
		return
	}
	detail := ""
	if err != nil {
		detail = err.Message
	}
	m.lab.Reached("share state", what, detail)
}

// unknown reports whether there is no such partition of a topic.
func (m *machine) unknown(key share.Key) bool {
	t := m.image().TopicByID(key.Topic)
	return t == nil || int(key.Partition) >= len(t.Partitions)
}

const (
	negativePartition  = "The partition id cannot be a negative number."
	readUninitialized  = "Read operation on uninitialized share partition not allowed."
	writeUninitialized = "Write operation on uninitialized share partition not allowed."
)

// initialize begins a state in a state epoch, at an offset or [share.Uninitialized].
func (m *machine) initialize(at at, ref ref, key share.Key, stateEpoch int32, start int64) turn {
	const what = "initialize"
	p := m.parts[key]
	switch {
	case key.Partition < 0:
		return m.refuse(ref, what, kerr.InvalidRequest, negativePartition)
	case start < share.Uninitialized:
		return m.refuse(ref, what, kerr.InvalidRequest, "The start offset cannot be a negative number.")
	case p != nil && stateEpoch != -1 && stateEpoch < p.StateEpoch:
		return m.refuse(ref, what, kerr.FencedStateEpoch, "")
	case m.unknown(key):
		return m.refuse(ref, what, kerr.UnknownTopicOrPartition, "")
	case p != nil && stateEpoch == p.StateEpoch && start == share.Uninitialized:
		m.reached(what+" again", nil)
		return turn{After: m.end, Answers: []answer{{Ref: ref}}}
	}
	v := value{CreateMillis: at.WallMillis, WriteMillis: at.WallMillis}
	v.StateEpoch, v.StartOffset, v.DeliveryCompleteCount = stateEpoch, start, -1
	if start != share.Uninitialized {
		v.DeliveryCompleteCount = 0
	}
	if p != nil {
		v.Epoch, v.LeaderEpoch = p.Epoch+1, p.LeaderEpoch
	}
	m.reached(what, nil)
	return m.put(at, ref, output{}, snapshotKind, key, &v)
}

// read answers with the state, once the leader's epoch is known to have read it; -1
// has none.
func (m *machine) read(at at, ref ref, key share.Key, leaderEpoch int32) turn {
	const what = "read"
	p := m.parts[key]
	switch {
	case key.Partition < 0:
		return m.refuse(ref, what, kerr.InvalidRequest, negativePartition)
	case p == nil:
		return m.refuse(ref, what, kerr.InvalidRequest, readUninitialized)
	case leaderEpoch != -1 && leaderEpoch < p.LeaderEpoch:
		return m.refuse(ref, what, kerr.FencedLeaderEpoch, "")
	case m.unknown(key):
		return m.refuse(ref, what, kerr.UnknownTopicOrPartition, "")
	}
	m.reached(what, nil)
	if leaderEpoch == -1 || leaderEpoch == p.LeaderEpoch {
		return m.put(at, ref, output{state: p.State}, snapshotKind, barrierKey, nil)
	}
	now := p.State
	now.LeaderEpoch = leaderEpoch
	return m.change(at, ref, output{state: now}, key, share.State{LeaderEpoch: leaderEpoch, StartOffset: p.StartOffset, DeliveryCompleteCount: p.DeliveryCompleteCount})
}

// write lays what the leader of the partition says over what is known.
func (m *machine) write(at at, ref ref, key share.Key, delta share.State) turn {
	const what = "write"
	p := m.parts[key]
	switch {
	case key.Partition < 0:
		return m.refuse(ref, what, kerr.InvalidRequest, negativePartition)
	case p == nil:
		return m.refuse(ref, what, kerr.InvalidRequest, writeUninitialized)
	case delta.LeaderEpoch != -1 && delta.LeaderEpoch < p.LeaderEpoch:
		return m.refuse(ref, what, kerr.FencedLeaderEpoch, "")
	case delta.StateEpoch != -1 && delta.StateEpoch < p.StateEpoch:
		return m.refuse(ref, what, kerr.FencedStateEpoch, "")
	case m.unknown(key):
		return m.refuse(ref, what, kerr.UnknownTopicOrPartition, "")
	case delta.StartOffset < share.Uninitialized:
		return m.refuse(ref, what, kerr.InvalidRequest, "The start offset cannot be a negative number.")
	case slices.ContainsFunc(delta.Batches, func(b share.Batch) bool { return !plausible(b) }):
		return m.refuse(ref, what, kerr.InvalidRequest, "A state batch is none that a leader keeps.")
	}
	m.reached(what, nil)
	delta.LeaderEpoch = p.LeaderEpoch // reading raises it, and nothing else
	if delta.StartOffset != share.Uninitialized && delta.StartOffset < p.StartOffset {
		delta.StartOffset, delta.DeliveryCompleteCount = p.StartOffset, p.DeliveryCompleteCount // it comes late
	}
	return m.change(at, ref, output{}, key, delta)
}

// change writes what changes in a state there is: an update, or a snapshot when there
// have been enough of those.
func (m *machine) change(at at, ref ref, out output, key share.Key, delta share.State) turn {
	p := m.parts[key]
	u := &value{Epoch: p.Epoch, State: delta}
	if p.updates < m.cfg.UpdatesPerSnapshot {
		u.Batches = Combine(nil, delta.Batches, delta.StartOffset)
		return m.put(at, ref, out, updateKind, key, u)
	}
	next := p.updated(u)
	next.Epoch, next.CreateMillis, next.WriteMillis = p.Epoch+1, at.WallMillis, at.WallMillis
	return m.put(at, ref, out, snapshotKind, key, &next)
}

// remove deletes a state, or finds that there is none.
func (m *machine) remove(at at, ref ref, key share.Key) turn {
	const what = "delete"
	switch {
	case key.Partition < 0:
		return m.refuse(ref, what, kerr.InvalidRequest, negativePartition)
	case m.unknown(key):
		return m.refuse(ref, what, kerr.UnknownTopicOrPartition, "")
	case m.parts[key] == nil:
		m.reached(what+" nothing", nil)
		return turn{After: m.end, Answers: []answer{{Ref: ref}}}
	}
	m.reached(what, nil)
	return m.put(at, ref, output{}, snapshotKind, key, nil)
}

// summarize answers how far a key is, behind a record of no meaning. One that is not
// there is as one that nobody has begun.
func (m *machine) summarize(at at, ref ref, key share.Key) turn {
	const what = "summarize"
	out := output{state: share.State{StartOffset: share.Uninitialized, DeliveryCompleteCount: -1}}
	switch p := m.parts[key]; {
	case key.Partition < 0:
		return m.refuse(ref, what, kerr.InvalidRequest, negativePartition)
	case m.unknown(key):
		return m.refuse(ref, what, kerr.UnknownTopicOrPartition, "")
	case p != nil:
		out.state = p.State
	}
	m.reached(what, nil)
	return m.put(at, ref, out, snapshotKind, barrierKey, nil)
}

// keys are all keys, sorted.
func (m *machine) keys() []share.Key {
	list := make([]share.Key, 0, len(m.parts))
	for key := range m.parts { //weir:ordered sorted below
		list = append(list, key)
	}
	slices.SortFunc(list, func(a, b share.Key) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), slices.Compare(a.Topic[:], b.Topic[:]), cmp.Compare(a.Partition, b.Partition))
	})
	return list
}

// Replay takes one record of the log. Records of kinds that are not known are left
// alone, as in Kafka.
func (m *machine) Replay(rec storage.Record, _ coordinator.Producer) error {
	k, key, v, err := readRecord(rec)
	switch {
	case errors.Is(err, errUnknownKind):
		m.end = rec.Offset + 1
		return nil
	case err != nil:
		return err
	case k == updateKind && planted.Is("share-updates-not-replayed"):
		m.end = rec.Offset + 1
		return nil
	}
	m.apply(k, key, v, rec.Offset)
	return nil
}

// ReplayMarker is of no concern: nothing in this log is part of a transaction.
func (m *machine) ReplayMarker(storage.Marker) {}

// Loaded has nothing to do.
func (m *machine) Loaded(at) turn { return turn{} }

// NextTick says that the machine waits for nothing: see Coordinator.upkeep.
func (m *machine) NextTick() (time.Duration, bool) { return 0, false }

// Tick does nothing.
func (m *machine) Tick(at) turn { return turn{} }
