package scenario

import (
	"fmt"

	"github.com/weirlab/weir/faults/drawn"
	"github.com/weirlab/weir/sim"
)

// Simulation says how a simulated run goes about it. Nothing of it concerns
// real processes.
type Simulation struct {
	// Buggify has rare but legal things happen in the brokers, at points that
	// "weir buggify" lists.
	Buggify drawn.Flag `yaml:"buggify,omitempty"`

	// Schedule is which of the tasks runs that can: one of [Schedules].
	Schedule string `yaml:"schedule,omitempty"`
	// PreemptOneIn has tasks give way at one in so many of the places where they
	// may be interrupted; 0 at none. With ScheduleUniform and ScheduleFIFO.
	PreemptOneIn Number `yaml:"preempt-one-in,omitempty"`
	// PCTDepth and PCTPoints are those of SchedulePCT: see [sim.PCT].
	PCTDepth  Number `yaml:"pct-depth,omitempty"`
	PCTPoints Number `yaml:"pct-points,omitempty"`
	// Tape is what ScheduleTape replays.
	Tape *sim.Tape `yaml:"tape,omitempty"`
}

// Values of Simulation.Schedule.
const (
	ScheduleUniform = "uniform" // every order is as likely as every other; the default
	ScheduleFIFO    = "fifo"    // who came first
	SchedulePCT     = "pct"     // by priority, with few changes
	ScheduleTape    = "tape"    // as in a run before
)

// Schedules are the values of Simulation.Schedule.
func Schedules() []string {
	return []string{ScheduleUniform, ScheduleFIFO, SchedulePCT, ScheduleTape}
}

// draw has the seed choose, and leaves out what the policy chosen has not.
func (s Simulation) draw(seed uint64) Simulation {
	was := s
	s.Buggify = was.Buggify.Draw(stream(seed, "simulation.buggify"))
	s.Schedule = drawn.Word(stream(seed, "simulation.schedule"), was.Schedule)
	s.PreemptOneIn = was.PreemptOneIn.Draw(stream(seed, "simulation.preempt-one-in"))
	s.PCTDepth = was.PCTDepth.Draw(stream(seed, "simulation.pct-depth"))
	s.PCTPoints = was.PCTPoints.Draw(stream(seed, "simulation.pct-points"))
	if was.Schedule == s.Schedule {
		return s
	}
	switch s.Schedule {
	case SchedulePCT:
		s.PreemptOneIn = Number{}
	default:
		s.PCTDepth, s.PCTPoints = Number{}, Number{}
	}
	return s
}

func (s *Scenario) checkSimulation() (string, error) {
	m := s.Simulation
	if err := checkWord(m.Schedule, Schedules()); err != nil {
		return "simulation.schedule", err
	}
	may := map[string]bool{}
	for _, word := range drawn.Alternatives(m.Schedule) {
		may[word] = true
	}
	switch {
	case !may[SchedulePCT] && (!m.PCTDepth.IsZero() || !m.PCTPoints.IsZero()):
		return "simulation", fmt.Errorf("pct-depth and pct-points are those of schedule: pct; remove them")
	case may[SchedulePCT] && (m.PCTDepth.Min < 1 || m.PCTPoints.Min < 1):
		return "simulation", fmt.Errorf("schedule: pct needs pct-depth and pct-points of 1 or more, such as 3 and 10000")
	case may[ScheduleTape] && len(may) > 1:
		return "simulation.schedule", fmt.Errorf("a tape is replayed or it is not; give schedule: tape alone")
	case may[ScheduleTape] != (m.Tape != nil):
		return "simulation.tape", fmt.Errorf("schedule: tape and tape: go together")
	case !m.PreemptOneIn.IsZero() && (len(may) == 1 && (may[SchedulePCT] || may[ScheduleTape])):
		return "simulation.preempt-one-in", fmt.Errorf("schedule: %s itself says when tasks give way; remove it", m.Schedule)
	}
	return "", nil
}
