package group

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/coordinator"
	"github.com/weirlab/weir/broker/group/consumer"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
)

// At, answer and turn are the runtime's, for groups.
type (
	at     = coordinator.At
	answer = coordinator.Answer[Output]
	turn   = coordinator.Turn[Output]
)

// machine is the groups of one partition of __consumer_offsets. It is pure:
// what it is told of the world (time, topics) comes with each call.
type machine struct {
	cfg      *Config
	lab      *env.Lab
	image    func() *metadata.Image                   // the cluster's newest metadata
	settings func(group string) *consumer.Config      // of a group under the consumer protocol
	sharing  func(group string) *consumer.Config      // of a share group
	tell     func(name string, attributes []env.Attr) // hears of what is worth an event

	groups  map[string]*Group
	weight  int64                      // of all groups
	pending map[int64]map[place]Offset // what open transactions have brought, by producer id
	names   names                      // nil once the log is loaded

	// timers has for each group a time not after its NextDeadline. A heartbeat,
	// which only puts deadlines off, leaves it alone.
	timers   coordinator.Timers[string]
	expireAt time.Duration // when to look for expired offsets; 0 before the log is loaded
}

func newMachine(cfg *Config, image func() *metadata.Image, tell func(string, []env.Attr)) *machine {
	return &machine{cfg: cfg, image: image, tell: tell, settings: func(string) *consumer.Config { return &cfg.Consumer }, sharing: func(string) *consumer.Config { return &cfg.Share }, groups: make(map[string]*Group),
		pending: make(map[int64]map[place]Offset), names: make(names)}
}

// group returns a group, making an empty one if there is none.
func (m *machine) group(id string) *Group {
	g := m.groups[id]
	if g == nil {
		g = New(id, m.cfg)
		m.groups[id] = g
	}
	return g
}

// Loaded begins the sessions of all members anew: loading took its time, and
// they were another coordinator's before.
func (m *machine) Loaded(at at) turn {
	m.names = nil
	m.expireAt = at.Now + m.cfg.OffsetsRetentionCheck
	for _, id := range env.SortedKeys(m.groups) {
		g := m.groups[id]
		for _, member := range g.Members { //weir:ordered each for itself
			member.expires = at.Now + member.SessionTimeout
		}
		if g.consumer != nil {
			g.consumer.Loaded(at.Now, m.settingsOf(g))
		}
		m.keep(at, g)
	}
	return turn{}
}

// NextTick is when a group, or the expiry of offsets, has to be looked at.
func (m *machine) NextTick() (time.Duration, bool) {
	_, next, ok := m.timers.First()
	if m.expireAt > 0 && (!ok || m.expireAt < next) {
		return m.expireAt, true
	}
	return next, ok
}

// Tick lets time pass in one group that waits for it, or looks for expired
// offsets.
func (m *machine) Tick(at at) turn {
	if id, next, ok := m.timers.First(); ok && next <= at.Now {
		if g := m.groups[id]; g.consumer != nil {
			return m.tickConsumers(at, g)
		}
		return m.step(at, m.groups[id], Tick{})
	}
	if m.expireAt > 0 && m.expireAt <= at.Now {
		m.names = nil
		m.expireAt = at.Now + m.cfg.OffsetsRetentionCheck
		// Retention says what may go, not when.
		if m.lab.Rare("group/expire-late") {
			return turn{}
		}
		return m.remove(at.WallMillis, m.expired(at.WallMillis), nil)
	}
	return turn{}
}

// request gives a group an input. A group that does not exist comes into being
// if create is set; otherwise the answer is UNKNOWN_MEMBER_ID.
func (m *machine) request(at at, ref Ref, id string, create bool, in Input) turn {
	g := m.groups[id]
	if g == nil {
		if !create {
			return done(ref, kerr.UnknownMemberID.Code)
		}
		g = New(id, m.cfg)
	}
	if g.consumer != nil {
		return m.requestToConsumers(at, ref, g, create, in)
	}
	if code := m.tooHeavy(g, in); code != 0 {
		return done(ref, code)
	}
	return m.step(at, g, in)
}

// done answers by a code alone.
func done(ref Ref, code int16) turn {
	return turn{Answers: []answer{{Ref: ref, Value: Done{Ref: ref, Code: code}}}}
}

