package replication

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/config"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/osenv"
	"github.com/weirlab/weir/env/osenv/osenvtest"
)

// cluster is three managers on the operating system, each with a directory of
// its own. Fetches between them are calls, metadata is what the test says, and
// ISR proposals are granted as a controller would.
type cluster struct {
	t        testing.TB
	root     string
	cfg      Config
	mu       sync.Mutex // over what follows
	applying sync.Mutex // metadata reaches every manager in order
	image    *metadata.Image
	offset   int64
	managers map[int32]*Manager
	wrap     func(id int32, e env.Env) env.Env // what a broker runs on, nil for the plain machine
	cut      map[int32]bool                    // brokers that reach nobody
	served   []string                          // topics that followers were given records of
}

var errCut = errors.New("cut off")

func newCluster(t *testing.T, brokers int32) *cluster { return newClusterOn(t, brokers, nil) }

func newClusterOn(t testing.TB, brokers int32, wrap func(id int32, e env.Env) env.Env) *cluster {
	c := &cluster{t: t, wrap: wrap, root: t.TempDir(), image: metadata.Empty(), managers: map[int32]*Manager{}, cut: map[int32]bool{},
		cfg: Config{ReplicaLagTimeMax: 300 * time.Millisecond, ReplicaFetchWaitMax: 100 * time.Millisecond,
			ReplicaFetchBackoff: 10 * time.Millisecond, CheckpointInterval: 20 * time.Millisecond, ReplicaSocketTimeout: time.Second,
			Settings: testSettings()}}
	for id := int32(1); id <= brokers; id++ {
		c.start(id)
	}
	t.Cleanup(func() {
		for id := int32(1); id <= brokers; id++ {
			c.stop(id)
		}
	})
	return c
}

func testSettings() config.Static {
	return config.NewStatic(0, map[string]string{"log.retention.ms": "-1"})
}

// start starts a broker's manager and registers the broker.
func (c *cluster) start(id int32) {
	var e env.Env = osenvtest.New(c.t, osenv.Options{Root: fmt.Sprintf("%s/%d", c.root, id), Seed: 1})
	if c.wrap != nil {
		e = c.wrap(id, e)
	}
	c.mu.Lock()
	epoch := c.offset
	cfg := c.cfg
	cfg.BrokerID, cfg.Dirs = id, []LogDir{{Path: "."}}
	c.managers[id] = NewManager(e, cfg, Deps{
		BrokerEpoch:  func() int64 { return epoch },
		ToController: func(req kmsg.Request, _ time.Duration) (kmsg.Response, error) { return c.alterPartition(id, req) },
		Exists:       func(tp metadata.TopicPartition) bool { return c.now().Partition(tp) != nil },
		Connect:      func(source int32) (Peer, error) { return &link{c: c, from: id, to: source}, c.reach(id, source) },
	})
	c.mu.Unlock()
	c.publish(&metadata.RegisterBrokerRecord{BrokerID: id, Incarnation: metadata.Incarnation{byte(epoch)}, Host: "localhost", Port: 1})
}

func (c *cluster) stop(id int32) {
	c.mu.Lock()
	m := c.managers[id]
	delete(c.managers, id)
	c.mu.Unlock()
	if m != nil {
		require.NoError(c.t, m.Stop())
	}
}

func (c *cluster) manager(id int32) *Manager {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.managers[id]
}

func (c *cluster) setCut(id int32, cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut[id] = cut
}

func (c *cluster) reach(from, to int32) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut[from] || c.cut[to] || c.managers[to] == nil {
		return errCut
	}
	return nil
}

// now is the image that the last publish made: managers publish too.
func (c *cluster) now() *metadata.Image {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.image
}

// publish commits records and tells every manager that is not cut off.
func (c *cluster) publish(records ...metadata.Record) {
	c.applying.Lock()
	defer c.applying.Unlock()
	c.mu.Lock()
	edit := c.image.Edit()
	for _, r := range records {
		require.NoError(c.t, edit.Apply(r, c.offset))
		c.offset++
	}
	image, _ := edit.Done()
	c.image = image
	var managers []*Manager
	for id := int32(1); id <= 3; id++ {
		if m := c.managers[id]; m != nil && !c.cut[id] {
			managers = append(managers, m)
		}
	}
	c.mu.Unlock()
	for _, m := range managers {
		m.Apply(image, image.Full()) // who missed some hears it all
	}
}

