package group

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/coordinator"
	"github.com/weirlab/weir/broker/group/consumer"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
)

// Groups under the consumer protocol (KIP-848), as a machine has them: their state
// machine is package consumer's, and here its steps become turns.

// Beat answers what a member of a group under the consumer protocol says.
type Beat struct {
	consumer.Answer
	Interval time.Duration // until its next heartbeat

	// Resolve are regular expressions that the group needs resolved.
	Resolve []string

	// Initialize are partitions of a share group whose state is to be initialized.
	Initialize []consumer.Partition
	GroupEpoch int32
}

func (Beat) output() {}

// instant is what a step of package consumer needs to know of the world.
func (m *machine) instant(at at) consumer.At {
	return consumer.At{Now: at.Now, WallMillis: at.WallMillis, Topics: m.image()}
}

// refuseBeat answers a heartbeat by an error.
func refuseBeat(ref Ref, err *kerr.Error, message string) turn {
	return turn{Answers: []answer{{Ref: ref, Value: Beat{Answer: consumer.Answer{Code: err.Code, Message: message}}}}}
}

// beat takes a heartbeat of a member, or of one that joins.
func (m *machine) beat(at at, ref Ref, id string, h *consumer.Heartbeat) turn {
	g, joins := m.groups[id], h.Epoch == consumer.JoinEpoch
	switch {
	case g == nil && !joins:
		return refuseBeat(ref, kerr.GroupIDNotFound, "Consumer group "+id+" not found.")
	case g == nil:
		g = New(id, m.cfg)
	case g.shares():
		return refuseBeat(ref, kerr.GroupIDNotFound, "Group "+id+" is not a consumer group.")
	case g.consumer == nil && !joins || g.consumer == nil && !g.idle():
		return refuseBeat(ref, kerr.GroupIDNotFound, "Group "+id+" is not a consumer group.")
	}
	cfg := m.settings(id)
	c, begins := g.consumer, g.consumer == nil
	if begins {
		c = consumer.New(id)
	}
	if m.exceeds(c.Adds(h)) {
		return refuseBeat(ref, kerr.CoordinatorNotAvailable, "The members of all groups hold too much memory.")
	}
	out := c.Heartbeat(m.instant(at), cfg, h)
	var first []storage.Record
	if begins && g.durable != nil {
		first = g.tombstones(at.WallMillis) // an empty group changes over
	}
	t := m.carryOut(at, g, c, cfg, out, first...)
	t.Answers = []answer{{Ref: ref, Value: Beat{Answer: out.Answer, Interval: cfg.HeartbeatInterval, Resolve: out.Resolve}}}
	m.reached(consumerType, g, "heartbeat", out.Answer.Code)
	return t
}

// shares reports whether it is a share group.
func (g *Group) shares() bool { return g.consumer != nil && g.consumer.Sharing != nil }

// settingsOf are those of a group under the consumer protocol, or of a share group.
func (m *machine) settingsOf(g *Group) *consumer.Config {
	if g.shares() {
		return m.sharing(g.ID)
	}
	return m.settings(g.ID)
}

// idle reports whether a group under the classic protocol has no members, and
// nobody is about to become one.
func (g *Group) idle() bool { return g.State == Empty && len(g.pending) == 0 }

// leaveConsumers takes out a member that says in a heartbeat that it goes.
func (m *machine) leaveConsumers(at at, ref Ref, id, member, instance string, epoch int32) turn {
	g := m.groups[id]
	if g == nil || g.consumer == nil || g.shares() {
		return refuseBeat(ref, kerr.GroupIDNotFound, "Group "+id+" is not a consumer group.")
	}
	cfg := m.settings(id)
	out := g.consumer.Leave(m.instant(at), cfg, member, instance, epoch)
	t := m.carryOut(at, g, g.consumer, cfg, out)
	t.Answers = []answer{{Ref: ref, Value: Beat{Answer: out.Answer}}}
	m.reached(consumerType, g, "leave", out.Answer.Code)
	return t
}

// resolved takes what regular expressions of a group match.
func (m *machine) resolved(at at, ref Ref, id string, matched map[string][]string, version int64) turn {
	g := m.groups[id]
	if g == nil || g.consumer == nil || g.shares() {
		return done(ref, 0)
	}
	if m.exceeds(g.consumer.AddsResolved(matched)) {
		return done(ref, kerr.CoordinatorNotAvailable.Code) // and are asked for again
	}
	cfg := m.settings(id)
	t := m.carryOut(at, g, g.consumer, cfg, g.consumer.Resolve(m.instant(at), cfg, matched, version))
	t.Answers = done(ref, 0).Answers
	return t
}

// carryOut makes a turn of what a step of a group wants done, with records that go
// before its own. A group that does not have c yet has it once they are in the log.
func (m *machine) carryOut(at at, g *Group, c *consumer.Group, cfg *consumer.Config, out consumer.Outcome, first ...storage.Record) turn {
	t := turn{After: g.recorded}
	heard := func() {
		if out.Heard != "" {
			c.Heard(at.Now, out.Heard, cfg)
		}
	}
	if len(out.Records) == 0 {
		heard() // only puts deadlines off
		return t
	}
	t.Records = first
	for _, r := range out.Records {
		t.Records = append(t.Records, storage.Record{TimestampMillis: at.WallMillis, Key: r.Key(g.ID), Value: r.Bytes()})
	}
	end := int64(len(t.Records))
	t.Applied = func(base int64) {
		if g.consumer != c {
			g.become(c)
			m.groups[g.ID] = g
		}
		for _, r := range out.Records {
			c.Apply(r)
		}
		g.recorded = base + end
		heard()
		m.keep(at, g)
		m.tell("group-epoch", []env.Attr{env.Text("group", g.ID), env.Int("epoch", c.Epoch), env.Int("target", c.TargetEpoch),
			env.Text("state", c.State()), env.Int("members", len(c.Members))})
	}
	return t
}

