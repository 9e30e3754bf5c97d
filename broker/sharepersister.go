package broker

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/coordinator"
	"github.com/weirlab/weir/broker/group"
	"github.com/weirlab/weir/broker/group/consumer"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/protocol"
	"github.com/weirlab/weir/broker/share"
	"github.com/weirlab/weir/broker/share/state"
	"github.com/weirlab/weir/env"
)

// sharePersister is the share coordinators as the brokers that ask them see them, this
// one too: a share.Persister for leaders of partitions and a group.ShareState for group
// coordinators. It asks again, for a bounded time, whoever the coordinator is then,
// while an answer fails to come or says that it may be another one's.
type sharePersister struct{ b *Broker }

var (
	_ share.Persister  = sharePersister{}
	_ group.ShareState = sharePersister{}
)

const (
	// shareLane begins the names of the lanes to share coordinators, and to the leaders
	// whose partitions' ends they are asked for.
	shareLane = "share state "

	// sharePatience bounds a method of sharePersister. It leaves room for a coordinator
	// that fails to be fenced and replaced.
	sharePatience = 15 * time.Second

	shareBackoff    = 50 * time.Millisecond // before it is asked again; doubles
	shareBackoffMax = time.Second
)

// shareStateAPI is a request to share coordinators, from version 0 on.
func shareStateAPI(b *Broker, key kmsg.Key, maxVersion int16) protocol.API {
	return protocol.API{
		Key: int16(key), MaxVersion: maxVersion, Refuse: state.Refuse,
		Handle: func(call *protocol.Call) kmsg.Response { return b.shareState.Handle(call.Request) },
	}
}

// shareLaneTo is the lane to a broker. No such name begins another.
func shareLaneTo(id int32) string { return fmt.Sprintf("%sbroker %d.", shareLane, id) }

// shareAnswer is what a share coordinator says of a key.
type shareAnswer struct {
	code  int16
	state share.State
}

// shareAnswers takes what an answer says of keys.
type shareAnswers func(key share.Key, code int16, now share.State)

// shareKind is a kind of request to share coordinators.
type shareKind struct {
	request func(which []int) kmsg.Request // about some of the keys
	read    func(resp kmsg.Response, say shareAnswers)
}

// Read implements share.Persister.
func (p sharePersister) Read(key share.Key, leaderEpoch int32) (share.State, int16) {
	answer := p.ask([]share.Key{key}, shareKind{
		request: func([]int) kmsg.Request {
			req := kmsg.NewPtrReadShareGroupStateRequest()
			req.GroupID = key.Group
			req.Topics = []kmsg.ReadShareGroupStateRequestTopic{{TopicID: key.Topic,
				Partitions: []kmsg.ReadShareGroupStateRequestTopicPartition{{Partition: key.Partition, LeaderEpoch: leaderEpoch}}}}
			return req
		},
		read: func(resp kmsg.Response, say shareAnswers) {
			for _, t := range resp.(*kmsg.ReadShareGroupStateResponse).Topics {
				for _, p := range t.Partitions {
					now := share.State{StateEpoch: p.StateEpoch, LeaderEpoch: leaderEpoch, StartOffset: p.StartOffset, DeliveryCompleteCount: -1}
					for _, b := range p.StateBatches {
						now.Batches = append(now.Batches, share.Batch{First: b.FirstOffset, Last: b.LastOffset, State: share.DeliveryState(b.DeliveryState), DeliveryCount: b.DeliveryCount})
					}
					say(share.Key{Group: key.Group, Topic: t.TopicID, Partition: p.Partition}, p.ErrorCode, now)
				}
			}
		},
	})[0]
	return answer.state, answer.code
}

