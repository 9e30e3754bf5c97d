package simdisk

import "time"

// evictTries is how many chunks are considered for each that comes. Dirty ones
// cannot go; if there are many of them the cache may grow a little beyond its
// limit before it finds what can.
const evictTries = 64

// cache decides which chunks are in memory. It approximates least recently
// used: a queue with a second chance for what was touched since it was last
// considered.
type cache struct {
	limit int64
	bytes int64 // memory of resident chunks
	ring  []cached
	head  int
}

type cached struct {
	f      *inode
	ci     int64
	losses int64 // of power; after one there is nothing in memory
}

// stale reports whether a place of the ring no longer stands for memory.
func (e *cached) stale() bool {
	return e.losses != e.f.d.losses || e.ci >= int64(len(e.f.chunks)) || !e.f.chunks[e.ci].resident
}

// enter puts a chunk into memory.
func (c *cache) enter(f *inode, ci int64) {
	ch := &f.chunks[ci]
	ch.resident = true
	c.charge(f.d, ch)
	c.push(cached{f, ci, f.d.losses})
	c.evict()
}

func (c *cache) push(e cached) {
	if c.head > 1024 && c.head > len(c.ring)/2 {
		c.ring = append(c.ring[:0], c.ring[c.head:]...)
		c.head = 0
	}
	c.ring = append(c.ring, e)
}

// charge brings up to date what a chunk in memory counts as.
func (c *cache) charge(d *Disk, ch *chunk) {
	if now := ch.memory(); ch.resident && now != ch.charged {
		c.bytes += int64(now - ch.charged)
		d.cachedBytes += int64(now - ch.charged)
		ch.charged = now
	}
}

// memory is what a chunk would occupy.
func (ch *chunk) memory() int32 {
	if ch.foreign || ch.packed != nil {
		return chunkBytes
	}
	return int32(cap(ch.data))
}

// leave takes a chunk out of memory. Its place in the ring is skipped later.
func (c *cache) leave(d *Disk, ch *chunk) {
	if ch.resident {
		c.bytes -= int64(ch.charged)
		d.cachedBytes -= int64(ch.charged)
		ch.resident, ch.charged = false, 0
	}
}

// leaveAll takes everything of a disk out of memory.
func (c *cache) leaveAll(d *Disk) {
	c.bytes -= d.cachedBytes
	d.cachedBytes = 0
}

// evict drops chunks until the cache fits into memory, or none can go.
func (c *cache) evict() {
	if c.bytes <= c.limit {
		return
	}
	for tries := min(evictTries, 2*(len(c.ring)-c.head)); tries > 0 && c.bytes > c.limit; tries-- {
		e := c.ring[c.head]
		c.ring[c.head] = cached{}
		c.head++
		if e.stale() {
			continue
		}
		ch := &e.f.chunks[e.ci]
		if ch.touched || e.f.inMemoryOnly(e.ci) {
			ch.touched = false
			c.push(e)
			continue
		}
		c.leave(e.f.d, ch)
	}
}

// inMemoryOnly reports whether the device does not have all of a chunk.
func (f *inode) inMemoryOnly(ci int64) bool {
	from, to := ci*chunkBytes, (ci+1)*chunkBytes
	if f.dirty.overlaps(from, to) || f.forgotten.overlaps(from, to) {
		return true
	}
	for _, w := range f.writes {
		if w.spans.overlaps(from, to) {
			return true
		}
	}
	return false
}

// readAhead is what is known of the sequential reader of a file, in chunks.
type readAhead struct {
	next  int64 // what it will ask for
	until int64 // before this everything was asked for ahead of it
}

// load blocks until the chunks of [from, to) are in memory. Chunks that
// another task is reading already are waited for, not read again. Who reads in
// sequence has the next chunks read ahead, so that they are there when it gets
// to them.
func (d *Disk) load(f *inode, from, to int64) {
	first, last := from/chunkBytes, (to-1)/chunkBytes
	window := d.p.ReadAheadBytes / chunkBytes
	sequential := window > 0 && (first == f.ahead.next || first == f.ahead.next-1 || first == 0)
	if !sequential {
		f.ahead.until = 0
	}
	f.ahead.next = last + 1

	var until time.Duration
	missing := false
	for ci := first; ci <= last && ci < int64(len(f.chunks)); ci++ {
		c := &f.chunks[ci]
		c.touched = true
		if !c.resident && c.size() > 0 {
			missing = true
		}
		until = max(until, c.loaded)
	}
	if missing {
		d.stats.CacheMissBytes += to - from
		end := last + 1
		if sequential {
			end = max(end, first+window)
			f.ahead.until = end
		}
		until = max(until, d.fetch(f, first, end))
	} else {
		d.stats.CacheHitBytes += to - from
	}
	if sequential && f.ahead.until > 0 && last >= f.ahead.until-window {
		// It has come to what was read ahead last: time for more, without
		// waiting for it.
		more := max(last+1, f.ahead.until)
		d.fetch(f, more, more+window)
		f.ahead.until = more + window
	}
	d.waitFor("disk read", until)
}

// fetch has the device read those of some chunks that are not in memory. It
// returns when the last of them is there.
func (d *Disk) fetch(f *inode, first, end int64) (done time.Duration) {
	end = min(end, int64(len(f.chunks)))
	for ci := first; ci < end; ci++ {
		run := ci
		var to int64
		for ; run < end && !f.chunks[run].resident && f.chunks[run].size() > 0; run++ {
			to = run*chunkBytes + int64(f.chunks[run].size())
		}
		if run == ci {
			continue
		}
		part := [1]span{{ci * chunkBytes, to}}
		loaded := d.dev.submit(reading, d.k.Now(), f.id, part[:], &d.stats)
		done = max(done, loaded)
		for ; ci < run; ci++ {
			f.chunks[ci].loaded = loaded
			d.mem.cache.enter(f, ci)
		}
	}
	return done
}

// pages rounds up to whole pages.
func pages(bytes int64) int64 { return (bytes + pageBytes - 1) / pageBytes * pageBytes }
