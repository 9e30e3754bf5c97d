package broker

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env/osenv"
	"github.com/weirlab/weir/env/osenv/osenvtest"
)

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
			got, _, err := lastLife(e, ".")
			require.NoError(t, err)
			require.Equal(t, tc.first, got)
			got, _, err = lastLife(e, ".")
			require.NoError(t, err)
			require.Equal(t, tc.next, got)
		})
	}

	t.Run("a clean stop counts once", func(t *testing.T) {
		e := osenvtest.New(t, osenv.Options{Root: t.TempDir(), Node: "b"})
		require.NoError(t, life{Epoch: 7, BootID: "an earlier boot", Synced: true}.write(e, "."))
		got, _, err := lastLife(e, ".")
		require.NoError(t, err)
		require.Equal(t, int64(7), got)
		require.NoError(t, life{Epoch: 7, BootID: "a boot that has ended since"}.write(e, "."))
		got, _, err = lastLife(e, ".")
		require.NoError(t, err)
		require.Equal(t, int64(-1), got)
	})

	t.Run("a failed disk is not trusted", func(t *testing.T) {
		e := osenvtest.New(t, osenv.Options{Root: t.TempDir(), Node: "b"})
		require.NoError(t, life{Epoch: 7, BootID: e.BootID()}.write(e, "."))
		note := lifeNote{e: e, dir: ".", mu: e.NewMutex()}
		note.takeBack()
		require.NoError(t, note.write(life{Epoch: 8, BootID: e.BootID()}), "nor does it become trusted by registering again")
		got, proven, err := lastLife(e, ".")
		require.NoError(t, err)
		require.Equal(t, int64(-1), got)
		require.False(t, proven)
	})
	t.Run("what is there and cannot be read is no reason to lose trust", func(t *testing.T) {
		e := osenvtest.New(t, osenv.Options{Root: t.TempDir(), Node: "b"})
		require.NoError(t, e.FS().MkdirAll(lifeFile), "reads of a directory fail")
		_, _, err := lastLife(e, ".")
		require.ErrorContains(t, err, "last-life")
		require.ErrorContains(t, err, "remove the file")
	})

	t.Run("damage is", func(t *testing.T) {
		e := osenvtest.New(t, osenv.Options{Root: t.TempDir(), Node: "b"})
		require.NoError(t, storage.WriteFile(e.FS(), lifeFile, []byte("no note")))
		got, proven, err := lastLife(e, ".")
		require.NoError(t, err)
		require.Equal(t, int64(-1), got)
		require.False(t, proven)
	})
}
