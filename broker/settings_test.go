package broker_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/broker"
	"github.com/weirlab/weir/broker/compression"
	"github.com/weirlab/weir/broker/config"
)

// A probe shows that a setting does something: with its value something else
// is seen than with the default.
type probe struct {
	value   string            // other than the default; a whole number of hours where it is a time with such a synonym
	with    map[string]string // settings of every broker that the probe needs
	brokers int               // 1 if not given
	rf      int16             // of the topic; 1 if not given
	change  func(id int, cfg *broker.Config)
	topic   map[string]string // settings of the topic that the probe needs

	observe    func(w *world, topic string) any
	plain, set any // what is to be seen with the default, and with the value
}

const hour = time.Hour

// old is how many batches are left of one that is three hours old and one that
// is new, once retention has looked.
func old(w *world, topic string) any {
	w.mustProduce(topic, w.batchOf(3*hour, strings.Repeat("old", 400)))
	w.mustProduce(topic, w.batchOf(0, strings.Repeat("new", 400))) // needs a segment of its own
	w.sleep(11 * time.Minute)
	return len(w.batches(topic))
}

func segmentsOf(size, count int) func(w *world, topic string) any {
	return func(w *world, topic string) any {
		for range count {
			w.mustProduce(topic, w.batchOf(0, strings.Repeat("x", size)))
		}
		return w.segments(topic)
	}
}

func errorOf(ago time.Duration, size int) func(w *world, topic string) any {
	return func(w *world, topic string) any {
		return w.produce(topic, 1, w.batchOf(ago, strings.Repeat("x", size))).ErrorCode
	}
}

var smallSegments = map[string]string{"internal.segment.bytes": "2000"}

// topicProbes are by the names of topic settings.
var topicProbes = map[string]probe{
	"cleanup.policy": {value: "compact", topic: map[string]string{"internal.segment.bytes": "2000", "retention.ms": "3600000"}, observe: old, plain: 1, set: 2},
	"compression.type": {value: "gzip", plain: compression.None, set: compression.Gzip, observe: func(w *world, topic string) any {
		w.mustProduce(topic, w.batchOf(0, "some", "records"))
		return w.batches(topic)[0].Compression()
	}},
	"delete.retention.ms":       deleteRetention,
	"min.compaction.lag.ms":     minLag,
	"max.compaction.lag.ms":     maxLag,
	"min.cleanable.dirty.ratio": dirtyRatio,
	"flush.messages": {value: "1", plain: false, set: true, observe: func(w *world, topic string) any {
		w.mustProduce(topic, w.batchOf(0, "1"))
		before := w.nodes[0].disk.Stats().Syncs
		for range 50 {
			w.mustProduce(topic, w.batchOf(0, "x"))
		}
		return w.nodes[0].disk.Stats().Syncs-before >= 50
	}},
	"flush.ms": {value: "1000", plain: true, set: false, observe: func(w *world, topic string) any {
		w.mustProduce(topic, w.batchOf(0, "x"))
		w.sleep(2 * time.Second)
		return w.nodes[0].disk.DirtyBytes() > 0
	}},
	"index.interval.bytes": {value: "0", topic: map[string]string{"internal.segment.bytes": "1000"}, plain: int64(0), set: int64(8 * 4), observe: func(w *world, topic string) any {
		for range 8 { // five batches to a segment; the first is found without an entry
			w.mustProduce(topic, w.batchOf(0, strings.Repeat("x", 110)))
		}
		w.sleep(time.Minute) // for the sealed segment's index to be written
		return w.files(topic)["00000000000000000000.index"]
	}},
	"internal.segment.bytes":          {value: "1000", observe: segmentsOf(600, 3), plain: 1, set: 3},
	"segment.bytes":                   {value: "1048576", observe: segmentsOf(600_000, 3), plain: 1, set: 3},
	"max.message.bytes":               {value: "100", observe: errorOf(0, 200), plain: int16(0), set: int16(10)},
	"message.timestamp.after.max.ms":  {value: "36000000", observe: errorOf(-5*hour, 1), plain: int16(32), set: int16(0)},
	"message.timestamp.before.max.ms": {value: "3600000", observe: errorOf(5*hour, 1), plain: int16(0), set: int16(32)},
	"message.timestamp.type": {value: "LogAppendTime", plain: false, set: true, observe: func(w *world, topic string) any {
		p := w.produce(topic, 1, w.batchOf(5*time.Minute, "x"))
		return p.LogAppendTime != -1 && w.batches(topic)[0].IsLogAppendTime()
	}},
	"min.insync.replicas": {value: "2", brokers: 3, rf: 2, plain: int16(0), set: int16(19), with: map[string]string{"replica.lag.time.max.ms": "2000"},
		observe: func(w *world, topic string) any {
			w.crashFollower(topic)
			return w.produce(topic, -1, w.batchOf(0, "x")).ErrorCode
		}},
	"retention.bytes": {value: "1000", topic: smallSegments, observe: old, plain: 2, set: 1},
	"retention.ms":    {value: "3600000", topic: smallSegments, observe: old, plain: 2, set: 1},
	"segment.jitter.ms": {value: "3600000", topic: map[string]string{"segment.ms": "3600000"}, plain: true, set: false, observe: func(w *world, topic string) any {
		for age := time.Duration(55); age > 0; age -= 5 { // minutes
			w.mustProduce(topic, w.batchOf(age*time.Minute, "x"))
		}
		return w.segments(topic) == 1
	}},
	"segment.ms": {value: "3600000", plain: 1, set: 2, observe: func(w *world, topic string) any {
		w.mustProduce(topic, w.batchOf(3*hour, "old"))
		w.mustProduce(topic, w.batchOf(0, "new"))
		return w.segments(topic)
	}},
	"leader.replication.throttled.replicas":   throttledProbe("leader.replication.throttled.rate", ""),
	"follower.replication.throttled.replicas": throttledProbe("follower.replication.throttled.rate", ""),
	"unclean.leader.election.enable": {value: "true", brokers: 3, rf: 2, plain: false, set: true, with: map[string]string{"replica.lag.time.max.ms": "2000"},
		observe: func(w *world, topic string) any {
			follower, leader := w.crashFollower(topic)
			w.nodes[leader-1].node.PowerOff()
			w.sleep(20 * time.Second)
			w.start(follower)
			w.sleep(30 * time.Second)
			return w.partition(topic).Leader == int32(follower)
		}},
}

