package consumer

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirlab/weir/broker/metadata"
)

// world is a group with members that do what KIP-848 asks of them, and answers that
// get lost.
type world struct {
	g       *Group
	cfg     Config
	at      At
	members []*client
}

// client is what a member believes.
type client struct {
	id, instance string
	epoch        int32
	owns         []Partition // that it uses
	unsure       bool        // whether an answer was lost, which makes it say everything
	out          bool        // it has left, or has not joined
	away         bool        // it has left as a static member
}

func topics(t require.TestingT, partitions map[string]int32) *metadata.Image {
	edit, offset := metadata.Empty().Edit(), int64(0)
	apply := func(r metadata.Record) {
		require.NoError(t, edit.Apply(r, offset))
		offset++
	}
	id := byte(0)
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for name := range partitions {
			if !yield(name) {
				return
			}
		}
	}) {
		id++
		apply(&metadata.TopicRecord{Name: name, ID: metadata.TopicID{id}})
		for p := range partitions[name] {
			apply(&metadata.PartitionRecord{TopicID: metadata.TopicID{id}, Partition: p, Replicas: []int32{1}, ISR: []int32{1}, Leader: 1})
		}
	}
	image, _ := edit.Done()
	return image
}

func config() Config {
	return Config{SessionTimeout: 10 * time.Second, HeartbeatInterval: time.Second, MaxSize: 100, Assignors: Assignors()}
}

// clone copies a world, to go on from it in several ways.
func (w *world) clone() *world {
	c := *w
	c.g = w.g.draft()
	for id, t := range w.g.timers {
		c.g.timers[id] = t
	}
	c.members = nil
	for _, m := range w.members {
		n := *m
		n.owns = slices.Clone(m.owns)
		c.members = append(c.members, &n)
	}
	return &c
}

// apply makes an outcome count.
func (w *world) apply(out Outcome) {
	for _, r := range out.Records {
		w.g.Apply(r)
	}
	w.g.Heard(w.at.Now, out.Heard, &w.cfg)
}

// heartbeat is one of a member, whose answer arrives or is lost.
func (w *world) heartbeat(m *client, arrives bool) {
	h := &Heartbeat{MemberID: m.id, Epoch: m.epoch, InstanceID: m.instance, RebalanceTimeoutMillis: -1, Owns: slices.Clone(m.owns), SaysOwns: true}
	if m.epoch == JoinEpoch || m.unsure {
		h.RebalanceTimeoutMillis, h.Topics = 5000, []string{"t"}
	}
	out := w.g.Heartbeat(w.at, &w.cfg, h)
	w.apply(out)
	m.out, m.away = false, false
	if !arrives {
		m.unsure = true
		return
	}
	a := out.Answer
	switch a.Code {
	case 0:
		m.epoch, m.unsure = a.Epoch, false
		if a.Assigns {
			m.owns = slices.Clone(a.Assignment)
		}
	case kerr.FencedMemberEpoch.Code, kerr.UnknownMemberID.Code:
		m.epoch, m.owns = JoinEpoch, nil
	case kerr.UnreleasedInstanceID.Code, kerr.FencedInstanceID.Code:
		m.epoch, m.owns, m.out = JoinEpoch, nil, true // which ends a client
	}
}

func (w *world) leave(m *client, epoch int32) {
	w.apply(w.g.Leave(w.at, &w.cfg, m.id, m.instance, epoch))
	m.owns, m.epoch, m.out, m.away, m.unsure = nil, JoinEpoch, true, epoch == StaticLeaveEpoch, false
}

// late lets time pass in which whoever was not heard of is taken out: it goes on
// believing.
func (w *world) late() {
	w.at.Now += 6 * time.Second
	w.at.WallMillis += 6000
	w.apply(w.g.Tick(w.at, &w.cfg))
}

// key says what a world is, but for epochs, which only grow: they count by how they
// differ from that of the group.
func (w *world) key() string {
	var b strings.Builder
	rel := func(e int32) int32 {
		if e <= 0 {
			return e - 1000
		}
		return max(e-w.g.Epoch, -6)
	}
	fmt.Fprint(&b, rel(w.g.TargetEpoch), ";")
	for _, m := range w.members {
		fmt.Fprint(&b, m.id, rel(m.epoch), m.owns, m.unsure, m.out, m.away, "|")
		if k := w.g.Members[m.id]; k != nil {
			fmt.Fprint(&b, rel(k.Epoch), rel(k.Previous), k.State, PartitionsOf(k.Assigned), PartitionsOf(k.Revoking), w.g.Targets[m.id], w.g.timers[m.id].expires-w.at.Now, "|")
		}
	}
	return b.String()
}

// owners checks the one invariant, as far as members can know: who has not been
// taken out for its silence and uses a partition is the only one that does.
func (w *world) owners(t *testing.T, path string) {
	used := map[Partition]string{}
	for _, m := range w.members {
		if w.g.Members[m.id] == nil {
			continue // it was taken out, and will hear of it
		}
		for _, p := range m.owns {
			if other := used[p]; other != "" {
				t.Fatalf("%s: partition %v is used by %s and %s", path, p.Number, other, m.id)
			}
			used[p] = m.id
		}
	}
	owned := map[Partition]string{}
	for _, id := range w.g.MemberIDs() {
		m := w.g.Members[id]
		for _, o := range slices.Concat(m.Assigned, m.Revoking) {
			if other := owned[o.Partition]; other != "" {
				t.Fatalf("%s: the coordinator has %v of %s and of %s", path, o.Number, other, id)
			}
			owned[o.Partition] = id
			if w.g.Owner(o.Partition) != id {
				t.Fatalf("%s: %v is of %s, and the group says of %q", path, o.Number, id, w.g.Owner(o.Partition))
			}
		}
	}
	if len(owned) != len(w.g.owners) {
		t.Fatalf("%s: partitions have owners that own nothing: %v", path, w.g.owners)
	}
}

