package replication

import (
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/planted"
)

// partition joins one replica's State with its log and with whoever waits for
// it. mu guards all but the atomic field and is never held while something is
// synced or removed, except for the little that is left of it when the role
// changes.
type partition struct {
	m       *Manager
	tp      metadata.TopicPartition
	topicID metadata.TopicID
	where   atomic.Pointer[logDir] // that the log is in; mu is held to change it

	// leading is the epoch this replica leads in, -1 if it does not. Who reads
	// the log without mu looks at it before and after.
	leading atomic.Int32

	// term changes with the role, with the leader epoch and when the log is cut.
	// Who reads for a consumer, of a follower too, looks at it before and after.
	term atomic.Int64

	// changing is held, before mu, by whoever gives the replica a role or changes
	// its log other than by a leader's append: from what is decided to when the
	// State has been told. The log and the State then say the same although mu
	// was let go between.
	changing env.Mutex

	mu        env.Mutex
	state     *State
	log       *storage.Log
	out       []Output // scratch
	cleaned   cleanedReplica
	throttled throttledReplica
	move      *move                // into another directory, nil if the replica stays
	assigned  metadata.DirectoryID // where the metadata has the replica
	gone      bool                 // removed or closed
	fetcher   *fetcher             // that copies for this replica
	committer env.Task             // syncs for those that wait in unsynced, nil if none runs

	unsynced  appendQueue    // waiting for the leader's own sync
	appends   appendQueue    // waiting for the high watermark
	consumers []*fetchWaiter // waiting for the high watermark
	followers []*fetchWaiter // waiting for records
}

// dir is the log directory that the log is in.
func (p *partition) dir() *logDir { return p.where.Load() }

// ends is how the log stands.
func (p *partition) ends() LogEnds {
	return LogEnds{Start: p.log.StartOffset(), End: p.log.EndOffset(), Epoch: p.log.LatestEpoch()}
}

// carryOut does what the State asked for, in order. Outputs that answer a
// fetch are the caller's to read beforehand. mu is held, and let go while the
// log is changed; where that can be asked for, changing is held too.
func (p *partition) carryOut() {
	out := p.out
	p.out = nil
	p.tellLab(out)
	for i := 0; i < len(out); i++ {
		switch o := out[i]; o.Kind {
		case OutLead:
			p.beginToLead(o)
		case OutFollow:
			p.beginToFollow(o)
		case OutStartFetch:
			p.fetchFrom(p.m.fetcher(o.Leader, p.tp), o.Epoch)
		case OutStopFetch:
			p.fetchFrom(nil, 0)
		case OutTruncate:
			out = p.cut("truncate", o.Offset, p.log.TruncateTo, out)
		case OutRestartAt:
			out = p.cut("restart-log", o.Offset, p.log.TruncateFullyAndStartAt, out)
		case OutTrimTo:
			p.mu.Unlock()
			err := p.log.DeleteRecordsBefore(o.Offset)
			p.mu.Lock()
			out = p.changed("trim", err, out)
		case OutHighWatermark:
			if hear := p.m.deps.OnHighWatermark; hear != nil && p.leading.Load() >= 0 {
				hear(p.tp, p.state.LeaderEpoch(), o.Offset)
			}
			p.log.LastStableOffset(o.Offset) // which forgets the transactions that are decided
			p.appends.completeBelow(o.Offset)
			p.consumers = wake(p.consumers)
			if p.m.cfg.RackAware {
				p.followers = wake(p.followers) // who serve consumers up to there
			}
		case OutISR:
			p.m.e.Event("isr", env.Text("topic", p.tp.Topic), env.Int("partition", p.tp.Partition),
				env.Text("isr", idList(p.state.ISR())), env.Int("epoch", p.state.LeaderEpoch()),
				env.Int("partition-epoch", p.state.PartitionEpoch()))
			if p.state.BelowMinISR() {
				p.appends.failAll(kerr.NotEnoughReplicasAfterAppend.Code, "the ISR fell below min.insync.replicas before the records were replicated")
			}
		case OutPropose:
			p.m.proposer.send(p, o.Proposal, false)
		case OutRetry:
			p.m.proposer.send(p, o.Proposal, true)
		}
	}
	clear(out)
	p.out = out[:0]
}

func (p *partition) beginToLead(o Output) {
	p.log.AssignEpoch(o.Epoch)
	p.leading.Store(o.Epoch)
	p.term.Add(1)
	p.m.changes = append(p.m.changes, leadershipChange{p.tp, o.Epoch, true})
	p.m.e.Event("leader", env.Text("topic", p.tp.Topic), env.Int("partition", p.tp.Partition),
		env.Int("epoch", o.Epoch), env.Int("end", o.Offset), env.Int("hw", p.state.HighWatermark()))
	p.followers, p.consumers = wake(p.followers), wake(p.consumers)
}

func (p *partition) beginToFollow(o Output) {
	p.term.Add(1)
	if epoch := p.leading.Swap(-1); epoch >= 0 {
		p.m.changes = append(p.m.changes, leadershipChange{p.tp, epoch, false})
	}
	p.m.e.Event("follower", env.Text("topic", p.tp.Topic), env.Int("partition", p.tp.Partition),
		env.Int("leader", o.Leader), env.Int("epoch", o.Epoch), env.Int("end", p.state.Log().End), env.Int("hw", p.state.HighWatermark()))
	p.dropWaiters()
}

