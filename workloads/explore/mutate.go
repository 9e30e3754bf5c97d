package explore

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/faults"
	"github.com/weirlab/weir/workloads/scenario"
)

// Mutator changes explicit plans. Base is the scenario that they were drawn
// from, which says what else could have been drawn.
type Mutator struct{ Base *scenario.Scenario }

// change is one way to change a plan in place. It says what it did, or "" if the
// plan has no place for it.
type change func(m *Mutator, s *scenario.Scenario, r *env.Rand) string

// changes are all of them; what is listed twice is tried twice as often.
var changes = []change{moveFault, moveFault, stretchFault, dropFault, addFault, addFault, redrawSetting, redrawSetting, reseed}

// mostTries bounds how often a change is looked for that leaves a valid plan.
const mostTries = 64

// Mutate returns a changed copy of an explicit plan and says what was changed.
// The copy is valid, and if the atlas allows the faults of the plan it allows
// those of the copy. It fails, with nil, if no change was found.
func (m *Mutator) Mutate(plan *scenario.Scenario, r *env.Rand) (mutant *scenario.Scenario, what string) {
	survivable := plan.Faults.Plan.Survivable(plan.Topology())
	for range mostTries {
		c := clone(plan)
		what := changes[r.Intn(len(changes))](m, c, r)
		if what == "" {
			continue
		}
		c.Faults.Plan.Sort()
		text, err := c.YAML()
		if err != nil {
			continue
		}
		checked, err := scenario.Parse("changed plan", text)
		if err != nil || !checked.Explicit() || survivable && !checked.Faults.Plan.Survivable(checked.Topology()) {
			continue
		}
		return checked, what
	}
	return nil, ""
}

// clone copies a plan as far as changes reach.
func clone(s *scenario.Scenario) *scenario.Scenario {
	c := *s
	c.Faults.Plan = slices.Clone(s.Faults.Plan)
	c.Cluster.Properties = maps.Clone(s.Cluster.Properties)
	c.Load.Properties = maps.Clone(s.Load.Properties)
	c.Topic.Configs = maps.Clone(s.Topic.Configs)
	c.Topics = slices.Clone(s.Topics)
	for i := range c.Topics {
		c.Topics[i].Configs = maps.Clone(c.Topics[i].Configs)
	}
	return &c
}

// step is a length of time from a millisecond to several seconds, short ones as
// likely as long ones.
func step(r *env.Rand) time.Duration {
	most := time.Millisecond << r.Intn(13)
	return r.Between(most/2, most).Round(time.Millisecond / 10)
}

// within brings a fault into the time of the load.
func within(f faults.Fault, load time.Duration) faults.Fault {
	f.For = min(max(f.For, time.Millisecond), load)
	f.At = min(max(f.At, 0), load-f.For)
	return f
}

func moveFault(_ *Mutator, s *scenario.Scenario, r *env.Rand) string {
	plan := s.Faults.Plan
	if len(plan) == 0 {
		return ""
	}
	f := &plan[r.Intn(len(plan))]
	before, by := *f, step(r)
	if r.Chance(1, 2) {
		by = -by
	}
	if !f.After.IsZero() && r.Chance(1, 2) {
		f.After.Delay = max(0, f.After.Delay+by)
	} else {
		f.At += by
	}
	*f = within(*f, s.Load.Duration.Value())
	if fmt.Sprint(*f) == fmt.Sprint(before) {
		return ""
	}
	return fmt.Sprintf("moved %s to %s", before, *f)
}

func stretchFault(_ *Mutator, s *scenario.Scenario, r *env.Rand) string {
	plan := s.Faults.Plan
	if len(plan) == 0 {
		return ""
	}
	f := &plan[r.Intn(len(plan))]
	before, by := *f, step(r)
	if r.Chance(1, 2) {
		by = -min(by, f.For/2)
	}
	f.For += by
	*f = within(*f, s.Load.Duration.Value())
	if f.For == before.For {
		return ""
	}
	return fmt.Sprintf("%s lasts %v, not %v", before, f.For, before.For)
}

func dropFault(_ *Mutator, s *scenario.Scenario, r *env.Rand) string {
	plan := s.Faults.Plan
	if len(plan) == 0 {
		return ""
	}
	i := r.Intn(len(plan))
	f := plan[i]
	s.Faults.Plan = slices.Delete(plan, i, i+1)
	return fmt.Sprintf("left out %s", f)
}

// addFault adds one that another seed would have drawn for this cluster.
func addFault(m *Mutator, s *scenario.Scenario, r *env.Rand) string {
	draw := m.Base.Faults.Draw
	if draw == nil {
		return ""
	}
	bounds := *draw
	bounds.HealBy = min(bounds.HealBy, s.Load.Duration.Value())
	more := faults.Generate(r.Uint64(), bounds, s.Topology())
	if len(more) == 0 {
		return ""
	}
	f := more[r.Intn(len(more))]
	s.Faults.Plan = append(s.Faults.Plan, f)
	return fmt.Sprintf("added %s", f)
}

// redrawSetting gives one setting the value that another seed would have drawn.
func redrawSetting(m *Mutator, s *scenario.Scenario, r *env.Rand) string {
	other := *m.Base
	other.Seed = scenario.Seed(r.Uint64())
	from := other.Resolve()
	type place struct {
		name     string
		to, from scenario.Properties
	}
	places := []place{
		{"cluster.properties", s.Cluster.Properties, from.Cluster.Properties},
		{"load.properties", s.Load.Properties, from.Load.Properties},
		{"topic.configs", s.Topic.Configs, from.Topic.Configs},
	}
	for i := range s.Topics {
		for _, t := range from.Topics {
			if t.Name == s.Topics[i].Name {
				places = append(places, place{"topics." + t.Name, s.Topics[i].Configs, t.Configs})
			}
		}
	}
	var differ []place
	var names []string
	for _, p := range places {
		for _, name := range env.SortedKeys(p.to) {
			if value, ok := p.from[name]; ok && value != p.to[name] {
				differ, names = append(differ, p), append(names, name)
			}
		}
	}
	if len(differ) == 0 {
		return ""
	}
	i := r.Intn(len(differ))
	p, name := differ[i], names[i]
	before := p.to[name]
	p.to[name] = p.from[name]
	return fmt.Sprintf("%s.%s is %s, not %s", p.name, name, p.to[name], before)
}

// reseed has the same plan run with other latencies, orders and rare things.
func reseed(_ *Mutator, s *scenario.Scenario, r *env.Rand) string {
	before := s.Seed
	s.Seed = scenario.Seed(r.Uint64())
	return fmt.Sprintf("run by seed %s, not %s", s.Seed, before)
}
