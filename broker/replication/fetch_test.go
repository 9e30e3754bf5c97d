package replication

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirlab/weir/broker/metadata"
)

// lender counts what a fetch borrows.
type lender struct{ calls, bytes int }

func (l *lender) lend(n int) []byte {
	l.calls, l.bytes = l.calls+1, l.bytes+n
	return make([]byte, n)
}

func consumer(maxBytes int32, l *lender) FetchParams {
	p := FetchParams{ReplicaID: -1, ReplicaEpoch: -1, MaxBytes: maxBytes}
	if l != nil {
		p.Lend = l.lend
	}
	return p
}

func at(tp metadata.TopicPartition, offset int64) FetchPartition {
	return FetchPartition{TP: tp, CurrentLeaderEpoch: -1, FetchOffset: offset, LastFetchedEpoch: -1, MaxBytes: 1 << 20}
}

// A consumer that waits for much while producers append little costs a count at
// each append, and memory once.
func TestMinBytesIsCountedAndReadOnce(t *testing.T) {
	c := newCluster(t, 1)
	tp := c.createTopic("orders", nil, 1)
	m := c.manager(1)
	size := len(batch("a"))
	const batches = 200
	params := FetchParams{ReplicaID: -1, ReplicaEpoch: -1, MaxBytes: 1 << 20, MinBytes: int32(batches * size), MaxWait: time.Minute}
	l := &lender{}
	params.Lend = l.lend
	fetched := make(chan []FetchResult)
	go func() { fetched <- m.Fetch(params, []FetchPartition{at(tp, 0)}) }()
	for range batches {
		require.Zero(t, m.Append(tp, batch("a"), 1, patient).ErrorCode)
	}
	results := <-fetched
	require.Len(t, results[0].Records, batches*size, "it waited for all of them and for no more")
	require.LessOrEqual(t, l.bytes, 3*batches*size)
	require.LessOrEqual(t, l.calls, 2)
}

// manyPartitions makes a topic of n partitions led by broker 1.
func (c *cluster) manyPartitions(name string, n int32) []metadata.TopicPartition {
	c.mu.Lock()
	id := metadata.TopicID{2, byte(c.offset)}
	c.mu.Unlock()
	records := []metadata.Record{&metadata.TopicRecord{Name: name, ID: id}}
	var tps []metadata.TopicPartition
	for i := range n {
		records = append(records, &metadata.PartitionRecord{TopicID: id, Partition: i, Replicas: []int32{1}, ISR: []int32{1}, Leader: 1, MinISR: 1})
		tps = append(tps, metadata.TopicPartition{Topic: name, Partition: i})
	}
	c.publish(records...)
	return tps
}

func TestAFetchBorrowsWhatThereIs(t *testing.T) {
	c := newCluster(t, 1)
	m := c.manager(1)
	var parts []FetchPartition
	for _, tp := range c.manyPartitions("orders", 300) {
		require.Zero(t, m.Append(tp, batch("a"), 1, patient).ErrorCode)
		parts = append(parts, at(tp, 0))
	}
	l := &lender{}
	data := 0
	for _, r := range m.Fetch(consumer(50<<20, l), parts) {
		require.Zero(t, r.ErrorCode)
		require.NotEmpty(t, r.Records)
		data += len(r.Records)
	}
	require.Equal(t, 300*len(batch("a")), data)
	require.LessOrEqual(t, l.bytes, data+memoryPieceBytes)
	require.LessOrEqual(t, l.calls, data/memoryPieceBytes+1)
}

func TestAnswersAreBoundByFetchMaxBytes(t *testing.T) {
	c := newCluster(t, 0)
	size := len(batch("a"))
	c.cfg.FetchMaxBytes = int32(5 * size)
	c.start(1)
	t.Cleanup(func() { c.stop(1) })
	tp := c.createTopic("orders", nil, 1)
	m := c.manager(1)
	for range 20 {
		require.Zero(t, m.Append(tp, batch("a"), 1, patient).ErrorCode)
	}
	params := consumer(1<<20, nil)
	params.MinBytes, params.MaxWait = int32(20*size), time.Minute // more than it may get is not waited for
	require.Len(t, m.Fetch(params, []FetchPartition{at(tp, 0)})[0].Records, 5*size)
	require.Len(t, m.Fetch(consumer(1, nil), []FetchPartition{at(tp, 0)})[0].Records, size, "one batch in any case")
	require.Len(t, m.Fetch(consumer(-1, nil), []FetchPartition{at(tp, 0)})[0].Records, size)
}

