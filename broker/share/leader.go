package share

import (
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/planted"
)

// Leader is a Partition in the hands of the broker that leads it: it is loaded from the
// share coordinator, its changes are written there, its locks time out. It is for as
// long as the broker leads in one epoch and members of the group fetch from it; then it
// is over, and whoever asks is told why.
type Leader struct {
	ls    *Leaders
	key   Key
	tp    metadata.TopicPartition
	epoch int32

	mu       env.Mutex
	changed  env.Cond   // a write has ended
	core     *Partition // nil while it is loaded
	over     int16      // why it is over, 0 if it is not
	fetching bool       // somebody reads the log to acquire
	barred   bool       // and somebody else could not meanwhile
	writing  bool
	asked    *write // the next one, if somebody waits for it
	polls    []*Poll
	timer    env.Timer
	timerAt  time.Duration
}

// write is one write to the coordinator, for those who wait for it.
type write struct {
	done bool
	code int16
}

// Poll is somebody who waits for records to become available.
type Poll struct {
	More env.Signal // set when it is worth to look again
	over atomic.Bool
}

// End says that nobody waits any more.
func (p *Poll) End() { p.over.Store(true) }

// watch has a poll hear of the next change. mu is held.
func (l *Leader) watch(p *Poll) {
	for i := range l.polls {
		if l.polls[i].over.Load() {
			l.polls[i] = p
			return
		}
	}
	l.polls = append(l.polls, p)
}

// wake has whoever waits look again. mu is held.
func (l *Leader) wake() {
	for _, p := range l.polls {
		p.More.Set()
	}
	clear(l.polls)
	l.polls = l.polls[:0]
}

// loadBackoff is how long to wait before a coordinator is asked again that had no answer.
const loadBackoff = 100 * time.Millisecond

// load gets the state from the coordinator, and has a group that has no start offset
// yet begin somewhere. Where that is written at once: a later leader must not skip what
// this one hands out, as Kafka's does after share.auto.offset.reset=latest.
func (l *Leader) load() {
	for {
		core, code := l.read()
		l.mu.Lock()
		switch {
		case l.over != 0:
		case code == 0:
			l.core = core
			l.wake()
		case code == kerr.CoordinatorNotAvailable.Code:
			l.mu.Unlock()
			if l.ls.stopping.Wait(loadBackoff) {
				return
			}
			continue
		default:
			l.end(code)
		}
		l.mu.Unlock()
		return
	}
}

func (l *Leader) read() (*Partition, int16) {
	deps := &l.ls.deps
	state, code := deps.Persister.Read(l.key, l.epoch)
	if code != 0 {
		return nil, clientCode(code)
	}
	origin := int64(0)
	if state.StartOffset == Uninitialized {
		if origin, code = deps.Origin(l.key.Group, l.tp, l.epoch); code != 0 {
			return nil, code
		}
	}
	core, err := Load(state, l.epoch, origin)
	if err != nil {
		l.ls.e.Event("share-state-bad", env.Text("key", l.key.String()), env.Text("error", err.Error()))
		return nil, kerr.UnknownServerError.Code
	}
	if state.StartOffset == Uninitialized {
		if code := clientCode(deps.Persister.Write(l.key, core.BeginWrite())); code != 0 {
			return nil, code
		}
		core.EndWrite(l.ls.e.Now(), deps.Limits(l.key.Group), true)
	}
	return core, 0
}

// clientCode is a share coordinator's error as clients know it (Kafka's
// SharePartition.fetchPersisterError).
func clientCode(code int16) int16 {
	switch code {
	case 0, kerr.GroupIDNotFound.Code, kerr.UnknownTopicOrPartition.Code:
		return code
	case kerr.NotCoordinator.Code, kerr.CoordinatorNotAvailable.Code, kerr.CoordinatorLoadInProgress.Code:
		return kerr.CoordinatorNotAvailable.Code
	case kerr.FencedLeaderEpoch.Code, kerr.FencedStateEpoch.Code:
		return kerr.NotLeaderForPartition.Code
	}
	return kerr.UnknownServerError.Code
}

// ends reports whether a leader is over with an error: somebody else leads, or the
// group has begun anew, or has gone.
func ends(code int16) bool {
	return code == kerr.NotLeaderForPartition.Code || code == kerr.GroupIDNotFound.Code || code == kerr.UnknownTopicOrPartition.Code
}

// end makes the leader be over. mu is held; Leaders' is not.
func (l *Leader) end(code int16) {
	if l.over != 0 {
		return
	}
	l.over = code
	if l.timer != nil {
		l.timer.Stop()
	}
	l.wake()
	l.changed.Broadcast()
}

// Over is why the leader is over, 0 if it is not.
func (l *Leader) Over() int16 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.over
}

// Look says from which offset on records could be acquired now; ok is false if there
// are none to acquire, or somebody is at it. The poll hears of the next change.
func (l *Leader) Look(p *Poll) (offset int64, ok bool) {
	limits := l.ls.deps.Limits(l.key.Group)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watch(p)
	l.barred = l.barred || l.fetching
	if l.core == nil || l.over != 0 || l.fetching {
		return 0, false
	}
	return l.core.NextFetch(limits)
}

