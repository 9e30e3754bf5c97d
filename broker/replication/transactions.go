package replication

import (
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/storage"
)

// led is a partition that this broker leads, or why there is none.
func (m *Manager) led(tp metadata.TopicPartition) (*partition, int16) {
	p := m.partition(tp)
	if p == nil {
		return nil, m.missing(tp)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p, p.checkEpoch(-1)
}

// BeginVerification begins the verification of a transactional batch for a
// partition that this broker leads, or says why it cannot
// (storage.Log.BeginVerification). The verification is nil if there is nothing to
// verify; else EndVerification must follow the append.
func (m *Manager) BeginVerification(tp metadata.TopicPartition, producerID int64, epoch int16, sequence int32, fromZero bool) (*storage.Verification, int16) {
	p, code := m.led(tp)
	if code != 0 {
		return nil, code
	}
	return p.log.BeginVerification(producerID, epoch, sequence, fromZero), 0
}

// Verified reports whether an append with v would be taken as far as that goes.
func (m *Manager) Verified(tp metadata.TopicPartition, v *storage.Verification) bool {
	p := m.partition(tp)
	return p != nil && p.log.Verified(v)
}

// EndVerification says that an append with v was tried or given up.
func (m *Manager) EndVerification(tp metadata.TopicPartition, v *storage.Verification) {
	if p := m.partition(tp); p != nil {
		p.log.EndVerification(v)
	}
}

// Producers lists the producers of a partition that this broker has a replica of, as
// its log knows them, or says why it cannot.
func (m *Manager) Producers(tp metadata.TopicPartition) (producers []storage.Producer, errorCode int16) {
	p := m.partition(tp)
	if p == nil {
		return nil, m.missing(tp)
	}
	return p.log.Producers(), 0
}
