package reports

import (
	"fmt"
	"strconv"

	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/reports/drawing"
)

// brokerInks tell brokers apart, in order.
var brokerInks = []drawing.Ink{drawing.BlueInk, drawing.TealInk, drawing.OliveInk, drawing.SlateInk, drawing.RoseInk, drawing.VioletInk}

func brokerInk(i int) drawing.Ink { return brokerInks[i%len(brokerInks)] }

// faultInk is the colour of a kind of fault.
func faultInk(k linearizability.FaultKind) drawing.Ink {
	switch k {
	case linearizability.Crash, "leader-crash", "restart":
		return drawing.RedInk
	case linearizability.PowerLoss, linearizability.DiskGone, linearizability.Corruption:
		return drawing.VioletInk
	case linearizability.Partition:
		return drawing.AmberInk
	case linearizability.Pause:
		return drawing.SlateInk
	case linearizability.ClockJump:
		return drawing.OliveInk
	}
	return drawing.RoseInk
}

// timeAxis is seconds since the run began.
func timeAxis(span float64, n int) drawing.Axis {
	ticks, _ := drawing.NiceTicks(span, n, func(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) + " s" })
	for len(ticks) > 0 && ticks[len(ticks)-1].At > span {
		ticks = ticks[:len(ticks)-1]
	}
	return drawing.Axis{Min: 0, Max: span, Ticks: ticks}
}

// inMillis converts nanoseconds.
func inMillis(ns int64) float64 { return float64(ns) / 1e6 }

func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}
