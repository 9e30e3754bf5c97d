package replication

import (
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/planted"
)

const acksAll = -1

// PendingAppend is an append that may still wait for its replicas.
type PendingAppend struct {
	results []AppendResult
	open    atomic.Int32   // partitions undecided, and one while BeginAppend runs
	decided env.Signal     // nil if nothing ever had to wait
	waiting []appendWaiter // what waited when BeginAppend returned

	oneResult  [1]AppendResult
	oneWaiting [1]appendWaiter
}

// appendWaiter is one partition's part of a PendingAppend that waits in the
// partition's queue.
type appendWaiter struct {
	p     *partition
	upTo  int64 // decided once the high watermark is here
	of    *PendingAppend
	index int // in of.results
}

// BeginAppend appends to the leaders' logs before it returns and waits neither
// for other replicas nor for a sync; Wait does. A connection that pipelines requests calls
// BeginAppend in their order and waits elsewhere. acks is 0, 1 or -1 (all);
// anything else is answered with INVALID_REQUIRED_ACKS.
func (m *Manager) BeginAppend(parts []AppendPartition, acks int16) *PendingAppend {
	pa := &PendingAppend{}
	pa.results, pa.waiting = pa.oneResult[:0], pa.oneWaiting[:0]
	if len(parts) > 1 {
		pa.results = make([]AppendResult, 0, len(parts))
	}
	pa.open.Store(1)
	for i := range parts {
		pa.results = append(pa.results, AppendResult{})
		if acks < acksAll || acks > 1 {
			pa.results[i] = appendError(kerr.InvalidRequiredAcks.Code, "acks must be 0, 1 or -1 (all)")
			continue
		}
		if parts[i].Refused != nil {
			pa.results[i] = *parts[i].Refused
			continue
		}
		if !parts[i].Internal && !parts[i].ToInternal && metadata.IsInternalTopic(parts[i].TP.Topic) {
			pa.results[i] = appendError(kerr.InvalidTopicException.Code, "Cannot append to internal topic "+parts[i].TP.Topic)
			continue
		}
		p := m.partition(parts[i].TP)
		if p == nil || !parts[i].TopicID.IsZero() && parts[i].TopicID != p.topicID {
			pa.results[i] = appendError(m.missing(parts[i].TP), "this broker has no replica of "+parts[i].TP.String())
			if parts[i].Local != nil {
				*parts[i].Local = pa.results[i]
			}
			continue
		}
		p.append(&parts[i], acks, pa, i)
	}
	pa.settle()
	return pa
}

func appendError(code int16, message string) AppendResult {
	return AppendResult{ErrorCode: code, ErrorMessage: message, BaseOffset: -1, LogAppendTimeMs: -1, LogStartOffset: -1}
}

