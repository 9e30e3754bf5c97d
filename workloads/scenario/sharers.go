package scenario

import "fmt"

// Sharers are members of a share group (KIP-932) who join, leave and die, and accept,
// release, reject or keep for themselves what they are given.
type Sharers struct {
	Topic string `yaml:"topic,omitempty"`
	Count Number `yaml:"count,omitempty"`
	Group string `yaml:"group,omitempty"`
	// Stay is how long a member shares before it goes, Away how long it is gone: drawn
	// anew each time.
	Stay Range `yaml:"stay,omitempty"`
	Away Range `yaml:"away,omitempty"`
	// ReleaseOneIn and RejectOneIn have one run of records in so many be given again,
	// or to nobody; KeepOneIn has nothing be said of it. 0 for none.
	ReleaseOneIn Number `yaml:"release-one-in,omitempty"`
	RejectOneIn  Number `yaml:"reject-one-in,omitempty"`
	KeepOneIn    Number `yaml:"keep-one-in,omitempty"`
}

// Clients implements Clients.
func (k *Sharers) Clients() int { return int(k.Count.Max) }

func (k *Sharers) least() int64 { return k.Count.Min }

func (k *Sharers) group() string { return k.Group }

// On implements Clients.
func (k *Sharers) On() string { return k.Topic }

func (k *Sharers) draw(seed uint64, path string) Program {
	r := *k
	r.Count = k.Count.Draw(stream(seed, path+".count"))
	r.ReleaseOneIn = k.ReleaseOneIn.Draw(stream(seed, path+".release-one-in"))
	r.RejectOneIn = k.RejectOneIn.Draw(stream(seed, path+".reject-one-in"))
	r.KeepOneIn = k.KeepOneIn.Draw(stream(seed, path+".keep-one-in"))
	return Program{Sharers: &r}
}

func (k *Sharers) check() (string, error) {
	switch {
	case k.Count.Max > 200:
		return "count", fmt.Errorf("%d sharers are not possible; use 0 to 200 (group.share.max.size)", k.Count.Max)
	case k.Group == "":
		return "group", fmt.Errorf("sharers need a group, such as sharers")
	case k.Stay.Min <= 0:
		return "stay", fmt.Errorf("sharers need a time to stay, such as 2s..10s")
	case k.Away.Min <= 0:
		return "away", fmt.Errorf("sharers need a time to be away, such as 100ms..3s")
	}
	return "", nil
}
