package storage

import (
	"bytes"
	"fmt"
	"math"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirlab/weir/env"
)

// cachedBatches is how many batches of one producer are remembered, so that a
// retry of any of its up to five requests in flight is recognised.
const cachedBatches = 5

// producerBatch is one remembered batch of a producer.
type producerBatch struct {
	firstSeq, lastSeq int32
	base, last        int64 // offsets
	timestamp         int64 // ms since 1970
}

// producerState is what the log knows of one producer ID.
type producerState struct {
	epoch         int16
	n             int // how many of batches are in use, oldest first
	batches       [cachedBatches]producerBatch
	lastTimestamp int64 // ms since 1970
}

// producerTable holds the state of every producer in the log. It changes only
// after a batch is written: check first, then write, then update.
type producerTable struct {
	byID map[int64]*producerState
}

func newProducerTable() producerTable {
	return producerTable{byID: make(map[int64]*producerState)}
}

// check decides whether a client's batch may be appended. A batch that is in
// the log already is returned as dup.
func (t *producerTable) check(b Batch) (dup *producerBatch, err *AppendError) {
	st := t.byID[b.ProducerID()]
	if st == nil {
		// Nothing is known of the producer: it is new, or was forgotten by
		// retention or expiry and must be able to go on (KIP-360).
		return nil, nil
	}
	epoch, first := b.ProducerEpoch(), b.BaseSequence()
	if epoch < st.epoch {
		return nil, refuse(kerr.InvalidProducerEpoch.Code,
			"producer %d has epoch %d, the batch has epoch %d", b.ProducerID(), st.epoch, epoch)
	}
	want := int32(0)
	if epoch == st.epoch && st.n > 0 {
		last := addSequence(first, b.LastOffsetDelta())
		for i := range st.n {
			if c := &st.batches[i]; c.firstSeq == first && c.lastSeq == last && !forgetsDuplicates() {
				return c, nil
			}
		}
		want = addSequence(st.batches[st.n-1].lastSeq, 1)
	}
	if first != want {
		return nil, refuse(kerr.OutOfOrderSequenceNumber.Code,
			"producer %d epoch %d: the batch starts at sequence %d, the next one is %d", b.ProducerID(), epoch, first, want)
	}
	return nil, nil
}

// inTransaction reports whether the batch's producer has a transaction open.
func (t *producerTable) inTransaction(b Batch) bool { return false }

// update takes note of a batch that is in the log.
func (t *producerTable) update(b Batch) {
	id := b.ProducerID()
	if id < 0 {
		return
	}
	st := t.byID[id]
	if st == nil {
		st = &producerState{epoch: b.ProducerEpoch()}
		t.byID[id] = st
	}
	if st.epoch != b.ProducerEpoch() {
		st.epoch = b.ProducerEpoch()
		st.n = 0
	}
	st.lastTimestamp = b.MaxTimestamp()
	if b.IsControl() {
		return
	}
	if st.n == cachedBatches {
		copy(st.batches[:], st.batches[1:])
		st.n--
	}
	st.batches[st.n] = producerBatch{
		firstSeq:  b.BaseSequence(),
		lastSeq:   addSequence(b.BaseSequence(), b.LastOffsetDelta()),
		base:      b.BaseOffset(),
		last:      b.LastOffset(),
		timestamp: b.MaxTimestamp(),
	}
	st.n++
}

// touches reports whether truncating to off changes any producer's state.
func (t *producerTable) touches(off int64) bool {
	for _, st := range t.byID { //weir:ordered a yes or no, in any order
		if st.n == 0 || st.batches[st.n-1].last >= off {
			return true
		}
	}
	return false
}

// expire forgets producers that have been silent since before the given time.
func (t *producerTable) expire(beforeMillis int64) {
	for _, id := range env.SortedKeys(t.byID) {
		if t.byID[id].lastTimestamp < beforeMillis {
			delete(t.byID, id)
		}
	}
}

// addSequence counts on from seq; after 2^31-1 comes 0.
func addSequence(seq, n int32) int32 {
	return int32((int64(seq) + int64(n)) & math.MaxInt32)
}

const snapshotVersion = "weir-producer-snapshot 1"

// encode writes the table as it stood before offset.
func (t *producerTable) encode(offset int64) []byte {
	buf := fmt.Appendf(nil, "%s\noffset %d\n", snapshotVersion, offset)
	for _, id := range env.SortedKeys(t.byID) {
		st := t.byID[id]
		buf = fmt.Appendf(buf, "producer %d %d %d", id, st.epoch, st.lastTimestamp)
		for i := range st.n {
			c := &st.batches[i]
			buf = fmt.Appendf(buf, " %d %d %d %d %d", c.firstSeq, c.lastSeq, c.base, c.last, c.timestamp)
		}
		buf = append(buf, '\n')
	}
	return buf
}

// decodeProducers reads what encode wrote for the same offset.
func decodeProducers(name string, data []byte, offset int64) (producerTable, error) {
	t := newProducerTable()
	want := fmt.Sprintf("%s\noffset %d\n", snapshotVersion, offset)
	if !bytes.HasPrefix(data, []byte(want)) {
		return t, &CorruptError{File: name, Reason: fmt.Sprintf("it does not begin with %q", want)}
	}
	pos := len(want)
	for _, line := range bytes.SplitAfter(data[pos:], []byte("\n")) {
		if len(line) == 0 {
			continue
		}
		fields := bytes.Fields(line)
		n := (len(fields) - 4) / 5
		if len(fields) < 4 || len(fields) != 4+5*n || n > cachedBatches || string(fields[0]) != "producer" {
			return t, &CorruptError{File: name, Position: int64(pos), Reason: fmt.Sprintf("malformed line %q", line)}
		}
		var v [3 + 5*cachedBatches]int64
		for i, f := range fields[1:] {
			x, err := strconv.ParseInt(string(f), 10, 64)
			if err != nil {
				return t, &CorruptError{File: name, Position: int64(pos), Reason: err.Error()}
			}
			v[i] = x
		}
		st := &producerState{epoch: int16(v[1]), lastTimestamp: v[2], n: n}
		for i := range n {
			c := v[3+5*i:]
			st.batches[i] = producerBatch{
				firstSeq: int32(c[0]), lastSeq: int32(c[1]), base: c[2], last: c[3], timestamp: c[4],
			}
		}
		t.byID[v[0]] = st
		pos += len(line)
	}
	return t, nil
}
