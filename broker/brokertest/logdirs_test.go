package brokertest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirlab/weir/broker/brokertest"
	"github.com/weirlab/weir/broker/brokertest/apachekafka"
)

// A disk of several fails under a client that writes, and comes back: nothing that
// was acknowledged is missing, and the broker never ended.
func TestOneOfSeveralDisksFails(t *testing.T) {
	c := brokertest.NewCluster(t, 3, brokertest.LogDirs(2), brokertest.Topic("t", 6, "min.insync.replicas=2"))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...), kgo.DefaultProduceTopic("t"), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	require.NoError(t, err)
	defer cl.Close()
	written := 0
	write := func() {
		for range 30 {
			require.NoError(t, cl.ProduceSync(ctx, kgo.StringRecord(fmt.Sprint(written))).FirstErr())
			written++
		}
	}
	write()
	c.FailDisk(1, brokertest.DiskFault{LogDir: "disk-2"})
	write()
	dirs, err := kadm.NewClient(cl).DescribeBrokerLogDirs(ctx, 1, nil)
	require.NoError(t, err)
	require.NoError(t, dirs["disk-1"].Err)
	require.Error(t, dirs["disk-2"].Err)
	require.True(t, c.Running(1))
	c.RepairDisk(1)
	c.Kill(1)
	c.Start(1)
	c.AwaitInSync()
	write()
	read := map[string]bool{}
	consumer, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...), kgo.ConsumeTopics("t"))
	require.NoError(t, err)
	defer consumer.Close()
	for len(read) < written {
		fetches := consumer.PollFetches(ctx)
		require.NoError(t, ctx.Err())
		fetches.EachRecord(func(r *kgo.Record) { read[string(r.Value)] = true })
	}
}

// Kafka's own tools move a replica between directories and see to its end.
func TestMovesBetweenDirectoriesByTheToolsOfKafka(t *testing.T) {
	kafka := apachekafka.ForTest(t)
	c := brokertest.NewCluster(t, 1, brokertest.LogDirs(2), brokertest.Topic("t", 1))
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...), kgo.DefaultProduceTopic("t"))
	require.NoError(t, err)
	defer cl.Close()
	for i := range 10 {
		require.NoError(t, cl.ProduceSync(ctx, kgo.StringRecord(fmt.Sprint(i))).FirstErr())
	}
	tool := func(class string, args ...string) string {
		t.Helper()
		out, err := kafka.CommandContext(ctx, class, append([]string{"--bootstrap-server", strings.Join(c.Addrs(), ",")}, args...)...).CombinedOutput()
		require.NoError(t, err, string(out))
		return string(out)
	}
	const reassign, dirs = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand", "org.apache.kafka.tools.LogDirsCommand"
	in := func(dir string) bool {
		found, err := filepath.Glob(filepath.Join(c.Dir(1), dir, "t-0.*", "*.log"))
		require.NoError(t, err)
		return len(found) > 0
	}
	to := "disk-1"
	if in(to) {
		to = "disk-2"
	}
	plan := filepath.Join(t.TempDir(), "plan.json")
	require.NoError(t, os.WriteFile(plan, []byte(`{"version":1,"partitions":[{"topic":"t","partition":0,"replicas":[1],"log_dirs":["`+to+`"]}]}`), 0o600))
	started := tool(reassign, "--reassignment-json-file", plan, "--execute", "--replica-alter-log-dirs-throttle", "5000000")
	require.Contains(t, started, "The replica-alter-dir throttle limit was set to 5000000 B/s")
	require.Contains(t, started, "Successfully started moving log directory to "+to+" for replica t-0 with broker 1")
	for !strings.Contains(tool(reassign, "--reassignment-json-file", plan, "--verify"), "Reassignment of replica t-0-1 completed successfully.") {
	}
	require.True(t, in(to))
	described := tool(dirs, "--describe", "--topic-list", "t")
	var seen struct {
		Brokers []struct {
			LogDirs []struct {
				LogDir     string
				Partitions []struct {
					Partition string
					IsFuture  bool
				}
			}
		}
	}
	require.NoError(t, json.Unmarshal([]byte(described[strings.Index(described, "{"):]), &seen))
	for _, d := range seen.Brokers[0].LogDirs {
		require.Equal(t, d.LogDir == to, len(d.Partitions) == 1, described)
	}
	require.NoError(t, cl.ProduceSync(ctx, kgo.StringRecord("10")).FirstErr())
}

// A replica moves to and fro under a client that writes and one that reads.
func TestMovesUnderClients(t *testing.T) {
	c := brokertest.NewCluster(t, 1, brokertest.LogDirs(2), brokertest.Topic("t", 1))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...), kgo.DefaultProduceTopic("t"), kgo.ConsumeTopics("t"))
	require.NoError(t, err)
	defer cl.Close()
	moved := make(chan error, 1)
	go func() {
		moved <- func() error {
			adm := kadm.NewClient(cl)
			for i := range 6 {
				to := fmt.Sprint("disk-", i%2+1)
				var req kadm.AlterReplicaLogDirsReq
				req.Add(to, kadm.TopicsSet{"t": {0: {}}})
				if _, err := adm.AlterBrokerReplicaLogDirs(ctx, 1, req); err != nil {
					return err
				}
				for there := false; !there; {
					dirs, err := adm.DescribeBrokerLogDirs(ctx, 1, nil)
					if err != nil {
						return err
					}
					p, ok := dirs[to].Topics.Lookup("t", 0)
					there = ok && !p.IsFuture
				}
			}
			return nil
		}()
	}()
	written, read, done := 0, 0, false
	for !done || read < written {
		if !done {
			require.NoError(t, cl.ProduceSync(ctx, kgo.StringRecord(fmt.Sprint(written))).FirstErr())
			written++
		}
		fetches := cl.PollRecords(ctx, 100)
		require.NoError(t, ctx.Err())
		fetches.EachRecord(func(r *kgo.Record) {
			require.Equal(t, fmt.Sprint(read), string(r.Value))
			read++
		})
		select {
		case err := <-moved:
			require.NoError(t, err)
			done = true
		default:
		}
	}
}
