package client_test

import (
	"encoding/binary"
	"fmt"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/weirlab/weir/broker/protocol"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/sim"
	"github.com/weirlab/weir/sim/simnet"
	"github.com/weirlab/weir/workloads/client"
)

// model is a cluster reduced to what a producer can see: one shared log per
// partition, a leader that any broker can become, Kafka's sequence check, and
// every lie that a real cluster tells: answers lost, refused before and after
// the append, and late.
type model struct {
	k     *sim.Kernel
	net   *simnet.Network
	parts []*modelPartition
	rand  *env.Rand
	// Odds, in 100, that something goes wrong with a produce request.
	trouble    int64
	moves      int64 // odds in 1000 that the leader moves
	nextPID    int64
	troubled   int
	brokers    int32
	violations []string
}

type modelPartition struct {
	leader, epoch int32
	log           []string
	producers     map[int64]*modelProducer
}

// modelProducer is a leader's memory of a producer: its epoch and the last
// five batches.
type modelProducer struct {
	epoch  int16
	last   []modelBatch
	forgot bool // the batches of this epoch
}

type modelBatch struct {
	first, next int32
	offset      int64
}

func newModel(seed uint64, brokers, partitions int32, opts sim.Options) *model {
	opts.Seed = seed
	k := sim.NewKernel(opts)
	m := &model{k: k, net: simnet.New(k, simnet.Options{}), rand: k.Rand("model", ""), brokers: brokers, nextPID: 100}
	for p := range partitions {
		m.parts = append(m.parts, &modelPartition{leader: p % brokers, producers: map[int64]*modelProducer{}})
	}
	for b := range brokers {
		name := fmt.Sprintf("broker-%d", b)
		n := k.NewNode(name)
		m.net.Attach(n, name)
		n.Start("broker", func(e env.Env) { m.serve(e, b) })
	}
	return m
}

func (m *model) bootstrap() []string {
	var addrs []string
	for b := range m.brokers {
		addrs = append(addrs, fmt.Sprintf("broker-%d:9092", b))
	}
	return addrs
}

func (m *model) serve(e env.Env, id int32) {
	l, err := e.Listen(fmt.Sprintf("broker-%d:9092", id))
	if err != nil {
		panic(err)
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		e.Go("conn", func() { m.converse(e, c, id) })
	}
}

func (m *model) converse(e env.Env, c net.Conn, id int32) {
	defer func() { _ = c.Close() }()
	var out []byte
	for {
		frame, err := protocol.ReadFrame(c, 10<<20)
		if err != nil {
			return
		}
		h, body, err := protocol.ParseHeader(frame)
		if err != nil {
			m.violations = append(m.violations, err.Error())
			return
		}
		req, err := protocol.ParseRequest(h, body)
		if err != nil {
			m.violations = append(m.violations, err.Error())
			return
		}
		resp, lost := m.answer(e, req, id)
		if lost {
			return
		}
		out = protocol.AppendResponse(out[:0], h.CorrelationID, resp)
		if _, err := c.Write(out); err != nil {
			return
		}
	}
}

func (m *model) answer(e env.Env, req kmsg.Request, id int32) (resp kmsg.Response, lost bool) {
	switch req := req.(type) {
	case *kmsg.ApiVersionsRequest:
		resp := req.ResponseKind().(*kmsg.ApiVersionsResponse)
		for _, api := range [][2]int16{{0, 11}, {3, 12}, {18, 3}, {22, 4}} {
			k := kmsg.NewApiVersionsResponseApiKey()
			k.ApiKey, k.MaxVersion = api[0], api[1]
			resp.ApiKeys = append(resp.ApiKeys, k)
		}
		return resp, false
	case *kmsg.MetadataRequest:
		resp := req.ResponseKind().(*kmsg.MetadataResponse)
		for b := range m.brokers {
			broker := kmsg.NewMetadataResponseBroker()
			broker.NodeID, broker.Host, broker.Port = b, fmt.Sprintf("broker-%d", b), 9092
			resp.Brokers = append(resp.Brokers, broker)
		}
		topic := kmsg.NewMetadataResponseTopic()
		topic.Topic = kmsg.StringPtr("t")
		for i, p := range m.parts {
			part := kmsg.NewMetadataResponseTopicPartition()
			part.Partition, part.Leader, part.LeaderEpoch = int32(i), p.leader, p.epoch
			topic.Partitions = append(topic.Partitions, part)
		}
		resp.Topics = append(resp.Topics, topic)
		return resp, false
	case *kmsg.InitProducerIDRequest:
		resp := req.ResponseKind().(*kmsg.InitProducerIDResponse)
		m.nextPID++
		resp.ProducerID = m.nextPID
		return resp, false
	case *kmsg.ProduceRequest:
		return m.produce(e, req, id)
	}
	panic(fmt.Sprintf("the model does not speak %T", req))
}

