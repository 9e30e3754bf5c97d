package group

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
)

// Log is how a coordinator reaches the partitions of __consumer_offsets that
// this broker leads.
type Log interface {
	// Append appends one batch to a partition that this broker leads in epoch
	// and blocks until it is committed (acks=all) or cannot be. It returns the
	// offset of the first record and a Kafka error code.
	Append(partition, epoch int32, records []byte) (baseOffset int64, errCode int16)

	// Load gives fn every batch that was in the partition when this broker
	// began to lead it in epoch, in order and once all of it is committed. It
	// fails if that cannot be had, or is over, with fn's error otherwise.
	Load(partition, epoch int32, fn func(batch []byte) error) error
}

// Coordinator coordinates the groups whose partitions of __consumer_offsets
// this broker leads.
//
// Lock order: Coordinator.mu before shard.mu; never two shards at once.
type Coordinator struct {
	env env.Env
	cfg Config
	log Log

	mu         env.Mutex
	shards     map[int32]*shard
	partitions int32 // of __consumer_offsets, 0 until known
	stopped    bool
}

// shard is the groups of one partition while this broker leads it in one epoch.
type shard struct {
	c         *Coordinator
	partition int32
	epoch     int32

	mu      env.Mutex
	loading bool
	gone    bool // no longer the coordinator
	groups  map[string]*Group
	waiters map[Ref]*waiter
	lastRef Ref
	ids     *env.Rand // for member IDs
	timer   env.Timer
	timerAt time.Duration
}

// waiter is a request waiting for its output.
type waiter struct {
	done   env.Signal
	answer Output // nil if the shard went away
}

// NewCoordinator returns a coordinator of no partition yet.
func NewCoordinator(e env.Env, cfg Config, log Log) *Coordinator {
	return &Coordinator{env: e, cfg: cfg, log: log, mu: e.NewMutex(), shards: make(map[int32]*shard)}
}

// SetPartitions says how many partitions __consumer_offsets has, which decides
// where a group belongs. Until it is called, with 1 or more, every request is
// answered COORDINATOR_NOT_AVAILABLE.
func (c *Coordinator) SetPartitions(n int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.partitions = n
}

// Lead begins to coordinate the groups of a partition: this broker became its
// leader in epoch. The groups are read from the log in a task of their own.
func (c *Coordinator) Lead(partition, epoch int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return
	}
	if old := c.shards[partition]; old != nil {
		if old.epoch >= epoch {
			return
		}
		old.unload()
	}
	s := &shard{
		c: c, partition: partition, epoch: epoch, mu: c.env.NewMutex(),
		loading: true, waiters: make(map[Ref]*waiter),
		ids: c.env.Rand("group member", fmt.Sprintf("partition %d epoch %d", partition, epoch)),
	}
	c.shards[partition] = s
	c.env.Go(fmt.Sprintf("group: load partition %d epoch %d", partition, epoch), s.load)
}

// Resign ceases to coordinate the groups of a partition: this broker no longer
// leads it in epoch. Requests that wait are answered NOT_COORDINATOR.
func (c *Coordinator) Resign(partition, epoch int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.shards[partition]; s != nil && s.epoch <= epoch {
		delete(c.shards, partition)
		s.unload()
	}
}

// Stop ceases to coordinate anything.
func (c *Coordinator) Stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
	for _, p := range env.SortedKeys(c.shards) {
		c.shards[p].unload()
	}
	c.shards = make(map[int32]*shard)
}

