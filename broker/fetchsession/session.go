package fetchsession

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/env/planted"
)

// session is what one client fetches. The cache's lock guards it.
type session struct {
	id       int32
	epoch    int32 // of the fetch that comes next
	byID     bool  // topics go by id
	follower bool
	began    time.Duration
	used     time.Duration

	order []*cached
	find  map[key]*cached
	bytes int // as maxBytes counts them
}

// key names a partition as the session's requests do.
type key struct {
	topic     string
	id        [16]byte
	partition int32
}

// cached is a partition of a session.
type cached struct {
	key
	ask         kmsg.FetchRequestTopicPartition
	high, start int64 // the marks that the client was told last; unknown for none
}

const unknown = -1

func (at *cached) bytes() int { return partitionBytes + len(at.topic) }

// worth orders sessions by which is to go first: a consumer's before a
// follower's, then the smaller one.
func (s *session) worth(o *session) int {
	if s.follower != o.follower {
		if o.follower {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(len(s.order), len(o.order)), cmp.Compare(s.id, o.id))
}

// newSession is that of a fetch and its full answer, nil if the request has no
// partition or one twice.
func newSession(req *kmsg.FetchRequest, resp *kmsg.FetchResponse) *session {
	s := &session{byID: req.Version >= idVersion, find: map[key]*cached{}}
	for i := range req.Topics {
		for j := range req.Topics[i].Partitions {
			if !s.add(&req.Topics[i], &req.Topics[i].Partitions[j]) {
				return nil
			}
		}
	}
	if len(s.order) == 0 {
		return nil
	}
	n := 0
	for i := range resp.Topics {
		for j := range resp.Topics[i].Partitions {
			s.order[n].isNews(&resp.Topics[i].Partitions[j])
			n++
		}
	}
	return s
}

// add adds a partition, or gives one that is there what is asked of it now. It
// reports whether it is new.
func (s *session) add(t *kmsg.FetchRequestTopic, p *kmsg.FetchRequestTopicPartition) bool {
	ask := *p
	ask.UnknownTags = kmsg.Tags{} // of any size
	k := key{t.Topic, t.TopicID, p.Partition}
	if known := s.find[k]; known != nil {
		if known.ask.FetchOffset == ask.FetchOffset || !planted.Is("session-keeps-position") {
			known.ask = ask
		}
		return false
	}
	if n := len(s.order); n > 0 && s.order[n-1].topic == k.topic {
		k.topic = s.order[n-1].topic
	} else {
		k.topic = strings.Clone(k.topic)
	}
	at := &cached{key: k, ask: ask, high: unknown, start: unknown}
	s.find[k] = at
	s.order = append(s.order, at)
	s.bytes += at.bytes()
	return true
}

// update takes in what a request says has changed.
func (s *session) update(req *kmsg.FetchRequest) {
	for i := range req.Topics {
		for j := range req.Topics[i].Partitions {
			s.add(&req.Topics[i], &req.Topics[i].Partitions[j])
		}
	}
	before := len(s.find)
	for i := range req.ForgottenTopics {
		t := &req.ForgottenTopics[i]
		for _, p := range t.Partitions {
			delete(s.find, key{t.Topic, t.TopicID, p})
		}
	}
	if len(s.find) < before {
		s.order = slices.DeleteFunc(s.order, func(at *cached) bool {
			forgotten := s.find[at.key] == nil
			if forgotten {
				s.bytes -= at.bytes()
			}
			return forgotten
		})
	}
}

// memory is what a turn's request is written into.
type memory struct {
	topics     []kmsg.FetchRequestTopic
	partitions []kmsg.FetchRequestTopicPartition
}

// topics lists what the session fetches as a full request would.
func (s *session) topics(m *memory) []kmsg.FetchRequestTopic {
	m.topics, m.partitions = m.topics[:0], slices.Grow(m.partitions[:0], len(s.order))
	for i, at := range s.order {
		m.partitions = append(m.partitions, at.ask)
		if i == 0 || at.topic != s.order[i-1].topic || at.id != s.order[i-1].id {
			m.topics = append(m.topics, kmsg.FetchRequestTopic{Topic: at.topic, TopicID: at.id})
		}
		t := &m.topics[len(m.topics)-1]
		t.Partitions = m.partitions[i-len(t.Partitions) : i+1]
	}
	return m.topics
}

// settle leaves in the answer what the client does not know yet. Partitions come
// in the session's order.
func (s *session) settle(resp *kmsg.FetchResponse) {
	n := 0
	var served []*cached
	topics := resp.Topics[:0]
	for i := range resp.Topics {
		t := resp.Topics[i]
		news := t.Partitions[:0]
		for j := range t.Partitions {
			p, at := t.Partitions[j], s.order[n]
			n++
			if at.isNews(&p) {
				news = append(news, p)
			}
			if len(p.RecordBatches) > 0 {
				served = append(served, at)
			}
		}
		if t.Partitions = news; len(news) > 0 {
			topics = append(topics, t)
		}
	}
	resp.Topics = topics
	if len(served) == 0 {
		return
	}
	next := 0
	s.order = slices.DeleteFunc(s.order, func(at *cached) bool {
		if next == len(served) || at != served[next] {
			return false
		}
		next++
		return true
	})
	s.order = append(s.order, served...)
}

// isNews reports whether a partition has to be in the answer, and keeps what the
// client then knows.
func (at *cached) isNews(p *kmsg.FetchResponseTopicPartition) bool {
	news := len(p.RecordBatches) > 0 || p.HighWatermark != at.high || p.LogStartOffset != at.start ||
		p.PreferredReadReplica >= 0 || p.ErrorCode != 0 || p.DivergingEpoch.Epoch >= 0
	at.high, at.start = p.HighWatermark, p.LogStartOffset
	if p.ErrorCode != 0 {
		at.high = unknown // once the error is gone, that is news
	}
	return news
}
