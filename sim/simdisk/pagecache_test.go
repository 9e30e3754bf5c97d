package simdisk_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/sim/simdisk"
)

const mb = 1_000_000

// small is a steady disk of 100 MB/s with 400 MB for files: write-back starts
// at 40 MB, writers slow down from 60 MB and stop at 80 MB.
func small() simdisk.Profile { return steady().WithMemory(400 * mb) }

func TestDirtyLimitsAreSharesOfMemory(t *testing.T) {
	p := small()
	require.EqualValues(t, 40*mb, p.DirtyBackgroundBytes)
	require.EqualValues(t, 80*mb, p.DirtyLimitBytes)
}

// TestOldBytesWaitForTheFlusher: they are written at the first wake-up of the
// flusher, every 5 s, after they have been dirty for 30 s.
func TestOldBytesWaitForTheFlusher(t *testing.T) {
	k, n, d := machine(t, 1, small())
	run(t, k, n, func(e env.Env) {
		e.Sleep(2 * time.Second)
		create(t, e, "f", mb)
		e.Sleep(32 * time.Second)
		assert.Zero(t, d.Stats().WriteBytes, "at 34 s: 32 s old")
		e.Sleep(2 * time.Second)
		assert.InDelta(t, mb, d.Stats().WriteBytes, 4096, "at 36 s")
	})
}

func TestWriteBackStartsInTheBackground(t *testing.T) {
	k, n, d := machine(t, 1, small())
	run(t, k, n, func(e env.Env) {
		f := create(t, e, "f", 0)
		for i := range int64(50) {
			write(t, f, mb, i*mb)
		}
		assert.Zero(t, d.Stats().Throttled)
		e.Sleep(time.Second)
		assert.InDelta(t, 40*mb, d.DirtyBytes(), 3*mb, "down to the background limit and no further")
	})
}

// TestWritersArePacedBeforeTheLimit: writers who want more than the disk can
// do are slowed to its speed around the set point, in many short pauses and not
// in few long ones, and none gets much more than another.
func TestWritersArePacedBeforeTheLimit(t *testing.T) {
	k, n, d := machine(t, 1, small())
	const writers = 8
	var wrote [writers]int64
	var longest time.Duration
	var most, least int64 = 0, 1 << 60
	run(t, k, n, func(e env.Env) {
		var tasks []env.Task
		for w := range writers {
			tasks = append(tasks, e.Go("writer", func() {
				f := create(t, e, string(rune('a'+w)), 0)
				for e.Now() < 20*time.Second {
					longest = max(longest, took(e, func() { write(t, f, 100_000, wrote[w]) }))
					wrote[w] += 100_000
					e.Sleep(time.Millisecond)
					if e.Now() > 10*time.Second {
						most, least = max(most, d.DirtyBytes()), min(least, d.DirtyBytes())
					}
				}
			}))
		}
		for _, task := range tasks {
			task.Wait()
		}
	})
	var total int64
	for _, b := range wrote {
		total += b
		require.InEpsilon(t, wrote[0], b, 0.25, "fair")
	}
	require.InEpsilon(t, 20*100*mb+70*mb, total, 0.05, "as fast as the device, and what is in memory")
	require.LessOrEqual(t, longest, 200*time.Millisecond)
	require.Less(t, most, int64(80*mb), "the limit is never reached")
	require.Greater(t, least, int64(60*mb), "nor is the end of the free run")
	require.Positive(t, d.Stats().Throttled)
}

// TestModestWritersAreNotPaced: below the speed of the disk nobody waits.
func TestModestWritersAreNotPaced(t *testing.T) {
	k, n, d := machine(t, 1, small())
	run(t, k, n, func(e env.Env) {
		f := create(t, e, "f", 0)
		for i := range int64(2000) {
			write(t, f, 800_000, i*800_000)
			e.Sleep(10 * time.Millisecond)
		}
	})
	require.Zero(t, d.Stats().Throttled)
}

// TestForeignBytesMakeAShortRunSlow: a machine that has been under load for
// long paces from the start; a fresh one swallows a short burst.
func TestForeignBytesMakeAShortRunSlow(t *testing.T) {
	burst := func(foreign int64) (rate float64) {
		k, n, d := machine(t, 1, small())
		d.SoilForeign(foreign)
		run(t, k, n, func(e env.Env) {
			f := create(t, e, "f", 0)
			begin, size := e.Now(), int64(0)
			for e.Now() < 2*time.Second && size < 60*mb || size < mb {
				write(t, f, 200_000, size)
				size += 200_000
			}
			rate = float64(size) / max(e.Now()-begin, time.Millisecond).Seconds()
		})
		return rate
	}
	require.Greater(t, burst(0), 1e9, "memory speed")
	require.InEpsilon(t, 100*mb, burst(70*mb), 0.4, "the disk's speed")
}

