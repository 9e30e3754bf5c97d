package scenario

import "fmt"

// Administrators create, change, use and delete topics of their own, look around
// and do to the topic under load what harms nobody.
type Administrators struct {
	Topic string `yaml:"topic,omitempty"`
	Count Number `yaml:"count,omitempty"`
	Every Span   `yaml:"every,omitempty"` // pause between the operations of one administrator
}

// Clients implements Clients.
func (a *Administrators) Clients() int { return int(a.Count.Max) }

func (a *Administrators) least() int64 { return a.Count.Min }

// On implements Clients.
func (a *Administrators) On() string { return a.Topic }

func (a *Administrators) draw(seed uint64, path string) Program {
	r := *a
	r.Count = a.Count.Draw(stream(seed, path+".count"))
	r.Every = a.Every.Draw(stream(seed, path+".every"))
	return Program{Administrators: &r}
}

func (a *Administrators) check() (string, error) {
	switch {
	case a.Count.Max > 100:
		return "count", fmt.Errorf("%d administrators are not possible; use 0 to 100", a.Count.Max)
	case a.Count.Max > 0 && a.Every.Min <= 0:
		return "every", fmt.Errorf("administrators need a pause between operations, such as 200ms")
	}
	return "", nil
}
