package broker_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker"
	"github.com/weirlab/weir/broker/config"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/protocol"
	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
)

// brokerProbes are by the names of broker settings that are no synonyms of
// topic settings.
var brokerProbes = map[string]probe{
	"advertised.listeners":                    {value: "PLAINTEXT://elsewhere:1", plain: "b1", set: "elsewhere", observe: func(w *world, _ string) any { return w.self().Host }},
	"auto.leader.rebalance.enable":            {value: "false", brokers: 3, with: map[string]string{"leader.imbalance.check.interval.seconds": "5"}, plain: true, set: false, observe: leadsAgain},
	"leader.imbalance.check.interval.seconds": {value: "5", brokers: 3, plain: false, set: true, observe: leadsAgain},
	"broker.rack":                             {value: "r", plain: "", set: "r", observe: func(w *world, _ string) any { return w.rack() }},
	"node.id": {value: "7", plain: int32(1), set: int32(7), change: func(_ int, cfg *broker.Config) { cfg.Voters[0].ID = cfg.NodeID },
		observe: func(w *world, _ string) any { return w.self().NodeID }},
	"listeners": {value: "PLAINTEXT://b1:9999", plain: false, set: true, observe: func(w *world, _ string) any {
		_, err := protocol.Dial(w.e, "b1:9999", "client", time.Second)
		return err == nil
	}},
	"log.dirs": {value: "data", plain: "t-0", set: "data/t-0", observe: func(w *world, topic string) any {
		must(w.tryCreate(topic, 1, nil))
		w.leader(topic)
		dir := w.replica(1, topic).Dir()
		if strings.HasPrefix(dir, "data/") {
			return "data/t-0"
		}
		return "t-0"
	}},
	"metadata.log.dir": {value: "meta", plain: false, set: true, observe: hasMetadataDir},
	"controller.quorum.voters": {value: "1@b1:9093", brokers: 2, plain: 2, set: 1, observe: func(w *world, _ string) any {
		resp := w.ask(1, &kmsg.DescribeQuorumRequest{Topics: []kmsg.DescribeQuorumRequestTopic{{Topic: metadata.ClusterMetadataTopic,
			Partitions: []kmsg.DescribeQuorumRequestTopicPartition{{}}}}}, 1).(*kmsg.DescribeQuorumResponse)
		return len(resp.Topics[0].Partitions[0].CurrentVoters)
	}},

	"auto.create.topics.enable": {value: "false", plain: true, set: false, observe: func(w *world, topic string) any {
		w.ask(1, &kmsg.MetadataRequest{AllowAutoTopicCreation: true, Topics: []kmsg.MetadataRequestTopic{{Topic: &topic}}}, 9)
		w.sleep(time.Second)
		return w.partition(topic) != nil
	}},
	"num.partitions": {value: "3", plain: 1, set: 3, observe: func(w *world, topic string) any {
		w.createByDefault(topic)
		return len(w.image().Topic(topic).Partitions)
	}},
	"default.replication.factor": {value: "2", brokers: 2, plain: 1, set: 2, observe: func(w *world, topic string) any {
		w.createByDefault(topic)
		return len(w.partition(topic).Replicas)
	}},

	"add.partitions.to.txn.retry.backoff.max.ms": {value: "3000", brokers: 3, plain: false, set: true, observe: func(w *world, topic string) any {
		return w.concurrent(topic) > time.Second
	}},
	"add.partitions.to.txn.retry.backoff.ms": {value: "3000", brokers: 3, plain: false, set: true, observe: func(w *world, topic string) any {
		return w.concurrent(topic) > time.Second
	}},
	"transaction.partition.verification.enable": {value: "false", plain: kerr.NotEnoughReplicas.Code, set: int16(0), observe: func(w *world, topic string) any {
		must(w.tryCreate(topic, 1, nil)) // and there is no coordinator
		o := storage.NoProducer()
		o.ProducerID, o.ProducerEpoch, o.BaseSequence, o.Transactional = 7, 0, 0, true
		resp := w.ask(w.leader(topic), &kmsg.ProduceRequest{TransactionID: kmsg.StringPtr("t"), Acks: -1, TimeoutMillis: 5000, Topics: []kmsg.ProduceRequestTopic{{Topic: topic,
			Partitions: []kmsg.ProduceRequestTopicPartition{{Records: storage.BuildBatch(nil, o, []storage.Record{{Value: []byte("v")}})}}}}}, 9).(*kmsg.ProduceResponse)
		return resp.Topics[0].Partitions[0].ErrorCode
	}},

	"broker.heartbeat.interval.ms": {value: "500", brokers: 2, plain: false, set: true, observe: func(w *world, _ string) any {
		return w.count("9093", "63", time.Minute) > 100
	}},
	"broker.session.timeout.ms": {value: "40000", brokers: 3, plain: false, set: true, observe: func(w *world, _ string) any {
		w.nodes[w.follower()-1].node.PowerOff()
		return w.took(func() bool { return len(w.brokers()) == 2 }) > 20*time.Second
	}},
	"controller.quorum.election.timeout.ms": {value: "30000", brokers: 3, plain: false, set: true, observe: func(w *world, _ string) any {
		return w.e.Now() > 20*time.Second // all brokers are there, and so is the first controller
	}},
	"controller.quorum.fetch.timeout.ms": {value: "60000", brokers: 3, plain: false, set: true, observe: func(w *world, _ string) any {
		controller := w.controller()
		w.nodes[controller-1].node.PowerOff()
		return w.took(func() bool { c := w.controller(); return c > 0 && c != controller }) > 30*time.Second
	}},
	"controller.quorum.request.timeout.ms": {value: "100", brokers: 3, plain: false, set: true, observe: func(w *world, _ string) any {
		paused, controller := w.follower(), w.controller()
		w.nodes[paused-1].node.Pause()
		w.nodes[controller-1].node.PowerOff()
		w.sleep(10 * time.Second)
		return w.count("9093", "", 20*time.Second) > 60
	}},
	"controller.quorum.retry.backoff.ms": {value: "5000", brokers: 3, plain: false, set: true, observe: func(w *world, _ string) any {
		first, second := w.follower(), w.controller()
		w.nodes[first-1].node.Crash()
		w.nodes[second-1].node.Crash()
		w.sleep(10 * time.Second)
		to := fmt.Sprintf("b1 b%d:9093", first) // the other one may be asked as the last known controller
		before := w.sent[to]
		w.sleep(20 * time.Second)
		return w.sent[to]-before < 60
	}},

	"connections.max.idle.ms": {value: "60000", plain: false, set: true, observe: func(w *world, _ string) any {
		conn, err := w.e.Dial("b1:9092", time.Second)
		must(err)
		defer func() { _ = conn.Close() }()
		began := w.e.Now()
		_, _ = conn.Read(make([]byte, 1)) // until the broker closes
		return w.e.Now()-began < 5*time.Minute
	}},
	"max.connections":        {value: "3", plain: 5, set: 3, observe: func(w *world, _ string) any { return w.served(5) }},
	"max.connections.per.ip": {value: "3", plain: 5, set: 3, observe: func(w *world, _ string) any { return w.served(5) }},
	"weir.pipelined.requests": {value: "1", brokers: 3, plain: int64(2), set: int64(1), observe: func(w *world, topic string) any {
		must(w.tryCreate(topic, 3, nil))
		leader := w.leader(topic)
		w.nodes[leader%3].node.Crash() // a follower, without which nothing is acknowledged
		conn, err := w.e.Dial(fmt.Sprintf("b%d:9092", leader), time.Second)
		must(err)
		defer func() { _ = conn.Close() }()
		for i := range int32(2) {
			req := &kmsg.ProduceRequest{Acks: -1, TimeoutMillis: 60_000, Topics: []kmsg.ProduceRequestTopic{{Topic: topic,
				Partitions: []kmsg.ProduceRequestTopicPartition{{Records: w.batchOf(0, "x")}}}}}
			req.SetVersion(9)
			_, err = conn.Write(kmsg.NewRequestFormatter().AppendRequest(nil, req, i))
			must(err)
		}
		w.sleep(time.Second)
		return w.replica(leader, topic).EndOffset() // the second request was begun, or waits for the first
	}},
	"socket.request.max.bytes": {value: "10000", plain: true, set: false, observe: func(w *world, topic string) any {
		must(w.tryCreate(topic, 1, nil))
		w.leader(topic)
		_, err := w.try(1, &kmsg.ProduceRequest{Acks: 1, TimeoutMillis: 1000, Topics: []kmsg.ProduceRequestTopic{{Topic: topic,
			Partitions: []kmsg.ProduceRequestTopicPartition{{Records: w.batchOf(0, strings.Repeat("x", 20_000))}}}}}, 9)
		return err == nil
	}},

	"queued.max.request.bytes": {value: "1048576", plain: true, set: false, observe: func(w *world, topic string) any {
		must(w.tryCreate(topic, 1, nil))
		w.leader(topic)
		for range 3 { // requests that stop half way
			conn, err := w.e.Dial("b1:9092", time.Second)
			must(err)
			defer func() { _ = conn.Close() }()
			_, err = conn.Write(append(binary.BigEndian.AppendUint32(nil, 600_000), make([]byte, 300_000)...))
			must(err)
		}
		w.sleep(100 * time.Millisecond)
		began := w.e.Now()
		_, _ = w.try(1, &kmsg.ProduceRequest{Acks: 1, TimeoutMillis: 1000, Topics: []kmsg.ProduceRequestTopic{{Topic: topic,
			Partitions: []kmsg.ProduceRequestTopicPartition{{Records: w.batchOf(0, strings.Repeat("x", 500_000))}}}}}, 9)
		return w.e.Now()-began < 2*time.Second
	}},

	"group.consumer.assignment.interval.ms": {value: "0", plain: int32(1), set: int32(2), observe: func(w *world, topic string) any {
		w.subscribe("a", topic)
		return w.subscribe("b", topic).MemberEpoch // that of the target, which is not computed again at once
	}},
	"group.consumer.assignors": {value: "range", plain: int16(0), set: int16(112), observe: func(w *world, topic string) any {
		return w.subscribe("a", topic, func(req *kmsg.ConsumerGroupHeartbeatRequest) { req.ServerAssignor = kmsg.StringPtr("uniform") }).ErrorCode
	}},
	"group.consumer.heartbeat.interval.ms": {value: "3000", plain: int32(5000), set: int32(3000), observe: func(w *world, topic string) any {
		return w.subscribe("a", topic).HeartbeatIntervalMillis
	}},
	"group.consumer.max.size": {value: "1", plain: int16(0), set: int16(81), observe: func(w *world, topic string) any {
		w.subscribe("a", topic)
		return w.subscribe("b", topic).ErrorCode
	}},
	"group.consumer.session.timeout.ms": {value: "10000", plain: int16(0), set: int16(25), observe: func(w *world, topic string) any {
		epoch := w.subscribe("a", topic).MemberEpoch
		w.sleep(20 * time.Second)
		return w.subscribe("a", topic, func(req *kmsg.ConsumerGroupHeartbeatRequest) { req.MemberEpoch = epoch }).ErrorCode
	}},
	"group.initial.rebalance.delay.ms": {value: "0", plain: false, set: true, observe: func(w *world, _ string) any {
		began := w.e.Now()
		w.join("a", 10*time.Second)
		return w.e.Now()-began < time.Second
	}},
	"group.max.session.timeout.ms": {value: "10000", plain: int16(79), set: int16(26), observe: func(w *world, _ string) any { return w.join("", 20*time.Second) }},
	"group.min.session.timeout.ms": {value: "15000", plain: int16(79), set: int16(26), observe: func(w *world, _ string) any { return w.join("", 10*time.Second) }},
	"group.max.size": {value: "1", with: map[string]string{"group.initial.rebalance.delay.ms": "1000"}, plain: int16(0), set: int16(81), observe: func(w *world, _ string) any {
		w.find()
		first := w.e.Go("first", func() { w.join("a", 10*time.Second) })
		w.sleep(100 * time.Millisecond)
		code := w.join("b", 10*time.Second)
		first.Wait()
		return code
	}},
	"offset.metadata.max.bytes": {value: "1", plain: int16(0), set: int16(12), observe: func(w *world, topic string) any {
		return w.commit(topic, "more than one byte")
	}},
	"offsets.commit.timeout.ms": {value: "500", brokers: 3, plain: false, set: true, observe: func(w *world, topic string) any {
		w.commit(topic, "") // so that all is there
		w.sleep(5 * time.Second)
		coordinator := w.find()
		for id, s := range w.nodes {
			if id+1 != coordinator {
				s.node.Pause()
			}
		}
		began := w.e.Now()
		w.commitTo(coordinator, topic, "")
		return w.e.Now()-began < 2*time.Second
	}},
	"offsets.retention.check.interval.ms": {value: "1000", with: map[string]string{"offsets.retention.minutes": "1"}, plain: true, set: false, observe: committedStays},
	"offsets.retention.minutes":           {value: "1", with: map[string]string{"offsets.retention.check.interval.ms": "1000"}, plain: true, set: false, observe: committedStays},
	"offsets.topic.num.partitions": {value: "3", plain: 8, set: 3, observe: func(w *world, _ string) any {
		w.find()
		return len(w.image().Topic(metadata.ConsumerOffsetsTopic).Partitions)
	}},
	"offsets.topic.replication.factor": {value: "1", brokers: 3, plain: 3, set: 1, observe: func(w *world, _ string) any {
		w.find()
		return len(w.partition(metadata.ConsumerOffsetsTopic).Replicas)
	}},
	"offsets.topic.segment.bytes": {value: "1048576", plain: "104857600", set: "1048576", observe: func(w *world, _ string) any {
		w.find()
		return w.image().TopicConfigs(metadata.ConsumerOffsetsTopic)["segment.bytes"]
	}},

	"transaction.state.log.num.partitions": {value: "3", plain: 8, set: 3, observe: func(w *world, _ string) any {
		w.findTransactions()
		return len(w.image().Topic(metadata.TransactionStateTopic).Partitions)
	}},
	"transaction.state.log.replication.factor": {value: "1", brokers: 3, plain: 3, set: 1, observe: func(w *world, _ string) any {
		w.findTransactions()
		return len(w.partition(metadata.TransactionStateTopic).Replicas)
	}},
	"transaction.state.log.min.isr": {value: "1", brokers: 3, plain: "2", set: "1", observe: func(w *world, _ string) any {
		w.findTransactions()
		return w.image().TopicConfigs(metadata.TransactionStateTopic)["min.insync.replicas"]
	}},
	"transaction.state.log.segment.bytes": {value: "1048576", plain: "104857600", set: "1048576", observe: func(w *world, _ string) any {
		w.findTransactions()
		return w.image().TopicConfigs(metadata.TransactionStateTopic)["segment.bytes"]
	}},
	"transaction.max.timeout.ms": {value: "1000", plain: int16(0), set: kerr.InvalidTransactionTimeout.Code, observe: func(w *world, _ string) any {
		return w.initProducer(5 * time.Second).ErrorCode
	}},
	"transaction.abort.timed.out.transaction.cleanup.interval.ms": {value: "600000", plain: false, set: true, observe: func(w *world, topic string) any {
		must(w.tryCreate(topic, 1, nil))
		p := w.initProducer(time.Second)
		must(kerr.ErrorForCode(w.addToTransaction(p, topic)))
		w.sleep(time.Minute)
		return w.describeTransaction().State == "Ongoing"
	}},
	"transaction.remove.expired.transaction.cleanup.interval.ms": {value: "1000", with: map[string]string{"transactional.id.expiration.ms": "1000"},
		plain: true, set: false, observe: transactionalIDStays},
	"transactional.id.expiration.ms": {value: "1000", with: map[string]string{"transaction.remove.expired.transaction.cleanup.interval.ms": "1000"},
		plain: true, set: false, observe: transactionalIDStays},

	"metadata.log.max.record.bytes.between.snapshots": {value: "1", plain: false, set: true, observe: snapshotIsTaken},
	"metadata.log.max.snapshot.interval.ms":           {value: "60000", plain: false, set: true, observe: snapshotIsTaken},
	"max.incremental.fetch.session.cache.slots": {value: "2", plain: 5, set: 2, observe: func(w *world, topic string) any {
		must(w.tryCreate(topic, 1, nil))
		w.leader(topic)
		began := 0
		for range 5 {
			if w.fetchSession(topic) != 0 {
				began++
			}
		}
		return began
	}},
	"log.retention.check.interval.ms": {value: "1000", plain: int64(0), set: int64(1), observe: func(w *world, topic string) any {
		must(w.tryCreate(topic, 1, map[string]string{"internal.segment.bytes": "100", "retention.ms": "3600000"}))
		w.mustProduce(topic, w.batchOf(3*hour, "old"))
		w.mustProduce(topic, w.batchOf(0, "new"))
		w.sleep(30 * time.Second)
		return w.replica(1, topic).StartOffset()
	}},
	"producer.id.expiration.ms": {value: "60000", plain: int16(45), set: int16(0), observe: func(w *world, topic string) any {
		must(w.tryCreate(topic, 1, nil))
		idempotent := func(sequence int32) []byte {
			record := storage.Record{TimestampMillis: w.e.Wall().UnixMilli(), Value: []byte("x")}
			return storage.BuildBatch(nil, storage.BatchOptions{ProducerID: 7, ProducerEpoch: 0, BaseSequence: sequence, LeaderEpoch: -1}, []storage.Record{record})
		}
		w.mustProduce(topic, idempotent(0))
		w.sleep(15 * time.Minute)
		return w.produce(topic, 1, idempotent(5)).ErrorCode
	}},

	"num.replica.fetchers": {value: "3", brokers: 2, plain: false, set: true, observe: func(w *world, topic string) any {
		t := kmsg.CreateTopicsRequestTopic{Topic: topic, NumPartitions: 12, ReplicationFactor: 2}
		w.ask(1, &kmsg.CreateTopicsRequest{TimeoutMillis: 5000, Topics: []kmsg.CreateTopicsRequestTopic{t}}, 5)
		return w.total("9092", "") > 2
	}},
	"replica.fetch.backoff.ms": {value: "60000", brokers: 3, with: map[string]string{"broker.session.timeout.ms": "60000"}, plain: false, set: true, observe: func(w *world, topic string) any {
		w.replicated(topic)
		w.nodes[w.leader(topic)-1].node.Crash()
		w.sleep(5 * time.Second)
		return w.count("9092", "", 20*time.Second) < 3
	}},
	"fetch.max.bytes": {value: "1024", plain: false, set: true, observe: func(w *world, topic string) any {
		must(w.tryCreate(topic, 1, nil))
		w.mustProduce(topic, w.batchOf(0, strings.Repeat("x", 1500)))
		w.mustProduce(topic, w.batchOf(0, strings.Repeat("x", 1500)))
		before := w.asked
		w.batches(topic)
		return w.asked-before > 1 // not both in one
	}},
	"replica.selector.class":                         {value: config.RackAwareSelector, brokers: 3, change: inRacks, plain: false, set: true, observe: sentToRack},
	"replica.fetch.max.bytes":                        {value: "100", brokers: 3, plain: false, set: true, observe: catchesUpBatchByBatch},
	"replica.fetch.response.max.bytes":               {value: "100", brokers: 3, plain: false, set: true, observe: catchesUpBatchByBatch},
	"replica.alter.log.dirs.io.max.bytes.per.second": {value: "20000", with: map[string]string{"log.dirs": "a,b"}, plain: true, set: false, observe: movesFast},
	"leader.replication.throttled.rate":              throttledProbe("", "leader.replication.throttled.replicas"),
	"follower.replication.throttled.rate":            throttledProbe("", "follower.replication.throttled.replicas"),
	"replica.fetch.wait.max.ms": {value: "5000", brokers: 3, plain: false, set: true, observe: func(w *world, topic string) any {
		w.replicated(topic)
		w.sleep(10 * time.Second)
		return w.count("9092", "1", time.Minute) < 60
	}},
	"replica.high.watermark.checkpoint.interval.ms": {value: "600000", plain: true, set: false, observe: func(w *world, topic string) any {
		must(w.tryCreate(topic, 1, nil))
		w.mustProduce(topic, w.batchOf(0, "x"))
		w.sleep(30 * time.Second)
		return w.fileExists(".", "replication-offset-checkpoint")
	}},
	"replica.lag.time.max.ms": {value: "2000", brokers: 3, with: map[string]string{"broker.session.timeout.ms": "60000"}, plain: false, set: true, observe: func(w *world, topic string) any {
		w.replicated(topic)
		leader := w.leader(topic)
		for _, id := range w.partition(topic).Replicas {
			if int(id) != leader {
				w.nodes[id-1].node.PowerOff()
			}
		}
		w.mustProduce(topic, w.batchOf(0, "a record that they miss"))
		return w.took(func() bool { return len(w.partition(topic).ISR) == 1 }) < 10*time.Second
	}},
	"replica.socket.timeout.ms": {value: "1000", brokers: 3, with: map[string]string{"broker.session.timeout.ms": "60000"}, plain: false, set: true, observe: func(w *world, topic string) any {
		w.replicated(topic)
		w.nodes[w.leader(topic)-1].node.Pause()
		return w.count("9092", "", 20*time.Second) > 3
	}},
}

