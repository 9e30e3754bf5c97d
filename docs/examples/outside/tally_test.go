package outside_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/workloads/client"
	"github.com/weirlab/weir/workloads/program"
	"github.com/weirlab/weir/workloads/simtest"

	"example.com/outside"
)

// Do our settings keep what was acknowledged, while a broker crashes, a machine
// loses power and the network splits? More seeds: go test -weir.seeds=1-1000.
func TestOurSettingsLoseNothing(t *testing.T) {
	simtest.Run(t, "testdata/prices.yaml", simtest.Seeds("1-3"))
}

// The tally runs beside producers and consumers on a machine of its own, while
// the same things go wrong.
func TestTheTallyMissesNothing(t *testing.T) {
	simtest.Run(t, "testdata/prices.yaml", simtest.Seeds("1-3"), simtest.Programs(func() []program.Program {
		return []program.Program{&program.Custom{Name: "tally", Count: 2, Run: func(e env.Env, m *program.Member) error {
			c, err := m.Client()
			if err != nil {
				return err
			}
			tally, err := outside.NewTally(c, m.Topic.Name, int32(m.Number))
			if err != nil {
				return err
			}
			defer tally.Close()
			for !m.Over() {
				if err := catchUp(e, c, tally, m.Topic.Name, int32(m.Number)); err != nil {
					return err
				}
				e.Sleep(time.Second)
			}
			return catchUp(e, c, tally, m.Topic.Name, int32(m.Number))
		}}}
	}))
}

func catchUp(e env.Env, c *client.Client, tally *outside.Tally, topic string, partition int32) error {
	end, _, err := c.Admin().ListOffset(client.TopicPartition{Topic: topic, Partition: partition}, client.TimestampLatest, time.Minute)
	if err != nil {
		return err
	}
	return tally.ReadTo(e, end, time.Minute)
}

// A cluster without any load, and a fault at a moment that the test chooses.
func TestTheTallyOutlivesALossOfPower(t *testing.T) {
	simtest.Cluster(t, func(e env.Env, w *simtest.World) error {
		c, err := w.Client(e, "test")
		if err != nil {
			return err
		}
		defer c.Close()
		p, err := c.NewProducer(client.DefaultProducerConfig())
		if err != nil {
			return err
		}
		defer p.Close(0)
		tally, err := outside.NewTally(c, "prices", 0)
		if err != nil {
			return err
		}
		defer tally.Close()
		for i := range 100 {
			if i == 50 {
				heal, err := w.Strike(e, "kind: power-loss, node: leader of prices-0")
				if err != nil {
					return err
				}
				e.AfterFunc(10*time.Second, "heal", heal)
			}
			r := p.ProduceSync(&client.Record{Topic: "prices", Value: fmt.Append(nil, i)})
			if r.Outcome != client.OutcomeOK {
				return fmt.Errorf("price %d: %w", i, r.Err)
			}
		}
		return tally.ReadTo(e, 100, time.Minute)
	}, simtest.Topic("prices", 1, "min.insync.replicas=2"), simtest.Seeds("1-3"))
}
