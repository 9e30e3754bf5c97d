package fetchsession

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/sim"
)

// inWorld runs a test where time is virtual.
func inWorld(t require.TestingT, program func(e env.Env)) {
	k := sim.NewKernel(sim.Options{Seed: 1})
	k.NewNode("broker").Start("main", program)
	require.NoError(t, k.Run())
	require.NoError(t, k.Close())
}

// log is a partition as the broker has it.
type log struct {
	high, start int64
	code        int16
}

// ask is a request of version 12, by names; partitions are "topic/number@offset".
func ask(id, epoch int32, partitions ...string) *kmsg.FetchRequest {
	req := &kmsg.FetchRequest{Version: 12, SessionID: id, SessionEpoch: epoch}
	for _, s := range partitions {
		name, rest, _ := strings.Cut(s, "/")
		p := kmsg.NewFetchRequestTopicPartition()
		_, _ = fmt.Sscanf(rest, "%d@%d", &p.Partition, &p.FetchOffset)
		req.Topics = append(req.Topics, kmsg.FetchRequestTopic{Topic: name, Partitions: []kmsg.FetchRequestTopicPartition{p}})
	}
	return req
}

func forget(req *kmsg.FetchRequest, topic string, partitions ...int32) *kmsg.FetchRequest {
	req.ForgottenTopics = append(req.ForgottenTopics, kmsg.FetchRequestForgottenTopic{Topic: topic, Partitions: partitions})
	return req
}

// list names the partitions of a request in their order.
func list(req *kmsg.FetchRequest) (out []string) {
	for _, t := range req.Topics {
		for _, p := range t.Partitions {
			out = append(out, fmt.Sprintf("%s/%d@%d", t.Topic, p.Partition, p.FetchOffset))
		}
	}
	return out
}

// answer is the full answer of a broker with these logs.
func answer(req *kmsg.FetchRequest, logs map[string]log) *kmsg.FetchResponse {
	resp := &kmsg.FetchResponse{}
	for _, t := range req.Topics {
		topic := kmsg.FetchResponseTopic{Topic: t.Topic}
		for _, asked := range t.Partitions {
			l := logs[fmt.Sprintf("%s/%d", t.Topic, asked.Partition)]
			p := kmsg.NewFetchResponseTopicPartition()
			p.Partition, p.HighWatermark, p.LogStartOffset, p.ErrorCode = asked.Partition, l.high, l.start, l.code
			if l.code == 0 && asked.FetchOffset < l.high {
				p.RecordBatches = []byte("records")
			}
			topic.Partitions = append(topic.Partitions, p)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	return resp
}

// told names the partitions of an answer in their order.
func told(resp *kmsg.FetchResponse) (out []string) {
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			out = append(out, fmt.Sprintf("%s/%d", t.Topic, p.Partition))
		}
	}
	return out
}

// fetch is a whole turn.
func fetch(c *Cache, req *kmsg.FetchRequest, logs map[string]log) *kmsg.FetchResponse {
	var t Turn
	if code := c.Open(&t, req, false); code != 0 {
		return &kmsg.FetchResponse{ErrorCode: code}
	}
	resp := answer(t.Request, logs)
	t.Settle(resp)
	return resp
}

