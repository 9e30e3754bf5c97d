package calibrate

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"github.com/weirlab/weir/sim/machine"
)

const (
	// diskPasses is how often everything is measured. The pass with the least
	// median counts: what else a machine does makes a disk slower, never
	// faster.
	diskPasses = 3
	// directAlign is what O_DIRECT wants of offsets, sizes and memory.
	directAlign = 4096
	// bulkBytes is the size of one call of the long runs.
	bulkCall = 1 << 20
	// bulkDepth is how many calls of the long runs are under way.
	bulkDepth = 4
)

// MeasureDisk measures the disk that holds o.Dir.
func MeasureDisk(o DiskOptions) (*Disk, error) {
	o = o.withDefaults()
	dir, err := os.MkdirTemp(o.Dir, "weir-calibrate-")
	if err != nil {
		return nil, fmt.Errorf("calibrate: making a directory to measure the disk in: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	d := &Disk{}
	d.FileSystem, d.CapacityBytes = fileSystem(dir)
	plan := diskPlan()
	measured := make([]series, len(plan))
	for pass := range diskPasses {
		for i, planned := range plan {
			o.Progress(fmt.Sprintf("disk, pass %d of %d: %s, %d KiB, %d at a time", pass+1, diskPasses, planned.Op, planned.Bytes>>10, planned.Depth))
			s := series{planned}
			err := s.measure(dir, o)
			if errors.Is(err, syscall.EINVAL) && (s.Op == machine.DirectWrite || s.Op == machine.DirectRead) {
				continue // a file system without O_DIRECT, as tmpfs was for long
			}
			if err != nil {
				return nil, fmt.Errorf("calibrate: %s of %d bytes: %w", s.Op, s.Bytes, err)
			}
			if best := &measured[i]; best.Count == 0 || at(s.Latency, median) < at(best.Latency, median) {
				*best = s
			}
		}
	}
	for _, s := range measured {
		if s.Count > 0 {
			d.Series = append(d.Series, s.DiskSeries)
		}
	}
	for pass := range diskPasses {
		o.Progress(fmt.Sprintf("disk, pass %d of %d: long runs", pass+1, diskPasses))
		cpu, err := syncCPU(filepath.Join(dir, "sync"))
		if err != nil {
			return nil, fmt.Errorf("calibrate: CPU time of fdatasync: %w", err)
		}
		if pass == 0 || cpu < d.SyncCPUNanos {
			d.SyncCPUNanos = cpu
		}
		var long Disk
		if err := long.bulk(dir, o.BulkBytes); err != nil {
			return nil, fmt.Errorf("calibrate: long runs: %w", err)
		}
		d.WriteBytesPerSecond = max(d.WriteBytesPerSecond, long.WriteBytesPerSecond)
		d.ReadBytesPerSecond = max(d.ReadBytesPerSecond, long.ReadBytesPerSecond)
		d.WriteBackBytesPerSecond = max(d.WriteBackBytesPerSecond, long.WriteBackBytesPerSecond)
	}
	return d, nil
}

// series is one way of using the disk, being measured.
type series struct{ machine.DiskSeries }

// measure fills in one series.
func (s *series) measure(dir string, o DiskOptions) error {
	files := make([]*os.File, s.Depth)
	defer func() {
		for _, f := range files {
			if f != nil {
				_ = f.Close()
				_ = os.Remove(f.Name())
			}
		}
	}()
	for i := range files {
		var err error
		if files[i], err = s.open(filepath.Join(dir, "measured-"+strconv.Itoa(i)), o.FileBytes); err != nil {
			return err
		}
	}
	samples, errs := make([][]time.Duration, s.Depth), make([]error, s.Depth)
	var wg sync.WaitGroup
	start := time.Now()
	for i, f := range files {
		wg.Go(func() { samples[i], errs[i] = s.use(f, uint64(i), start, o) })
	}
	wg.Wait()
	elapsed := time.Since(start)
	var all []time.Duration
	for _, list := range samples {
		all = append(all, list...)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	s.Count, s.Latency = int64(len(all)), quantilesOf(all)
	s.BytesPerSecond = int64(float64(int64(len(all))*s.Bytes) / elapsed.Seconds())
	return nil
}

// open makes the file of one series.
func (s *series) open(path string, fileBytes int64) (*os.File, error) {
	flags := os.O_RDWR | os.O_CREATE | os.O_TRUNC
	if s.Op != machine.OverwriteSync && s.Op != machine.DirectWrite && s.Op != machine.DirectRead {
		return os.OpenFile(path, flags, 0o644)
	}
	f, err := os.OpenFile(path, flags, 0o644)
	if err != nil {
		return nil, err
	}
	block := aligned(bulkCall)
	for off := int64(0); off < fileBytes && err == nil; off += bulkCall {
		_, err = f.WriteAt(block, off)
	}
	if err = errors.Join(err, f.Sync()); err != nil || s.Op == machine.OverwriteSync {
		return f, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	return os.OpenFile(path, os.O_RDWR|syscall.O_DIRECT, 0o644)
}

// use does calls one after the other and times each.
func (s *series) use(f *os.File, stream uint64, start time.Time, o DiskOptions) ([]time.Duration, error) {
	r := rand.New(rand.NewPCG(stream, uint64(s.Bytes)))
	block := aligned(int(s.Bytes))
	for i := range block {
		block[i] = byte(r.Uint32())
	}
	var samples []time.Duration
	warm := 3 // calls that are not counted: the first ones allocate
	for off := int64(0); time.Since(start) < o.PerSeries || len(samples) == 0; off += s.Bytes {
		where := off
		switch s.Op {
		case machine.OverwriteSync:
			where = off % (o.FileBytes - s.Bytes + 1)
		case machine.DirectWrite, machine.DirectRead:
			where = r.Int64N((o.FileBytes-s.Bytes)/directAlign+1) * directAlign
		}
		begin := time.Now()
		var err error
		if s.Op == machine.DirectRead {
			_, err = f.ReadAt(block, where)
		} else {
			_, err = f.WriteAt(block, where)
		}
		if err == nil && (s.Op == machine.AppendSync || s.Op == machine.OverwriteSync) {
			err = fdatasync(f)
		}
		took := time.Since(begin)
		if err != nil {
			return nil, err
		}
		if warm > 0 {
			warm--
			continue
		}
		samples = append(samples, took)
		if s.Op == machine.Append && off > o.FileBytes {
			return samples, nil // enough; more would only fill the page cache
		}
	}
	return samples, nil
}

// syncCPU is the CPU time of an fdatasync behind an append of 16 KiB.
func syncCPU(path string) (int64, error) {
	const calls, size = 200, 16 << 10
	runtime.LockOSThread() // what other threads do meanwhile does not count
	defer runtime.UnlockOSThread()
	f, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	block := make([]byte, size)
	var sum time.Duration
	for off := int64(0); off < calls*size; off += size {
		if _, err := f.WriteAt(block, off); err != nil {
			return 0, err
		}
		before := threadCPU()
		if err := fdatasync(f); err != nil {
			return 0, err
		}
		sum += threadCPU() - before
	}
	return int64(sum) / calls, nil
}

// threadCPU is the CPU time that this thread has used.
func threadCPU() time.Duration {
	const rusageThread = 1 // RUSAGE_THREAD of linux/resource.h
	var u syscall.Rusage
	if syscall.Getrusage(rusageThread, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// bulk measures the long runs.
func (d *Disk) bulk(dir string, size int64) error {
	path := filepath.Join(dir, "bulk")
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(path) }()
	block := aligned(bulkCall)
	for i := range block {
		block[i] = byte(rand.Uint32())
	}
	begin := time.Now()
	for off := int64(0); off < size && err == nil; off += bulkCall {
		_, err = f.WriteAt(block, off)
	}
	err = errors.Join(err, fdatasync(f))
	d.WriteBackBytesPerSecond = rateOf(size, time.Since(begin))
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	direct, err := os.OpenFile(path, os.O_RDWR|syscall.O_DIRECT, 0o644)
	if errors.Is(err, syscall.EINVAL) {
		d.WriteBytesPerSecond, d.ReadBytesPerSecond = d.WriteBackBytesPerSecond, d.WriteBackBytesPerSecond
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = direct.Close() }()
	if d.WriteBytesPerSecond, err = sequential(size, func(p []byte, off int64) (int, error) { return direct.WriteAt(p, off) }); err != nil {
		return err
	}
	d.ReadBytesPerSecond, err = sequential(size, func(p []byte, off int64) (int, error) { return direct.ReadAt(p, off) })
	return err
}

// sequential is the rate of bulkDepth tasks that share a long run.
func sequential(size int64, call func([]byte, int64) (int, error)) (int64, error) {
	var wg sync.WaitGroup
	errs := make([]error, bulkDepth)
	begin := time.Now()
	for i := range errs {
		wg.Go(func() {
			block := aligned(bulkCall)
			for off := int64(i) * bulkCall; off < size; off += bulkDepth * bulkCall {
				if _, err := call(block, off); err != nil && !errors.Is(err, io.EOF) {
					errs[i] = err
					return
				}
			}
		})
	}
	wg.Wait()
	return rateOf(size, time.Since(begin)), errors.Join(errs...)
}

// aligned is memory as O_DIRECT wants it.
func aligned(n int) []byte {
	b := make([]byte, n+directAlign)
	skip := int(uintptr(directAlign) - uintptr(unsafe.Pointer(&b[0]))%directAlign)
	return b[skip : skip+n : skip+n]
}

func fdatasync(f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		for failed = syscall.Fdatasync(int(fd)); failed == syscall.EINTR; failed = syscall.Fdatasync(int(fd)) {
		}
	})
	return errors.Join(err, failed)
}

// fileSystem is the type and the size of the file system that holds a
// directory.
func fileSystem(dir string) (name string, capacityBytes int64) {
	var st syscall.Statfs_t
	if syscall.Statfs(dir, &st) != nil {
		return "unknown file system", 0
	}
	capacityBytes = int64(st.Blocks) * int64(st.Bsize)
	// From linux/magic.h.
	names := map[int64]string{0xEF53: "ext4", 0x58465342: "xfs", 0x9123683E: "btrfs", 0x01021994: "tmpfs", 0x794C7630: "overlayfs", 0x2FC12FC1: "zfs"}
	if name, ok := names[int64(st.Type)]; ok {
		return name, capacityBytes
	}
	return fmt.Sprintf("file system of type %#x", int64(st.Type)), capacityBytes
}
