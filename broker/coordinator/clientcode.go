package coordinator

import "github.com/twmb/franz-go/pkg/kerr"

// ClientCode is what a client is told in place of an answer by a code of [Runtime.Do],
// as Kafka's CoordinatorOperationExceptionHelper has it: whatever may pass is a reason
// to try again, here or where the coordinator is now.
func ClientCode(code int16) int16 {
	switch code {
	case 0, kerr.CoordinatorLoadInProgress.Code:
		return code
	case kerr.NotCoordinator.Code, kerr.NotLeaderForPartition.Code, kerr.FencedLeaderEpoch.Code, kerr.KafkaStorageError.Code:
		return kerr.NotCoordinator.Code
	case kerr.MessageTooLarge.Code, kerr.RecordListTooLarge.Code:
		return kerr.UnknownServerError.Code
	}
	return kerr.CoordinatorNotAvailable.Code
}
