package envtest

import (
	"errors"
	"io"
	"net"
	"reflect"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
)

func typeName[T any]() string { return reflect.TypeFor[T]().Name() }

const smallDisk = 1 << 20

// onSmallDisk makes a check of one program on a machine with a disk of about
// 1 MiB.
func onSmallDisk(name string, program func(p *P)) check {
	return check{name, func(t *testing.T, w World) {
		w = able[DiskLimiter](t, w).WithDisk(t, smallDisk)
		w.Run(t, func(e env.Env) { start(t, e, program) })
	}}
}

// fill appends to f until the disk is full and returns what fitted.
func fill(p *P, f env.File) int64 {
	part := pattern(64 << 10)
	var size int64
	for {
		n, err := f.WriteAt(part, size)
		size += int64(n)
		if err != nil {
			require.ErrorIs(p, err, syscall.ENOSPC)
			require.Contains(p, err.Error(), f.Name(), "the error names the file")
			return size
		}
		require.Less(p, size, int64(2*smallDisk))
	}
}

var diskFailureChecks = []check{
	{"a failed write-back is told to each handle that was open", func(t *testing.T, w World) {
		able[DiskBreaker](t, w).WithBreakingDisk(t, "log").Run(t, func(e env.Env) {
			start(t, e, func(p *P) {
				f := create(p, "log", nil)
				other, err := p.FS().Open("log")
				require.NoError(p, err)
				part := pattern(1 << 20)
				for i := range int64(32) {
					write(p, f, part, i<<20)
				}
				for _, handle := range []env.File{f, other} {
					err := handle.Sync()
					require.Error(p, err)
					require.True(p, errors.Is(err, syscall.EIO) || errors.Is(err, syscall.ENOSPC), "%v", err)
					require.ErrorContains(p, err, "log")
				}
				closeAll(p, f, other)
			})
		})
	}},
	onSmallDisk("ENOSPC on a full disk, which keeps what fitted", func(p *P) {
		f := create(p, "log", nil)
		size := fill(p, f)
		got, err := f.Size()
		require.NoError(p, err)
		require.Equal(p, size, got, "the length is what Write counted")
		part := pattern(64 << 10)
		var want []byte
		for int64(len(want)) < size {
			want = append(want, part...)
		}
		require.Equal(p, want[:size], content(p, f))
		write(p, f, []byte("in place"), 1000)
		require.NoError(p, f.Sync(), "what is there needs no more room")
		closeAll(p, f)
	}),
	onSmallDisk("room that is given back can be used again", func(p *P) {
		f := create(p, "first", nil)
		fill(p, f)
		g, err := p.FS().Create("second")
		if err == nil {
			_, err = g.WriteAt(pattern(256<<10), 0)
		}
		require.ErrorIs(p, err, syscall.ENOSPC)
		require.NoError(p, f.Truncate(100))
		write(p, g, pattern(256<<10), 0)
		closeAll(p, f)
		require.NoError(p, p.FS().Remove("second"))
		_, err = g.WriteAt(pattern(512<<10), 0)
		require.NoError(p, err, "it is still open")
		h := create(p, "third", nil)
		_, err = h.WriteAt(pattern(768<<10), 0)
		require.ErrorIs(p, err, syscall.ENOSPC)
		closeAll(p, g)
		write(p, h, pattern(768<<10), 0)
		closeAll(p, h)
	}),
	onSmallDisk("Usage shrinks as files grow", func(p *P) {
		_, before, err := p.FS().Usage(".")
		require.NoError(p, err)
		f := create(p, "f", pattern(256<<10))
		require.NoError(p, f.Sync())
		_, after, err := p.FS().Usage(".")
		require.NoError(p, err)
		require.LessOrEqual(p, after, before-256<<10)
		closeAll(p, f)
	}),
	onSmallDisk("Preallocate beyond the disk is refused", func(p *P) {
		f := create(p, "f", []byte("x"))
		require.ErrorIs(p, f.Preallocate(0, 100<<20), syscall.ENOSPC)
		require.Equal(p, "x", string(content(p, f)))
		closeAll(p, f)
	}),
}

// Victim is a program whose process is killed under it.
type Victim struct {
	Name string

	// Run prepares something, calls ready with a word for the witness, and
	// must not return: it is killed while it waits or works on. It must not
	// use a TestingT, since it may run in a process of its own.
	Run func(e env.Env, host string, ready func(said string)) error
}

// Victims are all victims of the suite. A World that starts processes finds
// the program to run by its name here.
var Victims = []Victim{writerVictim, quietServerVictim, busyServerVictim}

// VictimByName finds one of Victims.
func VictimByName(name string) (Victim, bool) {
	for _, v := range Victims {
		if v.Name == name {
			return v, true
		}
	}
	return Victim{}, false
}

// writerVictim writes without ever syncing.
var writerVictim = Victim{"writer", func(e env.Env, _ string, ready func(string)) error {
	fsys := e.FS()
	if err := fsys.MkdirAll("dir"); err != nil {
		return err
	}
	f, err := fsys.Create("dir/temporary")
	if err != nil {
		return err
	}
	if _, err := f.WriteAt(pattern(200_000), 0); err != nil {
		return err
	}
	if err := f.Truncate(150_000); err != nil {
		return err
	}
	if err := fsys.Rename("dir/temporary", "dir/final"); err != nil {
		return err
	}
	ready("")
	e.Sleep(long)
	_, err = f.WriteAt([]byte("after death"), 0)
	return err
}}

