package coordinator_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirlab/weir/broker/coordinator/coordinatortest"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/sim"
)

// op is what a client did.
type op struct {
	value      string // "" is a read
	begun, end time.Duration
	saw        seen
	code       int16
}

// model is three brokers that run chains on one log, clients that use whichever
// they like, and somebody who elects leaders, cuts what is not committed,
// refuses appends and holds commits up.
type model struct {
	t        *testing.T
	e        env.Env
	log      *coordinatortest.Log
	brokers  []*runtime
	ops      []op
	elected  int
	finished int
}

const (
	modelClients = 4
	modelOps     = 60
)

func (m *model) run(e env.Env) {
	m.e, m.log = e, coordinatortest.NewLog(e)
	for range 3 {
		m.brokers = append(m.brokers, newRuntime(e, m.log, 0))
	}
	m.brokers[0].Lead(0, m.log.Elect(0))
	var tasks []env.Task
	for i := range modelClients {
		tasks = append(tasks, e.Go("client", func() { m.client(i) }))
	}
	trouble := e.Go("trouble", m.trouble)
	for _, t := range tasks {
		t.Wait()
	}
	m.finished = modelClients
	trouble.Wait()
	for _, b := range m.brokers {
		b.Stop()
	}
	for _, b := range m.brokers {
		b.Wait()
	}
}

func (m *model) client(id int) {
	r := m.e.Rand("client", fmt.Sprint(id))
	for i := range modelOps {
		m.e.Sleep(time.Duration(r.Intn(20)) * time.Millisecond)
		b := m.brokers[m.elected]
		if r.Intn(4) == 0 {
			b = m.brokers[r.Intn(3)] // who has not heard
		}
		o := op{begun: m.e.Now()}
		if r.Intn(3) == 0 {
			o.saw, o.code = b.Read(0, look)
		} else {
			o.value = fmt.Sprintf("%d of %d", i, id)
			o.saw, o.code = b.Do(0, link(o.value))
		}
		o.end = m.e.Now()
		m.ops = append(m.ops, o)
	}
}

func (m *model) trouble() {
	r := m.e.Rand("trouble", "")
	for m.finished == 0 {
		m.e.Sleep(time.Duration(r.Intn(60)) * time.Millisecond)
		end, committed := m.log.End()
		switch r.Intn(6) {
		case 0:
			m.log.Refuse(kerr.NotEnoughReplicas.Code, 0, kerr.NotEnoughReplicas.Code)
		case 1, 2:
			m.log.Hold(true)
			m.e.Sleep(time.Duration(r.Intn(150)) * time.Millisecond) // longer than answers wait, at times
			m.log.CommitTo(committed + int64(r.Intn(3)))
		case 3:
			old, epoch := m.elected, m.log.Epoch()
			keep := committed + r.Int64n(end-committed+1)
			m.elected = r.Intn(3)
			next := m.log.Elect(keep)
			m.log.Hold(false)
			m.brokers[m.elected].Lead(0, next)
			if m.elected != old && r.Intn(2) == 0 {
				m.brokers[old].Resign(0, epoch)
			}
		default:
			m.log.Hold(false)
		}
	}
	m.log.Hold(false)
}

// check holds what was seen against what the log came to be.
func (m *model) check() (answered int) {
	states, at := []seen{{}}, map[string]int{}
	for _, rec := range m.log.Records() {
		if string(rec.Key) == "link" {
			require.NotContains(m.t, at, string(rec.Value), "written twice")
			states = append(states, states[len(states)-1].add(rec.Value))
			at[string(rec.Value)] = len(states) - 1
		}
	}
	latest := map[time.Duration]int{} // end → links seen by then
	for _, o := range m.ops {
		_, written := at[o.value]
		switch o.code {
		case 0:
			answered++
			require.Less(m.t, o.saw.links, len(states), "%+v saw what is not in the log", o)
			require.Equal(m.t, states[o.saw.links], o.saw, "%+v saw what never was", o)
			if o.value != "" {
				require.Equal(m.t, at[o.value], o.saw.links, "%+v", o)
			}
			latest[o.end] = max(latest[o.end], o.saw.links)
		case kerr.NotEnoughReplicas.Code, kerr.CoordinatorLoadInProgress.Code:
			require.False(m.t, written, "%+v was refused, and is in the log", o)
		case kerr.NotCoordinator.Code, kerr.NotLeaderForPartition.Code, kerr.RequestTimedOut.Code:
		default:
			m.t.Fatalf("%+v: a code that nobody expects", o)
		}
	}
	for _, o := range m.ops {
		for end, links := range latest {
			if o.code == 0 && end < o.begun {
				require.GreaterOrEqual(m.t, o.saw.links, links, "%+v does not see what was answered before it", o)
				if o.value != "" {
					require.Greater(m.t, o.saw.links, links, "%+v stands before what was answered before it", o)
				}
			}
		}
	}
	return answered
}

// A sharded machine is linearizable whatever happens to its log: every answer
// is that of one sequence of steps, which the log holds, in an order that
// agrees with real time.
func TestShardsAreLinearizableWhateverHappensToTheirLog(t *testing.T) {
	answered, codes := 0, map[int16]int{}
	for seed := range uint64(30) {
		k := sim.NewKernel(sim.Options{Seed: seed})
		n := k.NewNode("all")
		m := &model{t: t}
		n.Start("model", m.run)
		require.NoError(t, k.RunOut(time.Hour))
		require.Empty(t, k.Failures(), "seed %d", seed)
		answered += m.check()
		for _, o := range m.ops {
			codes[o.code]++
		}
		require.NoError(t, k.Close())
	}
	require.Greater(t, answered, 30*modelClients*modelOps/4)
	for _, code := range []int16{kerr.NotEnoughReplicas.Code, kerr.RequestTimedOut.Code, kerr.NotCoordinator.Code, kerr.CoordinatorLoadInProgress.Code} {
		require.NotZero(t, codes[code], "no client met %v", kerr.ErrorForCode(code))
	}
}