// Write implements share.Persister.
func (p sharePersister) Write(key share.Key, delta share.State) int16 {
	return p.ask([]share.Key{key}, shareKind{
		request: func([]int) kmsg.Request {
			part := kmsg.NewWriteShareGroupStateRequestTopicPartition()
			part.Partition, part.StateEpoch, part.LeaderEpoch = key.Partition, delta.StateEpoch, delta.LeaderEpoch
			part.StartOffset, part.DeliveryCompleteCount = delta.StartOffset, delta.DeliveryCompleteCount
			for _, b := range delta.Batches {
				part.StateBatches = append(part.StateBatches, kmsg.WriteShareGroupStateRequestTopicPartitionStateBatch{
					FirstOffset: b.First, LastOffset: b.Last, DeliveryState: int8(b.State), DeliveryCount: b.DeliveryCount})
			}
			req := kmsg.NewPtrWriteShareGroupStateRequest()
			req.GroupID = key.Group
			req.Topics = []kmsg.WriteShareGroupStateRequestTopic{{TopicID: key.Topic, Partitions: []kmsg.WriteShareGroupStateRequestTopicPartition{part}}}
			return req
		},
		read: func(resp kmsg.Response, say shareAnswers) {
			for _, t := range resp.(*kmsg.WriteShareGroupStateResponse).Topics {
				for _, p := range t.Partitions {
					say(share.Key{Group: key.Group, Topic: t.TopicID, Partition: p.Partition}, p.ErrorCode, share.State{})
				}
			}
		},
	})[0].code
}

// Initialize implements group.ShareState.
func (p sharePersister) Initialize(group string, epoch int32, partitions []consumer.Partition, offsets []int64) []int16 {
	return codesOf(p.ask(keysOf(group, partitions), shareKind{
		request: func(which []int) kmsg.Request {
			req := kmsg.NewPtrInitializeShareGroupStateRequest()
			req.GroupID = group
			for _, i := range which {
				if n := len(req.Topics); n == 0 || req.Topics[n-1].TopicID != partitions[i].Topic {
					req.Topics = append(req.Topics, kmsg.InitializeShareGroupStateRequestTopic{TopicID: partitions[i].Topic})
				}
				t := &req.Topics[len(req.Topics)-1]
				t.Partitions = append(t.Partitions, kmsg.InitializeShareGroupStateRequestTopicPartition{Partition: partitions[i].Number, StateEpoch: epoch, StartOffset: offsets[i]})
			}
			return req
		},
		read: func(resp kmsg.Response, say shareAnswers) {
			for _, t := range resp.(*kmsg.InitializeShareGroupStateResponse).Topics {
				for _, p := range t.Partitions {
					say(share.Key{Group: group, Topic: t.TopicID, Partition: p.Partition}, p.ErrorCode, share.State{})
				}
			}
		},
	}))
}

// Delete implements group.ShareState.
func (p sharePersister) Delete(group string, partitions []consumer.Partition) []int16 {
	return codesOf(p.ask(keysOf(group, partitions), shareKind{
		request: func(which []int) kmsg.Request {
			req := kmsg.NewPtrDeleteShareGroupStateRequest()
			req.GroupID = group
			for _, i := range which {
				if n := len(req.Topics); n == 0 || req.Topics[n-1].TopicID != partitions[i].Topic {
					req.Topics = append(req.Topics, kmsg.DeleteShareGroupStateRequestTopic{TopicID: partitions[i].Topic})
				}
				t := &req.Topics[len(req.Topics)-1]
				t.Partitions = append(t.Partitions, kmsg.DeleteShareGroupStateRequestTopicPartition{Partition: partitions[i].Number})
			}
			return req
		},
		read: func(resp kmsg.Response, say shareAnswers) {
			for _, t := range resp.(*kmsg.DeleteShareGroupStateResponse).Topics {
				for _, p := range t.Partitions {
					say(share.Key{Group: group, Topic: t.TopicID, Partition: p.Partition}, p.ErrorCode, share.State{})
				}
			}
		},
	}))
}

