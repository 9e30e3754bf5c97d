package transaction

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirlab/weir/broker/coordinator"
	"github.com/weirlab/weir/broker/storage"
)

// life is everything that matters of one transactional id and of those who use
// it: what the log says, which producer ids and epochs were given out, and what
// was open when.
type life struct {
	s *Status

	newest handed   // the producer id and epoch handed out last
	old    []handed // earlier ones, which must come to nothing
	nextID int64

	dataEpoch int16 // the epoch under which the open or ending transaction was written
	decided   State // PrepareCommit or PrepareAbort while ending, else 0
	began     int   // transactions, at most maxBegun
}

type handed struct {
	id    int64
	epoch int16
}

func (l life) key() string {
	s := *l.s
	s.StartMillis, s.UpdatedMillis = 0, 0
	return fmt.Sprint(s, l.newest, l.old, l.nextID, l.dataEpoch, l.decided, l.began)
}

const (
	maxBegun    = 3
	maxHanded   = 8
	firstEpoch  = math.MaxInt16 - 4 // so that ids run out of epochs soon
	enumerateTP = "t"
)

// TestEveryLifeOfATransactionalID walks through all that can happen to one
// transactional id: instances of both kinds of clients that begin, go on, add,
// commit, abort, retry and come back from the past, time-outs, and markers.
func TestEveryLifeOfATransactionalID(t *testing.T) {
	for _, server := range []int16{0, 1, 2} {
		start := life{s: &Status{ProducerID: 1, Epoch: firstEpoch, LastEpoch: none, PreviousID: 1, NextID: none, StartMillis: none, TimeoutMillis: 1}, nextID: 2,
			newest: handed{1, firstEpoch}}
		seen := map[string]bool{start.key(): true}
		queue := []life{start}
		states := map[State]bool{}
		for len(queue) > 0 {
			l := queue[0]
			queue = queue[1:]
			states[l.s.State] = true
			roundTrip(t, l.s)
			for _, n := range l.all(t, server) {
				if k := n.key(); !seen[k] {
					seen[k] = true
					queue = append(queue, n)
				}
			}
		}
		require.Len(t, states, 6, "every state of the log is reached")
		t.Logf("transaction.version %d: %d lives", server, len(seen))
	}
}

func roundTrip(t *testing.T, s *Status) {
	want := *s
	want.LastEpoch = none
	rec := record("id", s, 2, 1)
	got, err := readStatus(rec.Value)
	require.NoError(t, err)
	require.Equal(t, want, *got)
}

// all are the lives that one more thing leads to.
func (l life) all(t *testing.T, server int16) (next []life) {
	add := func(n *life) {
		if n != nil {
			next = append(next, *n)
		}
	}
	if len(l.old) == maxHanded {
		if l.s.State.ending() {
			add(l.complete(t))
		}
		return next
	}
	add(l.initProducer(t, server, none, none))
	add(l.initProducer(t, server, l.newest.id, l.newest.epoch))
	for _, h := range l.old {
		l.outdated(t, server, h)
	}
	for _, version := range []int16{0, epochBump} {
		if version > server {
			continue // such clients act as older ones
		}
		if l.began < maxBegun {
			add(l.add(t, version))
		}
		add(l.end(t, version, true))
		add(l.end(t, version, false))
	}
	if l.s.State == Ongoing {
		add(l.fence(t, server))
	}
	if l.s.State.ending() {
		add(l.complete(t))
	}
	return next
}

// become is the life with another status.
func (l life) become(t *testing.T, s *Status) life {
	require.False(t, s.ProducerID == l.s.ProducerID && s.Epoch < l.s.Epoch, "epochs do not go back: %+v to %+v", l.s, s)
	require.True(t, s.ProducerID == l.s.ProducerID || s.Epoch == 0, "a new producer id begins at 0")
	if l.decided != 0 {
		require.Equal(t, l.decided+2, s.State, "what is decided is what comes")
	}
	l.old = slices.Clone(l.old)
	l.s = s
	return l
}

// hand gives a producer id and epoch out.
func (l *life) hand(t *testing.T, id int64, epoch int16) {
	require.Less(t, epoch, int16(math.MaxInt16), "the last epoch is nobody's")
	h := handed{id, epoch}
	if h == l.newest {
		return
	}
	require.NotContains(t, l.old, h, "a producer id and epoch are not given out again")
	l.old = append(l.old, l.newest)
	l.newest = h
}

