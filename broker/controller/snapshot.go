package controller

import (
	"encoding/binary"
	"fmt"
	"path"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/controller/quorum"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
)

// Snapshots are files beside the metadata log, named and laid out as Kafka's
// (KIP-630): record batches with offsets from 0, the first a control batch that
// begins the snapshot, the last one that ends it. A file counts once it has its
// name; before, and while it is fetched, it has a suffix.
const (
	snapshotSuffix = ".checkpoint"
	writeSuffix    = ".part"
	fetchSuffix    = ".fetched"

	snapshotBatchRecords = 1000
	controlHeader        = 3 // SnapshotHeaderRecord
	controlFooter        = 4 // SnapshotFooterRecord
)

func snapshotName(id quorum.SnapshotID) string {
	return fmt.Sprintf("%020d-%010d%s", id.End, id.Epoch, snapshotSuffix)
}

// encodeSnapshot gives the file of an image's snapshot.
func encodeSnapshot(img *metadata.Image, wallMillis int64) []byte {
	opts := storage.NoProducer()
	opts.LeaderEpoch = max(img.Epoch(), 0)
	var out []byte
	add := func(records ...storage.Record) {
		out = storage.BuildBatch(out, opts, records)
		opts.BaseOffset += int64(len(records))
	}
	control := func(kind int16, value []byte) {
		key := kmsg.NewControlRecordKey()
		key.Type = kmsg.ControlRecordKeyType(kind)
		opts.Control = true
		add(storage.Record{TimestampMillis: wallMillis, Key: key.AppendTo(nil), Value: value})
		opts.Control = false
	}
	// Version, last contained log timestamp, no tagged fields.
	control(controlHeader, append(binary.BigEndian.AppendUint64([]byte{0, 0}, uint64(wallMillis)), 0))
	var batch []storage.Record
	for _, r := range img.Records() {
		batch = append(batch, storage.Record{TimestampMillis: wallMillis, Value: metadata.EncodeRecord(r)})
		if len(batch) == snapshotBatchRecords {
			add(batch...)
			batch = batch[:0]
		}
	}
	if len(batch) > 0 {
		add(batch...)
	}
	control(controlFooter, []byte{0, 0, 0})
	return out
}

// decodeSnapshot reads a snapshot's file. Whatever is damaged is an error.
func decodeSnapshot(data []byte, id quorum.SnapshotID) (*metadata.Image, error) {
	ed := metadata.Empty().Edit()
	kinds, next := []int16(nil), int64(0)
	for batch, err := range storage.Batches(data) {
		if err == nil {
			err = batch.Verify()
		}
		if err == nil && (batch.BaseOffset() != next || batch.LeaderEpoch() != id.Epoch) {
			err = fmt.Errorf("a batch of epoch %d at %d, not of %d at %d", batch.LeaderEpoch(), batch.BaseOffset(), id.Epoch, next)
		}
		if err != nil {
			return nil, fmt.Errorf("controller: snapshot %s: %w", snapshotName(id), err)
		}
		next = batch.NextOffset()
		if batch.IsControl() {
			for r, err := range batch.Records() {
				if err != nil || len(r.Key) < 4 {
					return nil, fmt.Errorf("controller: snapshot %s: control record at %d: %w", snapshotName(id), r.Offset, err)
				}
				kinds = append(kinds, int16(binary.BigEndian.Uint16(r.Key[2:])))
			}
			continue
		}
		if len(kinds) != 1 {
			return nil, fmt.Errorf("controller: snapshot %s: records outside of header and footer", snapshotName(id))
		}
		if err := applyBatch(ed, batch); err != nil {
			return nil, fmt.Errorf("controller: snapshot %s: %w", snapshotName(id), err)
		}
	}
	if len(kinds) != 2 || kinds[0] != controlHeader || kinds[1] != controlFooter {
		return nil, fmt.Errorf("controller: snapshot %s is not whole: it has the control records %v", snapshotName(id), kinds)
	}
	ed.SetOffset(id.End-1, id.Epoch)
	img, _ := ed.Done()
	return img, nil
}

// snapshots is the directory's snapshots.
type snapshots struct {
	fs  env.FS
	dir string
}

func (s snapshots) file(id quorum.SnapshotID) string { return path.Join(s.dir, snapshotName(id)) }

