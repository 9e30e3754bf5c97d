package share

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/sim"
)

// inWorld runs a test where time is virtual.
func inWorld(t require.TestingT, seed uint64, program func(e env.Env)) {
	k := sim.NewKernel(sim.Options{Seed: seed})
	k.NewNode("broker").Start("main", program)
	require.NoError(t, k.Run())
	require.NoError(t, k.Close())
}

// broker is the broker around leaders, and the coordinators behind it.
type broker struct {
	t      require.TestingT
	e      env.Env
	ls     *Leaders
	epochs map[int32]int32 // in which it leads partitions, by number
	limits Limits

	kept   map[Key]*State
	merged map[Key]*coordinator
	code   int16         // of what the coordinators answer
	lost   bool          // they write, and say that they have not
	takes  time.Duration // for each write
	writes int
}

var topic = metadata.TopicID{7}

func newBroker(t require.TestingT, e env.Env) *broker {
	b := &broker{t: t, e: e, epochs: map[int32]int32{0: 1, 1: 1}, kept: map[Key]*State{}, merged: map[Key]*coordinator{},
		limits: Limits{LockDuration: 30 * time.Second, DeliveryCount: 5, RecordLocks: 2000, Renew: true}, takes: time.Millisecond}
	b.ls = NewLeaders(e, Deps{
		Persister: b,
		Sessions:  3,
		Limits:    func(string) Limits { return b.limits },
		Origin:    func(string, metadata.TopicPartition, int32) (int64, int16) { return 10, 0 },
		Leads: func(tp metadata.TopicPartition) (int32, bool) {
			epoch, leads := b.epochs[tp.Partition]
			return epoch, leads
		},
	})
	return b
}

func (b *broker) Read(key Key, leaderEpoch int32) (State, int16) {
	b.e.Sleep(b.takes)
	c := b.merged[key]
	if c == nil {
		c = &coordinator{start: Uninitialized, records: map[int64]Batch{}}
		b.merged[key] = c
	}
	return c.state(), b.code
}

func (b *broker) Write(key Key, delta State) int16 {
	b.writes++
	b.e.Sleep(b.takes)
	if b.code == 0 || b.lost {
		b.merged[key].write(delta)
	}
	return b.code
}

func at(partition int32) TopicPartition { return TopicPartition{Topic: topic, Partition: partition} }

func (b *broker) lead(group string, partition int32) *Leader {
	l, code := b.ls.Lead(Key{group, topic, partition}, metadata.TopicPartition{Topic: "orders", Partition: partition})
	require.Zero(b.t, code)
	return l
}

// fetch opens a session and acquires n records of partition 0, once it is loaded.
func (b *broker) fetch(c *Conn, member string, n int64) (*Leader, []Handed) {
	_, code := b.ls.Open(c, Fetching{Group: "g", Member: member, Epoch: EpochNew, Add: []TopicPartition{at(0)}})
	require.Zero(b.t, code)
	l := b.lead("g", 0)
	return l, b.acquire(l, member, n)
}

func (b *broker) acquire(l *Leader, member string, n int64) []Handed {
	for {
		offset, ok := l.BeginFetch()
		if !ok {
			b.e.Sleep(time.Millisecond)
			continue
		}
		defer l.EndFetch()
		return l.Acquire(Acquisition{Member: member, MaxRecords: n, Strict: true}, Fetched{Offset: offset, Batches: []FetchedBatch{{First: offset, Last: offset + 99}}})
	}
}

func accept(first, last int64) []Acknowledgement {
	return []Acknowledgement{{First: first, Last: last, Types: []AcknowledgeType{Accept}}}
}

func (b *broker) stop() {
	b.ls.Stop()
	b.ls.Wait()
}

