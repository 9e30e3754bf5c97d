package sim

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/linearizability/story"
	"github.com/weirlab/weir/sim/simnet"
)

// tap puts the bytes of connections together to Kafka's requests and answers,
// and keeps those that are about the partition of a probe.
type tap struct {
	p     *Probe
	c     *Cluster
	flows map[simnet.Flow]*stream
	conns map[string]*unanswered
}

// unanswered are a connection's requests without an answer, by correlation id.
type unanswered map[int32]kmsg.Request

// stream is one direction of a connection.
type stream struct {
	partial       []byte // of the next frame
	written, came int64
	waiting       []sentMessage // not arrived yet
}

// sentMessage is a message that has arrived once so many bytes have.
type sentMessage struct {
	end   int64
	index int // in the probe's messages
}

const (
	// mostMessages bounds what is kept of a run at speed.
	mostMessages = 100_000
	// largestFrame is beyond any that a broker takes; what claims more is no
	// Kafka.
	largestFrame = 128 << 20
)

func newTap(p *Probe, c *Cluster) *tap {
	return &tap{p: p, c: c, flows: map[simnet.Flow]*stream{}, conns: map[string]*unanswered{}}
}

// Written implements simnet.Observer.
func (t *tap) Written(f simnet.Flow, at time.Duration, b []byte) {
	s := t.flows[f]
	if s == nil {
		s = &stream{}
		t.flows[f] = s
	}
	s.written += int64(len(b))
	s.partial = append(s.partial, b...)
	end := s.written - int64(len(s.partial))
	for len(s.partial) >= 4 {
		size := int64(int32(binary.BigEndian.Uint32(s.partial)))
		if size < 0 || size > largestFrame {
			s.partial = nil
			return
		}
		if int64(len(s.partial)) < 4+size {
			return
		}
		end += 4 + size
		t.frame(f, s, at, end, s.partial[4:4+size])
		s.partial = s.partial[4+size:]
	}
	if len(s.partial) == 0 {
		s.partial = nil
	}
}

// Arrived implements simnet.Observer.
func (t *tap) Arrived(f simnet.Flow, at time.Duration, n int64) {
	s := t.flows[f]
	if s == nil {
		return
	}
	s.came += n
	for len(s.waiting) > 0 && s.waiting[0].end <= s.came {
		t.p.Messages[s.waiting[0].index].Arrived = at
		s.waiting = s.waiting[1:]
	}
}

// interesting says which requests are looked into.
func interesting(key int16) bool {
	switch kmsg.Key(key) {
	case kmsg.Produce, kmsg.Fetch, kmsg.ListOffsets, kmsg.OffsetForLeaderEpoch, kmsg.AlterPartition:
		return true
	}
	return false
}

func (t *tap) frame(f simnet.Flow, s *stream, at time.Duration, end int64, b []byte) {
	pending := t.conns[f.Conn]
	if pending == nil {
		pending = &unanswered{}
		t.conns[f.Conn] = pending
	}
	var m *story.Message
	if f.Dialed() {
		m = t.request(*pending, b)
	} else {
		m = t.answer(*pending, b)
	}
	if m == nil || len(t.p.Messages) >= mostMessages {
		return
	}
	m.Sent, m.Arrived, m.From, m.To = at, story.Never, f.From.Host, f.To.Host
	s.waiting = append(s.waiting, sentMessage{end, len(t.p.Messages)})
	t.p.Messages = append(t.p.Messages, *m)
}

// request reads a request, and notes it for its answer.
func (t *tap) request(pending unanswered, b []byte) *story.Message {
	if len(b) < 10 {
		return nil
	}
	key, version := int16(binary.BigEndian.Uint16(b)), int16(binary.BigEndian.Uint16(b[2:]))
	correlation := int32(binary.BigEndian.Uint32(b[4:]))
	if !interesting(key) {
		return nil
	}
	req := kmsg.RequestForKey(key)
	if version > req.MaxVersion() {
		return nil
	}
	req.SetVersion(version)
	body := b[10:]
	if n := int(int16(binary.BigEndian.Uint16(b[8:]))); n > 0 && n <= len(body) {
		body = body[n:]
	}
	if req.IsFlexible() {
		body = body[min(1, len(body)):] // clients of the simulation send no tags
	}
	if req.ReadFrom(append([]byte(nil), body...)) != nil {
		return nil
	}
	pending[correlation] = req
	m := t.askedOf(req)
	if m != nil {
		m.API = kmsg.NameForKey(key)
	}
	return m
}

