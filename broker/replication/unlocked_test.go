package replication

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
)

// gatedEnv is a machine whose disk can be made to hang: while hold is set,
// operations on files wait for release. Those on segment files are counted.
type gatedEnv struct {
	env.Env
	fs gatedFS
}

func (e *gatedEnv) FS() env.FS { return &e.fs }

type gatedFS struct {
	env.FS
	mu      sync.Mutex
	gate    chan struct{} // closed to release; nil: nothing is held
	held    chan string   // operations that wait, by kind and file
	reads   bool          // hold reads too
	syncs   atomic.Int64  // of segment files
	failing atomic.Bool   // syncs of segment files fail
}

func newGatedEnv(e env.Env) *gatedEnv {
	return &gatedEnv{Env: e, fs: gatedFS{FS: e.FS(), held: make(chan string, 1000)}}
}

func (g *gatedFS) hold(reads bool) (release func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	gate := make(chan struct{})
	g.gate, g.reads = gate, reads
	return sync.OnceFunc(func() {
		g.mu.Lock()
		g.gate = nil
		g.mu.Unlock()
		close(gate)
	})
}

func (g *gatedFS) pass(op, name string) {
	g.mu.Lock()
	gate := g.gate
	if op == "read" && !g.reads {
		gate = nil
	}
	g.mu.Unlock()
	if gate != nil {
		g.held <- op + " " + name
		<-gate
	}
}

// waitHeld waits until an operation on a file of that ending is held.
func (g *gatedFS) waitHeld(t testing.TB, ending string) {
	t.Helper()
	for {
		select {
		case op := <-g.held:
			if strings.HasSuffix(op, ending) { // checkpoints are written too
				return
			}
		case <-time.After(patient):
			t.Fatal("nothing came to the disk")
		}
	}
}

func (g *gatedFS) SyncDir(name string) error {
	g.pass("sync", name)
	return g.FS.SyncDir(name)
}

func (g *gatedFS) Open(name string) (env.File, error)   { return g.file(g.FS.Open(name)) }
func (g *gatedFS) Create(name string) (env.File, error) { return g.file(g.FS.Create(name)) }

func (g *gatedFS) file(f env.File, err error) (env.File, error) {
	if err != nil {
		return nil, err
	}
	return &gatedFile{File: f, fs: g}, nil
}

type gatedFile struct {
	env.File
	fs *gatedFS
}

var errDisk = fmt.Errorf("the disk said no")

func (f *gatedFile) Sync() error {
	f.fs.pass("sync", f.Name())
	if strings.HasSuffix(f.Name(), ".log") {
		f.fs.syncs.Add(1)
		if f.fs.failing.Load() {
			return errDisk
		}
	}
	return f.File.Sync()
}

func (f *gatedFile) ReadAt(p []byte, off int64) (int, error) {
	f.fs.pass("read", f.Name())
	return f.File.ReadAt(p, off)
}

// gatedCluster is brokers on gated disks.
func gatedCluster(t testing.TB, brokers int32) (*cluster, map[int32]*gatedFS) {
	disks := map[int32]*gatedFS{}
	return newClusterOn(t, brokers, func(id int32, e env.Env) env.Env {
		g := newGatedEnv(e)
		disks[id] = &g.fs
		return g
	}), disks
}

