package regress

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// patience bounds the wait for one answer.
const patience = 20 * time.Second

// wire is one connection on which one request is under way at a time. Its
// frames are encoded beforehand: what the load costs this process must not
// depend on what is compared, and should be little.
type wire struct {
	conn net.Conn
	buf  []byte
}

func dial(addr string) (*wire, error) {
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, fmt.Errorf("connecting to the broker under test: %w", err)
	}
	return &wire{conn: conn}, nil
}

// roundTrip sends a frame and returns the body of the answer, in memory that
// the next call uses again.
func (w *wire) roundTrip(frame []byte) ([]byte, error) {
	if err := w.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	if _, err := w.conn.Write(frame); err != nil {
		return nil, fmt.Errorf("sending to the broker under test: %w", err)
	}
	var head [4]byte
	if _, err := io.ReadFull(w.conn, head[:]); err != nil {
		return nil, fmt.Errorf("reading from the broker under test: %w", err)
	}
	n := int(binary.BigEndian.Uint32(head[:]))
	const skip = 4 // the correlation id; these versions have no tags
	if n < skip || n > 64<<20 {
		return nil, fmt.Errorf("the broker under test answered with a frame of %d bytes", n)
	}
	if cap(w.buf) < n {
		w.buf = make([]byte, n)
	}
	w.buf = w.buf[:n]
	if _, err := io.ReadFull(w.conn, w.buf); err != nil {
		return nil, fmt.Errorf("reading from the broker under test: %w", err)
	}
	return w.buf[skip:], nil
}

// encode is the request as a frame.
func encode(req kmsg.Request) []byte {
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID("weir-regress")).AppendRequest(nil, req, 1)
}

// Versions that every build of the broker speaks.
const (
	produceVersion = 8
	fetchVersion   = 11
)

// produceFrame is a Produce request with acks=all for one batch.
func produceFrame(topic string, partition int32, batch []byte) []byte {
	p := kmsg.NewProduceRequestTopicPartition()
	p.Partition, p.Records = partition, batch
	t := kmsg.NewProduceRequestTopic()
	t.Topic, t.Partitions = topic, []kmsg.ProduceRequestTopicPartition{p}
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis, req.Topics = -1, int32(patience.Milliseconds()), []kmsg.ProduceRequestTopic{t}
	req.SetVersion(produceVersion)
	return encode(req)
}

// produceError is what the answer to a Produce request complains of.
func produceError(body []byte) error {
	resp := kmsg.NewPtrProduceResponse()
	resp.SetVersion(produceVersion)
	if err := resp.ReadFrom(body); err != nil {
		return fmt.Errorf("reading a Produce response: %w", err)
	}
	for i := range resp.Topics {
		for j := range resp.Topics[i].Partitions {
			if err := kerr.ErrorForCode(resp.Topics[i].Partitions[j].ErrorCode); err != nil {
				return fmt.Errorf("producing: %w", err)
			}
		}
	}
	return nil
}

// fetchFrame is a Fetch request for one partition from one offset, outside of
// any session.
func fetchFrame(topic string, partition int32, offset int64, bytes int32) []byte {
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes, p.CurrentLeaderEpoch = partition, offset, bytes, -1
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.Partitions = topic, []kmsg.FetchRequestTopicPartition{p}
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes = 500, 1, bytes
	req.SessionEpoch, req.Topics = -1, []kmsg.FetchRequestTopic{t}
	req.SetVersion(fetchVersion)
	return encode(req)
}

// fetched is how many bytes of records the answer to a Fetch request holds.
func fetched(body []byte) (int, error) {
	resp := kmsg.NewPtrFetchResponse()
	resp.SetVersion(fetchVersion)
	if err := resp.ReadFrom(body); err != nil {
		return 0, fmt.Errorf("reading a Fetch response: %w", err)
	}
	n, err := 0, kerr.ErrorForCode(resp.ErrorCode)
	for i := range resp.Topics {
		for j := range resp.Topics[i].Partitions {
			p := &resp.Topics[i].Partitions[j]
			n += len(p.RecordBatches)
			if err == nil {
				err = kerr.ErrorForCode(p.ErrorCode)
			}
		}
	}
	if err != nil {
		return 0, fmt.Errorf("fetching: %w", err)
	}
	return n, nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// recordBatch is a batch of equal records of a producer without an id, in
// magic 2. The bytes of the values are not all the same, or a file system that
// compresses would flatter whoever writes more.
func recordBatch(records int) []byte {
	value := make([]byte, valueBytes)
	state := uint32(1)
	for i := range value {
		state = state*1664525 + 1013904223
		value[i] = byte(state >> 24)
	}
	var body []byte
	for i := range records {
		r := kmsg.Record{OffsetDelta: int32(i), Value: value}
		r.Length = int32(len(r.AppendTo(nil)) - 1) // it does not count itself; 0 takes one byte
		body = r.AppendTo(body)
	}
	b := kmsg.RecordBatch{
		PartitionLeaderEpoch: -1, Magic: 2,
		LastOffsetDelta: int32(records - 1),
		FirstTimestamp:  1_700_000_000_000, MaxTimestamp: 1_700_000_000_000,
		ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1,
		NumRecords: int32(records), Records: body,
	}
	raw := b.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[8:], uint32(len(raw)-12))
	const crcAt, attributesAt = 17, 21
	binary.BigEndian.PutUint32(raw[crcAt:], crc32.Checksum(raw[attributesAt:], castagnoli))
	return raw
}
