package env

import "time"

// Limiter says which of many like messages are worth telling: of each kind the
// first Burst in any Period. What is left out is counted. It is not safe for
// concurrent use.
type Limiter struct {
	Burst  int
	Period time.Duration

	kinds map[string]*limited
}

type limited struct {
	since      time.Duration
	told       int
	suppressed int64
}

// limiterKinds bounds how many kinds a Limiter tells apart; those beyond are
// one kind.
const limiterKinds = 1000

// Allow reports whether a message of this kind is to be told at now, and how
// many of its kind were not told since the last one that was.
func (l *Limiter) Allow(kind string, now time.Duration) (tell bool, suppressed int64) {
	k := l.kinds[kind]
	if k == nil && len(l.kinds) >= limiterKinds {
		kind = ""
		k = l.kinds[kind]
	}
	if k == nil {
		k = &limited{since: now}
		if l.kinds == nil {
			l.kinds = map[string]*limited{}
		}
		l.kinds[kind] = k
	}
	if now-k.since >= l.Period {
		k.since, k.told = now, 0
	}
	if k.told >= l.Burst {
		k.suppressed++
		return false, 0
	}
	k.told++
	suppressed, k.suppressed = k.suppressed, 0
	return true, suppressed
}

// Flush forgets the kinds whose period is over at now and calls left, in the
// order of their names, for those of which messages were not told. An endless
// now flushes all.
func (l *Limiter) Flush(now time.Duration, left func(kind string, suppressed int64)) {
	if len(l.kinds) == 0 {
		return
	}
	for _, kind := range SortedKeys(l.kinds) {
		if k := l.kinds[kind]; now-k.since >= l.Period {
			delete(l.kinds, kind)
			if k.suppressed > 0 {
				left(kind, k.suppressed)
			}
		}
	}
}

// Complaints tells events that strangers can cause at will, such as requests
// that do not decode: five of a name in ten seconds, and how many more there
// were. So what is told is bounded whatever strangers do.
type Complaints struct {
	e     Env
	mu    Mutex
	limit Limiter
}

// NewComplaints returns one that has told nothing yet.
func NewComplaints(e Env) *Complaints {
	return &Complaints{e: e, mu: e.NewMutex(), limit: Limiter{Burst: 5, Period: 10 * time.Second}}
}

// Event tells an event, or counts it. The name must be the program's, not a
// stranger's.
func (c *Complaints) Event(name string, attrs ...Attr) {
	c.mu.Lock()
	tell, suppressed := c.limit.Allow(name, c.e.Now())
	c.mu.Unlock()
	if !tell {
		return
	}
	if suppressed > 0 {
		attrs = append(attrs, Int("suppressed", suppressed))
	}
	c.e.Event(name, attrs...)
}

// Flush tells how many events were left out in periods that are over. Whoever
// complains calls it now and then.
func (c *Complaints) Flush() { c.flush(c.e.Now()) }

// Close tells what is left to tell.
func (c *Complaints) Close() { c.flush(1<<63 - 1) }

func (c *Complaints) flush(now time.Duration) {
	var names []string
	var counts []int64
	c.mu.Lock()
	c.limit.Flush(now, func(kind string, suppressed int64) {
		names, counts = append(names, kind), append(counts, suppressed)
	})
	c.mu.Unlock()
	for i, name := range names {
		c.e.Event(name, Text("error", "more of the same kind"), Int("suppressed", counts[i]))
	}
}
