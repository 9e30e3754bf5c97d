package controller

import (
	"fmt"
	"math"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/controller/quorum"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/storage"
)

// This file turns the quorum's messages into Kafka's and back. The metadata
// log is partition 0 of one topic, so each wire message has that one partition.

// requestToWire is the request that carries m.
func requestToWire(m quorum.Message, clusterID string) kmsg.Request {
	cluster := message(clusterID)
	switch m.Kind {
	case quorum.VoteRequest:
		req := kmsg.NewPtrVoteRequest()
		req.Version, req.ClusterID, req.VoterID = 2, cluster, m.To
		p := kmsg.NewVoteRequestTopicPartition()
		p.CandidateID, p.CandidateEpoch, p.PreVote = m.From, m.Epoch, m.PreVote
		p.LastOffsetEpoch, p.LastOffset = m.LastEpoch, m.Offset
		t := kmsg.NewVoteRequestTopic()
		t.Topic, t.Partitions = metadata.ClusterMetadataTopic, append(t.Partitions, p)
		req.Topics = append(req.Topics, t)
		return req
	case quorum.BeginRequest:
		req := kmsg.NewPtrBeginQuorumEpochRequest()
		req.Version, req.ClusterID, req.VoterID = 1, cluster, m.To
		p := kmsg.NewBeginQuorumEpochRequestTopicPartition()
		p.LeaderID, p.LeaderEpoch = m.From, m.Epoch
		t := kmsg.NewBeginQuorumEpochRequestTopic()
		t.Topic, t.Partitions = metadata.ClusterMetadataTopic, append(t.Partitions, p)
		req.Topics = append(req.Topics, t)
		return req
	case quorum.EndRequest:
		req := kmsg.NewPtrEndQuorumEpochRequest()
		req.Version, req.ClusterID = 1, cluster
		p := kmsg.NewEndQuorumEpochRequestTopicPartition()
		p.LeaderID, p.LeaderEpoch, p.PreferredSuccessors = m.From, m.Epoch, m.Successors
		for _, id := range m.Successors {
			c := kmsg.NewEndQuorumEpochRequestTopicPartitionPreferredCandidate()
			c.CandidateID = id
			p.PreferredCandidates = append(p.PreferredCandidates, c)
		}
		t := kmsg.NewEndQuorumEpochRequestTopic()
		t.Topic, t.Partitions = metadata.ClusterMetadataTopic, append(t.Partitions, p)
		req.Topics = append(req.Topics, t)
		return req
	case quorum.FetchSnapshotRequest:
		req := kmsg.NewPtrFetchSnapshotRequest()
		req.Version, req.ClusterID, req.ReplicaID, req.MaxBytes = 1, cluster, m.From, maxFetchBytes
		p := kmsg.NewFetchSnapshotRequestTopicPartition()
		p.CurrentLeaderEpoch, p.Position = m.Epoch, m.Position
		p.SnapshotID.EndOffset, p.SnapshotID.Epoch = m.Snapshot.End, m.Snapshot.Epoch
		t := kmsg.NewFetchSnapshotRequestTopic()
		t.Topic, t.Partitions = metadata.ClusterMetadataTopic, append(t.Partitions, p)
		req.Topics = append(req.Topics, t)
		return req
	default:
		req := kmsg.NewPtrFetchRequest()
		req.Version, req.ClusterID, req.ReplicaID = 12, cluster, m.From
		req.MaxWaitMillis, req.MinBytes, req.MaxBytes = int32(m.MaxWait.Milliseconds()), 1, maxFetchBytes
		p := kmsg.NewFetchRequestTopicPartition()
		p.CurrentLeaderEpoch, p.FetchOffset, p.LastFetchedEpoch = m.Epoch, m.Offset, m.LastEpoch
		p.PartitionMaxBytes = maxFetchBytes
		t := kmsg.NewFetchRequestTopic()
		t.Topic, t.Partitions = metadata.ClusterMetadataTopic, append(t.Partitions, p)
		req.Topics = append(req.Topics, t)
		return req
	}
}

