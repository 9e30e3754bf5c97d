package program_test

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/osenv"
	"github.com/weirlab/weir/env/osenv/osenvtest"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/workloads/client"
	"github.com/weirlab/weir/workloads/program"
)

type counts struct {
	produced, consumed, operated atomic.Int64
	early                        atomic.Bool
}

func (c *counts) Offered(int64) {}

func (c *counts) ProducedBatch(records []program.Times, done time.Duration, _ int64, _ client.Outcome) {
	c.produced.Add(int64(len(records)))
	for _, r := range records {
		if r.Sent < r.Intended || done < r.Sent {
			c.early.Store(true)
		}
	}
}

func (c *counts) ConsumedBatch(intended []time.Duration, read time.Duration, _ int64) {
	c.consumed.Add(int64(len(intended)))
	for _, at := range intended {
		if read < at {
			c.early.Store(true)
		}
	}
}

func (c *counts) Produced(intended, sent, done time.Duration, _ int, _ client.Outcome) {
	c.produced.Add(1)
	if sent < intended || done < sent {
		c.early.Store(true)
	}
}

func (c *counts) Consumed(intended, read time.Duration, _ int) {
	c.consumed.Add(1)
	if read < intended {
		c.early.Store(true)
	}
}

func (c *counts) Operated(string, time.Duration, time.Duration, client.Outcome) { c.operated.Add(1) }

func run(t *testing.T, cfg program.Config) (*counts, *linearizability.History, *program.Workload) {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(3))
	require.NoError(t, err)
	defer cluster.Close()
	e := osenvtest.New(t, osenv.Options{Seed: 7})
	cfg.Client = client.Config{Bootstrap: cluster.ListenAddrs(), RetryBackoff: 10 * time.Millisecond}
	var m counts
	var out bytes.Buffer
	log := linearizability.NewLog(&out)
	w, err := program.New(cfg, log, &m)
	require.NoError(t, err)
	log.Begin(w.Manifest())
	for _, topic := range cfg.Topics {
		log.AddTopic(linearizability.Topic{Name: topic.Name, Partitions: topic.Partitions, ReplicationFactor: 1, MinISR: 1})
	}
	require.NoError(t, w.CreateTopics(e, 10*time.Second))
	w.Begin(e.Now())
	var tasks []env.Task
	for _, p := range w.Clients() {
		tasks = append(tasks, e.Go(p.Name, func() {
			if err := p.Run(e); err != nil {
				t.Errorf("%s: %v", p.Name, err)
			}
		}))
	}
	for _, task := range tasks {
		task.Wait()
	}
	scans, err := w.Scan(e, 10*time.Second)
	require.NoError(t, err)
	for _, s := range scans {
		log.AddScan(s)
	}
	log.End(linearizability.End{Drained: true})
	require.NoError(t, log.Flush())
	return &m, log.History(), w
}

func TestWorkload(t *testing.T) {
	for name, group := range map[string]string{"assigned": "", "group": "readers"} {
		t.Run(name, func(t *testing.T) {
			m, h, w := run(t, program.Config{
				Topics: []program.Topic{{Name: "t", Partitions: 4, ReplicationFactor: 1}},
				Programs: []program.Program{
					&program.Produce{Topic: "t", Producers: 3, RatePerSecond: 1000, RecordBytes: 100, Producer: client.DefaultProducerConfig()},
					&program.Consume{Topic: "t", Consumers: 2, Group: group, ListOffsetsEvery: 100 * time.Millisecond,
						Consumer: client.ConsumerConfig{OffsetReset: client.ResetEarliest}},
					&program.Register{Topic: "t", Registers: 2, Every: 10 * time.Millisecond},
				},
				Duration: time.Second, Drain: 20 * time.Second,
			})
			p := w.Progress()
			require.EqualValues(t, 1000, p.Sent)
			require.EqualValues(t, 1000, p.Acked)
			require.Zero(t, p.Failed+p.Unknown)
			require.Zero(t, p.Running)
			require.GreaterOrEqual(t, p.Consumed, int64(1000))
			require.EqualValues(t, 1000, m.produced.Load())
			require.Positive(t, m.operated.Load())
			require.False(t, m.early.Load(), "something happened before it was to")
			scanned := 0
			for _, s := range h.Scans {
				scanned += len(s.Records)
			}
			require.Equal(t, 1000, scanned)
			verdict := linearizability.Judge(context.Background(), h, linearizability.Options{})
			require.Empty(t, verdict.Findings)
			require.Equal(t, linearizability.Pass, verdict.Status)
		})
	}
}