func (c *cluster) createTopic(name string, configs map[string]string, replicas ...int32) metadata.TopicPartition {
	c.mu.Lock()
	id := metadata.TopicID{1, byte(c.offset)}
	c.mu.Unlock()
	minISR, err := strconv.Atoi(cmp.Or(configs[config.MinInsyncReplicas], "1"))
	require.NoError(c.t, err)
	records := []metadata.Record{
		&metadata.TopicRecord{Name: name, ID: id},
		&metadata.PartitionRecord{TopicID: id, Replicas: replicas, ISR: replicas, Leader: replicas[0], MinISR: int32(minISR)},
	}
	for key, value := range configs {
		records = append(records, &metadata.ConfigRecord{ResourceType: metadata.ResourceTopic, ResourceName: name, Name: key, Value: &value})
	}
	c.publish(records...)
	return metadata.TopicPartition{Topic: name}
}

// change commits a change of the partition.
func (c *cluster) change(tp metadata.TopicPartition, how func(r *metadata.PartitionRecord)) {
	p := c.now().Partition(tp)
	r := &metadata.PartitionRecord{TopicID: p.TopicID, Partition: p.Partition, Replicas: p.Replicas, ISR: p.ISR,
		Leader: p.Leader, LeaderEpoch: p.LeaderEpoch, PartitionEpoch: p.PartitionEpoch + 1, MinISR: p.MinISR}
	how(r)
	c.publish(r)
}

func (c *cluster) elect(tp metadata.TopicPartition, leader int32, isr ...int32) {
	c.change(tp, func(r *metadata.PartitionRecord) { r.Leader, r.ISR, r.LeaderEpoch = leader, isr, r.LeaderEpoch+1 })
}

func (c *cluster) alterPartition(from int32, req kmsg.Request) (kmsg.Response, error) {
	c.mu.Lock()
	cut := c.cut[from]
	c.mu.Unlock()
	if cut {
		return nil, errCut
	}
	resp := kmsg.NewPtrAlterPartitionResponse()
	for _, t := range req.(*kmsg.AlterPartitionRequest).Topics {
		answer := kmsg.NewAlterPartitionResponseTopic()
		answer.TopidID = t.TopicID
		for _, p := range t.Partitions {
			image := c.now()
			tp := metadata.TopicPartition{Topic: image.TopicByID(t.TopicID).Name, Partition: p.Partition}
			current := image.Partition(tp)
			a := kmsg.NewAlterPartitionResponseTopicPartition()
			a.Partition = p.Partition
			switch {
			case p.LeaderEpoch != current.LeaderEpoch:
				a.ErrorCode = kerr.FencedLeaderEpoch.Code
			case p.PartitionEpoch != current.PartitionEpoch:
				a.ErrorCode = kerr.InvalidUpdateVersion.Code
			default:
				var isr []int32
				for _, m := range p.NewEpochISR {
					isr = append(isr, m.BrokerID)
				}
				c.change(tp, func(r *metadata.PartitionRecord) { r.ISR = isr })
				a.LeaderID, a.LeaderEpoch, a.ISR, a.PartitionEpoch = current.Leader, current.LeaderEpoch, isr, current.PartitionEpoch+1
			}
			answer.Partitions = append(answer.Partitions, a)
		}
		resp.Topics = append(resp.Topics, answer)
	}
	return resp, nil
}

// link is a Peer: it turns a fetch request into a call.
type link struct {
	c        *cluster
	from, to int32
}

func (l *link) Close() {}

