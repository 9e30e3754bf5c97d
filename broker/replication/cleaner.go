package replication

import (
	"math"
	"path"
	"strings"
	"time"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
)

// CleanerConfig says how a broker compacts logs, at this moment.
type CleanerConfig struct {
	Threads        int           // log.cleaner.threads; 0 cleans nothing (log.cleaner.enable=false)
	BufferBytes    int64         // log.cleaner.dedupe.buffer.size, of all threads together
	LoadPercent    int           // log.cleaner.io.buffer.load.factor
	BytesPerSecond int64         // log.cleaner.io.max.bytes.per.second; 0 and math.MaxInt64 for no limit
	Backoff        time.Duration // log.cleaner.backoff.ms
	Coordinated    bool          // weir.log.cleaner.coordinated.removal.enable
}

// cleanerOffsetFile holds where each log is dirty from, in the format of the high
// watermark checkpoint: Kafka's cleaner-offset-checkpoint.
const cleanerOffsetFile = "cleaner-offset-checkpoint"

// cleaner compacts the logs of a broker whose policy says so, led here or not: as
// many tasks as log.cleaner.threads take the log each that is dirtiest. The first
// begins with the first such log.
type cleaner struct {
	m *Manager

	writing env.Mutex // held while the file is written

	mu      env.Mutex
	offsets map[replicaKey]int64 // below them the logs are clean
	names   map[replicaKey]string
	dirs    map[replicaKey]*logDir
	paid    time.Duration // the bytes so far are paid for at this time
	tasks   []env.Task    // that run or are over, by number
}

func newCleaner(m *Manager) *cleaner {
	c := &cleaner{m: m, writing: m.e.NewMutex(), mu: m.e.NewMutex(), offsets: map[replicaKey]int64{}, names: map[replicaKey]string{}, dirs: map[replicaKey]*logDir{}}
	for _, d := range m.dirs {
		if !d.offline() {
			c.read(d)
		}
	}
	return c
}

// read takes in what is noted in a directory.
func (c *cleaner) read(d *logDir) {
	name := path.Join(d.Path, cleanerOffsetFile)
	offsets, err := storage.ReadOffsetCheckpoint(c.m.e.FS(), name)
	if err != nil {
		// The logs are taken for dirty from the start.
		c.m.e.Event("checkpoint-unreadable", env.Text("file", name), env.Text("error", err.Error()))
	}
	for _, o := range offsets {
		dot := strings.LastIndexByte(o.Topic, '.')
		var id metadata.TopicID
		if dot < 0 || id.UnmarshalText([]byte(o.Topic[dot+1:])) != nil {
			continue
		}
		key := replicaKey{id, o.Partition}
		c.offsets[key], c.names[key], c.dirs[key] = o.Offset, o.Topic, d
	}
}

// cleanedReplica is what the cleaner knows of a replica. The partition's mu guards
// it.
type cleanedReplica struct {
	compacts    bool  // the policy is to
	dirtyFrom   int64 // below it the log is clean
	cuts        int   // how often the log was cut
	busy        bool  // it is being cleaned
	uncleanable error // why it is left alone, nil if it is not
	own         ownClaim
	claims      claims

	deleteRetention time.Duration // delete.retention.ms

	// removeBelow is the offset below which no replica needs a tombstone or
	// marker: what this replica found as a leader, or was told.
	removeBelow int64
}

// dirtyFrom is where a log was dirty from when that was noted last.
func (c *cleaner) dirtyFrom(key replicaKey, d *logDir, log *storage.Log) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if off := c.offsets[key]; c.dirs[key] == d && off <= log.EndOffset() {
		return off
	}
	return 0 // the log has lost what was durable, or is another one
}

// note writes down where a log is dirty from. Before a log is cut below there the
// lower offset is: what comes in the place of the records is not clean.
func (c *cleaner) note(p *partition, offset int64) {
	key := replicaKey{p.topicID, p.tp.Partition}
	c.mu.Lock()
	changed := c.offsets[key] != offset
	c.offsets[key], c.names[key], c.dirs[key] = offset, p.tp.Topic+"."+p.topicID.String(), p.dir()
	c.mu.Unlock()
	if changed {
		c.write(p.dir())
	}
}

// moved notes that a replica is in another directory now.
func (c *cleaner) moved(p *partition, from *logDir) {
	c.mu.Lock()
	_, noted := c.offsets[p.key()]
	if noted {
		c.dirs[p.key()] = p.dir()
	}
	c.mu.Unlock()
	if noted {
		c.write(p.dir())
		c.write(from)
	}
}

// forget drops a replica that is gone. The file keeps it until it is next written.
func (c *cleaner) forget(key replicaKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.offsets, key)
	delete(c.names, key)
	delete(c.dirs, key)
}

// write writes down what is noted of the logs in a directory.
func (c *cleaner) write(d *logDir) {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.mu.Lock()
	offsets := make([]storage.PartitionOffset, 0, len(c.offsets))
	for key, offset := range c.offsets { //weir:ordered the file is sorted
		if c.dirs[key] != d {
			continue
		}
		offsets = append(offsets, storage.PartitionOffset{Topic: c.names[key], Partition: key.partition, Offset: offset})
	}
	c.mu.Unlock()
	name := path.Join(d.Path, cleanerOffsetFile)
	if err := storage.WriteOffsetCheckpoint(c.m.e.FS(), name, offsets); err != nil {
		c.m.e.Event("checkpoint-unwritten", env.Text("file", name), env.Text("error", err.Error()))
	}
}

// begin starts the first task, once there is something to compact.
func (c *cleaner) begin() { c.start(0) }

