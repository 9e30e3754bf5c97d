package controller

import (
	"time"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/planted"
)

// maxBalanced is how many partitions are given back to their preferred leaders at
// a time, as in Kafka; the others follow at once.
const maxBalanced = 1000

// balanceDeadline is when to look for leaders that are not the preferred ones,
// Forever for never.
func (m *machine) balanceDeadline() time.Duration {
	if !m.cfg.BalanceLeaders {
		return env.Forever
	}
	return m.balanceAt
}

// balance gives partitions back to their preferred leaders, the first of their
// replicas, if these are in sync (auto.leader.rebalance.enable). A failure moves
// leaders away and nothing else moves them back.
func (m *machine) balance(now time.Duration, t *txn) {
	m.balanceAt = now + m.cfg.BalanceInterval
	left := maxBalanced
	forPartitions(t,
		func(p *metadata.Partition) bool {
			first := p.Replicas[0]
			return p.Leader != metadata.NoLeader && p.Leader != first && t.img().Broker(first).Serves(p) &&
				(p.InISR(first) || planted.Is("balance-out-of-sync"))
		},
		func(p *metadata.Partition) {
			switch {
			case left == 0:
				m.balanceAt = now
			case p.InISR(p.Replicas[0]):
				left--
				m.changePartition(t, p, p.ISR, noBroker, preferred)
			default: // planted
				next := p.Clone()
				next.Leader = p.Replicas[0]
				m.writePartition(t, p, next)
			}
		})
}

// balance is machine.balance when it is due.
func (l *loop) balance() {
	if !l.active || l.fatal != nil {
		return
	}
	now := l.n.e.Now()
	if at := l.machine.balanceDeadline(); at == env.Forever || now < at {
		return
	}
	t := newTxn(l.working, l.core.End())
	l.machine.balance(now, t)
	l.propose(t, nil, nil)
}
