package scenario

import "fmt"

// Seekers go to an offset or a time, read on for a while, some of them slowly,
// and leave, some of them without a word.
type Seekers struct {
	Topic string `yaml:"topic,omitempty"`
	Count Number `yaml:"count,omitempty"`
	// Slow is how long a slow one waits between two polls at most, and each of
	// them between two visits.
	Slow       Span       `yaml:"slow,omitempty"`
	Properties Properties `yaml:"properties,omitempty"`
}

// Clients implements Clients.
func (k *Seekers) Clients() int { return int(k.Count.Max) }

func (k *Seekers) least() int64 { return k.Count.Min }

// On implements Clients.
func (k *Seekers) On() string { return k.Topic }

func (k *Seekers) draw(seed uint64, path string) Program {
	r := *k
	r.Count = k.Count.Draw(stream(seed, path+".count"))
	r.Slow = k.Slow.Draw(stream(seed, path+".slow"))
	r.Properties = k.Properties.draw(seed, path+".properties").inOrder(k.Properties, consumerOrder, func(name string) int64 { return consumerDefaults[name] })
	return Program{Seekers: &r}
}

func (k *Seekers) check() (string, error) {
	switch {
	case k.Count.Max > 1_000:
		return "count", fmt.Errorf("%d seekers are not possible; use 0 to 1000", k.Count.Max)
	case k.Count.Max > 0 && k.Slow.Min <= 0:
		return "slow", fmt.Errorf("seekers need the longest pause of a slow one, such as 2s")
	}
	if name, err := k.Properties.check(consumerProperties); err != nil {
		return "properties." + name, err
	}
	return "", nil
}