// Producers that want every record durable share syncs: while one is under way
// all that they append is written, and the next takes it all. Until then nothing
// of it counts: not as the log's end, not toward the high watermark.
func TestProducersShareSyncs(t *testing.T) {
	for _, acks := range []int16{1, -1} {
		t.Run(fmt.Sprint("acks=", acks), func(t *testing.T) {
			c, disks := gatedCluster(t, 1)
			tp := c.createTopic("orders", map[string]string{"flush.messages": "1"}, 1)
			require.Zero(t, c.manager(1).Append(tp, batch("first"), acks, patient).ErrorCode)
			before := disks[1].syncs.Load()
			release := disks[1].hold(false)
			defer release()
			const producers = 16
			var pending []*PendingAppend
			for i := range producers {
				pending = append(pending, c.manager(1).BeginAppend([]AppendPartition{{TP: tp, Records: batch(fmt.Sprint(i))}}, acks))
			}
			disks[1].waitHeld(t, ".log")
			require.EqualValues(t, producers+1, c.manager(1).partition(tp).log.NextOffset(), "all of it is written")
			view := c.view(1)
			require.EqualValues(t, 1, view.LogEndOffset)
			require.EqualValues(t, 1, view.HighWatermark)
			for _, pa := range pending {
				require.False(t, pa.Done())
			}
			release()
			for i, pa := range pending {
				result := pa.Wait(patient)[0]
				require.Zero(t, result.ErrorCode)
				require.EqualValues(t, i+1, result.BaseOffset)
			}
			require.LessOrEqual(t, disks[1].syncs.Load()-before, int64(2))
		})
	}
}

// A record that its leader has not synced is no reason for a follower to count
// it, nor one that the follower has not synced for the leader.
func TestOnlySyncedRecordsAreCommitted(t *testing.T) {
	c, disks := gatedCluster(t, 2)
	tp := c.createTopic("orders", map[string]string{"flush.messages": "1"}, 1, 2)
	require.Zero(t, c.manager(1).Append(tp, batch("first"), -1, patient).ErrorCode)
	release := disks[2].hold(false)
	defer release()
	pa := c.manager(1).BeginAppend([]AppendPartition{{TP: tp, Records: batch("second")}}, -1)
	disks[2].waitHeld(t, ".log")
	require.EqualValues(t, 2, c.manager(2).partition(tp).log.NextOffset(), "the follower has written it")
	require.EqualValues(t, 1, c.view(2).LogEndOffset)
	require.EqualValues(t, 1, c.view(1).HighWatermark)
	require.False(t, pa.Done())
	release()
	require.Zero(t, pa.Wait(patient)[0].ErrorCode)
}

// A sync that fails is told to everyone who waits for it.
func TestFailedGroupCommitIsToldToAll(t *testing.T) {
	c, disks := gatedCluster(t, 1)
	tp := c.createTopic("orders", map[string]string{"flush.messages": "1"}, 1)
	require.Zero(t, c.manager(1).Append(tp, batch("first"), 1, patient).ErrorCode)
	release := disks[1].hold(false)
	defer release()
	var pending []*PendingAppend
	for i := range 8 {
		pending = append(pending, c.manager(1).BeginAppend([]AppendPartition{{TP: tp, Records: batch(fmt.Sprint(i))}}, int16(1-2*(i%2))))
	}
	disks[1].failing.Store(true)
	release()
	for _, pa := range pending {
		require.Equal(t, kerr.KafkaStorageError.Code, pa.Wait(patient)[0].ErrorCode)
	}
	require.EqualValues(t, 1, c.view(1).LogEndOffset)
	require.EqualValues(t, 1, c.view(1).HighWatermark)
	c.mu.Lock()
	m := c.managers[1]
	delete(c.managers, 1)
	c.mu.Unlock()
	require.ErrorIs(t, m.Stop(), errDisk)
}

