package broker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
	"github.com/weirlab/weir/broker/share"
	"github.com/weirlab/weir/broker/storage"
)

// sharer is a member of share group g with a session at the leader of a topic's only
// partition.
type sharer struct {
	w     *world
	c     *protocol.Client
	id    string
	epoch int32
	topic [16]byte
}

// sharer begins the group's state of the topic, once, and opens a session. The group
// begins at the start of the log.
func (w *world) sharer(id, topic string) *sharer {
	s := &sharer{w: w, id: id}
	w.shareState(topic)
	must(w.alterGroup("g", "share.auto.offset.reset", "earliest"))
	s.topic = w.image().Topic(topic).ID
	s.connect(topic)
	return s
}

func (s *sharer) connect(topic string) {
	c, err := protocol.Dial(s.w.e, s.w.nodes[s.w.leader(topic)-1].cfg.Listen, "sharer", 5*time.Second)
	must(err)
	s.c, s.epoch = c, 0
}

func (w *world) alterGroup(group, name, value string) error {
	got := w.ask(1, &kmsg.IncrementalAlterConfigsRequest{Resources: []kmsg.IncrementalAlterConfigsRequestResource{{ResourceType: kmsg.ConfigResourceTypeGroupConfig, ResourceName: group,
		Configs: []kmsg.IncrementalAlterConfigsRequestResourceConfig{{Name: name, Value: &value}}}}}, 1).(*kmsg.IncrementalAlterConfigsResponse).Resources[0]
	return refusal(got.ErrorCode, got.ErrorMessage)
}

// fetch is a fetch of the session's; the first one names the partition.
func (s *sharer) fetch(change ...func(*kmsg.ShareFetchRequest)) *kmsg.ShareFetchResponse {
	req := kmsg.NewPtrShareFetchRequest()
	req.Version, req.GroupID, req.MemberID, req.ShareSessionEpoch = 2, kmsg.StringPtr("g"), &s.id, s.epoch
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.MaxRecords, req.BatchSize = 2000, 1, 1<<20, 500, 500
	if s.epoch == 0 {
		req.Topics = []kmsg.ShareFetchRequestTopic{{TopicID: s.topic, Partitions: []kmsg.ShareFetchRequestTopicPartition{{}}}}
	}
	for _, c := range change {
		c(req)
	}
	resp, err := s.c.Request(req, 10*time.Second)
	must(err)
	if s.epoch++; resp.(*kmsg.ShareFetchResponse).ErrorCode != 0 {
		s.epoch = 0
	}
	return resp.(*kmsg.ShareFetchResponse)
}

func strictly(n int32) func(*kmsg.ShareFetchRequest) {
	return func(req *kmsg.ShareFetchRequest) { req.MaxRecords, req.ShareAcquireMode = n, 1 }
}

func unwaited(req *kmsg.ShareFetchRequest) { req.MaxWaitMillis = 0 }

// acquired is what an answer has acquired.
func acquired(resp *kmsg.ShareFetchResponse) (list []share.Handed) {
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			for _, a := range p.AcquiredRecords {
				list = append(list, share.Handed{First: a.FirstOffset, Last: a.LastOffset, DeliveryCount: a.DeliveryCount})
			}
		}
	}
	return list
}

// acknowledge acknowledges records with one type, and returns the error of all and of
// the partition.
func (s *sharer) acknowledge(first, last int64, kind int8) (all, partition int16) {
	req := kmsg.NewPtrShareAcknowledgeRequest()
	req.Version, req.GroupID, req.MemberID, req.ShareSessionEpoch, req.IsRenewAck = 2, kmsg.StringPtr("g"), &s.id, s.epoch, kind == share.Renew
	req.Topics = []kmsg.ShareAcknowledgeRequestTopic{{TopicID: s.topic, Partitions: []kmsg.ShareAcknowledgeRequestTopicPartition{{
		AcknowledgementBatches: []kmsg.ShareAcknowledgeRequestTopicPartitionAcknowledgementBatch{{FirstOffset: first, LastOffset: last, AcknowledgeTypes: []int8{kind}}}}}}}
	resp, err := s.c.Request(req, 20*time.Second)
	must(err)
	r := resp.(*kmsg.ShareAcknowledgeResponse)
	if s.epoch++; r.ErrorCode != 0 {
		return r.ErrorCode, 0
	}
	return 0, r.Topics[0].Partitions[0].ErrorCode
}

// shareWorld runs a test in a cluster of one broker with a topic that has ten records,
// in two batches.
func shareWorld(t *testing.T, test func(w *world)) {
	w := newWorld(t, 1, nil)
	w.run(func() {
		w.ready()
		must(w.tryCreate("orders", 1, nil))
		w.mustProduce("orders", w.batchOf(time.Hour, "0", "1", "2", "3"))
		w.mustProduce("orders", w.batchOf(0, "4", "5", "6", "7", "8", "9"))
		test(w)
	})
}