func TestAnswersHaveWhatIsNew(t *testing.T) {
	inWorld(t, func(e env.Env) {
		c := New(e, 10)
		logs := map[string]log{"a/0": {high: 5}, "a/1": {high: 5}, "b/0": {high: 5}}
		resp := fetch(c, ask(0, 0, "a/0@5", "a/1@5", "b/0@5"), logs)
		id := resp.SessionID
		require.NotZero(t, id)
		require.Equal(t, []string{"a/0", "a/1", "b/0"}, told(resp), "the first answer is a full one")
		require.Empty(t, told(fetch(c, ask(id, 1), logs)))

		logs["a/0"] = log{high: 6}
		require.Equal(t, []string{"a/0"}, told(fetch(c, ask(id, 2), logs)), "records")
		require.Equal(t, []string{"a/0"}, told(fetch(c, ask(id, 3), logs)), "and again, until the client has gone on")
		require.Empty(t, told(fetch(c, ask(id, 4, "a/0@6"), logs)))
		logs["b/0"] = log{high: 5, start: 2}
		require.Equal(t, []string{"b/0"}, told(fetch(c, ask(id, 5), logs)), "another log start")
		logs["b/0"] = log{high: 5, start: 2, code: kerr.NotLeaderForPartition.Code}
		require.Equal(t, []string{"b/0"}, told(fetch(c, ask(id, 6), logs)), "an error")
		require.Equal(t, []string{"b/0"}, told(fetch(c, ask(id, 7), logs)), "as long as there is one")
		logs["b/0"] = log{high: 5, start: 2}
		require.Equal(t, []string{"b/0"}, told(fetch(c, ask(id, 8), logs)), "and that it is over")
		require.Empty(t, told(fetch(c, ask(id, 9), logs)))

		logs["c/7"] = log{high: 1}
		require.Equal(t, []string{"c/7"}, told(fetch(c, forget(ask(id, 10, "c/7@1"), "a", 0, 1), logs)), "a partition more")
		logs["a/0"] = log{high: 9}
		require.Empty(t, told(fetch(c, ask(id, 11), logs)), "forgotten")
		resp = fetch(c, forget(forget(ask(id, 12), "b", 0), "c", 7), logs)
		require.Zero(t, resp.SessionID, "a session of nothing is over")
		require.Zero(t, resp.ErrorCode)
		require.Equal(t, kerr.FetchSessionIDNotFound.Code, fetch(c, ask(id, 13), logs).ErrorCode)
		sessions, bytes := c.Usage()
		require.Zero(t, sessions)
		require.Zero(t, bytes)
	})
}

func TestWhoWasServedWaitsBehindTheOthers(t *testing.T) {
	inWorld(t, func(e env.Env) {
		c := New(e, 10)
		logs := map[string]log{"a/0": {high: 5}, "a/1": {}, "b/0": {high: 5}, "b/1": {}}
		id := fetch(c, ask(0, 0, "a/0@0", "a/1@0", "b/0@0", "b/1@0"), logs).SessionID
		fetch(c, ask(id, 1), logs)
		var turn Turn
		require.Zero(t, c.Open(&turn, ask(id, 2), false))
		require.Equal(t, []string{"a/1@0", "b/1@0", "a/0@0", "b/0@0"}, list(turn.Request))
	})
}

func TestEpochsCountTheFetchesOfASession(t *testing.T) {
	inWorld(t, func(e env.Env) {
		c := New(e, 10)
		id := fetch(c, ask(0, 0, "a/0@0"), nil).SessionID
		refused := func(want *kerr.Error, req *kmsg.FetchRequest) {
			t.Helper()
			resp := fetch(c, req, nil)
			require.Equal(t, want.Code, resp.ErrorCode)
			require.Empty(t, resp.Topics)
		}
		refused(kerr.InvalidFetchSessionEpoch, ask(id, 2))
		refused(kerr.InvalidFetchSessionEpoch, ask(id, -2))
		refused(kerr.FetchSessionIDNotFound, ask(id+1, 1))
		refused(kerr.FetchSessionIDNotFound, ask(0, 1))
		byID := ask(id, 1)
		byID.Version = idVersion
		refused(kerr.FetchSessionTopicIDError, byID)
		require.Zero(t, fetch(c, ask(id, 1), nil).ErrorCode, "none of these has changed anything")
		refused(kerr.InvalidFetchSessionEpoch, ask(id, 1))

		c.sessions[id].epoch = math.MaxInt32
		require.Zero(t, fetch(c, ask(id, math.MaxInt32), nil).ErrorCode)
		require.Zero(t, fetch(c, ask(id, 1), nil).ErrorCode)

		// The client gives a fetch up and sends the next one on another connection.
		var first, second Turn
		require.Zero(t, c.Open(&first, ask(id, 2), false))
		require.Zero(t, c.Open(&second, ask(id, 3, "b/0@0"), false))
		resp := answer(first.Request, nil)
		first.Settle(resp)
		require.Equal(t, kerr.InvalidFetchSessionEpoch.Code, resp.ErrorCode)
		require.Empty(t, resp.Topics)
		resp = answer(second.Request, nil)
		second.Settle(resp)
		require.Equal(t, []string{"b/0"}, told(resp))

		// Whoever asks for a new session, or for none, gives up the one it had.
		other := fetch(c, ask(id, 0, "a/0@0"), nil).SessionID
		require.NotEqual(t, id, other)
		refused(kerr.FetchSessionIDNotFound, ask(id, 4))
		require.Zero(t, fetch(c, ask(other, -1, "a/0@0"), nil).SessionID)
		refused(kerr.FetchSessionIDNotFound, ask(other, 1))
		require.Zero(t, fetch(c, ask(0, 0), nil).SessionID, "of nothing")
		require.Zero(t, fetch(c, ask(0, 0, "a/0@0", "a/0@1"), nil).SessionID, "of a partition twice")
		old := ask(0, 0, "a/0@0")
		old.Version = 6
		require.Zero(t, fetch(c, old, nil).SessionID)
		sessions, _ := c.Usage()
		require.Zero(t, sessions)
	})
}