// Summaries implements group.ShareState.
func (p sharePersister) Summaries(id string, partitions []consumer.Partition) []group.ShareSummary {
	answers := p.ask(keysOf(id, partitions), shareKind{
		request: func(which []int) kmsg.Request {
			req := kmsg.NewPtrReadShareGroupStateSummaryRequest()
			req.GroupID = id
			for _, i := range which {
				if n := len(req.Topics); n == 0 || req.Topics[n-1].TopicID != partitions[i].Topic {
					req.Topics = append(req.Topics, kmsg.ReadShareGroupStateSummaryRequestTopic{TopicID: partitions[i].Topic})
				}
				t := &req.Topics[len(req.Topics)-1]
				t.Partitions = append(t.Partitions, kmsg.ReadShareGroupStateSummaryRequestTopicPartition{Partition: partitions[i].Number, LeaderEpoch: -1})
			}
			return req
		},
		read: func(resp kmsg.Response, say shareAnswers) {
			for _, t := range resp.(*kmsg.ReadShareGroupStateSummaryResponse).Topics {
				for _, p := range t.Partitions {
					say(share.Key{Group: id, Topic: t.TopicID, Partition: p.Partition}, p.ErrorCode,
						share.State{StateEpoch: p.StateEpoch, LeaderEpoch: p.LeaderEpoch, StartOffset: p.StartOffset, DeliveryCompleteCount: p.DeliveryCompleteCount})
				}
			}
		},
	})
	all := make([]group.ShareSummary, len(answers))
	var far []int // whose lag can be known
	for i, a := range answers {
		all[i] = group.ShareSummary{Code: a.code, StartOffset: a.state.StartOffset, LeaderEpoch: a.state.LeaderEpoch, Lag: -1}
		if a.code == 0 && a.state.StartOffset != share.Uninitialized && a.state.DeliveryCompleteCount != -1 {
			far = append(far, i)
		}
	}
	ends := p.ends(far, partitions)
	for k, i := range far {
		s := &all[i]
		if s.LagCode = ends[k].code; s.LagCode == 0 {
			s.Lag = ends[k].offset - s.StartOffset - int64(answers[i].state.DeliveryCompleteCount)
		}
	}
	return all
}

func keysOf(group string, partitions []consumer.Partition) []share.Key {
	keys := make([]share.Key, len(partitions))
	for i, p := range partitions {
		keys[i] = share.Key{Group: group, Topic: p.Topic, Partition: p.Number}
	}
	return keys
}

func codesOf(answers []shareAnswer) []int16 {
	codes := make([]int16, len(answers))
	for i, a := range answers {
		codes[i] = a.code
	}
	return codes
}

// ask asks the coordinators of keys, all at a time, and those again that may answer
// otherwise the next time.
func (p sharePersister) ask(keys []share.Key, kind shareKind) []shareAnswer {
	answers := make([]shareAnswer, len(keys))
	left := make([]int, len(keys)) // of keys: not answered yet
	for i := range left {
		left[i] = i
	}
	end := p.b.e.Now() + sharePatience
	for backoff := shareBackoff; len(left) > 0; backoff = min(2*backoff, shareBackoffMax) {
		p.askOnce(keys, left, kind, answers, end)
		again := left[:0]
		for _, i := range left {
			if p.mayPass(answers[i].code, keys[i]) {
				again = append(again, i)
			}
		}
		left = again
		if len(left) > 0 && (p.b.e.Now()+backoff >= end || p.b.stopping.Wait(backoff)) {
			break
		}
	}
	for _, i := range left {
		if answers[i].code == networkException {
			answers[i].code = kerr.CoordinatorNotAvailable.Code
		}
	}
	return answers
}

// mayPass reports whether another attempt can have another answer.
func (p sharePersister) mayPass(code int16, key share.Key) bool {
	switch code {
	case networkException, kerr.CoordinatorNotAvailable.Code, kerr.CoordinatorLoadInProgress.Code, kerr.NotCoordinator.Code:
		return true
	case kerr.UnknownTopicOrPartition.Code: // to a coordinator whose metadata is older
		t := p.b.controller.Image().TopicByID(key.Topic)
		return t != nil && 0 <= key.Partition && int(key.Partition) < len(t.Partitions)
	}
	return false
}

// askOnce asks once about those of the keys that are left, and notes the answers.
func (p sharePersister) askOnce(keys []share.Key, left []int, kind shareKind, answers []shareAnswer, end time.Duration) {
	image := p.b.controller.Image()
	topic := image.Topic(metadata.ShareGroupStateTopic)
	if topic == nil {
		internal, _ := metadata.FindInternalTopic(metadata.ShareGroupStateTopic)
		p.b.createInternalTopic(image, internal)
	}
	by := map[int32][]int{} // by the id of the coordinator
	for _, i := range left {
		answers[i].code = kerr.CoordinatorNotAvailable.Code
		if topic == nil {
			continue
		}
		n := coordinator.PartitionFor(keys[i].String(), int32(len(topic.Partitions)))
		leader := image.Broker(image.Partition(metadata.TopicPartition{Topic: topic.Name, Partition: n}).Leader)
		if leader != nil && !leader.Fenced {
			by[leader.ID] = append(by[leader.ID], i)
		}
	}
	p.atOnce(env.SortedKeys(by), func(id int32) {
		which := by[id]
		for _, i := range which {
			answers[i] = shareAnswer{code: networkException}
		}
		resp, err := p.request(image.Broker(id), kind.request(which), end-p.b.e.Now())
		if err != nil || p.b.e.Lab().Rare("broker/share-state-lost") {
			return
		}
		index := map[share.Key]int{}
		for _, i := range which {
			index[keys[i]] = i
		}
		kind.read(resp, func(key share.Key, code int16, now share.State) {
			if i, asked := index[key]; asked {
				answers[i] = shareAnswer{code, now}
			}
		})
	})
}

