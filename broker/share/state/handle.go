package state

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/share"
)

// Handle answers a request to a share coordinator: InitializeShareGroupState,
// ReadShareGroupState, WriteShareGroupState, DeleteShareGroupState or
// ReadShareGroupStateSummary. It begins all that the request asks for and then waits for
// it: it blocks until what is to be written is committed, or cannot be in time. A
// request about no group, or with a topic of no partitions, has an answer without
// results, as in Kafka.
func (c *Coordinator) Handle(req kmsg.Request) kmsg.Response { return handle(req, c.begin) }

// Refuse answers such a request by an error code for all that it asks for.
func Refuse(req kmsg.Request, code int16) kmsg.Response {
	return handle(req, func(share.Key, step) func() output { return func() output { return refused(code) } })
}

// step is what is done about one key.
type step = func(m *machine, at at, ref ref) turn

// begin begins a step about a key; what it returns waits for the answer.
type begin = func(key share.Key, step step) func() output

func handle(req kmsg.Request, begin begin) kmsg.Response {
	switch req := req.(type) {
	case *kmsg.InitializeShareGroupStateRequest:
		return initializeState(req, begin)
	case *kmsg.ReadShareGroupStateRequest:
		return readState(req, begin)
	case *kmsg.WriteShareGroupStateRequest:
		return writeState(req, begin)
	case *kmsg.DeleteShareGroupStateRequest:
		return deleteState(req, begin)
	case *kmsg.ReadShareGroupStateSummaryRequest:
		return readSummary(req, begin)
	}
	panic(fmt.Sprintf("state: %T is no request to a share coordinator", req))
}

func initializeState(req *kmsg.InitializeShareGroupStateRequest, begin begin) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.InitializeShareGroupStateResponse)
	var a asked
	for i := range req.Topics {
		t := &req.Topics[i]
		a.topic(len(t.Partitions))
		for _, p := range t.Partitions {
			key := share.Key{Group: req.GroupID, Topic: t.TopicID, Partition: p.Partition}
			a.ask(key, func(m *machine, at at, ref ref) turn { return m.initialize(at, ref, key, p.StateEpoch, p.StartOffset) })
		}
	}
	a.each(req.GroupID, begin, func(key share.Key, out output) {
		if n := len(resp.Topics); n == 0 || resp.Topics[n-1].TopicID != key.Topic {
			resp.Topics = append(resp.Topics, kmsg.InitializeShareGroupStateResponseTopic{TopicID: key.Topic})
		}
		last := &resp.Topics[len(resp.Topics)-1]
		last.Partitions = append(last.Partitions, kmsg.InitializeShareGroupStateResponseTopicPartition{
			Partition: key.Partition, ErrorCode: out.code, ErrorMessage: out.text()})
	})
	return resp
}

func readState(req *kmsg.ReadShareGroupStateRequest, begin begin) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.ReadShareGroupStateResponse)
	var a asked
	for i := range req.Topics {
		t := &req.Topics[i]
		a.topic(len(t.Partitions))
		for _, p := range t.Partitions {
			key := share.Key{Group: req.GroupID, Topic: t.TopicID, Partition: p.Partition}
			a.ask(key, func(m *machine, at at, ref ref) turn { return m.read(at, ref, key, p.LeaderEpoch) })
		}
	}
	a.each(req.GroupID, begin, func(key share.Key, out output) {
		if n := len(resp.Topics); n == 0 || resp.Topics[n-1].TopicID != key.Topic {
			resp.Topics = append(resp.Topics, kmsg.ReadShareGroupStateResponseTopic{TopicID: key.Topic})
		}
		p := kmsg.ReadShareGroupStateResponseTopicPartition{Partition: key.Partition, ErrorCode: out.code, ErrorMessage: out.text()}
		if out.code == 0 {
			p.StateEpoch, p.StartOffset = out.state.StateEpoch, out.state.StartOffset
			for _, b := range out.state.Batches {
				p.StateBatches = append(p.StateBatches, kmsg.ReadShareGroupStateResponseTopicPartitionStateBatch{
					FirstOffset: b.First, LastOffset: b.Last, DeliveryState: int8(b.State), DeliveryCount: b.DeliveryCount})
			}
		}
		last := &resp.Topics[len(resp.Topics)-1]
		last.Partitions = append(last.Partitions, p)
	})
	return resp
}

