package drawing

import "image/color"

// Ink is a colour of the plots. In files it is what it says; in the page it
// becomes the CSS variable of its name.
type Ink struct {
	Name string
	RGB  color.NRGBA
}

func hex(name string, v uint32) Ink {
	return Ink{name, color.NRGBA{R: uint8(v >> 16), G: uint8(v >> 8), B: uint8(v), A: 255}}
}

// Alpha is the colour with an opacity from 0 to 1.
func (i Ink) Alpha(a float64) color.Color {
	c := i.RGB
	c.A = uint8(a * 255)
	return c
}

// The palette. All values differ, since they identify the colour in an SVG.
var (
	TextInk   = hex("text", 0x1C2126)
	MutedInk  = hex("muted", 0x69717C)
	GridInk   = hex("grid", 0xE6E8EC)
	AxisInk   = hex("axis", 0xC3C8CF)
	PaperInk  = hex("paper", 0xFFFFFF)
	BlueInk   = hex("blue", 0x2463C4)
	TealInk   = hex("teal", 0x0C8A7B)
	AmberInk  = hex("amber", 0xC77700)
	RedInk    = hex("red", 0xC7302B)
	VioletInk = hex("violet", 0x7446C8)
	RoseInk   = hex("rose", 0xB93A78)
	SlateInk  = hex("slate", 0x5B6B82)
	OliveInk  = hex("olive", 0x6C8420)
	DownInk   = hex("down", 0xDDE0E5)
)

var palette = []Ink{TextInk, MutedInk, GridInk, AxisInk, PaperInk, BlueInk, TealInk, AmberInk, RedInk,
	VioletInk, RoseInk, SlateInk, OliveInk, DownInk}

// Series are the colours that tell series apart, in the order in which they
// are taken: neighbours differ in lightness or along the blue-yellow axis, so
// that they differ to those who do not see red from green.
var Series = []Ink{BlueInk, AmberInk, TealInk, RoseInk, VioletInk, OliveInk, SlateInk, RedInk}
