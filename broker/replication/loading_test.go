package replication

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/osenv"
	"github.com/weirlab/weir/env/osenv/osenvtest"
)

// gate holds up, while it is shut, whoever makes or removes a directory of a
// topic called slow.
type gate struct {
	mu      sync.Mutex
	opened  sync.Cond
	shut    bool
	waiting int // so many came while it was shut
}

func newGate(shut bool) *gate {
	g := &gate{shut: shut}
	g.opened.L = &g.mu
	return g
}

func (g *gate) set(shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = shut
	g.opened.Broadcast()
}

func (g *gate) pass(name string) {
	if !strings.Contains(name, "slow") {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut {
		g.waiting++
	}
	for g.shut {
		g.opened.Wait()
	}
}

func (g *gate) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.waiting
}

type slowEnv struct {
	env.Env
	g *gate
}

func (e slowEnv) FS() env.FS { return slowFS{e.Env.FS(), e.g} }

type slowFS struct {
	env.FS
	g *gate
}

func (f slowFS) MkdirAll(dir string) error   { f.g.pass(dir); return f.FS.MkdirAll(dir) }
func (f slowFS) RemoveAll(name string) error { f.g.pass(name); return f.FS.RemoveAll(name) }

// Logs are opened side by side, and nobody else waits for them: not writers and
// readers of other partitions, nor the checkpoint.
func TestOpeningLogsHoldsNobodyUp(t *testing.T) {
	g := newGate(true)
	c := newClusterOn(t, 1, func(_ int32, e env.Env) env.Env { return slowEnv{e, g} })
	tp := c.createTopic("orders", nil, 1)
	m := c.manager(1)
	done := make(chan []metadata.TopicPartition)
	go func() { done <- c.manyPartitions("slow", 2*logTasks) }()
	c.eventually("many logs are being opened at a time", func() bool { return g.count() == logTasks })

	require.Zero(t, m.Append(tp, batch("a"), -1, patient).ErrorCode)
	require.Equal(t, []string{"a"}, c.values(1, tp))
	require.NoError(t, m.writeCheckpoint())
	slow := metadata.TopicPartition{Topic: "slow"}
	require.Equal(t, kerr.NotLeaderForPartition.Code, m.Append(slow, batch("a"), 1, 0).ErrorCode, "it exists and is not here yet")

	g.set(false)
	for _, tp := range <-done {
		require.Zero(t, m.Append(tp, batch("a"), 1, patient).ErrorCode)
	}
}

// What was known to be committed is not forgotten by a broker that is stopped
// while it opens its logs.
func TestStopEndsALoadingBrokerAndKeepsItsCheckpoint(t *testing.T) {
	c := newCluster(t, 1)
	tps := c.manyPartitions("slow", 2*logTasks)
	for _, tp := range tps {
		require.Zero(t, c.manager(1).Append(tp, batch("a"), -1, patient).ErrorCode)
	}
	c.stop(1)
	g := newGate(true)
	c.wrap = func(_ int32, e env.Env) env.Env { return slowEnv{e, g} }
	started := make(chan struct{})
	go func() { c.start(1); close(started) }()
	c.eventually("logs are being opened", func() bool { return g.count() == logTasks })
	m := c.manager(1)
	stopped := make(chan error)
	go func() { stopped <- m.Stop() }()
	c.eventually("it is told to stop", m.stopping.IsSet)
	g.set(false)
	require.NoError(t, <-stopped)
	<-started
	require.LessOrEqual(t, g.count(), logTasks, "no more logs were opened")
	for _, tp := range tps {
		require.EqualValues(t, 1, m.readCheckpoint(m.dirs[0])[replicaKey{c.now().Partition(tp).TopicID, tp.Partition}], "%v", tp)
	}
	c.mu.Lock()
	delete(c.managers, 1)
	c.mu.Unlock()
}

// Metadata moves on while the files of a deleted topic are removed, and a
// topic of the same name finds none of them.
func TestLogsAreRemovedWhileMetadataMovesOn(t *testing.T) {
	g := newGate(false)
	c := newCluster(t, 0)
	c.wrap = func(_ int32, e env.Env) env.Env { return slowEnv{e, g} }
	c.start(1)
	t.Cleanup(func() { c.stop(1) })
	tps := c.manyPartitions("slow", 3)
	require.Zero(t, c.manager(1).Append(tps[0], batch("a"), -1, patient).ErrorCode)
	g.set(true)

	c.publish(&metadata.RemoveTopicRecord{ID: c.now().Topic("slow").ID})
	require.Equal(t, kerr.UnknownTopicOrPartition.Code, c.manager(1).Append(tps[0], batch("a"), 1, 0).ErrorCode)
	c.eventually("its files are being removed", func() bool { return g.count() > 0 })
	tp := c.createTopic("orders", nil, 1)
	require.Zero(t, c.manager(1).Append(tp, batch("b"), -1, patient).ErrorCode)
	g.set(false)
	again := c.manyPartitions("slow", 3)
	require.Zero(t, c.manager(1).Append(again[0], batch("c"), -1, patient).ErrorCode)
	require.Equal(t, []string{"c"}, c.valuesFrom(1, again[0], 0))
}

func (c *cluster) valuesFrom(id int32, tp metadata.TopicPartition, offset int64) []string {
	records, err := c.manager(id).readCommitted(tp, offset, 1<<20)
	require.NoError(c.t, err)
	return decode(c.t, records)
}

// deafPeer never answers, until it is closed.
type deafPeer struct {
	asked, closed chan struct{}
	once          sync.Once
}

func (p *deafPeer) Request(kmsg.Request, time.Duration) (kmsg.Response, error) {
	close(p.asked)
	<-p.closed
	return nil, errCut
}

func (p *deafPeer) Close() { p.once.Do(func() { close(p.closed) }) }

// Stop ends although a source neither takes connections nor answers.
func TestStopWaitsForNoSource(t *testing.T) {
	for _, silent := range []string{"when connecting", "when asked"} {
		t.Run(silent, func(t *testing.T) {
			peer := &deafPeer{asked: make(chan struct{}), closed: make(chan struct{})}
			dialed, accept := make(chan struct{}), make(chan struct{})
			m := NewManager(osenvtest.New(t, osenv.Options{Root: t.TempDir(), Seed: 1}), Config{BrokerID: 1, Dirs: []LogDir{{Path: "."}}, Settings: testSettings()}, Deps{
				BrokerEpoch: func() int64 { return 0 },
				Exists:      func(metadata.TopicPartition) bool { return false },
				Connect: func(int32) (Peer, error) {
					close(dialed)
					if silent == "when connecting" {
						<-accept
					}
					return peer, nil
				},
			})
			edit := metadata.Empty().Edit()
			id := metadata.TopicID{1}
			for i, r := range []metadata.Record{
				&metadata.RegisterBrokerRecord{BrokerID: 1, Host: "a", Port: 1},
				&metadata.RegisterBrokerRecord{BrokerID: 2, Host: "b", Port: 1},
				&metadata.TopicRecord{Name: "orders", ID: id},
				&metadata.PartitionRecord{TopicID: id, Replicas: []int32{2, 1}, ISR: []int32{2, 1}, Leader: 2, MinISR: 1},
			} {
				require.NoError(t, edit.Apply(r, int64(i)))
			}
			image, delta := edit.Done()
			require.True(t, m.Apply(image, delta))
			<-dialed
			if silent == "when asked" {
				<-peer.asked
			}
			require.NoError(t, m.Stop())
			close(accept)
			<-peer.closed // also if it was opened too late
		})
	}
}