func TestAnAcknowledgementIsAnsweredOnceItIsWritten(t *testing.T) {
	inWorld(t, 1, func(e env.Env) {
		b := newBroker(t, e)
		defer b.stop()
		l, got := b.fetch(b.ls.Connect(), "a", 10)
		require.Equal(t, []Handed{{10, 19, 1}}, got)
		require.EqualValues(t, 10, b.merged[l.key].start, "where the group begins is written at once")
		require.Zero(t, l.Acknowledge("a", accept(10, 14)))
		require.EqualValues(t, 15, b.merged[l.key].start)
		require.Equal(t, kerr.InvalidRecordState.Code, l.Acknowledge("b", accept(15, 19)))
		b.code = kerr.CoordinatorLoadInProgress.Code
		require.Equal(t, kerr.CoordinatorNotAvailable.Code, l.Acknowledge("a", accept(15, 19)))
		b.code = 0
		require.Zero(t, l.Acknowledge("a", accept(15, 19)), "they are the member's again")
		require.EqualValues(t, 20, b.merged[l.key].start)
	})
}

func TestAcknowledgementsThatComeDuringAWriteShareTheNext(t *testing.T) {
	inWorld(t, 1, func(e env.Env) {
		b := newBroker(t, e)
		defer b.stop()
		l, _ := b.fetch(b.ls.Connect(), "a", 100)
		b.takes, b.writes = 100*time.Millisecond, 0
		var tasks []env.Task
		for i := range int64(10) {
			tasks = append(tasks, e.Go("acknowledge", func() {
				e.Sleep(time.Duration(i) * time.Millisecond)
				require.Zero(t, l.Acknowledge("a", accept(10+10*i, 19+10*i)))
			}))
		}
		for _, task := range tasks {
			task.Wait()
		}
		require.Equal(t, 2, b.writes)
		require.EqualValues(t, 110, b.merged[l.key].start)
	})
}

func TestLocksTimeOut(t *testing.T) {
	inWorld(t, 1, func(e env.Env) {
		b := newBroker(t, e)
		defer b.stop()
		l, _ := b.fetch(b.ls.Connect(), "a", 10)
		poll := b.ls.NewPoll()
		offset, ok := l.Look(poll)
		require.True(t, ok)
		require.EqualValues(t, 20, offset)
		require.False(t, poll.More.Wait(29*time.Second))
		require.True(t, poll.More.Wait(2*time.Second), "whoever waits hears of it")
		require.Equal(t, []Handed{{10, 19, 2}}, b.acquire(l, "b", 10))
		require.Equal(t, kerr.InvalidRecordState.Code, l.Acknowledge("a", accept(10, 19)))
		e.Sleep(time.Second)
		require.EqualValues(t, 1, b.merged[l.key].records[10].DeliveryCount, "the next leader counts on from there")
	})
}

func TestWhatAMemberHoldsIsReleasedWithItsSession(t *testing.T) {
	for name, end := range map[string]func(b *broker, c *Conn){
		"by the member":     func(b *broker, _ *Conn) { b.ls.Close("g", "a") },
		"by its connection": func(_ *broker, c *Conn) { c.Ended() },
		"with a former self": func(b *broker, c *Conn) {
			b.ls.Open(c, Fetching{Group: "g", Member: "a", Add: []TopicPartition{at(0)}})
			c.Ended()
		},
	} {
		inWorld(t, 1, func(e env.Env) {
			b := newBroker(t, e)
			defer b.stop()
			_, _ = b.fetch(b.ls.Connect(), "b", 5)
			c := b.ls.Connect()
			l, got := b.fetch(c, "a", 10)
			require.Equal(t, []Handed{{15, 24, 1}}, got)
			end(b, c)
			e.Sleep(time.Second)
			require.Equal(t, []Handed{{15, 24, 2}}, b.acquire(l, "b", 10), name)
		})
	}
}

func TestTheLastSessionOfAGroupTakesItsLeadersAlong(t *testing.T) {
	inWorld(t, 1, func(e env.Env) {
		b := newBroker(t, e)
		defer b.stop()
		c := b.ls.Connect()
		l, _ := b.fetch(c, "a", 10)
		c.Ended()
		e.Sleep(time.Second)
		require.NotZero(t, l.Over())
		require.Empty(t, b.ls.leaders)
		_, code := b.ls.Lead(l.key, l.tp)
		require.Equal(t, kerr.ShareSessionNotFound.Code, code, "nobody would end it")
		l, got := b.fetch(b.ls.Connect(), "a", 10)
		require.Equal(t, []Handed{{10, 19, 2}}, got, "the next one knows what it knew")
		require.Zero(t, l.Over())
	})
}

