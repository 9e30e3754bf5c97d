package document

import (
	"strings"
)

// Caption is the line under a figure: what kind of figures these are, where
// the model is from and whether it was ever compared with hardware.
func (f *Figure) Caption() string {
	parts := []string{f.basisWords()}
	if f.Model != "" {
		parts = append(parts, "model: "+f.Model)
	}
	if f.Validated != "" {
		parts = append(parts, "validated: "+f.Validated)
	}
	if f.Note != "" {
		parts = append(parts, f.Note)
	}
	return strings.Join(parts, " · ")
}

// basisWords tell the bases and how to know them apart.
func (f *Figure) basisWords() string {
	real, published, simulated := "solid", "dotted", "dashed"
	switch f.Kind {
	case Bars:
		real, published, simulated = "full", "full", "pale"
	case Scatter:
		real, published, simulated = "full", "full", "hollow"
	}
	switch f.Basis {
	case Real:
		return "measured on hardware"
	case Published:
		return "published by others"
	case Specification:
		return "from specifications, not measured"
	case Both:
		return "measured on hardware (" + real + ") and simulated (" + simulated + ")"
	case Compared:
		return "published by others (" + published + ") and simulated (" + simulated + ")"
	}
	return string(f.Basis)
}
