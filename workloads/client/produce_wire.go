package client

import (
	"encoding/binary"
	"fmt"
	"time"
)

// Produce requests and responses are written and read by hand: they are the
// hot path, and the batches should pass through without a copy.
//
// Version history: 3 takes magic-2 batches; 5 adds the log start offset to the
// response; 8 adds error messages; 9 is flexible; 10 adds the current leader
// (KIP-951, in tags that are skipped here); 11 may be answered with
// TRANSACTION_ABORTABLE; from 12 on a partition joins a transaction by being
// written to (KIP-890). From 13 on topics are named by id.
const (
	produceKey        = 0
	produceMinVersion = 3
	// produceImplicitVersion makes partitions join the transaction.
	produceImplicitVersion = 12
)

// produceRequest is one produce request under way and takes its response.
type produceRequest struct {
	s       *sender
	version int16
	batches []*batch // sorted by topic, as in the request
	size    int      // of the batches, in bytes
}

// produceVersion is the newest version that the producer speaks.
func (p *Producer) produceVersion() int16 {
	if p.txn != nil {
		return produceImplicitVersion
	}
	return maxVersion(produceKey)
}

// appendProduce encodes a request as a frame whose batches are shared, not
// copied. frame is scratch for the outer slice.
func appendProduce(frame [][]byte, batches []*batch, version int16, clientID, txnID string, acks Acks, timeout time.Duration) ([][]byte, int) {
	flexible := version >= 9
	topics, names := 0, 0
	for i, b := range batches {
		if i == 0 || batches[i-1].to.topic != b.to.topic {
			topics++
			names += len(b.to.topic)
		}
	}
	// All that is not batches goes into one buffer that never grows, so that
	// the pieces cut from it stay valid.
	glue := make([]byte, 0, 48+len(clientID)+len(txnID)+names+topics*12+len(batches)*16)
	glue = appendHeader(glue, produceKey, version, flexible, clientID)
	switch {
	case txnID == "" && flexible:
		glue = append(glue, 0) // null
	case txnID == "":
		glue = append(glue, 0xff, 0xff)
	case flexible:
		glue = appendCompactString(glue, txnID)
	default:
		glue = appendString(glue, txnID)
	}
	glue = binary.BigEndian.AppendUint16(glue, uint16(acks))
	glue = binary.BigEndian.AppendUint32(glue, uint32(timeout/time.Millisecond))
	glue = appendCount(glue, flexible, topics)
	size, cut := 0, 0
	for i := 0; i < len(batches); {
		topic := batches[i].to.topic
		n := 1
		for i+n < len(batches) && batches[i+n].to.topic == topic {
			n++
		}
		if flexible {
			glue = appendCompactString(glue, topic)
		} else {
			glue = appendString(glue, topic)
		}
		glue = appendCount(glue, flexible, n)
		for _, b := range batches[i : i+n] {
			glue = binary.BigEndian.AppendUint32(glue, uint32(b.to.index))
			glue = appendCount(glue, flexible, len(b.buf))
			frame = append(frame, glue[cut:len(glue):len(glue)], b.buf)
			size += len(glue) - cut + len(b.buf)
			cut = len(glue)
			b.shared = true
			if flexible {
				glue = append(glue, 0)
			}
		}
		if flexible {
			glue = append(glue, 0)
		}
		i += n
	}
	if flexible {
		glue = append(glue, 0)
	}
	if cut < len(glue) {
		frame = append(frame, glue[cut:])
		size += len(glue) - cut
	}
	return frame, size
}

// appendCount appends the length of an array or of bytes.
func appendCount(dst []byte, flexible bool, n int) []byte {
	if flexible {
		return binary.AppendUvarint(dst, uint64(n)+1)
	}
	return binary.BigEndian.AppendUint32(dst, uint32(n))
}

// partitionAnswer is one partition's part of a produce response.
type partitionAnswer struct {
	code         int16
	offset       int64
	appendMillis int64
	message      []byte
}

// decode reads the response and settles each batch of the request that it
// answers. The producer's lock is held.
func (r *produceRequest) decode(body []byte) error {
	d := decoder{b: body}
	flexible := r.version >= 9
	next := 0 // answers usually come in the order of the request
	var a partitionAnswer
	for topics := d.arrayLen(flexible); topics > 0 && !d.bad; topics-- {
		topic := d.stringBytes(flexible)
		for parts := d.arrayLen(flexible); parts > 0 && !d.bad; parts-- {
			index := d.int32()
			a = partitionAnswer{code: d.int16(), offset: d.int64(), appendMillis: d.int64()}
			if r.version >= 5 {
				d.int64() // log start offset
			}
			if r.version >= 8 {
				for n := d.arrayLen(flexible); n > 0 && !d.bad; n-- {
					d.int32()
					d.stringBytes(flexible)
					if flexible {
						d.tags()
					}
				}
				a.message = d.stringBytes(flexible)
			}
			if flexible {
				d.tags()
			}
			if d.bad {
				break
			}
			for i := range r.batches {
				at := next + i
				if at >= len(r.batches) {
					at -= len(r.batches)
				}
				b := r.batches[at]
				if b.in == r && b.to.index == index && string(topic) == b.to.topic {
					next = at + 1
					r.s.answer(b, &a)
					break
				}
			}
		}
		if flexible {
			d.tags()
		}
	}
	if d.bad {
		return fmt.Errorf("%w: malformed Produce response", ErrDisconnected)
	}
	return nil
}
