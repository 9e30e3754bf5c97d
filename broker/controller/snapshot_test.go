package controller

import (
	"fmt"
	"path"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/broker/controller/quorum"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/osenv"
	"github.com/weirlab/weir/env/osenv/osenvtest"
)

// Every node writes snapshots, whose log then begins later; one that is new, and
// one that starts again, go on from a snapshot and the tail.
func TestTheMetadataLogHasABeginning(t *testing.T) {
	q := newTestQuorumWith(t, 2000, 1, 2, 3)
	leader := q.controller()
	for id := range int32(3) {
		join(t, leader.Node, id+1)
	}
	topics := 0
	grow := func() {
		require.Zero(t, createTopic(leader.Node, fmt.Sprint("t", topics), 3, 3))
		topics++
	}
	for grown := 0; grown < 500; grown++ {
		grow()
		begun := true
		for _, n := range q.nodes {
			begun = begun && n.log.StartOffset() > 0
		}
		if begun {
			break
		}
	}
	for id, n := range q.nodes {
		require.Positive(t, n.log.StartOffset(), "node %d", id)
	}

	// An observer that is new has nothing of what the log no longer has.
	observer := q.start(4)
	q.sees(observer, fmt.Sprint("t", topics-1))
	require.Positive(t, observer.log.StartOffset())
	require.Equal(t, leader.Image().Records(), observer.Image().Records())

	// Everyone who starts again, with a snapshot and a tail or only the former.
	for _, id := range []int32{1, 2, 3, 4} {
		q.stop(id)
	}
	for _, id := range []int32{1, 2, 3, 4} {
		n := q.start(id)
		require.NotEmpty(t, n.Image().Topics(), "the snapshot is there at once")
	}
	leader = q.controller()
	grow()
	for _, n := range q.nodes {
		q.sees(n, fmt.Sprint("t", topics-1))
		require.Len(t, n.Image().Topics(), topics)
	}
}

func smallImage(t *testing.T, topics int) *metadata.Image {
	ed := metadata.Empty().Edit()
	offset := int64(0)
	add := func(r metadata.Record) { offset++; require.NoError(t, ed.Apply(r, offset)) }
	add(&metadata.RegisterBrokerRecord{BrokerID: 1, Host: "h", Port: 1, Fenced: true, Directories: []metadata.DirectoryID{{9}}})
	for i := range topics {
		id := metadata.TopicID{byte(i >> 8), byte(i), 1}
		add(&metadata.TopicRecord{Name: fmt.Sprint("t", i), ID: id})
		add(&metadata.PartitionRecord{TopicID: id, Replicas: []int32{1}, ISR: []int32{1}, Leader: 1, MinISR: 1})
	}
	ed.SetOffset(offset, 7)
	img, _ := ed.Done()
	return img
}

func TestSnapshotsRoundTripAndDamageIsFound(t *testing.T) {
	for _, topics := range []int{0, 3, snapshotBatchRecords} {
		img := smallImage(t, topics)
		id := quorum.SnapshotID{End: img.Offset() + 1, Epoch: img.Epoch()}
		data := encodeSnapshot(img, 1234)
		got, err := decodeSnapshot(data, id)
		require.NoError(t, err)
		require.Equal(t, img.Records(), got.Records())
		require.Equal(t, img.Offset(), got.Offset())
		require.Equal(t, img.Epoch(), got.Epoch())
		step := max(len(data)/200, 1)
		for at := 0; at < len(data); at += step {
			_, err := decodeSnapshot(data[:at], id)
			require.Error(t, err, "%d of %d bytes", at, len(data))
		}
		for at := 0; at < len(data); at += step {
			bad := append([]byte(nil), data...)
			bad[at] ^= 0x40
			_, err := decodeSnapshot(bad, id)
			require.Error(t, err, "byte %d of %d", at, len(data))
		}
	}
}

// What a crash leaves counts for nothing until it has its name, and a damaged
// snapshot stands back behind the one before it.
func TestOnlyWholeSnapshotsCount(t *testing.T) {
	e := osenvtest.New(t, osenv.Options{Root: t.TempDir(), Node: "n"})
	s := snapshots{e.FS(), "."}
	older, newer := smallImage(t, 2), smallImage(t, 5)
	one, two := quorum.SnapshotID{End: older.Offset() + 1, Epoch: 7}, quorum.SnapshotID{End: newer.Offset() + 1, Epoch: 7}
	require.NoError(t, s.write(one, encodeSnapshot(older, 1)))
	require.NoError(t, writePart(e.FS(), s.file(two)+writeSuffix, 0, encodeSnapshot(newer, 1)))
	require.NoError(t, s.store(two, 0, []byte("begun")))
	ids, img, err := s.open(e)
	require.NoError(t, err)
	require.Equal(t, []quorum.SnapshotID{one}, ids)
	require.Equal(t, older.Records(), img.Records())
	infos, err := e.FS().ReadDir(".")
	require.NoError(t, err)
	require.Len(t, infos, 1, "what was unfinished is gone")

	data := encodeSnapshot(newer, 1)
	for at := 0; at < len(data); at += 7 {
		require.NoError(t, s.store(two, int64(at), data[at:min(at+7, len(data))]))
	}
	_, err = s.fetched(two)
	require.NoError(t, err)
	require.NoError(t, s.finish(two, fetchSuffix))
	ids, img, err = s.open(e)
	require.NoError(t, err)
	require.Equal(t, []quorum.SnapshotID{one, two}, ids)
	require.Equal(t, newer.Records(), img.Records())

	f, err := e.FS().Open(path.Join(".", snapshotName(two)))
	require.NoError(t, err)
	_, err = f.WriteAt([]byte{0xff}, 100)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	ids, img, err = s.open(e)
	require.NoError(t, err)
	require.Equal(t, []quorum.SnapshotID{one}, ids)
	require.Equal(t, older.Records(), img.Records())
	require.NoError(t, s.removeBefore(two.End))
	require.NoError(t, s.removeBefore(two.End))
}

// What is older than metadata.log.max.snapshot.interval.ms is in a snapshot,
// however little it is, and nothing is written where nothing is new.
func TestSnapshotsByAge(t *testing.T) {
	n := &Node{cfg: Config{SnapshotInterval: time.Minute}.withDefaults()}
	l := &loop{n: n, committed: smallImage(t, 1)}
	require.Equal(t, time.Minute, l.snapshotDue())
	l.snapshots.last = quorum.SnapshotID{End: l.committed.Offset() + 1}
	require.Equal(t, env.Forever, l.snapshotDue())
	n.cfg.SnapshotInterval, l.snapshots.last.End = 0, 1
	require.Equal(t, env.Forever, l.snapshotDue())
}
