package broker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/env"
)

// Without a controller nobody gets a producer id. All who ask are told so after
// the same time, however many they are.
func TestProducersDoNotWaitForAControllerOneAfterTheOther(t *testing.T) {
	w := newWorld(t, 3, nil)
	w.run(func() {
		w.ready()
		w.nodes[1].node.PowerOff()
		w.nodes[2].node.PowerOff()
		w.sleep(30 * time.Second)
		var tasks []env.Task
		var longest time.Duration
		for range 20 {
			tasks = append(tasks, w.e.Go("producer", func() {
				start := w.e.Now()
				resp, err := w.try(1, &kmsg.InitProducerIDRequest{ProducerID: -1, ProducerEpoch: -1}, 4)
				require.NoError(w.t, err)
				require.NotZero(w.t, resp.(*kmsg.InitProducerIDResponse).ErrorCode)
				longest = max(longest, w.e.Now()-start)
			}))
		}
		for _, task := range tasks {
			task.Wait()
		}
		require.Less(w.t, longest, 6*time.Second)
	})
}
