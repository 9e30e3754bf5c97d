package broker_test

import (
	"encoding/binary"
	"fmt"
	"net"
	"path"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/protocol"
	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/envtest"
	"github.com/weirlab/weir/sim"
	"github.com/weirlab/weir/sim/simdisk"
	"github.com/weirlab/weir/sim/simnet"
)

// world is a cluster in the simulator, where hours pass in no time, and one
// client machine.
type world struct {
	t      *testing.T
	k      *sim.Kernel
	net    *simnet.Network
	nodes  []*simNode
	client *sim.Node
	sent   map[string]int // by "from address" attempts to connect, by "from address key" requests
	asked  int            // requests of the client
	e      env.Env        // of the client's program
}

type simNode struct {
	name string
	node *sim.Node
	disk *simdisk.Disk
	cfg  broker.Config
	b    *broker.Broker // nil while down
}

// countingNetwork counts what one machine sends to others.
type countingNetwork struct {
	env.Network
	from string
	sent map[string]int
}

func (n countingNetwork) Dial(addr string, timeout time.Duration) (net.Conn, error) {
	to := n.from + " " + addr
	n.sent[to]++
	conn, err := n.Network.Dial(addr, timeout)
	if err != nil {
		return nil, err
	}
	return countingConn{conn, to, n.sent}, nil
}

// countingConn counts requests by their API key. Clients write each of them
// with one call.
type countingConn struct {
	net.Conn
	to   string
	sent map[string]int
}

func (c countingConn) Write(p []byte) (int, error) {
	if len(p) >= 6 {
		c.sent[fmt.Sprintf("%s %d", c.to, binary.BigEndian.Uint16(p[4:]))]++
	}
	return c.Conn.Write(p)
}

// total is how much was sent to ports of that number so far: connections by "",
// requests by their key.
func (w *world) total(port, key string) (n int) {
	for to, count := range w.sent { //weir:ordered a sum
		if fields := strings.Fields(to); strings.HasSuffix(fields[1], ":"+port) && strings.Join(fields[2:], "") == key {
			n += count
		}
	}
	return n
}

// count is what is added to total while the time passes.
func (w *world) count(port, key string, d time.Duration) int {
	before := w.total(port, key)
	w.sleep(d)
	return w.total(port, key) - before
}

// newWorld starts n brokers, b1 and up; change adjusts what one starts with.
func newWorld(t *testing.T, n int, change func(id int, cfg *broker.Config)) *world {
	t.Helper()
	envtest.NoRaces(t, "a simulated cluster")
	k := sim.NewKernel(sim.Options{Seed: 1})
	w := &world{t: t, k: k, net: simnet.New(k, simnet.Options{}), sent: map[string]int{}}
	t.Cleanup(func() { require.NoError(t, k.Close()) })
	var voters []broker.Voter
	for i := range n {
		voters = append(voters, broker.Voter{ID: int32(i + 1), Host: fmt.Sprint("b", i+1), Port: 9093})
	}
	for i, v := range voters {
		s := &simNode{name: v.Host, node: k.NewNode(v.Host)}
		s.node.SetNetwork(countingNetwork{w.net.Attach(s.node, s.name), s.name, w.sent})
		s.disk = simdisk.New(k, s.node, simdisk.GP3())
		s.node.SetFS(s.disk)
		s.node.OnCrash(func(sim.CrashKind) { s.b = nil })
		s.cfg = broker.DefaultConfig()
		s.cfg.NodeID, s.cfg.Voters, s.cfg.Listen = v.ID, voters, net.JoinHostPort(v.Host, "9092")
		if change != nil {
			change(i+1, &s.cfg)
		}
		w.nodes = append(w.nodes, s)
		w.start(i + 1)
	}
	w.client = k.NewNode("client")
	w.net.Attach(w.client, "client")
	return w
}

func (w *world) start(id int) {
	s := w.nodes[id-1]
	s.node.Start("broker", func(e env.Env) {
		b, err := broker.Start(e, s.cfg)
		if err != nil {
			panic(err)
		}
		s.b = b
		b.Failed().Wait(env.Forever)
	})
}

// run runs a program on the client's machine to its end.
func (w *world) run(program func()) {
	w.t.Helper()
	done := false
	w.client.Start("client", func(e env.Env) {
		w.e = e
		program()
		done = true
	})
	require.NoError(w.t, w.k.RunWhile(func() bool { return !done && len(w.k.Failures()) == 0 }))
	require.Empty(w.t, w.k.Failures())
}

