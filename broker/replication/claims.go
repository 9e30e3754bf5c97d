package replication

import (
	"encoding/binary"
	"math"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// A tombstone may only go when no replica is left that could bring its key back,
// nor a marker while a replica has records of its transaction: one that was away
// for longer than delete.retention.ms would never hear of either and may lead
// some day. Each replica of Kafka removes them by time alone.
//
// So each follower claims, with its fetches, up to where its own log is clean, and
// the leader tells its followers the smallest claim of all assigned replicas, its
// own included. Below that, and when the delete horizon has passed, anybody
// removes tombstones and markers. A replica claims what it has cleaned once
// delete.retention.ms has passed since, so that whoever has read the value of a
// deleted key from any replica has that long to come to the tombstone, wherever it
// reads on. It is enough, as:
//
//  1. Whoever claims o has no record below o that another one below o supersedes,
//     and this is durable: a crash, a cut or a lost disk takes records away and
//     adds none.
//  2. A replica gets records only from the leader of its epoch, in answer to a
//     fetch that carries its claim of then. So the leader hears of a replica that
//     has lost its claim before the replica gets anything with which it could
//     break the rule.
//  3. Hence when the smallest claim is o, no replica has, or can ever get, a record
//     below o that a tombstone below o supersedes.
//
// Claims are of one leader epoch. A replica that never comes back keeps the
// tombstones for ever; weir.log.cleaner.coordinated.removal.enable=false is Kafka's
// way.

// longestRetention stands for all longer times that tombstones stay.
const longestRetention = 100 * 365 * 24 * time.Hour

// ownClaim is up to where a replica's log is clean, in the course of time.
type ownClaim struct {
	stands  int64 // may be claimed
	waiting []cleanedAt
}

type cleanedAt struct {
	offset int64
	at     time.Duration
}

// cleaned notes that the log is clean below offset.
func (c *ownClaim) cleaned(offset int64, now time.Duration) {
	c.waiting = append(c.waiting, cleanedAt{offset, now})
}

// upTo is the claim, when what was cleaned has to wait for so long.
func (c *ownClaim) upTo(now, wait time.Duration) int64 {
	for len(c.waiting) > 0 && now-c.waiting[0].at >= wait {
		c.stands = c.waiting[0].offset
		c.waiting = c.waiting[1:]
	}
	return c.stands
}

// cut takes the claim back for what lies at or behind offset.
func (c *ownClaim) cut(offset int64) {
	c.stands = min(c.stands, offset)
	for i := range c.waiting {
		c.waiting[i].offset = min(c.waiting[i].offset, offset)
	}
}

// claims are what followers have claimed in this leader epoch.
type claims struct {
	epoch int32
	of    []claim
}

type claim struct {
	replica     int32
	brokerEpoch int64
	cleanedTo   int64
	told        int64 // the smallest claim as the follower was told last, -1 if it was not
}

// note takes in a follower's fetch. A claim of -1 says that the last one stands.
// One of an earlier life of the broker counts for nothing.
func (c *claims) note(epoch, replica int32, brokerEpoch, cleanedTo int64) {
	if c.epoch != epoch {
		*c = claims{epoch: epoch}
	}
	i := slices.IndexFunc(c.of, func(of claim) bool { return of.replica == replica })
	if i < 0 {
		c.of = append(c.of, claim{replica: replica, brokerEpoch: brokerEpoch, told: -1})
		i = len(c.of) - 1
	}
	of := &c.of[i]
	if brokerEpoch < of.brokerEpoch {
		return
	}
	if brokerEpoch > of.brokerEpoch {
		*of = claim{replica: replica, brokerEpoch: brokerEpoch, told: -1}
	}
	if cleanedTo >= 0 {
		of.cleanedTo, of.told = cleanedTo, -1
	}
}

// smallest is the smallest claim of the replicas other than self, 0 if one has
// claimed nothing in the epoch.
func (c *claims) smallest(epoch int32, replicas []int32, self int32) int64 {
	smallest := int64(math.MaxInt64)
	for _, id := range replicas {
		if id == self {
			continue
		}
		i := slices.IndexFunc(c.of, func(of claim) bool { return of.replica == id })
		if i < 0 || c.epoch != epoch {
			return 0
		}
		smallest = min(smallest, c.of[i].cleanedTo)
	}
	return smallest
}

// tell is the offset that a follower is to be told, -1 if it knows.
func (c *claims) tell(replica int32, below int64) int64 {
	i := slices.IndexFunc(c.of, func(of claim) bool { return of.replica == replica })
	if i < 0 || c.of[i].told == below {
		return -1
	}
	c.of[i].told = below
	return below
}

// removableBelow is the offset below which no replica needs a tombstone or marker.
// It does not go back but where the log is cut. mu is held.
func (p *partition) removableBelow() int64 {
	if epoch := p.leading.Load(); epoch >= 0 {
		s := p.state
		all := min(p.ownClaim(), p.cleaned.claims.smallest(epoch, s.Replicas(), p.m.cfg.BrokerID))
		p.cleaned.removeBelow = max(p.cleaned.removeBelow, all)
	}
	return p.cleaned.removeBelow
}

// ownClaim is up to where this replica may claim that its log is clean. mu is held.
func (p *partition) ownClaim() int64 {
	return p.cleaned.own.upTo(p.m.e.Now(), p.cleaned.deleteRetention)
}

// tellClaims takes in the claim of a follower's fetch, and is what the answer is
// to tell, -1 for nothing. mu is held.
func (p *partition) tellClaims(r *fetchRound, req *FetchPartition) int64 {
	if req.CleanedTo < 0 && !p.cleaned.compacts && !p.log.Gaps() {
		return -1
	}
	p.cleaned.claims.note(p.state.LeaderEpoch(), r.params.ReplicaID, r.params.ReplicaEpoch, req.CleanedTo)
	return p.cleaned.claims.tell(r.params.ReplicaID, p.removableBelow())
}

// The tags with which Weir's brokers carry claims in Fetch: a follower's claim with
// a partition of the request, the smallest with one of the answer. Kafka's own
// tags count up from 0. An answer that has one also says that the log may have
// gaps.
const claimTag = 0x77656972

// ClaimTag is the value of a partition's claim tag, -1 if there is none that makes
// sense.
func ClaimTag(tags *kmsg.Tags) int64 {
	value := int64(-1)
	if tags.Len() == 0 {
		return value
	}
	tags.Each(func(key uint32, data []byte) {
		if key == claimTag && len(data) == 8 {
			value = max(-1, int64(binary.BigEndian.Uint64(data)))
		}
	})
	return value
}

// SetClaimTag adds a claim to a partition's tags.
func SetClaimTag(tags *kmsg.Tags, offset int64) {
	tags.Set(claimTag, binary.BigEndian.AppendUint64(nil, uint64(offset)))
}