func (m *model) produce(e env.Env, req *kmsg.ProduceRequest, id int32) (kmsg.Response, bool) {
	resp := req.ResponseKind().(*kmsg.ProduceResponse)
	lost := false
	for _, t := range req.Topics {
		topic := kmsg.NewProduceResponseTopic()
		topic.Topic = t.Topic
		for _, p := range t.Partitions {
			part := kmsg.NewProduceResponseTopicPartition()
			part.Partition = p.Partition
			part.BaseOffset = -1
			if m.trouble > 0 && m.rand.Chance(1, 30) {
				m.parts[p.Partition].forget()
			}
			if m.moves > 0 && m.rand.Chance(m.moves, 1000) {
				mp := m.parts[p.Partition]
				mp.leader = (mp.leader + 1) % m.brokers
				mp.epoch++
			}
			before, after := int16(0), int16(0)
			if m.rand.Chance(m.trouble, 100) {
				m.troubled++
				switch m.rand.Intn(7) {
				case 0:
					before = kerr.NotEnoughReplicas.Code
				case 1:
					before = kerr.NotLeaderForPartition.Code
				case 2:
					after = kerr.NotLeaderForPartition.Code
				case 3:
					after = kerr.RequestTimedOut.Code
				case 4:
					lost = true
				case 5:
					e.Sleep(m.rand.Between(0, 3*time.Second)) // perhaps beyond the request's timeout
				case 6:
					if lost = true; m.rand.Chance(1, 2) {
						return resp, true // nothing appended
					}
				}
			}
			part.ErrorCode = before
			if before == 0 {
				part.BaseOffset, part.ErrorCode = m.append(p.Partition, p.Records, id)
				if after != 0 && part.ErrorCode == 0 {
					part.ErrorCode, part.BaseOffset = after, -1
				}
			}
			topic.Partitions = append(topic.Partitions, part)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	return resp, lost
}

// forget loses what the partition knows of producers, except that they are
// not new: a batch that was appended can then be refused when it comes again.
func (p *modelPartition) forget() {
	for _, pr := range p.producers {
		pr.forgot = true
	}
}

// append is the leader's part: Kafka's sequence check, then the shared log.
func (m *model) append(partition int32, raw []byte, id int32) (int64, int16) {
	p := m.parts[partition]
	if p.leader != id {
		return -1, kerr.NotLeaderForPartition.Code
	}
	var batch kmsg.RecordBatch
	if err := batch.ReadFrom(raw); err != nil {
		m.violations = append(m.violations, err.Error())
		return -1, kerr.CorruptMessage.Code
	}
	if batch.ProducerID >= 0 {
		pr := p.producers[batch.ProducerID]
		b := modelBatch{batch.FirstSequence, batch.FirstSequence + batch.NumRecords, int64(len(p.log))}
		switch {
		case pr == nil:
			pr = &modelProducer{epoch: batch.ProducerEpoch}
			p.producers[batch.ProducerID] = pr
		case batch.ProducerEpoch < pr.epoch:
			return -1, kerr.InvalidProducerEpoch.Code
		case batch.ProducerEpoch > pr.epoch:
			if batch.FirstSequence != 0 {
				return -1, kerr.OutOfOrderSequenceNumber.Code
			}
			pr.epoch, pr.last, pr.forgot = batch.ProducerEpoch, nil, false
		case pr.forgot:
			return -1, kerr.UnknownProducerID.Code
		default:
			for _, seen := range pr.last {
				if seen.first == b.first && seen.next == b.next {
					return seen.offset, 0
				}
			}
			if last := pr.last[len(pr.last)-1]; last.next != b.first {
				return -1, kerr.OutOfOrderSequenceNumber.Code
			}
		}
		pr.last = append(pr.last, b)
		if len(pr.last) > 5 {
			pr.last = pr.last[1:]
		}
	}
	offset := int64(len(p.log))
	rest := batch.Records
	for range batch.NumRecords {
		size, n := binary.Varint(rest)
		var r kmsg.Record
		if err := r.ReadFrom(rest[:n+int(size)]); err != nil {
			m.violations = append(m.violations, err.Error())
			return -1, kerr.CorruptMessage.Code
		}
		rest = rest[n+int(size):]
		p.log = append(p.log, string(r.Value))
	}
	return offset, 0
}

// TestProducerAgainstModel checks what is claimed of each record against the
// log: an acknowledged one is there, at its offset; a failed one is not;
// nothing is there twice or out of order.
func TestProducerAgainstModel(t *testing.T) {
	seeds := uint64(200)
	if testing.Short() {
		seeds = 10
	}
	indefinite, failed, bumped := 0, 0, 0
	for seed := range seeds {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			m := newModel(seed, 3, 2, sim.Options{PreemptOneIn: int64(seed % 5)})
			defer func() { _ = m.k.Close() }()
			m.trouble = []int64{0, 5, 20, 50}[seed%4]
			m.moves = []int64{0, 10, 100}[seed%3]
			idempotent := seed%7 != 6
			delivery := []time.Duration{2 * time.Minute, 4 * time.Second, time.Second}[seed/4%3]

			const n = 1500
			results := map[string]client.Result{}
			order := map[string]int{}
			node := m.k.NewNode("client")
			m.net.Attach(node, "client")
			done := false
			node.Start("client", func(e env.Env) {
				c, err := client.New(e, client.Config{Bootstrap: m.bootstrap(), RequestTimeout: 2 * time.Second})
				require.NoError(t, err)
				p, err := c.NewProducer(client.ProducerConfig{
					Acks: client.AcksAll, Idempotent: idempotent, DeliveryTimeout: delivery,
					BatchBytes: 90, Linger: time.Duration(seed%3) * time.Millisecond,
				})
				require.NoError(t, err)
				for i := range n {
					value := strconv.Itoa(i)
					order[value] = i
					p.Produce(&client.Record{Topic: "t", Partition: int32(i % 2), Value: []byte(value)}, func(r *client.Record, res client.Result) {
						_, twice := results[string(r.Value)]
						require.False(t, twice)
						results[string(r.Value)] = res
					})
					if m.rand.Chance(1, 10) { // bursts, so that much is in flight
						e.Sleep(m.rand.Between(0, 100*time.Millisecond))
					}
				}
				p.Close(5 * time.Minute)
				c.Close()
				done = true
			})
			require.NoError(t, m.k.RunWhile(func() bool { return !done }))
			require.NoError(t, m.k.RunUntil(m.k.Now()+10*time.Second)) // late appends
			require.Empty(t, m.k.Failures())
			require.Empty(t, m.violations)
			require.Len(t, results, n)
			count := map[string]int{}
			for part, p := range m.parts {
				last := -1
				for offset, value := range p.log {
					count[value]++
					res := results[value]
					require.NotEqual(t, client.OutcomeFail, res.Outcome, "%s failed (%v) but is in the log", value, res.Err)
					if idempotent {
						require.Equal(t, 1, count[value], "%s is in the log twice", value)
						require.Greater(t, order[value], last, "%s is out of order", value)
						last = order[value]
						if res.Outcome == client.OutcomeOK && res.Offset >= 0 {
							require.EqualValues(t, offset, res.Offset)
						}
					}
					require.EqualValues(t, part, res.Partition)
				}
			}
			for value, res := range results {
				if res.Outcome == client.OutcomeOK {
					require.Positive(t, count[value], "%s was acknowledged but is not in the log", value)
				}
				if res.Outcome == client.OutcomeInfo {
					indefinite++
				}
				if res.Outcome == client.OutcomeFail {
					failed++
				}
				if res.ProducerEpoch > 0 {
					bumped++
				}
			}
			if m.trouble == 0 && m.moves == 0 {
				require.Len(t, count, n)
			}
			if m.trouble > 0 {
				require.Positive(t, m.troubled)
			}
		})
	}
	t.Logf("%d unknown, %d failed, %d in later epochs", indefinite, failed, bumped)
	if !testing.Short() {
		require.Positive(t, indefinite)
		require.Positive(t, failed)
		require.Positive(t, bumped)
	}
}

