package replication

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/planted"
)

// fetchVersion is the version of Fetch between brokers: it names topics by id
// (KIP-516) and the replica with its broker epoch (KIP-903).
const fetchVersion = 16

// fetcher copies from one broker partitions that it leads and that have a
// replica here, all of them or its share (num.replica.fetchers): one task, one
// connection, one request at a time.
type fetcher struct {
	m      *Manager
	source int32
	task   env.Task

	mu      env.Mutex
	change  env.Cond                    // targets or stopped
	targets []*fetchTarget              // those that were given records latest come last
	of      map[*partition]*fetchTarget // the same
	peer    Peer
	dialing *connecting
	stopped bool

	// Of the task alone.
	due      []*fetchTarget
	leftOut  bool // others are due as well; so it is in the laboratory alone (replication/ask-fewer)
	req      kmsg.FetchRequest
	failures int
	resumeAt time.Duration // no request before, after failures
}

// fetchTarget is one partition to fetch. A target is replaced, not changed,
// when its partition enters another epoch.
type fetchTarget struct {
	p     *partition
	epoch int32

	// Of the fetcher's task alone.
	retryAt time.Duration
	served  bool    // the latest answer brought records
	asked   LogEnds // what the request in flight asked for
	claim   int64   // and up to where the log was clean then
	claimed int64   // what the leader knows of that, -1 if that is not sure
	mark    int64   // the leader's high watermark as it said last, -1 before

	throttled bool // what the request in flight brings counts for the rate of throttled partitions

	// unfinished is an answer whose records are in the log and not yet synced.
	unfinished *FetchAnswer
}

func newFetcher(m *Manager, source int32) *fetcher {
	mu := m.e.NewMutex()
	f := &fetcher{m: m, source: source, mu: mu, change: m.e.NewCond(mu), of: map[*partition]*fetchTarget{}}
	f.task = m.e.Go("replica-fetcher", f.run)
	return f
}

// add starts fetching a partition in an epoch.
func (f *fetcher) add(p *partition, epoch int32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.drop(p)
	t := &fetchTarget{p: p, epoch: epoch, claimed: -1, mark: -1}
	f.of[p] = t
	f.targets = append(f.targets, t)
	f.change.Broadcast()
}

// remove stops fetching a partition. An answer that is under way finds the
// partition in another state and is ignored.
func (f *fetcher) remove(p *partition) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.drop(p)
}

// drop forgets a partition's target. mu is held.
func (f *fetcher) drop(p *partition) {
	if t := f.of[p]; t != nil {
		delete(f.of, p)
		at := slices.Index(f.targets, t)
		f.targets = slices.Delete(f.targets, at, at+1)
	}
}

// takeTurns moves the targets that the latest answer brought records for behind
// the others. The leader fills an answer in the order of the request, so a
// partition that got nothing, since others had so much, is asked for before them
// next time.
func (f *fetcher) takeTurns() {
	f.mu.Lock()
	defer f.mu.Unlock()
	var served []*fetchTarget
	f.targets = slices.DeleteFunc(f.targets, func(t *fetchTarget) bool {
		if t.served {
			t.served = false
			served = append(served, t)
			return true
		}
		return false
	})
	f.targets = append(f.targets, served...)
}

// reconnect ends the request in flight, if any.
func (f *fetcher) reconnect() {
	f.mu.Lock()
	peer := f.peer
	f.peer = nil
	f.mu.Unlock()
	if peer != nil {
		peer.Close()
	}
}

func (f *fetcher) stop() {
	f.mu.Lock()
	f.stopped = true
	f.change.Broadcast()
	if f.dialing != nil {
		f.dialing.over.Set()
	}
	f.mu.Unlock()
	f.reconnect()
}

func (f *fetcher) run() {
	for f.next() {
		if !f.ask() {
			continue
		}
		f.m.e.Work("peer.partition", int64(len(f.due)))
		resp, err := f.exchange()
		if err != nil {
			f.pauseAll()
			continue
		}
		f.failures = 0
		// The answer may have been under way for longer: the log and the role may
		// be others by now.
		if d := f.m.lab.Late("replication/answer-late", 200*time.Millisecond); d > 0 {
			f.m.stopping.Wait(d)
		}
		f.take(resp)
	}
}