// withID takes a step that may need a producer id.
func (l *life) withID(step func(newID int64) Decision) Decision {
	d := step(none)
	if d.NeedsID {
		d = step(l.nextID)
		l.nextID++
	}
	return d
}

func (l life) initProducer(t *testing.T, server int16, id int64, epoch int16) *life {
	d := l.withID(func(newID int64) Decision {
		return l.s.InitProducer(1, InitProducer{TimeoutMillis: 1, ProducerID: id, Epoch: epoch, NewID: newID, ServerVersion: server})
	})
	switch d.Code {
	case kerr.ConcurrentTransactions.Code:
		if d.Next == nil {
			require.True(t, l.s.State.ending())
			return nil
		}
		require.Equal(t, PrepareAbort, d.Next.State)
		n := l.become(t, d.Next)
		n.decided = PrepareAbort
		return &n
	case 0:
		require.Equal(t, Empty, d.Next.State)
		require.Empty(t, d.Next.Partitions)
		n := l.become(t, d.Next)
		if id == none {
			require.NotEqual(t, l.newest, handed{d.Next.ProducerID, d.Next.Epoch}, "two instances never share an epoch")
		}
		n.hand(t, d.Next.ProducerID, d.Next.Epoch)
		n.dataEpoch = 0
		return &n
	}
	require.Equal(t, kerr.ProducerFenced.Code, d.Code)
	require.Nil(t, d.Next)
	return nil
}

// outdated checks that a producer that was fenced changes nothing.
func (l life) outdated(t *testing.T, server int16, h handed) {
	for _, version := range []int16{0, epochBump} {
		d := l.s.Add(1, h.id, h.epoch, []TopicPartition{{Topic: enumerateTP}}, version)
		require.Nil(t, d.Next)
		require.NotZero(t, d.Code)
		for _, commit := range []bool{true, false} {
			d = l.s.End(1, EndTxn{ProducerID: h.id, Epoch: h.epoch, Commit: commit, Version: version, NewID: 99})
			require.Nil(t, d.Next, "producer %+v, status %+v", h, l.s)
		}
	}
	_, code := l.s.Verify(h.id, h.epoch, []TopicPartition{{Topic: enumerateTP}})
	require.NotZero(t, code)
}

func (l life) add(t *testing.T, version int16) *life {
	d := l.s.Add(1, l.newest.id, l.newest.epoch, []TopicPartition{{Topic: enumerateTP}}, version)
	if d.Next == nil {
		return nil
	}
	require.Zero(t, d.Code)
	require.Equal(t, Ongoing, d.Next.State)
	n := l.become(t, d.Next)
	n.dataEpoch = l.newest.epoch
	if l.s.State != Ongoing {
		n.began++
	}
	each, code := n.s.Verify(l.newest.id, l.newest.epoch, []TopicPartition{{Topic: enumerateTP}, {Topic: enumerateTP, Partition: 1}})
	require.Zero(t, code)
	require.Equal(t, []int16{0, kerr.TransactionAbortable.Code}, each)
	again := n.s.Add(1, l.newest.id, l.newest.epoch, []TopicPartition{{Topic: enumerateTP}}, version)
	require.Equal(t, Decision{}, again, "added already")
	return &n
}

func (l life) end(t *testing.T, version int16, commit bool) *life {
	in := EndTxn{ProducerID: l.newest.id, Epoch: l.newest.epoch, Commit: commit, Version: version}
	d := l.withID(func(newID int64) Decision {
		in.NewID = newID
		return l.s.End(1, in)
	})
	if d.Next == nil {
		return nil
	}
	require.Zero(t, d.Code)
	if commit {
		require.Equal(t, Ongoing, l.s.State, "only what was begun is committed")
	}
	require.Equal(t, prepare(commit), d.Next.State)
	n := l.become(t, d.Next)
	n.decided = d.Next.State
	if len(n.s.Partitions) > 0 {
		if version >= epochBump {
			require.Greater(t, n.s.Epoch, n.dataEpoch, "markers of version 2 are of a later epoch than what they end")
		} else {
			require.GreaterOrEqual(t, n.s.Epoch, n.dataEpoch)
		}
	}
	// A retry hears that it is under way, or how it has ended, and changes nothing.
	again := n.s.End(1, in)
	require.Equal(t, refuse(kerr.ConcurrentTransactions), again)
	done := n.s.Complete(1)
	require.Equal(t, Decision{}, done.End(1, in), "a retry after the end: %+v", done)
	in.Commit = !commit
	require.Equal(t, refuse(kerr.InvalidTxnState), n.s.End(1, in))
	require.Equal(t, kerr.InvalidTxnState.Code, done.End(1, in).Code)
	id, epoch := n.s.after()
	n.hand(t, id, epoch)
	return &n
}