// atOnce does something with each of some brokers, at the same time.
func (p sharePersister) atOnce(ids []int32, do func(id int32)) {
	if len(ids) == 1 {
		do(ids[0])
		return
	}
	tasks := make([]env.Task, len(ids))
	for i, id := range ids {
		tasks[i] = p.b.e.Go("share state: ask", func() { do(id) })
	}
	for _, t := range tasks {
		t.Wait()
	}
}

// request sends a broker a request, this one too. A broker that is alive answers when
// its log has had its time (share.coordinator.write.timeout.ms).
func (p sharePersister) request(to *metadata.Broker, req kmsg.Request, left time.Duration) (kmsg.Response, error) {
	if api, ok := p.b.table.Lookup(req.Key()); ok {
		req.SetVersion(api.MaxVersion)
	}
	if to.ID == p.b.cfg.NodeID {
		return p.b.Do(req)
	}
	return p.b.peers.request(to.Addr(), shareLaneTo(to.ID), req, min(left, p.b.cfg.ShareStateWriteTimeout+time.Second))
}

// partitionEnd is where a partition ends, or why that is not known.
type partitionEnd struct {
	offset int64
	code   int16
}

// ends asks the leaders of those of the partitions for the end of each, as Kafka does
// for the lag of a share group: the high watermark, whatever the group may read.
func (p sharePersister) ends(which []int, partitions []consumer.Partition) []partitionEnd {
	image := p.b.controller.Image()
	ends := make([]partitionEnd, len(which))
	by := map[int32][]int{} // by the id of the leader
	tps := make([]metadata.TopicPartition, len(which))
	for k, i := range which {
		ends[k].code = kerr.UnknownTopicOrPartition.Code
		if t := image.TopicByID(partitions[i].Topic); t != nil {
			tps[k] = metadata.TopicPartition{Topic: t.Name, Partition: partitions[i].Number}
			if part := image.Partition(tps[k]); part != nil {
				ends[k].code = kerr.LeaderNotAvailable.Code
				if leader := image.Broker(part.Leader); leader != nil {
					by[leader.ID] = append(by[leader.ID], k)
				}
			}
		}
	}
	p.atOnce(env.SortedKeys(by), func(id int32) {
		req := kmsg.NewPtrListOffsetsRequest()
		req.ReplicaID = -1
		index := map[metadata.TopicPartition]int{}
		for _, k := range by[id] {
			ends[k].code = kerr.NotLeaderForPartition.Code
			index[tps[k]] = k
			if n := len(req.Topics); n == 0 || req.Topics[n-1].Topic != tps[k].Topic {
				t := kmsg.NewListOffsetsRequestTopic()
				t.Topic = tps[k].Topic
				req.Topics = append(req.Topics, t)
			}
			part := kmsg.NewListOffsetsRequestTopicPartition()
			part.Partition, part.Timestamp = tps[k].Partition, -1
			t := &req.Topics[len(req.Topics)-1]
			t.Partitions = append(t.Partitions, part)
		}
		resp, err := p.request(image.Broker(id), req, sharePatience)
		if err != nil {
			return
		}
		for _, t := range resp.(*kmsg.ListOffsetsResponse).Topics {
			for _, part := range t.Partitions {
				if k, asked := index[metadata.TopicPartition{Topic: t.Topic, Partition: part.Partition}]; asked {
					ends[k] = partitionEnd{offset: part.Offset, code: part.ErrorCode}
				}
			}
		}
	})
	return ends
}