// BeginFetch is the offset to read from for Acquire. One reads at a time, so that what
// one is given the next need not read; it ends with EndFetch if ok is true.
func (l *Leader) BeginFetch() (offset int64, ok bool) {
	limits := l.ls.deps.Limits(l.key.Group)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.barred = l.barred || l.fetching
	if l.core == nil || l.over != 0 || l.fetching {
		return 0, false
	}
	offset, l.fetching = l.core.NextFetch(limits)
	return offset, l.fetching
}

// EndFetch lets the next one read. Nobody is woken who was not kept from it: two that
// wait for the same records would wake each other for ever.
func (l *Leader) EndFetch() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fetching = false; l.barred {
		l.barred = false
		l.wake()
	}
}

// Acquire hands out what was read since BeginFetch.
func (l *Leader) Acquire(a Acquisition, f Fetched) []Handed {
	limits := l.ls.deps.Limits(l.key.Group)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over != 0 {
		return nil
	}
	out := l.core.Acquire(l.ls.e.Now(), limits, a, f)
	l.schedule()
	return out
}

// MoveStart gives up what is before the start of the log.
func (l *Leader) MoveStart(logStart int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.core != nil && l.over == 0 {
		l.core.MoveStart(logStart)
		l.wake()
	}
}

// Acknowledge takes a member's acknowledgements and returns an error code. It blocks
// until they are written.
func (l *Leader) Acknowledge(member string, list []Acknowledgement) int16 {
	limits := l.ls.deps.Limits(l.key.Group)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.over != 0:
		return l.over
	case l.core == nil:
		return kerr.InvalidRecordState.Code // the member has them from another leader
	}
	if code := l.core.Acknowledge(l.ls.e.Now(), limits, member, list); code != 0 {
		return code
	}
	l.schedule()
	if planted.Is("share-acknowledged-unwritten") {
		return 0
	}
	return l.settle()
}

// Release takes everything from a member that has gone. It blocks until that is
// written, or could not be.
func (l *Leader) Release(member string) {
	l.change(func(limits Limits) bool { return l.core.ReleaseMember(limits, member) })
}

// expire takes everything whose lock has timed out.
func (l *Leader) expire() {
	l.change(func(limits Limits) bool {
		l.timer = nil
		return l.core.Expire(l.ls.e.Now(), limits)
	})
}

// change does what nobody waits for, and brings it to the coordinator; what does not
// get there goes with the next write.
func (l *Leader) change(step func(limits Limits) bool) {
	limits := l.ls.deps.Limits(l.key.Group)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.core == nil || l.over != 0 {
		return
	}
	changed := step(limits)
	l.schedule()
	if changed {
		l.wake()
		l.settle()
	}
}

// schedule has locks time out when they do. mu is held.
func (l *Leader) schedule() {
	at, ok := l.core.NextExpiry()
	switch {
	case !ok || l.timer != nil && l.timerAt <= at: // it looks again then
		return
	case l.timer != nil:
		l.timer.Stop()
	}
	l.timerAt = at
	l.timer = l.ls.e.AfterFunc(max(at-l.ls.e.Now(), 0), "share: locks time out", func() {
		if l.ls.enter() {
			l.expire()
			l.ls.leave()
		}
	})
}

// settle brings all that is unwritten to the coordinator and returns how that went. It
// blocks; mu is held, but not meanwhile.
func (l *Leader) settle() int16 {
	if !l.core.Unwritten() {
		return 0
	}
	if l.asked == nil {
		l.asked = &write{}
	}
	w := l.asked
	for !w.done && l.over == 0 {
		if l.writing {
			l.changed.Wait()
			continue
		}
		l.write()
	}
	if !w.done {
		return l.over
	}
	return w.code
}

// write carries out the next write, for all who wait for it. mu is held, but not
// meanwhile.
func (l *Leader) write() {
	w := l.asked
	l.asked = nil
	if !l.core.Unwritten() { // the write before had it all
		w.done = true
		l.changed.Broadcast()
		return
	}
	delta := l.core.BeginWrite()
	l.writing = true
	l.mu.Unlock()
	code := clientCode(l.ls.deps.Persister.Write(l.key, delta))
	limits := l.ls.deps.Limits(l.key.Group)
	l.mu.Lock()
	l.writing = false
	l.core.EndWrite(l.ls.e.Now(), limits, code == 0)
	w.done, w.code = true, code
	l.changed.Broadcast()
	switch {
	case l.over != 0:
	case ends(code):
		l.end(code)
	default:
		l.schedule()
		l.wake()
	}
}

// retire makes the leader be over once the coordinator knows all that it does. It
// blocks. What members hold is nobody's then.
func (l *Leader) retire() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over == 0 && l.core != nil {
		_ = l.settle() // if it fails, the next leader counts some deliveries less
	}
	for l.writing {
		l.changed.Wait() // or it would come after the next leader has read
	}
	l.end(kerr.NotLeaderForPartition.Code)
}
