package scenario

import (
	"fmt"

	"github.com/weirlab/weir/env"
)

// Simulation says how a simulated run goes about it. Nothing of it concerns
// real processes.
type Simulation struct {
	// Buggify has rare but legal things happen in the brokers, at points that
	// "weir buggify" lists.
	Buggify Switch `yaml:"buggify,omitempty"`
}

func (s Simulation) draw(seed uint64) Simulation {
	s.Buggify = s.Buggify.draw(seed, "simulation.buggify")
	return s
}

// Switch is "off", "on", or "off | on", of which a seed draws one.
type Switch string

// Values of Switch; "" is off.
const (
	Off     Switch = "off"
	On      Switch = "on"
	OffOrOn Switch = "off | on"
)

// On reports whether it is on; one that is not drawn yet is off.
func (s Switch) On() bool { return s == On }

// UnmarshalText reads "off", "on" or "off | on".
func (s *Switch) UnmarshalText(text []byte) error {
	switch v := Switch(text); v {
	case Off, On, OffOrOn:
		*s = v
		return nil
	}
	return fmt.Errorf("%q is no switch; write off, on, or off | on to leave it to the seed", text)
}

func (s Switch) draw(seed uint64, path string) Switch {
	if s != OffOrOn {
		return s
	}
	return []Switch{Off, On}[env.NewRand(seed, "scenario", path).Intn(2)]
}