// find is the shard that keeps a group.
func (c *Coordinator) find(group string) (*shard, int16) {
	if group == "" {
		return nil, kerr.InvalidGroupID.Code
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.partitions < 1 || c.stopped {
		return nil, kerr.CoordinatorNotAvailable.Code
	}
	s := c.shards[PartitionFor(group, c.partitions)]
	if s == nil {
		return nil, kerr.NotCoordinator.Code
	}
	return s, 0
}

// all lists the shards by partition.
func (c *Coordinator) all() []*shard {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []*shard
	for _, p := range env.SortedKeys(c.shards) {
		list = append(list, c.shards[p])
	}
	return list
}

// usable is the error code of a shard that cannot answer. mu is held.
func (s *shard) usable() int16 {
	switch {
	case s.gone:
		return kerr.NotCoordinator.Code
	case s.loading:
		return kerr.CoordinatorLoadInProgress.Code
	}
	return 0
}

const (
	loadRetry = 200 * time.Millisecond

	// maxSkippedTold bounds the events of one load about records it cannot read.
	maxSkippedTold = 10
)

// load reads the groups from the log, trying until it succeeds or this broker
// is no longer the coordinator.
func (s *shard) load() {
	e := s.c.env
	for {
		skipped := 0
		r := &replay{cfg: &s.c.cfg, now: e.Now(), groups: make(map[string]*Group), skipped: func(offset int64, err error) {
			if skipped++; skipped <= maxSkippedTold {
				e.Event("group-record-skipped", env.Int("partition", s.partition), env.Int("offset", offset), env.Text("error", err.Error()))
			}
		}}
		err := s.c.log.Load(s.partition, s.epoch, func(batch []byte) error { r.batch(storage.Batch(batch)); return nil })
		s.mu.Lock()
		if s.gone || err == nil {
			s.loaded(r.groups, skipped)
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		e.Event("group-load-failed", env.Int("partition", s.partition), env.Int("epoch", s.epoch), env.Text("error", err.Error()))
		e.Sleep(loadRetry)
	}
}

// loaded opens the shard for requests. mu is held.
func (s *shard) loaded(groups map[string]*Group, skipped int) {
	if s.gone {
		return
	}
	s.loading = false
	s.groups = groups
	now := s.c.env.Now()
	for _, id := range env.SortedKeys(groups) {
		g := groups[id]
		if len(g.Offsets) == 0 && len(g.Members) == 0 && g.Generation == 0 {
			delete(groups, id)
			continue
		}
		if g.State == Empty && g.emptySince == 0 {
			g.emptySince = max(s.c.env.Wall().UnixMilli(), 1)
		}
		for _, m := range g.Members { //weir:ordered each for itself
			m.expires = now + m.SessionTimeout // loading took its time
		}
	}
	s.c.env.Event("group-loaded", env.Int("partition", s.partition), env.Int("epoch", s.epoch), env.Int("groups", len(groups)), env.Int("skipped", skipped))
	s.arm()
}

// unload lets every waiter go with NOT_COORDINATOR.
func (s *shard) unload() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = true
	if s.timer != nil {
		s.timer.Stop()
	}
	for _, ref := range env.SortedKeys(s.waiters) {
		s.waiters[ref].done.Set()
	}
	s.waiters = make(map[Ref]*waiter)
}

// group returns a group, making an empty one if there is none. mu is held.
func (s *shard) group(id string) *Group {
	g := s.groups[id]
	if g == nil {
		g = New(id, &s.c.cfg)
		g.emptySince = max(s.c.env.Wall().UnixMilli(), 1)
		s.groups[id] = g
	}
	return g
}

// newWaiter registers a request that will wait. mu is held.
func (s *shard) newWaiter() (Ref, *waiter) {
	s.lastRef++
	w := &waiter{done: s.c.env.NewSignal()}
	s.waiters[s.lastRef] = w
	return s.lastRef, w
}

// ask gives a group an input made for a new Ref and waits for the answer. It
// returns nil and an error code if there is none.
//
// The input is made with mu held.
func (s *shard) ask(groupID string, create bool, input func(ref Ref) Input) (Output, int16) {
	s.mu.Lock()
	if code := s.usable(); code != 0 {
		s.mu.Unlock()
		return nil, code
	}
	if !create && s.groups[groupID] == nil {
		s.mu.Unlock()
		return nil, kerr.UnknownMemberID.Code
	}
	g := s.group(groupID)
	if g.locked {
		s.mu.Unlock()
		return nil, kerr.CoordinatorLoadInProgress.Code
	}
	ref, w := s.newWaiter()
	s.step(g, input(ref))
	s.mu.Unlock()
	w.done.Wait(env.Forever)
	if w.answer == nil {
		return nil, kerr.NotCoordinator.Code
	}
	return w.answer, 0
}

// step gives a group an input and carries out what it wants. mu is held.
func (s *shard) step(g *Group, in Input) {
	for _, out := range g.Step(s.c.env.Now(), in) {
		switch out := out.(type) {
		case Joined:
			s.answer(out.Ref, out)
		case Synced:
			s.answer(out.Ref, out)
		case Done:
			s.answer(out.Ref, out)
		case Store:
			s.store(g, out.Generation)
		}
	}
	s.arm()
}

func (s *shard) answer(ref Ref, out Output) {
	if w := s.waiters[ref]; w != nil {
		delete(s.waiters, ref)
		w.answer = out
		w.done.Set()
	}
}

// store writes the group as it is now to the log, and tells it when that is
// done. mu is held.
func (s *shard) store(g *Group, generation int32) {
	batch := storage.BuildBatch(nil, storage.NoProducer(), []storage.Record{g.groupRecord(s.c.env.Wall().UnixMilli())})
	s.c.env.Event("group-generation", env.Text("group", g.ID), env.Int("generation", generation),
		env.Text("state", g.State.String()), env.Int("members", len(g.Members)))
	s.c.env.Go("group: store "+g.ID, func() {
		_, code := s.c.log.Append(s.partition, s.epoch, batch)
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.gone && s.groups[g.ID] == g {
			s.step(g, Stored{Generation: generation, Code: coordinatorCode(code)})
		}
	})
}

// arm sees to it that the groups get their next Tick. mu is held.
func (s *shard) arm() {
	next, any := time.Duration(0), false
	for _, g := range s.groups { //weir:ordered a minimum
		if at, ok := g.NextDeadline(); ok && (!any || at < next) {
			next, any = at, true
		}
	}
	if s.expiryDue() && !any {
		next, any = s.c.env.Now()+expiryInterval, true
	}
	if !any || s.gone {
		return
	}
	if s.timer != nil {
		if s.timerAt <= next {
			return
		}
		s.timer.Stop()
	}
	s.timerAt = next
	s.timer = s.c.env.AfterFunc(max(next-s.c.env.Now(), time.Millisecond), "group: timer", s.tick)
}

// tick lets time pass in every group that waits for it.
func (s *shard) tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timer = nil
	if s.usable() != 0 {
		return
	}
	now, wall := s.c.env.Now(), s.c.env.Wall().UnixMilli()
	for _, id := range env.SortedKeys(s.groups) {
		g := s.groups[id]
		if at, ok := g.NextDeadline(); ok && at <= now {
			s.step(g, Tick{WallMillis: wall})
		}
		if g.State == Empty && g.emptySince == 0 {
			g.emptySince = max(wall, 1)
		}
	}
	s.expire(wall)
	s.arm()
}

// coordinatorCode is what a client is told of an append that failed.
func coordinatorCode(code int16) int16 {
	switch code {
	case 0:
		return 0
	case kerr.NotLeaderForPartition.Code, kerr.FencedLeaderEpoch.Code, kerr.KafkaStorageError.Code:
		return kerr.NotCoordinator.Code
	case kerr.MessageTooLarge.Code, kerr.RecordListTooLarge.Code:
		return kerr.InvalidCommitOffsetSize.Code
	case kerr.RequestTimedOut.Code:
		return kerr.RequestTimedOut.Code
	}
	return kerr.CoordinatorNotAvailable.Code
}
