package simdisk_test

import (
	"bytes"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/sim"
	"github.com/weirlab/weir/sim/simdisk"
)

// put writes bytes and syncs them.
func put(t *testing.T, f env.File, p []byte, off int64) {
	_, err := f.WriteAt(p, off)
	assert.NoError(t, err)
	assert.NoError(t, f.Sync())
}

func content(t *testing.T, d *simdisk.Disk, name string, size int) []byte {
	p := make([]byte, size)
	n, err := d.Peek(name, p, 0)
	require.NoError(t, err)
	return p[:n]
}

func inject(t *testing.T, d *simdisk.Disk, f simdisk.Fault) *simdisk.Injection {
	i, err := d.Inject(f)
	assert.NoError(t, err)
	return i
}

// A write that the device never gets is there for as long as the machine keeps
// its power, however often it is synced; then what the device has is back, and
// the disk tells where. What is written over it arrives.
func TestLostTornAndMisdirectedWrites(t *testing.T) {
	const size = 20_000
	old, lost, again := bytes.Repeat([]byte{'o'}, size), bytes.Repeat([]byte{'l'}, 5000), bytes.Repeat([]byte{'a'}, 1000)
	for does, check := range map[simdisk.Betrayal]func(got []byte) (from int64){
		simdisk.LosesWrite: func(got []byte) int64 {
			require.Equal(t, bytes.Repeat([]byte{'o'}, 5000), append(got[10_000:12_000:12_000], append(bytes.Repeat([]byte{'o'}, 1000), got[13_000:15_000]...)...))
			return 10_000
		},
		simdisk.TearsWrite: func(got []byte) int64 {
			torn := int64(bytes.IndexByte(got[10_000:], 'o'))
			require.Zero(t, (10_000+torn)%512*torn, "between sectors, or nothing")
			require.NotContains(t, string(got[10_000+torn:15_000]), "l")
			return 10_000 + torn
		},
		simdisk.MisdirectsWrite: func(got []byte) int64 {
			at := int64(bytes.IndexByte(got, 'l'))
			require.True(t, at >= 0 && at < 10_000 && at%512 == 0, "%d", at)
			require.Equal(t, lost, got[at:at+5000])
			return at
		},
	} {
		k, n, d := machine(t, 3, simdisk.GP3())
		run(t, k, n, func(e env.Env) {
			f, err := e.FS().Create("f")
			assert.NoError(t, err)
			put(t, f, old, 0)
			assert.NoError(t, e.FS().SyncDir("."))
			i := inject(t, d, simdisk.Fault{Ops: simdisk.OpWrite, Does: does, Count: 1})
			put(t, f, lost, 10_000)
			i.Clear()
			assert.EqualValues(t, 1, i.Hits())
			if does == simdisk.LosesWrite {
				put(t, f, again, 12_000)
			}
			e.Sleep(2 * time.Minute) // in which everything is written back
			assert.NoError(t, f.Sync())
			p := make([]byte, 2000)
			_, err = f.ReadAt(p, 10_000)
			assert.NoError(t, err)
			assert.Equal(t, lost[:2000], p, "memory has it where it belongs")
		})
		n.PowerOff()
		got := content(t, d, "f", size)
		require.Len(t, got, size)
		from := check(got)
		if does == simdisk.LosesWrite {
			require.Equal(t, again, got[12_000:13_000], "written again")
		}
		require.Len(t, d.Losses(), 1)
		require.LessOrEqual(t, d.Losses()[0].From, from)
		require.Positive(t, d.Stats().BrokenBytes)
	}
}