// Whatever the order in which a client asks, busy partitions do not keep quiet
// ones from being read.
func TestBusyPartitionsLeaveRoomForQuietOnes(t *testing.T) {
	c := newCluster(t, 1)
	m := c.manager(1)
	tps := c.manyPartitions("orders", 4)
	for i, n := range []int{100, 100, 1, 2} {
		for range n {
			require.Zero(t, m.Append(tps[i], batch("a"), 1, patient).ErrorCode)
		}
	}
	size := len(batch("a"))
	sizes := func(maxBytes int32) (got []int) {
		for _, r := range m.Fetch(consumer(maxBytes, nil), []FetchPartition{at(tps[0], 0), at(tps[1], 0), at(tps[2], 0), at(tps[3], 0)}) {
			got = append(got, len(r.Records)/size)
		}
		return got
	}
	require.Equal(t, []int{17, 0, 1, 2}, sizes(int32(20*size)))
	require.Equal(t, []int{100, 97, 1, 2}, sizes(int32(200*size)))
	require.Equal(t, []int{1, 0, 0, 0}, sizes(1))
}

func TestAFetchAsksForRoomBeforeItReads(t *testing.T) {
	c := newCluster(t, 1)
	tp := c.createTopic("orders", nil, 1)
	m := c.manager(1)
	size := len(batch("a"))
	for range 10 {
		require.Zero(t, m.Append(tp, batch("a"), 1, patient).ErrorCode)
	}
	l := &lender{}
	params := consumer(1<<20, l)
	room := 0
	params.Reserve = func(least, want int) int {
		require.Equal(t, 10*size, want)
		require.Equal(t, 10*size, least)
		return room
	}
	r := m.Fetch(params, []FetchPartition{at(tp, 0)})[0]
	require.Zero(t, r.ErrorCode)
	require.Empty(t, r.Records)
	require.EqualValues(t, 10, r.HighWatermark)
	require.Zero(t, l.calls)
	room = 3 * size
	require.Len(t, m.Fetch(params, []FetchPartition{at(tp, 0)})[0].Records, 3*size)
}

// A follower asks first for what it was not given last time.
func TestFollowersAskForPartitionsInTurn(t *testing.T) {
	c := newCluster(t, 0)
	c.cfg.ReplicaFetchAnswerBytes = 1 // an answer has one batch, of the first partition that has any
	for id := range int32(2) {
		c.start(id + 1)
		t.Cleanup(func() { c.stop(id + 1) })
	}
	busy, quiet := c.createTopic("busy", nil, 1, 2), c.createTopic("quiet", nil, 1, 2)
	c.setCut(2, true)
	for range 60 {
		require.Zero(t, c.manager(1).Append(busy, batch("a"), 1, patient).ErrorCode)
	}
	require.Zero(t, c.manager(1).Append(quiet, batch("a"), 1, patient).ErrorCode)
	c.mu.Lock()
	c.served = nil
	c.mu.Unlock()
	c.setCut(2, false)
	var served string
	c.eventually("the quiet partition is served", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		served = strings.Join(c.served, " ")
		return strings.Contains(served, "quiet")
	})
	require.LessOrEqual(t, strings.Count(served[:strings.Index(served, "quiet")], "busy"), 1, "before its turn: %s", served)
}

func TestPartitionsThatExistElsewhereAreNotUnknown(t *testing.T) {
	c := newCluster(t, 2)
	here, none := c.createTopic("here", nil, 1), metadata.TopicPartition{Topic: "none"}
	for tp, want := range map[metadata.TopicPartition]*kerr.Error{here: kerr.NotLeaderForPartition, none: kerr.UnknownTopicOrPartition} {
		m := c.manager(2)
		require.Equal(t, want.Code, m.Append(tp, batch("a"), 1, 0).ErrorCode)
		require.Equal(t, want.Code, m.Fetch(consumer(1, nil), []FetchPartition{at(tp, 0)})[0].ErrorCode)
		require.Equal(t, want.Code, m.ListOffsets(tp, TimestampLatest, -1, false).ErrorCode)
		require.Equal(t, want.Code, m.OffsetForLeaderEpoch(tp, -1, 0).ErrorCode)
		require.Equal(t, want.Code, m.DeleteRecords(tp, -1).ErrorCode)
	}
}

