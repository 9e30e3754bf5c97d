package transaction

import (
	"regexp"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/env"
)

// HandleDescribe answers DescribeTransactions (KIP-664). may says which
// transactional ids and topics the client may hear of.
func (c *Coordinator) HandleDescribe(req *kmsg.DescribeTransactionsRequest, mayID, mayTopic func(name string) bool) *kmsg.DescribeTransactionsResponse {
	resp := kmsg.NewPtrDescribeTransactionsResponse()
	resp.Version = req.Version
	for _, id := range req.TransactionalIDs {
		out := kmsg.NewDescribeTransactionsResponseTransactionState()
		if !mayID(id) {
			out.ErrorCode = kerr.TransactionalIDAuthorizationFailed.Code
		} else if s, code := c.describe(id); code != 0 {
			out.ErrorCode = code
		} else {
			out.State, out.TimeoutMillis, out.StartTimestamp = s.State.String(), s.TimeoutMillis, s.StartMillis
			out.ProducerID, out.ProducerEpoch = s.ProducerID, s.Epoch
			for _, tp := range s.Partitions {
				if !mayTopic(tp.Topic) {
					continue
				}
				if n := len(out.Topics); n == 0 || out.Topics[n-1].Topic != tp.Topic {
					topic := kmsg.NewDescribeTransactionsResponseTransactionStateTopic()
					topic.Topic = tp.Topic
					out.Topics = append(out.Topics, topic)
				}
				last := &out.Topics[len(out.Topics)-1]
				last.Partitions = append(last.Partitions, tp.Partition)
			}
		}
		out.TransactionalID = id
		resp.TransactionStates = append(resp.TransactionStates, out)
	}
	return resp
}

// describe is the status of a transactional id, with the partitions that are
// still to be told of its end, if it is ending.
func (c *Coordinator) describe(id string) (*Status, int16) {
	out, code := c.do(id, func(m *machine, at at, ref Ref) turn {
		t := m.txns[id]
		if t == nil {
			return m.decide(at, ref, id, "describe", refuse(kerr.TransactionalIDNotFound))
		}
		s := *t.Status
		if s.State.ending() {
			s.Partitions = t.awaited
		}
		return turn{Answers: []answer{{Ref: ref, Value: output{status: &s}}}, After: t.recorded}
	})
	return out.status, code
}

// HandleList answers ListTransactions (KIP-664, KIP-994, KIP-1152) with the
// transactional ids that this broker coordinates. While some are being loaded it
// says so. may says which transactional ids the client may hear of.
func (c *Coordinator) HandleList(req *kmsg.ListTransactionsRequest, may func(id string) bool) *kmsg.ListTransactionsResponse {
	resp := kmsg.NewPtrListTransactionsResponse()
	resp.Version = req.Version
	filter := listFilter{minMillis: none, states: map[State]bool{}, producers: map[int64]bool{}, anyState: len(req.StateFilters) == 0}
	for _, name := range req.StateFilters {
		if s, ok := stateOf(name); ok {
			filter.states[s] = true
		} else {
			resp.UnknownStateFilters = append(resp.UnknownStateFilters, name)
		}
	}
	for _, id := range req.ProducerIDFilters {
		filter.producers[id] = true
	}
	if req.Version >= 1 {
		filter.minMillis = req.DurationFilterMillis
	}
	if req.Version >= 2 && req.TransactionalIDPattern != nil && *req.TransactionalIDPattern != "" {
		var err error
		if filter.pattern, err = regexp.Compile(`\A(?:` + *req.TransactionalIDPattern + `)\z`); err != nil {
			resp.ErrorCode = kerr.InvalidRegularExpression.Code
			return resp
		}
	}
	for _, p := range c.shards.Partitions() {
		var listed []kmsg.ListTransactionsResponseTransactionState
		_, code := c.shards.Do(p, func(m *machine, at at, ref Ref) turn {
			t := turn{Answers: []answer{{Ref: ref}}}
			for _, id := range env.SortedKeys(m.txns) {
				if s := m.txns[id]; may(id) && filter.takes(id, s.Status, at.WallMillis) {
					out := kmsg.NewListTransactionsResponseTransactionState()
					out.TransactionalID, out.ProducerID, out.TransactionState = id, s.ProducerID, s.State.String()
					listed = append(listed, out)
					t.After = max(t.After, s.recorded)
				}
			}
			return t
		})
		switch code {
		case 0:
			resp.TransactionStates = append(resp.TransactionStates, listed...)
		case kerr.CoordinatorLoadInProgress.Code:
			resp.ErrorCode = code
		}
	}
	if resp.ErrorCode != 0 {
		resp.TransactionStates = nil
	}
	return resp
}

// listFilter is what ListTransactions asks for.
type listFilter struct {
	anyState  bool
	states    map[State]bool
	producers map[int64]bool // empty for all
	minMillis int64          // how long a transaction must have run, -1 for any
	pattern   *regexp.Regexp // nil for any
}

func (f *listFilter) takes(id string, s *Status, wallMillis int64) bool {
	switch {
	case !f.anyState && !f.states[s.State],
		len(f.producers) > 0 && !f.producers[s.ProducerID],
		f.minMillis >= 0 && wallMillis-s.StartMillis <= f.minMillis,
		f.pattern != nil && !f.pattern.MatchString(id):
		return false
	}
	return true
}
