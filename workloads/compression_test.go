package workloads_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/broker/compression"
	"github.com/weirlab/weir/workloads/scenario"
)

// What producers compress, or topics, is read back by consumers and scans, and
// the codecs are really used: each gives another run.
func TestCompressedRecordsAreReadBack(t *testing.T) {
	hashes := map[uint64]string{}
	for _, name := range compression.Names() {
		for _, where := range []string{"producer", "topic"} {
			s := parse(t, 21, "30s")
			s.Load.Duration = scenario.ExactSpan(2 * time.Second)
			if where == "producer" {
				s.Load.Producers.Properties["compression.type"] = name
			} else if name != "none" {
				s.Topic.Configs = scenario.Properties{"compression.type": name}
			}
			o := simulate(t, s)
			requirePassed(t, o)
			require.Equal(t, o.Acked, o.Consumed)
			hashes[o.Trace.Hash] = where + " " + name
		}
	}
	require.Len(t, hashes, 2*len(compression.Names())-1, "%v", hashes)
}