// A topic deleted and created again is another one, also for a broker that has
// not applied that yet.
func TestAFetchByTopicIDReadsNoOtherTopic(t *testing.T) {
	c := newCluster(t, 1)
	tp := c.createTopic("orders", nil, 1)
	require.Zero(t, c.manager(1).Append(tp, batch("a"), 1, patient).ErrorCode)
	part := at(tp, 0)
	part.TopicID = c.view(1).TopicID
	require.NotEmpty(t, c.manager(1).Fetch(consumer(1, nil), []FetchPartition{part})[0].Records)
	part.TopicID[15]++
	r := c.manager(1).Fetch(consumer(1, nil), []FetchPartition{part})[0]
	require.Equal(t, kerr.NotLeaderForPartition.Code, r.ErrorCode)
	require.Empty(t, r.Records)
}

// Whoever believes in another leader epoch is told so, also by a follower.
func TestEpochsAreFencedByFollowersToo(t *testing.T) {
	c := newCluster(t, 2)
	tp := c.createTopic("orders", nil, 1, 2)
	c.elect(tp, 1, 1, 2)
	for id, same := range map[int32]int16{1: 0, 2: kerr.NotLeaderForPartition.Code} {
		for epoch, want := range map[int32]int16{0: kerr.FencedLeaderEpoch.Code, 1: same, 2: kerr.UnknownLeaderEpoch.Code, -1: same} {
			name := fmt.Sprintf("broker %d asked in epoch %d", id, epoch)
			part := at(tp, 0)
			part.CurrentLeaderEpoch = epoch
			require.Equal(t, want, c.manager(id).Fetch(consumer(1, nil), []FetchPartition{part})[0].ErrorCode, name)
			require.Equal(t, want, c.manager(id).ListOffsets(tp, TimestampLatest, epoch, false).ErrorCode, name)
			require.Equal(t, want, c.manager(id).OffsetForLeaderEpoch(tp, epoch, 0).ErrorCode, name)
		}
	}
}

// Whoever awaits records is told when there are enough, or when it wants to be, and is
// given none.
func TestAwaitingEndsByRecordsOrByTheCaller(t *testing.T) {
	c := newCluster(t, 1)
	tp := c.createTopic("orders", nil, 1)
	m := c.manager(1)
	params := FetchParams{ReplicaID: -1, ReplicaEpoch: -1, MaxBytes: 1 << 20, MinBytes: 1, MaxWait: time.Hour}
	await := func(act func()) FetchResult {
		params.Await = m.e.NewSignal()
		fetched := make(chan []FetchResult)
		go func() { fetched <- m.Fetch(params, []FetchPartition{at(tp, 0)}) }()
		act()
		return (<-fetched)[0]
	}
	require.Zero(t, await(func() { params.Await.Set() }).HighWatermark)
	r := await(func() { require.Zero(t, m.Append(tp, batch("a"), 1, patient).ErrorCode) })
	require.EqualValues(t, 1, r.HighWatermark)
	require.Empty(t, r.Records)
	require.Empty(t, await(func() {}).Records)
}

// Whoever wants only some records is not given the rest of the log, but for what is in
// the same batch.
func TestFetchUntil(t *testing.T) {
	c := newCluster(t, 1)
	tp := c.createTopic("orders", nil, 1)
	m := c.manager(1)
	for range 100 {
		require.Zero(t, m.Append(tp, batch("a"), 1, patient).ErrorCode)
	}
	size := len(batch("a"))
	for _, until := range []int64{1, 10, 11, 50, 1000} {
		req := at(tp, 10)
		req.Until = until
		require.Len(t, m.Fetch(consumer(1<<20, nil), []FetchPartition{req})[0].Records, size*int(max(min(until, 100)-10, 1)), "until %d", until)
	}
}
