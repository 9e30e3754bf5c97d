package controller

import (
	"bytes"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/env/planted"
)

// maxDirectories bounds the log directories of one broker.
const maxDirectories = 100

func compareDirectories(a, b metadata.DirectoryID) int { return bytes.Compare(a[:], b[:]) }

// sortedDirectories are the ids of a request, in order and each once.
func sortedDirectories(ids [][16]byte) []metadata.DirectoryID {
	var directories []metadata.DirectoryID
	for _, id := range ids {
		directories = append(directories, id)
	}
	slices.SortFunc(directories, compareDirectories)
	return slices.Compact(directories)
}

// missesAny reports whether a broker's directories lack one that it had: what
// was in that is gone, whatever the broker says of the others.
func missesAny(now, before []metadata.DirectoryID) bool {
	return slices.ContainsFunc(before, func(id metadata.DirectoryID) bool { return !slices.Contains(now, id) })
}

// directoryOf is where a broker keeps a replica that it is given: known only if
// it has a single directory. Else it tells once it has chosen (KIP-858).
func directoryOf(b *metadata.Broker) metadata.DirectoryID {
	switch {
	case b == nil || len(b.Directories) == 0:
		return metadata.DirectoryID{}
	case len(b.Directories) > 1:
		return metadata.UnassignedDirectory
	}
	return b.Directories[0]
}

// directoriesOf is where replicas are, nil if that is known of none.
func directoriesOf(img *metadata.Image, replicas []int32) []metadata.DirectoryID {
	out := make([]metadata.DirectoryID, len(replicas))
	known := false
	for i, id := range replicas {
		out[i] = directoryOf(img.Broker(id))
		known = known || out[i] != metadata.DirectoryID{}
	}
	if !known {
		return nil
	}
	return out
}

// setDirectory gives a broker's replica a directory.
func setDirectory(next *metadata.Partition, broker int32, id metadata.DirectoryID) {
	if len(next.Directories) != len(next.Replicas) {
		next.Directories = make([]metadata.DirectoryID, len(next.Replicas))
	}
	next.Directories[slices.Index(next.Replicas, broker)] = id
}

// settleDirectories notes the directory of a broker's replicas where it has
// changed, if the broker has but one.
func (m *machine) settleDirectories(t *txn, id int32) {
	directory := directoryOf(t.img().Broker(id))
	if directory.Unassigned() {
		return
	}
	forPartitions(t,
		func(p *metadata.Partition) bool { return p.HasReplica(id) && p.Directory(id) != directory },
		func(p *metadata.Partition) {
			next := p.Clone()
			setDirectory(next, id, directory)
			m.writePartition(t, p, next)
		})
}

// directoriesLossy takes a broker, which lost nothing else, for one that may have
// lost what is in directories that it has no more, or had lost before: a
// directory that failed may come back without what was not synced. Where a
// replica is in none that is known, it may have been in one of these.
func (m *machine) directoriesLossy(t *txn, id int32, before, now []metadata.DirectoryID) {
	if planted.Is("trust-returned-directory") {
		return
	}
	missing := missesAny(now, before)
	forPartitions(t,
		func(p *metadata.Partition) bool {
			if !p.InISR(id) && !p.InELR(id) && p.Leader != id {
				return false
			}
			in := p.Directory(id)
			if in.Unassigned() {
				return missing
			}
			return !slices.Contains(before, in) || !slices.Contains(now, in)
		},
		func(p *metadata.Partition) { m.changePartition(t, p, without(p.ISR, id), id, keepLeader) })
}

// directoriesOffline takes in which directories of a broker have failed: their
// replicas lead nothing and are in no ISR until the broker registers again. A
// broker that has none left can do nothing, and is fenced.
func (m *machine) directoriesOffline(t *txn, b *metadata.Broker, failed [][16]byte) {
	online := slices.Clone(b.Directories)
	online = slices.DeleteFunc(online, func(id metadata.DirectoryID) bool { return slices.Contains(failed, [16]byte(id)) })
	if len(online) == len(b.Directories) {
		return
	}
	if len(online) == 0 {
		m.setState(t, b, true, b.InControlledShutdown)
		return
	}
	t.add(&metadata.BrokerStateRecord{BrokerID: b.ID, BrokerEpoch: b.Epoch, Fenced: b.Fenced, InControlledShutdown: b.InControlledShutdown, Directories: online})
	if planted.Is("offline-directory-stays-in-isr") {
		return
	}
	forPartitions(t,
		func(p *metadata.Partition) bool {
			return slices.Contains(failed, [16]byte(p.Directory(b.ID))) && (p.InISR(b.ID) || p.Leader == b.ID)
		},
		func(p *metadata.Partition) { m.changePartition(t, p, without(p.ISR, b.ID), noBroker, keepLeader) })
}

// assignReplicasToDirs is AssignReplicasToDirs (KIP-858): a broker tells in which
// of its directories replicas are. One that is in a directory which is offline is
// taken out of the ISR.
func (m *machine) assignReplicasToDirs(t *txn, req *kmsg.AssignReplicasToDirsRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.AssignReplicasToDirsResponse)
	if err := checkEpoch(t.img(), req.BrokerID, req.BrokerEpoch); err != nil {
		resp.ErrorCode = err.Code
		return resp
	}
	budget := maxPartitionsPerRequest
	for _, rd := range req.Directories {
		d := kmsg.NewAssignReplicasToDirsResponseDirectory()
		d.ID = rd.ID
		for _, rt := range rd.Topics {
			topic := kmsg.NewAssignReplicasToDirsResponseDirectoryTopic()
			topic.TopicID = rt.TopicID
			for _, rp := range rt.Partitions {
				part := kmsg.NewAssignReplicasToDirsResponseDirectoryTopicPartition()
				part.Partition = rp.Partition
				err, _ := spend(&budget, 1)
				if err == nil {
					err = m.assignReplica(t, req.BrokerID, rd.ID, rt.TopicID, rp.Partition)
				}
				if err != nil {
					part.ErrorCode = err.Code
				}
				topic.Partitions = append(topic.Partitions, part)
			}
			d.Topics = append(d.Topics, topic)
		}
		resp.Directories = append(resp.Directories, d)
	}
	return resp
}

func (m *machine) assignReplica(t *txn, broker int32, id metadata.DirectoryID, topicID metadata.TopicID, n int32) *kerr.Error {
	topic := t.img().TopicByID(topicID)
	if topic == nil {
		return kerr.UnknownTopicID
	}
	p := t.img().Partition(metadata.TopicPartition{Topic: topic.Name, Partition: n})
	switch {
	case p == nil:
		return kerr.UnknownTopicOrPartition
	case !p.HasReplica(broker):
		return kerr.NotLeaderForPartition
	}
	next := p.Clone()
	setDirectory(next, broker, id)
	isr := p.ISR
	if !t.img().Broker(broker).HasOnline(id) {
		isr = without(isr, broker)
	}
	lossy := noBroker
	if p.Directory(broker) == metadata.LostDirectory && id != metadata.LostDirectory {
		isr, lossy = without(isr, broker), broker // a new one is made in its place
	}
	m.reviewPartition(t, p, next, isr, lossy, keepLeader)
	return nil
}