// append appends to the leader's log and, for acks=all, queues the result
// until the high watermark has passed it.
func (p *partition) append(part *AppendPartition, acks int16, pa *PendingAppend, index int) {
	// What costs most, looking at every record, is done before the lock.
	prepared, err := p.prepare(part)
	p.mu.Lock()
	defer p.mu.Unlock()
	result := &pa.results[index]
	if part.Local != nil {
		defer func() { *part.Local = *result }() // mu is held: nobody else decides meanwhile
	}
	if p.dir().offline() {
		*result = appendError(kerr.KafkaStorageError.Code, "the log directory of "+p.tp.String()+" is offline")
		return
	}
	epoch := p.leading.Load()
	if only := part.Options.OnlyInEpoch; epoch < 0 || only != nil && epoch != *only && !planted.Is("append-in-any-epoch") {
		*result = appendError(kerr.NotLeaderForPartition.Code, "this broker does not lead "+p.tp.String())
		return
	}
	if err != nil {
		*result = refused(err)
		return
	}
	if acks == acksAll && p.state.BelowMinISR() {
		*result = appendError(kerr.NotEnoughReplicas.Code, "the ISR of "+p.tp.String()+" is smaller than min.insync.replicas")
		return
	}
	// Nothing was appended, and the ISR may be small for a moment that nobody sees.
	if acks == acksAll && !part.Internal && p.m.lab.Seldom("replication/append-refused") {
		*result = appendError(kerr.NotEnoughReplicas.Code, "the ISR of "+p.tp.String()+" is taken for smaller than min.insync.replicas")
		return
	}
	done, err := p.log.AppendPrepared(prepared, epoch)
	if done.Duplicate {
		p.m.lab.Reached("append", "duplicate", "")
	}
	if err != nil {
		*result = refused(err)
		if errors.As(err, new(*storage.IOError)) || p.failed() {
			p.check("append", err)
		}
		return
	}
	*result = AppendResult{BaseOffset: done.BaseOffset, LogAppendTimeMs: done.LogAppendTime, LogStartOffset: done.LogStartOffset}
	switch {
	case done.Unsynced:
		p.commitSoon()
	case !done.Duplicate && done.Batches > 0:
		p.grown(LogEnds{Start: done.LogStartOffset, End: done.LastOffset + 1, Epoch: epoch})
	}
	queue := &p.appends
	switch upTo := done.LastOffset + 1; {
	case acks == acksAll && (p.state.HighWatermark() >= upTo || p.state.Log().End >= upTo && planted.Is("all-is-the-leader")), acks != acksAll && p.state.Log().End >= upTo, acks == 0:
		return
	case acks != acksAll:
		queue = &p.unsynced
	}
	if pa.decided == nil {
		pa.decided = p.m.e.NewSignal()
	}
	w := appendWaiter{p: p, upTo: done.LastOffset + 1, of: pa, index: index}
	pa.open.Add(1)
	pa.waiting = append(pa.waiting, w)
	queue.add(w)
}

// grown tells the leader's State, and who waits for it, that the log has grown.
// mu is held.
func (p *partition) grown(ends LogEnds) {
	p.out = p.state.Appended(p.m.e.Now(), ends, p.out)
	p.carryOut()
	p.unsynced.completeBelow(ends.End)
	p.followers = wake(p.followers)
}

// commitSoon has a task sync what was appended. mu is held.
//
// The task takes with one sync all that was appended since the last: that is
// the group commit. Until then neither the State nor anybody else knows of the
// records, so that none counts toward the high watermark.
func (p *partition) commitSoon() {
	if p.committer == nil {
		p.committer = p.m.e.Go("group-commit", p.commit)
	}
}

func (p *partition) commit() {
	for {
		err := p.log.AwaitSync(p.log.NextOffset())
		p.mu.Lock()
		switch {
		case p.gone || p.leading.Load() < 0: // whoever changed the role has seen to it
		case err != nil:
			p.check("sync", err)
			p.failUnsynced()
		default:
			p.grown(p.ends())
			if p.log.NextOffset() > p.state.Log().End {
				p.mu.Unlock()
				continue
			}
		}
		p.committer = nil
		p.mu.Unlock()
		return
	}
}

// settle syncs what has been appended, by a leader or by a follower, and tells the
// State, so that State and log agree before the role changes. That may be left to do
// when the sync is done: whoever waited for it may not have got here yet. mu and
// changing are held.
func (p *partition) settle() {
	next := p.log.NextOffset()
	if next <= p.state.Log().End {
		return
	}
	if err := p.log.AwaitSync(next); err != nil {
		p.check("sync", err)
		p.failUnsynced()
		return
	}
	p.grown(p.ends())
}

// failUnsynced answers those whose records could not be synced. mu is held.
func (p *partition) failUnsynced() {
	const reason = "the records could not be made durable"
	p.unsynced.failAll(kerr.KafkaStorageError.Code, reason)
	p.appends.failAbove(p.state.Log().End, kerr.KafkaStorageError.Code, reason)
}

// endCommitting waits for the task of commitSoon, once the log is closed.
func (p *partition) endCommitting() {
	p.mu.Lock()
	task := p.committer
	p.mu.Unlock()
	if task != nil {
		task.Wait()
	}
}