// Kafka's FetchSessionCacheShard.tryEvict.
func TestRoomIsMadeForSessionsThatAreWorthMore(t *testing.T) {
	inWorld(t, func(e env.Env) {
		open := func(c *Cache, follower bool, partitions ...string) int32 {
			var turn Turn
			require.Zero(t, c.Open(&turn, ask(0, 0, partitions...), follower))
			resp := answer(turn.Request, nil)
			turn.Settle(resp)
			return resp.SessionID
		}
		alive := func(c *Cache, id int32) bool { return c.sessions[id] != nil }
		require.Zero(t, open(New(e, 0), true, "a/0@0"), "no slot at all")

		c := New(e, 2)
		small, large := open(c, false, "a/0@0"), open(c, false, "a/0@0", "a/1@0", "a/2@0")
		require.Zero(t, open(c, false, "b/0@0", "b/1@0"), "all are young")
		follower := open(c, true, "b/0@0", "b/1@0")
		require.NotZero(t, follower, "a follower need not wait")
		require.False(t, alive(c, small))
		require.True(t, alive(c, large))

		e.Sleep(121 * time.Second)
		require.Zero(t, fetch(c, ask(large, 1), nil).ErrorCode)
		require.Zero(t, fetch(c, ask(follower, 1), nil).ErrorCode)
		require.Zero(t, open(c, false, "c/0@0", "c/1@0"), "all are larger, or a follower's")
		larger := open(c, false, "c/0@0", "c/1@0", "c/2@0", "c/3@0")
		require.NotZero(t, larger)
		require.False(t, alive(c, large))

		e.Sleep(121 * time.Second)
		require.NotZero(t, open(c, false, "d/0@0"), "whom nobody has used for so long goes, whatever it is worth")
		require.False(t, alive(c, follower))
	})
}

// What a stranger lists is counted, and not kept beyond the bound.
func TestAllSessionsTogetherAreBounded(t *testing.T) {
	inWorld(t, func(e env.Env) {
		c := New(e, 1000)
		many := func(name string, n int) *kmsg.FetchRequest {
			req := ask(0, 0)
			topic := kmsg.FetchRequestTopic{Topic: name}
			for i := range n {
				p := kmsg.NewFetchRequestTopicPartition()
				p.Partition = int32(i)
				p.UnknownTags.Set(3, make([]byte, 100))
				topic.Partitions = append(topic.Partitions, p)
			}
			req.Topics = append(req.Topics, topic)
			return req
		}
		long := strings.Repeat("x", 30_000)
		began := 0
		for range 5 {
			if fetch(c, many(long, 1000), nil).SessionID != 0 {
				began++
			}
		}
		require.Equal(t, 2, began, "names count")
		id := fetch(c, many("a", 10), nil).SessionID
		require.NotZero(t, id)
		for _, at := range c.sessions[id].order {
			require.Zero(t, at.ask.UnknownTags.Len())
		}
		grown := many(long, 300)
		grown.SessionID, grown.SessionEpoch = id, 1
		require.Equal(t, kerr.FetchSessionIDNotFound.Code, fetch(c, grown, nil).ErrorCode, "a session cannot outgrow the bound either")
		_, bytes := c.Usage()
		require.LessOrEqual(t, bytes, maxBytes)
	})
}

