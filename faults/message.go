package faults

import (
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/env"
)

// Message says which messages a fault is about, by the name of their API, as
// requests or answers, and perhaps by what they travel on: "AlterPartition
// answer", "quorum Fetch request".
type Message string

// Channel is what a message travels on.
type Channel string

// The channels. Without one a Message is of any.
const (
	AnyChannel     Channel = ""
	QuorumChannel  Channel = "quorum"  // between controllers, and from brokers to the active one
	ReplicaChannel Channel = "replica" // between brokers
	ClientChannel  Channel = "client"  // between clients and brokers
)

const (
	requestWord = "request"
	answerWord  = "answer"
)

// Parse takes the message apart. An error says what is wrong with it.
func (m Message) Parse() (on Channel, key int16, answer bool, err error) {
	words := strings.Fields(string(m))
	if len(words) == 3 {
		on = Channel(words[0])
		words = words[1:]
		if !slices.Contains([]Channel{QuorumChannel, ReplicaChannel, ClientChannel}, on) {
			return on, 0, false, fmt.Errorf("%q: messages travel between clients, replicas or the quorum; write %s, %s or %s before the API, or nothing",
				string(m), ClientChannel, ReplicaChannel, QuorumChannel)
		}
	}
	if len(words) != 2 || words[1] != requestWord && words[1] != answerWord {
		return on, 0, false, fmt.Errorf("%q is not a message; write an API and which way it goes, such as \"AlterPartition answer\" or \"quorum Fetch request\"", string(m))
	}
	for key := range int16(kmsg.MaxKey + 1) {
		if strings.EqualFold(kmsg.NameForKey(key), words[0]) {
			return on, key, words[1] == answerWord, nil
		}
	}
	return on, 0, false, fmt.Errorf("%q: there is no API %q; write its name as Kafka's protocol does, such as Fetch or BrokerRegistration", string(m), words[0])
}

// checkMessage is the check of kinds that need a message.
func checkMessage(f Fault) error {
	if f.Message == "" {
		return fmt.Errorf("message: a %s needs one, such as \"AlterPartition answer\"", f.Kind)
	}
	_, _, _, err := f.Message.Parse()
	if err != nil {
		return fmt.Errorf("message: %w", err)
	}
	return nil
}

// drawMessage draws which messages a fault is about: those more often whose
// coming late has mattered before.
func drawMessage(r *env.Rand) Message {
	likely := []string{
		"quorum Fetch answer", "quorum Fetch answer", "quorum Fetch request", "replica Fetch answer", "replica Fetch answer", "replica Fetch request",
		"AlterPartition request", "AlterPartition request", "AlterPartition answer", "AlterPartition answer",
		"BrokerRegistration request", "BrokerRegistration answer", "BrokerHeartbeat request", "BrokerHeartbeat answer",
		"OffsetForLeaderEpoch answer", "Vote request", "Vote answer", "BeginQuorumEpoch request",
		"client Produce request", "client Produce answer", "client Metadata answer", "client Fetch answer",
		"OffsetCommit request", "OffsetCommit answer", "JoinGroup answer", "SyncGroup answer", "Heartbeat request", "FindCoordinator answer",
		"InitProducerId answer",
	}
	return Message(likely[r.Intn(len(likely))])
}

// drawGroupMessage draws one of the messages by which members of groups and their
// coordinators know each other.
func drawGroupMessage(r *env.Rand) Message {
	likely := []string{
		"JoinGroup request", "JoinGroup answer", "JoinGroup answer", "SyncGroup request", "SyncGroup answer", "Heartbeat request", "Heartbeat answer",
		"OffsetCommit request", "OffsetCommit answer", "OffsetFetch answer", "LeaveGroup request", "FindCoordinator answer",
	}
	return Message(likely[r.Intn(len(likely))])
}

// drawTransactionMessage draws one of the messages by which transactional producers,
// their coordinators and the partitions that they write to know each other.
func drawTransactionMessage(r *env.Rand) Message {
	likely := []string{
		"EndTxn request", "EndTxn request", "EndTxn answer", "WriteTxnMarkers request", "WriteTxnMarkers request", "WriteTxnMarkers answer",
		"AddPartitionsToTxn request", "AddPartitionsToTxn answer", string(verified), string(verified), string(verified), string(verified), "client Produce request", "client Produce answer",
		"TxnOffsetCommit request", "TxnOffsetCommit answer", "InitProducerId request", "InitProducerId answer",
	}
	return Message(likely[r.Intn(len(likely))])
}
