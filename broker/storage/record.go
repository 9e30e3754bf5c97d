package storage

import "iter"

// Header is one record header.
type Header struct {
	Key   string
	Value []byte // nil is null
}

// Record is one decoded record.
type Record struct {
	Offset          int64  // absolute; ignored when building
	TimestampMillis int64  // ms since 1970
	Key             []byte // nil is null
	Value           []byte // nil is null
	Headers         []Header
}

// BatchOptions are the header fields of a batch to build. Zero values of
// ProducerID mean producer 0: use NoProducer for a batch without one.
type BatchOptions struct {
	BaseOffset    int64
	LeaderEpoch   int32
	ProducerID    int64
	ProducerEpoch int16
	BaseSequence  int32
	Transactional bool
	Control       bool
}

// NoProducer are the options of a batch without idempotent producer.
var NoProducer = BatchOptions{ProducerID: -1, ProducerEpoch: -1, BaseSequence: -1, LeaderEpoch: -1}

// BuildBatch encodes records as one uncompressed batch and appends it to dst.
func BuildBatch(dst []byte, opts BatchOptions, records []Record) []byte { panic("soon") }

// Records decodes the batch's records, decompressing them if need be. Keys and
// values may alias the batch. Malformed bytes end the walk with an error.
func (b Batch) Records() iter.Seq2[Record, error] { panic("soon") }
