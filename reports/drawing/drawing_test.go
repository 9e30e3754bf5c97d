package drawing

import (
	"bytes"
	"image/png"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/plot/text"
	"pgregory.net/rapid"
)

func labels(ticks []Tick) (all []string) {
	for _, t := range ticks {
		all = append(all, t.Label)
	}
	return all
}

func plain(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

func TestTicks(t *testing.T) {
	require.Equal(t, []string{"0", "2", "4", "6"}, labels(TicksBetween(-1, 6.5, 4, plain)))
	require.Equal(t, []string{"1320", "1340", "1360"}, labels(TicksBetween(1315, 1365, 3, plain)))
	require.Equal(t, []string{"3"}, labels(TicksBetween(3, 3, 4, plain)))
	a := PercentileAxis(10_000)
	require.Equal(t, []string{"0", "90 %", "99 %", "99.9 %", "99.99 %", "50 %"}, labels(a.Ticks))
	linear, log := Axis{Min: 2, Max: 4}, Axis{Min: 1, Max: 100, Log: true}
	require.InDelta(t, 0.5, linear.Share(3), 1e-9)
	require.InDelta(t, 0.5, log.Share(10), 1e-9)
	require.InDelta(t, 1, log.Share(1e9), 1e-9)
}

func TestTicksFromZeroAndOfDecades(t *testing.T) {
	ticks, end := NiceTicks(931, 4, SI)
	require.Equal(t, 1000.0, end)
	require.Len(t, ticks, 5)
	_, lo, hi := LogTicks(2.2, 3700, Milliseconds)
	require.Equal(t, []float64{2, 5000}, []float64{lo, hi})
	_, lo, hi = LogTicks(10, 10, Milliseconds)
	require.Equal(t, []float64{10, 20}, []float64{lo, hi}, "an axis has a length")
	ticks, lo, hi = LogTicks(2.2, 4, Milliseconds)
	require.Equal(t, []float64{2, 10}, []float64{lo, hi}, "and a label")
	require.Equal(t, "10 ms", ticks[len(ticks)-1].Label)
}

// Whatever must be seen lies between the ends of the axis, and the ticks do too.
func TestTicksHoldWhatMustBeSeen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		high := rapid.Float64Range(1e-6, 1e12).Draw(t, "high")
		ticks, end := NiceTicks(high, rapid.IntRange(2, 12).Draw(t, "n"), plain)
		require.GreaterOrEqual(t, end*(1+1e-9), high)
		require.LessOrEqual(t, len(ticks), 14)
		low := high * rapid.Float64Range(1e-9, 1).Draw(t, "share")
		ticks, from, to := LogTicks(low, high, plain)
		require.LessOrEqual(t, from, low)
		require.GreaterOrEqual(t, to, high)
		for _, k := range ticks {
			require.GreaterOrEqual(t, k.At, from)
			require.LessOrEqual(t, k.At, to)
		}
	})
}

// Colours are told apart by their value when a plot goes into a page.
func TestPaletteMapsToVariables(t *testing.T) {
	seen := map[string]bool{}
	for _, i := range palette {
		hex := "#" + strings.ToUpper(strconv.FormatUint(uint64(i.RGB.R)<<16|uint64(i.RGB.G)<<8|uint64(i.RGB.B)+1<<24, 16)[1:])
		require.Equal(t, "var(--"+i.Name+")", variableFor(hex))
		require.False(t, seen[i.Name])
		seen[i.Name] = true
		if i.Name != "text" { // the default of the page
			require.Contains(t, Style, "--"+i.Name+": light-dark(")
		}
	}
}

func TestFigureStandsAlone(t *testing.T) {
	f := &Figure{Name: "f", Title: "A title", Width: 300, Height: 150, X: Axis{Max: 10}, Y: Axis{Max: 10, Label: "MB/s"}}
	f.Data = append(f.Data, Curve{Points: Points{{0, 1}, {5, 9}, {10, 3}}, Line: Solid(BlueInk, 1)})
	for i := range 6 {
		f.Legend = append(f.Legend, Entry{Name: "a long name of series " + strconv.Itoa(i), Ink: TealInk, Thin: true, Dashed: i%2 == 0})
	}
	caption := strings.Repeat("simulated, from a model ", 8)
	var svg, img bytes.Buffer
	require.NoError(t, f.WholeSVG(&svg, caption))
	require.Contains(t, svg.String(), "A title")
	require.Contains(t, svg.String(), "Liberation Sans,Arial")
	require.Contains(t, svg.String(), "a long name of series 5")
	require.Greater(t, strings.Count(svg.String(), "from a model"), 2, "a long caption takes several lines")
	require.NoError(t, f.PNG(&img, caption))
	decoded, err := png.Decode(&img)
	require.NoError(t, err)
	require.Equal(t, 600, decoded.Bounds().Dx())
	bare, err := f.SVG()
	require.NoError(t, err)
	page := InlineSVG(bare, `a "label" <b>`)
	require.Contains(t, page, `aria-label="a &quot;label&quot; &lt;b&gt;"`)
	require.NotRegexp(t, regexp.MustCompile(`#[0-9A-F]{6}`), page)
	for _, line := range wrap(TextStyle(10, TextInk, text.XLeft, text.YTop), caption, 200) {
		require.LessOrEqual(t, float64(TextStyle(10, TextInk, text.XLeft, text.YTop).Width(line)), 200.0)
	}
}
