package coordinator_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirlab/weir/broker/coordinator"
	"github.com/weirlab/weir/broker/coordinator/coordinatortest"
	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/sim"
)

// inSim runs a test of one runtime in virtual time.
func inSim(t *testing.T, tick time.Duration, test func(e env.Env, log *coordinatortest.Log, r *runtime)) {
	t.Helper()
	k := sim.NewKernel(sim.Options{Seed: 1})
	k.NewNode("one").Start("test", func(e env.Env) {
		log := coordinatortest.NewLog(e)
		r := newRuntime(e, log, tick)
		test(e, log, r)
		r.Stop()
		r.Wait()
	})
	require.NoError(t, k.RunOut(time.Hour))
	require.Empty(t, k.Failures())
	require.NoError(t, k.Close())
}

// lead makes r the leader of partition 0 and waits until it is loaded.
func lead(e env.Env, log *coordinatortest.Log, r *runtime) {
	r.Lead(0, log.Elect(1<<62))
	for {
		_, code := r.Read(0, look)
		if code != kerr.CoordinatorLoadInProgress.Code {
			return
		}
		e.Sleep(time.Millisecond)
	}
}

func TestAnswersWaitUntilTheirRecordsAreCommitted(t *testing.T) {
	inSim(t, 0, func(e env.Env, log *coordinatortest.Log, r *runtime) {
		lead(e, log, r)
		log.Hold(true)
		var first, second seen
		a := e.Go("a", func() { first, _ = r.Do(0, link("a")) })
		b := e.Go("b", func() { second, _ = r.Read(0, look) })
		e.Sleep(50 * time.Millisecond)
		require.False(t, a.Done() || b.Done())
		log.Hold(false)
		a.Wait()
		b.Wait()
		require.Equal(t, seen{}.add([]byte("a")), first)
		require.Equal(t, first, second)
	})
}

func TestAnAnswerThatTookTooLongLeavesTheRecordWhereItIs(t *testing.T) {
	inSim(t, 0, func(e env.Env, log *coordinatortest.Log, r *runtime) {
		lead(e, log, r)
		log.Hold(true)
		_, code := r.Do(0, link("late"))
		require.Equal(t, kerr.RequestTimedOut.Code, code)
		log.Hold(false)
		got, code := r.Do(0, link("next"))
		require.Zero(t, code)
		require.Equal(t, seen{}.add([]byte("late")).add([]byte("next")), got, "it is in the log, so it counts")
	})
}

func TestARefusedRecordChangesNothing(t *testing.T) {
	inSim(t, 0, func(e env.Env, log *coordinatortest.Log, r *runtime) {
		lead(e, log, r)
		log.Refuse(kerr.NotEnoughReplicas.Code)
		_, code := r.Do(0, link("never"))
		require.Equal(t, kerr.NotEnoughReplicas.Code, code)
		got, code := r.Read(0, look)
		require.Zero(t, code)
		require.Equal(t, seen{}, got)
	})
}

// A disk that is full for a while leaves the partition where it is: who leads it goes
// on with what the log has.
func TestALogThatFailedIsLoadedAgain(t *testing.T) {
	inSim(t, 0, func(e env.Env, log *coordinatortest.Log, r *runtime) {
		lead(e, log, r)
		_, code := r.Do(0, link("before"))
		require.Zero(t, code)
		log.Refuse(kerr.KafkaStorageError.Code)
		_, code = r.Do(0, link("never"))
		require.Equal(t, kerr.NotCoordinator.Code, code)
		_, code = r.Read(0, look)
		require.Equal(t, kerr.CoordinatorLoadInProgress.Code, code)
		e.Sleep(time.Second)
		got, code := r.Do(0, link("after"))
		require.Zero(t, code)
		require.Equal(t, seen{}.add([]byte("before")).add([]byte("after")), got)

		log.Refuse(kerr.KafkaStorageError.Code)
		_, _ = r.Do(0, link("never"))
		r.Resign(0, log.Epoch())
		e.Sleep(time.Second)
		_, code = r.Read(0, look)
		require.Equal(t, kerr.NotCoordinator.Code, code)
	})
}

func TestThenHearsWhatBecameOfTheRecords(t *testing.T) {
	inSim(t, 0, func(e env.Env, log *coordinatortest.Log, r *runtime) {
		lead(e, log, r)
		var heard []coordinator.Outcome
		do := func() int16 {
			_, code := r.Do(0, func(c *chain, at coordinator.At, ref coordinator.Ref) turn {
				t := link("x")(c, at, ref)
				answers := t.Answers
				t.Answers = nil
				t.Then = func(_ coordinator.At, o coordinator.Outcome) turn {
					heard = append(heard, o)
					return turn{Answers: answers}
				}
				return t
			})
			return code
		}
		require.Zero(t, do())
		log.Refuse(kerr.NotEnoughReplicas.Code)
		require.Zero(t, do())
		log.Hold(true)
		require.Zero(t, do())
		require.Equal(t, []coordinator.Outcome{{}, {Code: kerr.NotEnoughReplicas.Code}, {Code: kerr.RequestTimedOut.Code, Appended: true}}, heard)
	})
}