func (l life) fence(t *testing.T, server int16) *life {
	d := l.withID(func(newID int64) Decision { return l.s.Fence(1, server, newID) })
	require.Equal(t, PrepareAbort, d.Next.State)
	require.Greater(t, d.Next.Epoch, l.s.Epoch, "the producer is fenced")
	n := l.become(t, d.Next)
	n.decided = PrepareAbort
	return &n
}

func (l life) complete(t *testing.T) *life {
	n := l.become(t, l.s.Complete(1))
	require.Empty(t, n.s.Partitions)
	n.decided, n.dataEpoch = 0, 0
	return &n
}

func TestRecordsOfOlderServers(t *testing.T) {
	s := &Status{ProducerID: 7, Epoch: 3, LastEpoch: none, PreviousID: 6, NextID: 8, State: PrepareCommit, ClientVersion: 2,
		Partitions: []TopicPartition{{Topic: "a"}, {Topic: "a", Partition: 2}, {Topic: "b"}}, StartMillis: 5, UpdatedMillis: 6, TimeoutMillis: 9}
	got, err := readStatus(record("id", s, 0, 1).Value)
	require.NoError(t, err)
	want := *s
	want.PreviousID, want.NextID, want.ClientVersion = none, none, 0
	require.Equal(t, want, *got)
}

func FuzzReplay(f *testing.F) {
	f.Add(recordKey("id"), record("id", &Status{ProducerID: 1, State: Ongoing, Partitions: []TopicPartition{{Topic: "a"}}}, 2, 1).Value)
	f.Add(recordKey(""), []byte(nil))
	f.Add([]byte{0, 0, 0xff}, []byte{0, 1, 2})
	f.Fuzz(func(t *testing.T, key, value []byte) {
		cfg := DefaultConfig()
		m := newMachine(&cfg, 0, 0, world{})
		before := len(m.txns)
		if err := m.Replay(storage.Record{Key: key, Value: value}, coordinator.Producer{}); err != nil {
			require.Len(t, m.txns, before, "what cannot be read changes nothing")
			return
		}
		for id, known := range m.txns {
			again, err := readStatus(record(id, known.Status, 2, 1).Value)
			require.NoError(t, err)
			require.Equal(t, known.Status, again)
		}
	})
}

// A producer may end its next transaction, in which nothing was written, before the
// one before has ended: it is told to come again, and not that it is fenced, as Apache
// Kafka tells it (kgo's TestTxnEtl).
func TestTheEndOfTheNextTransactionWaits(t *testing.T) {
	begun := &Status{ProducerID: 7, Epoch: 1, PreviousID: none, NextID: none, State: Ongoing, StartMillis: 1, Partitions: []TopicPartition{{Topic: "a"}}, ClientVersion: epochBump}
	end := func(s *Status, epoch int16, commit bool) Decision {
		return s.End(1, EndTxn{ProducerID: 7, Epoch: epoch, Commit: commit, Version: epochBump, NewID: none})
	}
	for _, commit := range []bool{true, false} {
		ending := end(begun, 1, commit).Next
		require.Equal(t, prepare(commit), ending.State)
		require.EqualValues(t, 2, ending.Epoch)
		for _, next := range []bool{true, false} {
			require.Equal(t, kerr.ConcurrentTransactions.Code, end(ending, 2, next).Code)
			require.Equal(t, kerr.ProducerFenced.Code, end(ending, 0, next).Code)
			require.Equal(t, kerr.ProducerFenced.Code, end(ending, 3, next).Code)
		}
	}
}
