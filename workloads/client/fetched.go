package client

import (
	"fmt"
	"time"
)

// FetchedBatch is a record batch as a consumer was given it, its CRC checked
// and its records not decoded yet. It holds the whole response in memory.
type FetchedBatch struct {
	batch recordBatch
	from  int64
}

// Transactional says that the records are part of a transaction.
func (b *FetchedBatch) Transactional() bool { return b.batch.is(attributeTransactional) }

// From is the first offset that is the consumer's to read; Last is that of the
// batch's last record.
func (b *FetchedBatch) From() int64 { return b.from }

// Last is the offset of the last record that was written with the batch.
func (b *FetchedBatch) Last() int64 { return b.batch.last }

// LeaderEpoch is that of the leader that appended the batch.
func (b *FetchedBatch) LeaderEpoch() int32 { return b.batch.leaderEpoch }

// Producer is the producer id and epoch of the batch and the sequence number
// of a record of it; -1 each without idempotence.
func (b *FetchedBatch) Producer(offset int64) (id int64, epoch int16, sequence int32) {
	if b.batch.producerID < 0 || b.batch.sequence < 0 {
		return b.batch.producerID, b.batch.producerEpoch, -1
	}
	return b.batch.producerID, b.batch.producerEpoch, addSequence(b.batch.sequence, int32(offset-b.batch.base))
}

// Each calls yield with the offset and value of each record that is the
// consumer's to read, in order. The value is valid while the batch is. The
// error says that the batch is not made of records from some place on, which
// its CRC did not tell.
func (b *FetchedBatch) Each(yield func(offset int64, value []byte)) error {
	d := decoder{b: b.batch.records}
	for range b.batch.count {
		size := d.varint()
		if d.bad || size < 0 || size > int64(len(d.b)) {
			return b.malformed()
		}
		r := decoder{b: d.b[:size]}
		d.b = d.b[size:]
		r.take(1) // attributes: none are defined
		r.varint()
		delta := r.varint()
		r.varintBytes() // key
		value := r.varintBytes()
		offset := b.batch.base + delta
		if r.bad || delta < 0 || offset > b.batch.last {
			return b.malformed()
		}
		if offset >= b.from {
			yield(offset, value)
		}
	}
	return nil
}

// Records is Each with whole records. One is valid during the call.
func (b *FetchedBatch) Records(yield func(*ConsumedRecord)) error {
	rest := b.batch.records
	for range b.batch.count {
		var r ConsumedRecord
		var err error
		if rest, err = b.batch.record(rest, &r); err != nil {
			return err
		}
		if r.Offset >= b.from {
			yield(&r)
		}
	}
	return nil
}

func (b *FetchedBatch) malformed() error {
	return fmt.Errorf("%w at offset %d: malformed record", ErrCorrupt, b.batch.base)
}

// PartitionBatches is what one PollBatches returns of one partition: see
// PartitionRecords.
type PartitionBatches struct {
	TopicPartition
	Session        int64
	Position, Next int64
	HighWatermark  int64
	Batches        []FetchedBatch
	Markers        []Marker
}

// Marker is a control record that ends a transaction in a partition.
type Marker struct {
	Offset        int64
	LeaderEpoch   int32
	ProducerID    int64
	ProducerEpoch int16
	// CoordinatorEpoch is that of the coordinator that wrote it.
	CoordinatorEpoch int32
	Commit           bool
}

// Batches is what one PollBatches returns.
type Batches struct {
	Partitions []PartitionBatches
	Errors     []PartitionError
}

// PollBatches is Poll for loads of hundreds of thousands of records a second:
// it returns all that has arrived, by the batch, whatever MaxPollRecords.
func (k *Consumer) PollBatches(timeout time.Duration) Batches {
	var batches Batches
	k.poll(timeout, func() bool {
		batches = k.collectBatches()
		return len(batches.Partitions)+len(batches.Errors) > 0
	})
	n := int64(0)
	for i := range batches.Partitions {
		p := &batches.Partitions[i]
		for j := range p.Batches {
			n += int64(p.Batches[j].batch.count)
		}
	}
	if n > 0 {
		k.e.Work("client.record", n)
	}
	return batches
}

// collectBatches empties the buffers. The lock is held.
func (k *Consumer) collectBatches() Batches {
	var all Batches
	all.Errors, k.errs = k.errs, nil
	for _, pt := range k.parts {
		if len(pt.chunks) == 0 || pt.stage == halted {
			continue
		}
		got := PartitionBatches{TopicPartition: pt.tp, Session: pt.session, Position: pt.next, Next: pt.next}
		err := k.takeBatches(pt, &got)
		if got.Next > got.Position {
			all.Partitions = append(all.Partitions, got)
		}
		if err != nil {
			all.Errors = append(all.Errors, PartitionError{pt.tp, err})
		}
		k.advance(pt)
	}
	return all
}

// takeBatches empties one partition's buffer. The lock is held.
func (k *Consumer) takeBatches(pt *position, got *PartitionBatches) error {
	for len(pt.chunks) > 0 {
		c := &pt.chunks[0]
		got.HighWatermark = c.wm
		if c.batch.bytes == 0 {
			whole, err := c.nextBatch()
			if err != nil {
				return k.spoiled(pt, err)
			}
			if !whole {
				k.drop(pt)
				continue
			}
		}
		b := c.batch
		c.batch, c.left = recordBatch{}, 0
		switch {
		case !c.hidden:
			if b.count > 0 && b.last >= pt.next {
				got.Batches = append(got.Batches, FetchedBatch{b, pt.next})
				pt.nextEpoch = b.leaderEpoch
			}
		case b.is(attributeControl) && b.count > 0:
			var marker ConsumedRecord
			if _, err := b.record(b.records, &marker); err != nil {
				return k.spoiled(pt, err)
			}
			c.control(&marker)
			if m, ok := readMarker(&b, &marker); ok && m.Offset >= pt.next {
				got.Markers = append(got.Markers, m)
			}
		}
		pt.next = max(pt.next, b.last+1)
		got.Next = pt.next
	}
	return nil
}