func writeState(req *kmsg.WriteShareGroupStateRequest, begin begin) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.WriteShareGroupStateResponse)
	var a asked
	for i := range req.Topics {
		t := &req.Topics[i]
		a.topic(len(t.Partitions))
		for _, p := range t.Partitions {
			key := share.Key{Group: req.GroupID, Topic: t.TopicID, Partition: p.Partition}
			delta := share.State{StateEpoch: p.StateEpoch, LeaderEpoch: p.LeaderEpoch, StartOffset: p.StartOffset, DeliveryCompleteCount: p.DeliveryCompleteCount}
			for _, b := range p.StateBatches {
				delta.Batches = append(delta.Batches, share.Batch{First: b.FirstOffset, Last: b.LastOffset, State: share.DeliveryState(b.DeliveryState), DeliveryCount: b.DeliveryCount})
			}
			a.ask(key, func(m *machine, at at, ref ref) turn { return m.write(at, ref, key, delta) })
		}
	}
	a.each(req.GroupID, begin, func(key share.Key, out output) {
		if n := len(resp.Topics); n == 0 || resp.Topics[n-1].TopicID != key.Topic {
			resp.Topics = append(resp.Topics, kmsg.WriteShareGroupStateResponseTopic{TopicID: key.Topic})
		}
		last := &resp.Topics[len(resp.Topics)-1]
		last.Partitions = append(last.Partitions, kmsg.WriteShareGroupStateResponseTopicPartition{
			Partition: key.Partition, ErrorCode: out.code, ErrorMessage: out.text()})
	})
	return resp
}

func deleteState(req *kmsg.DeleteShareGroupStateRequest, begin begin) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.DeleteShareGroupStateResponse)
	var a asked
	for i := range req.Topics {
		t := &req.Topics[i]
		a.topic(len(t.Partitions))
		for _, p := range t.Partitions {
			key := share.Key{Group: req.GroupID, Topic: t.TopicID, Partition: p.Partition}
			a.ask(key, func(m *machine, at at, ref ref) turn { return m.remove(at, ref, key) })
		}
	}
	a.each(req.GroupID, begin, func(key share.Key, out output) {
		if n := len(resp.Topics); n == 0 || resp.Topics[n-1].TopicID != key.Topic {
			resp.Topics = append(resp.Topics, kmsg.DeleteShareGroupStateResponseTopic{TopicID: key.Topic})
		}
		last := &resp.Topics[len(resp.Topics)-1]
		last.Partitions = append(last.Partitions, kmsg.DeleteShareGroupStateResponseTopicPartition{
			Partition: key.Partition, ErrorCode: out.code, ErrorMessage: out.text()})
	})
	return resp
}

func readSummary(req *kmsg.ReadShareGroupStateSummaryRequest, begin begin) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.ReadShareGroupStateSummaryResponse)
	var a asked
	for i := range req.Topics {
		t := &req.Topics[i]
		a.topic(len(t.Partitions))
		for _, p := range t.Partitions {
			key := share.Key{Group: req.GroupID, Topic: t.TopicID, Partition: p.Partition}
			a.ask(key, func(m *machine, at at, ref ref) turn { return m.summarize(at, ref, key) })
		}
	}
	a.each(req.GroupID, begin, func(key share.Key, out output) {
		if n := len(resp.Topics); n == 0 || resp.Topics[n-1].TopicID != key.Topic {
			resp.Topics = append(resp.Topics, kmsg.ReadShareGroupStateSummaryResponseTopic{TopicID: key.Topic})
		}
		p := kmsg.NewReadShareGroupStateSummaryResponseTopicPartition()
		p.Partition, p.ErrorCode, p.ErrorMessage = key.Partition, out.code, out.text()
		if out.code == 0 {
			p.StateEpoch, p.LeaderEpoch, p.StartOffset = out.state.StateEpoch, out.state.LeaderEpoch, out.state.StartOffset
			p.DeliveryCompleteCount = out.state.DeliveryCompleteCount
		}
		last := &resp.Topics[len(resp.Topics)-1]
		last.Partitions = append(last.Partitions, p)
	})
	return resp
}

// asked are the keys of a request, in its order, and what is asked of each.
type asked struct {
	keys  []share.Key
	steps []step
	void  bool // there is a topic without partitions
}

func (a *asked) topic(partitions int) { a.void = a.void || partitions == 0 }

func (a *asked) ask(key share.Key, step step) {
	a.keys, a.steps = append(a.keys, key), append(a.steps, step)
}

// each begins everything, and gives the answers in the order of the request. A key that
// is named again is done again and answered once, by the first error if there is one.
func (a *asked) each(group string, begin begin, answer func(key share.Key, out output)) {
	if a.void || group == "" {
		return
	}
	waits := map[share.Key][]func() output{}
	for i, key := range a.keys {
		waits[key] = append(waits[key], begin(key, a.steps[i]))
	}
	for _, key := range a.keys {
		var out output
		for _, wait := range waits[key] {
			if next := wait(); out.code == 0 {
				out = next
			}
		}
		if waits[key] != nil {
			answer(key, out)
		}
		waits[key] = nil
	}
}

func (o output) text() *string {
	if o.message == "" {
		return nil
	}
	return &o.message
}
