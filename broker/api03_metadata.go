package broker

import (
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/protocol"
)

const (
	leaderNotAvailable = int16(5)
	offsetNotAvailable = int16(78)
)

// metadataAPI is Metadata (key 3): live brokers, topics, partitions and their
// leaders. A topic that does not exist is created if both sides allow it; the
// answer does not wait for that, and has LEADER_NOT_AVAILABLE for the topic until
// this broker's replicas have applied it.
//
//	v1  racks, controller id; no topics listed (null) asks for all
//	v2  cluster id
//	v4  the client may forbid creating topics
//	v5  offline replicas
//	v7  leader epochs (KIP-320)
//	v8  authorized operations, if asked for
//	v9  flexible
//	v10 topic ids (KIP-516)
//	v12 topics may be asked for by id
//	v13 error code of the whole answer (KIP-1102), with which a proxy may have clients
//	    begin anew from their bootstrap servers; a broker has no use for it
func (b *Broker) metadataAPI() protocol.API { return api(0, 13, b.metadata) }

func (b *Broker) metadata(call *protocol.Call, req *kmsg.MetadataRequest) kmsg.Response {
	all := req.Topics == nil || req.Version == 0 && len(req.Topics) == 0
	req.Topics = distinct(req.Topics, askedTopic)
	if all && !b.awaitJoined() {
		call.HangUp(errNotJoined)
		return nil
	}
	var creating map[string]bool
	if !all && b.cfg.AutoCreateTopics && (req.Version < 4 || req.AllowAutoTopicCreation) {
		creating = b.createMissingTopics(req)
	}
	image := b.shownImage()
	// Metadata is as old as its way to the client.
	if d := b.e.Lab().Late("broker/metadata-stale", 100*time.Millisecond); d > 0 {
		b.stopping.Wait(d)
	}
	resp := kmsg.NewPtrMetadataResponse()
	if id := b.controller.ClusterID(); id != "" {
		resp.ClusterID = &id
	}
	resp.ControllerID = b.controllerForClients(image)
	for _, broker := range image.Brokers() {
		if broker.Fenced {
			continue
		}
		node := kmsg.NewMetadataResponseBroker()
		node.NodeID, node.Host, node.Port, node.Rack = broker.ID, broker.Host, broker.Port, rackPtr(broker.Rack)
		resp.Brokers = append(resp.Brokers, node)
	}
	if all {
		for _, t := range image.Topics() {
			resp.Topics = append(resp.Topics, describeTopic(image, t))
		}
	}
	for i := range req.Topics {
		resp.Topics = append(resp.Topics, b.findTopic(image, &req.Topics[i], creating))
	}
	if req.IncludeClusterAuthorizedOperations {
		resp.AuthorizedOperations = call.AuthorizedOperations(kmsg.ACLResourceTypeCluster, protocol.ClusterResource)
	}
	for i := range resp.Topics {
		if t := &resp.Topics[i]; req.IncludeTopicAuthorizedOperations && t.ErrorCode == 0 {
			t.AuthorizedOperations = call.AuthorizedOperations(kmsg.ACLResourceTypeTopic, *t.Topic)
		}
	}
	return resp
}

// askedTopic tells the topics of a request apart.
func askedTopic(t *kmsg.MetadataRequestTopic) string {
	key := string(t.TopicID[:])
	if t.Topic != nil {
		key += *t.Topic
	}
	return key
}

