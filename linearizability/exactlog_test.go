package linearizability

import (
	"context"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// logOp is Porcupine's view: an append that makes a level, or a read of one.
type logOp struct {
	append, exact bool
	level         int
}

var logModel = porcupine.Model{
	Init: func() any { return 0 },
	Step: func(state, input, _ any) (bool, any) {
		tail, op := state.(int), input.(logOp)
		switch {
		case op.append:
			return op.level == tail+1, tail + 1
		case op.exact:
			return tail == op.level, tail
		}
		return tail >= op.level, tail
	},
}

func porcupineSays(appends []logAppend, reads []logRead) bool {
	var ops []porcupine.Operation
	at := func(t time.Duration) int64 {
		switch t {
		case Never:
			return math.MaxInt64
		case minTime:
			return math.MinInt64
		}
		return int64(t)
	}
	for i, a := range appends {
		ops = append(ops, porcupine.Operation{ClientId: len(ops), Input: logOp{append: true, level: i + 1}, Call: at(a.call), Return: at(a.ret)})
	}
	for _, r := range reads {
		ops = append(ops, porcupine.Operation{ClientId: len(ops), Input: logOp{exact: r.exact, level: r.level}, Call: at(r.call), Return: at(r.ret)})
	}
	return porcupine.CheckOperations(logModel, ops)
}

// The linear-time check and Porcupine agree on small histories, legal and not.
func TestExactLogAgreesWithPorcupine(t *testing.T) {
	legal, illegal := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 6).Draw(t, "appends")
		interval := func(name string) (time.Duration, time.Duration) {
			call := rapid.IntRange(0, 12).Draw(t, name)
			return time.Duration(call), time.Duration(call + rapid.IntRange(0, 6).Draw(t, "length"))
		}
		var appends []logAppend
		for range n {
			var a logAppend
			a.call, a.ret = interval("append")
			switch rapid.IntRange(0, 9).Draw(t, "kind") {
			case 0:
				a.ret = Never
			case 1:
				a.call, a.ret = minTime, Never
			}
			appends = append(appends, a)
		}
		var reads []logRead
		for range rapid.IntRange(0, 5).Draw(t, "reads") {
			r := logRead{level: rapid.IntRange(0, n).Draw(t, "level"), exact: rapid.Bool().Draw(t, "exact")}
			r.call, r.ret = interval("read")
			reads = append(reads, r)
		}
		v := linearizeLog(appends, reads)
		require.Equal(t, porcupineSays(appends, reads), v == nil, "appends %v reads %v", appends, reads)
		if v == nil {
			legal++
		} else {
			illegal++
		}
	})
	require.Positive(t, legal)
	require.Positive(t, illegal)
}

func BenchmarkExactLog(b *testing.B) {
	const n = 1_000_000
	appends := make([]logAppend, n)
	reads := make([]logRead, n/10)
	for i := range appends {
		appends[i] = logAppend{time.Duration(i * 10), time.Duration(i*10 + 500)}
		if i%20 == 0 {
			appends[i].ret = Never
		}
	}
	for i := range reads {
		reads[i] = logRead{call: time.Duration(i * 100), ret: time.Duration(i*100 + 700), level: i * 10, exact: false}
	}
	for b.Loop() {
		if linearizeLog(appends, reads) != nil {
			b.Fatal("illegal")
		}
	}
}

// Cutting a register's history into windows changes no answer.
func TestRegisterWindowsAgreeWithTheWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var ops []*OffsetOp
		now := time.Duration(0)
		for range rapid.IntRange(1, 12).Draw(t, "ops") {
			now += time.Duration(rapid.IntRange(0, 3).Draw(t, "gap"))
			o := &OffsetOp{Call: now, Return: now + time.Duration(rapid.IntRange(0, 4).Draw(t, "length")),
				Write: rapid.Bool().Draw(t, "write"), Offset: rapid.Int64Range(-1, 2).Draw(t, "offset"), Outcome: OK}
			if o.Write {
				o.Offset = max(o.Offset, 0)
				if rapid.IntRange(0, 4).Draw(t, "fate") == 0 {
					o.Outcome, o.Return = Info, Never
				}
			}
			ops = append(ops, o)
		}
		all := registerOps(ops)
		whole := checkRegisterOps(window{None, all}, plenty())
		cut := porcupine.Ok
		for _, w := range windowsOf(all, 1) {
			if checkRegisterOps(w, plenty()) == porcupine.Illegal {
				cut = porcupine.Illegal
			}
		}
		require.Equal(t, whole, cut)
		// Dropping commits that nobody saw changes no answer either.
		require.Equal(t, checkRegisterOps(window{None, ops}, plenty()), whole)
	})
}

// plenty of steps for Porcupine.
func plenty() *int64 {
	steps := int64(1 << 40)
	return &steps
}

// What Porcupine has not proved within its steps is unknown, on every machine alike.
func TestRegistersHaveABudgetOfSteps(t *testing.T) {
	for steps, status := range map[int64]Status{1: Unknown, 1000: Failed} {
		s := clean(t).final(1, cleanLog()...)
		commitAndFetch(s)
		v := Judge(context.Background(), sealed(s.l.History()), Options{Steps: steps})
		require.Equal(t, status, checkNamed(t, v, checkRegister).Status)
		if status == Unknown {
			require.Contains(t, checkNamed(t, v, checkRegister).Note, "Porcupine had taken its 1 steps at group g, orders-0")
		}
	}
}