// Programs of every kind, several of a kind, work on several topics at once:
// each record keeps a value of its own, is measured by the schedule of the
// program that sent it, and is awaited by the programs that read its topic.
func TestProgramsShareARun(t *testing.T) {
	produce := func(topic string, producers int, rate int64) *program.Produce {
		return &program.Produce{Topic: topic, Producers: producers, RatePerSecond: rate, RecordBytes: 100, Producer: client.DefaultProducerConfig()}
	}
	late := produce("a", 2, 300)
	late.Arrivals = program.ArrivalsPoisson
	sticky := produce("b", 1, 200)
	sticky.Sticky = true
	consume := func(topic, group string, n int) *program.Consume {
		return &program.Consume{Topic: topic, Consumers: n, Group: group, Consumer: client.ConsumerConfig{OffsetReset: client.ResetEarliest}}
	}
	m, h, w := run(t, program.Config{
		Topics: []program.Topic{
			{Name: "a", Partitions: 3, ReplicationFactor: 1}, {Name: "b", Partitions: 2, ReplicationFactor: 1}, {Name: "unread", Partitions: 1, ReplicationFactor: 1},
		},
		Programs: []program.Program{
			produce("a", 2, 500), late, sticky, produce("unread", 1, 100),
			consume("a", "", 2), consume("a", "readers", 1), consume("b", "", 1),
			&program.Register{Topic: "a", Registers: 1, Every: 20 * time.Millisecond},
			&program.Register{Topic: "b", Group: "others", Registers: 2, Partitions: 2, Every: 20 * time.Millisecond},
		},
		Duration: time.Second, Drain: 20 * time.Second,
	})
	p := w.Progress()
	require.Equal(t, p.Sent, p.Acked)
	require.Zero(t, p.Running)
	require.Zero(t, w.Lag())
	require.False(t, m.early.Load(), "something happened before it was to")
	require.Equal(t, p.Sent, m.produced.Load())

	values := map[int64]bool{}
	sent := map[string]int64{}
	processes := map[int64]string{}
	for _, s := range h.Sends {
		require.False(t, values[s.Value], "value %d was sent twice", s.Value)
		values[s.Value] = true
		sent[s.TP.Topic]++
		processes[s.Process] = s.TP.Topic
	}
	require.EqualValues(t, 200, sent["b"])
	require.EqualValues(t, 100, sent["unread"])
	require.InDelta(t, 800, sent["a"], 90) // five standard deviations of the 300
	require.Len(t, processes, 6)
	for _, poll := range h.Polls {
		require.NotContains(t, processes, poll.Process, "a process of a producer polls")
	}
	for _, o := range h.Offsets {
		require.NotContains(t, processes, o.Process)
	}
	require.GreaterOrEqual(t, m.consumed.Load(), 2*sent["a"]+sent["b"])
	scanned := map[string]int64{}
	for _, s := range h.Scans {
		scanned[s.Topic] += int64(len(s.Records))
	}
	require.Equal(t, sent, scanned)
	require.Equal(t, []string{"a", "a", "b"}, h.Manifest.Read)
	require.Equal(t, []string{"b"}, h.Manifest.Plain)
	verdict := linearizability.Judge(context.Background(), h, linearizability.Options{})
	require.Empty(t, verdict.Findings)
	require.Equal(t, linearizability.Pass, verdict.Status)
}