// maxFetchBytes bounds the records in one answer to a metadata fetch.
const maxFetchBytes = 1 << 20

// requestFromWire reads a request to node. A request that is not about the
// metadata log, or that comes from another cluster, is an error.
func requestFromWire(req kmsg.Request, node int32, clusterID string) (quorum.Message, *kerr.Error) {
	m := quorum.Message{To: node, Leader: quorum.None}
	var cluster *string
	found, meant := false, int32(-1)
	switch req := req.(type) {
	case *kmsg.VoteRequest:
		m.Kind, cluster, meant = quorum.VoteRequest, req.ClusterID, req.VoterID
		if len(req.Topics) == 1 && len(req.Topics[0].Partitions) == 1 {
			p := req.Topics[0].Partitions[0]
			found = req.Topics[0].Topic == metadata.ClusterMetadataTopic && p.Partition == 0
			m.From, m.Epoch, m.PreVote = p.CandidateID, p.CandidateEpoch, p.PreVote
			m.LastEpoch, m.Offset = p.LastOffsetEpoch, p.LastOffset
		}
	case *kmsg.BeginQuorumEpochRequest:
		m.Kind, cluster, meant = quorum.BeginRequest, req.ClusterID, req.VoterID
		if len(req.Topics) == 1 && len(req.Topics[0].Partitions) == 1 {
			p := req.Topics[0].Partitions[0]
			found = req.Topics[0].Topic == metadata.ClusterMetadataTopic && p.Partition == 0
			m.From, m.Leader, m.Epoch = p.LeaderID, p.LeaderID, p.LeaderEpoch
		}
	case *kmsg.EndQuorumEpochRequest:
		m.Kind, cluster = quorum.EndRequest, req.ClusterID
		if len(req.Topics) == 1 && len(req.Topics[0].Partitions) == 1 {
			p := req.Topics[0].Partitions[0]
			found = req.Topics[0].Topic == metadata.ClusterMetadataTopic && p.Partition == 0
			m.From, m.Leader, m.Epoch, m.Successors = p.LeaderID, p.LeaderID, p.LeaderEpoch, p.PreferredSuccessors
		}
	case *kmsg.FetchRequest:
		m.Kind, cluster = quorum.FetchRequest, req.ClusterID
		if len(req.Topics) == 1 && len(req.Topics[0].Partitions) == 1 {
			t, p := &req.Topics[0], &req.Topics[0].Partitions[0]
			found = p.Partition == 0 && (req.Version < 13 && t.Topic == metadata.ClusterMetadataTopic ||
				req.Version >= 13 && t.TopicID == metadata.ClusterMetadataTopicID)
			m.From = req.ReplicaID
			if req.Version >= 15 {
				m.From = req.ReplicaState.ID
			}
			m.Epoch, m.Offset, m.LastEpoch = p.CurrentLeaderEpoch, p.FetchOffset, p.LastFetchedEpoch
			m.MaxWait = time.Duration(req.MaxWaitMillis) * time.Millisecond
			if req.Version >= 18 && p.HighWatermark != math.MaxInt64 {
				m.TellsHW, m.HighWatermark = true, p.HighWatermark
			}
		}
	case *kmsg.FetchSnapshotRequest:
		m.Kind, cluster = quorum.FetchSnapshotRequest, req.ClusterID
		if len(req.Topics) == 1 && len(req.Topics[0].Partitions) == 1 {
			p := &req.Topics[0].Partitions[0]
			found = req.Topics[0].Topic == metadata.ClusterMetadataTopic && p.Partition == 0
			m.From, m.Epoch, m.Position = req.ReplicaID, p.CurrentLeaderEpoch, p.Position
			m.Snapshot = quorum.SnapshotID{End: p.SnapshotID.EndOffset, Epoch: p.SnapshotID.Epoch}
		}
	}
	switch {
	case cluster != nil && clusterID != "" && *cluster != clusterID:
		return m, kerr.InconsistentClusterID
	case meant >= 0 && meant != node:
		return m, kerr.InvalidVoterKey
	case !found:
		return m, kerr.UnknownTopicOrPartition
	case m.From < 0 || m.From == node:
		return m, kerr.InvalidRequest
	}
	return m, nil
}

