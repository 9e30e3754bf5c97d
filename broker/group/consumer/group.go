package consumer

import (
	"hash/fnv"
	"maps"
	"slices"
	"time"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/planted"
)

// Config are the settings of a group.
type Config struct {
	SessionTimeout     time.Duration // group.consumer.session.timeout.ms
	HeartbeatInterval  time.Duration // group.consumer.heartbeat.interval.ms
	AssignmentInterval time.Duration // group.consumer.assignment.interval.ms
	MaxSize            int           // group.consumer.max.size
	Assignors          []string      // group.consumer.assignors, the default one first
}

// Group is one group under the consumer protocol. Its exported fields are as its
// records say; do not change them but by Apply.
type Group struct {
	ID          string
	Epoch       int32 // grows whenever the target assignment has to be computed anew
	Hash        int64 // of the subscribed topics, as of Epoch
	TargetEpoch int32 // of the target assignment
	TargetTime  int64 // when it was computed, ms since 1970; 0 if that is not known
	Members     map[string]*Member
	Targets     map[string][]Partition // by member, sorted
	Expressions map[string]*Resolved   // that members are subscribed to, as far as they are resolved

	// Sharing is what there is to a share group (KIP-932), nil for one whose
	// partitions have one owner each.
	Sharing *Sharing

	oldTopics   bool                 // there is a record of Kafka 4.0
	instances   map[string]string    // group.instance.id → member id
	owners      map[Partition]string // whose a partition is: assigned, or not given up yet
	subscribers map[string]int       // members by the expression that they are subscribed by

	// Beside the records.
	looked  int64            // as of which version of the metadata Hash was checked, -1 for none
	scanned scan             // the last look for topics that expressions match
	timers  map[string]timer // by member
}

// scan is a look at the names of all topics.
type scan struct {
	version int64
	at      time.Duration
	any     bool
}

// timer is when a member has to have done something.
type timer struct {
	expires time.Duration // to be heard of
	revoke  time.Duration // to have given up what it must; 0 if nothing
}

// New returns a group without members.
func New(id string) *Group {
	return &Group{
		ID: id, Members: map[string]*Member{}, Targets: map[string][]Partition{}, Expressions: map[string]*Resolved{},
		instances: map[string]string{}, owners: map[Partition]string{}, subscribers: map[string]int{}, looked: -1, timers: map[string]timer{},
	}
}

// NewShare returns a share group without members.
func NewShare(id string) *Group {
	g := New(id)
	g.Sharing = &Sharing{}
	return g
}

// Owner is the member that owns a partition, "" if none does, or if it is shared.
func (g *Group) Owner(p Partition) string { return g.owners[p] }

// MemberIDs lists the members in a fixed order.
func (g *Group) MemberIDs() []string { return env.SortedKeys(g.Members) }

// State is what Kafka calls the state of the group.
func (g *Group) State() string {
	switch {
	case len(g.Members) == 0:
		return "Empty"
	case g.Sharing != nil:
		return "Stable"
	case g.Epoch > g.TargetEpoch:
		return "Assigning"
	}
	for _, m := range g.Members { //weir:ordered any or none
		if m.State != Stable || m.Epoch != g.TargetEpoch {
			return "Reconciling"
		}
	}
	return "Stable"
}

// Apply makes a record count. Records come in the order of the log, of which a
// cleaner may have taken some out: a tombstone of something that is not there is
// none of its own. It reports whether the record ends the group.
func (g *Group) Apply(r Record) (ended bool) {
	switch r.Kind.plain() {
	case ShareState:
		if g.Sharing != nil {
			g.Sharing = &Sharing{}
			if v, ok := r.Value.(*Sharing); ok {
				g.Sharing = v
			}
		}
	case GroupEpoch:
		if r.Value == nil {
			return true
		}
		v := r.Value.(*Epoch)
		g.Epoch, g.Hash = v.Epoch, v.Hash
	case OldTopics:
		g.oldTopics = r.Value != nil
	case TargetEpoch:
		g.TargetEpoch, g.TargetTime = 0, 0
		if v, ok := r.Value.(*Target); ok {
			g.TargetEpoch, g.TargetTime = v.Epoch, v.TimestampMilli
		}
	case TargetOfMember:
		if v, ok := r.Value.([]Partition); ok {
			g.Targets[r.Name] = v
		} else {
			delete(g.Targets, r.Name)
		}
	case MemberMetadata:
		if v, ok := r.Value.(*Metadata); ok {
			next := *g.memberOr(r.Name)
			next.Metadata = *v
			g.put(&next)
		} else {
			g.remove(r.Name)
		}
	case CurrentOfMember:
		if t, any := g.timers[r.Name]; any {
			t.revoke = 0 // what there is to give up is not what it was
			g.timers[r.Name] = t
		}
		next := *g.memberOr(r.Name)
		if v, ok := r.Value.(*Current); ok {
			next.Current = *v
		} else if g.Members[r.Name] == nil {
			return false
		} else {
			next.Current = Current{Epoch: LeaveEpoch, Previous: LeaveEpoch}
		}
		g.put(&next)
	case RegularExpression:
		if v, ok := r.Value.(*Resolved); ok {
			g.Expressions[r.Name] = v
		} else {
			delete(g.Expressions, r.Name)
		}
	}
	return false
}