func serverVictim(name string, serve func(e env.Env, c net.Conn) error) Victim {
	return Victim{name, func(e env.Env, host string, ready func(string)) error {
		l, err := e.Listen(host + ":0")
		if err != nil {
			return err
		}
		ready(l.Addr().String())
		c, err := l.Accept()
		if err != nil {
			return err
		}
		if err := serve(e, c); err != nil {
			return err
		}
		e.Sleep(long)
		return errors.New("nobody killed the server")
	}}
}

// quietServerVictim has read all that was sent when it dies.
var quietServerVictim = serverVictim("quiet server", func(_ env.Env, c net.Conn) error {
	if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
		return err
	}
	_, err := c.Write([]byte("x"))
	return err
})

// busyServerVictim dies with bytes that it has not read.
var busyServerVictim = serverVictim("busy server", func(_ env.Env, c net.Conn) error {
	if _, err := io.ReadFull(c, make([]byte, 2)); err != nil {
		return err
	}
	_, err := c.Write([]byte("x"))
	return err
})

// dialVictim connects to a server victim and talks to it.
func dialVictim(p *P, said string) net.Conn {
	c, err := p.Dial(said, long)
	require.NoError(p, err)
	require.NoError(p, c.SetDeadline(p.Deadline(long)))
	_, err = c.Write([]byte("hello"))
	require.NoError(p, err)
	_, err = io.ReadFull(c, make([]byte, 1))
	require.NoError(p, err)
	p.Sleep(short)
	return c
}

var deathChecks = []check{
	{"what a killed process wrote is there", func(t *testing.T, w World) {
		able[Killer](t, w).RunVictim(t, writerVictim,
			func(_ env.Env, _ string, kill func()) { kill() },
			func(e env.Env) {
				start(t, e, func(p *P) {
					require.Equal(p, pattern(200_000)[:150_000], contentOf(p, "dir/final"))
					require.Equal(p, []string{"final"}, list(p, "dir"))
				})
			})
	}},
	{"the connections of a killed process end", func(t *testing.T, w World) {
		var p0 string
		able[Killer](t, w).RunVictim(t, quietServerVictim,
			func(e env.Env, said string, kill func()) {
				start(t, e, func(p *P) {
					p0 = said
					c := dialVictim(p, said)
					kill()
					_, err := c.Read(make([]byte, 1))
					require.Equal(p, io.EOF, err)
					_, err = p.Dial(said, long)
					require.ErrorIs(p, err, syscall.ECONNREFUSED)
					closeAll(p, c)
				})
			},
			func(e env.Env) {
				start(t, e, func(p *P) {
					l, err := p.Listen(p0)
					require.NoError(p, err, "its port is free again")
					closeAll(p, l)
				})
			})
	}},
	{"those with unread bytes are reset", func(t *testing.T, w World) {
		able[Killer](t, w).RunVictim(t, busyServerVictim,
			func(e env.Env, said string, kill func()) {
				start(t, e, func(p *P) {
					c := dialVictim(p, said)
					kill()
					_, err := c.Read(make([]byte, 1))
					require.ErrorIs(p, err, syscall.ECONNRESET)
					closeAll(p, c)
				})
			},
			func(env.Env) {})
	}},
	{"synced bytes and names survive a loss of power", func(t *testing.T, w World) {
		able[PowerCutter](t, w).CutPower(t, func(e env.Env) {
			start(t, e, func(p *P) {
				mkdir(p, "dir")
				require.NoError(p, p.FS().SyncDir("."))
				f := create(p, "dir/log", pattern(100_000))
				require.NoError(p, f.Sync())
				closeAll(p, create(p, "dir/checkpoint", []byte("1")))
				checkpoint(p, "2")
				require.NoError(p, p.FS().SyncDir("dir"))
				checkpoint(p, "3")
				write(p, f, pattern(300_000)[100_000:], 100_000)
				closeAll(p, f)
			})
		}, func(e env.Env) {
			start(t, e, func(p *P) {
				got := contentOf(p, "dir/log")
				require.GreaterOrEqual(p, len(got), 100_000)
				require.LessOrEqual(p, len(got), 300_000)
				require.Equal(p, pattern(100_000), got[:100_000])
				written := pattern(300_000)
				for i := 100_000; i < len(got); i++ {
					if got[i] != 0 && got[i] != written[i] {
						require.Failf(p, "neither lost nor written", "byte %#x at %d", got[i], i)
					}
				}
				require.Contains(p, []string{"2", "3"}, string(contentOf(p, "dir/checkpoint")),
					"a synced file that is renamed is there, old or new")
			})
		})
	}},
}

// checkpoint replaces dir/checkpoint as careful programs do.
func checkpoint(p *P, value string) {
	f := create(p, "dir/checkpoint.tmp", []byte(value))
	require.NoError(p, f.Sync())
	closeAll(p, f)
	require.NoError(p, p.FS().Rename("dir/checkpoint.tmp", "dir/checkpoint"))
}
