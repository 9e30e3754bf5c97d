package group

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"github.com/weirlab/weir/broker/coordinator"
	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
)

// entry is one record or marker of a log.
type entry struct {
	rec    storage.Record
	by     coordinator.Producer
	marker *storage.Marker
}

// history is a machine that writes a log, and what the log says by the plainest
// reading of it.
type history struct {
	m   *machine
	now int64
	log []entry
}

func (h *history) take(t turn) {
	base := int64(len(h.log))
	for i, rec := range t.Records {
		rec.Offset = base + int64(i)
		h.log = append(h.log, entry{rec: rec, by: t.Producer})
	}
	if t.Marker != nil {
		h.log = append(h.log, entry{marker: t.Marker})
	}
	if len(h.log) > int(base) && t.Applied != nil {
		t.Applied(base)
	}
}

// replayed is the machine that a new coordinator arrives at.
func (h *history) replayed(t require.TestingT) *machine {
	m := newMachine(h.m.cfg, h.m.image, func(string, []env.Attr) {})
	for _, e := range h.log {
		if e.marker != nil {
			m.ReplayMarker(*e.marker)
		} else {
			require.NoError(t, m.Replay(e.rec, e.by))
		}
	}
	return m
}

// counts is which offset counts of a place and how many are pending, by reading the whole log.
func (h *history) counts(at place) (offset int64, ok bool, pending int) {
	key := string(offsetKey(at.group, at.tp))
	var newest int64 = -1
	open := map[int64]entry{}
	for _, e := range h.log {
		switch {
		case e.marker != nil:
			if brought, is := open[e.marker.ProducerID]; is && e.marker.Commit && brought.rec.Offset > newest {
				newest = brought.rec.Offset
			}
			delete(open, e.marker.ProducerID)
		case string(e.rec.Key) != key:
		case e.rec.Value == nil:
			newest = -1
			clear(open)
		case e.by.Transactional:
			open[e.by.ID] = e
		default:
			newest = e.rec.Offset
		}
	}
	if newest < 0 {
		return 0, false, len(open)
	}
	var v kmsg.OffsetCommitValue
	_ = v.ReadFrom(h.log[newest].rec.Value)
	return v.Offset, true, len(open)
}

// TestOffsetsOfTransactionsFollowTheLog does random commits, with transactions
// and without, ends transactions and removes offsets: what counts and what is
// pending is what the log says, live and after a replay.
func TestOffsetsOfTransactionsFollowTheLog(t *testing.T) {
	cfg := DefaultConfig()
	rapid.Check(t, func(t *rapid.T) {
		h := &history{m: newMachine(&cfg, fixed(imageOf(t, "t", "u")), func(string, []env.Attr) {}), now: 1}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			h.now++
			at := coordinator.At{Now: time.Duration(h.now), WallMillis: h.now}
			group := fmt.Sprint("g", rapid.IntRange(0, 1).Draw(t, "group"))
			tp := TopicPartition{"t", int32(rapid.IntRange(0, 1).Draw(t, "partition"))}
			producer := coordinator.Producer{ID: int64(rapid.IntRange(0, 2).Draw(t, "producer")), Transactional: true}
			c := &commit{group: group, generation: -1, tps: []TopicPartition{tp}, offsets: []Offset{{Offset: h.now, LeaderEpoch: -1}}}
			switch rapid.IntRange(0, 6).Draw(t, "what") {
			case 0, 1:
				h.take(h.m.commit(at, 1, c))
			case 2, 3:
				c.by = producer
				h.take(h.m.commit(at, 1, c))
			case 4:
				h.take(h.m.endTransaction(1, storage.Marker{ProducerID: producer.ID, Commit: rapid.Bool().Draw(t, "commit")}, 2))
			case 5:
				taken, _ := h.m.deleteOffsets(at, 1, group, []TopicPartition{tp})
				h.take(taken)
			case 6:
				h.take(h.m.deleteGroup(at, 1, group))
			}
			for _, m := range []*machine{h.m, h.replayed(t)} {
				for _, group := range []string{"g0", "g1"} {
					for p := range int32(2) {
						where := place{group, TopicPartition{"t", p}}
						offset, ok, pending := h.counts(where)
						var got Offset
						var has bool
						var unstable int
						if g := m.groups[group]; g != nil {
							got, has = g.Offsets[where.tp]
							unstable = g.unstable[where.tp]
						}
						require.Equal(t, ok, has, "%v", where)
						require.Equal(t, offset, got.Offset, "%v", where)
						require.Equal(t, pending, unstable, "%v", where)
					}
				}
			}
		}
	})
}