func (w *world) sleep(d time.Duration) { w.e.Sleep(d) }

// try asks broker id over a connection of its own.
func (w *world) try(id int, req kmsg.Request, version int16) (kmsg.Response, error) {
	c, err := protocol.Dial(w.e, w.nodes[id-1].cfg.Listen, "client", 5*time.Second)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	req.SetVersion(version)
	w.asked++
	return c.Request(req, 20*time.Second)
}

func (w *world) ask(id int, req kmsg.Request, version int16) kmsg.Response {
	resp, err := w.try(id, req, version)
	must(err)
	return resp
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// until waits until something holds; it panics after two hours.
func (w *world) until(what string, holds func() bool) {
	for end := w.e.Now() + 2*time.Hour; !holds(); w.sleep(100 * time.Millisecond) {
		if w.e.Now() > end {
			panic("never: " + what)
		}
	}
}

// ready waits until every broker that lives is in the cluster.
func (w *world) ready() {
	w.until("all brokers in the cluster", func() bool {
		live := 0
		for _, s := range w.nodes {
			if s.node.Alive() {
				live++
			}
		}
		for id, s := range w.nodes {
			if !s.node.Alive() {
				continue
			}
			resp, err := w.try(id+1, &kmsg.MetadataRequest{Topics: []kmsg.MetadataRequestTopic{}}, 9)
			if err != nil || len(resp.(*kmsg.MetadataResponse).Brokers) != live {
				return false
			}
		}
		return true
	})
}

// tryCreate creates a topic of one partition and returns the error.
func (w *world) tryCreate(topic string, rf int16, configs map[string]string) error {
	t := kmsg.CreateTopicsRequestTopic{Topic: topic, NumPartitions: 1, ReplicationFactor: rf}
	for _, name := range env.SortedKeys(configs) {
		t.Configs = append(t.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: name, Value: kmsg.StringPtr(configs[name])})
	}
	got := w.ask(1, &kmsg.CreateTopicsRequest{TimeoutMillis: 5000, Topics: []kmsg.CreateTopicsRequestTopic{t}}, 5).(*kmsg.CreateTopicsResponse).Topics[0]
	return refusal(got.ErrorCode, got.ErrorMessage)
}

func refusal(code int16, text *string) error {
	if code == 0 {
		return nil
	}
	if text == nil {
		text = kmsg.StringPtr("")
	}
	return fmt.Errorf("%w: %s", kerr.ErrorForCode(code), *text)
}

// leader waits for the leader of a topic's only partition.
func (w *world) leader(topic string) (id int) {
	w.until("leader of "+topic, func() bool {
		p := w.partition(topic)
		if p == nil || p.Leader < 1 {
			return false
		}
		id = int(p.Leader)
		s := w.nodes[id-1]
		return s.b != nil && w.replica(id, topic) != nil
	})
	return id
}

// partition is a topic's only partition as the newest image has it, nil
// without one.
func (w *world) partition(topic string) *metadata.Partition {
	var newest *metadata.Image
	for _, s := range w.nodes {
		if s.b != nil {
			if image, _ := s.b.Metadata(); newest == nil || image.Offset() > newest.Offset() {
				newest = image
			}
		}
	}
	return newest.Partition(metadata.TopicPartition{Topic: topic})
}

// replica is the log of a topic's only partition on a broker, nil without one.
func (w *world) replica(id int, topic string) *storage.Log {
	for _, r := range w.nodes[id-1].b.View().Replicas {
		if r.TP.Topic == topic {
			return r.Log
		}
	}
	return nil
}

// alter changes one setting of a topic, of a broker by its id, or of all
// brokers by "".
func (w *world) alter(resource, name, value string) error {
	kind := kmsg.ConfigResourceTypeTopic
	if _, err := strconv.Atoi(resource); err == nil || resource == "" {
		kind = kmsg.ConfigResourceTypeBroker
	}
	got := w.ask(1, &kmsg.IncrementalAlterConfigsRequest{Resources: []kmsg.IncrementalAlterConfigsRequestResource{{ResourceType: kind, ResourceName: resource,
		Configs: []kmsg.IncrementalAlterConfigsRequestResourceConfig{{Name: name, Value: &value}}}}}, 1).(*kmsg.IncrementalAlterConfigsResponse).Resources[0]
	return refusal(got.ErrorCode, got.ErrorMessage)
}

