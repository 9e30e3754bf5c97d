package replication

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/env"
)

const (
	alterPartitionVersion = 3 // topics by id, members with broker epochs (KIP-903)
	proposalTimeout       = 10 * time.Second
	proposalPause         = 50 * time.Millisecond // after a failure
)

// proposer is the task that brings ISR proposals to the controller, many
// partitions to a request and one request at a time (KIP-497). Each partition
// has at most one proposal pending.
type proposer struct {
	m    *Manager
	task env.Task

	mu      env.Mutex
	change  env.Cond
	queue   []queuedProposal
	retry   bool // what is queued has failed before
	stopped bool
}

type queuedProposal struct {
	p        *partition
	proposal *Proposal
}

func newProposer(m *Manager) *proposer {
	mu := m.e.NewMutex()
	s := &proposer{m: m, mu: mu, change: m.e.NewCond(mu)}
	s.task = m.e.Go("isr-proposer", s.run)
	return s
}

// send queues a proposal.
func (s *proposer) send(p *partition, proposal *Proposal, retry bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append(s.queue, queuedProposal{p, proposal})
	s.retry = s.retry || retry
	s.change.Signal()
}

func (s *proposer) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	s.change.Broadcast()
}

func (s *proposer) run() {
	for {
		s.mu.Lock()
		for len(s.queue) == 0 && !s.stopped {
			s.change.Wait()
		}
		if s.stopped {
			s.mu.Unlock()
			return
		}
		pause := s.retry
		s.mu.Unlock()
		if pause && s.m.stopping.Wait(proposalPause) {
			return
		}
		// The high watermark counts with the larger ISR meanwhile.
		if d := s.m.lab.Late("replication/propose-late", time.Second); d > 0 && s.m.stopping.Wait(d) {
			return
		}
		s.mu.Lock()
		n := s.m.lab.Fewer("replication/propose-fewer", int64(len(s.queue))) // the next request has the others
		batch := slices.Clone(s.queue[:n])
		s.queue, s.retry = slices.Delete(s.queue, 0, int(n)), false
		s.mu.Unlock()
		s.bring(batch)
	}
}

// bring sends a batch of proposals and gives each partition its answer.
func (s *proposer) bring(batch []queuedProposal) {
	batch = slices.DeleteFunc(batch, func(q queuedProposal) bool { return !q.pending() })
	if len(batch) == 0 {
		return
	}
	slices.SortFunc(batch, func(a, b queuedProposal) int { return a.p.tp.Compare(b.p.tp) })
	resp, err := s.m.deps.ToController(s.request(batch), proposalTimeout)
	answers, ok := resp.(*kmsg.AlterPartitionResponse)
	for _, q := range batch {
		a := ProposalAnswer{Proposal: q.proposal, Code: kerr.RequestTimedOut.Code}
		switch {
		case err != nil || !ok:
		case s.m.lab.Seldom("replication/proposal-answer-lost"): // as an answer that did not come: it is asked again
		case answers.ErrorCode != 0:
			a.Code = kerr.RequestTimedOut.Code
		default:
			a.find(q.p, answers)
		}
		q.p.answered(a)
	}
}

// pending reports whether the partition still waits for the answer.
func (q queuedProposal) pending() bool {
	q.p.mu.Lock()
	defer q.p.mu.Unlock()
	return !q.p.gone && !q.p.dir().offline() && q.p.state.Pending() == q.proposal
}

func (s *proposer) request(batch []queuedProposal) *kmsg.AlterPartitionRequest {
	req := kmsg.NewPtrAlterPartitionRequest()
	req.Version = alterPartitionVersion
	req.BrokerID, req.BrokerEpoch = s.m.cfg.BrokerID, s.m.deps.BrokerEpoch()
	var last metadata.TopicID
	for _, q := range batch {
		if len(req.Topics) == 0 || q.p.topicID != last {
			last = q.p.topicID
			topic := kmsg.NewAlterPartitionRequestTopic()
			topic.Topic, topic.TopicID = q.p.tp.Topic, last
			req.Topics = append(req.Topics, topic)
		}
		part := kmsg.NewAlterPartitionRequestTopicPartition()
		part.Partition = q.p.tp.Partition
		part.LeaderEpoch, part.PartitionEpoch = q.proposal.LeaderEpoch, q.proposal.PartitionEpoch
		for _, m := range q.proposal.ISR {
			member := kmsg.NewAlterPartitionRequestTopicPartitionNewEpochISR()
			member.BrokerID, member.BrokerEpoch = m.ID, m.Epoch
			if m.ID == s.m.cfg.BrokerID {
				member.BrokerEpoch = req.BrokerEpoch
			}
			part.NewISR = append(part.NewISR, m.ID)
			part.NewEpochISR = append(part.NewEpochISR, member)
		}
		t := &req.Topics[len(req.Topics)-1]
		t.Partitions = append(t.Partitions, part)
	}
	return req
}

// find fills in the answer for one partition, if the response has it.
func (a *ProposalAnswer) find(p *partition, resp *kmsg.AlterPartitionResponse) {
	for i := range resp.Topics {
		t := &resp.Topics[i]
		if metadata.TopicID(t.TopidID) != p.topicID {
			continue
		}
		for j := range t.Partitions {
			if r := &t.Partitions[j]; r.Partition == p.tp.Partition {
				a.Code, a.LeaderEpoch, a.PartitionEpoch, a.ISR = r.ErrorCode, r.LeaderEpoch, r.PartitionEpoch, r.ISR
				return
			}
		}
	}
}

// answered brings the controller's answer to the replica.
func (p *partition) answered(a ProposalAnswer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone {
		return
	}
	p.out = p.state.ProposalAnswered(p.m.e.Now(), a, p.out)
	p.carryOut()
}
