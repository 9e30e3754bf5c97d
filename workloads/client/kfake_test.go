package client_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/osenv"
	"github.com/weirlab/weir/env/osenv/osenvtest"
	"github.com/weirlab/weir/workloads/client"
)

// world is a kfake cluster and an environment of the real operating system.
type world struct {
	env.Env
	cluster *kfake.Cluster
}

func newWorld(t *testing.T, opts ...kfake.Opt) world {
	t.Helper()
	opts = append([]kfake.Opt{kfake.NumBrokers(3), kfake.DefaultNumPartitions(3), kfake.SleepOutOfOrder()}, opts...)
	cluster, err := kfake.NewCluster(opts...)
	require.NoError(t, err)
	t.Cleanup(cluster.Close)
	e := osenvtest.New(t, osenv.Options{Root: t.TempDir(), Node: "test", Seed: 1})
	return world{e, cluster}
}

func (w world) client(t *testing.T) *client.Client {
	t.Helper()
	c, err := client.New(w, client.Config{
		Bootstrap: w.cluster.ListenAddrs(), ClientID: "test",
		RequestTimeout: 5 * time.Second, RetryBackoff: 10 * time.Millisecond, RetryBackoffMax: 100 * time.Millisecond,
	})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func (w world) producer(t *testing.T, cfg client.ProducerConfig) *client.Producer {
	t.Helper()
	p, err := w.client(t).NewProducer(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { p.Close(10 * time.Second) })
	return p
}
