package machine

import (
	"errors"
	"fmt"

	"github.com/weirlab/weir/sim"
)

func (d *Disk) check() error {
	if d.CapacityBytes <= 0 {
		return fmt.Errorf("capacity_bytes: %d is not positive", d.CapacityBytes)
	}
	if d.WriteBytesPerSecond <= 0 || d.ReadBytesPerSecond <= 0 {
		return errors.New("write_bytes_per_s and read_bytes_per_s: must be positive")
	}
	for i, s := range d.Series {
		if s.Bytes <= 0 || s.Depth <= 0 || len(s.Latency) == 0 {
			return fmt.Errorf("series[%d]: bytes, depth and latency must be given", i)
		}
		if _, err := sim.NewQuantiles(s.Latency...); err != nil {
			return fmt.Errorf("series[%d]: %w", i, err)
		}
	}
	if _, ok := d.Find(OverwriteSync, 4096, 1); !ok {
		return fmt.Errorf("series: %s of 4096 bytes at depth 1 is missing", OverwriteSync)
	}
	return nil
}

// Find is the series of an operation of a size and a depth.
func (d *Disk) Find(op string, bytes, depth int64) (DiskSeries, bool) {
	for _, s := range d.Series {
		if s.Op == op && s.Bytes == bytes && s.Depth == depth {
			return s, true
		}
	}
	return DiskSeries{}, false
}