// responseToWire answers req with m. records is what a fetch carries.
func responseToWire(req kmsg.Request, m quorum.Message, logStart int64, records []byte) kmsg.Response {
	switch resp := req.ResponseKind().(type) {
	case *kmsg.VoteResponse:
		p := kmsg.NewVoteResponseTopicPartition()
		p.ErrorCode, p.LeaderID, p.LeaderEpoch, p.VoteGranted = m.Err, m.Leader, m.Epoch, m.Granted
		t := kmsg.NewVoteResponseTopic()
		t.Topic, t.Partitions = metadata.ClusterMetadataTopic, append(t.Partitions, p)
		resp.Topics = append(resp.Topics, t)
		return resp
	case *kmsg.BeginQuorumEpochResponse:
		p := kmsg.NewBeginQuorumEpochResponseTopicPartition()
		p.ErrorCode, p.LeaderID, p.LeaderEpoch = m.Err, m.Leader, m.Epoch
		t := kmsg.NewBeginQuorumEpochResponseTopic()
		t.Topic, t.Partitions = metadata.ClusterMetadataTopic, append(t.Partitions, p)
		resp.Topics = append(resp.Topics, t)
		return resp
	case *kmsg.EndQuorumEpochResponse:
		p := kmsg.NewEndQuorumEpochResponseTopicPartition()
		p.ErrorCode, p.LeaderID, p.LeaderEpoch = m.Err, m.Leader, m.Epoch
		t := kmsg.NewEndQuorumEpochResponseTopic()
		t.Topic, t.Partitions = metadata.ClusterMetadataTopic, append(t.Partitions, p)
		resp.Topics = append(resp.Topics, t)
		return resp
	case *kmsg.FetchResponse:
		p := kmsg.NewFetchResponseTopicPartition()
		p.ErrorCode, p.HighWatermark, p.LastStableOffset, p.LogStartOffset = m.Err, m.HighWatermark, m.HighWatermark, logStart
		p.CurrentLeader.LeaderID, p.CurrentLeader.LeaderEpoch = m.Leader, m.Epoch
		if m.Diverging {
			p.DivergingEpoch.Epoch, p.DivergingEpoch.EndOffset = m.DivergeEpoch, m.DivergeEnd
		}
		if m.Snapshot.End > 0 {
			p.SnapshotID.EndOffset, p.SnapshotID.Epoch = m.Snapshot.End, m.Snapshot.Epoch
		}
		p.RecordBatches = records
		if p.RecordBatches == nil {
			p.RecordBatches = []byte{}
		}
		t := kmsg.NewFetchResponseTopic()
		t.Topic, t.TopicID = metadata.ClusterMetadataTopic, metadata.ClusterMetadataTopicID
		t.Partitions = append(t.Partitions, p)
		resp.Topics = append(resp.Topics, t)
		return resp
	case *kmsg.FetchSnapshotResponse:
		p := kmsg.NewFetchSnapshotResponseTopicPartition()
		p.ErrorCode, p.Position, p.Size, p.Bytes = m.Err, m.Position, m.Size, m.Data
		if m.Err != 0 || p.Bytes == nil {
			p.Bytes = []byte{}
		}
		p.SnapshotID.EndOffset, p.SnapshotID.Epoch = m.Snapshot.End, m.Snapshot.Epoch
		p.CurrentLeader.LeaderID, p.CurrentLeader.LeaderEpoch = m.Leader, m.Epoch
		t := kmsg.NewFetchSnapshotResponseTopic()
		t.Topic, t.Partitions = metadata.ClusterMetadataTopic, append(t.Partitions, p)
		resp.Topics = append(resp.Topics, t)
		return resp
	}
	return nil
}

