package coordinator_test

import (
	"encoding/binary"
	"errors"
	"hash/fnv"
	"time"

	"github.com/weirlab/weir/broker/coordinator"
	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
)

// seen is a state of a chain: how many links it has, and a hash of them all in
// order. Two chains with the same hash are the same.
type seen struct {
	links int
	hash  uint64
}

func (s seen) add(value []byte) seen {
	h := fnv.New64a()
	_, _ = h.Write(binary.BigEndian.AppendUint64(nil, s.hash))
	_, _ = h.Write(value)
	return seen{s.links + 1, h.Sum64()}
}

// chain is a machine whose state is the whole history of its records: whoever
// sees it sees every record that was lost, doubled or put in another order.
type chain struct {
	seen
	tick  time.Duration // every so often, 0 for never
	next  time.Duration
	ticks int
}

type (
	turn    = coordinator.Turn[seen]
	runtime = coordinator.Runtime[*chain, seen]
)

var errNoLink = errors.New("no link")

func (c *chain) ReplayMarker(storage.Marker) {}

func (c *chain) Replay(rec storage.Record, _ coordinator.Producer) error {
	switch string(rec.Key) {
	case "link":
		c.seen = c.add(rec.Value)
		return nil
	case "barrier":
		return nil
	}
	return errNoLink
}

func (c *chain) Loaded(at coordinator.At) turn {
	c.next = at.Now + c.tick
	return turn{}
}

func (c *chain) NextTick() (time.Duration, bool) { return c.next, c.tick > 0 }

func (c *chain) Tick(at coordinator.At) turn {
	c.ticks++
	c.next = at.Now + c.tick
	return turn{}
}

// link adds a value to the chain and answers with what it is then.
func link(value string) func(c *chain, at coordinator.At, ref coordinator.Ref) turn {
	return func(c *chain, at coordinator.At, ref coordinator.Ref) turn {
		after := c.add([]byte(value))
		return turn{
			Records: []storage.Record{{TimestampMillis: at.WallMillis, Key: []byte("link"), Value: []byte(value)}},
			Applied: func(int64) { c.seen = after },
			Answers: []coordinator.Answer[seen]{{Ref: ref, Value: after}},
		}
	}
}

func look(c *chain, _ coordinator.At) seen { return c.seen }

func newRuntime(e env.Env, log coordinator.Log, tick time.Duration) *runtime {
	return coordinator.New(e, coordinator.Config[*chain, seen]{
		Name:    "chain",
		Machine: func(_, _ int32) *chain { return &chain{tick: tick} },
		Barrier: func(wall int64) storage.Record {
			return storage.Record{TimestampMillis: wall, Key: []byte("barrier")}
		},
		AnswerTimeout: 100 * time.Millisecond,
	}, log)
}