// TestProducerIsDeterministic runs the same troubled world twice.
func TestProducerIsDeterministic(t *testing.T) {
	run := func() uint64 {
		m := newModel(11, 3, 2, sim.Options{})
		defer func() { _ = m.k.Close() }()
		m.trouble, m.moves = 20, 20
		node := m.k.NewNode("client")
		m.net.Attach(node, "client")
		done := false
		node.Start("client", func(e env.Env) {
			c, err := client.New(e, client.Config{Bootstrap: m.bootstrap(), RequestTimeout: 2 * time.Second})
			require.NoError(t, err)
			p, err := c.NewProducer(client.DefaultProducerConfig())
			require.NoError(t, err)
			for i := range 200 {
				p.Produce(&client.Record{Topic: "t", Partition: client.PartitionAny, Value: []byte(strconv.Itoa(i))}, func(_ *client.Record, res client.Result) {
					e.Event("result", env.Int("offset", res.Offset), env.Int("attempts", res.Attempts))
				})
				e.Sleep(5 * time.Millisecond)
			}
			p.Close(time.Minute)
			done = true
		})
		require.NoError(t, m.k.RunWhile(func() bool { return !done }))
		return m.k.TraceHash()
	}
	require.Equal(t, run(), run())
}

// BenchmarkProduce is one acknowledged 1 KB record per request from a client
// to a broker that appends nothing, over the simulated network.
func BenchmarkProduce(b *testing.B) {
	k := sim.NewKernel(sim.Options{Seed: 1})
	defer func() { _ = k.Close() }()
	net := simnet.New(k, simnet.Options{})
	m := &model{k: k, net: net, brokers: 1, parts: []*modelPartition{{producers: map[int64]*modelProducer{}}}}
	broker := k.NewNode("broker-0")
	net.Attach(broker, "broker-0")
	broker.Start("broker", func(e env.Env) {
		l, err := e.Listen("broker-0:9092")
		require.NoError(b, err)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			e.Go("conn", func() { m.acknowledge(e, c) })
		}
	})
	node := k.NewNode("client")
	net.Attach(node, "client")
	var acked int
	node.Start("client", func(e env.Env) {
		c, err := client.New(e, client.Config{Bootstrap: m.bootstrap()})
		require.NoError(b, err)
		p, err := c.NewProducer(client.DefaultProducerConfig())
		require.NoError(b, err)
		value := make([]byte, 1024)
		done := func(_ *client.Record, res client.Result) {
			if res.Outcome == client.OutcomeOK {
				acked++
			}
		}
		for range b.N {
			r := &client.Record{Topic: "t", Value: value}
			p.Produce(r, done)
			e.Sleep(100 * time.Microsecond)
		}
		p.Flush(time.Minute)
	})
	b.ReportAllocs()
	b.ResetTimer()
	if err := k.RunWhile(func() bool { return acked < b.N }); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

