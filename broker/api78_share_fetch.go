package broker

import (
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/protocol"
	"github.com/weirlab/weir/broker/replication"
	"github.com/weirlab/weir/broker/share"
	"github.com/weirlab/weir/broker/storage"
)

// shareFetchAPI is ShareFetch (key 78, KIP-932): acquire records for a member of a share
// group, waiting up to the request's patience for some, and acknowledge others, as
// ShareAcknowledge does. A member says in a share session which partitions it fetches.
//
//	v1 first
//	v2 a strict limit on the number of records (KIP-1206), renewal of locks (KIP-1222)
func (b *Broker) shareFetchAPI() protocol.API { return api(1, 2, b.shareFetch) }

func (b *Broker) shareFetch(call *protocol.Call, req *kmsg.ShareFetchRequest) kmsg.Response {
	resp := kmsg.NewPtrShareFetchResponse()
	if resp.ErrorCode = b.checkShareRequest(call, req.GroupID, req.MemberID); resp.ErrorCode != 0 {
		return resp
	}
	fetching := share.Fetching{Group: *req.GroupID, Member: strings.Clone(*req.MemberID), Epoch: req.ShareSessionEpoch}
	acks := shareAcks{member: fetching.Member, renews: req.IsRenewAck, mayRenew: req.Version >= 2}
	for i := range req.Topics {
		t := &req.Topics[i]
		for j := range t.Partitions {
			p := &t.Partitions[j]
			at := share.TopicPartition{Topic: t.TopicID, Partition: p.Partition}
			fetching.Add = append(fetching.Add, at)
			var list []share.Acknowledgement
			for _, a := range p.AcknowledgementBatches {
				list = append(list, share.Acknowledgement{First: a.FirstOffset, Last: a.LastOffset, Types: a.AcknowledgeTypes})
			}
			if len(list) > 0 {
				acks.add(at, list)
			}
		}
	}
	for i := range req.ForgottenTopicsData {
		t := &req.ForgottenTopicsData[i]
		for _, p := range t.Partitions {
			fetching.Forget = append(fetching.Forget, share.TopicPartition{Topic: t.TopicID, Partition: p})
		}
	}
	renews := acks.mayRenew && acks.renews
	switch {
	case renews && (req.MaxBytes != 0 || req.MinBytes != 0 || req.MaxRecords != 0 || req.MaxWaitMillis != 0), // it brings no records
		len(acks.list) > 0 && fetching.Epoch == share.EpochNew:
		resp.ErrorCode = kerr.InvalidRequest.Code
		return resp
	}
	partitions, code := b.shares.Open(b.shareConn(call), fetching)
	if code == kerr.ShareSessionLimitReached.Code {
		b.stopping.Wait(millis(req.MaxWaitMillis)) // or the client would ask as fast as it can
	}
	if resp.ErrorCode = code; code != 0 {
		return resp
	}
	acks.find(b, call, fetching.Group)
	acks.begin(b.e)
	f := sharePoll{b: b, call: call, group: fetching.Group, a: share.Acquisition{
		Member: fetching.Member, MaxRecords: int64(req.MaxRecords), BatchSize: int64(req.BatchSize), Strict: req.ShareAcquireMode == 1,
	}}
	if !renews {
		f.find(partitions)
		if req.MaxRecords > 0 && req.MaxBytes > 0 {
			f.poll(millis(req.MaxWaitMillis), req.MinBytes, req.MaxBytes)
		}
	}
	acks.wait()
	if fetching.Epoch == share.EpochFinal {
		b.shares.Close(fetching.Group, fetching.Member)
	}
	resp.AcquisitionLockTimeoutMillis = int32(b.shareLimits(fetching.Group).LockDuration / time.Millisecond)
	f.answer(resp, &acks)
	return resp
}

// sharePoll is the fetch that a ShareFetch is.
type sharePoll struct {
	b     *Broker
	call  *protocol.Call
	group string
	a     share.Acquisition
	parts []sharePart
}

// sharePart is a partition of it.
type sharePart struct {
	at     share.TopicPartition
	tp     metadata.TopicPartition
	leader *share.Leader
	again  bool // the leader was over once, and is another
	passed bool // its log has nothing where it would be read; somebody has to move it
	code   int16

	records []byte
	handed  []share.Handed
}

func (s *sharePart) key(group string) share.Key {
	return share.Key{Group: group, Topic: s.at.Topic, Partition: s.at.Partition}
}

// fail takes a partition out of the poll.
func (s *sharePart) fail(code int16) { s.leader, s.code = nil, code }

