package storage

import "github.com/weirlab/weir/env"

// WriteFile replaces the file called name by one that holds data, atomically
// and durably: after a crash of any kind the file holds either what it held
// before or data, and once WriteFile has returned, data. A checksum line is
// appended, which ReadFile checks and removes.
func WriteFile(fsys env.FS, name string, data []byte) error { panic("soon") }

// ReadFile reads a file written by WriteFile. A damaged one is a *CorruptError,
// a missing one answers to fs.ErrNotExist.
func ReadFile(fsys env.FS, name string) ([]byte, error) { panic("soon") }

// PartitionOffset is one line of an offset checkpoint.
type PartitionOffset struct {
	Topic     string
	Partition int32
	Offset    int64
}

// WriteOffsetCheckpoint writes offsets of many partitions, such as their high
// watermarks, with the guarantees of WriteFile. The format is that of Kafka's
// replication-offset-checkpoint with a checksum line.
func WriteOffsetCheckpoint(fsys env.FS, name string, offsets []PartitionOffset) error {
	panic("soon")
}

// ReadOffsetCheckpoint reads what WriteOffsetCheckpoint wrote. A missing file
// is an empty checkpoint.
func ReadOffsetCheckpoint(fsys env.FS, name string) ([]PartitionOffset, error) { panic("soon") }
