package broker_test

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/config"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/share"
	"github.com/weirlab/weir/broker/storage"
)

// shareProbes are the brokerProbes of settings of share groups and share coordinators.
var shareProbes = map[string]probe{
	"group.share.assignment.interval.ms": {value: "0", plain: int32(1), set: int32(2), observe: func(w *world, topic string) any {
		w.shareBeat("a", topic, 0)
		w.sleep(500 * time.Millisecond) // and the partition is initialized
		return w.shareBeat("a", topic, 1).MemberEpoch
	}},
	"group.share.heartbeat.interval.ms": {value: "3000", plain: int32(5000), set: int32(3000), observe: func(w *world, topic string) any {
		return w.shareBeat("a", topic, 0).HeartbeatIntervalMillis
	}},
	"group.share.max.size": {value: "1", plain: int16(0), set: int16(81), observe: func(w *world, topic string) any {
		w.shareBeat("a", topic, 0)
		return w.shareBeat("b", topic, 0).ErrorCode
	}},
	"group.share.session.timeout.ms": {value: "10000", plain: int16(0), set: int16(25), observe: func(w *world, topic string) any {
		epoch := w.shareBeat("a", topic, 0).MemberEpoch
		w.sleep(20 * time.Second)
		return w.shareBeat("a", topic, epoch).ErrorCode
	}},
	"group.share.delivery.count.limit": {value: "2", plain: int16(5), set: int16(2), observe: func(w *world, topic string) any {
		a, most := w.sharerOf(topic, 1), int16(0)
		for got := acquired(a.fetch()); len(got) > 0; got = acquired(a.fetch()) {
			most = got[0].DeliveryCount
			a.acknowledge(0, 0, share.Release)
		}
		return most
	}},
	"group.share.max.share.sessions": {value: "1", plain: int16(0), set: kerr.ShareSessionLimitReached.Code, observe: func(w *world, topic string) any {
		w.sharerOf(topic, 1).fetch()
		return w.sharer("b", topic).fetch().ErrorCode
	}},
	"group.share.partition.max.record.locks": {value: "100", plain: int64(499), set: int64(99), observe: func(w *world, topic string) any {
		got := acquired(w.sharerOf(topic, 600).fetch(strictly(500)))
		return got[len(got)-1].Last
	}},
	"group.share.record.lock.duration.ms": {value: "5000", plain: 0, set: 1, observe: func(w *world, topic string) any {
		a := w.sharerOf(topic, 1)
		a.fetch()
		w.sleep(10 * time.Second)
		return len(acquired(a.fetch()))
	}},

	"share.coordinator.state.topic.num.partitions": {value: "3", plain: 8, set: 3, observe: func(w *world, topic string) any {
		w.shareState(topic)
		return len(w.image().Topic(metadata.ShareGroupStateTopic).Partitions)
	}},
	"share.coordinator.state.topic.replication.factor": {value: "1", brokers: 3, plain: 3, set: 1, observe: func(w *world, topic string) any {
		w.shareState(topic)
		return len(w.partition(metadata.ShareGroupStateTopic).Replicas)
	}},
	"share.coordinator.state.topic.min.isr": {value: "1", brokers: 3, plain: "2", set: "1", observe: func(w *world, topic string) any {
		w.shareState(topic)
		return w.image().TopicConfigs(metadata.ShareGroupStateTopic)["min.insync.replicas"]
	}},
	"share.coordinator.state.topic.segment.bytes": {value: "1048576", plain: "104857600", set: "1048576", observe: func(w *world, topic string) any {
		w.shareState(topic)
		return w.image().TopicConfigs(metadata.ShareGroupStateTopic)["segment.bytes"]
	}},
	"share.coordinator.snapshot.update.records.per.snapshot": {value: "1", with: onePartition, plain: []uint16{0, 1, 1}, set: []uint16{0, 1, 0}, observe: func(w *world, topic string) any {
		id, key := w.shareState(topic)
		for range 2 {
			must(kerr.ErrorForCode(w.writeState(id, key)))
		}
		var kinds []uint16
		for _, b := range w.batches(metadata.ShareGroupStateTopic) {
			for r, err := range b.Records() {
				must(err)
				kinds = append(kinds, binary.BigEndian.Uint16(r.Key))
			}
		}
		return kinds
	}},
	"share.coordinator.write.timeout.ms": {value: "500", brokers: 3, plain: false, set: true, observe: func(w *world, topic string) any {
		id, key := w.shareState(topic)
		w.sleep(5 * time.Second)
		for other, s := range w.nodes {
			if other+1 != id {
				s.node.Pause()
			}
		}
		began := w.e.Now()
		w.writeState(id, key)
		return w.e.Now()-began < 2*time.Second
	}},
	"share.coordinator.state.topic.prune.interval.ms": {value: "1000", with: onePartition, plain: int64(0), set: int64(1), observe: func(w *world, topic string) any {
		id, key := w.shareState(topic)
		must(kerr.ErrorForCode(w.initializeState(id, key, 1)))
		w.sleep(time.Minute)
		return w.log(metadata.ShareGroupStateTopic).StartOffset()
	}},
	"share.coordinator.cold.partition.snapshot.interval.ms": {value: "1000", with: map[string]string{"share.coordinator.state.topic.num.partitions": "1", "share.coordinator.state.topic.prune.interval.ms": "2000"},
		plain: int64(1), set: int64(2), observe: func(w *world, topic string) any {
			w.shareState(topic)
			w.sleep(time.Minute)
			return w.log(metadata.ShareGroupStateTopic).EndOffset()
		}},
}

