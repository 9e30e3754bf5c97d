package broker

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/fetchsession"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/protocol"
	"github.com/weirlab/weir/broker/replication"
)

// fetchAPI is Fetch (key 1): read record batches, waiting up to the request's
// patience for enough of them. Consumers read below the high watermark;
// followers read to the end of the log, and what they ask for tells the leader
// what they have. Fetches of the metadata log go to the quorum.
//
//	v4  first with record batches; isolation level
//	v5  log start offset
//	v7  fetch sessions (KIP-227)
//	v9  current leader epoch (KIP-320)
//	v11 client rack and preferred read replica (KIP-392): followers answer
//	    consumers of this version too, up to their own high watermark
//	v12 flexible; divergence by epoch instead of OffsetForLeaderEpoch (KIP-595)
//	v13 topics by id (KIP-516)
//	v15 replica epoch (KIP-903)
//	v16 endpoints of new leaders (KIP-951)
//	v17 replica directory
//	v18 the high watermark that a follower of the metadata log knows (KIP-1166); of
//	    partitions it means nothing
func (b *Broker) fetchAPI() protocol.API {
	a := api(4, 18, b.fetch)
	a.KeepsNothing = true // there are no byte fields
	return a
}

// keptPartitions is how many partitions a fetch may have for a connection to keep
// its memory.
const keptPartitions = 256

// fetchMemory is what a connection keeps from one fetch to the next.
type fetchMemory struct {
	parts      []replication.FetchPartition
	fetch      replication.FetchMemory
	topics     []kmsg.FetchResponseTopic
	partitions []kmsg.FetchResponseTopicPartition
	resp       kmsg.FetchResponse
	turn       fetchsession.Turn
}

// Release implements protocol.Kept.
func (m *fetchMemory) Release() {
	if cap(m.parts) > keptPartitions || cap(m.topics) > keptPartitions {
		*m = fetchMemory{}
		return
	}
	m.fetch.Release()
	clear(m.parts)
	clear(m.topics)
	clear(m.partitions)
	m.turn.Release()
	*m = fetchMemory{parts: m.parts[:0], fetch: m.fetch, topics: m.topics[:0], partitions: m.partitions[:0], turn: m.turn}
}

func (b *Broker) fetch(call *protocol.Call, req *kmsg.FetchRequest) kmsg.Response {
	if call.Listener&protocol.ControllerListener != 0 && isMetadataFetch(req) {
		return b.controller.HandleFetch(req)
	}
	mem, ok := call.Kept.(*fetchMemory)
	if !ok {
		mem = &fetchMemory{}
		call.Kept = mem
	}
	mem.Release() // in tests of handlers nobody has
	replicaID, replicaEpoch := req.ReplicaID, int64(-1)
	if req.Version >= 15 {
		replicaID, replicaEpoch = req.ReplicaState.ID, req.ReplicaState.Epoch
	}
	if code := b.sessions.Open(&mem.turn, req, replicaID >= 0); code != 0 {
		mem.resp.ErrorCode = code
		return &mem.resp
	}
	req = mem.turn.Request
	params := replication.FetchParams{
		ReplicaID:     replicaID,
		ReplicaEpoch:  replicaEpoch,
		MaxWait:       time.Duration(req.MaxWaitMillis) * time.Millisecond,
		MinBytes:      req.MinBytes,
		MaxBytes:      req.MaxBytes,
		ReadCommitted: req.IsolationLevel == 1,
		AnyReplica:    req.Version >= 11 && replicaID < 0,
		Rack:          req.Rack,
		Lend:          call.Lend,
		Reserve:       call.Reserve,
		Memory:        &mem.fetch,
	}
	if replicaID >= 0 {
		call.FromReplica()
	}
	image := b.controller.Image()
	mem.fetchParts(image, req)
	results := b.replicas.Fetch(params, mem.parts)
	if !b.joined(image) { // an id that is not known yet: NOT_LEADER_OR_FOLLOWER, from the replica manager
		image = nil
	}
	mem.answer(req, results, image)
	mem.turn.Settle(&mem.resp)
	return &mem.resp
}

func isMetadataFetch(req *kmsg.FetchRequest) bool {
	if len(req.Topics) != 1 {
		return false
	}
	t := &req.Topics[0]
	return t.Topic == metadata.ClusterMetadataTopic || t.TopicID == metadata.ClusterMetadataTopicID
}