// refusalToWire answers a quorum request that never reached the core.
func refusalToWire(req kmsg.Request, err *kerr.Error) kmsg.Response {
	switch resp := req.ResponseKind().(type) {
	case *kmsg.VoteResponse:
		resp.ErrorCode = err.Code
		return resp
	case *kmsg.BeginQuorumEpochResponse:
		resp.ErrorCode = err.Code
		return resp
	case *kmsg.EndQuorumEpochResponse:
		resp.ErrorCode = err.Code
		return resp
	case *kmsg.FetchResponse:
		resp.ErrorCode = err.Code
		return resp
	case *kmsg.FetchSnapshotResponse:
		resp.ErrorCode = err.Code
		return resp
	}
	return nil
}

// responseFromWire reads the answer to the request that carried sent.
func responseFromWire(sent quorum.Message, resp kmsg.Response) (quorum.Message, error) {
	m := quorum.Message{Kind: sent.Kind + 1, From: sent.To, To: sent.From, ID: sent.ID,
		PreVote: sent.PreVote, Offset: sent.Offset, Snapshot: sent.Snapshot, Position: sent.Position, Leader: quorum.None, Epoch: -1}
	fail := func(code int16) (quorum.Message, error) {
		if code != 0 {
			return m, fmt.Errorf("controller: %v to node %d: %w", sent.Kind, sent.To, kerr.ErrorForCode(code))
		}
		return m, fmt.Errorf("controller: answer to %v from node %d is not about the metadata log", sent.Kind, sent.To)
	}
	switch resp := resp.(type) {
	case *kmsg.VoteResponse:
		if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
			return fail(resp.ErrorCode)
		}
		p := resp.Topics[0].Partitions[0]
		m.Err, m.Leader, m.Epoch, m.Granted = p.ErrorCode, p.LeaderID, p.LeaderEpoch, p.VoteGranted
	case *kmsg.BeginQuorumEpochResponse:
		if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
			return fail(resp.ErrorCode)
		}
		p := resp.Topics[0].Partitions[0]
		m.Err, m.Leader, m.Epoch = p.ErrorCode, p.LeaderID, p.LeaderEpoch
	case *kmsg.EndQuorumEpochResponse:
		if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
			return fail(resp.ErrorCode)
		}
		p := resp.Topics[0].Partitions[0]
		m.Err, m.Leader, m.Epoch = p.ErrorCode, p.LeaderID, p.LeaderEpoch
	case *kmsg.FetchResponse:
		if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
			return fail(resp.ErrorCode)
		}
		p := &resp.Topics[0].Partitions[0]
		m.Err, m.Leader, m.Epoch, m.HighWatermark = p.ErrorCode, p.CurrentLeader.LeaderID, p.CurrentLeader.LeaderEpoch, p.HighWatermark
		m.Snapshot = quorum.SnapshotID{}
		if p.SnapshotID.EndOffset > 0 {
			m.Snapshot = quorum.SnapshotID{End: p.SnapshotID.EndOffset, Epoch: p.SnapshotID.Epoch}
		}
		if p.DivergingEpoch.EndOffset >= 0 {
			m.Diverging, m.DivergeEpoch, m.DivergeEnd = true, p.DivergingEpoch.Epoch, p.DivergingEpoch.EndOffset
		}
		for b, err := range storage.Batches(p.RecordBatches) {
			if err == nil {
				err = b.Verify()
			}
			if err != nil {
				return m, fmt.Errorf("controller: records fetched from node %d: %w", sent.To, err)
			}
			m.Batches = append(m.Batches, quorum.Batch{Base: b.BaseOffset(), Next: b.NextOffset(), Epoch: b.LeaderEpoch(), Data: b})
		}
	case *kmsg.FetchSnapshotResponse:
		if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
			return fail(resp.ErrorCode)
		}
		p := &resp.Topics[0].Partitions[0]
		m.Err, m.Leader, m.Epoch = p.ErrorCode, p.CurrentLeader.LeaderID, p.CurrentLeader.LeaderEpoch
		m.Snapshot, m.Position = quorum.SnapshotID{End: p.SnapshotID.EndOffset, Epoch: p.SnapshotID.Epoch}, p.Position
		m.Size, m.Data = p.Size, p.Bytes
	default:
		return fail(0)
	}
	return m, nil
}
