package linearizability

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
)

func TestDefiniteErrors(t *testing.T) {
	for _, e := range []*kerr.Error{kerr.NotEnoughReplicas, kerr.MessageTooLarge, kerr.OutOfOrderSequenceNumber, kerr.InvalidRequiredAcks} {
		require.True(t, DefiniteError(e.Code), e.Message)
	}
	for _, e := range []*kerr.Error{kerr.NotLeaderForPartition, kerr.RequestTimedOut, kerr.NotEnoughReplicasAfterAppend,
		kerr.KafkaStorageError, kerr.UnknownServerError, kerr.DuplicateSequenceNumber} {
		require.False(t, DefiniteError(e.Code), e.Message)
	}
	require.False(t, DefiniteError(0))
}