// become makes the group one under the consumer protocol.
func (g *Group) become(c *consumer.Group) {
	next := New(g.ID, g.cfg)
	next.Offsets, next.unstable, next.consumer = g.Offsets, g.unstable, c
	next.weighed, next.lastStore = g.weighed, g.lastStore
	*g = *next
}

// tickConsumers lets time pass in a group under the consumer protocol.
func (m *machine) tickConsumers(at at, g *Group) turn {
	cfg := m.settingsOf(g)
	out := g.consumer.Tick(m.instant(at), cfg)
	m.keep(at, g)
	if len(out.Records) > 0 {
		m.reached(g.typeName(), g, "fence", 0)
	}
	return m.carryOut(at, g, g.consumer, cfg, out)
}

// reached tells a laboratory of a step.
func (m *machine) reached(kind string, g *Group, input string, code int16) {
	if m.lab == nil {
		return
	}
	state := "none"
	if g.consumer != nil {
		state = g.consumer.State()
	}
	detail := ""
	if code != 0 {
		detail = kerr.TypedErrorForCode(code).Message
	}
	m.lab.Reached(kind+" group "+state, input, detail)
}

// replayConsumers takes a record of a group under the consumer protocol.
func (m *machine) replayConsumers(rec storage.Record) error {
	id, r, err := consumer.Read(rec.Key, rec.Value)
	if err != nil {
		return err
	}
	g := m.groups[id]
	if r.Value == nil && (g == nil || g.consumer == nil) {
		return nil // of a group that is gone
	}
	if g == nil {
		g = m.group(id)
	}
	switch {
	case g.consumer == nil && r.Kind.Shared():
		g.become(consumer.NewShare(id))
	case g.consumer == nil:
		g.become(consumer.New(id))
	case g.shares() != r.Kind.Shared():
		return fmt.Errorf("record of kind %d of group %q, which is of another type", r.Kind, id)
	}
	if ended := g.consumer.Apply(r); ended {
		g.become(nil)
		return nil
	}
	g.recorded = rec.Offset + 1
	return nil
}

// stateName is what DescribeGroups and ListGroups call the group's state.
func (g *Group) stateName() string {
	if g.consumer != nil {
		return g.consumer.State()
	}
	return g.State.String()
}

// typeName is what ListGroups calls the group's protocol.
func (g *Group) typeName() string {
	switch {
	case g.shares():
		return shareType
	case g.consumer != nil:
		return consumerType
	}
	return classicType
}

// empty reports whether the group has no members.
func (g *Group) empty() bool {
	if g.consumer != nil {
		return len(g.consumer.Members) == 0
	}
	return g.State == Empty
}

// topicPartitions are partitions by the ids of their topics. Those of topics that
// are gone are left out.
func topicPartitions(image *metadata.Image, tps []TopicPartition) []consumer.Partition {
	list := make([]consumer.Partition, 0, len(tps))
	for _, tp := range tps {
		if t := image.Topic(tp.Topic); t != nil {
			list = append(list, consumer.Partition{Topic: t.ID, Number: tp.Partition})
		}
	}
	return list
}

// checkConsumerCommit decides whether a commit to a group under the consumer
// protocol may be written.
func (m *machine) checkConsumerCommit(g *Group, c *commit) int16 {
	if g.shares() {
		return kerr.GroupIDNotFound.Code
	}
	if c.by.Transactional {
		if c.generation == -1 && c.member == "" && c.instance == "" {
			return 0 // clients before KIP-447 do not say who they are
		}
		code := g.consumer.CheckCommit(c.member, c.generation, topicPartitions(m.image(), c.tps))
		if code == kerr.StaleMemberEpoch.Code {
			code = kerr.IllegalGeneration.Code
		}
		return code
	}
	if member := g.consumer.Members[c.member]; member != nil && member.Classic == nil && c.version < 9 {
		return kerr.UnsupportedVersion.Code
	}
	return g.consumer.CheckCommit(c.member, c.generation, topicPartitions(m.image(), c.tps))
}

// tombstones are the records that delete a group.
func (g *Group) tombstones(wallMillis int64) []storage.Record {
	if g.consumer == nil {
		return []storage.Record{{TimestampMillis: wallMillis, Key: groupKey(g.ID)}}
	}
	var list []storage.Record
	for _, r := range g.consumer.Tombstones() {
		list = append(list, storage.Record{TimestampMillis: wallMillis, Key: r.Key(g.ID)})
	}
	return list
}

// requestToConsumers takes a request of the classic protocol to a group under the
// consumer protocol. A group without members changes over with the first that joins.
func (m *machine) requestToConsumers(at at, ref Ref, g *Group, create bool, in Input) turn {
	_, joins := in.(Join)
	switch {
	case !joins:
		return done(ref, kerr.UnknownMemberID.Code)
	case !g.empty():
		return done(ref, kerr.InconsistentGroupProtocol.Code)
	case !create:
		return done(ref, kerr.UnknownMemberID.Code)
	}
	records := g.tombstones(at.WallMillis)
	return turn{
		Records: records,
		Applied: func(base int64) {
			g.become(nil)
			g.recorded = base + int64(len(records))
		},
		Then: func(_ coordinator.At, o coordinator.Outcome) turn {
			if o.Code == 0 || o.Appended {
				return turn{}
			}
			return done(ref, clientCode(kmsg.JoinGroup, o.Code))
		},
		Next: func(at coordinator.At) turn { return m.request(at, ref, g.ID, create, in) },
	}
}