// next waits until some partition is due and lists those that are.
func (f *fetcher) next() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for !f.stopped {
		now := f.m.e.Now()
		earliest := env.Forever
		f.due = f.due[:0]
		for _, t := range f.targets {
			switch wait := max(t.retryAt, f.resumeAt) - now; {
			case wait <= 0:
				f.due = append(f.due, t)
			case earliest == env.Forever || wait < earliest:
				earliest = wait
			}
		}
		switch {
		case len(f.due) > 0:
			n := f.m.lab.Fewer("replication/ask-fewer", int64(len(f.due)))
			f.leftOut = n < int64(len(f.due))
			f.due = f.due[:n]
			return true
		case earliest == env.Forever:
			f.change.Wait()
		default:
			f.change.WaitTimeout(earliest)
		}
	}
	return false
}

// ask builds the request, from where each log ends now. It reports false if
// nothing is left to ask.
func (f *fetcher) ask() bool {
	cfg := &f.m.cfg
	topics := f.req.Topics[:0]
	f.req = kmsg.NewFetchRequest()
	f.req.Version = fetchVersion
	f.req.ReplicaState.ID, f.req.ReplicaState.Epoch = cfg.BrokerID, f.m.deps.BrokerEpoch()
	f.req.MaxWaitMillis = int32(cfg.ReplicaFetchWaitMax.Milliseconds())
	f.req.MinBytes, f.req.MaxBytes = 1, cfg.ReplicaFetchAnswerBytes
	if f.leftOut {
		f.req.MaxWaitMillis = 0 // the others are not to wait for more in these
	}
	asked := f.due[:0]
	for _, t := range f.due {
		p := t.p
		p.mu.Lock()
		s := p.state
		current := !p.gone && !p.failed() && s.Role() == RoleFollower && s.Leader() == f.source && s.LeaderEpoch() == t.epoch
		t.asked, t.claim = s.Log(), -1
		if p.cleaned.compacts {
			t.claim = p.ownClaim()
		}
		t.throttled = p.throttled.follower
		inSync := slices.Contains(s.ISR(), f.m.cfg.BrokerID) || t.mark >= 0 && t.asked.End >= t.mark
		p.mu.Unlock()
		if !current {
			// Metadata will replace or remove the target, unless its log failed.
			t.retryAt = f.m.e.Now() + time.Second
			continue
		}
		// Kafka's shouldFollowerThrottle.
		if t.throttled && !inSync && f.m.taking.exceeded() {
			t.retryAt = f.m.e.Now() + cfg.ReplicaFetchBackoff
			continue
		}
		asked = append(asked, t)
		if n := len(topics); n == 0 || topics[n-1].TopicID != p.topicID {
			if n < cap(topics) {
				topics = topics[:n+1]
			} else {
				topics = append(topics, kmsg.FetchRequestTopic{})
			}
			topics[n].Topic, topics[n].TopicID, topics[n].Partitions = p.tp.Topic, p.topicID, topics[n].Partitions[:0]
		}
		part := kmsg.NewFetchRequestTopicPartition()
		part.Partition = p.tp.Partition
		part.CurrentLeaderEpoch, part.FetchOffset = t.epoch, t.asked.End
		part.LastFetchedEpoch, part.LogStartOffset = t.asked.Epoch, t.asked.Start
		if part.LastFetchedEpoch >= 0 && planted.Is("fetch-without-validation") {
			part.LastFetchedEpoch = -1
		}
		if t.claim != t.claimed {
			SetClaimTag(&part.UnknownTags, t.claim)
		}
		t.claimed = -1 // until it is answered
		// The first batch comes however large it is.
		part.PartitionMaxBytes = int32(f.m.lab.Fewer("replication/ask-less", int64(cfg.ReplicaFetchMaxBytes)))
		last := &topics[len(topics)-1]
		last.Partitions = append(last.Partitions, part)
	}
	f.due, f.req.Topics = asked, topics
	return len(asked) > 0
}

