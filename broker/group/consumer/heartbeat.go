package consumer

import (
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/planted"
)

// At is the instant of a step, and the topics as of then.
type At struct {
	Now        time.Duration // monotonic
	WallMillis int64         // ms since 1970
	Topics     *metadata.Image
}

// Heartbeat is what a member says: a ConsumerGroupHeartbeat that is not to leave.
type Heartbeat struct {
	MemberID   string
	Epoch      int32 // of the member, JoinEpoch to join
	InstanceID string
	ClientID   string
	ClientHost string

	// What else it says; what it leaves out has not changed.
	RackID                 string   // "" left out
	RebalanceTimeoutMillis int32    // -1 left out
	Topics                 []string // nil left out
	Expression             *string  // nil left out
	Assignor               string   // "" left out
	Owns                   []Partition
	SaysOwns               bool // whether Owns was said
}

// full reports whether the member says all that there is to say. It does when it
// joins and whenever it does not know whether an answer was lost.
func (h *Heartbeat) full(shared bool) bool {
	if shared {
		return h.Topics != nil
	}
	return h.RebalanceTimeoutMillis != -1 && (h.Topics != nil || h.Expression != nil) && h.SaysOwns
}

// Answer is what a member is told.
type Answer struct {
	Code     int16
	Message  string // of an error
	MemberID string
	Epoch    int32

	// Assignment is all that the member may own, if Assigns.
	Assignment []Partition
	Assigns    bool
}

// Outcome is what a step wants done.
type Outcome struct {
	Answer  Answer
	Records []Record // to be written as one, before the answer is given

	// Heard is the member whose session begins anew once the records count.
	Heard string

	// Resolve are expressions that somebody has to resolve (see Match), and bring
	// back by Resolve.
	Resolve []string

	// Initialize are partitions of a share group whose state somebody has to
	// initialize, as of Epoch of the group, and to tell of by Initialized or
	// NotInitialized.
	Initialize []Partition
	GroupEpoch int32
}

func refused(id string, err *kerr.Error, format string, args ...any) Outcome {
	return Outcome{Answer: Answer{Code: err.Code, Message: fmt.Sprintf(format, args...), MemberID: id}}
}

// step is one input being taken: what is tried on a draft of the group, and what
// it takes to make that count.
type step struct {
	at      At
	cfg     *Config
	g       *Group // the draft, once there is a record
	real    *Group
	records []Record
}

func (g *Group) begin(at At, cfg *Config) *step { return &step{at: at, cfg: cfg, g: g, real: g} }

// write has a record written, and makes it count in the draft.
func (s *step) write(r Record) {
	if s.g == s.real {
		s.g = s.real.draft()
	}
	if shared, ok := shares[r.Kind]; ok && s.g.Sharing != nil {
		r.Kind = shared
	}
	s.g.Apply(r)
	s.records = append(s.records, r)
}

// Heartbeat takes a member one step further.
func (g *Group) Heartbeat(at At, cfg *Config, h *Heartbeat) Outcome {
	s := g.begin(at, cfg)
	if h.Epoch == JoinEpoch && g.Members[h.MemberID] == nil && len(g.Members) >= cfg.MaxSize {
		return refused(h.MemberID, kerr.GroupMaxSizeReached, "The %s group has reached its maximum capacity of %d members.", g.typeName(), cfg.MaxSize)
	}
	before, refusal := s.find(h)
	if refusal != nil {
		return *refusal
	}
	next := *before
	h.update(&next.Metadata)
	changed, resolve := s.subscribe(before, &next)
	s.retarget()
	now := s.reconcile(h, &next, changed)
	initialize := s.initialize()

	out := Outcome{Records: s.records, Heard: next.ID, Resolve: resolve, Initialize: initialize, GroupEpoch: s.g.Epoch}
	out.Answer = Answer{MemberID: next.ID, Epoch: now.Epoch}
	if h.Epoch == JoinEpoch || h.full(g.Sharing != nil) || !slices.Equal(before.Assigned, now.Assigned) {
		out.Answer.Assigns, out.Answer.Assignment = true, PartitionsOf(now.Assigned)
	}
	return out
}

