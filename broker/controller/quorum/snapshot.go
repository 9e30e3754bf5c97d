package quorum

import (
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
)

// This file is the log's beginning (KIP-630). A node that has written a snapshot
// needs the records before it no more. It keeps those after the snapshot before
// the newest one, so that who is a little behind is served from the log; who is
// behind the beginning is told to fetch the newest snapshot first.

// SnapshotID names a snapshot by what it stands for: all records below End, the
// last of which is of Epoch. The zero value is the beginning of everything.
type SnapshotID struct {
	End   int64
	Epoch int32
}

// Stored is what a node's disk holds of the log.
type Stored struct {
	Snapshot SnapshotID // the newest one
	Base     SnapshotID // the one at whose end the log begins
	End      int64      // offset of the next record
	Epochs   []EpochStart
}

// Recover tells what a disk holds after a stop of any kind, from its snapshots
// and its log [logStart, logEnd). If reset is set, the log must be emptied and
// begin at the newest snapshot's end: an installation was interrupted after the
// snapshot was durable.
func Recover(snapshots []SnapshotID, logStart, logEnd int64, epochs []EpochStart) (s Stored, reset bool, err error) {
	s = Stored{End: logEnd, Epochs: epochs}
	for _, id := range snapshots {
		if id.End > s.Snapshot.End {
			s.Snapshot = id
		}
	}
	if s.Snapshot.End > logEnd || s.Snapshot.End > logStart && epochAt(epochs, s.Snapshot.End-1) != s.Snapshot.Epoch {
		return Stored{Snapshot: s.Snapshot, Base: s.Snapshot, End: s.Snapshot.End}, true, nil
	}
	if logStart > 0 {
		at := slices.IndexFunc(snapshots, func(id SnapshotID) bool { return id.End == logStart })
		if at < 0 {
			return s, false, fmt.Errorf("quorum: the log begins at offset %d and no snapshot ends there", logStart)
		}
		s.Base = snapshots[at]
	}
	return s, false, nil
}

// epochAt is the epoch of the record at an offset, -1 if none is known.
func epochAt(starts []EpochStart, offset int64) int32 {
	epoch := int32(-1)
	for _, s := range starts {
		if s.StartOffset <= offset {
			epoch = s.Epoch
		}
	}
	return epoch
}

// based is the epochs of a log that begins at base, whose first entry speaks of
// the record before the beginning.
func (e epochs) based(base SnapshotID) epochs {
	if base.End == 0 {
		return e
	}
	out := epochs{{base.Epoch, base.End - 1}}
	for _, s := range e {
		out.note(s.Epoch, max(s.StartOffset, base.End))
	}
	return out
}

// download is a snapshot that a follower fetches.
type download struct {
	id       SnapshotID
	position int64 // of the next byte
}

// onSnapshotted takes a durable snapshot of this node's own into account.
func (c *Core) onSnapshotted(id SnapshotID) {
	if id.End <= c.snapshot.End || id.End > c.hw {
		return
	}
	before := c.snapshot
	c.snapshot = id
	if before.End > c.base.End {
		c.base = before
		c.epochs = c.epochs.based(before)
		c.emit(DropBefore{before})
	}
}

// beforeBeginning reports whether a fetch is for records that this leader has
// only in a snapshot: the offset is before the log, or speaks of another log
// that parts with this one before its beginning.
func (c *Core) beforeBeginning(m Message) bool {
	return m.Offset < c.base.End || c.base.End > 0 && m.LastEpoch < c.base.Epoch
}

// onFetchSnapshot serves part of a snapshot. It proves that the node lives, and
// nothing else.
func (c *Core) onFetchSnapshot(token uint64, m Message) {
	if !c.followed(token, m) {
		return
	}
	if m.Snapshot.End == 0 || m.Snapshot != c.snapshot && m.Snapshot != c.base {
		c.reply(token, m, Message{Err: kerr.SnapshotNotFound.Code})
		return
	}
	c.reply(token, m, Message{})
}

// beginDownload makes the follower fetch a snapshot before it goes on.
func (c *Core) beginDownload(id SnapshotID) {
	if id.End <= c.hw || id.Epoch > c.hard.Epoch {
		return // it would take back what is committed; asked again after the backoff
	}
	c.download = &download{id: id}
	c.fetchAt = c.now
}

func (c *Core) onFetchSnapshotResponse(m Message) {
	if !c.takeAnswer(m) {
		return
	}
	if m.Err != 0 {
		c.download = nil // the leader has another one meanwhile, or is none
		c.refusedFetch(m)
		return
	}
	d := c.download
	if !c.fromLeader(m) || c.role == Resigned || d == nil || m.Snapshot != d.id || m.Position != d.position {
		return
	}
	if m.Size <= 0 || int64(len(m.Data)) > m.Size-d.position || len(m.Data) == 0 {
		c.download = nil
		return
	}
	c.hear()
	c.emit(StoreSnapshot{ID: d.id, Position: d.position, Data: m.Data})
	d.position += int64(len(m.Data))
	c.download, c.fetchAt = d, c.now
	if d.position == m.Size {
		c.download, c.installing, c.fetchAt = nil, d.id, never
		c.emit(InstallSnapshot{d.id})
	}
}

// onInstalled goes on from a snapshot that stands for the log from now on, or
// that turned out to be damaged.
func (c *Core) onInstalled(in Installed) {
	if c.installing.End == 0 || c.installing != in.ID {
		return
	}
	c.installing = SnapshotID{}
	c.fetchAt = c.now + c.cfg.RetryBackoff
	if !in.OK {
		return
	}
	c.base, c.snapshot = in.ID, in.ID
	c.end, c.flushed, c.hw = in.ID.End, in.ID.End, in.ID.End
	c.epochs = epochs(nil).based(in.ID)
	c.fetchAt = c.now
}
