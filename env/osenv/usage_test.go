package osenv_test

import (
	"io"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/osenv"
	"github.com/weirlab/weir/env/osenv/osenvtest"
)

func TestUsageCountsWork(t *testing.T) {
	e := osenvtest.New(t, osenv.Options{Node: "a"})
	require.Empty(t, e.Usage().Work)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range int64(1000) {
				e.Work("request.produce", i)
				e.Work("storage.append", 2)
			}
		})
	}
	wg.Wait()
	require.Equal(t, []osenv.WorkCount{
		{Op: "request.produce", Calls: 4000, Units: 4 * 999 * 1000 / 2},
		{Op: "storage.append", Calls: 4000, Units: 8000},
	}, e.Usage().Work)
	require.Zero(t, testing.AllocsPerRun(100, func() { e.Work("storage.append", 1) }))
}

func TestUsageCountsTraffic(t *testing.T) {
	e := osenvtest.New(t, osenv.Options{Root: t.TempDir()})
	f, err := e.FS().Create("f")
	require.NoError(t, err)
	defer func() { _ = f.Close() }()
	_, err = f.WriteAt(make([]byte, 1000), 0)
	require.NoError(t, err)
	l, err := e.Listen("127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	accepted := e.Go("server", func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer func() { _ = c.Close() }()
		_, _ = io.Copy(io.Discard, struct{ io.Reader }{c})
	})
	before := e.Usage()
	c, err := e.Dial(l.Addr().String(), time.Second)
	require.NoError(t, err)
	_, err = c.Write(make([]byte, 10))
	require.NoError(t, err)
	_, err = env.WriteBuffers(c, [][]byte{make([]byte, 100)})
	require.NoError(t, err)
	_, err = env.WriteBuffers(c, [][]byte{make([]byte, 200), make([]byte, 300)})
	require.NoError(t, err)
	_, err = env.SendFile(c, f, 0, 1000)
	require.NoError(t, err)
	require.NoError(t, c.Close())
	accepted.Wait()
	used := e.Usage().Sub(before)
	require.EqualValues(t, 1610, used.NetSentBytes)
	require.EqualValues(t, 1610, used.NetReceivedBytes)
}

func TestUsageKnowsProcessorTime(t *testing.T) {
	e := osenvtest.New(t, osenv.Options{})
	if e.Usage().CPU == 0 {
		t.Skip("this system does not tell processor time")
	}
	before := e.Usage().CPU
	for sum, end := 0, time.Now().Add(10*time.Second); e.Usage().CPU-before < 20*time.Millisecond; sum++ {
		if time.Now().After(end) {
			t.Fatal("10 s of computing show no processor time")
		}
	}
}

func TestUsageSurvivesAnEvent(t *testing.T) {
	u := osenv.Usage{
		CPU: 3 * time.Second, NetSentBytes: 5, NetReceivedBytes: 6,
		Work: []osenv.WorkCount{{Op: "a.b", Calls: 1, Units: 2}, {Op: "c", Calls: 3, Units: 4}},
	}
	attrs := append(u.Attrs(), env.Text("more", "text"), env.Int("other", 7))
	require.Equal(t, u, osenv.ParseUsage(attrs))
}
