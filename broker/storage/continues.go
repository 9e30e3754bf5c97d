package storage

import "fmt"

// continuation is what a batch must be to be the next one of a log, or of a part
// of it that is read. It is the one definition of "this batch continues that
// one": for the reader, for the scan after a crash, for what a follower copies,
// and for segments.
//
// The leader assigns offsets without gaps, so in a log as it was appended the
// next batch begins where the one before it ended. Compaction removes batches
// and changes no offset: in a log that may have gaps the next batch begins there
// or later. Offsets and leader epochs never go back. Neither is covered by a
// batch's checksum, since the leader fills them in, so this is all that tells a
// damaged one.
type continuation struct {
	next  int64 // offset after the records so far, -1 if not known
	last  int64 // offset that the batch must end with, by an index entry; -1 if there is none
	epoch int32 // leader epoch of the batch before, -1 if not known
	gaps  bool
}

// unknownPlace continues with any batch.
func unknownPlace(gaps bool) continuation {
	return continuation{next: -1, last: -1, epoch: -1, gaps: gaps}
}

// misfit says why b does not continue what came before, or "".
func (c *continuation) misfit(b Batch) string {
	switch base := b.BaseOffset(); {
	case c.next >= 0 && (base < c.next || base > c.next && !c.gaps):
		return fmt.Sprintf("the batch begins at offset %d, want %d%s", base, c.next, orLater(c.gaps))
	case c.last >= 0 && b.LastOffset() != c.last:
		return fmt.Sprintf("the batch ends at offset %d, want %d", b.LastOffset(), c.last)
	case b.LeaderEpoch() < c.epoch:
		return fmt.Sprintf("the batch at offset %d has leader epoch %d after epoch %d", base, b.LeaderEpoch(), c.epoch)
	}
	return ""
}

func orLater(gaps bool) string {
	if gaps {
		return " or later"
	}
	return ""
}

// take moves on behind b.
func (c *continuation) take(b Batch) {
	c.next, c.last, c.epoch = b.NextOffset(), -1, max(c.epoch, b.LeaderEpoch())
}

// joins reports whether a segment with this base may follow.
func (c *continuation) joins(base int64) bool { return base == c.next || c.gaps && base > c.next }
