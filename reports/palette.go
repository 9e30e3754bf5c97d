package reports

import (
	"image/color"

	"github.com/weirlab/weir/linearizability"
)

// ink is a colour of the plots. In files it is what it says; in the page it
// becomes the CSS variable of its name, so that plots follow light and dark.
type ink struct {
	name string
	rgb  color.NRGBA
}

func hex(name string, v uint32) ink {
	return ink{name, color.NRGBA{R: uint8(v >> 16), G: uint8(v >> 8), B: uint8(v), A: 255}}
}

// alpha is the colour with an opacity from 0 to 1.
func (i ink) alpha(a float64) color.Color {
	c := i.rgb
	c.A = uint8(a * 255)
	return c
}

// The palette. All values differ, since they identify the colour in an SVG.
var (
	inkText   = hex("text", 0x1C2126)
	inkMuted  = hex("muted", 0x69717C)
	inkGrid   = hex("grid", 0xE6E8EC)
	inkAxis   = hex("axis", 0xC3C8CF)
	inkPaper  = hex("paper", 0xFFFFFF)
	inkBlue   = hex("blue", 0x2463C4)
	inkTeal   = hex("teal", 0x0C8A7B)
	inkAmber  = hex("amber", 0xC77700)
	inkRed    = hex("red", 0xC7302B)
	inkViolet = hex("violet", 0x7446C8)
	inkRose   = hex("rose", 0xB93A78)
	inkSlate  = hex("slate", 0x5B6B82)
	inkOlive  = hex("olive", 0x6C8420)
	inkDown   = hex("down", 0xDDE0E5)
)

var palette = []ink{inkText, inkMuted, inkGrid, inkAxis, inkPaper, inkBlue, inkTeal, inkAmber, inkRed,
	inkViolet, inkRose, inkSlate, inkOlive, inkDown}

// brokerInks tell brokers apart, in order.
var brokerInks = []ink{inkBlue, inkTeal, inkOlive, inkSlate, inkRose, inkViolet}

func brokerInk(i int) ink { return brokerInks[i%len(brokerInks)] }

// faultInk is the colour of a kind of fault.
func faultInk(k linearizability.FaultKind) ink {
	switch k {
	case linearizability.Crash, "leader-crash", "restart":
		return inkRed
	case linearizability.PowerLoss, linearizability.DiskGone, linearizability.Corruption:
		return inkViolet
	case linearizability.Partition:
		return inkAmber
	case linearizability.Pause:
		return inkSlate
	case linearizability.ClockJump:
		return inkOlive
	}
	return inkRose
}