func (l *link) Request(r kmsg.Request, _ time.Duration) (kmsg.Response, error) {
	m := l.c.manager(l.to)
	if err := l.c.reach(l.from, l.to); err != nil || m == nil {
		return nil, errCut
	}
	// What is on the wire is what counts.
	req := kmsg.NewPtrFetchRequest()
	req.Version = r.GetVersion()
	if err := req.ReadFrom(r.AppendTo(nil)); err != nil {
		return nil, err
	}
	image := l.c.now()
	resp := kmsg.NewPtrFetchResponse()
	resp.Version = req.Version
	var parts []FetchPartition
	for _, t := range req.Topics {
		name := ""
		if topic := image.TopicByID(t.TopicID); topic != nil {
			name = topic.Name
		}
		topic := kmsg.NewFetchResponseTopic()
		topic.TopicID = t.TopicID
		for _, p := range t.Partitions {
			parts = append(parts, FetchPartition{TP: metadata.TopicPartition{Topic: name, Partition: p.Partition},
				CurrentLeaderEpoch: p.CurrentLeaderEpoch, FetchOffset: p.FetchOffset, LogStartOffset: p.LogStartOffset, LastFetchedEpoch: p.LastFetchedEpoch, MaxBytes: p.PartitionMaxBytes, CleanedTo: ClaimTag(&p.UnknownTags)})
			part := kmsg.NewFetchResponseTopicPartition()
			part.Partition = p.Partition
			topic.Partitions = append(topic.Partitions, part)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	results := m.Fetch(FetchParams{ReplicaID: req.ReplicaState.ID, ReplicaEpoch: req.ReplicaState.Epoch, MinBytes: req.MinBytes,
		MaxBytes: req.MaxBytes, MaxWait: time.Duration(req.MaxWaitMillis) * time.Millisecond}, parts)
	if l.c.reach(l.from, l.to) != nil {
		return nil, errCut
	}
	for i := range resp.Topics {
		for j := range resp.Topics[i].Partitions {
			p, r := &resp.Topics[i].Partitions[j], results[0]
			if r.RemoveBelow >= 0 {
				SetClaimTag(&p.UnknownTags, r.RemoveBelow)
			}
			if len(r.Records) > 0 {
				l.c.mu.Lock()
				l.c.served = append(l.c.served, parts[len(parts)-len(results)].TP.Topic)
				l.c.mu.Unlock()
			}
			results = results[1:]
			p.ErrorCode, p.HighWatermark, p.LogStartOffset, p.RecordBatches = r.ErrorCode, r.HighWatermark, r.LogStartOffset, r.Records
			if r.Diverging {
				p.DivergingEpoch.Epoch, p.DivergingEpoch.EndOffset = r.DivergingEpoch, r.DivergingEnd
			}
		}
	}
	return resp, nil
}

func batch(values ...string) []byte {
	var records []storage.Record
	for _, v := range values {
		records = append(records, storage.Record{TimestampMillis: 1, Value: []byte(v)})
	}
	return storage.BuildBatch(nil, storage.NoProducer(), records)
}

// values reads what consumers may read.
func (c *cluster) values(id int32, tp metadata.TopicPartition) []string {
	records, err := c.manager(id).readCommitted(tp, c.view(id).LogStartOffset, 1<<20)
	require.NoError(c.t, err)
	return decode(c.t, records)
}

func decode(t testing.TB, records []byte) []string {
	list := []string{}
	for b, err := range storage.Batches(records) {
		require.NoError(t, err)
		for r, err := range b.Records() {
			require.NoError(t, err)
			list = append(list, string(r.Value))
		}
	}
	return list
}

// view is what a broker's only replica knows.
func (c *cluster) view(id int32) ReplicaView {
	views := c.manager(id).Replicas()
	require.Len(c.t, views, 1)
	return views[0]
}

func (c *cluster) eventually(what string, cond func() bool) {
	require.Eventually(c.t, cond, 10*time.Second, 5*time.Millisecond, what)
}

const patient = 10 * time.Second

func TestAcksAllWaitsForTheISR(t *testing.T) {
	c := newCluster(t, 3)
	tp := c.createTopic("orders", nil, 1, 2, 3)
	r := c.manager(1).Append(tp, batch("a", "b"), -1, patient)
	require.Zero(t, r.ErrorCode, r.ErrorMessage)
	require.Zero(t, r.BaseOffset)
	for id := int32(1); id <= 3; id++ {
		require.EqualValues(t, 2, c.view(id).LogEndOffset, "broker %d had the records before they were acknowledged", id)
	}
	require.Equal(t, []string{"a", "b"}, c.values(1, tp))

	r = c.manager(1).Append(tp, batch("c"), 1, patient)
	require.Zero(t, r.ErrorCode)
	require.EqualValues(t, 2, r.BaseOffset)
	for id := int32(2); id <= 3; id++ {
		c.eventually("followers hear of the high watermark", func() bool { return c.view(id).HighWatermark == 3 })
	}
}

func TestOnePendingAppendForManyPartitions(t *testing.T) {
	c := newCluster(t, 2)
	first, second := c.createTopic("first", nil, 1, 2), c.createTopic("second", nil, 1, 2)
	c.setCut(2, true)
	pa := c.manager(1).BeginAppend([]AppendPartition{{TP: first, Records: batch("a")}, {TP: second, Records: batch("b")},
		{TP: metadata.TopicPartition{Topic: "none"}, Records: batch("c")}}, -1)
	require.False(t, pa.Done())
	c.setCut(2, false)
	results := pa.Wait(patient)
	require.Zero(t, results[0].ErrorCode)
	require.Zero(t, results[1].ErrorCode)
	require.Equal(t, kerr.UnknownTopicOrPartition.Code, results[2].ErrorCode)
	require.True(t, pa.Done())
	require.Equal(t, kerr.InvalidRequiredAcks.Code, c.manager(1).Append(first, batch("a"), 2, 0).ErrorCode)
	require.Equal(t, kerr.NotLeaderForPartition.Code, c.manager(2).Append(first, batch("a"), 1, 0).ErrorCode)
}

func TestAppendTimesOutAndIsReplicatedLater(t *testing.T) {
	c := newCluster(t, 2)
	c.managers[1].cfg.ReplicaLagTimeMax = time.Hour
	tp := c.createTopic("orders", nil, 1, 2)
	require.Zero(t, c.manager(1).Append(tp, batch("a"), -1, patient).ErrorCode)
	c.setCut(2, true)
	c.eventually("2 stops fetching", func() bool {
		return c.manager(1).Append(tp, batch("b"), -1, 10*time.Millisecond).ErrorCode == kerr.RequestTimedOut.Code
	})
	end := c.view(1).LogEndOffset
	c.setCut(2, false)
	c.eventually("committed in the end", func() bool { return c.view(1).HighWatermark >= end })
}

func TestISRShrinksAndGrows(t *testing.T) {
	c := newCluster(t, 3)
	tp := c.createTopic("orders", map[string]string{"min.insync.replicas": "2"}, 1, 2, 3)
	require.Zero(t, c.manager(1).Append(tp, batch("a"), -1, patient).ErrorCode)
	c.setCut(3, true)
	require.Zero(t, c.manager(1).Append(tp, batch("b"), -1, patient).ErrorCode, "goes on without 3")
	c.eventually("3 is out", func() bool { return len(c.view(1).ISR) == 2 })

	c.setCut(2, true)
	pa := c.manager(1).BeginAppend([]AppendPartition{{TP: tp, Records: batch("c")}}, -1)
	require.Equal(t, kerr.NotEnoughReplicasAfterAppend.Code, pa.Wait(patient)[0].ErrorCode)
	require.Equal(t, kerr.NotEnoughReplicas.Code, c.manager(1).Append(tp, batch("d"), -1, patient).ErrorCode)
	require.Equal(t, []string{"a", "b"}, c.values(1, tp), "nothing is committed below min.insync.replicas")

	c.setCut(2, false)
	c.setCut(3, false)
	c.publish()
	c.eventually("all are back", func() bool { return len(c.view(1).ISR) == 3 })
	require.Equal(t, []string{"a", "b", "c"}, c.values(1, tp))
}

func TestLostLeadershipAnswersWaiters(t *testing.T) {
	c := newCluster(t, 2)
	tp := c.createTopic("orders", nil, 1, 2)
	var heard []string
	for id := int32(1); id <= 2; id++ {
		c.manager(id).OnLeadership(func(tp metadata.TopicPartition, epoch int32, leader bool) {
			heard = append(heard, fmt.Sprintf("%d %v %d %v", id, tp, epoch, leader))
		})
	}
	c.setCut(2, true)
	pa := c.manager(1).BeginAppend([]AppendPartition{{TP: tp, Records: batch("a")}}, -1)
	fetched := make(chan FetchResult, 1)
	go func() {
		fetched <- c.manager(1).Fetch(FetchParams{ReplicaID: -1, MaxWait: patient, MinBytes: 1, MaxBytes: 1 << 20},
			[]FetchPartition{{TP: tp, CurrentLeaderEpoch: 0, LastFetchedEpoch: -1, MaxBytes: 1 << 20}})[0]
	}()
	c.setCut(2, false)
	c.elect(tp, 2, 2)
	code := pa.Wait(patient)[0].ErrorCode
	require.Contains(t, []int16{0, kerr.NotLeaderForPartition.Code}, code, "replicated just in time, or not")
	r := <-fetched
	if r.ErrorCode != 0 {
		require.Equal(t, int32(2), r.LeaderID)
		require.Equal(t, int32(1), r.LeaderEpoch)
	}
	require.Equal(t, []string{"1 orders-0 0 false", "2 orders-0 1 true"}, heard)
}

func TestOldLeaderTakesTheNewOnesLog(t *testing.T) {
	c := newCluster(t, 3)
	tp := c.createTopic("orders", nil, 1, 2, 3)
	require.Zero(t, c.manager(1).Append(tp, batch("a"), -1, patient).ErrorCode)
	c.setCut(1, true)
	require.Zero(t, c.manager(1).Append(tp, batch("lost", "lost"), 1, 0).ErrorCode)
	require.Zero(t, c.manager(1).Append(tp, batch("lost"), 1, 0).ErrorCode)
	c.elect(tp, 2, 2, 3)
	require.Zero(t, c.manager(2).Append(tp, batch("b"), -1, patient).ErrorCode)
	c.setCut(1, false)
	c.publish()
	c.eventually("1 is back", func() bool { return len(c.view(2).ISR) == 3 })
	require.Equal(t, []string{"a", "b"}, c.values(2, tp))
	require.EqualValues(t, 2, c.view(1).LogEndOffset)
	records, err := c.view(1).Log.Read(0, 2, 1<<20, true)
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b"}, decode(t, records))
}

func TestRestartKeepsLogAndHighWatermark(t *testing.T) {
	c := newCluster(t, 1)
	tp := c.createTopic("orders", nil, 1)
	require.Zero(t, c.manager(1).Append(tp, batch("a"), -1, patient).ErrorCode)
	c.stop(1)
	c.start(1)
	require.EqualValues(t, 1, c.view(1).HighWatermark)
	require.Equal(t, []string{"a"}, c.values(1, tp))

	// The topic is deleted while the broker is away, and made again.
	c.stop(1)
	c.publish(&metadata.RemoveTopicRecord{ID: c.now().Topic("orders").ID})
	c.createTopic("orders", nil, 1)
	c.start(1)
	require.Zero(t, c.view(1).LogEndOffset)
	require.Empty(t, c.values(1, tp))
	entries, err := c.manager(1).e.FS().ReadDir(".")
	require.NoError(t, err)
	dirs := 0
	for _, entry := range entries {
		if entry.IsDir {
			dirs++
		}
	}
	require.Equal(t, 1, dirs, "the old log is gone")
}

func TestImagesOfAnEarlierLifeAreIgnored(t *testing.T) {
	c := newCluster(t, 1)
	tp := c.createTopic("orders", nil, 1)
	_, leads := c.manager(1).LocalLeader(tp)
	require.True(t, leads)
	old := c.now()
	c.stop(1)
	e := osenvtest.New(t, osenv.Options{Root: c.root + "/1", Seed: 1})
	m := NewManager(e, Config{BrokerID: 1, Dirs: []LogDir{{Path: "."}}}, Deps{BrokerEpoch: func() int64 { return 99 }})
	m.Apply(old, old.Full())
	require.Empty(t, m.Replicas())
	require.NoError(t, m.Stop())
}

func TestDeletedTopic(t *testing.T) {
	c := newCluster(t, 2)
	tp := c.createTopic("orders", nil, 1, 2)
	c.setCut(2, true)
	pa := c.manager(1).BeginAppend([]AppendPartition{{TP: tp, Records: batch("a")}}, -1)
	c.setCut(2, false)
	c.publish(&metadata.RemoveTopicRecord{ID: c.now().Topic("orders").ID})
	pa.Wait(patient)
	require.Equal(t, kerr.UnknownTopicOrPartition.Code, c.manager(1).Append(tp, batch("b"), 1, 0).ErrorCode)
	require.Empty(t, c.manager(1).Replicas())
	require.Empty(t, c.manager(2).Replicas())
	tp = c.createTopic("orders", nil, 2, 1)
	require.Zero(t, c.manager(2).Append(tp, batch("c"), -1, patient).ErrorCode)
	require.Equal(t, []string{"c"}, c.values(2, tp))
}

func TestFetchChecksAndWaits(t *testing.T) {
	c := newCluster(t, 1)
	tp := c.createTopic("orders", nil, 1)
	c.elect(tp, 1, 1)
	m := c.manager(1)
	fetch := func(part FetchPartition, wait time.Duration) FetchResult {
		part.TP, part.MaxBytes = tp, 1<<20
		return m.Fetch(FetchParams{ReplicaID: -1, MaxWait: wait, MinBytes: 1, MaxBytes: 1 << 20}, []FetchPartition{part})[0]
	}
	answer := make(chan FetchResult, 1)
	go func() { answer <- fetch(FetchPartition{CurrentLeaderEpoch: -1, LastFetchedEpoch: -1}, patient) }()
	require.Zero(t, m.Append(tp, batch("a"), 1, 0).ErrorCode)
	require.Equal(t, []string{"a"}, decode(t, (<-answer).Records))

	require.Equal(t, kerr.FencedLeaderEpoch.Code, fetch(FetchPartition{CurrentLeaderEpoch: 0, LastFetchedEpoch: -1}, patient).ErrorCode)
	require.Equal(t, kerr.UnknownLeaderEpoch.Code, fetch(FetchPartition{CurrentLeaderEpoch: 2, LastFetchedEpoch: -1}, patient).ErrorCode)
	out := fetch(FetchPartition{CurrentLeaderEpoch: 1, FetchOffset: 2, LastFetchedEpoch: -1}, patient)
	require.Equal(t, kerr.OffsetOutOfRange.Code, out.ErrorCode)
	require.Zero(t, out.LogStartOffset)
	diverging := fetch(FetchPartition{CurrentLeaderEpoch: 1, FetchOffset: 1, LastFetchedEpoch: 0}, patient)
	require.True(t, diverging.Diverging)
	require.Zero(t, diverging.DivergingEnd)

	require.Equal(t, EpochEndResult{LeaderEpoch: 1, EndOffset: 1}, m.OffsetForLeaderEpoch(tp, 1, 1))
	require.Equal(t, kerr.FencedLeaderEpoch.Code, m.OffsetForLeaderEpoch(tp, 0, 1).ErrorCode)
	require.EqualValues(t, 1, m.ListOffsets(tp, TimestampLatest, 1, false).Offset)
	require.Zero(t, m.ListOffsets(tp, TimestampEarliest, -1, false).Offset)
	require.Equal(t, ListOffsetsResult{Offset: 0, Timestamp: 1, LeaderEpoch: 1}, m.ListOffsets(tp, 1, -1, false))
	require.EqualValues(t, -1, m.ListOffsets(tp, 2, -1, false).Offset)
}

func TestListOffsetsWaitsForTheEpochsStart(t *testing.T) {
	c := newCluster(t, 2)
	tp := c.createTopic("orders", nil, 1, 2)
	require.Zero(t, c.manager(1).Append(tp, batch("a"), -1, patient).ErrorCode)
	c.setCut(1, true)
	c.eventually("2 has not heard that a is committed, or has", func() bool { return c.view(2).LogEndOffset == 1 })
	known := c.view(2).HighWatermark
	c.elect(tp, 2, 1, 2)
	r := c.manager(2).ListOffsets(tp, TimestampLatest, 1, false)
	if known == 0 {
		require.Equal(t, kerr.OffsetNotAvailable.Code, r.ErrorCode)
	}
	c.setCut(1, false)
	c.publish()
	require.NoError(t, c.manager(2).LoadCommitted(tp, 1, patient, func(b []byte) error {
		require.Equal(t, []string{"a"}, decode(t, b))
		return nil
	}))
	require.EqualValues(t, 1, c.manager(2).ListOffsets(tp, TimestampLatest, 1, false).Offset)
	require.ErrorIs(t, c.manager(2).LoadCommitted(tp, 0, patient, nil), kerr.NotLeaderForPartition)
}

func TestDeleteRecordsReachesFollowers(t *testing.T) {
	c := newCluster(t, 2)
	tp := c.createTopic("orders", nil, 1, 2)
	require.Zero(t, c.manager(1).Append(tp, batch("a"), -1, patient).ErrorCode)
	require.Zero(t, c.manager(1).Append(tp, batch("b"), -1, patient).ErrorCode)
	require.Equal(t, DeleteRecordsResult{LowWatermark: 1}, c.manager(1).DeleteRecords(tp, 1))
	require.Equal(t, kerr.OffsetOutOfRange.Code, c.manager(1).DeleteRecords(tp, 3).ErrorCode)
	require.Equal(t, []string{"b"}, c.values(1, tp))
	c.eventually("the follower drops it too", func() bool { return c.view(2).LogStartOffset == 1 })
}
