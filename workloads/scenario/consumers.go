package scenario

import "fmt"

// Consumers read all partitions of a topic, shared out among them.
type Consumers struct {
	Topic string `yaml:"topic,omitempty"`
	Count Number `yaml:"count,omitempty"`
	// Group, if set, is the consumer group that they share the partitions in;
	// without one each reads partitions of its own.
	Group      string     `yaml:"group,omitempty"`
	Properties Properties `yaml:"properties,omitempty"`
}

// Clients implements Clients.
func (c *Consumers) Clients() int { return int(c.Count.Max) }

func (c *Consumers) least() int64 { return c.Count.Min }

func (c *Consumers) group() string { return c.Group }

// On implements Clients.
func (c *Consumers) On() string { return c.Topic }

func (c *Consumers) draw(seed uint64, path string) Program {
	r := *c
	r.Count = c.Count.Draw(stream(seed, path+".count"))
	r.Properties = c.Properties.draw(seed, path+".properties").inOrder(c.Properties, consumerOrder, func(name string) int64 { return consumerDefaults[name] })
	return Program{Consumers: &r}
}

func (c *Consumers) check() (string, error) {
	if c.Count.Max > 10_000 {
		return "count", fmt.Errorf("%d consumers are not possible; use 0 to 10000", c.Count.Max)
	}
	if name, err := c.Properties.check(consumerProperties); err != nil {
		return "properties." + name, err
	}
	return "", nil
}
