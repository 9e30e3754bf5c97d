package broker_test

import (
	"io/fs"
	"net"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirlab/weir/broker"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/osenv"
	"github.com/weirlab/weir/env/osenv/osenvtest"
)

// votelessDisk is a machine with no room, or no working disk, for votes.
type votelessDisk struct {
	env.Env
	reason error
}

type votelessFS struct {
	env.FS
	reason error
}

func (d *votelessDisk) FS() env.FS { return votelessFS{d.Env.FS(), d.reason} }

func (d votelessFS) Create(name string) (env.File, error) {
	if strings.Contains(name, "quorum-state") {
		return nil, &fs.PathError{Op: "create", Path: name, Err: d.reason}
	}
	return d.FS.Create(name)
}

// A full disk ends a broker, but what it had written is there when there is room
// again: it is among the eligible leaders, maybe as the only one.
func TestABrokerWhoseDiskIsFullHasLostNothing(t *testing.T) {
	for _, c := range []struct {
		reason error
		kept   bool
	}{{syscall.ENOSPC, true}, {syscall.EIO, false}} {
		ctx := testContext(t)
		e := osenvtest.New(t, osenv.Options{Root: t.TempDir(), Node: "broker-1"})
		cfg := broker.DefaultConfig()
		port := freePorts(t, 1)[0]
		cfg.Listen = net.JoinHostPort("127.0.0.1", strconv.Itoa(int(port)))
		cfg.Voters = []broker.Voter{{ID: 1, Host: "127.0.0.1", Port: port}}
		b, err := broker.Start(e, cfg)
		require.NoError(t, err)
		cl, err := kgo.NewClient(kgo.SeedBrokers(cfg.Listen))
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			_, err := e.FS().Stat("last-life")
			return err == nil && cl.Ping(ctx) == nil
		}, 10*time.Second, 20*time.Millisecond)
		cl.Close()
		require.NoError(t, b.Stop())

		b, err = broker.Start(&votelessDisk{e, c.reason}, cfg)
		require.NoError(t, err)
		require.True(t, b.Failed().Wait(10*time.Second))
		require.ErrorIs(t, b.Stop(), c.reason)
		_, err = e.FS().Stat("last-life")
		require.Equal(t, c.kept, err == nil, "%v: %v", c.reason, err)
	}
}
