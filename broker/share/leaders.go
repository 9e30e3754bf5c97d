package share

import (
	"cmp"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/env"
)

// Deps is what leaders need from the broker around them.
type Deps struct {
	Persister Persister

	// Sessions is how many share sessions there may be (group.share.max.share.sessions).
	Sessions int

	// Limits are those of a group at this moment. It must not block.
	Limits func(group string) Limits

	// Origin is the offset at which a group begins in a partition that this broker
	// leads in an epoch, or an error code (share.auto.offset.reset).
	Origin func(group string, tp metadata.TopicPartition, leaderEpoch int32) (offset int64, code int16)

	// Leads says in which epoch this broker leads a partition, if it does.
	Leads func(tp metadata.TopicPartition) (leaderEpoch int32, leads bool)
}

// Leaders is all share partitions that a broker leads, and the share sessions of the
// members that fetch from it.
type Leaders struct {
	e        env.Env
	deps     Deps
	stopping env.Signal

	mu       env.Mutex
	idle     env.Cond // nobody is at work any more
	working  int
	leaders  map[Key]*Leader
	sessions sessions
}

// NewLeaders returns a broker's leaders; there are none yet.
func NewLeaders(e env.Env, deps Deps) *Leaders {
	ls := &Leaders{e: e, deps: deps, stopping: e.NewSignal(), mu: e.NewMutex(), leaders: map[Key]*Leader{}}
	ls.idle = e.NewCond(ls.mu)
	ls.sessions = newSessions(deps.Sessions)
	return ls
}

// enter begins work that Wait waits for. It reports false if none may begin any more.
func (ls *Leaders) enter() bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.stopping.IsSet() {
		return false
	}
	ls.working++
	return true
}

func (ls *Leaders) leave() {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.working--; ls.working == 0 {
		ls.idle.Broadcast()
	}
}

// begin does work in a task of its own. mu is held.
func (ls *Leaders) begin(name string, work func()) {
	if ls.stopping.IsSet() {
		return
	}
	ls.working++
	ls.e.Go(name, func() {
		work()
		ls.leave()
	})
}

// NewPoll is for one look at leaders.
func (ls *Leaders) NewPoll() *Poll { return &Poll{More: ls.e.NewSignal()} }

// Lead is the leader of a share partition, which may yet be loaded, or an error code. It
// comes into being if there is none, the broker leads the partition and the group has
// a session.
func (ls *Leaders) Lead(key Key, tp metadata.TopicPartition) (*Leader, int16) {
	l, code := ls.find(key, tp)
	if l != nil || code != 0 {
		return l, code
	}
	epoch, leads := ls.deps.Leads(tp)
	if !leads {
		return nil, kerr.NotLeaderForPartition.Code
	}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	switch l := ls.leaders[key]; {
	case l != nil && l.epoch >= epoch:
		return l, 0 // somebody came first
	case ls.sessions.ofGroup[key.Group] == 0:
		return nil, kerr.ShareSessionNotFound.Code // and nobody would end it
	}
	key.Group = strings.Clone(key.Group)
	l = &Leader{ls: ls, key: key, tp: tp, epoch: epoch, mu: ls.e.NewMutex()}
	l.changed = ls.e.NewCond(l.mu)
	ls.leaders[key] = l
	ls.begin("share: load", l.load)
	return l, 0
}

// Find is the leader of a share partition that members fetch from, or an error code.
func (ls *Leaders) Find(key Key, tp metadata.TopicPartition) (*Leader, int16) {
	l, code := ls.find(key, tp)
	if l == nil && code == 0 {
		return nil, kerr.UnknownTopicOrPartition.Code
	}
	return l, code
}

// find is the leader that there is, if it is not over and the broker still leads in its
// epoch.
func (ls *Leaders) find(key Key, tp metadata.TopicPartition) (*Leader, int16) {
	epoch, leads := ls.deps.Leads(tp)
	if !leads {
		return nil, kerr.NotLeaderForPartition.Code
	}
	ls.mu.Lock()
	l := ls.leaders[key]
	ls.mu.Unlock()
	if l == nil {
		return nil, 0
	}
	code := l.Over()
	if code == 0 && l.epoch == epoch {
		return l, 0
	}
	ls.drop(l, kerr.NotLeaderForPartition.Code)
	return nil, 0
}

// drop forgets a leader that is over or is to be.
func (ls *Leaders) drop(l *Leader, code int16) {
	l.mu.Lock()
	l.end(code)
	l.mu.Unlock()
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.leaders[l.key] == l {
		delete(ls.leaders, l.key)
	}
}

// some are the leaders that are asked for, in an order that is the same in every run.
func (ls *Leaders) some(which func(l *Leader) bool) []*Leader {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	var list []*Leader
	for _, l := range ls.leaders { //weir:ordered sorted below
		if which(l) {
			list = append(list, l)
		}
	}
	slices.SortFunc(list, func(a, b *Leader) int {
		return cmp.Or(cmp.Compare(a.key.Group, b.key.Group), cmp.Compare(a.tp.Topic, b.tp.Topic), cmp.Compare(a.tp.Partition, b.tp.Partition),
			slices.Compare(a.key.Topic[:], b.key.Topic[:]))
	})
	return list
}

// Resign ends the leaders of a partition that this broker leads no longer, or in another
// epoch now. Whoever waits hears of it.
func (ls *Leaders) Resign(tp metadata.TopicPartition) {
	epoch, leads := ls.deps.Leads(tp)
	for _, l := range ls.some(func(l *Leader) bool { return l.tp == tp && (!leads || l.epoch != epoch) }) {
		ls.drop(l, kerr.NotLeaderForPartition.Code)
	}
}

// Stop ends all leaders, and whoever waits for one. It does not wait for what is under
// way: see Wait.
func (ls *Leaders) Stop() {
	ls.mu.Lock()
	ls.stopping.Set()
	ls.mu.Unlock()
	for _, l := range ls.some(func(*Leader) bool { return true }) {
		ls.drop(l, kerr.NotLeaderForPartition.Code)
	}
}

// Wait blocks until nothing is under way any more, after Stop.
func (ls *Leaders) Wait() {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for ls.working > 0 {
		ls.idle.Wait()
	}
}