func TestRegisterExcusedByLossOfTheOffsetsTopic(t *testing.T) {
	s := clean(t).final(1, cleanLog()...)
	commitAndFetch(s)
	s.l.AddTopic(Topic{Name: OffsetsTopic, Partitions: 1, ReplicationFactor: 3, MinISR: 1})
	s.l.AddPartitionState(PartitionState{Topic: OffsetsTopic, Leader: 1, LeaderEpoch: 1, PartitionEpoch: 1, ISR: []int32{1}})
	s.l.AddPartitionState(PartitionState{Topic: OffsetsTopic, Leader: 1, LeaderEpoch: 2, PartitionEpoch: 2, ISR: []int32{1}, Time: 33 * second})
	require.Equal(t, []string{"K8"}, codes(s.judge()))
	s.fault(PowerLoss, 32, true, 1)
	v := s.judge()
	require.Empty(t, v.Findings)
	require.Contains(t, v.Excused[0].Reason, "committed offsets live in __consumer_offsets-0: broker 1 became leader in epoch 2")
}

// A loss explains one step back to what was committed before, and no more.
func TestRegisterIsExcusedOneStepBackForEachLoss(t *testing.T) {
	for _, c := range []struct {
		name    string
		last    []int64 // what is fetched, from second 40 on
		excused bool
	}{
		{"back to the first commit", []int64{1, 1}, true},
		{"back to nothing", []int64{None, None}, true},
		{"to what nobody committed", []int64{7}, false},
		{"back twice for one loss", []int64{1, None}, false},
		{"back and forth again", []int64{1, 2}, false},
	} {
		s := clean(t).final(1, cleanLog()...)
		commitAndFetch(s)
		s.l.h.Offsets = s.l.h.Offsets[:4]
		for i, offset := range c.last {
			at := time.Duration(40+2*i) * second
			n := s.l.Invoke(Op{Time: at, Process: 4, F: FetchOffset, Group: "g", Topic: "orders"})
			s.l.Complete(n, Op{Time: at + second, Type: OK, Offset: offset})
		}
		s.l.AddTopic(Topic{Name: OffsetsTopic, Partitions: 1, ReplicationFactor: 3, MinISR: 1, Internal: true})
		s.l.AddPartitionState(PartitionState{Topic: OffsetsTopic, Leader: 1, LeaderEpoch: 1, PartitionEpoch: 1, ISR: []int32{1}})
		s.l.AddPartitionState(PartitionState{Topic: OffsetsTopic, Leader: 1, LeaderEpoch: 2, PartitionEpoch: 2, ISR: []int32{1}, Time: 38 * second})
		s.fault(PowerLoss, 36, true, 1)
		v := s.judge()
		require.Equal(t, c.excused, !slices.Contains(codes(v), "K8"), "%s: %v", c.name, v.Findings)
		require.Equal(t, c.excused || c.name != "to what nobody committed", checkNamed(t, v, checkRegister).Excused > 0, c.name)
	}
}

// Where the offsets topic tells its high watermarks, an election excuses nothing
// that cut below none of them.
func TestRegisterIsExcusedByWhatWasCommitted(t *testing.T) {
	for high, excused := range map[int64]bool{5: false, 6: true} {
		s := clean(t).final(1, cleanLog()...)
		commitAndFetch(s)
		s.l.AddTopic(Topic{Name: OffsetsTopic, Partitions: 1, ReplicationFactor: 3, MinISR: 1, Internal: true})
		s.l.AddPartitionState(PartitionState{Topic: OffsetsTopic, Leader: 1, LeaderEpoch: 1, PartitionEpoch: 1, ISR: []int32{1}})
		s.l.AddPartitionState(PartitionState{Topic: OffsetsTopic, Leader: 1, LeaderEpoch: 2, PartitionEpoch: 2, ISR: []int32{1}, Time: 33 * second})
		s.l.AddEpochStart(EpochStart{Topic: OffsetsTopic, LeaderEpoch: 2, Leader: 1, Time: 33 * second, StartOffset: 5})
		for epoch, offset := range []int64{0, high, 9} {
			s.l.AddHighWatermark(HighWatermark{Topic: OffsetsTopic, Time: time.Duration(30+epoch) * second, Broker: 1, LeaderEpoch: int32(epoch), Offset: offset})
		}
		s.fault(PowerLoss, 32, true, 1)
		require.Equal(t, excused, !slices.Contains(codes(s.judge()), "K8"), "high watermark %d", high)
	}
}

func TestHashGroupIsJavas(t *testing.T) {
	require.EqualValues(t, 0, hashGroup(""))
	require.EqualValues(t, 103, hashGroup("g"))
	require.EqualValues(t, 99162322, hashGroup("hello"))
	require.EqualValues(t, -862545276, hashGroup("Hello World"), "overflows as Java's int does")
}
