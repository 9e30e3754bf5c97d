package controller

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/metadata"
)

// A broker that was unregistered comes back with an empty disk and must not be
// taken for the one that held everything.
func TestUnregisteredBrokersReturnWithNothing(t *testing.T) {
	for _, clean := range []bool{false, true} {
		f := newFixture(t, 3, 2)
		tp := f.topic("t", 1, 2, 3)
		f.silence(1, 2)
		f.silence(2)
		require.Equal(t, "leader 2 epoch 1 isr [2] elr [1]", f.state(tp))
		req := kmsg.NewPtrUnregisterBrokerRequest()
		req.BrokerID = 1
		require.Zero(t, f.do(req).(*kmsg.UnregisterBrokerResponse).ErrorCode)
		require.Equal(t, "leader 2 epoch 1 isr [2] elr [1]", f.state(tp), "it may have been a mistake")
		require.Zero(t, f.register(1, clean))
		require.Equal(t, "leader 2 epoch 1 isr [2] elr []", f.state(tp))
		f.beat(1)
		f.silence(1)
		require.Equal(t, "leader -1 epoch 2 isr [] elr [2]", f.state(tp), "2 alone has what was acknowledged")
	}
}

// A broker that has lost a directory has lost what was in it, even if it says
// which registration it continues.
func TestAnotherDirectoryIsAnotherDisk(t *testing.T) {
	for _, kept := range []bool{true, false} {
		f := newFixture(t, 1, 2)
		req := registration(2)
		req.LogDirs = [][16]byte{{7}}
		require.Zero(t, f.do(req).(*kmsg.BrokerRegistrationResponse).ErrorCode)
		f.beat(2)
		tp := f.topic("t", 1, 2)
		require.Equal(t, []metadata.DirectoryID{{}, {7}}, f.img.Partition(tp).Directories)
		f.silence(1)
		require.Equal(t, "leader 1 epoch 0 isr [1] elr [2]", f.state(tp))

		req.IncarnationID[1], req.PreviousBrokerEpoch = 9, f.img.Broker(2).Epoch
		if !kept {
			req.LogDirs = [][16]byte{{8}}
		}
		require.Zero(t, f.do(req).(*kmsg.BrokerRegistrationResponse).ErrorCode)
		require.Equal(t, kept, f.img.Partition(tp).InELR(2))
		require.Equal(t, metadata.DirectoryID(req.LogDirs[0]), f.img.Partition(tp).Directories[1])
	}
}

// A process that dies before it has heard that it is registered leaves the next
// one with the epoch before. Once a broker was unfenced, that one is too old.
func TestARegistrationThatNobodyHeardOfLosesNothing(t *testing.T) {
	for _, heard := range []bool{false, true} {
		f := newFixture(t, 2, 2)
		tp := f.topic("t", 1, 2)
		f.silence(1)
		require.Equal(t, "leader 1 epoch 0 isr [1] elr [2]", f.state(tp))
		noted := f.img.Broker(2).Epoch
		for life := byte(10); life < 13; life++ {
			f.now += f.m.cfg.BrokerSessionTimeout
			f.beat(1)
			req := registration(2)
			req.IncarnationID[1], req.PreviousBrokerEpoch = life, noted
			require.Zero(t, f.do(req).(*kmsg.BrokerRegistrationResponse).ErrorCode)
			require.Greater(t, f.img.Broker(2).Epoch, noted)
			require.Equal(t, !heard || life == 10, f.img.Partition(tp).InELR(2), "life %d", life)
			if heard {
				f.beat(2)
			}
			// A snapshot remembers it too.
			ed := (*metadata.Image)(nil).Edit()
			for i, r := range f.img.Records() {
				require.NoError(t, ed.Apply(r, int64(i)))
			}
			require.Equal(t, f.img.Broker(2), ed.Image().Broker(2))
		}
	}
}

func TestRegistration(t *testing.T) {
	f := newFixture(t, 2, 1)
	epoch := f.img.Broker(1).Epoch
	require.Equal(t, kerr.DuplicateBrokerRegistration.Code, f.register(1, false), "the session still lives")
	f.lives[1]--

	again := registration(1)
	again.IncarnationID[1] = f.lives[1]
	resp := f.do(again).(*kmsg.BrokerRegistrationResponse)
	require.Zero(t, resp.ErrorCode)
	require.Equal(t, epoch, resp.BrokerEpoch, "the same incarnation asks again because the answer was lost")

	f.silence(2)
	require.Zero(t, f.register(1, false))
	require.Greater(t, f.img.Broker(1).Epoch, epoch)
	require.True(t, f.img.Broker(1).Fenced)

	stale := kmsg.NewPtrBrokerHeartbeatRequest()
	stale.BrokerID, stale.BrokerEpoch = 1, epoch
	require.Equal(t, kerr.StaleBrokerEpoch.Code, f.do(stale).(*kmsg.BrokerHeartbeatResponse).ErrorCode)
	stale.BrokerID = 9
	require.Equal(t, kerr.BrokerIDNotRegistered.Code, f.do(stale).(*kmsg.BrokerHeartbeatResponse).ErrorCode)
}
