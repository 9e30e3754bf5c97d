package broker_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/sim/simdisk"
)

// withDirs is a cluster whose brokers have three log directories each, and one of
// its own for the metadata log.
func withDirs(t *testing.T, n int, program func(w *world)) {
	w := newWorld(t, n, func(_ int, cfg *broker.Config) {
		cfg.Dirs, cfg.MetadataDir = []string{"a", "b", "c"}, "meta"
		cfg.MinInsyncReplicas = int32(n/2 + 1)
	})
	w.run(func() {
		w.ready()
		program(w)
	})
}

// hasMetadataDir reports whether the metadata log of the first broker is in meta.
func hasMetadataDir(w *world, _ string) any {
	_, err := w.nodes[0].disk.Stat("meta/__cluster_metadata-0")
	return err == nil
}

// breakDir lets every operation in a broker's directory fail.
func (w *world) breakDir(id int, dir string, err error) *simdisk.Injection {
	fault, ferr := w.nodes[id-1].disk.Inject(simdisk.Fault{Ops: simdisk.OpAny, Err: err,
		Match: func(name string) bool { return name == dir || strings.HasPrefix(name, dir+"/") }})
	must(ferr)
	return fault
}

// dirOf is the directory that a broker's replica of a topic's only partition is in.
func (w *world) dirOf(id int, topic string) string {
	dir, _, _ := strings.Cut(w.replica(id, topic).Dir(), "/")
	return dir
}

// logDirs is what DescribeLogDirs says of a broker, by name.
func (w *world) logDirs(id int) map[string]kmsg.DescribeLogDirsResponseDir {
	all := map[string]kmsg.DescribeLogDirsResponseDir{}
	for _, d := range w.ask(id, &kmsg.DescribeLogDirsRequest{}, 4).(*kmsg.DescribeLogDirsResponse).Dirs {
		all[d.Dir] = d
	}
	return all
}

// placed waits until the controller knows where all replicas of a topic are.
func (w *world) placed(topic string) {
	w.until("directories of "+topic+" known", func() bool {
		p := w.partition(topic)
		for _, id := range p.Replicas {
			if p.Directory(id).Unassigned() {
				return false
			}
		}
		return true
	})
}

// New replicas go where the fewest are, the controller knows where, and a restart
// finds them there.
func TestReplicasArePlacedInTheDirectoryWithTheFewest(t *testing.T) {
	withDirs(t, 3, func(w *world) {
		for i := range 6 {
			topic := fmt.Sprint("t", i)
			must(w.tryCreate(topic, 3, nil))
			w.leader(topic)
			w.placed(topic)
		}
		where := func() (text string) {
			for i := range 6 {
				topic := fmt.Sprint("t", i)
				w.leader(topic)
				for id := 1; id <= 3; id++ {
					w.until("replica of "+topic, func() bool { return w.replica(id, topic) != nil })
					text += fmt.Sprintf("%s on %d in %s = %v, ", topic, id, w.dirOf(id, topic), w.partition(topic).Directory(int32(id)))
				}
			}
			return text
		}
		before := where()
		for id := 1; id <= 3; id++ {
			for _, dir := range []string{"a", "b", "c"} {
				require.Equal(t, 2, strings.Count(before, fmt.Sprintf(" on %d in %s ", id, dir)), "broker %d, directory %s", id, dir)
				require.Len(t, w.logDirs(id)[dir].Topics, 2)
				require.Positive(t, w.logDirs(id)[dir].TotalBytes)
			}
			_, err := w.nodes[id-1].disk.Stat("meta/__cluster_metadata-0")
			require.NoError(t, err)
		}
		w.mustProduce("t0", w.batchOf(0, "x"))
		for id := 1; id <= 3; id++ {
			w.nodes[id-1].node.Crash()
			w.start(id)
		}
		w.ready()
		require.Equal(t, before, where())
		w.until("in sync", func() bool { return len(w.partition("t0").ISR) == 3 })
	})
}

