package storage

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/weirlab/weir/env"
)

const (
	tmpSuffix  = ".tmp"
	crcPrefix  = "crc32c "
	crcLineLen = len(crcPrefix) + 8 + 1
)

// WriteFile replaces the file called name by one that holds data, atomically
// and durably: after a crash of any kind the file holds either what it held
// before or data, and once WriteFile has returned, data. A checksum line is
// appended, which ReadFile checks and removes.
//
// Two tasks must not write the same name at once. Errors are *IOError.
func WriteFile(fsys env.FS, name string, data []byte) error {
	buf := make([]byte, 0, len(data)+crcLineLen)
	buf = append(buf, data...)
	buf = fmt.Appendf(buf, "%s%08x\n", crcPrefix, crc32.Checksum(data, castagnoli))
	return writeAtomically(fsys, name, buf)
}

// writeAtomically is WriteFile without the checksum line.
func writeAtomically(fsys env.FS, name string, buf []byte) error {
	if leftUnsynced(name) {
		fsys = unsyncedFS{fsys}
	}
	tmp := name + tmpSuffix
	f, err := fsys.Create(tmp)
	if err != nil {
		return &IOError{Op: "create", File: tmp, Position: -1, Err: err}
	}
	if err := writeSyncClose(f, buf); err != nil {
		return err
	}
	if err := fsys.Rename(tmp, name); err != nil {
		return &IOError{Op: "rename to " + name, File: tmp, Position: -1, Err: err}
	}
	if err := fsys.SyncDir(path.Dir(name)); err != nil {
		return &IOError{Op: opSyncDir, File: path.Dir(name), Position: -1, Err: err}
	}
	return nil
}

// writeSyncClose gives a new file its content, durably, and closes it.
func writeSyncClose(f env.File, data []byte) error {
	if len(data) > 0 {
		if err := writeFull(f, data, 0); err != nil {
			_ = f.Close()
			return &IOError{Op: "write", File: f.Name(), Position: 0, Err: err}
		}
	}
	if err := f.Sync(); err != nil {
		_ = f.Close()
		return &IOError{Op: "sync", File: f.Name(), Position: -1, Err: err}
	}
	if err := f.Close(); err != nil {
		return &IOError{Op: "close", File: f.Name(), Position: -1, Err: err}
	}
	return nil
}

// ReadFile reads a file written by WriteFile. A damaged one is a *CorruptError,
// a missing one answers to fs.ErrNotExist.
func ReadFile(fsys env.FS, name string) ([]byte, error) {
	raw, err := readWhole(fsys, name)
	if err != nil {
		return nil, err
	}
	body := len(raw) - crcLineLen
	if body < 0 {
		return nil, &CorruptError{File: name, Position: int64(len(raw)), Reason: "the file ends before its checksum line"}
	}
	want := fmt.Sprintf("%s%08x\n", crcPrefix, crc32.Checksum(raw[:body], castagnoli))
	if got := string(raw[body:]); got != want {
		return nil, &CorruptError{File: name, Position: int64(body),
			Reason: fmt.Sprintf("the checksum line is %q, the bytes before it give %q", got, want)}
	}
	return raw[:body], nil
}

func readWhole(fsys env.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, &IOError{Op: "open", File: name, Position: -1, Err: err}
	}
	defer func() { _ = f.Close() }() // only read
	size, err := f.Size()
	if err != nil {
		return nil, &IOError{Op: "size of", File: name, Position: -1, Err: err}
	}
	raw := make([]byte, size)
	if err := readFull(f, raw, 0); err != nil {
		return nil, &IOError{Op: "read", File: name, Position: 0, Err: err}
	}
	return raw, nil
}

// PartitionOffset is one line of an offset checkpoint.
type PartitionOffset struct {
	Topic     string
	Partition int32
	Offset    int64
}

// WriteOffsetCheckpoint writes offsets of many partitions, such as their high
// watermarks, with the guarantees of WriteFile. The format is that of Kafka's
// replication-offset-checkpoint with a checksum line. Lines are sorted by
// topic and partition.
func WriteOffsetCheckpoint(fsys env.FS, name string, offsets []PartitionOffset) error {
	sorted := slices.Clone(offsets)
	slices.SortFunc(sorted, func(a, b PartitionOffset) int {
		if c := strings.Compare(a.Topic, b.Topic); c != 0 {
			return c
		}
		return int(a.Partition) - int(b.Partition)
	})
	buf := fmt.Appendf(nil, "0\n%d\n", len(sorted))
	for _, o := range sorted {
		buf = fmt.Appendf(buf, "%s %d %d\n", o.Topic, o.Partition, o.Offset)
	}
	return WriteFile(fsys, name, buf)
}

// ReadOffsetCheckpoint reads what WriteOffsetCheckpoint wrote. A missing file
// is an empty checkpoint, a damaged one a *CorruptError.
func ReadOffsetCheckpoint(fsys env.FS, name string) ([]PartitionOffset, error) {
	data, err := ReadFile(fsys, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	lines := bytes.Split(bytes.TrimSuffix(data, []byte("\n")), []byte("\n"))
	var offsets []PartitionOffset
	var pos int64
	for i, line := range lines {
		bad := func(reason string) error {
			return &CorruptError{File: name, Position: pos, Reason: fmt.Sprintf("line %d: %s", i+1, reason)}
		}
		switch i {
		case 0:
			if string(line) != "0" {
				return nil, bad("want version 0")
			}
		case 1:
			if n, err := strconv.Atoi(string(line)); err != nil || n != len(lines)-2 {
				return nil, bad(fmt.Sprintf("count %q does not match the %d lines that follow", line, len(lines)-2))
			}
		default:
			var o PartitionOffset
			if _, err := fmt.Sscanf(string(line), "%s %d %d", &o.Topic, &o.Partition, &o.Offset); err != nil {
				return nil, bad(fmt.Sprintf("want \"topic partition offset\", found %q", line))
			}
			offsets = append(offsets, o)
		}
		pos += int64(len(line)) + 1
	}
	if len(lines) < 2 {
		return nil, &CorruptError{File: name, Position: pos, Reason: "want a version line and a count line"}
	}
	return offsets, nil
}

// writeFull writes all of p at off; a short write without an error is one.
func writeFull(f env.File, p []byte, off int64) error {
	n, err := f.WriteAt(p, off)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	return err
}

// readFull fills p from off; a file that ends first is io.ErrUnexpectedEOF.
func readFull(f env.File, p []byte, off int64) error {
	if len(p) == 0 {
		return nil
	}
	n, err := f.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}