// converge lets all members that are there send heartbeats in turns. Soon all
// partitions are owned, evenly, and nothing changes any more.
func (w *world) converge(t *testing.T, path string) {
	present := 0
	for range 12 {
		present = 0
		for _, m := range w.members {
			if !m.out {
				w.heartbeat(m, true)
				present++
			}
		}
	}
	if present == 0 {
		return
	}
	if w.g.State() != "Stable" && !slices.ContainsFunc(w.members, func(m *client) bool { return m.away }) {
		t.Fatalf("%s: the group is %s for ever: %s", path, w.g.State(), w.key())
	}
	all := 0
	for _, m := range w.members {
		if m.away && w.g.Members[m.id] != nil {
			return // what it is to get waits for it
		}
		all += len(m.owns)
	}
	if all != len(w.at.Topics.Topic("t").Partitions) {
		t.Fatalf("%s: %d partitions are in use: %s", path, all, w.key())
	}
}

// explore goes every way that there is, up to a depth, and checks each state.
func explore(t *testing.T, start *world, depth int) (states int) {
	seen := map[string]bool{}
	type node struct {
		w    *world
		path string
	}
	frontier := []node{{start, ""}}
	for range depth {
		var next []node
		for _, n := range frontier {
			try := func(what string, do func(w *world)) {
				w := n.w.clone()
				do(w)
				path := n.path + " " + what
				w.owners(t, path)
				k := w.key()
				if seen[k] {
					return
				}
				seen[k] = true
				w.clone().converge(t, path)
				next = append(next, node{w, path})
			}
			for i, m := range n.w.members {
				try("hears "+m.id, func(w *world) { w.heartbeat(w.members[i], true) })
				try("says "+m.id, func(w *world) { w.heartbeat(w.members[i], false) })
				if m.out {
					continue
				}
				try("leaves "+m.id, func(w *world) { w.leave(w.members[i], LeaveEpoch) })
				if m.instance != "" {
					try("goes "+m.id, func(w *world) { w.leave(w.members[i], StaticLeaveEpoch) })
				}
			}
			try("time", (*world).late)
		}
		frontier = next
	}
	return len(seen)
}

// In no state that three members and three partitions can reach in five steps, with
// answers lost, members gone and sessions over, does a partition have two owners, and
// from each all partitions are soon in use again.
func TestNoPartitionHasTwoOwners(t *testing.T) {
	start := &world{g: New("g"), cfg: config(), at: At{Now: time.Second, WallMillis: 1e12, Topics: topics(t, map[string]int32{"t": 3})}}
	for _, id := range []string{"a", "b", "c"} {
		start.members = append(start.members, &client{id: id, out: true})
	}
	t.Logf("%d states", explore(t, start, 5))
}

// The same with a static member, that is another member each time, and a dynamic one.
func TestNoPartitionHasTwoOwnersWithStaticMembers(t *testing.T) {
	start := &world{g: New("g"), cfg: config(), at: At{Now: time.Second, WallMillis: 1e12, Topics: topics(t, map[string]int32{"t": 3})}}
	start.members = []*client{{id: "a1", instance: "i", out: true}, {id: "a2", instance: "i", out: true}, {id: "b", out: true}}
	t.Logf("%d states", explore(t, start, 5))
}

// What a member was called and subscribed to before is not kept.
func TestNothingIsKeptOfWhatMembersWere(t *testing.T) {
	w := &world{g: New("g"), cfg: config(), at: At{Now: time.Second, WallMillis: 1e12, Topics: topics(t, map[string]int32{"t": 3})}}
	for i := range 20 {
		e := fmt.Sprint("t", i%3)
		out := w.g.Heartbeat(w.at, &w.cfg, &Heartbeat{MemberID: "a", InstanceID: fmt.Sprint("i", i), RebalanceTimeoutMillis: 5000, Expression: &e, SaysOwns: true})
		require.Zero(t, out.Answer.Code)
		w.apply(out)
	}
	require.Equal(t, map[string]string{"i19": "a"}, w.g.instances)
	require.Equal(t, map[string]int{"t1": 1}, w.g.subscribers)
	w.late()
	w.late()
	require.Empty(t, w.g.Members)
	require.Empty(t, w.g.instances)
	require.Empty(t, w.g.subscribers)
}

// Who brings an expression has it resolved at once, and nobody else's with it.
func TestAnExpressionIsResolvedForWhoBringsIt(t *testing.T) {
	w := &world{g: New("g"), cfg: config(), at: At{Now: time.Second, WallMillis: 1e12, Topics: topics(t, map[string]int32{"t": 3})}}
	brings := func(member, e string) []string {
		out := w.g.Heartbeat(w.at, &w.cfg, &Heartbeat{MemberID: member, RebalanceTimeoutMillis: 5000, Expression: &e, SaysOwns: true})
		require.Zero(t, out.Answer.Code)
		w.apply(out)
		return out.Resolve
	}
	require.Equal(t, []string{"a.*"}, brings("a", "a.*"))
	require.Equal(t, []string{"b.*"}, brings("b", "b.*"))
	require.Empty(t, brings("b", "b.*"), "it is on its way")
	w.apply(w.g.Resolve(w.at, &w.cfg, map[string][]string{"a.*": nil, "b.*": nil}, 0))
	require.Equal(t, []string{"c.*"}, brings("a", "c.*"))
	w.at.Now += regexPause
	require.Equal(t, []string{"b.*", "c.*"}, brings("b", "b.*"), "one of them has got lost")
}
