package scenario

import "fmt"

// Balancers give the partitions of the topic under load other replicas and change
// how many there are.
type Balancers struct {
	Topic string `yaml:"topic,omitempty"`
	Count Number `yaml:"count,omitempty"`
	Every Span   `yaml:"every,omitempty"` // pause between the operations of one balancer

	// Throttle is how many bytes a second brokers replicate of the topic while the
	// balancers have it throttled; 0 is no throttle.
	Throttle Number `yaml:"throttle,omitempty"`

	// Directories has them move replicas between the log directories of brokers too,
	// of which cluster.log-dirs says how many there are.
	Directories bool `yaml:"directories,omitempty"`
}

// Clients implements Clients.
func (b *Balancers) Clients() int { return int(b.Count.Max) }

func (b *Balancers) least() int64 { return b.Count.Min }

// On implements Clients.
func (b *Balancers) On() string { return b.Topic }

func (b *Balancers) draw(seed uint64, path string) Program {
	r := *b
	r.Count = b.Count.Draw(stream(seed, path+".count"))
	r.Every = b.Every.Draw(stream(seed, path+".every"))
	r.Throttle = b.Throttle.Draw(stream(seed, path+".throttle"))
	return Program{Balancers: &r}
}

func (b *Balancers) check() (string, error) {
	switch {
	case b.Count.Max > 100:
		return "count", fmt.Errorf("%d balancers are not possible; use 0 to 100", b.Count.Max)
	case b.Count.Max > 0 && b.Every.Min <= 0:
		return "every", fmt.Errorf("balancers need a pause between operations, such as 1s")
	case b.Throttle.Min < 0:
		return "throttle", fmt.Errorf("a throttle of %d bytes a second is not possible; 0 is none", b.Throttle.Min)
	}
	return "", nil
}
