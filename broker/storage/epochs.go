package storage

import "slices"

// EpochStart is the first offset of one leader epoch.
type EpochStart struct {
	Epoch       int32
	StartOffset int64
}

// epochCache knows where each leader epoch starts, ascending in both fields.
//
// A slice taken from it stays valid: entries are only added behind what a
// reader can see, and removing entries makes a new slice.
type epochCache struct {
	entries []EpochStart
}

// latest is the largest epoch, -1 if there is none.
func (c *epochCache) latest() int32 {
	if n := len(c.entries); n > 0 {
		return c.entries[n-1].Epoch
	}
	return -1
}

// floorEpoch is the epoch that a batch at offset must not fall below: epochs
// starting at or behind it hold no record yet and may be replaced.
func (c *epochCache) floorEpoch(offset int64) int32 {
	for i := len(c.entries) - 1; i >= 0; i-- {
		if c.entries[i].StartOffset < offset {
			return c.entries[i].Epoch
		}
	}
	return -1
}

// note records that epoch holds the offset start, whose predecessor is the
// last one in the log.
func (c *epochCache) note(epoch int32, start int64) {
	if epoch == c.latest() {
		return
	}
	c.truncateEnd(start)
	if epoch > c.latest() {
		c.entries = append(c.entries, EpochStart{Epoch: epoch, StartOffset: start})
	}
}

// begins reports whether the latest epoch is the one given and starts at offset.
func (c *epochCache) begins(epoch int32, offset int64) bool {
	n := len(c.entries)
	return n > 0 && c.entries[n-1] == EpochStart{Epoch: epoch, StartOffset: offset}
}

// truncateEnd forgets the epochs that start at or behind off.
func (c *epochCache) truncateEnd(off int64) {
	n := len(c.entries)
	for n > 0 && c.entries[n-1].StartOffset >= off {
		n--
	}
	if n < len(c.entries) {
		c.entries = slices.Clone(c.entries[:n])
	}
}

// truncateStart forgets the epochs that end before off; the one that holds off
// then starts there.
func (c *epochCache) truncateStart(off int64) {
	first := 0
	for first+1 < len(c.entries) && c.entries[first+1].StartOffset <= off {
		first++
	}
	if len(c.entries) == 0 || first == 0 && c.entries[0].StartOffset >= off {
		return
	}
	c.entries = slices.Clone(c.entries[first:])
	c.entries[0].StartOffset = max(c.entries[0].StartOffset, off)
}

// end implements Log.EpochEnd.
func (c *epochCache) end(epoch int32, logEnd int64) (int32, int64) {
	if len(c.entries) == 0 || epoch < 0 {
		return -1, -1
	}
	if epoch < c.entries[0].Epoch {
		return epoch, c.entries[0].StartOffset
	}
	i := len(c.entries) - 1
	end := logEnd
	for c.entries[i].Epoch > epoch {
		end = c.entries[i].StartOffset
		i--
	}
	return c.entries[i].Epoch, end
}

// epochAt is the epoch of the record at offset, -1 if unknown.
func epochAt(entries []EpochStart, offset int64) int32 {
	for i := len(entries) - 1; i >= 0; i-- {
		if entries[i].StartOffset <= offset {
			return entries[i].Epoch
		}
	}
	return -1
}
