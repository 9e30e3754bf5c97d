package replication

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/storage"
)

// take brings one partition's part of an answer into the replica. It reports
// false if the next fetch should wait a little. What has still to be synced is
// left to finish.
func (t *fetchTarget) take(part *kmsg.FetchResponseTopicPartition) bool {
	p := t.p
	p.changing.Lock()
	defer p.changing.Unlock()
	below := ClaimTag(&part.UnknownTags)
	p.mu.Lock()
	expected := p.cleaned.compacts
	p.mu.Unlock()
	if below >= 0 && !expected { // the policy was another one, or is about to be
		if err := p.log.AllowGaps(); err != nil {
			p.check("allow-gaps", err)
			return false
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone || p.failed() {
		return false
	}
	if part.ErrorCode == 0 && p.state.LeaderEpoch() == t.epoch {
		t.claimed = t.claim
		p.cleaned.removeBelow = max(p.cleaned.removeBelow, below)
	}
	answer := FetchAnswer{
		AskedEpoch: t.epoch, AskedOffset: t.asked.End, AskedLast: t.asked.Epoch,
		Code: part.ErrorCode, HighWatermark: part.HighWatermark, LogStart: part.LogStartOffset,
		Diverging:      part.DivergingEpoch.EndOffset >= 0,
		DivergingEpoch: part.DivergingEpoch.Epoch, DivergingEnd: part.DivergingEpoch.EndOffset,
		HasRecords: len(part.RecordBatches) > 0, HighestEpoch: -1,
	}
	if answer.Diverging {
		answer.OwnEpoch, answer.OwnEnd = p.log.EpochEnd(answer.DivergingEpoch)
	}
	if answer.HasRecords {
		var ok bool
		if answer.HighestEpoch, ok = highestEpoch(part.RecordBatches); !ok {
			return false // a torn read on the leader; its log is checked there
		}
	}
	p.out = p.state.Answered(answer, p.out)
	verdict := OutputKind(0)
	if len(p.out) > 0 {
		verdict = p.out[0].Kind
	}
	if verdict == OutAppend {
		p.tellLab(p.out)
		p.out = p.out[:0]
		done, err := p.log.BeginAppendFollower(part.RecordBatches)
		if err != nil {
			p.check("append", err)
			return false
		}
		if done.Unsynced {
			unfinished := answer // or every answer would be on the heap
			t.unfinished = &unfinished
			return true
		}
		p.out = p.state.Appended(p.m.e.Now(), LogEnds{Start: done.LogStartOffset, End: done.LastOffset + 1, Epoch: answer.HighestEpoch}, p.out)
		p.out = p.state.Replicated(answer, p.out)
	}
	p.carryOut()
	return verdict != OutBackOff
}

// finish waits until the records of an answer are durable and then lets them
// count. A replica that has entered another epoch meanwhile has settled them
// itself. It reports false as take does.
func (t *fetchTarget) finish() bool {
	p, answer := t.p, t.unfinished
	t.unfinished = nil
	err := p.log.AwaitSync(p.log.NextOffset())
	p.changing.Lock()
	defer p.changing.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone {
		return false
	}
	if err != nil {
		p.check("sync", err)
		return false
	}
	if s := p.state; s.Role() == RoleFollower && s.LeaderEpoch() == t.epoch {
		p.out = s.Appended(p.m.e.Now(), p.ends(), p.out)
		p.out = s.Replicated(*answer, p.out)
		p.carryOut()
	}
	return true
}

// highestEpoch is the largest leader epoch of the batches, false if they are
// not whole.
func highestEpoch(records []byte) (int32, bool) {
	highest := int32(-1)
	for len(records) > 0 {
		batch, rest, err := storage.SplitBatch(records)
		if err != nil {
			return 0, false
		}
		highest, records = max(highest, batch.LeaderEpoch()), rest
	}
	return highest, true
}
