package storage

import (
	"path"
	"strings"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/planted"
)

// This file holds what only planted bugs do; see package env/planted.

// leftUnsynced reports whether a planted bug leaves out the syncs of the class of
// files that name belongs to (B21).
func leftUnsynced(name string) bool {
	switch base := path.Base(name); {
	case base == "quorum-state":
		return planted.Is("quorum-state-unsynced")
	case base == "last-life":
		return planted.Is("last-life-unsynced")
	case base == stateName:
		return planted.Is("epoch-checkpoint-unsynced")
	case strings.HasSuffix(base, snapshotSuffix):
		return planted.Is("producer-snapshot-unsynced")
	}
	return false
}

// isMetadata reports whether the log is that of the metadata quorum.
func (l *Log) isMetadata() bool { return strings.HasPrefix(path.Base(l.Dir()), "__cluster_metadata") }

// unsyncedFS is a file system on which syncs do nothing.
type unsyncedFS struct{ env.FS }

// Create implements env.FS.
func (u unsyncedFS) Create(name string) (env.File, error) {
	f, err := u.FS.Create(name)
	return unsyncedFile{f}, err
}

// SyncDir implements env.FS.
func (unsyncedFS) SyncDir(string) error { return nil }

type unsyncedFile struct{ env.File }

// Sync implements env.File.
func (unsyncedFile) Sync() error { return nil }

// dropSegment moves a cut to the beginning of its segment.
func (o *opener) dropSegment(stop *scanStop) {
	at := o.segments[stop.segment]
	stop.pos, at.size, at.next, at.index = 0, 0, at.base, newSegmentIndex()
	o.epochs.truncateEnd(at.base)
}

// dropBefore forgets the producers whose last batch lies before off.
func (t *producerTable) dropBefore(off int64) {
	for _, id := range env.SortedKeys(t.byID) {
		if st := t.byID[id]; st.n > 0 && st.batches[st.n-1].last < off {
			delete(t.byID, id)
		}
	}
}

// expireByTimestamps forgets the producers whose last record is older.
func (t *producerTable) expireByTimestamps(beforeMillis int64) {
	for _, id := range env.SortedKeys(t.byID) {
		if t.byID[id].lastTimestamp < beforeMillis {
			delete(t.byID, id)
		}
	}
}