var errNoBroker = errors.New("no broker lives")

func (w *world) image() *metadata.Image {
	for _, s := range w.nodes {
		if s.b != nil {
			image, _ := s.b.Metadata()
			return image
		}
	}
	panic(errNoBroker)
}

// brokers are those in the cluster, as any live broker tells.
func (w *world) brokers() []kmsg.MetadataResponseBroker {
	for id, s := range w.nodes {
		if s.node.Alive() && !s.node.Paused() {
			if resp, err := w.try(id+1, &kmsg.MetadataRequest{Topics: []kmsg.MetadataRequestTopic{}}, 9); err == nil {
				return resp.(*kmsg.MetadataResponse).Brokers
			}
		}
	}
	panic(errNoBroker)
}

func (w *world) self() kmsg.MetadataResponseBroker { return w.brokers()[0] }

func (w *world) rack() string {
	if rack := w.self().Rack; rack != nil {
		return *rack
	}
	return ""
}

// controller is the active controller, 0 if nobody knows one.
func (w *world) controller() int {
	for id, s := range w.nodes {
		if s.b != nil && s.node.Alive() && s.b.View().Quorum.Leader {
			return id + 1
		}
	}
	return 0
}

// follower is a live broker that is neither the active controller nor broker 1.
func (w *world) follower() int {
	controller := w.controller()
	for id := range w.nodes {
		if id > 0 && id+1 != controller {
			return id + 1
		}
	}
	return 0
}