// answer reads an answer to a request that was noted.
func (t *tap) answer(pending unanswered, b []byte) *story.Message {
	if len(b) < 4 {
		return nil
	}
	correlation := int32(binary.BigEndian.Uint32(b))
	req := pending[correlation]
	if req == nil {
		return nil
	}
	delete(pending, correlation)
	res := req.ResponseKind()
	body := b[4:]
	if res.IsFlexible() {
		body = body[min(1, len(body)):]
	}
	if res.ReadFrom(append([]byte(nil), body...)) != nil {
		return nil
	}
	m := t.answered(res)
	if m != nil {
		m.API, m.Answer = kmsg.NameForKey(req.Key()), true
	}
	return m
}

// about says whether a topic, by name or id, and a partition are the probe's.
func (t *tap) about(topic string, id [16]byte, partition int32) bool {
	if partition != t.p.Of.Partition {
		return false
	}
	if topic == "" && t.c.image != nil {
		if known := t.c.image.TopicByID(metadata.TopicID(id)); known != nil {
			topic = known.Name
		}
	}
	return topic == t.p.Of.Topic
}

const none = linearizability.None

func blank() *story.Message { return &story.Message{Offset: none, End: none, High: none, Epoch: none} }

// askedOf is what a request says about the partition, nil if nothing.
func (t *tap) askedOf(req kmsg.Request) *story.Message {
	m := blank()
	switch r := req.(type) {
	case *kmsg.ProduceRequest:
		for _, topic := range r.Topics {
			for _, p := range topic.Partitions {
				if t.about(topic.Topic, topic.TopicID, p.Partition) {
					m.Text = fmt.Sprintf("%s, acks=%d", records(p.Records), r.Acks)
					return m
				}
			}
		}
	case *kmsg.FetchRequest:
		for _, topic := range r.Topics {
			for _, p := range topic.Partitions {
				if t.about(topic.Topic, topic.TopicID, p.Partition) {
					m.Offset, m.Epoch = p.FetchOffset, p.CurrentLeaderEpoch
					m.Text = fmt.Sprintf("offset %d, in epoch %d", p.FetchOffset, p.CurrentLeaderEpoch)
					if p.LastFetchedEpoch >= 0 {
						m.Text += fmt.Sprintf(", last record of epoch %d", p.LastFetchedEpoch)
					}
					return m
				}
			}
		}
	case *kmsg.ListOffsetsRequest:
		for _, topic := range r.Topics {
			for _, p := range topic.Partitions {
				if t.about(topic.Topic, [16]byte{}, p.Partition) {
					m.Epoch = p.CurrentLeaderEpoch
					m.Text = fmt.Sprintf("timestamp %d", p.Timestamp)
					return m
				}
			}
		}
	case *kmsg.OffsetForLeaderEpochRequest:
		for _, topic := range r.Topics {
			for _, p := range topic.Partitions {
				if t.about(topic.Topic, [16]byte{}, p.Partition) {
					m.Epoch = p.LeaderEpoch
					m.Text = fmt.Sprintf("where does epoch %d end?", p.LeaderEpoch)
					return m
				}
			}
		}
	case *kmsg.AlterPartitionRequest:
		for _, topic := range r.Topics {
			for _, p := range topic.Partitions {
				if !t.about(topic.Topic, topic.TopicID, p.Partition) {
					continue
				}
				m.ISR, m.Epoch = p.NewISR, p.LeaderEpoch
				for _, b := range p.NewEpochISR {
					m.ISR = append(m.ISR, b.BrokerID)
				}
				m.Text = fmt.Sprintf("ISR %v, leader epoch %d, partition epoch %d", m.ISR, p.LeaderEpoch, p.PartitionEpoch)
				return m
			}
		}
	}
	return nil
}

