package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirlab/weir/env"
)

func TestTroublesAreToldOnceInAWhile(t *testing.T) {
	var out strings.Builder
	told := newTroubles(&out)
	full := func(at time.Duration, position string) {
		told.write("broker-1", at, "storage-error", []env.Attr{env.Text("topic", "t"), env.Text("error", "byte "+position)})
	}
	full(0, "1")
	full(time.Second, "2")
	told.write("broker-1", time.Second, "leader", nil)
	told.write("broker-1", time.Second, "log-recovered", []env.Attr{env.Text("dir", "t-0"), env.Int("truncated_bytes", 0)})
	full(11*time.Second, "3")
	require.Equal(t, "broker-1: storage error: topic=\"t\" error=\"byte 1\"\nbroker-1: storage error: topic=\"t\" error=\"byte 3\" (and 1 more like it)\n", out.String())
}

// TestTroublesAreEventsOfTheBroker keeps the words from naming events that have
// another name in the code. Those of coordinators begin with what they keep.
func TestTroublesAreEventsOfTheBroker(t *testing.T) {
	var code strings.Builder
	require.NoError(t, filepath.WalkDir("../../broker", func(name string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return err
		}
		data, err := os.ReadFile(name)
		code.Write(data)
		return err
	}))
	for name := range troubleWords {
		require.Regexp(t, `"`+name+`"|"`+strings.TrimPrefix(name, "group")+`"`, code.String(), name)
	}
}

func TestConnectionsLeaveDescriptorsToFiles(t *testing.T) {
	require.Equal(t, 75, clientConnections(200, 1))
	require.Equal(t, 25, clientConnections(200, 3))
	require.Equal(t, 11_250, clientConnections(20_000, 1))
	require.Equal(t, 1, clientConnections(3, 9))
}

// TestStrangersCannotFillTheOperatorsScreen has each complaint come from
// another address.
func TestStrangersCannotFillTheOperatorsScreen(t *testing.T) {
	var out strings.Builder
	told := newTroubles(&out)
	for i := range 80_000 {
		told.write("broker-1", time.Duration(i)*time.Microsecond, "bad-request",
			[]env.Attr{env.Text("from", fmt.Sprintf("10.0.0.1:%d", i)), env.Text("error", "protocol: Produce v0: this server speaks versions 3 to 11")})
	}
	told.flush(time.Minute)
	require.Equal(t, "broker-1: hung up on a client: from=\"10.0.0.1:0\" error=\"protocol: Produce v0: this server speaks versions 3 to 11\"\n"+
		"broker-1: hung up on a client (and 79999 more like it)\n", out.String())
}

// TestFullDisk fills a small file system through a real client: the client is
// refused, the operator reads which file had no space, the broker lives on, and
// what it acknowledged can be read.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("mounting a small file system needs root: %s", out)
	}
	t.Cleanup(func() { require.NoError(t, exec.Command("umount", dir).Run()) })

	c := &realCluster{t: t, weir: weirProgram(t), addrs: loopbackPorts(t, 1)}
	c.args = [][]string{{"broker", "--data", dir + "/data", "--listen", c.addrs[0]}}
	c.launch()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c.createTopicOf(ctx, "t", 1)

	producer := c.client(kgo.DefaultProduceTopic("t"), kgo.RecordDeliveryTimeout(2*time.Second), kgo.ProducerBatchCompression(kgo.NoCompression()))
	payload := []byte(strings.Repeat("weir", 25_000))
	acked, refused := 0, 0
	for range 200 {
		if err := producer.ProduceSync(ctx, kgo.SliceRecord(payload)).FirstErr(); err != nil {
			refused++
			break
		}
		acked++
	}
	require.Positive(t, acked)
	require.Equal(t, 1, refused, "200 records of 100 KB do not fit into 12 MiB")
	require.Contains(t, c.log(0), "no space left on device")
	require.Contains(t, c.log(0), "00000000000000000000.log at byte")

	consumer := c.client(kgo.ConsumeTopics("t"))
	for got := 0; got < acked; {
		fetches := consumer.PollFetches(ctx)
		require.NoError(t, ctx.Err())
		fetches.EachRecord(func(r *kgo.Record) {
			require.Equal(t, payload, r.Value)
			got++
		})
	}
}
