package linearizability

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// given has a member of share group g be given records at second at: pairs of offset
// and value.
func (s *story) given(process int64, at int, pairs ...int64) *story {
	return s.sharing(process, at, "", false, pairs...)
}

// says has a member say something of records, and be answered that it is kept.
func (s *story) says(process int64, at int, what string, pairs ...int64) *story {
	return s.sharing(process, at, what, true, pairs...)
}

func (s *story) sharing(process int64, at int, said string, kept bool, pairs ...int64) *story {
	var runs []Run
	for i := 0; i < len(pairs); i += 2 {
		runs = AppendRun(runs, pairs[i], pairs[i+1])
	}
	s.l.AddSharing(Sharing{Group: "g", Topic: "orders", Process: process, Call: time.Duration(at) * second, Return: time.Duration(at)*second + second/2,
		Runs: runs, Said: said, Kept: kept})
	return s
}

// sharers is a run in which all is well: a record is given again after its release,
// and after an acceptance that nobody answered.
func sharers(t *testing.T) *story {
	return clean(t).given(11, 20, 0, 5, 1, 10).says(11, 21, "accept", 0, 5).says(11, 21, "release", 1, 10).
		given(12, 22, 1, 10, 2, 15).says(12, 23, "reject", 1, 10).sharing(12, 23, "accept", false, 2, 15).
		given(11, 40, 2, 15)
}

func TestShareGroupsMayGiveAgainWhatIsNotDone(t *testing.T) {
	v := judgeDrained(sharers(t).final(1, cleanLog()...).l.History())
	require.Empty(t, v.Findings)
	for _, k := range []check{checkFinished, checkSharedStay, checkUnshared} {
		got := checkNamed(t, v, k)
		require.Equal(t, Pass, got.Status, k.name)
		require.Positive(t, got.Inputs, k.name)
	}
}

func TestShareGroupsAreHeldToWhatTheyWereTold(t *testing.T) {
	for name, c := range map[string]struct {
		plan func(s *story) *story
		of   check
		says string
	}{
		"accepted and given again": {func(s *story) *story { return s.given(12, 41, 0, 5).final(1, cleanLog()...) }, checkFinished,
			"client 12 was given offset 0 of orders-0 at 41.500 s, of which client 11 had been told at 21.500 s that share group g keeps its accept"},
		"rejected and given again": {func(s *story) *story { return s.given(11, 41, 1, 10).final(1, cleanLog()...) }, checkFinished, "keeps its reject"},
		"what is not in the log":   {func(s *story) *story { return s.given(11, 41, 2, 99).final(1, cleanLog()...) }, checkSharedStay, "was given value 99 at offset 2 of orders-0"},
		"never given": {func(s *story) *story {
			return s.acked(17, 3, -1, 1, 1).poll(9, 1, 24, 3, 3, 17).final(1, append(cleanLog(), rec(3, 17, 1))...)
		}, checkUnshared, "offset 3 of orders-0 was acknowledged at 17.500 s and is in the log, but nobody of share group g was ever given it"},
	} {
		t.Run(name, func(t *testing.T) {
			h := c.plan(sharers(t)).l.History()
			v := judgeDrained(h)
			require.Equal(t, Failed, checkNamed(t, v, c.of).Status)
			require.Len(t, v.Findings, 1)
			require.Equal(t, c.of.code, v.Findings[0].Code)
			require.Contains(t, v.Findings[0].Sentence, c.says)
		})
	}
}

// What a share group forgets by a permitted loss is excused: here two of the three
// replicas of what its coordinator keeps lost power, and an unclean election followed.
func TestAPermittedLossExcusesWhatAShareGroupForgets(t *testing.T) {
	s := sharers(t).given(12, 41, 0, 5)
	s.l.AddTopic(Topic{Name: ShareStateTopic, Partitions: 1, ReplicationFactor: 1, MinISR: 1, Internal: true})
	state := func(at int, leader, epoch int32) {
		s.l.AddPartitionState(PartitionState{Topic: ShareStateTopic, Time: time.Duration(at) * second, Leader: leader, LeaderEpoch: epoch, PartitionEpoch: epoch, ISR: []int32{1}})
	}
	state(0, 1, 1)
	s.l.AddEpochStart(EpochStart{Topic: ShareStateTopic, LeaderEpoch: 1, Leader: 1})
	s.l.AddHighWatermark(HighWatermark{Topic: ShareStateTopic, Offset: 5, Time: 22 * second, LeaderEpoch: 1})
	s.fault(PowerLoss, 30, true, 1)
	state(31, 1, 2)
	s.l.AddEpochStart(EpochStart{Topic: ShareStateTopic, LeaderEpoch: 2, Leader: 1, StartOffset: 2, Time: 31 * second})
	v := judgeDrained(s.final(1, cleanLog()...).l.History())
	require.Positive(t, checkNamed(t, v, checkFinished).Excused)
	require.Equal(t, Pass, checkNamed(t, v, checkFinished).Status)
}

func TestSharingsAreReadAsTheyWereWritten(t *testing.T) {
	var file bytes.Buffer
	l := NewLog(&file)
	want := Sharing{Group: "g", Topic: "orders", Partition: 1, Process: 4, Call: second, Return: 2 * second, Runs: []Run{{Offset: 3, Value: 7, Stride: 2, Count: 2}}, Said: "accept", Kept: true}
	l.Begin(Manifest{Sharers: 1, Shared: []string{"orders"}})
	l.AddSharing(want)
	l.End(End{})
	require.NoError(t, l.Flush())
	h, err := ReadHistory(&file)
	require.NoError(t, err)
	require.Equal(t, []Sharing{want}, h.Sharings)
	require.EqualValues(t, 1, h.Counts()["sharing"])
}
