package scenario

import "fmt"

// Committers commit and fetch offsets of shared (group, partition) pairs, so
// that the committed offset can be checked as a register.
type Committers struct {
	Topic string `yaml:"topic,omitempty"`
	Count int    `yaml:"count,omitempty"`
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
func (c *Committers) Clients() int { return c.Count }

// On implements Clients.
func (c *Committers) On() string { return c.Topic }

func (c *Committers) draw(seed uint64, path string) Program {
	r := *c
	r.Every = c.Every.draw(seed, path+".every")
	return Program{Committers: &r}
}

func (c *Committers) check() (string, error) {
	switch {
	case c.Count < 0 || c.Count > 1_000:
		return "count", fmt.Errorf("%d committers are not possible; use 0 to 1000", c.Count)
	case c.Count > 0 && c.Every.Min <= 0:
		return "every", fmt.Errorf("committers need a pause between operations, such as 200ms")
	}
	return "", nil
}
