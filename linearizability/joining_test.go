package linearizability

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// plantedInJoining are cases of TestWatcherFindsWhatIsPlanted: who joins an ISR, what
// logs know of themselves, and what voters promise.
var plantedInJoining = []plantedCase{
	{"a leader counts on what it has not itself", func(v *ClusterView) {
		v.Brokers[2].Epoch = 7
		v.Replicas[0].LogEnd, v.Replicas[2].LogEnd = 12, 12
		v.Replicas[0].Progress = []Progress{{Broker: 3, Epoch: 7, Registered: 7, LogEnd: 12}}
		v.Replicas[0].Log = batches{{0, 9, 1, 7}, {10, 11, 1, 7}}
		v.Replicas[2].Log = batches{{0, 9, 1, 7}, {10, 11, 1, 8}}
	}, wCounted, "leader 1 of orders-0 in epoch 1 counts on broker 3 to have what it has below 12, which differs: offsets 10 to 11 of epoch 1 (CRC 00000007) on the leader, offsets 10 to 11 of epoch 1 (CRC 00000008) on broker 3, at 1.000 s"},
	{"a broker joins by what its life before fetched", func(v *ClusterView) {
		v.rejoin(3)
		v.Replicas[0].Progress[1].Epoch = 6
	}, wJoinedLife, "broker 3 has joined the ISR of orders-0 ([1 2 3], partition epoch 3) in epoch 1 by what it fetched from leader 1 under broker epoch 6, but it is registered anew under 7, at 2.000 s"},
	{"a broker joins that has not fetched", func(v *ClusterView) {
		v.rejoin(3)
		v.Replicas[0].Progress = v.Replicas[0].Progress[:1]
	}, wJoinedLife, "broker 3 has joined the ISR of orders-0 ([1 2 3], partition epoch 3) in epoch 1, whose leader 1 knows of no fetch of it since it registered under 7, at 2.000 s"},
	{"a broker joins without what its leader began with", func(v *ClusterView) {
		v.rejoin(3)
		v.lead(1, 2, 12)
		v.Partitions[0].ISR, v.Replicas[0].LogEnd = []int32{1, 2}, 12
		v.Replicas[0].ISR, v.Replicas[0].MaximalISR = []int32{1, 2}, all3
		v.Replicas[2].LeaderEpoch = 2
	}, wJoinedStart, "broker 3 has come into the ISR of orders-0 ([1 2], asked for [1 2 3]) in epoch 2 with its log ending at offset 10, but leader 1 began the epoch with everything below 12"},
	{"a leader that is no replica", func(v *ClusterView) {
		v.Partitions[0].PartitionEpoch, v.Partitions[0].Replicas = 2, []int32{2, 3}
	}, wLeaderInSync, "broker 1 is in the ISR or the ELR of orders-0 (ISR [1 2 3], ELR []), but is none of its replicas [2 3], at 1.000 s"},
	{"a log takes an epoch to begin beyond its end", func(v *ClusterView) {
		v.Replicas[1].Log = claims{epochs: []EpochEntry{{1, 0}, {2, 12}}}
	}, wEpochCache, "the log of orders-0 on broker 2 ends at offset 10, but takes leader epoch 2 to begin at 12, at 1.000 s"},
	{"a log takes an epoch to begin where another does", func(v *ClusterView) {
		v.Replicas[1].Log = claims{batches: batches{{0, 4, 1, 7}, {5, 9, 1, 7}}, epochs: []EpochEntry{{0, 0}, {1, 5}}}
	}, wEpochCache, "the log of orders-0 on broker 2 takes leader epoch 0 to begin at offset 0, but holds offsets 0 to 4 of epoch 1 (CRC 00000007) there, at 1.000 s"},
	{"a log knows a batch of a producer that it has not", func(v *ClusterView) {
		v.Replicas[1].Log = claims{producers: []ProducerEntry{{ID: 3, Sequence: 4, BaseOffset: 10, LastOffset: 11}}}
	}, wProducers, "the log of orders-0 on broker 2 takes the last batch of producer 3 to be offsets 10 to 11, with sequence 4 of epoch 0 at its end, but it ends at 10, at 1.000 s"},
	{"a log takes a batch for another producer's", func(v *ClusterView) {
		v.Replicas[1].Log = claims{producers: []ProducerEntry{{ID: 3, Sequence: 4, BaseOffset: 5, LastOffset: 9}}, written: []ProducerEntry{{ID: 4, Sequence: 4, BaseOffset: 5, LastOffset: 9}}}
	}, wProducers, "but that batch is of producer 4, sequence 4, epoch 0, at 1.000 s"},
	{"a log takes a producer's batch to be where none is", func(v *ClusterView) {
		v.Replicas[1].Log = claims{producers: []ProducerEntry{{ID: 3, Sequence: 4, BaseOffset: 5, LastOffset: 9}}}
	}, wProducers, "but has no such batch, at 1.000 s"},
	{"a log forgets a producer", func(v *ClusterView) {
		log := claims{producers: []ProducerEntry{{ID: 3, Sequence: 4, BaseOffset: 5, LastOffset: 9}}}
		log.written = log.producers
		if v.Time == 2*second {
			log.producers = nil
		}
		v.Replicas[1].Log = log
	}, wRemembers, "the log of orders-0 on broker 2 has forgotten producer 3 at 2.000 s, whose last batch it took to end at offset 9 with sequence 4 of epoch 0, although it has cut nothing and remembers producers for 1h0m0s"},
	{"a voter votes twice", func(v *ClusterView) {
		v.Controllers[1].VotedFor = int32(v.Time / second)
	}, wQuorumVote, "voter 2 has voted for voter 2 in epoch 1 of the metadata quorum at 2.000 s, although it had voted for voter 1 in it"},
	{"a voter takes for committed what it alone has", func(v *ClusterView) {
		v.Controllers[1].HighWatermark, v.Controllers[1].LogEnd = 55, 55
	}, wQuorumCommit, "voter 2 takes everything below 55 of the metadata for committed at 1.000 s, in epoch 1, but at most 1 of 3 voters have it"},
}

