package workloads_test

import (
	"encoding/binary"
	"fmt"
	"net"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker"
	"github.com/weirlab/weir/broker/replication"
	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/sim"
	"github.com/weirlab/weir/sim/simdisk"
	"github.com/weirlab/weir/sim/simnet"
	"github.com/weirlab/weir/workloads/client"
)

// The world of the benchmarks.
const (
	benchTopic      = "bench"
	benchBrokers    = 3
	benchPartitions = 12
	benchValueBytes = 1024
)

// world is a simulated cluster under a benchmark.
type world struct {
	b       *testing.B
	k       *sim.Kernel
	net     *simnet.Network
	addrs   []string
	brokers [benchBrokers]*broker.Broker
	disks   []*simdisk.Disk
	cpu     time.Duration // processor time when the timer started
}

// newWorld starts three brokers on gp3 volumes with one topic of three
// replicas and runs until all replicas are in sync. From here to the end of
// the benchmark there is one processor, for the garbage collector too.
func newWorld(b *testing.B) *world {
	procs := runtime.GOMAXPROCS(1)
	b.Cleanup(func() { runtime.GOMAXPROCS(procs) })
	emptyProcess()
	w := &world{b: b}
	w.k = sim.NewKernel(sim.Options{Seed: 1})
	b.Cleanup(func() { require.NoError(b, w.k.Close()) })
	w.net = simnet.New(w.k, simnet.Options{})
	var voters []broker.Voter
	for i := range benchBrokers {
		host := fmt.Sprintf("broker-%d", i+1)
		voters = append(voters, broker.Voter{ID: int32(i + 1), Host: host, Port: 9093})
		w.addrs = append(w.addrs, net.JoinHostPort(host, "9092"))
	}
	for i, v := range voters {
		n := w.k.NewNode(v.Host)
		w.net.Attach(n, v.Host)
		w.disks = append(w.disks, simdisk.New(w.k, n, simdisk.GP3()))
		n.SetFS(w.disks[i])
		cfg := broker.DefaultConfig()
		cfg.NodeID, cfg.Listen, cfg.Voters = v.ID, w.addrs[i], voters
		cfg.MinInsyncReplicas = 2
		n.Start("broker", func(e env.Env) {
			served, err := broker.Start(e, cfg)
			if err != nil {
				panic(err)
			}
			w.brokers[i] = served
		})
	}
	w.runUntil(time.Minute, "the brokers have joined", w.joined)
	w.createTopic()
	w.runUntil(time.Minute, "every replica is in sync", w.inSync)
	return w
}

// joined reports whether every broker knows all of them to be unfenced.
func (w *world) joined() bool {
	for _, b := range w.brokers {
		if b == nil {
			return false
		}
		active := 0
		require.True(w.b, w.k.Inspect(func() {
			for _, other := range b.View().Image.Brokers() {
				if other.Active() {
					active++
				}
			}
		}))
		if active != benchBrokers {
			return false
		}
	}
	return true
}

func (w *world) createTopic() {
	n := w.k.NewNode("admin")
	w.net.Attach(n, "admin")
	created := false
	n.Start("admin", func(e env.Env) {
		c, err := client.New(e, client.Config{Bootstrap: w.addrs})
		if err != nil {
			panic(err)
		}
		for !created {
			topic := client.NewTopic{Name: benchTopic, Partitions: benchPartitions, ReplicationFactor: benchBrokers}
			created = c.Admin().CreateTopic(topic, time.Minute) == nil
			e.Sleep(100 * time.Millisecond)
		}
		c.Close()
	})
	w.runUntil(2*time.Minute, "the topic exists", func() bool { return created })
}

// runUntil runs in steps of a millisecond until cond holds.
func (w *world) runUntil(patience time.Duration, what string, cond func() bool) {
	end := w.k.Now() + patience
	for !cond() {
		require.Less(w.b, w.k.Now(), end, "waiting until %s", what)
		require.NoError(w.b, w.k.RunUntil(w.k.Now()+time.Millisecond))
	}
	require.Empty(w.b, w.k.Failures())
}

// replicas lists the replicas of the topic on each broker, by partition.
func (w *world) replicas() [benchBrokers][]replication.ReplicaView {
	var all [benchBrokers][]replication.ReplicaView
	for i, b := range w.brokers {
		require.True(w.b, w.k.Inspect(func() {
			for _, r := range b.View().Replicas {
				if r.TP.Topic == benchTopic {
					all[i] = append(all[i], r)
				}
			}
		}))
	}
	return all
}

func (w *world) inSync() bool {
	leaders := 0
	for _, replicas := range w.replicas() {
		for _, r := range replicas {
			if r.Role == replication.RoleLeader && len(r.ISR) == benchBrokers {
				leaders++
			}
		}
	}
	return leaders == benchPartitions
}

