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

// CreateTopics creates the topics that do not exist, waits until all their
// replicas are in sync and the coordinators of the programs' groups and transactions serve, and
// is done by timeout.
func (w *Workload) CreateTopics(e env.Env, timeout time.Duration) error {
	end := e.Now() + timeout
	left := func() time.Duration { return max(end-e.Now(), time.Millisecond) }
	c, err := w.connect(e, "setup")
	if err != nil {
		return err
	}
	defer c.Close()
	for _, t := range w.topics {
		if err := create(e, c.Admin(), t, left); err != nil {
			return err
		}
	}
	for _, p := range w.cfg.Programs {
		for _, group := range p.Groups() {
			tp := client.TopicPartition{Topic: p.On()}
			if _, _, err := c.FetchOffsets(group, []client.TopicPartition{tp}, left()); err != nil {
				return err
			}
		}
	}
	for _, p := range w.cfg.Programs {
		for _, id := range p.Transactional() {
			if err := c.AwaitTransactions(id, left()); err != nil {
				return err
			}
		}
	}
	return nil
}

// create makes one topic unless it exists, and waits for its replicas.
func create(e env.Env, admin *client.Admin, t *topic, left func() time.Duration) error {
	joining := e.Now() + min(joinPatience, left())
	var err error
	for {
		err = admin.CreateTopic(client.NewTopic{
			Name: t.Name, Partitions: t.Partitions, ReplicationFactor: t.ReplicationFactor, Configs: t.Configs,
		}, left())
		if !errors.Is(err, kerr.InvalidReplicationFactor) || e.Now() >= joining {
			break
		}
		e.Sleep(joinPoll)
	}
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return err
	}
	if err := admin.WaitReady(t.Name, left()); err != nil {
		return err
	}
	there, err := admin.DescribeTopic(t.Name, left())
	for errors.Is(err, kerr.UnknownTopicOrPartition) && left() > time.Millisecond { // a broker that has yet to hear of it
		e.Sleep(50 * time.Millisecond)
		there, err = admin.DescribeTopic(t.Name, left())
	}
	if err != nil {
		return err
	}
	if n := len(there.Partitions); n != int(t.Partitions) {
		return fmt.Errorf("topic %q exists with %d partitions, the workload needs %d: delete it or name another", t.Name, n, t.Partitions)
	}
	return nil
}

// Scan reads every partition of the topics from its log start to its end
// through its leader, as a consumer sees it. Run it when the cluster is
// healthy and all clients have ended.
func (w *Workload) Scan(e env.Env, timeout time.Duration) ([]linearizability.Scan, error) {
	c, err := w.connect(e, "scan")
	if err != nil {
		return nil, err
	}
	defer c.Close()
	var all []linearizability.Scan
	end := e.Now() + timeout
	for _, t := range w.topics {
		scans, err := w.scan(e, c, t, end)
		if err != nil {
			return nil, err
		}
		all = append(all, scans...)
	}
	return all, nil
}

// scan reads one topic by the end of its time.
func (w *Workload) scan(e env.Env, c *client.Client, t *topic, end time.Duration) ([]linearizability.Scan, error) {
	began := e.Now()
	admin := c.Admin()
	there, err := admin.DescribeTopic(t.Name, end-e.Now())
	if err != nil {
		return nil, err
	}
	k, err := c.NewConsumer(client.ConsumerConfig{OffsetReset: client.ResetEarliest, MaxPollRecords: 10000})
	if err != nil {
		return nil, err
	}
	defer k.Close()

	scans := make([]linearizability.Scan, t.Partitions)
	var parts []client.TopicPartition
	for p := range t.Partitions {
		s := &scans[p]
		*s = linearizability.Scan{Topic: t.Name, Partition: p, Broker: there.Partitions[p].Leader, Leader: true, LogEnd: linearizability.None}
		tp := t.partition(p)
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
			return nil, fmt.Errorf("reading %s-%d to its end at %d: at offset %d after %s", parts[0].Topic, parts[0].Partition, scans[parts[0].Partition].HighWatermark, position, e.Now()-began)
		}
		batch := k.PollBatches(min(left, pollTimeout))
		for _, failed := range batch.Errors {
			if errors.Is(failed.Err, client.ErrOutOfRange) {
				if err := w.deletedMeanwhile(admin, k, &scans[failed.Partition], end-e.Now()); err != nil {
					return nil, err
				}
				continue
			}
			return nil, fmt.Errorf("reading %s-%d: %w", failed.Topic, failed.Partition, failed.Err)
		}
		for i := range batch.Partitions {
			p := &batch.Partitions[i]
			for _, m := range p.Markers {
				if s := &scans[p.Partition]; m.Offset < s.HighWatermark {
					s.Markers = append(s.Markers, linearizability.Marker{
						Offset: m.Offset, LeaderEpoch: m.LeaderEpoch, ProducerID: m.ProducerID, ProducerEpoch: m.ProducerEpoch,
						CoordinatorEpoch: m.CoordinatorEpoch, Commit: m.Commit,
					})
				}
			}
			for j := range p.Batches {
				if err := w.keepScanned(t, &scans[p.Partition], &p.Batches[j]); err != nil {
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
	for i := range scans {
		scans[i].Time = e.Now()
	}
	return scans, nil
}

// deletedMeanwhile begins again at the new start of a log of which retention has
// removed the beginning while it was read.
func (w *Workload) deletedMeanwhile(admin *client.Admin, k *client.Consumer, s *linearizability.Scan, timeout time.Duration) error {
	tp := client.TopicPartition{Topic: s.Topic, Partition: s.Partition}
	start, _, err := admin.ListOffset(tp, client.TimestampEarliest, timeout)
	if err != nil {
		return err
	}
	if start <= s.LogStart {
		return fmt.Errorf("reading %s-%d: %w, but the log begins at %d as before", s.Topic, s.Partition, client.ErrOutOfRange, start)
	}
	s.LogStart, s.Records, s.Runs, s.Markers = start, nil, nil, nil
	k.Seek(tp, start)
	return nil
}

// keepScanned adds a batch's records to a scan.
func (w *Workload) keepScanned(t *topic, s *linearizability.Scan, b *client.FetchedBatch) error {
	keep := func(offset, v int64, ok bool) {
		if offset >= s.HighWatermark {
			return // written since: no concern of this scan
		}
		if !ok {
			v = linearizability.None
		}
		id, epoch, sequence := b.Producer(offset)
		s.Keep(w.cfg.History, linearizability.ScanRecord{
			Offset: offset, Value: v, LeaderEpoch: b.LeaderEpoch(),
			ProducerID: id, ProducerEpoch: epoch, Sequence: sequence, Transactional: b.Transactional(),
		})
	}
	if t.keys > 0 {
		return b.Records(func(r *client.ConsumedRecord) {
			v, _, ok := linearizability.ParseWrite(t.keys, r.Key, r.Value, header(r.Headers, linearizability.WriteHeader))
			keep(r.Offset, v, ok)
		})
	}
	return b.Each(func(offset int64, payload []byte) {
		v, ok := linearizability.ParsePayload(payload)
		keep(offset, v, ok)
	})
}
