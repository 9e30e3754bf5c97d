package reports

import (
	"cmp"
	"fmt"
	"html/template"
	"slices"
	"strconv"
	"time"

	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/linearizability/story"
)

// pageWhy is what the page tells of why a run failed.
type pageWhy struct {
	Steps   []pageStep
	Parts   []pagePart
	Draws   string // how the parts were found
	Missing []string
	Log     *whyLog
	Figures []pageFigure
}

type pageStep struct {
	At, Node, Text string
	Seconds        float64
	Var            template.CSS
	Wrong          bool
	Line           int
}

type pagePart struct{ Fault, Alone, With, Without, Class string }

// whyLog is how the replicas' logs stood over time, around the record of the
// story. The script draws it.
type whyLog struct {
	Offset int64     `json:"offset"`
	Epoch  int32     `json:"epoch"`
	From   int64     `json:"from"` // offsets shown
	To     int64     `json:"to"`
	Times  []float64 `json:"times"` // at which something changes, in s
	Start  int       `json:"start"` // which of them is shown first
	Rows   []logRow  `json:"rows"`
}

type logRow struct {
	Broker  int32       `json:"broker"`
	Changes []logChange `json:"changes"`
}

type logChange struct {
	At     float64    `json:"at"`
	Up     bool       `json:"up"`
	Leader bool       `json:"leader"`
	Epoch  int32      `json:"epoch"`
	Start  int64      `json:"start"`
	End    int64      `json:"end"`
	High   int64      `json:"high"`
	Synced int64      `json:"synced"`
	Epochs [][2]int64 `json:"epochs"`
}

// shownAround is how many offsets are shown on each side of the story's record.
const shownAround = 12

// why is the page's part about an explanation, nil if there is none.
func (r *result) why() *pageWhy {
	e := r.explained
	if e == nil {
		return nil
	}
	w := &pageWhy{Missing: e.Missing, Log: logOf(e)}
	for _, s := range e.Story.Steps {
		w.Steps = append(w.Steps, pageStep{At: fmt.Sprintf("%.3f s", s.At.Seconds()), Seconds: s.At.Seconds(), Node: s.Node, Text: s.Text, Wrong: s.Wrong, Line: s.Line, Var: r.nodeVar(s.Node)})
	}
	for _, c := range e.Faults {
		p := pagePart{Fault: c.Fault, Alone: "it passes", Class: "pass", With: "–", Without: "–"}
		switch {
		case c.Same:
			p.Alone, p.Class = "it still fails", "fail"
		case c.Other:
			p.Alone, p.Class = "it fails in another way", "warn"
		}
		if c.Runs > 0 {
			p.With, p.Without = fmt.Sprintf("%d of %d", c.With, c.Runs), fmt.Sprintf("%d of %d", c.Without, c.Runs)
		}
		w.Parts = append(w.Parts, p)
	}
	return w
}

// nodeVar is the colour of a broker, or of whoever else.
func (r *result) nodeVar(node string) template.CSS {
	i := slices.IndexFunc(r.run.Brokers, func(b Broker) bool { return b.Name == node })
	if i < 0 {
		return "var(--muted)"
	}
	return template.CSS("var(--" + brokerInk(i).Name + ")")
}

func logOf(e *story.Explanation) *whyLog {
	if e.Story.Offset == linearizability.None || len(e.Replicas) == 0 {
		return nil
	}
	w := &whyLog{Offset: e.Story.Offset, Epoch: e.Story.Epoch, From: max(0, e.Story.Offset-shownAround), To: e.Story.Offset + shownAround}
	last := int64(0)
	at := map[int32]int{}
	times := map[time.Duration]bool{}
	for _, s := range e.Replicas {
		i, ok := at[s.Broker]
		if !ok {
			i = len(w.Rows)
			at[s.Broker] = i
			w.Rows = append(w.Rows, logRow{Broker: s.Broker})
		}
		c := logChange{At: s.At.Seconds(), Up: s.Up, Leader: s.Leader, Epoch: s.LeaderEpoch, Start: s.Start, End: s.End, High: s.High, Synced: s.Synced, Epochs: [][2]int64{}}
		for _, span := range s.Epochs {
			c.Epochs = append(c.Epochs, [2]int64{int64(span.Epoch), span.From})
		}
		last = max(last, s.End)
		times[s.At] = true
		w.Rows[i].Changes = append(w.Rows[i].Changes, c)
	}
	w.To = max(w.Offset+1, min(w.To, last))
	slices.SortFunc(w.Rows, func(a, b logRow) int { return cmp.Compare(a.Broker, b.Broker) })
	for t := range times {
		w.Times = append(w.Times, t.Seconds())
	}
	slices.Sort(w.Times)
	show := e.Story.Lost
	if show == 0 {
		for _, s := range e.Story.Steps {
			if s.Wrong {
				show = s.At
				break
			}
		}
	}
	for i, t := range w.Times {
		if t <= show.Seconds() {
			w.Start = i
		}
	}
	return w
}

// axisOf is an axis on which time is stretched: what follows at once is beside
// each other, and long waits take little room.
type axisOf struct {
	times []time.Duration
	at    []float64
}

func stretched(times []time.Duration) axisOf {
	slices.Sort(times)
	a := axisOf{times: slices.Compact(times)}
	x := 0.0
	for i, t := range a.times {
		if i > 0 {
			gap := t - a.times[i-1]
			x += 0.4
			for ; gap > time.Millisecond; gap /= 10 {
				x += 0.6
			}
		}
		a.at = append(a.at, x)
	}
	return a
}

func (a *axisOf) end() float64 { return max(a.at[len(a.at)-1], 1) }

func (a *axisOf) x(t time.Duration) float64 {
	i, found := slices.BinarySearch(a.times, t)
	switch {
	case found:
		return a.at[i]
	case i == 0:
		return a.at[0]
	case i == len(a.times):
		return a.at[i-1]
	}
	share := float64(t-a.times[i-1]) / float64(a.times[i]-a.times[i-1])
	return a.at[i-1] + share*(a.at[i]-a.at[i-1])
}

func shortSeconds(t time.Duration) string {
	return strconv.FormatFloat(t.Seconds(), 'f', 3, 64) + " s"
}