// crashFollower powers off the broker of a topic's two replicas that does not
// lead, and waits until it has left the in-sync replicas. Neither is broker 1.
func (w *world) crashFollower(topic string) (follower, leader int) {
	leader = w.leader(topic)
	for _, id := range w.partition(topic).Replicas {
		if int(id) != leader {
			follower = int(id)
		}
	}
	w.nodes[follower-1].node.PowerOff()
	w.until("smaller ISR", func() bool { return len(w.partition(topic).ISR) == 1 })
	w.sleep(time.Second)
	return follower, leader
}

// leadsAgain reports whether the preferred leader, after it was away, leads again
// within two minutes.
func leadsAgain(w *world, topic string) any {
	must(w.tryCreate(topic, 3, nil))
	first := int(w.partition(topic).Replicas[0])
	w.nodes[first-1].node.PowerOff()
	w.until("another leader", func() bool {
		p := w.partition(topic)
		return p.Leader >= 0 && p.Leader != int32(first)
	})
	w.start(first)
	w.sleep(2 * time.Minute)
	return w.leader(topic) == first
}

// observe runs a probe in a world of its own. Settings are made at start and,
// by the client, when all brokers are there.
func (p probe) run(t *testing.T, static map[string]string, topic map[string]string, client func(w *world)) any {
	t.Helper()
	w := newWorld(t, max(p.brokers, 1), func(id int, cfg *broker.Config) {
		for name, value := range p.with {
			require.NoError(t, cfg.Set(name, value))
		}
		for name, value := range static {
			require.NoError(t, cfg.Set(name, value))
		}
		if p.change != nil {
			p.change(id, cfg)
		}
	})
	var seen any
	w.run(func() {
		w.ready()
		configs := map[string]string{}
		for name, value := range p.topic {
			configs[name] = value
		}
		for name, value := range topic {
			configs[name] = value
		}
		if client != nil {
			client(w)
		}
		if p.topic != nil || topic != nil || p.isTopic() {
			must(w.tryCreate("t", max(p.rf, 1), configs))
			w.leader("t")
		}
		seen = p.observe(w, "t")
	})
	return seen
}