// answered is what an answer says about the partition, nil if nothing.
func (t *tap) answered(res kmsg.Response) *story.Message {
	m := blank()
	switch r := res.(type) {
	case *kmsg.ProduceResponse:
		for _, topic := range r.Topics {
			for _, p := range topic.Partitions {
				if t.about(topic.Topic, topic.TopicID, p.Partition) {
					m.Offset, m.Error = p.BaseOffset, errorName(p.ErrorCode)
					m.Text = outcome(m.Error, fmt.Sprintf("offset %d", p.BaseOffset))
					return m
				}
			}
		}
	case *kmsg.FetchResponse:
		for _, topic := range r.Topics {
			for _, p := range topic.Partitions {
				if t.about(topic.Topic, topic.TopicID, p.Partition) {
					fetched(m, &p)
					return m
				}
			}
		}
	case *kmsg.ListOffsetsResponse:
		for _, topic := range r.Topics {
			for _, p := range topic.Partitions {
				if t.about(topic.Topic, [16]byte{}, p.Partition) {
					m.Offset, m.Epoch, m.Error = p.Offset, p.LeaderEpoch, errorName(p.ErrorCode)
					m.Text = outcome(m.Error, fmt.Sprintf("offset %d", p.Offset))
					return m
				}
			}
		}
	case *kmsg.OffsetForLeaderEpochResponse:
		for _, topic := range r.Topics {
			for _, p := range topic.Partitions {
				if t.about(topic.Topic, [16]byte{}, p.Partition) {
					m.Offset, m.Epoch, m.Error = p.EndOffset, p.LeaderEpoch, errorName(p.ErrorCode)
					m.Text = outcome(m.Error, fmt.Sprintf("epoch %d ends at %d", p.LeaderEpoch, p.EndOffset))
					return m
				}
			}
		}
	case *kmsg.AlterPartitionResponse:
		for _, topic := range r.Topics {
			for _, p := range topic.Partitions {
				if t.about(topic.Topic, topic.TopidID, p.Partition) {
					m.ISR, m.Epoch, m.Error = p.ISR, p.LeaderEpoch, errorName(p.ErrorCode)
					m.Text = outcome(m.Error, fmt.Sprintf("ISR %v, leader epoch %d, partition epoch %d", p.ISR, p.LeaderEpoch, p.PartitionEpoch))
					return m
				}
			}
		}
	}
	return nil
}

func fetched(m *story.Message, p *kmsg.FetchResponseTopicPartition) {
	m.High, m.Error = p.HighWatermark, errorName(p.ErrorCode)
	text := fmt.Sprintf("high watermark %d", p.HighWatermark)
	if first, end, epoch := extent(p.RecordBatches); end > first {
		m.Offset, m.End, m.Epoch = first, end, epoch
		text = fmt.Sprintf("offsets %d to %d of epoch %d, ", first, end-1, epoch) + text
	}
	if p.DivergingEpoch.EndOffset >= 0 && p.DivergingEpoch.Epoch >= 0 {
		m.Diverging, m.Offset = true, p.DivergingEpoch.EndOffset
		text = fmt.Sprintf("diverging: epoch %d ends at %d, ", p.DivergingEpoch.Epoch, p.DivergingEpoch.EndOffset) + text
	}
	m.Text = outcome(m.Error, text)
}

// extent is where the record batches in b begin and end, and the leader epoch of
// the last.
func extent(b []byte) (first, end int64, epoch int32) {
	const header = 61
	first, end = none, none
	for len(b) >= header {
		base, size := int64(binary.BigEndian.Uint64(b)), int64(int32(binary.BigEndian.Uint32(b[8:])))
		if first == none {
			first = base
		}
		end = base + int64(int32(binary.BigEndian.Uint32(b[23:]))) + 1
		epoch = int32(binary.BigEndian.Uint32(b[12:]))
		if size < header-12 || int64(len(b)) < 12+size {
			break
		}
		b = b[12+size:]
	}
	return first, end, epoch
}

// records says how many records a produced batch has.
func records(b []byte) string {
	const count = 57
	if len(b) < count+4 {
		return "no records"
	}
	n := int32(binary.BigEndian.Uint32(b[count:]))
	if n == 1 {
		return "1 record"
	}
	return fmt.Sprintf("%d records", n)
}

// outcome is an error, or what there is without one.
func outcome(failure, text string) string {
	if failure != "" {
		return failure
	}
	return text
}

func errorName(code int16) string {
	if code == 0 {
		return ""
	}
	return kerr.ErrorForCode(code).(*kerr.Error).Message
}
