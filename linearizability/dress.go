package linearizability

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// SentHeader is the header of a dressed record: the CreateTime that it was sent
// with, in ms, as 8 bytes.
const SentHeader = "weir-sent"

// Dress is what goes around a value so that a reader can tell whether it is
// still there: a key, and the content of [SentHeader].
func Dress(value, createMillis int64) (key, sent []byte) {
	return binary.BigEndian.AppendUint64(nil, uint64(value)), binary.BigEndian.AppendUint64(nil, uint64(createMillis))
}

// Undress says what is wrong with a record that was dressed, "" if nothing.
// sent is the content of its [SentHeader], nil if it has none. The timestamp of
// a topic with message.timestamp.type=LogAppendTime is not the sender's.
func Undress(value int64, key, sent []byte, timestampMillis int64, logAppendTime bool) string {
	want, _ := Dress(value, 0)
	switch {
	case !bytes.Equal(key, want):
		return fmt.Sprintf("its key is %x, not %x", key, want)
	case len(sent) != 8:
		return fmt.Sprintf("its header %s is %x, not 8 bytes", SentHeader, sent)
	}
	if at := int64(binary.BigEndian.Uint64(sent)); at != timestampMillis && !logAppendTime {
		return fmt.Sprintf("its timestamp is %d, not %d", timestampMillis, at)
	}
	return ""
}

// dress is K1 for what goes with a value: whoever reads a record finds the key,
// the headers and the timestamp that it was sent with.
func (c *court) dress(p *partition) {
	if !c.h.Manifest.dresses(p.tp.Topic) {
		return
	}
	for i := range p.polls {
		for _, r := range p.polls[i].runs {
			c.cur.Inputs += r.Count
		}
	}
	for _, f := range p.flaws {
		c.found(p, 0, f.Offset, f.Time, fmt.Sprintf("offset %d of %s (value %d), as read by %s%s, is not what was sent: %s",
			f.Offset, p.tp, f.Value, f.Where, when(f.Time), f.What))
	}
}