// fetchParts lists the request's partitions; a topic id that is not known
// leaves the name empty.
func (m *fetchMemory) fetchParts(image *metadata.Image, req *kmsg.FetchRequest) {
	n := 0
	for i := range req.Topics {
		n += len(req.Topics[i].Partitions)
	}
	parts := slices.Grow(m.parts[:0], n)
	for i := range req.Topics {
		t := &req.Topics[i]
		name := topicName(image, t.Topic, t.TopicID)
		for j := range t.Partitions {
			p := &t.Partitions[j]
			part := replication.FetchPartition{
				TP:                 metadata.TopicPartition{Topic: name, Partition: p.Partition},
				TopicID:            t.TopicID,
				CurrentLeaderEpoch: -1,
				FetchOffset:        p.FetchOffset,
				LogStartOffset:     p.LogStartOffset,
				LastFetchedEpoch:   -1,
				MaxBytes:           p.PartitionMaxBytes,
				CleanedTo:          replication.ClaimTag(&p.UnknownTags),
			}
			if req.Version >= 9 {
				part.CurrentLeaderEpoch = p.CurrentLeaderEpoch
			}
			if req.Version >= 12 {
				part.LastFetchedEpoch = p.LastFetchedEpoch
			}
			parts = append(parts, part)
		}
	}
	m.parts = parts
}

// answer fills in the answer. image is nil if this broker knows too little to
// call a topic unknown.
func (m *fetchMemory) answer(req *kmsg.FetchRequest, results []replication.FetchResult, image *metadata.Image) {
	m.topics = slices.Grow(m.topics[:0], len(req.Topics))[:len(req.Topics)]
	m.partitions = slices.Grow(m.partitions[:0], len(m.parts))[:len(m.parts)]
	resp := &m.resp
	resp.Topics = m.topics
	committed := req.IsolationLevel == 1 && req.ReplicaID < 0 && req.ReplicaState.ID < 0
	at := 0
	for i := range req.Topics {
		t := &resp.Topics[i]
		t.Topic, t.TopicID = req.Topics[i].Topic, req.Topics[i].TopicID
		t.Partitions = m.partitions[at : at+len(req.Topics[i].Partitions)]
		for j := range t.Partitions {
			r := &results[at]
			p := &t.Partitions[j]
			p.Default()
			p.Partition = req.Topics[i].Partitions[j].Partition
			p.ErrorCode = r.ErrorCode
			p.HighWatermark, p.LastStableOffset, p.LogStartOffset = r.HighWatermark, r.LastStableOffset, r.LogStartOffset
			p.PreferredReadReplica = r.PreferredReplica
			p.RecordBatches = r.Records
			if p.RecordBatches == nil {
				p.RecordBatches = []byte{}
			}
			if committed { // null says that nobody asked
				p.AbortedTransactions = make([]kmsg.FetchResponseTopicPartitionAbortedTransaction, len(r.Aborted))
				for k, a := range r.Aborted {
					p.AbortedTransactions[k] = kmsg.FetchResponseTopicPartitionAbortedTransaction{ProducerID: a.ProducerID, FirstOffset: a.FirstOffset}
				}
			}
			if m.parts[at].TP.Topic == "" && image != nil {
				p.ErrorCode = kerr.UnknownTopicID.Code
			}
			if r.Diverging {
				p.DivergingEpoch.Epoch, p.DivergingEpoch.EndOffset = r.DivergingEpoch, r.DivergingEnd
			}
			if r.RemoveBelow >= 0 {
				replication.SetClaimTag(&p.UnknownTags, r.RemoveBelow)
			}
			if r.LeaderID >= 0 {
				p.CurrentLeader.LeaderID, p.CurrentLeader.LeaderEpoch = r.LeaderID, r.LeaderEpoch
				addFetchEndpoint(resp, image.Broker(r.LeaderID))
			}
			at++
		}
	}
}

func addFetchEndpoint(resp *kmsg.FetchResponse, leader *metadata.Broker) {
	if leader == nil {
		return
	}
	for i := range resp.Brokers {
		if resp.Brokers[i].NodeID == leader.ID {
			return
		}
	}
	node := kmsg.NewFetchResponseBroker()
	node.NodeID, node.Host, node.Port, node.Rack = leader.ID, leader.Host, leader.Port, rackPtr(leader.Rack)
	resp.Brokers = append(resp.Brokers, node)
}