func (w *world) createByDefault(topic string) {
	t := kmsg.CreateTopicsRequestTopic{Topic: topic, NumPartitions: -1, ReplicationFactor: -1}
	got := w.ask(1, &kmsg.CreateTopicsRequest{TimeoutMillis: 5000, Topics: []kmsg.CreateTopicsRequestTopic{t}}, 5).(*kmsg.CreateTopicsResponse).Topics[0]
	must(refusal(got.ErrorCode, got.ErrorMessage))
	w.leader(topic)
}

// replicated creates a topic on two brokers other than 1 and waits for it.
func (w *world) replicated(topic string) {
	must(w.tryCreate(topic, 2, nil))
	w.mustProduce(topic, w.batchOf(0, "x"))
	w.sleep(time.Second)
}

// find waits for the coordinator of group g.
func (w *world) find() (id int) {
	w.until("coordinator", func() bool {
		for i, s := range w.nodes {
			if !s.node.Alive() || s.node.Paused() {
				continue
			}
			resp, err := w.try(i+1, &kmsg.FindCoordinatorRequest{CoordinatorKey: "g"}, 2)
			if err == nil && resp.(*kmsg.FindCoordinatorResponse).ErrorCode == 0 {
				id = int(resp.(*kmsg.FindCoordinatorResponse).NodeID)
				return true
			}
		}
		return false
	})
	return id
}

