package sim

import (
	"encoding/binary"
	"fmt"
	"path"
	"strconv"
	"strings"
	"syscall"

	"github.com/weirlab/weir/broker/replication"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/faults"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/sim/simdisk"
)

// inject puts a fault of b's disk into force until Undo, which tells how often
// it was met: so many "calls failed".
func (c *Cluster) inject(b *server, files faults.Files, f simdisk.Fault, met string) (*faults.Strike, error) {
	if files != faults.AnyFiles {
		f.Match = c.has(files)
	}
	injection, err := b.disk.Inject(f)
	if err != nil {
		return nil, err
	}
	b.failure = ""
	s := &faults.Strike{}
	s.Undo = func(env.Env) string {
		injection.Clear()
		s.Idle = injection.Hits() == 0
		return fmt.Sprintf("%d %s, broker: %s", injection.Hits(), met, orFine(b.failure))
	}
	return s, nil
}

// Fail implements faults.Disks.
func (c *Cluster) Fail(_ env.Env, broker int, calls faults.Calls, files faults.Files, count int64) (*faults.Strike, error) {
	f := simdisk.Fault{Err: syscall.EIO, Count: count}
	for _, call := range calls.Each() {
		switch call {
		case faults.Reads:
			f.Ops |= simdisk.OpRead
		case faults.Writes:
			f.Ops |= simdisk.OpWrite
		case faults.Syncs:
			f.Ops |= simdisk.OpSync
		case faults.AllCalls:
			f.Ops |= simdisk.OpAny
		}
	}
	return c.inject(c.brokers[broker], files, f, "calls failed")
}

// has is Files.Has for the names on a disk, which may have several log directories.
func (c *Cluster) has(files faults.Files) func(name string) bool {
	dirs, _ := c.s.LogDirs()
	if len(dirs) == 0 {
		return files.Has
	}
	return func(name string) bool {
		_, inDir, ok := strings.Cut(name, "/")
		return ok && files.Has(inDir)
	}
}

// LoseLogDir implements faults.LogDirs.
func (c *Cluster) LoseLogDir(_ env.Env, broker, dir int) (*faults.Strike, error) {
	b := c.brokers[broker]
	dirs, _ := c.s.LogDirs()
	if dir > len(dirs) {
		return nil, fmt.Errorf("%s has no log directory %d beside others; give cluster.log-dirs", b.name, dir)
	}
	name := dirs[dir-1]
	strike, err := c.inject(b, faults.AnyFiles, simdisk.Fault{Ops: simdisk.OpAny, Err: syscall.EIO,
		Match: func(file string) bool { return file == name || strings.HasPrefix(file, name+"/") }}, "calls failed")
	if err != nil {
		return nil, err
	}
	repaired := strike.Undo
	strike.Undo = func(e env.Env) string {
		effect := repaired(e)
		if !strike.Idle && b.node.Alive() && !b.node.Paused() && len(b.keptBy) == 0 {
			b.node.Crash()
			c.start(b)
			effect += ", restarted with it"
		}
		return effect
	}
	return strike, nil
}

// CutWrites implements faults.BadDisks.
func (c *Cluster) CutWrites(_ env.Env, broker int, files faults.Files, count int64) (*faults.Strike, error) {
	return c.inject(c.brokers[broker], files, simdisk.Fault{Ops: simdisk.OpWrite, Does: simdisk.WritesShort, Err: syscall.EIO, Count: count}, "writes failed half way")
}

// Lie implements faults.BadDisks.
func (c *Cluster) Lie(_ env.Env, broker int, files faults.Files) (*faults.Strike, error) {
	return c.inject(c.brokers[broker], files, simdisk.Fault{Ops: simdisk.OpSync, Does: simdisk.LiesAboutSync}, "syncs did nothing")
}

// BetrayWrites implements faults.BadDisks.
func (c *Cluster) BetrayWrites(_ env.Env, broker int, files faults.Files, count int64, how faults.Kind) (*faults.Strike, error) {
	does := map[faults.Kind]simdisk.Betrayal{faults.LostWrite: simdisk.LosesWrite, faults.TornWrite: simdisk.TearsWrite, faults.MisdirectedWrite: simdisk.MisdirectsWrite}[how]
	return c.inject(c.brokers[broker], files, simdisk.Fault{Ops: simdisk.OpWrite, Does: does, Count: count}, "writes betrayed")
}

