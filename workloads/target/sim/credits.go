package sim

import "github.com/weirlab/weir/sim/simdisk"

// leastCredits is what is left of those burst credits of a device of which the
// least is left, in millionths; false if it has none.
func leastCredits(c simdisk.Credits) (ppm int64, ok bool) {
	for _, b := range [][2]int64{{c.IOs, c.MostIOs}, {c.Bytes, c.MostBytes}, {c.PipeBytes, c.MostPipeBytes}} {
		saved, most := b[0], b[1]
		if most <= 0 {
			continue
		}
		var share int64
		if most < 1<<40 {
			share = saved * 1_000_000 / most
		} else {
			share = min(saved/(most/1_000_000), 1_000_000) // the product would overflow
		}
		if !ok || share < ppm {
			ppm, ok = share, true
		}
	}
	return ppm, ok
}