// TestLoadsAtSpeed runs every way of arriving with every way of recording, with
// partitions chosen here and by the client.
func TestLoadsAtSpeed(t *testing.T) {
	for name, arrivals := range map[string]program.Arrivals{
		"constant": program.ArrivalsConstant, "poisson": program.ArrivalsPoisson,
		"ramp": program.ArrivalsRamp, "saturate": program.ArrivalsSaturate,
	} {
		for _, history := range []linearizability.Recording{
			{}, {Mode: linearizability.RecordBatches}, {Mode: linearizability.RecordSampled, Every: 7},
		} {
			for _, sticky := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s %v sticky=%v", name, history, sticky), func(t *testing.T) {
					t.Parallel()
					produce := &program.Produce{
						Topic: "t", Producers: 3, RatePerSecond: 20_000, RecordBytes: 100, Arrivals: arrivals,
						Sticky: sticky, Producer: client.DefaultProducerConfig(),
					}
					cfg := program.Config{
						Topics: []program.Topic{{Name: "t", Partitions: 4, ReplicationFactor: 1}},
						Programs: []program.Program{produce, &program.Consume{
							Topic: "t", Consumers: 2, Consumer: client.ConsumerConfig{OffsetReset: client.ResetEarliest},
						}},
						History: history, Duration: 100 * time.Millisecond, Drain: 20 * time.Second,
					}
					want := int64(2000)
					switch arrivals {
					case program.ArrivalsSaturate:
						produce.RatePerSecond, want = 0, 0
						produce.Producer.BufferBytes = 128 << 10
					case program.ArrivalsRamp:
						produce.RampFrom, want = 10_000, 1500
					}
					m, h, w := run(t, cfg)
					p := w.Progress()
					switch arrivals {
					case program.ArrivalsConstant:
						require.EqualValues(t, want, p.Sent)
					case program.ArrivalsRamp:
						require.InDelta(t, want, p.Sent, 2)
					case program.ArrivalsPoisson:
						require.InDelta(t, want, p.Sent, 230) // five standard deviations
					default:
						require.Positive(t, p.Sent)
					}
					require.Equal(t, p.Sent, p.Acked)
					require.Equal(t, p.Sent, p.Consumed)
					require.Equal(t, p.Sent, m.produced.Load())
					require.Equal(t, p.Sent, m.consumed.Load())
					require.False(t, m.early.Load(), "something happened before it was to")
					recorded := int64(0)
					for _, s := range h.Scans {
						recorded += int64(len(s.Records))
						for _, r := range s.Runs {
							recorded += r.Count
						}
					}
					if history.Every > 1 {
						require.InDelta(t, p.Sent/history.Every, recorded, 3)
						require.Len(t, h.Sends, int(recorded))
					} else {
						require.Equal(t, p.Sent, recorded)
					}
					if history.Mode == linearizability.RecordBatches {
						require.Less(t, int64(len(h.Batches)), p.Sent)
					}
					verdict := linearizability.Judge(context.Background(), h, linearizability.Options{})
					require.Empty(t, verdict.Findings)
					require.Equal(t, linearizability.Pass, verdict.Status)
					require.Equal(t, linearizability.Pass, verdict.Status)
				})
			}
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	type run struct {
		program.Config
		topic    program.Topic
		produce  program.Produce
		consume  program.Consume
		register program.Register
	}
	good := run{
		Config:   program.Config{Client: client.Config{Bootstrap: []string{"b:1"}}, Duration: time.Second},
		topic:    program.Topic{Name: "t", Partitions: 1},
		produce:  program.Produce{Topic: "t", Producers: 1, RatePerSecond: 1, RecordBytes: 100},
		consume:  program.Consume{Topic: "t", Consumers: 1, Group: "g"},
		register: program.Register{Topic: "t"},
	}
	make := func(r run) error {
		r.Topics = append(r.Topics, r.topic)
		r.Programs = append(r.Programs, &r.produce, &r.consume, &r.register)
		_, err := program.New(r.Config, nil, nil)
		return err
	}
	require.NoError(t, make(good))
	for want, spoil := range map[string]func(*run){
		"a topic has no name":        func(r *run) { r.topic.Name = "" },
		"is given twice":             func(r *run) { r.Topics = []program.Topic{r.topic} },
		"at least one partition":     func(r *run) { r.topic.Partitions = 0 },
		"nor the duration zero":      func(r *run) { r.Duration = 0 },
		"one record in how":          func(r *run) { r.History.Mode = linearizability.RecordSampled },
		`no topic "u" in the run`:    func(r *run) { r.produce.Topic = "u" },
		`no topic "v" in the run`:    func(r *run) { r.consume.Topic = "v" },
		`no topic "w" in the run`:    func(r *run) { r.register.Topic = "w" },
		"must be at least 0":         func(r *run) { r.produce.Producers = -1 },
		"too many":                   func(r *run) { r.produce.Producers = 1<<20 + 1 },
		"a rate of at least 1":       func(r *run) { r.produce.RatePerSecond = 0 },
		"at least 16 bytes":          func(r *run) { r.produce.RecordBytes = 3 },
		"at least 24 bytes":          func(r *run) { r.produce.RecordBytes = 20; r.produce.Arrivals = program.ArrivalsPoisson },
		"none of the four":           func(r *run) { r.produce.Arrivals = 9 },
		"have no rate":               func(r *run) { r.produce.Arrivals = program.ArrivalsSaturate },
		"a ramp starts at 1":         func(r *run) { r.produce.Arrivals = program.ArrivalsRamp },
		"can be told apart":          func(r *run) { r.produce.RatePerSecond = 1 << 31; r.Duration = time.Minute },
		"between ListOffsets":        func(r *run) { r.consume.ListOffsetsEvery = -1 },
		"a topic that has 1":         func(r *run) { r.register.Registers, r.register.Partitions = 1, 2 },
		"operations of a register":   func(r *run) { r.register.Registers, r.register.Every = 1, -1 },
		`programs use the group "g"`: func(r *run) { r.register.Registers, r.register.Group = 1, "g" },
	} {
		bad := good
		spoil(&bad)
		require.ErrorContains(t, make(bad), want)
	}
	_, err := program.New(program.Config{Duration: time.Second}, nil, nil)
	require.ErrorContains(t, err, "no topic is named")
}