// batchOf has one record per value, stamped so long ago.
func (w *world) batchOf(ago time.Duration, values ...string) []byte {
	var records []storage.Record
	for _, v := range values {
		r := storage.Record{TimestampMillis: w.e.Wall().Add(-ago).UnixMilli(), Key: []byte("k")}
		if v != "" {
			r.Value = []byte(v)
		}
		records = append(records, r)
	}
	return storage.BuildBatch(nil, storage.NoProducer(), records)
}

// produce sends a batch to the leader and returns the error code.
func (w *world) produce(topic string, acks int16, batch []byte) *kmsg.ProduceResponseTopicPartition {
	resp := w.ask(w.leader(topic), &kmsg.ProduceRequest{Acks: acks, TimeoutMillis: 5000, Topics: []kmsg.ProduceRequestTopic{{Topic: topic,
		Partitions: []kmsg.ProduceRequestTopicPartition{{Records: batch}}}}}, 9).(*kmsg.ProduceResponse)
	return &resp.Topics[0].Partitions[0]
}

func (w *world) mustProduce(topic string, batch []byte) {
	if p := w.produce(topic, 1, batch); p.ErrorCode != 0 {
		panic(kerr.ErrorForCode(p.ErrorCode))
	}
}

// fetchSession is the session that a consumer of a topic's only partition gets, 0
// for none.
func (w *world) fetchSession(topic string) int32 {
	return w.ask(w.leader(topic), &kmsg.FetchRequest{ReplicaID: -1, MaxBytes: 1 << 20, Topics: []kmsg.FetchRequestTopic{{Topic: topic,
		Partitions: []kmsg.FetchRequestTopicPartition{{PartitionMaxBytes: 1 << 20, CurrentLeaderEpoch: -1}}}}}, 11).(*kmsg.FetchResponse).SessionID
}

// batches are what a consumer reads of a topic's only partition.
func (w *world) batches(topic string) []storage.Batch {
	id := w.leader(topic)
	offset := w.replica(id, topic).StartOffset()
	var all []storage.Batch
	for offset < w.replica(id, topic).EndOffset() {
		resp := w.ask(id, &kmsg.FetchRequest{ReplicaID: -1, MaxBytes: 1 << 20, SessionEpoch: -1, MaxWaitMillis: 500, MinBytes: 1, Topics: []kmsg.FetchRequestTopic{{Topic: topic,
			Partitions: []kmsg.FetchRequestTopicPartition{{FetchOffset: offset, PartitionMaxBytes: 1 << 20, CurrentLeaderEpoch: -1, LastFetchedEpoch: -1}}}}}, 11).(*kmsg.FetchResponse)
		p := resp.Topics[0].Partitions[0]
		must(kerr.ErrorForCode(p.ErrorCode))
		for b, err := range storage.Batches(p.RecordBatches) {
			must(err)
			all = append(all, b)
			offset = b.NextOffset()
		}
	}
	return all
}

// files are the sizes of the files of a topic's log on broker 1, by name.
func (w *world) files(topic string) map[string]int64 {
	dir := w.replica(1, topic).Dir()
	sizes := map[string]int64{}
	e := w.nodes[0].node.Env()
	e.Go("look", func() {
		entries, err := e.FS().ReadDir(dir)
		must(err)
		for _, entry := range entries {
			f, err := e.FS().Open(path.Join(dir, entry.Name))
			must(err)
			size, err := f.Size()
			must(err)
			sizes[entry.Name] = size
			must(f.Close())
		}
	}).Wait()
	return sizes
}

// segments is how many segments a topic's log has on broker 1.
func (w *world) segments(topic string) int {
	n := 0
	for name := range w.files(topic) {
		if strings.HasSuffix(name, ".log") {
			n++
		}
	}
	return n
}

// took is how long it takes until something holds, at most an hour.
func (w *world) took(holds func() bool) time.Duration {
	began := w.e.Now()
	for !holds() {
		if w.e.Now()-began > time.Hour {
			return time.Hour
		}
		w.sleep(50 * time.Millisecond)
	}
	return w.e.Now() - began
}

// served is how many of n connections get an answer.
func (w *world) served(n int) (answered int) {
	for range n {
		c, err := protocol.Dial(w.e, "b1:9092", "client", time.Second)
		if err != nil {
			continue
		}
		defer c.Close()
		req := &kmsg.ApiVersionsRequest{ClientSoftwareName: "test", ClientSoftwareVersion: "1"}
		req.SetVersion(3)
		if _, err := c.Request(req, time.Second); err == nil {
			answered++
		}
	}
	return answered
}
