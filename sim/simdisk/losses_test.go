package simdisk_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/sim/simdisk"
)

// What the account of a loss of power does not name is as it was, and what it
// names was in danger: it had not been synced.
func TestLossesAreAllThatIsGone(t *testing.T) {
	named, spared := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		k, n, d := machine(noCleanup{}, rapid.Uint64().Draw(t, "seed"), simdisk.GP3())
		defer func() { _ = k.Close() }()
		content := map[string][]byte{}
		synced := map[string]int64{} // bytes of each file that must stay
		safe := map[string]bool{}    // its name must stay too
		for round := range 2 {
			steps := rapid.SliceOfN(rapid.IntRange(0, 5), 1, 30).Draw(t, "steps")
			run(t, k, n, func(e env.Env) {
				fsys := e.FS()
				r := e.Rand("test", fmt.Sprint(round))
				for _, step := range steps {
					name := fmt.Sprintf("f%d", r.Int64n(3))
					f, err := fsys.OpenOrCreate(name)
					if err != nil {
						panic(err)
					}
					switch step {
					case 0, 1, 2:
						b := make([]byte, r.Int64n(20_000))
						for i := range b {
							b[i] = byte(1 + r.Int64n(255))
						}
						_, err = f.WriteAt(b, int64(len(content[name])))
						content[name] = append(content[name], b...)
					case 3:
						err = f.Sync()
						synced[name] = int64(len(content[name]))
					case 4:
						err = fsys.SyncDir(".")
						safe["f0"], safe["f1"], safe["f2"] = content["f0"] != nil, content["f1"] != nil, content["f2"] != nil
					case 5:
						e.Sleep(time.Duration(r.Int64n(int64(time.Second))))
					}
					if content[name] == nil {
						content[name] = []byte{}
					}
					if err = errorsOf(err, f.Close()); err != nil {
						panic(err)
					}
				}
			})
			n.PowerOff()
			losses := map[string]simdisk.Loss{}
			for _, l := range d.Losses() {
				losses[l.Name] = l
			}
			for name, was := range content {
				l, lost := losses[name]
				keep := int64(len(was))
				if lost {
					named++
					keep = l.From
					require.EqualValues(t, len(was), l.SizeBytes)
					require.True(t, l.Gone || l.From >= synced[name], "%s: what was synced is not lost", name)
				} else {
					spared++
				}
				if l.Gone {
					require.False(t, safe[name], "%s was in a synced directory", name)
					delete(content, name)
					delete(synced, name)
					continue
				}
				got := make([]byte, len(was)+1)
				size, err := d.Peek(name, got, 0)
				require.NoError(t, err)
				require.GreaterOrEqual(t, int64(size), keep)
				require.Equal(t, string(was[:keep]), string(got[:keep]), name)
				content[name] = got[:size]
				synced[name] = int64(size)
			}
		}
	})
	require.Positive(t, named)
	require.Positive(t, spared)
}

// noCleanup leaves closing to the test.
type noCleanup struct{}

func (noCleanup) Cleanup(func()) {}

func errorsOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