// whileLoading asks until the coordinator has loaded.
func (w *world) whileLoading(ask func(coordinator int) int16) (code int16) {
	w.until("coordinator that has loaded", func() bool {
		code = ask(w.find())
		return code < 14 || code > 16
	})
	return code
}

func (w *world) join(member string, session time.Duration) int16 {
	return w.whileLoading(func(id int) int16 {
		version := int16(3) // newer ones ask the client to come again with the id they give it
		if member == "" {
			version = 5
		}
		return w.ask(id, &kmsg.JoinGroupRequest{Group: "g", SessionTimeoutMillis: int32(session.Milliseconds()), RebalanceTimeoutMillis: 10_000,
			ProtocolType: "consumer", Protocols: []kmsg.JoinGroupRequestProtocol{{Name: "range"}}}, version).(*kmsg.JoinGroupResponse).ErrorCode
	})
}

// subscribe sends a heartbeat of a member of a group under the consumer protocol, one
// that joins unless it is changed.
func (w *world) subscribe(member, topic string, change ...func(*kmsg.ConsumerGroupHeartbeatRequest)) (resp *kmsg.ConsumerGroupHeartbeatResponse) {
	if w.partition(topic) == nil {
		must(w.tryCreate(topic, 1, nil))
		w.leader(topic)
	}
	w.whileLoading(func(id int) int16 {
		req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
		req.Group, req.MemberID, req.RebalanceTimeoutMillis, req.SubscribedTopicNames = "g", member, 10_000, []string{topic}
		req.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{}
		for _, f := range change {
			f(req)
		}
		resp = w.ask(id, req, 1).(*kmsg.ConsumerGroupHeartbeatResponse)
		return resp.ErrorCode
	})
	return resp
}