func TestALeaderIsOverWithItsEpochAndItsState(t *testing.T) {
	inWorld(t, 1, func(e env.Env) {
		b := newBroker(t, e)
		defer b.stop()
		first, _ := b.fetch(b.ls.Connect(), "a", 10)
		poll := b.ls.NewPoll()
		first.Look(poll)
		b.epochs[0] = 2
		b.ls.Resign(first.tp)
		require.True(t, poll.More.IsSet())
		require.Equal(t, kerr.NotLeaderForPartition.Code, first.Acknowledge("a", accept(10, 19)))
		second := b.lead("g", 0)
		require.NotSame(t, first, second)
		require.Equal(t, []Handed{{10, 19, 1}}, b.acquire(second, "b", 10), "what nobody has acknowledged is delivered once more")
		b.code = kerr.FencedStateEpoch.Code
		require.Equal(t, kerr.NotLeaderForPartition.Code, second.Acknowledge("b", accept(10, 19)))
		require.Equal(t, kerr.NotLeaderForPartition.Code, second.Over())
		delete(b.epochs, 0)
		_, code := b.ls.Find(second.key, second.tp)
		require.Equal(t, kerr.NotLeaderForPartition.Code, code)
		b.epochs[0] = 3
		_, code = b.ls.Find(second.key, second.tp)
		require.Equal(t, kerr.UnknownTopicOrPartition.Code, code)
	})
}

func TestShareSessions(t *testing.T) {
	inWorld(t, 1, func(e env.Env) {
		b := newBroker(t, e)
		defer b.stop()
		c := b.ls.Connect()
		open := func(member string, epoch int32, add, forget []TopicPartition) ([]TopicPartition, int16) {
			return b.ls.Open(c, Fetching{Group: "g", Member: member, Epoch: epoch, Add: add, Forget: forget})
		}
		two := []TopicPartition{at(0), at(1)}
		_, code := open("a", 1, two, nil)
		require.Equal(t, kerr.ShareSessionNotFound.Code, code)
		list, code := open("a", EpochNew, two, nil)
		require.Zero(t, code)
		require.Equal(t, two, list)
		list, code = open("a", 1, nil, nil)
		require.Zero(t, code)
		require.Equal(t, []TopicPartition{at(1), at(0)}, list, "in turn")
		_, code = open("a", 1, nil, nil)
		require.Equal(t, kerr.InvalidShareSessionEpoch.Code, code)
		list, _ = open("a", 2, []TopicPartition{at(5), at(0)}, []TopicPartition{at(1)})
		require.Equal(t, []TopicPartition{at(0), at(5)}, list)
		require.Zero(t, b.ls.Acknowledging("g", "a", 3))
		require.Equal(t, kerr.InvalidShareSessionEpoch.Code, b.ls.Acknowledging("g", "a", 3))
		require.Equal(t, kerr.InvalidShareSessionEpoch.Code, b.ls.Acknowledging("g", "a", EpochNew))
		require.Zero(t, b.ls.Acknowledging("g", "a", EpochFinal))
		for i := range 2 {
			_, code = open(fmt.Sprint("more", i), EpochNew, two, nil)
			require.Zero(t, code)
		}
		_, code = open("one too many", EpochNew, two, nil)
		require.Equal(t, kerr.ShareSessionLimitReached.Code, code)
		b.ls.Close("g", "a")
		_, code = open("one too many", EpochNew, make([]TopicPartition, maxSessionPartitions), nil)
		require.Equal(t, kerr.ShareSessionLimitReached.Code, code)
		_, code = open("one too many", EpochNew, two, nil)
		require.Zero(t, code)
		require.Len(t, c.opens, 3, "closed ones are not kept")
		_, code = open("b", EpochFinal, nil, nil)
		require.Equal(t, kerr.ShareSessionNotFound.Code, code)
		c.Ended()
		require.Empty(t, b.ls.sessions.all)
		require.Zero(t, b.ls.sessions.partitions)
	})
}
