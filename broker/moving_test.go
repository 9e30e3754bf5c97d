package broker_test

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/replication"
	"github.com/weirlab/weir/env"
)

// alterDir asks a broker to move its replica of a topic's only partition.
func (w *world) alterDir(id int, topic, dir string) int16 {
	resp := w.ask(id, &kmsg.AlterReplicaLogDirsRequest{Dirs: []kmsg.AlterReplicaLogDirsRequestDir{{Dir: dir,
		Topics: []kmsg.AlterReplicaLogDirsRequestDirTopic{{Topic: topic, Partitions: []int32{0}}}}}}, 2).(*kmsg.AlterReplicaLogDirsResponse)
	return resp.Topics[0].Partitions[0].ErrorCode
}

// otherDir is a directory that a broker's replica is not in.
func (w *world) otherDir(id int, topic string) string {
	dirs := slices.DeleteFunc([]string{"a", "b", "c"}, func(d string) bool { return d == w.dirOf(id, topic) })
	return dirs[0]
}

// ends is the end of a broker's replica, -1 if it has none yet.
func (w *world) ends(id int, topic string) int64 {
	if log := w.replica(id, topic); log != nil {
		return log.EndOffset()
	}
	return -1
}

// movesFast reports whether a replica of 3 MB is in another directory after 5 s.
func movesFast(w *world, topic string) any {
	must(w.tryCreate(topic, 1, nil))
	for range 30 {
		w.mustProduce(topic, w.batchOf(0, strings.Repeat("x", 100_000)))
	}
	to := w.otherDir(1, topic)
	if code := w.alterDir(1, topic, to); code != 0 {
		panic(kerr.ErrorForCode(code))
	}
	w.sleep(5 * time.Second)
	return w.dirOf(1, topic) == to
}

// A replica moves while it is written, whether it leads or follows; nothing is
// missing there, and the controller knows where it is.
func TestReplicasMoveBetweenDirectories(t *testing.T) {
	withDirs(t, 3, func(w *world) {
		must(w.tryCreate("t", 3, map[string]string{"segment.bytes": "1048576"}))
		w.placed("t")
		n := 0
		write := func(k int) {
			for range k {
				require.Zero(t, w.produce("t", -1, w.batchOf(0, fmt.Sprint(n, strings.Repeat("x", 50_000)))).ErrorCode)
				n++
			}
		}
		write(60)
		for id := 1; id <= 3; id++ {
			to, from := w.otherDir(id, "t"), w.dirOf(id, "t")
			require.Zero(t, w.alterDir(id, "t", to))
			require.Zero(t, w.alterDir(id, "t", to), "it is under way")
			for w.dirOf(id, "t") != to {
				write(1)
			}
			write(3)
			w.until("the controller knows", func() bool {
				for _, d := range w.nodes[id-1].b.View().Replicas {
					if d.TP.Topic == "t" {
						return w.partition("t").Directory(int32(id)) == d.Directory
					}
				}
				return false
			})
			require.Len(t, w.partition("t").ISR, 3)
			w.until("what was left is gone", func() bool {
				entries, err := w.nodes[id-1].disk.ReadDir(from)
				must(err)
				return !slices.ContainsFunc(entries, func(e env.FileInfo) bool { return strings.HasPrefix(e.Name, "t-0") })
			})
		}
		// All are the same, and stay so over a restart of everybody.
		check := func() {
			w.until("all in sync", func() bool { return len(w.partition("t").ISR) == 3 })
			for id := 1; id <= 3; id++ {
				w.until("the end", func() bool { return w.ends(id, "t") == int64(n) })
			}
			require.Len(t, w.batches("t"), n)
		}
		check()
		for id := 1; id <= 3; id++ {
			w.nodes[id-1].node.Crash()
			w.start(id)
		}
		w.ready()
		check()
		write(1)
	})
}

// Wherever a crash of the process or a loss of power comes, the replica is whole in
// one directory or the other, and the move goes on.
func TestAMoveOutlivesCrashes(t *testing.T) {
	for _, power := range []bool{false, true} {
		for step := range 12 {
			t.Run(fmt.Sprint(power, step), func(t *testing.T) {
				withDirs(t, 3, func(w *world) {
					must(w.tryCreate("t", 3, nil))
					w.placed("t")
					for i := range 40 {
						require.Zero(t, w.produce("t", -1, w.batchOf(0, fmt.Sprint(i, strings.Repeat("x", 20_000)))).ErrorCode)
					}
					id := w.leader("t")
					to := w.otherDir(id, "t")
					require.Zero(t, w.alterDir(id, "t", to))
					w.sleep(time.Duration(step) * 6 * time.Millisecond)
					s := w.nodes[id-1]
					if power {
						s.node.PowerOff()
						s.node.PowerOn()
					} else {
						s.node.Crash()
					}
					w.start(id)
					w.ready()
					w.until("all in sync", func() bool { return len(w.partition("t").ISR) == 3 })
					require.Zero(t, w.produce("t", -1, w.batchOf(0, "last")).ErrorCode)
					for i := 1; i <= 3; i++ {
						w.until("the end", func() bool { return w.ends(i, "t") == 41 })
					}
					require.Len(t, w.batches("t"), 41)
					if w.dirOf(id, "t") != to { // the crash came before there was a copy to go on with
						require.Zero(t, w.alterDir(id, "t", to))
					}
					w.until("it has moved", func() bool { return w.dirOf(id, "t") == to })
					w.placed("t")
				})
			})
		}
	}
}