// acknowledge answers produce requests with the least effort.
func (m *model) acknowledge(e env.Env, c net.Conn) {
	buf := make([]byte, 0, 64<<10)
	var out []byte
	offset := int64(0)
	for {
		for len(buf) < 4 || len(buf) < 4+int(binary.BigEndian.Uint32(buf)) {
			n, err := c.Read(buf[len(buf):cap(buf)])
			if err != nil {
				return
			}
			buf = buf[:len(buf)+n]
		}
		size := int(binary.BigEndian.Uint32(buf))
		frame := buf[4 : 4+size]
		if binary.BigEndian.Uint16(frame) == 0 {
			out = append(out[:0], 0, 0, 0, 0)
			out = append(out, frame[4:8]...)
			out = append(out, 0, 2, 2, 't', 2, 0, 0, 0, 0, 0, 0)
			out = binary.BigEndian.AppendUint64(out, uint64(offset))
			out = append(out, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0)
			binary.BigEndian.PutUint32(out, uint32(len(out)-4))
			offset++
		} else {
			h, body, err := protocol.ParseHeader(frame)
			if err != nil {
				panic(err)
			}
			req, err := protocol.ParseRequest(h, body)
			if err != nil {
				panic(err)
			}
			resp, _ := m.answer(e, req, 0)
			out = protocol.AppendResponse(out[:0], h.CorrelationID, resp)
		}
		if _, err := c.Write(out); err != nil {
			return
		}
		buf = buf[:copy(buf, buf[4+size:])]
	}
}
