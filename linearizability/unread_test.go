package linearizability

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A log that is being cut is shorter than its replica says for a moment. One that cannot
// be read at the last look has not been compared.
func TestWatcherLooksAgainAtLogsThatAreBeingCut(t *testing.T) {
	for want, last := range map[Status]LogView{Unknown: unreadable{}, Pass: batches{{0, 9, 1, 7}}} {
		w := newWatcher()
		for at, log := range []LogView{unreadable{}, last} {
			v := cluster(second * time.Duration(at+1))
			v.Replicas[0].Log, v.Replicas[1].Log = batches{{0, 9, 1, 7}}, log
			w.Observe(v)
		}
		require.Equal(t, want, w.Verdict().Checks[wLogMatching].Status)
	}
}