func TestShareFetchAndShareAcknowledge(t *testing.T) {
	shareWorld(t, func(w *world) {
		a, b := w.sharer("a", "orders"), w.sharer("b", "orders")
		resp := a.fetch(func(req *kmsg.ShareFetchRequest) { req.MaxRecords = 2 })
		require.Equal(t, []share.Handed{{First: 0, Last: 3, DeliveryCount: 1}}, acquired(resp), "whole batches")
		require.EqualValues(t, 30_000, resp.AcquisitionLockTimeoutMillis)
		var values []string
		for batch, err := range storage.Batches(resp.Topics[0].Partitions[0].Records) {
			must(err)
			for r, err := range batch.Records() {
				must(err)
				values = append(values, string(r.Value))
			}
		}
		require.Equal(t, []string{"0", "1", "2", "3"}, values)
		require.Equal(t, []share.Handed{{First: 4, Last: 5, DeliveryCount: 1}}, acquired(b.fetch(strictly(2))))
		_, code := b.acknowledge(0, 3, share.Accept)
		require.Equal(t, kerr.InvalidRecordState.Code, code)
		_, code = a.acknowledge(0, 1, share.Accept)
		require.Zero(t, code)
		_, code = a.acknowledge(0, 3, share.Accept)
		require.Zero(t, code, "what is before the start offset is passed over")
		_, code = a.acknowledge(20, 21, share.Accept)
		require.Equal(t, kerr.InvalidRequest.Code, code)

		// Acknowledging goes with fetching.
		resp = b.fetch(func(req *kmsg.ShareFetchRequest) {
			p := kmsg.NewShareFetchRequestTopicPartition()
			p.AcknowledgementBatches = []kmsg.ShareFetchRequestTopicPartitionAcknowledgementBatch{{FirstOffset: 4, LastOffset: 5, AcknowledgeTypes: []int8{share.Reject, share.Accept}}}
			req.Topics = []kmsg.ShareFetchRequestTopic{{TopicID: b.topic, Partitions: []kmsg.ShareFetchRequestTopicPartition{p}}}
		})
		require.Equal(t, []share.Handed{{First: 6, Last: 9, DeliveryCount: 1}}, acquired(resp))
		require.Zero(t, resp.Topics[0].Partitions[0].AcknowledgeErrorCode)

		// A long poll ends with a record, and with a release.
		poll := func(act func()) (got []share.Handed) {
			task := w.e.Go("poll", func() {
				got = acquired(a.fetch(func(req *kmsg.ShareFetchRequest) { req.MaxWaitMillis = 5000 }))
			})
			began := w.e.Now()
			w.sleep(100 * time.Millisecond)
			act()
			task.Wait()
			require.Less(t, w.e.Now()-began, time.Second)
			return got
		}
		require.Equal(t, []share.Handed{{First: 10, Last: 10, DeliveryCount: 1}}, poll(func() { w.mustProduce("orders", w.batchOf(0, "10")) }))
		require.Equal(t, []share.Handed{{First: 6, Last: 7, DeliveryCount: 2}}, poll(func() {
			_, code := b.acknowledge(6, 7, share.Release)
			require.Zero(t, code)
		}))
		require.Equal(t, []share.Handed{{First: 8, Last: 9, DeliveryCount: 2}}, poll(func() { b.c.Close() }), "a session ends with its connection")
		require.Empty(t, acquired(a.fetch()), "and there is no more")
	})
}