// Rot implements faults.BadDisks.
func (c *Cluster) Rot(_ env.Env, broker int, files faults.Files, count int64) (*faults.Strike, error) {
	b := c.brokers[broker]
	var all []env.FileInfo
	for _, f := range b.disk.Files() {
		if f.SizeBytes > 0 && c.has(files)(f.Name) {
			all = append(all, f)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s has no such file with anything in it", b.name)
	}
	r := c.k.Rand("bit rot", fmt.Sprintf("%s/%d", b.name, c.k.Now()))
	ends := b.logEnds()
	var hit []string
	for range count {
		f := all[r.Intn(len(all))]
		at := r.Int64n(f.SizeBytes)
		if err := b.disk.FlipBit(f.Name, at, uint(r.Intn(8))); err != nil {
			return nil, err
		}
		hit = append(hit, fmt.Sprintf("%s at byte %d", f.Name, at))
		if r, ok := c.damaged(b, simdisk.Loss{Name: f.Name, From: at, SizeBytes: f.SizeBytes}, ends); ok {
			b.recovered = append(b.recovered, r)
		}
	}
	return &faults.Strike{Lossy: true, Undo: func(env.Env) string { return "bits turned over in " + strings.Join(hit, ", ") }}, nil
}

// Wipe implements faults.BadDisks.
func (c *Cluster) Wipe(e env.Env, broker int, files faults.Files) (*faults.Strike, error) {
	b := c.brokers[broker]
	ends := b.logEnds()
	s, err := c.CutPower(e, broker)
	if err != nil {
		return nil, err
	}
	before := len(b.disk.Files())
	b.disk.Wipe(c.has(files))
	b.recovered = c.recovered(b, ends)
	gone := before - len(b.disk.Files())
	s.Lossy, s.Broken = gone > 0, gone > 0
	boot := s.Undo
	s.Undo = func(e env.Env) string {
		boot(e)
		return fmt.Sprintf("%d files gone", gone)
	}
	return s, nil
}

// MoveVolume implements faults.BadDisks. What is written is written when the
// volume is unmounted; only the boot is another one.
func (c *Cluster) MoveVolume(_ env.Env, broker int) (*faults.Strike, error) {
	return c.stop(broker, func(b *server, _ *faults.Strike) string {
		b.node.Crash()
		b.disk.Settle()
		b.node.PowerOff()
		return "moved with everything that had been written"
	})
}

// damaged is what damage to one file means for the log that it is a segment of,
// false if it is none of a topic's. The logs of b ended at ends as far as known.
func (c *Cluster) damaged(b *server, l simdisk.Loss, ends map[string]int64) (linearizability.Recovered, bool) {
	dir, file := path.Split(l.Name)
	dir = path.Clean(dir)
	id, partition, ok := replication.ParseLogDir(path.Base(dir))
	base, err := strconv.ParseInt(strings.TrimSuffix(file, segmentSuffix), 10, 64)
	if !ok || err != nil || !strings.HasSuffix(file, segmentSuffix) || c.image == nil {
		return linearizability.Recovered{}, false
	}
	topic := c.image.TopicByID(id)
	if topic == nil {
		return linearizability.Recovered{}, false
	}
	end := base
	if !l.Gone {
		end = intactEnd(b.disk, l.Name, base, l.From)
	}
	lostEnd, known := ends[dir]
	if !known {
		lostEnd = linearizability.None
	}
	return linearizability.Recovered{
		Broker: int32(b.index + 1), Topic: topic.Name, Partition: partition, LogEnd: end, LostEnd: lostEnd, LostBytes: l.SizeBytes - l.From,
	}, true
}

// fileEnds is where the logs on a disk whose broker does not run end, by
// directory.
func (b *server) fileEnds() map[string]int64 {
	ends := map[string]int64{}
	for _, f := range b.disk.Files() {
		dir, file := path.Split(f.Name)
		dir = path.Clean(dir)
		base, err := strconv.ParseInt(strings.TrimSuffix(file, segmentSuffix), 10, 64)
		if err != nil || !strings.HasSuffix(file, segmentSuffix) {
			continue
		}
		ends[dir] = max(ends[dir], intactEnd(b.disk, f.Name, base, f.SizeBytes))
	}
	return ends
}

// intactEnd is the offset behind the last record batch that lies within the
// first bytes of a segment, whose first offset is base.
func intactEnd(d *simdisk.Disk, name string, base, bytes int64) int64 {
	const header = 27 // up to the last offset delta
	var h [header]byte
	end := base
	for pos := int64(0); pos+header <= bytes; {
		if n, err := d.Peek(name, h[:], pos); err != nil || n < header {
			break
		}
		size := 12 + int64(int32(binary.BigEndian.Uint32(h[8:])))
		if size < header || pos+size > bytes {
			break
		}
		end = int64(binary.BigEndian.Uint64(h[:])) + int64(int32(binary.BigEndian.Uint32(h[23:]))) + 1
		pos += size
	}
	return end
}
