package transaction

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/coordinator"
	"github.com/weirlab/weir/broker/storage"
)

// Versions of the records in __transaction_state (Kafka's TransactionLogKey and
// TransactionLogValue). Value version 1, from transaction.version 1 on, has the
// fields of KIP-890.
const (
	keyVersion      = 0
	newestValue     = 1
	barrierID       = "" // no client can use it as a transactional id
	newestState     = CompleteAbort
	maxKnownClients = epochBump
)

func recordKey(id string) []byte {
	k := kmsg.NewTxnMetadataKey()
	k.Version, k.TransactionalID = keyVersion, id
	return k.AppendTo(nil)
}

// record is the record of a status, as transaction.version has it written.
func record(id string, s *Status, version int16, wallMillis int64) storage.Record {
	v := kmsg.NewTxnMetadataValue()
	if v.Version = 0; version >= 1 {
		v.Version = newestValue
		v.PreviousProducerID, v.NextProducerID, v.ClientTransactionVersion = s.PreviousID, s.NextID, s.ClientVersion
	}
	v.ProducerID, v.ProducerEpoch, v.TimeoutMillis = s.ProducerID, s.Epoch, s.TimeoutMillis
	v.State = kmsg.TransactionState(s.State)
	v.LastUpdateTimestamp, v.StartTimestamp = s.UpdatedMillis, s.StartMillis
	if s.State != Empty {
		v.Topics = []kmsg.TxnMetadataValueTopic{}
	}
	for _, tp := range s.Partitions {
		if n := len(v.Topics); n == 0 || v.Topics[n-1].Topic != tp.Topic {
			topic := kmsg.NewTxnMetadataValueTopic()
			topic.Topic = tp.Topic
			v.Topics = append(v.Topics, topic)
		}
		last := &v.Topics[len(v.Topics)-1]
		last.Partitions = append(last.Partitions, tp.Partition)
	}
	return storage.Record{TimestampMillis: wallMillis, Key: recordKey(id), Value: v.AppendTo(nil)}
}

// tombstone forgets a transactional id.
func tombstone(id string, wallMillis int64) storage.Record {
	return storage.Record{TimestampMillis: wallMillis, Key: recordKey(id)}
}

// barrierRecord is a record that means nothing: committing it proves that the
// coordinator still leads.
func barrierRecord(wallMillis int64) storage.Record { return tombstone(barrierID, wallMillis) }

// readStatus reads the value of a record.
func readStatus(value []byte) (*Status, error) {
	if len(value) < 2 {
		return nil, fmt.Errorf("a value of %d bytes says no version", len(value))
	}
	if version := int16(binary.BigEndian.Uint16(value)); version < 0 || version > newestValue {
		return nil, fmt.Errorf("value version %d is not known, 0 to %d are", version, newestValue)
	}
	v := kmsg.NewTxnMetadataValue()
	if err := v.ReadFrom(value); err != nil {
		return nil, err
	}
	s := &Status{
		ProducerID: v.ProducerID, Epoch: v.ProducerEpoch, LastEpoch: none,
		PreviousID: none, NextID: none,
		TimeoutMillis: v.TimeoutMillis, State: State(v.State),
		StartMillis: v.StartTimestamp, UpdatedMillis: v.LastUpdateTimestamp,
	}
	if v.Version >= 1 {
		s.PreviousID, s.NextID, s.ClientVersion = v.PreviousProducerID, v.NextProducerID, v.ClientTransactionVersion
	}
	switch {
	case s.State < Empty || s.State > newestState:
		return nil, fmt.Errorf("state %d is none that the log has", s.State)
	case s.ProducerID < 0 || s.Epoch < 0:
		return nil, fmt.Errorf("producer %d epoch %d can be nobody's", s.ProducerID, s.Epoch)
	case s.ClientVersion < 0 || s.ClientVersion > maxKnownClients:
		return nil, fmt.Errorf("transaction version %d is not known, 0 to %d are", s.ClientVersion, maxKnownClients)
	}
	for _, t := range v.Topics {
		for _, p := range t.Partitions {
			s.Partitions = append(s.Partitions, TopicPartition{Topic: t.Topic, Partition: p})
		}
	}
	slices.SortFunc(s.Partitions, TopicPartition.Compare)
	s.Partitions = slices.Compact(s.Partitions)
	return s, nil
}

// Replay takes one record of the log. Records of kinds that are not known are
// left alone, as in Kafka.
func (m *machine) Replay(rec storage.Record, _ coordinator.Producer) error {
	if len(rec.Key) < 2 {
		return fmt.Errorf("a key of %d bytes says no version", len(rec.Key))
	}
	if binary.BigEndian.Uint16(rec.Key) != keyVersion {
		return nil
	}
	k := kmsg.NewTxnMetadataKey()
	if err := k.ReadFrom(rec.Key); err != nil {
		return fmt.Errorf("key of a transactional id: %w", err)
	}
	if rec.Value == nil {
		m.forget(k.TransactionalID)
		return nil
	}
	s, err := readStatus(rec.Value)
	if err != nil {
		return fmt.Errorf("transactional id %q: %w", k.TransactionalID, err)
	}
	m.set(k.TransactionalID, s, rec.Offset+1)
	return nil
}

// ReplayMarker is of no concern: nothing in this log is part of a transaction.
func (m *machine) ReplayMarker(storage.Marker) {}
