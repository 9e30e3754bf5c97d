package quorum

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// snapshot writes a snapshot of what a node has committed.
func (w *world) snapshot(id int32) {
	n := w.nodes[id]
	if !n.up || n.applied == 0 || w.violation != "" {
		return
	}
	last := w.committed[n.applied-1]
	s := snap{id: SnapshotID{last.Next, last.Epoch}}
	if slices.ContainsFunc(n.snaps, func(have snap) bool { return have.id == s.id }) {
		return
	}
	s.data, _ = json.Marshal(w.committed[:n.applied])
	n.snaps = append(n.snaps, s)
	w.logf("n%d has a snapshot %d@%d", id, s.id.End, s.id.Epoch)
	w.step(id, Snapshotted{s.id})
}

// contentOf holds that a snapshot says what was committed, and gives the number
// of batches it stands for.
func (w *world) contentOf(n *node, id SnapshotID) int {
	if id.End == 0 {
		return 0
	}
	i := slices.IndexFunc(n.snaps, func(s snap) bool { return s.id == id })
	if i < 0 {
		w.fail("n%d has no snapshot %d@%d", n.id, id.End, id.Epoch)
		return 0
	}
	var batches []Batch
	if err := json.Unmarshal(n.snaps[i].data, &batches); err != nil || len(batches) == 0 || len(batches) > len(w.committed) {
		w.fail("n%d has a snapshot %d@%d of %d batches: %v", n.id, id.End, id.Epoch, len(batches), err)
		return 0
	}
	for i, b := range batches {
		c := w.committed[i]
		if c.Base != b.Base || c.Next != b.Next || c.Epoch != b.Epoch || !bytes.Equal(c.Data, b.Data) {
			w.fail("snapshot %d@%d of n%d has [%d,%d)@%d where [%d,%d)@%d was committed", id.End, id.Epoch, n.id, b.Base, b.Next, b.Epoch, c.Base, c.Next, c.Epoch)
			return 0
		}
	}
	if last := batches[len(batches)-1]; last.Next != id.End || last.Epoch != id.Epoch {
		w.fail("snapshot %d@%d of n%d ends at %d@%d", id.End, id.Epoch, n.id, last.Next, last.Epoch)
	}
	return len(batches)
}

// readSnapshot fills in an answer to FetchSnapshot, a few bytes at a time.
func (w *world) readSnapshot(n *node, m *Message) {
	i := slices.IndexFunc(n.snaps, func(s snap) bool { return s.id == m.Snapshot })
	if i < 0 {
		w.fail("n%d serves snapshot %d@%d, which it does not have", n.id, m.Snapshot.End, m.Snapshot.Epoch)
		return
	}
	data := n.snaps[i].data
	m.Size = int64(len(data))
	from := min(m.Position, m.Size)
	m.Data = data[from:min(from+1+m.Size/3, m.Size)]
}

// install carries out InstallSnapshot, during which the node may die.
func (w *world) install(n *node, id SnapshotID) {
	if w.damage {
		n.part[len(n.part)/2] ^= 1
	}
	var batches []Batch
	if json.Unmarshal(n.part, &batches) != nil || w.damage {
		n.part = nil
		w.logf("n%d finds snapshot %d@%d damaged", n.id, id.End, id.Epoch)
		w.step(n.id, Installed{ID: id})
		return
	}
	if id.End < n.hw {
		w.fail("n%d installs a snapshot of %d after it had committed %d", n.id, id.End, n.hw)
	}
	n.snaps = append(n.snaps, snap{id, n.part})
	n.part = nil
	if w.dieInstalling > 0 && w.rand.Intn(w.dieInstalling) == 0 {
		w.logf("n%d dies after snapshot %d@%d is durable", n.id, id.End, id.Epoch)
		n.up = false
		return
	}
	n.begin, n.batches, n.synced = id.End, nil, id.End
	if w.dieInstalling > 0 && w.rand.Intn(w.dieInstalling) == 0 {
		w.logf("n%d dies after its log begins at %d", n.id, id.End)
		n.up = false
		return
	}
	w.forgetSnapshots(n, id.End)
	n.hw, n.applied = id.End, w.contentOf(n, id)
	w.installs++
	w.logf("n%d installs snapshot %d@%d", n.id, id.End, id.Epoch)
	w.step(n.id, Installed{ID: id, OK: true})
}

func (w *world) drop(n *node, base SnapshotID) {
	if base.End > n.hw {
		w.fail("n%d drops records up to %d, of which %d are committed", n.id, base.End, n.hw)
	}
	w.contentOf(n, base)
	n.begin, n.batches = base.End, after(n.batches, base.End)
	w.forgetSnapshots(n, base.End)
	w.logf("n%d drops records before %d", n.id, base.End)
}

func (w *world) forgetSnapshots(n *node, before int64) {
	n.snaps = slices.DeleteFunc(n.snaps, func(s snap) bool { return s.id.End < before })
}

// after are the batches at or above an offset.
func after(batches []Batch, offset int64) []Batch {
	for len(batches) > 0 && batches[0].Base < offset {
		batches = batches[1:]
	}
	return batches
}

