package client

import (
	"math"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// fetchSession is the client's side of a fetch session (KIP-227): what the
// broker has been told to fetch, so that requests list only what changes.
type fetchSession struct {
	id    int32
	epoch int32 // of the next request; 0 asks for a session to begin
	told  map[TopicPartition]toldPosition
	order []TopicPartition // of told
}

type toldPosition struct {
	offset      int64
	leaderEpoch int32
	now         bool // in the request being made
}

// describe makes of a full request one that goes on with the session, or begins
// one.
func (s *fetchSession) describe(req *kmsg.FetchRequest) {
	req.SessionID, req.SessionEpoch = s.id, s.epoch
	if s.epoch == 0 || s.told == nil {
		s.told, s.order = map[TopicPartition]toldPosition{}, s.order[:0]
	}
	topics := req.Topics[:0]
	for _, t := range req.Topics {
		changed := t.Partitions[:0]
		for _, p := range t.Partitions {
			tp := TopicPartition{Topic: t.Topic, Partition: p.Partition}
			is := toldPosition{offset: p.FetchOffset, leaderEpoch: p.CurrentLeaderEpoch}
			was, known := s.told[tp]
			if !known {
				s.order = append(s.order, tp)
			}
			if !known || was != is {
				changed = append(changed, p)
			}
			is.now = true
			s.told[tp] = is
		}
		if t.Partitions = changed; len(changed) > 0 {
			topics = append(topics, t)
		}
	}
	req.Topics = topics
	order := s.order[:0]
	for _, tp := range s.order {
		is := s.told[tp]
		if !is.now {
			delete(s.told, tp)
			s.forget(req, tp)
			continue
		}
		is.now = false
		s.told[tp] = is
		order = append(order, tp)
	}
	s.order = order
}

func (s *fetchSession) forget(req *kmsg.FetchRequest, tp TopicPartition) {
	if n := len(req.ForgottenTopics); n == 0 || req.ForgottenTopics[n-1].Topic != tp.Topic {
		req.ForgottenTopics = append(req.ForgottenTopics, kmsg.FetchRequestForgottenTopic{Topic: tp.Topic})
	}
	t := &req.ForgottenTopics[len(req.ForgottenTopics)-1]
	t.Partitions = append(t.Partitions, tp.Partition)
}

// answered takes in what an answer says of the session.
func (s *fetchSession) answered(resp *kmsg.FetchResponse) {
	switch {
	case resp.ErrorCode == kerr.FetchSessionIDNotFound.Code:
		s.id, s.epoch = 0, 0
	case resp.ErrorCode != 0:
		s.epoch = 0 // which ends the session, if there is one
	case resp.SessionID == 0:
		s.id, s.epoch = 0, 0 // there was no room for one, or it is over
	case s.epoch == math.MaxInt32:
		s.epoch = 1
	default:
		s.id = resp.SessionID
		s.epoch++
	}
}

// lost says that an answer did not come: what the broker has made of the request
// is not known.
func (s *fetchSession) lost() { s.epoch = 0 }

// sessionTrouble reports whether an answer says no more than that there has to be
// another session.
func sessionTrouble(code int16) bool {
	switch code {
	case kerr.FetchSessionIDNotFound.Code, kerr.InvalidFetchSessionEpoch.Code, kerr.FetchSessionTopicIDError.Code:
		return true
	}
	return false
}