// Whatever a client does, it knows of each of its partitions what a full answer
// would have told it, and the broker is asked for what the client fetches.
func TestASessionTellsWhatFullAnswersWould(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		inWorld(rt, func(e env.Env) {
			c := New(e, 2)
			logs := map[string]log{}
			position, known := map[string]int64{}, map[string]log{} // of the client
			changed, forgotten := map[string]bool{}, map[string]bool{}
			id, epoch := int32(0), int32(0)
			names := []string{"a/0", "a/1", "b/0", "c/0", "c/9"}
			pick := func() string { return rapid.SampledFrom(names).Draw(rt, "partition") }
			for range rapid.IntRange(20, 80).Draw(rt, "steps") {
				switch rapid.IntRange(0, 39).Draw(rt, "step") {
				case 0, 1, 2, 3, 4, 5, 6, 7: // the broker's log changes
					n := pick()
					l := logs[n]
					l.high += int64(rapid.IntRange(0, 2).Draw(rt, "records"))
					l.start = min(l.high, l.start+int64(rapid.IntRange(0, 1).Draw(rt, "removed")))
					l.code = rapid.SampledFrom([]int16{0, 0, 6}).Draw(rt, "code")
					logs[n] = l
				case 8, 9, 10, 11: // the client fetches a partition, from somewhere
					n := pick()
					position[n] = int64(rapid.IntRange(0, 5).Draw(rt, "offset"))
					changed[n] = true
					delete(forgotten, n)
				case 12, 13:
					n := pick()
					if _, ok := position[n]; ok {
						delete(position, n)
						delete(changed, n)
						forgotten[n] = true
					}
				case 14: // somebody else takes a slot
					fetch(c, ask(0, 0, "z/0@0", "z/1@0", "z/2@0", "z/3@0", "z/4@0", "z/5@0"), nil)
					e.Sleep(100 * time.Second)
				case 15: // the client gives its session up
					epoch = 0
				default:
					ps := map[string]bool{}
					for n := range position {
						ps[n] = epoch == 0 || changed[n]
					}
					req := ask(id, epoch)
					for _, n := range env.SortedKeys(ps) {
						if ps[n] {
							req.Topics = append(req.Topics, ask(0, 0, fmt.Sprintf("%s@%d", n, position[n])).Topics...)
						}
					}
					if epoch > 0 {
						for _, n := range env.SortedKeys(forgotten) {
							delete(known, n)
							name, rest, _ := strings.Cut(n, "/")
							var p int32
							_, _ = fmt.Sscan(rest, &p)
							forget(req, name, p)
						}
					} else {
						clear(known)
					}
					var turn Turn
					if code := c.Open(&turn, req, false); code != 0 {
						require.Contains(rt, []int16{kerr.FetchSessionIDNotFound.Code}, code)
						epoch = 0
						continue
					}
					asked := map[string]int64{}
					for _, s := range list(turn.Request) {
						n, at, _ := strings.Cut(s, "@")
						var offset int64
						_, _ = fmt.Sscan(at, &offset)
						require.NotContains(rt, asked, n)
						asked[n] = offset
					}
					require.Equal(rt, position, asked)
					full := answer(turn.Request, logs)
					resp := answer(turn.Request, logs)
					turn.Settle(resp)
					for _, topic := range resp.Topics {
						for _, p := range topic.Partitions {
							known[fmt.Sprintf("%s/%d", topic.Topic, p.Partition)] = log{p.HighWatermark, p.LogStartOffset, p.ErrorCode}
						}
					}
					heard := told(resp)
					for _, topic := range full.Topics {
						for _, p := range topic.Partitions {
							n := fmt.Sprintf("%s/%d", topic.Topic, p.Partition)
							require.Equal(rt, logs[n].high, known[n].high, n)
							require.Equal(rt, logs[n].start, known[n].start, n)
							require.False(rt, (len(p.RecordBatches) > 0 || p.ErrorCode != 0) && !contains(heard, n), n)
							if p.ErrorCode == 0 && known[n].code != 0 {
								require.Contains(rt, heard, n, "that an error is over is told")
							}
						}
					}
					clear(changed)
					clear(forgotten)
					id = resp.SessionID
					if epoch = epochAfter(epoch); id == 0 {
						epoch = 0
					}
				}
				n := 0
				for _, s := range c.sessions {
					n += s.bytes
					require.Len(rt, s.find, len(s.order))
					kept := 0
					for _, at := range s.order {
						kept += at.bytes()
					}
					require.Equal(rt, kept, s.bytes)
				}
				sessions, bytes := c.Usage()
				require.Equal(rt, n, bytes)
				require.LessOrEqual(rt, sessions, 2)
			}
		})
	})
}

func contains(list []string, s string) bool {
	return strings.Contains(" "+strings.Join(list, " ")+" ", " "+s+" ")
}
