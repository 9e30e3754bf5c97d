package scenario

import "fmt"

// Committers commit and fetch offsets of shared (group, partition) pairs, so
// that the committed offset can be checked as a register.
type Committers struct {
	Topic string `yaml:"topic,omitempty"`
	Count Number `yaml:"count,omitempty"`
	Every Span   `yaml:"every,omitempty"` // pause between the operations of one committer
}

// CommittersGroup is the group whose offsets the ith program of committers
// commits: each has its own, since what is in a register must tell who wrote it.
func CommittersGroup(i int) string {
	if i == 0 {
		return "weir-register"
	}
	return fmt.Sprintf("weir-register-%d", i+1)
}

// Clients implements Clients.
func (c *Committers) Clients() int { return int(c.Count.Max) }

func (c *Committers) least() int64 { return c.Count.Min }

// On implements Clients.
func (c *Committers) On() string { return c.Topic }

func (c *Committers) draw(seed uint64, path string) Program {
	r := *c
	r.Count = c.Count.Draw(stream(seed, path+".count"))
	r.Every = c.Every.Draw(stream(seed, path+".every"))
	return Program{Committers: &r}
}

func (c *Committers) check() (string, error) {
	switch {
	case c.Count.Max > 1_000:
		return "count", fmt.Errorf("%d committers are not possible; use 0 to 1000", c.Count.Max)
	case c.Count.Max > 0 && c.Every.Min <= 0:
		return "every", fmt.Errorf("committers need a pause between operations, such as 200ms")
	}
	return "", nil
}