// probeOf is the probe of a broker setting. One whose capability is missing is refused,
// and has none.
func probeOf(t *testing.T, s *config.Setting) (probe, bool) {
	if s.Needs != "" {
		other := "4000"
		if len(s.Default) == 1 {
			other = "6"
		}
		require.ErrorContains(t, config.CheckStatic(s.Name, other), s.Name+" needs "+s.Needs)
		require.NoError(t, config.CheckStatic(s.Name, s.Default))
		return probe{}, true
	}
	if p, ok := brokerProbes[s.Name]; ok {
		return p, true
	}
	p, ok := shareProbes[s.Name]
	return p, ok
}

var onePartition = map[string]string{"share.coordinator.state.topic.num.partitions": "1"}

// haveShares has the cluster have share groups, and a topic.
func (w *world) haveShares(topic string) {
	if w.partition(topic) == nil {
		must(w.tryCreate(topic, 1, nil))
		w.leader(topic)
	}
	w.until("share.version", func() bool {
		resp := w.ask(1, &kmsg.UpdateFeaturesRequest{TimeoutMillis: 10_000, FeatureUpdates: []kmsg.UpdateFeaturesRequestFeatureUpdate{{Feature: metadata.ShareVersion, MaxVersionLevel: 1, UpgradeType: 1}}}, 1)
		return resp.(*kmsg.UpdateFeaturesResponse).ErrorCode == 0
	})
}

// sharerOf is a member of share group g, of a topic with n records.
func (w *world) sharerOf(topic string, n int) *sharer {
	w.haveShares(topic)
	w.mustProduce(topic, w.batchOf(0, make([]string, n)...))
	return w.sharer("a", topic)
}

// shareBeat sends a heartbeat of a member of share group g.
func (w *world) shareBeat(member, topic string, epoch int32) (resp *kmsg.ShareGroupHeartbeatResponse) {
	w.haveShares(topic)
	w.whileLoading(func(id int) int16 {
		req := kmsg.NewPtrShareGroupHeartbeatRequest()
		req.GroupID, req.MemberID, req.MemberEpoch, req.SubscribedTopicNames = "g", member, epoch, []string{topic}
		resp = w.ask(id, req, 1).(*kmsg.ShareGroupHeartbeatResponse)
		if resp.ErrorCode == kerr.UnsupportedVersion.Code {
			return kerr.CoordinatorLoadInProgress.Code // the broker has yet to hear of share.version
		}
		return resp.ErrorCode
	})
	return resp
}

// shareState begins the state of a topic's only partition for group g, and says which
// broker keeps it.
func (w *world) shareState(topic string) (id int, key share.Key) {
	w.haveShares(topic)
	key = share.Key{Group: "g", Topic: w.image().Topic(topic).ID}
	w.until("share coordinator", func() bool {
		req := kmsg.NewPtrFindCoordinatorRequest()
		req.CoordinatorType, req.CoordinatorKeys = int8(metadata.ShareCoordinator), []string{key.String()}
		c := w.ask(1, req, 6).(*kmsg.FindCoordinatorResponse).Coordinators[0]
		id = int(c.NodeID)
		return c.ErrorCode == 0 && w.initializeState(id, key, 0) == 0
	})
	return id, key
}

func (w *world) initializeState(id int, key share.Key, epoch int32) int16 {
	resp := w.ask(id, &kmsg.InitializeShareGroupStateRequest{GroupID: key.Group, Topics: []kmsg.InitializeShareGroupStateRequestTopic{{TopicID: key.Topic,
		Partitions: []kmsg.InitializeShareGroupStateRequestTopicPartition{{StateEpoch: epoch, StartOffset: -1}}}}}, 0).(*kmsg.InitializeShareGroupStateResponse)
	return resp.Topics[0].Partitions[0].ErrorCode
}

func (w *world) writeState(id int, key share.Key) int16 {
	p := kmsg.NewWriteShareGroupStateRequestTopicPartition()
	p.StartOffset, p.LeaderEpoch = 3, -1
	resp := w.ask(id, &kmsg.WriteShareGroupStateRequest{GroupID: key.Group, Topics: []kmsg.WriteShareGroupStateRequestTopic{{TopicID: key.Topic,
		Partitions: []kmsg.WriteShareGroupStateRequestTopicPartition{p}}}}, 1).(*kmsg.WriteShareGroupStateResponse)
	return resp.Topics[0].Partitions[0].ErrorCode
}

// log is the log of a topic's only partition, on broker 1.
func (w *world) log(topic string) *storage.Log { return w.replica(1, topic) }