// oneOfEachLeader picks one partition of each leader for a client.
func (w *world) oneOfEachLeader(client int) []int32 {
	var mine []int32
	for _, replicas := range w.replicas() {
		var led []int32
		for _, r := range replicas {
			if r.Role == replication.RoleLeader {
				led = append(led, r.TP.Partition)
			}
		}
		slices.Sort(led)
		mine = append(mine, led[client%len(led)])
	}
	return mine
}

// startTimer begins the measurement.
func (w *world) startTimer() {
	runtime.GC()
	w.cpu, _ = cpuTime()
	w.b.ResetTimer()
}

// reportRate ends the measurement and reports how much of unit was done in a
// second on the wall, and in a second that a processor worked for it.
func (w *world) reportRate(unit string) {
	b := w.b
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), unit+"/s")
	if now, ok := cpuTime(); ok {
		b.ReportMetric(float64(b.N)/(now-w.cpu).Seconds(), unit+"/cpu-s")
	}
}

// reportMemory reports what is held for each broker, and how much of that is
// the content of its disk, which grows with the length of the run.
func (w *world) reportMemory() {
	b := w.b
	held := int64(memoryInUse()) - int64(emptyProcess())
	b.ReportMetric(float64(held)/benchBrokers/1e6, "MB/broker")
	stored := int64(0)
	for _, d := range w.disks {
		total, free, err := d.Usage(".")
		require.NoError(b, err)
		stored += total - free
	}
	b.ReportMetric(float64(stored)/benchBrokers/1e6, "disk-MB/broker")
	runtime.KeepAlive(w)
}

// emptyProcess is the memory in use before the first world existed.
var emptyProcess = sync.OnceValue(memoryInUse)

// memoryInUse is the heap that is reachable and the stacks of goroutines, which
// carry the tasks. Two collections: the first only moves what pools hold to
// where the second frees it.
func memoryInUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// BenchmarkIdleCluster is a second in the life of three brokers that nobody
// asks for anything: election timers, heartbeats, quorum and replica fetches.
func BenchmarkIdleCluster(b *testing.B) {
	w := newWorld(b)
	events := w.k.Stats().Events
	w.startTimer()
	require.NoError(b, w.k.RunUntil(w.k.Now()+time.Duration(b.N)*time.Second))
	w.reportRate("sim-s")
	b.ReportMetric(float64(w.k.Stats().Events-events)/float64(b.N), "events/sim-s")
	require.True(b, w.inSync())
	require.Empty(b, w.k.Failures())
	w.reportMemory()
}

// BenchmarkAckedProduce is one Produce request with one batch of one record of
// 1 KB, acks=all, three replicas: from the client's encoder over the simulated
// network and the leader's append to the fetches of both followers, the high
// watermark and the answer decoded by the client. Each client has one request in
// flight to each leader; the more there are, the more requests are served by
// one fetch of a follower.
func BenchmarkAckedProduce(b *testing.B) {
	for _, clients := range []int{6, 48} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) { ackedProduce(b, clients) })
	}
}

func ackedProduce(b *testing.B, clients int) {
	w := newWorld(b)
	var requests int64
	load := &load{w: w, left: b.N, counts: make([]int64, benchPartitions), offsets: make([]int64, benchPartitions)}
	for i := range clients {
		name := fmt.Sprintf("client-%d", i+1)
		n := w.k.NewNode(name)
		n.SetNetwork(&countingNetwork{Network: w.net.Attach(n, name), produce: &requests})
		mine := w.oneOfEachLeader(i)
		n.Start(name, func(e env.Env) { load.run(e, mine) })
	}
	w.runUntil(time.Minute, "every client has connected", func() bool { return load.ready == clients })
	warm := requests
	start, events, switches := w.k.Now(), w.k.Stats().Events, w.k.Stats().Switches
	b.ReportAllocs()
	w.startTimer()
	load.start()
	require.NoError(b, w.k.RunWhile(func() bool { return load.acked < b.N && load.failed == nil }))
	w.reportRate("acked-req")
	require.NoError(b, load.failed)
	n := float64(b.N)
	b.ReportMetric(float64(w.k.Stats().Events-events)/n, "events/req")
	b.ReportMetric(float64(w.k.Stats().Switches-switches)/n, "switches/req")
	b.ReportMetric(n/(w.k.Now()-start).Seconds(), "req/sim-s")
	require.EqualValues(b, b.N, requests-warm, "each record must have travelled in a Produce request of its own")
	load.verify()
	w.reportMemory()
}

// load keeps one request in flight per client and leader.
type load struct {
	w      *world
	left   int // requests to be started
	acked  int
	ready  int
	failed error
	begin  []env.Signal

	counts  []int64 // records acknowledged, by partition
	offsets []int64 // sum of the offsets acknowledged, by partition
}

// start lets the clients go.
func (l *load) start() {
	for _, s := range l.begin {
		s.Set()
	}
}