// find finds the leaders of the session's partitions.
func (f *sharePoll) find(partitions []share.TopicPartition) {
	image := f.b.controller.Image()
	f.parts = make([]sharePart, len(partitions))
	for i := range f.parts {
		p := &f.parts[i]
		p.at = partitions[i]
		if p.tp, p.code = f.b.sharePartition(f.call, image, p.at); p.code == 0 {
			p.leader, p.code = f.b.shares.Lead(p.key(f.group), p.tp)
		}
	}
}

// poll acquires records, or waits for some. It ends with the first that there are, with
// an error to tell, or with the time.
func (f *sharePoll) poll(maxWait time.Duration, minBytes, maxBytes int32) {
	deadline := f.b.e.Now() + maxWait
	params := replication.FetchParams{
		ReplicaID: -1, ReplicaEpoch: -1, MinBytes: max(minBytes, 1), MaxBytes: maxBytes,
		ReadCommitted: f.b.shareReadsCommitted(f.group), Lend: f.call.Lend, Reserve: f.call.Reserve,
	}
	for slices.ContainsFunc(f.parts, func(p sharePart) bool { return p.leader != nil }) {
		poll := f.b.shares.NewPoll()
		failed, ready := f.look(poll, params, deadline)
		poll.End()
		if (failed || ready) && f.read(params, deadline) || failed || f.b.e.Now() >= deadline {
			return
		}
	}
}

// look waits until there may be something to read. It reports whether there is, and
// whether there is a new error to tell.
func (f *sharePoll) look(poll *share.Poll, params replication.FetchParams, deadline time.Duration) (failed, ready bool) {
	var reads []replication.FetchPartition
	var of []*sharePart
	for i := range f.parts {
		p := &f.parts[i]
		if p.leader == nil {
			continue
		}
		if !f.alive(p) {
			failed = true
			continue
		}
		if offset, ok := p.leader.Look(poll); ok && !p.passed {
			reads, of = append(reads, sharedRead(p, offset, params.MaxBytes)), append(of, p)
		}
	}
	left := max(deadline-f.b.e.Now(), 0)
	switch {
	case failed:
		return true, false
	case len(reads) == 0:
		poll.More.Wait(left)
		return false, false
	}
	params.Await, params.MaxWait = poll.More, left
	for i, r := range f.b.replicas.Fetch(params, reads) {
		failed = f.meet(of[i], &r, reads[i].FetchOffset) || failed
		upTo := r.HighWatermark
		if params.ReadCommitted {
			upTo = r.LastStableOffset
		}
		ready = ready || reads[i].FetchOffset < upTo
	}
	return failed, ready
}

// alive reports whether a partition's leader goes on, or another has taken its place.
func (f *sharePoll) alive(p *sharePart) bool {
	code := p.leader.Over()
	if code == 0 {
		return true
	}
	if code == kerr.NotLeaderForPartition.Code && !p.again { // of the broker, or of its time
		p.again = true
		p.leader, p.code = f.b.shares.Lead(p.key(f.group), p.tp)
		return p.leader != nil
	}
	p.fail(code)
	return false
}

// meet looks at what became of a read. It reports whether it is an error to tell.
func (f *sharePoll) meet(p *sharePart, r *replication.FetchResult, offset int64) bool {
	switch {
	case r.ErrorCode == 0:
		return false
	case r.ErrorCode != kerr.OffsetOutOfRange.Code:
		p.fail(r.ErrorCode)
		return true
	case r.LogStartOffset > offset:
		p.leader.MoveStart(r.LogStartOffset)
	default: // the log has lost records that the group has had
		p.passed = true
	}
	return false
}

func sharedRead(p *sharePart, offset int64, maxBytes int32) replication.FetchPartition {
	return replication.FetchPartition{TP: p.tp, TopicID: p.at.Topic, CurrentLeaderEpoch: -1, FetchOffset: offset, LogStartOffset: -1, LastFetchedEpoch: -1,
		MaxBytes: maxBytes, CleanedTo: -1}
}

// read reads what can be acquired now and acquires it. It reports whether there was
// anything: if it was for nobody, the client may as well ask again.
func (f *sharePoll) read(params replication.FetchParams, deadline time.Duration) (done bool) {
	var reads []replication.FetchPartition
	var of []*sharePart
	for i := range f.parts {
		p := &f.parts[i]
		if p.leader == nil || p.passed {
			continue
		}
		if offset, ok := p.leader.BeginFetch(); ok {
			r := sharedRead(p, offset, params.MaxBytes)
			r.Until = offset + f.a.MaxRecords
			reads, of = append(reads, r), append(of, p)
		}
	}
	params.MinBytes, params.MaxWait = 0, max(deadline-f.b.e.Now(), 0)
	for i, r := range f.b.replicas.Fetch(params, reads) {
		p, leader := of[i], of[i].leader
		done = f.meet(p, &r, reads[i].FetchOffset) || done
		if len(r.Records) > 0 {
			done = true
			f.acquire(p, &r, reads[i].FetchOffset)
		}
		leader.EndFetch()
	}
	return done
}