// find finds or makes the member that a heartbeat is of, or says why it is none.
func (s *step) find(h *Heartbeat) (*Member, *Outcome) {
	refuse := func(err *kerr.Error, format string, args ...any) (*Member, *Outcome) {
		o := refused(h.MemberID, err, format, args...)
		return nil, &o
	}
	m := s.g.Members[h.MemberID]
	if h.InstanceID != "" {
		holder := s.g.Members[s.g.instances[h.InstanceID]]
		switch {
		case h.Epoch == JoinEpoch && holder == nil && m != nil:
			// A dynamic member under this id becomes a static one.
		case h.Epoch == JoinEpoch && holder == nil:
			return newMember(h.MemberID), nil
		case h.Epoch == JoinEpoch && holder.ID == h.MemberID && holder.Classic == nil && holder.Epoch != StaticLeaveEpoch:
			// It joins again, or did not hear that it has.
		case h.Epoch == JoinEpoch && holder.Classic == nil && holder.Epoch != StaticLeaveEpoch:
			return refuse(kerr.UnreleasedInstanceID, "Static member %s with instance id %s cannot join the group because the instance id is owned by %s member.",
				h.MemberID, h.InstanceID, holder.ID)
		case h.Epoch == JoinEpoch:
			return s.replace(holder, h.MemberID), nil
		case holder == nil:
			return refuse(kerr.UnknownMemberID, "Instance id %s is unknown.", h.InstanceID)
		case holder.ID != h.MemberID:
			return refuse(kerr.FencedInstanceID, "Static member %s with instance id %s was fenced by member %s.", h.MemberID, h.InstanceID, holder.ID)
		}
		if holder != nil {
			m = holder
		}
	}
	switch {
	case m == nil && h.Epoch == JoinEpoch:
		return newMember(h.MemberID), nil
	case m == nil:
		return refuse(kerr.UnknownMemberID, "Member %s is not a member of group %s.", h.MemberID, s.g.ID)
	case h.Epoch == JoinEpoch || h.Epoch == m.Epoch || planted.Is("heartbeat-of-any-epoch"):
		return m, nil
	case h.Epoch > m.Epoch:
		return refuse(kerr.FencedMemberEpoch, "The consumer group member has a greater member epoch (%d) than the one known by the group coordinator (%d). "+
			"The member must abandon all its partitions and rejoin.", h.Epoch, m.Epoch)
	case h.Epoch == m.Previous && h.SaysOwns && !slices.ContainsFunc(h.Owns, func(p Partition) bool { _, has := ownedAt(m.Assigned, p); return !has }):
		return m, nil // the answer with the newest epoch was lost
	case h.Epoch == m.Previous && s.g.Sharing != nil:
		return m, nil // so it was, and nobody has to give anything up
	}
	return refuse(kerr.FencedMemberEpoch, "The consumer group member has a smaller member epoch (%d) than the one known by the group coordinator (%d). "+
		"The member must abandon all its partitions and rejoin.", h.Epoch, m.Epoch)
}

// replace puts a new member in the place of a static one that has left, or that
// spoke the classic protocol. It begins with what was the old one's.
func (s *step) replace(old *Member, id string) *Member {
	target := s.g.Targets[old.ID]
	s.expel(old.ID)
	next := *old
	next.ID, next.Epoch, next.Previous = id, JoinEpoch, JoinEpoch
	s.write(Record{MemberMetadata, id, &next.Metadata})
	s.write(Record{TargetOfMember, id, target})
	s.write(Record{CurrentOfMember, id, &next.Current})
	return s.g.Members[id]
}

// expel takes a member out.
func (s *step) expel(id string) {
	s.write(Record{Kind: CurrentOfMember, Name: id})
	s.write(Record{Kind: TargetOfMember, Name: id})
	s.write(Record{Kind: MemberMetadata, Name: id})
}

// update takes over what a heartbeat says of the member.
func (h *Heartbeat) update(m *Metadata) {
	m.ClientID, m.ClientHost, m.Classic = h.ClientID, h.ClientHost, nil
	if h.InstanceID != "" {
		m.InstanceID = h.InstanceID
	}
	if h.RackID != "" {
		m.RackID = h.RackID
	}
	if h.RebalanceTimeoutMillis != -1 {
		m.RebalanceTimeoutMillis = h.RebalanceTimeoutMillis
	}
	if h.Topics != nil {
		m.Topics = distinct(slices.Clone(h.Topics))
	}
	if h.Expression != nil {
		m.Expression = *h.Expression
	}
	if h.Assignor != "" {
		m.Assignor = h.Assignor
	}
}

// subscribe writes what is new about a member, and begins a new group epoch if
// what it is subscribed to has changed, or the topics have. It reports whether the
// subscription has, and which expressions are to be resolved.
func (s *step) subscribe(before, next *Member) (changed bool, resolve []string) {
	if !next.Metadata.equal(&before.Metadata) || s.g.Members[next.ID] == nil {
		metadata := next.Metadata
		s.write(Record{MemberMetadata, next.ID, &metadata})
	}
	names, expressions := !slices.Equal(next.Topics, before.Topics), next.Expression != before.Expression
	bump := names
	if expressions {
		s.forget(before.Expression)
		// One that is not resolved yet begins an epoch once it is.
		bump = bump || next.Expression == "" || s.g.Expressions[next.Expression] != nil
	}
	resolve = s.unresolved(next.Expression, expressions)
	bump = bump || s.g.Epoch == 0 // a member's epoch is above 0
	bump = bump || s.g.TargetEpoch >= s.g.Epoch && s.g.unassigned(s.at.Topics)
	if bump || s.real.looked != s.at.Topics.Offset() {
		s.rehash(bump)
	}
	return names || expressions, resolve
}

