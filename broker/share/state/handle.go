package state

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/share"
)

// Every handler begins all that a request asks for and then waits for it: it blocks
// until what is to be written is committed, or cannot be in time. A request about no
// group, or with a topic of no partitions, has an answer without results, as in Kafka.

// InitializeState answers InitializeShareGroupState.
func (c *Coordinator) InitializeState(req *kmsg.InitializeShareGroupStateRequest) *kmsg.InitializeShareGroupStateResponse {
	resp := req.ResponseKind().(*kmsg.InitializeShareGroupStateResponse)
	var a asked
	for i := range req.Topics {
		t := &req.Topics[i]
		a.topic(len(t.Partitions))
		for _, p := range t.Partitions {
			key := share.Key{Group: req.GroupID, Topic: t.TopicID, Partition: p.Partition}
			a.begin(c, key, func(m *machine, at at, ref ref) turn { return m.initialize(at, ref, key, p.StateEpoch, p.StartOffset) })
		}
	}
	a.each(req.GroupID, func(key share.Key, out output) {
		if n := len(resp.Topics); n == 0 || resp.Topics[n-1].TopicID != key.Topic {
			resp.Topics = append(resp.Topics, kmsg.InitializeShareGroupStateResponseTopic{TopicID: key.Topic})
		}
		last := &resp.Topics[len(resp.Topics)-1]
		last.Partitions = append(last.Partitions, kmsg.InitializeShareGroupStateResponseTopicPartition{
			Partition: key.Partition, ErrorCode: out.code, ErrorMessage: out.text()})
	})
	return resp
}

// ReadState answers ReadShareGroupState.
func (c *Coordinator) ReadState(req *kmsg.ReadShareGroupStateRequest) *kmsg.ReadShareGroupStateResponse {
	resp := req.ResponseKind().(*kmsg.ReadShareGroupStateResponse)
	var a asked
	for i := range req.Topics {
		t := &req.Topics[i]
		a.topic(len(t.Partitions))
		for _, p := range t.Partitions {
			key := share.Key{Group: req.GroupID, Topic: t.TopicID, Partition: p.Partition}
			a.begin(c, key, func(m *machine, at at, ref ref) turn { return m.read(at, ref, key, p.LeaderEpoch) })
		}
	}
	a.each(req.GroupID, func(key share.Key, out output) {
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

// WriteState answers WriteShareGroupState.
func (c *Coordinator) WriteState(req *kmsg.WriteShareGroupStateRequest) *kmsg.WriteShareGroupStateResponse {
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
			a.begin(c, key, func(m *machine, at at, ref ref) turn { return m.write(at, ref, key, delta) })
		}
	}
	a.each(req.GroupID, func(key share.Key, out output) {
		if n := len(resp.Topics); n == 0 || resp.Topics[n-1].TopicID != key.Topic {
			resp.Topics = append(resp.Topics, kmsg.WriteShareGroupStateResponseTopic{TopicID: key.Topic})
		}
		last := &resp.Topics[len(resp.Topics)-1]
		last.Partitions = append(last.Partitions, kmsg.WriteShareGroupStateResponseTopicPartition{
			Partition: key.Partition, ErrorCode: out.code, ErrorMessage: out.text()})
	})
	return resp
}

// DeleteState answers DeleteShareGroupState.
func (c *Coordinator) DeleteState(req *kmsg.DeleteShareGroupStateRequest) *kmsg.DeleteShareGroupStateResponse {
	resp := req.ResponseKind().(*kmsg.DeleteShareGroupStateResponse)
	var a asked
	for i := range req.Topics {
		t := &req.Topics[i]
		a.topic(len(t.Partitions))
		for _, p := range t.Partitions {
			key := share.Key{Group: req.GroupID, Topic: t.TopicID, Partition: p.Partition}
			a.begin(c, key, func(m *machine, at at, ref ref) turn { return m.remove(at, ref, key) })
		}
	}
	a.each(req.GroupID, func(key share.Key, out output) {
		if n := len(resp.Topics); n == 0 || resp.Topics[n-1].TopicID != key.Topic {
			resp.Topics = append(resp.Topics, kmsg.DeleteShareGroupStateResponseTopic{TopicID: key.Topic})
		}
		last := &resp.Topics[len(resp.Topics)-1]
		last.Partitions = append(last.Partitions, kmsg.DeleteShareGroupStateResponseTopicPartition{
			Partition: key.Partition, ErrorCode: out.code, ErrorMessage: out.text()})
	})
	return resp
}

// ReadSummary answers ReadShareGroupStateSummary.
func (c *Coordinator) ReadSummary(req *kmsg.ReadShareGroupStateSummaryRequest) *kmsg.ReadShareGroupStateSummaryResponse {
	resp := req.ResponseKind().(*kmsg.ReadShareGroupStateSummaryResponse)
	var a asked
	for i := range req.Topics {
		t := &req.Topics[i]
		a.topic(len(t.Partitions))
		for _, p := range t.Partitions {
			key := share.Key{Group: req.GroupID, Topic: t.TopicID, Partition: p.Partition}
			a.begin(c, key, func(m *machine, at at, ref ref) turn { return m.summarize(at, ref, key) })
		}
	}
	a.each(req.GroupID, func(key share.Key, out output) {
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

// asked are the keys of a request, in its order.
type asked struct {
	steps []func()
	keys  []share.Key
	waits []func() output
	void  bool // there is a topic without partitions
}

func (a *asked) topic(partitions int) { a.void = a.void || partitions == 0 }

// begin notes a step; each takes it.
func (a *asked) begin(c *Coordinator, key share.Key, step func(m *machine, at at, ref ref) turn) {
	a.keys = append(a.keys, key)
	a.steps = append(a.steps, func() { a.waits = append(a.waits, c.begin(key, step)) })
}

// each begins everything, and gives the answers in the order of the request.
func (a *asked) each(group string, answer func(key share.Key, out output)) {
	if a.void || group == "" {
		return
	}
	for _, step := range a.steps {
		step()
	}
	for i, key := range a.keys {
		answer(key, a.waits[i]())
	}
}

func (o output) text() *string {
	if o.message == "" {
		return nil
	}
	return &o.message
}