// acquire acquires what was read of a partition.
func (f *sharePoll) acquire(p *sharePart, r *replication.FetchResult, offset int64) {
	fetched := share.Fetched{Offset: offset}
	for batch, err := range storage.Batches(r.Records) {
		if err != nil {
			p.fail(kerr.CorruptMessage.Code)
			return
		}
		fetched.Batches = append(fetched.Batches, share.FetchedBatch{First: batch.BaseOffset(), Last: batch.LastOffset(), Aborted: aborted(batch, r.Aborted)})
	}
	p.handed = p.leader.Acquire(f.a, fetched)
	for _, h := range p.handed {
		f.a.MaxRecords -= h.Last - h.First + 1
	}
	if len(p.handed) > 0 {
		p.records = between(r.Records, p.handed[0].First, p.handed[len(p.handed)-1].Last)
	}
}

// aborted reports whether a batch is of one of the aborted transactions.
func aborted(batch storage.Batch, list []storage.AbortedTransaction) bool {
	if !batch.IsTransactional() || batch.IsControl() {
		return false
	}
	for _, a := range list {
		if a.ProducerID == batch.ProducerID() && a.FirstOffset <= batch.BaseOffset() && batch.BaseOffset() <= a.LastOffset {
			return true
		}
	}
	return false
}

// between is the batches that have offsets from first to last.
func between(records []byte, first, last int64) []byte {
	from, to := 0, 0
	for batch, err := range storage.Batches(records) {
		switch {
		case err != nil || batch.BaseOffset() > last:
			return records[from:to]
		case batch.LastOffset() < first:
			from += len(batch)
		}
		to += len(batch)
	}
	return records[from:to]
}

// answer tells what was acquired, and how the request's acknowledgements went. Who is
// fetched from in vain is left out, as from later answers of a session.
func (f *sharePoll) answer(resp *kmsg.ShareFetchResponse, acks *shareAcks) {
	image := f.b.controller.Image()
	topics := map[metadata.TopicID]int{}
	add := func(at share.TopicPartition) *kmsg.ShareFetchResponseTopicPartition {
		i, there := topics[at.Topic]
		if !there {
			i = len(resp.Topics)
			topics[at.Topic] = i
			t := kmsg.NewShareFetchResponseTopic()
			t.TopicID = at.Topic
			resp.Topics = append(resp.Topics, t)
		}
		p := kmsg.NewShareFetchResponseTopicPartition()
		p.Partition, p.Records = at.Partition, []byte{}
		t := &resp.Topics[i]
		t.Partitions = append(t.Partitions, p)
		return &t.Partitions[len(t.Partitions)-1]
	}
	for i := range f.parts {
		p := &f.parts[i]
		ack, acked := acks.index[p.at]
		if p.code == 0 && len(p.handed) == 0 && !acked {
			continue
		}
		out := add(p.at)
		out.ErrorCode = p.code
		if acked {
			out.AcknowledgeErrorCode = acks.list[ack].code
			delete(acks.index, p.at)
		}
		if len(p.handed) > 0 {
			out.Records = p.records
		}
		for _, h := range p.handed {
			out.AcquiredRecords = append(out.AcquiredRecords, kmsg.ShareFetchResponseTopicPartitionAcquiredRecord{
				FirstOffset: h.First, LastOffset: h.Last, DeliveryCount: h.DeliveryCount,
			})
		}
		if leader, epoch := whereElse(image, p.tp, p.code); leader != nil {
			out.CurrentLeader.LeaderID, out.CurrentLeader.LeaderEpoch = leader.ID, epoch
			node := kmsg.ShareFetchResponseNodeEndpoint{NodeID: leader.ID, Host: leader.Host, Port: leader.Port, Rack: rackPtr(leader.Rack)}
			resp.NodeEndpoints = append(resp.NodeEndpoints, node)
		}
	}
	for i := range acks.list {
		if _, left := acks.index[acks.list[i].at]; left {
			add(acks.list[i].at).AcknowledgeErrorCode = acks.list[i].code
		}
	}
	resp.NodeEndpoints = distinct(resp.NodeEndpoints, func(n *kmsg.ShareFetchResponseNodeEndpoint) int32 { return n.NodeID })
}