// findTopic describes the topic asked for. One that is being created has no
// leader yet: the client asks again, and does not take it for a topic that does
// not exist.
func (b *Broker) findTopic(image *metadata.Image, asked *kmsg.MetadataRequestTopic, creating map[string]bool) kmsg.MetadataResponseTopic {
	missing := kmsg.NewMetadataResponseTopic()
	if id := metadata.TopicID(asked.TopicID); asked.Topic == nil || !id.IsZero() {
		// The id comes first: clients that ask by it may write "" for the name.
		if t := image.TopicByID(asked.TopicID); t != nil {
			return describeTopic(image, t)
		}
		missing.TopicID = asked.TopicID
		if missing.ErrorCode = kerr.UnknownTopicID.Code; !b.joined(image) {
			missing.ErrorCode = leaderNotAvailable
		}
		return missing
	}
	if t := image.Topic(*asked.Topic); t != nil {
		return describeTopic(image, t)
	}
	missing.Topic, missing.IsInternal = asked.Topic, metadata.IsInternalTopic(*asked.Topic)
	switch {
	case metadata.CheckTopicName(*asked.Topic) != nil:
		missing.ErrorCode = kerr.InvalidTopicException.Code
	case creating[*asked.Topic]:
		missing.ErrorCode = leaderNotAvailable
	case b.joined(image):
		missing.ErrorCode = kerr.UnknownTopicOrPartition.Code
	default:
		missing.ErrorCode = leaderNotAvailable
	}
	return missing
}

// joined reports whether image is new enough to hold this node's present
// registration. Until then the node, which may have just started, cannot tell
// a topic that does not exist from one it has yet to hear of, and clients drop
// the records of a topic that they are told does not exist.
func (b *Broker) joined(image *metadata.Image) bool {
	own := image.Broker(b.cfg.NodeID)
	return own != nil && own.Epoch == b.epoch.Load()
}

// joinPatience is how long a client that asks for all topics waits for a node that
// has just started to know them.
const joinPatience = 5 * time.Second

var errNotJoined = errors.New("broker: this node does not know yet which topics there are: it has not joined its cluster")

// awaitJoined waits until this node knows which topics there are. A client that
// heard of none would give up those it has. (Kafka processes no request before.)
func (b *Broker) awaitJoined() bool {
	for end := b.e.Now() + joinPatience; !b.joined(b.shownImage()); {
		if b.e.Now() >= end || b.stopping.Wait(registrationBackoff/4) {
			return false
		}
	}
	return true
}

func describeTopic(image *metadata.Image, t *metadata.Topic) kmsg.MetadataResponseTopic {
	out := kmsg.NewMetadataResponseTopic()
	out.Topic, out.TopicID, out.IsInternal = kmsg.StringPtr(t.Name), t.ID, metadata.IsInternalTopic(t.Name)
	out.Partitions = make([]kmsg.MetadataResponseTopicPartition, len(t.Partitions))
	for i, p := range t.Partitions {
		part := &out.Partitions[i]
		part.Default()
		part.Partition, part.Leader, part.LeaderEpoch = p.Partition, p.Leader, p.LeaderEpoch
		part.Replicas, part.ISR, part.OfflineReplicas = p.Replicas, p.ISR, []int32{}
		for _, id := range p.Replicas {
			if broker := image.Broker(id); broker == nil || broker.Fenced {
				part.OfflineReplicas = append(part.OfflineReplicas, id)
			}
		}
		if leader := image.Broker(p.Leader); leader == nil || leader.Fenced {
			part.Leader, part.ErrorCode = -1, leaderNotAvailable
		}
	}
	return out
}

// createMissingTopics has the topics created that do not exist yet. It reports
// which are under way, those included that are committed and that clients are
// not yet shown.
func (b *Broker) createMissingTopics(req *kmsg.MetadataRequest) map[string]bool {
	image := b.controller.Image()
	creating := map[string]bool{}
	for i := range req.Topics {
		name := req.Topics[i].Topic
		if name == nil || !metadata.TopicID(req.Topics[i].TopicID).IsZero() || metadata.CheckTopicName(*name) != nil {
			continue
		}
		if image.Topic(*name) != nil {
			creating[*name] = true
			continue
		}
		if internal, ok := metadata.FindInternalTopic(*name); ok {
			creating[*name] = b.createInternalTopic(image, internal)
			continue
		}
		t := kmsg.NewCreateTopicsRequestTopic()
		t.Topic, t.NumPartitions, t.ReplicationFactor = *name, b.cfg.DefaultPartitions, b.cfg.DefaultReplicationFactor
		creating[*name] = b.creator.want(t)
	}
	return creating
}