// A sync that lies makes nothing durable, nor does one of a directory, until
// one that does not.
func TestLyingSyncs(t *testing.T) {
	broken := int64(0)
	for seed := range uint64(20) {
		k, n, d := machine(t, seed, simdisk.GP3())
		run(t, k, n, func(e env.Env) {
			kept, err := e.FS().Create("kept")
			assert.NoError(t, err)
			i := inject(t, d, simdisk.Fault{Ops: simdisk.OpSync, Does: simdisk.LiesAboutSync})
			put(t, kept, bytes.Repeat([]byte{'k'}, 9000), 0)
			lost, err := e.FS().Create("lost")
			assert.NoError(t, err)
			put(t, lost, bytes.Repeat([]byte{'l'}, 9000), 0)
			assert.NoError(t, e.FS().SyncDir("."))
			i.Clear()
			assert.EqualValues(t, 3, i.Hits())
			assert.NoError(t, kept.Sync())
			e.Sleep(10 * time.Second) // names are durable by themselves
		})
		n.PowerOff()
		require.Equal(t, bytes.Repeat([]byte{'k'}, 9000), content(t, d, "kept", 9000))
		broken += d.Stats().BrokenBytes
	}
	require.Positive(t, broken)
}

// A short write leaves the bytes that it reports, as write(2) does where the
// device gives up half way, and fails.
func TestShortWrites(t *testing.T) {
	k, n, d := machine(t, 4, simdisk.GP3())
	run(t, k, n, func(e env.Env) {
		f := create(t, e, "f", 100)
		inject(t, d, simdisk.Fault{Ops: simdisk.OpWrite, Does: simdisk.WritesShort, Err: syscall.EIO, Count: 1, Match: func(name string) bool { return name == "f" }})
		write(t, create(t, e, "g", 10), 10, 0)
		written, err := f.WriteAt(bytes.Repeat([]byte{'x'}, 1000), 100)
		assert.ErrorIs(t, err, syscall.EIO)
		assert.Less(t, written, 1000)
		size, err := f.Size()
		assert.NoError(t, err)
		assert.EqualValues(t, 100+written, size)
		write(t, f, 1000, size)
	})
	require.EqualValues(t, 1, d.Stats().FaultsHit)
}

// A wiped disk tells that everything is gone; a settled one has nothing to lose.
func TestWipedAndSettledDisks(t *testing.T) {
	fill := func(k *sim.Kernel, n *sim.Node) {
		run(t, k, n, func(e env.Env) {
			assert.NoError(t, e.FS().MkdirAll("dir"))
			create(t, e, "dir/a", 5000)
			create(t, e, "b", 5000)
		})
	}
	k, n, d := machine(t, 5, simdisk.GP3())
	fill(k, n)
	d.Settle()
	n.PowerOff()
	require.Empty(t, d.Losses())
	require.Zero(t, d.Stats().LostBytes)
	d.Wipe(func(name string) bool { return name != "b" })
	require.Len(t, d.Files(), 1)
	require.Equal(t, []simdisk.Loss{{Name: "dir/a", SizeBytes: 5000, Gone: true}}, d.Losses())
	run(t, k, n, func(e env.Env) {
		_, err := e.FS().Stat("dir")
		assert.ErrorIs(t, err, syscall.ENOENT)
		create(t, e, "c", 5000)
	})
}

// What is on its way to the device when the volume is unmounted gets there as well.
func TestSettledDisksHaveWhatWasUnderWay(t *testing.T) {
	want := bytes.Repeat([]byte{7}, 60_000)
	for seed := range uint64(20) {
		k, n, d := machine(t, seed, simdisk.GP3())
		syncing := false
		n.Start("main", func(e env.Env) {
			f := create(t, e, "f", 1)
			assert.NoError(t, e.FS().SyncDir("."))
			_, err := f.WriteAt(want, 0)
			assert.NoError(t, err)
			syncing = true
			_ = f.Sync()
			syncing = false
		})
		require.NoError(t, k.RunWhile(func() bool { return !syncing }))
		require.NoError(t, k.RunUntil(k.Now()+time.Microsecond))
		require.True(t, syncing)
		n.Crash()
		d.Settle()
		n.PowerOff()
		require.Empty(t, d.Losses())
		require.True(t, bytes.Equal(want, readAll(t, d, "f")), "seed %d", seed)
	}
}
