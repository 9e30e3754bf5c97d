package broker

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirlab/weir/broker/config"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/protocol"
	"github.com/weirlab/weir/broker/replication"
	"github.com/weirlab/weir/broker/share"
)

// newShareLeaders makes what this broker has of the partitions that it leads for share
// groups (KIP-932).
func (b *Broker) newShareLeaders(persister share.Persister) *share.Leaders {
	return share.NewLeaders(b.e, share.Deps{
		Persister: persister,
		Sessions:  b.cfg.GroupShareSessions,
		Limits:    b.shareLimits,
		Origin:    b.shareOrigin,
		Leads:     b.replicas.LocalLeader,
	})
}

// shareLimits are what a share group's partitions go by at this moment.
func (b *Broker) shareLimits(group string) share.Limits {
	l := b.static.GroupLayers(b.controller.Image(), group)
	return share.Limits{
		LockDuration:  l.GroupMillis("share.record.lock.duration.ms"),
		DeliveryCount: int16(l.Group("share.delivery.count.limit").Int()),
		RecordLocks:   l.Group("share.partition.max.record.locks").Int(),
		Renew:         l.Group("share.renew.acknowledge.enable").Bool(),
	}
}

// shareReadsCommitted reports whether a share group gets records of committed
// transactions only.
func (b *Broker) shareReadsCommitted(group string) bool {
	return b.static.GroupLayers(b.controller.Image(), group).Group("share.isolation.level").Text == "read_committed"
}

// shareOrigin is where a share group begins in a partition that it has never read. A
// time that is after all records is the end, as latest is.
func (b *Broker) shareOrigin(group string, tp metadata.TopicPartition, leaderEpoch int32) (int64, int16) {
	reset, err := config.ParseReset(b.static.GroupLayers(b.controller.Image(), group).Group("share.auto.offset.reset").Text)
	if err != nil {
		return 0, kerr.InvalidConfig.Code // what was set is checked as it is set
	}
	timestamp := replication.TimestampLatest
	switch {
	case reset.Earliest:
		timestamp = replication.TimestampEarliest
	case reset.By >= 0:
		timestamp = max(b.e.Wall().Add(-reset.By).UnixMilli(), 0)
	}
	r := b.replicas.ListOffsets(tp, timestamp, leaderEpoch, false)
	if r.ErrorCode == 0 && r.Offset < 0 {
		r = b.replicas.ListOffsets(tp, replication.TimestampLatest, leaderEpoch, false)
	}
	switch r.ErrorCode {
	case kerr.FencedLeaderEpoch.Code, kerr.UnknownLeaderEpoch.Code:
		return 0, kerr.NotLeaderForPartition.Code
	case offsetNotAvailable: // a new leader's high watermark; it is asked again
		return 0, kerr.CoordinatorNotAvailable.Code
	}
	return r.Offset, r.ErrorCode
}

// shareConn is what a connection has of share sessions.
func (b *Broker) shareConn(call *protocol.Call) *share.Conn {
	c, ok := call.Attached.(*share.Conn)
	if !ok {
		c = b.shares.Connect()
		call.Attached = c
	}
	return c
}

// checkShareRequest is the error of a request by a member of a share group, 0 if it may
// go on.
func (b *Broker) checkShareRequest(call *protocol.Call, group, member *string) int16 {
	switch {
	case !b.shareGroups():
		return kerr.UnsupportedVersion.Code
	case group == nil:
		return kerr.InvalidRequest.Code
	case !call.Authorized(*group):
		return kerr.GroupAuthorizationFailed.Code
	case member == nil || *member == "" || len(*member) > maxShareMemberID:
		return kerr.InvalidRequest.Code
	}
	return 0
}

// sharePartition finds what a member of a share group names by id, or says why not.
func (b *Broker) sharePartition(call *protocol.Call, image *metadata.Image, p share.TopicPartition) (metadata.TopicPartition, int16) {
	t := image.TopicByID(p.Topic)
	switch {
	case t == nil && !b.joined(image): // it has yet to hear of the topic
		return metadata.TopicPartition{}, kerr.NotLeaderForPartition.Code
	case t == nil:
		return metadata.TopicPartition{}, kerr.UnknownTopicID.Code
	case !call.May(toReadTopic, t.Name):
		return metadata.TopicPartition{}, kerr.TopicAuthorizationFailed.Code
	case p.Partition < 0 || int(p.Partition) >= len(t.Partitions):
		return metadata.TopicPartition{}, kerr.UnknownTopicOrPartition.Code
	}
	return metadata.TopicPartition{Topic: t.Name, Partition: p.Partition}, 0
}

// whereElse is the leader to go to with an error that says that this broker is not it.
func whereElse(image *metadata.Image, tp metadata.TopicPartition, code int16) (leader *metadata.Broker, epoch int32) {
	if code != kerr.NotLeaderForPartition.Code && code != kerr.FencedLeaderEpoch.Code {
		return nil, -1
	}
	if p := image.Partition(tp); p != nil {
		return image.Broker(p.Leader), p.LeaderEpoch
	}
	return nil, -1
}

func millis(ms int32) time.Duration { return time.Duration(max(ms, 0)) * time.Millisecond }
