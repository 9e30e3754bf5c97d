package linearizability

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Who is being added is relied on by nobody: another target takes it away although a
// fault has left one alone who counts. Nor does it make up for who is dropped.
func TestWatcherReliesOnNobodyWhoIsBeingAdded(t *testing.T) {
	state := func(at time.Duration, epoch int32, isr, adding []int32) ClusterView {
		v := cluster(at)
		s := &v.Partitions[0]
		s.ISR, s.Adding, s.PartitionEpoch = isr, adding, epoch
		v.Replicas[0].ISR, v.Replicas[0].MaximalISR, v.Replicas[0].PartitionEpoch = isr, isr, epoch
		return v
	}
	w := newWatcher()
	w.Observe(state(0, 1, []int32{1, 2, 3}, []int32{3}))
	w.AddFault(Fault{Kind: PowerLoss, Brokers: []int32{2}, Start: second / 2, Lossy: true})
	w.Observe(state(second, 2, []int32{1, 3}, []int32{3}))
	w.Observe(state(2*second, 3, []int32{1}, nil))
	require.Empty(t, w.Verdict().Findings)

	w = newWatcher()
	w.Observe(state(0, 1, []int32{1, 2, 3}, []int32{3}))
	w.Observe(state(second, 2, []int32{1, 3}, []int32{3}))
	require.Contains(t, w.Verdict().Findings[0].Sentence, "broker 2 of orders-0 is relied on no more, although no fault has taken anything from it and only broker 1 is left of min.insync.replicas=2")
}
