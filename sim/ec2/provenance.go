package ec2

import "fmt"

// Basis says what kind of figure a figure is.
type Basis uint8

const (
	// Specification is what the vendor promises or bills.
	Specification Basis = iota + 1
	// Measurement is what somebody saw on hardware.
	Measurement
	// Derived was computed from specifications or measurements.
	Derived
	// Assumption is our own. Nobody published the figure.
	Assumption
)

// String is the name of b as the tables spell it.
func (b Basis) String() string {
	switch b {
	case Specification:
		return "specification"
	case Measurement:
		return "measurement"
	case Derived:
		return "derived"
	case Assumption:
		return "assumption"
	}
	return fmt.Sprintf("basis(%d)", uint8(b))
}

func parseBasis(s string) (Basis, error) {
	for b := Specification; b <= Assumption; b++ {
		if s == b.String() {
			return b, nil
		}
	}
	return 0, fmt.Errorf("%q is not a basis; use specification, measurement, derived or assumption", s)
}

// Provenance is where figures are from.
type Provenance struct {
	Basis  Basis
	Source string
}

// String is what a plot shows: "measurement: iotune".
func (p Provenance) String() string { return p.Basis.String() + ": " + p.Source }