// Whatever else hangs in the disk, appends that ask nothing of it go on.
func TestAppendsWaitForNoneButTheirOwnSync(t *testing.T) {
	small := map[string]string{"segment.bytes": "160", "retention.ms": "1"}
	for name, tc := range map[string]struct {
		reads bool
		begin func(m *Manager, p *partition)
	}{
		"search by time":     {true, func(m *Manager, p *partition) { m.ListOffsets(p.tp, 1, -1, false) }},
		"search for the max": {true, func(m *Manager, p *partition) { m.ListOffsets(p.tp, TimestampMaxTimestamp, -1, false) }},
		"DeleteRecords":      {false, func(m *Manager, p *partition) { m.DeleteRecords(p.tp, 2) }},
		"retention":          {false, func(m *Manager, p *partition) { p.retain(1e15) }},
		"flush of a segment": {false, func(m *Manager, p *partition) { _ = p.log.Sync() }},
	} {
		t.Run(name, func(t *testing.T) {
			c, disks := gatedCluster(t, 1)
			tp := c.createTopic("orders", small, 1)
			m := c.manager(1)
			for i := range 4 {
				require.Zero(t, m.Append(tp, batch(fmt.Sprint("value ", i)), -1, patient).ErrorCode)
			}
			require.NoError(t, m.partition(tp).log.Sync())
			// One more, so that there is something to sync.
			require.Zero(t, m.Append(tp, batch("value 4"), -1, patient).ErrorCode)
			release := disks[1].hold(tc.reads)
			defer release()
			done := make(chan struct{})
			go func() { defer close(done); tc.begin(m, m.partition(tp)) }()
			disks[1].waitHeld(t, "")
			// Into the same segment: a new one needs its predecessor's name synced.
			tiny := storage.BuildBatch(nil, storage.NoProducer(), []storage.Record{{TimestampMillis: 1}})
			require.Zero(t, m.Append(tp, tiny, -1, patient).ErrorCode)
			release()
			<-done
		})
	}
}

// A follower that cuts its log does not keep others waiting who look at it.
func TestTruncationKeepsNobodyWaiting(t *testing.T) {
	c, disks := gatedCluster(t, 2)
	tp := c.createTopic("orders", nil, 1, 2)
	require.Zero(t, c.manager(1).Append(tp, batch("common"), -1, patient).ErrorCode)
	c.eventually("both have it", func() bool { return c.view(2).LogEndOffset == 1 })
	c.setCut(1, true)
	pa := c.manager(1).BeginAppend([]AppendPartition{{TP: tp, Records: batch("lost")}}, 1)
	require.Zero(t, pa.Wait(patient)[0].ErrorCode)
	c.elect(tp, 2, 2)
	require.Zero(t, c.manager(2).Append(tp, batch("kept"), -1, patient).ErrorCode)
	release := disks[1].hold(false)
	defer release()
	c.setCut(1, false)
	c.publish() // what broker 1 has missed
	disks[1].waitHeld(t, ".log")
	require.EqualValues(t, 2, c.view(1).LogEndOffset, "the cut is under way")
	_, ok := c.manager(1).HighWatermark(tp)
	require.True(t, ok)
	require.Equal(t, kerr.NotLeaderForPartition.Code, c.manager(1).Append(tp, batch("x"), 1, patient).ErrorCode)
	require.Equal(t, kerr.NotLeaderForPartition.Code, c.manager(1).ListOffsets(tp, TimestampLatest, -1, false).ErrorCode)
	release()
	c.eventually("the follower has the leader's log", func() bool {
		return c.view(1).LogEndOffset == 2 && c.view(1).HighWatermark == 2
	})
}

// BenchmarkAppendEachSynced is what producers get that each have one record in
// flight to one partition with flush.messages=1.
func BenchmarkAppendEachSynced(b *testing.B) {
	for _, producers := range []int{1, 16} {
		b.Run(fmt.Sprint("producers=", producers), func(b *testing.B) {
			c := newClusterOn(b, 1, nil)
			tp := c.createTopic("orders", map[string]string{"flush.messages": "1"}, 1)
			m := c.manager(1)
			var left atomic.Int64
			left.Store(int64(b.N))
			b.ResetTimer()
			var wg sync.WaitGroup
			for range producers {
				wg.Go(func() {
					for left.Add(-1) >= 0 {
						if r := m.Append(tp, batch("value"), 1, patient); r.ErrorCode != 0 {
							b.Error(r.ErrorMessage)
							return
						}
					}
				})
			}
			wg.Wait()
		})
	}
}
