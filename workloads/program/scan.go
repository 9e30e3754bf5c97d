package program

import (
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/workloads/client"
)

// A cluster that is starting refuses a replication factor until enough brokers
// have joined; how long that is put up with, and how often it is asked.
const (
	joinPatience = 15 * time.Second
	joinPoll     = 200 * time.Millisecond
)

// CreateTopics creates the topic unless it exists, waits until all its replicas are in
// sync and the register's coordinator serves, and is done by timeout.
func (w *Workload) CreateTopics(e env.Env, timeout time.Duration) error {
	end := e.Now() + timeout
	left := func() time.Duration { return max(end-e.Now(), time.Millisecond) }
	c, err := w.connect(e, "setup")
	if err != nil {
		return err
	}
	defer c.Close()
	admin := c.Admin()
	joining := e.Now() + joinPatience
	for {
		err = admin.CreateTopic(client.NewTopic{
			Name: w.cfg.Topic, Partitions: w.cfg.Partitions,
			ReplicationFactor: w.cfg.ReplicationFactor, Configs: w.cfg.TopicConfigs,
		}, left())
		if !errors.Is(err, kerr.InvalidReplicationFactor) || e.Now() >= min(joining, end) {
			break
		}
		e.Sleep(joinPoll)
	}
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return err
	}
	if err := admin.WaitReady(w.cfg.Topic, left()); err != nil {
		return err
	}
	topic, err := admin.DescribeTopic(w.cfg.Topic, left())
	for errors.Is(err, kerr.UnknownTopicOrPartition) && left() > 0 { // a broker that has yet to hear of it
		e.Sleep(50 * time.Millisecond)
		topic, err = admin.DescribeTopic(w.cfg.Topic, left())
	}
	if err != nil {
		return err
	}
	if n := len(topic.Partitions); n != int(w.cfg.Partitions) {
		return fmt.Errorf("topic %q exists with %d partitions, the workload needs %d: delete it or name another", w.cfg.Topic, n, w.cfg.Partitions)
	}
	for _, group := range []string{w.cfg.RegisterGroup, w.cfg.Group} {
		if group == "" || (group == w.cfg.RegisterGroup && w.cfg.Registers == 0) {
			continue
		}
		tp := client.TopicPartition{Topic: w.cfg.Topic}
		if _, _, err := c.FetchOffsets(group, []client.TopicPartition{tp}, left()); err != nil {
			return err
		}
	}
	return nil
}

// Scan reads every partition of the topic from its log start to its end
// through its leader, as a consumer sees it. Run it when the cluster is
// healthy and all programs have ended.
func (w *Workload) Scan(e env.Env, timeout time.Duration) ([]linearizability.Scan, error) {
	end := e.Now() + timeout
	c, err := w.connect(e, "scan")
	if err != nil {
		return nil, err
	}
	defer c.Close()
	admin := c.Admin()
	topic, err := admin.DescribeTopic(w.cfg.Topic, timeout)
	if err != nil {
		return nil, err
	}
	k, err := c.NewConsumer(client.ConsumerConfig{OffsetReset: client.ResetEarliest, MaxPollRecords: 10000})
	if err != nil {
		return nil, err
	}
	defer k.Close()

	scans := make([]linearizability.Scan, w.cfg.Partitions)
	var parts []client.TopicPartition
	for p := range w.cfg.Partitions {
		s := &scans[p]
		*s = linearizability.Scan{Topic: w.cfg.Topic, Partition: p, Broker: topic.Partitions[p].Leader, Leader: true, LogEnd: linearizability.None}
		tp := client.TopicPartition{Topic: w.cfg.Topic, Partition: p}
		if s.LogStart, _, err = admin.ListOffset(tp, client.TimestampEarliest, end-e.Now()); err != nil {
			return nil, err
		}
		if s.HighWatermark, _, err = admin.ListOffset(tp, client.TimestampLatest, end-e.Now()); err != nil {
			return nil, err
		}
		if s.LogStart < s.HighWatermark {
			parts = append(parts, tp)
		}
	}
	k.Assign(parts)
	for _, tp := range parts {
		k.Seek(tp, scans[tp.Partition].LogStart)
	}
	for len(parts) > 0 {
		left := end - e.Now()
		if left <= 0 {
			position, _ := k.Position(parts[0])
			return nil, fmt.Errorf("reading %s-%d to its end at %d: at offset %d after %s", parts[0].Topic, parts[0].Partition, scans[parts[0].Partition].HighWatermark, position, timeout)
		}
		batch := k.PollBatches(min(left, pollTimeout))
		for _, failed := range batch.Errors {
			return nil, fmt.Errorf("reading %s-%d: %w", failed.Topic, failed.Partition, failed.Err)
		}
		for i := range batch.Partitions {
			p := &batch.Partitions[i]
			for j := range p.Batches {
				if err := w.keepScanned(&scans[p.Partition], &p.Batches[j]); err != nil {
					return nil, fmt.Errorf("reading %s-%d: %w", p.Topic, p.Partition, err)
				}
			}
		}
		unfinished := parts[:0]
		for _, tp := range parts {
			if position, _ := k.Position(tp); position < scans[tp.Partition].HighWatermark {
				unfinished = append(unfinished, tp)
			}
		}
		parts = unfinished
	}
	return scans, nil
}

// keepScanned adds a batch's records to a scan.
func (w *Workload) keepScanned(s *linearizability.Scan, b *client.FetchedBatch) error {
	return b.Each(func(offset int64, payload []byte) {
		if offset >= s.HighWatermark {
			return // written since: no concern of this scan
		}
		v, ok := linearizability.ParsePayload(payload)
		if !ok {
			v = linearizability.None
		}
		id, epoch, sequence := b.Producer(offset)
		s.Keep(w.cfg.History, linearizability.ScanRecord{
			Offset: offset, Value: v, LeaderEpoch: b.LeaderEpoch(),
			ProducerID: id, ProducerEpoch: epoch, Sequence: sequence,
		})
	})
}