// run is one client: a producer with a partition of each leader, each of which
// gets its next record when the one before is acknowledged.
func (l *load) run(e env.Env, mine []int32) {
	c, err := client.New(e, client.Config{Bootstrap: l.w.addrs, ClientID: e.NodeName()})
	if err != nil {
		panic(err)
	}
	cfg := client.DefaultProducerConfig()
	cfg.BatchBytes = benchValueBytes             // a batch is full with one record
	cfg.MaxRequestBytes = 2*cfg.BatchBytes - 512 // and a request with one batch
	p, err := c.NewProducer(cfg)
	if err != nil {
		panic(err)
	}
	value := make([]byte, benchValueBytes)
	_, _ = e.Rand("value", e.NodeName()).Read(value)
	for _, partition := range mine {
		l.account(p.ProduceSync(&client.Record{Topic: benchTopic, Partition: partition, Value: value}))
	}
	begin := e.NewSignal()
	l.begin = append(l.begin, begin)
	l.ready++
	l.acked -= len(mine) // the warm-up does not count
	begin.Wait(env.Forever)

	for _, partition := range mine {
		e.Go("load", func() { l.stream(e, p, partition, value) })
	}
}

// stream sends records to one partition, one after the other.
func (l *load) stream(e env.Env, p *client.Producer, partition int32, value []byte) {
	for l.left > 0 && l.failed == nil {
		l.left--
		l.account(p.ProduceSync(&client.Record{Topic: benchTopic, Partition: partition, Value: value}))
	}
}

func (l *load) account(r client.Result) {
	switch {
	case r.Outcome != client.OutcomeOK || r.Err != nil:
		l.failed = fmt.Errorf("partition %d: %v: %w", r.Partition, r.Outcome, r.Err)
	case r.Offset < 0 || r.Attempts != 1:
		l.failed = fmt.Errorf("partition %d: offset %d after %d attempts", r.Partition, r.Offset, r.Attempts)
	default:
		l.acked++
		l.counts[r.Partition]++
		l.offsets[r.Partition] += r.Offset
	}
}

// verify compares what was acknowledged with what the replicas hold.
func (l *load) verify() {
	w := l.w
	w.runUntil(10*time.Second, "the followers know the high watermark", func() bool {
		for _, replicas := range w.replicas() {
			for _, r := range replicas {
				if r.HighWatermark != l.counts[r.TP.Partition] {
					return false
				}
			}
		}
		return true
	})
	all := w.replicas()
	contents := make([][]byte, benchPartitions)
	for _, replicas := range all {
		require.Len(w.b, replicas, benchPartitions)
		for _, r := range replicas {
			p := r.TP.Partition
			require.Equal(w.b, l.counts[p], r.LogEndOffset)
			require.Equal(w.b, l.counts[p]*(l.counts[p]-1)/2, l.offsets[p], "every offset was given to one record")
			content := l.read(r)
			if contents[p] == nil {
				contents[p] = content
			}
			require.True(w.b, string(contents[p]) == string(content), "replicas of partition %d differ", p)
		}
	}
}

// read reads the end of a replica's log and checks that each batch has one
// record.
func (l *load) read(r replication.ReplicaView) []byte {
	const tail = 64
	var read []byte
	require.True(l.w.b, l.w.k.Inspect(func() {
		from := max(r.LogStartOffset, r.LogEndOffset-tail)
		content, err := r.Log.Read(from, r.LogEndOffset, tail*2*benchValueBytes, true)
		require.NoError(l.w.b, err)
		batches := 0
		for rest := content; len(rest) > 0; batches++ {
			batch, more, err := storage.SplitBatch(rest)
			require.NoError(l.w.b, err)
			require.EqualValues(l.w.b, from+int64(batches), batch.BaseOffset())
			require.EqualValues(l.w.b, 0, batch.LastOffsetDelta())
			require.Greater(l.w.b, len(batch), benchValueBytes)
			rest = more
		}
		require.EqualValues(l.w.b, r.LogEndOffset-from, batches)
		read = content
	}))
	return read
}

// countingNetwork counts the Produce requests that leave a client.
type countingNetwork struct {
	env.Network
	produce *int64
}

func (n *countingNetwork) Dial(addr string, timeout time.Duration) (net.Conn, error) {
	c, err := n.Network.Dial(addr, timeout)
	if err != nil {
		return nil, err
	}
	return &countingConn{c.(*simnet.Conn), n.produce}, nil
}

type countingConn struct {
	*simnet.Conn
	produce *int64
}

func (c *countingConn) note(frame []byte) {
	if len(frame) > 6 && binary.BigEndian.Uint16(frame[4:]) == uint16(kmsg.Produce) {
		*c.produce++
	}
}

func (c *countingConn) Write(p []byte) (int, error) {
	c.note(p)
	return c.Conn.Write(p)
}

func (c *countingConn) WriteBuffers(bufs [][]byte) (int64, error) {
	c.note(bufs[0])
	return c.Conn.WriteBuffers(bufs)
}
