package replication

import (
	"errors"
	"maps"
	"path"
	"strings"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
)

// checkpointFile holds the replicas' high watermarks, in Kafka's format but
// with "topic.topicID" in place of the topic: a topic that was deleted and
// created again must not inherit a high watermark.
const checkpointFile = "replication-offset-checkpoint"

// readCheckpoint gives the high watermarks last written. One that is missing
// or damaged costs nothing but waiting until a leader tells it again.
func (m *Manager) readCheckpoint(d *logDir) map[replicaKey]int64 {
	if d.offline() {
		return nil
	}
	name := path.Join(d.Path, checkpointFile)
	offsets, err := storage.ReadOffsetCheckpoint(m.e.FS(), name)
	if err != nil {
		m.e.Event("checkpoint-unreadable", env.Text("file", name), env.Text("error", err.Error()))
	}
	marks := make(map[replicaKey]int64, len(offsets))
	for _, o := range offsets {
		var id metadata.TopicID
		if id.UnmarshalText([]byte(o.Topic[strings.LastIndexByte(o.Topic, '.')+1:])) == nil {
			marks[replicaKey{id, o.Partition}] = o.Offset
		}
	}
	return marks
}

// markOf is the high watermark that was last written of a replica in a directory.
func (m *Manager) markOf(d *logDir, key replicaKey) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return d.marks[key]
}

// markFell writes the checkpoint because a high watermark is lower than it was:
// the log has lost its end, or was cut by an unclean leader. The log that grows
// from here on is another one, of which the old mark would tell the next process
// that more is committed than is.
func (m *Manager) markFell() {
	m.mu.Lock()
	m.owed = m.owed || m.loading
	m.mu.Unlock()
	_ = m.writeCheckpoint()
}

// writeCheckpoint writes the high watermarks of each directory in which any has
// changed.
func (m *Manager) writeCheckpoint() error {
	m.checkpointing.Lock()
	defer m.checkpointing.Unlock()
	var errs []error
	for _, d := range m.dirs {
		if !d.offline() {
			errs = append(errs, m.writeMarks(d))
		}
	}
	return errors.Join(errs...)
}

// writeMarks writes the high watermarks of one directory. checkpointing is held.
func (m *Manager) writeMarks(d *logDir) error {
	m.mu.Lock()
	if m.loading { // and what parts lacks must not be forgotten
		m.mu.Unlock()
		return nil
	}
	parts := m.sorted()
	marks := make(map[replicaKey]int64, len(parts))
	offsets := make([]storage.PartitionOffset, 0, len(parts))
	for _, p := range parts {
		if p.dir() != d {
			continue
		}
		p.mu.Lock()
		hw := p.state.HighWatermark()
		p.mu.Unlock()
		marks[replicaKey{p.topicID, p.tp.Partition}] = hw
		offsets = append(offsets, storage.PartitionOffset{
			Topic: p.tp.Topic + "." + p.topicID.String(), Partition: p.tp.Partition, Offset: hw})
	}
	unchanged := maps.Equal(marks, d.marks)
	m.mu.Unlock()
	if unchanged {
		return nil
	}
	name := path.Join(d.Path, checkpointFile)
	if err := storage.WriteOffsetCheckpoint(m.e.FS(), name, offsets); err != nil {
		m.e.Event("checkpoint-unwritten", env.Text("file", name), env.Text("error", err.Error()))
		return err
	}
	m.mu.Lock()
	d.marks = marks
	m.mu.Unlock()
	return nil
}