// connecting is a connection that is being opened. stop does not wait for it;
// one that comes too late is closed by the task that opened it.
type connecting struct {
	over env.Signal // opened, failed, or not wanted any more
	peer Peer
	err  error
}

// connect opens a connection to the source.
func (f *fetcher) connect() (Peer, error) {
	c := &connecting{over: f.m.e.NewSignal(), err: kerr.BrokerNotAvailable}
	f.mu.Lock()
	if f.stopped {
		f.mu.Unlock()
		return nil, c.err
	}
	f.dialing = c
	f.mu.Unlock()
	f.m.e.Go("replica-connect", func() {
		peer, err := f.m.deps.Connect(f.source)
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.stopped {
			if err == nil {
				peer.Close()
			}
			return
		}
		c.peer, c.err = peer, err
		f.peer = peer
		c.over.Set()
	})
	c.over.Wait(env.Forever)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dialing = nil
	if f.stopped {
		return nil, kerr.BrokerNotAvailable
	}
	return c.peer, c.err
}

// exchange sends the request and waits for its answer.
func (f *fetcher) exchange() (*kmsg.FetchResponse, error) {
	if f.m.lab.Seldom("replication/reconnect") {
		f.reconnect() // a connection may end at any time
	}
	f.mu.Lock()
	peer := f.peer
	f.mu.Unlock()
	if peer == nil {
		var err error
		if peer, err = f.connect(); err != nil {
			return nil, err
		}
	}
	resp, err := peer.Request(&f.req, f.m.cfg.ReplicaSocketTimeout)
	if err == nil {
		answer, ok := resp.(*kmsg.FetchResponse)
		if ok && answer.ErrorCode == 0 {
			return answer, nil
		}
		err = kerr.UnknownServerError
		if ok {
			err = kerr.ErrorForCode(answer.ErrorCode)
		}
	}
	f.mu.Lock()
	if f.peer == peer {
		f.peer = nil
	}
	f.mu.Unlock()
	peer.Close()
	return nil, err
}

// pauseAll lets all partitions wait after a failed request, those that it did
// not ask for too, longer each time up to a second.
func (f *fetcher) pauseAll() {
	f.failures = min(f.failures+1, 10)
	pause := min(f.m.cfg.ReplicaFetchBackoff<<(f.failures-1), max(time.Second, f.m.cfg.ReplicaFetchBackoff))
	f.resumeAt = f.m.e.Now() + pause
}

// take hands each partition its part of the answer. Answers come in the order
// of the request; what does not fit is passed over and asked for again.
func (f *fetcher) take(resp *kmsg.FetchResponse) {
	at, served := 0, false
	for i := range resp.Topics {
		t := &resp.Topics[i]
		for j := range t.Partitions {
			part := &t.Partitions[j]
			n := at
			for n < len(f.due) && (f.due[n].p.topicID != t.TopicID || f.due[n].p.tp.Partition != part.Partition) {
				n++
			}
			if n == len(f.due) {
				continue
			}
			at = n + 1
			// As if the answer had not had it: it is asked for again.
			if f.m.lab.Rare("replication/answer-lost") {
				continue
			}
			if f.due[n].throttled {
				f.m.taking.record(int64(len(part.RecordBatches)))
			}
			if part.ErrorCode == 0 {
				f.due[n].mark = part.HighWatermark
			}
			f.due[n].served = len(part.RecordBatches) > 0
			served = served || f.due[n].served
			if !f.due[n].take(part) {
				f.due[n].retryAt = f.m.e.Now() + f.m.cfg.ReplicaFetchBackoff
			}
		}
	}
	for _, t := range f.due {
		if t.unfinished != nil && !t.finish() {
			t.retryAt = f.m.e.Now() + f.m.cfg.ReplicaFetchBackoff
		}
	}
	if served && !planted.Is("take-no-turns") {
		f.takeTurns()
	}
	if at == 0 {
		f.pauseAll() // an answer about nothing must not be asked for in a tight loop
	}
}