// Moves that cannot be are refused as by Kafka, and one that is called off leaves
// nothing.
func TestMovesThatCannotBe(t *testing.T) {
	withDirs(t, 1, func(w *world) {
		must(w.alter("", "replica.alter.log.dirs.io.max.bytes.per.second", "1"))
		must(w.tryCreate("t", 1, nil))
		w.placed("t")
		for range 40 {
			w.mustProduce("t", w.batchOf(0, strings.Repeat("x", 100_000)))
		}
		from := w.dirOf(1, "t")
		require.Equal(t, kerr.LogDirNotFound.Code, w.alterDir(1, "t", "elsewhere"))
		require.Equal(t, kerr.ReplicaNotAvailable.Code, w.alterDir(1, "later", "c"))
		require.Zero(t, w.alterDir(1, "t", from), "it is there")
		must(w.tryCreate("later", 1, nil))
		w.leader("later")
		require.Equal(t, "c", w.dirOf(1, "later"))

		to := w.otherDir(1, "t")
		require.Zero(t, w.alterDir(1, "t", to))
		w.until("it is shown", func() bool {
			topics := w.logDirs(1)[to].Topics
			return len(topics) > 0 && topics[0].Topic == "t" && topics[0].Partitions[0].IsFuture && topics[0].Partitions[0].OffsetLag > 0
		})
		require.Zero(t, w.alterDir(1, "t", from))
		w.until("nothing is left", func() bool {
			entries, err := w.nodes[0].disk.ReadDir(to)
			must(err)
			return !slices.ContainsFunc(entries, func(e env.FileInfo) bool { return strings.HasPrefix(e.Name, "t-0") })
		})
		require.Equal(t, from, w.dirOf(1, "t"))

		// The directory that it moves to fails: it stays.
		must(w.alter("", "replica.alter.log.dirs.io.max.bytes.per.second", "1000000"))
		w.breakDir(1, to, syscall.EIO)
		_ = w.alterDir(1, "t", to)
		w.until("the directory is offline", func() bool { return w.logDirs(1)[to].ErrorCode != 0 })
		require.Equal(t, from, w.dirOf(1, "t"))
		w.mustProduce("t", w.batchOf(0, "x"))
		require.Equal(t, kerr.KafkaStorageError.Code, w.alterDir(1, "t", to))
		w.sleep(time.Minute)
		require.Equal(t, int32(1), w.partition("t").Leader)
		require.Equal(t, w.partition("t").Directory(1), w.nodes[0].b.View().Replicas[slices.IndexFunc(w.nodes[0].b.View().Replicas, func(r replication.ReplicaView) bool { return r.TP.Topic == "t" })].Directory)
	})
}

// What a crash leaves between the last steps of a move is made whole, and a copy
// that never took the place of anything is not taken for the replica.
func TestAMoveIsFinished(t *testing.T) {
	for name, broken := range map[string]func(w *world, from, to, log string){
		"given up, not yet taken": func(w *world, from, to, log string) {
			must(w.nodes[0].disk.Rename(from+"/"+log, to+"/"+log+"-future"))
			must(w.nodes[0].disk.MkdirAll(from + "/" + log + "-delete"))
		},
		"taken, not yet removed": func(w *world, from, to, log string) {
			must(w.nodes[0].disk.Rename(from+"/"+log, to+"/"+log))
			must(w.nodes[0].disk.MkdirAll(from + "/" + log + "-delete"))
		},
		"a copy of something": func(w *world, _, to, log string) {
			must(w.nodes[0].disk.MkdirAll(to + "/" + log + "-future"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			withDirs(t, 1, func(w *world) {
				must(w.tryCreate("t", 1, nil))
				w.placed("t")
				w.mustProduce("t", w.batchOf(0, "x"))
				from, to := w.dirOf(1, "t"), w.otherDir(1, "t")
				log := strings.TrimPrefix(w.replica(1, "t").Dir(), from+"/")
				w.nodes[0].node.Crash()
				broken(w, from, to, log)
				w.start(1)
				w.ready()
				w.leader("t")
				w.until("it is there", func() bool { return w.ends(1, "t") == 1 && w.dirOf(1, "t") == to })
				for _, dir := range []string{from, to} {
					w.until("nothing else is", func() bool {
						entries, err := w.nodes[0].disk.ReadDir(dir)
						must(err)
						return !slices.ContainsFunc(entries, func(e env.FileInfo) bool {
							return strings.HasPrefix(e.Name, log) && (dir == from || e.Name != log)
						})
					})
				}
			})
		})
	}
}

// A replica that is not in the directory where it is relied on to be, which is
// there, is made anew once nobody relies on it.
func TestALostReplicaIsNotPassedForWhole(t *testing.T) {
	withDirs(t, 3, func(w *world) {
		must(w.tryCreate("t", 3, nil))
		w.placed("t")
		require.Zero(t, w.produce("t", -1, w.batchOf(0, "x")).ErrorCode)
		id := w.leader("t")
		s, dir := w.nodes[id-1], w.replica(id, "t").Dir()
		s.node.Crash()
		must(s.disk.RemoveAll(dir))
		w.start(id)
		w.ready()
		w.until("all in sync", func() bool { return len(w.partition("t").ISR) == 3 && w.ends(id, "t") == 1 })
		require.Len(t, w.batches("t"), 1)
	})
}
