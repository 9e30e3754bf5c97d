package osenv_test

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/osenv"
	"github.com/weirlab/weir/env/osenv/osenvtest"
)

func TestWithoutRootThereAreNoFiles(t *testing.T) {
	e := osenvtest.New(t, osenv.Options{Node: "a"})
	_, err := e.FS().Open("x")
	require.ErrorContains(t, err, "Options.Root")
}

func TestRootThatIsAFileIsAnError(t *testing.T) {
	root := t.TempDir() + "/file"
	require.NoError(t, os.WriteFile(root, nil, 0o600))
	_, err := osenv.New(osenv.Options{Root: root})
	require.ErrorContains(t, err, root)
}

func TestSeeds(t *testing.T) {
	draw := func(o osenv.Options) uint64 {
		e := osenvtest.New(t, o)
		return e.Rand("purpose", "entity").Uint64()
	}
	require.Equal(t, draw(osenv.Options{Node: "a", Seed: 7}), draw(osenv.Options{Node: "a", Seed: 7}))
	require.NotEqual(t, draw(osenv.Options{Node: "a", Seed: 7}), draw(osenv.Options{Node: "b", Seed: 7}))
	require.NotEqual(t, draw(osenv.Options{Node: "a"}), draw(osenv.Options{Node: "a"}), "seed 0 asks the system")
}

func TestEventsAreHandedOn(t *testing.T) {
	var got []env.Attr
	e := osenvtest.New(t, osenv.Options{Node: "a", OnEvent: func(node string, at time.Duration, name string, attrs []env.Attr) {
		require.Equal(t, "a", node)
		require.Equal(t, "election", name)
		got = attrs
	}})
	e.Event("election", env.Int("epoch", int32(3)), env.Text("why", "timeout"))
	require.Equal(t, []env.Attr{{Key: "epoch", Int: 3}, {Key: "why", Text: "timeout", IsText: true}}, got)
}

// SendFile on Linux is a system call of our own making, so it gets a test of
// its own: large ranges, an end of file in the middle, foreign File types.
func TestSendFile(t *testing.T) {
	e := osenvtest.New(t, osenv.Options{Root: t.TempDir()})
	content := make([]byte, 9<<20+123)
	_, _ = e.Rand("content", "").Read(content)
	f, err := e.FS().Create("f")
	require.NoError(t, err)
	defer func() { _ = f.Close() }()
	_, err = f.WriteAt(content, 0)
	require.NoError(t, err)

	for name, source := range map[string]env.File{"own": f, "foreign": struct{ env.File }{f}} {
		t.Run(name, func(t *testing.T) {
			client, server := pair(t, e)
			go func() {
				n, err := env.SendFile(server, source, 100, int64(len(content)-100))
				if err != nil || n != int64(len(content)-100) {
					t.Errorf("sent %d: %v", n, err)
				}
				n, err = env.SendFile(server, source, int64(len(content)-5), 10)
				if !errors.Is(err, io.ErrUnexpectedEOF) || n != 5 {
					t.Errorf("sent %d past the end: %v", n, err)
				}
				_ = server.Close()
			}()
			got, err := io.ReadAll(client)
			require.NoError(t, err)
			require.Equal(t, len(content)-95, len(got))
			require.Equal(t, content[100:], got[:len(content)-100])
		})
	}
	require.NoError(t, f.Close())
	client, _ := pair(t, e)
	_, err = env.SendFile(client, f, 0, 1)
	require.ErrorIs(t, err, fs.ErrClosed)
}

func pair(t *testing.T, e *osenv.Env) (client, server net.Conn) {
	t.Helper()
	l, err := e.Listen("127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	client, err = e.Dial(l.Addr().String(), 10*time.Second)
	require.NoError(t, err)
	server, err = l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = client.Close(), server.Close() })
	return client, server
}