func (w *world) commit(topic, metadata string) int16 {
	if w.partition(topic) == nil {
		must(w.tryCreate(topic, 1, nil))
		w.leader(topic)
	}
	return w.whileLoading(func(id int) int16 { return w.commitTo(id, topic, metadata) })
}

func (w *world) commitTo(id int, topic, metadata string) int16 {
	resp := w.ask(id, &kmsg.OffsetCommitRequest{Group: "g", Generation: -1, RetentionTimeMillis: -1, Topics: []kmsg.OffsetCommitRequestTopic{{Topic: topic,
		Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Offset: 5, Metadata: &metadata}}}}}, 7).(*kmsg.OffsetCommitResponse)
	return resp.Topics[0].Partitions[0].ErrorCode
}

// committedStays commits an offset and reports whether it is there three
// minutes later.
func committedStays(w *world, topic string) any {
	if code := w.commit(topic, ""); code != 0 {
		return code
	}
	w.sleep(3 * time.Minute)
	resp := w.ask(w.find(), &kmsg.OffsetFetchRequest{Group: "g", Topics: []kmsg.OffsetFetchRequestTopic{{Topic: topic, Partitions: []int32{0}}}}, 5).(*kmsg.OffsetFetchResponse)
	return resp.Topics[0].Partitions[0].Offset == 5
}

