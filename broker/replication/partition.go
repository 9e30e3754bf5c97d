package replication

import (
	"slices"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
)

// partition joins one replica's State with its log and with whoever waits for
// it. mu guards all but the atomic field.
type partition struct {
	m       *Manager
	tp      metadata.TopicPartition
	topicID metadata.TopicID

	// leading is the epoch this replica leads in, -1 if it does not. Who reads
	// the log without mu looks at it before and after.
	leading atomic.Int32

	mu      env.Mutex
	state   *State
	log     *storage.Log
	out     []Output // scratch
	gone    bool     // removed or closed
	failed  error    // why the log takes no more writes
	fetcher *fetcher // that copies for this replica

	appends   appendQueue    // waiting for the high watermark
	consumers []*fetchWaiter // waiting for the high watermark
	followers []*fetchWaiter // waiting for records
}

// ends is how the log stands.
func (p *partition) ends() LogEnds {
	return LogEnds{Start: p.log.StartOffset(), End: p.log.EndOffset(), Epoch: p.log.LatestEpoch()}
}

// carryOut does what the State asked for, in order. Outputs that answer a
// fetch are the caller's to read beforehand.
func (p *partition) carryOut() {
	for i := 0; i < len(p.out); i++ {
		switch o := p.out[i]; o.Kind {
		case OutLead:
			p.beginToLead(o)
		case OutFollow:
			p.beginToFollow(o)
		case OutStartFetch:
			p.fetchFrom(p.m.fetcher(o.Leader, p.tp), o.Epoch)
		case OutStopFetch:
			p.fetchFrom(nil, 0)
		case OutTruncate:
			p.truncate(o.Offset)
		case OutRestartAt:
			p.restartAt(o.Offset)
		case OutTrimTo:
			p.changed("trim", p.log.DeleteRecordsBefore(o.Offset))
		case OutHighWatermark:
			if hear := p.m.deps.OnHighWatermark; hear != nil && p.leading.Load() >= 0 {
				hear(p.tp, p.state.LeaderEpoch(), o.Offset)
			}
			p.appends.completeBelow(o.Offset)
			p.consumers = wake(p.consumers)
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
	clear(p.out)
	p.out = p.out[:0]
}

func (p *partition) beginToLead(o Output) {
	p.log.AssignEpoch(o.Epoch)
	p.leading.Store(o.Epoch)
	p.m.changes = append(p.m.changes, leadershipChange{p.tp, o.Epoch, true})
	p.m.e.Event("leader", env.Text("topic", p.tp.Topic), env.Int("partition", p.tp.Partition),
		env.Int("epoch", o.Epoch), env.Int("end", o.Offset), env.Int("hw", p.state.HighWatermark()))
	p.followers, p.consumers = wake(p.followers), wake(p.consumers)
}

func (p *partition) beginToFollow(o Output) {
	if epoch := p.leading.Swap(-1); epoch >= 0 {
		p.m.changes = append(p.m.changes, leadershipChange{p.tp, epoch, false})
	}
	p.m.e.Event("follower", env.Text("topic", p.tp.Topic), env.Int("partition", p.tp.Partition),
		env.Int("leader", o.Leader), env.Int("epoch", o.Epoch), env.Int("end", p.state.Log().End), env.Int("hw", p.state.HighWatermark()))
	p.dropWaiters()
}

// dropWaiters sends everyone away who waits for this replica as the leader.
func (p *partition) dropWaiters() {
	p.appends.failAll(kerr.NotLeaderForPartition.Code, "the broker ceased to lead the partition before the records were replicated")
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

func (p *partition) truncate(to int64) {
	from, mark := p.log.EndOffset(), p.state.HighWatermark()
	p.changed("truncate", p.log.TruncateTo(to))
	if end := p.log.EndOffset(); end < from {
		p.cutEvent("truncate", from, end, mark)
	}
}

func (p *partition) restartAt(at int64) {
	from, mark := p.log.EndOffset(), p.state.HighWatermark()
	p.changed("truncate", p.log.TruncateFullyAndStartAt(at))
	p.cutEvent("restart-log", from, at, mark)
}

// cutEvent tells of a log that was cut, once the replica shows itself so. hw is
// the high watermark before the cut.
func (p *partition) cutEvent(name string, from, to, hw int64) {
	p.m.e.Event(name, env.Text("topic", p.tp.Topic), env.Int("partition", p.tp.Partition), env.Int("from", from),
		env.Int("to", to), env.Int("hw", hw), env.Int("epoch", p.state.LeaderEpoch()))
}

// changed tells the State how the log stands after it was cut.
func (p *partition) changed(op string, err error) {
	p.check(op, err)
	p.out = p.state.LogChanged(p.ends(), p.out)
}

// check notes an error of the log and whether it has put an end to writing.
func (p *partition) check(op string, err error) {
	if err == nil {
		return
	}
	p.m.e.Event("storage-error", env.Text("topic", p.tp.Topic), env.Int("partition", p.tp.Partition),
		env.Text("op", op), env.Text("error", err.Error()))
	cause := p.log.Failed()
	if cause == nil || p.failed != nil {
		return
	}
	p.failed = cause
	if p.m.deps.OnStorageError != nil {
		p.m.e.Go("storage-error", func() { p.m.deps.OnStorageError(p.tp, cause) })
	}
}

// retain forgets silent producers and, on the leader, applies the retention
// settings. Followers take the leader's log start with its answers: no clock
// but the leader's decides what is too old.
func (p *partition) retain(nowWallMillis int64) {
	p.mu.Lock()
	if p.gone || p.failed != nil {
		p.mu.Unlock()
		return
	}
	leads, mark := p.leading.Load() >= 0, p.state.HighWatermark()
	p.mu.Unlock()
	p.log.ExpireProducers(nowWallMillis)
	if !leads {
		return
	}
	// Without the lock: what is below the high watermark stays below it, and
	// who ceases to lead meanwhile has decided before that.
	removed, err := p.log.ApplyRetention(nowWallMillis, mark)
	if removed == 0 && err == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone {
		return
	}
	p.changed("retention", err)
	p.carryOut()
}

// resign makes the replica answer nobody any more.
func (p *partition) resign() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leading.Store(-1)
	p.gone = true
	p.dropWaiters()
}

func (p *partition) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Close()
}

// remove deletes the replica with its log.
func (p *partition) remove() {
	p.resign()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fetchFrom(nil, 0)
	p.check("delete", p.log.Delete())
}

func (p *partition) view() ReplicaView {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.state
	return ReplicaView{
		TP: p.tp, TopicID: p.topicID, Role: s.Role(), Leader: s.Leader(), LeaderEpoch: s.LeaderEpoch(),
		PartitionEpoch: s.PartitionEpoch(), EpochStart: s.EpochStart(),
		LogStartOffset: s.Log().Start, LogEndOffset: s.Log().End, HighWatermark: s.HighWatermark(),
		Replicas: slices.Clone(s.Replicas()), ISR: slices.Clone(s.ISR()), MaximalISR: s.MaximalISR(),
		MinISR: s.MinISR(), StorageFailed: p.failed != nil, Log: p.log,
	}
}