// forget deletes an expression that nobody is subscribed to any more.
func (s *step) forget(expression string) {
	if expression != "" && s.g.Expressions[expression] != nil && s.g.subscribers[expression] == 0 {
		s.write(Record{Kind: RegularExpression, Name: expression})
	}
}

// rehash begins a new group epoch if it must, or if the subscribed topics are not
// what they were.
func (s *step) rehash(must bool) {
	hash := s.g.hash(s.at.Topics)
	if must || hash != s.g.Hash {
		s.write(Record{GroupEpoch, "", &Epoch{s.g.Epoch + 1, hash}})
	} else {
		s.real.looked = s.at.Topics.Offset() // what the records say already
	}
	if s.g.oldTopics {
		s.write(Record{Kind: OldTopics})
	}
}

// regexPause is how often at most all topics are looked at for expressions that are
// resolved already.
const regexPause = 10 * time.Second

// unresolved lists the expressions to be resolved: all of them now and then, when
// there may be new topics or one that nobody resolved; a member's own at once, if it
// has just come with it.
func (s *step) unresolved(own string, isNew bool) []string {
	if len(s.g.subscribers) == 0 {
		return nil
	}
	last := &s.real.scanned
	due := !last.any || s.at.Now-last.at >= regexPause && (last.version != s.at.Topics.Offset() || s.missing())
	switch {
	case due:
		*last = scan{version: s.at.Topics.Offset(), at: s.at.Now, any: true}
		return env.SortedKeys(s.g.subscribers)
	case isNew && own != "" && s.g.Expressions[own] == nil:
		return []string{own}
	}
	return nil
}

// missing reports whether an expression is not resolved.
func (s *step) missing() bool {
	for e := range s.g.subscribers { //weir:ordered any or none
		if s.g.Expressions[e] == nil {
			return true
		}
	}
	return false
}

// Resolve takes what expressions match, as of a version of the metadata.
func (g *Group) Resolve(at At, cfg *Config, matched map[string][]string, version int64) Outcome {
	s := g.begin(at, cfg)
	bump := false
	for _, e := range env.SortedKeys(matched) {
		old := s.g.Expressions[e]
		if s.g.subscribers[e] == 0 || old != nil && slices.Equal(old.Topics, matched[e]) {
			continue
		}
		bump = bump || old == nil && len(matched[e]) > 0 || old != nil
		s.write(Record{RegularExpression, e, &Resolved{Topics: matched[e], Version: version, TimestampMilli: at.WallMillis}})
	}
	if len(s.records) > 0 {
		s.rehash(bump)
	}
	return Outcome{Records: s.records}
}

// retarget computes a new target assignment if that of the group is not of its
// newest epoch, but not all too often.
func (s *step) retarget() {
	if s.g.TargetEpoch >= s.g.Epoch {
		return
	}
	age := s.at.WallMillis - s.g.TargetTime
	if s.g.TargetTime > 0 && age >= 0 && age < s.cfg.AssignmentInterval.Milliseconds() {
		return
	}
	assignor := Simple
	if s.g.Sharing == nil {
		assignor = s.g.Assignor(s.cfg)
	}
	targets := s.g.assign(assignor, s.at.Topics)
	for _, id := range s.g.MemberIDs() {
		if old, any := s.g.Targets[id]; !any || !slices.Equal(old, targets[id]) {
			s.write(Record{TargetOfMember, id, targets[id]})
		}
	}
	s.write(Record{TargetEpoch, "", &Target{s.g.Epoch, s.at.WallMillis}})
}

// Assignor is the one that most members prefer of those there are, and of equals
// the first in the configuration.
func (g *Group) Assignor(cfg *Config) string {
	votes := map[string]int{}
	for _, m := range g.Members { //weir:ordered a count
		votes[m.Assignor]++
	}
	best := cfg.Assignors[0]
	for _, name := range cfg.Assignors {
		if votes[name] > votes[best] {
			best = name
		}
	}
	return best
}

// reconcile leads the member towards its target.
func (s *step) reconcile(h *Heartbeat, m *Member, changed bool) Current {
	if !changed && m.State == Stable && m.Epoch == s.g.TargetEpoch {
		return m.Current
	}
	r := reconciliation{g: s.g, m: m, epoch: s.g.TargetEpoch, target: s.g.Targets[m.ID], subscribed: map[metadata.TopicID]bool{},
		changed: changed, owns: h.Owns, says: h.SaysOwns}
	for _, name := range s.g.topicsOf(m) {
		if t := s.at.Topics.Topic(name); t != nil {
			r.subscribed[t.ID] = true
		}
	}
	next := r.next()
	if s.g.Sharing != nil {
		next = r.share()
	}
	if !next.equal(&m.Current) {
		s.write(Record{CurrentOfMember, m.ID, &next})
	}
	return next
}
