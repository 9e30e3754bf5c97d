package scenario

import (
	"fmt"

	"github.com/weirlab/weir/faults/drawn"
)

// Members are consumers in a group who join, leave, die and stall all the time,
// until the load ends.
type Members struct {
	Topic string `yaml:"topic,omitempty"`
	Count Number `yaml:"count,omitempty"`
	Group string `yaml:"group,omitempty"`
	// Stay is how long a member reads before it goes, Away how long it is gone
	// or stalls: drawn anew each time.
	Stay Range `yaml:"stay,omitempty"`
	Away Range `yaml:"away,omitempty"`
	// Static makes them static members (group.instance.id), with Mixed every other
	// one.
	Static drawn.Flag `yaml:"static,omitempty"`
	Mixed  drawn.Flag `yaml:"mixed,omitempty"`
	// EchoOneIn has one commit in so many be followed by a request of who the member
	// was before; 0 for none.
	EchoOneIn  Number     `yaml:"echo-one-in,omitempty"`
	Properties Properties `yaml:"properties,omitempty"`
}

// Clients implements Clients.
func (m *Members) Clients() int { return int(m.Count.Max) }

func (m *Members) least() int64 { return m.Count.Min }

func (m *Members) group() string { return m.Group }

// On implements Clients.
func (m *Members) On() string { return m.Topic }

func (m *Members) draw(seed uint64, path string) Program {
	r := *m
	r.Count = m.Count.Draw(stream(seed, path+".count"))
	r.Static = m.Static.Draw(stream(seed, path+".static"))
	r.Mixed = m.Mixed.Draw(stream(seed, path+".mixed"))
	r.EchoOneIn = m.EchoOneIn.Draw(stream(seed, path+".echo-one-in"))
	r.Properties = m.Properties.draw(seed, path+".properties").inOrder(m.Properties, consumerOrder, func(name string) int64 { return consumerDefaults[name] })
	return Program{Members: &r}
}

func (m *Members) check() (string, error) {
	switch {
	case m.Count.Max > 1_000:
		return "count", fmt.Errorf("%d members are not possible; use 0 to 1000", m.Count.Max)
	case m.Group == "":
		return "group", fmt.Errorf("members need a group, such as churned")
	case m.Stay.Min <= 0:
		return "stay", fmt.Errorf("members need a time to stay, such as 1s..5s")
	case m.Away.Min <= 0:
		return "away", fmt.Errorf("members need a time to be away, such as 100ms..3s")
	}
	if name, err := m.Properties.check(consumerProperties); err != nil {
		return "properties." + name, err
	}
	return "", nil
}