// dropWaiters sends everyone away who waits for this replica as the leader.
func (p *partition) dropWaiters() {
	const reason = "the broker ceased to lead the partition before the records were replicated"
	p.unsynced.failAll(kerr.NotLeaderForPartition.Code, reason)
	p.appends.failAll(kerr.NotLeaderForPartition.Code, reason)
	p.followers, p.consumers = wake(p.followers), wake(p.consumers)
}

// fetchFrom hands the replica to a fetcher, or to none.
func (p *partition) fetchFrom(f *fetcher, epoch int32) {
	if p.fetcher != nil && p.fetcher != f {
		p.fetcher.remove(p)
	}
	p.fetcher = f
	if f != nil {
		f.add(p, epoch)
	}
}

// cut shortens the log and tells of it, once the replica shows itself so, with
// the high watermark before the cut.
func (p *partition) cut(name string, to int64, how func(to int64) error, out []Output) []Output {
	p.term.Add(1)
	p.cutBelow(to)
	from, mark := p.log.EndOffset(), p.state.HighWatermark()
	p.mu.Unlock()
	err := how(to)
	p.mu.Lock()
	if p.move != nil { // the copy may have got what was cut meanwhile
		p.move.cutTo = min(p.move.cutTo, to)
	}
	out = p.changed("truncate", err, out)
	p.term.Add(1) // the high watermark was still that of before meanwhile
	if p.state.HighWatermark() < mark {
		p.mu.Unlock()
		p.m.markFell()
		p.mu.Lock()
	}
	if to := p.log.EndOffset(); to != from {
		p.m.e.Event(name, env.Text("topic", p.tp.Topic), env.Int("partition", p.tp.Partition), env.Int("from", from),
			env.Int("to", to), env.Int("hw", mark), env.Int("epoch", p.state.LeaderEpoch()))
	}
	return out
}

// changed tells the State how the log stands after it was cut.
func (p *partition) changed(op string, err error, out []Output) []Output {
	p.check(op, err)
	return p.state.LogChanged(p.ends(), out)
}

// check tells of an error of the log. That it takes no more writes, if so, its
// own OnFailed has told.
func (p *partition) check(op string, err error) {
	if err != nil {
		p.m.e.Event("storage-error", env.Text("topic", p.tp.Topic), env.Int("partition", p.tp.Partition),
			env.Text("op", op), env.Text("error", err.Error()))
	}
}

// failed reports whether the log takes no more writes.
func (p *partition) failed() bool { return p.log.Failed() != nil }

// retain forgets silent producers and, on the leader, applies the retention
// settings. Followers take the leader's log start with its answers: no clock
// but the leader's decides what is too old.
func (p *partition) retain(nowWallMillis int64) {
	p.changing.Lock()
	defer p.changing.Unlock()
	p.mu.Lock()
	gone, leads, mark := p.gone || p.failed(), p.leading.Load() >= 0, p.state.HighWatermark()
	p.mu.Unlock()
	if gone {
		return
	}
	p.log.ExpireProducers()
	if !leads {
		return
	}
	if end := p.log.EndOffset(); mark < end && planted.Is("retention-past-high-watermark") {
		mark = end
	}
	removed, err := p.log.ApplyRetention(nowWallMillis, mark)
	if removed > 0 || err != nil {
		p.mu.Lock()
		p.trimmed("retention", err)
		p.mu.Unlock()
	}
}

// trimmed tells the State of a new log start. mu is held.
func (p *partition) trimmed(op string, err error) {
	if !p.gone {
		p.out = p.changed(op, err, p.out)
		p.carryOut()
	}
}

// resign makes the replica answer nobody any more.
func (p *partition) resign() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leading.Store(-1)
	p.term.Add(1)
	p.gone = true
	p.fetchFrom(nil, 0)
	p.dropWaiters()
}

// close syncs and closes the log of a replica that has resigned.
func (p *partition) close() error {
	p.changing.Lock()
	defer p.changing.Unlock()
	err := p.log.Close()
	p.endCommitting()
	return err
}

// remove deletes the log of a replica that has resigned.
func (p *partition) remove() {
	p.changing.Lock()
	defer p.changing.Unlock()
	p.check("delete", p.log.Delete())
	p.endCommitting()
	p.m.e.Event("replica-removed", env.Text("topic", p.tp.Topic), env.Int("partition", p.tp.Partition))
}

func (p *partition) view() ReplicaView {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.state
	var future FutureView
	if p.move != nil && p.move.log != nil {
		future = FutureView{Directory: p.move.to.ID, Log: p.move.log}
	}
	return ReplicaView{
		Future: future,
		TP:     p.tp, TopicID: p.topicID, Directory: p.dir().ID, Role: s.Role(), Leader: s.Leader(), LeaderEpoch: s.LeaderEpoch(),
		PartitionEpoch: s.PartitionEpoch(), EpochStart: s.EpochStart(),
		LogStartOffset: s.Log().Start, LogEndOffset: s.Log().End, HighWatermark: s.HighWatermark(),
		LastStableOffset: p.log.LastStableOffset(s.HighWatermark()), Replicas: s.Replicas(), ISR: s.ISR(), MaximalISR: s.MaximalISR(),
		Progress: s.Progress(), MinISR: s.MinISR(), StorageFailed: p.failed(), Log: p.log,
		DirtyFrom: p.cleaned.dirtyFrom, RemoveBelow: p.cleaned.removeBelow, Uncleanable: p.cleaned.uncleanable,
	}
}