// What is in a directory that fails has other leaders; the broker goes on with the
// others. When the disk is sound again it is taken back as one that may have lost
// something, and it alone.
func TestADirectoryFailsAndNotTheBroker(t *testing.T) {
	for name, fault := range map[string]error{"EIO": syscall.EIO, "EROFS": syscall.EROFS} {
		t.Run(name, func(t *testing.T) {
			withDirs(t, 3, func(w *world) {
				var topics []string
				for i := range 6 {
					topic := fmt.Sprint("t", i)
					must(w.tryCreate(topic, 3, nil))
					w.placed(topic)
					require.Zero(t, w.produce(topic, -1, w.batchOf(0, "before")).ErrorCode)
					topics = append(topics, topic)
				}
				id := w.leader("t0")
				dir := w.dirOf(id, "t0")
				broken := w.breakDir(id, dir, fault)
				p := w.produce("t0", -1, w.batchOf(0, "x"))
				require.Equal(t, kerr.KafkaStorageError.Code, p.ErrorCode)
				for _, topic := range topics {
					inIt := w.dirOf(id, topic) == dir
					w.until("the ISR of "+topic, func() bool { return w.partition(topic).InISR(int32(id)) != inIt })
					require.Zero(t, w.produce(topic, -1, w.batchOf(0, "y")).ErrorCode, topic)
				}
				s := w.nodes[id-1]
				require.NoError(t, s.b.Err())
				require.Equal(t, kerr.KafkaStorageError.Code, w.logDirs(id)[dir].ErrorCode)
				require.Empty(t, w.logDirs(id)[dir].Topics)
				fetch := w.ask(id, &kmsg.FetchRequest{ReplicaID: -1, MaxBytes: 1 << 20, SessionEpoch: -1, Topics: []kmsg.FetchRequestTopic{{Topic: "t0",
					Partitions: []kmsg.FetchRequestTopicPartition{{PartitionMaxBytes: 1 << 20, CurrentLeaderEpoch: -1, LastFetchedEpoch: -1}}}}}, 12).(*kmsg.FetchResponse)
				require.Equal(t, kerr.KafkaStorageError.Code, fetch.Topics[0].Partitions[0].ErrorCode)

				// A start without the directory: others are trusted as before.
				s.node.Crash()
				w.start(id)
				w.ready()
				for _, topic := range topics {
					inIt := w.partition(topic).Directory(int32(id)) != metadata.DirectoryID{} && w.replica(id, topic) == nil
					w.until("the ISR of "+topic, func() bool { return w.partition(topic).InISR(int32(id)) != inIt })
				}
				require.Nil(t, w.replica(id, "t0"))
				require.Equal(t, kerr.KafkaStorageError.Code, w.logDirs(id)[dir].ErrorCode)

				broken.Clear()
				s.node.Crash()
				w.start(id)
				w.ready()
				for _, topic := range topics {
					w.until("all in sync", func() bool { return len(w.partition(topic).ISR) == 3 })
				}
				require.Equal(t, dir, w.dirOf(id, "t0"))
				w.placed("t0")
			})
		})
	}
}

// Without the directory of the metadata log, or any of replicas, a broker ends.
func TestABrokerEndsWithItsLastDirectory(t *testing.T) {
	withDirs(t, 1, func(w *world) {
		must(w.tryCreate("t", 1, nil))
		w.leader("t")
		for _, dir := range []string{"a", "b", "c"} {
			require.NoError(t, w.nodes[0].b.Err())
			w.breakDir(1, dir, syscall.EIO)
			for i := 0; w.nodes[0].b.Err() == nil && w.logDirs(1)[dir].ErrorCode == 0; i++ {
				_ = w.tryCreate(fmt.Sprint(dir, i), 1, nil)
				w.sleep(time.Second)
			}
		}
		require.ErrorContains(t, w.nodes[0].b.Err(), "c/")
	})
	withDirs(t, 1, func(w *world) {
		w.breakDir(1, "meta", syscall.EIO)
		_, _ = w.try(1, &kmsg.CreateTopicsRequest{Topics: []kmsg.CreateTopicsRequestTopic{{Topic: "t", NumPartitions: 1, ReplicationFactor: 1}}}, 5)
		w.until("the broker ends", func() bool { return w.nodes[0].b.Err() != nil })
	})
}

// The leader whose directory fails does not shrink the ISR to itself before the
// controller hears of it.
func TestAFailedLeaderIsNotAloneInTheISR(t *testing.T) {
	withDirs(t, 3, func(w *world) {
		must(w.tryCreate("t", 3, nil))
		w.placed("t")
		require.Zero(t, w.produce("t", -1, w.batchOf(0, "a")).ErrorCode)
		id := w.leader("t")
		w.breakDir(id, w.dirOf(id, "t"), syscall.EIO)
		_ = w.produce("t", 1, w.batchOf(0, "b"))
		w.until("another leader", func() bool { return w.partition("t").Leader != int32(id) })
		require.Len(t, w.partition("t").ISR, 2)
		w.sleep(time.Minute)
		require.False(t, w.partition("t").InISR(int32(id)))
	})
}

// The settings are checked before anything is opened.
func TestDirectoriesThatAreNotApartAreRefused(t *testing.T) {
	for dirs, says := range map[string]string{
		"a,a": "not apart", "a,a/b": "not apart", ".,a": "not apart", "a,/a/": "not apart", "": "name a directory",
	} {
		cfg := broker.DefaultConfig()
		cfg.Voters = []broker.Voter{{ID: 1, Host: "h", Port: 1}}
		err := cfg.Set("log.dirs", dirs)
		if err == nil {
			err = cfg.Check()
		}
		require.ErrorContains(t, err, says, dirs)
	}
}
