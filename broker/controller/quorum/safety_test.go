package quorum

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env/envtest"
)

// TestSafetyUnderFaults runs many small clusters through random faults. Election
// safety, log matching, leader completeness and the permanence of committed
// records are held by world after every step; afterwards the cluster must come
// back to life and all logs must be equal.
func TestSafetyUnderFaults(t *testing.T) {
	envtest.NoRaces(t, "a pure step function")
	seeds := uint64(400)
	if testing.Short() {
		seeds = 50
	}
	elections, commits := 0, 0
	for seed := range seeds {
		w := newWorld(seed, 3+2*int(seed%2), int(seed%3)/2)
		w.autoFlush = seed%4 == 0
		runFaults(w, 1500)
		if w.violation == "" {
			w.heal()
		}
		require.Empty(t, w.violation, "seed %d\n%s", seed, tail(w.trace.String(), 6000))
		elections += len(w.leaders)
		commits += len(w.committed)
	}
	require.Greater(t, elections, int(seeds)*3, "faults must cause elections for the test to mean something")
	require.Greater(t, commits, int(seeds)*10)
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

// runFaults takes random steps: deliver (in any order), lose, repeat, wait,
// propose, flush, crash, lose power, restart, cut off, join again.
func runFaults(w *world, steps int) {
	for range steps {
		if w.violation != "" {
			return
		}
		id := w.ids[w.rand.Intn(len(w.ids))]
		n := w.nodes[id]
		if w.snapshots > 0 && w.rand.Intn(w.snapshots) == 0 {
			w.snapshot(id)
			continue
		}
		switch p := w.rand.Intn(1000); {
		case p < 600 && len(w.net) > 0:
			i := 0
			if w.rand.Chance(1, 4) {
				i = w.rand.Intn(len(w.net))
			}
			w.deliver(i)
		case p < 620 && len(w.net) > 0:
			i := w.rand.Intn(len(w.net))
			m := w.net[i].msg
			w.net = append(w.net[:i:i], w.net[i+1:]...)
			w.lose(m)
		case p < 640 && len(w.net) > 0:
			w.net = append(w.net, w.net[w.rand.Intn(len(w.net))])
		case p < 760:
			w.now += w.rand.Between(0, 200*time.Millisecond)
			for _, id := range w.ids {
				w.step(id, Tick{})
			}
		case p < 860:
			if l := w.leader(); l != nil {
				w.propose(l.id, 1+w.rand.Int64n(3))
			}
		case p < 970:
			if n.up {
				w.flush(id)
			}
		case p < 980:
			if n.up {
				w.crash(id, w.rand.Chance(1, 2))
			}
		case p < 993:
			if !n.up {
				w.start(id)
			}
		case p < 995:
			n.cut = true
		case p < 999:
			n.cut = false
		default:
			w.step(id, Resign{})
		}
	}
}

// heal ends all faults and expects a working cluster.
func (w *world) heal() {
	w.dieInstalling = 0
	w.autoFlush = true
	for _, id := range w.ids {
		n := w.nodes[id]
		n.cut = false
		if !n.up {
			w.start(id)
		}
		w.flush(id)
	}
	w.settle(30 * time.Second)
	l := w.leader()
	if l == nil {
		w.fail("no leader 30 s after the last fault")
		return
	}
	w.propose(l.id, 1)
	w.settle(2 * time.Second)
	if w.violation != "" {
		return
	}
	for _, id := range w.ids {
		n := w.nodes[id]
		if n.hw != l.end() || n.end() != l.end() {
			w.fail("n%d has committed %d of %d, 2 s after the last proposal", id, n.hw, l.end())
		}
	}
}

// TestPlantedBugsAreFound breaks the rules one by one: the world must notice,
// or the test above proves nothing.
func TestPlantedBugsAreFound(t *testing.T) {
	envtest.NoRaces(t, "a pure step function")
	broken := map[string]func(w *world, n *node){
		// KAFKA-10527: a voter forgets its vote.
		"vote is not durable": func(w *world, n *node) {
			n.hard.VotedFor, n.hard.Leader = None, None
		},
		// Fsync-less log: what was acknowledged by a fetch is gone.
		"flushed records are lost": func(w *world, n *node) {
			n.batches = n.batches[:len(n.batches)/2]
		},
	}
	for name, breakDisk := range broken { //weir:ordered independent cases
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(600) {
				w := newWorld(seed, 3, 0)
				for round := 0; round < 20 && w.violation == ""; round++ {
					runFaults(w, 60)
					n := w.nodes[w.ids[w.rand.Intn(len(w.ids))]]
					if n.up {
						w.crash(n.id, false)
					}
					breakDisk(w, n)
					w.start(n.id)
				}
				if w.violation != "" {
					return
				}
			}
			t.Fatal("not found in 600 seeds")
		})
	}
}