// TestFilesTakeTurns: a file that is written without end does not keep others
// from being written back.
func TestFilesTakeTurns(t *testing.T) {
	k, n, d := machine(t, 1, small())
	run(t, k, n, func(e env.Env) {
		greedy := create(t, e, "greedy", 0)
		other := create(t, e, "other", 20*mb)
		stop := e.NewSignal()
		writer := e.Go("writer", func() {
			for size := int64(0); !stop.IsSet(); size += 500_000 {
				write(t, greedy, 500_000, size)
				e.Sleep(time.Millisecond)
			}
		})
		e.Sleep(5 * time.Second)
		assert.Zero(t, took(e, func() { write(t, other, 0, 0) }))
		before := d.Stats().WriteBytes
		assert.Less(t, took(e, func() { assert.NoError(t, other.Sync()) }), 50*time.Millisecond)
		assert.Less(t, d.Stats().WriteBytes-before, int64(5*mb), "nothing of it was left")
		stop.Set()
		writer.Wait()
	})
}

// TestReadAheadStreams: who reads in sequence gets nearly the bandwidth of the
// device though it asks for little at a time; who reads at random does not.
func TestReadAheadStreams(t *testing.T) {
	rate := func(ahead int64, random bool) float64 {
		p := small()
		p.ReadAheadBytes = ahead
		k, n, _ := machine(t, 1, p)
		const size = 32 << 20
		run(t, k, n, func(e env.Env) {
			f := create(t, e, "f", size)
			assert.NoError(t, f.Sync())
			assert.NoError(t, e.FS().SyncDir("."))
		})
		n.PowerOff()
		var bytes, seconds float64
		run(t, k, n, func(e env.Env) {
			f, err := e.FS().Open("f")
			assert.NoError(t, err)
			begin := e.Now()
			buf := make([]byte, 16<<10)
			for i := range int64(size / len(buf)) {
				if random {
					i = i * 1237 % (size / int64(len(buf)))
				}
				_, err := f.ReadAt(buf, i*int64(len(buf)))
				assert.NoError(t, err)
				bytes += float64(len(buf))
				e.Sleep(50 * time.Microsecond) // to do something with it
			}
			seconds = (e.Now() - begin).Seconds()
		})
		return bytes / seconds
	}
	require.Greater(t, rate(128<<10, false), 0.9*100*mb)
	require.Less(t, rate(0, false), 0.6*100*mb)
	require.InEpsilon(t, rate(0, true), rate(128<<10, true), 0.02, "nothing is read ahead of random reads")
}

// TestCatchUpReaderDisturbsTheOthers: a consumer that reads old data takes the
// device from writers who sync, and the memory from one that reads a little
// behind the end.
func TestCatchUpReaderDisturbsTheOthers(t *testing.T) {
	type result struct{ sync, tail time.Duration }
	measure := func(catchUp bool) (r result) {
		p := small()
		p.Shared = true // one limit for reads and writes, as of EBS
		k, n, _ := machine(t, 1, p)
		run(t, k, n, func(e env.Env) {
			old := create(t, e, "old", 1200*mb)
			assert.NoError(t, old.Sync())
			log := create(t, e, "log", 0)
			const behind = 300 * mb // in memory, if nobody else needs it
			size := int64(0)
			for ; size < behind; size += 10 * mb {
				write(t, log, 10*mb, size)
			}
			assert.NoError(t, log.Sync())
			e.Sleep(5 * time.Second)
			if catchUp {
				e.Go("catch-up reader", func() {
					buf := make([]byte, mb)
					for off := int64(0); off < 1200*mb; off += mb {
						_, _ = old.ReadAt(buf, off)
					}
				})
			}
			buf := make([]byte, 100_000)
			for range 100 {
				write(t, log, len(buf), size)
				size += int64(len(buf))
				r.sync += took(e, func() { assert.NoError(t, log.Sync()) })
				r.tail += took(e, func() { _, _ = log.ReadAt(buf, size-250*mb) })
				e.Sleep(50 * time.Millisecond)
			}
		})
		return r
	}
	alone, disturbed := measure(false), measure(true)
	require.Zero(t, alone.tail, "all of it comes from memory")
	require.Greater(t, disturbed.tail, 10*time.Millisecond, "some of it has to be read again")
	require.Greater(t, disturbed.sync, 2*alone.sync)
}
