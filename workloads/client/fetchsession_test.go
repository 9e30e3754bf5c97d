package client

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"github.com/weirlab/weir/broker/fetchsession"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/sim"
)

// Whatever the client fetches from one request to the next, and whatever becomes
// of answers and sessions, a broker with sessions is asked for what the client
// would ask one without.
func TestABrokerWithSessionsIsAskedForTheSame(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		k := sim.NewKernel(sim.Options{Seed: 1})
		k.NewNode("broker").Start("main", func(e env.Env) {
			cache := fetchsession.New(e, 2)
			var s fetchSession
			listed, fetched := 0, 0
			for range rapid.IntRange(1, 60).Draw(rt, "fetches") {
				full := &kmsg.FetchRequest{Version: 12, SessionEpoch: -1}
				for _, topic := range []string{"a", "b", "c"} {
					t := kmsg.FetchRequestTopic{Topic: topic}
					for n := range int32(3) {
						if rapid.IntRange(0, 4).Draw(rt, "left out") == 0 {
							continue
						}
						p := kmsg.NewFetchRequestTopicPartition()
						p.Partition, p.FetchOffset, p.CurrentLeaderEpoch = n, int64(rapid.IntRange(0, 2).Draw(rt, "offset")), int32(rapid.IntRange(0, 1).Draw(rt, "epoch"))
						t.Partitions = append(t.Partitions, p)
					}
					if len(t.Partitions) > 0 {
						full.Topics = append(full.Topics, t)
					}
				}
				if len(full.Topics) == 0 {
					continue // who has nothing to fetch sends nothing
				}
				want := map[TopicPartition]kmsg.FetchRequestTopicPartition{}
				req := *full
				req.Topics = nil
				for _, t := range full.Topics {
					t.Partitions = append([]kmsg.FetchRequestTopicPartition(nil), t.Partitions...)
					req.Topics = append(req.Topics, t)
					for _, p := range t.Partitions {
						want[TopicPartition{Topic: t.Topic, Partition: p.Partition}] = p
					}
				}
				s.describe(&req)
				for _, t := range req.Topics {
					listed += len(t.Partitions)
				}
				fetched += len(want)
				fate := rapid.IntRange(0, 19).Draw(rt, "fate")
				if fate == 0 { // the request does not come
					s.lost()
					continue
				}
				var turn fetchsession.Turn
				resp := &kmsg.FetchResponse{}
				if resp.ErrorCode = cache.Open(&turn, &req, false); resp.ErrorCode == 0 {
					got := map[TopicPartition]kmsg.FetchRequestTopicPartition{}
					for _, t := range turn.Request.Topics {
						topic := kmsg.FetchResponseTopic{Topic: t.Topic}
						for _, p := range t.Partitions {
							got[TopicPartition{Topic: t.Topic, Partition: p.Partition}] = p
							topic.Partitions = append(topic.Partitions, kmsg.FetchResponseTopicPartition{Partition: p.Partition})
						}
						resp.Topics = append(resp.Topics, topic)
					}
					require.Equal(rt, want, got)
					turn.Settle(resp)
				}
				switch fate {
				case 1: // the answer does not come
					s.lost()
				case 2: // somebody else takes the session's room
					for range 2 {
						e.Sleep(121 * time.Second)
						var other fetchsession.Turn
						require.Zero(rt, cache.Open(&other, &kmsg.FetchRequest{Version: 12, Topics: full.Topics}, true))
						other.Settle(&kmsg.FetchResponse{})
					}
					s.answered(resp)
				default:
					s.answered(resp)
				}
				require.Len(rt, s.told, len(s.order))
				if fate == 3 && s.epoch > 0 {
					s.epoch = 0
				}
			}
			require.LessOrEqual(rt, listed, fetched)
		})
		require.NoError(rt, k.Run())
		require.NoError(rt, k.Close())
	})
}

func TestEpochsOfASessionBeginAgainAtOne(t *testing.T) {
	s := fetchSession{id: 7, epoch: math.MaxInt32}
	s.answered(&kmsg.FetchResponse{SessionID: 7})
	require.EqualValues(t, 1, s.epoch)
}