func TestRefusedShareRequests(t *testing.T) {
	shareWorld(t, func(w *world) {
		a := w.sharer("a", "orders")
		code := func(change func(*kmsg.ShareFetchRequest)) int16 { return a.fetch(change, unwaited).ErrorCode }
		all, _ := a.acknowledge(0, 0, share.Accept)
		require.Equal(t, kerr.InvalidShareSessionEpoch.Code, all)
		require.Equal(t, kerr.ShareSessionNotFound.Code, code(func(req *kmsg.ShareFetchRequest) { req.ShareSessionEpoch = 3 }))
		require.Equal(t, kerr.ShareSessionNotFound.Code, code(func(req *kmsg.ShareFetchRequest) { req.ShareSessionEpoch = -1 }))
		require.Equal(t, kerr.InvalidRequest.Code, code(func(req *kmsg.ShareFetchRequest) { req.GroupID = nil }))
		for _, member := range []string{"", "0123456789012345678901234567890123456"} {
			require.Equal(t, kerr.InvalidRequest.Code, code(func(req *kmsg.ShareFetchRequest) { req.MemberID = &member }))
		}
		require.Equal(t, kerr.InvalidRequest.Code, code(func(req *kmsg.ShareFetchRequest) {
			req.Topics[0].Partitions[0].AcknowledgementBatches = []kmsg.ShareFetchRequestTopicPartitionAcknowledgementBatch{{AcknowledgeTypes: []int8{share.Accept}}}
		}), "the first request acknowledges nothing")
		require.Equal(t, kerr.InvalidRequest.Code, code(func(req *kmsg.ShareFetchRequest) { req.IsRenewAck = true }), "renewals bring no records")

		resp := a.fetch(unwaited, func(req *kmsg.ShareFetchRequest) {
			req.Topics[0].Partitions = append(req.Topics[0].Partitions, kmsg.ShareFetchRequestTopicPartition{Partition: 1})
			req.Topics = append(req.Topics, kmsg.ShareFetchRequestTopic{TopicID: [16]byte{1}, Partitions: []kmsg.ShareFetchRequestTopicPartition{{}}})
		})
		require.Zero(t, resp.ErrorCode)
		require.Equal(t, kerr.UnknownTopicOrPartition.Code, resp.Topics[0].Partitions[len(resp.Topics[0].Partitions)-1].ErrorCode)
		require.Equal(t, kerr.UnknownTopicID.Code, resp.Topics[1].Partitions[0].ErrorCode)
		require.Equal(t, kerr.InvalidShareSessionEpoch.Code, code(func(req *kmsg.ShareFetchRequest) { req.ShareSessionEpoch = 7 }))
	})
}

// TestSettingsOfOneShareGroup: what a group sets itself goes for it alone, at once.
func TestSettingsOfOneShareGroup(t *testing.T) {
	deliveries := func(w *world, s *sharer) (n int) {
		for {
			got := acquired(s.fetch(strictly(1)))
			if len(got) == 0 || got[0].First != 0 {
				return n
			}
			n++
			_, code := s.acknowledge(0, 0, share.Release)
			require.Zero(t, code)
		}
	}
	for name, test := range map[string]struct {
		value   string
		want    any
		observe func(w *world, s *sharer) any
	}{
		"share.auto.offset.reset":        {"latest", 0, func(w *world, s *sharer) any { return len(acquired(s.fetch())) }},
		"share.delivery.count.limit":     {"3", 3, func(w *world, s *sharer) any { return deliveries(w, s) }},
		"share.record.lock.duration.ms":  {"15000", int32(15_000), func(w *world, s *sharer) any { return s.fetch().AcquisitionLockTimeoutMillis }},
		"share.renew.acknowledge.enable": {"false", kerr.InvalidRecordState.Code, func(w *world, s *sharer) any { s.fetch(); _, code := s.acknowledge(0, 9, share.Renew); return code }},
		"share.isolation.level":          {"read_committed", []share.Handed{{First: 0, Last: 9, DeliveryCount: 1}, {First: 12, Last: 14, DeliveryCount: 1}}, func(w *world, s *sharer) any { return sharedWithTransaction(w, s) }},
		"share.partition.max.record.locks": {"100", int64(100), func(w *world, s *sharer) any {
			values := make([]string, 50)
			for range 4 {
				w.mustProduce("orders", w.batchOf(0, values...))
			}
			got := acquired(s.fetch(func(req *kmsg.ShareFetchRequest) { req.ShareAcquireMode = 1 }))
			return got[len(got)-1].Last + 1
		}},
	} {
		t.Run(name, func(t *testing.T) {
			shareWorld(t, func(w *world) {
				s := w.sharer("a", "orders")
				must(w.alterGroup("g", name, test.value))
				require.Equal(t, test.want, test.observe(w, s))
			})
		})
	}
	t.Run("by duration", func(t *testing.T) {
		shareWorld(t, func(w *world) {
			s := w.sharer("a", "orders")
			must(w.alterGroup("g", "share.auto.offset.reset", "by_duration:PT30M"))
			require.Equal(t, []share.Handed{{First: 4, Last: 9, DeliveryCount: 1}}, acquired(s.fetch()))
		})
	})
}

// sharedWithTransaction is how many records a member gets at which offsets of an aborted
// transaction, of one that was committed and of one that is open.
func sharedWithTransaction(w *world, s *sharer) []share.Handed {
	p := w.newTxnProducer("x")
	for _, commit := range []bool{false, true} { // 10 to 12, 13 and 14 with their markers
		must(kerr.ErrorForCode(p.add("orders")))
		for range map[bool]int{false: 2, true: 1}[commit] {
			must(kerr.ErrorForCode(p.write("orders", 9)))
		}
		p.end(commit, 4)
		w.sleep(time.Second)
	}
	must(kerr.ErrorForCode(p.add("orders")))
	must(kerr.ErrorForCode(p.write("orders", 9)))
	return append(acquired(s.fetch()), acquired(s.fetch())...)
}