// rejoin has a broker out of the ISR at 1 s, and in it again at 2 s, registered anew.
func (v *ClusterView) rejoin(broker int32) {
	for i := range v.Brokers {
		v.Brokers[i].Epoch, v.Brokers[i].Known = 7, 7
		if id := v.Brokers[i].Broker; id != 1 {
			v.Replicas[0].Progress = append(v.Replicas[0].Progress, Progress{Broker: id, Epoch: 7, Registered: -1, LogEnd: 10})
		}
	}
	v.Partitions[0].PartitionEpoch++
	if v.Time == 2*second {
		v.Partitions[0].PartitionEpoch++
	} else {
		v.Partitions[0].ISR = slices.DeleteFunc(slices.Clone(all3), func(r int32) bool { return r == broker })
	}
	v.Replicas[0].PartitionEpoch = v.Partitions[0].PartitionEpoch
	v.Replicas[0].ISR, v.Replicas[0].MaximalISR = v.Partitions[0].ISR, v.Partitions[0].ISR
}

// A broker that lost something is relied on for it no more, until it is again.
func TestWatcherDistrustsWhoHasLostSomething(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault Fault
		out   bool // it was out of the ISR after the fault
		found bool
	}{
		{"it stays", Fault{Kind: PowerLoss, Lossy: true, Exact: true}, false, true},
		{"a failed disk", Fault{Kind: DiskFailed, Lossy: true, Exact: true}, false, true},
		{"it lost nothing", Fault{Kind: PowerLoss, Exact: true}, false, false},
		{"it does not know", Fault{Kind: BitRot, Lossy: true, Exact: true}, false, false},
		{"nobody knows", Fault{Kind: PowerLoss, Lossy: true}, false, false},
		{"it has been out", Fault{Kind: PowerLoss, Lossy: true, Exact: true}, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWatcher()
			w.Observe(cluster(0))
			c.fault.Brokers, c.fault.Start, c.fault.End = []int32{3}, second/2, second
			w.AddFault(c.fault)
			for i := range time.Duration(2) {
				v := cluster((1 + i) * second)
				if c.out {
					v.Partitions[0].PartitionEpoch += int32(1 + i)
					if i == 0 {
						v.Partitions[0].ISR = []int32{1, 2}
					}
				}
				w.Observe(v)
			}
			require.Equal(t, c.found, w.Verdict().Checks[wDistrusted].Status == Failed, "%+v", w.Verdict().Findings)
		})
	}
}

// claims are batches of which a log knows producers and epochs that need not be those
// that are in it.
type claims struct {
	batches
	epochs    []EpochEntry
	producers []ProducerEntry
	written   []ProducerEntry
}

// Epochs implements LogView.
func (k claims) Epochs() []EpochEntry { return k.epochs }

// Producers implements LogView.
func (k claims) Producers() ([]ProducerEntry, int64) { return k.producers, 10 }

