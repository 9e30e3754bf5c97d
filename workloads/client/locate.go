package client

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func sortAborted(a []abortedTransaction) {
	slices.SortFunc(a, func(x, y abortedTransaction) int {
		switch {
		case x.first < y.first:
			return -1
		case x.first > y.first:
			return 1
		}
		return 0
	})
}

// locate works on a position until it is ready to be fetched from, or is void
// because its session has ended.
func (k *Consumer) locate(pt *position, session int64) {
	for failures := int32(1); ; failures++ {
		k.mu.Lock()
		if pt.session != session || k.stopped || pt.stage >= ready {
			if pt.session == session {
				pt.locator = false
			}
			k.mu.Unlock()
			return
		}
		stage, at := pt.stage, *pt
		k.mu.Unlock()

		var err error
		switch stage {
		case wantCommitted:
			err = k.locateCommitted(pt, session)
		case wantReset:
			err = k.locateReset(pt, &at)
		case wantValid:
			err = k.validate(pt, &at)
		}
		if err == nil {
			failures = 0
			continue
		}
		if !retriable(err) {
			k.mu.Lock()
			if pt.session == session && !k.stopped {
				k.report(pt, err)
				pt.stage = halted
			}
			k.mu.Unlock()
			continue
		}
		k.e.Sleep(k.c.backoff(failures))
	}
}

// settle makes a position ready, if its session still is the same.
func (k *Consumer) settle(pt *position, session int64, set func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if pt.session != session || k.stopped {
		return
	}
	set()
	if pt.stage == ready || pt.session != session {
		pt.locator = false
		k.advance(pt)
	}
}

func (k *Consumer) locateCommitted(pt *position, session int64) error {
	committed, _, err := k.c.fetchCommitted(k.cfg.Group, []TopicPartition{pt.tp}, k.cfg.ReadCommitted, k.c.cfg.RequestTimeout)
	if err != nil {
		return err
	}
	k.settle(pt, session, func() {
		if committed[0].Offset < 0 {
			pt.stage = wantReset
			return
		}
		pt.next, pt.nextEpoch = committed[0].Offset, committed[0].LeaderEpoch
		k.rewind(pt)
		pt.stage = ready
	})
	return nil
}

func (k *Consumer) locateReset(pt *position, at *position) error {
	timestamp := at.resetTo
	if timestamp == 0 {
		switch k.cfg.OffsetReset {
		case ResetEarliest:
			timestamp = TimestampEarliest
		case ResetLatest:
			timestamp = TimestampLatest
		default:
			return permanent{fmt.Errorf("no position and auto.offset.reset is none: %w", ErrOutOfRange)}
		}
	}
	offset, epoch, err := k.c.listOffset(at.tp, timestamp, k.cfg.ReadCommitted, k.c.cfg.RequestTimeout)
	if err == nil && offset < 0 {
		// Nothing is that young.
		offset, epoch, err = k.c.listOffset(at.tp, TimestampLatest, k.cfg.ReadCommitted, k.c.cfg.RequestTimeout)
	}
	if err != nil {
		return err
	}
	k.settle(pt, at.session, func() {
		pt.next, pt.nextEpoch = offset, -1
		if timestamp == TimestampLatest {
			pt.nextEpoch = epoch
		}
		k.rewind(pt)
		pt.resetTo = 0
		pt.stage = ready
	})
	return nil
}

// validate asks the new leader where the epoch of the last fetched record ends
// in its log: before the position means that what was read is gone (KIP-320).
func (k *Consumer) validate(pt *position, at *position) error {
	if at.fetchEpoch < 0 {
		k.settle(pt, at.session, func() { pt.stage = ready })
		return nil
	}
	epoch, end, err := k.c.epochEnd(at.tp, at.fetchEpoch, k.c.cfg.RequestTimeout)
	if errors.Is(err, errUnsupported) {
		k.settle(pt, at.session, func() { pt.stage = ready })
		return nil
	}
	if err != nil {
		return err
	}
	k.settle(pt, at.session, func() {
		switch {
		case pt.fetch != at.fetch || pt.fetchEpoch != at.fetchEpoch || pt.leaderEpoch != at.leaderEpoch:
			// Poll has come upon a bad batch, or there is yet another leader:
			// ask again.
		case end >= at.fetch && epoch >= 0:
			pt.stage = ready
		case pt.fetch > pt.next:
			// Only what was read ahead is in doubt.
			k.rewind(pt)
		default:
			k.truncated(pt, end)
		}
	})
	return nil
}

// truncated deals with a position beyond what the log agrees on. The lock is
// held.
func (k *Consumer) truncated(pt *position, divergent int64) {
	k.report(pt, &TruncatedError{Position: pt.next, Divergent: divergent, Epoch: pt.nextEpoch})
	switch {
	case k.cfg.OffsetReset == ResetNone:
		pt.stage = halted
	case divergent >= 0:
		k.moved(pt, divergent, -1)
		pt.stage = ready
	default:
		k.moved(pt, -1, -1)
		pt.stage = wantReset
	}
}

// outOfRange deals with a position that is not in the log. The lock is held.
func (k *Consumer) outOfRange(pt *position) {
	err := fmt.Errorf("%w: offset %d", ErrOutOfRange, pt.next)
	k.report(pt, err)
	if k.cfg.OffsetReset == ResetNone {
		pt.stage = halted
		return
	}
	k.moved(pt, -1, -1)
	pt.stage = wantReset
	k.advance(pt)
}

// epochEnd asks a partition's leader for the last offset of an epoch; the
// epoch in the answer is the largest not above the one asked for, -1 if there
// is none.
func (c *Client) epochEnd(tp TopicPartition, epoch int32, timeout time.Duration) (int32, int64, error) {
	node, current := c.leader(tp)
	if node < 0 {
		c.refresh()
		return -1, -1, kerr.LeaderNotAvailable
	}
	req := kmsg.NewPtrOffsetForLeaderEpochRequest()
	req.ReplicaID = -1
	part := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
	part.Partition = tp.Partition
	part.CurrentLeaderEpoch = current
	part.LeaderEpoch = epoch
	topic := kmsg.NewOffsetForLeaderEpochRequestTopic()
	topic.Topic = tp.Topic
	topic.Partitions = append(topic.Partitions, part)
	req.Topics = append(req.Topics, topic)
	resp, err := c.once(node, forGeneral, req, timeout)
	if err != nil {
		c.refresh()
		return -1, -1, err
	}
	topics := resp.(*kmsg.OffsetForLeaderEpochResponse).Topics
	if len(topics) != 1 || len(topics[0].Partitions) != 1 {
		return -1, -1, fmt.Errorf("OffsetForLeaderEpoch response does not answer for the partition asked: %w", kerr.UnknownServerError)
	}
	p := &topics[0].Partitions[0]
	if err := errorFor(p.ErrorCode, nil); err != nil {
		c.refresh()
		return -1, -1, err
	}
	return p.LeaderEpoch, p.EndOffset, nil
}