// open finds the snapshots that are whole, with the image of the newest, and
// removes what an earlier process left unfinished.
func (s snapshots) open(e env.Env) ([]quorum.SnapshotID, *metadata.Image, error) {
	infos, err := s.fs.ReadDir(s.dir)
	if err != nil {
		return nil, nil, fmt.Errorf("controller: %s: %w", s.dir, err)
	}
	var ids []quorum.SnapshotID
	newest := metadata.Empty()
	for _, info := range infos { // ascending, since names have leading zeros
		if strings.HasSuffix(info.Name, snapshotSuffix+writeSuffix) || strings.HasSuffix(info.Name, snapshotSuffix+fetchSuffix) {
			if err := s.fs.Remove(path.Join(s.dir, info.Name)); err != nil {
				return nil, nil, fmt.Errorf("controller: unfinished snapshot: %w", err)
			}
			continue
		}
		var id quorum.SnapshotID
		if _, err := fmt.Sscanf(info.Name, "%020d-%010d"+snapshotSuffix, &id.End, &id.Epoch); err != nil || snapshotName(id) != info.Name || id.End < 1 {
			continue
		}
		img, err := s.load(id)
		if err != nil {
			// The one before it, and the log, have the same; if not, the log says so.
			e.Event("snapshot-damaged", env.Text("file", info.Name), env.Text("error", err.Error()))
			continue
		}
		ids, newest = append(ids, id), img
	}
	return ids, newest, nil
}

func (s snapshots) load(id quorum.SnapshotID) (*metadata.Image, error) {
	data, _, err := s.read(id, 0, 1<<62)
	if err != nil {
		return nil, err
	}
	return decodeSnapshot(data, id)
}

// read gives up to limit bytes of a snapshot from a position, and its size.
func (s snapshots) read(id quorum.SnapshotID, position, limit int64) ([]byte, int64, error) {
	return readPart(s.fs, s.file(id), position, limit)
}

func readPart(fsys env.FS, name string, position, limit int64) ([]byte, int64, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, 0, fmt.Errorf("controller: %w", err)
	}
	defer func() { _ = f.Close() }() // nothing was written
	size, err := f.Size()
	if err != nil {
		return nil, 0, fmt.Errorf("controller: %s: %w", name, err)
	}
	data := make([]byte, max(min(limit, size-position), 0))
	for n := 0; n < len(data); {
		m, err := f.ReadAt(data[n:], position+int64(n))
		if n += m; m == 0 {
			return nil, 0, fmt.Errorf("controller: %s at %d: %w", name, position+int64(n), err)
		}
	}
	return data, size, nil
}

// write makes a snapshot durable under its name.
func (s snapshots) write(id quorum.SnapshotID, data []byte) error {
	if err := writePart(s.fs, s.file(id)+writeSuffix, 0, data); err != nil {
		_ = s.fs.Remove(s.file(id) + writeSuffix) // else the next start does
		return err
	}
	return s.finish(id, writeSuffix)
}

// store writes part of a snapshot that is being fetched.
func (s snapshots) store(id quorum.SnapshotID, position int64, data []byte) error {
	return writePart(s.fs, s.file(id)+fetchSuffix, position, data)
}

func writePart(fsys env.FS, name string, position int64, data []byte) error {
	open := fsys.OpenOrCreate
	if position == 0 {
		open = fsys.Create
	}
	f, err := open(name)
	if err != nil {
		return fmt.Errorf("controller: %w", err)
	}
	for len(data) > 0 && err == nil {
		var n int
		n, err = f.WriteAt(data, position)
		position += int64(n)
		data = data[n:]
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("controller: %s: %w", name, err)
	}
	return nil
}

// fetched gives the image of a snapshot that has been fetched, if it is whole.
func (s snapshots) fetched(id quorum.SnapshotID) (*metadata.Image, error) {
	data, _, err := readPart(s.fs, s.file(id)+fetchSuffix, 0, 1<<62)
	if err != nil {
		return nil, err
	}
	return decodeSnapshot(data, id)
}

// finish gives a snapshot its name, durably.
func (s snapshots) finish(id quorum.SnapshotID, suffix string) error {
	f, err := s.fs.Open(s.file(id) + suffix)
	if err == nil {
		err = f.Sync()
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
	}
	if err == nil {
		err = s.fs.Rename(s.file(id)+suffix, s.file(id))
	}
	if err == nil {
		err = s.fs.SyncDir(s.dir)
	}
	if err != nil {
		return fmt.Errorf("controller: snapshot: %w", err)
	}
	return nil
}

// removeBefore removes the snapshots that end before the offset. What a crash
// leaves of them is removed with the next ones.
func (s snapshots) removeBefore(end int64) error {
	infos, err := s.fs.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("controller: %s: %w", s.dir, err)
	}
	for _, info := range infos {
		var id quorum.SnapshotID
		if _, err := fmt.Sscanf(info.Name, "%020d-%010d"+snapshotSuffix, &id.End, &id.Epoch); err == nil && snapshotName(id) == info.Name && id.End < end {
			if err := s.fs.Remove(path.Join(s.dir, info.Name)); err != nil {
				return fmt.Errorf("controller: snapshot: %w", err)
			}
		}
	}
	return nil
}