// memberOr is a member, or a new one that is not in the group yet.
func (g *Group) memberOr(id string) *Member {
	if m := g.Members[id]; m != nil {
		return m
	}
	return newMember(id)
}

func (g *Group) put(m *Member) {
	if old := g.Members[m.ID]; old != nil {
		g.release(old)
	}
	g.Members[m.ID] = m
	if m.InstanceID != "" {
		g.instances[m.InstanceID] = m.ID
	}
	if m.Expression != "" {
		g.subscribers[m.Expression]++
	}
	if g.Sharing != nil {
		return
	}
	for _, o := range m.Assigned {
		g.owners[o.Partition] = m.ID
	}
	if planted.Is("revoking-is-revoked") {
		return
	}
	for _, o := range m.Revoking {
		g.owners[o.Partition] = m.ID
	}
}

func (g *Group) remove(id string) {
	m := g.Members[id]
	if m == nil {
		return
	}
	g.release(m)
	delete(g.Members, id)
	delete(g.timers, id)
}

// release takes away what is a member's: its name, its subscription, and what it
// owns, unless somebody else has them by now.
func (g *Group) release(m *Member) {
	if g.instances[m.InstanceID] == m.ID {
		delete(g.instances, m.InstanceID)
	}
	if n := g.subscribers[m.Expression]; n > 1 {
		g.subscribers[m.Expression] = n - 1
	} else {
		delete(g.subscribers, m.Expression)
	}
	for _, list := range [...][]Owned{m.Assigned, m.Revoking} {
		for _, o := range list {
			if g.owners[o.Partition] == m.ID {
				delete(g.owners, o.Partition)
			}
		}
	}
}

// draft is a copy to try records on. Members are shared: they are never changed.
func (g *Group) draft() *Group {
	d := *g
	d.Members, d.Targets, d.Expressions = maps.Clone(g.Members), maps.Clone(g.Targets), maps.Clone(g.Expressions)
	d.instances, d.owners, d.timers = maps.Clone(g.instances), maps.Clone(g.owners), map[string]timer{}
	d.subscribers = maps.Clone(g.subscribers)
	return &d
}

// topicsOf are the names of the topics that a member is subscribed to, sorted. An
// expression that is not resolved matches none.
func (g *Group) topicsOf(m *Member) []string {
	resolved := g.Expressions[m.Expression]
	if m.Expression == "" || resolved == nil {
		return m.Topics
	}
	if len(m.Topics) == 0 {
		return resolved.Topics
	}
	return distinct(slices.Concat(m.Topics, resolved.Topics))
}

// Subscribes reports whether any member is subscribed to a topic.
func (g *Group) Subscribes(topic string) bool {
	for _, m := range g.Members { //weir:ordered any or none
		if _, found := slices.BinarySearch(g.topicsOf(m), topic); found {
			return true
		}
	}
	return false
}

// hash is one of all subscribed topics that exist: of their names, ids and numbers
// of partitions. It is 0 for none.
func (g *Group) hash(topics *metadata.Image) int64 {
	names := map[string]bool{}
	add := func(topics []string) {
		for _, t := range topics {
			names[t] = true
		}
	}
	for _, m := range g.Members { //weir:ordered a set
		add(m.Topics)
	}
	for e := range g.subscribers { //weir:ordered a set
		if resolved := g.Expressions[e]; resolved != nil {
			add(resolved.Topics) // once, however many are subscribed by it
		}
	}
	h, any := fnv.New64a(), false
	for _, name := range env.SortedKeys(names) {
		if t := topics.Topic(name); t != nil {
			any = true
			n := len(t.Partitions)
			_, _ = h.Write(append([]byte(name), 0, byte(n>>24), byte(n>>16), byte(n>>8), byte(n)))
			_, _ = h.Write(t.ID[:])
		}
	}
	if !any {
		return 0
	}
	return int64(h.Sum64())
}

// NextDeadline is when the group wants its next Tick; ok is false if it waits for
// nothing.
func (g *Group) NextDeadline() (at time.Duration, ok bool) {
	for _, t := range g.timers { //weir:ordered a minimum
		for _, d := range [...]time.Duration{t.expires, t.revoke} {
			if d > 0 && (!ok || d < at) {
				at, ok = d, true
			}
		}
	}
	return at, ok
}

// Heard begins a member's session anew, and its time to give partitions up if it
// has to and has not begun to. It is called once what the member has said counts.
func (g *Group) Heard(now time.Duration, id string, cfg *Config) {
	m := g.Members[id]
	if m == nil {
		return
	}
	session := cfg.SessionTimeout // of a share group it is that of share groups
	if m.Classic != nil {
		session = time.Duration(m.Classic.SessionTimeoutMillis) * time.Millisecond
	}
	t := timer{expires: now + session, revoke: g.timers[id].revoke}
	switch {
	case m.State != Unrevoked || m.Classic != nil:
		t.revoke = 0
	case t.revoke == 0:
		t.revoke = now + max(time.Duration(m.RebalanceTimeoutMillis)*time.Millisecond, time.Millisecond)
	}
	g.timers[id] = t
}

// Loaded begins all sessions anew.
func (g *Group) Loaded(now time.Duration, cfg *Config) {
	for _, id := range g.MemberIDs() {
		g.Heard(now, id, cfg)
	}
}
