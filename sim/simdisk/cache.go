package simdisk

import "time"

// readAheadChunks is how far a read from the device goes beyond what was
// asked for: 128 KiB in all, as Linux does.
const readAheadChunks = 1

// cache decides which chunks are in memory: a clock with a second chance.
type cache struct {
	limit int64
	bytes int64 // memory of resident chunks
	ring  []cached
	head  int
}

type cached struct {
	f  *inode
	ci int64
}

// enter puts a chunk into memory.
func (c *cache) enter(f *inode, ci int64) {
	ch := &f.chunks[ci]
	ch.resident = true
	c.bytes += int64(cap(ch.data))
	c.push(cached{f, ci})
	c.evict()
}

func (c *cache) push(e cached) {
	if c.head > 1024 && c.head > len(c.ring)/2 {
		c.ring = append(c.ring[:0], c.ring[c.head:]...)
		c.head = 0
	}
	c.ring = append(c.ring, e)
}

// leave takes a chunk out of memory. Its place in the ring is skipped later.
func (c *cache) leave(ch *chunk) {
	if ch.resident {
		c.bytes -= int64(cap(ch.data))
		ch.resident = false
	}
}

// evict drops chunks until the cache fits into memory, or none can go.
func (c *cache) evict() {
	if c.bytes <= c.limit {
		return
	}
	for tries := 2 * (len(c.ring) - c.head); tries > 0 && c.bytes > c.limit; tries-- {
		e := c.ring[c.head]
		c.ring[c.head] = cached{}
		c.head++
		if e.ci >= int64(len(e.f.chunks)) || !e.f.chunks[e.ci].resident {
			continue
		}
		ch := &e.f.chunks[e.ci]
		if ch.touched || e.f.inMemoryOnly(e.ci) {
			ch.touched = false
			c.push(e)
			continue
		}
		c.leave(ch)
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

// load blocks until the chunks of [from, to) are in memory. Chunks that
// another task is reading already are waited for, not read again.
func (d *Disk) load(f *inode, from, to int64) {
	first, last := from/chunkBytes, (to-1)/chunkBytes
	var until time.Duration
	missing := false
	for ci := first; ci <= last && ci < int64(len(f.chunks)); ci++ {
		c := &f.chunks[ci]
		c.touched = true
		if !c.resident && len(c.data) > 0 {
			missing = true
		}
		until = max(until, c.loaded)
	}
	if !missing {
		d.stats.CacheHitBytes += to - from
		d.waitFor("disk read", until)
		return
	}
	d.stats.CacheMissBytes += to - from
	last = min(last+readAheadChunks, int64(len(f.chunks))-1)
	for ci := first; ci <= last; ci++ {
		run := ci
		var bytes int64
		for ; run <= last && !f.chunks[run].resident && len(f.chunks[run].data) > 0; run++ {
			bytes += pages(int64(len(f.chunks[run].data)))
		}
		if run == ci {
			continue
		}
		done := d.dev.submit(reading, d.k.Now(), d.ios(bytes), bytes)
		until = max(until, done)
		for ; ci < run; ci++ {
			f.chunks[ci].loaded = done
			d.cache.enter(f, ci)
		}
	}
	d.waitFor("disk read", until)
}

// pages rounds up to whole pages.
func pages(bytes int64) int64 { return (bytes + pageBytes - 1) / pageBytes * pageBytes }

// ios is how many I/Os a transfer of contiguous bytes counts as.
func (d *Disk) ios(bytes int64) int64 {
	return max(1, (bytes+d.p.IOBytes-1)/d.p.IOBytes)
}
