package controller

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
)

func (f *fixture) balance() (records int) {
	f.t.Helper()
	before := len(f.log)
	f.transact(func(tx *txn) { f.m.balance(f.now, tx) })
	return len(f.log) - before
}

// A partition goes back to the first of its replicas when that is alive and in
// sync, and not before.
func TestLeadersGoBackToThePreferredReplica(t *testing.T) {
	f := newFixture(t, 3, 1)
	tp := f.topic("orders", 1, 2, 3)
	f.topic("audit", 2, 3)
	require.Zero(t, f.balance(), "all lead that should")
	f.silence(2, 3)
	require.EqualValues(t, 2, f.img.Partition(tp).Leader)
	require.Zero(t, f.balance(), "the preferred replica is away")
	f.register(1, true)
	f.beat(1)
	require.Zero(t, f.balance(), "it is not in sync")
	require.Zero(t, f.alter(tp, 1, 2, 3).ErrorCode)
	require.Equal(t, 1, f.balance())
	p := f.img.Partition(tp)
	require.EqualValues(t, 1, p.Leader)
	require.Equal(t, []int32{1, 2, 3}, p.ISR)
	require.Zero(t, f.balance())
}

// More than a thousand partitions are not moved in one go, and the rest not
// forgotten.
func TestManyLeadersGoBackInPortions(t *testing.T) {
	f := newFixture(t, 2, 1)
	f.m.cfg.BalanceLeaders = true
	for i := range maxBalanced + 1 {
		f.topic(fmt.Sprint("t", i), 1, 2)
	}
	f.silence(2)
	f.register(1, true)
	f.beat(1)
	for _, topic := range f.img.Topics() {
		require.Zero(t, f.alter(topic.Partitions[0].TP(), 1, 2).ErrorCode)
	}
	require.Equal(t, maxBalanced, f.balance())
	require.Equal(t, f.now, f.m.balanceDeadline())
	require.Equal(t, 1, f.balance())
	require.Equal(t, f.now+5*time.Minute, f.m.balanceDeadline())
	f.m.cfg.BalanceLeaders = false
	require.Equal(t, env.Forever, f.m.balanceDeadline())
}