// TestSnapshotsUnderFaults is TestSafetyUnderFaults with nodes that write
// snapshots and forget records all the time, and die while they install one.
func TestSnapshotsUnderFaults(t *testing.T) {
	seeds := uint64(300)
	if testing.Short() {
		seeds = 50
	}
	installs := 0
	for seed := range seeds {
		w := newWorld(1000+seed, 3+2*int(seed%2), int(seed%3)/2)
		w.autoFlush = seed%4 == 0
		w.snapshots, w.dieInstalling = 25, 3*int(seed%2)
		runFaults(w, 1500)
		if w.violation == "" {
			w.heal()
		}
		require.Empty(t, w.violation, "seed %d\n%s", seed, tail(w.trace.String(), 6000))
		installs += w.installs
	}
	t.Logf("%d seeds, %d snapshots installed", seeds, installs)
	require.Greater(t, installs, int(seeds)/3, "nodes must fall behind for the test to mean something")
}

// A node that was away for so long that the others have only a snapshot of what
// it lacks catches up by it, and can lead afterwards.
func TestNodesBehindTheBeginningOfTheLogCatchUp(t *testing.T) {
	for _, observers := range []int{0, 1} {
		w := newWorld(5, 3, observers)
		w.settle(5 * time.Second)
		l := w.leader()
		late := w.nodes[w.ids[len(w.ids)-1]]
		if late == l {
			late = w.nodes[1]
		}
		w.crash(late.id, true)
		for range 4 {
			for range 5 {
				w.propose(l.id, 2)
				w.settle(time.Second)
			}
			for _, id := range w.ids {
				w.snapshot(id)
			}
		}
		require.Greater(t, l.begin, late.end())
		w.start(late.id)
		w.settle(5 * time.Second)
		require.Empty(t, w.violation)
		require.Equal(t, 1, w.installs)
		require.Equal(t, l.end(), late.end())
		require.Equal(t, l.hw, late.hw)
		if observers > 0 {
			continue
		}
		w.crash(l.id, false)
		for id := range w.nodes {
			if id != l.id && id != late.id {
				w.nodes[id].cut = true
			}
		}
		w.settle(5 * time.Second)
		for id := range w.nodes {
			w.nodes[id].cut = false
		}
		w.start(l.id)
		w.settle(10 * time.Second)
		w.propose(w.leader().id, 1)
		w.settle(2 * time.Second)
		require.Empty(t, w.violation)
		require.Equal(t, w.leader().end(), late.hw)
	}
}

func TestDamagedSnapshotsAreFetchedAgain(t *testing.T) {
	w := newWorld(5, 3, 1)
	w.settle(5 * time.Second)
	l := w.leader()
	w.crash(4, true)
	for range 3 {
		w.propose(l.id, 2)
		w.settle(time.Second)
		w.snapshot(l.id)
	}
	w.damage = true
	w.start(4)
	w.settle(3 * time.Second)
	require.Empty(t, w.violation)
	require.Zero(t, w.installs)
	w.damage = false
	w.settle(3 * time.Second)
	require.Equal(t, 1, w.installs)
	require.Equal(t, l.end(), w.nodes[4].end())
}

// Whatever a crash leaves of snapshots and log, recovery finds a log that
// continues a snapshot, or says why there is none.
func TestRecoveryOfSnapshotsAndLog(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := rapid.Int64Range(0, 6).Draw(t, "start")
		end := start + rapid.Int64Range(0, 6).Draw(t, "records")
		var starts epochs
		epoch := int32(1)
		for o := start; o < end; o++ {
			epoch += rapid.Int32Range(0, 1).Draw(t, "epoch")
			starts.note(epoch, o)
		}
		ids := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) SnapshotID {
			return SnapshotID{rapid.Int64Range(1, 14).Draw(t, "end"), rapid.Int32Range(1, 6).Draw(t, "epoch")}
		}), 0, 3).Draw(t, "snapshots")
		s, reset, err := Recover(ids, start, end, starts)
		if err != nil {
			require.Positive(t, start)
			return
		}
		if s.Base.End > 0 {
			require.Contains(t, ids, s.Base)
			require.Contains(t, ids, s.Snapshot)
		}
		require.LessOrEqual(t, s.Base.End, s.Snapshot.End)
		require.LessOrEqual(t, s.Snapshot.End, s.End)
		if !reset {
			require.Equal(t, start, s.Base.End)
			if s.Snapshot.End > start {
				require.Equal(t, s.Snapshot.Epoch, epochAt(starts, s.Snapshot.End-1))
			}
		}
	})
}

// What is committed is never taken back by a snapshot: neither by a leader's
// that stands for less, nor by one of this node's own that stands for more.
func TestSnapshotsTakeNothingBack(t *testing.T) {
	w := newWorld(5, 3, 0)
	w.settle(5 * time.Second)
	l := w.leader()
	w.propose(l.id, 4)
	w.settle(2 * time.Second)
	epoch := l.core.State().Epoch
	follower := w.nodes[w.ids[l.id%3]]
	for _, id := range []SnapshotID{{1, 1}, {follower.hw, epoch}, {follower.hw + 5, epoch + 1}} {
		follower.core.fetchID = 77
		w.net = nil
		w.step(follower.id, Response{Message{Kind: FetchResponse, From: l.id, To: follower.id, ID: 77, Epoch: epoch, Leader: l.id, Offset: follower.core.end, Snapshot: id}})
		w.now += time.Second
		w.step(follower.id, Tick{})
		for _, f := range w.net {
			require.NotEqual(t, FetchSnapshotRequest, f.msg.Kind, "%v", id)
		}
	}
	w.step(l.id, Snapshotted{SnapshotID{1, 1}})
	w.step(l.id, Snapshotted{SnapshotID{l.hw + 1, epoch}})
	require.Equal(t, SnapshotID{1, 1}, l.core.snapshot)
	require.Empty(t, w.violation)
}
