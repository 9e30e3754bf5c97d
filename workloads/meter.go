package workloads

import (
	"sync"
	"time"

	"github.com/weirlab/weir/workloads/client"
	"github.com/weirlab/weir/workloads/program"
	"github.com/weirlab/weir/workloads/target"
)

// meter turns what clients measure into latencies and rows for a Sink. The
// local target calls it from many goroutines.
type meter struct {
	mu     sync.Mutex
	sink   Sink
	origin time.Duration // of the workload, on the run's clock

	// What throughput counts: records meant to be sent from then on, and which
	// of them came late, on the workload's clock.
	from, end  time.Duration
	throughput Throughput

	total  Row // since the start
	toldAt time.Duration
	// What there was at the last row.
	told           Row
	toldThroughput Throughput
	late           time.Duration
}

// newMeter makes a meter for a load of a length, whose beginning is warm-up.
func newMeter(sink Sink, warmUp, length time.Duration) *meter {
	return &meter{sink: sink, from: warmUp, end: length}
}

// sent counts the acknowledgement of a record towards the throughput.
func (m *meter) sent(intended, done time.Duration, bytes int64) {
	if intended < m.from {
		return
	}
	m.throughput.Acked++
	m.throughput.AckedBytes += bytes
	if done > m.end {
		m.throughput.Late++
	}
}

// begin says when on the run's clock the workload's times begin.
func (m *meter) begin(origin time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.origin = origin
}

// Offered implements program.Meter.
func (m *meter) Offered(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.total.Offered += n
}

// Produced implements program.Meter.
func (m *meter) Produced(intended, sent, done time.Duration, bytes int, outcome client.Outcome) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.late = max(m.late, sent-intended)
	switch outcome {
	case client.OutcomeOK:
		m.total.Acked++
		m.total.AckedBytes += int64(bytes)
		m.sent(intended, done, int64(bytes))
		m.sink.Latency(TagProduce, m.origin+done, done-intended, 1)
		m.sink.Latency(TagProduceUncorrected, m.origin+done, done-sent, 1)
	case client.OutcomeFail:
		m.total.Failed++
	default:
		m.total.Unknown++
	}
}

// ProducedBatch implements program.Meter.
func (m *meter) ProducedBatch(records []program.Times, done time.Duration, bytes int64, outcome client.Outcome) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := int64(len(records))
	switch outcome {
	case client.OutcomeOK:
		m.total.Acked += n
		m.total.AckedBytes += bytes
	case client.OutcomeFail:
		m.total.Failed += n
	default:
		m.total.Unknown += n
	}
	for i := range records {
		r := &records[i]
		m.late = max(m.late, r.Sent-r.Intended)
		if outcome == client.OutcomeOK {
			m.sent(r.Intended, done, bytes*int64(i+1)/n-bytes*int64(i)/n)
			m.sink.Latency(TagProduce, m.origin+done, done-r.Intended, 1)
			m.sink.Latency(TagProduceUncorrected, m.origin+done, done-r.Sent, 1)
		}
	}
}

// ConsumedBatch implements program.Meter.
func (m *meter) ConsumedBatch(intended []time.Duration, read time.Duration, bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.total.Consumed += int64(len(intended))
	m.total.ConsumedBytes += bytes
	for _, at := range intended {
		m.sink.Latency(TagEndToEnd, m.origin+read, read-at, 1)
	}
}

// Consumed implements program.Meter.
func (m *meter) Consumed(intended, read time.Duration, bytes int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.total.Consumed++
	m.total.ConsumedBytes += int64(bytes)
	m.sink.Latency(TagEndToEnd, m.origin+read, read-intended, 1)
}

// Operated implements program.Meter.
func (m *meter) Operated(_ string, started, done time.Duration, outcome client.Outcome) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if outcome == client.OutcomeOK {
		m.sink.Latency(TagRegister, m.origin+done, done-started, 1)
	}
}

// row tells the sink what has happened since the last row, and the lag. The last row of a
// run is that of its last, partial second.
func (m *meter) row(at time.Duration, lag int64, brokers []target.BrokerRow) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if at <= m.toldAt {
		return
	}
	m.toldAt = at
	now, before := m.total, m.told
	m.sink.Row(at, Row{
		Offered:       now.Offered - before.Offered,
		Acked:         now.Acked - before.Acked,
		Failed:        now.Failed - before.Failed,
		Unknown:       now.Unknown - before.Unknown,
		Consumed:      now.Consumed - before.Consumed,
		AckedBytes:    now.AckedBytes - before.AckedBytes,
		ConsumedBytes: now.ConsumedBytes - before.ConsumedBytes,
		Lag:           lag,
		Brokers:       brokers,
	})
	m.told, m.toldThroughput = now, m.throughput
}

func (m *meter) totals() (Row, time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.total, m.late
}

// measured is the throughput of the load without its warm-up, up to now if the
// load ends later: a run that is cut short is measured over what there was of it.
func (m *meter) measured(now time.Duration) Throughput {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.over(m.throughput, now)
}

func (m *meter) over(t Throughput, now time.Duration) Throughput {
	if m.origin == 0 || now <= m.origin+m.from {
		return Throughput{}
	}
	t.From, t.To = m.origin+m.from, min(m.origin+m.end, now)
	return t
}

// fill adds what was told up to the last row, for a run whose clients go on.
func (m *meter) fill(out *Outcome) {
	m.mu.Lock()
	defer m.mu.Unlock()
	out.Acked, out.Failed, out.Unknown, out.Consumed, out.LateBy = m.told.Acked, m.told.Failed, m.told.Unknown, m.told.Consumed, m.late
	out.LoadStart, out.Throughput = m.origin, m.over(m.toldThroughput, m.toldAt)
}