// step gives a group an input and makes a turn of what it wants done. Whatever
// the group says waits for the newest record about it: nobody hears of what a
// later coordinator may not know.
func (m *machine) step(at at, g *Group, in Input) turn {
	before := g.State
	outputs := g.Step(at.Now, in)
	if m.lab != nil {
		m.lab.Reached("group "+before.String(), inputName(in), g.State.String())
	}
	if _, ok := in.(Heartbeat); !ok {
		m.keep(at, g)
	}
	t := turn{After: g.recorded}
	for _, out := range outputs {
		switch out := out.(type) {
		case Joined:
			t.Answers = append(t.Answers, answer{Ref: out.Ref, Value: out})
		case Synced:
			t.Answers = append(t.Answers, answer{Ref: out.Ref, Value: out})
		case Left:
			t.Answers = append(t.Answers, answer{Ref: out.Ref, Value: out})
		case Done:
			t.Answers = append(t.Answers, answer{Ref: out.Ref, Value: out})
		case Store:
			m.store(at, g, out, &t)
		}
	}
	return t
}

// store adds the record that a group wants written to a turn. A step asks for
// one at most.
func (m *machine) store(at at, g *Group, s Store, t *turn) {
	m.tell("group-generation", []env.Attr{env.Text("group", g.ID), env.Int("generation", s.Value.Generation),
		env.Text("state", g.State.String()), env.Int("members", len(s.Value.Members))})
	t.Records = []storage.Record{groupRecord(g.ID, s.Value, at.WallMillis)}
	t.Applied = func(base int64) { g.durable, g.recorded = s.Value, base+1 }
	t.Then = func(at coordinator.At, o coordinator.Outcome) turn {
		if m.groups[g.ID] != g {
			return turn{}
		}
		return m.step(at, g, Stored{Seq: s.Seq, Code: clientCode(kmsg.JoinGroup, o.Code), Appended: o.Appended})
	}
}

// keep keeps a group, with the right deadline, or forgets it if there is
// nothing to it.
func (m *machine) keep(at at, g *Group) {
	if g.State == Dead {
		return
	}
	if g.State != Empty {
		g.emptySince = 0
	} else if g.emptySince == 0 {
		g.emptySince = max(at.WallMillis, 1)
	}
	m.weigh(g)
	next, ok := g.NextDeadline()
	if ok {
		m.timers.Set(g.ID, next)
	} else {
		m.timers.Remove(g.ID)
	}
	if g.traceless() {
		delete(m.groups, g.ID)
	} else {
		m.groups[g.ID] = g
	}
}

// commit is a request to store offsets.
type commit struct {
	version          int16
	group            string
	member, instance string
	generation       int32
	tps              []TopicPartition
	offsets          []Offset
	by               coordinator.Producer // whose transaction brings them, if one does
}

// commit stores offsets, if their sender may.
func (m *machine) commit(at at, ref Ref, c *commit) turn {
	g := m.groups[c.group]
	code := int16(0)
	switch {
	case g != nil && g.consumer != nil:
		code = m.checkConsumerCommit(g, c)
	case g != nil && c.by.Transactional:
		code = g.CheckTxnCommit(at.Now, c.member, c.instance, c.generation)
	case g != nil:
		code = g.CheckCommit(at.Now, c.member, c.instance, c.generation)
	case c.generation >= 0 && c.version >= 9 && !c.by.Transactional:
		code = kerr.GroupIDNotFound.Code
	case c.generation >= 0:
		code = kerr.IllegalGeneration.Code
	}
	t := done(ref, code)
	if g != nil {
		t.After = g.recorded
	}
	if code != 0 {
		return t
	}
	for i := range c.tps {
		c.offsets[i].CommitTimestamp = at.WallMillis
		t.Records = append(t.Records, offsetRecord(c.group, c.tps[i], c.offsets[i], at.WallMillis))
	}
	t.Producer = c.by
	t.Applied = func(base int64) {
		g := m.groups[c.group]
		if g == nil {
			g = m.group(c.group)
			g.emptySince = max(at.WallMillis, 1)
		}
		for i, tp := range c.tps {
			o := c.offsets[i]
			o.recorded = base + int64(i)
			if c.by.Transactional {
				m.pend(c.by.ID, place{c.group, tp}, o)
			} else {
				g.Offsets[tp] = o
			}
		}
	}
	return t
}

// subscribes reports whether a member of the group consumes a topic, as far as
// the members' subscriptions can be read.
func (g *Group) subscribes(topic string) bool {
	if g.consumer != nil {
		return g.consumer.Subscribes(topic)
	}
	if g.ProtocolType != consumerProtocol {
		return false
	}
	for _, m := range g.Members { //weir:ordered any or none
		for _, p := range m.Protocols {
			var sub kmsg.ConsumerMemberMetadata
			if sub.ReadFrom(p.Metadata) != nil {
				continue
			}
			for _, t := range sub.Topics {
				if t == topic {
					return true
				}
			}
		}
	}
	return false
}

// consumerProtocol is the protocol type of consumers, whose subscriptions the
// coordinator can read.
const consumerProtocol = "consumer"