// catchesUpBatchByBatch reports whether a follower that has missed a hundred
// batches needs a fetch for each.
func catchesUpBatchByBatch(w *world, topic string) any {
	w.replicated(topic)
	follower, leader := w.crashFollower(topic)
	for range 100 {
		w.mustProduce(topic, w.batchOf(0, "a batch that a follower missed"))
	}
	end := w.replica(leader, topic).EndOffset()
	w.start(follower)
	fetches := w.count("9092", "1", 0)
	total := 0
	for w.nodes[follower-1].b == nil || w.replica(follower, topic) == nil || w.replica(follower, topic).EndOffset() < end {
		total += w.count("9092", "1", 10*time.Millisecond)
	}
	return total+fetches >= 100
}

// throttledProbe probes the settings that throttle replication: the replicas, given
// the rate's name, or the rate, given that of the replicas. A follower that was
// away catches up within half a minute unless one batch uses the rate up.
func throttledProbe(rate, replicas string) probe {
	p := probe{value: "*", brokers: 3, rf: 2, plain: true, set: false,
		with: map[string]string{"replica.lag.time.max.ms": "2000", "replica.fetch.max.bytes": "100"}}
	if replicas != "" {
		p.value = "1"
	}
	p.observe = func(w *world, topic string) any {
		if rate != "" {
			must(w.alter("", rate, "1"))
		} else {
			must(w.tryCreate(topic, 2, map[string]string{replicas: "*"}))
		}
		w.mustProduce(topic, w.batchOf(0, "x"))
		w.sleep(time.Second)
		follower, leader := w.crashFollower(topic)
		for range 10 {
			w.mustProduce(topic, w.batchOf(0, "a batch that a follower missed"))
		}
		w.start(follower)
		end := w.replica(leader, topic).EndOffset()
		return w.took(func() bool {
			return w.nodes[follower-1].b != nil && w.replica(follower, topic) != nil && w.replica(follower, topic).EndOffset() == end
		}) < 30*time.Second
	}
	return p
}