func txnCommitReq(version int16, member string, generation int32, offset int64) *kmsg.TxnOffsetCommitRequest {
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.Version, req.TransactionalID, req.Group, req.ProducerID, req.MemberID, req.Generation = version, "x", "g", 7, member, generation
	topic := kmsg.NewTxnOffsetCommitRequestTopic()
	topic.Topic = "t"
	part := kmsg.NewTxnOffsetCommitRequestTopicPartition()
	part.Partition, part.Offset = 3, offset
	topic.Partitions = append(topic.Partitions, part)
	req.Topics = append(req.Topics, topic)
	return req
}

func TestOffsetsOfATransactionCountOnceItIsCommitted(t *testing.T) {
	w := newWorld(t)
	c := newCoordinator(t, w)
	lead(t, c, w)
	commit := func(version int16, member string, generation int32, offset int64) int16 {
		all := func(string) bool { return true }
		return c.HandleTxnOffsetCommit(txnCommitReq(version, member, generation, offset), all).Topics[0].Partitions[0].ErrorCode
	}
	fetch := func(stable bool) (int64, int16) {
		req := kmsg.NewPtrOffsetFetchRequest()
		req.Version, req.Group, req.RequireStable = 7, "g", stable
		topic := kmsg.NewOffsetFetchRequestTopic()
		topic.Topic, topic.Partitions = "t", []int32{3}
		req.Topics = append(req.Topics, topic)
		p := c.HandleOffsetFetch(req).Topics[0].Partitions[0]
		return p.Offset, p.ErrorCode
	}
	end := func(commit bool) {
		require.Zero(t, c.EndTransaction(0, storage.Marker{ProducerID: 7, Commit: commit}, 2)())
	}
	expect := func(stable bool, offset int64, code int16) {
		t.Helper()
		gotOffset, gotCode := fetch(stable)
		require.Equal(t, offset, gotOffset)
		require.Equal(t, code, gotCode)
	}

	require.Zero(t, commitOffset(c, "g", "", -1, 5))
	for version := range int16(6) {
		require.Zero(t, commit(version, "", -1, 10))
		expect(false, 5, 0)
		expect(true, -1, kerr.UnstableOffsetCommit.Code)
		end(false)
		expect(true, 5, 0)
	}
	require.Zero(t, commit(5, "", -1, 20))
	w.Elect(1 << 62)
	c.Resign(0, w.Epoch())
	lead(t, c, w) // a new coordinator finds it pending
	expect(true, -1, kerr.UnstableOffsetCommit.Code)
	end(true)
	expect(true, 20, 0)
	end(true) // again, since nobody heard the answer
	expect(true, 20, 0)

	// KIP-447: who is not a member of this generation is fenced.
	require.Equal(t, kerr.UnknownMemberID.Code, commit(5, "nobody", 0, 30))
	joined := c.HandleJoinGroup(joinReq("g", ""), "client", "host:1")
	require.Zero(t, joined.ErrorCode)
	require.Equal(t, kerr.IllegalGeneration.Code, commit(5, joined.MemberID, joined.Generation+1, 30))
	require.Zero(t, commit(5, joined.MemberID, joined.Generation, 30), "also before the assignment is there")
	require.Zero(t, commit(0, "", -1, 30), "clients before KIP-447 do not say who they are")
	w.unverified = kerr.TransactionAbortable.Code
	require.Equal(t, kerr.TransactionAbortable.Code, commit(5, joined.MemberID, joined.Generation, 31))
	for _, code := range []int16{kerr.NetworkException.Code, kerr.NotLeaderForPartition.Code, kerr.NotEnoughReplicas.Code} {
		w.unverified = code
		got := commit(5, joined.MemberID, joined.Generation, 31)
		require.True(t, kerr.IsRetriable(kerr.ErrorForCode(got)), "%d becomes %d", code, got)
	}
}