func TestNobodyStepsBetweenTheBatchesOfOneTurn(t *testing.T) {
	inSim(t, 0, func(e env.Env, log *coordinatortest.Log, r *runtime) {
		lead(e, log, r)
		var others []env.Task
		_, code := r.Do(0, func(c *chain, at coordinator.At, ref coordinator.Ref) turn {
			others = append(others, e.Go("other", func() { _, _ = r.Do(0, link("other")) }))
			first := link("one")(c, at, 0)
			first.Next = func(at coordinator.At) turn { return link("two")(c, at, ref) }
			return first
		})
		require.Zero(t, code)
		others[0].Wait()
		var values []string
		for _, rec := range log.Records() {
			if rec.Value != nil {
				values = append(values, string(rec.Value))
			}
		}
		require.Equal(t, []string{"one", "two", "other"}, values)
	})
}

func TestReadsThatWaitTogetherShareABarrier(t *testing.T) {
	inSim(t, 0, func(e env.Env, log *coordinatortest.Log, r *runtime) {
		lead(e, log, r)
		before, _ := log.End()
		var tasks []env.Task
		_, code := r.Do(0, func(c *chain, at coordinator.At, ref coordinator.Ref) turn {
			for range 20 {
				tasks = append(tasks, e.Go("reader", func() { _, _ = r.Read(0, look) }))
			}
			return link("x")(c, at, ref)
		})
		require.Zero(t, code)
		for _, task := range tasks {
			task.Wait()
		}
		after, _ := log.End()
		require.LessOrEqual(t, after-before, int64(4))
	})
}

func TestWhoeverWaitsIsToldWhenTheShardGoes(t *testing.T) {
	inSim(t, 0, func(e env.Env, log *coordinatortest.Log, r *runtime) {
		lead(e, log, r)
		var codes [3]int16
		wait := func(i int) env.Task {
			return e.Go("waits", func() {
				// A request that a later step would answer.
				_, codes[i] = r.Do(0, func(*chain, coordinator.At, coordinator.Ref) turn { return turn{} })
			})
		}
		a := wait(0)
		e.Sleep(time.Second)
		r.Resign(0, log.Epoch()-1)
		require.False(t, a.Done(), "an epoch that is over says nothing of this one")
		r.Resign(0, log.Epoch())
		a.Wait()
		_, code := r.Read(0, look)
		require.Equal(t, kerr.NotCoordinator.Code, code)

		lead(e, log, r)
		b := wait(1)
		e.Sleep(time.Second)
		lead(e, log, r) // elected again, with another epoch
		b.Wait()
		c := wait(2)
		e.Sleep(time.Second)
		r.Stop()
		c.Wait()
		require.Equal(t, [3]int16{kerr.NotCoordinator.Code, kerr.NotCoordinator.Code, kerr.NotCoordinator.Code}, codes)
	})
}

func TestALeaderThatWasReplacedAnswersNobody(t *testing.T) {
	inSim(t, 0, func(e env.Env, log *coordinatortest.Log, r *runtime) {
		lead(e, log, r)
		log.Elect(1 << 62) // and r does not hear of it
		_, code := r.Read(0, look)
		require.Equal(t, kerr.NotLeaderForPartition.Code, code)
		_, code = r.Do(0, link("x"))
		require.Equal(t, kerr.NotLeaderForPartition.Code, code)
	})
}

func TestTicksComeWhenTheyAreWanted(t *testing.T) {
	inSim(t, 10*time.Millisecond, func(e env.Env, log *coordinatortest.Log, r *runtime) {
		lead(e, log, r)
		e.Sleep(time.Second)
		_, code := r.Do(0, func(c *chain, at coordinator.At, ref coordinator.Ref) turn {
			require.InDelta(t, 100, c.ticks, 2)
			return turn{Answers: []coordinator.Answer[seen]{{Ref: ref}}}
		})
		require.Zero(t, code)
	})
}

func TestLoadingIsTriedAgainAndStepsOverWhatCannotBeRead(t *testing.T) {
	inSim(t, 0, func(e env.Env, log *coordinatortest.Log, r *runtime) {
		lead(e, log, r)
		_, _ = r.Do(0, link("good"))
		batch := storage.BuildBatch(nil, storage.NoProducer(), []storage.Record{{Key: []byte("?")}, {Key: []byte("link"), Value: []byte("too")}})
		_, code := log.Append(0, log.Epoch(), batch, storage.AppendOptions{})
		require.Zero(t, code)
		log.Hold(true)
		_, _ = log.Append(0, log.Epoch(), batch, storage.AppendOptions{})
		r.Lead(0, log.Elect(1<<62)) // the start of the epoch is not committed yet
		e.Sleep(time.Second)
		_, code = r.Read(0, look)
		require.Equal(t, kerr.CoordinatorLoadInProgress.Code, code)
		log.Hold(false)
		e.Sleep(time.Second)
		got, code := r.Read(0, look)
		require.Zero(t, code)
		require.Equal(t, seen{}.add([]byte("good")).add([]byte("too")).add([]byte("too")), got)
	})
}