// snapshotIsTaken reports whether there is a snapshot of the metadata log ten
// minutes after it has grown.
func snapshotIsTaken(w *world, topic string) any {
	must(w.tryCreate(topic, 1, nil))
	w.sleep(10 * time.Minute)
	return w.fileExists("__cluster_metadata-0", ".checkpoint")
}

// fileExists reports whether broker 1 has a file in a directory whose name ends
// so.
func (w *world) fileExists(dir, ending string) (exists bool) {
	e := w.nodes[0].node.Env()
	e.Go("look", func() {
		entries, err := e.FS().ReadDir(dir)
		must(err)
		exists = slices.ContainsFunc(entries, func(entry env.FileInfo) bool { return strings.HasSuffix(entry.Name, ending) })
	}).Wait()
	return exists
}

// TestEverySettingOfBrokersHasItsEffectOrIsRefused sets every broker setting at
// start and at run time, on one broker and on all.
func TestEverySettingOfBrokersHasItsEffectOrIsRefused(t *testing.T) {
	synonym := map[string]bool{}
	for _, s := range config.TopicSettings() {
		for _, syn := range s.Synonyms {
			synonym[syn.Name] = true // by TestEverySettingOfTopicsHasItsEffectOrIsRefused
		}
	}
	for _, s := range config.BrokerSettings() {
		if synonym[s.Name] {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			p, ok := probeOf(t, s)
			if s.Needs != "" {
				return
			}
			require.True(t, ok, "%s has no probe; add one to brokerProbes", s.Name)
			p.rf = -1
			require.Equal(t, p.plain, p.run(t, nil, nil, nil), "by default")
			if s.AtRunTime {
				cfg := broker.DefaultConfig()
				require.ErrorContains(t, cfg.Set(s.Name, p.value), "at run time only")
			} else {
				require.Equal(t, p.set, p.run(t, map[string]string{s.Name: p.value}, nil, nil), "at start")
			}
			p.dynamic(t, s, "1", p.value)
			p.dynamic(t, s, "", p.value)
		})
	}
}
