package simdisk_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/sim/simdisk"
)

// TestCompressedContentReadsAsWritten writes, cuts and reads files of some
// MiB, of which all but the newest chunk is compressed, and loses power now
// and then after a sync.
func TestCompressedContentReadsAsWritten(t *testing.T) {
	var packed int64
	for seed := range uint64(30) {
		k, n, d := machine(t, seed, simdisk.InstanceStore())
		d.SetHotChunks(1)
		r := env.NewRand(seed, "packed", "test")
		noise := make([]byte, 3000)
		_, _ = r.Read(noise)
		var want []byte
		for range 12 {
			run(t, k, n, func(e env.Env) {
				f, err := e.FS().OpenOrCreate("f")
				assert.NoError(t, err)
				for range 10 {
					size := int64(len(want))
					switch r.Int64n(6) {
					case 0, 1, 2: // append
						p := make([]byte, r.Int64n(300_000))
						for at := 0; at < len(p); {
							at += copy(p[at:], noise[:1+r.Int64n(int64(len(noise)))])
						}
						if r.Chance(1, 5) {
							_, _ = r.Read(p)
						}
						_, err = f.WriteAt(p, size)
						want = append(want, p...)
					case 3: // overwrite
						off := r.Int64n(size + 1)
						p := make([]byte, r.Int64n(min(size-off, 100_000)+1))
						_, _ = r.Read(p)
						_, err = f.WriteAt(p, off)
						copy(want[off:], p)
					case 4: // cut, or leave a hole
						to := size - min(size, r.Int64n(100_000)) + r.Int64n(80_000)
						err = f.Truncate(to)
						want = append(want[:min(size, to)], make([]byte, max(0, to-size))...)
					case 5:
						off := r.Int64n(size + 1)
						got := make([]byte, r.Int64n(200_000))
						n, _ := f.ReadAt(got, off)
						assert.True(t, bytes.Equal(want[off:min(size, off+int64(len(got)))], got[:n]))
					}
					assert.NoError(t, err)
				}
				assert.NoError(t, f.Sync())
				assert.NoError(t, e.FS().SyncDir("."))
				assert.NoError(t, f.Close())
			})
			require.True(t, bytes.Equal(want, readAll(t, d, "f")))
			if r.Chance(1, 4) {
				n.PowerOff()
				require.True(t, bytes.Equal(want, readAll(t, d, "f")))
			}
		}
		packed += d.PackedChunks()
		require.NoError(t, k.Close())
	}
	require.Greater(t, packed, int64(1000))
}

// TestWhatIsCompressedCountsAsWritten: neither the page cache nor the file
// system nor the device sees a difference.
func TestWhatIsCompressedCountsAsWritten(t *testing.T) {
	counts := func(hot int) (s simdisk.Stats, cached, packed int64) {
		p := steady()
		p.CacheBytes = 3 << 20
		p.DirtyBackgroundBytes = 1 << 20
		k, n, d := machine(t, 1, p)
		d.SetHotChunks(hot)
		run(t, k, n, func(e env.Env) {
			f := create(t, e, "f", 0)
			for i := range int64(100) {
				write(t, f, 100_000, i*100_000)
				_, _ = f.ReadAt(make([]byte, 300_000), i*50_000)
			}
		})
		return d.Stats(), d.CachedBytes(), d.PackedChunks()
	}
	plain, plainCached, none := counts(1 << 20)
	compressed, cached, packed := counts(1)
	require.Equal(t, plain, compressed)
	require.Equal(t, plainCached, cached)
	require.Zero(t, none)
	require.Greater(t, packed, int64(100))
	require.Positive(t, plain.CacheMissBytes)
}

// TestReplicasShareWhatIsCompressed: equal chunks of two disks are one in
// memory, and remain two files.
func TestReplicasShareWhatIsCompressed(t *testing.T) {
	k, _, nodes, disks := shared(t, steady())
	content := make([]byte, 2_000_000)
	for i := range content {
		content[i] = byte(i >> 10 * 7)
	}
	for i := range disks {
		disks[i].SetHotChunks(1)
		nodes[i].Start("writer", func(e env.Env) {
			f := create(t, e, "f", 0)
			_, err := f.WriteAt(content, 0)
			assert.NoError(t, err)
		})
	}
	require.NoError(t, k.Run())
	require.Greater(t, disks[0].SharedChunks("f", disks[1]), 25)
	require.NoError(t, disks[0].FlipBit("f", 100_000, 3))
	_, err := disks[1].Open("f")
	require.NoError(t, err)
	require.True(t, bytes.Equal(content, readAll(t, disks[1], "f")))
	require.True(t, bytes.Equal(content, readAll(t, disks[2], "f")))
	content[100_000] ^= 1 << 3
	require.True(t, bytes.Equal(content, readAll(t, disks[0], "f")))
}
