package quorum

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A follower that says that it knows less than it was told has not got the answer:
// it is told again at once, and does not wait (KIP-1166).
func TestALostHighWatermarkIsToldAgain(t *testing.T) {
	w, l := electedWorld(t)
	c := l.core
	last := Message{Kind: FetchRequest, From: 77, Epoch: l.hard.Epoch, Offset: c.End(), LastEpoch: l.hard.Epoch, MaxWait: time.Second}
	require.Positive(t, c.HighWatermark())
	fetch := func(id uint64, tells bool, hw int64) bool {
		m := last
		m.ID, m.TellsHW, m.HighWatermark = id, tells, hw
		return w.ask(l.id, m).Kind == FetchResponse
	}
	require.True(t, fetch(1, false, 0), "nothing was told yet")
	require.False(t, fetch(2, false, 0), "it waits for news")
	require.True(t, fetch(3, true, c.HighWatermark()-1))
	require.False(t, fetch(4, true, c.HighWatermark()))
	require.False(t, fetch(5, true, c.HighWatermark()+1))
}