func (p probe) isTopic() bool { return p.rf >= 0 }

// restart restarts every broker, so that settings made at run time must come
// from the metadata.
func (w *world) restart() {
	for id, s := range w.nodes {
		s.node.Crash()
		w.start(id + 1)
	}
	w.ready()
}

// TestEverySettingOfTopicsHasItsEffectOrIsRefused sets every topic setting in
// every way it can be set: on the topic when it is created and later, and by
// each of its synonyms on one broker, on all brokers, and at start.
func TestEverySettingOfTopicsHasItsEffectOrIsRefused(t *testing.T) {
	for _, s := range config.TopicSettings() {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			if s.Needs != "" {
				refused(t, s)
				return
			}
			p, ok := topicProbes[s.Name]
			require.True(t, ok, "%s has no probe; add one to topicProbes", s.Name)
			require.Equal(t, p.plain, p.run(t, nil, nil, nil), "by default")
			require.Equal(t, p.set, p.run(t, nil, map[string]string{s.Name: p.value}, nil), "created so")
			later := p
			later.observe = func(w *world, topic string) any {
				must(w.alter(topic, s.Name, p.value))
				w.sleep(time.Second)
				return p.observe(w, topic)
			}
			require.Equal(t, p.set, later.run(t, nil, nil, nil), "altered")
			for _, syn := range s.Synonyms {
				value := p.value
				if syn.Factor > 1 {
					n, err := strconv.ParseInt(value, 10, 64)
					require.NoError(t, err)
					require.Zero(t, n%syn.Factor)
					value = strconv.FormatInt(n/syn.Factor, 10)
				}
				require.Equal(t, p.set, p.run(t, map[string]string{syn.Name: value}, nil, nil), "started with %s", syn.Name)
				for _, resource := range []string{"", "1"} {
					p.dynamic(t, config.BrokerSetting(syn.Name), resource, value)
				}
			}
		})
	}
}

// dynamic sets a broker setting at run time, of one broker by its id or of all
// by "". It is to have its effect, after a restart too, or to be refused.
func (p probe) dynamic(t *testing.T, s *config.Setting, resource, value string) {
	t.Helper()
	var err error
	seen := p.run(t, nil, nil, func(w *world) {
		if resource != "" && p.brokers > 1 {
			for id := range w.nodes { // each of them
				if err = w.alter(strconv.Itoa(id+1), s.Name, value); err != nil {
					break
				}
			}
		} else {
			err = w.alter(resource, s.Name, value)
		}
		w.restart()
	})
	if config.CheckUpdate(s.Name, resource != "") != nil {
		require.ErrorContains(t, err, s.Name)
		require.Equal(t, p.plain, seen, "refused")
		return
	}
	require.NoError(t, err)
	require.Equal(t, p.set, seen, "set %s on %q", s.Name, resource)
}

// refused holds that a setting whose capability is missing takes only its
// default, wherever it may be set.
func refused(t *testing.T, s *config.Setting) {
	other := map[config.Type]string{config.Boolean: "true", config.Int: "5", config.Long: "5", config.Double: "0.1", config.List: "0:1"}[s.Type]
	says := fmt.Sprintf("%s needs %s", s.Name, s.Needs)
	w := newWorld(t, 1, nil)
	var created, altered, created2, altered2 error
	synonyms := make([]error, len(s.Synonyms))
	w.run(func() {
		w.ready()
		created = w.tryCreate("t", 1, map[string]string{s.Name: other})
		created2 = w.tryCreate("t", 1, map[string]string{s.Name: s.Default})
		altered = w.alter("t", s.Name, other)
		altered2 = w.alter("t", s.Name, s.Default)
		for i, syn := range s.Synonyms {
			synonyms[i] = w.alter("1", syn.Name, other)
		}
	})
	require.ErrorContains(t, created, says)
	require.ErrorContains(t, altered, says)
	require.NoError(t, created2)
	require.NoError(t, altered2)
	for i, syn := range s.Synonyms {
		require.ErrorContains(t, synonyms[i], syn.Name)
		cfg := broker.DefaultConfig()
		require.ErrorContains(t, cfg.Set(syn.Name, other), syn.Name+" needs")
	}
}
