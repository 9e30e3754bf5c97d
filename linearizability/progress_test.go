package linearizability

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A leader counts on what followers have fetched in its epoch, in the life that they
// have, and on nothing else.
func TestLeadersCountOnWhatFollowersHave(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(v *ClusterView)
		says   string
	}{
		{"as it is", func(*ClusterView) {}, ""},
		{"of an earlier epoch", func(v *ClusterView) { v.Replicas[2].LeaderEpoch = 0 }, "which is in epoch 0 yet, with its log ending at 10, at 1.000 s"},
		{"more than it has", func(v *ClusterView) { v.Replicas[0].Progress[0].LogEnd = 11 },
			"leader 1 of orders-0 in epoch 1 counts on broker 3 to have everything below 11, but its log ends at 10, at 1.000 s"},
		{"of an earlier life", func(v *ClusterView) { v.Replicas[0].Progress[0].Registered = 8 },
			"which fetched that under broker epoch 7, although it knows it to be registered anew under 8"},
		{"of a life that the leader has not heard the end of", func(v *ClusterView) { v.Brokers[2].Epoch, v.Replicas[2].LogEnd = 8, 9 }, ""},
		{"of who is in a later epoch", func(v *ClusterView) { v.Replicas[2].LeaderEpoch, v.Replicas[2].LogEnd = 2, 9 }, ""},
		{"of a disk that broke", func(v *ClusterView) { v.Replicas[2].Failed, v.Replicas[2].LogEnd = true, 9 }, ""},
	} {
		w := newWatcher()
		v := cluster(second)
		v.Brokers[2].Epoch = 7
		v.Replicas[0].Progress = []Progress{{Broker: 3, Epoch: 7, Registered: 7, LogEnd: 10}}
		c.change(&v)
		w.Observe(v)
		got := w.Verdict()
		says := ""
		for _, f := range got.Findings {
			if strings.Contains(f.Sentence, "counts on broker") {
				says += f.Sentence
			}
		}
		if c.says == "" {
			require.Empty(t, says, c.name)
		}
		require.Contains(t, says, c.says, c.name)
		require.EqualValues(t, 1, got.Checks[wProgress].Inputs, c.name)
	}
}