// prepare checks the records, unless this broker does not lead anyway.
func (p *partition) prepare(part *AppendPartition) (storage.Prepared, error) {
	if p.leading.Load() < 0 {
		return storage.Prepared{}, kerr.NotLeaderForPartition
	}
	return p.log.Prepare(part.Records, part.Options)
}

// refused is the answer to an append that the log did not take.
func refused(err error) AppendResult {
	var ae *storage.AppendError
	if errors.As(err, &ae) {
		r := appendError(ae.Code, err.Error())
		r.RecordErrors = ae.Records
		return r
	}
	return appendError(kerr.KafkaStorageError.Code, err.Error())
}

// settle counts one partition as decided.
func (pa *PendingAppend) settle() {
	if pa.open.Add(-1) == 0 && pa.decided != nil {
		pa.decided.Set()
	}
}

// Done reports whether Wait would return at once.
func (pa *PendingAppend) Done() bool { return pa.open.Load() == 0 }

// Wait blocks until every partition is decided, or until timeout has passed,
// when those that are not get REQUEST_TIMED_OUT. Results are in the order of
// the partitions. Call it once.
func (pa *PendingAppend) Wait(timeout time.Duration) []AppendResult {
	// Whoever gets a time-out knows as little as after a real one.
	if len(pa.waiting) > 0 && pa.waiting[0].p.m.lab.Seldom("replication/append-times-out") {
		timeout = 0
	}
	if pa.Done() || pa.decided.Wait(max(timeout, 0)) {
		return pa.results
	}
	for _, w := range pa.waiting {
		w.p.mu.Lock()
		if w.p.appends.remove(w) || w.p.unsynced.remove(w) {
			pa.results[w.index] = appendError(kerr.RequestTimedOut.Code, "the records were not replicated in time")
		}
		w.p.mu.Unlock()
	}
	return pa.results
}

// Append is BeginAppend and Wait for one partition.
func (m *Manager) Append(tp metadata.TopicPartition, records []byte, acks int16, timeout time.Duration) AppendResult {
	parts := [1]AppendPartition{{TP: tp, Records: records}}
	return m.BeginAppend(parts[:], acks).Wait(timeout)[0]
}

// appendQueue holds a partition's waiting appends by ascending offset. Most
// arrive in that order and leave from the front.
type appendQueue struct {
	items []appendWaiter
	head  int
}

func (q *appendQueue) add(w appendWaiter) {
	q.items = append(q.items, w)
	for i := len(q.items) - 1; i > q.head && q.items[i-1].upTo > w.upTo; i-- {
		q.items[i-1], q.items[i] = q.items[i], q.items[i-1]
	}
}

// completeBelow lets those succeed that the high watermark has reached.
func (q *appendQueue) completeBelow(highWatermark int64) {
	for q.head < len(q.items) && q.items[q.head].upTo <= highWatermark {
		q.items[q.head].of.settle()
		q.items[q.head] = appendWaiter{}
		q.head++
	}
	switch {
	case q.head == len(q.items):
		q.items, q.head = q.items[:0], 0
	case q.head > 64 && q.head > len(q.items)/2:
		q.items, q.head = slices.Delete(q.items, 0, q.head), 0
	}
}

// failAll gives everyone the same error.
func (q *appendQueue) failAll(code int16, message string) { q.failAbove(-1, code, message) }

// failAbove gives those an error that wait for more than offset.
func (q *appendQueue) failAbove(offset int64, code int16, message string) {
	from := q.head
	for from < len(q.items) && q.items[from].upTo <= offset {
		from++
	}
	for _, w := range q.items[from:] {
		w.of.results[w.index] = appendError(code, message)
		w.of.settle()
	}
	clear(q.items[from:])
	if q.items = q.items[:from]; from == q.head {
		q.items, q.head = q.items[:0], 0
	}
}

// remove takes one out that has not been decided, and reports whether it was there.
func (q *appendQueue) remove(w appendWaiter) bool {
	for i := q.head; i < len(q.items); i++ {
		if q.items[i].of == w.of && q.items[i].index == w.index {
			q.items = slices.Delete(q.items, i, i+1)
			return true
		}
	}
	return false
}