// start starts the task of that number unless it runs.
func (c *cleaner) start(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m.stopping.IsSet() || n < len(c.tasks) && !c.tasks[n].Done() {
		return
	}
	task := c.m.e.Go("log-cleaner", func() { c.run(n) })
	if n < len(c.tasks) {
		c.tasks[n] = task
		return
	}
	c.tasks = append(c.tasks, task)
}

// stop waits for the tasks; the manager is stopping.
func (c *cleaner) stop() {
	c.mu.Lock()
	tasks := c.tasks
	c.mu.Unlock()
	for _, t := range tasks {
		t.Wait()
	}
}

// run is one task. The first starts the others and is always there; another ends
// if there are to be fewer.
func (c *cleaner) run(n int) {
	for !c.m.stopping.IsSet() {
		cfg := c.m.deps.Cleaner()
		if n > 0 && n >= cfg.Threads {
			return
		}
		if n == 0 {
			for other := 1; other < cfg.Threads; other++ {
				c.start(other)
			}
		}
		if p, what, now := c.filthiest(cfg); p != nil {
			c.clean(p, what, now, cfg)
			continue
		}
		if c.m.stopping.Wait(max(cfg.Backoff, time.Millisecond)) {
			return
		}
	}
}

// filthiest takes the log that is to be cleaned first, if one is.
func (c *cleaner) filthiest(cfg CleanerConfig) (best *partition, what storage.Cleanable, nowMillis int64) {
	nowMillis = c.m.e.Wall().UnixMilli()
	if cfg.Threads <= 0 {
		return nil, what, nowMillis
	}
	for _, p := range c.m.sorted() {
		if found, ok := p.cleanable(nowMillis); ok && (best == nil || found.DirtyPPM() > what.DirtyPPM()) {
			// Whoever is not taken now is there in the next round.
			if c.m.lab.Rare("replication/clean-later") {
				continue
			}
			best, what = p, found
		}
	}
	if best == nil {
		return nil, what, nowMillis
	}
	best.mu.Lock()
	defer best.mu.Unlock()
	if best.cleaned.busy || best.gone || best.move != nil {
		return nil, what, nowMillis
	}
	best.cleaned.busy = true
	return best, what, nowMillis
}

// cleanable tells what there is to clean, false if it is not to be cleaned now.
func (p *partition) cleanable(nowMillis int64) (storage.Cleanable, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone || p.move != nil || p.cleaned.busy || p.cleaned.uncleanable != nil || p.failed() || !p.cleaned.compacts {
		return storage.Cleanable{}, false
	}
	found := p.log.Cleanable(p.cleaned.dirtyFrom, p.log.LastStableOffset(p.state.HighWatermark()), nowMillis)
	return found, found.Due(nowMillis)
}

// clean cleans one log. What it cannot clean is told of and left alone until its
// settings change or the broker starts again, as in Kafka: the log only grows.
func (c *cleaner) clean(p *partition, what storage.Cleanable, nowMillis int64, cfg CleanerConfig) {
	p.mu.Lock()
	cuts, below := p.cleaned.cuts, p.removableBelow()
	p.mu.Unlock()
	if !cfg.Coordinated {
		below = math.MaxInt64
	}
	result, err := p.log.Clean(storage.CleanParams{
		FirstDirty: what.FirstDirty, UpTo: what.UpTo, NowWallMillis: nowMillis, RemoveBelow: below,
		BufferBytes: cfg.BufferBytes / int64(max(cfg.Threads, 1)), LoadPercent: cfg.LoadPercent,
		Spent: func(bytes int64) bool { return c.pay(bytes, cfg.BytesPerSecond) },
	})
	p.mu.Lock()
	p.cleaned.busy = false
	counts := err == nil && p.cleaned.cuts == cuts && !p.gone
	if err != nil && !storage.Interrupted(err) {
		p.check("clean", err)
		if !storage.NothingLost(err) {
			p.cleaned.uncleanable = err
			p.m.e.Event("log-uncleanable", env.Text("topic", p.tp.Topic), env.Int("partition", p.tp.Partition), env.Text("error", err.Error()))
		}
	}
	if counts {
		p.cleaned.dirtyFrom = result.NextDirty
		p.cleaned.own.cleaned(result.NextDirty, p.m.e.Now())
	}
	p.mu.Unlock()
	if counts {
		c.m.tellCleaned(result)
		c.note(p, result.NextDirty)
	}
	if err != nil {
		c.m.stopping.Wait(max(cfg.Backoff, time.Millisecond))
	}
}

// longestDebt is how far a cleaner may be ahead of its rate before it waits.
const longestDebt = 100 * time.Millisecond

// pay accounts for bytes read or written at the rate of all tasks together. It
// reports false if the cleaning is to end.
func (c *cleaner) pay(bytes, perSecond int64) bool {
	if perSecond > 0 && perSecond < math.MaxInt64 {
		c.mu.Lock()
		now := c.m.e.Now()
		price := time.Duration(bytes) * time.Second / time.Duration(perSecond) // at most 2^31 bytes at a time
		c.paid = max(c.paid, now) + price
		ahead := c.paid - now
		c.mu.Unlock()
		if ahead > longestDebt {
			return !c.m.stopping.Wait(ahead)
		}
	}
	return !c.m.stopping.IsSet()
}

// cutBelow says that the log is about to be cut, to end at offset at the latest.
// mu is held, and let go while that is written down.
func (p *partition) cutBelow(offset int64) {
	p.cleaned.cuts++
	p.cleaned.removeBelow = min(p.cleaned.removeBelow, offset)
	p.cleaned.own.cut(offset)
	if p.cleaned.dirtyFrom <= offset {
		return
	}
	p.cleaned.dirtyFrom = offset
	p.mu.Unlock()
	p.m.cleaner.note(p, offset)
	p.mu.Lock()
}
