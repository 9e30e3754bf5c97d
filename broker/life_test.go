package broker

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/osenv"
	"github.com/weirlab/weir/env/osenv/osenvtest"
)

// lastLife is what a process that starts in the only directory continues.
func lastLife(e env.Env) (epoch int64, proven bool, err error) {
	only := &directory{path: "."}
	note := lifeNote{e: e, dirs: []*directory{only}, mu: e.NewMutex()}
	epoch, err = note.begin(func(*directory, error) bool { return false })
	return epoch, only.proven, err
}

func TestLifeContinuesOnlyWhereNothingStoredWasLost(t *testing.T) {
	for name, tc := range map[string]struct {
		left        *life
		boot        string // of the process that left the note; "" for the present one
		first, next int64  // what this process and one after its crash continue
	}{
		"first start":                  {nil, "", -1, -1},
		"process died":                 {&life{Epoch: 7}, "", 7, 7},
		"machine lost power":           {&life{Epoch: 7}, "an earlier boot", -1, -1},
		"clean stop":                   {&life{Epoch: 7, Synced: true}, "", 7, 7},
		"clean stop, then machine off": {&life{Epoch: 7, Synced: true}, "an earlier boot", 7, 7},
	} {
		t.Run(name, func(t *testing.T) {
			e := osenvtest.New(t, osenv.Options{Root: t.TempDir(), Node: "b"})
			if tc.left != nil {
				tc.left.BootID = tc.boot
				if tc.boot == "" {
					tc.left.BootID = e.BootID()
				}
				require.NoError(t, tc.left.write(e, "."))
			}
			got, _, err := lastLife(e)
			require.NoError(t, err)
			require.Equal(t, tc.first, got)
			got, _, err = lastLife(e)
			require.NoError(t, err)
			require.Equal(t, tc.next, got)
		})
	}

	t.Run("a clean stop counts once", func(t *testing.T) {
		e := osenvtest.New(t, osenv.Options{Root: t.TempDir(), Node: "b"})
		require.NoError(t, life{Epoch: 7, BootID: "an earlier boot", Synced: true}.write(e, "."))
		got, _, err := lastLife(e)
		require.NoError(t, err)
		require.Equal(t, int64(7), got)
		require.NoError(t, life{Epoch: 7, BootID: "a boot that has ended since"}.write(e, "."))
		got, _, err = lastLife(e)
		require.NoError(t, err)
		require.Equal(t, int64(-1), got)
	})

	t.Run("a failed disk is not trusted", func(t *testing.T) {
		e := osenvtest.New(t, osenv.Options{Root: t.TempDir(), Node: "b"})
		require.NoError(t, life{Epoch: 7, BootID: e.BootID()}.write(e, "."))
		only := &directory{path: "."}
		note := lifeNote{e: e, dirs: []*directory{only}, mu: e.NewMutex()}
		note.takeBack(only)
		_, err := note.write(life{Epoch: 8, BootID: e.BootID()})
		require.NoError(t, err, "nor does it become trusted by registering again")
		got, proven, err := lastLife(e)
		require.NoError(t, err)
		require.Equal(t, int64(-1), got)
		require.False(t, proven)
	})
	t.Run("what is there and cannot be read is no reason to lose trust", func(t *testing.T) {
		e := osenvtest.New(t, osenv.Options{Root: t.TempDir(), Node: "b"})
		require.NoError(t, e.FS().MkdirAll(lifeFile), "reads of a directory fail")
		_, _, err := lastLife(e)
		require.ErrorContains(t, err, "last-life")
		require.ErrorContains(t, err, "remove the file")
	})

	t.Run("damage is", func(t *testing.T) {
		e := osenvtest.New(t, osenv.Options{Root: t.TempDir(), Node: "b"})
		require.NoError(t, storage.WriteFile(e.FS(), lifeFile, []byte("no note")))
		got, proven, err := lastLife(e)
		require.NoError(t, err)
		require.Equal(t, int64(-1), got)
		require.False(t, proven)
	})
}

// With several directories each is trusted for itself, whatever a crash leaves in
// the notes of the others.
func TestEachDirectoryIsTrustedForItself(t *testing.T) {
	world := func(t *testing.T) (env.Env, func() (int64, []*directory)) {
		e := osenvtest.New(t, osenv.Options{Root: t.TempDir(), Node: "b"})
		return e, func() (int64, []*directory) {
			dirs := []*directory{{name: "a", path: "a", logs: true}, {name: "b", path: "b", logs: true}, {name: "c", path: "c", logs: true}}
			for _, d := range dirs {
				require.NoError(t, d.open(e, Config{NodeID: 1}))
			}
			n := lifeNote{e: e, dirs: dirs, mu: e.NewMutex()}
			epoch, err := n.begin(func(*directory, error) bool { return false })
			require.NoError(t, err)
			return epoch, dirs
		}
	}
	register := func(t *testing.T, e env.Env, dirs []*directory, epoch int64) *lifeNote {
		n := &lifeNote{e: e, dirs: dirs, mu: e.NewMutex()}
		_, err := n.write(life{Epoch: epoch, BootID: e.BootID()})
		require.NoError(t, err)
		return n
	}
	ids := func(dirs []*directory) (all []metadata.DirectoryID) {
		for _, d := range dirs {
			all = append(all, d.meta.directory)
		}
		return all
	}

	t.Run("all continue", func(t *testing.T) {
		e, start := world(t)
		epoch, dirs := start()
		require.EqualValues(t, -1, epoch)
		register(t, e, dirs, 5)
		epoch, again := start()
		require.EqualValues(t, 5, epoch)
		require.Equal(t, ids(dirs), ids(again))
	})
	t.Run("one failed", func(t *testing.T) {
		e, start := world(t)
		_, dirs := start()
		register(t, e, dirs, 5).takeBack(dirs[1])
		for range 2 { // it does not become trusted by a crash in between
			epoch, again := start()
			require.EqualValues(t, 5, epoch)
			require.Equal(t, dirs[0].meta.directory, again[0].meta.directory)
			require.NotEqual(t, dirs[1].meta.directory, again[1].meta.directory)
			require.False(t, again[1].proven)
			require.True(t, again[2].proven)
		}
	})
	t.Run("one failed, and its note cannot be removed", func(t *testing.T) {
		e, start := world(t)
		_, dirs := start()
		note := register(t, e, dirs, 5)
		kept, err := storage.ReadFile(e.FS(), "b/last-life")
		require.NoError(t, err)
		note.takeBack(dirs[1])
		require.NoError(t, storage.WriteFile(e.FS(), "b/last-life", kept))
		_, again := start()
		require.NotEqual(t, dirs[1].meta.directory, again[1].meta.directory)
	})
	t.Run("a crash while the notes are written", func(t *testing.T) {
		e, start := world(t)
		_, dirs := start()
		register(t, e, dirs, 5)
		kept, err := storage.ReadFile(e.FS(), "b/last-life")
		require.NoError(t, err)
		register(t, e, dirs, 9)
		require.NoError(t, storage.WriteFile(e.FS(), "b/last-life", kept))
		epoch, again := start()
		require.EqualValues(t, 9, epoch)
		require.Equal(t, ids(dirs), ids(again))
	})
	t.Run("one was replaced", func(t *testing.T) {
		e, start := world(t)
		_, dirs := start()
		register(t, e, dirs, 5)
		require.NoError(t, e.FS().RemoveAll("c"))
		epoch, again := start()
		require.EqualValues(t, 5, epoch)
		require.Equal(t, ids(dirs)[:2], ids(again)[:2])
		require.NotEqual(t, dirs[2].meta.directory, again[2].meta.directory)
	})
}
