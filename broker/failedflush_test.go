package broker_test

import (
	"errors"
	"io/fs"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirlab/weir/broker"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/osenv"
	"github.com/weirlab/weir/env/osenv/osenvtest"
)

// failingDisk is a machine on which syncs of partition logs fail once they are
// told to.
type failingDisk struct {
	env.Env
	files failingFS
}

type failingFS struct {
	env.FS
	failing atomic.Bool
}

var errNoDisk = errors.New("the disk said no")

func (d *failingDisk) FS() env.FS { return &d.files }

func (d *failingFS) file(f env.File, err error) (env.File, error) {
	if err != nil {
		return nil, err
	}
	return &failingFile{f, d}, nil
}

func (d *failingFS) Open(name string) (env.File, error)   { return d.file(d.FS.Open(name)) }
func (d *failingFS) Create(name string) (env.File, error) { return d.file(d.FS.Create(name)) }

type failingFile struct {
	env.File
	disk *failingFS
}

func (f *failingFile) Sync() error {
	if f.disk.failing.Load() && strings.HasPrefix(f.Name(), "orders-") && strings.HasSuffix(f.Name(), ".log") {
		return errNoDisk
	}
	return f.File.Sync()
}

// A sync that fails in the background, with no append after it, leaves no note
// by which the next process would count as one that lost nothing.
func TestFailedFlushInTheBackgroundEndsTheTrustInThisLife(t *testing.T) {
	ctx := testContext(t)
	e := osenvtest.New(t, osenv.Options{Root: t.TempDir(), Node: "broker-1"})
	disk := &failingDisk{Env: e, files: failingFS{FS: e.FS()}}
	cfg := broker.DefaultConfig()
	port := freePorts(t, 1)[0]
	cfg.Listen = net.JoinHostPort("127.0.0.1", strconv.Itoa(int(port)))
	cfg.Voters = []broker.Voter{{ID: 1, Host: "127.0.0.1", Port: port}}
	b, err := broker.Start(disk, cfg)
	require.NoError(t, err)
	stopped := false
	defer func() {
		if !stopped {
			_ = b.Stop()
		}
	}()
	cl, err := kgo.NewClient(kgo.SeedBrokers(cfg.Listen), kgo.DefaultProduceTopic("orders"), kgo.ProducerBatchCompression(kgo.NoCompression()))
	require.NoError(t, err)
	defer cl.Close()
	require.Eventually(t, func() bool {
		_, err := kadm.NewClient(cl).CreateTopic(ctx, 1, 1, map[string]*string{"internal.segment.bytes": kadm.StringPtr("300")}, "orders")
		return err == nil
	}, 10*time.Second, 50*time.Millisecond)
	require.NoError(t, cl.ProduceSync(ctx, kgo.StringRecord("first")).FirstErr())
	_, err = e.FS().Stat("last-life")
	require.NoError(t, err)
	disk.files.failing.Store(true)
	// Seals the segment. The flush of that is the broker's own, and nobody appends
	// after it.
	_ = cl.ProduceSync(ctx, kgo.StringRecord(strings.Repeat("x", 200)))
	require.True(t, b.Failed().Wait(10*time.Second))
	_, err = e.FS().Stat("last-life")
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorIs(t, b.Err(), errNoDisk)
	stopped = true
	require.ErrorIs(t, b.Stop(), errNoDisk)
	_, err = e.FS().Stat("last-life")
	require.ErrorIs(t, err, fs.ErrNotExist, "nor does stopping make it trusted again")
}