// ProducerOf implements LogView.
func (k claims) ProducerOf(base, last int64) (ProducerEntry, bool) {
	for _, e := range k.written {
		if e.BaseOffset == base && e.LastOffset == last {
			return e, true
		}
	}
	return ProducerEntry{}, false
}

func TestTheLastStableOffsetDoesNotFallInAnEpoch(t *testing.T) {
	w := newWatcher()
	for i, stable := range []int64{5, 0, 7, 6} { // 0 is not known
		v := cluster(time.Duration(i) * second)
		v.Replicas[0].Stable = stable
		w.Observe(v)
	}
	v := w.Verdict()
	require.Len(t, v.Findings, 1)
	require.Equal(t, "the last stable offset of orders-0 fell from 7 to 6 within leader epoch 1 on broker 1, at 3.000 s", v.Findings[0].Sentence)
}

// table is a log of keys.
type table struct {
	batches
	keyed []KeyedRecord
}

// Keyed implements LogView.
func (t table) Keyed(from, to int64, yield func(KeyedRecord)) error {
	for _, k := range t.keyed {
		if k.Offset >= from && k.Offset < to {
			yield(k)
		}
	}
	return nil
}

// Who reads a cleaned log anew has what it had before, but for tombstones that
// nobody needs.
func TestWatcherComparesWhatIsCleaned(t *testing.T) {
	before := []KeyedRecord{{"a", 1, false}, {"b", 2, false}, {"a", 3, false}, {"b", 6, true}}
	for _, c := range []struct {
		name  string
		after []KeyedRecord
		short bool // broker 3 has not copied the tombstone yet
		says  string
	}{
		{"superseded records go", before[2:], false, ""},
		{"a record goes that was superseded since", append(before[3:4:4], KeyedRecord{"a", 8, false}), false, ""},
		{"a tombstone goes that everybody has", before[2:3], false, ""},
		{"a tombstone goes that a replica needs", before[2:3], true,
			`broker 1 has removed the tombstone of key "b" at offset 6 of orders-0, at 1.000 s, although the log of broker 3 ends at offset 5 with the key at offset 2: it will never hear that it is deleted`},
		{"a last value is gone", before[3:], false,
			`broker 1 has cleaned orders-0 up to offset 8, and whoever reads it anew with read_committed has nothing of key "a" at 1.000 s, which is at offset 3`},
		{"an older value is last", before[:1], false,
			`broker 1 has cleaned orders-0 up to offset 8, and whoever reads it anew with read_committed has offset 1 of key "a" at 1.000 s, not offset 3 as before`},
		{"a deleted key is back", append(before[1:2:2], before[2]), false,
			`broker 1 has cleaned orders-0 up to offset 8, and whoever reads it anew with read_committed has offset 2 of key "b" at 1.000 s, not offset 6 as before`},
		{"an aborted record is read", append(before[2:4:4], KeyedRecord{"c", 7, false}), false,
			`broker 1 has cleaned orders-0 up to offset 8, and whoever reads it anew with read_committed has offset 7 of key "c" at 1.000 s, of which there was nothing before`},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := NewWatcher([]Topic{{Name: "orders", Partitions: 1, ReplicationFactor: 3, MinISR: 2, ELR: true, Compacted: true}})
			for i := range time.Duration(2) {
				v := cluster(i * second)
				v.Partitions[0].ISR, v.Replicas[0].ISR, v.Replicas[0].MaximalISR = all3[:2], all3[:2], all3[:2]
				v.Replicas[0].Gaps, v.Replicas[0].Stable, v.Replicas[0].Log = true, 10, table{keyed: before}
				v.Replicas[2].Gaps, v.Replicas[2].Stable, v.Replicas[2].Log = true, 10, table{keyed: before}
				if c.short {
					v.Replicas[2].LogEnd, v.Replicas[2].HighWatermark, v.Replicas[2].Stable = 5, 5, 5
				}
				if i == 0 {
					v.Replicas[0].Stable = 8 // what comes behind is not read yet
				} else {
					v.Replicas[0].Log, v.Replicas[0].Cleaned = table{keyed: c.after}, 8
				}
				w.Observe(v)
			}
			got := w.Verdict()
			if c.says == "" {
				require.Empty(t, got.Findings)
				require.Positive(t, got.Checks[wCompacted].Inputs)
				return
			}
			require.NotEmpty(t, got.Findings)
			require.Equal(t, c.says, got.Findings[0].Sentence)
			require.Equal(t, "K14", got.Findings[0].Code)
		})
	}
}
