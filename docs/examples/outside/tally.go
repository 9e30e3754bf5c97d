package outside

import (
	"errors"
	"fmt"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/workloads/client"
)

// Tally counts the records of a partition and sees that none is missing and none
// comes twice. It takes time, connections and randomness from its env only, and so
// runs in simulation as it does for real.
type Tally struct {
	consumer  *client.Consumer
	partition client.TopicPartition
	next      int64
}

// NewTally begins at the start of the partition.
func NewTally(c *client.Client, topic string, partition int32) (*Tally, error) {
	consumer, err := c.NewConsumer(client.ConsumerConfig{OffsetReset: client.ResetEarliest})
	if err != nil {
		return nil, err
	}
	t := &Tally{consumer: consumer, partition: client.TopicPartition{Topic: topic, Partition: partition}}
	consumer.Assign([]client.TopicPartition{t.partition})
	return t, nil
}

// Count is how many records there were so far.
func (t *Tally) Count() int64 { return t.next }

// ReadTo reads on until the given number of records have been counted.
func (t *Tally) ReadTo(e env.Env, end int64, patience time.Duration) error {
	for limit := e.Now() + patience; t.next < end; {
		if e.Now() > limit {
			return fmt.Errorf("there are %d records, and %d were read in %v", end, t.next, patience)
		}
		batch := t.consumer.Poll(time.Second)
		for _, p := range batch.Errors {
			if truncated := (*client.TruncatedError)(nil); errors.As(p.Err, &truncated) {
				return fmt.Errorf("what was read has been taken back: %w", p.Err)
			}
		}
		for _, p := range batch.Partitions {
			for _, r := range p.Records {
				if r.Offset != t.next {
					return fmt.Errorf("record %d came where %d was due", r.Offset, t.next)
				}
				t.next++
			}
		}
	}
	return nil
}

// Close ends the tally.
func (t *Tally) Close() { t.consumer.Close() }
